/**
 * Where the events of ack ids lie: records of `["ack", …]`, there until their ids were told to be true (`ack_told.ts`).
 *
 * Nothing of it is held in memory: a poll reads one range, which costs some microseconds an id, and so answers alike in
 * every process and after every restart.
 */

import {
  type AckedEvents,
  type AckRecord,
  groupOf,
  recordOf,
} from "./ack_sets.ts";
import { acksBetween } from "./keys.ts";
import type { Store } from "./store.ts";

/** Entries of one read. */
export const PAGE = 1_000;
/** Groups with smaller gaps are read at one go; of more ranges than this the whole is. */
const MAX_GAP = 8, MAX_RANGES = 32;

/** One token's channel; `channel` in lower case. */
export interface AckChannel {
  readonly token: string;
  readonly channel: string;
}

/** A record as it lies in the store. */
export interface StoredAcks extends AckRecord {
  readonly entry: { readonly key: Deno.KvKey; readonly versionstamp: string };
  readonly group: number;
  readonly segment: string;
}

/** Events of one segment that an id stands for. */
export interface AckPart extends AckedEvents {
  readonly record: StoredAcks;
}

/** The parts of those ids that have some. `ids`: ascending. @throws what the store throws. */
export async function readAcks(
  store: Store,
  at: AckChannel,
  ids: readonly number[],
): Promise<Map<number, AckPart[]>> {
  const wanted = new Set(ids);
  const found = new Map<number, AckPart[]>();
  for (const range of rangesOf(ids)) {
    for await (const record of recordsBetween(store, at, range)) {
      for (const { id, first, count } of record.acks) {
        if (!wanted.has(id)) continue;
        const part = { id, first, count, record };
        const parts = found.get(id);
        if (parts === undefined) found.set(id, [part]);
        else parts.push(part);
      }
    }
  }
  return found;
}

/** The records of a range of groups, in order. @throws what the store throws. */
export async function* recordsBetween(
  store: Store,
  { token, channel }: AckChannel,
  groups: { readonly from: number; readonly to: number },
): AsyncGenerator<StoredAcks> {
  let after: Deno.KvKey | undefined;
  for (;;) {
    const entries = await page(
      store,
      acksBetween(token, channel, groups, after),
    );
    for (const { key, value, versionstamp } of entries) {
      const [, , , group, segment] = key;
      if (typeof group !== "number" || typeof segment !== "string") continue;
      const entry = { key, versionstamp };
      yield { ...recordOf(value), entry, group, segment };
    }
    after = entries.at(-1)?.key;
    if (entries.length < PAGE) return;
  }
}

/** One page of a range. */
export async function page(
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

/** Ranges of groups that hold the ids, with few others between them. */
function rangesOf(
  ids: readonly number[],
): readonly { readonly from: number; readonly to: number }[] {
  const ranges: { from: number; to: number }[] = [];
  for (const id of ids) {
    const group = groupOf(id);
    const last = ranges.at(-1);
    if (last !== undefined && group - last.to <= MAX_GAP) last.to = group;
    else ranges.push({ from: group, to: group });
  }
  const first = ranges[0], last = ranges.at(-1);
  return ranges.length <= MAX_RANGES || first === undefined ||
      last === undefined
    ? ranges
    : [{ from: first.from, to: last.to }];
}
