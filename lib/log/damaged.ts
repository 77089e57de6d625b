/** Which damaged or missing segments a place passes: their events expire there (interface §14). */

import { type EventRun, type Position, type Segment } from "../event.ts";
import type { LaneSeen } from "./cursor.ts";
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

/** Events of segments that are missing whole: only what the next segment of their lane says is known of them. */
export interface MissingEvents {
  /** Behind the event before them. */
  readonly from: Position;
  /** The event after them. */
  readonly until: Position;
  readonly count: number;
  readonly storedBytes: number;
}

/** Where a connector begins that has had nothing. */
const BEFORE_ALL = "0".repeat(20);

/**
 * The gaps in front of a run's segments, as `advance` books them, without the damaged segments whose headers can be
 * read. Where they lay is known to the neighbours in the log's order; with several lanes that is where they were missed.
 */
export function missingBetween(
  place: Position & { readonly seen: Readonly<Record<string, LaneSeen>> },
  run: EventRun,
  damaged: ReadonlyMap<string, Header | undefined>,
): MissingEvents[] {
  const found: MissingEvents[] = [];
  const seen: Record<string, LaneSeen> = { ...place.seen };
  let before: Segment | undefined;
  for (const segment of run.segments) {
    if (segment === before) continue;
    const { lane, eventsBefore, bytesBefore } = segment;
    const { events = 0, bytes = 0 } = seen[lane] ?? {};
    let count = eventsBefore - events;
    let storedBytes = bytesBefore - bytes;
    if (count > 0) {
      for (const header of damaged.values()) {
        if (header?.lane !== lane) continue;
        const end = header.eventsBefore + header.count;
        if (end <= events || end > eventsBefore) continue;
        count -= end - Math.max(events, header.eventsBefore);
        storedBytes -= header.storedBytes;
      }
    }
    if (count > 0) {
      found.push({
        from: before === undefined
          ? { segment: place.segment || BEFORE_ALL, index: place.index }
          : { segment: before.id, index: before.count },
        until: { segment: segment.id, index: 0 },
        count,
        storedBytes: Math.max(0, storedBytes),
      });
    }
    seen[lane] = {
      events: eventsBefore + segment.count,
      bytes: bytesBefore + segment.storedBytes,
    };
    before = segment;
  }
  return found;
}
