/** Which damaged segments a place passes: their events expire there (interface §14). */

import type { EventRun, Position } from "../event.ts";
import { isBefore } from "./decision.ts";
import type { Header } from "./segment.ts";

/** A segment that was passed over because it is damaged. */
export interface DamagedSegment {
  readonly id: string;
  /** Its first event that was not decided. */
  readonly from: number;
  /** Of all its events, as far as that is known. */
  readonly count: number;
  readonly storedBytes: number;
  /** Milliseconds since the Unix epoch; null where its header cannot be read either. */
  readonly receivedAt: number | null;
}

/**
 * Of the damaged segments met so far those between two places, in order; without those of `run`, which were read before
 * they were damaged.
 */
export function damagedBetween(
  segments: ReadonlyMap<string, Header | undefined>,
  from: Position,
  until: Position,
  run: EventRun,
): DamagedSegment[] {
  if (segments.size === 0) return [];
  const read = new Set(run.segments.map(({ id }) => id));
  const found: DamagedSegment[] = [];
  for (const [id, header] of segments) {
    const index = id === from.segment ? from.index : 0;
    const at = { segment: id, index };
    if (read.has(id) || isBefore(at, from) || !isBefore(at, until)) continue;
    if (header !== undefined && index >= header.count) continue;
    found.push({
      id,
      from: index,
      count: header?.count ?? 0,
      storedBytes: header?.storedBytes ?? 0,
      receivedAt: header?.receivedAt ?? null,
    });
  }
  return found.sort((one, other) => one.id < other.id ? -1 : 1);
}
