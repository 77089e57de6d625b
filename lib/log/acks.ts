/**
 * Acks of HEC: ids for what was kept, and at a poll which of them are true (interface §8).
 *
 * Invariants: an id is true only when every event of its request is committed and, at the level `delivered`, lies
 * before the place of every connector that is enabled, and did not expire there. Judged at the poll, from the newest
 * places there are: on a local file those of the place file, elsewhere the store's.
 */

import type { AckLevel } from "../tokens.ts";
import { type AckClaim, AckIds, type AckRefusal } from "./ack_ids.ts";
import { type AckChannel, type AckPart, readAcks } from "./ack_records.ts";
import { AckSweep } from "./ack_sweep.ts";
import { idsTold, isRepeated, readTold, writeTold } from "./ack_told.ts";
import type { Place } from "./cursor.ts";
import type { Expiry } from "./expiry.ts";
import { messageOf } from "./kv.ts";
import type { EventLog } from "./log.ts";
import { readPlaces } from "./places.ts";

export interface AcksOptions {
  /** Names of the connectors that are enabled now. */
  readonly connectors: () => readonly string[];
  readonly expiry: Expiry;
}

export class Acks {
  readonly #log: EventLog;
  readonly #options: AcksOptions;
  readonly #ids: AckIds;
  readonly #sweep: AckSweep;

  constructor(log: EventLog, options: AcksOptions) {
    this.#log = log;
    this.#options = options;
    this.#ids = new AckIds(log.store);
    this.#sweep = new AckSweep(log, (channels) => {
      this.#ids.count = channels;
    });
  }

  /** Begins to delete regularly what is no longer asked for. */
  start(): void {
    this.#sweep.start();
  }

  /** Before the log closes. */
  close(): Promise<void> {
    return this.#sweep.close();
  }

  /** Deletes what is no longer asked for. Also called by itself. @throws what the store throws. */
  sweep(): Promise<void> {
    return this.#sweep.run();
  }

  /** A request's right to an ack id on a channel (lower case), or why there is none. */
  async claim(
    token: string,
    channel: string,
  ): Promise<AckClaim | AckRefusal> {
    return this.#log.unavailable
      ? "unavailable"
      : await this.#ids.claim(token, channel);
  }

  /** Those of the ids that are true now. @throws what the store throws. */
  async poll(
    at: AckChannel,
    level: AckLevel,
    asked: Iterable<number>,
  ): Promise<ReadonlySet<number>> {
    const ids = [...new Set(asked)].filter(Number.isSafeInteger)
      .sort((a, b) => a - b);
    const isTrue = new Set<number>();
    if (ids.length === 0) return isTrue;
    const { store } = this.#log;
    // In this order: what another poll tells meanwhile is found in one of them.
    const parts = await readAcks(store, at, ids);
    const told = await readTold(store, at);
    const now = store.clock.now();
    const isOld = new Set<number>();
    for (const one of told) {
      const isOver = !isRepeated(one, now);
      for (const id of idsTold(ids, one)) {
        parts.delete(id);
        isOld.add(id);
        if (!isOver) isTrue.add(id);
      }
    }
    if (parts.size === 0) return isTrue;
    const news: AckPart[] = [];
    const isDecided = level === "stored"
      ? () => true
      : await this.#judge(parts);
    for (const [id, own] of parts) {
      // Nobody was told of it yet, and more of the request may follow.
      if (this.#ids.isOpen(at.token, at.channel, id)) continue;
      const verdict = isDecided(own);
      if (typeof verdict === "boolean" ? !verdict : !await verdict) continue;
      isTrue.add(id);
      news.push(...own);
    }
    try {
      await writeTold(store, at, news, {
        known: told,
        isTold: (id) => isOld.has(id),
      });
    } catch (error) {
      // It is true all the same; after a restart it will be told for ten minutes anew.
      store.logger.log("warn", "store.slow", "Told acks could not be noted", {
        error: messageOf(error),
      });
    }
    return isTrue;
  }

  /** Says of an id's parts whether every connector has decided all their events. */
  async #judge(
    parts: ReadonlyMap<number, readonly AckPart[]>,
  ): Promise<(own: readonly AckPart[]) => boolean | Promise<boolean>> {
    const connectors = this.#options.connectors();
    if (connectors.length === 0 || parts.size === 0) return () => true;
    const stored = await readPlaces(this.#log.store);
    const { settled } = this.#log;
    const places: (readonly [string, Place])[] = [];
    for (const name of connectors) {
      const place = settled.get(name) ?? stored.get(name);
      // It has no place yet: nothing is known to be decided there.
      if (place === undefined) return () => false;
      places.push([name, place]);
    }
    const isBeyondAll = (part: AckPart) =>
      places.every(([, place]) => isBeyond(place, part));
    return (own) => own.every(isBeyondAll) && this.#isUnexpired(places, own);
  }

  async #isUnexpired(
    places: readonly (readonly [string, Place])[],
    parts: readonly AckPart[],
  ): Promise<boolean> {
    const { expiry } = this.#options;
    for (const [name, place] of places) {
      for (const part of parts) {
        const expired = expiry.wasExpired(name, place, rangeOf(part));
        if (typeof expired === "boolean" ? expired : await expired) {
          return false;
        }
      }
    }
    return true;
  }
}

function isBeyond(
  place: Place,
  { record: { segment }, first, count }: AckPart,
): boolean {
  return place.segment > segment ||
    place.segment === segment && place.index >= first + count;
}

function rangeOf({ record: { segment, at }, first, count }: AckPart) {
  return { segment, first, count, at };
}
