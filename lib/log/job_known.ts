/** What is known of events that a job sent, before its commit. */

import { type DeadEnd, endOf, readAll } from "./dead_ends.ts";
import { positionOf } from "./dead_letters.ts";
import { deadAtKey, deadEndKey, deadKey } from "./keys.ts";
import { numberIn } from "./kv.ts";
import { type Marks, readSent } from "./standing.ts";
import type { Store } from "./store.ts";

/** A record. */
export type Fields = Readonly<Record<string, unknown>>;

/** What the store tells of events that were sent, by id and by segment. */
export interface Known {
  readonly records: ReadonlyMap<string, Fields>;
  /** Of the index. */
  readonly entries: ReadonlyMap<string, Fields>;
  readonly ends: ReadonlyMap<string, DeadEnd>;
  readonly marks: ReadonlyMap<string, Marks>;
}

/** Reads it all. @throws what the store throws. */
export async function readKnown(
  store: Store,
  connector: string,
  ids: readonly string[],
): Promise<Known> {
  const records = await readNamed(store, ids, (id) => deadKey(connector, id));
  const dead = ids.filter((id) => records.has(id));
  const entries = await readNamed(
    store,
    dead,
    (id) => deadAtKey(connector, numberIn(records.get(id) ?? {}, "at"), id),
  );
  const found = await readNamed(
    store,
    ids,
    (id) => deadEndKey(connector, id),
  );
  const ends = new Map<string, DeadEnd>();
  for (const [id, record] of found) {
    const end = endOf(record);
    if (end !== undefined) ends.set(id, end);
  }
  const marks = new Map<string, Marks>();
  for (const id of ids) {
    const at = positionOf(id);
    if (at === undefined || marks.has(at.segment)) continue;
    const sent = await readSent(store, connector, at.segment);
    marks.set(at.segment, { dead: new Set(dead), ends, sent });
  }
  return { records, entries, ends, marks };
}

async function readNamed(
  store: Store,
  ids: readonly string[],
  keyOf: (id: string) => Deno.KvKey,
): Promise<Map<string, Fields>> {
  const records = await readAll(store, ids.map(keyOf));
  const named = new Map<string, Fields>();
  for (const [n, id] of ids.entries()) {
    const record = records[n];
    if (record !== undefined) named.set(id, record);
  }
  return named;
}
