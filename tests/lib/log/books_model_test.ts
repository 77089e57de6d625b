/** The books under random work, lost replies and ends of processes at any commit: they balance at every read. */

import { equal, ok } from "node:assert/strict";
import type { Position, Segment } from "../../../lib/event.ts";
import { advance, type Holding } from "../../../lib/log/cursor.ts";
import { booksOf } from "../../../lib/log/books.ts";
import { KEPT_MS, readDeadEnd } from "../../../lib/log/dead_ends.ts";
import type { DeadEntry } from "../../../lib/log/dead_index.ts";
import { DeadLetters } from "../../../lib/log/dead_kept.ts";
import type { DeadRecord } from "../../../lib/log/dead_record.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import type { EventLog } from "../../../lib/log/log.ts";
import { readBooks } from "../../../lib/log/places.ts";
import { type Fault, FaultyKv } from "../../support/faulty_kv.ts";
import { intakeOf, openRig, seeded } from "../../support/log_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { testSeed } from "../../support/seed.ts";

const CONNECTOR = "a";
const RUNS = 10, STEPS = 60;

/** Time, and the store's turn: a call of its own, behind those that are under way. */
interface Turning {
  readonly clock: ManualClock;
  readonly turn: () => Promise<unknown>;
}

/** One process over the shared store. */
interface Process extends Turning {
  readonly log: EventLog;
  readonly dead: DeadLetters;
  readonly holding: Holding;
}

class World {
  readonly real: Deno.Kv;
  readonly random: () => number;
  /** Undecided commits answer as a network makes them answer. */
  isFaulty = false;
  /** From this commit on nothing of the process arrives: it is dead. */
  commitsLeft = Infinity;
  now = Date.UTC(2026, 2, 13);
  appended = 0;
  /** What a settle said was delivered, and what one was asked to say whose process ended. */
  readonly delivered = new Set<string>();
  readonly sent = new Set<string>();
  readonly exported: DeadRecord[] = [];

  constructor(real: Deno.Kv, random: () => number) {
    this.real = real;
    this.random = random;
  }

  chance(share: number): boolean {
    return this.random() < share;
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  fault(): Fault | undefined {
    if (this.commitsLeft-- <= 0) return "throw_before";
    if (!this.isFaulty || !this.chance(0.2)) return undefined;
    const faults = ["throw_after", "throw_before", "refuse_after"] as const;
    return faults[this.below(faults.length)];
  }

  async start(): Promise<Process> {
    const clock = new ManualClock(this.now);
    const log = await openRig({
      location: null,
      clock,
      connectors: () => [CONNECTOR],
      openKv: () =>
        Promise.resolve(
          new FaultyKv(this.real, { commit: () => this.fault() }),
        ),
    });
    const dead = new DeadLetters({ store: log.store, end: () => log.end() });
    const { signal } = new AbortController();
    const taking = takeLease(log, CONNECTOR, { signal });
    const turn = () => this.real.get(["turn"]);
    const holding = await driven({ clock, turn }, taking);
    ok(holding);
    return { log, dead, clock, turn, holding };
  }

  /** What any process reads at this moment. */
  async check({ log, dead }: Process): Promise<void> {
    const { places, heads, deltas } = await readBooks({
      store: log.store,
      settled: new Map(),
    });
    const place = places.get(CONNECTOR);
    ok(place);
    const books = booksOf(place, heads, deltas.get(CONNECTOR));
    equal(books.difference, 0, JSON.stringify(books));
    const { waitingBytes: _bytes, difference: _zero, ...counts } = books;
    for (const [name, count] of Object.entries(counts)) {
      ok(count >= 0, `${name}: ${count}`);
    }
    equal(books.dead, (await all(dead)).length, "dead is what is listed");
    const imports = deltas.get(CONNECTOR)?.accepted ?? 0;
    equal(books.accepted, this.appended + imports);
  }
}

/** Lets time pass until the work is done, or nobody waits for it; the store always has its turn first. */
async function driven<T>(
  process: Turning,
  work: Promise<T>,
  isOver = () => false,
): Promise<T | undefined> {
  let isDone = false;
  const ended = work.finally(() => isDone = true);
  ended.catch(() => undefined);
  while (!isDone && !isOver()) {
    for (let n = 0; n < 4; n++) await process.turn();
    if (!isDone) process.clock.advance(200);
  }
  return isDone ? await ended : undefined;
}

async function all(dead: DeadLetters): Promise<DeadEntry[]> {
  const found: DeadEntry[] = [];
  for await (const entry of dead.matching({})) found.push(entry);
  return found;
}

async function settle(world: World, process: Process): Promise<void> {
  const { log, holding, clock } = process;
  const { place } = holding;
  const segment = await log.next(place);
  if (segment === undefined) return;
  const first = segment.id === place.segment ? place.index : 0;
  const end = first + 1 + world.below(segment.count - first);
  const taken: string[] = [], dead = [];
  for (let index = first; index < end; index++) {
    if (world.chance(0.4)) {
      dead.push({
        segment,
        index,
        reason: "rejected" as const,
        error: "no",
        attempts: 1,
        at: clock.now(),
      });
    } else taken.push(`${segment.id}-${index}`);
  }
  for (const id of taken) world.sent.add(id);
  const next = advance(place, [segment], end);
  const { books } = next;
  const isSettled = await holding.settle({
    ...next,
    books: {
      ...books,
      dead: books.dead + dead.length,
      delivered: books.delivered + taken.length,
    },
  }, dead);
  if (isSettled) { for (const id of taken) world.delivered.add(id); }
}

/** Something that a person or a replay does. */
async function handle(world: World, { dead, clock }: Process): Promise<void> {
  const letters = await all(dead);
  const some = letters.filter(() => world.chance(0.3));
  const at = clock.now();
  switch (world.below(5)) {
    case 0:
      await dead.discard({ names: some }, some.length, at);
      return;
    case 1:
      await dead.end(CONNECTOR, some.map(({ id }) => id), "delivered", { at });
      return;
    case 2:
      for (const { id } of some) {
        const record = await dead.read({ connector: CONNECTOR, id });
        if (record !== undefined) world.exported.push(record);
      }
      return;
    case 3:
      await dead.import(
        CONNECTOR,
        world.exported.filter(() => world.chance(0.5)).map((record) => ({
          ...record,
          id: world.chance(0.5) ? record.id : undefined,
          envelope: {},
        })),
        at,
      );
      return;
    default:
      clock.advance(KEPT_MS / 4);
      await dead.sweep(clock.now());
  }
}

Deno.test("books balance at every read, whatever happens to dead letters and at whatever commit a process ends", async () => {
  const seed = testSeed("books");
  for (let run = 0; run < RUNS; run++) {
    const real = await Deno.openKv(":memory:");
    const world = new World(real, seeded(seed + run));
    try {
      let process = await world.start();
      for (let step = 0; step < STEPS; step++) {
        world.isFaulty = true;
        if (world.chance(0.15)) world.commitsLeft = world.below(4);
        const isEnding = world.commitsLeft !== Infinity;
        const { clock, log } = process;
        if (!isEnding && world.chance(0.35)) {
          const count = 1 + world.below(6);
          const texts = Array.from(
            { length: count },
            (_, n) => `[${step},${n}]`,
          );
          // Faults of appending are other tests'.
          world.isFaulty = false;
          const kept = await driven(process, log.append(intakeOf(texts)));
          equal(kept?.kept, count, kept?.refusal);
          world.appended += count;
        } else {
          const work = world.chance(0.5)
            ? settle(world, process)
            : handle(world, process).catch((error: Error) => {
              if (!/connection/.test(error.message)) throw error;
            });
          const isOver = () => isEnding && world.commitsLeft <= 0;
          await driven(process, work, isOver);
        }
        world.isFaulty = false;
        if (isEnding) {
          await driven(process, log.close());
          world.commitsLeft = Infinity;
          world.now = clock.now();
          process = await world.start();
        }
        await world.check(process);
      }
      await everyEventOnce(world, process);
      await driven(process, process.log.close());
    } finally {
      real.close();
    }
  }
});

/** Each event behind the place is delivered, dead or ended, and nothing twice. */
async function everyEventOnce(
  world: World,
  { log, dead, holding, clock }: Process,
): Promise<void> {
  const letters = new Set((await all(dead)).map(({ id }) => id));
  const { place } = holding;
  let at: Position = { segment: "", index: 0 };
  let seen = 0;
  for (;;) {
    const segment: Segment | undefined = await log.next(at);
    if (segment === undefined || segment.id > place.segment) break;
    const end = segment.id === place.segment ? place.index : segment.count;
    for (let index = 0; index < end; index++, seen++) {
      const id: string = `${segment.id}-${index}`;
      const isEnded = await readDeadEnd(log.store, CONNECTOR, id) !== undefined;
      const isLetter = letters.has(id) || isEnded;
      ok(isLetter || world.sent.has(id), `${id} is nowhere`);
      ok(!isLetter || !world.delivered.has(id), `${id} is twice`);
    }
    at = { segment: segment.id, index: segment.count };
  }
  ok(seen <= world.appended && clock.now() > 0);
}
