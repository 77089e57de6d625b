/**
 * The dead letters of all connectors as people and replays use them: lists, groups, export, discarding, import, the end
 * of their 30 days.
 *
 * Invariants: see `dead_books.ts` (order of changes), `dead_letters.ts` (which count), `dead_index.ts` (order of lists).
 * Memory: pages of the index and one event at a time; of what is to be discarded its ids.
 *
 * Over 300 lines because the dead letters' whole surface is this one class; what it does lies in its neighbours.
 */

import { Buffer } from "node:buffer";
import type { Position } from "../event.ts";
import {
  type DeadEnd,
  type DeadEnding,
  endDead,
  type EndOptions,
  forgetEnds,
  KEPT_MS,
  readAll,
  readDeadEnd,
} from "./dead_ends.ts";
import {
  type ForeignLetter,
  importDead,
  type Imported,
} from "./dead_import.ts";
import {
  deadConnectors,
  type DeadEntry,
  type DeadFilter,
  type DeadMark,
  scanDead,
} from "./dead_index.ts";
import { isBehind } from "./dead_letters.ts";
import { type DeadRecord, readDeadLetter } from "./dead_record.ts";
import { cursorKey, deadKey } from "./keys.ts";
import { placeOf } from "./places.ts";
import type { Store } from "./store.ts";

/** What one page may look at: entries of the index, and bytes of events where a text is looked for. */
const PAGE_ENTRIES = 20_000, PAGE_BYTES = 64 * 1024 * 1024;
/** Letters whose 30 days are over, ended together. */
const SWEEP = 500;

/** A dead letter by the id of its event. */
export interface DeadName {
  readonly connector: string;
  readonly id: string;
}

/** Letters by a filter, or by their names. */
export type DeadChoice =
  | { readonly filter: DeadFilter }
  | { readonly names: readonly DeadName[] };

/** Letters of one connector that died for one reason. */
export interface DeadGroup {
  readonly connector: string;
  readonly reason: string;
  /** The newest one's. */
  readonly error: string;
  readonly count: number;
  /** When the first and the last of them died: milliseconds since the Unix epoch. */
  readonly firstAt: number;
  readonly lastAt: number;
}

export interface DeadLettersParts {
  readonly store: Store;
  /** The place behind the newest event of the log (`EventLog.end`). */
  readonly end: () => Promise<Position>;
  /** Has the connector had this event of the log by itself? Absent: not known, then nothing is held to be had. */
  readonly isDelivered?: (connector: string, id: string) => Promise<boolean>;
  /** Blanks secrets in what others say: the errors of an import. Absent: there are none. */
  readonly redact?: (text: string) => string;
}

export class DeadLetters {
  readonly #parts: DeadLettersParts;
  readonly #store: Store;
  /** Ends with what counts letters now. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: DeadLettersParts) {
    this.#parts = parts;
    this.#store = parts.store;
  }

  /** A text of another relay, or of whoever wrote a record, without this one's secrets. */
  redacted(text: string): string {
    return this.#parts.redact?.(text) ?? text;
  }

  /** Every connector that ever had a dead letter, also of those that left the configuration. */
  connectors(): Promise<string[]> {
    return deadConnectors(this.#store);
  }

  /**
   * A page, newest first. `next`: where to go on; it may be there although the page is not full, because a page looks
   * at so much only.
   */
  async page(
    filter: DeadFilter,
    limit: number,
    after?: DeadMark,
  ): Promise<
    { readonly items: readonly DeadEntry[]; readonly next?: DeadMark }
  > {
    const items: DeadEntry[] = [];
    let looked = 0, bytes = 0;
    let last: DeadEntry | undefined;
    for await (const entry of scanDead(this.#store, filter, "newest", after)) {
      if (last !== undefined) {
        const isFull = items.length === limit || looked >= PAGE_ENTRIES ||
          bytes >= PAGE_BYTES;
        if (isFull) return { items, next: last };
      }
      last = entry;
      looked++;
      if (filter.contains !== undefined) bytes += entry.bytes;
      if (await this.#contains(entry, filter.contains)) items.push(entry);
    }
    return { items };
  }

  /** All letters of a filter. What is done to them meanwhile may be seen or not. */
  async *matching(
    filter: DeadFilter,
    order: "newest" | "oldest" = "oldest",
  ): AsyncGenerator<DeadEntry> {
    for await (const entry of scanDead(this.#store, filter, order)) {
      if (await this.#contains(entry, filter.contains)) yield entry;
    }
  }

  /** The same with their events, oldest first: for an export. */
  async *records(filter: DeadFilter): AsyncGenerator<DeadRecord> {
    for await (const { connector, id } of this.matching(filter)) {
      const record = await readDeadLetter(this.#store, connector, id);
      if (record !== undefined) yield record;
    }
  }

  /** Letters by connector and reason, most first. */
  async groups(filter: DeadFilter): Promise<DeadGroup[]> {
    const groups = new Map<string, DeadGroup>();
    for await (const entry of this.matching(filter, "newest")) {
      const { connector, reason, error, at } = entry;
      const key = JSON.stringify([connector, reason]);
      const known = groups.get(key);
      groups.set(
        key,
        known === undefined
          ? { connector, reason, error, count: 1, firstAt: at, lastAt: at }
          : { ...known, count: known.count + 1, firstAt: at },
      );
    }
    return [...groups.values()].sort((a, b) => b.count - a.count);
  }

  /** One letter; undefined: there is none, or no place counts it yet. */
  async read({ connector, id }: DeadName): Promise<DeadRecord | undefined> {
    const record = await readDeadLetter(this.#store, connector, id);
    if (record === undefined) return undefined;
    return await this.#isCounted(connector, id) ? record : undefined;
  }

  /** What became of a letter that is none any more; undefined: nothing is known. */
  endOf({ connector, id }: DeadName): Promise<DeadEnd | undefined> {
    return readDeadEnd(this.#store, connector, id);
  }

  /** Those of these names that are dead letters now, each once. */
  async existing(names: readonly DeadName[]): Promise<DeadName[]> {
    const unique = new Map(
      names.map((name) => [`${name.id}@${name.connector}`, name]),
    );
    const list = [...unique.values()];
    const records = await readAll(
      this.#store,
      list.map(({ connector, id }) => deadKey(connector, id)),
    );
    const found: DeadName[] = [];
    for (const [n, name] of list.entries()) {
      if (records[n] === undefined) continue;
      if (await this.#isCounted(name.connector, name.id)) found.push(name);
    }
    return found;
  }

  /**
   * Discards letters. @param expect how many there must be; else nothing is done.
   * @returns how many were discarded, or found instead. A letter that ends otherwise meanwhile is not counted; where all
   * did (another process was first), what is found then is told.
   */
  discard(
    choice: DeadChoice,
    expect: number,
    now: number,
  ): Promise<{ readonly discarded: number } | { readonly found: number }> {
    return this.alone(async () => {
      const names = await this.#chosen(choice);
      if (names.length !== expect) return { found: names.length };
      let discarded = 0;
      for (const [connector, ids] of byConnector(names)) {
        const ended = await this.end(connector, ids, "discarded", { at: now });
        discarded += ended.length;
      }
      return discarded === 0 && expect > 0
        ? { found: (await this.#chosen(choice)).length }
        : { discarded };
    });
  }

  /**
   * What counts letters and then does something with them, one after the other in this process: so of two that expect
   * the same letters the second finds what the first has left.
   */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #chosen(choice: DeadChoice): Promise<readonly DeadName[]> {
    if ("names" in choice) return await this.existing(choice.names);
    const names: DeadName[] = [];
    for await (const { connector, id } of this.matching(choice.filter)) {
      names.push({ connector, id });
    }
    return names;
  }

  /** Takes letters of one connector in: an outcome for each. */
  async import(
    connector: string,
    letters: readonly ForeignLetter[],
    now: number,
  ): Promise<Imported[]> {
    const { end, isDelivered = knowsNothing } = this.#parts;
    return await importDead(
      { store: this.#store, now, end: await end(), isDelivered },
      connector,
      letters,
    );
  }

  /** Ends letters; a replay ends its own (`job_progress.ts`). @see endDead */
  end(
    connector: string,
    ids: readonly string[],
    how: DeadEnding,
    options: EndOptions,
  ): Promise<string[]> {
    return endDead(this.#store, connector, ids, how, options);
  }

  /** Ends letters that died 30 days ago or before and were kept as long. @returns how many, by connector. */
  sweep(now: number): Promise<Map<string, number>> {
    return this.#sweep(now, now - KEPT_MS);
  }

  async #sweep(
    now: number,
    diedBefore: number | undefined,
  ): Promise<Map<string, number>> {
    const before = now - KEPT_MS;
    const expired = new Map<string, number>();
    for (const connector of await this.connectors()) {
      let ids: string[] = [];
      const end = async () => {
        const ended = await this.end(connector, ids, "expired", { at: now });
        ids = [];
        if (ended.length === 0) return;
        expired.set(connector, (expired.get(connector) ?? 0) + ended.length);
      };
      // An imported one may have died long before its 30 days began.
      const old = {
        connector,
        ...diedBefore !== undefined && { to: diedBefore },
      };
      for await (const entry of scanDead(this.#store, old, "oldest")) {
        if (entry.keptFrom < before) ids.push(entry.id);
        if (ids.length >= SWEEP) await end();
      }
      await end();
    }
    return expired;
  }

  /**
   * Forgets what became of letters 30 days ago, and ends imports that `sweep` does not meet, because they say that they
   * died after they came. Reads the whole index and all that is known of ends: once a day is enough.
   * @returns how many letters ended, by connector.
   */
  async forget(now: number): Promise<Map<string, number>> {
    const ended = await this.#sweep(now, undefined);
    for (const connector of await this.connectors()) {
      await forgetEnds(this.#store, connector, now - KEPT_MS);
    }
    return ended;
  }

  async #contains(
    entry: DeadEntry,
    text: string | undefined,
  ): Promise<boolean> {
    if (text === undefined || text === "") return true;
    if (entry.error.includes(text) || entry.preview.includes(text)) return true;
    const { connector, id } = entry;
    const record = await readDeadLetter(this.#store, connector, id);
    if (record === undefined) return false;
    const { event, error } = record;
    return error.includes(text) ||
      Buffer.from(event.buffer, event.byteOffset, event.length).includes(text);
  }

  async #isCounted(connector: string, id: string): Promise<boolean> {
    const cursor = await this.#store.call((kv) => kv.get(cursorKey(connector)));
    const place = placeOf(cursor.value);
    return place === undefined || isBehind(id, place);
  }
}

function knowsNothing(): Promise<boolean> {
  const isKnown = false;
  return Promise.resolve(isKnown);
}

function byConnector(names: readonly DeadName[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const { connector, id } of names) {
    const ids = groups.get(connector);
    if (ids === undefined) groups.set(connector, [id]);
    else ids.push(id);
  }
  return groups;
}
