/**
 * The history of one connector while its lease is held: what is decided is added here and written with the place.
 *
 * Invariants: ranges follow each other without a gap up to the place; a chunk is written in the commit that moves the
 * place to its end or beyond, so the store's history never lacks what lies before the store's place. Bounded: chunks of
 * `CHUNK_BYTES`; a settle waits for the store once `MOST_BYTES` are not there yet.
 *
 * On a local file the place may be newer than the store's (`place_file.ts`). After a kill the ranges between the two
 * are missing; they hold only what was delivered or filtered, and are told as delivered at the last success.
 */

import type { Position } from "../event.ts";
import type { Place } from "./cursor.ts";
import type { DamagedSegment } from "./damaged.ts";
import {
  type Decided,
  type DecidedRange,
  type Decision,
  isBefore,
  NO_ANSWER,
} from "./decision.ts";
import { ChunkWriter, readChunk } from "./history_chunk.ts";
import { sentKey, sentOf } from "./keys.ts";
import type { Store } from "./store.ts";

/** A chunk is closed once it is this large: small, because the open one is written again with every place. */
const CHUNK_BYTES = 4_096;
/**
 * On a shared store also once it is so large and so old: beside a place that makes a settle too large to be fast
 * (`placeValue`), but many events a second are better off with fewer chunks.
 */
const SMALL_CHUNK_BYTES = 256, SMALL_CHUNK_MS = 10_000;
/** What may wait for the store before settles do. */
const MOST_BYTES = 65_536;
/** Ranges of one kind that follow each other within this are one. */
const WITHIN_MS = 1_000;

/** A key and its value. */
export type HistoryWrite = readonly [Deno.KvKey, Uint8Array];

/** A range that may still grow. */
interface OpenRange {
  readonly from: Position;
  count: number;
  decision: Decision;
  at: number;
  /** When its first events were decided. */
  readonly since: number;
}

export class Journal {
  readonly #connector: string;
  /** Closed and not in the store yet, oldest first. */
  readonly #closed: HistoryWrite[] = [];
  #writer = new ChunkWriter();
  /** Where the open chunk begins; undefined: there is none. */
  #start: Position | undefined;
  #last: OpenRange | undefined;
  /** When the open chunk's first range was decided. */
  #since = 0;
  readonly #isShared: boolean;
  #end: Position;
  #seen: number;
  #isChanged = false;

  private constructor(
    connector: string,
    { end, seen, isShared }: {
      readonly end: Position;
      readonly seen: number;
      readonly isShared: boolean;
    },
  ) {
    this.#connector = connector;
    this.#end = end;
    this.#seen = seen;
    this.#isShared = isShared;
  }

  /**
   * Goes on where the store's history ends, for a connector whose lease was just taken. `now`: Unix milliseconds.
   * @throws what the store throws.
   */
  static async open(
    store: Store,
    connector: string,
    place: Place,
    now: number,
  ): Promise<Journal> {
    const seen = eventsIn(place);
    const found = await store.call(async (kv) => {
      const range = sentOf(connector);
      for await (const entry of kv.list(range, { limit: 1, reverse: true })) {
        return entry;
      }
      return undefined;
    });
    const chunk = readChunk(found?.value);
    let known = 0;
    for (const count of Object.values(place.start)) known += count;
    const journal = new Journal(connector, {
      end: chunk?.end ?? { segment: "", index: 0 },
      seen: chunk?.seen ?? known,
      isShared: !store.isExclusive,
    });
    if (chunk !== undefined && found !== undefined) {
      journal.#resume(chunk.ranges, found.key, place);
    }
    if (isBefore(journal.#end, place) && journal.#seen < seen) {
      journal.#add({
        from: journal.#end,
        count: seen - journal.#seen,
        decision: { kind: "delivered", attempts: 1, answer: NO_ANSWER },
        at: place.lastSuccess ?? now,
      });
    }
    journal.#moveTo(place);
    return journal;
  }

  /** So much waits for the store that a settle should too. */
  get isAhead(): boolean {
    return this.#closed.length * CHUNK_BYTES > MOST_BYTES;
  }

  /** Adds what a settle to `place` decides. `damaged`: segments between the old place and the new, in order. */
  add(
    decided: Decided,
    place: Place,
    damaged: readonly DamagedSegment[],
  ): void {
    const { run, ranges, at, skipped } = decided;
    if (skipped !== undefined) this.#add({ from: this.#end, ...skipped, at });
    const breaks = [...damaged];
    for (const { at: first, count, decision } of ranges) {
      for (let done = 0; done < count;) {
        const from = run.position(first + done);
        while (breaks[0] !== undefined && breaks[0].id < from.segment) {
          this.#addDamaged(breaks.shift(), at);
        }
        let some = count - done;
        const [next] = breaks;
        if (next !== undefined) {
          some = 0;
          while (
            done + some < count &&
            run.position(first + done + some).segment < next.id
          ) some++;
        }
        this.#add({ from, count: some, decision, at });
        done += some;
      }
    }
    for (const segment of breaks) this.#addDamaged(segment, at);
    this.#moveTo(place);
  }

  /** What the commit is to write that brings the store to the place of now. `done`: once it is durable. */
  take(): { readonly sets: readonly HistoryWrite[]; done(): void } {
    const sets = [...this.#closed];
    const { length } = sets;
    if (this.#isChanged && this.#start !== undefined) {
      sets.push([this.#keyOf(this.#start), this.#value()]);
    }
    this.#isChanged = false;
    return { sets, done: () => void this.#closed.splice(0, length) };
  }

  /** What may be newer here than in the store: values of chunks by their beginnings, newest last. */
  chunks(): { readonly from: Position; readonly value: Uint8Array }[] {
    const chunks = this.#closed.map(([key, value]) => ({
      from: placeOfSent(key),
      value,
    }));
    if (this.#start !== undefined) {
      chunks.push({ from: this.#start, value: this.#value() });
    }
    return chunks;
  }

  #resume(
    ranges: readonly DecidedRange[],
    key: Deno.KvKey,
    place: Place,
  ): void {
    // As places and chunks are written together, nothing lies behind the place; if it did, it did not happen.
    const kept = ranges.filter(({ from }) => isBefore(from, place));
    if (kept.length < ranges.length || isBefore(place, this.#end)) {
      this.#isChanged = true;
      this.#moveTo(place);
    }
    this.#start = placeOfSent(key);
    this.#since = kept[0]?.at ?? 0;
    for (const range of kept) this.#push({ ...range, since: range.at });
  }

  #addDamaged(segment: DamagedSegment | undefined, at: number): void {
    if (segment === undefined) return;
    const { id, from, count } = segment;
    this.#add({
      from: { segment: id, index: from },
      count: Math.max(0, count - from),
      decision: { kind: "expired", reason: "damaged" },
      at,
    });
  }

  #add(range: DecidedRange): void {
    this.#isChanged = true;
    const last = this.#last;
    if (
      last !== undefined && Math.abs(range.at - last.since) <= WITHIN_MS &&
      isSame(last.decision, range.decision)
    ) {
      last.count += range.count;
      last.at = range.at;
      last.decision = range.decision;
    } else this.#push({ ...range, since: range.at });
    this.#end = {
      segment: range.from.segment,
      index: range.from.index + range.count,
    };
  }

  #push(range: OpenRange): void {
    const writer = this.#writer;
    if (this.#last !== undefined) writer.push(this.#last);
    const isFull = writer.bytes >= CHUNK_BYTES ||
      this.#isShared && writer.bytes >= SMALL_CHUNK_BYTES &&
        range.at - this.#since >= SMALL_CHUNK_MS;
    if (this.#start !== undefined && isFull) {
      const value = writer.value(undefined, range.from, this.#seen);
      this.#closed.push([this.#keyOf(this.#start), value]);
      this.#writer = new ChunkWriter();
      this.#start = undefined;
      this.#isChanged = true;
    }
    if (this.#start === undefined) {
      this.#start = range.from;
      this.#since = range.at;
    }
    this.#last = range;
  }

  #moveTo(place: Place): void {
    this.#end = { segment: place.segment, index: place.index };
    this.#seen = eventsIn(place);
  }

  #value(): Uint8Array {
    return this.#writer.value(this.#last, this.#end, this.#seen);
  }

  #keyOf({ segment, index }: Position): Deno.KvKey {
    return sentKey(this.#connector, segment, index);
  }
}

/** The place in a chunk's key. */
export function placeOfSent(key: Deno.KvKey): Position {
  const [, , segment, index] = key;
  return {
    segment: typeof segment === "string" ? segment : "",
    index: Number(index),
  };
}

function eventsIn(place: Place): number {
  let events = 0;
  for (const seen of Object.values(place.seen)) events += seen.events;
  return events;
}

/** May they be told as one? Of a second's answers with one status the last one's words are kept. */
function isSame(one: Decision, other: Decision): boolean {
  if (one === other) return true;
  if (one.kind === "delivered" && other.kind === "delivered") {
    return one.attempts === other.attempts &&
      one.answer.status === other.answer.status;
  }
  if (one.kind === "filtered" && other.kind === "filtered") {
    return one.by === other.by;
  }
  if (one.kind === "expired" && other.kind === "expired") {
    return one.reason === other.reason;
  }
  return one.kind === other.kind;
}
