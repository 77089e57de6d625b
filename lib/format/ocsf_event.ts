/** Whether an event is an OCSF event, and when it says that it happened. */

import type { EventView } from "../event.ts";
import { type FieldSpans, fieldSpans } from "../json/field_spans.ts";
import { pathId } from "../json/paths.ts";

const QUOTE = 0x22, MINUS = 0x2d, ZERO = 0x30;

const CLASS_UID = pathId("class_uid"),
  VERSION = pathId("metadata.version"),
  TIME = pathId("time");

/** An OCSF event is a JSON object with an integer `class_uid` and an object `metadata` with a string `version`. */
export function isOcsf(view: EventView): boolean {
  return isOcsfAt(view.bytes, fieldSpans(view));
}

function isOcsfAt(bytes: Uint8Array, spans: FieldSpans): boolean {
  const version = spans.start(VERSION);
  if (version === spans.end(VERSION) || bytes[version] !== QUOTE) return false;
  const end = spans.end(CLASS_UID);
  let at = spans.start(CLASS_UID);
  if (at === end) return false;
  if (bytes[at] === MINUS) at++;
  for (; at < end; at++) {
    if ((bytes[at] as number) - ZERO >>> 0 > 9) return false;
  }
  return true;
}

/**
 * The fields of an OCSF event that has a numeric `time` (milliseconds), which then stands at `OCSF_TIME`; undefined for
 * any other event.
 */
export function withOcsfTime(view: EventView): FieldSpans | undefined {
  const spans = fieldSpans(view);
  const start = spans.start(TIME);
  if (start === spans.end(TIME)) return undefined;
  const first = view.bytes[start] as number;
  if (first !== MINUS && first - ZERO >>> 0 > 9) return undefined;
  return isOcsfAt(view.bytes, spans) ? spans : undefined;
}

/** The path of an OCSF event's own time. */
export const OCSF_TIME = TIME;
