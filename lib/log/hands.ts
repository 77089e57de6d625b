/**
 * Connectors switched by hand: `["hand", connector]`. What stands there holds for every process and every start; what
 * the configuration says is only the first value.
 *
 * Kept in memory and told to those who listen: at once where it was changed here, within some seconds where another
 * process did, which is looked for only where the store is shared.
 */

import { isBefore } from "./decision.ts";
import type { Holding, LaneSeen, Place } from "./cursor.ts";
import { EventRun, type Position } from "../event.ts";
import { lanesIn, newestOf, readHeads, totalsOf } from "./heads.ts";
import { handKey, handKeys } from "./keys.ts";
import {
  fromValue,
  isRecord,
  messageOf,
  numberIn,
  textIn,
  toValue,
} from "./kv.ts";
import type { EventLog } from "./log.ts";

const POLL_MS = 1_000;
/** Tries of a change that others' changes refuse. */
const TRIES = 20;

/** A place to go on from: what lies before it is discarded. */
export interface Skip extends Position {
  /** Per lane: what lies before it. */
  readonly seen: Readonly<Record<string, LaneSeen>>;
}

/** What was last set for a connector. */
export interface Hand {
  readonly isEnabled: boolean;
  /** To be carried out by the next holder of the lease, before it sends anything. */
  readonly skip: Skip | undefined;
  /** Counts how often it was to be tried at once. */
  readonly probes: number;
}

/** Where a connector that is switched on goes on: with what waits, or with what comes from now on. */
export type EnableFrom = "here" | "newest";

const ON: Hand = { isEnabled: true, skip: undefined, probes: 0 };

export class Hands {
  readonly #log: EventLog;
  readonly #hands = new Map<string, Hand>();
  readonly #listeners = new Map<string, Set<() => void>>();
  #polling: Promise<void> | undefined;
  /** Counts changes made here: what was read meanwhile may be older. */
  #changes = 0;
  readonly #stop = new AbortController();

  private constructor(log: EventLog) {
    this.#log = log;
  }

  /** Reads what was set; what was not gets the configuration's value. @throws what the store throws. */
  static async open(
    log: EventLog,
    connectors: Iterable<{ readonly name: string; readonly enabled: boolean }>,
  ): Promise<Hands> {
    const hands = new Hands(log);
    await hands.#read();
    const fresh = [...connectors].filter(({ name }) => !hands.#hands.has(name));
    // Each waits for the disk: together they wait once.
    await Promise.all(fresh.map(({ name, enabled }) =>
      hands.#change(
        name,
        (hand, isNew) => isNew ? { ...hand, isEnabled: enabled } : undefined,
      )
    ));
    return hands;
  }

  of(connector: string): Hand {
    return this.#hands.get(connector) ?? ON;
  }

  /** Calls `look` after each change of this connector. @returns what ends that. */
  listen(connector: string, look: () => void): () => void {
    const all = this.#listeners.get(connector) ?? new Set();
    this.#listeners.set(connector, all);
    all.add(look);
    return () => void all.delete(look);
  }

  /** Switches it off, if it is on. @throws what the store throws. */
  async disable(connector: string): Promise<void> {
    await this.#change(
      connector,
      (hand) => hand.isEnabled ? { ...hand, isEnabled: false } : undefined,
    );
  }

  /** Switches it on, if it is off. @throws what the store throws. */
  async enable(connector: string, from: EnableFrom): Promise<void> {
    await this.#change(connector, async (hand) =>
      hand.isEnabled ? undefined : {
        ...hand,
        isEnabled: true,
        skip: from === "newest" ? await this.#end() : hand.skip,
      });
  }

  /** Has it tried at once; false: it is switched off. @throws what the store throws. */
  async probe(connector: string): Promise<boolean> {
    await this.#change(
      connector,
      (hand) =>
        hand.isEnabled ? { ...hand, probes: hand.probes + 1 } : undefined,
    );
    return this.of(connector).isEnabled;
  }

  /** The skip was carried out. @throws what the store throws. */
  async skipped(connector: string, skip: Skip): Promise<void> {
    await this.#change(
      connector,
      (hand) =>
        isSame(hand.skip, skip) ? { ...hand, skip: undefined } : undefined,
    );
  }

  /** Resolves when no skip is left to be carried out, or when `signal` aborts. */
  async isSettled(connector: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.of(connector).skip === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const unlisten = this.listen(connector, () => {
      if (this.of(connector).skip === undefined) resolve();
    });
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    unlisten();
  }

  /** Begins to look for what other processes change. */
  start(): void {
    if (!this.#log.store.isExclusive) this.#polling ??= this.#poll();
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("closed"));
    await this.#polling;
  }

  /** The end of the log now. */
  async #end(): Promise<Skip> {
    const heads = await readHeads(this.#log.store);
    const { segment, count } = newestOf(heads.values());
    return { segment, index: count, seen: totalsOf(heads) };
  }

  async #change(
    connector: string,
    next: (
      hand: Hand,
      isNew: boolean,
    ) => Hand | undefined | Promise<Hand | undefined>,
  ): Promise<void> {
    const { store } = this.#log;
    const key = handKey(connector);
    for (let tries = 0; tries < TRIES; tries++) {
      const entry = await store.call((kv) => kv.get(key));
      const now = handOf(entry.value);
      const then = await next(now ?? ON, now === undefined);
      if (then === undefined) return this.#set(connector, now ?? ON);
      const { ok } = await store.call((kv) =>
        kv.atomic().check(entry).set(key, handValue(then)).commit()
      );
      if (!ok) continue;
      this.#changes++;
      return this.#set(connector, then);
    }
    throw new Error(`The switch of ${connector} changes all the time`);
  }

  #set(connector: string, hand: Hand): void {
    const before = this.#hands.get(connector);
    this.#hands.set(connector, hand);
    const isChanged = before === undefined ||
      before.isEnabled !== hand.isEnabled || before.probes !== hand.probes ||
      !isSame(before.skip, hand.skip);
    if (!isChanged) return;
    for (const look of [...this.#listeners.get(connector) ?? []]) look();
  }

  async #read(): Promise<void> {
    const changes = this.#changes;
    const found = await this.#log.store.call(async (kv) => {
      const hands = new Map<string, Hand>();
      for await (const { key, value } of kv.list(handKeys())) {
        const connector = key[1], hand = handOf(value);
        if (typeof connector === "string" && hand !== undefined) {
          hands.set(connector, hand);
        }
      }
      return hands;
    });
    if (changes !== this.#changes) return;
    for (const [connector, hand] of found) this.#set(connector, hand);
  }

  async #poll(): Promise<void> {
    const { clock, random, logger } = this.#log.options;
    const { signal } = this.#stop;
    for (;;) {
      await clock.sleep(POLL_MS * (0.75 + random() / 2), signal)
        .catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.#read();
      } catch (error) {
        if (signal.aborted) return;
        logger.log("debug", "store.slow", "The switches could not be read", {
          error: messageOf(error),
        });
        await this.#log.store.refresh().catch(() => undefined);
      }
    }
  }
}

/** Are both the same place, or neither is one? */
export function isSame(
  one: Position | undefined,
  other: Position | undefined,
): boolean {
  return one?.segment === other?.segment && one?.index === other?.index;
}

/**
 * Moves the place to the skip's, and books what lies between as discarded. Behind it already: nothing is done.
 * False: the lease is lost.
 */
export async function discardTo(
  holding: Holding,
  skip: Skip,
  at: number,
): Promise<boolean> {
  const { place } = holding;
  if (!isBefore(place, skip)) return true;
  const seen: Record<string, LaneSeen> = { ...place.seen };
  let count = 0;
  for (const [lane, there] of Object.entries(skip.seen)) {
    const more = there.events - (seen[lane]?.events ?? 0);
    if (more < 0) continue;
    count += more;
    seen[lane] = there;
  }
  const next: Place = {
    ...place,
    segment: skip.segment,
    index: skip.index,
    seen,
    books: { ...place.books, discarded: place.books.discarded + count },
    attempt: 0,
    nextAttemptAt: null,
  };
  return await holding.settle(next, [], {
    at,
    run: new EventRun(),
    ranges: [],
    skipped: { count, decision: { kind: "discarded" } },
  });
}

function handValue({ isEnabled, skip, probes }: Hand): Uint8Array {
  return toValue({ enabled: isEnabled, skip, probes });
}

function handOf(value: unknown): Hand | undefined {
  const record = fromValue(value);
  if (record === undefined) return undefined;
  const skip = record["skip"];
  return {
    isEnabled: record["enabled"] !== false,
    skip: isRecord(skip)
      ? {
        segment: textIn(skip, "segment"),
        index: numberIn(skip, "index"),
        seen: lanesIn(skip["seen"]),
      }
      : undefined,
    probes: numberIn(record, "probes"),
  };
}
