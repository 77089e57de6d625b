import assert from "node:assert/strict";
import fc from "fast-check";
import { findPath, packedEnd, packedStart } from "../../../lib/json/fields.ts";
import { VALUE_TEXT } from "../../support/json_text.ts";
import { testSeed } from "../../support/seed.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The text of the value at `path`, or undefined. */
function textAt(text: string, path: readonly string[]): string | undefined {
  const bytes = encoder.encode(`,${text},"x":1}`);
  const end = 1 + encoder.encode(text).length;
  const span = findPath(bytes, 1, end, path);
  if (span === -1) return undefined;
  return decoder.decode(bytes.subarray(packedStart(span), packedEnd(span)));
}

Deno.test("findPath() finds members of members, the last of equal ones", () => {
  const text =
    '{"a":{"b":1},"a" : { "b" : [2,"}\\"",{"b":3}] , "c":"\\\\" },"\\u0064":{"é":null},"":0}';
  assert.equal(textAt(text, ["a", "b"]), '[2,"}\\"",{"b":3}]');
  assert.equal(textAt(text, ["a", "c"]), '"\\\\"');
  assert.equal(textAt(text, ["d", "é"]), "null");
  assert.equal(textAt(text, [""]), "0");
  assert.equal(textAt(text, []), text);
  assert.equal(textAt(text, ["a", "b", "b"]), undefined);
  assert.equal(textAt(text, ["a", "d"]), undefined);
  assert.equal(textAt(text, ["x"]), undefined);
  assert.equal(textAt('{"a":{"b":1},"a":{}}', ["a", "b"]), undefined);
  assert.equal(textAt("{}", ["a"]), undefined);
  assert.equal(textAt("[]", ["0"]), undefined);
  assert.equal(textAt('"a"', ["a"]), undefined);
});

Deno.test("findPath() finds what JSON.parse sees, in any document", () => {
  const seed = testSeed("findPath()");
  fc.assert(
    fc.property(VALUE_TEXT, fc.infiniteStream(fc.nat()), (text, choices) => {
      // A way down the parsed value, sometimes to a member that is not there.
      let value = JSON.parse(text);
      const path: string[] = [];
      while (
        typeof value === "object" && value !== null && !Array.isArray(value)
      ) {
        const names = [...Object.keys(value), "absent"];
        const name = names[(choices.next().value ?? 0) % names.length] ?? "";
        path.push(name);
        value = Object.hasOwn(value, name) ? value[name] : undefined;
      }
      const found = textAt(text, path);
      if (value === undefined) assert.equal(found, undefined);
      else assert.deepEqual(JSON.parse(found ?? ""), value);
    }),
    { seed, numRuns: 3_000 },
  );
});

Deno.test("findPath() refuses spans it cannot pack", () => {
  assert.throws(() => findPath(new Uint8Array(1), 0, 2 ** 26, []), RangeError);
});
