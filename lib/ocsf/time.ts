/** Times as sources write them, read from bytes as whole milliseconds since the Unix epoch. */

import { LATEST, readMilliseconds } from "../json/times.ts";

const ZERO = 0x30,
  POINT = 0x2e,
  PLUS = 0x2b,
  MINUS = 0x2d,
  COLON = 0x3a,
  SLASH = 0x2f,
  SPACE = 0x20,
  UPPER_T = 0x54,
  UPPER_Z = 0x5a;

/** No time, or none that makes sense. */
export const NO_TIME = -1;

const MINUTE = 60_000;

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte - ZERO >>> 0 <= 9;
}

/** The number of `count` digits at `at`; NaN where one of them is none. */
function digits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    if (!isDigit(bytes[i])) return NaN;
    value = value * 10 + (bytes[i] as number) - ZERO;
  }
  return value;
}

/**
 * The time that the text at `start`…`end` says (without quotes): a number of seconds, milli-, micro- or nanoseconds by
 * its magnitude; `2026-03-13T00:00:00.123Z` with `T` or a space, `-` or `/`, any fraction, a zone or none (UTC); or
 * `Mar 13 2026 00:00:00` (UTC).
 * @returns milliseconds, rounded down; `NO_TIME` where it is neither, or before 1970
 */
export function readTime(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const separator = bytes[start + 4];
  if (end - start >= 19 && (separator === MINUS || separator === SLASH)) {
    return readDate(bytes, start, end);
  }
  return isDigit(bytes[start])
    ? readEpoch(bytes, start, end)
    : readNamedMonth(bytes, start, end);
}

const NAMED_MONTH =
  /^([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d{4}) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,3})\d*)?$/;

const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";

function readNamedMonth(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  if (end - start < 19 || end - start > 32) return NO_TIME;
  const found = NAMED_MONTH.exec(
    String.fromCharCode(...bytes.subarray(start, end)),
  );
  if (found === null) return NO_TIME;
  const [, name = "", day, year, hour, minute, second, part = ""] = found;
  const month = MONTHS.indexOf(name);
  const time = Date.UTC(
    Number(year),
    month / 3,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
    Number(part.padEnd(3, "0")),
  );
  return month >= 0 && month % 3 === 0 && time >= 0 ? time : NO_TIME;
}

function readEpoch(bytes: Uint8Array, start: number, end: number): number {
  const time = readMilliseconds(bytes, start, end, "by magnitude");
  return time >= 0 ? time : NO_TIME;
}

function readDate(bytes: Uint8Array, start: number, end: number): number {
  const between = bytes[start + 10];
  if (between !== UPPER_T && between !== SPACE) return NO_TIME;
  if (bytes[start + 7] !== bytes[start + 4]) return NO_TIME;
  if (bytes[start + 13] !== COLON || bytes[start + 16] !== COLON) {
    return NO_TIME;
  }
  const year = digits(bytes, start, 4), month = digits(bytes, start + 5, 2);
  const day = digits(bytes, start + 8, 2), hour = digits(bytes, start + 11, 2);
  const minute = digits(bytes, start + 14, 2);
  const second = digits(bytes, start + 17, 2);
  // Written so that NaN fails too. A leap second is the next minute's first.
  if (
    !(year >= 1970 && month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
      hour <= 24 && minute <= 59 && second <= 60)
  ) return NO_TIME;
  let at = start + 19, fraction = 0;
  if (at < end && bytes[at] === POINT) {
    let scale = 100;
    for (at++; at < end && isDigit(bytes[at]); at++) {
      fraction += ((bytes[at] as number) - ZERO) * scale;
      scale = scale > 1 ? scale / 10 : 0;
    }
  }
  while (at < end && bytes[at] === SPACE) at++;
  let zone = 0;
  const sign = bytes[at];
  if (at < end && sign === UPPER_Z) {
    at++;
  } else if (at < end && (sign === PLUS || sign === MINUS)) {
    const hours = digits(bytes, at + 1, 2);
    at += 3;
    if (bytes[at] === COLON) at++;
    const minutes = at < end ? digits(bytes, at, 2) : 0;
    at = Math.min(end, at + 2);
    zone = (hours * 60 + minutes) * (sign === PLUS ? MINUTE : -MINUTE);
  } else if (end - at === 3) {
    // " UTC" and " GMT", the space read already.
    const name = String.fromCharCode(...bytes.subarray(at, end));
    if (name === "UTC" || name === "GMT") at = end;
  }
  if (at !== end) return NO_TIME;
  const time = Date.UTC(year, month - 1, day, hour, minute, second) +
    fraction - zone;
  return time >= 0 && time <= LATEST ? time : NO_TIME;
}
