/** The members of an HEC envelope: which value is whose, found while the grammar is read. */

import { FAULT, type Grammar } from "./grammar.ts";
import {
  ARRAY,
  BAD_METADATA,
  ENVELOPE,
  EVENT,
  EVENT_KIND_SHIFT,
  FALSE,
  FIELDS,
  FIELDS_KIND_SHIFT,
  FLAGS,
  HOST,
  INDEX,
  KIND_MASK,
  MULTILINE,
  NESTED_FIELDS,
  NULL,
  NUMBER,
  OBJECT,
  SOURCE,
  SOURCETYPE,
  STRING,
  TIME,
  TIME_KIND_SHIFT,
  TRUE,
  UNKNOWN_MEMBER,
  VALUE_KIND_SHIFT,
} from "./spans.ts";
import { stringValue } from "./strings.ts";

const QUOTE = 0x22,
  COMMA = 0x2c,
  LEFT_BRACKET = 0x5b,
  BACKSLASH = 0x5c,
  RIGHT_BRACKET = 0x5d,
  LEFT_BRACE = 0x7b,
  RIGHT_BRACE = 0x7d,
  SPACE = 0x20;

/** A member that HEC does not know. */
const UNKNOWN = -1;

/** Kind of a value by its first byte. */
const KIND_OF = new Uint8Array(256).fill(NUMBER, 0x30, 0x3a);
KIND_OF[0x2d] = NUMBER;
KIND_OF[LEFT_BRACE] = OBJECT;
KIND_OF[LEFT_BRACKET] = ARRAY;
KIND_OF[QUOTE] = STRING;
KIND_OF[0x74] = TRUE;
KIND_OF[0x66] = FALSE;
KIND_OF[0x6e] = NULL;

/** Kind of the valid value that begins with `byte`. */
export function kindOf(byte: number): number {
  return KIND_OF[byte] as number;
}

/**
 * Reads one top-level value that begins at `start` and fills its row, which must be cleared.
 * Of equal members the last one counts, as in `JSON.parse`.
 * @returns the place behind the value, or `FAULT`
 */
export function scanEnvelope(
  grammar: Grammar,
  start: number,
  words: Uint32Array,
  row: number,
): number {
  const bytes = grammar.bytes, length = bytes.length;
  if (bytes[start] !== LEFT_BRACE) {
    const end = grammar.value(start);
    if (end < 0) return FAULT;
    words[row + ENVELOPE] = start;
    words[row + ENVELOPE + 1] = end;
    words[row + FLAGS] = kindOf(bytes[start] as number) << VALUE_KIND_SHIFT;
    return end;
  }
  let flags = OBJECT << VALUE_KIND_SHIFT;
  // A bit per member whose value is neither a string nor null.
  let bad = 0;
  let at = grammar.space(start + 1);
  if (at < length && bytes[at] === RIGHT_BRACE) {
    at++;
  } else {
    for (;;) {
      if (at >= length || bytes[at] !== QUOTE) {
        return grammar.fault(at, "a member's name was expected");
      }
      const name = at + 1;
      at = grammar.string(name);
      if (at < 0) return FAULT;
      const member = grammar.lastEscape < name
        ? memberNamed(bytes, name, at - 1)
        : memberEscaped(bytes, name, at - 1);
      at = grammar.colon(at);
      if (at < 0) return FAULT;
      const from = at;
      at = grammar.value(at);
      if (at < 0) return FAULT;
      const kind = KIND_OF[bytes[from] as number] as number;
      let kept = true;
      if (member === EVENT) {
        flags = flags & ~(KIND_MASK << EVENT_KIND_SHIFT | MULTILINE) |
          kind << EVENT_KIND_SHIFT;
        if (grammar.lastBreak > from) flags |= MULTILINE;
      } else if (member === TIME) {
        flags = flags & ~(KIND_MASK << TIME_KIND_SHIFT) |
          kind << TIME_KIND_SHIFT;
        kept = kind !== NULL;
      } else if (member === FIELDS) {
        flags = flags & ~(KIND_MASK << FIELDS_KIND_SHIFT | NESTED_FIELDS) |
          kind << FIELDS_KIND_SHIFT;
        if (kind === NULL) {
          kept = false;
        } else if (kind === OBJECT) {
          kept = !isEmptyObject(grammar, from);
          if (hasNested(bytes, from + 1, at - 1)) flags |= NESTED_FIELDS;
        }
      } else if (member === UNKNOWN) {
        flags |= UNKNOWN_MEMBER;
        kept = false;
      } else {
        // host, source, sourcetype, index: an empty string says nothing.
        kept = kind === STRING && at - from > 2;
        if (kind === STRING || kind === NULL) bad &= ~(1 << member);
        else bad |= 1 << member;
      }
      if (member !== UNKNOWN) {
        words[row + member] = kept ? from : 0;
        words[row + member + 1] = kept ? at : 0;
      }
      if (at < length && bytes[at] as number <= SPACE) at = grammar.space(at);
      const next = at < length ? bytes[at] : undefined;
      at++;
      if (next === RIGHT_BRACE) break;
      if (next !== COMMA) return grammar.fault(at - 1, "unexpected byte");
      if (at < length && bytes[at] as number <= SPACE) at = grammar.space(at);
    }
  }
  words[row + ENVELOPE] = start;
  words[row + ENVELOPE + 1] = at;
  words[row + FLAGS] = bad === 0 ? flags : flags | BAD_METADATA;
  return at;
}

/** The member whose name stands at `start`…`end` (without quotes), or `UNKNOWN`. */
function memberNamed(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start];
  switch (end - start) {
    case 4:
      if (first === 0x74 && matches(bytes, start, "time")) return TIME;
      if (first === 0x68 && matches(bytes, start, "host")) return HOST;
      break;
    case 5:
      if (first === 0x65 && matches(bytes, start, "event")) return EVENT;
      if (first === 0x69 && matches(bytes, start, "index")) return INDEX;
      break;
    case 6:
      if (first === 0x73 && matches(bytes, start, "source")) return SOURCE;
      if (first === 0x66 && matches(bytes, start, "fields")) return FIELDS;
      break;
    case 10:
      if (first === 0x73 && matches(bytes, start, "sourcetype")) {
        return SOURCETYPE;
      }
      break;
  }
  return UNKNOWN;
}

function matches(bytes: Uint8Array, start: number, name: string): boolean {
  for (let i = 1; i < name.length; i++) {
    if (bytes[start + i] !== name.charCodeAt(i)) return false;
  }
  return true;
}

const MEMBERS: ReadonlyMap<string, number> = new Map([
  ["event", EVENT],
  ["time", TIME],
  ["host", HOST],
  ["source", SOURCE],
  ["sourcetype", SOURCETYPE],
  ["index", INDEX],
  ["fields", FIELDS],
]);

/** The same for a name with escapes in it: it counts as what it says, not as it is spelt. */
function memberEscaped(bytes: Uint8Array, start: number, end: number): number {
  // Longest spelling of "sourcetype": each character as \u00xx.
  if (end - start > 60) return UNKNOWN;
  return MEMBERS.get(stringValue(bytes, start - 1, end + 1)) ?? UNKNOWN;
}

function isEmptyObject(grammar: Grammar, start: number): boolean {
  return grammar.bytes[grammar.space(start + 1)] === RIGHT_BRACE;
}

/** Whether the inside of a valid object has a member that is an object, or an array with an array or object in it. */
function hasNested(bytes: Uint8Array, start: number, end: number): boolean {
  let inArray = false;
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      while (bytes[++at] !== QUOTE) if (bytes[at] === BACKSLASH) at++;
    } else if (byte === LEFT_BRACE) {
      return true;
    } else if (byte === LEFT_BRACKET) {
      if (inArray) return true;
      inArray = true;
    } else if (byte === RIGHT_BRACKET) {
      inArray = false;
    }
  }
  return false;
}
