/** Places as records in KV: reading, writing, and the place where a new connector begins. */

import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { Heads } from "./books.ts";
import type { Books, Place, PlaceError, PlaceState } from "./cursor.ts";
import { type DeadDeltas, readDeadBooks } from "./dead_books.ts";
import { type Head, lanesIn, newestOf, readHeads, totalsOf } from "./heads.ts";
import { cursors } from "./keys.ts";
import { fromValue, isRecord, numberIn, textIn, toValue } from "./kv.ts";
import type { Store } from "./store.ts";

const NO_BOOKS: Books = {
  delivered: 0,
  filtered: 0,
  dead: 0,
  discarded: 0,
  expired: 0,
};

/** A new connector's place: behind everything that the heads count, or before everything that is kept. */
export function newPlace(
  from: "newest" | "oldest",
  heads: ReadonlyMap<string, Head>,
  trimmed: { readonly lanes: Heads },
): Place {
  const seen = from === "newest" ? totalsOf(heads) : trimmed.lanes;
  const start: Record<string, number> = {};
  for (const [lane, { events }] of Object.entries(seen)) start[lane] = events;
  const newest = newestOf(heads.values());
  return {
    segment: from === "newest" ? newest.segment : "",
    index: from === "newest" ? newest.count : 0,
    seen,
    start,
    books: NO_BOOKS,
    state: "waiting",
    attempt: 0,
    lastSuccess: null,
    lastError: null,
    nextAttemptAt: null,
  };
}

/** The place of a connector that gets nothing. */
export const NOWHERE: Place = newPlace("newest", new Map(), { lanes: {} });

/** First byte of a packed record; others are JSON text. */
const PACKED = 1;

/**
 * A place's record. `isPacked`: for shared stores, where every lane stands in it twice and a settle that carries more
 * than some 900 bytes takes 44 ms instead of 0.7 (`reference/kv.md` §4).
 */
export function placeValue(
  place: Place,
  { isPacked }: { readonly isPacked: boolean },
): Uint8Array {
  const text = toValue(place);
  if (!isPacked) return text;
  const packed = deflateRawSync(text);
  const value = new Uint8Array(1 + packed.length);
  value[0] = PACKED;
  value.set(packed, 1);
  return value;
}

function recordOf(value: unknown): ReturnType<typeof fromValue> {
  if (!(value instanceof Uint8Array) || value[0] !== PACKED) {
    return fromValue(value);
  }
  try {
    return fromValue(new Uint8Array(inflateRawSync(value.subarray(1))));
  } catch {
    return undefined;
  }
}

/** The place in a record; undefined when it is none. */
export function placeOf(value: unknown): Place | undefined {
  const record = recordOf(value);
  if (record === undefined) return undefined;
  const books = isRecord(record["books"]) ? record["books"] : {};
  return {
    segment: textIn(record, "segment"),
    index: numberIn(record, "index"),
    seen: lanesIn(record["seen"]),
    start: numbersIn(record["start"]),
    books: {
      delivered: numberIn(books, "delivered"),
      filtered: numberIn(books, "filtered"),
      dead: numberIn(books, "dead"),
      discarded: numberIn(books, "discarded"),
      expired: numberIn(books, "expired"),
    },
    state: stateOf(record["state"]),
    attempt: numberIn(record, "attempt"),
    ...numberIn(record, "attempted") > 0 && {
      attempted: numberIn(record, "attempted"),
    },
    ...isRecord(record["tried"]) && {
      tried: {
        segment: textIn(record["tried"], "segment"),
        index: numberIn(record["tried"], "index"),
      },
    },
    lastSuccess: timeOf(record["lastSuccess"]),
    lastError: errorOf(record["lastError"]),
    nextAttemptAt: timeOf(record["nextAttemptAt"]),
  };
}

/** Every connector's place, also of those that left the configuration. @throws when the store does not answer. */
export function readPlaces(store: Store): Promise<Map<string, Place>> {
  return store.call(async (kv) => {
    const places = new Map<string, Place>();
    for await (const entry of kv.list(cursors(), { batchSize: 100 })) {
      const connector = entry.key[1];
      const place = placeOf(entry.value);
      if (typeof connector === "string" && place !== undefined) {
        places.set(connector, place);
      }
    }
    return places;
  });
}

/** All connectors' books as one snapshot. */
export interface BookRecords {
  readonly places: ReadonlyMap<string, Place>;
  readonly heads: Heads;
  /** What happened to dead letters; a connector that never had one is not there. */
  readonly deltas: ReadonlyMap<string, DeadDeltas>;
}

/**
 * What status needs, in the order that makes it one snapshot (`booksOf`): what happened to dead letters, then the
 * places, then the heads, which count at least what the places have seen. `settled`: places that this process has moved
 * since (`EventLog`).
 * @throws when the store does not answer.
 */
export async function readBooks(log: {
  readonly store: Store;
  readonly settled: ReadonlyMap<string, Place>;
}): Promise<BookRecords> {
  const deltas = await readDeadBooks(log.store);
  const places = await readPlaces(log.store);
  for (const [connector, place] of log.settled) places.set(connector, place);
  return { deltas, places, heads: totalsOf(await readHeads(log.store)) };
}

function numbersIn(value: unknown): Record<string, number> {
  const numbers: Record<string, number> = {};
  if (!isRecord(value)) return numbers;
  for (const [name, number] of Object.entries(value)) {
    if (typeof number === "number") numbers[name] = number;
  }
  return numbers;
}

function timeOf(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

const STATES: ReadonlySet<unknown> = new Set<PlaceState>([
  "waiting",
  "connected",
  "retrying",
  "held",
  "disabled",
]);

function isState(value: unknown): value is PlaceState {
  return STATES.has(value);
}

function stateOf(value: unknown): PlaceState {
  return isState(value) ? value : "waiting";
}

/** A fault in a record. */
export function errorOf(value: unknown): PlaceError | null {
  if (!isRecord(value)) return null;
  const help = value["help"];
  return {
    // Written by this program from the closed list.
    reason: textIn(value, "reason") as PlaceError["reason"],
    message: textIn(value, "message"),
    help: typeof help === "string" ? help : null,
    at: numberIn(value, "at"),
  };
}
