import assert from "node:assert/strict";
import type { Position } from "../../../lib/event.ts";
import { ArrayLog, HOUR, Rig } from "../../support/delivery_rig.ts";
import {
  BUSY,
  DELIVERED,
  REFUSED_KEY,
  rejected,
  SPLIT,
} from "../../support/scripted_sink.ts";

const MINUTE = 60_000;

Deno.test("Session repeats after weather with doubling waits, and forgets them at success (T08)", async () => {
  const rig = new Rig();
  rig.append("0", "1");
  for (const wait of [1, 2, 4, 8]) {
    assert.equal(await rig.sink.next(BUSY), "0 1");
    await rig.fleet.wake();
    assert.equal(rig.state, "retrying");
    assert.equal(
      rig.log.place.nextAttemptAt,
      rig.clock.now() + wait * 1000,
    );
    await rig.pass(wait * 1000 - 1);
    assert.equal(rig.sink.unanswered, 0);
    rig.clock.advance(1);
  }
  assert.equal(rig.log.place.attempt, 4);
  assert.deepEqual(rig.log.place.lastError, {
    reason: "server",
    message: "HTTP 503",
    help: null,
    at: rig.clock.now() - 8000,
  });
  await rig.sink.next(DELIVERED);
  await rig.fleet.wake();
  assert.equal(rig.state, "connected");
  assert.equal(rig.log.place.nextAttemptAt, null);
  assert.deepEqual(rig.said, ["delivery.retry", "delivery.resumed"]);
  await rig.stop();
});

Deno.test("Session waits as long as the SIEM asks, 300 s at most (T10, T65)", async () => {
  const rig = new Rig({ random: () => 0 });
  rig.append("0");
  await rig.sink.next({ ...BUSY, after: 7000 });
  await rig.fleet.wake();
  await rig.pass(6999);
  assert.equal(rig.sink.unanswered, 0);
  rig.clock.advance(1);
  await rig.sink.next({ ...BUSY, after: 99_999_000 });
  await rig.fleet.wake();
  for (let minute = 0; minute < 4; minute++) await rig.pass(MINUTE);
  await rig.pass(MINUTE - 1);
  assert.equal(rig.sink.unanswered, 0);
  rig.clock.advance(1);
  await rig.sink.next(DELIVERED);
  await rig.stop();
});

Deno.test("Session settles what weather left decided, and goes on with the rest (T09)", async () => {
  const rig = new Rig();
  rig.append("0", "1", "2", "3");
  await rig.sink.next({ ...BUSY, pending: [2, 3] });
  await rig.fleet.wake();
  assert.equal(rig.books, "2 0 0 @1-2");
  rig.clock.advance(1000);
  assert.equal(await rig.sink.next({ ...BUSY, pending: [1] }), "2 3");
  await rig.fleet.wake();
  assert.equal(rig.log.place.attempt, 1, "progress begins the backoff anew");
  rig.clock.advance(1000);
  assert.equal(await rig.sink.next(DELIVERED), "3");
  await rig.fleet.wake();
  assert.equal(rig.books, "4 0 0 @1-4");
  await rig.stop();
});

Deno.test("Session lays a refused event aside and resends what was not looked at (T03)", async () => {
  const rig = new Rig();
  rig.append("0", "1", "2", "3", "4");
  assert.equal(await rig.sink.next(rejected([2], [3, 4])), "0 1 2 3 4");
  assert.equal(await rig.sink.next(DELIVERED), "3 4");
  await rig.fleet.wake();
  assert.equal(rig.books, "4 1 0 @1-5");
  assert.equal(rig.dead, "2");
  const [letter] = rig.log.dead;
  assert.equal(letter?.attempts, 1);
  assert.equal(letter?.error, "HTTP 400");
  assert.equal(rig.state, "connected");
  assert.deepEqual(rig.said, ["delivery.dead"]);
  await rig.stop();
});

Deno.test("Session halves down to the poison event", async () => {
  const rig = new Rig();
  rig.sink.auto = (events) => events.includes("bad") ? SPLIT : DELIVERED;
  rig.append("0", "1", "2", "bad", "4", "5", "6");
  rig.append("7");
  while (rig.log.place.books.delivered < 7) await rig.fleet.wake();
  assert.equal(rig.books, "7 1 0 @2-1");
  assert.equal(rig.dead, "bad");
  const taken = rig.sink.history.filter((events) => !events.includes("bad"));
  assert.deepEqual(taken.join(" "), "0 1 2 4 5 6 7");
  await rig.stop();
});

Deno.test("Session holds at a setup fault and probes after 60 s, doubling to 300 s (T06)", async () => {
  const rig = new Rig();
  rig.append("0");
  assert.equal(await rig.sink.next(REFUSED_KEY), "0");
  await rig.fleet.wake();
  assert.equal(rig.state, "held");
  assert.equal(rig.log.place.lastError?.help, "Check the key.");
  const probes = ["0 1", "0 1 2", "0 1 2 3", "0 1 2 3 4"];
  for (const [n, minutes] of [1, 2, 4, 5].entries()) {
    rig.append(`${n + 1}`);
    const begin = rig.clock.now();
    await rig.due();
    assert.equal(rig.clock.now() - begin, minutes * MINUTE);
    assert.equal(await rig.sink.next(REFUSED_KEY), probes[n]);
    await rig.fleet.wake();
  }
  assert.equal(rig.books, "0 0 0 @0-0");
  await rig.due();
  assert.equal(await rig.sink.next(DELIVERED), "0 1 2 3 4");
  await rig.fleet.wake();
  assert.equal(rig.books, "5 0 0 @5-1");
  assert.deepEqual(rig.said, ["delivery.held", "delivery.resumed"]);
  await rig.stop();
});

Deno.test("Session holds when all of a batch is refused; refused events die once one is taken", async () => {
  const rig = new Rig();
  rig.append("0", "1");
  await rig.sink.next(rejected([0, 1]));
  await rig.fleet.wake();
  assert.equal(rig.state, "held");
  assert.equal(rig.log.place.lastError?.reason, "config");
  assert.equal(rig.books, "0 0 0 @0-0");
  assert.ok(
    !rig.fields.join().includes("HTTP 400"),
    "the words may quote an event",
  );
  rig.append("2");
  rig.clock.advance(MINUTE);
  assert.equal(await rig.sink.next(rejected([0, 1])), "0 1 2");
  await rig.fleet.wake();
  assert.equal(rig.books, "1 2 0 @2-1");
  assert.equal(rig.dead, "0 1");
  assert.equal(rig.log.dead[0]?.attempts, 2);
  assert.equal(rig.state, "connected");
  await rig.stop();
});

Deno.test("Session lets a lone refused event die at once", async () => {
  const rig = new Rig();
  rig.append("0");
  await rig.sink.next(rejected([0]));
  await rig.fleet.wake();
  assert.equal(rig.books, "0 1 0 @1-1");
  assert.equal(rig.state, "connected");
  assert.equal(rig.log.place.lastSuccess, null);
  rig.append("1");
  await rig.sink.next(SPLIT);
  await rig.fleet.wake();
  assert.equal(rig.dead, "0 1");
  await rig.stop();
});

Deno.test("Session asks the test event about a full batch: taken, the refused ones die", async () => {
  const rig = new Rig({ limits: { events: 2 } });
  rig.append("0", "1", "2");
  assert.equal(await rig.sink.next(rejected([0, 1])), "0 1");
  assert.equal(await rig.sink.next(DELIVERED), "(test)");
  assert.equal(await rig.sink.next(DELIVERED), "2");
  await rig.fleet.wake();
  assert.equal(rig.books, "1 2 0 @1-3");
  await rig.stop();
});

Deno.test("Session asks the test event about a full batch: refused too, it stays held", async () => {
  const rig = new Rig({ limits: { events: 2 } });
  rig.append("0", "1", "2");
  for (const answer of [rejected([0]), SPLIT, BUSY, REFUSED_KEY]) {
    assert.equal(await rig.sink.next(rejected([0, 1])), "0 1");
    assert.equal(await rig.sink.next(answer), "(test)");
    await rig.fleet.wake();
    assert.equal(rig.state, "held");
    assert.equal(rig.books, "0 0 0 @0-0");
    await rig.due();
  }
  assert.equal(rig.log.place.lastError?.reason, "auth");
  assert.equal(await rig.sink.next(DELIVERED), "0 1");
  assert.equal(await rig.sink.next(DELIVERED), "2");
  await rig.stop();
});

Deno.test("Session asks the test event about a batch that three probes found the same", async () => {
  const rig = new Rig();
  rig.append("0", "1");
  const waitOut = async () => {
    await rig.fleet.wake();
    assert.equal(rig.state, "held");
    await rig.due();
  };
  await rig.sink.next(rejected([0, 1]));
  await waitOut();
  await rig.sink.next(rejected([0, 1])); // Probe 1.
  await waitOut();
  const second = await rig.sink.attempt(); // Probe 2, on its way before "2" came.
  rig.append("2");
  second.answer(rejected([0, 1]));
  await waitOut();
  assert.equal(await rig.sink.next(rejected([0, 1, 2])), "0 1 2"); // Counts anew.
  for (let probe = 1; probe <= 3; probe++) {
    await waitOut();
    assert.equal(await rig.sink.next(rejected([0, 1, 2])), "0 1 2");
  }
  assert.equal(await rig.sink.next(DELIVERED), "(test)");
  await rig.fleet.wake();
  assert.equal(rig.books, "0 3 0 @2-1");
  await rig.stop();
});

Deno.test("Session keeps a suspected batch held when expiry leaves a lone event of it", async () => {
  const rig = new Rig({ settings: { expire: 20 * MINUTE } });
  rig.sink.auto = (events) =>
    events === "(test)" ? SPLIT : rejected([...events.split(" ").keys()]);
  rig.append("0", "1");
  for (let minute = 0; minute < 19; minute++) {
    if (minute === 10) rig.append("2");
    await rig.pass(MINUTE);
  }
  assert.equal(rig.sink.history.at(-1), "0 1 2");
  for (let minute = 19; minute < 28; minute++) await rig.pass(MINUTE);
  assert.deepEqual(rig.sink.history.slice(-2), ["2", "(test)"]);
  assert.equal(rig.books, "0 0 2 @1-2");
  assert.equal(rig.state, "held");
  await rig.stop();
});

Deno.test("Session lets an event die that has no wire form, without asking the SIEM", async () => {
  const rig = new Rig({ limits: { eventBytes: 4 } });
  rig.append("12345", "67890");
  rig.append("0");
  assert.equal(await rig.sink.next(DELIVERED), "0");
  await rig.fleet.wake();
  assert.equal(rig.dead, "12345 67890");
  assert.equal(rig.log.dead[0]?.reason, "too_large");
  assert.equal(rig.log.dead[0]?.attempts, 0);
  await rig.stop();
});

Deno.test("Session does not resend what was taken with a warning, and goes at half the rate (T02)", async () => {
  const rig = new Rig();
  rig.append("0");
  const first = await rig.sink.attempt();
  rig.append("1");
  rig.clock.advance(500);
  first.answer({
    kind: "delivered",
    warning: "queue nearly full",
    slowDown: 30_000,
  });
  await rig.fleet.wake();
  assert.equal(rig.fleet.live()[0]?.warning, "queue nearly full");
  assert.equal(rig.state, "connected");
  await rig.pass(499);
  assert.equal(rig.sink.unanswered, 0);
  rig.clock.advance(1);
  assert.equal(await rig.sink.next(DELIVERED), "1");
  await rig.stop();
});

const ASIDE = { warning: "3 of 4 events elsewhere.", aside: 3 } as const;

/** Both ways to send: one batch at a time, and several in flight. */
for (const inFlight of [1, 3]) {
  Deno.test(`a warning is shown for five minutes, counted, and logged when it begins (inFlight ${inFlight})`, async () => {
    const rig = new Rig({ inFlight });
    const began = new Date(rig.clock.now()).toISOString();
    for (
      const outcome of [{ kind: "delivered", ...ASIDE }, DELIVERED] as const
    ) {
      rig.append("0");
      await rig.sink.next(outcome);
      await rig.fleet.wake();
    }
    const live = () => rig.fleet.live()[0];
    assert.equal(live()?.warning, `${ASIDE.warning} (3 since ${began}.)`);
    // Also beside refusals and weather.
    rig.append("a", "b");
    const rejections = [{ at: 0, reason: "rejected", message: "no" }] as const;
    await rig.sink.next({ kind: "rejected", rejections, ...ASIDE });
    await rig.fleet.wake();
    rig.append("c", "d");
    await rig.sink.next({ ...BUSY, pending: [1], ...ASIDE });
    await rig.fleet.wake();
    rig.clock.advance(1000);
    await rig.sink.next(DELIVERED);
    await rig.fleet.wake();
    assert.equal(live()?.warning, `${ASIDE.warning} (9 since ${began}.)`);
    assert.deepEqual(live()?.warned, { answers: 3, aside: 9 });
    const warned = () => rig.said.filter((each) => each === "delivery.warning");
    assert.equal(warned().length, 1);
    rig.clock.advance(5 * 60_000);
    assert.equal(live()?.warning, null);
    rig.append("e");
    await rig.sink.next({ kind: "delivered", warning: "again" });
    await rig.fleet.wake();
    assert.equal(live()?.warning, "again");
    assert.deepEqual(live()?.warned, { answers: 4, aside: 9 });
    assert.equal(warned().length, 2);
    await rig.stop();
  });
}

Deno.test("Session takes what a connector throws for a bug: logged with its stack, tried again", async () => {
  const rig = new Rig();
  rig.append("0");
  (await rig.sink.attempt()).fail(new Error("boom"));
  await rig.fleet.wake();
  assert.equal(rig.state, "retrying");
  assert.equal(rig.log.place.lastError?.reason, "internal");
  assert.deepEqual(rig.said, ["bug", "delivery.retry"]);
  assert.match(rig.fields[0] ?? "", /boom.*scripted_sink|stack/);
  rig.clock.advance(1000);
  assert.equal(await rig.sink.next(rejected([7])), "0");
  await rig.fleet.wake();
  assert.equal(rig.log.place.lastError?.reason, "internal");
  rig.clock.advance(2000);
  assert.equal(await rig.sink.next(DELIVERED), "0");
  await rig.stop();
});

Deno.test("Session counts what waits too long as expired, within a minute, and goes on behind it", async () => {
  const rig = new Rig({ settings: { expire: HOUR } });
  rig.sink.auto = () => REFUSED_KEY;
  rig.append("0", "1");
  for (let minute = 0; minute < 59; minute++) {
    if (minute === 30) rig.append("2");
    await rig.pass(MINUTE);
  }
  assert.equal(rig.books, "0 0 0 @0-0");
  await rig.pass(MINUTE);
  assert.equal(rig.books, "0 0 2 @1-2");
  assert.ok(rig.said.includes("delivery.expired"));
  rig.sink.auto = () => DELIVERED;
  for (let minute = 0; minute < 5; minute++) await rig.pass(MINUTE);
  assert.equal(rig.sink.history.at(-1), "2");
  assert.equal(rig.books, "1 0 2 @2-1");
  await rig.stop();
});

Deno.test("Session skips a long expired backlog, and sends the rest within the limits", async () => {
  const rig = new Rig({ settings: { expire: HOUR }, limits: { events: 2 } });
  rig.sink.auto = () => REFUSED_KEY;
  for (let n = 0; n < 50; n++) rig.append("old", "old");
  await rig.fleet.wake();
  await rig.pass(HOUR);
  rig.sink.auto = () => DELIVERED;
  rig.append("0", "1", "2");
  for (let minute = 0; minute < 5; minute++) await rig.pass(MINUTE);
  assert.deepEqual(rig.sink.history.slice(-2), ["0 1", "2"]);
  assert.equal(rig.books, "3 0 100 @51-3");
  await rig.stop();
});

Deno.test("Session counts a gap in the log as expired", async () => {
  const rig = new Rig();
  rig.append("0");
  await rig.sink.next(DELIVERED);
  await rig.fleet.wake();
  rig.log.events += 3;
  rig.append("4");
  await rig.sink.next(DELIVERED);
  await rig.fleet.wake();
  assert.equal(rig.books, "2 0 3 @2-1");
  assert.deepEqual(rig.said, ["delivery.expired"]);
  await rig.stop();
});

/** Counts who listens to it, and to what is made of it. */
class Heard<T> extends Promise<T> {
  static listeners = 0;

  override then<A = T, B = never>(
    taken?: ((value: T) => A | PromiseLike<A>) | null,
    refused?: ((why: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    Heard.listeners++;
    return super.then(taken, refused);
  }
}

Deno.test("Session asks the log once, and listens once, however often it has nothing to do", async () => {
  let asked = 0;
  class CountedLog extends ArrayLog {
    override changed(after: Position, signal: AbortSignal): Promise<void> {
      asked++;
      return new Heard((resolve, reject) => {
        super.changed(after, signal).then(resolve, reject);
      });
    }
  }
  const rig = new Rig({ log: new CountedLog() });
  await rig.fleet.wake();
  const before = Heard.listeners;
  for (let turn = 0; turn < 20; turn++) await rig.fleet.wake();
  assert.equal(asked, 1);
  assert.equal(Heard.listeners, before);
  rig.append("0");
  assert.equal(await rig.sink.next(DELIVERED), "0", "it still hears the log");
  await rig.stop();
});

Deno.test("Session ends its wait where the log cannot be watched, and begins anew", async () => {
  let asked = 0;
  class BrokenLog extends ArrayLog {
    override changed(after: Position, signal: AbortSignal): Promise<void> {
      return ++asked === 1
        ? Promise.reject(new Error("the store is away"))
        : super.changed(after, signal);
    }
  }
  const rig = new Rig({ log: new BrokenLog() });
  await rig.clock.untilDue(1_000);
  assert.deepEqual(rig.said, ["bug"]);
  assert.match(rig.fields[0] ?? "", /the store is away/);
  rig.clock.advance(1_000);
  rig.append("0");
  assert.equal(await rig.sink.next(DELIVERED), "0");
  await rig.stop();
});

Deno.test("Session lets an event wait for others to fill its batch, so long at most", async () => {
  const rig = new Rig({ batchWait: 5_000, limits: { events: 3 } });
  rig.append("0");
  await rig.pass(3_000);
  rig.append("1");
  await rig.pass(1_999);
  assert.equal(rig.sink.unanswered, 0);
  // The first one's time is over.
  rig.clock.advance(1);
  assert.equal(await rig.sink.next(DELIVERED), "0 1");
  await rig.fleet.wake();
  // Full before its time.
  rig.append("2");
  await rig.pass(10);
  assert.equal(rig.sink.unanswered, 0);
  rig.append("3", "4", "5");
  rig.clock.advance(250);
  assert.equal(await rig.sink.next(DELIVERED), "2 3 4");
  await rig.pass(4_749);
  assert.equal(rig.sink.unanswered, 0);
  rig.clock.advance(1);
  assert.equal(await rig.sink.next(DELIVERED), "5");
  await rig.fleet.wake();
  assert.equal(rig.log.place.books.delivered, 6);
  await rig.stop();
});

Deno.test("Session sends what waited in the log for longer than a batch may at once, and stops while it gathers", async () => {
  const log = new ArrayLog();
  const rig = new Rig({ batchWait: 5_000, log });
  rig.append("0");
  await rig.fleet.wake();
  rig.clock.advance(5_000);
  assert.equal(await rig.sink.next(BUSY), "0");
  await rig.fleet.wake();
  // After weather its backoff alone decides.
  rig.clock.advance(1_000);
  assert.equal(await rig.sink.next(DELIVERED), "0");
  await rig.fleet.wake();
  rig.append("1");
  await rig.fleet.wake();
  await rig.stop();
  assert.equal(rig.sink.unanswered, 0);
  assert.equal(log.place.books.delivered, 1);
});
