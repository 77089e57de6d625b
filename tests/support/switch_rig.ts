/** Connectors switched by hand, over a real log, with scripted SIEMs and a clock moved by hand. */

import assert from "node:assert/strict";
import { Fleet } from "../../lib/delivery/fleet.ts";
import type { DeliverySettings } from "../../lib/delivery/settlement.ts";
import {
  type ConnectorReport,
  statusReport,
} from "../../lib/delivery/status.ts";
import {
  connectorSwitcher,
  type SwitchAction,
  type Switcher,
} from "../../lib/delivery/switching.ts";
import { beginPlaces } from "../../lib/log/begin.ts";
import { Hands } from "../../lib/log/hands.ts";
import { takeLease } from "../../lib/log/lease.ts";
import type { EventLog } from "../../lib/log/log.ts";
import type { Replays } from "../../lib/log/replays.ts";
import { oldestWaiting } from "../../lib/log/waiting.ts";
import { silentLogger } from "../../lib/logger.ts";
import { SETTINGS } from "./delivery_rig.ts";
import type { ManualClock } from "./manual_clock.ts";
import { ScriptedSink } from "./scripted_sink.ts";

export interface SwitchRigOptions {
  /** Switched off at the first start. */
  readonly off?: readonly string[];
  readonly settings?: Partial<DeliverySettings>;
  readonly replays?: Replays;
}

/** One process's connectors over a log. */
export class SwitchRig {
  readonly log: EventLog;
  readonly clock: ManualClock;
  readonly hands: Hands;
  readonly fleet: Fleet;
  readonly sinks: Readonly<Record<string, ScriptedSink>>;
  readonly switcher: Switcher;

  private constructor(parts: {
    readonly log: EventLog;
    readonly clock: ManualClock;
    readonly hands: Hands;
    readonly settings: DeliverySettings;
    readonly sinks: Readonly<Record<string, ScriptedSink>>;
    readonly replays: Replays | undefined;
  }) {
    const { log, clock, hands, settings, sinks, replays } = parts;
    this.log = log;
    this.clock = clock;
    this.hands = hands;
    this.sinks = sinks;
    this.fleet = new Fleet({
      connectors: Object.entries(sinks).map(([name, sink]) => ({
        name,
        type: "scripted",
        sink,
      })),
      source: log,
      takeLease: (name, signal) => takeLease(log, name, { signal }),
      hands,
      oldestWaiting: (name) => oldestWaiting(log, name),
      settings,
      clock,
      random: () => 1,
      logger: silentLogger,
      ...replays !== undefined && { replays },
    });
    this.switcher = connectorSwitcher({
      hands,
      fleet: this.fleet,
      clock,
      report: (name) => this.report(name),
    });
    hands.start();
    this.fleet.start();
  }

  /** `log` is closed by who opened it. */
  static async open(
    log: EventLog,
    clock: ManualClock,
    names: readonly string[],
    { off = [], settings, replays }: SwitchRigOptions = {},
  ): Promise<SwitchRig> {
    await beginPlaces(
      log.store,
      names.map((name) => ({ name, from: "newest" as const })),
    );
    const hands = await Hands.open(
      log,
      names.map((name) => ({ name, enabled: !off.includes(name) })),
    );
    return new SwitchRig({
      log,
      clock,
      hands,
      settings: { ...SETTINGS, ...settings },
      replays,
      sinks: Object.fromEntries(
        names.map((name) => [name, new ScriptedSink()]),
      ),
    });
  }

  async report(name: string): Promise<ConnectorReport | undefined> {
    const { connectors } = await statusReport({
      log: this.log,
      connectors: this.fleet.live().map((live) => ({
        ...live,
        isDisabled: !this.hands.of(live.name).isEnabled,
        isFed: true,
      })),
      keep: 0,
      expire: 0,
      version: "1",
      uptime: 0,
    });
    return connectors.find((one) => one.name === name);
  }

  /** `state delivered discarded expired waiting`; the books balance. */
  async books(name: string): Promise<string> {
    const report = await this.report(name);
    assert.ok(report);
    assert.equal(report.difference, 0);
    const { state, delivered, discarded, expired, waiting } = report;
    return `${state} ${delivered} ${discarded} ${expired} ${waiting}`;
  }

  async switch(name: string, action: SwitchAction): Promise<ConnectorReport> {
    const report = await this.switcher(name, action);
    assert.ok(typeof report === "object", String(report));
    return report;
  }

  async stop(): Promise<void> {
    await this.fleet.stop();
    await this.hands.close();
  }
}
