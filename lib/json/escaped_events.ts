/**
 * Events as JSON strings: escaped once for all connectors that send an event as text, the last ones kept.
 *
 * They are kept where they are escaped (see escape_kernel.ts): an event is copied in once, and out for each connector.
 */

import type { EventView } from "../event.ts";
import { copyBytes } from "./copy.ts";
import {
  type Escaper,
  LONGEST_TEXT,
  openEscaper,
  SPILL,
} from "./escape_kernel.ts";
import { EventNumbers } from "./event_numbers.ts";
import { EVENT } from "./spans.ts";
import { MAX_ESCAPED, writeJsonString } from "./strings.ts";

/** Memory of what is kept: about 8,000 events of 1 KB. */
const CACHE_BYTES = 8 * 1024 * 1024;
/** Places for events; a power of two. */
const ROWS = 16_384;
/** Behind the ring: an event that begins in it ends in one piece, whatever it becomes. */
const SLACK = MAX_ESCAPED * LONGEST_TEXT + SPILL;

/**
 * A ring of bytes and a table of what lies in it. Places count all bytes ever kept: what the ring has gone over since is
 * known by its start alone.
 */
export class EscapedEvents {
  readonly #size: number;
  readonly #open: (room: number) => Escaper;
  readonly #numbers = new EventNumbers();
  /** Made at the first event: most relays send none as text. */
  #escaper: Escaper | undefined;
  /** Number of the event that a row is about; 0 for none. */
  #tags = new Float64Array(0);
  #starts = new Float64Array(0);
  #lengths = new Uint32Array(0);
  /** Where the next event begins; the ring has been written up to here. */
  #next = 0;

  /** @param bytes of the ring */
  constructor(bytes = CACHE_BYTES, open = openEscaper) {
    this.#size = bytes;
    this.#open = open;
  }

  /**
   * Writes the event of JSON at which `view` stands to `out` from `at` on, escaped, without quotes. `out` must have
   * room for `MAX_ESCAPED` times the event. @returns the place behind it.
   */
  write(view: EventView, out: Uint8Array, at: number): number {
    const { memory, escape } = this.#escaper ??= this.#opened();
    const number = this.#numbers.of(view), row = number & ROWS - 1;
    if (this.#tags[row] === number) {
      const start = this.#starts[row] as number;
      if (start >= this.#next - this.#size) {
        const from = start % this.#size;
        const end = from + (this.#lengths[row] as number);
        return copyBytes(memory, from, end, out, at);
      }
    }
    const start = view.start(EVENT), end = view.end(EVENT);
    // One too long is escaped each time: it would push out too many others.
    if (end - start > LONGEST_TEXT) {
      return writeJsonString(view.bytes, start, end, out, at);
    }
    const from = this.#next % this.#size;
    const to = escape(view.bytes, start, end, from);
    this.#tags[row] = number;
    this.#starts[row] = this.#next;
    this.#lengths[row] = to - from;
    // What ends in the slack counts as if it had gone round: less is kept than could be, never too much.
    this.#next += to - from + SPILL;
    return copyBytes(memory, from, to, out, at);
  }

  #opened(): Escaper {
    this.#tags = new Float64Array(ROWS);
    this.#starts = new Float64Array(ROWS);
    this.#lengths = new Uint32Array(ROWS);
    return this.#open(this.#size + SLACK);
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
