/** Collecting a batch: the events from a place on, as many as one attempt may carry. */

import { EventRun, type Position, type Segment } from "../event.ts";
import { EVENT, ROW } from "../json/spans.ts";

/** What a connector's loop reads from the log. */
export interface Source {
  /** The first segment that holds an event at or after `at`. */
  next(at: Position): Promise<Segment | undefined>;
  /** Resolves when there may be something at or after that place. @throws the signal's reason. */
  changed(after: Position, signal: AbortSignal): Promise<void>;
}

/** Bounds of a batch before it is encoded. */
export interface Bounds {
  readonly events: number;
  /** Bytes of the events themselves: what is read beyond what one attempt can carry only costs memory. */
  readonly bytes: number;
}

/** The place behind a run's last event; `from` where the run is empty. */
export function behind(run: EventRun, from: Position): Position {
  const last = run.count - 1;
  const segment = run.segments[last], index = run.indexes[last];
  return segment === undefined || index === undefined
    ? from
    : { segment: segment.id, index: index + 1 };
}

/** Reads what the log holds from `from` on, without a gap, up to the bounds and at least one event; empty at its end. */
export async function collect(
  source: Source,
  from: Position,
  { events, bytes }: Bounds,
): Promise<EventRun> {
  const run = new EventRun();
  let at = from, read = 0;
  while (run.count < events && read < bytes) {
    const segment = await source.next(at);
    if (segment === undefined) break;
    let index = segment.id === at.segment ? at.index : 0;
    for (; index < segment.count; index++) {
      if (run.count >= events || read >= bytes) return run;
      run.push(segment, index);
      read += eventBytes(segment, index);
    }
    at = { segment: segment.id, index };
  }
  return run;
}

function eventBytes({ spans }: Segment, index: number): number {
  const row = index * ROW + EVENT;
  return (spans[row + 1] ?? 0) - (spans[row] ?? 0);
}
