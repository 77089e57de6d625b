import { deepEqual, equal, ok } from "node:assert/strict";
import { openJobs } from "../../../lib/log/jobs.ts";
import { ReplayRig } from "../../support/replay_rig.ts";

const HOUR = 3_600_000, EXPIRE = 168 * HOUR;

/** Ten segments that are long behind the connector, older than the log keeps them. */
async function aged(rig: ReplayRig): Promise<void> {
  for (let n = 0; n < 10; n++) await rig.append(`n${n}`);
  equal(await rig.figures(), "10 10 0 0 0 0");
}

async function kept(rig: ReplayRig): Promise<number> {
  await rig.log.retention.trim();
  return (await rig.log.stats()).events;
}

Deno.test("an open replay of the log holds what it has not looked at yet, paused or not, and nothing once it is stopped", async () => {
  await using rig = await ReplayRig.open({ limits: { events: 1 } });
  await aged(rig);
  const { id } = await rig.replays.startLog(rig.wish({ all: true, rate: 1 }));
  await rig.rest();
  for (let n = 0; n < 3; n++) await rig.pass(1_000);
  const { delivered, left } = await rig.job(id);
  deepEqual([delivered, left], [4, 6]);
  await rig.replays.change(id, "paused");
  await rig.pass(2 * HOUR);
  equal(await kept(rig), 6);
  await rig.replays.change(id, "running");
  await rig.rest();
  for (let n = 0; n < 5; n++) await rig.pass(1_000);
  equal(await rig.counts(id), "10 0 0 0 0 finished");
  deepEqual(rig.texts().slice(10), rig.texts().slice(0, 10));
  equal(await kept(rig), 0);
  await rig.append("n10");
  await rig.replays.startLog(rig.wish({ all: true, rate: 1 }))
    .then(({ id }) => rig.replays.change(id, "stopped"));
  await rig.pass(2 * HOUR);
  equal(await kept(rig), 0);
});

Deno.test("HECATE_EXPIRE bounds for how long a replay of the log holds it; what is gone then counts as skipped", async () => {
  await using rig = await ReplayRig.open({ limits: { events: 1 } });
  await aged(rig);
  const { id } = await rig.replays.startLog(rig.wish({ all: true }));
  await rig.replays.change(id, "paused");
  await rig.rest();
  const done = (await rig.job(id)).delivered;
  await rig.pass(EXPIRE - 1);
  ok(await kept(rig) >= 10 - done);
  await rig.pass(1);
  equal(await kept(rig), 0);
  await rig.replays.change(id, "running");
  await rig.rest();
  const { delivered, skipped, left, state } = await rig.job(id);
  deepEqual([delivered + skipped, left, state], [10, 0, "finished"]);
  ok(skipped >= 9 - done);
  equal(await rig.figures(), "10 10 0 0 0 0");
  deepEqual(await openJobs(rig.log.store, "soc"), []);
});

Deno.test("a replay of dead letters holds nothing of the log", async () => {
  await using rig = await ReplayRig.open({ limits: { events: 1 } });
  for (let n = 0; n < 10; n++) rig.bad.add(`n${n}`);
  for (let n = 0; n < 10; n++) await rig.append(`n${n}`);
  rig.bad.clear();
  const { id } = await rig.replayDead(1);
  await rig.replays.change(id, "paused");
  await rig.pass(2 * HOUR);
  equal(await kept(rig), 0);
  await rig.replays.change(id, "running");
  await rig.rest();
  for (let n = 0; n < 10; n++) await rig.pass(1_000);
  equal(await rig.counts(id), "10 0 0 0 0 finished");
});
