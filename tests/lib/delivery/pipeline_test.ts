import assert from "node:assert/strict";
import fc from "fast-check";
import type { BatchBuffer } from "../../../lib/delivery/batch_buffer.ts";
import { HOUR, Rig } from "../../support/delivery_rig.ts";
import {
  type Asked,
  BUSY,
  DELIVERED,
  REFUSED_KEY,
  rejected,
} from "../../support/scripted_sink.ts";
import { testSeed } from "../../support/seed.ts";

/** A rig whose sink takes several batches of two events at once. */
function ahead(inFlight = 8, options = {}): Rig {
  return new Rig({ limits: { events: 2 }, inFlight, ...options });
}

/** Lets the loop run, which waits for nothing but the clock and the sink, until this holds. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000; turn++) {
    if (holds()) return;
    await Promise.resolve();
  }
  assert.fail(`It never came about: ${holds}`);
}

async function attempts(rig: Rig, count: number): Promise<Asked[]> {
  const asked: Asked[] = [];
  while (asked.length < count) asked.push(await rig.sink.attempt());
  return asked;
}

function answer(
  asked: Asked | undefined,
  ...what: Parameters<Asked["answer"]>
) {
  assert.ok(asked);
  asked.answer(...what);
}

Deno.test("Pipeline starts batches while earlier ones are undecided, and settles in order", async () => {
  const rig = ahead();
  rig.append("0", "1", "2", "3", "4", "5");
  const [one, two, three] = await attempts(rig, 3);
  assert.deepEqual([one?.events, two?.events, three?.events], [
    "0 1",
    "2 3",
    "4 5",
  ]);
  answer(two, DELIVERED);
  answer(three, DELIVERED);
  rig.append("6");
  const four = await rig.sink.attempt();
  assert.equal(four.events, "6", "newer events do not wait for older ones");
  assert.equal(rig.books, "0 0 0 @0-0", "nothing passes an undecided batch");
  answer(one, DELIVERED);
  await until(() => rig.books === "6 0 0 @1-6");
  answer(four, DELIVERED);
  await rig.fleet.wake();
  assert.equal(rig.books, "7 0 0 @2-1");
  assert.equal(rig.state, "connected");
  await rig.stop();
});

Deno.test("Pipeline waits for more only behind a batch that took all there was, whichever bound ended the others", async () => {
  const rig = ahead(8, { limits: { events: 100, bytes: 4 } });
  rig.append("0", "1", "2", "3", "4", "5", "6");
  const sent = await attempts(rig, 4);
  assert.deepEqual(sent.map(({ events }) => events), [
    "0 1",
    "2 3",
    "4 5",
    "6",
  ]);
  rig.append("7");
  await rig.clock.untilDue(10);
  assert.equal(rig.sink.history.length, 4, "it gathers behind the last one");
  rig.clock.advance(10);
  sent.push(await rig.sink.attempt());
  assert.equal(sent.at(-1)?.events, "7");
  for (const asked of sent) answer(asked, DELIVERED);
  await until(() => rig.books === "8 0 0 @2-1");
  await rig.stop();
});

Deno.test("Pipeline holds few bodies for a receiver that takes nothing, and goes on as they are written", async () => {
  const rig = new Rig({ limits: { events: 1 }, inFlight: 512 });
  const bodies: BatchBuffer[] = [];
  const { sink } = rig, deliver = sink.deliver.bind(sink);
  sink.deliver = (body, signal) => {
    bodies.push(body);
    return deliver(body, signal);
  };
  rig.append(...Array.from({ length: 200 }, (_, n) => `${n}`));
  const most = 8 * 2 ** 20 / (64 * 1024);
  await until(() => bodies.length === most);
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  assert.equal(bodies.length, most);
  bodies[0]?.release();
  await until(() => bodies.length === most + 1);
  for (const body of bodies.slice(1)) body.release();
  await until(() => bodies.length === 200);
  for (const asked of await attempts(rig, 200)) answer(asked, DELIVERED);
  await until(() => rig.books.startsWith("200 "));
  await rig.stop();
});

Deno.test("Pipeline keeps no more undecided than the sink allows", async () => {
  const rig = ahead(3);
  rig.append(..."0123456789");
  const [one] = await attempts(rig, 3);
  await Promise.resolve();
  assert.equal(rig.sink.history.length, 3);
  answer(one, DELIVERED);
  const four = await rig.sink.attempt();
  assert.equal(four.events, "6 7");
  assert.equal(rig.sink.history.length, 4);
  const stopped = rig.stop(0);
  rig.clock.advance(0);
  await stopped;
});

Deno.test("Pipeline puts back what lies behind a failed batch, and resends it in order after the backoff", async () => {
  const rig = ahead();
  rig.append("0", "1", "2", "3", "4", "5");
  const [one, two, three] = await attempts(rig, 3);
  answer(two, BUSY);
  await until(() => three?.signal.aborted === true);
  assert.ok(!one?.signal.aborted, "what lies before may yet be taken");
  answer(one, DELIVERED);
  await until(() => rig.state === "retrying");
  assert.equal(rig.books, "2 0 0 @1-2");
  await rig.fleet.wake();
  rig.clock.advance(1000);
  const again = await rig.sink.attempt();
  assert.equal(again.events, "2 3");
  assert.equal(rig.sink.unanswered, 0, "alone, until it is taken");
  answer(again, DELIVERED);
  assert.equal(await rig.sink.next(DELIVERED), "4 5");
  await rig.fleet.wake();
  assert.equal(rig.books, "6 0 0 @1-6");
  assert.deepEqual(rig.said, ["delivery.retry", "delivery.resumed"]);
  await rig.stop();
});

Deno.test("Pipeline holds at a setup fault; one probe, then it runs ahead again", async () => {
  const rig = ahead();
  rig.append("0", "1", "2", "3");
  const [one] = await attempts(rig, 2);
  answer(one, REFUSED_KEY);
  await until(() => rig.state === "held");
  await rig.due();
  assert.equal(await rig.sink.next(DELIVERED), "0 1");
  assert.equal(await rig.sink.next(DELIVERED), "2 3");
  await rig.fleet.wake();
  assert.equal(rig.books, "4 0 0 @1-4");
  await rig.stop();
});

Deno.test("Pipeline lays a refused event aside by the session's rules", async () => {
  const rig = ahead();
  rig.append("0", "1", "2", "3");
  const [one, two] = await attempts(rig, 2);
  answer(one, rejected([1]));
  answer(two, DELIVERED);
  assert.equal(await rig.sink.next(DELIVERED), "2 3", "put back, sent again");
  await rig.fleet.wake();
  assert.equal(rig.books, "3 1 0 @1-4");
  assert.equal(rig.dead, "1");
  await rig.stop();
});

Deno.test("Pipeline gives up what expires behind batches in flight", async () => {
  const rig = ahead(8, { settings: { expire: HOUR } });
  rig.append("0", "1");
  const [one] = await attempts(rig, 1);
  rig.log.append(["2", "3"], rig.clock.now() - 2 * HOUR);
  rig.append("4");
  await until(() => rig.log.segments.length === 3);
  answer(one, DELIVERED);
  assert.equal(await rig.sink.next(DELIVERED), "4");
  await rig.fleet.wake();
  assert.equal(rig.books, "3 0 2 @3-1");
  await rig.stop();
});

Deno.test("Pipeline at a stop begins nothing and settles what is taken in time", async () => {
  const rig = ahead();
  rig.append("0", "1", "2", "3");
  const [one, two] = await attempts(rig, 2);
  const stopped = rig.stop();
  rig.append("4");
  answer(one, DELIVERED);
  await until(() => rig.books === "2 0 0 @1-2");
  rig.clock.advance(4000);
  await until(() => two?.signal.aborted === true);
  await stopped;
  assert.equal(rig.books, "2 0 0 @1-2", "the rest goes again");
  assert.equal(rig.sink.history.length, 2);
  assert.equal(rig.log.released, 1);
});

Deno.test("Pipeline ends with the lease, and settles nothing after", async () => {
  const rig = ahead();
  rig.append("0", "1", "2", "3");
  const [one, two] = await attempts(rig, 2);
  rig.log.loseLease();
  await until(() => two?.signal.aborted === true);
  answer(one, DELIVERED);
  // The dispatcher takes the lease anew and sends all of it again.
  assert.deepEqual((await attempts(rig, 2)).map(({ events }) => events), [
    "0 1",
    "2 3",
  ]);
  assert.equal(rig.books, "0 0 0 @0-0");
  rig.sink.auto = () => DELIVERED;
  const stopped = rig.stop(0);
  await until(() => rig.clock.sleepers > 0 || rig.sink.isDisposed);
  rig.clock.advance(0);
  await stopped;
});

Deno.test("Pipeline: whatever is answered, in whatever order, nothing is skipped and the books hold", async () => {
  const outcome = fc.constantFrom("delivered", "busy", "key", "one");
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(outcome, fc.nat(5)), { maxLength: 30 }),
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 8 }),
      async (script, sizes) => {
        const rig = ahead(4);
        let n = 0;
        for (const size of sizes) {
          rig.append(...Array.from({ length: size }, () => `e${n++}`));
        }
        const taken = new Set<string>();
        const open: Asked[] = [];
        const take = (events: string) => {
          for (const event of events.split(" ")) taken.add(event);
        };
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
          for (let i = 0; i < 30; i++) await Promise.resolve();
        }
        rig.sink.auto = (events) => {
          if (events !== "(test)") take(events);
          return DELIVERED;
        };
        for (const asked of open) asked.answer(BUSY);
        while (rig.sink.unanswered > 0) (await rig.sink.attempt()).answer(BUSY);
        const done = () => {
          const { delivered, dead } = rig.log.place.books;
          return delivered + dead === n;
        };
        for (let turn = 0; !done() && turn < 1000; turn++) {
          rig.clock.advance(400_000);
          for (let i = 0; i < 30; i++) await Promise.resolve();
        }
        assert.ok(done(), rig.books);
        for (const { segment, index } of rig.log.dead) {
          const [start, end] = segment.spans.subarray(index * 18 + 2);
          taken.add(
            new TextDecoder().decode(segment.bytes.subarray(start, end)),
          );
        }
        assert.equal(taken.size, n, "each was taken or laid aside");
        await rig.stop();
      },
    ),
    { numRuns: 200, seed: testSeed("pipeline") },
  );
});
