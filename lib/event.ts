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

/** Events in log order, from one or more segments: what a batch is made of. */
export class EventRun {
  /** The segment of each event. */
  readonly segments: Segment[] = [];
  /** The place of each event in its segment. */
  readonly indexes: number[] = [];

  get count(): number {
    return this.indexes.length;
  }

  push(segment: Segment, index: number): void {
    this.segments.push(segment);
    this.indexes.push(index);
  }

  /** Moves `view` to the event at `place` (0 … count − 1). @throws {RangeError} outside. */
  view(place: number, view: EventView): EventView {
    const segment = this.segments[place], index = this.indexes[place];
    if (segment === undefined || index === undefined) {
      throw new RangeError(`No event ${place} in a run of ${this.count}`);
    }
    return view.at(segment, index);
  }

  /** The events at these places, in their order. */
  pick(places: Iterable<number>): EventRun {
    const run = new EventRun();
    for (const place of places) {
      const segment = this.segments[place], index = this.indexes[place];
      if (segment === undefined || index === undefined) {
        throw new RangeError(`No event ${place} in a run of ${this.count}`);
      }
      run.push(segment, index);
    }
    return run;
  }
}
