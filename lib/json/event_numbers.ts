/** A number for each event, so that caches need look after neither rows nor segments. */

import type { EventView, Segment } from "../event.ts";

/**
 * Numbers events by their segments in the order in which these are first seen, from 1. Keeps no segment in memory but the
 * one that it was asked about last.
 */
export class EventNumbers {
  readonly #first = new WeakMap<Segment, number>();
  #next = 1;
  #segment: Segment | undefined;
  #segmentFirst = 0;

  /** The number of the event at which `view` stands. */
  of(view: EventView): number {
    const { segment, index } = view;
    if (segment !== this.#segment) {
      let first = this.#first.get(segment);
      if (first === undefined) {
        first = this.#next;
        this.#next += segment.count;
        this.#first.set(segment, first);
      }
      this.#segment = segment;
      this.#segmentFirst = first;
    }
    return this.#segmentFirst + index;
  }
}
