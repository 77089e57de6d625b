import assert from "node:assert/strict";
import fc from "fast-check";
import { cutMembers, isNamed } from "../../../lib/json/members.ts";
import { NAME_TEXT, VALUE_TEXT } from "../../support/json_text.ts";
import { testSeed } from "../../support/seed.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The object without the members of these names, and how many it says stay. */
function without(text: string, ...names: readonly string[]): [string, number] {
  const bytes = encoder.encode(`[${text},1]`);
  const end = bytes.length - 3, cuts: number[] = [];
  const kept = cutMembers(
    bytes,
    1,
    end,
    (_, start, stop) => names.some((name) => isNamed(bytes, start, stop, name)),
    cuts,
  );
  let left = "", at = 1;
  for (let i = 0; i < cuts.length; i += 2) {
    left += decoder.decode(bytes.subarray(at, cuts[i]));
    at = cuts[i + 1] ?? end;
  }
  return [left + decoder.decode(bytes.subarray(at, end)), kept];
}

Deno.test("cutMembers() takes a comma with each member and leaves the rest as it is", () => {
  const cases: [string, string, number][] = [
    ['{"a":1,"b":2,"c":3}', '{"b":2,"c":3}', 2],
    ['{ "b":2 , "a":1 , "c":3 }', '{ "b":2 , "c":3 }', 2],
    ['{"b":2,"c":3 , "a":"}\\"," }', '{"b":2,"c":3 }', 2],
    ['{"a":1}', "{}", 0],
    ['{"a":1,"a":[{"a":2}],"\\u0061":3}', "{}", 0],
    ['{"a":1 ,\n"a":2,"b":{"a":1},"a":3,"a":4}', '{"b":{"a":1}}', 1],
    ["{ }", "{ }", 0],
    ['{"aa":1,"":2,"A":3}', '{"aa":1,"":2,"A":3}', 3],
    [
      `{"b":"${'x\\"'.repeat(40)}","a":"${"\\\\".repeat(40)}"}`,
      `{"b":"${'x\\"'.repeat(40)}"}`,
      1,
    ],
  ];
  for (const [text, left, kept] of cases) {
    assert.deepEqual(without(text, "a"), [left, kept], text);
  }
});

Deno.test("cutMembers() asks about no member from `until` on", () => {
  const bytes = encoder.encode('{"a":1,"b":{"a":2},"a":3,"a":4}');
  const cuts: number[] = [];
  const asked: string[] = [];
  const kept = cutMembers(
    bytes,
    0,
    bytes.length,
    (_, start, stop, value) => {
      asked.push(decoder.decode(bytes.subarray(start, value + 1)));
      return isNamed(bytes, start, stop, "a");
    },
    cuts,
    decoder.decode(bytes).indexOf('3,"a"') + 1,
  );
  assert.deepEqual(asked, ['"a":1', '"b":{', '"a":3']);
  assert.equal(kept, 1);
  assert.deepEqual(cuts, [1, 7, 18, 24]);
});

Deno.test("cutMembers() leaves what JSON.parse sees less those members, in any object", () => {
  const seed = testSeed("cutMembers()");
  const member = fc.tuple(
    fc.oneof(fc.constantFrom('"a"', '"b"', '"\\u0061"'), NAME_TEXT),
    VALUE_TEXT,
    fc.constantFrom("", " ", "\n"),
  ).map(([name, value, space]) => `${name}${space}:${value}${space}`);
  fc.assert(
    fc.property(fc.array(member, { maxLength: 6 }), (members) => {
      const text = `{${members.join(",")}}`;
      const expected = JSON.parse(text);
      delete expected.a;
      delete expected.b;
      const [left] = without(text, "a", "b");
      // As lists: the order counts too.
      assert.deepEqual(
        Object.entries(JSON.parse(left)),
        Object.entries(expected),
      );
    }),
    { seed, numRuns: 2_000 },
  );
});
