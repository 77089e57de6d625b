/**
 * OCSF events as CEF over syslog: one message each, with the pairs that a type declares.
 *
 * Over 300 lines: what is looked up and where it goes share the place of the text found last.
 */

import type { EventView } from "../event.ts";
import { CEF_MAX_ESCAPED, writeCefHeader } from "../format/cef.ts";
import { CefExtension, type CefPair } from "../format/cef_extension.ts";
import { eventTime, writeEventIsoTime } from "../format/event_time.ts";
import {
  APP_NAME_BYTES,
  HOSTNAME_BYTES,
  MSGID_BYTES,
  SYSLOG_HEADER_BYTES,
  syslogStart,
  writeSyslogField,
  writeSyslogId,
} from "../format/syslog.ts";
import {
  copyLiteral,
  type Literal,
  literal,
  LITERAL_SPILL,
} from "../json/copy.ts";
import { type FieldSpans, fieldSpans } from "../json/field_spans.ts";
import { NUMBER_BYTES, writeInteger } from "../json/numbers.ts";
import { pathId } from "../json/paths.ts";
import { HOST } from "../json/spans.ts";
import { stringValue } from "../json/strings.ts";
import { readMilliseconds, writeMilliseconds } from "../json/times.ts";
import { wholeNumber } from "../json/whole_number.ts";
import type { GrowingBytes } from "../template.ts";
import { firstPresent, writeLiteral } from "../template_writers.ts";
import { classCaption } from "./captions.ts";
import { writeList } from "./list_text.ts";

/** A pair and where its value comes from: OCSF paths (the first that is there), or what is no field. */
export interface OcsfPair extends CefPair {
  readonly from: readonly string[] | "time" | "id" | "severity" | "flag";
}

/** What is the same in every message. */
export interface CefSettings {
  readonly vendor: string;
  /** Also the syslog header's APP-NAME. */
  readonly product: string;
  readonly version: string;
  /** In the order of the message. */
  readonly pairs: readonly OcsfPair[];
  /** HOSTNAME of events whose producer names no host. */
  readonly hostname: string;
  /** HOSTNAME of all events. */
  readonly fixedHostname?: string | undefined;
  /** The most bytes of a message. */
  readonly most: number;
}

/** How a severity stands in a message: in CEF's header, and in syslog's start. */
interface Severity {
  readonly cef: Literal;
  readonly syslog: Literal;
}

function severity(cef: number, syslog: number): Severity {
  return { cef: literal(`|${cef}|`), syslog: literal(syslogStart(syslog)) };
}

const UNKNOWN = severity(3, 6);

/** By `severity_id` (destinations §12.3). */
const SEVERITIES: ReadonlyMap<number, Severity> = new Map([
  [0, UNKNOWN],
  [1, UNKNOWN],
  [2, severity(4, 5)],
  [3, severity(6, 4)],
  [4, severity(8, 3)],
  [5, severity(9, 2)],
  [6, severity(10, 1)],
  [99, severity(5, 6)],
]);
/** What a message without cn3 means: the commonest severity. */
const INFORMATIONAL = 1;

const QUOTE = 0x22, BACKSLASH = 0x5c, OPEN_ARRAY = 0x5b;
const MINUS = 0x2d, ZERO = 0x30;
const PIPE = 0x7c, SPACE = 0x20;

/** Ids are no larger. */
const MOST_ID = 999_999_999;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function pathIds(paths: readonly string[]): Uint32Array {
  return Uint32Array.from(paths, pathId);
}

const REQUEST_ID = pathIds(["api.request.uid"]);
const CLASS = pathIds(["class_uid"]);
const OWN_NAMES = [pathIds(["api.operation"]), pathIds(["activity_name"])];
const SEVERITY = pathIds(["severity_id"]);
const TIME_ID = pathId("time"), TIME = Uint32Array.of(TIME_ID);
const UID_OF_EVENT = pathIds(["metadata.uid"]);

/** Composes messages, one at a time. */
export class CefComposer {
  readonly #most: number;
  /** HOSTNAME and the space behind it of events whose own host is not asked for, or that have none. */
  readonly #hostname: Literal;
  /** The setting stands in every message; else it is the event's own host. */
  readonly #isFixed: boolean;
  /** APP-NAME and PROCID. */
  readonly #app: Literal;
  /** STRUCTURED-DATA and `CEF:0|vendor|product|version|`. */
  readonly #head: Literal;
  readonly #pairs: readonly OcsfPair[];
  readonly #paths: readonly Uint32Array[];
  readonly #extension: CefExtension;
  readonly #number = new Uint8Array(NUMBER_BYTES + 1);
  /** A text that was looked up: `#text[#start … #end)`. */
  #text: Uint8Array = this.#number;
  #start = 0;
  #end = 0;
  /** The text of a list that was looked up. */
  #list = new Uint8Array(256);

  constructor(settings: CefSettings) {
    const { fixedHostname, hostname, most, product } = settings;
    this.#most = most;
    this.#hostname = literal(
      syslogField(fixedHostname ?? hostname, HOSTNAME_BYTES),
    );
    this.#isFixed = fixedHostname !== undefined;
    this.#app = literal(`${syslogField(product, APP_NAME_BYTES)}- `);
    this.#head = literal(`- ${cefHead(settings)}`);
    this.#pairs = settings.pairs;
    this.#paths = this.#pairs.map(({ from }) =>
      typeof from === "string" ? new Uint32Array(0) : pathIds(from)
    );
    this.#extension = new CefExtension(this.#pairs, most);
  }

  /**
   * Writes the message of the event at `view`, whose OCSF form is `ocsf`, without framing. Pure.
   * @returns false when it is too long even with all left out that may be; what was written then means nothing
   */
  compose(view: EventView, ocsf: EventView, into: GrowingBytes): boolean {
    const begin = into.length;
    const spans = fieldSpans(ocsf);
    const number = this.#integer(spans, ocsf, SEVERITY);
    const severity = SEVERITIES.get(number) ?? UNKNOWN;
    this.#writeHeader(view, ocsf, spans, severity.syslog, into);
    this.#writeName(spans, ocsf, into);
    writeLiteral(severity.cef, into);
    const left = this.#most - (into.length - begin);
    if (left <= 0) return false;
    const extension = this.#extension;
    extension.begin(into);
    for (let pair = 0; pair < this.#pairs.length; pair++) {
      if (!this.#value(pair, spans, view, ocsf, number)) continue;
      extension.write(pair, this.#text, this.#start, this.#end, into);
    }
    return extension.fit(left, into);
  }

  #writeHeader(
    view: EventView,
    ocsf: EventView,
    spans: FieldSpans,
    syslog: Literal,
    into: GrowingBytes,
  ): void {
    into.room(
      SYSLOG_HEADER_BYTES + this.#head.length + LITERAL_SPILL,
    );
    const out = into.bytes;
    let to = copyLiteral(syslog, out, into.length);
    to = writeEventIsoTime(view, ocsf, out, to);
    out[to++] = SPACE;
    const start = view.start(HOST), end = view.end(HOST);
    if (this.#isFixed || end - start <= 2) {
      to = copyLiteral(this.#hostname, out, to);
    } else {
      this.#unquote(view.bytes, start, end);
      to = writeSyslogField(
        this.#text,
        this.#start,
        this.#end,
        HOSTNAME_BYTES,
        out,
        to,
      );
    }
    to = copyLiteral(this.#app, out, to);
    if (!this.#find(spans, ocsf, REQUEST_ID)) this.#end = this.#start;
    to = writeSyslogId(
      this.#text,
      this.#start,
      this.#end,
      MSGID_BYTES,
      out,
      to,
    );
    into.length = copyLiteral(this.#head, out, to);
  }

  /** Writes the event's class and its name: the first of which something stays in a header, else the class's. */
  #writeName(spans: FieldSpans, ocsf: EventView, into: GrowingBytes): void {
    const uid = this.#integer(spans, ocsf, CLASS);
    into.room(NUMBER_BYTES + 1);
    const to = writeInteger(uid, into.bytes, into.length);
    into.bytes[to] = PIPE;
    into.length = to + 1;
    for (let i = 0; i < OWN_NAMES.length; i++) {
      if (!this.#find(spans, ocsf, OWN_NAMES[i] as Uint32Array)) continue;
      if (this.#writeHeaderText(into)) return;
    }
    this.#take(nameOf(uid));
    this.#writeHeaderText(into);
  }

  /** Writes the text that was looked up last. @returns whether anything of it stayed. */
  #writeHeaderText(into: GrowingBytes): boolean {
    const start = this.#start, end = this.#end, at = into.length;
    const most = Math.min(this.#most, CEF_MAX_ESCAPED * (end - start));
    into.room(most);
    into.length = writeCefHeader(this.#text, start, end, into.bytes, at, most);
    return into.length > at;
  }

  /** Looks a pair's value up. @returns false where there is none. */
  #value(
    pair: number,
    spans: FieldSpans,
    view: EventView,
    ocsf: EventView,
    severity: number,
  ): boolean {
    const from = this.#pairs[pair]?.from;
    switch (from) {
      case "time":
        if (!this.#findTime(spans, ocsf)) {
          this.#take(this.#number);
          this.#end = writeMilliseconds(
            eventTime(view, ocsf),
            this.#number,
            0,
          );
        }
        return true;
      case "id":
        if (!this.#find(spans, ocsf, UID_OF_EVENT)) {
          this.#take(encoder.encode(view.id));
        }
        return true;
      case "severity":
        if (severity === INFORMATIONAL) return false;
        if (!this.#find(spans, ocsf, SEVERITY)) return false;
        // However it was spelt.
        this.#take(this.#number);
        this.#end = writeInteger(severity, this.#number, 0);
        return true;
      case "flag":
        return false;
      default:
        return this.#find(spans, ocsf, this.#paths[pair] ?? CLASS);
    }
  }

  /** The text of the first of these fields that is there; lists with commas. */
  #find(spans: FieldSpans, ocsf: EventView, paths: Uint32Array): boolean {
    const path = firstPresent(spans, ocsf.bytes, paths);
    if (path < 0) return false;
    const start = spans.start(path), end = spans.end(path);
    switch (ocsf.bytes[start]) {
      case QUOTE:
        this.#unquote(ocsf.bytes, start, end);
        break;
      case OPEN_ARRAY:
        this.#takeList(ocsf.bytes, start, end);
        break;
      default:
        this.#text = ocsf.bytes;
        this.#start = start;
        this.#end = end;
    }
    return true;
  }

  /** The event's own time where it is a plain integer that is a time: all else is read and written anew. */
  #findTime(spans: FieldSpans, ocsf: EventView): boolean {
    if (!this.#find(spans, ocsf, TIME)) return false;
    const { bytes } = ocsf,
      start = spans.start(TIME_ID),
      end = spans.end(TIME_ID);
    for (let i = bytes[start] === MINUS ? start + 1 : start; i < end; i++) {
      if ((bytes[i] as number) - ZERO >>> 0 > 9) return false;
    }
    // Up to 14 digits are a time: what is read below makes a number for the heap.
    return bytes[start] !== MINUS && end - start <= 14 ||
      !Number.isNaN(readMilliseconds(bytes, start, end, "milliseconds"));
  }

  /** A whole number that is no longer than ids are; 0 where there is none. */
  #integer(spans: FieldSpans, ocsf: EventView, paths: Uint32Array): number {
    const path = firstPresent(spans, ocsf.bytes, paths);
    if (path < 0) return 0;
    const value = wholeNumber(ocsf.bytes, spans.start(path), spans.end(path));
    return value >= 0 && value <= MOST_ID ? value : 0;
  }

  #take(text: Uint8Array): void {
    this.#text = text;
    this.#start = 0;
    this.#end = text.length;
  }

  #takeList(bytes: Uint8Array, start: number, end: number): void {
    if (this.#list.length < end - start) {
      this.#list = new Uint8Array(2 * (end - start));
    }
    this.#text = this.#list;
    this.#start = 0;
    this.#end = writeList(bytes, start, end, this.#list);
  }

  /** The value of a JSON string; made anew only where it has escapes. */
  #unquote(bytes: Uint8Array, start: number, end: number): void {
    for (let i = start + 1; i < end - 1; i++) {
      if (bytes[i] === BACKSLASH) {
        return this.#take(encoder.encode(stringValue(bytes, start, end)));
      }
    }
    this.#text = bytes;
    this.#start = start + 1;
    this.#end = end - 1;
  }
}

const NAMES = new Map<number, Uint8Array>();
/** More than there are classes: strange ones must not fill memory. */
const MOST_NAMES = 256;

/** What an event of a class is called that has no name of its own. */
function nameOf(uid: number): Uint8Array {
  const known = NAMES.get(uid);
  if (known !== undefined) return known;
  const name = encoder.encode(classCaption(uid) ?? "Event");
  if (NAMES.size < MOST_NAMES) NAMES.set(uid, name);
  return name;
}

function cefHead({ vendor, product, version }: CefSettings): string {
  const parts = [vendor, product, version].map((given) => {
    const text = encoder.encode(given);
    const out = new Uint8Array(CEF_MAX_ESCAPED * text.length);
    const end = writeCefHeader(text, 0, text.length, out, 0, out.length);
    return decoder.decode(out.subarray(0, end));
  });
  return `CEF:0|${parts.join("|")}|`;
}

/** A field of the syslog header and the space behind it. */
function syslogField(given: string, most: number): string {
  const text = encoder.encode(given);
  const out = new Uint8Array(most + 2);
  const end = writeSyslogField(text, 0, text.length, most, out, 0);
  return decoder.decode(out.subarray(0, end));
}
