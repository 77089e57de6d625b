/**
 * A lease that is held: renewed while it lasts, given up half a span after the last confirmed renewal, and the only way
 * to move the connector's place. Rules of leases: `lease.ts`.
 *
 * Over 300 lines because all that is done under one lease, and stops with it, stands in one class.
 */

import type { DeadLetter, Holding, Place } from "./cursor.ts";
import { EventRun } from "../event.ts";
import { damagedBetween, missingBetween } from "./damaged.ts";
import type { Decided } from "./decision.ts";
import { EpochLost, writeDeadLetters } from "./dead_letters.ts";
import { expiredWrites } from "./expired.ts";
import type { HistoryWrite, Journal } from "./journal.ts";
import { cursorKey, epochKey, leaseKey } from "./keys.ts";
import {
  fromValue,
  isDiskFull,
  type Kv,
  messageOf,
  textIn,
  toValue,
} from "./kv.ts";
import type { EventLog } from "./log.ts";
import { placeValue } from "./places.ts";
import { withTimeout } from "./store.ts";

/** How long a lease lasts that nobody renews, unless set otherwise. */
export const LEASE_MS = 12_000;
/** Between two tries of writing dead letters. */
const RETRY_MS = 1_000;
/** How far the store's place follows the place file's, where there is one. */
const FOLLOW_MS = 50;

/** A lease's record. */
export function leaseValue(lease: {
  readonly holder: string;
  readonly nonce: string;
  /** In milliseconds: who waits for it to run out goes by the holder's own span. */
  readonly span: number;
  readonly isReleased: boolean;
  /** Released for others to have: one that has its share leaves it to them for a while. */
  readonly isForOthers?: boolean;
  /** Counts renewals, so that each one changes the record. */
  readonly beat: number;
}): Uint8Array {
  const { holder, nonce, span, isReleased, isForOthers = false, beat } = lease;
  return toValue({
    holder,
    nonce,
    span,
    released: isReleased,
    ...isForOthers && { others: true },
    beat,
  });
}

export class HeldLease implements Holding {
  readonly connector: string;
  readonly #log: EventLog;
  readonly #nonce: string;
  readonly #epoch: string;
  readonly #lost = new AbortController();
  readonly #released = new AbortController();
  readonly #handover = new AbortController();
  readonly #span: number;
  /** This process's count of its leases goes without this one. */
  readonly #unhold: () => void;
  /** Ends all trying to settle. */
  readonly #settling: AbortSignal;
  #place: Place;
  #cursor: string | null;
  readonly #journal: Journal;
  #confirmedAt: number;
  readonly #renewing: Promise<void>;
  /** Settled in the place file, not yet on its way to the store. */
  #behind: Place | undefined;
  #following: Promise<void> | undefined;
  /** The newest settle in the store: one at a time, in order. */
  #storing: Promise<unknown> = Promise.resolve();

  constructor(
    log: EventLog,
    connector: string,
    held: {
      readonly nonce: string;
      readonly epoch: string;
      readonly place: Place;
      readonly cursor: string | null;
      readonly journal: Journal;
      readonly takenAt: number;
    },
  ) {
    this.#log = log;
    this.connector = connector;
    this.#nonce = held.nonce;
    this.#epoch = held.epoch;
    this.#place = held.place;
    this.#cursor = held.cursor;
    this.#journal = held.journal;
    log.journals.set(connector, held.journal);
    this.#settling = AbortSignal.any([this.#lost.signal, log.closed]);
    this.#confirmedAt = held.takenAt;
    this.#span = log.options.lease ?? LEASE_MS;
    this.#unhold = log.share.hold({
      handOver: () => {
        log.options.logger.log(
          "info",
          "lease.handover",
          "Another process is to have the connector",
          { connector },
        );
        this.#handover.abort(new Error("Another process is to have it"));
      },
    });
    this.#lost.signal.addEventListener("abort", () => {
      this.#unhold();
      this.#forget();
    }, { once: true });
    log.placeFile?.take(connector, held.nonce);
    log.onTaken(connector, held.place);
    this.#renewing = log.store.isExclusive
      ? Promise.resolve()
      : Promise.all([this.#renew(), this.#watch()]).then(() => undefined);
  }

  get place(): Place {
    return this.#place;
  }

  get fence(): Deno.AtomicCheck {
    return { key: epochKey(this.connector), versionstamp: this.#epoch };
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get handover(): AbortSignal {
    return this.#handover.signal;
  }

  async settle(
    place: Place,
    dead: readonly DeadLetter[],
    decided: Decided = this.#nothing(),
  ): Promise<boolean> {
    if (this.#lost.signal.aborted || this.#log.closed.aborted) return false;
    const { placeFile } = this.#log;
    const { damagedSegments } = this.#log;
    // What is passed over is passed over whole.
    const damaged = decided.skipped !== undefined
      ? []
      : damagedBetween(damagedSegments, this.#place, place, decided.run);
    const missing = missingBetween(this.#place, decided.run, damagedSegments);
    const expired = expiredWrites(this.connector, decided, damaged, missing);
    this.#journal.add(decided, place, damaged);
    const isFiled = dead.length === 0 && expired.length === 0 &&
      !this.#journal.isAhead &&
      placeFile?.write(this.connector, this.#nonce, place) === true;
    if (isFiled) {
      this.#moved(place);
      this.#behind = place;
      this.#following ??= this.#follow();
      return true;
    }
    if (dead.length > 0 && !await this.#writeDead(dead)) return false;
    this.#behind = undefined;
    const isStored = await this.#store(place, expired);
    if (isStored) this.#moved(place);
    return isStored;
  }

  async release(): Promise<void> {
    if (this.#released.signal.aborted) return;
    this.#released.abort("released");
    this.#unhold();
    await this.#renewing;
    await this.#following;
    this.#forget();
    const { store } = this.#log;
    if (this.#lost.signal.aborted || store.isExclusive) return;
    try {
      const lease = await store.call((kv) => kv.get(leaseKey(this.connector)));
      if (textIn(fromValue(lease.value) ?? {}, "nonce") !== this.#nonce) return;
      await store.call((kv) =>
        kv.atomic().check(lease).set(
          lease.key,
          this.#value({
            isReleased: true,
            isForOthers: this.#handover.signal.aborted,
            beat: 0,
          }),
        )
          .commit()
      );
    } catch {
      // The next one waits for the span to pass.
    }
  }

  /** A settle that decides no event. */
  #nothing(): Decided {
    const { clock } = this.#log.options;
    return { at: clock.now(), run: new EventRun(), ranges: [] };
  }

  /** The history is the store's alone from here on. */
  #forget(): void {
    const { journals } = this.#log;
    if (journals.get(this.connector) === this.#journal) {
      journals.delete(this.connector);
    }
  }

  #moved(place: Place): void {
    this.#place = place;
    this.#log.onSettled(this.connector, place);
  }

  /** Brings the store's place after the file's, the newest only, until it has caught up. */
  async #follow(): Promise<void> {
    const { clock } = this.#log.options;
    const ended = this.#ended();
    while (this.#behind !== undefined) {
      const place = this.#behind;
      this.#behind = undefined;
      if (!await this.#store(place)) break;
      await clock.sleep(FOLLOW_MS, ended).catch(() => undefined);
    }
    this.#following = undefined;
  }

  /** Settles in the store, after what is on its way there. False: the lease is lost, or the log closes. */
  #store(
    place: Place,
    expired: readonly HistoryWrite[] = [],
  ): Promise<boolean> {
    const history = this.#journal.take();
    const stored = this.#storing.then(async () => {
      const version = await this.#log.settle({
        epochKey: epochKey(this.connector),
        epoch: this.#epoch,
        cursorKey: cursorKey(this.connector),
        cursor: this.#cursor,
        value: placeValue(place, { isPacked: !this.#log.store.isExclusive }),
        sets: [...history.sets, ...expired],
        signal: this.#settling,
      });
      if (version === undefined) {
        if (!this.#log.closed.aborted) this.#lose("the epoch moved on");
        return false;
      }
      this.#cursor = version;
      history.done();
      return true;
    });
    this.#storing = stored;
    return stored;
  }

  async #writeDead(dead: readonly DeadLetter[]): Promise<boolean> {
    const { store, options } = this.#log;
    const signal = this.#settling;
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
        if (isDiskFull(error)) this.#log.retention.onDiskFull();
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
    const renew = this.#span / 3;
    // A frozen connection is found out in time to renew over a fresh one, before half of the span is over.
    const soon = <T>(work: (kv: Kv) => Promise<T>) =>
      withTimeout(clock, store.call(work), this.#span / 8);
    let pause = renew;
    for (let beat = 1;; beat++) {
      await clock.sleep(pause, ended).catch(() => undefined);
      if (ended.aborted) return;
      const startedAt = clock.monotonic();
      try {
        const lease = await soon((kv) => kv.get(key));
        if (textIn(fromValue(lease.value) ?? {}, "nonce") !== this.#nonce) {
          return this.#lose("another took it");
        }
        const result = await soon((kv) =>
          kv.atomic().check(lease).set(
            key,
            this.#value({ isReleased: false, beat }),
          )
            .commit()
        );
        // Refused: an earlier renewal arrived late, or another took it. The next look tells.
        if (result.ok) this.#confirmedAt = startedAt;
        pause = result.ok ? renew * (0.9 + random() / 5) : 100;
      } catch {
        await store.refresh().catch(() => undefined);
        pause = renew / 40;
      }
    }
  }

  /** Ends the holding half a span after the last confirmed renewal. */
  async #watch(): Promise<void> {
    const { clock } = this.#log.options;
    const ended = this.#ended();
    while (!ended.aborted) {
      const left = this.#confirmedAt + this.#span / 2 - clock.monotonic();
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

  #value(
    state: Omit<Parameters<typeof leaseValue>[0], "holder" | "nonce" | "span">,
  ): Uint8Array {
    return leaseValue({
      holder: this.#log.options.instance,
      nonce: this.#nonce,
      span: this.#span,
      ...state,
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
