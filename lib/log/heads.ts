/**
 * Writer heads: per lane one small record, rewritten by each append in its own commit. It says which append was last
 * (so that an unknown outcome can be resolved), the hash that the next segment continues, and running totals.
 */

import type { Heads } from "./books.ts";
import type { LaneSeen } from "./cursor.ts";
import { writerKey, writers } from "./keys.ts";
import { fromValue, isRecord, numberIn, textIn, toValue } from "./kv.ts";
import { NO_HASH } from "./segment.ts";
import type { LaneTotals } from "./segment_builder.ts";
import type { Store } from "./store.ts";

/** How an owner of a lane left it to the next one. */
export interface Tenure {
  /** Id of the owner's last operation. */
  readonly id: string;
  /** The lane's newest segment then: that operation's own, where it was an append. */
  readonly segment: string;
}

/** A head as read. */
export interface Head extends LaneTotals {
  /** Id of the operation that wrote it; `ownerOf` tells whose. */
  readonly id: string;
  /** The lane's newest segment and its events; "" and 0 before the first. */
  readonly segment: string;
  readonly count: number;
  /** When it was written: milliseconds since the Unix epoch; null: by a build that did not say. */
  readonly at: number | null;
  /** Earlier owners, the newest first: one that slept finds here whether its last append was stored. */
  readonly past: readonly Tenure[];
  /** Versionstamp of the record; null: there is none yet. */
  readonly version: string | null;
}

/** The head of a lane that has appended nothing. */
export const NEW_HEAD: Head = {
  id: "new",
  hash: NO_HASH,
  events: 0,
  bytes: 0,
  segment: "",
  count: 0,
  at: null,
  past: [],
  version: null,
};

const APPEND = "append/", FENCE = "fence/";

/** Id of an append; unique for ever. An owner is a process and a number: no "/". */
export function appendId(owner: string, number: number): string {
  return `${APPEND}${owner}/${number}`;
}

/** Id of what fences an append. */
export function fenceId(append: string, number: number): string {
  return `${FENCE}${append}/${number}`;
}

/** Id of the making of a lane, and of its adoption. */
export function claimId(kind: "new" | "adopt", owner: string): string {
  return `${kind}/${owner}`;
}

/** Whose operation it was; "": nobody's. */
export function ownerOf(id: string): string {
  const own = id.startsWith(FENCE) ? id.slice(FENCE.length) : id;
  return own.split("/")[1] ?? "";
}

/** A head's record. An append's own segment is the commit's versionstamp, so it is not in it. */
export function headValue(head: Omit<Head, "version">): Uint8Array {
  const { id, hash, events, bytes, segment, count, at, past } = head;
  return toValue({
    id,
    hash,
    events,
    bytes,
    count,
    ...!id.startsWith(APPEND) && { segment },
    at,
    ...past.length > 0 && { past },
  });
}

export function headOf(entry: Deno.KvEntryMaybe<unknown>): Head {
  const record = fromValue(entry.value);
  if (record === undefined || entry.versionstamp === null) {
    return { ...NEW_HEAD, version: entry.versionstamp };
  }
  const id = textIn(record, "id");
  return {
    id,
    hash: textIn(record, "hash") || NO_HASH,
    events: numberIn(record, "events"),
    bytes: numberIn(record, "bytes"),
    count: numberIn(record, "count"),
    segment: id.startsWith(APPEND)
      ? entry.versionstamp
      : textIn(record, "segment"),
    at: typeof record["at"] === "number" ? record["at"] : null,
    past: pastIn(record["past"]),
    version: entry.versionstamp,
  };
}

function pastIn(value: unknown): Tenure[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isRecord).map((tenure) => ({
    id: textIn(tenure, "id"),
    segment: textIn(tenure, "segment"),
  }));
}

/** One lane's head. @throws when the store does not answer. */
export function readHead(store: Store, lane: string): Promise<Head> {
  return store.call(async (kv) => headOf(await kv.get(writerKey(lane))));
}

/** Writes a head over the one it was made from. The new versionstamp; undefined: refused, or stored by a lost try. */
export async function putHead(
  store: Store,
  lane: string,
  head: Head,
): Promise<string | undefined> {
  const key = writerKey(lane);
  const result = await store.call((kv) =>
    kv.atomic().check({ key, versionstamp: head.version })
      .set(key, headValue(head)).commit()
  );
  return result.ok ? result.versionstamp : undefined;
}

/** All heads by lane, one snapshot as long as there are fewer than 500. @throws when the store does not answer. */
export function readHeads(store: Store): Promise<Map<string, Head>> {
  return store.call(async (kv) => {
    const heads = new Map<string, Head>();
    for await (const entry of kv.list(writers(), { batchSize: 500 })) {
      const lane = entry.key[2];
      if (typeof lane === "string") heads.set(lane, headOf(entry));
    }
    return heads;
  });
}

/** What each lane has appended in all. */
export function totalsOf(heads: ReadonlyMap<string, Head>): Heads {
  const totals: Record<string, LaneSeen> = {};
  for (const [lane, { events, bytes }] of heads) {
    totals[lane] = { events, bytes };
  }
  return totals;
}

/** The newest segment of all lanes. */
export function newestOf(heads: Iterable<Head>): Head {
  let newest = NEW_HEAD;
  for (const head of heads) {
    if (head.segment > newest.segment) newest = head;
  }
  return newest;
}

/** Lane totals out of a record. */
export function lanesIn(value: unknown): Record<string, LaneSeen> {
  const lanes: Record<string, LaneSeen> = {};
  if (!isRecord(value)) return lanes;
  for (const [lane, seen] of Object.entries(value)) {
    if (!isRecord(seen)) continue;
    lanes[lane] = {
      events: numberIn(seen, "events"),
      bytes: numberIn(seen, "bytes"),
    };
  }
  return lanes;
}
