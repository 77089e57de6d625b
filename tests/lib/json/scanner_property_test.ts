import assert from "node:assert/strict";
import fc from "fast-check";
import { scanBody, validateJson } from "../../../lib/json/scanner.ts";
import {
  BAD_METADATA,
  ENVELOPE,
  EVENT,
  EVENT_KIND_SHIFT,
  FIELDS,
  FIELDS_KIND_SHIFT,
  FLAGS,
  HOST,
  INDEX,
  KIND_MASK,
  type Member,
  MULTILINE,
  NESTED_FIELDS,
  ROW,
  SOURCE,
  SOURCETYPE,
  SpanTable,
  TIME,
  TIME_KIND_SHIFT,
  UNKNOWN_MEMBER,
} from "../../../lib/json/spans.ts";
import {
  BETWEEN,
  ENVELOPE_TEXT,
  mutated,
  VALUE_TEXT,
} from "../../support/json_text.ts";
import { testSeed } from "../../support/seed.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const latin1 = new TextDecoder("latin1");

/** What may stand between the values of a body. */
const BETWEEN_ROWS = /^[ \t\r\n[\],]*$/;

const METADATA: readonly (readonly [string, Member])[] = [
  ["host", HOST],
  ["source", SOURCE],
  ["sourcetype", SOURCETYPE],
  ["index", INDEX],
];

/** What the platform says about one JSON text. A mark (U+FEFF) is kept, so that JSON.parse refuses it. */
function accepts(bytes: Uint8Array): boolean {
  try {
    JSON.parse(decoder.decode(bytes));
    return true;
  } catch {
    return false;
  }
}

/** The kind of a parsed value, as in `spans.ts`; 0 for none. */
function kindOf(value: unknown): number {
  if (value === undefined) return 0;
  if (value === null) return 7;
  if (Array.isArray(value)) return 2;
  if (value === true) return 5;
  if (value === false) return 6;
  return { object: 1, string: 3, number: 4 }[typeof value as string] ?? -1;
}

function bytesOf(text: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array> {
  return text.map((value) => encoder.encode(value));
}

const DOCUMENT = fc.tuple(BETWEEN, VALUE_TEXT, BETWEEN).map((parts) =>
  parts.join("")
);

Deno.test("validateJson() accepts generated documents, as JSON.parse does", () => {
  const seed = testSeed("validateJson() generated");
  fc.assert(
    fc.property(bytesOf(DOCUMENT), (bytes) => {
      assert.ok(accepts(bytes));
      assert.equal(validateJson(bytes), undefined);
    }),
    { seed, numRuns: 2_000 },
  );
});

Deno.test("validateJson() and JSON.parse agree about mutated documents", () => {
  const seed = testSeed("validateJson() mutated");
  fc.assert(
    fc.property(mutated(bytesOf(DOCUMENT)), (bytes) => {
      const fault = validateJson(bytes);
      assert.equal(fault === undefined, accepts(bytes));
      if (fault === undefined) return;
      assert.ok(fault.at >= 0 && fault.at <= bytes.length);
      if (fault.at === bytes.length) return;
      // What stands before the first wrong byte can be the start of a good text, so cutting there moves nothing but
      // a word's fault (words are wrong from their first byte).
      const cut = validateJson(bytes.subarray(0, fault.at));
      if (cut !== undefined) assert.equal(cut.at, fault.at);
    }),
    { seed, numRuns: 10_000 },
  );
});

Deno.test("scanBody() rows are JSON texts, and a text of JSON.parse is no fault", () => {
  const seed = testSeed("scanBody() mutated envelopes");
  fc.assert(
    fc.property(mutated(bytesOf(ENVELOPE_TEXT)), (bytes) => {
      const table = new SpanTable();
      const fault = scanBody(bytes, table);
      if (fault !== undefined) {
        assert.ok(!accepts(bytes));
        assert.equal(fault.index, table.count);
      }
      // Each row is a JSON text by itself, and between the rows there is only what separates them.
      let end = 0;
      for (let row = 0; row < table.count; row++) {
        const at = row * ROW;
        const start = table.words[at] ?? 0;
        assert.match(latin1.decode(bytes.subarray(end, start)), BETWEEN_ROWS);
        end = table.words[at + 1] ?? 0;
        assert.ok(accepts(bytes.subarray(start, end)));
      }
      if (fault === undefined) {
        assert.match(latin1.decode(bytes.subarray(end)), BETWEEN_ROWS);
      }
    }),
    { seed, numRuns: 5_000 },
  );
});

Deno.test("scanBody() spans say what JSON.parse sees, the last of equal members", () => {
  const seed = testSeed("scanBody() members");
  fc.assert(
    fc.property(bytesOf(ENVELOPE_TEXT), (bytes) => {
      const table = new SpanTable();
      assert.equal(scanBody(bytes, table), undefined);
      assert.equal(table.count, 1);
      const value = JSON.parse(decoder.decode(bytes));
      const flags = table.words[FLAGS] ?? 0;
      const text = (member: Member) =>
        decoder.decode(
          bytes.subarray(table.words[member], table.words[member + 1]),
        );
      const has = (member: Member) => table.words[member + 1] !== 0;
      const kind = (shift: number) => flags >> shift & KIND_MASK;
      assert.deepEqual(JSON.parse(text(ENVELOPE)), value);

      assert.equal(kind(EVENT_KIND_SHIFT), kindOf(value.event));
      assert.equal(has(EVENT), value.event !== undefined);
      if (has(EVENT)) assert.deepEqual(JSON.parse(text(EVENT)), value.event);
      assert.equal(
        (flags & MULTILINE) !== 0,
        has(EVENT) && /[\r\n]/.test(text(EVENT)),
      );

      assert.equal(kind(TIME_KIND_SHIFT), kindOf(value.time));
      assert.equal(has(TIME), (value.time ?? null) !== null);
      if (has(TIME)) assert.deepEqual(JSON.parse(text(TIME)), value.time);

      const isEmpty = kindOf(value.fields) === 1 &&
        Object.keys(value.fields).length === 0;
      assert.equal(kind(FIELDS_KIND_SHIFT), kindOf(value.fields));
      assert.equal(has(FIELDS), (value.fields ?? null) !== null && !isEmpty);
      if (has(FIELDS)) assert.deepEqual(JSON.parse(text(FIELDS)), value.fields);
      // Seen by JSON.parse, which forgets earlier ones of equal members: then ours must say so too.
      const nested = kindOf(value.fields) === 1 &&
        Object.values(value.fields).some((inner) =>
          kindOf(inner) === 1 ||
          Array.isArray(inner) &&
            inner.some((deep) => [1, 2].includes(kindOf(deep)))
        );
      if (nested) assert.ok((flags & NESTED_FIELDS) !== 0);

      let isBad = false;
      for (const [name, member] of METADATA) {
        const metadata = value[name];
        const isText = typeof metadata === "string";
        if ((metadata ?? null) !== null && !isText) isBad = true;
        assert.equal(has(member), isText && metadata !== "");
        if (has(member)) assert.equal(JSON.parse(text(member)), metadata);
      }
      assert.equal((flags & BAD_METADATA) !== 0, isBad);
      const known = [
        "event",
        "time",
        "fields",
        ...METADATA.map(([name]) => name),
      ];
      assert.equal(
        (flags & UNKNOWN_MEMBER) !== 0,
        Object.keys(value).some((name) => !known.includes(name)),
      );
    }),
    { seed, numRuns: 3_000 },
  );
});

Deno.test("scanBody() finds every value of concatenated and wrapped bodies", () => {
  const seed = testSeed("scanBody() framing");
  const objects = fc.array(fc.tuple(ENVELOPE_TEXT, BETWEEN), { maxLength: 8 });
  fc.assert(
    fc.property(objects, fc.boolean(), (parts, isArray) => {
      let text = isArray ? "[" : "";
      parts.forEach(([object, space], n) => {
        text += (isArray && n > 0 ? "," : "") + object + space;
      });
      const bytes = encoder.encode(isArray ? `${text}]` : text);
      const table = new SpanTable();
      assert.equal(scanBody(bytes, table), undefined);
      const found = Array.from(
        { length: table.count },
        (_, row) =>
          decoder.decode(
            bytes.subarray(
              table.words[row * ROW],
              table.words[row * ROW + 1],
            ),
          ),
      );
      assert.deepEqual(found, parts.map(([object]) => object));
    }),
    { seed, numRuns: 1_000 },
  );
});
