/**
 * Which ack ids were told to be true, and when: records of `["acktold", …]`, for `GRACE_MS`. An id's events and that it
 * was told change in one commit.
 */

import {
  type AckChannel,
  type AckPart,
  PAGE,
  page,
  type StoredAcks,
} from "./ack_records.ts";
import { type AckRecord, recordValue } from "./ack_sets.ts";
import { ackToldKey, ackToldOf } from "./keys.ts";
import { fromValue, MAX_CHECKS, numberIn, toValue } from "./kv.ts";
import type { Store } from "./store.ts";

/** How long `true` is told again. What is told within a second shares its time, so it is up to a second longer. */
const GRACE_MS = 600_000;
const TOLD_WITHIN_MS = 1_000;
/** Records that one commit deletes, and that it rewrites, each with a check. */
const COMMIT_DELETES = 400, COMMIT_REWRITES = MAX_CHECKS - 2;
/** A record of told ids is not added to beyond this, and takes so many runs at once: 37 KB at most. */
const MAX_TOLD_BYTES = 16_384, MAX_TOLD_RUNS = 1_000;
/** Tries against other polls of the same channel. */
const TRIES = 5;

/** Ids that were told to be true. */
export interface Told {
  readonly entry: { readonly key: Deno.KvKey; readonly versionstamp: string };
  readonly bytes: number;
  /** Unix milliseconds. */
  readonly at: number;
  /** First and last ids. */
  readonly runs: readonly (readonly [number, number])[];
}

/** What the channel was told, in the order of time. @throws what the store throws. */
export async function readTold(
  store: Store,
  { token, channel }: AckChannel,
): Promise<Told[]> {
  const told: Told[] = [];
  let after: Deno.KvKey | undefined;
  for (;;) {
    const entries = await page(store, ackToldOf(token, channel, after));
    for (const entry of entries) {
      const record = fromValue(entry.value) ?? {};
      const { value } = entry;
      told.push({
        entry,
        bytes: value instanceof Uint8Array ? value.length : 0,
        at: numberIn(record, "at"),
        runs: runsIn(record["runs"]),
      });
    }
    after = entries.at(-1)?.key;
    if (entries.length < PAGE) return told;
  }
}

/** Is what was told then still to be told? */
export function isRepeated(told: Told, now: number): boolean {
  return Math.abs(now - told.at) <= GRACE_MS + TOLD_WITHIN_MS;
}

/** Those of the ids (ascending) that were told. */
export function idsTold(
  ids: readonly number[],
  { runs }: Told,
): number[] {
  const found: number[] = [];
  for (const [from, to] of runs) {
    for (let at = indexOf(ids, from); at < ids.length; at++) {
      const id = ids[at] as number;
      if (id > to) break;
      found.push(id);
    }
  }
  return found;
}

/**
 * Notes the ids of `news` as told and takes their parts away, in as many commits as needed; each one says of every id
 * whose parts it takes that it was told. `known` and `isTold`: as read before. Also deletes what of it is no longer
 * repeated.
 * @throws what the store throws; what is done is done.
 */
export async function writeTold(
  store: Store,
  at: AckChannel,
  news: readonly AckPart[],
  { known, isTold }: {
    readonly known: readonly Told[];
    readonly isTold: (id: number) => boolean;
  },
): Promise<void> {
  let told = known;
  for (const batch of batchesOf(news, isTold)) {
    for (let tries = 0;; tries++) {
      // A record that another poll changed meanwhile stays: its ids were told all the same.
      const own = tries === 0 ? batch : { ...batch, rewritten: [] };
      if (await commitTold(store, at, own, told)) break;
      // Another poll of the channel came first.
      if (tries === TRIES) return;
      told = await readTold(store, at);
    }
    if (!batch.isLast) told = await readTold(store, at);
  }
}

/** What one commit does. */
interface Batch {
  readonly ids: ReadonlySet<number>;
  /** Records that are told whole. */
  readonly deleted: readonly StoredAcks[];
  /** Records with what is left of them. */
  readonly rewritten: readonly (readonly [StoredAcks, AckRecord])[];
  readonly isLast: boolean;
}

function batchesOf(
  news: readonly AckPart[],
  isTold: (id: number) => boolean,
): Batch[] {
  const batches: Batch[] = [];
  let ids = new Set<number>();
  let deleted: StoredAcks[] = [];
  let rewritten: (readonly [StoredAcks, AckRecord])[] = [];
  let runs = 0;
  const byRecord = Map.groupBy(news, ({ record }) => record);
  for (const [record, parts] of byRecord) {
    const more = runsOf(parts.map(({ id }) => id).sort((a, b) => a - b)).length;
    const isFull = deleted.length === COMMIT_DELETES ||
      rewritten.length === COMMIT_REWRITES;
    if (ids.size > 0 && (isFull || runs + more > MAX_TOLD_RUNS)) {
      batches.push({ ids, deleted, rewritten, isLast: false });
      ids = new Set();
      deleted = [];
      rewritten = [];
      runs = 0;
    }
    runs += more;
    for (const { id } of parts) ids.add(id);
    const acks = record.acks.filter(({ id }) => !ids.has(id) && !isTold(id));
    if (acks.length === 0) deleted.push(record);
    else rewritten.push([record, { at: record.at, acks }]);
  }
  if (ids.size > 0) batches.push({ ids, deleted, rewritten, isLast: true });
  return batches;
}

async function commitTold(
  store: Store,
  { token, channel }: AckChannel,
  { ids, deleted, rewritten }: Batch,
  known: readonly Told[],
): Promise<boolean> {
  const now = store.clock.now();
  const last = known.at(-1);
  const isSame = last !== undefined && now >= last.at &&
    now - last.at < TOLD_WITHIN_MS;
  const joins = isSame && last.bytes < MAX_TOLD_BYTES;
  const number = isSame ? Number(last.entry.key[4]) + 1 : 0;
  const at = isSame ? last.at : now;
  const entry = joins
    ? last.entry
    : { key: ackToldKey(token, channel, at, number), versionstamp: null };
  const runs = runsOf(
    [...(joins ? idsIn(last.runs) : []), ...ids].sort((a, b) => a - b),
  );
  const old = known.filter((one) => one !== last && !isRepeated(one, now));
  const { ok } = await store.call((kv) => {
    const operation = kv.atomic().check(entry)
      .set(entry.key, toValue({ at, runs }));
    for (const [record, rest] of rewritten) {
      operation.check(record.entry).set(record.entry.key, recordValue(rest));
    }
    for (const one of deleted) operation.delete(one.entry.key);
    for (const one of old.slice(0, COMMIT_DELETES)) {
      operation.delete(one.entry.key);
    }
    return operation.commit();
  });
  return ok;
}

function runsOf(ids: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const id of ids) {
    const last = runs.at(-1);
    if (last !== undefined && id <= last[1] + 1) last[1] = id;
    else runs.push([id, id]);
  }
  return runs;
}

function idsIn(runs: Told["runs"]): number[] {
  return runs.flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, n) => from + n)
  );
}

function runsIn(value: unknown): [number, number][] {
  if (!Array.isArray(value)) return [];
  const runs: [number, number][] = [];
  for (const run of value as readonly unknown[]) {
    if (!Array.isArray(run)) continue;
    const [from, to] = run as readonly unknown[];
    if (typeof from === "number" && typeof to === "number") {
      runs.push([from, to]);
    }
  }
  return runs;
}

/** Place of the first id that is at least `least`. */
function indexOf(ids: readonly number[], least: number): number {
  let low = 0, high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ids[middle] as number) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
