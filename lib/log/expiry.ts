/** Did events expire at a connector? What makes the difference between decided and delivered for an ack. */

import type { Place } from "./cursor.ts";
import type { EventLog } from "./log.ts";

/** `count` events of one segment from `first` on, which came at `at` (Unix milliseconds). */
export interface EventRange {
  readonly segment: string;
  readonly first: number;
  readonly count: number;
  readonly at: number;
}

export interface Expiry {
  /**
   * Did any of the events expire at the connector, by age or because they were damaged? Asked only of events that its
   * place is beyond. Where it cannot be known: true.
   * @throws what the store throws.
   */
  wasExpired(
    connector: string,
    place: Place,
    events: EventRange,
  ): boolean | Promise<boolean>;
}

/** Segments remembered as damaged or gone. */
const MAX_LOST = 1_000;

/**
 * An answer without records of expired ranges: from the books, the age and the segment itself.
 *
 * Where the books count nothing expired, nothing is. Else events younger than the span have not expired by age, and a
 * segment that is whole was not damaged; whatever is left is taken as expired.
 */
export class BooksExpiry implements Expiry {
  readonly #log: EventLog;
  readonly #span: number;
  readonly #lost = new Set<string>();

  /** `span`: what waits longer expires, in milliseconds; 0: never. */
  constructor(log: EventLog, span: number) {
    this.#log = log;
    this.#span = span;
  }

  wasExpired(
    _connector: string,
    place: Place,
    events: EventRange,
  ): boolean | Promise<boolean> {
    if (place.books.expired === 0 && this.#log.damaged === 0) return false;
    const age = this.#log.options.clock.now() - events.at;
    const mayBeTooOld = place.books.expired > 0 && this.#span > 0 &&
      age >= this.#span;
    if (mayBeTooOld) return true;
    return this.#isWhole(events).then((isWhole) => !isWhole);
  }

  async #isWhole({ segment, first }: EventRange): Promise<boolean> {
    if (this.#lost.has(segment)) return false;
    const found = await this.#log.next({ segment, index: first });
    if (found?.id === segment) return true;
    this.#lost.add(segment);
    for (const oldest of this.#lost) {
      if (this.#lost.size <= MAX_LOST) break;
      this.#lost.delete(oldest);
    }
    return false;
  }
}
