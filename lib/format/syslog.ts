/** RFC 5424 headers, bytes to bytes, and the two framings of RFC 6587. */

import { writeInteger } from "../json/numbers.ts";
import { ISO_BYTES } from "../json/times.ts";

const SPACE = 0x20, HYPHEN = 0x2d, LOW_LINE = 0x5f, LAST_PRINTABLE = 0x7e;

/** Facility local0. */
const FACILITY = 16;

/** RFC 5424 §6: the most bytes of each field. */
export const HOSTNAME_BYTES = 255;
export const APP_NAME_BYTES = 48;
export const MSGID_BYTES = 32;

/** The most bytes of a whole header, the space behind it counted. */
export const SYSLOG_HEADER_BYTES = 8 + ISO_BYTES + 1 + HOSTNAME_BYTES + 1 +
  APP_NAME_BYTES + 1 + 2 + MSGID_BYTES + 1 + 2;

/** `<134>1 `: priority (local0 and a severity, 0–7) and version. The time comes behind it, as ISO text, and a space. */
export function syslogStart(severity: number): string {
  return `<${FACILITY * 8 + severity}>1 `;
}

/**
 * A field and the space behind it, at most `most` bytes of text: what is no printable ASCII becomes `_`, so that a
 * reader finds the same name every time; `-` where there is none.
 */
export function writeSyslogField(
  from: Uint8Array,
  start: number,
  end: number,
  most: number,
  out: Uint8Array,
  at: number,
): number {
  const last = Math.min(end, start + most);
  let to = at;
  for (let i = start; i < last; i++) {
    const byte = from[i] as number;
    out[to++] = byte > SPACE && byte <= LAST_PRINTABLE ? byte : LOW_LINE;
  }
  if (to === at) out[to++] = HYPHEN;
  out[to++] = SPACE;
  return to;
}

/** As `writeSyslogField`, for what is worth nothing when it is changed or cut: `-` in place of it then. */
export function writeSyslogId(
  from: Uint8Array,
  start: number,
  end: number,
  most: number,
  out: Uint8Array,
  at: number,
): number {
  let isWhole = end - start <= most;
  for (let i = start; isWhole && i < end; i++) {
    const byte = from[i] as number;
    isWhole = byte > SPACE && byte <= LAST_PRINTABLE;
  }
  return writeSyslogField(from, start, isWhole ? end : start, most, out, at);
}

/** How messages on a stream are told apart: a line feed behind each, or its length in bytes and a space before it. */
export type Framing = "lf" | "octet";

/** The most bytes that a frame adds to a message of up to 99,999,999 bytes. */
export const FRAME_BYTES = 9;

/** Writes `<length> `. @returns the place behind it. */
export function writeOctetCount(
  length: number,
  out: Uint8Array,
  at: number,
): number {
  const to = writeInteger(length, out, at);
  out[to] = SPACE;
  return to + 1;
}

/** The messages of octet-counted frames, whole and well formed. */
export function* octetFrames(body: Uint8Array): Generator<Uint8Array> {
  let at = 0;
  while (at < body.length) {
    let length = 0;
    while (body[at] !== SPACE) length = 10 * length + (body[at++] ?? 0) - 0x30;
    yield body.subarray(at + 1, at + 1 + length);
    at += 1 + length;
  }
}
