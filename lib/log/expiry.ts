/** Did events expire at a connector? What makes the difference between decided and delivered for an ack. */

import type { Place } from "./cursor.ts";

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
