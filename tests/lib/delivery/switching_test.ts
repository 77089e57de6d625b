import assert from "node:assert/strict";
import { DeadLetters } from "../../../lib/log/dead_kept.ts";
import { discardTo } from "../../../lib/log/hands.ts";
import { History } from "../../../lib/log/history.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import { Replays } from "../../../lib/log/replays.ts";
import { pass } from "../../support/drive.ts";
import { FaultyKv } from "../../support/faulty_kv.ts";
import { openRig } from "../../support/log_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { appendTo as appendAt, openTestLog } from "../../support/open_log.ts";
import { BUSY, DELIVERED, REFUSED_KEY } from "../../support/scripted_sink.ts";
import { SwitchRig, type SwitchRigOptions } from "../../support/switch_rig.ts";

const MINUTE = 60_000, HOUR = 60 * MINUTE;

/** Appends events as they come in now. */
function appendTo(rig: SwitchRig, texts: readonly string[]): Promise<void> {
  return appendAt(
    rig.log,
    texts.map((text) => `{"event":${text}}`),
    rig.clock.now(),
  );
}

async function inRig(
  use: (rig: SwitchRig) => Promise<void>,
  options: SwitchRigOptions = {},
): Promise<void> {
  const clock = new ManualClock();
  const log = await openTestLog(["soc"]);
  const rig = await SwitchRig.open(log, clock, ["soc"], options);
  try {
    await use(rig);
  } finally {
    await rig.stop();
    await log.close();
  }
}

function sinkOf(rig: SwitchRig) {
  const sink = rig.sinks["soc"];
  assert.ok(sink);
  return sink;
}

Deno.test("disable ends after the attempt in flight; events wait; enable here delivers all, once", async () => {
  await inRig(async (rig) => {
    const sink = sinkOf(rig);
    await appendTo(rig, ["1"]);
    const asked = await sink.attempt();
    await appendTo(rig, ["2"]);
    const off = await rig.switch("soc", { kind: "disable" });
    assert.equal(off.state, "disabled");
    assert.equal(off.next_attempt_at, null);
    assert.ok(!asked.signal.aborted, "an attempt in flight may end");
    asked.answer(DELIVERED);
    await rig.fleet.rested("soc");
    assert.equal(await rig.books("soc"), "disabled 1 0 0 1");
    assert.deepEqual(
      await rig.switch("soc", { kind: "disable" }),
      await rig.report("soc"),
      "repeatable",
    );
    await appendTo(rig, ["3"]);
    await rig.fleet.wake();
    assert.equal(sink.unanswered, 0);
    await rig.switch("soc", { kind: "enable", from: "here" });
    assert.equal(await sink.next(DELIVERED), "2 3");
    await rig.fleet.wake();
    assert.equal(await rig.books("soc"), "connected 3 0 0 0");
    await rig.switch("soc", { kind: "enable", from: "newest" });
    assert.equal(await rig.books("soc"), "connected 3 0 0 0");
    assert.deepEqual(sink.history, ["1", "2 3"]);
  });
});

Deno.test("enable newest discards exactly what waited; what comes next is delivered", async () => {
  await inRig(async (rig) => {
    const sink = sinkOf(rig);
    await rig.switch("soc", { kind: "disable" });
    await appendTo(rig, ["1", "2", "3"]);
    await appendTo(rig, ["4"]);
    assert.equal(await rig.books("soc"), "disabled 0 0 0 4");
    const on = await rig.switch("soc", { kind: "enable", from: "newest" });
    assert.deepEqual([on.discarded, on.waiting], [4, 0]);
    await appendTo(rig, ["5"]);
    assert.equal(await sink.next(DELIVERED), "5");
    await rig.fleet.wake();
    assert.equal(await rig.books("soc"), "connected 1 4 0 0");
    assert.equal(rig.hands.of("soc").skip, undefined);
  });
});

Deno.test("enable newest discards what a retrying connector had in hand; an attempt in flight counts as it is answered", async () => {
  await inRig(async (rig) => {
    const sink = sinkOf(rig);
    await appendTo(rig, ["1"]);
    await sink.next(BUSY);
    await rig.fleet.wake();
    await appendTo(rig, ["2", "3"]);
    await rig.hands.probe("soc");
    const asked = await sink.attempt();
    await rig.switch("soc", { kind: "disable" });
    await rig.hands.enable("soc", "newest");
    await appendTo(rig, ["4"]);
    asked.answer(DELIVERED);
    assert.equal(asked.events, "1");
    assert.equal(await sink.next(DELIVERED), "4");
    await rig.fleet.wake();
    assert.equal(await rig.books("soc"), "connected 2 2 0 0");
  });
});

Deno.test("probe tries at once: in retrying, in held, and not while it is off", async () => {
  await inRig(async (rig) => {
    const sink = sinkOf(rig);
    await appendTo(rig, ["1"]);
    await sink.next(BUSY);
    await rig.fleet.wake();
    assert.equal(await rig.books("soc"), "retrying 0 0 0 1");
    const probing = rig.switch("soc", { kind: "probe" });
    await sink.next(REFUSED_KEY);
    const held = await probing;
    assert.deepEqual(
      [held.state, held.next_attempt_at],
      ["held", new Date(rig.clock.now() + MINUTE).toISOString()],
    );
    const again = rig.switch("soc", { kind: "probe" });
    await sink.next(DELIVERED);
    assert.equal((await again).state, "connected");
    assert.equal(
      (await rig.switch("soc", { kind: "probe" })).state,
      "connected",
    );
    assert.equal(sink.history.length, 3, "nothing waits: nothing is sent");
    await rig.switch("soc", { kind: "disable" });
    assert.equal(await rig.switcher("soc", { kind: "probe" }), "disabled");
    assert.equal(await rig.switcher("nobody", { kind: "probe" }), "unknown");
    assert.equal(await rig.switcher("nobody", { kind: "disable" }), "unknown");
  });
});

Deno.test("enable tries at once, and says so: what was planned before it was switched off holds no longer", async () => {
  await inRig(async (rig) => {
    const sink = sinkOf(rig);
    await appendTo(rig, ["1"]);
    await sink.next(BUSY);
    await rig.fleet.wake();
    const planned = await rig.report("soc");
    assert.ok(planned?.next_attempt_at);
    await rig.switch("soc", { kind: "disable" });
    const on = await rig.switch("soc", { kind: "enable", from: "here" });
    assert.deepEqual([on.state, on.next_attempt_at], ["retrying", null]);
    const asked = await sink.attempt();
    assert.equal((await rig.report("soc"))?.next_attempt_at, null);
    asked.answer(BUSY);
    await rig.fleet.wake();
    const again = await rig.switch("soc", { kind: "enable", from: "here" });
    assert.ok(again.next_attempt_at, "it was on: nothing changed");
    assert.deepEqual(again, await rig.report("soc"));
    await rig.switch("soc", { kind: "disable" });
    await rig.switch("soc", { kind: "enable", from: "here" });
    await sink.next(DELIVERED);
    await rig.fleet.wake();
  });
});

Deno.test("the switch survives a restart; the configuration's value counts at the first start only", async () => {
  const folder = await Deno.makeTempDir();
  const location = `${folder}/hecate.kv`;
  try {
    const clock = new ManualClock();
    const run = async (
      options: SwitchRigOptions,
      use: (rig: SwitchRig) => Promise<void>,
    ) => {
      const log = await openTestLog(["soc", "new"], location);
      const rig = await SwitchRig.open(log, clock, ["soc", "new"], options);
      await use(rig);
      await rig.stop();
      await log.close();
    };
    await run({ off: ["new"] }, async (rig) => {
      await appendTo(rig, ["1"]);
      await sinkOf(rig).next(DELIVERED);
      assert.equal(await rig.books("new"), "disabled 0 0 0 1");
      await rig.switch("soc", { kind: "disable" });
      await rig.switch("new", { kind: "enable", from: "here" });
      await rig.sinks["new"]?.next(DELIVERED);
      await rig.fleet.wake();
    });
    await run({ off: ["new"] }, async (rig) => {
      await appendTo(rig, ["2"]);
      await rig.sinks["new"]?.next(DELIVERED);
      await rig.fleet.wake();
      assert.equal(await rig.books("soc"), "disabled 1 0 0 1");
      assert.equal(await rig.books("new"), "connected 2 0 0 0");
      await rig.switch("soc", { kind: "enable", from: "newest" });
      assert.equal(await rig.books("soc"), "connected 1 1 0 0");
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("what waits at a connector that is off expires within a tenth of the span, and frees the log", async () => {
  const clock = new ManualClock();
  const log = await openTestLog(["soc"]);
  const rig = await SwitchRig.open(log, clock, ["soc"], {
    off: ["soc"],
    settings: { expire: HOUR },
  });
  await appendTo(rig, ["1", "2"]);
  clock.advance(30 * MINUTE);
  await appendTo(rig, ["3"]);
  await clock.untilSleeping();
  const until = async (books: string) => {
    for (let look = 0; look < 200; look++) {
      if (await rig.books("soc") === books) return;
    }
    assert.equal(await rig.books("soc"), books);
  };
  clock.advance(30 * MINUTE - 1);
  await rig.fleet.rested("soc");
  assert.equal(await rig.books("soc"), "disabled 0 0 0 3");
  clock.advance(MINUTE + 1);
  await until("disabled 0 0 2 1");
  await log.retention.trim();
  assert.equal((await log.stats()).events, 1);
  // Long after: all of it, also what came in many segments.
  for (let n = 0; n < 30; n++) await appendTo(rig, ["9"]);
  clock.advance(2 * HOUR);
  await until("disabled 0 0 33 0");
  await log.retention.trim();
  assert.equal((await log.stats()).events, 0);
  assert.deepEqual(sinkOf(rig).history, []);
  await rig.stop();
  await log.close();
});

Deno.test("a connector that is off leaves no listener behind each time that events expire there", async () => {
  const clock = new ManualClock();
  const log = await openTestLog(["soc"]);
  let listening = 0;
  class Counted extends Replays {
    override listen(connector: string, hear: () => void): () => void {
      listening++;
      const end = super.listen(connector, hear);
      return () => {
        listening--;
        end();
      };
    }
  }
  const { store } = log;
  const rig = await SwitchRig.open(log, clock, ["soc"], {
    off: ["soc"],
    settings: { expire: HOUR },
    replays: new Counted({
      log,
      deadLetters: new DeadLetters({ store, end: () => log.end() }),
      history: new History(log),
      clock,
      uuid: () => "0000",
      expire: HOUR,
    }),
  });
  for (let expired = 1; expired <= 3; expired++) {
    await appendTo(rig, ["1"]);
    await clock.untilSleeping();
    clock.advance(2 * HOUR);
    const books = `disabled 0 0 ${expired} 0`;
    for (let look = 0; look < 200; look++) {
      if (await rig.books("soc") === books) break;
    }
    assert.equal(await rig.books("soc"), books);
    await rig.fleet.rested("soc");
    await clock.untilSleeping();
    assert.equal(listening, 0);
  }
  await rig.stop();
  await log.close();
});

Deno.test("several processes: what one switches the others do within two seconds; what is skipped is skipped once", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  const traffic = { calls: 0 };
  const start = async (instance: string) => {
    const log = await openRig({
      location: "http://kv.invalid",
      clock,
      instance,
      connectors: () => ["soc"],
      openKv: () =>
        Promise.resolve(
          new FaultyKv(real, { commit: () => undefined, traffic }),
        ),
    });
    return await SwitchRig.open(log, clock, ["soc"]);
  };
  const a = await start("a");
  const sink = sinkOf(a);
  // It takes the lease before there is another.
  await pass(clock, 2_000, 250, traffic);
  const b = await start("b");
  sink.auto = sinkOf(b).auto = () => DELIVERED;
  await appendTo(b, ["1"]);
  await pass(clock, 2_000, 250, traffic);
  assert.equal(await b.books("soc"), "connected 1 0 0 0");
  assert.deepEqual([sink.history, sinkOf(b).history], [["1"], []]);

  // Switched off at one, by the other: at once here, within two seconds there.
  await b.hands.disable("soc");
  assert.ok(a.hands.of("soc").isEnabled);
  await pass(clock, 2_000, 250, traffic);
  assert.ok(!a.hands.of("soc").isEnabled);
  await appendTo(a, ["2", "3"]);
  await pass(clock, 20_000, 500, traffic);
  for (const rig of [a, b]) {
    assert.equal(await rig.books("soc"), "disabled 1 0 0 2");
    assert.equal((await rig.report("soc"))?.holder, null, "nobody's");
  }

  await b.hands.enable("soc", "newest");
  await appendTo(a, ["4"]);
  await pass(clock, 5_000, 250, traffic);
  for (const rig of [a, b]) {
    assert.equal(await rig.books("soc"), "connected 2 2 0 0");
    assert.equal(rig.hands.of("soc").skip, undefined);
  }
  assert.deepEqual([...sink.history, ...sinkOf(b).history].toSorted(), [
    "1",
    "4",
  ]);

  // Tried now, wherever the lease is.
  sink.auto = sinkOf(b).auto = () => BUSY;
  const tries = () => sink.history.length + sinkOf(b).history.length;
  await appendTo(a, ["5"]);
  while ((await a.report("soc"))?.state !== "retrying") {
    await pass(clock, 250, 250, traffic);
  }
  for (let n = 0; n < 6; n++) await pass(clock, 30_000, 1_000, traffic);
  const before = tries();
  sink.auto = sinkOf(b).auto = () => DELIVERED;
  assert.ok(await a.hands.probe("soc"));
  await pass(clock, 2_000, 250, traffic);
  assert.equal(tries(), before + 1);
  assert.equal(await b.books("soc"), "connected 3 2 0 0");
  for (const rig of [a, b]) {
    const ended = rig.stop();
    await pass(clock, 5_000, 250, traffic);
    await ended;
    const closed = rig.log.close();
    await pass(clock, 5_000, 250, traffic);
    await closed;
  }
  real.close();
});

Deno.test("a skip that a kill came before is carried out at the next start, for what waited when it was asked for; one that was carried out but not noted is not carried out again", async () => {
  const folder = await Deno.makeTempDir();
  const clock = new ManualClock();
  const start = async () => {
    const log = await openTestLog(["soc"], `${folder}/hecate.kv`);
    return await SwitchRig.open(log, clock, ["soc"], { off: ["soc"] });
  };
  try {
    const killed = await start();
    await appendTo(killed, ["1", "2"]);
    // As after a kill: its loop has ended, what is set is in the store.
    await killed.fleet.stop();
    await killed.hands.enable("soc", "newest");
    const { skip } = killed.hands.of("soc");
    assert.ok(skip);
    await appendTo(killed, ["3"]);
    await killed.log.close();

    const next = await start();
    assert.equal(await sinkOf(next).next(DELIVERED), "3");
    await next.fleet.wake();
    assert.equal(await next.books("soc"), "connected 1 2 0 0");
    await next.stop();
    const holding = await takeLease(next.log, "soc", {
      signal: new AbortController().signal,
    });
    assert.ok(await discardTo(holding, skip, clock.now()));
    assert.equal(await next.books("soc"), "connected 1 2 0 0");
    await holding.release();
    await next.log.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("attempts before a switch-off count on: what was tried three times is delivered with the fourth", async () => {
  await inRig(async (rig) => {
    const sink = sinkOf(rig), { log, clock } = rig;
    await appendTo(rig, ["1", "2"]);
    assert.equal(await sink.next(BUSY), "1 2");
    await rig.fleet.wake();
    for (const wait of [1_000, 2_000]) {
      clock.advance(wait);
      assert.equal(await sink.next(BUSY), "1 2");
      await rig.fleet.wake();
    }
    await rig.switch("soc", { kind: "disable" });
    await appendTo(rig, ["3"]);
    await rig.switch("soc", { kind: "enable", from: "here" });
    assert.equal(await sink.next(DELIVERED), "1 2 3");
    await rig.fleet.wake();
    const attempts: (number | undefined)[] = [];
    for (let at = { segment: "", index: 0 };;) {
      const segment = await log.next(at);
      if (segment === undefined) break;
      for (let index = 0; index < segment.count; index++) {
        const place = { segment: segment.id, index };
        const outcome = await new History(log).outcomeOf("soc", place);
        assert.equal(outcome?.decision.kind, "delivered");
        attempts.push(outcome.decision.attempts);
      }
      at = { segment: segment.id, index: segment.count };
    }
    assert.deepEqual(attempts, [4, 4, 1]);
  });
});
