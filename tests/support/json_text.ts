/** Random JSON texts for property tests: any spelling the grammar allows, not only what `JSON.stringify` writes. */

import fc from "fast-check";

const SPACE = fc.oneof(
  { weight: 5, arbitrary: fc.constant("") },
  fc.stringMatching(/^[ \t\r\n]{1,3}$/),
);

const NUMBER = fc.oneof(
  fc.stringMatching(
    /^-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?$/,
  ),
  fc.constantFrom(
    "0",
    "-0",
    "1e400",
    "9007199254740993",
    "1747771778324434944",
  ),
);

const CHARACTER = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[ !#-[\]-~\x7f]$/) },
  fc.stringMatching(/^\\["\\/bfnrt]$/),
  fc.stringMatching(/^\\u[0-9a-fA-F]{4}$/),
  fc.constantFrom("\\ud800", "\\udc00\\ud800", "\u2028", "\ufeff", "\u0080"),
  fc.string({ unit: "binary", minLength: 1, maxLength: 1 }).filter((text) =>
    text >= "\u0080"
  ),
);

/** A string literal with its quotes. */
export const STRING_TEXT: fc.Arbitrary<string> = fc.array(CHARACTER, {
  maxLength: 20,
}).map((characters) => `"${characters.join("")}"`);

/**
 * A member's name. None begins with a backslash, which `JSON.parse`, what the readers are measured against, may take
 * an escape for: V8 (of Deno 2.5 and 2.9) that met `{"b":0,"a":0,"\\":0}` reads the name `"\u0061"` behind b and a as
 * a backslash.
 */
export const NAME_TEXT: fc.Arbitrary<string> = STRING_TEXT.filter((text) =>
  !JSON.parse(text).startsWith("\\")
);

/** Joins parts with random white space around each. */
function spaced(parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc.tuple(...parts.flatMap((part) => [SPACE, part])).map((all) =>
    all.join("")
  );
}

/** `open`, the members with commas between, `close`. */
function listed(
  open: string,
  members: fc.Arbitrary<string>,
  close: string,
): fc.Arbitrary<string> {
  return fc.tuple(fc.array(members, { maxLength: 6 }), SPACE).map((
    [all, space],
  ) => open + all.join(",") + space + close);
}

/** An object's member; names repeat now and then. */
function memberText(value: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const name = fc.oneof(fc.constantFrom('"a"', '"b"', '""'), NAME_TEXT);
  return spaced([name, fc.constant(":"), value, fc.constant("")]);
}

/** A number, word or string. */
export const SCALAR_TEXT: fc.Arbitrary<string> = fc.oneof(
  NUMBER,
  STRING_TEXT,
  fc.constantFrom("true", "false", "null"),
);

/** One JSON value without white space around it. */
export const VALUE_TEXT: fc.Arbitrary<string> = fc.letrec<{ value: string }>(
  (tie) => ({
    value: fc.oneof(
      { maxDepth: 5, depthIdentifier: "json" },
      SCALAR_TEXT,
      listed("[", spaced([tie("value"), fc.constant("")]), "]"),
      listed("{", memberText(tie("value")), "}"),
    ),
  }),
).value;

/** The names of an envelope's members, some spelt with escapes, some unknown, all repeating. */
const ENVELOPE_NAME = fc.constantFrom(
  '"event"',
  '"time"',
  '"host"',
  '"source"',
  '"sourcetype"',
  '"index"',
  '"fields"',
  '"\\u0065vent"',
  '"sourcetyp\\u0065"',
  '"ho\\u0073t"',
  '"Event"',
  '"hosts"',
  '"@timestamp"',
  '""',
);

/** An envelope: an object of the members HEC knows, with any values. */
export const ENVELOPE_TEXT: fc.Arbitrary<string> = listed(
  "{",
  spaced([
    ENVELOPE_NAME,
    fc.constant(":"),
    fc.oneof(VALUE_TEXT, STRING_TEXT, fc.constantFrom('""', "null", "{ }")),
    fc.constant(""),
  ]),
  "}",
);

/** What may stand between top-level values. */
export const BETWEEN: fc.Arbitrary<string> = SPACE;

/** `bytes` with a few of them changed, left out, added, or the end cut off. */
export function mutated(
  bytes: fc.Arbitrary<Uint8Array>,
): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    kind: fc.constantFrom("set", "insert", "delete", "cut", "repeat"),
    place: fc.double({ min: 0, max: 1, noNaN: true }),
    byte: fc.oneof(
      fc.constantFrom(...new TextEncoder().encode('{}[]",:\\ue-+.0 \n\ttfn')),
      fc.constantFrom(0, 0x1f, 0x7f, 0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xef),
      fc.constantFrom(0xa0, 0xf0, 0xf4, 0xf5, 0xff, 0xbb, 0x8f, 0x90),
    ),
  });
  return fc.tuple(bytes, fc.array(change, { minLength: 1, maxLength: 3 })).map(
    ([original, changes]) => {
      let all = [...original];
      for (const { kind, place, byte } of changes) {
        const at = Math.floor(place * all.length);
        if (kind === "set") all[at] = byte;
        else if (kind === "insert") all.splice(at, 0, byte);
        else if (kind === "delete") all.splice(at, 1);
        else if (kind === "cut") all = all.slice(0, at);
        else all.splice(at, 0, ...all.slice(at, at + 3));
      }
      return Uint8Array.from(all);
    },
  );
}
