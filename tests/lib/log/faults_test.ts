import { deepEqual, equal, ok } from "node:assert/strict";
import { readHeads } from "../../../lib/log/heads.ts";
import type { Kept } from "../../../lib/log/log.ts";
import { readHeader } from "../../../lib/log/segment.ts";
import { drive } from "../../support/drive.ts";
import {
  type Fault,
  FaultyKv,
  FaultyStore,
  release,
} from "../../support/faulty_kv.ts";
import { intakeOf, openRig, readAll, seeded } from "../../support/log_rig.ts";
import { checkChains } from "../../support/chains.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const REMOTE = "http://kv.invalid";
const FAULTS: readonly Fault[] = [
  "throw_after",
  "hang_after",
  "throw_before",
  "hang_before",
  "refuse_after",
  "late",
];

/** Walks every lane's chain; what its last segment leaves. */
async function chainsOf(
  kv: Deno.Kv,
): Promise<Map<string, { events: number; hash: string }>> {
  const chains = new Map<string, { events: number; hash: string }>();
  for await (const { value } of kv.list<Uint8Array>({ prefix: ["log"] })) {
    const header = readHeader(value);
    ok(header);
    const before = chains.get(header.lane);
    if (before !== undefined) equal(header.previous, before.hash);
    equal(header.eventsBefore, before?.events ?? 0);
    chains.set(header.lane, {
      events: header.eventsBefore + header.count,
      hash: header.checksum,
    });
  }
  return chains;
}

/** Appends one event and takes the answer apart. */
function isKept(kept: Kept): boolean {
  ok(kept.kept === 1 || kept.refusal === "unavailable", JSON.stringify(kept));
  return kept.kept === 1;
}

for (const fault of FAULTS) {
  Deno.test(`append() stores an event once when its commit goes wrong: ${fault}`, async () => {
    const real = await Deno.openKv(":memory:");
    const clock = new ManualClock();
    const held: (() => Promise<unknown>)[] = [];
    let next: Fault | undefined;
    const plan = {
      commit: () => {
        const now = next;
        next = undefined;
        return now;
      },
    };
    const log = await openRig({
      location: REMOTE,
      clock,
      openKv: () => Promise.resolve(new FaultyKv(real, plan, held)),
    });
    ok(isKept(await drive(clock, log.append(intakeOf(["1"])))));
    next = fault;
    ok(isKept(await drive(clock, log.append(intakeOf(["2"])))));
    await release(held);
    ok(isKept(await drive(clock, log.append(intakeOf(["3"])))));
    deepEqual(await drive(clock, readAll(log)), ["1", "2", "3"]);
    await drive(clock, log.close());
    real.close();
  });
}

Deno.test("append() under random faults loses nothing and doubles nothing", async () => {
  const seed = Number(Deno.env.get("SEED") ?? 20261121);
  const random = seeded(seed);
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  const held: (() => Promise<unknown>)[] = [];
  let isCalm = false;
  let faults = 0;
  // Half a minute out of three the store is silent: then appends are given up, and arrive all the same.
  const isSilent = () => !isCalm && clock.monotonic() % 180_000 > 150_000;
  const plan = {
    commit: () => {
      if (isCalm) return undefined;
      if (isSilent()) {
        faults++;
        return random() < 0.5 ? "late" as const : "hang_before" as const;
      }
      // Late commits arrive at some later moment, between others.
      if (held.length > 0 && random() < 0.2) void release(held);
      if (random() >= 0.12) return undefined;
      faults++;
      return FAULTS[Math.floor(random() * FAULTS.length)];
    },
    read: () => {
      if (isSilent()) return "hang" as const;
      if (isCalm || random() >= 0.03) return undefined;
      return random() < 0.7 ? "throw" as const : "hang" as const;
    },
  };
  const log = await drive(
    clock,
    openRig({
      location: REMOTE,
      clock,
      random,
      openKv: () => Promise.resolve(new FaultyKv(real, plan, held)),
    }),
  );
  const acked: string[] = [], unclear: string[] = [];
  const worker = async (w: number) => {
    for (let n = 0; n < 250; n++) {
      const text = `[${w},${n}]`;
      const kept = await log.append(intakeOf([text]));
      (isKept(kept) ? acked : unclear).push(text);
      // Apart from each other, so that there are many commits.
      await clock.sleep(random() * 400);
    }
  };
  await drive(
    clock,
    Promise.all(Array.from({ length: 16 }, (_, w) => worker(w))),
    50,
  );
  isCalm = true;
  await release(held);
  const stored = await drive(clock, readAll(log));
  const heads = await drive(clock, readHeads(log.store));
  await drive(clock, log.close());
  const chains = await chainsOf(real);
  real.close();
  for (const [lane, { events, hash }] of heads) {
    deepEqual(
      chains.get(lane),
      events === 0 ? undefined : { events, hash },
      `seed ${seed}: chain and totals of lane ${lane}`,
    );
  }
  const counts = new Map<string, number>();
  for (const text of stored) counts.set(text, (counts.get(text) ?? 0) + 1);
  const context = `seed ${seed}, ${faults} faults`;
  deepEqual(
    acked.filter((text) => counts.get(text) !== 1),
    [],
    `${context}: each acked event is stored once`,
  );
  deepEqual(
    unclear.filter((text) => (counts.get(text) ?? 0) > 1),
    [],
    `${context}: no refused event is stored twice`,
  );
  equal(new Set([...acked, ...unclear, ...stored]).size, 4_000, context);
  ok(acked.length > 2_000, `${context}: ${acked.length} acked`);
  ok(faults > 100, context);
  const isAcked = new Set(acked);
  for (let w = 0; w < 16; w++) {
    // One that was refused may be found stored later, behind its successors.
    const order = stored.filter((text) => isAcked.has(text))
      .map((text) => JSON.parse(text))
      .filter(([worker]) => worker === w).map(([, n]) => n);
    deepEqual(order, order.toSorted((a, b) => a - b), `${context}: order`);
  }
});

Deno.test("append() answers unavailable when the store is silent, and goes on when it speaks again", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  let isSilent = false;
  const plan = {
    commit: () => isSilent ? "hang_before" as const : undefined,
    read: () => isSilent ? "hang" as const : undefined,
  };
  const log = await openRig({
    location: REMOTE,
    clock,
    openKv: () => Promise.resolve(new FaultyKv(real, plan)),
  });
  ok(isKept(await drive(clock, log.append(intakeOf(["1"])))));
  isSilent = true;
  const before = clock.monotonic();
  const kept = await drive(
    clock,
    Promise.all(
      Array.from({ length: 8 }, (_, n) => log.append(intakeOf([`${n + 2}`]))),
    ),
    100,
  );
  deepEqual(
    new Set(kept.map(({ refusal }) => refusal)),
    new Set(["unavailable"]),
  );
  ok(clock.monotonic() - before < 60_000);
  isSilent = false;
  const again = async () => {
    for (;;) {
      if ((await log.append(intakeOf(["last"]))).kept === 1) return;
      await clock.sleep(500);
    }
  };
  await drive(clock, again(), 100);
  const stored = await drive(clock, readAll(log));
  equal(stored.at(-1), "last");
  equal(new Set(stored).size, stored.length);
  await drive(clock, log.close());
  real.close();
});

Deno.test("append() that was given up is fenced: it cannot arrive any more", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  const held: (() => Promise<unknown>)[] = [];
  let commits = Infinity;
  const plan = {
    // Appends are held back, the fences between them are not.
    commit: () => commits++ % 2 === 0 ? "late" as const : undefined,
  };
  const log = await openRig({
    location: REMOTE,
    clock,
    openKv: () => Promise.resolve(new FaultyKv(real, plan, held)),
  });
  ok(isKept(await drive(clock, log.append(intakeOf(["1"])))));
  commits = 0;
  const kept = await drive(clock, log.append(intakeOf(["2"])), 50);
  deepEqual(kept, { kept: 0, ids: [], refusal: "unavailable" });
  equal(held.length, 3);
  await release(held);
  commits = Infinity;
  ok(isKept(await drive(clock, log.append(intakeOf(["3"])))));
  deepEqual(await drive(clock, readAll(log)), ["1", "3"]);
  await drive(clock, log.close());
  real.close();
});

Deno.test("append() over a connection that froze goes on by a fresh handle; what the old one still held is fenced off", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  let isFrozen = false;
  const store = new FaultyStore(real, {
    commit: () => undefined,
    // Only what is there at the moment: new connections work.
    frozen: (handle) => isFrozen && handle === 0,
  });
  const log = await openRig({
    location: REMOTE,
    clock,
    openKv: store.openKv,
  });
  ok(isKept(await drive(clock, log.append(intakeOf(["1"])))));
  isFrozen = true;
  const before = clock.monotonic();
  ok(isKept(await drive(clock, log.append(intakeOf(["2"])))));
  const took = clock.monotonic() - before;
  ok(took < 6_000, `${took} ms: one time-out, not one more for each read`);
  deepEqual([store.opened, store.closed], [2, 1]);
  // Closing cancelled nothing: the first try arrives now.
  equal(store.held.length, 1);
  await release(store.held);
  ok(isKept(await drive(clock, log.append(intakeOf(["3"])))));
  deepEqual(await drive(clock, readAll(log)), ["1", "2", "3"]);
  await drive(clock, log.close());
  real.close();
});

Deno.test("what was on its way when the log closed may be stored later, and is not doubled by the next process", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  let isFrozen = false;
  const store = new FaultyStore(real, {
    commit: () => undefined,
    frozen: () => isFrozen,
  });
  const first = await openRig({
    location: REMOTE,
    clock,
    openKv: store.openKv,
  });
  ok(isKept(await drive(clock, first.append(intakeOf(["1"])))));
  isFrozen = true;
  const kept = first.append(intakeOf(["2"]));
  await drive(clock, first.close());
  equal((await drive(clock, kept)).refusal, "unavailable");
  isFrozen = false;
  const second = await openRig({
    location: REMOTE,
    clock,
    openKv: store.openKv,
  });
  ok(isKept(await drive(clock, second.append(intakeOf(["3"])))));
  // A kill of the process before it could fence: all of its tries arrive, and one at most counts.
  await release(store.held);
  const stored = await drive(clock, readAll(second));
  deepEqual(stored.toSorted(), ["1", "2", "3"]);
  await drive(clock, second.close());
  await checkChains(real);
  real.close();
});
