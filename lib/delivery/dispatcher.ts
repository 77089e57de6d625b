/** A connector's loop for as long as the relay runs: take the lease, deliver while it is held, take it again. */

import type { Holding, Place } from "../log/cursor.ts";
import {
  type DeliveryContext,
  Session,
  type SessionSignals,
} from "./session.ts";

export interface DispatcherOptions extends DeliveryContext {
  /** Waits until the connector's lease is ours. @throws the signal's reason when it aborts first. */
  readonly takeLease: (
    connector: string,
    signal: AbortSignal,
  ) => Promise<Holding>;
}

/** What a connector's loop knows of itself, now. */
export interface Live {
  /** The place as last settled here; undefined before the first lease. */
  readonly place: Place | undefined;
  /** When the relay took the oldest event that waits; milliseconds since the epoch, null when none does. */
  readonly oldestWaiting: number | null;
  /** What the SIEM warned of although it takes events, else what is wrong with the scope. */
  readonly warning: string | null;
}

/** What a fault of ours (a thrown error outside an attempt) costs before the loop begins again. */
const BUG_PAUSE_MS = 1_000;

export class Dispatcher {
  readonly #options: DispatcherOptions;
  #holding: Holding | undefined;
  #session: Session | undefined;
  #place: Place | undefined;
  #isResting = false;
  #rested: (() => void)[] = [];

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  get live(): Live {
    return {
      place: this.#holding?.place ?? this.#place,
      oldestWaiting: this.#session?.oldestWaiting ?? null,
      warning: this.#session?.warning ?? this.#options.filter?.warning ?? null,
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
      try {
        await this.#hold(signals);
      } catch (cause) {
        if (signals.stop.aborted) break;
        await this.#bug(cause, signals.stop);
      }
    }
    this.#rest();
  }

  async #hold(signals: SessionSignals): Promise<void> {
    const { takeLease, name } = this.#options;
    this.#rest();
    const holding = await takeLease(name, signals.stop);
    this.#work();
    this.#holding = holding;
    const stop = holding.handover === undefined
      ? signals.stop
      : AbortSignal.any([signals.stop, holding.handover]);
    this.#session = new Session(this.#options, holding, { ...signals, stop }, {
      resting: () => this.#rest(),
      working: () => this.#work(),
    });
    try {
      await this.#session.run();
    } finally {
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
