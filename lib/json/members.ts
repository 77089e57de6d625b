/** The members of one object: leaving some out while everything else stays byte for byte. Only for valid JSON. */

import { afterSpace, afterString, afterValue } from "./skip.ts";
import { stringValue } from "./strings.ts";

const QUOTE = 0x22, COMMA = 0x2c, BACKSLASH = 0x5c;

/** Judges a member by its name's literal (quotes included) and its value. */
export type MemberTest = (
  bytes: Uint8Array,
  name: number,
  nameEnd: number,
  value: number,
  valueEnd: number,
) => boolean;

/**
 * Adds to `cuts` what must go (start, end, start, end, … in order) so that the object at `start`…`end` lacks the
 * members that `isUnwanted` names, a comma of each with it. Every member is asked about once, in order.
 * Members that begin at or behind `until` are not asked about and not counted.
 * Hot: once per event and connector that leaves members out.
 * @returns how many members stay
 */
export function cutMembers(
  bytes: Uint8Array,
  start: number,
  end: number,
  isUnwanted: MemberTest,
  cuts: number[],
  until = end,
): number {
  let kept = 0, before = start;
  let at = afterSpace(bytes, start + 1);
  while (at < until && bytes[at] === QUOTE) {
    const name = at, nameEnd = afterString(bytes, at);
    // Behind the colon.
    const value = afterSpace(bytes, afterSpace(bytes, nameEnd) + 1);
    const valueEnd = afterValue(bytes, value, end);
    at = afterSpace(bytes, valueEnd);
    const isLast = bytes[at] !== COMMA;
    if (!isLast) at = afterSpace(bytes, at + 1);
    if (!isUnwanted(bytes, name, nameEnd, value, valueEnd)) kept++;
    else if (kept > 0) cuts.push(before, valueEnd);
    else cuts.push(name, isLast ? valueEnd : at);
    before = valueEnd;
  }
  return kept;
}

/** Whether the name's literal at `start`…`end` says `name`, which is ASCII. */
export function isNamed(
  bytes: Uint8Array,
  start: number,
  end: number,
  name: string,
): boolean {
  const length = end - start - 2;
  // Of the same length, or with escapes, which are longer than what they stand for.
  if (length < name.length) return false;
  for (let i = 0; i < length; i++) {
    const byte = bytes[start + 1 + i] as number;
    if (byte === BACKSLASH) return stringValue(bytes, start, end) === name;
    if (byte !== name.charCodeAt(i)) return false;
  }
  return true;
}
