/**
 * What the store knows of ack ids: where each one's events lie (`["ack", …]`) until it was told to be true, and which
 * were told when (`["acktold", …]`), for `GRACE_MS`. Both change in one commit.
 *
 * Nothing of it is held in memory: a poll reads one range, which costs some microseconds an id, and so answers alike
 * in every process and after every restart.
 */

import { acksBetween, ackToldKey, ackToldOf } from "./keys.ts";
import { fromValue, numberIn, toValue } from "./kv.ts";
import type { Store } from "./store.ts";

/** How long `true` is told again. What is told within a second shares its time, so it is up to a second longer. */
export const GRACE_MS = 600_000;
const TOLD_WITHIN_MS = 1_000;
/** Entries of one read. */
const PAGE = 1_000;
/** Ids in a row with smaller gaps are read at one go; of more ranges than this the whole is. */
const MAX_GAP = 1_000, MAX_RANGES = 32;
/** Records that one commit deletes. */
const COMMIT_RECORDS = 400;
/** A record of told ids is not added to beyond this. */
const MAX_TOLD_BYTES = 32_768;
/** Tries against other polls of the same channel. */
const TRIES = 5;

/** One token's channel; `channel` in lower case. */
export interface AckChannel {
  readonly token: string;
  readonly channel: string;
}

/** Events of one segment that an id stands for. */
export interface AckPart {
  readonly key: Deno.KvKey;
  readonly id: number;
  readonly segment: string;
  readonly first: number;
  readonly count: number;
  /** When they came: Unix milliseconds. */
  readonly at: number;
}

/** Ids that were told to be true. */
export interface Told {
  readonly entry: { readonly key: Deno.KvKey; readonly versionstamp: string };
  readonly bytes: number;
  /** Unix milliseconds. */
  readonly at: number;
  /** First and last ids. */
  readonly runs: readonly (readonly [number, number])[];
}

/** The parts of those ids that have some. `ids`: ascending. @throws what the store throws. */
export async function readParts(
  store: Store,
  at: AckChannel,
  ids: readonly number[],
): Promise<Map<number, AckPart[]>> {
  const wanted = new Set(ids);
  const found = new Map<number, AckPart[]>();
  for (const range of rangesOf(ids)) {
    for await (const part of partsBetween(store, at, range)) {
      if (!wanted.has(part.id)) continue;
      const parts = found.get(part.id);
      if (parts === undefined) found.set(part.id, [part]);
      else parts.push(part);
    }
  }
  return found;
}

/** The records of a range of ids, in order. @throws what the store throws. */
export async function* partsBetween(
  store: Store,
  { token, channel }: AckChannel,
  range: { readonly from: number; readonly to: number },
): AsyncGenerator<AckPart> {
  let after: Deno.KvKey | undefined;
  for (;;) {
    const entries = await page(
      store,
      acksBetween(token, channel, range, after),
    );
    for (const { key, value } of entries) {
      const part = partOf(key, value);
      if (part !== undefined) yield part;
    }
    after = entries.at(-1)?.key;
    if (entries.length < PAGE) return;
  }
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
 * Notes ids as told and deletes their parts, in as many commits as needed; each one says of every id whose parts it
 * deletes that it was told. `known`: as read before. Also deletes what of it is no longer repeated.
 * @throws what the store throws; what is done is done.
 */
export async function writeTold(
  store: Store,
  at: AckChannel,
  parts: readonly AckPart[],
  known: readonly Told[],
): Promise<void> {
  let told = known;
  for (let done = 0; done < parts.length;) {
    const batch = parts.slice(done, done + COMMIT_RECORDS);
    for (let tries = 0;; tries++) {
      if (await commitTold(store, at, batch, told)) break;
      // Another poll of the channel came first.
      if (tries === TRIES) return;
      told = await readTold(store, at);
    }
    done += batch.length;
    if (done < parts.length) told = await readTold(store, at);
  }
}

async function commitTold(
  store: Store,
  { token, channel }: AckChannel,
  parts: readonly AckPart[],
  known: readonly Told[],
): Promise<boolean> {
  const now = store.clock.now();
  const ids = [...new Set(parts.map(({ id }) => id))];
  const last = known.at(-1);
  const isSame = last !== undefined && now >= last.at &&
    now - last.at < TOLD_WITHIN_MS;
  const joins = isSame && last.bytes < MAX_TOLD_BYTES;
  const number = isSame ? Number(last.entry.key[4]) + 1 : 0;
  const started = isSame ? last.at : now;
  const entry = joins
    ? last.entry
    : { key: ackToldKey(token, channel, started, number), versionstamp: null };
  const runs = runsOf(
    [...(joins ? idsIn(last.runs) : []), ...ids].sort((a, b) => a - b),
  );
  const old = known.filter((one) => one !== last && !isRepeated(one, now));
  const { ok } = await store.call((kv) => {
    const operation = kv.atomic().check(entry)
      .set(entry.key, toValue({ at: started, runs }));
    for (const { key } of parts) operation.delete(key);
    for (const { entry: { key } } of old.slice(0, COMMIT_RECORDS)) {
      operation.delete(key);
    }
    return operation.commit();
  });
  return ok;
}

/** One page of a range. */
async function page(
  store: Store,
  selector: Deno.KvListSelector,
): Promise<Deno.KvEntry<unknown>[]> {
  return await store.call(async (kv) => {
    const entries: Deno.KvEntry<unknown>[] = [];
    for await (
      const entry of kv.list(selector, { limit: PAGE, batchSize: PAGE })
    ) entries.push(entry);
    return entries;
  });
}

function partOf(key: Deno.KvKey, value: unknown): AckPart | undefined {
  const [, , , id, segment] = key;
  const record = fromValue(value);
  if (typeof id !== "number" || typeof segment !== "string") return undefined;
  if (record === undefined) return undefined;
  return {
    key,
    id,
    segment,
    first: numberIn(record, "first"),
    count: numberIn(record, "count"),
    at: numberIn(record, "at"),
  };
}

/** Ranges that hold the ids, with few others between them. */
function rangesOf(
  ids: readonly number[],
): readonly { readonly from: number; readonly to: number }[] {
  const ranges: { from: number; to: number }[] = [];
  for (const id of ids) {
    const last = ranges.at(-1);
    if (last !== undefined && id - last.to <= MAX_GAP) last.to = id;
    else ranges.push({ from: id, to: id });
  }
  const first = ids[0], last = ids.at(-1);
  return ranges.length <= MAX_RANGES || first === undefined ||
      last === undefined
    ? ranges
    : [{ from: first, to: last }];
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
