/**
 * Ack ids: from 0 per token and channel, never twice.
 *
 * Ids are reserved in blocks by a commit of their own, so that an append waits for one in a thousand times only, and
 * several processes never give the same one. A request first takes the right to an id (`AckClaim`); the id itself is
 * fixed when the first commit with its events is made. One that nothing was kept under goes to the next request:
 * within one process there are no gaps. A restart, or another process, goes on behind the block.
 *
 * Where a refused append turns out to be stored after all, its record lies under the next request's id too: that id
 * then waits for both, which is right for the second and harmless for the first, whose sender was told nothing.
 */

import { ackIdsKey } from "./keys.ts";
import {
  fromValue,
  isDiskFull,
  isLocked,
  messageOf,
  numberIn,
  toValue,
} from "./kv.ts";
import type { Store } from "./store.ts";

/** Ids of one reservation. */
const BLOCK = 1_000;
/** How often a reservation is tried. */
const TRIES = 3;
const PAUSE_MS = 100;
/** Channels of one store, as Splunk bounds them. */
export const MAX_CHANNELS = 1_000_000;
/** Channels that this process knows; of one used longest ago the rest of its block goes back. */
const MAX_KNOWN = 10_000;
/** A channel in use says so in the store this often. */
export const TOUCH_MS = 86_400_000;
/** More than an ack takes in a commit: its own record at most, beside the key. And a key beside the token's name. */
export const ACK_VALUE_BYTES = 128;
const KEY_BYTES = 96;

const encoder = new TextEncoder();

/** Why there is no id: as of an append, or there are too many channels. */
export type AckRefusal = "full" | "unavailable" | "crowded";

/** One request's right to an ack id. Close it once the request is over. */
export class AckClaim {
  readonly #channel: Channel;
  #id: number | undefined;
  #isClosed = false;

  constructor(channel: Channel) {
    this.#channel = channel;
    channel.claimed++;
  }

  get token(): string {
    return this.#channel.token;
  }

  get channel(): string {
    return this.#channel.name;
  }

  /** At most so long is the key of an ack record. */
  get keyBytes(): number {
    return this.#channel.keyBytes;
  }

  /** The id, once a commit was made with it. */
  get id(): number | undefined {
    return this.#id;
  }

  /** The id; from the first call on it is fixed. */
  take(): number {
    if (this.#id === undefined) {
      this.#id = this.#channel.take();
      this.#channel.open.add(this.#id);
    }
    return this.#id;
  }

  /** Call once nothing more of the request will be appended. */
  close({ isKept }: { readonly isKept: boolean }): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#id === undefined) {
      this.#channel.claimed--;
      return;
    }
    this.#channel.open.delete(this.#id);
    if (!isKept) this.#channel.giveBack(this.#id);
  }
}

interface IdRange {
  next: number;
  end: number;
}

/** What this process may give out on one channel. */
class Channel {
  readonly keyBytes: number;
  /** Reserved; never empty ranges. */
  readonly ranges: IdRange[] = [];
  /** Given back, ascending. */
  #free: number[] = [];
  /** Claims that have no id yet. */
  claimed = 0;
  /** Ids of requests that are not over. */
  readonly open = new Set<number>();
  /** When the store was told of the last use (Unix milliseconds). */
  touchedAt = -Infinity;
  reserving: Promise<AckRefusal | undefined> | undefined;

  constructor(readonly token: string, readonly name: string) {
    this.keyBytes = encoder.encode(token).length + KEY_BYTES;
  }

  get available(): number {
    let ids = this.#free.length;
    for (const { next, end } of this.ranges) ids += end - next;
    return ids;
  }

  take(): number {
    this.claimed--;
    const given = this.#free.shift();
    if (given !== undefined) return given;
    const [range] = this.ranges;
    // A claim is made only where an id is there for it.
    if (range === undefined) throw new RangeError("No ack id is reserved");
    const id = range.next++;
    if (range.next === range.end) this.ranges.shift();
    return id;
  }

  giveBack(id: number): void {
    this.#free.push(id);
    this.#free.sort((a, b) => a - b);
  }

  add(from: number, end: number): void {
    const last = this.ranges.at(-1);
    if (last?.end === from) last.end = end;
    else this.ranges.push({ next: from, end });
  }

  /** The store has forgotten the channel: it begins anew. */
  forget(): void {
    this.ranges.length = 0;
    this.#free = [];
  }

  /** The one range that may go back; undefined: there is none, or somebody needs it. */
  get rest(): IdRange | undefined {
    const isPlain = this.claimed === 0 && this.open.size === 0 &&
      this.#free.length === 0 &&
      this.ranges.length === 1;
    return isPlain ? this.ranges[0] : undefined;
  }
}

/** The channels that this process knows. */
export class AckIds {
  readonly #store: Store;
  readonly #channels = new Map<string, Channel>();
  /** Channels of the store, as far as known. */
  #count = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** What a sweep has counted. */
  set count(channels: number) {
    this.#count = channels;
  }

  /** The right to an id on a channel (lower case), or why there is none. */
  async claim(token: string, name: string): Promise<AckClaim | AckRefusal> {
    const channel = this.#channel(token, name);
    while (this.#wantsStore(channel)) {
      channel.reserving ??= this.#reserve(channel).finally(() => {
        channel.reserving = undefined;
      });
      const refusal = await channel.reserving;
      if (refusal !== undefined) return refusal;
    }
    return new AckClaim(channel);
  }

  /** Is the id given to a request that is not over, as far as this process knows? */
  isOpen(token: string, name: string, id: number): boolean {
    return this.#channels.get(`${name} ${token}`)?.open.has(id) === true;
  }

  #wantsStore(channel: Channel): boolean {
    return channel.available <= channel.claimed ||
      this.#store.clock.now() - channel.touchedAt > TOUCH_MS;
  }

  #channel(token: string, name: string): Channel {
    const key = `${name} ${token}`;
    const known = this.#channels.get(key);
    const channel = known ?? new Channel(token, name);
    // The one used last goes last.
    if (known !== undefined) this.#channels.delete(key);
    this.#channels.set(key, channel);
    if (this.#channels.size > MAX_KNOWN) this.#dropOldest();
    return channel;
  }

  #dropOldest(): void {
    for (const [key, channel] of this.#channels) {
      const isBusy = channel.claimed > 0 || channel.open.size > 0 ||
        channel.reserving !== undefined;
      if (isBusy) continue;
      this.#channels.delete(key);
      const { rest } = channel;
      if (rest !== undefined) void this.#giveBack(channel, rest);
      return;
    }
  }

  /** Reserves a block, and says that the channel is in use. */
  async #reserve(channel: Channel): Promise<AckRefusal | undefined> {
    const { clock, logger } = this.#store;
    const key = ackIdsKey(channel.token, channel.name);
    let refusal: AckRefusal = "unavailable";
    for (let tries = 0; tries < TRIES; tries++) {
      try {
        const entry = await this.#store.call((kv) => kv.get(key));
        const isNew = entry.versionstamp === null;
        if (isNew && this.#count >= MAX_CHANNELS) return "crowded";
        if (isNew) channel.forget();
        const from = numberIn(fromValue(entry.value) ?? {}, "end");
        const needed = channel.claimed + 1 - channel.available;
        const end = needed > 0 ? from + Math.max(BLOCK, needed) : from;
        const at = clock.now();
        const { ok } = await this.#store.call((kv) =>
          kv.atomic().check(entry).set(key, toValue({ end, at })).commit()
        );
        if (!ok) continue;
        if (isNew) this.#count++;
        if (end > from) channel.add(from, end);
        channel.touchedAt = at;
        return undefined;
      } catch (error) {
        if (isDiskFull(error)) refusal = "full";
        logger.log("warn", "store.slow", "Ack ids could not be reserved", {
          error: messageOf(error),
        });
        if (!isLocked(error)) {
          await this.#store.refresh().catch(() => undefined);
        }
        await clock.sleep(PAUSE_MS);
      }
    }
    return refusal;
  }

  /** Spares a gap. It may fail: then there is one. */
  async #giveBack(channel: Channel, { next, end }: IdRange): Promise<void> {
    const key = ackIdsKey(channel.token, channel.name);
    await this.#store.call(async (kv) => {
      const entry = await kv.get(key);
      const record = fromValue(entry.value) ?? {};
      if (numberIn(record, "end") !== end) return;
      const value = toValue({ end: next, at: numberIn(record, "at") });
      await kv.atomic().check(entry).set(key, value).commit();
    }).catch(() => undefined);
  }
}
