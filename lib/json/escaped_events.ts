/** Events as JSON strings: escaped once for all connectors that send an event as text, the last ones kept. */

import type { EventView } from "../event.ts";
import { copyBytes } from "./copy.ts";
import { EventNumbers } from "./event_numbers.ts";
import { EVENT } from "./spans.ts";
import { writeJsonString } from "./strings.ts";

/** Memory of what is kept: about 8,000 events of 1 KB. */
const CACHE_BYTES = 8 * 1024 * 1024;
/** Places for events; a power of two. */
const ROWS = 16_384;
/** A longer one is escaped each time: it would push out too many others. */
const LONGEST = 64 * 1024;

/**
 * A ring of bytes and a table of what lies in it. `#starts` counts all bytes ever kept: what the ring has gone over
 * since is known by its start alone.
 */
export class EscapedEvents {
  readonly #size: number;
  readonly #numbers = new EventNumbers();
  /** Made at the first event: most relays send none as text. */
  #ring = new Uint8Array(0);
  /** Number of the event that a row is about; 0 for none. */
  #tags = new Float64Array(0);
  #starts = new Float64Array(0);
  #lengths = new Uint32Array(0);
  #end = 0;

  constructor(bytes = CACHE_BYTES) {
    this.#size = bytes;
  }

  /**
   * Writes the event of JSON at which `view` stands to `out` from `at` on, escaped, without quotes. `out` must have
   * room for `MAX_ESCAPED` times the event. @returns the place behind it.
   */
  write(view: EventView, out: Uint8Array, at: number): number {
    if (this.#ring.length === 0) this.#open();
    const number = this.#numbers.of(view), row = number & ROWS - 1;
    if (this.#tags[row] === number) {
      const start = this.#starts[row] as number;
      if (start >= this.#end - this.#size) {
        const from = start % this.#size;
        const end = from + (this.#lengths[row] as number);
        return copyBytes(this.#ring, from, end, out, at);
      }
    }
    const start = view.start(EVENT), end = view.end(EVENT);
    const to = writeJsonString(view.bytes, start, end, out, at);
    if (to - at <= Math.min(LONGEST, this.#size)) {
      this.#keep(number, row, out, at, to);
    }
    return to;
  }

  #open(): void {
    this.#ring = new Uint8Array(this.#size);
    this.#tags = new Float64Array(ROWS);
    this.#starts = new Float64Array(ROWS);
    this.#lengths = new Uint32Array(ROWS);
  }

  #keep(
    number: number,
    row: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const length = end - start;
    const left = this.#size - this.#end % this.#size;
    // In one piece: the ring's last bytes stay unused.
    if (left < length) this.#end += left;
    this.#tags[row] = number;
    this.#starts[row] = this.#end;
    this.#lengths[row] = length;
    copyBytes(bytes, start, end, this.#ring, this.#end % this.#size);
    this.#end += length;
  }
}

const shared = new EscapedEvents();

/** `EscapedEvents.write` with what all connectors share. */
export function writeEscapedEvent(
  view: EventView,
  out: Uint8Array,
  at: number,
): number {
  return shared.write(view, out, at);
}
