/**
 * Keeping producers and connectors in step while the machine itself is the narrow place.
 *
 * Where connectors deliver as fast as this process can, but producers bring more, what waits would leave memory and
 * be read back from the store, which costs twice the time and slows both. So an append waits a moment when a
 * connector in motion is about to fall out of memory. Invariants: the moment is short (`HOLD_MS`) and comes once per
 * fall: a connector that did not catch up in it (its SIEM is the slow one) is let go and holds nobody until it is near
 * the end again; one that stands still (its SIEM hangs, refuses, is held) never holds anybody.
 */

import type { Clock } from "../clock.ts";
import type { Place } from "./cursor.ts";
import type { Tail } from "./tail.ts";

/** How long producers wait for a connector, at most. */
const HOLD_MS = 100;
/** A connector that settled nothing for this long stands still. */
const MOTION_MS = 50;
/** Bytes behind the end: from here on producers wait … */
const HIGH_BYTES = 8 * 1024 * 1024;
/** … until it is down to this. */
const LOW_BYTES = 4 * 1024 * 1024;

interface Reader {
  place: Place;
  movedAt: number;
  /** Producers have waited for it and it did not catch up. */
  isLetGo: boolean;
}

export class Pace {
  readonly #clock: Clock;
  readonly #tail: Tail;
  readonly #readers = new Map<string, Reader>();
  #hold: { readonly done: Promise<void>; readonly end: () => void } | undefined;

  constructor(clock: Clock, tail: Tail) {
    this.#clock = clock;
    this.#tail = tail;
  }

  /** The places taken and moved here since the start: not older than the store's. */
  places(): Map<string, Place> {
    return new Map(
      [...this.#readers].map(([connector, { place }]) => [connector, place]),
    );
  }

  /** A connector has taken its place: memory keeps what it needs, and nobody waits for it before it moves. */
  taken(connector: string, place: Place): void {
    this.#readers.set(connector, { place, movedAt: -Infinity, isLetGo: false });
  }

  /** A connector has settled. Memory forgets what all have passed. */
  moved(connector: string, place: Place): void {
    const reader = this.#readers.get(connector);
    const movedAt = this.#clock.monotonic();
    if (reader === undefined) {
      this.#readers.set(connector, { place, movedAt, isLetGo: false });
    } else {
      reader.place = place;
      reader.movedAt = movedAt;
      if (reader.isLetGo && this.#behind(reader) < LOW_BYTES) {
        reader.isLetGo = false;
      }
    }
    if (this.#hold !== undefined && this.#late(LOW_BYTES).length === 0) {
      this.#hold.end();
    }
    let oldest: Place | undefined;
    for (const { place: other } of this.#readers.values()) {
      if (!this.#tail.covers(other)) continue;
      if (oldest === undefined || other.segment < oldest.segment) {
        oldest = other;
      }
    }
    if (oldest !== undefined) this.#tail.passed(oldest.segment);
  }

  /** What an append passes first: at once, unless a connector in motion is about to fall out of memory. */
  pass(): Promise<void> | undefined {
    if (this.#hold !== undefined) return this.#hold.done;
    if (this.#tail.bytes < HIGH_BYTES) return undefined;
    if (this.#late(HIGH_BYTES).length === 0) return undefined;
    const over = new AbortController();
    const done = this.#clock.sleep(HOLD_MS, over.signal)
      .catch(() => undefined).then(() => {
        this.#hold = undefined;
        // Also who stands still just now: else one that settles seldom would be waited for at each settle.
        for (const reader of this.#readers.values()) {
          if (this.#behind(reader) >= LOW_BYTES) reader.isLetGo = true;
        }
      });
    this.#hold = { done, end: () => over.abort("in step") };
    return done;
  }

  /** Lets all that wait pass. */
  close(): void {
    this.#hold?.end();
  }

  /** Connectors in motion that are at least so far behind, and still within memory. */
  #late(bytes: number): Reader[] {
    const since = this.#clock.monotonic() - MOTION_MS;
    return [...this.#readers.values()].filter((reader) =>
      !reader.isLetGo && reader.movedAt > since &&
      this.#tail.covers(reader.place) && this.#behind(reader) >= bytes
    );
  }

  #behind({ place }: Reader): number {
    return this.#tail.bytesFrom(place.segment);
  }
}
