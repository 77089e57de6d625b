import assert from "node:assert/strict";
import { testSeed } from "../support/seed.ts";
import { runCampaign } from "./campaign.ts";
import { runStorm } from "./storm.ts";

Deno.test("the relay loses, invents and reorders nothing over 20 kills", async () => {
  const result = await runCampaign({ kills: 20, seed: testSeed("crash") });
  // A campaign in which next to nothing was acked would prove nothing.
  assert.ok(result.acked > 500, `only ${result.acked} events were acked`);
});

Deno.test("the relay keeps its promises over 12 kills at commit points while the SIEMs fail", async () => {
  const result = await runStorm({ kills: 12, seed: testSeed("storm") });
  assert.ok(result.acked > 100, `only ${result.acked} events were acked`);
  assert.ok(result.looks > 5 && result.siemFaults > 5);
});
