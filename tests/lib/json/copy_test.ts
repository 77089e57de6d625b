import assert from "node:assert/strict";
import {
  copyBytes,
  copyLiteral,
  copySpan,
  joinBytes,
  literal,
  LITERAL_SPILL,
} from "../../../lib/json/copy.ts";

Deno.test("copyBytes() and copySpan() copy any length from and to anywhere, and nothing beside it", () => {
  const from = Uint8Array.from({ length: 1200 }, (_, i) => 1 + i % 251);
  // Views that begin inside their buffers, as those of segments do.
  const sources = [from, new Uint8Array(from.buffer, 7, 1000)];
  for (const copy of [copyBytes, copySpan]) {
    for (let length = 0; length < 900; length++) {
      const source = sources[length & 1] ?? from;
      const start = length % 13, at = length % 11;
      const out = new Uint8Array(new ArrayBuffer(1000), length % 5, 990);
      const end = copy(source, start, start + length, out, at);
      assert.equal(end, at + length);
      assert.deepEqual(
        out.subarray(at, end),
        source.subarray(start, start + length),
      );
      assert.ok(out.every((byte, i) => byte === 0 || i >= at && i < end));
    }
  }
});

Deno.test("copyLiteral() writes a text and spills no further than it says", () => {
  for (const text of ["", "a", "abc", "abcd", "é€", `,"event":`, "𝄞𝄞𝄞"]) {
    const bytes = new TextEncoder().encode(text);
    const made = literal(text);
    assert.equal(made.length, bytes.length);
    const out = new Uint8Array(3 + bytes.length + LITERAL_SPILL + 1).fill(0xff);
    const end = copyLiteral(made, out, 3);
    assert.deepEqual(out.subarray(3, end), bytes);
    assert.equal(out[2], 0xff);
    assert.equal(out.at(-1), 0xff);
  }
});

Deno.test("joinBytes() puts pieces behind each other, in bytes of its own", () => {
  const piece = new Uint8Array([1, 2, 3]).subarray(1);
  const whole = joinBytes([piece, new Uint8Array(0), piece]);
  piece[0] = 9;
  assert.deepEqual(whole, new Uint8Array([2, 3, 2, 3]));
  assert.equal(whole.buffer.byteLength, 4);
  assert.deepEqual(joinBytes([]), new Uint8Array(0));
});
