/**
 * A connector's loop for as long as the relay runs: take the lease, deliver while it is held, take it again. Switched
 * off by hand it lets go of the lease after the attempt in flight, and takes it only to book what has expired.
 */

import type { Holding, Place } from "../log/cursor.ts";
import { discardTo, type Hand, isSame, type Skip } from "../log/hands.ts";
import {
  type DeliveryContext,
  expiryLook,
  Session,
  type SessionSignals,
} from "./session.ts";
import { type Warned, Warnings } from "./warnings.ts";

export interface DispatcherOptions extends Omit<DeliveryContext, "warnings"> {
  /** Waits until the connector's lease is ours. @throws the signal's reason when it aborts first. */
  readonly takeLease: (
    connector: string,
    signal: AbortSignal,
  ) => Promise<Holding>;
  /** How it is switched. Absent: on. */
  readonly hands?: Switches;
  /**
   * When the relay took the connector's oldest event that waits, without its lease; Unix milliseconds, undefined: none.
   * Absent: what waits while it is switched off expires once it is switched on.
   */
  readonly oldestWaiting?: (connector: string) => Promise<number | undefined>;
}

/** What a loop needs of `Hands`. */
export interface Switches {
  of(connector: string): Hand;
  listen(connector: string, look: () => void): () => void;
  skipped(connector: string, skip: Skip): Promise<void>;
}

const ON: Hand = { isEnabled: true, skip: undefined, probes: 0 };

/** What a connector's loop knows of itself, now. */
export interface Live {
  /** The place as last settled here; undefined before the first lease. */
  readonly place: Place | undefined;
  /** When the relay took the oldest event that waits; milliseconds since the epoch, null when none does. */
  readonly oldestWaiting: number | null;
  /** What the SIEM warned of a little while ago although it takes events, else what is wrong with the scope. */
  readonly warning: string | null;
  readonly warned: Warned;
}

/** What a fault of ours (a thrown error outside an attempt) costs before the loop begins again. */
const BUG_PAUSE_MS = 1_000;

export class Dispatcher {
  readonly #options: DispatcherOptions;
  /** Of all its sessions. */
  readonly #warnings: Warnings;
  #holding: Holding | undefined;
  #session: Session | undefined;
  #place: Place | undefined;
  #isResting = false;
  #rested: (() => void)[] = [];

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#warnings = new Warnings(options);
  }

  get live(): Live {
    return {
      place: this.#holding?.place ?? this.#place,
      oldestWaiting: this.#session?.oldestWaiting ?? null,
      warning: this.#warnings.shown ?? this.#options.filter?.warning ?? null,
      warned: this.#warnings.counts,
    };
  }

  /** Looks at the log now. Resolves when nothing is left to do at the moment: all sent, or the SIEM is waited for. */
  wake(): Promise<void> {
    this.#session?.wake();
    return this.rested();
  }

  /** Resolves when the loop waits: for events, for the SIEM, for the lease. */
  async rested(): Promise<void> {
    // A loop that was just woken has not run yet.
    await Promise.resolve();
    if (this.#isResting) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#rested.push(resolve);
    await promise;
  }

  /** Delivers until `stop`; an attempt in flight may end until `abort`. Never rejects. */
  async run(signals: SessionSignals): Promise<void> {
    while (!signals.stop.aborted) {
      const hand = this.#hand();
      const switched = new AbortController();
      const unlisten = this.#listen(hand, switched);
      const stop = AbortSignal.any([signals.stop, switched.signal]);
      try {
        if (hand.isEnabled) await this.#hold({ ...signals, stop }, hand.skip);
        else await this.#off({ ...signals, stop });
      } catch (cause) {
        if (signals.stop.aborted) break;
        if (!switched.signal.aborted) await this.#bug(cause, stop);
      } finally {
        unlisten();
      }
    }
    this.#rest();
  }

  #hand(): Hand {
    const { hands, name } = this.#options;
    return hands?.of(name) ?? ON;
  }

  /** Aborts `switched` when what the loop began with holds no longer. */
  #listen(begun: Hand, switched: AbortController): () => void {
    const { hands, name } = this.#options;
    let { probes } = begun;
    return hands?.listen(name, () => {
      const hand = this.#hand();
      const isOther = hand.isEnabled !== begun.isEnabled ||
        hand.skip !== undefined && !isSame(hand.skip, begun.skip);
      if (isOther) switched.abort(new Error("Switched by hand"));
      else if (hand.probes !== probes) this.#session?.tryNow();
      ({ probes } = hand);
    }) ?? (() => undefined);
  }

  /** `skip`: to be carried out before anything is sent. */
  #hold(signals: SessionSignals, skip: Skip | undefined): Promise<void> {
    return this.#withLease(signals, async (session, holding) => {
      if (skip !== undefined) {
        const { hands, clock, name } = this.#options;
        if (!await discardTo(holding, skip, clock.now())) return;
        // Not noted: it is carried out again, which does nothing.
        await hands?.skipped(name, skip).catch(() => undefined);
      }
      await session.run();
    });
  }

  /** Switched off: nothing is sent; what has waited too long expires all the same. */
  async #off(signals: SessionSignals): Promise<void> {
    const { clock, settings: { expire } } = this.#options;
    const { stop } = signals;
    this.#rest();
    while (!stop.aborted) {
      if (await this.#isOverdue()) {
        await this.#withLease(signals, (session) => session.expire());
        this.#rest();
      }
      await clock.sleep(expiryLook(expire), stop);
    }
  }

  async #isOverdue(): Promise<boolean> {
    const { oldestWaiting, clock, name, settings: { expire } } = this.#options;
    if (expire === 0 || oldestWaiting === undefined) return false;
    // A store that does not answer is asked again at the next look.
    const oldest = await oldestWaiting(name).catch(() => undefined);
    return oldest !== undefined && oldest <= clock.now() - expire;
  }

  async #withLease(
    signals: SessionSignals,
    run: (session: Session, holding: Holding) => Promise<void>,
  ): Promise<void> {
    const { takeLease, name } = this.#options;
    this.#rest();
    const holding = await takeLease(name, signals.stop);
    this.#work();
    this.#holding = holding;
    const stop = holding.handover === undefined
      ? signals.stop
      : AbortSignal.any([signals.stop, holding.handover]);
    const context = { ...this.#options, warnings: this.#warnings };
    const session = new Session(context, holding, { ...signals, stop }, {
      resting: () => this.#rest(),
      working: () => this.#work(),
    });
    this.#session = session;
    try {
      await run(session, holding);
    } finally {
      session.close();
      this.#place = holding.place;
      this.#session = undefined;
      this.#holding = undefined;
      await holding.release();
    }
  }

  async #bug(cause: unknown, stop: AbortSignal): Promise<void> {
    const { name, logger, clock } = this.#options;
    logger.log("error", "bug", "A delivery loop failed and begins again.", {
      connector: name,
      error: String(cause),
      stack: cause instanceof Error ? cause.stack : undefined,
    });
    this.#rest();
    try {
      await clock.sleep(BUG_PAUSE_MS, stop);
    } catch {
      // Stopped meanwhile: the loop's condition sees it.
    }
  }

  #work(): void {
    this.#isResting = false;
  }

  #rest(): void {
    this.#isResting = true;
    for (const resolve of this.#rested.splice(0)) resolve();
  }
}
