import { deepEqual, equal, ok } from "node:assert/strict";
import { Fleet } from "../../../lib/delivery/fleet.ts";
import {
  type ReceiptConnector,
  receiptOf,
} from "../../../lib/delivery/receipts.ts";
import { lossOf, RiskWatch } from "../../../lib/delivery/risk.ts";
import type { EventFilter } from "../../../lib/delivery/scope_filter.ts";
import { systemClock } from "../../../lib/clock.ts";
import { endDead } from "../../../lib/log/dead_ends.ts";
import { listExpired } from "../../../lib/log/expired.ts";
import { History, replayedWrite } from "../../../lib/log/history.ts";
import { logKey } from "../../../lib/log/keys.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import type { EventLog } from "../../../lib/log/log.ts";
import type { Logger } from "../../../lib/logger.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { SETTINGS } from "../../support/delivery_rig.ts";
import { intakeOf, openRig } from "../../support/log_rig.ts";
import { until } from "../../support/drive.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import {
  always,
  appendEvents,
  inFolder,
  settleNext,
} from "../../support/place_rig.ts";
import {
  BUSY,
  DELIVERED,
  rejected,
  ScriptedSink,
} from "../../support/scripted_sink.ts";

const HOUR = 3_600_000;

function connectorsOf(...names: string[]): ReceiptConnector[] {
  return names.map((name) => ({
    name,
    type: "scripted",
    isEnabled: true,
    batchEvents: 100,
  }));
}

/** What a receipt says of one connector, name and type aside. */
async function told(log: EventLog, name: string, id: string) {
  const receipt = await receiptOf(
    log,
    new History(log),
    connectorsOf(name),
    id,
  );
  const { name: _name, type: _type, ...rest } = receipt?.connectors[0] ??
    { name, type: "" };
  return rest;
}

async function append(
  log: EventLog,
  clock: ManualClock,
  ...texts: string[]
): Promise<string[]> {
  const { ids } = await log.append(
    intakeOf(texts, { receivedAt: clock.now() }),
  );
  return ids.flatMap(({ segment, first, count }) =>
    Array.from({ length: count }, (_, n) => `${segment}-${first + n}`)
  );
}

function fleetOf(
  log: EventLog,
  clock: ManualClock,
  sink: ScriptedSink,
  more: { readonly expire?: number; readonly filter?: EventFilter } = {},
): Fleet {
  return new Fleet({
    connectors: [{ name: "a", type: "scripted", sink, filter: more.filter }],
    source: log,
    takeLease: (name, signal) => takeLease(log, name, { signal }),
    settings: { ...SETTINGS, expire: more.expire ?? 168 * HOUR },
    clock,
    random: () => 1,
    logger: silentLogger,
  });
}

Deno.test("receiptOf() over a loop: attempts, refusals, replays, what became of a dead letter", async () => {
  const clock = new ManualClock();
  const log = await openRig({ clock, connectors: () => ["a"] });
  const sink = new ScriptedSink({ events: 3 });
  const fleet = fleetOf(log, clock, sink);
  fleet.start();
  await until(() => fleet.live().every(({ place }) => place !== undefined));
  await fleet.wake();
  const ids = await append(log, clock, "0", "1", "2", "3", "4");
  const first = clock.now();
  equal(await sink.next(BUSY), "0 1 2");
  await fleet.wake();
  deepEqual(await told(log, "a", ids[1] ?? ""), {
    state: "waiting",
    ahead: 1,
    attempts: 1,
    next_attempt_at: new Date(first + 1_000).toISOString(),
    reason: "server",
  });
  clock.advance(1_000);
  equal(await sink.next(rejected([1], [2])), "0 1 2");
  equal(await sink.next(DELIVERED), "2");
  equal(await sink.next(rejected([0])), "3 4");
  await fleet.wake();
  const at = new Date(clock.now()).toISOString();
  const answer = { status: null, message: "" };
  const [zero = "", one = "", two = "", three = "", four = ""] = ids;
  deepEqual(await told(log, "a", zero), {
    state: "delivered",
    at,
    attempts: 2,
    answer,
  });
  deepEqual(await told(log, "a", one), {
    state: "dead",
    at,
    reason: "rejected",
    error: "HTTP 400",
    attempts: 2,
    dead_letter: `${one}@a`,
  });
  deepEqual(await told(log, "a", two), {
    state: "delivered",
    at,
    attempts: 3,
    answer,
  });
  deepEqual(await told(log, "a", three), {
    state: "dead",
    at,
    reason: "rejected",
    error: "HTTP 400",
    attempts: 1,
    dead_letter: `${three}@a`,
  });
  equal(((await told(log, "a", four)) as { attempts?: number }).attempts, 1);
  // A replay delivers one of the dead letters, a scope filters the other.
  clock.advance(5_000);
  const later = new Date(clock.now()).toISOString();
  const said = { status: 200, message: "ok" };
  await endDead(log.store, "a", [one], "delivered", {
    at: clock.now(),
    attempts: 1,
    answer: said,
  });
  await endDead(log.store, "a", [three], "filtered", { at: clock.now() });
  deepEqual(await told(log, "a", one), {
    state: "delivered",
    at: later,
    attempts: 3,
    answer: said,
  });
  deepEqual(await told(log, "a", three), {
    state: "filtered",
    at: later,
    by: null,
  });
  // A replay of the log, newer than what was told.
  const [segment = "", index = ""] = zero.split("-");
  const [key, value] = replayedWrite("a", {
    segment,
    first: Number(index),
    count: 1,
    at: clock.now(),
    attempts: 1,
    answer: said,
  });
  await log.store.call((kv) => kv.atomic().set(key, value).commit());
  deepEqual(await told(log, "a", zero), {
    state: "delivered",
    at: later,
    attempts: 1,
    answer: said,
  });
  await fleet.stop();
  await log.close();
});

Deno.test("receiptOf() shows attempts of the events that were attempted, not of those that came later", async () => {
  const clock = new ManualClock();
  const log = await openRig({ clock, connectors: () => ["a"] });
  const sink = new ScriptedSink({ events: 100, bytes: 1000 });
  const fleet = fleetOf(log, clock, sink);
  await (await takeLease(log, "a", { signal: always })).release();
  const [one, two] = await append(log, clock, "1", "2");
  ok(one && two);
  fleet.start();
  await sink.next(BUSY);
  const [three] = await append(log, clock, "3");
  ok(three);
  const attemptsOf = async (id: string) =>
    ((await told(log, "a", id)) as { attempts?: number }).attempts;
  await until(() => log.settled.get("a")?.attempt === 1);
  deepEqual([await attemptsOf(one), await attemptsOf(three)], [1, 0]);
  await fleet.stop();
  // As the next process reads it.
  deepEqual([await attemptsOf(two), await attemptsOf(three)], [1, 0]);
  await log.close();
});

Deno.test("receiptOf() of what expired, for 30 days after it left the log; what is at risk is said once", async () => {
  const clock = new ManualClock();
  const lines: Record<string, unknown>[] = [];
  const logger: Logger = {
    log: (_level, event, _message, fields) => {
      if (event === "delivery.at_risk") lines.push({ ...fields });
    },
  };
  const log = await openRig({ clock, connectors: () => ["a"], keep: 2 * HOUR });
  const sink = new ScriptedSink();
  const filter: EventFilter = {
    warning: undefined,
    by: (view) =>
      new TextDecoder().decode(view.event) === "9" ? "when" : undefined,
  };
  const fleet = fleetOf(log, clock, sink, { expire: HOUR, filter });
  const risks = new RiskWatch({
    log,
    connectors: () => [{ name: "a", isFed: true }],
    expire: HOUR,
    clock,
    logger,
  });
  fleet.start();
  // Behind what is appended before it has its place nothing would wait.
  await until(() => fleet.live().every(({ place }) => place !== undefined));
  await fleet.wake();
  const accepted = clock.now();
  const ids = await append(log, clock, "0", "1", "9", "2");
  await sink.next({
    kind: "held",
    reason: "auth",
    message: "401",
    help: "key",
  });
  await fleet.wake();
  await risks.look();
  deepEqual(lines, []);
  sink.auto = () => BUSY;
  for (let minute = 0; minute < 31; minute++) {
    clock.advance(60_000);
    await fleet.wake();
  }
  await risks.look();
  await risks.look();
  deepEqual(lines, [{
    connector: "a",
    loses_at: new Date(accepted + HOUR).toISOString(),
    waiting: 4,
  }]);
  for (let minute = 0; minute < 31; minute++) {
    clock.advance(60_000);
    await fleet.wake();
  }
  await risks.look();
  const state = async (id = "") =>
    (await told(log, "a", id)) as {
      readonly state?: string;
      readonly reason?: string;
      readonly at?: string;
    };
  for (const id of [ids[0], ids[1], ids[3]]) {
    const { state: what, reason } = await state(id);
    deepEqual([what, reason], ["expired", "age"]);
  }
  equal((await state(ids[2])).state, "filtered");
  const ranges = await Array.fromAsync(listExpired(log.store, "a"));
  deepEqual(
    ranges.map(({ first, last, events, bytes, from, to }) => [
      first,
      last,
      events,
      bytes,
      from,
      to,
    ]).sort(),
    [
      [ids[0], ids[1], 2, 2, accepted, accepted],
      [ids[3], ids[3], 1, 1, accepted, accepted],
    ],
  );
  // It leaves the log.
  sink.auto = () => DELIVERED;
  await append(log, clock, "3");
  await fleet.wake();
  clock.advance(2 * HOUR);
  await append(log, clock, "4");
  await fleet.wake();
  await log.retention.trim();
  const gone = await receiptOf(
    log,
    new History(log),
    connectorsOf("a"),
    ids[1] ?? "",
  );
  deepEqual(gone, {
    id: ids[1],
    accepted_at: new Date(accepted).toISOString(),
    producer: null,
    bytes: null,
    connectors: [{
      name: "a",
      type: "scripted",
      state: "expired",
      at: new Date(ranges[0]?.at ?? 0).toISOString(),
      reason: "age",
    }],
    event: undefined,
  });
  equal(
    await receiptOf(log, new History(log), connectorsOf("a"), ids[2] ?? ""),
    undefined,
    "filtered, and gone",
  );
  await fleet.stop();
  await log.close();
});

Deno.test("lossOf() is at risk with less than a day left, or than half of a shorter span", () => {
  const now = 1_000 * HOUR;
  const risk = (expire: number, waited: number) =>
    lossOf(now - waited * HOUR, expire * HOUR, now).isAtRisk;
  deepEqual([risk(168, 143), risk(168, 145)], [false, true]);
  deepEqual([risk(10, 4), risk(10, 6), risk(10, 20)], [false, true, true]);
  deepEqual(lossOf(null, HOUR, now), { losesAt: null, isAtRisk: false });
  deepEqual(lossOf(0, 0, now), { losesAt: null, isAtRisk: false });
  equal(lossOf(now, HOUR, now).losesAt, now + HOUR);
});

Deno.test("receiptOf() of events in a damaged segment: expired where they were not had, ranges say so", async () => {
  await inFolder(async (location) => {
    const log = await openRig({ location, connectors: () => ["a", "b"] });
    await (await takeLease(log, "b", { signal: always })).release();
    const had = await takeLease(log, "a", { signal: always });
    await appendEvents(log, 3);
    await settleNext(log, had, 2);
    const first = await log.next({ segment: "", index: 0 });
    ok(first);
    const bad = await log.next({ segment: first.id, index: 1 });
    ok(bad);
    await had.release();
    const key = logKey(bad.id);
    const { value } = await log.store.kv.get<Uint8Array>(key);
    ok(value);
    value[value.length - 1] = ~(value.at(-1) ?? 0);
    await log.store.kv.atomic().set(key, value).commit();
    await log.close();
    const again = await openRig({ location, connectors: () => ["a", "b"] });
    const late = await takeLease(again, "b", { signal: always });
    await settleNext(again, late, 2);
    equal(late.place.books.expired, 1);
    const receipt = await receiptOf(
      again,
      new History(again),
      connectorsOf("a", "b"),
      `${bad.id}-0`,
    );
    ok(receipt);
    deepEqual([receipt.event, receipt.producer, receipt.bytes], [
      undefined,
      null,
      null,
    ]);
    ok(receipt.accepted_at);
    deepEqual(
      receipt.connectors.map((row) => [
        row.name,
        row.state,
        "reason" in row ? row.reason : null,
      ]),
      [["a", "delivered", null], ["b", "expired", "damaged"]],
    );
    equal(
      await receiptOf(
        again,
        new History(again),
        connectorsOf("a"),
        `${bad.id}-1`,
      ),
      undefined,
    );
    const [range, ...more] = await Array.fromAsync(
      listExpired(again.store, "b"),
    );
    deepEqual(more, []);
    deepEqual(
      [range?.first, range?.last, range?.events, range?.reason],
      [`${bad.id}-0`, `${bad.id}-0`, 1, "damaged"],
    );
    deepEqual(await Array.fromAsync(listExpired(again.store, "a")), []);
    await late.release();
    await again.close();
  });
});

Deno.test("receiptOf() of events in a segment that is missing whole: expired, with a range between its neighbours", async () => {
  await inFolder(async (location) => {
    const open = () => openRig({ location, connectors: () => ["a"] });
    const log = await open();
    await appendEvents(log, 3);
    const segments = [];
    for (let at = { segment: "", index: 0 };;) {
      const segment = await log.next(at);
      if (segment === undefined) break;
      segments.push(segment);
      at = { segment: segment.id, index: segment.count };
    }
    const [first, gone, last] = segments;
    ok(first && gone && last);
    await log.store.kv.atomic().delete(logKey(gone.id)).commit();
    await log.close();
    const again = await open();
    const holding = await takeLease(again, "a", {
      signal: always,
      from: "oldest",
    });
    await settleNext(again, holding, 2);
    equal(holding.place.books.expired, 1);
    const ranges = await Array.fromAsync(listExpired(again.store, "a"));
    deepEqual(
      ranges.map((
        { first, last, events, bytes, from, to, reason, isBetween },
      ) => [first, last, events, bytes, from, to, reason, isBetween]),
      [[
        `${first.id}-1`,
        `${last.id}-0`,
        1,
        gone.storedBytes,
        null,
        null,
        "damaged",
        true,
      ]],
    );
    const states = async (id: string) =>
      (await receiptOf(again, new History(again), connectorsOf("a"), id))
        ?.connectors.map(({ state }) => state);
    deepEqual(await states(`${gone.id}-0`), ["expired"]);
    deepEqual(await states(`${last.id}-0`), ["delivered"]);
    // Gone from the log, its neighbour did not expire.
    await again.store.kv.atomic().delete(logKey(last.id)).commit();
    await holding.release();
    await again.close();
    const third = await open();
    const receipt = await receiptOf(
      third,
      new History(third),
      connectorsOf("a"),
      `${last.id}-0`,
    );
    equal(receipt, undefined);
    await third.close();
  });
});

Deno.test("receiptOf() counts what is ahead over all lanes of a shared store", async () => {
  await inFolder(async (location) => {
    const open = (instance: string) =>
      openRig({
        location: null,
        openKv: () => Deno.openKv(location),
        clock: systemClock,
        instance,
        connectors: () => ["a"],
      });
    const one = await open("one"), two = await open("two");
    await (await takeLease(one, "a", { signal: always })).release();
    const ids: string[] = [];
    for (let n = 0; n < 12; n++) {
      const log = n % 3 === 0 ? one : two;
      const { ids: [run] } = await log.append(intakeOf([`${n}`, `${n}`]));
      ok(run);
      ids.push(`${run.segment}-${run.first}`, `${run.segment}-1`);
    }
    for (const [n, id] of ids.entries()) {
      const { ahead } = (await told(one, "a", id)) as { ahead?: number };
      equal(ahead, n);
    }
    await one.close();
    await two.close();
  });
});
