/**
 * The books of all configured connectors, looked at regularly: a difference is said once each time that it changes, and
 * never healed. In the same rounds dead letters end after 30 days, and what became of them is forgotten as late; what a
 * round cannot do because the store does not answer is due in the next one.
 */

import type { Clock } from "../clock.ts";
import { booksOf, type ConnectorBooks } from "../log/books.ts";
import type { DeadLetters } from "../log/dead_kept.ts";
import { forgetAnswers } from "../log/idempotency.ts";
import { forgetJobs } from "../log/job_totals.ts";
import { messageOf } from "../log/kv.ts";
import type { EventLog } from "../log/log.ts";
import { NOWHERE, readBooks } from "../log/places.ts";
import type { Logger } from "../logger.ts";

const LOOK_MS = 60_000;
/** Rounds between two sweeps of dead letters, and between two of what became of them. */
const SWEEP_ROUNDS = 60, FORGET_ROUNDS = 24 * 60;

/** A connector of the configuration. */
export interface BookedConnector {
  readonly name: string;
  /** False: no source names it; it owes nothing. */
  readonly isFed: boolean;
}

/** The books of connectors as one snapshot; one that has no place yet is not there. @throws what the store throws. */
export async function readAllBooks(
  log: Pick<EventLog, "store" | "settled">,
  connectors: readonly BookedConnector[],
): Promise<Map<string, ConnectorBooks>> {
  const { places, heads, deltas } = await readBooks(log);
  const books = new Map<string, ConnectorBooks>();
  for (const { name, isFed } of connectors) {
    const place = isFed ? places.get(name) : NOWHERE;
    if (place === undefined) continue;
    books.set(name, booksOf(place, isFed ? heads : {}, deltas.get(name)));
  }
  return books;
}

export class BooksWatch {
  readonly #parts: {
    readonly log: EventLog;
    readonly deadLetters: DeadLetters;
    readonly connectors: () => readonly BookedConnector[];
    readonly clock: Clock;
    readonly logger: Logger;
  };
  readonly #stop = new AbortController();
  readonly #said = new Map<string, number>();
  #running: Promise<void> | undefined;

  constructor(parts: {
    readonly log: EventLog;
    readonly deadLetters: DeadLetters;
    readonly connectors: () => readonly BookedConnector[];
    readonly clock: Clock;
    readonly logger: Logger;
  }) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when what is under way has ended. */
  async close(): Promise<void> {
    this.#stop.abort("closed");
    await this.#running;
  }

  /** Looks at the books once. @throws what the store throws. */
  async look(): Promise<void> {
    const { log, connectors, logger } = this.#parts;
    for (const [name, books] of await readAllBooks(log, connectors())) {
      const { waitingBytes: _bytes, ...counts } = books;
      const { difference } = books;
      const before = this.#said.get(name) ?? 0;
      if (difference === before) continue;
      this.#said.set(name, difference);
      logger.log(
        difference === 0 ? "info" : "error",
        "books.difference",
        difference === 0
          ? "The books balance again"
          : "The books do not balance: this is a bug of Hecate",
        { connector: name, ...counts },
      );
    }
  }

  /** Ends what was kept 30 days. @throws what the store throws. */
  async sweep(): Promise<void> {
    const { deadLetters, clock } = this.#parts;
    this.#sayEnded(await deadLetters.sweep(clock.now()));
  }

  async #forget(): Promise<void> {
    const { deadLetters, clock } = this.#parts;
    this.#sayEnded(await deadLetters.forget(clock.now()));
  }

  #sayEnded(ended: ReadonlyMap<string, number>): void {
    for (const [name, events] of ended) {
      this.#parts.logger.log(
        "warn",
        "delivery.expired",
        "Dead letters were kept 30 days and are gone.",
        { connector: name, events, reason: "age" },
      );
    }
  }

  async #run(): Promise<void> {
    const { clock, logger, log } = this.#parts;
    const { signal } = this.#stop;
    const chores = [
      { what: "The books", every: 1, work: () => this.look() },
      { what: "Dead letters", every: SWEEP_ROUNDS, work: () => this.sweep() },
      {
        what: "Ended letters",
        every: FORGET_ROUNDS,
        work: () => this.#forget(),
      },
      {
        what: "Old answers",
        every: FORGET_ROUNDS,
        work: () => forgetAnswers(log.store),
      },
      {
        what: "Old jobs",
        every: FORGET_ROUNDS,
        work: () => forgetJobs(log.store, clock.now()),
      },
    ].map((chore) => ({ ...chore, due: 1 }));
    for (let round = 1; !signal.aborted; round++) {
      await clock.sleep(LOOK_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      for (const chore of chores) {
        if (round < chore.due) continue;
        try {
          await chore.work();
          chore.due = round + chore.every;
        } catch (error) {
          // The store closes meanwhile.
          if (signal.aborted) return;
          const message = `${chore.what} could not be looked at`;
          logger.log("warn", "store.slow", message, {
            error: messageOf(error),
          });
        }
      }
    }
  }
}
