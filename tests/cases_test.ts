/** The 66 cases of destinations §14 stand in test names, by number. */

import assert from "node:assert/strict";

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
