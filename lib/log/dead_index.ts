/**
 * The index of dead letters: `["deadat", connector, time of death, event id]`, read by pages, newest or oldest first,
 * over one connector or all of them merged.
 *
 * Invariants: letters that no place counts yet are left out (`dead_letters.ts`); of one moment a connector's stand in the
 * order of the log; at equal times connectors stand in the order of their names going forward, and the other way round
 * going back. Memory: one page a connector.
 */

import { readDeadBooks } from "./dead_books.ts";
import { isBehind } from "./dead_letters.ts";
import type { DeadEntryValue } from "./dead_record.ts";
import {
  cursorKey,
  deadAtBetween,
  type DeadAtBound,
  idInOrder,
  idOfDeadAt,
  timeOfDeadAt,
} from "./keys.ts";
import { fromValue, numberIn, textIn } from "./kv.ts";
import { placeOf } from "./places.ts";
import type { Store } from "./store.ts";

/** Entries of one `list`. */
const PAGE = 100;

/** A dead letter as lists know it. */
export interface DeadEntry extends DeadEntryValue {
  /** Of its event. */
  readonly id: string;
  readonly connector: string;
  /** When it died: milliseconds since the Unix epoch. */
  readonly at: number;
}

/** Which dead letters. Times are when they died, in milliseconds since the Unix epoch; `to` is not included. */
export interface DeadFilter {
  readonly connector?: string;
  readonly reason?: string;
  readonly from?: number;
  readonly to?: number;
  /** Text in the event, as it came, or in the error. Upper and lower case are different. */
  readonly contains?: string;
}

/** A place in the order of all letters. */
export type DeadMark = Pick<DeadEntry, "at" | "connector" | "id">;

/** Every connector that ever had a dead letter. @throws what the store throws. */
export async function deadConnectors(store: Store): Promise<string[]> {
  return [...(await readDeadBooks(store)).keys()].sort();
}

/**
 * The letters of a filter, its `contains` left aside, behind a mark. @throws what the store throws.
 */
export async function* scanDead(
  store: Store,
  filter: DeadFilter,
  order: "newest" | "oldest",
  after?: DeadMark,
): AsyncGenerator<DeadEntry> {
  const names = filter.connector === undefined
    ? await deadConnectors(store)
    : [filter.connector];
  const sources = await Promise.all(
    names.map((name) => Source.open(store, name, filter, order, after)),
  );
  for (;;) {
    let best: Source | undefined;
    for (const source of sources) {
      const head = await source.head();
      const first = await best?.head();
      if (
        head !== undefined &&
        (first === undefined || isBefore(head, first, order))
      ) best = source;
    }
    const found = await best?.head();
    if (found === undefined) return;
    best?.take();
    if (filter.reason === undefined || found.reason === filter.reason) {
      yield found;
    }
  }
}

function isBefore(
  one: DeadMark,
  other: DeadMark,
  order: "newest" | "oldest",
): boolean {
  const [a, b] = order === "newest" ? [other, one] : [one, other];
  if (a.at !== b.at) return a.at < b.at;
  if (a.connector !== b.connector) return a.connector < b.connector;
  return idInOrder(a.id) < idInOrder(b.id);
}

/** One connector's index, a page at a time. */
class Source {
  readonly #store: Store;
  readonly #connector: string;
  readonly #isReverse: boolean;
  #from: DeadAtBound | undefined;
  #to: DeadAtBound | undefined;
  #page: DeadEntry[] = [];
  #isEnd = false;

  private constructor(
    store: Store,
    connector: string,
    isReverse: boolean,
    bounds: {
      readonly from: DeadAtBound | undefined;
      readonly to: DeadAtBound | undefined;
    },
  ) {
    this.#store = store;
    this.#connector = connector;
    this.#isReverse = isReverse;
    this.#from = bounds.from;
    this.#to = bounds.to;
  }

  static open(
    store: Store,
    connector: string,
    filter: DeadFilter,
    order: "newest" | "oldest",
    after: DeadMark | undefined,
  ): Source {
    let from: DeadAtBound | undefined = filter.from === undefined
      ? undefined
      : { ms: filter.from };
    let to: DeadAtBound | undefined = filter.to === undefined
      ? undefined
      : { ms: filter.to };
    const isReverse = order === "newest";
    if (after !== undefined) {
      const bound = boundAt(after, connector, isReverse);
      if (isReverse) to = bound.ms < (to?.ms ?? Infinity) ? bound : to;
      else from = bound.ms >= (from?.ms ?? -Infinity) ? bound : from;
    }
    return new Source(store, connector, isReverse, { from, to });
  }

  /** The next letter; undefined: there is none. */
  async head(): Promise<DeadEntry | undefined> {
    while (this.#page.length === 0 && !this.#isEnd) await this.#read();
    return this.#page[0];
  }

  take(): void {
    this.#page.shift();
  }

  async #read(): Promise<void> {
    const connector = this.#connector, store = this.#store;
    // The place first: a letter that it does not count yet is shown the next time.
    const cursor = await store.call((kv) => kv.get(cursorKey(connector)));
    const place = placeOf(cursor.value);
    if (isEmpty(this.#from, this.#to)) {
      this.#isEnd = true;
      return;
    }
    const range = deadAtBetween(connector, this.#from, this.#to);
    const found = await store.call(async (kv) => {
      const entries: DeadEntry[] = [];
      const options = {
        limit: PAGE,
        batchSize: PAGE,
        reverse: this.#isReverse,
      };
      for await (const { key, value } of kv.list(range, options)) {
        entries.push(entryOf(connector, key, value));
      }
      return entries;
    });
    this.#isEnd = found.length < PAGE;
    const last = found.at(-1);
    if (last !== undefined) {
      const bound = { ms: last.at, id: last.id };
      if (this.#isReverse) this.#to = bound;
      else this.#from = { ...bound, isBehind: true };
    }
    this.#page = found.filter(({ id }) =>
      place === undefined || isBehind(id, place)
    );
  }
}

/** KV refuses a range that ends before it begins. */
function isEmpty(
  from: DeadAtBound | undefined,
  to: DeadAtBound | undefined,
): boolean {
  if (from === undefined || to === undefined) return false;
  return from.ms > to.ms || (from.ms === to.ms && to.id === undefined);
}

/** Where a connector's index goes on behind a letter, which may be another connector's. */
function boundAt(
  after: DeadMark,
  connector: string,
  isReverse: boolean,
): DeadAtBound {
  const { at: ms } = after;
  if (after.connector === connector) {
    return { ms, id: after.id, isBehind: !isReverse };
  }
  // Of equal times the connectors that stand before it are done; going back, those are the later names, and what is
  // left of a moment lies before the next one.
  const isLater = connector > after.connector;
  return { ms: isLater ? ms : ms + 1 };
}

function entryOf(
  connector: string,
  key: Deno.KvKey,
  value: unknown,
): DeadEntry {
  const record = fromValue(value) ?? {};
  return {
    id: idOfDeadAt(key),
    connector,
    at: timeOfDeadAt(key),
    reason: textIn(record, "reason"),
    error: textIn(record, "error"),
    attempts: numberIn(record, "attempts"),
    ...record["givenUp"] === true && { givenUp: true },
    bytes: numberIn(record, "bytes"),
    preview: textIn(record, "preview"),
    producer: textIn(record, "producer"),
    parts: numberIn(record, "parts"),
    print: textIn(record, "print"),
    keptFrom: numberIn(record, "keptFrom"),
  };
}
