import assert from "node:assert/strict";
import fc from "fast-check";
import {
  isBlankString,
  jsonStringBytes,
  MAX_ESCAPED,
  stringValue,
  writeJsonString,
  writeTextAsJson,
} from "../../../lib/json/strings.ts";
import { STRING_TEXT, VALUE_TEXT } from "../../support/json_text.ts";
import { testSeed } from "../../support/seed.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** What `write` makes of the middle of a buffer, in the middle of another; nothing else may be touched. */
function written(write: typeof writeJsonString, text: Uint8Array): string {
  // Continuation bytes around it: a character cut at its end must not be completed by what lies behind.
  const bytes = new Uint8Array(text.length + 6).fill(0x80);
  bytes.set(text, 3);
  const out = new Uint8Array(text.length * MAX_ESCAPED + 10).fill(0xfe);
  const end = write(bytes, 3, 3 + text.length, out, 5);
  assert.ok(out.subarray(0, 5).every((byte) => byte === 0xfe));
  assert.ok(out.subarray(end).every((byte) => byte === 0xfe));
  return strict.decode(out.subarray(5, end));
}

/** The inside of what JSON.stringify writes. */
function stringified(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** Bytes with much of what matters: quotes, control characters, parts of characters. */
const BYTES = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(...encoder.encode('abc {}":,\\/')),
    },
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0xc2, 0xe0, 0xe2, 0x80, 0xa0, 0xed, 0xf0, 0x9f, 0x98, 0xf4),
    fc.constantFrom(0xef, 0xbb, 0xbf),
  ),
  { maxLength: 60 },
).map((bytes) => Uint8Array.from(bytes));

Deno.test("writeJsonString() escapes each character as JSON.stringify does", () => {
  for (let code = 0; code <= 0x10_ffff; code += code < 0x3000 ? 1 : 257) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const text = String.fromCodePoint(code);
    for (const around of ["", "abc", "abcd", "abcde"]) {
      assert.equal(
        written(writeJsonString, encoder.encode(around + text + around)),
        stringified(around + text + around),
      );
    }
  }
});

Deno.test("writeJsonString() equals JSON.stringify for texts and for JSON texts", () => {
  const seed = testSeed("writeJsonString()");
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 80 }),
    fc.string({ unit: "binary-ascii", maxLength: 80 }),
    VALUE_TEXT,
  );
  fc.assert(
    fc.property(text, (value) => {
      assert.equal(
        written(writeJsonString, encoder.encode(value)),
        stringified(value),
      );
    }),
    { seed, numRuns: 3_000 },
  );
});

Deno.test("writeTextAsJson() equals JSON.stringify of what TextDecoder makes of any bytes", () => {
  const seed = testSeed("writeTextAsJson()");
  fc.assert(
    fc.property(BYTES, (bytes) => {
      assert.equal(
        written(writeTextAsJson, bytes),
        stringified(decoder.decode(bytes)),
      );
    }),
    { seed, numRuns: 10_000 },
  );
});

Deno.test("writeTextAsJson() keeps a byte order mark", () => {
  const bytes = encoder.encode("\ufeffline");
  assert.equal(written(writeTextAsJson, bytes), "\ufeffline");
});

Deno.test("jsonStringBytes() and stringValue() are each other's inverse", () => {
  const seed = testSeed("jsonStringBytes()");
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const bytes = jsonStringBytes(text);
      assert.equal(decoder.decode(bytes), JSON.stringify(text));
      assert.equal(stringValue(bytes, 0, bytes.length), text);
    }),
    { seed, numRuns: 1_000 },
  );
  assert.equal(decoder.decode(jsonStringBytes("\ud800")), '"\\ud800"');
});

Deno.test("stringValue() and isBlankString() read any spelling", () => {
  const seed = testSeed("stringValue()");
  const blank = fc.array(
    fc.constantFrom(" ", "\\t", "\\n", "\\u0020", "\u00a0", "\\r", "\ufeff"),
  )
    .map((parts) => `"${parts.join("")}"`);
  fc.assert(
    fc.property(fc.oneof(STRING_TEXT, blank), (literal) => {
      const bytes = encoder.encode(`:${literal},`);
      const value = JSON.parse(literal);
      assert.equal(stringValue(bytes, 1, bytes.length - 1), value);
      assert.equal(
        isBlankString(bytes, 1, bytes.length - 1),
        value.trim() === "",
      );
    }),
    { seed, numRuns: 2_000 },
  );
});
