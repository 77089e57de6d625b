/** JSON strings: text written as one, literals read back. Bytes to bytes where it is hot. */

import { characterEnd } from "./utf8.ts";

const QUOTE = 0x22, BACKSLASH = 0x5c, SPACE = 0x20, LOWER_U = 0x75;

/** The most bytes that one byte of text becomes inside a JSON string (`\u001f`). */
export const MAX_ESCAPED = 6;

/** 0 for a byte that stands for itself, `u` for one written as \u00xx, else the letter behind its backslash. */
const ESCAPES = new Uint8Array(256).fill(LOWER_U, 0, SPACE);
ESCAPES[0x08] = 0x62;
ESCAPES[0x09] = 0x74;
ESCAPES[0x0a] = 0x6e;
ESCAPES[0x0c] = 0x66;
ESCAPES[0x0d] = 0x72;
ESCAPES[QUOTE] = QUOTE;
ESCAPES[BACKSLASH] = BACKSLASH;

/** The high bit of each byte of a word. */
const HIGH_BITS = 0x80808080 | 0;

const LITTLE_ENDIAN = true;

/** Over the last two buffers: a view per text would be the most that an event leaves to the garbage collector. */
let source: DataView = new DataView(new ArrayBuffer(0));
let target: DataView = new DataView(new ArrayBuffer(0));

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Writes the text at `start`…`end` of `bytes`, which must be valid UTF-8, to `out` from `at` on as the inside of a
 * JSON string, escaped as `JSON.stringify` does. Hot: for lines of text, for fields, and for events where the kernel
 * cannot run (escape_kernel.ts). `out` must have room for `MAX_ESCAPED` times the text and must not overlap it.
 * @returns the place behind what was written
 */
export function writeJsonString(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  if (bytes.buffer !== source.buffer) source = new DataView(bytes.buffer);
  if (out.buffer !== target.buffer) target = new DataView(out.buffer);
  const from = source, to = target;
  const fromOffset = bytes.byteOffset, toOffset = out.byteOffset;
  const lastWord = end - 4;
  let read = start, write = at;
  while (read <= lastWord) {
    const word = from.getInt32(fromOffset + read, LITTLE_ENDIAN);
    // High bit set in the first byte that is below 0x20, is `"`, or is `\`; what is set behind that one may be a borrow's.
    const quote = word ^ 0x22222222, backslash = word ^ 0x5c5c5c5c;
    const special = (word - 0x20202020 & ~word | quote - 0x01010101 & ~quote |
      backslash - 0x01010101 & ~backslash) & HIGH_BITS;
    // Whole, whatever is in it: what comes next is written over what is too much.
    to.setInt32(toOffset + write, word, LITTLE_ENDIAN);
    if (special === 0) {
      read += 4;
      write += 4;
      continue;
    }
    // How many bytes stand before it.
    const before = 31 - Math.clz32(special & -special) >> 3;
    read += before;
    write = writeSpecial(bytes[read++] as number, out, write + before);
  }
  while (read < end) {
    const byte = bytes[read++] as number;
    if (ESCAPES[byte] === 0) out[write++] = byte;
    else write = writeSpecial(byte, out, write);
  }
  return write;
}

/** Writes a byte that cannot stand for itself. */
function writeSpecial(byte: number, out: Uint8Array, at: number): number {
  const escape = ESCAPES[byte] as number;
  out[at] = BACKSLASH;
  out[at + 1] = escape;
  return escape === LOWER_U ? writeHexByte(byte, out, at + 2) : at + 2;
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
