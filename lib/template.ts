/**
 * Wire formats as templates: compiled once to a flat program, filled per event from bytes to bytes.
 *
 *     const body = template`{"time":${seconds}${optional(HOST, hostname)},"event":${event}${fields}}`;
 *
 * Filling makes no string and no object per event. What touches single bytes lives in `lib/json`, so that it can move
 * to WebAssembly without a change here or in a connector. A new slot is an opcode, a line in `fill` and an export.
 */

import type { EventView } from "./event.ts";
import { numberEnd, ocsfTime } from "./format/ocsf_time.ts";
import { copyBytes, copyOneLine } from "./json/copy.ts";
import {
  MOVED_POINT_BYTES,
  NUMBER_BYTES,
  writeAsSeconds,
  writeInteger,
  writeSeconds,
} from "./json/numbers.ts";
import {
  EVENT,
  FIELDS,
  HOST,
  INDEX,
  type Member,
  MULTILINE,
  SOURCE,
  SOURCETYPE,
  TIME,
} from "./json/spans.ts";
import { writeTextAsJson } from "./json/strings.ts";

const QUOTE = 0x22;

/** The most bytes that one byte becomes inside a JSON string. */
const ESCAPED = 6;

/** Where a template writes: the part of a batch's buffer that it needs. */
export interface GrowingBytes {
  /** The backing; replaced when it grows: taken after `room`. */
  readonly bytes: Uint8Array;
  /** Bytes written; the writer moves it. */
  length: number;
  /** Makes room for `more` bytes beyond `length`. */
  room(more: number): void;
}

/** What a slot compiles to. */
const LITERAL = 0,
  EVENT_JSON = 1,
  EVENT_LINE = 2,
  EVENT_TEXT_LINE = 3,
  MEMBER = 4,
  SECONDS = 5,
  EPOCH_SECONDS = 6,
  RECEIVED_MS = 7;

type Op = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** A place in a template that each event fills. */
export interface Slot {
  readonly op: Op;
  readonly member?: Member;
  /** Written before the member's own value. */
  readonly prefix?: string;
  /** What stands for an absent member: JSON, its prefix included. */
  readonly fallback?: string;
}

/** The event's bytes as they are; a line of text as a JSON string, U+FFFD for what is no UTF-8. */
export const event: Slot = { op: EVENT_JSON };

/** As `event`, for formats that end an event at a line break: those between tokens are left out. */
export const eventLine: Slot = { op: EVENT_LINE };

/** As `eventLine`, but a line of text stays that text. */
export const eventTextLine: Slot = { op: EVENT_TEXT_LINE };

/**
 * When it happened, in seconds: the envelope's own digits (quotes included), else an OCSF event's time with its point
 * moved, else the receipt with three decimals.
 */
export const seconds: Slot = { op: SECONDS };

/** As `seconds`, for readers of seconds alone: milli-, micro- and nanoseconds get their point moved, quotes go. */
export const epochSeconds: Slot = { op: EPOCH_SECONDS };

/** When the relay took it: milliseconds since the Unix epoch. */
export const receivedMs: Slot = { op: RECEIVED_MS };

/** The producer's `fields` with comma and key, as they came; nothing when there are none. */
export const fields: Slot = {
  op: MEMBER,
  member: FIELDS,
  prefix: ',"fields":',
};

/** A text member of the envelope. */
export type TextMember =
  | typeof HOST
  | typeof SOURCE
  | typeof SOURCETYPE
  | typeof INDEX;

const KEYS: Readonly<Record<TextMember, string>> = {
  [HOST]: "host",
  [SOURCE]: "source",
  [SOURCETYPE]: "sourcetype",
  [INDEX]: "index",
};

/** `,"<key>":<value>`: the producer's value, else the fallback's; nothing when both are absent or empty. */
export function optional(which: TextMember, fallback = ""): Slot {
  const prefix = `,"${KEYS[which]}":`;
  return {
    op: MEMBER,
    member: which,
    prefix,
    fallback: fallback === "" ? "" : prefix + JSON.stringify(fallback),
  };
}

const NOTHING = new Uint8Array(0);

/** A compiled template. Holds no state of an event: one serves any number of buffers. */
export class Template {
  /** Five parallel columns, one entry per step. */
  readonly #ops: Uint8Array;
  readonly #members: Uint8Array;
  /** The literal, or what goes before a member's value. */
  readonly #prefixes: Uint8Array[];
  readonly #fallbacks: Uint8Array[];

  constructor(parts: readonly (string | Slot)[]) {
    const encoder = new TextEncoder();
    const slots = parts.filter((part) => part !== "").map((part) =>
      typeof part === "string" ? { op: LITERAL, prefix: part } as Slot : part
    );
    const bytes = (text: string | undefined) =>
      text ? encoder.encode(text) : NOTHING;
    this.#ops = Uint8Array.from(slots, (slot) => slot.op);
    this.#members = Uint8Array.from(slots, (slot) => slot.member ?? 0);
    this.#prefixes = slots.map((slot) => bytes(slot.prefix));
    this.#fallbacks = slots.map((slot) => bytes(slot.fallback));
  }

  /** Writes one event. Called once per event and connector: the hot path. */
  fill(view: EventView, into: GrowingBytes): void {
    const ops = this.#ops;
    for (let step = 0; step < ops.length; step++) {
      switch (ops[step] as Op) {
        case LITERAL:
          writeBytes(this.#prefixes[step] as Uint8Array, into);
          break;
        case EVENT_JSON:
          writeEvent(view, into);
          break;
        case EVENT_LINE:
          if (view.flags & MULTILINE) writeOneLine(view, EVENT, into);
          else writeEvent(view, into);
          break;
        case EVENT_TEXT_LINE:
          if (view.flags & MULTILINE) writeOneLine(view, EVENT, into);
          else writeSpan(view, EVENT, into);
          break;
        case MEMBER: {
          const which = this.#members[step] as Member;
          if (view.end(which) > view.start(which)) {
            writeBytes(this.#prefixes[step] as Uint8Array, into);
            writeSpan(view, which, into);
          } else writeBytes(this.#fallbacks[step] as Uint8Array, into);
          break;
        }
        case SECONDS:
          if (view.end(TIME) > view.start(TIME)) writeSpan(view, TIME, into);
          else writeMadeTime(view, into);
          break;
        case EPOCH_SECONDS:
          writeEpochSeconds(view, into);
          break;
        case RECEIVED_MS:
          into.room(NUMBER_BYTES);
          into.length = writeInteger(view.receivedAt, into.bytes, into.length);
          break;
      }
    }
  }
}

/** Compiles a wire format. */
export function template(
  literals: TemplateStringsArray,
  ...slots: readonly Slot[]
): Template {
  return new Template(
    literals.flatMap((literal, i) => {
      const slot = slots[i];
      return slot === undefined ? [literal] : [literal, slot];
    }),
  );
}

function writeBytes(part: Uint8Array, into: GrowingBytes): void {
  into.room(part.length);
  into.length = copyBytes(part, 0, part.length, into.bytes, into.length);
}

function writeSpan(view: EventView, which: Member, into: GrowingBytes): void {
  const start = view.start(which), end = view.end(which);
  into.room(end - start);
  into.length = copyBytes(view.bytes, start, end, into.bytes, into.length);
}

function writeOneLine(
  view: EventView,
  which: Member,
  into: GrowingBytes,
): void {
  const start = view.start(which), end = view.end(which);
  into.room(end - start);
  into.length = copyOneLine(view.bytes, start, end, into.bytes, into.length);
}

function writeEvent(view: EventView, into: GrowingBytes): void {
  if (!view.isRaw) return writeSpan(view, EVENT, into);
  const start = view.start(EVENT), end = view.end(EVENT);
  into.room(ESCAPED * (end - start) + 2);
  const out = into.bytes;
  out[into.length++] = QUOTE;
  into.length = writeTextAsJson(view.bytes, start, end, out, into.length);
  out[into.length++] = QUOTE;
}

/** The time of an event whose envelope has none. */
function writeMadeTime(view: EventView, into: GrowingBytes): void {
  into.room(NUMBER_BYTES);
  if (!view.isRaw) {
    const limit = view.end(EVENT);
    const start = ocsfTime(view.bytes, view.start(EVENT), limit);
    if (start >= 0) {
      const end = numberEnd(view.bytes, start, limit);
      if (writeMoved(view, start, end, "milliseconds", into)) return;
    }
  }
  into.length = writeSeconds(view.receivedAt, into.bytes, into.length);
}

function writeEpochSeconds(view: EventView, into: GrowingBytes): void {
  let start = view.start(TIME), end = view.end(TIME);
  if (start === end) return writeMadeTime(view, into);
  if (view.bytes[start] === QUOTE) {
    start++;
    end--;
  }
  // A text that is no number leaves as it came: its reader has to judge it.
  if (!writeMoved(view, start, end, "by magnitude", into)) {
    writeSpan(view, TIME, into);
  }
}

function writeMoved(
  view: EventView,
  start: number,
  end: number,
  unit: "milliseconds" | "by magnitude",
  into: GrowingBytes,
): boolean {
  into.room(end - start + MOVED_POINT_BYTES);
  const at = writeAsSeconds(
    view.bytes,
    start,
    end,
    unit,
    into.bytes,
    into.length,
  );
  if (at >= 0) into.length = at;
  return at >= 0;
}
