import { deepEqual, equal, ok } from "node:assert/strict";
import type { Place } from "../../../lib/log/cursor.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import type { LogEvent } from "../../../lib/logger.ts";
import { drive, pass } from "../../support/drive.ts";
import { FaultyKv } from "../../support/faulty_kv.ts";
import { intakeOf, openRig } from "../../support/log_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const always = new AbortController().signal;

/** A place that fits no value, packed or not: names that no codec shrinks. */
function tooLarge(place: Place): Place {
  const start: Record<string, number> = {};
  for (let n = 0; n < 5_000; n++) start[crypto.randomUUID()] = n;
  return { ...place, start };
}

for (const location of [":memory:", null]) {
  Deno.test(`settle() of a place that fits no value says so as a bug, again and again, and harms no append (${location})`, async () => {
    const real = await Deno.openKv(":memory:");
    const clock = new ManualClock();
    const said: [LogEvent, unknown][] = [];
    const log = await drive(
      clock,
      openRig({
        location,
        clock,
        logger: {
          log: (_level, event, _message, fields) => {
            said.push([event, fields?.["error"]]);
          },
        },
        openKv: () =>
          Promise.resolve(
            new FaultyKv(real, { commit: () => undefined }),
          ),
      }),
    );
    const holding = await drive(clock, takeLease(log, "a", { signal: always }));
    said.length = 0;
    const settling = holding.settle(tooLarge(holding.place), []);
    const kept = await drive(clock, log.append(intakeOf(["1"])));
    equal(kept.kept, 1);
    await pass(clock, 10_000);
    deepEqual(said, [["bug", "Value too large (max 65536 bytes)"]]);
    await pass(clock, 60_000);
    equal(said.length, 2);
    await drive(clock, log.close());
    ok(!await settling);
    real.close();
  });
}

Deno.test("settle() that the store does not take says so", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  const said: string[] = [];
  let isDown = false;
  const log = await openRig({
    clock,
    logger: {
      log: (_level, event, message) => {
        said.push(`${event}: ${message}`);
      },
    },
    openKv: () =>
      Promise.resolve(
        new FaultyKv(real, {
          commit: () => isDown ? "locked" as const : undefined,
        }),
      ),
  });
  const holding = await takeLease(log, "a", { signal: always });
  said.length = 0;
  isDown = true;
  const settling = holding.settle({ ...holding.place, attempt: 1 }, []);
  await pass(clock, 20_000);
  deepEqual(
    said.filter((line) => line.includes("settled")),
    ["store.slow: A place cannot be settled; trying again"],
    said.join("\n"),
  );
  isDown = false;
  ok(await drive(clock, settling));
  await drive(clock, log.close());
  real.close();
});
