/**
 * What became of each event at each connector, for as long as the log keeps it: written by the holder of the lease
 * (`journal.ts`), read by everyone alike. What this process decided a moment ago is taken from memory.
 *
 * Invariants: before a connector's place everything is decided, behind it nothing; so a reader that has the place first
 * finds what lies before it. Chunks are in `["sent", connector, first event]`; what replays of the log delivered since
 * is beside them, in `["sentby", …]`.
 */

import type { Answer } from "../connector.ts";
import type { Position } from "../event.ts";
import type { Place } from "./cursor.ts";
import { positionOf } from "./dead_letters.ts";
import { type Decision, isBefore } from "./decision.ts";
import { deleteAll, hasExpired, listExpired } from "./expired.ts";
import type { EventRange, Expiry } from "./expiry.ts";
import { type Chunk, readChunk } from "./history_chunk.ts";
import { type HistoryWrite, placeOfSent } from "./journal.ts";
import {
  cursorKey,
  sentAfter,
  sentByKey,
  sentByOf,
  sentByUpTo,
  sentUpTo,
} from "./keys.ts";
import { fromValue, isRecord, numberIn, textIn, toValue } from "./kv.ts";
import type { EventLog } from "./log.ts";
import { placeOf } from "./places.ts";
import type { Store } from "./store.ts";

/** Chunks of one `list` while trimming. */
const PAGE = 100;

/** What became of an event, and when: milliseconds since the Unix epoch, to the second. */
export interface Outcome {
  readonly decision: Decision;
  readonly at: number;
}

/** Events from one place to another, not included, of which the same became. */
export interface OutcomeRange extends Outcome {
  readonly from: Position;
  readonly until: Position;
}

/** A chunk and where it begins. */
interface Found extends Chunk {
  readonly from: Position;
}

export class History implements Expiry {
  readonly #log: EventLog;
  /** By connector: whether anything had expired there when its place was this. */
  readonly #expired = new Map<
    string,
    { readonly place: Position; readonly has: boolean }
  >();

  constructor(log: EventLog) {
    this.#log = log;
  }

  /** A connector's place, the newest there is; undefined: it has none. @throws what the store throws. */
  async placeOf(connector: string): Promise<Place | undefined> {
    const { settled, store } = this.#log;
    const own = settled.get(connector);
    if (own !== undefined) return own;
    const entry = await store.call((kv) => kv.get(cursorKey(connector)));
    return placeOf(entry.value);
  }

  /**
   * What became of an event at a connector. Undefined: it waits there, or the history does not reach back to it.
   * `place`: the connector's, if it was read before.
   * @throws what the store throws.
   */
  async outcomeOf(
    connector: string,
    event: Position,
    place?: Place,
  ): Promise<Outcome | undefined> {
    const known = place ?? await this.placeOf(connector);
    if (known === undefined || !isBefore(event, known)) return undefined;
    const chunk = await this.#at(connector, event);
    if (chunk === undefined || !isBefore(event, chunk.end)) return undefined;
    let low = 0, high = chunk.ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const from = chunk.ranges[middle]?.from;
      if (from !== undefined && !isBefore(event, from)) low = middle + 1;
      else high = middle;
    }
    return chunk.ranges[low - 1];
  }

  /**
   * What was decided at a connector between two places, in log order, as far back as the history reaches; ends at the
   * connector's place.
   * @throws what the store throws.
   */
  async *rangesOf(
    connector: string,
    from: Position,
    until: Position,
  ): AsyncGenerator<OutcomeRange> {
    const place = await this.placeOf(connector);
    if (place === undefined) return;
    const end = isBefore(until, place) ? until : place;
    let chunk = await this.#at(connector, from) ??
      await this.#after(connector, from);
    while (chunk !== undefined && isBefore(chunk.from, end)) {
      for (const [n, { from: first, decision, at }] of chunk.ranges.entries()) {
        const last = chunk.ranges[n + 1]?.from ?? chunk.end;
        const range = {
          from: isBefore(first, from) ? from : first,
          until: isBefore(last, end) ? last : end,
          decision,
          at,
        };
        if (isBefore(range.from, range.until)) yield range;
      }
      chunk = await this.#after(connector, chunk.from);
    }
  }

  /** For acks: did any of these expire at the connector? @throws what the store throws. */
  async wasExpired(
    connector: string,
    place: Place,
    { segment, first, count }: EventRange,
  ): Promise<boolean> {
    if (!await this.#hasExpired(connector, place)) return false;
    const from = { segment, index: first };
    const until = { segment, index: first + count };
    let reached = from;
    for await (const range of this.rangesOf(connector, from, until)) {
      if (range.decision.kind === "expired") return true;
      if (isBefore(reached, range.from)) break;
      reached = range.until;
    }
    if (!isBefore(reached, until)) return false;
    // Trimmed since: what expired is known for longer.
    for await (const range of listExpired(this.#log.store, connector)) {
      const begin = positionOf(range.first), end = positionOf(range.last);
      if (begin === undefined || end === undefined) return true;
      if (isBefore(begin, until) && !isBefore(end, from)) return true;
    }
    return false;
  }

  async #hasExpired(connector: string, place: Place): Promise<boolean> {
    if (place.books.expired > 0) return true;
    // A damaged segment is not in the books before the next one of its lane.
    const { segment, index } = place;
    const known = this.#expired.get(connector);
    if (known?.place.segment === segment && known.place.index === index) {
      return known.has;
    }
    const has = await hasExpired(this.#log.store, connector);
    this.#expired.set(connector, { place: { segment, index }, has });
    return has;
  }

  /** The chunk that begins at an event or nearest before it. */
  async #at(connector: string, event: Position): Promise<Found | undefined> {
    const own = this.#own(connector).findLast(({ from }) =>
      !isBefore(event, from)
    );
    if (own !== undefined) return found(own.from, own.value);
    const { segment, index } = event;
    return await this.#read(sentUpTo(connector, segment, index), "last");
  }

  /** The first chunk that begins behind a place. */
  async #after(connector: string, at: Position): Promise<Found | undefined> {
    const own = this.#own(connector).find(({ from }) => isBefore(at, from));
    const { segment, index } = at;
    const stored = await this.#read(
      sentAfter(connector, segment, index),
      "first",
    );
    return own === undefined ||
        stored !== undefined && isBefore(stored.from, own.from)
      ? stored
      : found(own.from, own.value);
  }

  #own(connector: string) {
    return this.#log.journals.get(connector)?.chunks() ?? [];
  }

  async #read(
    range: Deno.KvListSelector,
    which: "first" | "last",
  ): Promise<Found | undefined> {
    return await this.#log.store.call(async (kv) => {
      const options = { limit: 1, reverse: which === "last" };
      for await (const entry of kv.list(range, options)) {
        return found(placeOfSent(entry.key), entry.value);
      }
      return undefined;
    });
  }
}

function found(from: Position, value: unknown): Found | undefined {
  const chunk = readChunk(value);
  return chunk === undefined ? undefined : { from, ...chunk };
}

/** What a replay of the log delivered of one segment. */
export interface Replayed {
  readonly segment: string;
  readonly first: number;
  readonly count: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly attempts: number;
  readonly answer: Answer;
}

/** The note of it: to be set in the very commit that counts the events as delivered. */
export function replayedWrite(
  connector: string,
  { segment, first, at, ...rest }: Replayed,
): HistoryWrite {
  return [sentByKey(connector, segment, first, at), toValue(rest)];
}

/** The last replay of the log that delivered an event; undefined: none did. @throws what the store throws. */
export async function replayedOf(
  store: Store,
  connector: string,
  { segment, index }: Position,
): Promise<Replayed | undefined> {
  return await store.call(async (kv) => {
    let newest: Replayed | undefined;
    for await (const { key, value } of kv.list(sentByOf(connector, segment))) {
      const record = fromValue(value) ?? {};
      const first = Number(key[3]), at = Number(key[4]);
      const count = numberIn(record, "count");
      if (index < first || index >= first + count) continue;
      if (newest !== undefined && newest.at > at) continue;
      const answer = isRecord(record["answer"]) ? record["answer"] : {};
      const { status } = answer;
      newest = {
        segment,
        first,
        count,
        at,
        attempts: numberIn(record, "attempts"),
        answer: {
          status: typeof status === "number" ? status : null,
          message: textIn(answer, "message"),
        },
      };
    }
    return newest;
  });
}

/** Deletes what tells of events up to a segment that was trimmed. @throws what the store throws. */
export async function trimHistory(
  store: Store,
  connectors: Iterable<string>,
  segment: string,
): Promise<void> {
  if (segment === "") return;
  for (const connector of connectors) {
    await deleteAll(store, sentByUpTo(connector, segment));
    for (;;) {
      const range = sentUpTo(connector, segment, Number.MAX_SAFE_INTEGER);
      const count = await store.call(async (kv) => {
        const keys: Deno.KvKey[] = [];
        for await (
          const { key } of kv.list(range, { limit: PAGE, batchSize: PAGE })
        ) keys.push(key);
        // The last one may reach behind the segment.
        const doomed = keys.slice(0, -1);
        if (doomed.length === 0) return 0;
        const operation = kv.atomic();
        for (const key of doomed) operation.delete(key);
        await operation.commit();
        return keys.length;
      });
      if (count < PAGE) break;
    }
  }
}
