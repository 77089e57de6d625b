/**
 * Random operations against the log, and the same ones against a model of some lines. After each of them everything
 * that a process can read must be what the model says: books, places, dead letters. fast-check shrinks what fails to
 * the few operations that matter. `HECATE_TEST_RUNS` (400) and `HECATE_TEST_SEED` repeat and lengthen it.
 *
 * An operation is one entry of `OPERATIONS`. Replays have a model of their own (`lib/delivery/replay_model_test.ts`),
 * as they need the loops that carry them out.
 */

import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { Segment } from "../lib/event.ts";
import { booksOf } from "../lib/log/books.ts";
import { advance, type DeadLetter, type Holding } from "../lib/log/cursor.ts";
import { DeadLetters } from "../lib/log/dead_kept.ts";
import { discardTo, Hands } from "../lib/log/hands.ts";
import { takeLease } from "../lib/log/lease.ts";
import type { EventLog } from "../lib/log/log.ts";
import { readBooks } from "../lib/log/places.ts";
import { CrashingKv } from "./support/crashing_kv.ts";
import { intakeOf, openRig } from "./support/log_rig.ts";
import { ManualClock } from "./support/manual_clock.ts";
import { testSeed } from "./support/seed.ts";

const NAMES = ["a", "b"] as const;
type Name = (typeof NAMES)[number];
const RUNS = Number(Deno.env.get("HECATE_TEST_RUNS") ?? 400);
const MOST_OPERATIONS = 25;
/** Time that passes while something waits for it, milliseconds. */
const STEP_MS = 250;

/** What is true of one connector. */
interface ModelConnector {
  /** How many of the log's events are decided. */
  at: number;
  delivered: number;
  discarded: number;
  readonly dead: Set<string>;
  isEnabled: boolean;
}

interface Model {
  /** Ids of all events, in order. */
  readonly events: string[];
  readonly connectors: Readonly<Record<Name, ModelConnector>>;
}

/** A process over the shared store. */
interface Process {
  readonly kv: CrashingKv;
  readonly log: EventLog;
  readonly dead: DeadLetters;
  readonly hands: Hands;
  readonly holdings: Readonly<Record<Name, Holding>>;
}

class World {
  readonly clock = new ManualClock();
  readonly #real: Deno.Kv;
  /** Those that were killed or frozen too: they are closed at the end. */
  readonly #all: Process[] = [];
  readonly #stores: CrashingKv[] = [];
  #now: Process | undefined;

  constructor(real: Deno.Kv) {
    this.#real = real;
  }

  get process(): Process {
    ok(this.#now);
    return this.#now;
  }

  /** A new process takes everything over. */
  async start(): Promise<void> {
    const kv = new CrashingKv(this.#real);
    this.#stores.push(kv);
    const { clock } = this;
    const log = await this.drive(openRig({
      location: null,
      openKv: () => Promise.resolve(kv.view()),
      clock,
      // Nothing hangs here: on a busy machine the clock must not outrun the store.
      callMs: 3_600_000,
      connectors: () => NAMES,
      keep: 0,
    }));
    const { signal } = new AbortController();
    const [a, b] = await this.drive(
      Promise.all([
        takeLease(log, "a", { signal, from: "oldest" }),
        takeLease(log, "b", { signal, from: "oldest" }),
      ]),
    );
    const hands = await this.drive(
      Hands.open(log, NAMES.map((name) => ({ name, enabled: true }))),
    );
    const dead = new DeadLetters({ store: log.store, end: () => log.end() });
    this.#now = { kv, log, dead, hands, holdings: { a, b } };
    this.#all.push(this.#now);
  }

  get #isBusy(): boolean {
    return this.#stores.some(({ calls }) => calls > 0);
  }

  /** Lets time pass for as long as something waits for it; the store always has its turn first. */
  async drive<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const ended = work.finally(() => isDone = true);
    ended.catch(() => undefined);
    while (!isDone) {
      for (let quiet = 0; quiet < 4 && !isDone; quiet++) {
        await this.#real.get(["turn"]);
        // A busy machine must not look like a slow store.
        if (this.#isBusy) quiet = -1;
      }
      if (!isDone) this.clock.advance(STEP_MS);
    }
    return await ended;
  }

  async close(): Promise<void> {
    for (const { kv, log, hands } of this.#all) {
      kv.left = 0;
      await this.drive(Promise.all([hands.close(), log.close()]));
    }
  }
}

/** Decides the next events of a connector; each outcome is one event's. */
async function settle(
  model: Model,
  { process, drive, clock }: {
    readonly process: Process;
    readonly drive: World["drive"];
    readonly clock: ManualClock;
  },
  name: Name,
  outcomes: readonly boolean[],
): Promise<{ readonly isKept: boolean; readonly apply: () => void }> {
  const holding = process.holdings[name];
  const { place } = holding;
  const here = model.connectors[name];
  const nothing = { isKept: true, apply: () => {} };
  const segment: Segment | undefined = await drive(process.log.next(place));
  equal(segment === undefined, here.at === model.events.length);
  if (segment === undefined) return nothing;
  const first = segment.id === place.segment ? place.index : 0;
  const end = Math.min(first + outcomes.length, segment.count);
  const letters: DeadLetter[] = [];
  const died: string[] = [];
  for (let index = first; index < end; index++) {
    const id: string = `${segment.id}-${index}`;
    equal(id, model.events[here.at + index - first], "the next event");
    if (outcomes[index - first]) continue;
    died.push(id);
    const at = clock.now();
    letters.push({
      ...{ segment, index, at, attempts: 1 },
      ...{ reason: "rejected", error: "no" },
    });
  }
  const next = advance(place, [segment], end);
  const { books } = next;
  const isKept = await drive(holding.settle({
    ...next,
    books: {
      ...books,
      dead: books.dead + letters.length,
      delivered: books.delivered + end - first - letters.length,
    },
  }, letters));
  return {
    isKept,
    apply() {
      here.at += end - first;
      here.delivered += end - first - died.length;
      for (const id of died) here.dead.add(id);
    },
  };
}

/** All that can be read is what the model says. */
async function compare(model: Model, world: World): Promise<void> {
  const { process: { log, dead, hands } } = world;
  const { places, heads, deltas } = await world.drive(
    readBooks({ store: log.store, settled: new Map() }),
  );
  const listed = new Map<string, string[]>(NAMES.map((name) => [name, []]));
  for await (const { connector, id } of dead.matching({})) {
    listed.get(connector)?.push(id);
  }
  for (const name of NAMES) {
    const place = places.get(name);
    ok(place);
    const here = model.connectors[name];
    const { waitingBytes: _, ...books } = booksOf(
      place,
      heads,
      deltas.get(name),
    );
    deepEqual(books, {
      accepted: model.events.length,
      delivered: here.delivered,
      filtered: 0,
      dead: here.dead.size,
      discarded: here.discarded,
      expired: 0,
      waiting: model.events.length - here.at,
      difference: 0,
    }, name);
    deepEqual(listed.get(name)?.sort(), [...here.dead].sort(), name);
    equal(hands.of(name).isEnabled, here.isEnabled, name);
  }
}

type Run = (model: Model, world: World) => Promise<void>;

/** One operation: how it is called in a report, and what it does. */
class Operation implements fc.AsyncCommand<Model, World> {
  readonly #name: string;
  readonly #run: Run;

  constructor(name: string, run: Run) {
    this.#name = name;
    this.#run = run;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, world: World): Promise<void> {
    await this.#run(model, world);
    await compare(model, world);
  }

  toString(): string {
    return this.#name;
  }
}

function operation<T>(
  name: string,
  input: fc.Arbitrary<T>,
  run: (input: T, ...rest: Parameters<Run>) => Promise<void>,
): fc.Arbitrary<Operation> {
  return input.map((value) =>
    new Operation(
      `${name}(${JSON.stringify(value)})`,
      (model, world) => run(value, model, world),
    )
  );
}

const connector = fc.constantFrom(...NAMES);
const outcomes = fc.array(fc.boolean(), { minLength: 1, maxLength: 6 });

const OPERATIONS: fc.Arbitrary<Operation>[] = [
  operation(
    "append",
    fc.integer({ min: 1, max: 5 }),
    async (count, model, world) => {
      const { process, clock } = world;
      const texts = Array.from({ length: count }, (_, n) => `[${n}]`);
      const { kept, ids } = await world.drive(
        process.log.append(intakeOf(texts, { receivedAt: clock.now() })),
      );
      equal(kept, count);
      for (const { segment, first, count } of ids) {
        for (let n = 0; n < count; n++) {
          model.events.push(`${segment}-${first + n}`);
        }
      }
    },
  ),
  operation(
    "deliver",
    fc.tuple(connector, outcomes),
    async ([name, each], model, world) => {
      if (!model.connectors[name].isEnabled) return;
      const { process, clock } = world;
      const drive = world.drive.bind(world);
      const done = await settle(model, { process, drive, clock }, name, each);
      ok(done.isKept);
      done.apply();
    },
  ),
  operation("crash", fc.constant(null), async (_, _model, world) => {
    world.process.kv.left = 0;
    await world.start();
  }),
  operation(
    "crash in a delivery",
    fc.tuple(connector, outcomes, fc.boolean()),
    async ([name, each, isDone], model, world) => {
      const { process, clock } = world;
      process.kv.isLastDone = isDone;
      const segment = await world.drive(
        process.log.next(process.holdings[name].place),
      );
      process.kv.left = 1;
      if (segment !== undefined) {
        const before = model.connectors[name].at;
        // Its caller never hears; the lease ends with the process.
        const drive = world.drive.bind(world);
        const done = await settle(
          model,
          { process, drive, clock },
          name,
          each,
        );
        await world.start();
        const { seen } = world.process.holdings[name].place;
        const at = Object.values(seen).reduce(
          (sum, { events }) => sum + events,
          0,
        );
        // Either all of it is there, or nothing.
        if (at !== before) done.apply();
        equal(at, model.connectors[name].at);
      } else await world.start();
    },
  ),
  operation(
    "take over from a frozen one that thaws",
    fc.tuple(connector, outcomes),
    async ([name, each], model, world) => {
      const { process, clock } = world;
      process.kv.left = 0;
      await world.start();
      process.kv.left = Infinity;
      const segment = await process.log.next(process.holdings[name].place)
        .catch(() => undefined);
      if (segment === undefined) return;
      const drive = world.drive.bind(world);
      const late = await settle(model, { process, drive, clock }, name, each);
      ok(!late.isKept, "a lost lease settles nothing");
    },
  ),
  operation("trim", fc.constant(null), async (_, model, world) => {
    const { process, clock } = world;
    clock.advance(1);
    await world.drive(process.log.retention.trim());
    const oldest = Math.min(...NAMES.map((name) => model.connectors[name].at));
    const next = await world.drive(
      process.log.next({ segment: "", index: 0 }),
    );
    if (next === undefined) equal(oldest, model.events.length);
    else ok(model.events.indexOf(`${next.id}-0`) <= oldest, "still needed");
  }),
  operation(
    "discard",
    fc.tuple(connector, fc.integer({ min: 1, max: 4 })),
    async ([name, count], model, world) => {
      const { process, clock } = world;
      const here = model.connectors[name];
      const names = [...here.dead].slice(0, count).map((id) => ({
        connector: name,
        id,
      }));
      const done = await world.drive(
        process.dead.discard({ names }, names.length, clock.now()),
      );
      deepEqual(done, { discarded: names.length });
      for (const { id } of names) here.dead.delete(id);
      here.discarded += names.length;
    },
  ),
  operation("disable", connector, async (name, model, world) => {
    await world.drive(world.process.hands.disable(name));
    model.connectors[name].isEnabled = false;
  }),
  operation(
    "enable",
    fc.tuple(connector, fc.constantFrom("here", "newest")),
    async ([name, from], model, world) => {
      const { process: { hands, holdings }, clock } = world;
      const here = model.connectors[name];
      const wasOff = !here.isEnabled;
      await world.drive(hands.enable(name, from));
      here.isEnabled = true;
      const { skip } = hands.of(name);
      equal(skip !== undefined, wasOff && from === "newest");
      if (skip === undefined) return;
      ok(await world.drive(discardTo(holdings[name], skip, clock.now())));
      await world.drive(hands.skipped(name, skip));
      here.discarded += model.events.length - here.at;
      here.at = model.events.length;
    },
  ),
];

Deno.test("the log does what the model does, whatever happens in whatever order", async () => {
  const seed = testSeed("model");
  const fresh = (): ModelConnector => ({
    at: 0,
    delivered: 0,
    discarded: 0,
    dead: new Set(),
    isEnabled: true,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.commands(OPERATIONS, { maxCommands: MOST_OPERATIONS }),
      async (operations) => {
        using real = await Deno.openKv(":memory:");
        const world = new World(real);
        await world.start();
        const model: Model = {
          events: [],
          connectors: { a: fresh(), b: fresh() },
        };
        try {
          await fc.asyncModelRun(() => ({ model, real: world }), operations);
        } finally {
          await world.close();
        }
      },
    ),
    { seed, numRuns: RUNS, endOnFailure: false },
  );
});
