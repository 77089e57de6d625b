/** OCSF events as CEF over syslog: one message each, with the pairs that a type declares. */

import type { EventView } from "../event.ts";
import { writeCefHeader } from "../format/cef.ts";
import { CefExtension, type CefPair } from "../format/cef_extension.ts";
import {
  APP_NAME_BYTES,
  HOSTNAME_BYTES,
  MSGID_BYTES,
  SYSLOG_HEADER_BYTES,
  writeSyslogField,
  writeSyslogId,
  writeSyslogStart,
} from "../format/syslog.ts";
import { copyBytes } from "../json/copy.ts";
import { type FieldSpans, fieldSpans } from "../json/field_spans.ts";
import { NUMBER_BYTES, writeInteger } from "../json/numbers.ts";
import { pathId } from "../json/paths.ts";
import { HOST } from "../json/spans.ts";
import { stringValue } from "../json/strings.ts";
import { writeMilliseconds } from "../json/times.ts";
import { eventTime, firstPresent } from "../template_writers.ts";
import { classCaption } from "./captions.ts";

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

/** By `severity_id` (destinations §12.3): CEF's and syslog's. */
const SEVERITIES: ReadonlyMap<number, readonly [number, number]> = new Map([
  [0, [3, 6]],
  [1, [3, 6]],
  [2, [4, 5]],
  [3, [6, 4]],
  [4, [8, 3]],
  [5, [9, 2]],
  [6, [10, 1]],
  [99, [5, 6]],
]);
const UNKNOWN = [3, 6] as const;
/** What a message without cn3 means: the commonest severity. */
const INFORMATIONAL = 1;

const QUOTE = 0x22, BACKSLASH = 0x5c, OPEN_ARRAY = 0x5b;
const PIPE = 0x7c;

const encoder = new TextEncoder(), decoder = new TextDecoder();

function pathIds(paths: readonly string[]): Uint32Array {
  return Uint32Array.from(paths, pathId);
}

const REQUEST_ID = pathIds(["api.request.uid"]);
const CLASS = pathIds(["class_uid"]);
const NAME = pathIds(["api.operation", "activity_name"]);
const SEVERITY = pathIds(["severity_id"]);
const TIME = pathIds(["time"]);
const UID_OF_EVENT = pathIds(["metadata.uid"]);

/** Composes messages, one at a time, in buffers of its own. */
export class CefComposer {
  readonly #most: number;
  readonly #hostname: Uint8Array;
  /** The setting stands in every message; else it is the event's own host. */
  readonly #isFixed: boolean;
  readonly #app: Uint8Array;
  /** `CEF:0|vendor|product|version|` */
  readonly #head: Uint8Array;
  readonly #pairs: readonly OcsfPair[];
  readonly #paths: readonly Uint32Array[];
  readonly #extension: CefExtension;
  readonly #message: Uint8Array;
  readonly #number = new Uint8Array(NUMBER_BYTES + 1);
  /** A text that was looked up: `#text[#start … #end)`. */
  #text: Uint8Array = this.#number;
  #start = 0;
  #end = 0;

  constructor(settings: CefSettings) {
    const { fixedHostname, most } = settings;
    this.#most = most;
    this.#hostname = encoder.encode(fixedHostname ?? settings.hostname);
    this.#isFixed = fixedHostname !== undefined;
    this.#app = encoder.encode(settings.product);
    this.#head = cefHead(settings);
    this.#pairs = settings.pairs;
    this.#paths = this.#pairs.map(({ from }) =>
      typeof from === "string" ? new Uint32Array(0) : pathIds(from)
    );
    this.#extension = new CefExtension(this.#pairs, most);
    this.#message = new Uint8Array(
      SYSLOG_HEADER_BYTES + this.#head.length + 3 * most + 64,
    );
  }

  /**
   * The message of the event at `view`, whose OCSF form is `ocsf`, without framing; valid until the next call. Undefined
   * when it is too long even with all left out that may be. Pure.
   */
  compose(view: EventView, ocsf: EventView): Uint8Array | undefined {
    const spans = fieldSpans(ocsf);
    const severity = this.#integer(spans, ocsf, SEVERITY);
    const [cef, syslog] = SEVERITIES.get(severity) ?? UNKNOWN;
    const out = this.#message;
    let to = this.#writeHeader(view, ocsf, spans, syslog);
    to = copyBytes(this.#head, 0, this.#head.length, out, to);
    const uid = this.#integer(spans, ocsf, CLASS);
    to = writeInteger(uid, out, to);
    out[to++] = PIPE;
    if (!this.#find(spans, ocsf, NAME)) this.#take(nameOf(uid));
    to = this.#writeName(to);
    out[to++] = PIPE;
    to = writeInteger(cef, out, to);
    out[to++] = PIPE;
    if (to >= this.#most) return undefined;
    this.#extension.reset();
    const event = { spans, view, ocsf, severity };
    for (let pair = 0; pair < this.#pairs.length; pair++) {
      if (!this.#value(pair, event)) continue;
      this.#extension.write(pair, this.#text, this.#start, this.#end);
    }
    to = this.#extension.fit(this.#most - to, out, to);
    return to < 0 ? undefined : out.subarray(0, to);
  }

  #writeHeader(
    view: EventView,
    ocsf: EventView,
    spans: FieldSpans,
    severity: number,
  ): number {
    const out = this.#message;
    let to = writeSyslogStart(severity, eventTime(view, ocsf), out, 0);
    const start = view.start(HOST), end = view.end(HOST);
    if (this.#isFixed || end - start <= 2) this.#take(this.#hostname);
    else this.#unquote(view.bytes, start, end);
    to = this.#writeField(HOSTNAME_BYTES, to);
    this.#take(this.#app);
    to = this.#writeField(APP_NAME_BYTES, to);
    this.#end = this.#start;
    // PROCID.
    to = this.#writeField(1, to);
    if (!this.#find(spans, ocsf, REQUEST_ID)) this.#end = this.#start;
    to = writeSyslogId(
      this.#text,
      this.#start,
      this.#end,
      MSGID_BYTES,
      out,
      to,
    );
    this.#end = this.#start;
    // STRUCTURED-DATA.
    return this.#writeField(1, to);
  }

  #writeField(most: number, at: number): number {
    const out = this.#message;
    return writeSyslogField(this.#text, this.#start, this.#end, most, out, at);
  }

  #writeName(at: number): number {
    const out = this.#message, most = this.#most;
    return writeCefHeader(this.#text, this.#start, this.#end, out, at, most);
  }

  /** Looks a pair's value up. @returns false where there is none. */
  #value(
    pair: number,
    { spans, view, ocsf, severity }: {
      readonly spans: FieldSpans;
      readonly view: EventView;
      readonly ocsf: EventView;
      readonly severity: number;
    },
  ): boolean {
    const from = this.#pairs[pair]?.from;
    switch (from) {
      case "time":
        if (!this.#find(spans, ocsf, TIME)) {
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
        return severity !== INFORMATIONAL && this.#find(spans, ocsf, SEVERITY);
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
        this.#take(encoder.encode(listed(ocsf.bytes.subarray(start, end))));
        break;
      default:
        this.#text = ocsf.bytes;
        this.#start = start;
        this.#end = end;
    }
    return true;
  }

  /** A whole number that is no longer than ids are; 0 where there is none. */
  #integer(spans: FieldSpans, ocsf: EventView, paths: Uint32Array): number {
    const path = firstPresent(spans, ocsf.bytes, paths);
    if (path < 0) return 0;
    const start = spans.start(path), end = spans.end(path);
    let value = 0;
    if (end - start > 9) return 0;
    for (let i = start; i < end; i++) {
      const digit = (ocsf.bytes[i] as number) - 0x30;
      if (digit >>> 0 > 9) return 0;
      value = 10 * value + digit;
    }
    return value;
  }

  #take(text: Uint8Array): void {
    this.#text = text;
    this.#start = 0;
    this.#end = text.length;
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

function cefHead({ vendor, product, version }: CefSettings): Uint8Array {
  const parts = [encoder.encode("CEF:0")];
  for (const given of [vendor, product, version]) {
    const text = encoder.encode(given);
    const out = new Uint8Array(2 * text.length);
    const end = writeCefHeader(text, 0, text.length, out, 0, out.length);
    parts.push(Uint8Array.of(PIPE), out.subarray(0, end));
  }
  parts.push(Uint8Array.of(PIPE));
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** The texts of a JSON array with commas between; of objects their `uid` or `name`. */
function listed(json: Uint8Array): string {
  const values: unknown = JSON.parse(decoder.decode(json));
  if (!Array.isArray(values)) return "";
  return values.map((value: unknown) => {
    if (typeof value !== "object") return String(value);
    if (value === null) return "";
    const named = new Map<string, unknown>(Object.entries(value));
    const text = named.get("uid") ?? named.get("name") ?? "";
    // Objects have no text of their own: `String` throws at some, and at deep arrays.
    return typeof text === "object" ? "" : String(text);
  }).filter((text) => text !== "").join(",");
}
