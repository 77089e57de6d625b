/** The seven counts of a connector, computed from its place and the writer heads. */
import type { LaneSeen, Place } from "./cursor.ts";

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
