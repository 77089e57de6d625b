/**
 * Any event as one valid OCSF 1.1.0 event on one line: mapped by the first profile that fits, else wrapped as a Base
 * Event. The original stays whole: an object byte for byte (but for line breaks between tokens) in `unmapped`, text
 * unchanged in `raw_data`.
 */

import type { EventView } from "../event.ts";
import {
  EVENT,
  FIELDS,
  HOST,
  type Member,
  MULTILINE,
  SOURCE,
  SOURCETYPE,
  TIME,
} from "../json/spans.ts";
import type { GrowingBytes } from "../template.ts";
import { putEnrichments } from "./enrichments.ts";
import {
  putAscii,
  putAsString,
  putInteger,
  putJsonAsText,
  putOneLine,
  putSpan,
  putText,
} from "./put.ts";
import { NO_TIME, readTime } from "./time.ts";

const QUOTE = 0x22, LEFT_BRACE = 0x7b;

/**
 * Writes `view`'s event as OCSF 1.1.0. Pure: the same event gives the same bytes. Never throws; what cannot be read is
 * left out, as the original stands beside it.
 *
 * `raw_data` is never shortened, though OCSF allows strings of 65,535 characters only: the original goes whole.
 */
export function mapEvent(view: EventView, into: GrowingBytes): void {
  const time = envelopeTime(view);
  putAscii(
    '{"class_uid":0,"class_name":"Base Event","category_uid":0,' +
      '"category_name":"Uncategorized","activity_id":0,' +
      '"activity_name":"Unknown","type_uid":0,' +
      '"type_name":"Base Event: Unknown","time":',
    into,
  );
  putInteger(time === NO_TIME ? view.receivedAt : time, into);
  putAscii(',"severity_id":1,"severity":"Informational"', into);
  putMetadata(view, into);
  putEnrichments(view.bytes, view.start(FIELDS), view.end(FIELDS), into);
  putOriginal(view, into);
  putAscii("}", into);
}

function isPresent(view: EventView, which: Member): boolean {
  const length = view.end(which) - view.start(which);
  return length > 2 || length > 0 && view.bytes[view.start(which)] !== QUOTE;
}

/** The envelope's time in milliseconds; `NO_TIME` where it has none, or one that is none. */
function envelopeTime(view: EventView): number {
  const start = view.start(TIME), end = view.end(TIME);
  if (start === end) return NO_TIME;
  const quotes = view.bytes[start] === QUOTE ? 1 : 0;
  return readTime(view.bytes, start + quotes, end - quotes);
}

function putMember(view: EventView, which: Member, into: GrowingBytes): void {
  putAsString(view.bytes, view.start(which), view.end(which), into);
}

function putMetadata(view: EventView, into: GrowingBytes): void {
  putAscii(',"metadata":{"version":"1.1.0","uid":"', into);
  putAscii(view.id, into);
  putAscii('","logged_time":', into);
  putInteger(view.receivedAt, into);
  if (isPresent(view, TIME)) {
    putAscii(',"original_time":', into);
    putMember(view, TIME, into);
  }
  if (isPresent(view, SOURCE)) {
    putAscii(',"log_name":', into);
    putMember(view, SOURCE, into);
  }
  if (isPresent(view, HOST)) {
    putAscii(',"loggers":[{"name":', into);
    putMember(view, HOST, into);
    putAscii("}]", into);
  }
  putAscii(',"product":{"vendor_name":"Unknown","name":', into);
  if (isPresent(view, SOURCETYPE)) putMember(view, SOURCETYPE, into);
  else if (isPresent(view, SOURCE)) putMember(view, SOURCE, into);
  else putAscii('"Unknown"', into);
  putAscii("}}", into);
}

function putOriginal(view: EventView, into: GrowingBytes): void {
  const { bytes } = view, start = view.start(EVENT), end = view.end(EVENT);
  if (view.isRaw) {
    putAscii(',"raw_data":', into);
    putText(bytes, start, end, into);
  } else if (bytes[start] === LEFT_BRACE) {
    putAscii(',"unmapped":', into);
    if (view.flags & MULTILINE) putOneLine(bytes, start, end, into);
    else putSpan(bytes, start, end, into);
  } else if (end > start) {
    putAscii(',"raw_data":', into);
    if (bytes[start] === QUOTE) putSpan(bytes, start, end, into);
    else putJsonAsText(bytes, start, end, into);
  }
}
