/**
 * A connector's place in the log, with its books.
 *
 * Invariants: a place is moved only by the holder of the connector's lease, in a commit that checks the epoch; the
 * books lie in the same record, so place and counts never disagree. Dead letters are written before the place that
 * counts them. Key `["cursor", connector, shard]`, value: JSON text as bytes, at most 65,536.
 */

import type { Reason } from "../connector.ts";
import type { Position, Segment } from "../event.ts";
import type { Decided } from "./decision.ts";

/** What a lane has appended up to a place. */
export interface LaneSeen {
  readonly events: number;
  /** Stored bytes. */
  readonly bytes: number;
}

/** What became of the events behind the place. `accepted` and `waiting` are computed (`books.ts`). */
export interface Books {
  readonly delivered: number;
  readonly filtered: number;
  readonly dead: number;
  readonly discarded: number;
  readonly expired: number;
}

/** The latest fault, as status shows it. */
export interface PlaceError {
  readonly reason: Reason;
  readonly message: string;
  readonly help: string | null;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

export type PlaceState =
  | "waiting"
  | "connected"
  | "retrying"
  | "held"
  | "disabled";

/** A connector's place: the next event to deliver, and everything that must survive a restart. Never mutated. */
export interface Place extends Position {
  /** Per lane: what lies before the place. */
  readonly seen: Readonly<Record<string, LaneSeen>>;
  /** Per lane: the events that lay before the place where the connector began. */
  readonly start: Readonly<Record<string, number>>;
  readonly books: Books;
  readonly state: PlaceState;
  /** Failed attempts of the batch at the place so far. */
  readonly attempt: number;
  /** Where attempts are numbered (strict): how many events they carried, filtered ones aside. Absent: no matter. */
  readonly attempted?: number;
  /** Behind the last event of that batch. Absent: none failed, or it is not known. */
  readonly tried?: Position | undefined;
  /** Milliseconds since the Unix epoch, or null. */
  readonly lastSuccess: number | null;
  readonly lastError: PlaceError | null;
  /** Milliseconds since the Unix epoch, or null. */
  readonly nextAttemptAt: number | null;
}

/** One event that the SIEM will never take, or that was given up after its attempts (strict). */
export interface DeadLetter {
  readonly segment: Segment;
  readonly index: number;
  readonly reason: Reason;
  /** The vendor's words, shortened, without secrets. */
  readonly error: string;
  readonly attempts: number;
  /** Given up after its attempts, whatever the cause: the event may be good. */
  readonly givenUp?: true;
  /** When it was given up: milliseconds since the Unix epoch. */
  readonly at: number;
}

/** The right to move one connector's place, from `takeLease` until `lost` aborts or `release`. */
export interface Holding {
  readonly connector: string;
  /** The place as stored: at first as read, then as last settled. */
  readonly place: Place;
  /**
   * Writes the dead letters, then place, books and history in one commit. Resolves when that is durable.
   * `decided`: what became of every event between the old place and the new one; may be left out where there is none.
   * One call at a time. False: the lease was lost and nothing of the place was written.
   * It does not give up while the store is slow or full; it ends false when `lost` aborts.
   */
  settle(
    place: Place,
    dead: readonly DeadLetter[],
    decided?: Decided,
  ): Promise<boolean>;
  /** Holds only while this lease is the newest: for commits of the loop that move no place. */
  readonly fence?: Deno.AtomicCheck;
  /** Aborts when the lease is lost (or may be): stop sending at once. */
  readonly lost: AbortSignal;
  /** Aborts when another process is to have the connector: end in order, then `release`. */
  readonly handover?: AbortSignal;
  /** Gives the lease back, so that another takes over without waiting. */
  release(): Promise<void>;
}

/**
 * The place after some events: all of every segment in `segments` (log order; repeats in a row count once) but of
 * the last only those before `index`. Every segment between the place and the new one must be named, also those
 * of which nothing was sent. Events of a lane that were never seen in between (a damaged segment was skipped)
 * are booked as expired. The caller adds what it delivered, filtered and so on.
 */
export function advance(
  place: Place,
  segments: readonly Segment[],
  index: number,
): Place {
  const seen: Record<string, LaneSeen> = { ...place.seen };
  let lostEvents = 0;
  let last: Segment | undefined;
  for (const segment of segments) {
    if (segment === last) continue;
    last = segment;
    const before = seen[segment.lane];
    // Never back: the first segment may be the one that the place is in.
    const gap = segment.eventsBefore - (before?.events ?? 0);
    if (gap > 0) lostEvents += gap;
    seen[segment.lane] = {
      events: segment.eventsBefore + segment.count,
      bytes: segment.bytesBefore + segment.storedBytes,
    };
  }
  if (last === undefined) return place;
  if (index < last.count) {
    seen[last.lane] = {
      events: last.eventsBefore + index,
      bytes: last.bytesBefore +
        Math.floor(last.storedBytes * index / last.count),
    };
  }
  return {
    ...place,
    segment: last.id,
    index,
    seen,
    books: lostEvents === 0
      ? place.books
      : { ...place.books, expired: place.books.expired + lostEvents },
  };
}
