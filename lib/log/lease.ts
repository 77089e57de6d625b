/**
 * Leases: who may move a connector's place.
 *
 * Invariants: `["lease", …]` is rewritten at each renewal, `["epoch", …]` only at a take-over; settling checks the
 * epoch, so a late holder cannot write, and the place is read after the epoch moved, so nothing can come after it.
 * Expiry is judged by seeing the lease unchanged for its span on one's own monotonic clock: no clocks are compared.
 * A holder stops half a span after its last confirmed renewal. Where the store is this process's alone, its lock
 * proves that the old holder is gone: the lease is taken at once and needs no renewal.
 */

import type { DeadLetter, Holding, Place } from "./cursor.ts";
import { EpochLost, writeDeadLetters } from "./dead_letters.ts";
import { readHeads } from "./heads.ts";
import { cursorKey, epochKey, leaseKey } from "./keys.ts";
import { fromValue, messageOf, numberIn, textIn, toValue } from "./kv.ts";
import type { EventLog } from "./log.ts";
import { newPlace, placeOf, placeValue } from "./places.ts";
import { readTrimMark } from "./trim.ts";

export const LEASE_MS = 12_000;
const RENEW_MS = 4_000;
const POLL_MS = 1_000;
/** Between two tries of writing dead letters. */
const RETRY_MS = 1_000;

export interface LeaseOptions {
  readonly signal: AbortSignal;
  /** Where a connector that has no place yet begins. Default: newest. */
  readonly from?: "newest" | "oldest";
}

/**
 * Waits until the connector's lease is ours; goes on trying while the store does not answer.
 * @throws the signal's reason when it aborts first, or when the log closes.
 */
export async function takeLease(
  log: EventLog,
  connector: string,
  options: LeaseOptions,
): Promise<Holding> {
  const { store } = log;
  const { clock, random, logger } = log.options;
  const signal = AbortSignal.any([options.signal, log.closed]);
  let seen: { readonly version: string | null; readonly since: number } | null =
    null;
  for (;;) {
    signal.throwIfAborted();
    try {
      const [lease, epoch] = await store.call((kv) =>
        kv.getMany<[unknown, unknown]>([
          leaseKey(connector),
          epochKey(connector),
        ])
      );
      const now = clock.monotonic();
      if (seen === null || seen.version !== lease.versionstamp) {
        seen = { version: lease.versionstamp, since: now };
      }
      const isFree = store.isExclusive || lease.versionstamp === null ||
        fromValue(lease.value)?.["released"] === true ||
        now - seen.since >= LEASE_MS;
      if (isFree) {
        const held = await takeOver(log, connector, lease, epoch, options);
        if (held !== undefined) return held;
        continue;
      }
    } catch (error) {
      signal.throwIfAborted();
      logger.log("warn", "store.slow", "A lease could not be taken", {
        connector,
        error: messageOf(error),
      });
      await store.refresh().catch(() => undefined);
    }
    await clock.sleep(POLL_MS * (0.75 + random() / 2), signal);
  }
}

/** Takes a free lease. Undefined: another was first, look again. @throws what the store throws. */
async function takeOver(
  log: EventLog,
  connector: string,
  lease: Deno.KvEntryMaybe<unknown>,
  epoch: Deno.KvEntryMaybe<unknown>,
  options: LeaseOptions,
): Promise<Holding | undefined> {
  const { store } = log;
  const { clock, uuid, instance, logger } = log.options;
  const nonce = uuid();
  const key = leaseKey(connector), epochAt = epochKey(connector);
  const number = numberIn(fromValue(epoch.value) ?? {}, "number") + 1;
  const takenAt = clock.monotonic();
  const result = await store.call((kv) =>
    kv.atomic()
      .check({ key, versionstamp: lease.versionstamp })
      .check({ key: epochAt, versionstamp: epoch.versionstamp })
      .set(key, toValue({ holder: instance, nonce, released: false, beat: 0 }))
      .set(epochAt, toValue({ holder: instance, nonce, number }))
      .commit()
  );
  let version: string;
  if (result.ok) version = result.versionstamp;
  else {
    // Over the network a commit whose reply was lost answers so too: the nonce tells.
    const now = await store.call((kv) => kv.get(epochAt));
    if (
      textIn(fromValue(now.value) ?? {}, "nonce") !== nonce ||
      now.versionstamp === null
    ) return undefined;
    version = now.versionstamp;
  }
  const cursor = await readCursor(log, connector, options.from ?? "newest", {
    key: epochAt,
    versionstamp: version,
  });
  if (cursor === undefined) return undefined;
  logger.log("info", "lease.taken", "The lease is ours", { connector });
  return new HeldLease(log, connector, {
    nonce,
    epoch: version,
    place: cursor.place,
    cursor: cursor.version,
    takenAt,
  });
}

/** The stored place; a new connector's is made. Undefined: the lease was lost meanwhile. */
async function readCursor(
  log: EventLog,
  connector: string,
  from: "newest" | "oldest",
  epoch: { readonly key: Deno.KvKey; readonly versionstamp: string },
): Promise<
  { readonly place: Place; readonly version: string | null } | undefined
> {
  const { store } = log;
  const key = cursorKey(connector);
  const read = async () => {
    const entry = await store.call((kv) => kv.get(key));
    const place = placeOf(entry.value);
    return place === undefined
      ? undefined
      : { place, version: entry.versionstamp };
  };
  const stored = await read();
  if (stored !== undefined) return stored;
  const heads = await readHeads(store);
  const fresh = newPlace(from, heads, await readTrimMark(store));
  const result = await store.call((kv) =>
    kv.atomic().check(epoch).check({ key, versionstamp: null })
      .set(key, placeValue(fresh)).commit()
  );
  if (result.ok) return { place: fresh, version: result.versionstamp };
  return await read();
}

class HeldLease implements Holding {
  readonly connector: string;
  readonly #log: EventLog;
  readonly #nonce: string;
  readonly #epoch: string;
  readonly #lost = new AbortController();
  readonly #released = new AbortController();
  #place: Place;
  #cursor: string | null;
  #confirmedAt: number;
  readonly #renewing: Promise<void>;

  constructor(
    log: EventLog,
    connector: string,
    held: {
      readonly nonce: string;
      readonly epoch: string;
      readonly place: Place;
      readonly cursor: string | null;
      readonly takenAt: number;
    },
  ) {
    this.#log = log;
    this.connector = connector;
    this.#nonce = held.nonce;
    this.#epoch = held.epoch;
    this.#place = held.place;
    this.#cursor = held.cursor;
    this.#confirmedAt = held.takenAt;
    this.#renewing = log.store.isExclusive
      ? Promise.resolve()
      : Promise.all([this.#renew(), this.#watch()]).then(() => undefined);
  }

  get place(): Place {
    return this.#place;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async settle(place: Place, dead: readonly DeadLetter[]): Promise<boolean> {
    const signal = AbortSignal.any([this.#lost.signal, this.#log.closed]);
    if (dead.length > 0 && !await this.#writeDead(dead, signal)) return false;
    if (signal.aborted) return false;
    const version = await this.#log.settle({
      epochKey: epochKey(this.connector),
      epoch: this.#epoch,
      cursorKey: cursorKey(this.connector),
      cursor: this.#cursor,
      value: placeValue(place),
      signal,
    });
    if (version === undefined) {
      if (!this.#log.closed.aborted) this.#lose("the epoch moved on");
      return false;
    }
    this.#cursor = version;
    this.#place = place;
    return true;
  }

  async release(): Promise<void> {
    if (this.#released.signal.aborted) return;
    this.#released.abort("released");
    await this.#renewing;
    const { store } = this.#log;
    if (this.#lost.signal.aborted || store.isExclusive) return;
    try {
      const lease = await store.call((kv) => kv.get(leaseKey(this.connector)));
      if (textIn(fromValue(lease.value) ?? {}, "nonce") !== this.#nonce) return;
      await store.call((kv) =>
        kv.atomic().check(lease).set(
          lease.key,
          this.#leaseValue({ isReleased: true, beat: 0 }),
        )
          .commit()
      );
    } catch {
      // The next one waits for the span to pass.
    }
  }

  async #writeDead(
    dead: readonly DeadLetter[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { store, options } = this.#log;
    while (!signal.aborted) {
      try {
        await writeDeadLetters(store, this.connector, dead, {
          key: epochKey(this.connector),
          versionstamp: this.#epoch,
        });
        return true;
      } catch (error) {
        if (error instanceof EpochLost) {
          this.#lose(error.message);
          return false;
        }
        options.logger.log(
          "warn",
          "store.slow",
          "Dead letters could not be written; trying again",
          { connector: this.connector, error: messageOf(error) },
        );
        await store.refresh().catch(() => undefined);
        await options.clock.sleep(RETRY_MS, signal).catch(() => undefined);
      }
    }
    return false;
  }

  async #renew(): Promise<void> {
    const { store, options: { clock, random } } = this.#log;
    const key = leaseKey(this.connector);
    const ended = this.#ended();
    let pause = RENEW_MS;
    for (let beat = 1;; beat++) {
      await clock.sleep(pause, ended).catch(() => undefined);
      if (ended.aborted) return;
      const startedAt = clock.monotonic();
      try {
        const lease = await store.call((kv) => kv.get(key));
        if (textIn(fromValue(lease.value) ?? {}, "nonce") !== this.#nonce) {
          return this.#lose("another took it");
        }
        const result = await store.call((kv) =>
          kv.atomic().check(lease).set(
            key,
            this.#leaseValue({ isReleased: false, beat }),
          )
            .commit()
        );
        // Refused: an earlier renewal arrived late, or another took it. The next look tells.
        if (result.ok) this.#confirmedAt = startedAt;
        pause = result.ok ? RENEW_MS * (0.9 + random() / 5) : 100;
      } catch {
        await store.refresh().catch(() => undefined);
        pause = RENEW_MS / 8;
      }
    }
  }

  /** Ends the holding half a span after the last confirmed renewal. */
  async #watch(): Promise<void> {
    const { clock } = this.#log.options;
    const ended = this.#ended();
    while (!ended.aborted) {
      const left = this.#confirmedAt + LEASE_MS / 2 - clock.monotonic();
      if (left <= 0) return this.#lose("it could not be renewed");
      await clock.sleep(left, ended).catch(() => undefined);
    }
  }

  #ended(): AbortSignal {
    return AbortSignal.any([
      this.#lost.signal,
      this.#released.signal,
      this.#log.closed,
    ]);
  }

  #leaseValue(
    { isReleased, beat }: {
      readonly isReleased: boolean;
      readonly beat: number;
    },
  ): Uint8Array {
    return toValue({
      holder: this.#log.options.instance,
      nonce: this.#nonce,
      released: isReleased,
      beat,
    });
  }

  #lose(why: string): void {
    if (this.#lost.signal.aborted) return;
    this.#log.options.logger.log("warn", "lease.lost", "The lease is lost", {
      connector: this.connector,
      why,
    });
    this.#lost.abort(new Error(`The lease is lost: ${why}`));
  }
}
