/** Events as one JSON value on one line, as dead letter records and their prints hold them. */

import { jsonStringBytes } from "./strings.ts";

const NEWLINE = 0x0a, RETURN = 0x0d, SPACE = 0x20;

/** A byte order mark at the start of a line of text is part of it. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A JSON value without line breaks. Inside strings JSON allows none, so each one stands between tokens. */
export function oneLine(
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(end - start);
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? SPACE;
    if (byte === RETURN && bytes[at + 1] === NEWLINE) continue;
    out[length++] = byte === NEWLINE || byte === RETURN ? SPACE : byte;
  }
  return out.subarray(0, length);
}

/** An event as it came, as one JSON value on one line: a line of text becomes a string. */
export function eventOnOneLine(
  event: Uint8Array,
  isRaw: boolean,
): Uint8Array<ArrayBuffer> {
  return isRaw ? jsonStringBytes(decoder.decode(event)) : oneLine(event);
}
