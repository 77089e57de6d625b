/** `/raw` bodies: one event a line (interface §18). */

import { ENVELOPE, EVENT, FLAGS, RAW, type SpanTable } from "../json/spans.ts";

const LF = 0x0a, CR = 0x0d;

/**
 * Appends a row for each line. LF and CRLF end a line, a CR elsewhere is text; a line of blanks is none. A line above
 * `maxEvent` bytes ends the work. With `isCut`, what follows the last line end is a piece of a line and left out.
 * @returns the number of the line that was too large, counted as events; undefined when there is none
 */
export function splitLines(
  bytes: Uint8Array,
  out: SpanTable,
  options: { readonly maxEvent: number; readonly isCut?: boolean },
): number | undefined {
  const { maxEvent, isCut = false } = options;
  const length = bytes.length;
  for (let start = 0; start < length;) {
    const found = bytes.indexOf(LF, start);
    if (found < 0 && isCut) return undefined;
    let end = found < 0 ? length : found;
    const next = end + 1;
    if (found >= 0 && end > start && bytes[end - 1] === CR) end--;
    if (!isBlankLine(bytes, start, end)) {
      if (end - start > maxEvent) return out.count;
      const at = out.add();
      out.words[at + ENVELOPE] = out.words[at + EVENT] = start;
      out.words[at + ENVELOPE + 1] = out.words[at + EVENT + 1] = end;
      out.words[at + FLAGS] = RAW;
    }
    start = next;
  }
  return undefined;
}

function isBlankLine(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte !== 0x20 && byte !== 0x09 && byte !== CR) return false;
  }
  return true;
}
