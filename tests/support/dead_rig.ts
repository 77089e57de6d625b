/** Connectors on a real log, with dead letters made by settling as deliveries do. */

import { ok } from "node:assert/strict";
import {
  advance,
  type DeadLetter,
  type Holding,
} from "../../lib/log/cursor.ts";
import { booksOf, type ConnectorBooks } from "../../lib/log/books.ts";
import { EventRun } from "../../lib/event.ts";
import { DeadLetters } from "../../lib/log/dead_kept.ts";
import { positionOf } from "../../lib/log/dead_letters.ts";
import { NO_ANSWER } from "../../lib/log/decision.ts";
import { History } from "../../lib/log/history.ts";
import { takeLease } from "../../lib/log/lease.ts";
import type { EventLog } from "../../lib/log/log.ts";
import { readBooks } from "../../lib/log/places.ts";
import { intakeOf, openRig, type RigOptions } from "./log_rig.ts";
import { ManualClock } from "./manual_clock.ts";

export interface Dying {
  readonly reason?: DeadLetter["reason"];
  readonly error?: string;
  readonly attempts?: number;
  /** Places of the segment's events that die; absent: all. */
  readonly at?: readonly number[];
}

export class DeadRig {
  readonly clock: ManualClock;
  readonly log: EventLog;
  readonly dead: DeadLetters;
  readonly #holdings = new Map<string, Holding>();

  constructor(log: EventLog, clock: ManualClock) {
    this.log = log;
    this.clock = clock;
    const history = new History(log);
    this.dead = new DeadLetters({
      store: log.store,
      end: () => log.end(),
      isDelivered: async (name, id) => {
        const at = positionOf(id);
        const outcome = at && await history.outcomeOf(name, at);
        return outcome?.decision.kind === "delivered";
      },
    });
  }

  static async open(
    connectors: readonly string[] = ["a", "b"],
    options: RigOptions = {},
  ): Promise<DeadRig> {
    const clock = new ManualClock();
    const log = await openRig({
      clock,
      connectors: () => connectors,
      ...options,
    });
    const rig = new DeadRig(log, clock);
    for (const connector of connectors) await rig.holding(connector);
    return rig;
  }

  async holding(connector: string): Promise<Holding> {
    const known = this.#holdings.get(connector);
    if (known !== undefined) return known;
    const { signal } = new AbortController();
    const holding = await takeLease(this.log, connector, { signal });
    this.#holdings.set(connector, holding);
    return holding;
  }

  /** Appends events as one segment. @returns their ids. */
  async append(
    texts: readonly (string | Uint8Array)[],
    host?: string,
  ): Promise<string[]> {
    const { ids } = await this.log.append(
      intakeOf(texts, {
        receivedAt: this.clock.now(),
        ...host !== undefined && { host },
      }),
    );
    return ids.flatMap(({ segment, first, count }) =>
      Array.from({ length: count }, (_, n) => `${segment}-${first + n}`)
    );
  }

  /** Settles the connector's next segment: what is named dies, the rest is delivered. */
  async settle(connector: string, dying: Dying = {}): Promise<void> {
    const holding = await this.holding(connector);
    const { place } = holding;
    const segment = await this.log.next(place);
    ok(segment);
    const first = segment.id === place.segment ? place.index : 0;
    const places = Array.from(
      { length: segment.count - first },
      (_, n) => first + n,
    );
    const dead = places.filter((index) => dying.at?.includes(index) ?? true);
    const next = advance(place, [segment], segment.count);
    const { books } = next;
    const run = new EventRun();
    for (const index of places) run.push(segment, index);
    const ranges = places.map((index, at) => ({
      at,
      count: 1,
      decision: dead.includes(index) ? { kind: "dead" as const } : {
        kind: "delivered" as const,
        attempts: 1,
        answer: NO_ANSWER,
      },
    }));
    ok(
      await holding.settle(
        {
          ...next,
          books: {
            ...books,
            dead: books.dead + dead.length,
            delivered: books.delivered + places.length - dead.length,
          },
        },
        dead.map((index) => this.letter(segment, index, dying)),
        {
          at: this.clock.now(),
          run,
          ranges,
        },
      ),
    );
  }

  letter(
    segment: DeadLetter["segment"],
    index: number,
    { reason = "rejected", error = "HTTP 400: no", attempts = 1 }: Dying = {},
  ): DeadLetter {
    const at = this.clock.now();
    return { segment, index, reason, error, attempts, at };
  }

  /** Appends and kills at once. */
  async kill(
    connector: string,
    texts: readonly (string | Uint8Array)[],
    dying: Dying = {},
  ): Promise<string[]> {
    const ids = await this.append(texts);
    await this.settle(connector, dying);
    return ids;
  }

  async books(connector: string): Promise<ConnectorBooks> {
    const { places, heads, deltas } = await readBooks(this.log);
    const place = places.get(connector);
    ok(place);
    return booksOf(place, heads, deltas.get(connector));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.log.close();
  }
}
