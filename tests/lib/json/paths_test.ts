import assert from "node:assert/strict";
import fc from "fast-check";
import { findPaths, pathCount, pathId } from "../../../lib/json/paths.ts";
import { VALUE_TEXT } from "../../support/json_text.ts";
import { testSeed } from "../../support/seed.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The text of the value at each path, or undefined. */
function textsAt(
  text: string,
  ...paths: readonly string[]
): (string | undefined)[] {
  const ids = paths.map(pathId);
  // What stands around the value must not be read.
  const bytes = encoder.encode(`,${text},"a":1}`);
  const end = bytes.length - 7;
  const AT = 6;
  const into = new Uint32Array(AT + 2 * pathCount() + 1).fill(7);
  findPaths(bytes, 1, end, into, AT);
  assert.deepEqual([...into.subarray(0, AT), into.at(-1)], Array(7).fill(7));
  return ids.map((id) => {
    const [start, stop] = into.subarray(AT + 2 * id, AT + 2 * id + 2);
    return stop === 0 ? undefined : decoder.decode(bytes.subarray(start, stop));
  });
}

Deno.test("pathId() gives a path one id; the empty one is the value itself", () => {
  assert.equal(pathId("a.b.0"), pathId("a.b.0"));
  assert.notEqual(pathId("a.b"), pathId("a.b.0"));
  assert.notEqual(pathId("a."), pathId("a"));
  assert.equal(pathId(""), 0);
});

Deno.test("findPaths() finds members of members, the last of equal ones", () => {
  const text =
    '{"a":{"b":1},"a" : { "b" : [2,"}\\"",{"b":3}] , "c":"\\\\" },"\\u0064":{"é":null},"e":{"":0}}';
  assert.deepEqual(
    textsAt(text, "a.b", "a.c", "d.é", "e.", "", "a.b.b", "a.d", "x"),
    [
      '[2,"}\\"",{"b":3}]',
      '"\\\\"',
      "null",
      "0",
      text,
      undefined,
      undefined,
      undefined,
    ],
  );
  for (
    const text of [
      '{"a":{"b":1,"c":[{"d":2}]},"a":{}}',
      '{"a":{"b":1},"a":[1]}',
      '{"a":{"b":1},"\\u0061":"b"}',
      '{"a":{"b":1},"a":null}',
      '{ "a" : { } }',
      '{"a":[]}',
      '"a"',
      "{}",
      "[ ]",
      "1",
    ]
  ) {
    assert.deepEqual(textsAt(text, "a.b", "a.c.0.d", "a.c"), [
      undefined,
      undefined,
      undefined,
    ], text);
  }
});

Deno.test("findPaths() counts places in arrays", () => {
  const text = '{"r":[ {"n":1} , [ [],"x" ],3,{"r":[{"n":4}]}],"0":{"n":9}}';
  assert.deepEqual(
    textsAt(text, "r.0.n", "r.1.1", "r.2", "r.4", "r.3.r.0.n", "0.n", "r.01"),
    ["1", '"x"', "3", undefined, "4", "9", undefined],
  );
  assert.deepEqual(textsAt('[{"n":1}]', "0.n", "1"), ["1", undefined]);
  assert.deepEqual(textsAt('{"r":[{"n":1}],"r":[]}', "r.0.n", "r"), [
    undefined,
    "[]",
  ]);
  assert.deepEqual(textsAt('{"r":{"0":{"n":1}}}', "r.0.n"), ["1"]);
});

Deno.test("findPaths() tells names apart that look alike", () => {
  const names = ["ab", "a_b", "axb", "ayb", "a\u00e9b", "axxb", "b", "aXb"];
  const text = JSON.stringify(
    Object.fromEntries(names.map((name, i) => [name, i])),
  );
  assert.deepEqual(textsAt(text, ...names, "azb"), [
    ...names.map((_, i) => String(i)),
    undefined,
  ]);
});

Deno.test("findPaths() finds what JSON.parse sees, in any document", () => {
  const seed = testSeed("findPaths()");
  const VALUES = fc.tuple(VALUE_TEXT, VALUE_TEXT).map(([a, b]) =>
    `{"k":${a},"l":[${b},${a}],"k":${b}}`
  );
  fc.assert(
    fc.property(VALUES, fc.infiniteStream(fc.nat()), (text, choices) => {
      const whole = JSON.parse(text);
      const wanted = new Map<string, unknown>();
      for (let way = 0; way < 3; way++) {
        // A way down the parsed value, sometimes to a member that is not there.
        let value = whole, path = "";
        while (typeof value === "object" && value !== null) {
          const names = [...Object.keys(value), "absent"]
            .filter((name) => !name.includes("."));
          const name = names[(choices.next().value ?? 0) % names.length] ?? "";
          path += path === "" ? name : `.${name}`;
          value = Object.hasOwn(value, name) ? value[name] : undefined;
          wanted.set(path, value);
        }
      }
      const found = textsAt(text, ...wanted.keys());
      [...wanted].forEach(([path, value], i) => {
        const at = found[i];
        if (value === undefined) assert.equal(at, undefined, path);
        else assert.deepEqual(JSON.parse(at ?? "?"), value, path);
      });
    }),
    { seed, numRuns: 1_000 },
  );
});

Deno.test("findPaths() does not mind any depth", () => {
  const DEPTH = 20_000;
  const deep = "[".repeat(DEPTH) + "]".repeat(DEPTH);
  assert.deepEqual(
    textsAt(
      `{"deep":${deep},"in":{"deep":${deep}},"z":1}`,
      "z",
      "in.z",
      "deep.0.0",
    ),
    ["1", undefined, deep.slice(2, -2)],
  );
  const objects = '{"deep":'.repeat(DEPTH) + "1" + "}".repeat(DEPTH);
  assert.deepEqual(textsAt(`{"a":${objects},"z":2}`, "z", "a.deep.x"), [
    "2",
    undefined,
  ]);
});

Deno.test("findPaths() comes to its end over bytes that are no JSON", () => {
  const seed = testSeed("findPaths() over anything");
  pathId("a.b.0");
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...'{}[]",:a 1n'), { maxLength: 40 }),
      (parts) => {
        const bytes = encoder.encode(parts.join(""));
        const into = new Uint32Array(2 * pathCount());
        findPaths(bytes, 0, bytes.length, into, 0);
      },
    ),
    { seed, numRuns: 2_000 },
  );
});
