/**
 * A body's events slice by slice: what is found in one is judged, and can be kept, before the next is looked at. So a
 * small body of millions of tiny events takes the memory of one slice, and other requests get their turn in between.
 */

import { BodyScanner, type SliceLimits } from "../json/scanner.ts";
import type { SpanTable } from "../json/spans.ts";
import { type Judgement, judgeRows, type Rules } from "./hec.ts";
import { LineScanner } from "./hec_raw.ts";

/** Events of a slice, and its bytes, which a commit holds several times less of. */
const MAX_ROWS = 32_768, MAX_BYTES = 2 << 20;
/** Fewer are not worth a commit, however many bodies there are. */
const MIN_ROWS = 1_024;

/** How large slices may be while so many bodies are in work: their rows together stay near one large slice. */
export function sliceLimits(bodies: number): SliceLimits {
  return {
    rows: Math.max(MIN_ROWS, Math.floor(MAX_ROWS / bodies)),
    bytes: MAX_BYTES,
  };
}

/** What is still to be judged of a body. */
export interface Slices {
  /** Nothing follows. */
  readonly isDone: boolean;
  /** Fills an empty table with the next slice and judges it; `number` counts from the slice's first event. */
  next(table: SpanTable, limits: SliceLimits): Judgement;
}

/** Of an `/event` body. */
export class EventSlices implements Slices {
  readonly #bytes: Uint8Array;
  readonly #rules: Rules;
  readonly #scanner: BodyScanner;

  constructor(bytes: Uint8Array, rules: Rules) {
    this.#bytes = bytes;
    this.#rules = rules;
    this.#scanner = new BodyScanner(bytes);
  }

  get isDone(): boolean {
    return this.#scanner.isDone;
  }

  next(table: SpanTable, limits: SliceLimits): Judgement {
    const fault = this.#scanner.scan(table, limits);
    const judged = judgeRows(this.#bytes, table, this.#rules);
    return judged.code !== 0 || fault === undefined
      ? judged
      : { ...judged, code: 6, number: judged.good };
  }
}

/** Of a `/raw` body. */
export class LineSlices implements Slices {
  readonly #scanner: LineScanner;

  constructor(
    bytes: Uint8Array,
    options: { readonly maxEvent: number; readonly isCut: boolean },
  ) {
    this.#scanner = new LineScanner(bytes, options);
  }

  get isDone(): boolean {
    return this.#scanner.isDone;
  }

  next(table: SpanTable, limits: SliceLimits): Judgement {
    const isFine = this.#scanner.scan(table, limits);
    const good = table.count;
    return isFine
      ? { good, code: 0, unknown: 0 }
      : { good, code: 6, number: good, unknown: 0 };
  }
}
