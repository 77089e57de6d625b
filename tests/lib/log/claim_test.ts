import { deepEqual, equal, ok } from "node:assert/strict";
import { beginPlaces } from "../../../lib/log/begin.ts";
import { countsOf } from "../../../lib/log/books.ts";
import { advance } from "../../../lib/log/cursor.ts";
import { headOf, readHeads, totalsOf } from "../../../lib/log/heads.ts";
import { writerKey } from "../../../lib/log/keys.ts";
import { toValue } from "../../../lib/log/kv.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import type { EventLog } from "../../../lib/log/log.ts";
import { placeValue } from "../../../lib/log/places.ts";
import { drive, turn } from "../../support/drive.ts";
import { type Fault, FaultyKv, release } from "../../support/faulty_kv.ts";
import { intakeOf, openRig, readAll, seeded } from "../../support/log_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { checkChains } from "../../support/chains.ts";

const HOUR = 3_600_000;
const always = new AbortController().signal;
const KEEP = { keep: 10_000 * HOUR };

/** A process on the platform's store, which others share. */
function start(real: Deno.Kv, clock: ManualClock, plan = CALM) {
  return drive(
    clock,
    openRig({
      ...KEEP,
      location: null,
      clock,
      random: Math.random,
      openKv: () => Promise.resolve(new FaultyKv(real, plan.faults, plan.held)),
    }),
  );
}

interface Plan {
  readonly faults: { commit(): Fault | undefined };
  readonly held: (() => Promise<unknown>)[];
}

const CALM: Plan = { faults: { commit: () => undefined }, held: [] };

/** Appends each text as a request of its own, at once, so that all lanes are used. */
async function appendAll(
  log: EventLog,
  clock: ManualClock,
  texts: readonly string[],
): Promise<void> {
  const kept = await drive(
    clock,
    Promise.all(texts.map((text) => log.append(intakeOf([text])))),
  );
  deepEqual(kept.map(({ kept }) => kept), texts.map(() => 1));
}

Deno.test("1,200 process starts on a shared store: lanes stay few, books exact, every event once and in order", async () => {
  const seed = Number(Deno.env.get("SEED") ?? 1200);
  const random = seeded(seed);
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  const model: string[] = [];
  let delivered: string[] = [];
  let lanes = 0;
  for (let n = 0; n < 1_200; n++) {
    const log = await start(real, clock);
    if (n === 0) await beginPlaces(log.store, [{ name: "a", from: "oldest" }]);
    for (let k = 0; k <= random() * 2; k++) {
      await appendAll(log, clock, [`[${n},${k}]`]);
      model.push(`[${n},${k}]`);
    }
    if (n % 60 === 59) {
      const holding = await drive(
        clock,
        takeLease(log, "a", { signal: always }),
      );
      for (;;) {
        const { place } = holding;
        const segment = await drive(clock, log.next(place));
        if (segment === undefined) break;
        const next = advance(place, [segment], segment.count);
        const books = {
          ...next.books,
          delivered: next.books.delivered + segment.count,
        };
        ok(await drive(clock, holding.settle({ ...next, books }, [])));
      }
      const heads = totalsOf(await readHeads(log.store));
      deepEqual(countsOf(holding.place, heads), {
        accepted: model.length,
        waiting: 0,
        waitingBytes: 0,
      }, `seed ${seed}`);
      equal(holding.place.books.delivered, model.length);
      equal(holding.place.books.expired, 0);
      lanes = Object.keys(heads).length;
      ok(lanes <= 48, `seed ${seed}: ${lanes} lanes after ${n + 1} starts`);
      ok(placeValue(holding.place, { isPacked: false }).length < 8_192);
      await drive(clock, holding.release());
    }
    if (n === 1_199) delivered = await drive(clock, readAll(log));
    await drive(clock, log.close());
    clock.advance(10 * 60_000 + random() * 20 * 60_000);
  }
  deepEqual(delivered, model, `seed ${seed}`);
  await checkChains(real);
  real.close();
});

Deno.test("process starts by the thousand within an hour leave few lanes too", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  for (let n = 0; n < 300; n++) {
    const log = await start(real, clock);
    await appendAll(log, clock, [`${n}`]);
    await drive(clock, log.close());
    clock.advance(20_000);
  }
  const log = await start(real, clock);
  const heads = await readHeads(log.store);
  ok(heads.size < 90, `${heads.size} lanes`);
  await drive(clock, log.close());
  await checkChains(real);
  real.close();
});

Deno.test("an owner that wakes after its lanes were taken over goes on, with no refusal, loss or double", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  const texts = (name: string) =>
    Array.from({ length: 8 }, (_, n) => `"${name}${n}"`);
  const a = await start(real, clock);
  await appendAll(a, clock, texts("a"));
  const before = (await readHeads(a.store)).size;
  clock.advance(HOUR + 60_000);
  const b = await start(real, clock);
  await appendAll(b, clock, texts("b"));
  equal((await readHeads(a.store)).size, before, "all were taken over");
  await appendAll(a, clock, texts("c"));
  await appendAll(b, clock, texts("d"));
  await appendAll(a, clock, texts("e"));
  deepEqual(
    await drive(clock, readAll(b)),
    ["a", "b", "c", "d", "e"].flatMap(texts),
  );
  await drive(clock, a.close());
  await drive(clock, b.close());
  await checkChains(real);
  real.close();
});

for (
  const fault of [
    "throw_before",
    "throw_after",
    "hang_before",
    "hang_after",
    "refuse_after",
    "late",
  ] as const
) {
  for (const hands of [1, 3]) {
    Deno.test(`append() in flight while its process slept and ${hands} took its lane over is stored once: ${fault}`, async () => {
      const real = await Deno.openKv(":memory:");
      const clock = new ManualClock();
      let next: Fault | undefined;
      let isAsleep = false;
      const held: (() => Promise<unknown>)[] = [];
      const faults = {
        commit: () => {
          const now = next;
          next = undefined;
          return now;
        },
        // Nothing is read before the process wakes.
        read: () => isAsleep ? "hang" as const : undefined,
      };
      const a = await start(real, clock, { faults, held });
      await appendAll(a, clock, ["1"]);
      next = fault;
      isAsleep = true;
      // Its clock stands still from here on.
      const append = a.append(intakeOf(["2"]));
      for (let n = 0; n < 10; n++) await turn();
      const others: string[] = [];
      let now = clock.now();
      for (let hand = 0; hand < hands; hand++) {
        now += 2 * HOUR;
        const other = new ManualClock(now);
        const b = await start(real, other);
        const mine = Array.from({ length: 8 }, (_, n) => `${hand}${n + 10}`);
        await appendAll(b, other, mine);
        others.push(...mine);
        await drive(other, b.close());
      }
      await release(held);
      clock.setNow(now);
      isAsleep = false;
      const kept = await drive(clock, append);
      equal(kept.kept, 1);
      await appendAll(a, clock, ["3"]);
      const stored = await drive(clock, readAll(a));
      deepEqual(
        stored.toSorted(),
        ["1", "2", "3", ...others].toSorted(),
        "each once",
      );
      const wasStored = fault.endsWith("after");
      equal(stored.indexOf("2"), wasStored ? 1 : 1 + others.length);
      const [run] = kept.ids;
      ok(run);
      const found = await drive(
        clock,
        a.next({ segment: run.segment, index: run.first }),
      );
      equal(found?.id, run.segment, "the id is the segment's");
      await drive(clock, a.close());
      await checkChains(real);
      real.close();
    });
  }
}

Deno.test("append() whose lane went through more hands than its head names is refused, not repeated", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  let next: Fault | undefined;
  let isAsleep = false;
  const faults = {
    commit: () => {
      const now = next;
      next = undefined;
      return now;
    },
    read: () => isAsleep ? "hang" as const : undefined,
  };
  const a = await start(real, clock, { faults, held: [] });
  await appendAll(a, clock, ["1"]);
  next = "hang_after";
  isAsleep = true;
  const append = a.append(intakeOf(["2"]));
  for (let n = 0; n < 10; n++) await turn();
  let now = clock.now();
  for (let hand = 0; hand < 6; hand++) {
    const other = new ManualClock(now += 2 * HOUR);
    const b = await start(real, other);
    await appendAll(b, other, ["7", "8", "9", "10"]);
    await drive(other, b.close());
  }
  clock.setNow(now);
  isAsleep = false;
  deepEqual(await drive(clock, append), {
    kept: 0,
    ids: [],
    refusal: "unavailable",
  });
  await appendAll(a, clock, ["3"]);
  const stored = await drive(clock, readAll(a));
  equal(stored.filter((text) => text === "2").length, 1);
  await drive(clock, a.close());
  real.close();
});

Deno.test("a head without a time is left alone until this build's own heads are an hour old", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  const old = { id: "append/old/1", hash: "0".repeat(64), events: 0, bytes: 0 };
  await real.set(writerKey("old-0"), toValue({ ...old, count: 0 }));
  const appendOnce = async (text: string) => {
    const log = await start(real, clock);
    await appendAll(log, clock, [text]);
    await drive(clock, log.close());
  };
  await appendOnce("1");
  const head = async () => headOf(await real.get(writerKey("old-0")));
  equal((await head()).id, old.id);
  clock.advance(HOUR + 60_000);
  await appendOnce("2");
  const taken = await head();
  ok(taken.id !== old.id);
  equal(taken.past[0]?.id, old.id);
  real.close();
});
