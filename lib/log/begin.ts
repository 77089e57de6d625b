/**
 * Where connectors begin: their places exist before the first event can be accepted, so that they owe all of them.
 *
 * A begin at a time walks the first values of the log from its old end; it happens once in a connector's life.
 */

import { EventView } from "../event.ts";
import type { LaneSeen, Place } from "./cursor.ts";
import { readHeads } from "./heads.ts";
import { cursorKey, logAfter } from "./keys.ts";
import { newPlace, placeOf, placeValue } from "./places.ts";
import { Reader } from "./reader.ts";
import { type Header, readHeader } from "./segment.ts";
import type { Store } from "./store.ts";
import { readTrimMark, type TrimMark } from "./trim.ts";

/**
 * A connector and where it begins when it has no place yet: at the end of the log, at its oldest event, or at the first
 * event that was received at a time or later (milliseconds since the Unix epoch).
 */
export interface Beginner {
  readonly name: string;
  readonly from: "newest" | "oldest" | number;
}

/** First values of one `list`: at most 3.3 MB. */
const BATCH = 50;

/**
 * Gives each connector that has no place one. To be called after the log was opened and before anything is appended.
 * @throws when the store does not answer.
 */
export async function beginPlaces(
  store: Store,
  connectors: Iterable<Beginner>,
): Promise<void> {
  for (const connector of connectors) await beginPlace(store, connector);
}

/**
 * The connector's place, made where there is none; one that is there (of an earlier start or another process) stays.
 * Undefined: its record cannot be read.
 * @throws when the store does not answer.
 */
export async function beginPlace(
  store: Store,
  { name, from }: Beginner,
): Promise<
  { readonly place: Place; readonly version: string | null } | undefined
> {
  const key = cursorKey(name);
  let entry = await store.call((kv) => kv.get(key));
  if (entry.versionstamp === null) {
    const fresh = await freshPlace(store, from);
    // Refused: another process has made it meanwhile, or a lost reply hides that we did. Either way it is there.
    await store.call((kv) =>
      kv.atomic().check({ key, versionstamp: null })
        .set(key, placeValue(fresh, { isPacked: !store.isExclusive })).commit()
    );
    entry = await store.call((kv) => kv.get(key));
  }
  const place = placeOf(entry.value);
  return place === undefined
    ? undefined
    : { place, version: entry.versionstamp };
}

async function freshPlace(
  store: Store,
  from: Beginner["from"],
): Promise<Place> {
  // Before the walk: what is appended meanwhile came later than everything that is looked at, and is owed.
  const heads = await readHeads(store);
  const mark = await readTrimMark(store);
  return typeof from === "number"
    ? await placeAtTime(store, from, mark) ?? newPlace("newest", heads, mark)
    : newPlace(from, heads, mark);
}

/** The place before the first event received at `time` or later; undefined: there is none. */
async function placeAtTime(
  store: Store,
  time: number,
  mark: TrimMark,
): Promise<Place | undefined> {
  const seen: Record<string, LaneSeen> = { ...mark.lanes };
  const reader = new Reader(store);
  for (let after = mark.segment;;) {
    const headers = await readHeaders(store, after);
    for (const { id, header } of headers) {
      after = id;
      // A header that cannot be read tells no time: its segment is left behind, as reading leaves it.
      if (header === undefined) continue;
      const index = header.receivedAt < time
        ? undefined
        : await firstSince(reader, id, time);
      if (index !== undefined) {
        // As `advance` counts the part of a segment that lies before a place.
        seen[header.lane] = {
          events: header.eventsBefore + index,
          bytes: header.bytesBefore +
            Math.floor(header.storedBytes * index / header.count),
        };
        const before = newPlace("oldest", new Map(), { lanes: seen });
        return { ...before, segment: id, index };
      }
      seen[header.lane] = {
        events: header.eventsBefore + header.count,
        bytes: header.bytesBefore + header.storedBytes,
      };
    }
    if (headers.length < BATCH) return undefined;
  }
}

/** The first event of a segment received at `time` or later; undefined: none, or the segment is damaged. */
async function firstSince(
  reader: Reader,
  id: string,
  time: number,
): Promise<number | undefined> {
  const segment = await reader.next({ segment: id, index: 0 });
  if (segment?.id !== id) return undefined;
  const view = new EventView();
  for (let index = 0; index < segment.count; index++) {
    if (view.at(segment, index).receivedAt >= time) return index;
  }
  return undefined;
}

interface Listed {
  readonly id: string;
  readonly header: Header | undefined;
}

function readHeaders(store: Store, after: string): Promise<Listed[]> {
  return store.call(async (kv) => {
    const listed: Listed[] = [];
    for await (
      const { key, value } of kv.list(logAfter(after), {
        limit: BATCH,
        batchSize: BATCH,
      })
    ) {
      const id = key[2];
      if (typeof id !== "string") continue;
      listed.push({
        id,
        header: value instanceof Uint8Array ? readHeader(value) : undefined,
      });
    }
    return listed;
  });
}
