import assert from "node:assert/strict";
import { Guesses, nearest } from "../../../lib/config/nearest.ts";
import { yamlFaults } from "./yaml_case.ts";

Deno.test("nearest() counts swaps as one; at most a third of a name may differ", () => {
  assert.equal(nearest("prot", ["host", "port"]), "port");
  assert.equal(nearest("token", ["tokens", "taken"]), "tokens");
  assert.equal(nearest("abc", ["xyz"]), undefined);
});

Deno.test("Guesses looks among few names for as long as people may read, among thousands a few times", () => {
  const few = new Guesses(), many = new Guesses();
  const names = Array.from({ length: 3_000 }, (_, at) => `sink-${at}`);
  const found = (guesses: Guesses, known: readonly string[]) =>
    Array.from({ length: 1_000 }, () => guesses.nearest("sinc-1", known))
      .filter((guess) => guess === "sink-1").length;
  assert.equal(found(few, ["port", "sink-1", "host"]), 1_000);
  assert.equal(found(many, names), 20);
});

Deno.test("readConfiguration() tells every unknown name; guesses end", async () => {
  const sinks = Array.from(
    { length: 600 },
    (_, at) => `  splunk-${at}: { type: hec, url: 'https://x', token: t }\n`,
  ).join("");
  const unknown = Array.from({ length: 600 }, (_, at) => `splunc-${at}`);
  const faults = await yamlFaults({
    yaml: `sinks:\n${sinks}sources: { a: { type: hec, sink: [${unknown}] } }\n`,
  });
  assert.equal(faults.length, 600);
  assert.equal(
    faults.filter((line) => / Did you mean "splunk-\d+"\?$/.test(line)).length,
    100,
  );
});
