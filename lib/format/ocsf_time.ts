/** Finding an OCSF event's own time, in one pass over its bytes. */

import { afterSpace, afterString, afterValue } from "../json/skip.ts";

const QUOTE = 0x22, COMMA = 0x2c, COLON = 0x3a, OPEN_OBJECT = 0x7b;

const CLASS_UID = new TextEncoder().encode("class_uid");
const METADATA = new TextEncoder().encode("metadata");
const VERSION = new TextEncoder().encode("version");
const TIME = new TextEncoder().encode("time");

function isKey(
  bytes: Uint8Array,
  start: number,
  end: number,
  key: Uint8Array,
): boolean {
  if (end - start !== key.length) return false;
  for (let i = 0; i < key.length; i++) {
    if (bytes[start + i] !== key[i]) return false;
  }
  return true;
}

function isInteger(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = bytes[start] === 0x2d ? start + 1 : start; i < end; i++) {
    if ((bytes[i] as number) - 0x30 >>> 0 > 9) return false;
  }
  return true;
}

/** Whether the object at `at` has a string `version`. */
function hasVersion(bytes: Uint8Array, at: number, end: number): boolean {
  let found = false;
  for (let i = afterSpace(bytes, at + 1); bytes[i] === QUOTE;) {
    const keyEnd = afterString(bytes, i);
    const value = afterSpace(bytes, afterSpace(bytes, keyEnd) + 1);
    if (isKey(bytes, i + 1, keyEnd - 1, VERSION)) {
      found = bytes[value] === QUOTE;
    }
    i = afterSpace(bytes, afterValue(bytes, value, end));
    if (bytes[i] !== COMMA) break;
    i = afterSpace(bytes, i + 1);
  }
  return found;
}

/**
 * Where an OCSF event's `time` (milliseconds) begins; its end is that of the number. -1 when `bytes[start … end)`, a
 * valid JSON value, is no OCSF event (an integer `class_uid`, an object `metadata` with a string `version`) or has no
 * numeric time. The last of equal keys counts; keys written with escapes are not looked at.
 */
export function ocsfTime(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  if (bytes[start] !== OPEN_OBJECT) return -1;
  let time = -1, isClass = false, isVersioned = false;
  for (let i = afterSpace(bytes, start + 1); bytes[i] === QUOTE;) {
    const key = i + 1, keyEnd = afterString(bytes, i) - 1;
    i = afterSpace(bytes, keyEnd + 1);
    if (bytes[i] !== COLON) return -1;
    const value = afterSpace(bytes, i + 1);
    const first = bytes[value] as number;
    const valueEnd = afterValue(bytes, value, end);
    const isNumber = first === 0x2d || first - 0x30 >>> 0 <= 9;
    if (isKey(bytes, key, keyEnd, TIME)) {
      time = isNumber ? value : -1;
    } else if (isKey(bytes, key, keyEnd, CLASS_UID)) {
      isClass = isNumber && isInteger(bytes, value, valueEnd);
    } else if (isKey(bytes, key, keyEnd, METADATA)) {
      isVersioned = first === OPEN_OBJECT && hasVersion(bytes, value, valueEnd);
    }
    i = afterSpace(bytes, valueEnd);
    if (bytes[i] !== COMMA) break;
    i = afterSpace(bytes, i + 1);
  }
  return isClass && isVersioned ? time : -1;
}

/** Place after the number that begins at `at`. */
export function numberEnd(bytes: Uint8Array, at: number, end: number): number {
  return afterValue(bytes, at, end);
}
