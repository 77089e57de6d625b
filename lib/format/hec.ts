/**
 * What the values of an `/event` body are worth on each face (docs/hec.md).
 * Rows of a `SpanTable` in, a judgement out; no object per event.
 */

import {
  ARRAY,
  BAD_METADATA,
  ENVELOPE,
  EVENT,
  EVENT_KIND_SHIFT,
  FIELDS,
  FIELDS_KIND_SHIFT,
  FLAGS,
  HOST,
  INDEX,
  KIND_MASK,
  MULTILINE,
  NESTED_FIELDS,
  NONE,
  NULL,
  NUMBER,
  OBJECT,
  ROW,
  SOURCE,
  SOURCETYPE,
  type SpanTable,
  STRING,
  TIME,
  TIME_KIND_SHIFT,
  UNKNOWN_MEMBER,
  VALUE_KIND_SHIFT,
  WHOLE,
} from "../json/spans.ts";
import { isBlankString, stringValue } from "../json/strings.ts";
import type { Face } from "../tokens.ts";
import type { Code } from "./hec_codes.ts";

/** What a body is worth: rows 0 … `good − 1` are events, then comes the fault, if there is one. */
export interface Judgement {
  readonly good: number;
  /** 0: no fault. */
  readonly code: Code;
  /** `invalid-event-number`. */
  readonly number?: number;
  /** Envelopes among the good ones with members that HEC does not know. */
  readonly unknown: number;
}

/** How to judge. */
export interface Rules {
  readonly face: Face;
  /** Largest envelope or line, in bytes. */
  readonly maxEvent: number;
  /** The names that `index` may have; absent: any. */
  readonly indexes?: ReadonlySet<string>;
  /** What `index` is where the envelope says nothing. */
  readonly index?: string;
}

/** A JSON or query time that every connector can write out: a number without blanks, not past a double's range. */
export function isUsableTime(text: string): boolean {
  return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) &&
    Number.isFinite(Number(text));
}

/**
 * Judges the rows of a scanned `/event` body in order, up to the first that is no event. Rows that stand whole as their
 * event are changed to say so.
 */
export function judgeRows(
  bytes: Uint8Array,
  table: SpanTable,
  rules: Rules,
): Judgement {
  const { words, count } = table;
  let unknown = 0;
  for (let row = 0; row < count; row++) {
    const code = judgeRow(bytes, words, row * ROW, rules);
    if (code !== 0) {
      return { good: row, code, number: code === 7 ? row + 1 : row, unknown };
    }
    if (((words[row * ROW + FLAGS] as number) & UNKNOWN_MEMBER) !== 0) {
      unknown++;
    }
  }
  return { good: count, code: 0, unknown };
}

function judgeRow(
  bytes: Uint8Array,
  words: Uint32Array,
  at: number,
  rules: Rules,
): Code {
  const flags = words[at + FLAGS] as number;
  const start = words[at + ENVELOPE] as number;
  const end = words[at + ENVELOPE + 1] as number;
  if (end - start > rules.maxEvent) return 6;
  const kind = flags >> VALUE_KIND_SHIFT & KIND_MASK;
  const eventKind = flags >> EVENT_KIND_SHIFT & KIND_MASK;
  if (rules.face === "ngsiem") {
    // FalconPy sends a file that is not raw as one string literal: a text event.
    if (kind === STRING || kind === OBJECT && eventKind === NONE) {
      standWhole(bytes, words, at, kind);
      return judgeIndex(bytes, words, at, rules);
    }
    if (kind !== OBJECT) return 6;
  } else {
    if (kind !== OBJECT) return 6;
    if (eventKind === NONE) {
      if (words[at + FIELDS + 1] === 0 || !isFieldsObject(flags)) return 12;
    } else if (eventKind === NULL) return 12;
    else if (isBlank(bytes, words, at, eventKind)) return 13;
  }
  if ((flags & BAD_METADATA) !== 0) return 6;
  const fieldsKind = flags >> FIELDS_KIND_SHIFT & KIND_MASK;
  if (fieldsKind !== NONE && fieldsKind !== NULL && fieldsKind !== OBJECT) {
    return 6;
  }
  if ((flags & NESTED_FIELDS) !== 0) return 15;
  const timeKind = flags >> TIME_KIND_SHIFT & KIND_MASK;
  if (timeKind !== NONE && timeKind !== NULL) {
    if (!isTime(bytes, words, at, timeKind)) return 15;
  }
  if (eventKind === NONE) standWithFields(bytes, words, at);
  return judgeIndex(bytes, words, at, rules);
}

function isFieldsObject(flags: number): boolean {
  return (flags >> FIELDS_KIND_SHIFT & KIND_MASK) === OBJECT;
}

function isBlank(
  bytes: Uint8Array,
  words: Uint32Array,
  at: number,
  kind: number,
): boolean {
  const start = words[at + EVENT] as number;
  const end = words[at + EVENT + 1] as number;
  if (kind === STRING) return isBlankString(bytes, start, end);
  if (kind !== OBJECT && kind !== ARRAY) return false;
  for (let i = start + 1; i < end - 1; i++) {
    if (!isSpace(bytes[i])) return false;
  }
  return true;
}

function isTime(
  bytes: Uint8Array,
  words: Uint32Array,
  at: number,
  kind: number,
): boolean {
  if (kind !== NUMBER && kind !== STRING) return false;
  const start = words[at + TIME] as number;
  const end = words[at + TIME + 1] as number;
  // Plain digits with one point, as nearly all are: nothing to decode.
  const from = kind === STRING ? start + 1 : start;
  const to = kind === STRING ? end - 1 : end;
  let points = 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x2e && i > from && i < to - 1 && points === 0) points = 1;
    else if (byte < 0x30 || byte > 0x39 || to - from > 40) {
      return isUsableTime(
        kind === STRING
          ? stringValue(bytes, start, end)
          : new TextDecoder().decode(bytes.subarray(start, end)),
      );
    }
  }
  return to > from;
}

function judgeIndex(
  bytes: Uint8Array,
  words: Uint32Array,
  at: number,
  rules: Rules,
): Code {
  if (rules.indexes === undefined) return 0;
  const start = words[at + INDEX] as number;
  const end = words[at + INDEX + 1] as number;
  const index = end > start ? stringValue(bytes, start, end) : rules.index;
  return index === undefined || index === "" || rules.indexes.has(index)
    ? 0
    : 7;
}

/** CrowdStrike's face: the whole value is the event and none of its members count as envelope. */
function standWhole(
  bytes: Uint8Array,
  words: Uint32Array,
  at: number,
  kind: number,
): void {
  for (const member of [TIME, HOST, SOURCE, SOURCETYPE, INDEX, FIELDS]) {
    words[at + member] = words[at + member + 1] = 0;
  }
  words[at + FLAGS] = kind << VALUE_KIND_SHIFT | kind << EVENT_KIND_SHIFT |
    WHOLE;
  takeEnvelope(bytes, words, at);
}

/**
 * Splunk's face: an object with `fields` and no `event` (a metric). Its metadata still counts; the kind of FIELDS stays
 * set and tells it from CrowdStrike's whole objects: the splunk connector sends it as it came.
 */
function standWithFields(
  bytes: Uint8Array,
  words: Uint32Array,
  at: number,
): void {
  words[at + FIELDS] = words[at + FIELDS + 1] = 0;
  words[at + FLAGS] = (words[at + FLAGS] as number) | WHOLE |
    OBJECT << EVENT_KIND_SHIFT;
  takeEnvelope(bytes, words, at);
}

function takeEnvelope(bytes: Uint8Array, words: Uint32Array, at: number): void {
  const start = words[at + EVENT] = words[at + ENVELOPE] as number;
  const end = words[at + EVENT + 1] = words[at + ENVELOPE + 1] as number;
  for (let i = start; i < end; i++) {
    if (bytes[i] === 0x0a || bytes[i] === 0x0d) {
      words[at + FLAGS] = (words[at + FLAGS] as number) | MULTILINE;
      return;
    }
  }
}

/** White space of JSON, which is what a blank line may hold too. */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
