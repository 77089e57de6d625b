/** Long work: it lets everything else have its turn every few milliseconds. */

import type { Clock } from "./clock.ts";

/** How long one turn may keep the process from all else, in milliseconds. */
const TURN_MS = 5;

export class Turns {
  readonly #clock: Clock;
  #since: number;

  /** The first turn begins now. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.monotonic();
  }

  /** The turn has lasted long enough: `next()` is due. Cheap enough to ask for every line of a body. */
  get isOver(): boolean {
    return this.#clock.monotonic() - this.#since >= TURN_MS;
  }

  /** Resolves when the next turn begins. */
  async next(): Promise<void> {
    await this.#clock.sleep(0);
    this.#since = this.#clock.monotonic();
  }
}
