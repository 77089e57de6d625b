/**
 * Dead letter records as they come from outside, a line each: an export, a dead letter file, or the seed's own four
 * members (`timestamp`, `connector`, `error`, `event`). The event's bytes are taken as they stand.
 */

import { ENVELOPE, METADATA, ROW, SpanTable } from "../json/spans.ts";
import { cutMembers, isNamed } from "../json/members.ts";
import { BodyScanner, validateJson } from "../json/scanner.ts";
import { afterSpace } from "../json/skip.ts";
import { stringValue } from "../json/strings.ts";
import { MAX_EVENT_BYTES } from "../log/intake.ts";
import type { EnvelopeMember } from "../log/dead_record.ts";
import type { ForeignLetter } from "../log/dead_import.ts";
import { momentOf } from "../moment.ts";

const NEWLINE = 0x0a, SPACE = 0x20;
const OPEN_OBJECT = 0x7b, OPEN_ARRAY = 0x5b, QUOTE = 0x22, MINUS = 0x2d;
/** Characters of an error that are kept. */
const ERROR = 2_000;
/** Bytes of one record at the most: an event and an envelope of the largest size, and room for the rest. */
const MOST_RECORD = 4 * MAX_EVENT_BYTES;
/** What is looked through in one go. */
const SLICE = { rows: 4_096, bytes: 1_048_576 };
const BREATH_BYTES = 1_048_576;
/** What the reason of a record is that tells none. */
const UNKNOWN_REASON = "rejected";
/** Years that have four digits: later times have no RFC 3339 text. */
const LATEST = Date.UTC(10_000, 0) - 1;

/** An id of ours, or another relay's. */
const ID = /^[0-9a-z-]{1,40}$/;
const REASON = /^[a-z_]{1,40}$/;

/** What may be a record, with the number of its line, or of its place among others; from 1. */
export interface NumberedRecord {
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** A record, or what is wrong with it, in one sentence. */
export type ReadRecord =
  | { readonly letter: ForeignLetter }
  | { readonly fault: string };

/** The lines of a body; blank ones are left out. Undefined now and then: so far nothing more was found. */
export function* linesOf(
  bytes: Uint8Array,
): Generator<NumberedRecord | undefined> {
  let number = 1, start = 0;
  for (let at = 0, blank = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? SPACE;
    if (byte > SPACE) {
      const found = bytes.indexOf(NEWLINE, at);
      const end = found < 0 ? bytes.length : found;
      yield { number, bytes: bytes.subarray(start, end) };
      at = end;
    } else if (++blank % BREATH_BYTES === 0) yield undefined;
    if (byte > SPACE || byte === NEWLINE) {
      number++;
      start = at + 1;
    }
  }
}

/**
 * The records of a body that may be one record, an array of them, several printed one behind the other, or lines.
 * Undefined now and then: so far nothing more was found.
 */
export function* recordsIn(
  bytes: Uint8Array,
): Generator<NumberedRecord | undefined> {
  const start = afterSpace(bytes, 0);
  const line = bytes.indexOf(NEWLINE, start);
  const first = bytes.subarray(start, line < 0 ? bytes.length : line);
  const isOnLines = first[0] !== OPEN_ARRAY && first.length <= MOST_RECORD &&
    validateJson(first) === undefined;
  if (!isOnLines && (yield* isAllJson(bytes))) yield* valuesOf(bytes);
  else yield* linesOf(bytes);
}

/** Whether a body is JSON values to its end. */
function* isAllJson(bytes: Uint8Array): Generator<undefined, boolean> {
  const scanner = new BodyScanner(bytes), table = new SpanTable();
  while (!scanner.isDone) {
    table.clear();
    if (scanner.scan(table, SLICE) !== undefined) return false;
    yield undefined;
  }
  return true;
}

/** The values of such a body: a table of all their spans at once could be many times as large. */
function* valuesOf(bytes: Uint8Array): Generator<NumberedRecord> {
  const scanner = new BodyScanner(bytes), table = new SpanTable();
  let number = 0;
  while (!scanner.isDone) {
    table.clear();
    scanner.scan(table, SLICE);
    for (let n = 0; n < table.count; n++) {
      const at = n * ROW + ENVELOPE;
      const [from, to] = table.words.subarray(at, at + 2);
      yield { number: ++number, bytes: bytes.subarray(from, to) };
    }
  }
}

/**
 * Reads one record. @param connectors the names of the configured ones.
 * @param redact blanks secrets in what the record says of its error.
 */
export function readRecord(
  line: Uint8Array,
  connectors: ReadonlySet<string>,
  redact: (text: string) => string,
): ReadRecord {
  if (line.length > MOST_RECORD) {
    return { fault: `It has more than ${MOST_RECORD} bytes.` };
  }
  const fault = validateJson(line);
  if (fault !== undefined) {
    return { fault: `No JSON: ${fault.reason} at byte ${fault.at}.` };
  }
  const start = afterSpace(line, 0);
  if (line[start] !== OPEN_OBJECT) return { fault: "It must be an object." };
  const members = membersOf(line, start, NAMES);
  const text = (name: string) => textOf(line, members.get(name));
  const timestamp = text("timestamp"), connector = text("connector");
  const at = timestamp === undefined ? undefined : momentOf(timestamp);
  if (timestamp === undefined || at === undefined || at < 0 || at > LATEST) {
    return { fault: "timestamp: a time such as 2026-03-13T00:00:00Z." };
  }
  if (connector === undefined) return { fault: "connector: its name." };
  if (!connectors.has(connector)) {
    return {
      fault: `connector: there is no ${
        JSON.stringify(connector.slice(0, 64))
      }.`,
    };
  }
  const error = text("error");
  if (error === undefined) return { fault: "error: a text." };
  const event = members.get("event");
  if (event === undefined) return { fault: "event: it is missing." };
  const bytes = line.slice(event.start, event.end);
  if (bytes.length > MAX_EVENT_BYTES) {
    return { fault: `event: it has more than ${MAX_EVENT_BYTES} bytes.` };
  }
  const reason = text("reason") ?? UNKNOWN_REASON;
  if (!REASON.test(reason)) return { fault: "reason: a code." };
  const id = text("id");
  if (members.has("id") && (id === undefined || !ID.test(id))) {
    return { fault: "id: an event's id." };
  }
  const attempts = members.has("attempts")
    ? Number(numberText(line, members.get("attempts")))
    : 0;
  if (!Number.isSafeInteger(attempts) || attempts < 0) {
    return { fault: "attempts: a whole number." };
  }
  const envelope = envelopeOf(line, members.get("envelope"));
  if (envelope === undefined) {
    return {
      fault:
        `envelope: an object of at most ${MAX_EVENT_BYTES} bytes; host, source, sourcetype and index are texts, time is a number or a text, fields an object.`,
    };
  }
  return {
    letter: {
      id,
      connector,
      at,
      timestamp,
      reason,
      error: redact(error).slice(0, ERROR),
      attempts,
      isRaw: false,
      producer: "",
      receivedAt: at,
      envelope,
      event: bytes,
    },
  };
}

interface Span {
  readonly start: number;
  readonly end: number;
}

const NAMES = [
  "timestamp",
  "connector",
  "error",
  "event",
  "reason",
  "attempts",
  "envelope",
  "id",
] as const;

/** Where the named members of a valid object stand; of equal ones the last counts. */
function membersOf(
  bytes: Uint8Array,
  start: number,
  names: readonly string[],
): Map<string, Span> {
  const found = new Map<string, Span>();
  const isUnwanted = (
    _bytes: Uint8Array,
    name: number,
    nameEnd: number,
    value: number,
    valueEnd: number,
  ) => {
    const known = names.find((one) => isNamed(bytes, name, nameEnd, one));
    if (known !== undefined) {
      found.set(known, { start: value, end: valueEnd });
    }
    return false;
  };
  cutMembers(bytes, start, bytes.length, isUnwanted, []);
  return found;
}

/** A string's value; undefined for anything else. */
function textOf(bytes: Uint8Array, span: Span | undefined): string | undefined {
  return span === undefined || bytes[span.start] !== QUOTE
    ? undefined
    : stringValue(bytes, span.start, span.end);
}

function numberText(bytes: Uint8Array, span: Span | undefined): string {
  const text = decoder.decode(bytes.subarray(span?.start, span?.end));
  return /^[0-9]/.test(text) ? text : "NaN";
}

/** The members that an envelope has; undefined: it is no object, too large, or one of them is of a wrong kind. */
function envelopeOf(
  bytes: Uint8Array,
  span: Span | undefined,
): ForeignLetter["envelope"] | undefined {
  if (span === undefined) return {};
  if (bytes[span.start] !== OPEN_OBJECT) return undefined;
  if (span.end - span.start > MAX_EVENT_BYTES) return undefined;
  const inside = bytes.subarray(0, span.end);
  const names = METADATA.map(([name]) => name);
  const envelope: Partial<Record<EnvelopeMember, Uint8Array>> = {};
  const found = membersOf(inside, span.start, names);
  for (const name of names) {
    const member = found.get(name);
    if (member === undefined) continue;
    if (!isFit(name, bytes[member.start])) return undefined;
    envelope[name] = bytes.slice(member.start, member.end);
  }
  return envelope;
}

/** Whether a value that begins with `byte` may stand there in what connectors send. */
function isFit(name: EnvelopeMember, byte: number | undefined): boolean {
  if (name === "fields") return byte === OPEN_OBJECT;
  if (byte === QUOTE) return true;
  return name === "time" && byte !== undefined &&
    (byte === MINUS || (byte >= 0x30 && byte <= 0x39));
}

const decoder = new TextDecoder();
