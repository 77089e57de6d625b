/** Where an event's fields are: found once per event for all connectors, kept for the last few. */

import type { EventView } from "../event.ts";
import { EventNumbers } from "./event_numbers.ts";
import { findPaths, pathCount } from "./paths.ts";
import { EVENT } from "./spans.ts";

/**
 * Memory of the spans that are kept: about 12,000 events at 80 paths, which is how far connectors in step may lie apart
 * (`HIGH_BYTES` of lib/log/pace.ts).
 */
const CACHE_BYTES = 8 * 1024 * 1024;

/** Start and end of each known path's value in the bytes of one event's segment. */
export interface FieldSpans {
  /** Start of the value; equal to `end` where the event has none. */
  start(path: number): number;
  /** End of the value, exclusive; quotes included. */
  end(path: number): number;
}

/**
 * A ring of rows of spans. An event's row follows from a number that its segment gets when it is first seen, so that
 * neither a row nor a segment has to be looked after: a newer event takes the row over.
 */
export class FieldCache implements FieldSpans {
  readonly #bytes: number;
  readonly #numbers = new EventNumbers();
  /** Number of the event whose spans a row holds; 0 for none. */
  #tags = new Float64Array(0);
  #words = new Uint32Array(0);
  /** Paths that the rows have room for. */
  #paths = 0;
  /** First word of the current event's row. */
  #row = 0;

  constructor(bytes = CACHE_BYTES) {
    this.#bytes = bytes;
  }

  /** Moves to an event; what was answered before is about this one from then on. Raw events have no fields. */
  at(view: EventView): FieldSpans {
    if (view.isRaw) return NO_FIELDS;
    if (this.#paths !== pathCount()) this.#renew();
    const number = this.#numbers.of(view);
    const row = number % this.#tags.length;
    this.#row = row * 2 * this.#paths;
    if (this.#tags[row] !== number) {
      // Nobody's, until it is whole.
      this.#tags[row] = 0;
      findPaths(
        view.bytes,
        view.start(EVENT),
        view.end(EVENT),
        this.#words,
        this.#row,
      );
      this.#tags[row] = number;
    }
    return this;
  }

  start(path: number): number {
    return this.#words[this.#row + 2 * path] as number;
  }

  end(path: number): number {
    return this.#words[this.#row + 2 * path + 1] as number;
  }

  /** Paths were added: rows get wider, and what they hold is found anew. */
  #renew(): void {
    this.#paths = pathCount();
    const rows = Math.max(1, Math.floor(this.#bytes / (8 * this.#paths + 8)));
    this.#tags = new Float64Array(rows);
    this.#words = new Uint32Array(rows * 2 * this.#paths);
  }
}

const NO_FIELDS: FieldSpans = { start: () => 0, end: () => 0 };

const shared = new FieldCache();

/**
 * The fields of the event at which `view` stands, by path id (`pathId`). The answer is one object for all events:
 * read it before the next call.
 */
export function fieldSpans(view: EventView): FieldSpans {
  return shared.at(view);
}
