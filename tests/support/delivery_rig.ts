/** A connector's loop with a scripted sink and a clock moved by hand. */

import type { BatchLimits, Sink } from "../../lib/connector.ts";
import { DeadLetterFile } from "../../lib/delivery/dead_letter_file.ts";
import { Fleet } from "../../lib/delivery/fleet.ts";
import type { EventFilter } from "../../lib/delivery/scope_filter.ts";
import type { DeliverySettings } from "../../lib/delivery/settlement.ts";
import type { Position, Segment } from "../../lib/event.ts";
import type { DeadLetter, Holding, Place } from "../../lib/log/cursor.ts";
import type { LogEvent, Logger } from "../../lib/logger.ts";
import { madeSegment } from "./made_segment.ts";
import { ManualClock } from "./manual_clock.ts";
import { ScriptedSink } from "./scripted_sink.ts";

export const HOUR = 3_600_000;

export const SETTINGS: DeliverySettings = {
  retry: { initial: 1_000, max: 300_000 },
  probe: { initial: 60_000, max: 300_000 },
  expire: 168 * HOUR,
};

/** A log in an array, with one place that the holder of the newest lease may move. */
export class ArrayLog {
  readonly segments: Segment[] = [];
  readonly dead: DeadLetter[] = [];
  place: Place = {
    segment: "",
    index: 0,
    seen: {},
    start: {},
    books: { delivered: 0, filtered: 0, dead: 0, discarded: 0, expired: 0 },
    state: "waiting",
    attempt: 0,
    lastSuccess: null,
    lastError: null,
    nextAttemptAt: null,
  };
  /** Each settle begins with it. */
  settling: () => Promise<void> = () => Promise.resolve();
  settles = 0;
  leases = 0;
  released = 0;
  events = 0;
  #lost = new AbortController();
  #watchers: (() => void)[] = [];

  append(events: readonly string[], receivedAt: number): void {
    this.segments.push(madeSegment({
      number: this.segments.length + 1,
      events,
      receivedAt,
      eventsBefore: this.events,
    }));
    this.events += events.length;
    for (const watcher of this.#watchers.splice(0)) watcher();
  }

  next(at: Position): Promise<Segment | undefined> {
    return Promise.resolve(
      this.segments.find(({ id, count }) =>
        id > at.segment || id === at.segment && at.index < count
      ),
    );
  }

  async changed(after: Position, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (await this.next(after) !== undefined) return;
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => reject(signal.reason));
    this.#watchers.push(resolve);
    await promise;
  }

  /** Another holder took over. */
  loseLease(): void {
    this.#lost.abort(new Error("The lease was lost"));
  }

  takeLease(connector: string): Promise<Holding> {
    this.leases++;
    this.#lost = new AbortController();
    const { signal: lost } = this.#lost;
    const place = () => this.place;
    return Promise.resolve({
      connector,
      lost,
      get place() {
        return place();
      },
      settle: async (next, dead) => {
        await this.settling();
        if (lost.aborted) return false;
        this.settles++;
        this.dead.push(...dead);
        this.place = next;
        this.#check();
        return true;
      },
      release: () => {
        this.released++;
        return Promise.resolve();
      },
    });
  }

  /** What `countsOf` says of waiting, for the books. */
  #check(): void {
    const { books, seen } = this.place;
    const settled = books.delivered + books.dead + books.expired +
      books.filtered;
    const behind = seen["lane"]?.events ?? 0;
    if (settled !== behind) {
      throw new Error(`Books say ${settled}, the place ${behind}`);
    }
  }
}

export interface RigOptions {
  readonly limits?: Partial<BatchLimits>;
  readonly inFlight?: number;
  readonly settings?: Partial<DeliverySettings>;
  readonly random?: () => number;
  readonly deadLetterPath?: string;
  readonly log?: ArrayLog;
  /** In place of the scripted one: a connector's own, speaking to a scripted server. */
  readonly sink?: Sink | ((clock: ManualClock) => Sink);
  readonly filter?: EventFilter;
  readonly batchWait?: number;
}

export class Rig {
  readonly clock = new ManualClock();
  readonly sink: ScriptedSink;
  readonly log: ArrayLog;
  readonly fleet: Fleet;
  /** Names of what the diagnostics said. */
  readonly said: LogEvent[] = [];
  readonly fields: string[] = [];

  constructor(options: RigOptions = {}) {
    const { limits, settings, random = () => 1, deadLetterPath } = options;
    const logger: Logger = {
      log: (level, event, _message, fields) => {
        if (level === "debug") return;
        this.said.push(event);
        this.fields.push(JSON.stringify(fields));
      },
    };
    this.sink = new ScriptedSink(limits, options.inFlight);
    const { sink = this.sink } = options;
    this.log = options.log ?? new ArrayLog();
    this.fleet = new Fleet({
      connectors: [{
        name: "soc",
        type: "scripted",
        sink: typeof sink === "function" ? sink(this.clock) : sink,
        filter: options.filter,
        ...options.batchWait !== undefined && { batchWait: options.batchWait },
      }],
      source: this.log,
      takeLease: (connector) => this.log.takeLease(connector),
      settings: { ...SETTINGS, ...settings },
      clock: this.clock,
      random,
      logger,
      ...deadLetterPath !== undefined && {
        deadLetterFile: new DeadLetterFile(deadLetterPath, logger),
      },
    });
    this.fleet.start();
  }

  append(...events: string[]): void {
    this.log.append(events, this.clock.now());
  }

  /** Moves time on and waits until the loop waits again. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.fleet.wake();
  }

  /** Moves time on to the next attempt, and lets it begin. */
  async due(): Promise<void> {
    await this.fleet.wake();
    const at = this.log.place.nextAttemptAt ?? this.clock.now();
    while (at - this.clock.now() > 60_000) await this.pass(60_000);
    await this.pass(at - this.clock.now() - 1);
    if (this.sink.unanswered > 0) throw new Error("An attempt came too soon");
    this.clock.advance(1);
  }

  get state(): string {
    return this.log.place.state;
  }

  /** `delivered dead expired`, and the place. */
  get books(): string {
    const { books, segment, index } = this.log.place;
    const at = this.log.segments.findIndex(({ id }) => id === segment) + 1;
    return `${books.delivered} ${books.dead} ${books.expired} @${at}-${index}`;
  }

  /** Texts of the dead letters. */
  get dead(): string {
    return this.log.dead.map(({ segment, index }) => {
      const [start, end] = segment.spans.subarray(index * 18 + 2);
      return new TextDecoder().decode(segment.bytes.subarray(start, end));
    }).join(" ");
  }

  stop(deadline?: number): Promise<void> {
    return this.fleet.stop(deadline);
  }
}
