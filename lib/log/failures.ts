/** When an append has failed often enough for its producers to be answered. */

import type { Store } from "./store.ts";

/** Failed calls until producers are told that the store does not answer; the lane goes on resolving. */
const FAILURES = 3;
/** Another process's transaction on the KV file: refused calls in so many milliseconds count as one that failed. */
const LOCKED_MS = 5_000;

/** Counts failed calls of one append. */
export class Failures {
  #count = 0;
  readonly #store: Store;
  readonly #onStuck: () => void;
  /** On the monotonic clock: since when the time of refused calls is counted. */
  #lockedSince: number | undefined;
  #isSaid = false;

  constructor(store: Store, onStuck: () => void) {
    this.#store = store;
    this.#onStuck = onStuck;
  }

  get isStuck(): boolean {
    return this.#count >= FAILURES;
  }

  add(): void {
    if (++this.#count === FAILURES) this.#onStuck();
  }

  /** A call was refused at once because of a lock: it is the time that counts. */
  addLocked(): void {
    const now = this.#store.clock.monotonic();
    this.#lockedSince ??= now;
    if (now - this.#lockedSince < LOCKED_MS) return;
    this.#lockedSince = now;
    if (!this.#isSaid) {
      this.#isSaid = true;
      this.#store.logger.log(
        "warn",
        "store.slow",
        "Another process holds a write transaction on the KV file; an append waits for it",
      );
    }
    this.add();
  }
}
