/**
 * Replays as records: `["job", id]` says what was asked for and whether it runs, `["jobpart", id, connector]` how far
 * it is at one connector, `["jobopen", connector, id]` that this part is not ended.
 *
 * Invariants: a part is balanced by itself, total = delivered + filtered + dead + skipped + left, and is changed only
 * by the holder of the connector's lease, in the very commit that carries out what it counts (`job_progress.ts`). The
 * state is changed by people only. A job is finished when all its parts are ended. Ids sort by when jobs began.
 */

import type { Position } from "../event.ts";
import type { PlaceError } from "./cursor.ts";
import {
  jobItemKey,
  jobItemsFrom,
  jobItemsOf,
  jobKey,
  jobOpenKey,
  jobPartKey,
  jobPartsOf,
  jobsBefore,
  jobsOpen,
} from "./keys.ts";
import { fromValue, isRecord, numberIn, textIn, toValue } from "./kv.ts";
import { errorOf } from "./places.ts";
import type { Store } from "./store.ts";

/** Ids of dead letters in one value: at most 41 bytes each with its quotes and comma, and an import's 33. */
export const ITEMS = 1_000;
/** How long an ended job is shown: milliseconds. */
export const JOB_KEPT_MS = 30 * 86_400_000;
const PAGE = 100;

export type JobKind = "dead-letters" | "log";
export type JobState = "running" | "paused" | "finished" | "stopped";

/** What was asked for. Times are milliseconds since the Unix epoch. */
export interface JobRecord {
  readonly id: string;
  readonly kind: JobKind;
  /** Connectors. */
  readonly to: readonly string[];
  /** As asked: `oldest`, a time or an event's id; null: no replay of the log. */
  readonly from: string | null;
  readonly until: string | null;
  /** Events a second; 0: no cap. */
  readonly rate: number;
  /** Also what was delivered. */
  readonly all: boolean;
  readonly mark: boolean;
  /** As people set it. */
  readonly state: "running" | "paused" | "stopped";
  readonly createdAt: number;
  readonly stoppedAt: number | null;
  /** What it needs of the log is kept until then; null: until it ends. */
  readonly holdsUntil: number | null;
}

export interface JobCounts {
  readonly delivered: number;
  readonly filtered: number;
  readonly dead: number;
  readonly skipped: number;
}

/** A job at one connector. */
export interface JobPart extends JobCounts {
  readonly job: string;
  readonly connector: string;
  readonly total: number;
  /** Of `skipped`: what was known at the beginning. */
  readonly preskipped: number;
  /** A replay of the log: the next event to look at, and where it ends. */
  readonly place: Position;
  readonly end: Position;
  readonly lastError: PlaceError | null;
  readonly endedAt: number | null;
}

/** A job with all its parts. */
export interface Job extends JobRecord {
  readonly parts: readonly JobPart[];
}

/** As people see it. */
export interface JobView extends JobCounts {
  readonly id: string;
  readonly kind: JobKind;
  readonly to: readonly string[];
  readonly from: string | null;
  readonly until: string | null;
  readonly rate: number;
  readonly state: JobState;
  readonly total: number;
  readonly left: number;
  readonly createdAt: number;
  readonly endedAt: number | null;
  readonly lastError: PlaceError | null;
}

/** The id of a job that begins now. @param unique a fresh UUID. */
export function newJobId(now: number, unique: string): string {
  return `${now.toString(36).padStart(9, "0")}${unique.slice(0, 8)}`;
}

export function leftOf(part: JobPart): number {
  const { total, delivered, filtered, dead, skipped } = part;
  return total - delivered - filtered - dead - skipped;
}

/** Counts summed over the parts; each is balanced by itself, so their sum is. */
export function viewOf(job: Job): JobView {
  const { id, kind, to, from, until, rate, createdAt, parts } = job;
  const sum = (name: "total" | keyof JobCounts) =>
    parts.reduce((all, part) => all + part[name], 0);
  const isDone = parts.every(({ endedAt }) => endedAt !== null);
  const state = job.state === "stopped"
    ? "stopped"
    : isDone
    ? "finished"
    : job.state;
  const errors = parts.flatMap(({ lastError }) => lastError ?? []);
  return {
    id,
    kind,
    to,
    from,
    until,
    rate,
    state,
    total: sum("total"),
    delivered: sum("delivered"),
    filtered: sum("filtered"),
    dead: sum("dead"),
    skipped: sum("skipped"),
    left: parts.reduce((all, part) => all + leftOf(part), 0),
    createdAt,
    endedAt: state === "stopped"
      ? job.stoppedAt
      : state === "finished"
      ? Math.max(createdAt, ...parts.map(({ endedAt }) => endedAt ?? 0))
      : null,
    lastError: errors.sort((a, b) => b.at - a.at)[0] ?? null,
  };
}

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
    const { id, to } = job;
    await forgetItems(store, id);
    await store.call(async (kv) => {
      const operation = kv.atomic().delete(jobKey(id));
      for (const name of to) {
        operation.delete(jobPartKey(id, name)).delete(jobOpenKey(name, id));
      }
      return await operation.commit();
    });
  }
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

export function partValue(part: JobPart): Uint8Array {
  return toValue(part);
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

function recordOf(value: unknown): JobRecord | undefined {
  const record = fromValue(value);
  if (record === undefined) return undefined;
  const { to, state } = record;
  return {
    id: textIn(record, "id"),
    kind: record["kind"] === "log" ? "log" : "dead-letters",
    to: Array.isArray(to) ? to.map(String) : [],
    from: textOrNull(record["from"]),
    until: textOrNull(record["until"]),
    rate: numberIn(record, "rate"),
    all: record["all"] === true,
    mark: record["mark"] === true,
    state: state === "paused" || state === "stopped" ? state : "running",
    createdAt: numberIn(record, "createdAt"),
    stoppedAt: numberOrNull(record["stoppedAt"]),
    holdsUntil: numberOrNull(record["holdsUntil"]),
  };
}

function partOf(value: unknown): JobPart | undefined {
  const record = fromValue(value);
  if (record === undefined) return undefined;
  return {
    job: textIn(record, "job"),
    connector: textIn(record, "connector"),
    total: numberIn(record, "total"),
    delivered: numberIn(record, "delivered"),
    filtered: numberIn(record, "filtered"),
    dead: numberIn(record, "dead"),
    skipped: numberIn(record, "skipped"),
    preskipped: numberIn(record, "preskipped"),
    place: positionIn(record["place"]),
    end: positionIn(record["end"]),
    lastError: errorOf(record["lastError"]),
    endedAt: numberOrNull(record["endedAt"]),
  };
}

function positionIn(value: unknown): Position {
  return isRecord(value)
    ? { segment: textIn(value, "segment"), index: numberIn(value, "index") }
    : { segment: "", index: 0 };
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function numberOrNull(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
