import { deepEqual, equal, ok } from "node:assert/strict";
import type { Clock } from "../../../lib/clock.ts";
import { linesOf } from "../../../lib/delivery/dead_letter_import.ts";
import { DeadLetters } from "../../../lib/log/dead_kept.ts";
import { redactor } from "../../../lib/secrets.ts";
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

Deno.test("takeIn() keeps no secret of this relay that a record's error holds", async () => {
  await using rig = await DeadRig.open(["a"]);
  const deadLetters = new DeadLetters({
    store: rig.log.store,
    end: () => rig.log.end(),
    redact: redactor(["Ab+cd/ef==gh"]),
  });
  const record = {
    timestamp: "2026-03-13T00:00:00Z",
    connector: "a",
    error: "400: bad Ab%2bcd%2fef%3d%3dgh and Ab+cd/ef==gh",
    event: { n: 1 },
  };
  const body = new TextEncoder().encode(JSON.stringify(record));
  const parts = { deadLetters, clock: rig.clock, connectors: ["a"] };
  await takeIn(linesOf(body), parts, () => undefined);
  for await (const { error } of deadLetters.records({})) {
    equal(error, "400: bad [secret] and [secret]");
  }
  const { items } = await deadLetters.page({}, 10);
  deepEqual(items.map(({ error }) => error), [
    "400: bad [secret] and [secret]",
  ]);
});
