/** Says in the log what producers were refused, once a minute each at most. */

import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";

const PAUSE_MS = 60_000;
/** Causes watched at once; beyond it the oldest is forgotten. */
const MAX_CAUSES = 256;

export class Refusals {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #causes = new Map<string, { since: number; repeats: number }>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Notes one refused request. `producer` is a token's name, never its value. */
  note(producer: string, status: number, text: string, code: number): void {
    const key = `${producer} ${status} ${code}`;
    const now = this.#clock.monotonic();
    const seen = this.#causes.get(key);
    if (seen !== undefined && now - seen.since < PAUSE_MS) {
      seen.repeats++;
      return;
    }
    this.#causes.delete(key);
    this.#causes.set(key, { since: now, repeats: 0 });
    if (this.#causes.size > MAX_CAUSES) {
      for (const oldest of this.#causes.keys()) {
        this.#causes.delete(oldest);
        break;
      }
    }
    this.#logger.log("warn", "ingest.refused", text, {
      producer,
      "http.response.status_code": status,
      code,
      // Of the same kind, since the line before.
      ...(seen === undefined || seen.repeats === 0
        ? {}
        : { repeats: seen.repeats }),
    });
  }
}
