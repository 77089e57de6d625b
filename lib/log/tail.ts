/**
 * The newest segments in memory: what a connector that keeps up is served from.
 *
 * Invariant: it is contiguous. Every segment of the log behind `#edge` and up to the newest one here is in it, so an
 * answer from it needs no look at the store. Bounded in bytes; the oldest go first.
 */

import type { Position, Segment } from "../event.ts";

/** What a segment costs beside its bytes: objects and array headers. */
const OVERHEAD_BYTES = 1_024;

/** Sorts behind every id. */
const BEHIND_ALL = "g";

function costOf(segment: Segment): number {
  return segment.bytes.buffer.byteLength + segment.spans.byteLength +
    OVERHEAD_BYTES;
}

export class Tail {
  readonly #limit: number;
  /** A deque: the live part begins at `#from`. */
  #segments: (Segment | undefined)[] = [];
  /** Of each segment: the cost of all that came before it. */
  #starts: number[] = [];
  #from = 0;
  #bytes = 0;
  /** The cost of all that ever came. */
  #pushed = 0;
  /** The place right before the oldest one here. */
  #edge: Position;
  /** Nothing before the edge is kept anywhere. */
  #isWhole = false;

  /** `edge`: the end of the log now. */
  constructor(limit: number, edge: Position) {
    this.#limit = limit;
    this.#edge = edge;
  }

  /** The place behind the newest event. */
  get end(): Position {
    const newest = this.#segments.at(-1);
    return newest === undefined
      ? this.#edge
      : { segment: newest.id, index: newest.count };
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds the segment that follows directly. */
  push(segment: Segment): void {
    const cost = costOf(segment);
    this.#segments.push(segment);
    this.#starts.push(this.#pushed);
    this.#pushed += cost;
    this.#bytes += cost;
    while (
      this.#bytes > this.#limit && this.#segments.length - this.#from > 1
    ) {
      this.#isWhole = false;
      if (!this.#shift()) break;
    }
    this.#compact();
  }

  /** Forgets what all readers have passed: everything before that segment, save the newest. */
  passed(id: string): void {
    while (
      this.#segments.length - this.#from > 1 &&
      (this.#segments[this.#from]?.id ?? BEHIND_ALL) < id
    ) {
      this.#isWhole = false;
      if (!this.#shift()) break;
    }
    this.#compact();
  }

  /** What lies here from that segment on, in bytes. */
  bytesFrom(id: string): number {
    return this.#pushed - (this.#starts[this.#find(id)] ?? this.#pushed);
  }

  /** Forgets what was trimmed: everything up to that segment. */
  dropUpTo(id: string): void {
    while ((this.#segments[this.#from]?.id ?? BEHIND_ALL) <= id) {
      if (!this.#shift()) break;
    }
    if (this.#edge.segment <= id) this.#isWhole = true;
  }

  /** Drops the oldest. */
  #shift(): boolean {
    const oldest = this.#segments[this.#from];
    if (oldest === undefined) return false;
    this.#segments[this.#from++] = undefined;
    this.#bytes -= costOf(oldest);
    this.#edge = { segment: oldest.id, index: oldest.count };
    return true;
  }

  /** Is what follows this place known here? */
  covers(at: Position): boolean {
    if (this.#isWhole) return true;
    const { segment, index } = this.#edge;
    return at.segment > segment ||
      (at.segment === segment && at.index >= index);
  }

  /** The first segment with an event at or after a covered place; undefined: there is none yet. */
  next(at: Position): Segment | undefined {
    const place = this.#find(at.segment);
    const found = this.#segments[place];
    if (found === undefined) return undefined;
    return found.id === at.segment && at.index >= found.count
      ? this.#segments[place + 1]
      : found;
  }

  /** Index of the first segment that is not before this id. */
  #find(id: string): number {
    let low = this.#from, high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#segments[middle]?.id ?? "") < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The emptied front is cut off when it is half: amortised one move a segment. */
  #compact(): void {
    if (this.#from <= 64 || this.#from * 2 <= this.#segments.length) return;
    this.#segments = this.#segments.slice(this.#from);
    this.#starts = this.#starts.slice(this.#from);
    this.#from = 0;
  }
}
