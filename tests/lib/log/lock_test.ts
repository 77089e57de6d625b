import { deepEqual, equal, ok } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { LogEvent } from "../../../lib/logger.ts";
import { drive, pass, until } from "../../support/drive.ts";
import { FaultyKv } from "../../support/faulty_kv.ts";
import { intakeOf, openRig, readAll } from "../../support/log_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const UNAVAILABLE = { kept: 0, ids: [], refusal: "unavailable" };

/** A logger that notes the names of what is said. */
function noting(said: LogEvent[]) {
  return {
    log: (_level: unknown, event: LogEvent) => {
      said.push(event);
    },
  };
}

Deno.test("append() is answered when the store stays locked, is not stored later, and goes on when it is free", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  const said: LogEvent[] = [];
  let isLocked = false;
  const plan = { commit: () => isLocked ? "locked" as const : undefined };
  const log = await openRig({
    clock,
    logger: noting(said),
    openKv: () => Promise.resolve(new FaultyKv(real, plan)),
  });
  equal((await drive(clock, log.append(intakeOf(["1"])))).kept, 1);
  isLocked = true;
  const before = clock.monotonic();
  deepEqual(await drive(clock, log.append(intakeOf(["2"]))), UNAVAILABLE);
  const took = clock.monotonic() - before;
  ok(took >= 5_000 && took < 20_000, `${took} ms`);
  ok(log.unavailable);
  ok(!await log.answers());
  deepEqual(said, ["store.slow"]);
  await pass(clock, 60_000);
  ok(log.unavailable, "as long as it is locked");
  deepEqual(await log.append(intakeOf(["3"])), UNAVAILABLE);
  deepEqual(said, ["store.slow"], "said once");
  isLocked = false;
  await drive(clock, until(() => !log.unavailable));
  equal((await drive(clock, log.append(intakeOf(["4"])))).kept, 1);
  deepEqual(await readAll(log), ["1", "4"]);
  await drive(clock, log.close());
  real.close();
});

Deno.test("append() waits for a lock that is soon given back", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  const said: LogEvent[] = [];
  let locked = 0;
  const plan = {
    commit: () => locked-- > 0 ? "locked" as const : undefined,
  };
  const log = await openRig({
    clock,
    logger: noting(said),
    openKv: () => Promise.resolve(new FaultyKv(real, plan)),
  });
  equal((await drive(clock, log.append(intakeOf(["1"])))).kept, 1);
  locked = 20;
  equal((await drive(clock, log.append(intakeOf(["2"])))).kept, 1);
  deepEqual(said, []);
  await drive(clock, log.close());
  real.close();
});

Deno.test("append() whose outcome is unknown counts a lock too while it resolves", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  let commits = Infinity;
  const plan = {
    commit: () => {
      const n = commits++;
      return n === 0
        ? "throw_before" as const
        : n < 1_000
        ? "locked" as const
        : undefined;
    },
  };
  const log = await openRig({
    clock,
    openKv: () => Promise.resolve(new FaultyKv(real, plan)),
  });
  equal((await drive(clock, log.append(intakeOf(["1"])))).kept, 1);
  commits = 0;
  deepEqual(await drive(clock, log.append(intakeOf(["2"]))), UNAVAILABLE);
  ok(log.unavailable);
  commits = Infinity;
  await drive(clock, until(() => !log.unavailable));
  equal((await drive(clock, log.append(intakeOf(["3"])))).kept, 1);
  deepEqual(await readAll(log), ["1", "3"]);
  await drive(clock, log.close());
  real.close();
});

Deno.test("append() on a file in which another process holds a write transaction is answered", async () => {
  const folder = await Deno.makeTempDir();
  const location = `${folder}/a.kv`;
  const clock = new ManualClock();
  const log = await openRig({ location, clock });
  equal((await drive(clock, log.append(intakeOf(["1"])))).kept, 1);
  const other = new DatabaseSync(location);
  other.exec("BEGIN IMMEDIATE");
  deepEqual(await drive(clock, log.append(intakeOf(["2"])), 50), UNAVAILABLE);
  ok(log.unavailable);
  other.exec("ROLLBACK");
  other.close();
  await drive(clock, until(() => !log.unavailable));
  equal((await drive(clock, log.append(intakeOf(["3"])))).kept, 1);
  deepEqual(await readAll(log), ["1", "3"]);
  await drive(clock, log.close());
  await Deno.remove(folder, { recursive: true });
});
