/** Collecting a batch: the events from a place on, as many as one attempt may carry, and what the scope filters. */

import type { Clock } from "../clock.ts";
import type { ScopeKey } from "../config/scope.ts";
import {
  EventRun,
  EventView,
  type PlaceRange,
  type Position,
  type Segment,
} from "../event.ts";
import { EVENT, ROW } from "../json/spans.ts";
import { Turns } from "../turns.ts";
import type { EventFilter } from "./scope_filter.ts";

/** What a connector's loop reads from the log. */
export interface Source {
  /** The first segment that holds an event at or after `at`. */
  next(at: Position): Promise<Segment | undefined>;
  /** Resolves when there may be something at or after that place. @throws the signal's reason. */
  changed(after: Position, signal: AbortSignal): Promise<void>;
  /** Hears how far a connector reads ahead of its place; undefined: it begins again there. */
  ahead?(connector: string, at: Position | undefined): void;
}

/** Bounds of a batch before it is encoded. */
export interface Bounds {
  readonly events: number;
  /** Bytes of the events themselves: what is read beyond what one attempt can carry only costs memory. */
  readonly bytes: number;
}

/**
 * What one settle may pass over: events that go nowhere, because they are filtered or have expired. Large, so that a long
 * stretch of them costs few commits; bounded, because what is collected keeps its segments in memory.
 */
export const STRIDE: Bounds = { events: 10_000, bytes: 8 * 1024 * 1024 };
/** How often the clock is looked at where no event takes long: that costs as much as judging by fields. */
const EVENTS_PER_LOOK = 32;

/**
 * Lets all else run while a scope's filter takes its time. What a turn's last event takes comes on top, which a `when`
 * bounds (`MOST_WORK` of lib/ocsf/work.ts).
 */
export class Pauses {
  readonly #turns: Turns;
  readonly #eventsPerLook: number;
  #events = 0;

  constructor({ filter, clock }: Scoping) {
    this.#turns = new Turns(clock);
    this.#eventsPerLook = filter === undefined
      ? Infinity
      : filter.isSlow
      ? 1
      : EVENTS_PER_LOOK;
  }

  /** To be asked after each event that was judged: whether it is time for `take()`. */
  isDue(): boolean {
    if (++this.#events < this.#eventsPerLook) return false;
    this.#events = 0;
    return this.#turns.isOver;
  }

  take(): Promise<void> {
    return this.#turns.next();
  }
}

/** Events in a row of a run that one part of the scope filters. */
export interface FilteredRange extends PlaceRange {
  readonly by: ScopeKey;
}

/** Which events of a run the scope filters. */
export interface Filtered {
  /** In the run's order. */
  readonly ranges: readonly FilteredRange[];
  /** Bytes of these events. */
  readonly bytes: number;
}

/** What is collected: all events from a place on, without a gap, and which of them go nowhere. */
export interface Collected {
  readonly run: EventRun;
  readonly filtered: Filtered;
  /** Bytes of all these events. */
  readonly bytes: number;
  /** The log held no more. */
  readonly isAll: boolean;
}

/** A connector's scope, and the time that judging by it takes. */
export interface Scoping {
  /** Absent: all events pass. */
  readonly filter?: EventFilter | undefined;
  readonly clock: Clock;
}

/** The place behind a run's last event; `from` where the run is empty. */
export function behind(run: EventRun, from: Position): Position {
  return run.end ?? from;
}

/**
 * Reads what the log holds from `from` on, up to the bounds and at least one event; empty at its end. `bounds` are for
 * the events that pass, `stride` for those that are filtered between them.
 */
export async function collect(
  source: Source,
  from: Position,
  { events, bytes }: Bounds,
  { filter, clock }: Scoping,
  stride: Bounds = STRIDE,
): Promise<Collected> {
  const run = new EventRun(), view = new EventView();
  const ranges: Range[] = [];
  let passed = 0, passedBytes = 0, filteredEvents = 0, filteredBytes = 0;
  const pauses = new Pauses({ filter, clock });
  let at = from, isAll = false;
  const isFull = () =>
    passed >= events || passedBytes >= bytes ||
    filteredEvents >= stride.events || filteredBytes >= stride.bytes;
  while (!isFull()) {
    const segment = await source.next(at);
    if (segment === undefined) {
      isAll = true;
      break;
    }
    const first = segment.id === at.segment ? at.index : 0;
    let index = first;
    while (index < segment.count && !isFull()) {
      const size = eventBytes(segment, index);
      const by = filter?.by(view.at(segment, index));
      if (by === undefined) {
        passed++;
        passedBytes += size;
      } else {
        add(ranges, passed + filteredEvents, by);
        filteredEvents++;
        filteredBytes += size;
      }
      index++;
      if (pauses.isDue()) await pauses.take();
    }
    run.push(segment, first, index - first);
    at = { segment: segment.id, index };
  }
  return {
    run,
    filtered: { ranges, bytes: filteredBytes },
    bytes: passedBytes + filteredBytes,
    isAll,
  };
}

interface Range extends FilteredRange {
  count: number;
}

/** Notes the event at a place, behind all that were noted. */
function add(ranges: Range[], at: number, by: ScopeKey): void {
  const last = ranges.at(-1);
  if (last?.by === by && last.at + last.count === at) last.count++;
  else ranges.push({ at, count: 1, by });
}

function eventBytes({ spans }: Segment, index: number): number {
  const row = index * ROW + EVENT;
  return (spans[row + 1] ?? 0) - (spans[row] ?? 0);
}
