/**
 * JSON bodies taken apart into the source bytes of their values. On purpose not `lib/json/scanner.ts`: the demo SIEM
 * judges what the relay sends, so a fault of the relay's scanner must not be able to hide itself here. Borders are
 * found by counting brackets outside strings; whether a value is JSON is left to `JSON.parse`.
 */

const QUOTE = 0x22, BACKSLASH = 0x5c, COLON = 0x3a, COMMA = 0x2c;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The values of a body: one JSON text after another, with or without white space between. */
export interface Split {
  /** Complete values before the first fault. */
  readonly values: readonly Uint8Array[];
  /** The rest is no JSON (or cut). */
  readonly broken: boolean;
}

/** Splits a body at the borders of its top-level values. */
export function splitValues(bytes: Uint8Array): Split {
  const values: Uint8Array[] = [];
  let at = skipSpace(bytes, 0);
  while (at < bytes.length) {
    const end = endOfValue(bytes, at);
    const value = bytes.subarray(at, end);
    if (!isJson(value)) return { values, broken: true };
    values.push(value);
    at = skipSpace(bytes, end);
  }
  return { values, broken: false };
}

/** The lines of a body, without their line breaks; blank ones are left out. */
export function splitLines(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const lf = bytes.indexOf(0x0a, at);
    const end = lf < 0 ? bytes.length : lf;
    const stop = end > at && bytes[end - 1] === 0x0d ? end - 1 : end;
    if (skipSpace(bytes.subarray(at, stop), 0) < stop - at) {
      lines.push(bytes.subarray(at, stop));
    }
    at = end + 1;
  }
  return lines;
}

/** Is this one JSON text (RFC 8259, UTF-8)? */
export function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(utf8.decode(bytes));
    return true;
  } catch {
    return false;
  }
}

/** A JSON text as a value, where its kind or its text matters. Numbers lose digits: never for comparing events. */
export function parsed(bytes: Uint8Array): unknown {
  return JSON.parse(utf8.decode(bytes));
}

/** The source text of an object's members, the last of equal names; `undefined` for anything but an object. */
export function membersOf(
  json: Uint8Array,
): Map<string, Uint8Array> | undefined {
  let at = skipSpace(json, 0);
  if (json[at] !== 0x7b) return undefined;
  const members = new Map<string, Uint8Array>();
  at = skipSpace(json, at + 1);
  while (json[at] === QUOTE) {
    const nameEnd = endOfValue(json, at);
    const name = String(parsed(json.subarray(at, nameEnd)));
    at = skipSpace(json, nameEnd);
    if (json[at] !== COLON) break;
    at = skipSpace(json, at + 1);
    const end = endOfValue(json, at);
    members.set(name, json.subarray(at, end));
    at = skipSpace(json, end);
    if (json[at] === COMMA) at = skipSpace(json, at + 1);
  }
  return members;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && isSpace(bytes[at])) at++;
  return at;
}

/** The end of the value that begins at `at`: behind its last bracket or quote, or before what ends a bare word. */
function endOfValue(bytes: Uint8Array, from: number): number {
  let depth = 0;
  for (let at = from; at < bytes.length; at++) {
    switch (bytes[at]) {
      case QUOTE:
        at = endOfString(bytes, at) - 1;
        if (depth === 0) return at + 1;
        break;
      case 0x7b: // {
      case 0x5b: // [
        if (depth === 0 && at > from) return at;
        depth++;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        if (depth <= 1) return depth === 0 && at > from ? at : at + 1;
        depth--;
        break;
      default:
        if (
          depth === 0 && at > from &&
          (isSpace(bytes[at]) || bytes[at] === COMMA)
        ) return at;
    }
  }
  return bytes.length;
}

function endOfString(bytes: Uint8Array, from: number): number {
  for (let at = from + 1; at < bytes.length; at++) {
    if (bytes[at] === BACKSLASH) at++;
    else if (bytes[at] === QUOTE) return at + 1;
  }
  return bytes.length;
}

/** The source text of an array's elements; `undefined` for anything but an array. */
export function elementsOf(json: Uint8Array): Uint8Array[] | undefined {
  let at = skipSpace(json, 0);
  if (json[at] !== 0x5b) return undefined;
  const elements: Uint8Array[] = [];
  at = skipSpace(json, at + 1);
  while (at < json.length && json[at] !== 0x5d) {
    const end = endOfValue(json, at);
    elements.push(json.subarray(at, end));
    at = skipSpace(json, end);
    if (json[at] === COMMA) at = skipSpace(json, at + 1);
  }
  return elements;
}

/** The first member name that stands twice in one object, at any depth. The text must be JSON. */
export function repeatedName(json: Uint8Array): string | undefined {
  // Names of the objects that are open; undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < json.length; at++) {
    switch (json[at]) {
      case 0x7b:
        open.push(new Set());
        break;
      case 0x5b:
        open.push(undefined);
        break;
      case 0x7d:
      case 0x5d:
        open.pop();
        break;
      case QUOTE: {
        const end = endOfString(json, at);
        const names = open.at(-1);
        if (names !== undefined && json[skipSpace(json, end)] === COLON) {
          const name = String(parsed(json.subarray(at, end)));
          if (names.has(name)) return name;
          names.add(name);
        }
        at = end - 1;
        break;
      }
    }
  }
  return undefined;
}

const encoder = new TextEncoder();

/** What a JSON string says, as UTF-8; `undefined` for anything but a string. */
export function stringBytes(
  json: Uint8Array | undefined,
): Uint8Array | undefined {
  if (json === undefined || json[skipSpace(json, 0)] !== QUOTE) return;
  return encoder.encode(String(parsed(json)));
}
