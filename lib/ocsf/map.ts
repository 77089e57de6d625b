/**
 * Any event as one valid OCSF 1.1.0 event: mapped by the first profile that fits, else wrapped as a Base
 * Event. The original stays whole: an object byte for byte in `unmapped` (line breaks between its tokens too: the only
 * ones of what is written), text unchanged in `raw_data`.
 */

import type { EventView } from "../event.ts";
import { validateJson } from "../json/scanner.ts";
import { EVENT, FIELDS, TIME } from "../json/spans.ts";
import { stringValue } from "../json/strings.ts";
import { readMilliseconds } from "../json/times.ts";
import type { GrowingBytes } from "../template.ts";
import { writeString } from "../template_writers.ts";
import { putEnrichments } from "./enrichments.ts";
import { readLine } from "./lines.ts";
import type { CompiledProfile, Surroundings } from "./profile.ts";
import { profiles } from "./profiles.ts";
import {
  putAscii,
  putAsString,
  putInteger,
  putMilliseconds,
  putSpan,
  putText,
} from "./put.ts";
import { Source } from "./source.ts";
import { NO_TIME, readTime } from "./time.ts";

const QUOTE = 0x22, BACKSLASH = 0x5c, LEFT_BRACE = 0x7b, RIGHT_BRACE = 0x7d;

/** Longest text of a time that is told as `original_time`. */
const TIME_TEXT = 64;

/** 1990: a member that is called like a time and says something earlier is none. */
const EARLIEST_OWN = 631_152_000_000;

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();

/** One for all events: mapping is synchronous. */
const source = new Source();

/**
 * Writes `view`'s event as OCSF 1.1.0. Pure: the same event gives the same bytes. Never throws; what cannot be read is
 * left out, as the original stands beside it.
 *
 * `raw_data` is never shortened, though OCSF allows strings of 65,535 characters only: the original goes whole.
 */
export function mapEvent(view: EventView, into: GrowingBytes): void {
  // First: the source finds what they ask for.
  const all = profiles();
  read(view);
  // The last one fits every event.
  for (const profile of all) {
    if (profile.fits(source) && profile.write(source, surroundings, into)) {
      return;
    }
  }
}

/** Moves the source to the event. */
function read(view: EventView): void {
  const { bytes } = view, start = view.start(EVENT), end = view.end(EVENT);
  source.view = view;
  if (start === end) source.text(NOTHING);
  else if (view.isRaw) readText(bytes.subarray(start, end));
  else if (bytes[start] === LEFT_BRACE) source.json(bytes, start, end);
  else if (bytes[start] !== QUOTE) source.text(NOTHING);
  else if (bytes.subarray(start, end).includes(BACKSLASH)) {
    readText(encoder.encode(stringValue(bytes, start, end)));
  } else readText(bytes.subarray(start + 1, end - 1));
}

/** A line of text; one that is a JSON object is read as such. */
function readText(text: Uint8Array): void {
  const isObject = text[0] === LEFT_BRACE && text.at(-1) === RIGHT_BRACE &&
    validateJson(text) === undefined;
  if (isObject) return source.json(text, 0, text.length);
  source.text(text);
  readLine(source);
}

/** The time that the event itself says, and where it stands in `source.bytes`. */
let ownTime = NO_TIME, ownFrom = 0, ownTo = 0;

const surroundings: Surroundings = {
  before(_source, profile, into) {
    const { view } = source;
    readOwnTime(profile);
    putAscii(',"time":', into);
    putMilliseconds(timeOf(view), into);
  },
  after(_source, into) {
    const { view } = source;
    putAscii(',"uid":"', into);
    putAscii(view.id, into);
    putAscii('","logged_time":', into);
    putInteger(view.receivedAt, into);
    putOriginalTime(into);
    putAscii("}", into);
    putEnrichments(view.bytes, view.start(FIELDS), view.end(FIELDS), into);
    putOriginal(view, into);
    putAscii("}", into);
  },
};

/** The envelope's time in milliseconds, which may lie before 1970, else the event's own, else the receipt. */
function timeOf(view: EventView): number {
  const quotes = view.bytes[view.start(TIME)] === QUOTE ? 1 : 0;
  const start = view.start(TIME) + quotes, end = view.end(TIME) - quotes;
  if (start < end) {
    let time = readMilliseconds(view.bytes, start, end, "by magnitude");
    if (!Number.isNaN(time)) return time;
    time = readTime(view.bytes, start, end);
    if (time !== NO_TIME) return time;
  }
  return ownTime === NO_TIME ? view.receivedAt : ownTime;
}

function readOwnTime(profile: CompiledProfile): void {
  for (const ids of profile.time) {
    if (!source.find(ids)) continue;
    ownTime = readTime(source.bytes, source.from, source.to);
    ownFrom = source.from;
    ownTo = source.to;
    if (ownTime >= EARLIEST_OWN) return;
  }
  ownTime = NO_TIME;
}

function putOriginalTime(into: GrowingBytes): void {
  const { view } = source, start = view.start(TIME), end = view.end(TIME);
  if (ownTime !== NO_TIME) {
    if (ownTo - ownFrom > TIME_TEXT) return;
    putAscii(',"original_time":', into);
    putText(source.bytes, ownFrom, ownTo, into);
  } else if (end > start && end - start <= TIME_TEXT) {
    putAscii(',"original_time":', into);
    putAsString(view.bytes, start, end, into);
  }
}

function putOriginal(view: EventView, into: GrowingBytes): void {
  const { bytes } = view, start = view.start(EVENT), end = view.end(EVENT);
  if (start === end && !view.isRaw) return;
  if (view.isRaw) {
    putAscii(',"raw_data":', into);
    putText(bytes, start, end, into);
  } else if (bytes[start] === LEFT_BRACE) {
    putAscii(',"unmapped":', into);
    putSpan(bytes, start, end, into);
  } else {
    putAscii(',"raw_data":', into);
    if (bytes[start] === QUOTE) putSpan(bytes, start, end, into);
    else writeString(bytes, start, end, into);
  }
}
