/** What a SIEM warned of although it took events (destinations §0.1, `ok_warn`): shown for a while, counted, logged once. */

import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";

/** How long a warning is shown after the answer that held it, in milliseconds: most answers beside it hold none. */
const WARNING_MS = 5 * 60_000;

/** How often a SIEM warned, since the process began. */
export interface Warned {
  /** Answers with a warning. */
  readonly answers: number;
  /** Events that it took and put elsewhere than they were sent to. */
  readonly aside: number;
}

export const NEVER_WARNED: Warned = { answers: 0, aside: 0 };

interface WarningsContext {
  /** The connector's name. */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One connector's warnings; lives as long as the process. */
export class Warnings {
  readonly #context: WarningsContext;
  #counts = NEVER_WARNED;
  #message = "";
  /** When the warning that is shown began, by the wall clock, and the events put aside since. */
  #began = 0;
  #aside = 0;
  /** It is shown before this, on the monotonic clock. */
  #until = -Infinity;

  constructor(context: WarningsContext) {
    this.#context = context;
  }

  /** Takes the warning of one answer. `aside`: events that it put elsewhere. Logs a warning that begins. */
  tell(message: string, aside = 0): void {
    const { clock, logger, name } = this.#context;
    const now = clock.monotonic();
    if (now >= this.#until) {
      this.#began = clock.now();
      this.#aside = 0;
      logger.log(
        "warn",
        "delivery.warning",
        "The SIEM takes events and warns.",
        {
          connector: name,
          warning: message,
        },
      );
    }
    this.#until = now + WARNING_MS;
    this.#message = message;
    this.#aside += aside;
    this.#counts = {
      answers: this.#counts.answers + 1,
      aside: this.#counts.aside + aside,
    };
  }

  /** The last one, until it is older than `WARNING_MS`. */
  get shown(): string | undefined {
    if (this.#context.clock.monotonic() >= this.#until) return undefined;
    return this.#aside === 0
      ? this.#message
      : `${this.#message} (${this.#aside} since ${
        new Date(this.#began).toISOString()
      }.)`;
  }

  get counts(): Warned {
    return this.#counts;
  }
}
