/** JSON arrays as text, for formats without lists. */

import { copyBytes } from "../json/copy.ts";
import { cutMembers, isNamed, type MemberTest } from "../json/members.ts";
import { afterSpace, afterValue } from "../json/skip.ts";
import { stringValue } from "../json/strings.ts";

const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c, LOWER_N = 0x6e;
const OPEN_ARRAY = 0x5b, CLOSE_ARRAY = 0x5d, OPEN_OBJECT = 0x7b;

const encoder = new TextEncoder();

/**
 * Writes the texts of the valid JSON array at `start`…`end` with commas between: numbers and words as they stand, of
 * objects their `uid` or `name`; what has no text is left out. `out` must have the array's length.
 * @returns the place behind them
 */
export function writeList(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
): number {
  let to = 0;
  let at = afterSpace(bytes, start + 1);
  while (at < end && bytes[at] !== CLOSE_ARRAY) {
    const next = afterValue(bytes, at, end);
    // In the place of the comma that stands before it there.
    const from = to > 0 ? to + 1 : 0;
    const last = writeElement(bytes, at, next, out, from);
    if (last > from) {
      if (to > 0) out[to] = COMMA;
      to = last;
    }
    at = afterSpace(bytes, next);
    if (bytes[at] === COMMA) at = afterSpace(bytes, at + 1);
  }
  return to;
}

function writeElement(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  switch (bytes[start]) {
    case QUOTE:
      if (!bytes.subarray(start, end).includes(BACKSLASH)) {
        return copyBytes(bytes, start + 1, end - 1, out, at);
      }
      return at + encoder.encodeInto(
        stringValue(bytes, start, end),
        out.subarray(at),
      ).written;
    case OPEN_OBJECT: {
      const value = namedValue(bytes, start, end);
      if (value < 0 || bytes[value] === OPEN_OBJECT) return at;
      return writeElement(bytes, value, afterValue(bytes, value, end), out, at);
    }
    case OPEN_ARRAY:
    case LOWER_N:
      return at;
    default:
      return copyBytes(bytes, start, end, out, at);
  }
}

/** Where an object's `uid` begins, else its `name`; the last of equal ones counts. -1: it has neither. */
function namedValue(bytes: Uint8Array, start: number, end: number): number {
  let uid = -1, name = -1;
  const look: MemberTest = (_, from, until, value) => {
    const said = bytes[value] === LOWER_N ? -1 : value;
    if (isNamed(bytes, from, until, "uid")) uid = said;
    else if (isNamed(bytes, from, until, "name")) name = said;
    return false;
  };
  cutMembers(bytes, start, end, look, []);
  return uid < 0 ? name : uid;
}
