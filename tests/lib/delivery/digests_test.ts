import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import {
  hmacSha256,
  randomLetters,
  sha256,
} from "../../../lib/delivery/digests.ts";

Deno.test("sha256() and hmacSha256() are those of node:crypto, in lower-case hex", async () => {
  for (const text of ["", "abc", "é".repeat(1000)]) {
    assert.equal(
      await sha256(text),
      createHash("sha256").update(text).digest("hex"),
    );
    assert.equal(
      await hmacSha256("k3y", text),
      createHmac("sha256", "k3y").update(text).digest("hex"),
    );
  }
});

Deno.test("randomLetters() takes no byte that would make a letter likelier", () => {
  let next = 0;
  const all = (count: number) =>
    Uint8Array.from({ length: count }, () => next++ & 0xff);
  const letters = randomLetters(248, all);
  assert.match(letters, /^[A-Za-z0-9]{248}$/);
  const counts = new Map<string, number>();
  for (const letter of letters) {
    counts.set(letter, (counts.get(letter) ?? 0) + 1);
  }
  assert.deepEqual([...new Set(counts.values())], [4]);
  next = 248;
  assert.equal(randomLetters(1, all), "A", "248 to 255 are passed over");
});
