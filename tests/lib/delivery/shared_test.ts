/**
 * Several processes over one shared store: logs and loops as they are, the store the stand-in for KV Connect
 * (`faulty_kv.ts`), the clock the test's. What `deno task test:cluster` shows against a real server.
 */

import { deepEqual, equal, ok } from "node:assert/strict";
import type { Outcome } from "../../../lib/connector.ts";
import { Fleet } from "../../../lib/delivery/fleet.ts";
import { countsOf } from "../../../lib/log/books.ts";
import { readHolders } from "../../../lib/log/holders.ts";
import { LEASE_MS, takeLease } from "../../../lib/log/lease.ts";
import type { EventLog } from "../../../lib/log/log.ts";
import { readBooks } from "../../../lib/log/places.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { checkChains } from "../../support/chains.ts";
import { SETTINGS } from "../../support/delivery_rig.ts";
import { drive, pass } from "../../support/drive.ts";
import { type Fault, FaultyStore, release } from "../../support/faulty_kv.ts";
import { intakeOf, openRig, readAll, seeded } from "../../support/log_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { DELIVERED, ScriptedSink } from "../../support/scripted_sink.ts";
import { testSeed } from "../../support/seed.ts";

const NAMES = ["a", "b", "c"];
const BATCH = 7;
const FAULTS: readonly Fault[] = [
  "throw_after",
  "hang_after",
  "throw_before",
  "hang_before",
  "refuse_after",
  "late",
];

/** What all processes have in common. */
interface World {
  readonly real: Deno.Kv;
  readonly clock: ManualClock;
  readonly random: () => number;
  readonly traffic: { calls: number };
  /** By connector: what its SIEM took, in order. */
  readonly taken: ReadonlyMap<string, string[]>;
  readonly acked: Set<string>;
  isCalm: boolean;
}

/** One process: its own connections, log and loops. */
class Process {
  /** It neither sends nor hears anything any more, as after kill -9. */
  isDead = false;
  /** Connections up to this number are frozen. */
  frozenUpTo = -1;
  readonly store: FaultyStore;
  #appended = 0;

  private constructor(
    readonly name: string,
    readonly world: World,
    store: FaultyStore,
    readonly log: EventLog,
    readonly fleet: Fleet,
  ) {
    this.store = store;
  }

  static async start(name: string, world: World): Promise<Process> {
    const { clock, random, real, traffic } = world;
    const state: { one?: Process } = {};
    const store = new FaultyStore(real, {
      traffic,
      frozen: (handle) =>
        state.one?.isDead === true || handle <= (state.one?.frozenUpTo ?? -1),
      commit: () =>
        world.isCalm || random() >= 0.05
          ? undefined
          : FAULTS[Math.floor(random() * FAULTS.length)],
      read: () => world.isCalm || random() >= 0.02 ? undefined : "throw",
    });
    const log = await openRig({
      location: "http://kv.invalid",
      clock,
      random,
      instance: name,
      openKv: store.openKv,
      connectors: () => NAMES,
    });
    const fleet = new Fleet({
      connectors: NAMES.map((connector) => ({
        name: connector,
        type: "scripted",
        sink: sinkOf(world.taken.get(connector) ?? [], () => state.one?.isDead),
      })),
      source: log,
      takeLease: (connector, signal) =>
        takeLease(log, connector, { signal, from: "oldest" }),
      settings: SETTINGS,
      clock,
      random,
      logger: silentLogger,
    });
    state.one = new Process(name, world, store, log, fleet);
    fleet.start();
    return state.one;
  }

  /** Appends an event each half a second or so until the world is calm. */
  async produce(worker: number): Promise<void> {
    const { world: { clock, random, acked }, log } = this;
    while (!this.world.isCalm && !this.isDead) {
      const text = `["${this.name}",${worker},${this.#appended++}]`;
      const { kept } = await log.append(intakeOf([text]));
      if (kept === 1) acked.add(text);
      await clock.sleep(random() * 1_000);
    }
  }

  async end(): Promise<void> {
    await this.fleet.stop();
    await this.log.close();
  }
}

function sinkOf(
  taken: string[],
  isDead: () => boolean | undefined,
): ScriptedSink {
  const sink = new ScriptedSink({ events: BATCH });
  sink.auto = (body): Outcome | undefined => {
    if (isDead() === true) return undefined;
    taken.push(...body.split(" "));
    return DELIVERED;
  };
  return sink;
}

Deno.test("processes over one store through faults, a frozen connection and a kill: every event, in one order, books balanced", async () => {
  const seed = testSeed("shared store");
  const world: World = {
    real: await Deno.openKv(":memory:"),
    clock: new ManualClock(),
    random: seeded(seed),
    traffic: { calls: 0 },
    taken: new Map(NAMES.map((name) => [name, []])),
    acked: new Set(),
    isCalm: true,
  };
  const { clock, traffic, taken, acked, real } = world;
  const run = (ms: number) => pass(clock, ms, 100, traffic);
  const first = await Process.start("p", world);
  const second = await Process.start("q", world);
  world.isCalm = false;
  const producing: Promise<void>[] = [];
  const feed = (process: Process) => {
    for (let worker = 0; worker < 4; worker++) {
      producing.push(process.produce(worker));
    }
  };
  feed(first);
  feed(second);
  await run(25_000);
  second.frozenUpTo = second.store.opened - 1;
  await run(20_000);
  first.isDead = true;
  await run(LEASE_MS + 8_000);
  world.isCalm = true;
  const third = await Process.start("r", world);
  world.isCalm = false;
  feed(third);
  await run(25_000);
  world.isCalm = true;
  for (const process of [first, second, third]) {
    await release(process.store.held);
  }
  await run(30_000);
  await drive(clock, Promise.all(producing), 200);
  await run(5_000);

  const context = `seed ${seed}`;
  const stored = await drive(clock, readAll(third.log));
  equal(new Set(stored).size, stored.length, `${context}: doubled in the log`);
  const isStored = new Set(stored);
  deepEqual([...acked].filter((text) => !isStored.has(text)), [], context);
  ok(acked.size > 300, `${context}: ${acked.size} acked`);
  let repeats = 0;
  for (const [name, events] of taken) {
    deepEqual([...new Set(events)], stored, `${context}: ${name}`);
    repeats += events.length - stored.length;
  }
  const { places, heads } = await readBooks(third.log);
  for (const name of NAMES) {
    const place = places.get(name);
    ok(place);
    const { accepted, waiting } = countsOf(place, heads);
    deepEqual(
      { accepted, waiting, delivered: place.books.delivered },
      { accepted: stored.length, waiting: 0, delivered: stored.length },
      `${context}: ${name}`,
    );
  }
  const holders = await readHolders(third.log);
  deepEqual(
    [...new Set([...holders.values()].map(({ instance }) => instance))]
      .toSorted(),
    ["q", "r"],
    `${context}: ${JSON.stringify([...holders])}`,
  );
  // The batch in flight where a lease was lost or its holder killed, and no more.
  ok(repeats <= 4 * NAMES.length * BATCH, `${context}: ${repeats} repeats`);
  await drive(
    clock,
    Promise.all([first, second, third].map((process) => process.end())),
    100,
  );
  await checkChains(real);
  real.close();
});
