/**
 * Deletes whole segments from the old end, in bounded commits.
 *
 * Invariants: nothing at or behind a configured connector's place goes; each commit checks and rewrites the trim mark,
 * so two processes cannot trim at once and a repeated commit does nothing. The mark holds per lane the running totals
 * and the hash of its newest deleted segment: what the log holds is heads less mark, without a scan, and the chain
 * goes on behind it.
 */

import type { Position } from "../event.ts";
import type { LaneSeen } from "./cursor.ts";
import { lanesIn } from "./heads.ts";
import { logAfter, logKey, partKey, trimKey } from "./keys.ts";
import { fromValue, isRecord, MAX_VALUES, textIn, toValue } from "./kv.ts";
import { type Header, readHeader } from "./segment.ts";
import type { Store } from "./store.ts";

/** Values deleted in one commit: 6.5 MB, some 10 ms. */
const COMMIT_VALUES = 100;
/** First values of one `list`: at most 3.3 MB. */
const BATCH = 50;

/** What was deleted. */
export interface TrimMark {
  /** The newest segment deleted; "": none. */
  readonly segment: string;
  /** Per lane: its running totals up to there. */
  readonly lanes: Readonly<Record<string, LaneSeen>>;
  /** Per lane: checksum of its newest deleted segment. */
  readonly hashes: Readonly<Record<string, string>>;
  readonly version: string | null;
}

export async function readTrimMark(store: Store): Promise<TrimMark> {
  const entry = await store.call((kv) => kv.get(trimKey()));
  const record = fromValue(entry.value) ?? {};
  const hashes: Record<string, string> = {};
  const stored = record["hashes"];
  if (isRecord(stored)) {
    for (const lane of Object.keys(stored)) hashes[lane] = textIn(stored, lane);
  }
  return {
    segment: textIn(record, "segment"),
    lanes: lanesIn(record["lanes"]),
    hashes,
    version: entry.versionstamp,
  };
}

/** What a pass may delete. */
export interface TrimPlan {
  /** The slowest connector's place; undefined: nobody holds the log. */
  readonly limit: Position | undefined;
  /** Asked for each segment, oldest first, until it says no. A header that cannot be read is undefined. */
  readonly wants: (header: Header | undefined) => boolean;
  readonly signal: AbortSignal;
}

/** The oldest segment's header, or undefined. */
export async function oldestHeader(
  store: Store,
  mark: TrimMark,
): Promise<Header | undefined> {
  return await store.call(async (kv) => {
    for await (
      const entry of kv.list(logAfter(mark.segment), { limit: 1 })
    ) {
      if (entry.value instanceof Uint8Array) return readHeader(entry.value);
    }
    return undefined;
  });
}

/** Deletes what the plan allows. Gives the new mark. @throws what the store throws; what is done is done. */
export async function trimSegments(
  store: Store,
  from: TrimMark,
  plan: TrimPlan,
): Promise<{ readonly mark: TrimMark; readonly segments: number }> {
  let mark = from, segments = 0;
  for (;;) {
    const batch = await readBatch(store, mark.segment);
    let isEnd = false;
    for (let at = 0; at < batch.length && !isEnd;) {
      if (plan.signal.aborted) return { mark, segments };
      let next = mark, values = 0, count = 0;
      const doomed: Deno.KvKey[] = [];
      for (; at < batch.length && values < COMMIT_VALUES; at++) {
        const { id, header } = batch[at] as Oldest;
        isEnd = !isBehind(id, header, plan.limit) || !plan.wants(header);
        if (isEnd) break;
        next = marked(next, id, header);
        doomed.push(logKey(id));
        const parts = header?.values ?? MAX_VALUES;
        for (let n = 1; n < parts; n++) doomed.push(partKey(n, id));
        values += parts;
        count++;
      }
      if (doomed.length === 0) break;
      const version = await commitTrim(store, next, doomed);
      // Another process trims: its mark, its work.
      if (version === undefined) return { mark, segments };
      mark = { ...next, version };
      segments += count;
    }
    if (isEnd || batch.length < BATCH) return { mark, segments };
  }
}

interface Oldest {
  readonly id: string;
  readonly header: Header | undefined;
}

function isBehind(
  id: string,
  header: Header | undefined,
  limit: Position | undefined,
): boolean {
  if (limit === undefined || id < limit.segment) return true;
  return id === limit.segment && header !== undefined &&
    limit.index >= header.count;
}

function marked(
  mark: TrimMark,
  id: string,
  header: Header | undefined,
): TrimMark {
  if (header === undefined) return { ...mark, segment: id };
  return {
    ...mark,
    segment: id,
    lanes: {
      ...mark.lanes,
      [header.lane]: {
        events: header.eventsBefore + header.count,
        bytes: header.bytesBefore + header.storedBytes,
      },
    },
    hashes: { ...mark.hashes, [header.lane]: header.checksum },
  };
}

function readBatch(
  store: Store,
  after: string,
): Promise<Oldest[]> {
  return store.call(async (kv) => {
    const batch: Oldest[] = [];
    for await (
      const entry of kv.list(logAfter(after), {
        limit: BATCH,
        batchSize: BATCH,
      })
    ) {
      const id = entry.key[2];
      if (typeof id !== "string") continue;
      const value: unknown = entry.value;
      batch.push({
        id,
        header: value instanceof Uint8Array ? readHeader(value) : undefined,
      });
    }
    return batch;
  });
}

async function commitTrim(
  store: Store,
  mark: TrimMark,
  doomed: readonly Deno.KvKey[],
): Promise<string | undefined> {
  const { segment, lanes, hashes } = mark;
  const result = await store.call((kv) => {
    const operation = kv.atomic()
      .check({ key: trimKey(), versionstamp: mark.version })
      .set(trimKey(), toValue({ segment, lanes, hashes }));
    for (const key of doomed) operation.delete(key);
    return operation.commit();
  });
  return result.ok ? result.versionstamp : undefined;
}
