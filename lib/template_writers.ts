/**
 * What templates write for their slots, one event at a time: spans of a view to a growing buffer. Hot.
 *
 * A little long: a writer for each slot.
 */

import type { EventView } from "./event.ts";
import { eventTime, writeEventIsoTime } from "./format/event_time.ts";
import type { ByteMap } from "./json/byte_map.ts";
import {
  copyBytes,
  copyLiteral,
  copyOneLine,
  copySpan,
  type Literal,
  literal,
  LITERAL_SPILL,
} from "./json/copy.ts";
import { writeEscapedEvent } from "./json/escaped_events.ts";
import type { FieldSpans } from "./json/field_spans.ts";
import { literalEnd } from "./json/literals.ts";
import {
  MOVED_POINT_BYTES,
  NUMBER_BYTES,
  writeAsSeconds,
  writeInteger,
  writeSeconds as writeAsDecimals,
} from "./json/numbers.ts";
import { EVENT, type Member, MULTILINE, TIME } from "./json/spans.ts";
import {
  MAX_ESCAPED,
  writeJsonString,
  writeTextAsJson,
} from "./json/strings.ts";
import { ISO_BYTES, writeMilliseconds } from "./json/times.ts";
import { wholeNumber } from "./json/whole_number.ts";
import type { GrowingBytes } from "./template.ts";

const QUOTE = 0x22, MINUS = 0x2d, ZERO = 0x30, LOWER_N = 0x6e;
const OPEN_OBJECT = 0x7b, OPEN_ARRAY = 0x5b;

const MESSAGE = literal('"message":');

const encoder = new TextEncoder();

// Bytes and spans -------------------------------------------------------------------------------------------------

export function writeLiteral(part: Literal, into: GrowingBytes): void {
  into.room(part.length + LITERAL_SPILL);
  into.length = copyLiteral(part, into.bytes, into.length);
}

function copy(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: GrowingBytes,
): void {
  into.room(end - start);
  into.length = copySpan(bytes, start, end, into.bytes, into.length);
}

/** `bytes[start … end)` of a valid JSON event, without line breaks. */
function copyLine(
  view: EventView,
  start: number,
  end: number,
  into: GrowingBytes,
): void {
  if ((view.flags & MULTILINE) === 0) return copy(view.bytes, start, end, into);
  into.room(end - start);
  into.length = copyOneLine(view.bytes, start, end, into.bytes, into.length);
}

/** An envelope member, or the event, as it came. */
export function writeSpan(
  view: EventView,
  which: Member,
  into: GrowingBytes,
): void {
  copy(view.bytes, view.start(which), view.end(which), into);
}

// The event -------------------------------------------------------------------------------------------------------

export function writeEvent(view: EventView, into: GrowingBytes): void {
  if (view.isRaw) writeEventString(view, into);
  else writeSpan(view, EVENT, into);
}

export function writeEventLine(view: EventView, into: GrowingBytes): void {
  if (view.isRaw) writeEventString(view, into);
  else copyLine(view, view.start(EVENT), view.end(EVENT), into);
}

export function writeEventString(view: EventView, into: GrowingBytes): void {
  const start = view.start(EVENT), end = view.end(EVENT);
  into.room(MAX_ESCAPED * (end - start) + 2);
  const out = into.bytes;
  out[into.length++] = QUOTE;
  into.length = view.isRaw
    ? writeTextAsJson(view.bytes, start, end, out, into.length)
    : writeEscapedEvent(view, out, into.length);
  out[into.length++] = QUOTE;
}

export function writeEventMembers(view: EventView, into: GrowingBytes): void {
  const start = view.start(EVENT), end = view.end(EVENT);
  if (!view.isRaw && view.bytes[start] === OPEN_OBJECT) {
    return copyLine(view, start + 1, end - 1, into);
  }
  writeLiteral(MESSAGE, into);
  writeEventLine(view, into);
}

export function writeEventId(view: EventView, into: GrowingBytes): void {
  const { id, ids } = view.segment;
  if (ids !== undefined) return writeAscii(view.id, into);
  writeAscii(id, into);
  into.room(1 + NUMBER_BYTES);
  const out = into.bytes;
  out[into.length++] = MINUS;
  into.length = writeInteger(view.index, out, into.length);
}

function writeAscii(text: string, into: GrowingBytes): void {
  into.room(text.length);
  const out = into.bytes, at = into.length;
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
  into.length = at + text.length;
}

// Times -----------------------------------------------------------------------------------------------------------

export function writeReceived(view: EventView, into: GrowingBytes): void {
  into.room(NUMBER_BYTES);
  into.length = writeInteger(view.receivedAt, into.bytes, into.length);
}

export function writeSeconds(view: EventView, into: GrowingBytes): void {
  if (view.end(TIME) > view.start(TIME)) writeSpan(view, TIME, into);
  else writeMadeSeconds(view, into);
}

/** The time of an event whose envelope has none. */
function writeMadeSeconds(view: EventView, into: GrowingBytes): void {
  into.room(NUMBER_BYTES);
  into.length = writeAsDecimals(eventTime(view), into.bytes, into.length);
}

export function writeEpochSeconds(view: EventView, into: GrowingBytes): void {
  let start = view.start(TIME), end = view.end(TIME);
  if (start === end) return writeMadeSeconds(view, into);
  if (view.bytes[start] === QUOTE) {
    start++;
    end--;
  }
  // A text that is no number leaves as it came: its reader has to judge it.
  if (!writeMoved(view, start, end, into)) {
    writeSpan(view, TIME, into);
  }
}

function writeMoved(
  view: EventView,
  start: number,
  end: number,
  into: GrowingBytes,
): boolean {
  into.room(end - start + MOVED_POINT_BYTES);
  const at = writeAsSeconds(
    view.bytes,
    start,
    end,
    into.bytes,
    into.length,
  );
  if (at >= 0) into.length = at;
  return at >= 0;
}

export function writeEventTime(
  view: EventView,
  ocsf: EventView,
  into: GrowingBytes,
): void {
  into.room(ISO_BYTES);
  into.length = writeEventIsoTime(view, ocsf, into.bytes, into.length);
}

export function writeEventMs(
  view: EventView,
  ocsf: EventView,
  into: GrowingBytes,
): void {
  into.room(NUMBER_BYTES);
  const time = eventTime(view, ocsf);
  into.length = writeMilliseconds(time, into.bytes, into.length);
}

// Fields ----------------------------------------------------------------------------------------------------------

/** The first of these paths whose value is present, not null and not ""; -1 where there is none. */
export function firstPresent(
  spans: FieldSpans,
  bytes: Uint8Array,
  paths: Uint32Array,
): number {
  for (let i = 0; i < paths.length; i++) {
    const path = paths[i] as number;
    const start = spans.start(path), length = spans.end(path) - start;
    if (length === 0) continue;
    const first = bytes[start];
    if (first === LOWER_N || first === QUOTE && length === 2) continue;
    return path;
  }
  return -1;
}

/** A value as a JSON string with quotes: a string as it is, all else its JSON text. */
export function writeText(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: GrowingBytes,
): void {
  const first = bytes[start];
  if (first === QUOTE) return copy(bytes, start, end, into);
  if (first === OPEN_OBJECT || first === OPEN_ARRAY) {
    return writeString(bytes, start, end, into);
  }
  into.room(end - start + 2);
  const out = into.bytes;
  out[into.length++] = QUOTE;
  into.length = copyBytes(bytes, start, end, out, into.length);
  out[into.length++] = QUOTE;
}

/** A value's JSON text as a JSON string with quotes. */
export function writeString(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: GrowingBytes,
): void {
  into.room(MAX_ESCAPED * (end - start) + 2);
  const out = into.bytes;
  out[into.length++] = QUOTE;
  into.length = writeJsonString(bytes, start, end, out, into.length);
  out[into.length++] = QUOTE;
}

/** A number, or the number inside a string. @returns false where there is neither and nothing was written. */
export function writeNumber(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: GrowingBytes,
): boolean {
  if (bytes[start] === QUOTE) {
    start++;
    end--;
  }
  const first = bytes[start] as number;
  const isNumber = first === MINUS || first - ZERO >>> 0 <= 9;
  if (!isNumber || literalEnd(bytes, start, first) !== end) return false;
  copy(bytes, start, end, into);
  return true;
}

/** A value's JSON text, on one line. */
export function writeJson(
  view: EventView,
  start: number,
  end: number,
  into: GrowingBytes,
): void {
  copyLine(view, start, end, into);
}

/**
 * What the table says for a value; for a whole number, however it is spelt.
 * @returns false where it says nothing and nothing was written.
 */
export function writeMapped(
  bytes: Uint8Array,
  start: number,
  end: number,
  table: ByteMap | undefined,
  into: GrowingBytes,
): boolean {
  const quote = bytes[start] === QUOTE ? 1 : 0;
  let found = table?.get(bytes, start + quote, end - quote);
  // A lone digit has no other spelling: the commonest value that tables leave out costs no second look.
  if (found === undefined && end - start - 2 * quote > 1) {
    const number = wholeNumber(bytes, start, end);
    if (!Number.isNaN(number)) {
      const spelt = encoder.encode(`${number}`);
      found = table?.get(spelt, 0, spelt.length);
    }
  }
  if (found === undefined) return false;
  into.room(found.length);
  into.length = copyBytes(found, 0, found.length, into.bytes, into.length);
  return true;
}
