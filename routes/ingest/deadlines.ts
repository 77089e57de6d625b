/**
 * Deadlines of all bodies that are being read: one timer for the lot, none per request. They are looked at once a
 * second, so one may be late by two seconds and is never early.
 */

import type { Clock } from "../../lib/clock.ts";

const TICK_MS = 1_000;

/** A body that is being read. */
export interface Watched {
  /** Stops the reading; called once, when a deadline has passed. */
  readonly stop: () => void;
  isExpired: boolean;
  started: number;
  touched: number;
}

/** How long a body may take, in milliseconds. */
export interface BodyPatience {
  /** Without a byte. */
  readonly idle: number;
  readonly total: number;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #patience: BodyPatience;
  readonly #watched = new Set<Watched>();
  readonly #closed = new AbortController();
  #now = 0;
  #isTicking = false;

  constructor(clock: Clock, patience: BodyPatience) {
    this.#clock = clock;
    this.#patience = patience;
  }

  watch(stop: () => void): Watched {
    if (!this.#isTicking) {
      this.#now = this.#clock.monotonic();
      this.#tick();
    }
    const watched = {
      stop,
      isExpired: false,
      started: this.#now,
      touched: this.#now,
    };
    this.#watched.add(watched);
    return watched;
  }

  /** A byte came. */
  touch(watched: Watched): void {
    watched.touched = this.#now;
  }

  unwatch(watched: Watched): void {
    this.#watched.delete(watched);
  }

  /** Ends the timer. */
  close(): void {
    this.#closed.abort();
  }

  async #tick(): Promise<void> {
    this.#isTicking = true;
    try {
      do {
        await this.#clock.sleep(TICK_MS, this.#closed.signal);
        // Times are noted at the tick before, hence the tick added: never too early.
        const now = this.#now = this.#clock.monotonic();
        for (const watched of this.#watched) {
          if (
            now - watched.touched >= this.#patience.idle + TICK_MS ||
            now - watched.started >= this.#patience.total + TICK_MS
          ) {
            watched.isExpired = true;
            this.#watched.delete(watched);
            watched.stop();
          }
        }
      } while (this.#watched.size > 0);
    } catch (error) {
      if (!this.#closed.signal.aborted) throw error;
    } finally {
      this.#isTicking = false;
    }
  }
}
