/**
 * Wire formats as templates: compiled once to a flat program, filled per event from bytes to bytes.
 *
 *     const body = template`{"time":${seconds}${optional(HOST, hostname)},"event":${event}${fields}}`;
 *
 * Filling makes no string and no object per event. What touches single bytes lives in `lib/json`, so that it can move
 * to WebAssembly without a change here or in a connector. A new slot is an opcode, a line in `fill` and an export.
 * Longer than its neighbours: slots, their opcodes and the loop that reads them are one thing.
 */

import type { EventView } from "./event.ts";
import { ByteMap } from "./json/byte_map.ts";
import { type Literal, literal } from "./json/copy.ts";
import { type FieldSpans, fieldSpans } from "./json/field_spans.ts";
import { pathId } from "./json/paths.ts";
import {
  EVENT,
  FIELDS,
  HOST,
  INDEX,
  type Member,
  SOURCE,
  SOURCETYPE,
} from "./json/spans.ts";
import {
  firstPresent,
  writeEpochSeconds,
  writeEvent,
  writeEventId,
  writeEventLine,
  writeEventMembers,
  writeEventMs,
  writeEventString,
  writeEventTime,
  writeJson,
  writeLiteral,
  writeMapped,
  writeNumber,
  writeReceived,
  writeSeconds,
  writeSpan,
  writeString,
  writeText,
} from "./template_writers.ts";

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
const NO_SLOT = 0,
  EVENT_JSON = 1,
  EVENT_LINE = 2,
  EVENT_TEXT_LINE = 3,
  MEMBER = 4,
  SECONDS = 5,
  EPOCH_SECONDS = 6,
  RECEIVED_MS = 7,
  EVENT_STRING = 8,
  EVENT_MEMBERS = 9,
  EVENT_ID = 10,
  ISO_TIME = 11,
  EPOCH_MS = 12,
  TEXT = 13,
  NUMBER = 14,
  JSON_VALUE = 15,
  JSON_TEXT = 16,
  MAPPED = 17,
  TEXT_OR_ID = 18;

type Op =
  | (0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8)
  | (9 | 10 | 11 | 12 | 13 | 14 | 15 | 16 | 17 | 18);

/** A place in a template that each event fills. */
export interface Slot {
  readonly op: Op;
  readonly member?: Member;
  /** Written before the member's own value. */
  readonly prefix?: string;
  /** What stands for an absent member or field: bytes as they leave, the prefix included. */
  readonly fallback?: string;
  /** Where the field is looked for, in this order. */
  readonly paths?: readonly string[];
  /** What leaves by what the field says. */
  readonly table?: ByteMap;
}

/** The event's bytes as they are; a line of text as a JSON string, U+FFFD for what is no UTF-8. */
export const event: Slot = { op: EVENT_JSON };

/** As `event`, for formats that end an event at a line break: those between tokens are left out. */
export const eventLine: Slot = { op: EVENT_LINE };

/** As `eventLine`, but a line of text stays that text. */
export const eventTextLine: Slot = { op: EVENT_TEXT_LINE };

/**
 * When it happened, in seconds: the envelope's own digits (quotes included), else an OCSF event's time, else the
 * receipt, with three decimals.
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
  return given(which, `,"${KEYS[which]}":`, fallback);
}

/** `before` and the producer's value, else the fallback's (plain text); nothing when both are absent or empty. */
export function given(
  which: TextMember,
  before: string,
  fallback = "",
): Slot {
  return {
    op: MEMBER,
    member: which,
    prefix: before,
    fallback: fallback === "" ? "" : before + JSON.stringify(fallback),
  };
}

/** The event as a JSON string: its JSON text, or the line of text. */
export const eventString: Slot = { op: EVENT_STRING };

/** The members of an object event on one line, without the braces; any other event as the one member `message`. */
export const eventMembers: Slot = { op: EVENT_MEMBERS };

/** The relay's own id of the event, without quotes: `<segment>-<n>`. */
export const eventId: Slot = { op: EVENT_ID };

/**
 * When it happened, `2026-03-13T00:00:00.123Z` without quotes: the envelope's time by its magnitude (s, ms, µs, ns),
 * else an OCSF event's time, else the receipt. Years 0001 to 9999.
 */
export const isoTime: Slot = { op: ISO_TIME };

/** As `isoTime`, in whole milliseconds since the Unix epoch. */
export const epochMs: Slot = { op: EPOCH_MS };

/** One dotted path (`actor.user.uid`, `resources.0.name`), or more: the first counts that is present, not null, not "". */
export type Paths = string | readonly string[];

/**
 * A field as a JSON string with quotes: strings as they are, all else as its JSON text; `fallback`, plain text, where
 * there is none.
 */
export function text(paths: Paths, fallback = ""): Slot {
  return field(TEXT, paths, JSON.stringify(fallback));
}

/** As `text`, the relay's own id of the event where there is none. */
export function textOrId(paths: Paths): Slot {
  return field(TEXT_OR_ID, paths, '"');
}

/** A field that is a number, or a string that holds a JSON number, as that number; else `fallback`, JSON. */
export function number(paths: Paths, fallback = "null"): Slot {
  return field(NUMBER, paths, fallback);
}

/** A field's JSON text on one line; `fallback`, JSON, where there is none. */
export function json(paths: Paths, fallback = "null"): Slot {
  return field(JSON_VALUE, paths, fallback);
}

/** A field's JSON text as a JSON string (`"[\\"a\\"]"`); `fallback`, plain text, where there is none. */
export function jsonText(paths: Paths, fallback = ""): Slot {
  return field(JSON_TEXT, paths, JSON.stringify(fallback));
}

/**
 * What `table` says for a field's text or whole number (`severity_id`'s digits), written as it stands; else `fallback`,
 * likewise.
 */
export function mapped(
  paths: Paths,
  table: Readonly<Record<string, string>>,
  fallback: string,
): Slot {
  return { ...field(MAPPED, paths, fallback), table: new ByteMap(table) };
}

function field(op: Op, paths: Paths, fallback: string): Slot {
  return { op, paths: typeof paths === "string" ? [paths] : paths, fallback };
}

const NO_PATHS = new Uint32Array(0);

/** A compiled template. Holds no state of an event: one serves any number of buffers. */
export class Template {
  /** Parallel columns, one entry per step: a literal, and the slot behind it. */
  readonly #ops: Uint8Array;
  readonly #literals: readonly Literal[];
  readonly #members: Uint8Array;
  /** What goes before a member's value. */
  readonly #prefixes: readonly Literal[];
  readonly #fallbacks: readonly Literal[];
  readonly #tables: readonly (ByteMap | undefined)[];
  readonly #paths: readonly (readonly string[])[];
  /** `#paths` interned: at the first event, so that a template that nobody fills costs no walk anything. */
  #ids: Uint32Array[] | undefined;

  constructor(parts: readonly (string | Slot)[]) {
    const texts: string[] = [], slots: Slot[] = [];
    let text = "";
    for (const part of parts) {
      if (typeof part === "string") {
        text += part;
        continue;
      }
      texts.push(text);
      slots.push(part);
      text = "";
    }
    if (text !== "") {
      texts.push(text);
      slots.push({ op: NO_SLOT });
    }
    this.#ops = Uint8Array.from(slots, (slot) => slot.op);
    this.#literals = texts.map(literal);
    this.#members = Uint8Array.from(slots, (slot) => slot.member ?? 0);
    this.#prefixes = slots.map((slot) => literal(slot.prefix ?? ""));
    this.#fallbacks = slots.map((slot) => literal(slot.fallback ?? ""));
    this.#tables = slots.map((slot) => slot.table);
    this.#paths = slots.map((slot) => slot.paths ?? []);
  }

  /**
   * Writes one event. Called once per event and connector: the hot path. The event's bytes, its id and envelope are
   * `view`'s; fields are read from `ocsf`, the same event as OCSF.
   */
  fill(view: EventView, into: GrowingBytes, ocsf: EventView = view): void {
    const ops = this.#ops;
    // Of `ocsf`; whatever may ask for the fields of `view` takes them away.
    let spans: FieldSpans | undefined;
    for (let step = 0; step < ops.length; step++) {
      writeLiteral(this.#literals[step] as Literal, into);
      const op = ops[step] as Op;
      switch (op) {
        case NO_SLOT:
          break;
        case EVENT_JSON:
          writeEvent(view, into);
          break;
        case EVENT_LINE:
          writeEventLine(view, into);
          break;
        case EVENT_TEXT_LINE:
          if (view.isRaw) writeSpan(view, EVENT, into);
          else writeEventLine(view, into);
          break;
        case MEMBER: {
          const which = this.#members[step] as Member;
          if (view.end(which) > view.start(which)) {
            writeLiteral(this.#prefixes[step] as Literal, into);
            writeSpan(view, which, into);
          } else writeLiteral(this.#fallbacks[step] as Literal, into);
          break;
        }
        case SECONDS:
          writeSeconds(view, into);
          spans = undefined;
          break;
        case EPOCH_SECONDS:
          writeEpochSeconds(view, into);
          spans = undefined;
          break;
        case RECEIVED_MS:
          writeReceived(view, into);
          break;
        case EVENT_STRING:
          writeEventString(view, into);
          break;
        case EVENT_MEMBERS:
          writeEventMembers(view, into);
          break;
        case EVENT_ID:
          writeEventId(view, into);
          break;
        case ISO_TIME:
          writeEventTime(view, ocsf, into);
          break;
        case EPOCH_MS:
          writeEventMs(view, ocsf, into);
          break;
        case TEXT_OR_ID:
          spans ??= this.#spans(ocsf);
          if (!this.#writeField(step, TEXT, spans, ocsf, into)) {
            const quote = this.#fallbacks[step] as Literal;
            writeLiteral(quote, into);
            writeEventId(view, into);
            writeLiteral(quote, into);
          }
          break;
        default:
          spans ??= this.#spans(ocsf);
          if (!this.#writeField(step, op, spans, ocsf, into)) {
            writeLiteral(this.#fallbacks[step] as Literal, into);
          }
      }
    }
  }

  #spans(view: EventView): FieldSpans {
    this.#ids ??= this.#paths.map((paths) => Uint32Array.from(paths, pathId));
    return fieldSpans(view);
  }

  /** @returns false where the event has no such field and nothing was written. */
  #writeField(
    step: number,
    op: Op,
    spans: FieldSpans,
    view: EventView,
    into: GrowingBytes,
  ): boolean {
    const paths = this.#ids?.[step] ?? NO_PATHS;
    const path = firstPresent(spans, view.bytes, paths);
    if (path < 0) return false;
    const start = spans.start(path), end = spans.end(path);
    switch (op) {
      case TEXT:
        writeText(view.bytes, start, end, into);
        return true;
      case NUMBER:
        return writeNumber(view.bytes, start, end, into);
      case JSON_VALUE:
        writeJson(view, start, end, into);
        return true;
      case JSON_TEXT:
        writeString(view.bytes, start, end, into);
        return true;
      default:
        return writeMapped(view.bytes, start, end, this.#tables[step], into);
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
