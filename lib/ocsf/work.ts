/** Work that judging one event may take, counted instead of timed: the same event always ends alike. */

/** Judging an event took more than it may. */
export class WorkFault extends Error {
  override readonly name = "WorkFault";

  constructor() {
    super("Judging it would take too long.");
  }
}

/** Units of some ten nanoseconds each: an event is given up within 10 to 50 ms. */
export const MOST_WORK = 2_000_000;

/** What is left for an event. Whoever is about to do something that grows with the event spends it first. */
export class Work {
  #spent = 0;
  #refusals = 0;
  readonly #most: number;

  constructor(most: number = MOST_WORK) {
    this.#most = most;
  }

  /** Since the event began. More than there was: it was given up. */
  get spent(): number {
    return this.#spent;
  }

  /** How often more was asked for than there was: a few, where whoever asks stops. */
  get refusals(): number {
    return this.#refusals;
  }

  get isOver(): boolean {
    return this.#spent > this.#most;
  }

  /** For the next event. */
  begin(): void {
    this.#spent = 0;
    this.#refusals = 0;
  }

  /** @throws {WorkFault} once there is no more; from then on always. */
  spend(units: number): void {
    if ((this.#spent += units) <= this.#most) return;
    this.#refusals++;
    throw new WorkFault();
  }
}
