/** Finds one field of a JSON value by its path, over bytes. The value has been validated before. */

import { stringValue } from "./strings.ts";

const QUOTE = 0x22,
  COMMA = 0x2c,
  LEFT_BRACKET = 0x5b,
  BACKSLASH = 0x5c,
  RIGHT_BRACKET = 0x5d,
  LEFT_BRACE = 0x7b,
  RIGHT_BRACE = 0x7d,
  SPACE = 0x20;

/** A packed span is start × PACK + end: a safe integer as long as both are below. */
const PACK = 2 ** 26;

/** Start of a packed span. */
export function packedStart(span: number): number {
  return Math.floor(span / PACK);
}

/** End of a packed span, exclusive. */
export function packedEnd(span: number): number {
  return span % PACK;
}

/**
 * Finds the value that `path` names in the valid JSON value at `start`…`end`, members of objects only; of equal
 * members the last one counts. An empty path names the value itself.
 * @returns the value's packed span (`packedStart`, `packedEnd`), or -1 where there is none
 * @throws {RangeError} when `end` is 64 MiB or more
 */
export function findPath(
  bytes: Uint8Array,
  start: number,
  end: number,
  path: readonly string[],
): number {
  if (end >= PACK) throw new RangeError(`A span must end below ${PACK}`);
  let span = start * PACK + end;
  for (const name of path) {
    span = findMember(bytes, packedStart(span), packedEnd(span), name);
    if (span < 0) return -1;
  }
  return span;
}

/** The packed span of the last member called `name` of the object at `start`…`end`; -1 where there is none. */
function findMember(
  bytes: Uint8Array,
  start: number,
  end: number,
  name: string,
): number {
  if (bytes[start] !== LEFT_BRACE) return -1;
  let found = -1;
  let at = skipSpace(bytes, start + 1, end);
  while (at < end && bytes[at] === QUOTE) {
    const from = at;
    at = skipString(bytes, at, end);
    const isIt = isNamed(bytes, from, at, name);
    // Behind the colon.
    at = skipSpace(bytes, skipSpace(bytes, at, end) + 1, end);
    const value = at;
    at = skipValue(bytes, at, end);
    if (isIt) found = value * PACK + at;
    at = skipSpace(bytes, at, end);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1, end);
  }
  return found;
}

/** Whether the string literal at `start`…`end` says `name`. */
function isNamed(
  bytes: Uint8Array,
  start: number,
  end: number,
  name: string,
): boolean {
  for (let i = start + 1; i < end - 1; i++) {
    const byte = bytes[i] as number;
    if (byte === BACKSLASH || byte >= 0x80) {
      return stringValue(bytes, start, end) === name;
    }
    if (byte !== name.charCodeAt(i - start - 1)) return false;
  }
  return end - start - 2 === name.length;
}

function skipSpace(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] as number <= SPACE) at++;
  return at;
}

function skipString(bytes: Uint8Array, start: number, end: number): number {
  let at = start + 1;
  while (at < end && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

function skipValue(bytes: Uint8Array, start: number, end: number): number {
  let depth = 0;
  let at = start;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) {
      at = skipString(bytes, at, end);
      if (depth === 0) return at;
      continue;
    }
    const closes = byte === RIGHT_BRACE || byte === RIGHT_BRACKET;
    if (depth === 0 && (closes || byte === COMMA || byte <= SPACE)) return at;
    at++;
    if (byte === LEFT_BRACE || byte === LEFT_BRACKET) depth++;
    else if (closes && --depth === 0) return at;
  }
  return at;
}
