/**
 * Replays as records: `["job", id]` says what was asked for and whether it runs, `["jobpart", id, connector]` how far
 * it is at one connector, `["jobopen", connector, id]` that this part is not ended.
 *
 * Invariants: a part is balanced by itself, total = delivered + filtered + dead + skipped + left, and is changed only
 * by the holder of the connector's lease, in the very commit that carries out what it counts (`job_progress.ts`). The
 * state is changed by people only. A job is finished when all its parts are ended. Ids sort by when jobs began.
 */

import type { Position } from "../event.ts";
import {
  type Job,
  type JobPart,
  type JobRecord,
  partOf,
  partValue,
  recordOf,
  viewOf,
} from "./job.ts";
import {
  jobItemKey,
  jobKey,
  jobOpenKey,
  jobPartKey,
  jobPartsOf,
  jobsBefore,
  jobsOpen,
} from "./keys.ts";
import { fromValue, toValue } from "./kv.ts";
import type { Store } from "./store.ts";

/** Ids of dead letters in one value: at most 41 bytes each with its quotes and comma, and an import's 33. */
export const ITEMS = 1_000;
const PAGE = 100;

/**
 * Writes a new job; `items` are the ids of its dead letters by connector. Written twice, as over the network may happen
 * long after the first, it changes nothing of what went on meanwhile.
 * @throws what the store throws: then it may have begun.
 */
export async function createJob(
  store: Store,
  { parts, ...record }: Job,
  items: ReadonlyMap<string, readonly string[]> = new Map(),
): Promise<void> {
  for (const [connector, ids] of items) {
    for (let n = 0; n * ITEMS < ids.length; n++) {
      const key = jobItemKey(record.id, connector, n);
      const value = toValue({ ids: ids.slice(n * ITEMS, (n + 1) * ITEMS) });
      await store.call((kv) => kv.atomic().set(key, value).commit());
    }
  }
  await store.call((kv) => {
    const key = jobKey(record.id);
    const operation = kv.atomic().check({ key, versionstamp: null })
      .set(key, toValue(record));
    for (const part of parts) {
      const { connector } = part;
      operation.set(jobPartKey(record.id, connector), partValue(part));
      if (part.endedAt === null) {
        operation.set(
          jobOpenKey(connector, record.id),
          toValue({ kind: record.kind, holdsUntil: record.holdsUntil }),
        );
      }
    }
    return operation.commit();
  });
}

/** One job; undefined: there is none. @throws what the store throws. */
export async function readJob(
  store: Store,
  id: string,
): Promise<Job | undefined> {
  const entry = await store.call((kv) => kv.get(jobKey(id)));
  const record = recordOf(entry.value);
  if (record === undefined) return undefined;
  return { ...record, parts: await readParts(store, id) };
}

/** What was asked for, and the state; without the parts. @throws what the store throws. */
export async function readJobRecord(
  store: Store,
  id: string,
): Promise<JobRecord | undefined> {
  const entry = await store.call((kv) => kv.get(jobKey(id)));
  return recordOf(entry.value);
}

/** Jobs, newest first, that began before one. @throws what the store throws. */
export async function* listJobs(
  store: Store,
  before?: string,
): AsyncGenerator<Job> {
  let behind = before;
  for (;;) {
    const page = await store.call(async (kv) => {
      const found: JobRecord[] = [];
      const range = jobsBefore(behind);
      const options = { limit: PAGE, batchSize: PAGE, reverse: true };
      for await (const { value } of kv.list(range, options)) {
        const record = recordOf(value);
        if (record !== undefined) found.push(record);
      }
      return found;
    });
    for (const record of page) {
      yield { ...record, parts: await readParts(store, record.id) };
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    behind = last.id;
  }
}

/** One connector's part; undefined: there is none. @throws what the store throws. */
export async function readPart(
  store: Store,
  id: string,
  connector: string,
): Promise<JobPart | undefined> {
  const key = jobPartKey(id, connector);
  const entry = await store.call((kv) => kv.get(key));
  return partOf(entry.value);
}

/** Ids of the jobs that are not ended at a connector, oldest first. @throws what the store throws. */
export async function openJobs(
  store: Store,
  connector: string,
): Promise<string[]> {
  return await store.call(async (kv) => {
    const ids: string[] = [];
    for await (const { key } of kv.list(jobsOpen(connector))) {
      ids.push(String(key[2]));
    }
    return ids;
  });
}

/** The ids of dead letters that value `n` of a part's list holds. @throws what the store throws. */
export async function readItems(
  store: Store,
  id: string,
  connector: string,
  n: number,
): Promise<string[]> {
  const key = jobItemKey(id, connector, n);
  const entry = await store.call((kv) => kv.get(key));
  const ids = (fromValue(entry.value) ?? {})["ids"];
  return Array.isArray(ids) ? ids.map(String) : [];
}

/**
 * Pauses, resumes or stops a job. `isDone` false: it has ended already, which nothing changes. Undefined: there is none.
 * @throws what the store throws.
 */
export async function changeState(
  store: Store,
  id: string,
  state: JobRecord["state"],
  now: number,
): Promise<{ readonly job: Job; readonly isDone: boolean } | undefined> {
  for (;;) {
    const entry = await store.call((kv) => kv.get(jobKey(id)));
    const record = recordOf(entry.value);
    if (record === undefined) return undefined;
    const job = { ...record, parts: await readParts(store, id) };
    const before = viewOf(job).state;
    if (before === state) return { job, isDone: true };
    if (before === "finished" || before === "stopped") {
      return { job, isDone: false };
    }
    const next = {
      ...record,
      state,
      stoppedAt: state === "stopped" ? now : null,
    };
    const result = await store.call((kv) => {
      const operation = kv.atomic().check(entry).set(jobKey(id), toValue(next));
      if (state === "stopped") {
        for (const name of record.to) operation.delete(jobOpenKey(name, id));
      }
      return operation.commit();
    });
    if (result.ok) return { job: { ...job, ...next }, isDone: true };
  }
}

/** Where open replays of the log are: what lies behind must stay. @throws what the store throws. */
export async function heldByJobs(
  store: Store,
  now: number,
): Promise<Position[]> {
  const open = await store.call(async (kv) => {
    const found: Deno.KvKey[] = [];
    for await (
      const { key, value } of kv.list(jobsOpen(), { batchSize: 100 })
    ) {
      const { kind, holdsUntil } = fromValue(value) ?? {};
      if (kind !== "log") continue;
      if (typeof holdsUntil === "number" && holdsUntil <= now) continue;
      found.push(key);
    }
    return found;
  });
  const places: Position[] = [];
  for (const [, connector, id] of open) {
    const part = await readPart(store, String(id), String(connector));
    if (part !== undefined) places.push(part.place);
  }
  return places;
}

async function readParts(store: Store, id: string): Promise<JobPart[]> {
  return await store.call(async (kv) => {
    const parts: JobPart[] = [];
    for await (const { value } of kv.list(jobPartsOf(id))) {
      const part = partOf(value);
      if (part !== undefined) parts.push(part);
    }
    return parts;
  });
}
