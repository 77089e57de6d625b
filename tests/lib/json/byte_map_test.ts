import assert from "node:assert/strict";
import { ByteMap } from "../../../lib/json/byte_map.ts";

const encoder = new TextEncoder();

function looked(map: ByteMap, key: string): string | undefined {
  const bytes = encoder.encode(`xx${key}x`);
  const found = map.get(bytes, 2, bytes.length - 1);
  return found && new TextDecoder().decode(found);
}

Deno.test("ByteMap finds what it was given and nothing else", () => {
  const table = Object.fromEntries(
    Array.from({ length: 300 }, (_, n) => [`${n * 7}`, `v${n}`]),
  );
  const map = new ByteMap({
    ...table,
    "a long key, ends alike 7": "é",
    "": "",
  });
  for (const [key, value] of Object.entries(table)) {
    assert.equal(looked(map, key), value);
  }
  assert.equal(looked(map, "a long key, ends alike 7"), "é");
  assert.equal(looked(map, "A long key, ends alike 7"), undefined);
  assert.equal(looked(map, ""), "");
  assert.equal(looked(map, "1"), undefined);
  assert.equal(looked(map, "toString"), undefined);
  assert.equal(looked(new ByteMap({}), "1"), undefined);
});
