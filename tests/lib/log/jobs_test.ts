import { deepEqual, equal, ok } from "node:assert/strict";
import { advance } from "../../../lib/log/cursor.ts";
import { beginPlaces } from "../../../lib/log/begin.ts";
import { History } from "../../../lib/log/history.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import { Bases } from "../../../lib/log/standing.ts";
import { type Job, type JobCounts, newJobId } from "../../../lib/log/job.ts";
import {
  forgetJobs,
  JOB_KEPT_MS,
  readReplayTotals,
} from "../../../lib/log/job_totals.ts";
import {
  changeState,
  createJob,
  heldByJobs,
  listJobs,
  readItems,
  readJob,
} from "../../../lib/log/jobs.ts";
import { intakeOf, openRig } from "../../support/log_rig.ts";

const NOWHERE = { segment: "", index: 0 };

/** A replay of three letters. */
function jobOf(now: number, counts: Partial<JobCounts> = {}): Job {
  const id = newJobId(now, "00000000");
  return {
    id,
    kind: "dead-letters",
    to: ["soc"],
    from: null,
    until: null,
    rate: 0,
    all: false,
    mark: false,
    state: "running",
    createdAt: now,
    stoppedAt: null,
    holdsUntil: null,
    parts: [{
      job: id,
      connector: "soc",
      total: 3,
      delivered: 0,
      filtered: 0,
      dead: 0,
      skipped: 0,
      ...counts,
      preskipped: 0,
      place: NOWHERE,
      end: NOWHERE,
      lastError: null,
      endedAt: null,
    }],
  };
}

const ITEMS = new Map([["soc", ["a", "b"]]]);

Deno.test("createJob() that the network carries out twice changes nothing of what went on meanwhile", async () => {
  const log = await openRig();
  const { store } = log;
  const job = jobOf(1_000);
  await createJob(store, job, ITEMS);
  await changeState(store, job.id, "stopped", 2_000);
  await createJob(store, job, ITEMS);
  const found = await readJob(store, job.id);
  deepEqual([found?.state, found?.stoppedAt], ["stopped", 2_000]);
  deepEqual(await heldByJobs(store, 0), []);
  await log.close();
});

Deno.test("forgetJobs() forgets what ended 30 days ago, and lists whose job was never written", async () => {
  const log = await openRig();
  const { store } = log;
  const stopped = jobOf(1_000, { delivered: 2 });
  const open = jobOf(1_001, { dead: 1 }), half = jobOf(1_002);
  const late = jobOf(JOB_KEPT_MS);
  for (const job of [stopped, open]) await createJob(store, job, ITEMS);
  // A kill between the lists and the job.
  for (const { id } of [half, late]) {
    const none = new Map([["soc", ["a"]]]);
    await createJob(store, { ...jobOf(0), id, parts: [] }, none);
    await store.kv.atomic().delete(["job", id]).commit();
  }
  await changeState(store, stopped.id, "stopped", 1_500);
  const lists = async () => {
    const found: string[] = [];
    for (const { id } of [stopped, open, half, late]) {
      if ((await readItems(store, id, "soc", 0)).length > 0) found.push(id);
    }
    return found;
  };
  equal((await lists()).length, 4);
  const totals = async () => {
    const { states, events } = await readReplayTotals(store);
    return [states, Object.fromEntries(events)];
  };
  const soc = { delivered: 2, filtered: 0, dead: 1, skipped: 0 };
  deepEqual(await totals(), [
    { running: 1, paused: 0, finished: 0, stopped: 1 },
    { soc },
  ]);
  await forgetJobs(store, 1_499 + JOB_KEPT_MS);
  const ids = (await Array.fromAsync(listJobs(store))).map(({ id }) => id);
  deepEqual(ids, [open.id, stopped.id]);
  deepEqual(await lists(), [stopped.id, open.id, late.id]);
  await forgetJobs(store, 1_500 + JOB_KEPT_MS);
  deepEqual(await lists(), [open.id, late.id]);
  // What they counted stays counted.
  deepEqual(await totals(), [
    { running: 1, paused: 0, finished: 0, stopped: 0 },
    { soc },
  ]);
  for await (const { key } of store.kv.list({ prefix: ["jobpart"] })) {
    equal(key[1], open.id);
  }
  await log.close();
});

Deno.test("Bases: an event from before the connector stays in no books, whatever a kill left out of the history", async () => {
  const log = await openRig({ connectors: () => ["new"] });
  await log.append(intakeOf(["a", "b"]));
  await beginPlaces(log.store, [{ name: "new", from: "newest" }]);
  const old = await log.next(undefined);
  ok(old);
  await log.append(intakeOf(["c"]));
  const live = await log.next({ segment: old.id, index: old.count });
  ok(live);
  const signal = new AbortController().signal;
  // The place is there, the history of it is not: as after a kill.
  const before = await takeLease(log, "new", { signal });
  const { place } = before;
  const books = { ...place.books, delivered: 1 };
  await before.settle({ ...advance(place, [live], 1), books }, []);
  await before.release();
  const holding = await takeLease(log, "new", { signal });
  const bases = new Bases(new History(log), "new", holding.place);
  deepEqual(await bases.of(old, 0, 2), ["none", "none"]);
  deepEqual(await bases.of(live, 0, 1), ["delivered"]);
  await holding.release();
  await log.close();
});
