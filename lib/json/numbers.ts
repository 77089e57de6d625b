/** Numbers as bytes, without a string in between. */

import { copyBytes } from "./copy.ts";

/** The most that `writeInteger` and `writeSeconds` write. */
export const NUMBER_BYTES = 24;

/** The most that `writeAsSeconds` writes beyond the length of what it reads. */
export const MOVED_POINT_BYTES = 48;

const ZERO = 0x30, POINT = 0x2e, MINUS = 0x2d;

/** Writes a whole number from 0 to 2^53 in decimal. @returns the place after it. */
export function writeInteger(
  value: number,
  out: Uint8Array,
  at: number,
): number {
  if (value <= MOST_INT) return writeInt(value, out, at);
  // Two halves that are integers to the machine too: dividing those is far cheaper.
  const high = Math.floor(value / 1e8);
  const end = writeInt(high, out, at);
  writePadded(value - high * 1e8, 8, out, end);
  return end + 8;
}

const MOST_INT = 0x3fffffff;

function writeInt(value: number, out: Uint8Array, at: number): number {
  let digits = 1;
  for (let rest = value / 10 | 0; rest > 0; rest = rest / 10 | 0) digits++;
  writePadded(value, digits, out, at);
  return at + digits;
}

/** Writes a whole number below 2^31 that has at most `digits` digits, with zeros before it. */
export function writePadded(
  value: number,
  digits: number,
  out: Uint8Array,
  at: number,
): void {
  let rest = value | 0;
  for (let i = at + digits - 1; i >= at; i--) {
    const next = rest / 10 | 0;
    out[i] = ZERO + rest - next * 10;
    rest = next;
  }
}

/** Writes whole milliseconds as seconds with three decimals: `1773360000.123`. @returns the place after it. */
export function writeSeconds(
  milliseconds: number,
  out: Uint8Array,
  at: number,
): number {
  if (milliseconds < 0) {
    out[at++] = MINUS;
    milliseconds = -milliseconds;
  }
  const seconds = Math.floor(milliseconds / 1000);
  const rest = milliseconds - seconds * 1000;
  at = writeInteger(seconds, out, at);
  out[at++] = POINT;
  out[at++] = ZERO + Math.floor(rest / 100);
  out[at++] = ZERO + Math.floor(rest / 10) % 10;
  out[at++] = ZERO + Math.floor(rest) % 10;
  return at;
}

/** A time's unit: decimal places between it and seconds, or found out by the time's magnitude. */
export type TimeUnit = "milliseconds" | "by magnitude";

/**
 * Decimal places by the number of integer digits. Seconds have up to 11 (year 5138), milliseconds 12 to 14 (from 1973),
 * microseconds 15 to 17, nanoseconds more.
 */
export function placesByMagnitude(digits: number): number {
  if (digits <= 11) return 0;
  if (digits <= 14) return 3;
  if (digits <= 17) return 6;
  return 9;
}

/** Where the digits from `from` on end, `end` at most. */
export function digitsEnd(
  bytes: Uint8Array,
  from: number,
  end: number,
): number {
  let i = from;
  while (i < end && (bytes[i] as number) - ZERO >>> 0 <= 9) i++;
  return i;
}

/**
 * Writes the number text `bytes[start … end)`, whose unit its magnitude tells, as seconds by moving its decimal point:
 * no digit is lost, none is made up save zeros. @returns the place after it, or -1 when it is no JSON number, or one so
 * far from a time that its digits cannot be written out; then nothing that counts was written.
 */
export function writeAsSeconds(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  const whole = bytes[start] === MINUS ? start + 1 : start;
  const wholeEnd = digitsEnd(bytes, whole, end);
  if (wholeEnd === whole) return -1;
  if (bytes[whole] === ZERO && wholeEnd > whole + 1) return -1;
  let i = wholeEnd, part = wholeEnd, partEnd = wholeEnd;
  if (i < end && bytes[i] === POINT) {
    part = i + 1;
    partEnd = i = digitsEnd(bytes, part, end);
    if (part === partEnd) return -1;
  }
  let exponent = 0;
  if (i < end && ((bytes[i] as number) | 0x20) === 0x65) {
    i++;
    const sign = bytes[i] === MINUS ? -1 : 1;
    if (sign < 0 || bytes[i] === 0x2b) i++;
    const last = digitsEnd(bytes, i, end);
    if (last === i || last - i > 4) return -1;
    for (; i < last; i++) {
      exponent = exponent * 10 + (bytes[i] as number) - ZERO;
    }
    exponent *= sign;
  }
  if (i !== end) return -1;

  if (i === wholeEnd && bytes[whole] !== ZERO) {
    const digits = wholeEnd - whole;
    const places = placesByMagnitude(digits);
    if (digits > places) {
      at = copyBytes(bytes, start, wholeEnd - places, out, at);
      if (places === 0) return at;
      out[at++] = POINT;
      return copyBytes(bytes, wholeEnd - places, wholeEnd, out, at);
    }
  }

  // The uncommon rest: all digits in a row, the point after `point` of them.
  const count = wholeEnd - whole + partEnd - part;
  const digit = (n: number) =>
    bytes[
      n < wholeEnd - whole ? whole + n : part + n - (wholeEnd - whole)
    ] as number;
  let zeros = 0;
  while (zeros < count && digit(zeros) === ZERO) zeros++;
  let point = wholeEnd - whole + exponent;
  const places = placesByMagnitude(zeros === count ? 0 : point - zeros);
  if (places === 0) return copyBytes(bytes, start, end, out, at);
  point -= places;
  if (point < -20 || point > count + 20) return -1;

  if (whole > start) out[at++] = MINUS;
  const mark = at;
  for (let n = 0; n < point; n++) {
    const next = n < count ? digit(n) : ZERO;
    if (at > mark || next !== ZERO) out[at++] = next;
  }
  if (at === mark) out[at++] = ZERO;
  if (point < count) {
    out[at++] = POINT;
    for (let n = point; n < count; n++) out[at++] = n < 0 ? ZERO : digit(n);
  }
  return at;
}
