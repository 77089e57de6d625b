import { deepEqual, equal, ok } from "node:assert/strict";
import { recordLine } from "../../../lib/delivery/dead_letter_file.ts";
import { readRecord } from "../../../lib/delivery/dead_letter_import.ts";
import type { Place } from "../../../lib/log/cursor.ts";
import { ReplayRig } from "../../support/replay_rig.ts";
import { REFUSED_KEY, SPLIT } from "../../support/scripted_sink.ts";

function numbered(count: number, prefix = "n"): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}${n}`);
}

Deno.test("replay: dead letters are delivered exactly once, the books follow", async () => {
  await using rig = await ReplayRig.open();
  rig.bad.add("b").add("d");
  const ids = await rig.append("a", "b", "c", "d", "e");
  equal(await rig.figures(), "5 3 0 2 0 0");
  rig.bad.clear();
  const { id, total } = await rig.replayDead();
  equal(total, 2);
  await rig.rest();
  equal(await rig.counts(id), "2 0 0 0 0 finished");
  equal(await rig.figures(), "5 5 0 0 0 0");
  deepEqual(rig.texts(), ["a", "c", "e", "b", "d"]);
  deepEqual(await rig.dead.groups({}), []);
  const end = await rig.dead.endOf({ connector: "soc", id: ids[1] ?? "" });
  equal(end?.how, "delivered");
  equal(end?.attempts, 2);
});

Deno.test("replay: what is refused again stays dead, also when all of a batch are", async () => {
  await using rig = await ReplayRig.open();
  rig.bad.add("b").add("c").add("d");
  await rig.append("a", "b", "c", "d");
  const { id } = await rig.replayDead();
  await rig.rest();
  equal(await rig.counts(id), "0 0 3 0 0 finished");
  equal(await rig.figures(), "4 1 0 3 0 0");
  for await (const { attempts } of rig.dead.matching({})) equal(attempts, 2);
  equal(rig.fleet.live()[0]?.place?.state, "connected");
});

Deno.test("replay: a letter that was discarded meanwhile is skipped", async () => {
  await using rig = await ReplayRig.open();
  rig.bad.add("b").add("c").add("x");
  const ids = await rig.append("a", "b", "c");
  rig.isDown = true;
  const { id } = await rig.replayDead();
  await rig.rest();
  equal(await rig.counts(id), "0 0 0 0 2 running");
  equal((await rig.job(id)).lastError?.reason, "server");
  const { clock, dead } = rig;
  await dead.end("soc", ids.slice(1, 2), "discarded", { at: clock.now() });
  rig.isDown = false;
  rig.bad.clear();
  // The batch in hand has it still: the SIEM takes it, and what the SIEM has counts as delivered.
  await rig.pass(300_000);
  equal(await rig.counts(id), "2 0 0 0 0 finished");
  equal(await rig.figures(), "3 3 0 0 0 0");
});

Deno.test("replay: a letter that was discarded and came back by an import has its attempts once", async () => {
  await using rig = await ReplayRig.open();
  rig.bad.add("2");
  const [, id = ""] = await rig.append("1", "2");
  const { clock, dead } = rig;
  const records = await Array.fromAsync(dead.records({}));
  const letters = records.flatMap((one) => {
    const read = readRecord(recordLine(one), new Set(["soc"]), (text) => text);
    return "letter" in read ? [read.letter] : [];
  });
  await dead.end("soc", [id], "discarded", { at: clock.now() });
  const [back] = await dead.import("soc", letters, clock.now());
  deepEqual([back?.outcome, letters.length], ["imported", 1]);
  rig.bad.clear();
  await rig.replayDead();
  await rig.rest();
  const end = await dead.endOf({ connector: "soc", id });
  deepEqual([end?.how, end?.attempts], ["delivered", 2]);
});

Deno.test("replay: what went before the job was begun counts as skipped", async () => {
  await using rig = await ReplayRig.open();
  for (const text of ["b", "c", "d"]) rig.bad.add(text);
  const ids = await rig.append("a", "b", "c", "d");
  const { id } = await rig.replayDead(1);
  await rig.replays.change(id, "paused");
  const at = rig.clock.now();
  await rig.dead.end("soc", ids.slice(2, 3), "discarded", { at });
  await rig.rest();
  const before = await rig.job(id);
  equal(before.state, "paused");
  rig.bad.clear();
  await rig.replays.change(id, "running");
  await rig.rest();
  for (let n = 0; n < 5; n++) await rig.pass(1_000);
  const { delivered, dead, skipped, state } = await rig.job(id);
  equal(`${delivered + dead} ${skipped} ${state}`, "2 1 finished");
});

Deno.test("replay: weather and setup faults make a job wait with backoff, never fail", async () => {
  await using rig = await ReplayRig.open();
  rig.bad.add("b");
  await rig.append("a", "b");
  rig.bad.clear();
  rig.isDown = true;
  const { id } = await rig.replayDead();
  await rig.rest();
  const { history } = rig.sink();
  const tries = () => history.filter((events) => events === "b").length;
  equal(tries(), 1);
  await rig.pass(999);
  equal(tries(), 1);
  await rig.pass(1);
  equal(tries(), 2);
  await rig.pass(2_000);
  equal(tries(), 3);
  rig.isDown = false;
  rig.sink().auto = () => REFUSED_KEY;
  await rig.pass(4_000);
  equal((await rig.job(id)).lastError?.reason, "auth");
  equal(await rig.counts(id), "0 0 0 0 1 running");
  rig.sink().auto = () => ({ kind: "delivered" });
  await rig.pass(300_000);
  equal(await rig.counts(id), "1 0 0 0 0 finished");
  equal(await rig.figures(), "2 2 0 0 0 0");
});

Deno.test("replay: a probe by hand tries a job that waits at once", async () => {
  let probes = 0, hear = () => {};
  const hands = {
    of: () => ({ isEnabled: true, skip: undefined, probes }),
    listen(_: string, heard: () => void) {
      hear = heard;
      return () => {};
    },
    skipped: () => Promise.resolve(),
  };
  await using rig = await ReplayRig.open({ hands });
  rig.bad.add("b");
  await rig.append("a", "b");
  rig.bad.clear();
  rig.sink().auto = () => REFUSED_KEY;
  const { id } = await rig.replayDead();
  await rig.rest();
  equal((await rig.job(id)).lastError?.reason, "auth");
  rig.sink().auto = () => ({ kind: "delivered" });
  await rig.rest();
  equal(await rig.counts(id), "0 0 0 0 1 running");
  probes++;
  hear();
  await rig.rest();
  equal(await rig.counts(id), "1 0 0 0 0 finished");
});

Deno.test("replay: a batch refused as a whole is halved down to the event at fault", async () => {
  await using rig = await ReplayRig.open();
  const texts = numbered(8);
  for (const text of texts) rig.bad.add(text);
  await rig.append("a", ...texts);
  rig.sink().auto = (events) =>
    events.includes("n5") ? SPLIT : { kind: "delivered" };
  const { id } = await rig.replayDead();
  await rig.rest();
  equal(await rig.counts(id), "7 0 1 0 0 finished");
  equal(await rig.figures(), "9 8 0 1 0 0");
});

Deno.test("replay: what one attempt has no room for goes with the next", async () => {
  await using rig = await ReplayRig.open({ limits: { events: 10, bytes: 12 } });
  const texts = numbered(9);
  for (const text of texts) rig.bad.add(text);
  const all = texts.flatMap((text) => ["ok", text]);
  await rig.append(...all);
  rig.bad.clear();
  const { id } = await rig.replayDead();
  await rig.rest();
  equal(await rig.counts(id), "9 0 0 0 0 finished");
  const again = await rig.replays.startLog(rig.wish({ all: true }));
  await rig.rest();
  equal(await rig.counts(again.id), "18 0 0 0 0 finished");
  deepEqual(rig.texts().slice(-18), all);
});

Deno.test("replay: live events go before the next batch of a job", async () => {
  await using rig = await ReplayRig.open({ limits: { events: 10 } });
  const texts = numbered(20_000);
  for (const text of texts) rig.bad.add(text);
  for (let from = 0; from < texts.length; from += 2_000) {
    await rig.append("ok", ...texts.slice(from, from + 2_000));
  }
  rig.bad.clear();
  const sink = rig.sink();
  const from = sink.history.length;
  const put = new Map<string, number>();
  let live = 0;
  sink.auto = (events) => {
    const nth = sink.history.length - from;
    // While this attempt is in flight, an event comes every so often.
    if (nth % 97 === 1 && !events.startsWith("live")) {
      const text = `live${live++}`;
      put.set(text, nth);
      const coming = rig.put(text);
      return coming.then(() => ({ kind: "delivered" as const }));
    }
    return { kind: "delivered" };
  };
  const { id, total } = await rig.replayDead();
  equal(total, 20_000);
  await rig.rest();
  equal(await rig.counts(id), "20000 0 0 0 0 finished");
  ok(live > 15);
  for (const [text, nth] of put) {
    equal(sink.history[from + nth], text, `${text} is not next`);
  }
});

Deno.test("replay: a new connector gets the whole log from the oldest event, byte for byte", async () => {
  const folder = await Deno.makeTempDir();
  const location = `${folder}/hecate.kv`;
  const texts = numbered(50);
  let ids: string[] = [];
  {
    await using rig = await ReplayRig.open({ location });
    for (let from = 0; from < 50; from += 5) {
      ids = ids.concat(await rig.append(...texts.slice(from, from + 5)));
    }
    equal(await rig.figures(), "50 50 0 0 0 0");
  }
  {
    await using rig = await ReplayRig.open({
      location,
      connectors: ["soc", "new"],
      limits: { events: 7 },
    });
    rig.bad.add("n33");
    await rig.append("live");
    equal(await rig.figures("new"), "1 1 0 0 0 0");
    const { estimateLog } = {
      estimateLog: await rig.replays.estimateLog(rig.wish({ to: ["new"] })),
    };
    equal(`${estimateLog.events} ${estimateLog.alreadyDelivered}`, "51 1");
    const { id } = await rig.replays.startLog(rig.wish({ to: ["new"] }));
    await rig.rest();
    equal(await rig.counts(id), "49 0 1 1 0 finished");
    equal(await rig.figures("new"), "51 50 0 1 0 0");
    deepEqual(rig.texts("new"), [
      "live",
      ...texts.filter((text) => text !== "n33"),
    ]);
    // The letter is one like others.
    const letter = await rig.dead.read({ connector: "new", id: ids[33] ?? "" });
    equal(letter?.attempts, 1);
    rig.bad.clear();
    const again = await rig.replays.startLog(rig.wish({ to: ["new", "soc"] }));
    await rig.rest();
    equal(await rig.counts(again.id), "1 0 0 101 0 finished");
    equal(await rig.figures("new"), "51 51 0 0 0 0");
    const all = await rig.replays.startLog(
      rig.wish({ to: ["new"], all: true }),
    );
    await rig.rest();
    equal(await rig.counts(all.id), "51 0 0 0 0 finished");
    equal(await rig.figures("new"), "51 51 0 0 0 0");
    equal(await rig.figures("soc"), "51 51 0 0 0 0");
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("replay: pause takes hold after the batch in flight, resume goes on, stop leaves the rest", async () => {
  await using rig = await ReplayRig.open({ limits: { events: 2 } });
  const texts = numbered(10);
  for (const text of texts) rig.bad.add(text);
  await rig.append("a", ...texts);
  rig.bad.clear();
  const { id } = await rig.replayDead(2);
  await rig.rest();
  equal(await rig.counts(id), "2 0 0 0 8 running");
  const paused = await rig.replays.change(id, "paused");
  equal(paused?.job.state, "paused");
  ok((await rig.replays.change(id, "paused"))?.isDone);
  await rig.pass(10_000);
  equal(await rig.counts(id), "2 0 0 0 8 paused");
  await rig.replays.change(id, "running");
  await rig.rest();
  equal(await rig.counts(id), "4 0 0 0 6 running");
  await rig.pass(1_000);
  equal(await rig.counts(id), "6 0 0 0 4 running");
  await rig.replays.change(id, "stopped");
  await rig.pass(10_000);
  equal(await rig.counts(id), "6 0 0 0 4 stopped");
  ok(!(await rig.replays.change(id, "running"))?.isDone);
  equal(await rig.figures(), "11 7 0 4 0 0");
});

Deno.test("replay: no more than the rate, by the clock", async () => {
  await using rig = await ReplayRig.open({ limits: { events: 100 } });
  const texts = numbered(100);
  for (const text of texts) rig.bad.add(text);
  await rig.append("a", ...texts);
  rig.bad.clear();
  const { id } = await rig.replayDead(20);
  await rig.rest();
  equal((await rig.job(id)).delivered, 20);
  for (let second = 1; second < 5; second++) {
    await rig.pass(999);
    equal((await rig.job(id)).delivered, second * 20);
    await rig.pass(1);
    equal((await rig.job(id)).delivered, (second + 1) * 20);
  }
});

Deno.test("replay: a log replay skips what was delivered, with all it sends that too", async () => {
  await using rig = await ReplayRig.open();
  rig.bad.add("c");
  const ids = await rig.append("a", "b", "c", "d");
  const at = rig.clock.now();
  deepEqual(await rig.replays.estimateLog(rig.wish({ rate: 2 })), {
    events: 4,
    bytes: (await rig.replays.estimateLog(rig.wish())).bytes,
    seconds: 1,
    alreadyDelivered: 3,
  });
  rig.bad.clear();
  const first = await rig.replays.startLog(rig.wish());
  await rig.rest();
  equal(await rig.counts(first.id), "1 0 0 3 0 finished");
  equal(await rig.figures(), "4 4 0 0 0 0");
  const again = await rig.replays.startLog(rig.wish({ all: true }));
  await rig.rest();
  equal(await rig.counts(again.id), "4 0 0 0 0 finished");
  equal(await rig.figures(), "4 4 0 0 0 0");
  deepEqual(rig.texts(), ["a", "b", "d", "c", "a", "b", "c", "d"]);
  const some = await rig.replays.startLog(rig.wish({
    all: true,
    from: { kind: "event", id: ids[1] ?? "" },
    until: { kind: "event", id: ids[3] ?? "" },
  }));
  await rig.rest();
  equal(await rig.counts(some.id), "2 0 0 0 0 finished");
  const since = await rig.replays.startLog(
    rig.wish({ all: true, from: { kind: "time", at } }),
  );
  equal(since.total, 4);
});

Deno.test("replay: what waits at the connector is left to it", async () => {
  await using rig = await ReplayRig.open();
  await rig.append("a");
  rig.isDown = true;
  await rig.append("b", "c");
  const { id } = await rig.replays.startLog(rig.wish({ all: true }));
  equal(await rig.counts(id), "0 0 0 2 1 running");
  rig.isDown = false;
  await rig.pass(300_000);
  equal(await rig.counts(id), "1 0 0 2 0 finished");
  deepEqual(rig.texts(), ["a", "b", "c", "a"]);
});

Deno.test("replay: the scope filters a log replay", async () => {
  const decoder = new TextDecoder();
  let isOn = false;
  await using rig = await ReplayRig.open({
    filter: {
      warning: undefined,
      by: (view) =>
        isOn && decoder.decode(view.event) === "b" ? "classes" : undefined,
    },
  });
  await rig.append("a", "b", "c");
  isOn = true;
  const { id } = await rig.replays.startLog(rig.wish({ all: true }));
  await rig.rest();
  equal(await rig.counts(id), "2 1 0 0 0 finished");
  equal(await rig.figures(), "3 3 0 0 0 0");
});

Deno.test("replay: strict's dead letters are replayed by themselves once the connector delivers again", async () => {
  await using rig = await ReplayRig.open({
    settings: { strict: { attempts: 2, replay: true } },
  });
  rig.isDown = true;
  await rig.append("a", "b");
  await rig.pass(1_000);
  await rig.pass(2_000);
  equal((await rig.books()).dead, 2);
  rig.isDown = false;
  await rig.append("c");
  await rig.rest();
  equal(await rig.figures(), "3 3 0 0 0 0");
  deepEqual(rig.texts(), ["c", "a", "b"]);
  const { items } = await rig.replays.page({ limit: 10 });
  equal(items.length, 1);
});

Deno.test("replay: a destination that several batches are in flight for gets a job's one by one", async () => {
  await using rig = await ReplayRig.open({
    inFlight: 4,
    limits: { events: 2 },
  });
  const texts = numbered(9);
  for (const text of texts) rig.bad.add(text);
  await rig.append("a", ...texts);
  await rig.rest();
  rig.bad.clear();
  const { id } = await rig.replayDead();
  await rig.rest();
  equal(await rig.counts(id), "9 0 0 0 0 finished");
  equal(await rig.figures(), "10 10 0 0 0 0");
});

for (const inFlight of [1, 4]) {
  Deno.test(`replay: a job ends also when live events never do, ${inFlight} in flight`, async () => {
    await using rig = await ReplayRig.open({
      inFlight,
      limits: { events: 10 },
    });
    const texts = numbered(30);
    for (const text of texts) rig.bad.add(text);
    await rig.append("ok", ...texts);
    rig.bad.clear();
    const sink = rig.sink();
    const from = sink.history.length;
    let live = 0;
    // Two for each that is taken, so that one always waits.
    sink.auto = async (events) => {
      if (events.startsWith("live") && live < 1_000) {
        await rig.put(`live${live++}`);
      }
      return { kind: "delivered" };
    };
    for (let n = 0; n < 2 * inFlight; n++) await rig.put(`live${live++}`);
    const { id } = await rig.replayDead();
    await rig.rest();
    equal(await rig.counts(id), "30 0 0 0 0 finished");
    const all = sink.history.slice(from);
    const jobs = all.flatMap((events, n) => events.startsWith("n") ? [n] : []);
    equal(jobs.length, 3);
    const [first = 0, second = 0, third = 0] = jobs;
    const last = all.findLastIndex((events) => events.startsWith("live"));
    ok(third < last, `${jobs} of ${all.length}`);
    for (const gap of [second - first, third - second]) {
      ok(gap > 20 && gap <= 21 * inFlight + inFlight, `${gap} apart`);
    }
  });
}

function placeOf(rig: ReplayRig, name: string): Place {
  const live = rig.fleet.live().find((one) => one.name === name);
  ok(live?.place);
  return live.place;
}

Deno.test("replay: a connector beside an old log is connected by its first replay, after a restart too", async () => {
  const folder = await Deno.makeTempDir();
  const location = `${folder}/hecate.kv`;
  const connectors = ["soc", "new"];
  {
    await using rig = await ReplayRig.open({ location });
    await rig.append("a", "b", "c");
  }
  {
    await using rig = await ReplayRig.open({ location, connectors });
    const before = placeOf(rig, "new");
    deepEqual([before.state, before.lastSuccess], ["waiting", null]);
    const { id } = await rig.replays.startLog(rig.wish({ to: ["new"] }));
    await rig.rest();
    equal(await rig.counts(id), "3 0 0 0 0 finished");
    const { state, lastSuccess, lastError } = placeOf(rig, "new");
    deepEqual(
      [state, lastSuccess, lastError],
      ["connected", rig.clock.now(), null],
    );
    equal(await rig.figures("new"), "3 3 0 0 0 0");
  }
  {
    await using rig = await ReplayRig.open({ location, connectors });
    equal(placeOf(rig, "new").state, "connected");
    ok(placeOf(rig, "new").lastSuccess !== null);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("replay: its fault shows as the connector's, and stops no live event", async () => {
  const folder = await Deno.makeTempDir();
  const location = `${folder}/hecate.kv`;
  {
    await using rig = await ReplayRig.open({ location });
    await rig.append("a", "b");
  }
  {
    const said: string[] = [];
    const logger = { log: (_: string, event: string) => void said.push(event) };
    await using rig = await ReplayRig.open({
      location,
      connectors: ["new"],
      logger,
    });
    const sink = rig.sink("new");
    sink.auto = () => REFUSED_KEY;
    const { id } = await rig.replays.startLog(rig.wish({ to: ["new"] }));
    await rig.rest();
    const held = placeOf(rig, "new");
    deepEqual([held.state, held.lastError?.reason], ["held", "auth"]);
    deepEqual([held.attempt, held.lastSuccess], [0, null]);
    equal(said.filter((event) => event === "delivery.held").length, 1);
    // The next live event goes at once, and is an attempt of its own.
    sink.auto = (events) =>
      events === "live" ? { kind: "delivered" } : REFUSED_KEY;
    await rig.append("live");
    const live = placeOf(rig, "new");
    deepEqual([live.state, live.nextAttemptAt], ["connected", null]);
    equal((await rig.books("new")).delivered, 1);
    // What delivers is not called held for a replay's sake, but the fault is told.
    await rig.pass(300_000);
    const after = placeOf(rig, "new");
    deepEqual([after.state, after.lastError?.reason], ["connected", "auth"]);
    sink.auto = () => ({ kind: "delivered" });
    await rig.pass(300_000);
    equal(await rig.counts(id), "2 0 0 0 0 finished");
    equal(await rig.figures("new"), "3 3 0 0 0 0");
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("replay: what the SIEM has stays delivered where it refuses the repeat", async () => {
  await using rig = await ReplayRig.open();
  await rig.append("a", "b", "c");
  rig.bad.add("b");
  await rig.append("x");
  rig.bad.add("x");
  const { id } = await rig.replays.startLog(rig.wish({ all: true }));
  await rig.rest();
  equal(await rig.counts(id), "2 0 2 0 0 finished");
  equal(await rig.figures(), "4 4 0 0 0 0");
  deepEqual(await rig.dead.groups({}), []);
  const again = await rig.replays.startLog(rig.wish({ all: true }));
  await rig.rest();
  equal(await rig.counts(again.id), "2 0 2 0 0 finished");
  equal(await rig.figures(), "4 4 0 0 0 0");
});
