import { deepEqual, equal, ok } from "node:assert/strict";
import { CrashingKv } from "../../support/crashing_kv.ts";
import { turn } from "../../support/drive.ts";
import { seeded } from "../../support/log_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { ReplayRig } from "../../support/replay_rig.ts";
import { testSeed } from "../../support/seed.ts";

/** Of the event loop, for one step. */
const MOST_TURNS = 20_000;
const BATCH = 5, STEPS = 60, RUNS = 5;

/** What a run of processes leaves behind. */
interface World {
  readonly taken: string[];
  readonly jobs: Set<string>;
  readonly discarded: Set<string>;
  readonly kept: Set<string>;
  events: number;
  crashes: number;
  bad: Set<string>;
}

/** Books and jobs add up, whatever is under way. */
async function look(rig: ReplayRig, { jobs }: World): Promise<void> {
  await rig.books();
  for (const id of jobs) await rig.job(id);
}

async function step(
  rig: ReplayRig,
  world: World,
  random: () => number,
): Promise<void> {
  const pick = Math.floor(random() * 9);
  const ids = [...world.jobs];
  const id = ids[Math.floor(random() * ids.length)] ?? "none";
  switch (pick) {
    case 0:
    case 1: {
      const texts = Array.from(
        { length: 1 + Math.floor(random() * 12) },
        () => `e${world.events++}`,
      );
      for (const text of texts) if (random() < 0.4) world.bad.add(text);
      for (const text of world.bad) rig.bad.add(text);
      const ids = await rig.put(...texts);
      for (const text of texts.slice(0, ids.length)) world.kept.add(text);
      return;
    }
    case 2:
    case 3: {
      for (const text of world.bad) {
        if (random() < 0.5) rig.bad.delete(text);
      }
      const { id: begun } = await rig.replayDead(random() < 0.3 ? 3 : 0);
      world.jobs.add(begun);
      return;
    }
    case 4: {
      const { id: begun } = await rig.replays.startLog(rig.wish());
      world.jobs.add(begun);
      return;
    }
    case 5: {
      const names = [];
      for await (const { id, preview } of rig.dead.matching({})) {
        if (random() > 0.2) continue;
        names.push(id);
        world.discarded.add(preview);
      }
      await rig.dead.end("soc", names, "discarded", { at: rig.clock.now() });
      return;
    }
    case 6:
      await rig.replays.change(id, "paused");
      return;
    case 7:
      await rig.replays.change(id, "running");
      return;
    default:
      rig.isDown = random() < 0.3;
      rig.clock.advance(60_000);
  }
}

/** Waits for what may never end once the process is dead. A commit that timed out waits for the clock to be tried again. */
async function unlessOver(
  { crashing, clock }: {
    readonly crashing: CrashingKv;
    readonly clock: ManualClock;
  },
  work: Promise<void>,
): Promise<void> {
  let isDone = false;
  const done = () => {
    isDone = true;
  };
  work.then(done, done);
  for (let turns = 0; !isDone; turns++) {
    if (crashing.isOver) throw new Error("The process is dead");
    if (turns > MOST_TURNS) throw new Error("It does not come to its end");
    await turn();
    if (turns % 200 === 199) clock.advance(1_000);
  }
  await work;
}

Deno.test("replay: random letters, jobs, discards and crashes: books and jobs add up at every read, and nothing comes twice but a batch a crash", async () => {
  const seed = testSeed("replay-model");
  for (let run = 0; run < RUNS; run++) {
    const random = seeded(seed + run);
    const kv = await Deno.openKv(":memory:");
    const world: World = {
      taken: [],
      jobs: new Set(),
      discarded: new Set(),
      kept: new Set(),
      events: 0,
      crashes: 0,
      bad: new Set(),
    };
    const clock = new ManualClock();
    const open = async (crashing: CrashingKv) =>
      await ReplayRig.open({
        clock,
        limits: { events: BATCH },
        openKv: () => Promise.resolve(crashing.view()),
      });
    for (let left = STEPS; left > 0;) {
      const crashing = new CrashingKv(kv);
      await using rig = await open(crashing);
      crashing.left = 20 + Math.floor(random() * 150);
      crashing.isLastDone = random() < 0.5;
      const life = { crashing, clock };
      try {
        while (left > 0 && !crashing.isOver) {
          left--;
          await unlessOver(life, step(rig, world, random));
          await unlessOver(life, look(rig, world));
          if (random() < 0.7) await unlessOver(life, rig.rest());
          await unlessOver(life, look(rig, world));
        }
      } catch (error) {
        if (!crashing.isOver) throw error;
      }
      if (crashing.isOver) world.crashes++;
      crashing.left = 0;
      world.taken.push(...rig.texts());
    }
    {
      await using rig = await open(new CrashingKv(kv));
      for (const id of world.jobs) await rig.replays.change(id, "running");
      const { id } = await rig.replayDead();
      world.jobs.add(id);
      for (let n = 0; n < 60; n++) {
        await rig.pass(30_000);
        await look(rig, world);
      }
      for (const job of world.jobs) {
        equal((await rig.job(job)).state, "finished");
      }
      const { accepted, delivered, dead, discarded, waiting } = await rig
        .books();
      deepEqual([dead, waiting], [0, 0]);
      equal(accepted, delivered + discarded);
      world.taken.push(...rig.texts());
    }
    kv.close();
    const once = new Set(world.taken);
    for (const text of world.kept) {
      ok(once.has(text) || world.discarded.has(text), `${text} is lost`);
    }
    const twice = world.taken.length - once.size;
    ok(
      twice <= (world.crashes + 1) * BATCH,
      `run ${run}: ${twice} came twice in ${world.crashes} crashes`,
    );
  }
});
