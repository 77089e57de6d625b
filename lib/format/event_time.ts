/** When events happened: read and written as text once per event for all connectors, kept for the last few. */

import type { EventView } from "../event.ts";
import { copyWords } from "../json/copy.ts";
import { EventNumbers } from "../json/event_numbers.ts";
import { TIME } from "../json/spans.ts";
import { ISO_BYTES, readMilliseconds, writeIsoTime } from "../json/times.ts";
import { OCSF_TIME, withOcsfTime } from "./ocsf_event.ts";

const QUOTE = 0x22;

/** Events whose times are kept: somewhat more than those whose fields are. A power of two. */
const ROWS = 16_384;

/** A ring of rows as in `json/field_spans.ts`. */
export class EventTimes {
  readonly #numbers = new EventNumbers();
  /** Number of the event whose time a row holds; 0 for none. */
  readonly #tags = new Float64Array(ROWS);
  /** `ISO_BYTES` a row: three words. */
  readonly #texts = new Uint8Array(ROWS * ISO_BYTES);
  readonly #words = new DataView(this.#texts.buffer);

  /**
   * Writes when the event at which `ocsf` stands happened as `writeIsoTime` does; `view` is the same event as it came,
   * beside the same envelope. @returns the place behind it.
   */
  write(
    view: EventView,
    ocsf: EventView,
    out: Uint8Array,
    at: number,
  ): number {
    const number = this.#numbers.of(ocsf), row = number & ROWS - 1;
    const start = row * ISO_BYTES;
    if (this.#tags[row] !== number) {
      writeIsoTime(eventTime(view, ocsf), this.#texts, start);
      // Only now: what throws is asked again, and must not find another event's time here.
      this.#tags[row] = number;
    }
    copyWords(this.#words, start, start + ISO_BYTES, out, at);
    return at + ISO_BYTES;
  }
}

const shared = new EventTimes();

/** `EventTimes.write` with what all connectors share. */
export function writeEventIsoTime(
  view: EventView,
  ocsf: EventView,
  out: Uint8Array,
  at: number,
): number {
  return shared.write(view, ocsf, out, at);
}

/**
 * When it happened, in whole milliseconds: the envelope's time by its magnitude, else the time of `ocsf`, else the
 * receipt. What is no number, or too far away to be a time, says nothing here.
 */
export function eventTime(view: EventView, ocsf: EventView = view): number {
  let start = view.start(TIME), end = view.end(TIME);
  if (start < end) {
    if (view.bytes[start] === QUOTE) {
      start++;
      end--;
    }
    const time = readMilliseconds(view.bytes, start, end, "by magnitude");
    if (!Number.isNaN(time)) return time;
  }
  const spans = withOcsfTime(ocsf);
  if (spans !== undefined) {
    const from = spans.start(OCSF_TIME), to = spans.end(OCSF_TIME);
    const time = readMilliseconds(ocsf.bytes, from, to, "milliseconds");
    if (!Number.isNaN(time)) return time;
  }
  return view.receivedAt;
}
