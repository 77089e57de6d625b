import { deepEqual, equal, ok } from "node:assert/strict";
import { systemClock } from "../../../lib/clock.ts";
import { EventRun, EventView, type Segment } from "../../../lib/event.ts";
import { advance, type Holding, type Place } from "../../../lib/log/cursor.ts";
import type { Decision, RunRange } from "../../../lib/log/decision.ts";
import { listExpired } from "../../../lib/log/expired.ts";
import {
  History,
  replayedOf,
  replayedWrite,
} from "../../../lib/log/history.ts";
import { ChunkWriter, readChunk } from "../../../lib/log/history_chunk.ts";
import { cursorKey, sentOf } from "../../../lib/log/keys.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import type { EventLog } from "../../../lib/log/log.ts";
import { intakeOf, openRig, seeded } from "../../support/log_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { always, inFolder } from "../../support/place_rig.ts";

const DELIVERED = (attempts: number, status: number | null, message = "ok") =>
  ({
    kind: "delivered",
    attempts,
    answer: { status, message },
  }) as const;

const KINDS: readonly Decision[] = [
  DELIVERED(1, 200),
  DELIVERED(2, 200),
  DELIVERED(1, null, ""),
  DELIVERED(1, 201, 'words with "quotes" and ü'),
  { kind: "filtered", by: "when" },
  { kind: "filtered", by: "tokens" },
  { kind: "dead" },
  { kind: "expired", reason: "age" },
  { kind: "discarded" },
];

/** Settles the next `count` events, each of `decide`'s kind. */
async function settleEvents(
  log: EventLog,
  holding: Holding,
  count: number,
  decide: () => Decision,
  model: Map<string, Decision> = new Map(),
): Promise<boolean> {
  const { run, ranges, place } = await nextEvents(log, holding.place, {
    count,
    decide,
  });
  const at = log.options.clock.now();
  const dead = ranges.filter(({ decision }) => decision.kind === "dead")
    .flatMap((range) =>
      Array.from({ length: range.count }, (_, n) => {
        const { segment, index } = run.view(range.at + n, new EventView());
        return {
          segment,
          index,
          reason: "rejected" as const,
          error: "no",
          attempts: 1,
          at,
        };
      })
    );
  if (!await holding.settle(place, dead, { at, run, ranges })) return false;
  for (const { at, count, decision } of ranges) {
    for (let n = at; n < at + count; n++) {
      model.set(run.view(n, new EventView()).id, decision);
    }
  }
  return true;
}

async function nextEvents(log: EventLog, from: Place, more: {
  readonly count: number;
  readonly decide: () => Decision;
}) {
  const run = new EventRun();
  const segments: Segment[] = [];
  const ranges: RunRange[] = [];
  let at: { segment: string; index: number } = from;
  while (run.count < more.count) {
    const segment = await log.next(at);
    if (segment === undefined) break;
    segments.push(segment);
    let index = segment.id === at.segment ? at.index : 0;
    for (; index < segment.count && run.count < more.count; index++) {
      const decision = more.decide();
      const last = ranges.at(-1);
      if (last?.decision === decision) {
        ranges[ranges.length - 1] = { ...last, count: last.count + 1 };
      } else ranges.push({ at: run.count, count: 1, decision });
      run.push(segment, index);
    }
    at = { segment: segment.id, index };
  }
  const moved = advance(from, segments, at.index);
  const books = { ...moved.books };
  for (const { count, decision } of ranges) books[decision.kind] += count;
  return { run, ranges, place: { ...moved, books } };
}

async function outcomes(
  log: EventLog,
  connector: string,
  ids: Iterable<string>,
): Promise<Map<string, Decision | undefined>> {
  const history = new History(log);
  const found = new Map<string, Decision | undefined>();
  for (const id of ids) {
    const [segment = "", index] = id.split("-");
    const outcome = await history.outcomeOf(connector, {
      segment,
      index: Number(index),
    });
    found.set(id, outcome?.decision);
  }
  return found;
}

Deno.test("ChunkWriter and readChunk() keep every range", () => {
  const random = seeded(7);
  for (let round = 0; round < 200; round++) {
    const writer = new ChunkWriter();
    const ranges = [];
    let number = 0, index = 0, at = 1_800_000_000_000;
    const count = Math.floor(random() * 40);
    for (let n = 0; n < count; n++) {
      const size = Math.floor(random() * 300);
      if (random() < 0.4 || number === 0) {
        number += 1 + Math.floor(random() * 1e6);
        index = Math.floor(random() * 20);
      }
      if (random() < 0.5) at += Math.floor((random() - 0.2) * 1e5);
      const decision = KINDS[Math.floor(random() * KINDS.length)] ??
        { kind: "dead" };
      const segment = number.toString(16).padStart(16, "0") + "0000";
      ranges.push({ from: { segment, index }, count: size, decision, at });
      index += size;
    }
    const last = ranges.at(-1);
    for (const range of ranges.slice(0, -1)) writer.push(range);
    const end = { segment: "f".repeat(20), index: 7 };
    const value = writer.value(last, end, 12_345);
    deepEqual(readChunk(value), { ranges, end, seen: 12_345 });
    deepEqual(writer.value(last, end, 12_345), value, "the last may grow");
  }
  equal(readChunk(new Uint8Array([9])), undefined);
  equal(readChunk(new Uint8Array(0)), undefined);
  equal(readChunk(undefined), undefined);
});

for (const kind of ["file", "platform"] as const) {
  Deno.test(`History.outcomeOf() equals a model over random settles (${kind})`, async () => {
    await inFolder(async (location) => {
      for (let seed = 1; seed <= (kind === "file" ? 6 : 2); seed++) {
        // Printed when it fails.
        // deno-lint-ignore no-console -- the seed
        console.log(`seed ${seed}`);
        await modelRun(`${location}${seed}`, kind, seed);
      }
    });
  });
}

async function modelRun(
  location: string,
  kind: "file" | "platform",
  seed: number,
): Promise<void> {
  const random = seeded(seed);
  const manual = new ManualClock();
  // Over a shared store leases take their time.
  const clock = kind === "file" ? manual : systemClock;
  const open = () =>
    openRig({
      clock,
      connectors: () => ["a", "b"],
      ...kind === "file" ? { location } : {
        location: null,
        openKv: () => Deno.openKv(location),
      },
    });
  const models = new Map([
    ["a", new Map<string, Decision>()],
    ["b", new Map<string, Decision>()],
  ]);
  let log = await open();
  let holdings: Holding[] = [];
  const take = async () => {
    holdings = [
      await takeLease(log, "a", { signal: always }),
      await takeLease(log, "b", { signal: always }),
    ];
  };
  await take();
  for (let round = 0; round < 60; round++) {
    const dice = random();
    if (dice < 0.35) {
      const count = 1 + Math.floor(random() * 30);
      const texts = Array.from({ length: count }, (_, n) => `"${round}-${n}"`);
      await log.append(intakeOf(texts, { receivedAt: clock.now() }));
    } else if (dice < 0.85) {
      const holding = holdings[random() < 0.5 ? 0 : 1];
      ok(holding);
      const some = 1 + Math.floor(random() * 4);
      let left = 0;
      let decision = KINDS[0] as Decision;
      const decide = () => {
        if (left-- <= 0) {
          left = Math.floor(random() * 9);
          decision = KINDS[Math.floor(random() * KINDS.length)] as Decision;
        }
        return decision;
      };
      for (let n = 0; n < some; n++) {
        await settleEvents(
          log,
          holding,
          1 + Math.floor(random() * 40),
          decide,
          models.get(holding.connector),
        );
        if (random() < 0.3) manual.advance(Math.floor(random() * 3_000));
      }
    } else if (dice < 0.93) {
      // Another holder: this process's memory of it is gone.
      for (const holding of holdings) await holding.release();
      await take();
    } else {
      for (const holding of holdings) await holding.release();
      await log.close();
      log = await open();
      await take();
    }
    if (round % 10 === 9) {
      for (const [connector, model] of models) {
        deepEqual(await outcomes(log, connector, model.keys()), model);
        await rangesEqual(log, connector, model);
      }
    }
  }
  for (const holding of holdings) await holding.release();
  await log.close();
}

async function rangesEqual(
  log: EventLog,
  connector: string,
  model: ReadonlyMap<string, Decision>,
): Promise<void> {
  const history = new History(log);
  const ids = [...model.keys()];
  const found: string[] = [];
  let n = 0;
  const idOf = (id: string) => {
    const [segment = "", index] = id.split("-");
    return { segment, index: Number(index) };
  };
  const begin = { segment: "", index: 0 };
  const end = { segment: "g", index: 0 };
  for await (const range of history.rangesOf(connector, begin, end)) {
    for (; n < ids.length; n++) {
      const { segment, index } = idOf(ids[n] ?? "");
      const { until } = range;
      if (
        segment > until.segment ||
        segment === until.segment && index >= until.index
      ) break;
      deepEqual(range.decision, model.get(ids[n] ?? ""));
      found.push(ids[n] ?? "");
    }
  }
  deepEqual(found, ids);
}

Deno.test("History tells what a kill left out as delivered at the last success", async () => {
  await inFolder(async (location) => {
    const clock = new ManualClock();
    const log = await openRig({ location, clock, connectors: () => ["a"] });
    const holding = await takeLease(log, "a", { signal: always });
    const model = new Map<string, Decision>();
    await log.append(intakeOf(Array.from({ length: 90 }, (_, n) => `${n}`)));
    const filtered = KINDS[4] as Decision;
    // The first one is followed by the store at once; the clock stands still then.
    ok(await settleEvents(log, holding, 30, () => filtered, model));
    await log.store.call((kv) => kv.get(["x"]));
    await Promise.resolve();
    for (let n = 0; n < 2; n++) {
      await log.append(intakeOf(["1"]));
      ok(
        await settleEvents(log, holding, 30, () => KINDS[0] as Decision, model),
      );
    }
    deepEqual(await outcomes(log, "a", model.keys()), model, "from memory");
    // As after a kill: neither released nor closed in order.
    for (const suffix of ["", "-shm", "-wal", ".places"]) {
      await Deno.copyFile(`${location}${suffix}`, `${location}.copy${suffix}`)
        .catch(() => undefined);
    }
    const after = await openRig({
      location: `${location}.copy`,
      clock,
      connectors: () => ["a"],
    });
    const taken = await takeLease(after, "a", { signal: always });
    const found = await outcomes(after, "a", model.keys());
    const gap = {
      kind: "delivered",
      attempts: 1,
      answer: { status: null, message: "" },
    };
    for (const [n, [id, decision]] of [...model].entries()) {
      deepEqual(
        found.get(id)?.kind,
        n < 30 ? decision.kind : "delivered",
        `event ${n}`,
      );
    }
    deepEqual(found.get([...model.keys()].at(-1) ?? ""), gap);
    // And it goes on from there.
    ok(await settleEvents(after, taken, 2, () => filtered, model));
    const last = [...model.keys()].at(-1) ?? "";
    deepEqual((await outcomes(after, "a", [last])).get(last), filtered);
    await taken.release();
    await after.close();
    await holding.release();
    await log.close();
  });
});

Deno.test("History is trimmed with the log, expired ranges stay 30 days", async () => {
  const clock = new ManualClock();
  const log = await openRig({ clock, connectors: () => ["a"], keep: 60_000 });
  const holding = await takeLease(log, "a", { signal: always });
  const model = new Map<string, Decision>();
  const random = seeded(3);
  const expired = { kind: "expired", reason: "age" } as const;
  let expiredAt = 0;
  for (let round = 0; round < 60; round++) {
    const texts = Array.from({ length: 400 }, (_, n) => `"${round}-${n}"`);
    await log.append(intakeOf(texts, { receivedAt: clock.now() }));
    if (round === 2) {
      expiredAt = clock.now();
      ok(await settleEvents(log, holding, 400, () => expired, model));
    } else {
      // Many kinds, so that there are many chunks.
      const decide = () => KINDS[random() < 0.5 ? 0 : 4] as Decision;
      ok(await settleEvents(log, holding, 400, decide, model));
    }
    clock.advance(2_000);
  }
  const count = async () => {
    let n = 0;
    for await (const _ of log.store.kv.list(sentOf("a"))) n++;
    return n;
  };
  const before = await count();
  ok(before > 4, `${before} chunks`);
  await log.retention.trim();
  ok(await count() < before, "old chunks go");
  // What the log still has is still told.
  const oldest = await log.next({ segment: "", index: 0 });
  ok(oldest);
  const kept = [...model.keys()].filter((id) => id >= oldest.id);
  ok(kept.length > 400 && kept.length < model.size);
  deepEqual(
    await outcomes(log, "a", kept),
    new Map(kept.map((id) => [id, model.get(id)])),
  );
  const list = async () => {
    const ranges = [];
    for await (const range of listExpired(log.store, "a")) ranges.push(range);
    return ranges;
  };
  const ids = [...model].filter(([, { kind }]) => kind === "expired")
    .map(([id]) => id);
  const [range, ...more] = await list();
  deepEqual([
    range?.first,
    range?.last,
    range?.events,
    range?.at,
    range?.reason,
  ], [
    ids[0],
    ids.at(-1),
    400,
    expiredAt,
    "age",
  ]);
  equal(range?.from, expiredAt);
  ok((range?.bytes ?? 0) > 400 * 5);
  deepEqual(more, []);
  clock.advance(30 * 86_400_000 + 1);
  await log.retention.trim();
  deepEqual(await list(), []);
  await holding.release();
  await log.close();
});

Deno.test("History.wasExpired() knows single events, also when the log is gone", async () => {
  const clock = new ManualClock();
  const log = await openRig({ clock, connectors: () => ["a"], keep: 60_000 });
  const holding = await takeLease(log, "a", { signal: always });
  const history = new History(log);
  const ask = async (id: string, count: number) => {
    const [segment = "", first] = id.split("-");
    const was = await history.wasExpired("a", holding.place, {
      segment,
      first: Number(first),
      count,
      at: clock.now(),
    });
    return was ? "expired" : "not";
  };
  const { ids: [run] } = await log.append(
    intakeOf(Array.from({ length: 30 }, (_, n) => `${n}`)),
  );
  ok(run);
  ok(await settleEvents(log, holding, 10, () => KINDS[0] as Decision));
  equal(await ask(`${run.segment}-0`, 10), "not");
  ok(await settleEvents(log, holding, 5, () => KINDS[7] as Decision));
  ok(await settleEvents(log, holding, 15, () => KINDS[4] as Decision));
  for (const when of ["kept", "trimmed"]) {
    equal(await ask(`${run.segment}-0`, 10), "not", when);
    equal(await ask(`${run.segment}-0`, 11), "expired", when);
    equal(await ask(`${run.segment}-14`, 1), "expired", when);
    equal(await ask(`${run.segment}-15`, 15), "not", when);
    clock.advance(120_000);
    await log.append(intakeOf(["1"], { receivedAt: clock.now() }));
    await settleEvents(log, holding, 1, () => KINDS[0] as Decision);
    await log.retention.trim();
  }
  await holding.release();
  await log.close();
});

Deno.test("over a shared store a settle stays below what is fast, however long it goes on", async () => {
  await inFolder(async (path) => {
    const clock = new ManualClock();
    const log = await openRig({
      clock,
      location: null,
      openKv: () => Deno.openKv(path),
      keep: 86_400_000,
    });
    const holding = await takeLease(log, "siem", { signal: always });
    const model = new Map<string, Decision>();
    const answered = DELIVERED(1, 200, '{"text":"Success","code":0}');
    let most = 0;
    for (let n = 0; n < 300; n++) {
      // All four lanes.
      const big = "x".repeat(400_000);
      await Promise.all(
        [1, 2, 3, 4].map((one) =>
          log.append(intakeOf([`"${n} ${one}${n < 1 ? big : ""}"`]))
        ),
      );
      ok(await settleEvents(log, holding, 4, () => answered, model));
      const { kv } = log.store;
      const cursor = await kv.get<Uint8Array>(cursorKey("siem"));
      let chunk = 0;
      for await (
        const { value } of kv.list<Uint8Array>(sentOf("siem"), {
          reverse: true,
          limit: 1,
        })
      ) chunk = value.length;
      most = Math.max(most, (cursor.value?.length ?? 0) + chunk);
      clock.advance(1_100);
    }
    ok(Object.keys(holding.place.seen).length > 1);
    ok(most <= 850, `${most} bytes`);
    deepEqual(await outcomes(log, "siem", [...model.keys()]), model);
    await holding.release();
    await log.close();
  });
});

Deno.test("History of 100,000 events, every other one filtered, stays small and fast", async () => {
  const log = await openRig({ connectors: () => ["a"] });
  const holding = await takeLease(log, "a", { signal: always });
  let ids: string[] = [];
  const model = new Map<string, Decision>();
  for (let round = 0; round < 10; round++) {
    await log.append(
      intakeOf(Array.from({ length: 10_000 }, (_, n) => `${n}`)),
    );
    let n = 0;
    const decide = () => KINDS[n++ % 2 === 0 ? 0 : 4] as Decision;
    ok(await settleEvents(log, holding, 10_000, decide, model));
  }
  let bytes = 0, chunks = 0;
  for await (const { value } of log.store.kv.list(sentOf("a"))) {
    ok(value instanceof Uint8Array);
    ok(value.length <= 16_384);
    bytes += value.length;
    chunks++;
  }
  // deno-lint-ignore no-console -- a figure
  console.log(`${bytes / 100_000} bytes/event in ${chunks} chunks`);
  ok(bytes < 300_000, `${bytes}`);
  ids = [...model.keys()].filter((_, n) => n % 97 === 0);
  const started = performance.now();
  const found = await outcomes(log, "a", ids);
  // deno-lint-ignore no-console -- a figure
  console.log(`${(performance.now() - started) / ids.length} ms a lookup`);
  deepEqual(found, new Map(ids.map((id) => [id, model.get(id)])));
  await holding.release();
  await log.close();
});

Deno.test("replayedOf() gives the newest replay that had the event", async () => {
  const log = await openRig();
  const note = (first: number, count: number, at: number) =>
    log.store.call((kv) => {
      const [key, value] = replayedWrite("a", {
        segment: "00000000000000010000",
        first,
        count,
        at,
        attempts: 2,
        answer: { status: 200, message: `${at}` },
      });
      return kv.atomic().set(key, value).commit();
    });
  await note(0, 10, 5_000);
  await note(5, 10, 4_000);
  await note(9, 1, 10_000);
  const at = async (index: number) =>
    (await replayedOf(log.store, "a", {
      segment: "00000000000000010000",
      index,
    }))?.answer.message;
  deepEqual(
    [await at(0), await at(6), await at(9), await at(12), await at(15)],
    ["5000", "5000", "10000", "4000", undefined],
  );
  await log.close();
});
