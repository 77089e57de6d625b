/** All connectors' loops: started together, stopped together, sharing nothing but the log. */

import type { Clock } from "../clock.ts";
import type { Sink } from "../connector.ts";
import type { Holding } from "../log/cursor.ts";
import type { Replays } from "../log/replays.ts";
import type { Logger } from "../logger.ts";
import type { Source } from "./batches.ts";
import type { DeadLetterFile } from "./dead_letter_file.ts";
import { Dispatcher, type DispatcherOptions, type Live } from "./dispatcher.ts";
import type { EventFilter } from "./scope_filter.ts";
import type { DeliverySettings } from "./settlement.ts";

/** One connector that is to be delivered to. */
export interface FleetConnector {
  readonly name: string;
  readonly type: string;
  readonly sink: Sink;
  /** Which events it gets; absent: all. */
  readonly filter?: EventFilter | undefined;
  readonly batchWait?: number;
}

export interface FleetOptions {
  readonly connectors: readonly FleetConnector[];
  readonly source: Source;
  readonly takeLease: (
    connector: string,
    signal: AbortSignal,
  ) => Promise<Holding>;
  /** How connectors are switched by hand. Absent: all are on. */
  readonly hands?: NonNullable<DispatcherOptions["hands"]>;
  /** As a loop asks for it. */
  readonly oldestWaiting?: NonNullable<DispatcherOptions["oldestWaiting"]>;
  readonly settings: DeliverySettings;
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly logger: Logger;
  readonly deadLetterFile?: DeadLetterFile;
  /** What the loops replay. Absent: nothing. */
  readonly replays?: Replays;
}

/** A connector as status shows it. */
export interface ConnectorLive extends Live {
  readonly name: string;
  readonly type: string;
}

/** How long an attempt in flight may go on after `stop`: of the 4.5 s that `main.ts` has, half a second is the log's. */
const STOP_DEADLINE_MS = 3_500;
/** How long saving the places may take after that. */
const SAVE_MS = 500;

export class Fleet {
  readonly #options: FleetOptions;
  readonly #members: readonly {
    readonly connector: FleetConnector;
    readonly dispatcher: Dispatcher;
  }[];
  readonly #stop = new AbortController();
  readonly #abort = new AbortController();
  #running: Promise<unknown> | undefined;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#members = options.connectors.map((connector) => ({
      connector,
      dispatcher: new Dispatcher({ ...options, ...connector }),
    }));
  }

  /** Starts the loops. Returns at once; a SIEM that is down delays nothing. */
  start(): void {
    const signals = { stop: this.#stop.signal, abort: this.#abort.signal };
    this.#running ??= Promise.all(
      this.#members.map(({ dispatcher }) => dispatcher.run(signals)),
    );
  }

  /** Each connector as its loop knows it, in the order given. */
  live(): ConnectorLive[] {
    return this.#members.map(({ connector: { name, type }, dispatcher }) => ({
      name,
      type,
      ...dispatcher.live,
    }));
  }

  /** Resolves when this connector's loop waits for events, for its SIEM or for its lease. */
  async rested(name: string): Promise<void> {
    const member = this.#members.find(({ connector }) =>
      connector.name === name
    );
    await member?.dispatcher.rested();
  }

  /** For cron: delivers what waits. Resolves when every loop waits for events, for its SIEM or for its lease. */
  async wake(): Promise<void> {
    this.start();
    await Promise.all(this.#members.map(({ dispatcher }) => dispatcher.wake()));
  }

  /**
   * Ends the loops: no new attempt; those in flight may end within `deadline` milliseconds, then they are cut. Places
   * are saved, leases given back, sinks closed. Resolves half a second after the deadline at the latest, also where
   * the store does not answer: what is not saved then is sent again at the next start.
   */
  async stop(deadline: number = STOP_DEADLINE_MS): Promise<void> {
    const ended = new AbortController();
    this.#stop.abort(new DOMException("The relay stops", "AbortError"));
    const limit = this.#limit(deadline, ended.signal);
    await Promise.race([this.#end(), limit]);
    ended.abort();
    await limit;
  }

  async #end(): Promise<void> {
    await this.#running;
    await Promise.all(
      this.#members.map(({ connector }) =>
        connector.sink[Symbol.asyncDispose]()
      ),
    );
  }

  async #limit(deadline: number, ended: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    try {
      await clock.sleep(deadline, ended);
      this.#abort.abort(new DOMException("Cut off", "AbortError"));
      await clock.sleep(SAVE_MS, ended);
    } catch {
      // All ended in time.
    }
  }
}
