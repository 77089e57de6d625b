/**
 * What all replays together did, and the end of those that ended long ago: what a job counted is added to
 * `["jobsum"]` in the very commit that forgets it, so that the totals only grow.
 */

import {
  type JobCounts,
  type JobPart,
  type JobRecord,
  type JobState,
  newJobId,
  partOf,
  recordOf,
  viewOf,
} from "./job.ts";
import { listJobs, readJob, readJobRecord } from "./jobs.ts";
import {
  jobItemsFrom,
  jobItemsOf,
  jobKey,
  jobOpenKey,
  jobPartKey,
  jobPartsAll,
  jobsBefore,
  jobSumKey,
} from "./keys.ts";
import { fromValue, isRecord, numberIn, toValue } from "./kv.ts";
import type { Store } from "./store.ts";

/** How long an ended job is shown: milliseconds. */
export const JOB_KEPT_MS = 30 * 86_400_000;
const NOTHING: JobCounts = { delivered: 0, filtered: 0, dead: 0, skipped: 0 };

/** All replays that there ever were. */
export interface ReplayTotals {
  /** How many of those that are shown are in each state. */
  readonly states: Readonly<Record<JobState, number>>;
  /** By connector: events decided, ever. */
  readonly events: ReadonlyMap<string, JobCounts>;
}

/** @throws what the store throws. */
export async function readReplayTotals(store: Store): Promise<ReplayTotals> {
  for (;;) {
    const before = await readSum(store);
    const states = { running: 0, paused: 0, finished: 0, stopped: 0 };
    const events = new Map(before.counts);
    const parts = new Map<string, JobPart[]>();
    for (const part of await readAllParts(store)) {
      const { job, connector } = part;
      events.set(connector, added(events.get(connector), part));
      const siblings = parts.get(job) ?? [];
      parts.set(job, siblings);
      siblings.push(part);
    }
    for (const record of await readAllRecords(store)) {
      states[viewOf({ ...record, parts: parts.get(record.id) ?? [] }).state]++;
    }
    // One that is forgotten meanwhile would be counted twice, or not at all.
    const after = await readSum(store);
    if (after.version === before.version) return { states, events };
  }
}

/** Forgets jobs that ended 30 days ago, and lists as old whose job was never written. @throws what the store throws. */
export async function forgetJobs(store: Store, now: number): Promise<void> {
  const oldest = newJobId(now - JOB_KEPT_MS, "");
  for (let id = await nextListed(store, ""); id !== undefined && id < oldest;) {
    if (await readJobRecord(store, id) === undefined) {
      await forgetItems(store, id);
    }
    id = await nextListed(store, `${id}\0`);
  }
  for await (const job of listJobs(store)) {
    const { endedAt } = viewOf(job);
    if (endedAt === null || now - endedAt < JOB_KEPT_MS) continue;
    await forgetItems(store, job.id);
    await forgetJob(store, job.id);
  }
}

async function forgetJob(store: Store, id: string): Promise<void> {
  for (;;) {
    const sum = await readSum(store);
    const job = await readJob(store, id);
    if (job === undefined) return;
    const counts = new Map(sum.counts);
    for (const part of job.parts) {
      counts.set(part.connector, added(counts.get(part.connector), part));
    }
    const { ok } = await store.call((kv) => {
      // Whoever forgets a job changes the sum: nobody adds one twice.
      const operation = kv.atomic()
        .check({ key: jobSumKey(), versionstamp: sum.version })
        .set(jobSumKey(), toValue(Object.fromEntries(counts)))
        .delete(jobKey(id));
      for (const name of job.to) {
        operation.delete(jobPartKey(id, name)).delete(jobOpenKey(name, id));
      }
      return operation.commit();
    });
    if (ok) return;
  }
}

function added(before: JobCounts | undefined, part: JobCounts): JobCounts {
  const sum = before ?? NOTHING;
  return {
    delivered: sum.delivered + part.delivered,
    filtered: sum.filtered + part.filtered,
    dead: sum.dead + part.dead,
    skipped: sum.skipped + part.skipped,
  };
}

async function readSum(store: Store): Promise<{
  readonly counts: ReadonlyMap<string, JobCounts>;
  readonly version: string | null;
}> {
  const entry = await store.call((kv) => kv.get(jobSumKey()));
  const counts = new Map<string, JobCounts>();
  for (const [name, value] of Object.entries(fromValue(entry.value) ?? {})) {
    const record = isRecord(value) ? value : {};
    counts.set(name, {
      delivered: numberIn(record, "delivered"),
      filtered: numberIn(record, "filtered"),
      dead: numberIn(record, "dead"),
      skipped: numberIn(record, "skipped"),
    });
  }
  return { counts, version: entry.versionstamp };
}

async function readAllParts(store: Store): Promise<JobPart[]> {
  return await store.call(async (kv) => {
    const found: JobPart[] = [];
    for await (const { value } of kv.list(jobPartsAll(), { batchSize: 100 })) {
      const part = partOf(value);
      if (part !== undefined) found.push(part);
    }
    return found;
  });
}

async function readAllRecords(store: Store): Promise<JobRecord[]> {
  return await store.call(async (kv) => {
    const found: JobRecord[] = [];
    for await (const { value } of kv.list(jobsBefore(), { batchSize: 100 })) {
      const record = recordOf(value);
      if (record !== undefined) found.push(record);
    }
    return found;
  });
}

async function forgetItems(store: Store, id: string): Promise<void> {
  await store.call(async (kv) => {
    for await (const { key } of kv.list(jobItemsOf(id))) {
      await kv.atomic().delete(key).commit();
    }
  });
}

/** The first job, from an id on, that has a list of letters. */
async function nextListed(
  store: Store,
  from: string,
): Promise<string | undefined> {
  return await store.call(async (kv) => {
    for await (const { key } of kv.list(jobItemsFrom(from), { limit: 1 })) {
      return String(key[1]);
    }
    return undefined;
  });
}
