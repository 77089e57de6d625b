/**
 * Events as the relay sees them: bytes in a segment plus a row of spans. Nothing here makes an object per event.
 */

import { EVENT, FLAGS, type Member, RAW, ROW, RUN } from "./json/spans.ts";

/** What one request brought to a segment. */
export interface Run {
  /** Name of the ingest token it came with. */
  readonly producer: string;
  /** When the relay took it: milliseconds since the Unix epoch, an integer. */
  readonly receivedAt: number;
}

/** A run of events committed to the log together. Never changed, deleted whole. */
export interface Segment {
  /** The commit's versionstamp: 20 lower-case hex characters; sorts in commit order, not dense. */
  readonly id: string;
  /** Envelopes as received. Spans count from the start of this view. */
  readonly bytes: Uint8Array;
  /** `count` rows of `ROW` words (see `json/spans.ts`). Members that the request's defaults gave are filled in. */
  readonly spans: Uint32Array;
  readonly count: number;
  readonly runs: readonly Run[];
  /** The writer lane that appended it, and what that lane had appended before: events and stored bytes. */
  readonly lane: string;
  readonly eventsBefore: number;
  readonly bytesBefore: number;
  /** Bytes stored for it, all values together. */
  readonly storedBytes: number;
  /** Ids of the events of a segment that was made for a replay; absent: `<id>-<n>`. */
  readonly ids?: readonly string[] | undefined;
  /** The same events as their producers sent them, where a replay added something to their envelopes. */
  readonly plain?: Segment | undefined;
}

/** A place in the log: the next event to look at. `index` may equal the segment's count. */
export interface Position {
  readonly segment: string;
  readonly index: number;
}

/** The relay's own id of an event: `<segment>-<n>`. */
export function eventId(segment: string, index: number): string {
  return `${segment}-${index}`;
}

/** A flyweight over one event of a segment; `at()` moves it. Spans are read from `bytes`. */
export class EventView {
  segment!: Segment;
  index = 0;
  bytes!: Uint8Array;
  /** Place of the row's first word in `segment.spans`. */
  #row = 0;

  /** Moves the view to an event. */
  at(segment: Segment, index: number): this {
    this.segment = segment;
    this.bytes = segment.bytes;
    this.index = index;
    this.#row = index * ROW;
    return this;
  }

  /** Start of a member's span; equal to `end` where the member is absent. */
  start(member: Member): number {
    return this.segment.spans[this.#row + member] as number;
  }

  /** End of a member's span, exclusive. */
  end(member: Member): number {
    return this.segment.spans[this.#row + member + 1] as number;
  }

  get flags(): number {
    return this.segment.spans[this.#row + FLAGS] as number;
  }

  /** The event is a line of text, not JSON. */
  get isRaw(): boolean {
    return (this.flags & RAW) !== 0;
  }

  get run(): Run {
    const run =
      this.segment.runs[this.segment.spans[this.#row + RUN] as number];
    if (run === undefined) {
      throw new TypeError(
        `Segment ${this.segment.id} has no run for event ${this.index}`,
      );
    }
    return run;
  }

  /** When the relay took it: milliseconds since the Unix epoch. */
  get receivedAt(): number {
    return this.run.receivedAt;
  }

  /** `<segment>-<n>`, also where the event lies in a segment that was made for a replay. */
  get id(): string {
    const { segment, index } = this;
    return segment.ids?.[index] ?? eventId(segment.id, index);
  }

  /** The event's own bytes, as they came: JSON, or a line of text where `isRaw`. */
  get event(): Uint8Array {
    return this.bytes.subarray(this.start(EVENT), this.end(EVENT));
  }
}

/** Places in a row, of a run or of whatever else counts its events from 0. */
export interface PlaceRange {
  readonly at: number;
  readonly count: number;
}

/** Events in a row of one segment. */
interface Slice {
  readonly segment: Segment;
  /** Of the first one, in its segment. */
  readonly index: number;
  count: number;
}

/**
 * Events in log order, from one or more segments: what a batch is made of. Kept as slices of segments, because a run of
 * thousands of events is one or two of them.
 */
export class EventRun {
  readonly #slices: Slice[] = [];
  #count = 0;
  /** The slice looked at last and the place of its first event: the next look is nearly always there or behind it. */
  #near = 0;
  #nearFrom = 0;

  get count(): number {
    return this.#count;
  }

  /** The segment of each slice, in their order: one may come several times. */
  get segments(): Segment[] {
    return this.#slices.map(({ segment }) => segment);
  }

  /** The place in the log behind the last event; undefined where there is none. */
  get end(): Position | undefined {
    const last = this.#slices.at(-1);
    return last && { segment: last.segment.id, index: last.index + last.count };
  }

  /** Adds `count` events of a segment, from `index` on. */
  push(segment: Segment, index: number, count = 1): void {
    if (count === 0) return;
    const last = this.#slices.at(-1);
    if (last?.segment === segment && last.index + last.count === index) {
      last.count += count;
    } else this.#slices.push({ segment, index, count });
    this.#count += count;
  }

  /** Adds the events of another run. */
  append(run: EventRun): void {
    for (const { segment, index, count } of run.#slices) {
      this.push(segment, index, count);
    }
  }

  /** Moves `view` to the event at `place` (0 … count − 1). @throws {RangeError} outside. */
  view(place: number, view: EventView): EventView {
    const { segment, index } = this.#sliceAt(place);
    return view.at(segment, index + place - this.#nearFrom);
  }

  /** Where the event at `place` lies in the log. @throws {RangeError} outside. */
  position(place: number): Position {
    const { segment, index } = this.#sliceAt(place);
    return { segment: segment.id, index: index + place - this.#nearFrom };
  }

  /** The events of these ranges, in their order. @throws {RangeError} outside. */
  pick(ranges: Iterable<PlaceRange>): EventRun {
    const run = new EventRun();
    for (const { at, count } of ranges) {
      for (let place = at; place < at + count;) {
        const slice = this.#sliceAt(place);
        const skipped = place - this.#nearFrom;
        const some = Math.min(slice.count - skipped, at + count - place);
        run.push(slice.segment, slice.index + skipped, some);
        place += some;
      }
    }
    return run;
  }

  /** The events at `from` up to `until`, exclusive. @throws {RangeError} outside. */
  slice(from: number, until: number = this.#count): EventRun {
    return this.pick([{ at: from, count: until - from }]);
  }

  /** The slice with the event at `place`; it is the near one then. */
  #sliceAt(place: number): Slice {
    if (!(place >= 0 && place < this.#count)) throw this.#noEvent(place);
    let slice = this.#slices[this.#near];
    while (slice !== undefined && place >= this.#nearFrom + slice.count) {
      this.#nearFrom += slice.count;
      slice = this.#slices[++this.#near];
    }
    while (slice !== undefined && place < this.#nearFrom) {
      slice = this.#slices[--this.#near];
      this.#nearFrom -= slice?.count ?? 0;
    }
    if (slice === undefined) throw this.#noEvent(place);
    return slice;
  }

  #noEvent(place: number): RangeError {
    return new RangeError(`No event ${place} in a run of ${this.count}`);
  }
}
