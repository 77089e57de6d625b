/** JSON strings: text written as one, literals read back. Bytes to bytes where it is hot. */

import { characterEnd } from "./utf8.ts";

const QUOTE = 0x22, BACKSLASH = 0x5c, SPACE = 0x20, LOWER_U = 0x75;

/** The most bytes that one byte of text becomes inside a JSON string (`\u001f`). */
export const MAX_ESCAPED = 6;

/** 1 for a byte from the space on that has a backslash before it. */
const QUOTED = new Uint8Array(256);
QUOTED[QUOTE] = 1;
QUOTED[BACKSLASH] = 1;

/** The letter behind a control character's backslash; `u` for one written as \u00xx. */
const LETTERS = new Uint8Array(SPACE).fill(LOWER_U);
LETTERS[0x08] = 0x62;
LETTERS[0x09] = 0x74;
LETTERS[0x0a] = 0x6e;
LETTERS[0x0c] = 0x66;
LETTERS[0x0d] = 0x72;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Writes the text at `start`…`end` of `bytes`, which must be valid UTF-8, to `out` from `at` on as the inside of a
 * JSON string, escaped as `JSON.stringify` does. Hot: once per field that a template writes as text.
 * `out` must have room for `MAX_ESCAPED` times the text and must not overlap it.
 * @returns the place behind what was written
 */
export function writeJsonString(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  for (let read = start; read < end; read++) {
    const byte = bytes[read] as number;
    if (byte >= SPACE) {
      // No branch on quotes: they stand every few bytes in JSON, where no one can foretell. Where none is due the byte
      // itself goes over the backslash.
      out[at] = BACKSLASH;
      at += QUOTED[byte] as number;
      out[at++] = byte;
      continue;
    }
    const letter = LETTERS[byte] as number;
    out[at++] = BACKSLASH;
    out[at++] = letter;
    if (letter === LOWER_U) at = writeHexByte(byte, out, at);
  }
  return at;
}

/** Writes `00` and the two lower-case hex digits of a control character. */
function writeHexByte(byte: number, out: Uint8Array, at: number): number {
  const low = byte & 15;
  out[at] = 0x30;
  out[at + 1] = 0x30;
  out[at + 2] = 0x30 + (byte >> 4);
  out[at + 3] = low < 10 ? 0x30 + low : 0x57 + low;
  return at + 4;
}

/**
 * As `writeJsonString`, for bytes that may be no UTF-8: each maximal part that is none becomes U+FFFD, as
 * `TextDecoder` does. A byte order mark is kept: at the start of a line it may be the line's own.
 */
export function writeTextAsJson(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  let run = start, read = start, write = at;
  while (read < end) {
    if (bytes[read] as number < 0x80) {
      read++;
      continue;
    }
    const next = characterEnd(bytes, read, end);
    if (next >= 0) {
      read = next;
      continue;
    }
    write = writeJsonString(bytes, run, read, out, write);
    out[write++] = 0xef;
    out[write++] = 0xbf;
    out[write++] = 0xbd;
    // The wrong byte itself may begin the next character, unless nothing stood before it.
    run = read = Math.max(~next, read + 1);
  }
  return writeJsonString(bytes, run, end, out, write);
}

/** `text` as a JSON string with its quotes, in UTF-8. */
export function jsonStringBytes(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify(text));
}

/** The value of the valid JSON string (with its quotes) at `start`…`end`. Makes a string: not for the hot path. */
export function stringValue(
  bytes: Uint8Array,
  start: number,
  end: number,
): string {
  return JSON.parse(decoder.decode(bytes.subarray(start, end)));
}

/** Whether the valid JSON string (with its quotes) at `start`…`end` is empty or only white space. */
export function isBlankString(
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  for (let at = start + 1; at < end - 1; at++) {
    const byte = bytes[at] as number;
    if (byte === SPACE) continue;
    // Rare: an escape or a character beyond ASCII before anything that is no space.
    return (byte === BACKSLASH || byte >= 0x80) &&
      stringValue(bytes, start, end).trim() === "";
  }
  return true;
}
