/** What a scope filters on its way through batches, sessions and pipelines. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { ScopeKey } from "../../../lib/config/scope.ts";
import { Batch, joined } from "../../../lib/delivery/batch.ts";
import { collect, STRIDE } from "../../../lib/delivery/batches.ts";
import type { EventFilter } from "../../../lib/delivery/scope_filter.ts";
import type { EventView } from "../../../lib/event.ts";
import {
  ArrayLog,
  HOUR,
  Rig,
  type RigOptions,
} from "../../support/delivery_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import {
  type Asked,
  BUSY,
  DELIVERED,
  REFUSED_KEY,
  rejected,
} from "../../support/scripted_sink.ts";
import { testSeed } from "../../support/seed.ts";

const MINUTE = 60_000;

/** Filters what begins with x by `when`, what begins with t by `tokens`. */
const FILTER: EventFilter = {
  by({ event }: EventView): ScopeKey | undefined {
    if (event[0] === 0x78) return "when";
    return event[0] === 0x74 ? "tokens" : undefined;
  },
  warning: undefined,
};

function scoped(options: RigOptions = {}): Rig {
  return new Rig({ filter: FILTER, ...options });
}

/** Lets the loop run, which waits for nothing but the clock and the sink, until this holds. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 20_000; turn++) {
    if (holds()) return;
    await Promise.resolve();
  }
  assert.fail(`It never came about: ${holds}`);
}

function filteredOf(rig: Rig): number {
  return rig.log.place.books.filtered;
}

async function collected(events: readonly string[], limit = 100) {
  const log = new ArrayLog();
  log.append(events, 1_000);
  const from = { segment: "", index: 0 }, clock = new ManualClock();
  const bounds = { events: limit, bytes: 1_000_000 };
  return await collect(log, from, bounds, { filter: FILTER, clock });
}

Deno.test("collect() goes on past what is filtered, and says what filtered it", async () => {
  const { run, filtered } = await collected(
    ["x1", "x2", "t3", "4", "x5", "6", "x7"],
    2,
  );
  assert.equal(run.count, 6, "up to the second that passes");
  assert.deepEqual(filtered, {
    ranges: [
      { at: 0, count: 2, by: "when" },
      { at: 2, count: 1, by: "tokens" },
      { at: 4, count: 1, by: "when" },
    ],
    bytes: 8,
  });
});

Deno.test("Batch settles filtered events in their turn, joined() keeps their places", async () => {
  const settledOf = async (...events: string[]) => {
    const { run, filtered } = await collected(events);
    return new Batch(run, filtered);
  };
  const batch = await settledOf("x1", "t2", "3", "x4", "x5");
  assert.equal(batch.wanted, 1);
  assert.ok(!batch.isDecided);
  const first = batch.settle();
  assert.deepEqual([first.run.count, first.filtered], [2, 2]);
  assert.deepEqual(first.ranges, [
    { at: 0, count: 1, decision: { kind: "filtered", by: "when" } },
    { at: 1, count: 1, decision: { kind: "filtered", by: "tokens" } },
  ]);
  batch.expire(2_000);
  const second = batch.settle();
  assert.deepEqual([second.run.count, second.expired, second.filtered], [
    3,
    1,
    2,
  ]);
  const all = joined([first, second]);
  assert.deepEqual([all.run.count, all.expired, all.filtered], [5, 1, 4]);
  assert.deepEqual(all.ranges.slice(2), [
    { at: 2, count: 1, decision: { kind: "expired", reason: "age" } },
    { at: 3, count: 2, decision: { kind: "filtered", by: "when" } },
  ]);
  assert.ok((await settledOf("x1", "t2")).isDecided);
});

Deno.test("Session counts filtered events and never sends them; sparse ones share a batch", async () => {
  const rig = scoped({ limits: { events: 3 } });
  for (let n = 0; n < 6; n++) rig.append("x", "t", `${n}`, "x");
  const first = await rig.sink.attempt();
  assert.equal(first.events, "0 1 2");
  assert.equal(rig.books, "0 0 0 @0-0", "nothing passes an undecided batch");
  first.answer(DELIVERED);
  assert.equal(await rig.sink.next(DELIVERED), "3 4 5");
  await rig.fleet.wake();
  assert.equal(rig.books, "6 0 0 @6-4");
  assert.equal(filteredOf(rig), 18);
  assert.equal(rig.log.settles, 3);
  await rig.stop();
});

Deno.test("Session settles a batch of which all is filtered without a request and without a new state", async () => {
  const rig = scoped();
  rig.append("x", "x", "t");
  await rig.fleet.wake();
  assert.equal(rig.books, "0 0 0 @1-3");
  assert.equal(filteredOf(rig), 3);
  assert.equal(rig.state, "waiting");
  assert.equal(rig.log.place.lastSuccess, null);
  assert.deepEqual(rig.sink.history, []);
  assert.deepEqual(rig.said, []);
  await rig.stop();
});

for (const inFlight of [1, 8]) {
  Deno.test(`Session skips 100,000 filtered events in few commits, ${inFlight} in flight`, async () => {
    const rig = scoped({ inFlight });
    rig.sink.auto = () => DELIVERED;
    rig.append("first");
    for (let n = 0; n < 100; n++) {
      rig.append(...Array.from({ length: 1_000 }, () => "x"));
    }
    rig.append("last");
    await until(() => rig.books.startsWith("2 "));
    assert.equal(filteredOf(rig), 100_000);
    const strides = 100_000 / STRIDE.events;
    assert.ok(rig.log.settles <= strides + 3, `${rig.log.settles} settles`);
    assert.equal(rig.sink.history.at(-1), "last");
    await rig.stop();
  });
}

Deno.test("Session: what is filtered behind a held batch waits its turn; newer events join", async () => {
  const rig = scoped({ limits: { events: 2 } });
  rig.sink.auto = () => REFUSED_KEY;
  rig.append("x", "0", "x");
  await rig.fleet.wake();
  assert.equal(rig.books, "0 0 0 @1-1", "what lies before it is settled");
  rig.append("x", "t");
  await rig.pass(MINUTE);
  rig.append("x", "1", "2", "x");
  await rig.pass(4 * MINUTE);
  assert.equal(rig.books, "0 0 0 @1-1");
  rig.sink.auto = () => DELIVERED;
  await rig.pass(10 * MINUTE);
  assert.deepEqual(rig.sink.history.slice(-2), ["0 1", "2"]);
  assert.equal(rig.books, "3 0 0 @3-4");
  assert.equal(filteredOf(rig), 6);
  await rig.stop();
});

Deno.test("Session: what is filtered does not expire", async () => {
  const rig = scoped({ settings: { expire: HOUR }, limits: { events: 2 } });
  rig.sink.auto = () => REFUSED_KEY;
  for (let n = 0; n < 20; n++) rig.append("old", "x");
  await rig.fleet.wake();
  rig.clock.advance(2 * HOUR);
  await rig.fleet.wake();
  rig.sink.auto = () => DELIVERED;
  for (let minute = 0; minute < 10; minute++) await rig.pass(MINUTE);
  assert.equal(rig.books, "0 0 20 @20-2");
  assert.equal(filteredOf(rig), 20);
  await rig.stop();
});

Deno.test("Session: a lone refused event among filtered ones dies; a batch of refused ones is held", async () => {
  const rig = scoped();
  rig.append("x", "0", "x");
  await rig.sink.next(rejected([0]));
  await rig.fleet.wake();
  assert.equal(rig.books, "0 1 0 @1-3");
  assert.equal(rig.dead, "0");
  rig.append("1", "x", "2");
  await rig.sink.next(rejected([0, 1]));
  await rig.fleet.wake();
  assert.equal(rig.state, "held");
  await rig.stop();
});

Deno.test("Session keeps to the sink's room in bytes when filtered events lie between", async () => {
  const rig = scoped({ limits: { events: 10, bytes: 20 } });
  rig.sink.auto = () => DELIVERED;
  const long = (n: number) => `${n}`.repeat(7);
  rig.append(...[1, 2, 3, 4, 5].flatMap((n) => ["x", long(n), "t"]));
  await rig.fleet.wake();
  assert.deepEqual(
    rig.sink.history.join(" ").split(" "),
    [1, 2, 3, 4, 5].map(long),
  );
  assert.equal(rig.books, "5 0 0 @1-15");
  assert.equal(filteredOf(rig), 10);
  await rig.stop();
});

Deno.test("Pipeline settles what is filtered behind batches in flight in its turn", async () => {
  const rig = scoped({ limits: { events: 2 }, inFlight: 8 });
  rig.append("0", "1");
  const one = await rig.sink.attempt();
  rig.append("x", "x");
  rig.append("t");
  rig.append("x", "2", "x");
  const two = await rig.sink.attempt();
  assert.equal(two.events, "2");
  two.answer(DELIVERED);
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  assert.equal(rig.books, "0 0 0 @0-0", "nothing passes an undecided batch");
  one.answer(BUSY);
  await until(() => rig.state === "retrying");
  assert.equal(filteredOf(rig), 0);
  rig.sink.auto = () => DELIVERED;
  await rig.due();
  await until(() => rig.books === "3 0 0 @4-3");
  assert.equal(filteredOf(rig), 5);
  await rig.stop();
});

Deno.test("filtered and delivered are all, in order, whatever is answered; books balance at every settle", async () => {
  const outcome = fc.constantFrom("delivered", "busy", "key", "one");
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(outcome, fc.nat(5)), { maxLength: 30 }),
      fc.array(
        fc.array(fc.constantFrom("e", "e", "x", "t"), {
          minLength: 1,
          maxLength: 6,
        }),
        { minLength: 1, maxLength: 10 },
      ),
      fc.constantFrom(1, 4),
      async (script, appends, inFlight) => {
        const rig = scoped({ limits: { events: 2 }, inFlight });
        let n = 0;
        const wanted: string[] = [];
        for (const kinds of appends) {
          const events = kinds.map((kind) => `${kind}${n++}`);
          wanted.push(...events.filter((event) => event.startsWith("e")));
          rig.append(...events);
        }
        const taken: string[] = [];
        const take = (events: string) => {
          // Sent again after it was taken: what was put back, in order too.
          for (const event of events.split(" ")) {
            if (!taken.includes(event)) taken.push(event);
          }
        };
        const spin = async () => {
          for (let i = 0; i < 40; i++) await Promise.resolve();
        };
        const open: Asked[] = [];
        for (const [what, which] of script) {
          while (rig.sink.unanswered > 0) open.push(await rig.sink.attempt());
          const [asked] = open.splice(which % Math.max(1, open.length), 1);
          if (asked === undefined) rig.clock.advance(400_000);
          else if (what === "busy") asked.answer(BUSY);
          else if (what === "key") asked.answer(REFUSED_KEY);
          else if (what === "one" && asked.events.includes(" ")) {
            take(asked.events.split(" ")[1] ?? "");
            asked.answer(rejected([0]));
          } else {
            if (asked.events !== "(test)") take(asked.events);
            asked.answer(DELIVERED);
          }
          await spin();
        }
        rig.sink.auto = (events) => {
          if (events !== "(test)") take(events);
          return DELIVERED;
        };
        for (const asked of open) asked.answer(BUSY);
        while (rig.sink.unanswered > 0) (await rig.sink.attempt()).answer(BUSY);
        const done = () => {
          const { delivered, dead, filtered } = rig.log.place.books;
          return delivered + dead + filtered === n;
        };
        for (let turn = 0; !done() && turn < 1000; turn++) {
          rig.clock.advance(400_000);
          await spin();
        }
        assert.ok(done(), `${rig.books}, ${filteredOf(rig)} filtered of ${n}`);
        assert.equal(filteredOf(rig), n - wanted.length);
        const dead = rig.dead.split(" ").filter((event) => event !== "");
        const reached = new Set([...taken, ...dead]);
        assert.deepEqual(wanted.filter((event) => !reached.has(event)), []);
        assert.deepEqual(
          [...reached].filter((event) => !wanted.includes(event)),
          [],
        );
        // Several in flight are taken in any order by this sink.
        if (inFlight === 1) {
          const order = taken.map((event) => Number(event.slice(1)));
          assert.deepEqual(order, order.toSorted((a, b) => a - b));
        }
        const stopped = rig.stop(0);
        rig.clock.advance(0);
        await stopped;
      },
    ),
    { numRuns: 150, seed: testSeed("filtered and delivered are all") },
  );
});
