/** Connectors' loops over a real log, with sinks that answer by rule, a clock moved by hand, and replays. */

import { equal, ok } from "node:assert/strict";
import type { BatchLimits, Outcome } from "../../lib/connector.ts";
import { Fleet, type FleetOptions } from "../../lib/delivery/fleet.ts";
import type { EventFilter } from "../../lib/delivery/scope_filter.ts";
import type { DeliverySettings } from "../../lib/delivery/settlement.ts";
import { booksOf, type ConnectorBooks } from "../../lib/log/books.ts";
import { beginPlaces } from "../../lib/log/begin.ts";
import { DeadLetters } from "../../lib/log/dead_kept.ts";
import { History } from "../../lib/log/history.ts";
import type { JobView } from "../../lib/log/job.ts";
import type { Kv } from "../../lib/log/kv.ts";
import { takeLease } from "../../lib/log/lease.ts";
import type { EventLog } from "../../lib/log/log.ts";
import { readBooks } from "../../lib/log/places.ts";
import type { Logger } from "../../lib/logger.ts";
import type { LogWish } from "../../lib/log/job_wish.ts";
import { Replays } from "../../lib/log/replays.ts";
import { SETTINGS } from "./delivery_rig.ts";
import { intakeOf, openRig } from "./log_rig.ts";
import { ManualClock } from "./manual_clock.ts";
import { drive, settled, until } from "./drive.ts";
import { BUSY, DELIVERED, rejected, ScriptedSink } from "./scripted_sink.ts";

export interface ReplayRigOptions {
  readonly connectors?: readonly string[];
  readonly location?: string;
  readonly limits?: Partial<BatchLimits>;
  readonly settings?: Partial<DeliverySettings>;
  readonly filter?: EventFilter;
  readonly clock?: ManualClock;
  readonly startFrom?: "newest" | "oldest";
  readonly inFlight?: number;
  readonly logger?: Logger;
  readonly hands?: NonNullable<FleetOptions["hands"]>;
  /** A store of the test's own. */
  readonly openKv?: (path?: string) => Promise<Kv>;
}

export class ReplayRig {
  readonly clock: ManualClock;
  readonly log: EventLog;
  readonly sinks = new Map<string, ScriptedSink>();
  readonly fleet: Fleet;
  readonly dead: DeadLetters;
  readonly history: History;
  readonly replays: Replays;
  /** Events that sinks refuse, by their text. */
  readonly bad = new Set<string>();
  /** Sinks answer 503. */
  isDown = false;
  /** What sinks took, in order: text of one attempt each. */
  readonly taken = new Map<string, string[]>();

  private constructor(log: EventLog, options: ReplayRigOptions, parts: {
    readonly clock: ManualClock;
    readonly connectors: readonly string[];
  }) {
    const { clock, connectors } = parts;
    this.clock = clock;
    this.log = log;
    for (const name of connectors) {
      const sink = new ScriptedSink(options.limits, options.inFlight);
      this.taken.set(name, []);
      sink.auto = (events) => this.#answer(name, events);
      this.sinks.set(name, sink);
    }
    const { store } = log;
    this.history = new History(log);
    this.dead = new DeadLetters({ store, end: () => log.end() });
    this.replays = new Replays({
      log,
      deadLetters: this.dead,
      history: this.history,
      clock,
      uuid: () => crypto.randomUUID(),
      expire: 168 * 3_600_000,
    });
    this.fleet = new Fleet({
      connectors: connectors.map((name) => ({
        name,
        type: "scripted",
        sink: this.sink(name),
        filter: options.filter,
      })),
      source: log,
      takeLease: (name, signal) => takeLease(log, name, { signal }),
      settings: { ...SETTINGS, ...options.settings },
      clock,
      random: () => 1,
      logger: log.options.logger,
      replays: this.replays,
      ...options.hands !== undefined && { hands: options.hands },
    });
  }

  static async open(options: ReplayRigOptions = {}): Promise<ReplayRig> {
    const { clock = new ManualClock(), connectors = ["soc"] } = options;
    const log = await openRig({
      clock,
      connectors: () => connectors,
      ...options.location !== undefined && { location: options.location },
      ...options.openKv !== undefined && { openKv: options.openKv },
      ...options.logger !== undefined && { logger: options.logger },
    });
    await beginPlaces(
      log.store,
      connectors.map((name) => ({ name, from: options.startFrom ?? "newest" })),
    );
    const rig = new ReplayRig(log, options, { clock, connectors });
    rig.fleet.start();
    await until(() => rig.fleet.live().every(({ place }) => place));
    await rig.rest();
    return rig;
  }

  sink(name = "soc"): ScriptedSink {
    const sink = this.sinks.get(name);
    ok(sink);
    return sink;
  }

  #answer(name: string, events: string): Outcome | undefined {
    if (this.isDown) return BUSY;
    const texts = events.split(" ");
    const at = texts.flatMap((text, n) => this.bad.has(text) ? [n] : []);
    const good = texts.filter((text) => !this.bad.has(text));
    if (good.length > 0) this.taken.get(name)?.push(good.join(" "));
    return at.length === 0 ? DELIVERED : rejected(at);
  }

  /** All that a sink took, each as often as it came. */
  texts(name = "soc"): string[] {
    return (this.taken.get(name) ?? []).flatMap((some) => some.split(" "));
  }

  /** Appends events as one segment; resolves when the loops wait. @returns their ids. */
  async append(...texts: string[]): Promise<string[]> {
    const ids = await this.put(...texts);
    await this.rest();
    return ids;
  }

  /** Appends without waiting for anybody. */
  async put(...texts: string[]): Promise<string[]> {
    const { ids } = await this.log.append(
      intakeOf(texts, { receivedAt: this.clock.now() }),
    );
    return ids.flatMap(({ segment, first, count }) =>
      Array.from({ length: count }, (_, n) => `${segment}-${first + n}`)
    );
  }

  /** Resolves when all loops wait for something. */
  async rest(): Promise<void> {
    await settled(this.clock, this.fleet.wake());
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.rest();
  }

  /** Replays all letters of a connector, or of all. */
  async replayDead(rate = 0): Promise<JobView> {
    const letters = await this.replays.letters(
      { choice: { filter: {} } },
      new Set(this.sinks.keys()),
    );
    return await this.replays.startDead(letters, { rate });
  }

  wish(wish: Partial<LogWish> = {}): LogWish {
    return {
      to: ["soc"],
      from: { kind: "oldest" },
      until: { kind: "now" },
      fromText: "oldest",
      untilText: null,
      rate: 0,
      all: false,
      mark: false,
      ...wish,
    };
  }

  async job(id: string): Promise<JobView> {
    const job = await this.replays.read(id);
    ok(job);
    const { total, delivered, filtered, dead, skipped, left } = job;
    equal(total, delivered + filtered + dead + skipped + left);
    ok(left >= 0);
    return job;
  }

  /** `delivered filtered dead skipped left state`. */
  async counts(id: string): Promise<string> {
    const job = await this.job(id);
    const { delivered, filtered, dead, skipped, left, state } = job;
    return `${delivered} ${filtered} ${dead} ${skipped} ${left} ${state}`;
  }

  async books(name = "soc"): Promise<ConnectorBooks> {
    const { places, heads, deltas } = await readBooks(this.log);
    const place = places.get(name);
    ok(place);
    const books = booksOf(place, heads, deltas.get(name));
    equal(books.difference, 0);
    return books;
  }

  /** `accepted delivered filtered dead discarded waiting`. */
  async figures(name = "soc"): Promise<string> {
    const { accepted, delivered, filtered, dead, discarded, waiting } =
      await this.books(name);
    return `${accepted} ${delivered} ${filtered} ${dead} ${discarded} ${waiting}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await drive(this.clock, this.fleet.stop());
    await drive(this.clock, this.log.close());
  }
}
