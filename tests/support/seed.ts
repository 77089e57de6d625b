// deno-lint-ignore-file no-console -- the seed of a random test is always shown

/** The seed of a random test: `HECATE_TEST_SEED`, else a new one. Printed, so that any run can be repeated. */
export function testSeed(test: string): number {
  const named = Deno.env.get("HECATE_TEST_SEED");
  const seed = named ? Number(named) : crypto.getRandomValues(
    new Int32Array(1),
  )[0] ?? 0;
  console.log(`${test}: HECATE_TEST_SEED=${seed}`);
  return seed;
}
