/**
 * Reads segments back from KV: for connectors that fell behind, after a restart, and, where the store is shared, for
 * everything.
 *
 * Invariants: order is that of the ids, nothing is skipped but what is damaged (logged once, counted) or was trimmed
 * meanwhile. Memory is bounded: first values read ahead `AHEAD_BYTES`, decoded segments `DECODED`.
 */

import type { Position, Segment } from "../event.ts";
import { keepDamaged } from "./damaged_kept.ts";
import { logAfter, logKey } from "./keys.ts";
import { messageOf } from "./kv.ts";
import { readParts } from "./parts.ts";
import { decodeSegment, type Header, readHeader } from "./segment.ts";
import type { Store } from "./store.ts";

/** First values of one `list`: with KV Connect a larger batch costs hardly more time than a small one. */
const LOCAL_BATCH = 10;
const REMOTE_BATCH = 100;
const AHEAD_BYTES = 8 * 1024 * 1024;
/** Decoded segments kept: the one being read and the one read ahead, for several readers. */
const DECODED = 8;

/** The first value of a segment. */
interface First {
  readonly id: string;
  readonly value: Uint8Array;
}

export class Reader {
  readonly #store: Store;
  readonly #batch: number;
  /** By the id before it: the first value that follows directly. */
  readonly #ahead = new Map<string, First>();
  #aheadBytes = 0;
  readonly #decoded = new Map<string, Promise<Segment | undefined>>();
  readonly #damaged = new Map<string, Header | undefined>();
  /** The notes of damaged segments that are on their way to the store. */
  #keeping: Promise<unknown> = Promise.resolve();
  #reads = 0;

  constructor(store: Store) {
    this.#store = store;
    this.#batch = store.isExclusive ? LOCAL_BATCH : REMOTE_BATCH;
  }

  /** Segments read back so far. */
  get reads(): number {
    return this.#reads;
  }

  /** Damaged segments met so far. */
  get damaged(): number {
    return this.#damaged.size;
  }

  /** Damaged segments met so far, with their headers where these can be read. */
  get damagedSegments(): ReadonlyMap<string, Header | undefined> {
    return this.#damaged;
  }

  /** Resolves when what was noted of damaged segments is in the store, or failed to get there. */
  async kept(): Promise<void> {
    await this.#keeping;
  }

  /** The first segment with an event at or after the place; undefined: none. @throws when the store does not answer. */
  async next(at: Position): Promise<Segment | undefined> {
    if (at.segment !== "") {
      const here = await this.segment(at.segment);
      if (here !== undefined && at.index < here.count) return here;
    }
    let after = at.segment;
    for (;;) {
      const first = this.#ahead.get(after) ?? await this.#list(after);
      if (first === undefined) return undefined;
      const segment = await this.#decode(first);
      if (segment !== undefined) {
        const following = this.#ahead.get(first.id);
        // Read ahead: its values come while this one is being sent.
        if (following !== undefined) void this.#decode(following).catch(noop);
        return segment;
      }
      after = first.id;
    }
  }

  /** The segment with this id; undefined when there is none (any more), or it is damaged. @throws as `next`. */
  async segment(id: string): Promise<Segment | undefined> {
    const known = this.#decoded.get(id);
    if (known !== undefined) return await known;
    const entry = await this.#store.call((kv) => kv.get(logKey(id)));
    return entry.value instanceof Uint8Array
      ? await this.#decode({ id, value: entry.value })
      : undefined;
  }

  /** Lists what follows and gives the first of it. */
  async #list(after: string): Promise<First | undefined> {
    const found = await this.#store.call(async (kv) => {
      const entries: First[] = [];
      for await (
        const entry of kv.list(logAfter(after), {
          limit: this.#batch,
          batchSize: this.#batch,
        })
      ) {
        const id = entry.key[2];
        if (typeof id === "string") {
          entries.push({
            id,
            value: entry.value instanceof Uint8Array
              ? entry.value
              : new Uint8Array(0),
          });
        }
      }
      return entries;
    });
    let before = after;
    for (const first of found) {
      this.#remember(before, first);
      before = first.id;
    }
    return found[0];
  }

  #remember(before: string, first: First): void {
    // What is oldest changes with trimming; what follows a segment does not.
    if (before === "" || this.#ahead.has(before)) return;
    this.#ahead.set(before, first);
    this.#aheadBytes += first.value.length;
    for (const [key, old] of this.#ahead) {
      if (this.#aheadBytes <= AHEAD_BYTES) break;
      this.#ahead.delete(key);
      this.#aheadBytes -= old.value.length;
    }
  }

  #decode(first: First): Promise<Segment | undefined> {
    const known = this.#decoded.get(first.id);
    if (known !== undefined) {
      // The one used last goes last.
      this.#decoded.delete(first.id);
      this.#decoded.set(first.id, known);
      return known;
    }
    const segment = this.#load(first);
    this.#decoded.set(first.id, segment);
    segment.catch(() => this.#decoded.delete(first.id));
    for (const id of this.#decoded.keys()) {
      if (this.#decoded.size <= DECODED) break;
      this.#decoded.delete(id);
    }
    return segment;
  }

  async #load({ id, value }: First): Promise<Segment | undefined> {
    const header = readHeader(value);
    let blob = value;
    if (header !== undefined && header.values > 1) {
      blob = new Uint8Array(header.storedBytes);
      blob.set(value.subarray(0, Math.min(value.length, blob.length)));
      const missing = await readParts(this.#store, id, header.values, blob);
      if (missing !== undefined && await this.#isGone(id)) return undefined;
    }
    try {
      const segment = decodeSegment(id, blob);
      this.#reads++;
      return segment;
    } catch (error) {
      // Anything else is not the segment's fault: it stays, and so does the reader's place.
      if (!(error instanceof RangeError)) throw error;
      this.#setAside(id, header, error);
      return undefined;
    }
  }

  /** Trimmed while it was being read. */
  async #isGone(id: string): Promise<boolean> {
    const entry = await this.#store.call((kv) => kv.get(logKey(id)));
    return entry.versionstamp === null;
  }

  #setAside(id: string, header: Header | undefined, error: unknown): void {
    if (this.#damaged.has(id)) return;
    this.#damaged.set(id, header);
    this.#store.logger.log(
      "error",
      "log.damaged",
      "A segment of the log is damaged and was set aside; it stays in the store until it is trimmed",
      { segment: id, error: messageOf(error) },
    );
    // Nobody waits for the note: where it does not get through this process counts the segment all the same.
    const keeping = keepDamaged(this.#store, id, this.#store.clock.now())
      .catch(noop);
    this.#keeping = Promise.all([this.#keeping, keeping]);
  }
}

function noop(): void {}
