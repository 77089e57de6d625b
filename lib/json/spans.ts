/**
 * The index of a run of events: one row of 32-bit words per event, in place of an object per event.
 *
 * A span is a pair of words, start and end (exclusive), in bytes of the buffer that the table belongs to.
 * An absent span is 0, 0. The same rows serve the scanner, the log and the templates.
 */

/** Words per row. */
export const ROW = 18;

/** First word of each span in a row; the second is the end. */
export const ENVELOPE = 0;
export const EVENT = 2;
export const TIME = 4;
export const HOST = 6;
export const SOURCE = 8;
export const SOURCETYPE = 10;
export const INDEX = 12;
export const FIELDS = 14;
/** Word with the bits below. */
export const FLAGS = 16;
/** Word with the number of the run (request) in its segment that the event came with; 0 in a scan. */
export const RUN = 17;

/** The word of a member's span. */
export type Member =
  | typeof ENVELOPE
  | typeof EVENT
  | typeof TIME
  | typeof HOST
  | typeof SOURCE
  | typeof SOURCETYPE
  | typeof INDEX
  | typeof FIELDS;

/** What an envelope says beside its event, in the order in which dead letters tell it. */
export const METADATA = [
  ["host", HOST],
  ["source", SOURCE],
  ["sourcetype", SOURCETYPE],
  ["index", INDEX],
  ["time", TIME],
  ["fields", FIELDS],
] as const satisfies readonly (readonly [string, Member])[];

/** What a JSON value is; 0 means there is none. */
export const NONE = 0,
  OBJECT = 1,
  ARRAY = 2,
  STRING = 3,
  NUMBER = 4,
  TRUE = 5,
  FALSE = 6,
  NULL = 7;

/** FLAGS bits 0–2: kind of the top-level value (ENVELOPE's span). */
export const VALUE_KIND_SHIFT = 0;
/** FLAGS bits 3–5: kind of the `event` member's value. */
export const EVENT_KIND_SHIFT = 3;
/** FLAGS bits 6–8: kind of the `time` member's value. */
export const TIME_KIND_SHIFT = 6;
/** FLAGS bits 9–11: kind of the `fields` member's value. */
export const FIELDS_KIND_SHIFT = 9;
export const KIND_MASK = 7;
/** The envelope has a member that HEC does not know. */
export const UNKNOWN_MEMBER = 1 << 12;
/** `host`, `source`, `sourcetype` or `index` is neither a string nor null. */
export const BAD_METADATA = 1 << 13;
/** A value in `fields` is an object, or an array that holds one. */
export const NESTED_FIELDS = 1 << 14;
/** The event is a line of text (from `/raw`), not JSON. */
export const RAW = 1 << 15;
/** The event contains a raw line break (CR or LF between tokens; for RAW never). */
export const MULTILINE = 1 << 16;
/** The whole top-level value stands as the event (no `event` member was wanted). */
export const WHOLE = 1 << 17;

/** A growing table of rows. */
export class SpanTable {
  /** Rows, back to back; only the first `count * ROW` words mean something. */
  words: Uint32Array;
  count = 0;

  constructor(rows = 16) {
    this.words = new Uint32Array(rows * ROW);
  }

  /** Makes room for one more row, cleared, and returns its first word's place. */
  add(): number {
    const at = this.count * ROW;
    if (at + ROW > this.words.length) {
      const grown = new Uint32Array(this.words.length * 2);
      grown.set(this.words);
      this.words = grown;
    } else {
      this.words.fill(0, at, at + ROW);
    }
    this.count++;
    return at;
  }

  /** Forgets the rows and keeps the memory. */
  clear(): void {
    this.count = 0;
  }
}
