import assert from "node:assert/strict";
import { testSeed } from "../support/seed.ts";
import { runCampaign } from "./campaign.ts";

Deno.test("the relay loses, invents and reorders nothing over 20 kills", async () => {
  const result = await runCampaign({ kills: 20, seed: testSeed("crash") });
  // A campaign in which next to nothing was acked would prove nothing.
  assert.ok(result.acked > 500, `only ${result.acked} events were acked`);
});
