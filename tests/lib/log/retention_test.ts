import { deepEqual, equal, ok } from "node:assert/strict";
import { countsOf } from "../../../lib/log/books.ts";
import { advance, type Holding } from "../../../lib/log/cursor.ts";
import { readHeads, totalsOf } from "../../../lib/log/heads.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import type { EventLog } from "../../../lib/log/log.ts";
import type { LogEvent } from "../../../lib/logger.ts";
import { readTrimMark } from "../../../lib/log/trim.ts";
import { until } from "../../support/drive.ts";
import {
  intakeOf,
  latin1,
  noise,
  openRig,
  rawTextsOf,
  readAll,
  seeded,
} from "../../support/log_rig.ts";
import { smallDisk } from "../../support/small_disk.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const HOUR = 3_600_000;
const always = new AbortController().signal;

async function append(
  log: EventLog,
  clock: ManualClock,
  text: string | Uint8Array,
): Promise<string | undefined> {
  const kept = await log.append(
    intakeOf([text], { receivedAt: clock.now() }),
  );
  return kept.refusal;
}

/** Settles the next segment whole; its texts, or none. */
async function settleNext(log: EventLog, holding: Holding): Promise<string[]> {
  const segment = await log.next(holding.place);
  if (segment === undefined) return [];
  const { place } = holding;
  const from = segment.id === place.segment ? place.index : 0;
  const next = advance(place, [segment], segment.count);
  const delivered = place.books.delivered + segment.count - from;
  const books = { ...next.books, delivered };
  ok(await holding.settle({ ...next, books }, []));
  return rawTextsOf(segment).slice(from);
}

Deno.test("trim() keeps what is waiting or young, and what every connector settled no longer than its span", async () => {
  const clock = new ManualClock();
  const log = await openRig({
    clock,
    keep: HOUR,
    connectors: () => ["a", "b"],
  });
  const a = await takeLease(log, "a", { signal: always });
  const b = await takeLease(log, "b", { signal: always });
  const gone = await takeLease(log, "gone", { signal: always });
  equal(gone.place.index, 0);
  for (let n = 0; n < 6; n++) await append(log, clock, `${n}`);
  for (let n = 0; n < 4; n++) await settleNext(log, a);
  for (let n = 0; n < 2; n++) await settleNext(log, b);
  await log.retention.trim();
  equal((await log.stats()).events, 6);
  clock.advance(HOUR + 1);
  await log.retention.trim();
  // Two are behind both; the connector that left the configuration holds nothing.
  deepEqual(await log.stats().then(({ events }) => events), 4);
  deepEqual(await readAll(log), ["0", "1", "2", "3", "4", "5"].slice(2));
  const mark = await readTrimMark(log.store);
  equal(mark.lanes["local"]?.events, 2);
  equal(mark.hashes["local"]?.length, 64);
  const heads = totalsOf(await readHeads(log.store));
  deepEqual(countsOf(b.place, heads).waiting, 4);
  // A new connector that begins at the oldest owes what is kept.
  const fresh = await takeLease(log, "new", { signal: always, from: "oldest" });
  const { accepted, waiting } = countsOf(fresh.place, heads);
  deepEqual([accepted, waiting], [4, 4]);
  await log.close();
});

Deno.test("trim() goes by age alone where there is no connector", async () => {
  const clock = new ManualClock();
  const log = await openRig({ clock, keep: HOUR });
  await append(log, clock, "1");
  clock.advance(HOUR / 2);
  await append(log, clock, "2");
  clock.advance(HOUR / 2 + 1);
  await log.retention.trim();
  deepEqual(await readAll(log), ["2"]);
  const { events, oldest } = await log.stats();
  deepEqual([events, oldest], [1, clock.now() - HOUR / 2 - 1]);
  clock.advance(HOUR);
  await log.retention.trim();
  deepEqual(await log.stats(), {
    events: 0,
    bytes: 0,
    oldest: null,
    damaged: 0,
  });
  equal(await log.next(undefined), undefined);
  await log.close();
});

Deno.test("trim() keeps no more settled bytes than keepBytes, in bounded commits", async () => {
  const clock = new ManualClock();
  const log = await openRig({
    clock,
    keep: HOUR,
    keepBytes: 1_000_000,
    connectors: () => ["a"],
  });
  const a = await takeLease(log, "a", { signal: always });
  const text = noise(seeded(12), 300_000);
  for (let n = 0; n < 40; n++) await append(log, clock, text);
  for (let n = 0; n < 38; n++) await settleNext(log, a);
  await log.retention.trim();
  const { events } = await log.stats();
  // Two wait, three of the settled fit in the million.
  equal(events, 5);
  equal((await settleNext(log, a)).length, 1);
  await log.close();
});

Deno.test("the high-water mark refuses producers, frees what is for replay only, and takes them again below 95 %", async () => {
  const clock = new ManualClock();
  const said: LogEvent[] = [];
  const log = await openRig({
    clock,
    keep: HOUR,
    maxBytes: 1_000_000,
    connectors: () => ["a"],
    logger: {
      log: (_level, event) => {
        said.push(event);
      },
    },
  });
  const a = await takeLease(log, "a", { signal: always });
  const text = noise(seeded(13), 90_000);
  let kept = 0;
  while (await append(log, clock, text) === undefined) kept++;
  equal(kept, 12);
  ok(log.full);
  // Nothing may go: all of it waits. Reads and settles go on.
  await log.retention.trim();
  equal((await log.stats()).events, 12);
  equal(await append(log, clock, text), "full");
  equal((await settleNext(log, a)).length, 1);
  await log.retention.trim();
  ok(log.full, "990,000 bytes are above 95 %");
  equal((await settleNext(log, a)).length, 1);
  await log.retention.trim();
  ok(!log.full);
  equal(await append(log, clock, text), undefined);
  // By itself too: the loop looks every second while full.
  while (await append(log, clock, text) === undefined);
  for (let n = 0; n < 4; n++) await settleNext(log, a);
  await until(() => {
    clock.advance(250);
    return !log.full;
  });
  deepEqual(
    said.filter((event) => event === "log.full" || event === "log.recovered"),
    ["log.full", "log.recovered", "log.full", "log.recovered"],
  );
  await log.close();
});

Deno.test("the high-water mark holds over a restart", async () => {
  const folder = await Deno.makeTempDir();
  const options = {
    location: `${folder}/a.kv`,
    clock: new ManualClock(),
    keep: HOUR,
    maxBytes: 100_000,
    connectors: () => ["a"],
  };
  const text = noise(seeded(14), 60_000);
  const log = await openRig(options);
  await takeLease(log, "a", { signal: always });
  while (await append(log, options.clock, text) === undefined);
  await log.close();
  const again = await openRig(options);
  equal(await append(again, options.clock, text), "full");
  equal((await again.stats()).events, 2);
  await again.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("trim() never passes a place: connectors that move at random get every event once, in order", async () => {
  const seed = Number(Deno.env.get("SEED") ?? 11);
  const random = seeded(seed);
  const clock = new ManualClock();
  const log = await openRig({
    clock,
    keep: 0,
    tailBytes: 1,
    connectors: () => ["a", "b", "c"],
  });
  const holdings = await Promise.all(
    ["a", "b", "c"].map((name) => takeLease(log, name, { signal: always })),
  );
  const got: string[][] = [[], [], []];
  const model: string[] = [];
  for (let step = 0; step < 400; step++) {
    const dice = random();
    clock.advance(10);
    if (dice < 0.4) {
      const text = noise(random, 8 + Math.floor(random() * 70_000));
      await append(log, clock, text);
      model.push(latin1(text));
    } else if (dice < 0.9) {
      const which = Math.floor(random() * 3);
      const holding = holdings[which];
      ok(holding);
      got[which]?.push(...await settleNext(log, holding));
    } else {
      await log.retention.trim();
    }
  }
  for (const [which, holding] of holdings.entries()) {
    for (;;) {
      const texts = await settleNext(log, holding);
      if (texts.length === 0) break;
      got[which]?.push(...texts);
    }
    deepEqual(got[which], model, `seed ${seed}`);
    const { accepted, waiting } = countsOf(
      holding.place,
      totalsOf(await readHeads(log.store)),
    );
    deepEqual(
      [accepted, waiting, holding.place.books.delivered],
      [model.length, 0, model.length],
    );
  }
  await log.retention.trim();
  equal((await log.stats()).events, 0);
  await log.close();
});

Deno.test("the high-water mark is 80 % of the disk unless it is set", async (t) => {
  await using disk = await smallDisk(192);
  if (disk === undefined) {
    await t.step({
      name: "mounting a small disk is not allowed here",
      ignore: true,
      fn: () => undefined,
    });
    return;
  }
  const said: unknown[] = [];
  const log = await openRig({
    location: `${disk.path}/hecate.kv`,
    keep: HOUR,
    connectors: () => ["a"],
    logger: {
      log: (_level, event, _message, fields) => {
        if (event === "log.full") said.push(fields);
      },
    },
  });
  await takeLease(log, "a", { signal: always });
  const text = noise(seeded(3), 600_000);
  const receivedAt = Date.now();
  let refusal: string | undefined;
  for (let n = 0; n < 500 && refusal === undefined; n++) {
    ({ refusal } = await log.append(intakeOf([text], { receivedAt })));
  }
  equal(refusal, "full");
  const [full] = said as { bytes: number; max_bytes: number }[];
  const mark = Math.floor(192 * 1024 * 1024 * 0.8);
  ok(full !== undefined && full.bytes > mark && full.bytes < mark + 1e6);
  deepEqual(full, { bytes: full.bytes, max_bytes: mark, disk_full: false });
  await log.close();
});
