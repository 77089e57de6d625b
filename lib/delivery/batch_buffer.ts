/**
 * The body of one attempt while a connector writes it: bytes that grow, cut at whole events.
 *
 * A connector's `encode` writes its opening, then for each event `begin`, the event, `end`, and stops at the first
 * `end` that answers false; then its closing. The buffer keeps the limits, so that no connector counts bytes:
 *
 *     into.trailer = CLOSING.length;
 *     into.literal(OPENING);
 *     for (let place = 0; place < events.count; place++) {
 *       into.begin(COMMA);
 *       row.fill(events.view(place, view), into);
 *       if (!into.end(place)) break;
 *     }
 *     into.literal(CLOSING);
 */

import type {
  Answer,
  BatchLimits,
  DataReason,
  Rejection,
} from "../connector.ts";
import type { PlaceRange } from "../event.ts";

/** What the backing holds at first, and falls back to after one outsized body. */
const FIRST_BYTES = 64 * 1024;
const FIRST_ENDS = 64;

/** Places in a row that follow each other in the body too. */
interface WrittenRange extends PlaceRange {
  count: number;
  /** Of the first one in the body. */
  readonly position: number;
}

const NO_BYTES = new Uint8Array(0);

/** A growing body with the run's places in it. One per connector, used again for each attempt. */
export class BatchBuffer {
  readonly limits: BatchLimits;
  /** The backing: only the first `length` bytes mean something. Replaced when it grows: take it after `room`. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Bytes written. Writers that fill `bytes` themselves move it. */
  length = 0;
  /** The run's first `count` events are dealt with: written or refused. */
  count = 0;
  /** Bytes that the closing will take; counted against the limit. Set before the first event. */
  trailer = 0;
  /** Events that have no wire form; `at` is the place in the run. */
  readonly refusals: Rejection[] = [];
  /** What the SIEM said when this body was sent; undefined: nothing. For receipts alone. */
  answer: Answer | undefined;
  /** Hears that the body was given back. */
  onRelease: (() => void) | undefined;
  /** Events written. */
  #events = 0;
  /** Their places, in the body's order. Nearly always one range: thousands of places in a list of their own cost much. */
  readonly #ranges: WrittenRange[] = [];
  /** Only the first `#events` mean something. Kept between bodies. */
  #ends = new Uint32Array(FIRST_ENDS);
  /** What the backing takes when there is none. */
  #wanted = FIRST_BYTES;
  /** Where the event being written began, its separator included; -1 between events. */
  #mark = -1;
  /** Where its own bytes began. */
  #start = 0;
  /** Why the event being written has no wire form. */
  #unfit: Omit<Rejection, "at"> | undefined;

  constructor(limits: BatchLimits) {
    this.limits = limits;
    this.bytes = new Uint8Array(FIRST_BYTES);
  }

  /** How many events were written. */
  get events(): number {
    return this.#events;
  }

  /** Nothing was written that is worth sending. */
  get empty(): boolean {
    return this.#events === 0;
  }

  /** Place in the run of each written event; the index is its position in the body. Made for whoever asks. */
  get places(): number[] {
    return this.#ranges.flatMap(({ at, count }) =>
      Array.from({ length: count }, (_, n) => at + n)
    );
  }

  /** Where each written event ends in the body: a view, valid until the next write or `reset`. */
  get ends(): Uint32Array {
    return this.#ends.subarray(0, this.#events);
  }

  /** Position in the body of the event at `place` of the run; -1: it was not written. */
  positionOf(place: number): number {
    // The ranges ascend, as events are written in the run's order.
    let low = 0, high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const range = this.#ranges[middle];
      if (range === undefined || place < range.at) high = middle;
      else if (place >= range.at + range.count) low = middle + 1;
      else return range.position + place - range.at;
    }
    return -1;
  }

  /**
   * Gives the body's memory back before the answer is known: whoever delivers needs it no more. What was written of
   * which event stays known.
   */
  release(): void {
    this.#wanted = Math.max(
      FIRST_BYTES,
      Math.min(this.bytes.length, 2 * this.limits.bytes),
    );
    this.bytes = NO_BYTES;
    this.onRelease?.();
  }

  /** Forgets the body and keeps the memory, save what an outsized body took. */
  reset(): void {
    this.length = 0;
    this.count = 0;
    this.trailer = 0;
    this.refusals.length = 0;
    this.#events = 0;
    this.#ranges.length = 0;
    this.answer = undefined;
    this.#mark = -1;
    if (this.bytes.length === 0) this.bytes = new Uint8Array(this.#wanted);
    else if (this.bytes.length > Math.max(FIRST_BYTES, 2 * this.limits.bytes)) {
      this.bytes = new Uint8Array(FIRST_BYTES);
    }
  }

  /** Opens an event; `separator` is written when another event stands before it. */
  begin(separator?: Uint8Array): void {
    this.#mark = this.length;
    if (separator !== undefined && this.#events > 0) {
      this.literal(separator);
    }
    this.#start = this.length;
    this.#unfit = undefined;
  }

  /** For whoever writes the event and does not know its place: it has no wire form. `end` takes it out and reports it. */
  unfit(reason: DataReason, message: string): void {
    this.#unfit = { reason, message };
  }

  /**
   * Closes the event at `place`, which lies behind those before it in the run. An event over `limits.eventBytes` is
   * taken out again and refused as too large.
   * @returns false when it did not fit beside the others: it was taken out again, the body is full, stop.
   */
  end(place: number): boolean {
    if (this.#unfit !== undefined) {
      this.refuse(place, this.#unfit.reason, this.#unfit.message);
      return true;
    }
    const size = this.length - this.#start;
    if (size > this.limits.eventBytes) {
      this.refuse(
        place,
        "too_large",
        `The event takes ${size} bytes; the most that fits is ${this.limits.eventBytes}.`,
      );
      return true;
    }
    const full = this.#events >= this.limits.events ||
      this.#events > 0 &&
        this.length + this.trailer > this.limits.bytes;
    if (full) {
      this.#rollBack();
      return false;
    }
    this.#note(place);
    this.count = place + 1;
    this.#mark = -1;
    return true;
  }

  /** Reports that the event at `place` has no wire form; what was written of it is taken out. */
  refuse(place: number, reason: DataReason, message: string): void {
    this.#rollBack();
    this.refusals.push({ at: place, reason, message });
    this.count = place + 1;
  }

  /** What was written: a view, valid until the next write or `reset`. @throws {TypeError} after `release` */
  body(): Uint8Array<ArrayBuffer> {
    if (this.bytes.length < this.length) throw givenBack();
    return this.bytes.subarray(0, this.length);
  }

  /** Makes room for `more` bytes beyond `length`. @throws {TypeError} after `release` */
  room(more: number): void {
    const wanted = this.length + more;
    if (wanted <= this.bytes.length) return;
    if (this.bytes === NO_BYTES) throw givenBack();
    let size = this.bytes.length;
    while (size < wanted) size *= 2;
    const grown = new Uint8Array(size);
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** Writes these bytes. */
  literal(part: Uint8Array): void {
    this.room(part.length);
    this.bytes.set(part, this.length);
    this.length += part.length;
  }

  /** Writes `from[start … end)`. */
  copy(from: Uint8Array, start: number, end: number): void {
    this.literal(from.subarray(start, end));
  }

  /** Writes one byte. */
  byte(value: number): void {
    this.room(1);
    this.bytes[this.length++] = value;
  }

  #note(place: number): void {
    const last = this.#ranges.at(-1);
    if (last !== undefined && last.at + last.count === place) last.count++;
    else this.#ranges.push({ at: place, count: 1, position: this.#events });
    if (this.#events === this.#ends.length) {
      const grown = new Uint32Array(2 * this.#events);
      grown.set(this.#ends);
      this.#ends = grown;
    }
    this.#ends[this.#events++] = this.length;
  }

  #rollBack(): void {
    if (this.#mark < 0) return;
    this.length = this.#mark;
    this.#mark = -1;
  }
}

function givenBack(): TypeError {
  return new TypeError("The body was given back: there is none until `reset`");
}
