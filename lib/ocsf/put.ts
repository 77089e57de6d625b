/** Writing JSON into growing bytes: what mapping one event is made of. Each function makes the room that it needs. */

import { copyBytes, copyOneLine } from "../json/copy.ts";
import { NUMBER_BYTES, writeInteger } from "../json/numbers.ts";
import { MAX_ESCAPED, writeTextAsJson } from "../json/strings.ts";
import { writeMilliseconds } from "../json/times.ts";
import type { GrowingBytes } from "../template.ts";
import { writeString } from "../template_writers.ts";

const QUOTE = 0x22;

/** Characters that OCSF allows in a string (`max_len` of string_t). */
export const MAX_TEXT = 65_535;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Bytes as they are. */
export function putBytes(part: Uint8Array, into: GrowingBytes): void {
  into.room(part.length);
  into.length = copyBytes(part, 0, part.length, into.bytes, into.length);
}

/** A part of `from` as it is. */
export function putSpan(
  from: Uint8Array,
  start: number,
  end: number,
  into: GrowingBytes,
): void {
  into.room(end - start);
  into.length = copyBytes(from, start, end, into.bytes, into.length);
}

/** A valid JSON value without the line breaks between its tokens. */
export function putOneLine(
  from: Uint8Array,
  start: number,
  end: number,
  into: GrowingBytes,
): void {
  into.room(end - start);
  into.length = copyOneLine(from, start, end, into.bytes, into.length);
}

/** Text that needs no escape and no UTF-8: names, ids and punctuation of our own. */
export function putAscii(text: string, into: GrowingBytes): void {
  into.room(text.length);
  const out = into.bytes;
  let at = into.length;
  for (let i = 0; i < text.length; i++) out[at++] = text.charCodeAt(i);
  into.length = at;
}

/** A whole number from 0 to 2^53. */
export function putInteger(value: number, into: GrowingBytes): void {
  into.room(NUMBER_BYTES);
  into.length = writeInteger(value, into.bytes, into.length);
}

/** A time in whole milliseconds, which may lie before 1970. */
export function putMilliseconds(value: number, into: GrowingBytes): void {
  into.room(NUMBER_BYTES);
  into.length = writeMilliseconds(value, into.bytes, into.length);
}

/** Text as a JSON string with its quotes; U+FFFD for what is no UTF-8. */
export function putText(
  from: Uint8Array,
  start: number,
  end: number,
  into: GrowingBytes,
): void {
  into.room(MAX_ESCAPED * (end - start) + 2);
  const out = into.bytes;
  out[into.length++] = QUOTE;
  into.length = writeTextAsJson(from, start, end, out, into.length);
  out[into.length++] = QUOTE;
}

/** Made-up text, shortened to what OCSF allows, as a JSON string with its quotes. Makes strings: the uncommon way. */
function putString(text: string, into: GrowingBytes): void {
  let end = Math.min(text.length, MAX_TEXT);
  // Not between the halves of a character.
  if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) {
    end--;
  }
  putBytes(encoder.encode(JSON.stringify(text.slice(0, end))), into);
}

/**
 * A JSON value as the string that OCSF wants: a string as it is, anything else its JSON text; shortened where OCSF
 * allows no more.
 */
export function putAsString(
  from: Uint8Array,
  start: number,
  end: number,
  into: GrowingBytes,
): void {
  const isString = from[start] === QUOTE;
  if (end - start > MAX_TEXT) {
    const text = decoder.decode(from.subarray(start, end));
    putString(isString ? JSON.parse(text) : text, into);
  } else if (isString) putSpan(from, start, end, into);
  else writeString(from, start, end, into);
}
