/** `/raw` bodies: one event a line (interface §18). */

import type { SliceLimits } from "../json/scanner.ts";
import { ENVELOPE, EVENT, FLAGS, RAW, type SpanTable } from "../json/spans.ts";

const LF = 0x0a, CR = 0x0d;

/**
 * Finds the lines of a body, in slices. LF and CRLF end a line, a CR elsewhere is text; a line of blanks is none. A line
 * above `maxEvent` bytes ends the work. With `isCut`, what follows the last line end is a piece of a line and left out.
 */
export class LineScanner {
  readonly #bytes: Uint8Array;
  readonly #maxEvent: number;
  readonly #length: number;
  #at = 0;

  constructor(
    bytes: Uint8Array,
    options: { readonly maxEvent: number; readonly isCut: boolean },
  ) {
    this.#bytes = bytes;
    this.#maxEvent = options.maxEvent;
    this.#length = options.isCut ? bytes.lastIndexOf(LF) + 1 : bytes.length;
  }

  /** Nothing follows. */
  get isDone(): boolean {
    return this.#at >= this.#length;
  }

  /** Appends a row for each line of the next slice; false when the line behind them is too large. */
  scan(out: SpanTable, limits: SliceLimits): boolean {
    const bytes = this.#bytes, length = this.#length;
    let start = this.#at;
    const stop = Math.min(length, start + limits.bytes);
    const full = out.count + limits.rows;
    while (start < stop && out.count < full) {
      const found = bytes.indexOf(LF, start);
      let end = found < 0 ? length : found;
      const next = end + 1;
      if (found >= 0 && end > start && bytes[end - 1] === CR) end--;
      if (!isBlankLine(bytes, start, end)) {
        if (end - start > this.#maxEvent) return false;
        const at = out.add();
        out.words[at + ENVELOPE] = out.words[at + EVENT] = start;
        out.words[at + ENVELOPE + 1] = out.words[at + EVENT + 1] = end;
        out.words[at + FLAGS] = RAW;
      }
      start = next;
    }
    this.#at = start;
    return true;
  }
}

function isBlankLine(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte !== 0x20 && byte !== 0x09 && byte !== CR) return false;
  }
  return true;
}
