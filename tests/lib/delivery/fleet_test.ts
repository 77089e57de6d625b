import assert from "node:assert/strict";
import { ArrayLog, Rig } from "../../support/delivery_rig.ts";
import {
  BUSY,
  DELIVERED,
  REFUSED_KEY,
  rejected,
} from "../../support/scripted_sink.ts";

Deno.test("Fleet delivers in order, a lone event at once, the rest as one batch behind it", async () => {
  const rig = new Rig();
  rig.append("0");
  const first = await rig.sink.attempt();
  rig.append("1", "2");
  rig.append("3");
  assert.equal(rig.sink.unanswered, 0, "one in flight");
  first.answer(DELIVERED);
  assert.equal(first.events, "0");
  assert.equal(await rig.sink.next(DELIVERED), "1 2 3");
  await rig.fleet.wake();
  assert.equal(rig.books, "4 0 0 @3-1");
  assert.equal(rig.state, "connected");
  assert.equal(rig.log.place.lastSuccess, rig.clock.now());
  await rig.stop();
  assert.ok(rig.sink.isDisposed);
  assert.equal(rig.log.released, 1);
});

Deno.test("Fleet cuts batches at the connector's events and bytes", async () => {
  const rig = new Rig({ limits: { events: 3, bytes: 5 } });
  rig.append("0", "1", "2", "3", "4444", "555555555", "6");
  for (const batch of ["0 1 2", "3", "4444", "555555555", "6"]) {
    assert.equal(await rig.sink.next(DELIVERED), batch);
  }
  await rig.stop();
});

Deno.test("Fleet sends the next batch only when the last is settled durably", async () => {
  const rig = new Rig();
  const settled = Promise.withResolvers<void>();
  rig.log.settling = () => settled.promise;
  rig.append("0");
  const first = await rig.sink.attempt();
  rig.append("1");
  first.answer(DELIVERED);
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  assert.deepEqual(rig.sink.history, ["0"]);
  settled.resolve();
  assert.equal(await rig.sink.next(DELIVERED), "1");
  await rig.stop();
});

Deno.test("Fleet drops a batch whose lease was lost in mid-attempt, and takes the lease again", async () => {
  const rig = new Rig();
  rig.append("0", "1");
  const first = await rig.sink.attempt();
  rig.log.loseLease();
  assert.ok(first.signal.aborted);
  first.answer(DELIVERED);
  assert.equal(await rig.sink.next(DELIVERED), "0 1");
  await rig.fleet.wake();
  assert.equal(rig.log.leases, 2);
  assert.equal(rig.books, "2 0 0 @1-2");
  await rig.stop();
});

Deno.test("Fleet writes nothing when the lease is lost while it settles", async () => {
  const rig = new Rig();
  const settling = Promise.withResolvers<void>();
  rig.log.settling = () => settling.promise;
  rig.append("0");
  await rig.sink.next(DELIVERED);
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  rig.log.loseLease();
  settling.resolve();
  assert.equal(await rig.sink.next(DELIVERED), "0", "repeated, not lost");
  await rig.fleet.wake();
  assert.equal(rig.books, "1 0 0 @1-1");
  await rig.stop();
});

Deno.test("Fleet.stop() lets the attempt in flight end, settles and begins nothing new", async () => {
  const rig = new Rig();
  rig.append("0");
  const first = await rig.sink.attempt();
  rig.append("1");
  const stopped = rig.stop();
  assert.ok(!first.signal.aborted);
  first.answer(DELIVERED);
  await stopped;
  assert.equal(rig.books, "1 0 0 @1-1");
  assert.deepEqual(rig.sink.history, ["0"]);
  assert.equal(rig.log.released, 1);
});

Deno.test("Fleet.stop() cuts an attempt off that does not end, and keeps its events", async () => {
  const rig = new Rig();
  rig.append("0", "1");
  await rig.sink.next(rejected([0], [1]));
  const second = await rig.sink.attempt();
  assert.equal(second.events, "1");
  const stopped = rig.stop(4000);
  await rig.clock.untilSleeping();
  rig.clock.advance(4000);
  await stopped;
  assert.ok(second.signal.aborted);
  assert.equal(rig.books, "0 0 0 @0-0", "0 alone was refused: not decided");
});

Deno.test("Fleet.stop() settles the decided beginning of a batch", async () => {
  const rig = new Rig();
  rig.append("0", "1", "2");
  await rig.sink.next({ kind: "rejected", rejections: [], pending: [1, 2] });
  const second = await rig.sink.attempt();
  const stopped = rig.stop();
  second.answer(BUSY);
  await stopped;
  assert.equal(rig.books, "1 0 0 @1-1");
  const again = new Rig({ log: rig.log });
  assert.equal(await again.sink.next(DELIVERED), "1 2");
  await again.stop();
});

Deno.test("Fleet.stop() ends waits for weather, setup faults and events", async () => {
  for (const answer of [BUSY, REFUSED_KEY, DELIVERED]) {
    const rig = new Rig();
    rig.append("0");
    await rig.sink.next(answer);
    await rig.fleet.wake();
    await rig.stop();
    assert.equal(rig.clock.sleepers, 0);
  }
});

Deno.test("Fleet appends dead letters to the file before the place moves", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/dead.jsonl`;
    const rig = new Rig({ deadLetterPath: path });
    rig.append('{"a":1.0}', "1");
    let written = "";
    rig.log.settling = async () => {
      written = await Deno.readTextFile(path);
    };
    await rig.sink.next(rejected([0]));
    await rig.fleet.wake();
    assert.match(
      written,
      /^\{"timestamp":"2026-03-13T[^"]*","connector":"soc","error":"HTTP 400","event":\{"a":1\.0\},"reason":"rejected","attempts":1,"envelope":\{\},"id":"[0-9a-f]{20}-0"\}\n$/,
    );
    await rig.stop();
    assert.equal(rig.books, "1 1 0 @1-2");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Fleet: a connector that hangs changes nothing for another", async () => {
  const log = new ArrayLog(), slow = new Rig({ log });
  slow.append("0");
  await slow.sink.attempt();
  const other = new Rig();
  other.append("0", "1");
  assert.equal(await other.sink.next(DELIVERED), "0 1");
  await other.stop();
  const stopped = slow.stop(10);
  await slow.clock.untilSleeping();
  slow.clock.advance(10);
  await stopped;
});
