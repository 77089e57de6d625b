import assert from "node:assert/strict";
import { strictDelay } from "../../../lib/delivery/backoff.ts";
import { ArrayLog, Rig, type RigOptions } from "../../support/delivery_rig.ts";
import {
  BUSY,
  DELIVERED,
  REFUSED_KEY,
  rejected,
  SPLIT,
} from "../../support/scripted_sink.ts";

const STRICT: RigOptions = {
  settings: { strict: { attempts: 5 } },
  // Strict waits have no jitter: whatever chance says, the times are these.
  random: () => 0.5,
};

function strictRig(options: RigOptions = {}): Rig {
  return new Rig({ ...STRICT, ...options });
}

/** Passes the wait after an attempt that failed, which must be exactly so long. */
async function wait(rig: Rig, seconds: number): Promise<void> {
  await rig.fleet.wake();
  assert.equal(
    rig.log.place.nextAttemptAt,
    rig.clock.now() + seconds * 1000,
  );
  await rig.due();
}

Deno.test("strictDelay() doubles without jitter up to the cap, which holds for Retry-After too (T65)", () => {
  const settings = { initial: 1000, max: 300_000 };
  const waits = [1, 2, 3, 4, 9, 10, 1e9].map((n) => strictDelay(settings, n));
  assert.deepEqual(waits, [
    1000,
    2000,
    4000,
    8000,
    256_000,
    300_000,
    300_000,
  ]);
  assert.equal(strictDelay(settings, 1, 7000), 7000);
  assert.equal(strictDelay(settings, 4, 7000), 8000);
  assert.equal(strictDelay(settings, 1, 99_999_000), 300_000);
  assert.equal(strictDelay(settings, 2, NaN), 2000);
});

Deno.test("T64 strict: in a 60 s outage a batch dies at its 5th attempt, after 15 s, with the cause; the next ones have their own five", async () => {
  const rig = strictRig({ limits: { events: 2 } });
  rig.append("0", "1", "2");
  const began = rig.clock.now();
  for (const seconds of [1, 2, 4, 8]) {
    assert.equal(await rig.sink.next(BUSY), "0 1");
    await wait(rig, seconds);
    assert.equal(rig.books, "0 0 0 @0-0");
  }
  assert.equal(await rig.sink.next(BUSY), "0 1");
  // The next batch comes at once.
  const asked = await rig.sink.attempt();
  assert.equal(asked.events, "2");
  assert.equal(rig.clock.now() - began, 15_000);
  assert.equal(rig.books, "0 2 0 @1-2");
  assert.equal(rig.dead, "0 1");
  for (const { reason, error, attempts, givenUp } of rig.log.dead) {
    assert.deepEqual(
      [reason, error, attempts, givenUp],
      ["server", "HTTP 503", 5, true],
    );
  }
  assert.equal(rig.state, "retrying");
  assert.deepEqual(
    [rig.log.place.attempt, rig.log.place.nextAttemptAt],
    [0, null],
  );
  assert.equal(rig.log.place.lastError?.reason, "server");
  asked.answer(BUSY);
  await wait(rig, 1);
  await rig.sink.next(DELIVERED);
  await rig.fleet.wake();
  assert.equal(rig.books, "1 2 0 @1-3");
  assert.equal(rig.state, "connected");
  assert.deepEqual(rig.said, [
    "delivery.retry",
    "delivery.dead",
    "delivery.resumed",
  ]);
  await rig.stop();
});

Deno.test("T64 patient: a 60 s outage delays, and all is delivered", async () => {
  const rig = new Rig();
  rig.append("0", "1");
  const end = rig.clock.now() + 60_000;
  rig.sink.auto = () => rig.clock.now() < end ? BUSY : DELIVERED;
  while (rig.log.place.books.delivered < 2) {
    await rig.fleet.wake();
    await rig.due();
    await rig.fleet.wake();
  }
  assert.equal(rig.books, "2 0 0 @1-2");
  await rig.stop();
});

Deno.test("strict counts weather and setup faults alike; the last attempt's reason is the letters'", async () => {
  const rig = strictRig();
  rig.append("0", "1");
  await rig.sink.next(BUSY);
  await wait(rig, 1);
  await rig.sink.next(REFUSED_KEY);
  await wait(rig, 2);
  assert.equal(rig.state, "held");
  // Newer events do not join what has been tried already.
  rig.append("2");
  assert.equal(await rig.sink.next(BUSY), "0 1");
  await wait(rig, 4);
  assert.equal(await rig.sink.next(REFUSED_KEY), "0 1");
  await wait(rig, 8);
  assert.equal(await rig.sink.next(REFUSED_KEY), "0 1");
  assert.equal(await rig.sink.next(DELIVERED), "2");
  await rig.fleet.wake();
  assert.deepEqual(
    rig.log.dead.map(({ reason, error, attempts }) => [
      reason,
      error,
      attempts,
    ]),
    [["auth", "HTTP 401", 5], ["auth", "HTTP 401", 5]],
  );
  assert.equal(rig.books, "1 2 0 @2-1");
  await rig.stop();
});

Deno.test("strict waits as long as the SIEM asks, within the cap", async () => {
  const rig = strictRig();
  rig.append("0");
  await rig.sink.next({ ...BUSY, after: 30_000 });
  await wait(rig, 30);
  await rig.sink.next({ ...BUSY, after: 99_999_000 });
  await wait(rig, 300);
  await rig.sink.next(DELIVERED);
  await rig.stop();
});

Deno.test("strict: what was taken is delivered, only the rest has its attempts", async () => {
  const rig = strictRig({ settings: { strict: { attempts: 3 } } });
  rig.append("0", "1", "2", "3");
  await rig.sink.next({ ...BUSY, pending: [1, 3] });
  await wait(rig, 1);
  assert.equal(rig.books, "1 0 0 @1-1");
  assert.equal(await rig.sink.next({ ...BUSY, pending: [1] }), "1 3");
  await wait(rig, 2);
  assert.equal(await rig.sink.next(BUSY), "3");
  await rig.fleet.wake();
  assert.equal(rig.books, "3 1 0 @1-4");
  assert.equal(rig.dead, "3");
  assert.equal(rig.log.dead[0]?.attempts, 3);
  await rig.stop();
});

Deno.test("strict: a batch that is refused whole dies after its attempts, with the SIEM's words about each", async () => {
  for (const answer of [rejected([0, 1]), rejected([0])]) {
    const rig = strictRig({ settings: { strict: { attempts: 2 } } });
    const events = answer.kind === "rejected" && answer.rejections.length === 1
      ? ["0"]
      : ["0", "1"];
    rig.append(...events);
    await rig.sink.next(answer);
    await wait(rig, 1);
    assert.equal(rig.state, "held");
    assert.equal(rig.books, "0 0 0 @0-0");
    rig.append("later");
    assert.equal(await rig.sink.next(answer), events.join(" "));
    assert.equal(await rig.sink.next(DELIVERED), "later");
    await rig.fleet.wake();
    assert.equal(rig.dead, events.join(" "));
    for (const { reason, error, attempts, givenUp } of rig.log.dead) {
      assert.deepEqual(
        [reason, error, attempts, givenUp],
        ["rejected", "HTTP 400", 2, true],
      );
    }
    await rig.stop();
  }
});

Deno.test("strict: an event refused among others that are taken dies at once", async () => {
  const rig = strictRig();
  rig.append("0", "bad", "2");
  rig.sink.auto = (events) => events.includes("bad") ? SPLIT : DELIVERED;
  while (rig.log.place.books.delivered < 2) await rig.fleet.wake();
  assert.equal(rig.dead, "bad");
  assert.equal(rig.log.dead[0]?.givenUp, undefined);
  await rig.stop();
});

Deno.test("strict: attempts survive a restart, for the events that had them", async () => {
  const log = new ArrayLog();
  const first = strictRig({ log });
  first.append("0", "1");
  await first.sink.next(BUSY);
  await wait(first, 1);
  await first.sink.next(BUSY);
  await wait(first, 2);
  const cut = await first.sink.attempt();
  const stopped = first.stop(4000);
  first.clock.advance(4000);
  await stopped;
  assert.ok(cut.signal.aborted);
  assert.equal(log.place.attempt, 2, "an attempt without an answer is none");

  const rig = strictRig({ log });
  rig.append("2");
  assert.equal(await rig.sink.next(REFUSED_KEY), "0 1");
  await wait(rig, 4);
  assert.equal(await rig.sink.next(BUSY), "0 1");
  await wait(rig, 8);
  assert.equal(await rig.sink.next(BUSY), "0 1");
  assert.equal(await rig.sink.next(DELIVERED), "2");
  await rig.fleet.wake();
  assert.deepEqual(log.dead.map(({ attempts }) => attempts), [5, 5]);
  assert.equal(rig.books, "1 2 0 @2-1");
  await rig.stop();
});

Deno.test("strict with several batches in flight: the one that fails has its attempts alone, what lies behind is put back", async () => {
  const rig = strictRig({
    inFlight: 4,
    limits: { events: 1 },
    settings: { strict: { attempts: 2 } },
  });
  rig.append("0", "1", "2");
  const [a, b, c] = [
    await rig.sink.attempt(),
    await rig.sink.attempt(),
    await rig.sink.attempt(),
  ];
  assert.deepEqual([a.events, b.events, c.events], ["0", "1", "2"]);
  a.answer(BUSY);
  await wait(rig, 1);
  assert.ok(b.signal.aborted && c.signal.aborted);
  assert.equal(await rig.sink.next(BUSY), "0");
  assert.equal(await rig.sink.next(DELIVERED), "1");
  assert.equal(await rig.sink.next(DELIVERED), "2");
  await rig.fleet.wake();
  assert.equal(rig.dead, "0");
  assert.equal(rig.log.dead[0]?.attempts, 2);
  assert.equal(rig.books, "2 1 0 @1-3");
  await rig.stop();
});

Deno.test("strict: one attempt means none again", async () => {
  const rig = strictRig({ settings: { strict: { attempts: 1 } } });
  rig.append("0");
  await rig.sink.next(REFUSED_KEY);
  await rig.fleet.wake();
  assert.equal(rig.books, "0 1 0 @1-1");
  assert.equal(rig.state, "held");
  assert.equal(rig.log.place.lastError?.help, "Check the key.");
  assert.deepEqual(rig.said, ["delivery.dead", "delivery.held"]);
  await rig.stop();
});

Deno.test("patient: an outage costs one attempt per delay, however many events wait", async () => {
  const rig = new Rig({ limits: { events: 10 } });
  rig.sink.auto = () => BUSY;
  for (let n = 0; n < 30; n++) {
    rig.append(...Array.from({ length: 10 }, (_, at) => `${at}`));
  }
  const began = rig.clock.now();
  // 1 + 2 + … + 256 s, then every 300 s: ten attempts in the first 811 s, one more in each 300 s after.
  const until = async (seconds: number) => {
    while (rig.clock.now() - began < seconds * 1000) {
      rig.append("more");
      await rig.pass(1000);
    }
  };
  await until(812);
  assert.equal(rig.sink.history.length, 11);
  await until(812 + 600);
  assert.equal(rig.sink.history.length, 13);
  assert.deepEqual([...new Set(rig.sink.history)], ["0 1 2 3 4 5 6 7 8 9"]);
  await rig.stop();
});
