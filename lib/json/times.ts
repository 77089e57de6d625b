/** Times as bytes: milliseconds since the Unix epoch read from numbers and written as ISO 8601, without a `Date`. */

import {
  digitsEnd,
  placesByMagnitude,
  type TimeUnit,
  writeInteger,
  writePadded,
} from "./numbers.ts";

/** 0001-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z: what every reader of four digits takes. */
export const EARLIEST = -62_135_596_800_000;
export const LATEST = 253_402_300_799_999;

/** What `writeIsoTime` writes: `2026-03-13T00:00:00.123Z`. */
export const ISO_BYTES = 24;

const ZERO = 0x30, POINT = 0x2e, MINUS = 0x2d, PLUS = 0x2b, LOWER_E = 0x65;
const DAY = 86_400_000;

/** Milliseconds have at most this many digits; more are far beyond `LATEST`. */
const MOST_DIGITS = 16;

const decoder = new TextDecoder();

/** Nanoseconds of a time fit in 64 bits: who writes one has no more digits. */
const MOST_BY_MAGNITUDE = 19;

/** Whole milliseconds; NaN for no time. */
function whole(milliseconds: number): number {
  return milliseconds >= EARLIEST && milliseconds < LATEST + 1
    ? Math.trunc(milliseconds)
    : NaN;
}

/**
 * The time that the number text `bytes[start … end)` says, in whole milliseconds from `EARLIEST` to `LATEST`; what is
 * finer is cut off. NaN when it is no JSON number, or too far away to be a time.
 */
export function readMilliseconds(
  bytes: Uint8Array,
  start: number,
  end: number,
  unit: TimeUnit,
): number {
  const first = start < end && bytes[start] === MINUS ? start + 1 : start;
  const wholeEnd = digitsEnd(bytes, first, end);
  const digits = wholeEnd - first;
  if (digits === 0 || digits > 1 && bytes[first] === ZERO) return NaN;
  let i = wholeEnd;
  if (i < end && bytes[i] === POINT) {
    i = digitsEnd(bytes, wholeEnd + 1, end);
    if (i === wholeEnd + 1) return NaN;
  }
  if (i < end) return readExponent(bytes, start, i, end, unit);

  const places = unit === "milliseconds" ? 3 : placesByMagnitude(digits);
  const wanted = digits - places + 3;
  if (wanted > MOST_DIGITS || places > 0 && digits > MOST_BY_MAGNITUDE) {
    return NaN;
  }
  let value = 0;
  for (let n = 0, at = first; n < wanted; n++, at++) {
    if (at === wholeEnd) at++; // The point, or the end.
    value = value * 10 + (at < end ? (bytes[at] as number) - ZERO : 0);
  }
  return whole(first > start ? -value : value);
}

/** The rare number with an exponent, which begins at `at`. */
function readExponent(
  bytes: Uint8Array,
  start: number,
  at: number,
  end: number,
  unit: TimeUnit,
): number {
  if (((bytes[at] as number) | 0x20) !== LOWER_E) return NaN;
  let i = at + 1;
  if (bytes[i] === MINUS || bytes[i] === PLUS) i++;
  if (i >= end || digitsEnd(bytes, i, end) !== end) return NaN;
  const value = Number(decoder.decode(bytes.subarray(start, end)));
  if (unit === "milliseconds") return whole(value);
  const size = Math.abs(value);
  if (size >= 10 ** MOST_BY_MAGNITUDE) return NaN;
  const digits = size < 1e11 ? 1 : size < 1e14 ? 12 : size < 1e17 ? 15 : 18;
  return whole(value * 10 ** (3 - placesByMagnitude(digits)));
}

/** Writes whole milliseconds since the Unix epoch, which may be before it. @returns the place behind them. */
export function writeMilliseconds(
  milliseconds: number,
  out: Uint8Array,
  at: number,
): number {
  if (milliseconds >= 0) return writeInteger(milliseconds, out, at);
  out[at] = MINUS;
  return writeInteger(-milliseconds, out, at + 1);
}

/** The day written last and its text up to the `T`: events of one day follow each other. */
let lastDay = NaN;
const lastDate = new Uint8Array(11);

/**
 * Writes a time as `Date.prototype.toISOString` does, without quotes. `milliseconds` is whole and lies from `EARLIEST`
 * to `LATEST`.
 * @returns the place behind it
 */
export function writeIsoTime(
  milliseconds: number,
  out: Uint8Array,
  at: number,
): number {
  const days = Math.floor(milliseconds / DAY);
  const rest = milliseconds - days * DAY;
  if (days !== lastDay) {
    writeDate(days, lastDate);
    lastDay = days;
  }
  for (let i = 0; i < lastDate.length; i++) out[at + i] = lastDate[i] as number;
  const hour = rest / 3_600_000 | 0, hours = rest - hour * 3_600_000;
  const minute = hours / 60_000 | 0, minutes = hours - minute * 60_000;
  const second = minutes / 1000 | 0;
  writePadded(hour, 2, out, at + 11);
  out[at + 13] = 0x3a;
  writePadded(minute, 2, out, at + 14);
  out[at + 16] = 0x3a;
  writePadded(second, 2, out, at + 17);
  out[at + 19] = POINT;
  writePadded(minutes - second * 1000, 3, out, at + 20);
  out[at + 23] = 0x5a;
  return at + ISO_BYTES;
}

/**
 * Writes `2026-03-13T` for a day counted from the Unix epoch.
 * https://howardhinnant.github.io/date_algorithms.html#civil_from_days
 */
function writeDate(days: number, out: Uint8Array): void {
  // From 0000-03-01: leap days stand at the end of a year, which begins in March.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = (dayOfEra - (dayOfEra / 1460 | 0) +
        (dayOfEra / 36_524 | 0) - (dayOfEra / 146_096 | 0)) / 365 | 0;
  const dayOfYear = dayOfEra -
    (365 * yearOfEra + (yearOfEra >> 2) - (yearOfEra / 100 | 0));
  const fromMarch = (5 * dayOfYear + 2) / 153 | 0;
  const day = dayOfYear - ((153 * fromMarch + 2) / 5 | 0) + 1;
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  writePadded(year, 4, out, 0);
  out[4] = MINUS;
  writePadded(month, 2, out, 5);
  out[7] = MINUS;
  writePadded(day, 2, out, 8);
  out[10] = 0x54;
}
