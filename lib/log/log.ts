/**
 * The durable log: every accepted event enters once, in one order, and is read from any place.
 *
 * Invariants: what `append` says is kept is durable; nothing ever appears behind a place that was read. Readers that
 * keep up are served from memory (`tail.ts`): on a store that is this process's alone by its own appends, elsewhere by
 * what one shared reader fetches. Readers are never failed: they wait while the store does not answer.
 * Longer than other files: the log's whole surface is this one class; what it does lies in its neighbours.
 */

import { EventView, type Position, type Segment } from "../event.ts";
import type { Heads } from "./books.ts";
import { countDamaged } from "./damaged_kept.ts";
import { Disk } from "./disk.ts";
import type { Place } from "./cursor.ts";
import { newestOf, readHeads, totalsOf } from "./heads.ts";
import type { Intake, Kept } from "./intake.ts";
import { messageOf } from "./kv.ts";
import type { Journal } from "./journal.ts";
import { Lane } from "./lane.ts";
import type { LogOptions, LogStats } from "./log_options.ts";
import { Reader } from "./reader.ts";
import { Retention } from "./retention.ts";
import { LEASE_MS } from "./holding.ts";
import { Pace } from "./pace.ts";
import { openPlaceFile, type PlaceFile } from "./place_file.ts";
import type { Header } from "./segment.ts";
import type { Settle } from "./settle.ts";
import { Share } from "./share.ts";
import type { Store } from "./store.ts";
import { Tail } from "./tail.ts";
import { oldestHeader, readTrimMark } from "./trim.ts";
import { Writer } from "./writer.ts";

export { MAX_EVENT_BYTES } from "./intake.ts";
export type { Defaults, IdRun, Intake, Kept, Refusal } from "./intake.ts";
export type { LogOptions, LogStats } from "./log_options.ts";

/** Lanes over the network, where a large commit takes 45 ms; alone more gain nothing. */
const SHARED_LANES = 4;
const TAIL_BYTES = 32 * 1024 * 1024;
/** How often to look for what other processes appended. */
const POLL_MS = 500;
const RETRY_MS = 500;
/** How long closing waits for what is in flight. */
const CLOSE_MS = 4_000;

/** Opens the log in a store. @throws what the store throws. */
export async function openLog(
  store: Store,
  options: LogOptions,
): Promise<EventLog> {
  const heads = await readHeads(store);
  const mark = await readTrimMark(store);
  const newest = newestOf(heads.values());
  const end = { segment: newest.segment, index: newest.count };
  let isFull = false;
  const placeFile = await openPlaceFile(store, end, async () => {
    isFull = true;
    if (store.path !== undefined) await new Disk(store.path).dropBallast();
  });
  const log = new EventLog(store, options, { end, placeFile });
  if (isFull) log.retention.onDiskFull();
  await log.retention.start(totalsOf(heads), mark);
  return log;
}

export class EventLog {
  readonly store: Store;
  readonly options: LogOptions;
  readonly retention: Retention;
  /** Where places are settled before the store has them; undefined where the store alone holds them. */
  readonly placeFile: PlaceFile | undefined;
  /** Who else is there, and how many connectors are this process's part. */
  readonly share: Share;
  /** Of the connectors whose lease is held here: what is decided, before the store has it. */
  readonly journals = new Map<string, Journal>();
  readonly #writer: Writer;
  readonly #reader: Reader;
  readonly #tail: Tail;
  readonly #pace: Pace;
  readonly #stop = new AbortController();
  readonly #waiters = new Set<() => void>();
  #forwarding: Promise<Segment | undefined> | undefined;
  #polling: Promise<void> | undefined;
  #lagReads = 0;
  #isClosing = false;

  /** Use `openLog`. `end`: the end of the log now. */
  constructor(store: Store, options: LogOptions, parts: {
    readonly end: Position;
    readonly placeFile: PlaceFile | undefined;
  }) {
    const { clock, logger, random, uuid } = options;
    this.store = store;
    this.options = options;
    this.retention = new Retention({
      store,
      clock,
      logger,
      disk: store.path === undefined
        ? undefined
        : new Disk(store.path, options.ballastBytes),
      connectors: options.connectors,
      keepLeft: options.keepLeft ?? 0,
      keep: options.keep,
      keepBytes: options.keepBytes,
      maxBytes: options.maxBytes,
      onTrimmed: (segment) => this.#tail.dropUpTo(segment),
    });
    this.#reader = new Reader(store);
    this.#tail = new Tail(options.tailBytes ?? TAIL_BYTES, parts.end);
    this.#pace = new Pace(clock, this.#tail);
    this.placeFile = parts.placeFile;
    const process = uuid();
    this.share = new Share({
      store,
      options,
      id: process,
      lease: options.lease ?? LEASE_MS,
      stop: this.#stop.signal,
    });
    const lanes = store.isExclusive ? 1 : SHARED_LANES;
    this.#writer = new Writer({
      store,
      random,
      lanes: Array.from({ length: lanes }, (_, n) =>
        new Lane({
          slot: `${process}-${n}`,
          store,
          random,
          stop: this.#stop.signal,
        })),
      onStored: (segment) => this.#onStored(segment),
      onFull: () => this.retention.onDiskFull(),
    });
  }

  /** Resolves when what it kept is durable. Throws only for spans that lie outside of their event (a bug). */
  async append(intake: Intake): Promise<Kept> {
    if (this.#isClosing) return { kept: 0, ids: [], refusal: "closing" };
    if (this.retention.isFull) return { kept: 0, ids: [], refusal: "full" };
    const moment = this.#pace.pass();
    if (moment !== undefined) {
      await moment;
      if (this.#isClosing) return { kept: 0, ids: [], refusal: "closing" };
    }
    return await this.#writer.append(intake);
  }

  /** A connector's place was taken by this process. */
  onTaken(connector: string, place: Place): void {
    if (this.store.isExclusive) this.#pace.taken(connector, place);
  }

  /** A connector's place was moved by this process. */
  onSettled(connector: string, place: Place): void {
    if (this.store.isExclusive) this.#pace.moved(connector, place);
  }

  /** A connector has read so far and settles later; undefined: it begins again at its place. */
  ahead(connector: string, at: Position | undefined): void {
    if (this.store.isExclusive) this.#pace.ahead(connector, at);
  }

  /** Places that this process has moved: on a local file the store follows them. */
  get settled(): ReadonlyMap<string, Place> {
    return this.#pace.places();
  }

  /**
   * The first segment that holds an event at or after the place (undefined: the oldest kept); undefined: there is none
   * yet, or the log was closed. Waits while the store does not answer.
   */
  async next(at: Position | undefined): Promise<Segment | undefined> {
    const from = at ?? { segment: "", index: 0 };
    if (this.#tail.covers(from)) {
      const found = this.#tail.next(from);
      if (found !== undefined || this.store.isExclusive) return found;
      while (await this.#forward() !== undefined) {
        if (!this.#tail.covers(from)) break;
        const fetched = this.#tail.next(from);
        if (fetched !== undefined) return fetched;
      }
      if (this.#tail.covers(from)) return undefined;
    }
    const segment = await this.#read(from);
    if (segment !== undefined) this.#lagReads++;
    return segment;
  }

  /** Resolves when there may be something at or after the place. @throws the signal's reason when it aborts first. */
  async changed(after: Position, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const isCovered = this.#tail.covers(after);
    if (isCovered && this.#tail.next(after) !== undefined) return;
    // What others appended may be there already: the first look is the caller's own `next`.
    let wake: () => void = () => undefined;
    let onAbort: () => void = () => undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        wake = resolve;
        onAbort = () => reject(signal.reason);
        this.#waiters.add(wake);
        signal.addEventListener("abort", onAbort, { once: true });
        if (!this.store.isExclusive) this.#polling ??= this.#poll();
        // Before memory's edge there may be nothing either: it was trimmed, or is damaged. Looked at once: a damaged
        // segment stays, and what comes after it wakes.
        if (!isCovered) {
          this.#read(after).then((found) => {
            if (found !== undefined) resolve();
          }, reject);
        }
      });
    } finally {
      this.#waiters.delete(wake);
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** The segment with this id; undefined: there is none, or it is damaged. @throws what the store throws. */
  async segment(id: string): Promise<Segment | undefined> {
    const at = { segment: id, index: 0 };
    const found = this.#tail.covers(at) ? this.#tail.next(at) : undefined;
    return found?.id === id ? found : await this.#reader.segment(id);
  }

  /** What each lane has appended in all. @throws what the store throws. */
  async totals(): Promise<Heads> {
    return totalsOf(await readHeads(this.store));
  }

  /** When the relay took the first event at or after the place: milliseconds since the Unix epoch. @throws as `end`. */
  async receivedAt(at: Position): Promise<number | undefined> {
    const segment = (this.#tail.covers(at) ? this.#tail.next(at) : undefined) ??
      await this.#reader.next(at);
    if (segment === undefined) return undefined;
    const index = segment.id === at.segment ? at.index : 0;
    return new EventView().at(segment, index).receivedAt;
  }

  /** The place behind the newest event. @throws what a shared store throws. */
  async end(): Promise<Position> {
    if (this.store.isExclusive) return this.#tail.end;
    const { segment, count } = newestOf(
      (await readHeads(this.store)).values(),
    );
    return { segment, index: count };
  }

  /** Times that a reader was served from the store, because memory no longer held its place. */
  get lagReads(): number {
    return this.#lagReads;
  }

  /** Damaged segments met since the start; how many the log holds: `stats`. */
  get damaged(): number {
    return this.#reader.damaged;
  }

  /** Damaged segments met since the start, with their headers where these can be read. */
  get damagedSegments(): ReadonlyMap<string, Header | undefined> {
    return this.#reader.damagedSegments;
  }

  /** Appends are refused: no room. */
  get full(): boolean {
    return this.retention.isFull;
  }

  /** The store does not answer: appends are refused. */
  get unavailable(): boolean {
    return this.#writer.isStuck;
  }

  /** Does the store answer, within 5 s? */
  async answers(): Promise<boolean> {
    if (this.#isClosing || this.unavailable) return false;
    try {
      await readTrimMark(this.store);
      return true;
    } catch {
      return false;
    }
  }

  /** @throws what the store throws. */
  async stats(): Promise<LogStats> {
    const mark = await readTrimMark(this.store);
    const oldest = await oldestHeader(this.store, mark);
    let events = 0, bytes = 0;
    for (const [lane, head] of await readHeads(this.store)) {
      events += head.events - (mark.lanes[lane]?.events ?? 0);
      bytes += head.bytes - (mark.lanes[lane]?.bytes ?? 0);
    }
    const met = this.#reader.damagedSegments.keys();
    return {
      events,
      bytes,
      oldest: oldest?.receivedAt ?? null,
      damaged: await countDamaged(this.store, mark.segment, met),
    };
  }

  /** Moves a place; for leases. The new versionstamp once durable; undefined: refused. */
  settle(settle: Settle): Promise<string | undefined> {
    return this.#writer.settle(settle);
  }

  /** Aborts when the log closes. */
  get closed(): AbortSignal {
    return this.#stop.signal;
  }

  /** Finishes what is in flight (4 s at most), refuses the rest and closes the store. */
  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#pace.close();
    const late = new AbortController();
    await Promise.race([
      this.#writer.drained(),
      this.options.clock.sleep(CLOSE_MS, late.signal).catch(() => undefined),
    ]);
    late.abort("closed");
    this.#stop.abort(new Error("The log is closed"));
    this.#writer.refuseAll("closing");
    this.#wakeAll();
    await this.retention.close();
    await this.#polling;
    await this.#reader.kept();
    await this.share.left();
    this.placeFile?.close();
    this.store.close();
  }

  #onStored(segment: Segment): void {
    this.retention.onAppended(segment.storedBytes);
    // Where others append too, what follows what is known only by reading.
    if (this.store.isExclusive) this.#tail.push(segment);
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  /** Fetches what follows the tail, once for all who ask meanwhile. */
  #forward(): Promise<Segment | undefined> {
    if (this.#forwarding === undefined) {
      this.#forwarding = this.#read(this.#tail.end).then((segment) => {
        if (segment !== undefined) this.#tail.push(segment);
        return segment;
      }).finally(() => {
        this.#forwarding = undefined;
      });
    }
    return this.#forwarding;
  }

  /** Looks for others' appends while somebody waits. */
  async #poll(): Promise<void> {
    const { clock, random } = this.options;
    while (this.#waiters.size > 0 && !this.#stop.signal.aborted) {
      await clock.sleep(POLL_MS * (0.75 + random() / 2), this.#stop.signal)
        .catch(() => undefined);
      if (this.#stop.signal.aborted) break;
      if (await this.#forward() !== undefined) this.#wakeAll();
    }
    this.#polling = undefined;
  }

  /** Reads on, and again until the store answers or the log closes. */
  async #read(at: Position): Promise<Segment | undefined> {
    const { clock, logger, random } = this.options;
    while (!this.#stop.signal.aborted) {
      try {
        return await this.#reader.next(at);
      } catch (error) {
        if (this.#stop.signal.aborted) break;
        logger.log("warn", "store.slow", "The log could not be read", {
          error: messageOf(error),
        });
        await this.store.refresh().catch(() => undefined);
        await clock.sleep(RETRY_MS * (0.5 + random()), this.#stop.signal)
          .catch(() => undefined);
      }
    }
    return undefined;
  }
}
