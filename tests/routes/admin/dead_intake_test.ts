import { deepEqual, equal, ok } from "node:assert/strict";
import type { Clock } from "../../../lib/clock.ts";
import { linesOf } from "../../../lib/delivery/dead_letter_import.ts";
import { takeIn } from "../../../routes/admin/dead_intake.ts";
import { DeadRig } from "../../support/dead_rig.ts";

Deno.test("takeIn() gives the process away every 5 ms, however wrong a body is", async () => {
  await using rig = await DeadRig.open(["a"]);
  let now = 0, sleeps = 0;
  // Each look at it is a millisecond.
  const clock: Clock = {
    now: () => rig.clock.now(),
    monotonic: () => now++,
    sleep: (ms) => {
      equal(ms, 0);
      sleeps++;
      return Promise.resolve();
    },
    after: (ms, wake) => rig.clock.after(ms, wake),
  };
  const faults = await takeIn(
    linesOf(new TextEncoder().encode("x\n".repeat(6_000))),
    { deadLetters: rig.dead, clock, connectors: ["a"] },
    () => {},
  );
  deepEqual([faults.count, faults.first.length], [6_000, 1_000]);
  ok(sleeps >= 1_000, `${sleeps}`);
});
