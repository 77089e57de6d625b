/** Says in the log who sends envelope members that HEC does not know, once an hour each: Splunk drops such events. */

import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";

const PAUSE_MS = 3_600_000;

export class UnknownMembers {
  /** Envelopes taken with such members, since the start. */
  total = 0;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By producer; there are no more than tokens. */
  readonly #seen = new Map<string, { since: number; untold: number }>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Notes so many more envelopes. `producer` is a token's name. */
  note(producer: string, envelopes: number): void {
    this.total += envelopes;
    const now = this.#clock.monotonic();
    const seen = this.#seen.get(producer);
    if (seen !== undefined && now - seen.since < PAUSE_MS) {
      seen.untold += envelopes;
      return;
    }
    this.#seen.set(producer, { since: now, untold: 0 });
    this.#logger.log(
      "warn",
      "ingest.unknown_member",
      "Envelopes have members that HEC does not know. They are kept; Splunk itself would drop the events.",
      // Since the line before.
      { producer, envelopes: envelopes + (seen?.untold ?? 0) },
    );
  }
}
