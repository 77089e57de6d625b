/** The 66 cases of destinations §14 stand in test names, by number. */

import assert from "node:assert/strict";
import { Rig } from "./support/delivery_rig.ts";
import { BUSY, DELIVERED } from "./support/scripted_sink.ts";

const HERE = new URL("./", import.meta.url);
const CASES = 66;

/** Numbers that stand in the names of tests, or of rows that make tests: string literals that begin with them or hold them. */
function named(): ReadonlySet<number> {
  const found = new Set<number>();
  const walk = (folder: URL) => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      if (isDirectory) walk(new URL(`${name}/`, folder));
      else if (name.endsWith("_test.ts")) {
        const text = Deno.readTextFileSync(new URL(name, folder));
        for (
          const [title] of text.matchAll(
            /(?<=(?:Deno\.test|needsTestData)\(\s*)["`][^\n]*|(?<=^\s*(?:\[|name: )?\s*)["`]T\d\d[^\n]*/gm,
          )
        ) {
          for (const [, number] of title.matchAll(/\bT(\d\d)\b/g)) {
            found.add(Number(number));
          }
        }
      }
    }
  };
  walk(HERE);
  return found;
}

Deno.test("cases: every one of the 66 of destinations §14 has a test that says its number", () => {
  const found = named();
  const missing = Array.from({ length: CASES }, (_, i) => i + 1)
    .filter((number) => !found.has(number));
  assert.deepEqual(missing, []);
});

Deno.test("T64 patient: an outage of 60 s is waited out beyond five attempts, nothing dies (strict is the retry policy's test)", async () => {
  const rig = new Rig();
  rig.append("0", "1");
  let attempts = 0;
  for (const wait of [1, 2, 4, 8, 16, 32]) {
    assert.equal(await rig.sink.next(BUSY), "0 1");
    attempts++;
    await rig.fleet.wake();
    rig.clock.advance(wait * 1000);
  }
  assert.equal(attempts, 6, "more than the seed's five");
  assert.equal(await rig.sink.next(DELIVERED), "0 1");
  await rig.fleet.wake();
  assert.equal(rig.state, "connected");
  assert.equal(rig.books, "2 0 0 @1-2");
  await rig.stop();
});
