/**
 * When a connector will lose events, and saying so long before: once each time that it comes to that, by the process
 * that holds its lease, or by every one where nobody does (interface §12).
 */

import type { Clock } from "../clock.ts";
import { countsOf } from "../log/books.ts";
import { readHolders } from "../log/holders.ts";
import { messageOf } from "../log/kv.ts";
import type { EventLog } from "../log/log.ts";
import { readBooks } from "../log/places.ts";
import type { Logger } from "../logger.ts";
import type { BookedConnector } from "./books_watch.ts";

const LOOK_MS = 60_000;
/** Looks within the span. */
const LOOK_SHARE = 10;
/** At risk with less than this left, or than half of the span where that is less. */
const RISK_MS = 86_400_000;

/** When the oldest event that waits expires; null: nothing waits, or nothing expires. */
export interface Loss {
  /** Milliseconds since the Unix epoch. */
  readonly losesAt: number | null;
  readonly isAtRisk: boolean;
}

/** @param oldest when the oldest event that waits was accepted. @param expire 0: never. Milliseconds. */
export function lossOf(
  oldest: number | null,
  expire: number,
  now: number,
): Loss {
  if (oldest === null || expire === 0) {
    return { losesAt: null, isAtRisk: false };
  }
  const losesAt = oldest + expire;
  return {
    losesAt,
    isAtRisk: losesAt - now < Math.min(RISK_MS, expire / 2),
  };
}

export class RiskWatch {
  readonly #parts: {
    readonly log: EventLog;
    readonly connectors: () => readonly BookedConnector[];
    /** Milliseconds; 0: never. */
    readonly expire: number;
    readonly clock: Clock;
    readonly logger: Logger;
  };
  readonly #stop = new AbortController();
  /** Connectors that were said to be at risk and still are. */
  readonly #said = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(parts: {
    readonly log: EventLog;
    readonly connectors: () => readonly BookedConnector[];
    readonly expire: number;
    readonly clock: Clock;
    readonly logger: Logger;
  }) {
    this.#parts = parts;
  }

  start(): void {
    if (this.#parts.expire > 0) this.#running ??= this.#run();
  }

  /** Resolves when what is under way has ended. */
  async close(): Promise<void> {
    this.#stop.abort("closed");
    await this.#running;
  }

  /** Looks once. @throws what the store throws. */
  async look(): Promise<void> {
    const { log, connectors, expire, clock, logger } = this.#parts;
    const { places, heads } = await readBooks(log);
    const holders = await readHolders(log);
    for (const { name, isFed } of connectors()) {
      const place = places.get(name);
      if (!isFed || place === undefined) continue;
      const holder = holders.get(name)?.instance;
      if (holder !== undefined && holder !== log.options.instance) {
        this.#said.delete(name);
        continue;
      }
      const { waiting } = countsOf(place, heads);
      const oldest = waiting === 0 ? undefined : await log.receivedAt(place);
      const loss = lossOf(oldest ?? null, expire, clock.now());
      if (!loss.isAtRisk || loss.losesAt === null) {
        this.#said.delete(name);
        continue;
      }
      if (this.#said.has(name)) continue;
      this.#said.add(name);
      logger.log(
        "error",
        "delivery.at_risk",
        "Waiting events will expire undelivered.",
        {
          connector: name,
          loses_at: new Date(loss.losesAt).toISOString(),
          waiting,
        },
      );
    }
  }

  async #run(): Promise<void> {
    const { clock, logger, expire } = this.#parts;
    const { signal } = this.#stop;
    const pause = Math.min(LOOK_MS, expire / LOOK_SHARE);
    while (!signal.aborted) {
      await clock.sleep(pause, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.look();
      } catch (error) {
        // The store closes meanwhile.
        if (signal.aborted) return;
        logger.log("warn", "store.slow", "What waits could not be looked at", {
          error: messageOf(error),
        });
      }
    }
  }
}
