/**
 * The seven counts of a connector, computed from its place, the writer heads and what happened to its dead letters.
 *
 * `accepted` comes from the lanes, the others from what was settled: their difference is a check of all of them. It is
 * shown and said, never healed.
 */
import type { LaneSeen, Place } from "./cursor.ts";
import { type DeadDeltas, NO_DELTAS } from "./dead_books.ts";

/** Per lane: what it has appended in all. */
export type Heads = Readonly<Record<string, LaneSeen>>;

export interface Counts {
  readonly accepted: number;
  readonly waiting: number;
  /** Stored bytes, index included. */
  readonly waitingBytes: number;
}

/**
 * Heads must have been read after the place. Then `accepted = delivered + filtered + dead + discarded + waiting +
 * expired` holds whatever was appended in between, because both sides count to the same heads.
 */
export function countsOf(place: Place, heads: Heads): Counts {
  let accepted = 0, waiting = 0, waitingBytes = 0;
  for (const [lane, head] of Object.entries(heads)) {
    const seen = place.seen[lane];
    accepted += head.events - (place.start[lane] ?? 0);
    waiting += head.events - (seen?.events ?? 0);
    waitingBytes += head.bytes - (seen?.bytes ?? 0);
  }
  return { accepted, waiting, waitingBytes };
}

/** The books of one connector at one moment. */
export interface ConnectorBooks extends DeadDeltas {
  readonly waiting: number;
  /** Stored bytes, index included. */
  readonly waitingBytes: number;
  /** accepted − (delivered + filtered + dead + discarded + waiting + expired): 0, or there is a bug. */
  readonly difference: number;
}

/**
 * The books. What happened to dead letters (`deltas`) must have been read before the place, the heads after it: then
 * all three only add to what the one before them says, each by a balanced change.
 */
export function booksOf(
  place: Place,
  heads: Heads,
  deltas: DeadDeltas = NO_DELTAS,
): ConnectorBooks {
  const { waiting, waitingBytes, accepted } = countsOf(place, heads);
  const books = {
    accepted: accepted + deltas.accepted,
    delivered: place.books.delivered + deltas.delivered,
    filtered: place.books.filtered + deltas.filtered,
    dead: place.books.dead + deltas.dead,
    discarded: place.books.discarded + deltas.discarded,
    expired: place.books.expired + deltas.expired,
  };
  const found = books.delivered + books.filtered + books.dead +
    books.discarded + books.expired + waiting;
  return {
    ...books,
    waiting,
    waitingBytes,
    difference: books.accepted - found,
  };
}
