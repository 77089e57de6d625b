import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { countsOf } from "../../../lib/log/books.ts";
import { advance, type Place } from "../../../lib/log/cursor.ts";
import { readDeadLetter } from "../../../lib/log/dead_record.ts";
import { readHeads, totalsOf } from "../../../lib/log/heads.ts";
import { cursorKey, deadKey } from "../../../lib/log/keys.ts";
import { LEASE_MS, takeLease } from "../../../lib/log/lease.ts";
import type { EventLog, Kept } from "../../../lib/log/log.ts";
import { placeOf, readBooks, readPlaces } from "../../../lib/log/places.ts";
import { drive, pass, until } from "../../support/drive.ts";
import {
  type Fault,
  FaultyKv,
  FaultyStore,
  release,
} from "../../support/faulty_kv.ts";
import { intakeOf, openRig } from "../../support/log_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const REMOTE = "http://kv.invalid";
const always = new AbortController().signal;

/** Two processes over one real KV, on one clock. */
async function twoProcesses(): Promise<{
  readonly clock: ManualClock;
  readonly a: EventLog;
  readonly b: EventLog;
  /** The next commit of process a goes this way. */
  readonly fail: (fault: Fault | "all_hang" | "never") => void;
  readonly held: (() => Promise<unknown>)[];
  readonly traffic: { calls: number };
  readonly close: () => Promise<void>;
}> {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  const held: (() => Promise<unknown>)[] = [];
  let next: Fault | "all_hang" | "never" = "never";
  const traffic = { calls: 0 };
  const plan = {
    traffic,
    commit: (): Fault | undefined => {
      if (next === "all_hang") return "hang_before";
      const now = next;
      next = "never";
      return now === "never" ? undefined : now;
    },
    read: () => next === "all_hang" ? "hang" as const : undefined,
  };
  const calm = { traffic, commit: () => undefined };
  const a = await openRig({
    location: REMOTE,
    clock,
    instance: "a",
    openKv: () => Promise.resolve(new FaultyKv(real, plan, held)),
  });
  const b = await openRig({
    location: REMOTE,
    clock,
    instance: "b",
    openKv: () => Promise.resolve(new FaultyKv(real, calm)),
  });
  return {
    clock,
    a,
    b,
    fail: (fault) => {
      next = fault;
    },
    held,
    traffic,
    close: async () => {
      next = "never";
      await drive(clock, Promise.all([a.close(), b.close()]));
      real.close();
    },
  };
}

function delivered(place: Place, more: number): Place {
  return {
    ...place,
    books: { ...place.books, delivered: place.books.delivered + more },
  };
}

Deno.test("settle() moves the place with its books; a restart finds both; countsOf() balances", async () => {
  const folder = await Deno.makeTempDir();
  const location = `${folder}/a.kv`;
  const log = await openRig({ location });
  await log.append(intakeOf(["0"]));
  const holding = await takeLease(log, "siem", { signal: always });
  // New: at the end of the log.
  equal(await log.next(holding.place), undefined);
  await log.append(intakeOf(["1", "2"]));
  await log.append(intakeOf(["3", "4"]));
  const one = await log.next(holding.place);
  ok(one);
  const two = await log.next({ segment: one.id, index: one.count });
  ok(two);
  const place = delivered(advance(holding.place, [one, one, two], 1), 3);
  ok(await holding.settle(place, []));
  const books = async (from: EventLog) => {
    const { places, heads } = await readBooks(from);
    const stored = places.get("siem");
    ok(stored);
    const { accepted, waiting, waitingBytes } = countsOf(stored, heads);
    equal(accepted, stored.books.delivered + waiting);
    return [accepted, stored.books.delivered, waiting, waitingBytes > 0];
  };
  deepEqual(await books(log), [4, 3, 1, true]);
  await log.close();
  const again = await openRig({ location });
  const held = await takeLease(again, "siem", { signal: always });
  deepEqual(held.place, place);
  deepEqual(await books(again), [4, 3, 1, true]);
  await again.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("takeLease() from oldest begins at the oldest event kept", async () => {
  const log = await openRig();
  await log.append(intakeOf(["1", "2"]));
  const { place } = await takeLease(log, "siem", {
    signal: always,
    from: "oldest",
  });
  equal((await log.next(place))?.count, 2);
  const heads = totalsOf(await readHeads(log.store));
  equal(countsOf(place, heads).waiting, 2);
  await log.close();
});

Deno.test("settles ride with appends and with each other, and a lost lease spoils neither", async () => {
  const log = await openRig();
  const names = Array.from({ length: 12 }, (_, n) => `c${n}`);
  const held = await Promise.all(
    names.map((name) => takeLease(log, name, { signal: always })),
  );
  const [stale] = held;
  ok(stale);
  const fresh = await takeLease(log, "c0", { signal: always });
  for (let round = 1; round <= 20; round++) {
    const appends = [1, 2, 3].map((n) => log.append(intakeOf([`${n}`])));
    const settled = await Promise.all(
      held.slice(1).map((one) => one.settle(delivered(one.place, 1), [])),
    );
    ok(settled.every((is) => is));
    equal(
      (await Promise.all(appends)).reduce((sum, { kept }) => sum + kept, 0),
      3,
    );
    if (round === 10) {
      const results: [boolean, Kept, boolean] = await Promise.all([
        stale.settle(delivered(stale.place, 1_000), []),
        log.append(intakeOf(["x"])),
        fresh.settle(delivered(fresh.place, 7), []),
      ]);
      const [late, taken, other] = results;
      deepEqual([late, taken.kept, other], [false, 1, true]);
      ok(stale.lost.aborted);
    }
  }
  const places = await readPlaces(log.store);
  deepEqual(
    names.map((name) => places.get(name)?.books.delivered),
    [7, ...Array(11).fill(20)],
  );
  equal((await log.stats()).events, 61);
  await log.close();
});

Deno.test("settle() writes dead letters of any size before the place; a repeat changes nothing", async () => {
  const log = await openRig();
  const holding = await takeLease(log, "siem", { signal: always });
  const large = JSON.stringify("d".repeat(200_000));
  await log.append(intakeOf([large, "{}"], { host: "h" }));
  await log.append(
    intakeOf(["1"], { defaults: { source: "s".repeat(9_000), time: "5" } }),
  );
  const one = await log.next(holding.place);
  ok(one);
  const two = await log.next({ segment: one.id, index: 2 });
  ok(two);
  const dead = [[one, 0], [one, 1], [two, 0]] as const;
  const letters = dead.map(([segment, index]) => ({
    segment,
    index,
    reason: "rejected" as const,
    error: "400 Invalid data",
    attempts: 1,
    at: 1_800_000_000_000,
  }));
  const place = advance(holding.place, [one, two], 1);
  ok(await holding.settle(place, letters));
  ok(await holding.settle(place, letters));
  const first = await readDeadLetter(log.store, "siem", `${one.id}-0`);
  equal(new TextDecoder().decode(first?.event), large);
  deepEqual(first?.envelope, { host: '"h"' });
  equal(first?.timestamp, "2027-01-15T08:00:00.000Z");
  const third = await readDeadLetter(log.store, "siem", `${two.id}-0`);
  deepEqual(third?.envelope, {
    source: JSON.stringify("s".repeat(9_000)),
    time: "5",
  });
  deepEqual([third?.reason, third?.error, third?.attempts, third?.isRaw], [
    "rejected",
    "400 Invalid data",
    1,
    false,
  ]);
  await log.close();
});

Deno.test("takeLease() over the network waits until the holder is silent for its span, then fences it", async () => {
  const { clock, a, b, fail, traffic, close } = await twoProcesses();
  const first = await drive(clock, takeLease(a, "siem", { signal: always }));
  let isTaken = false;
  const taking = takeLease(b, "siem", { signal: always }).then((held) => {
    isTaken = true;
    return held;
  });
  // Renewed: nobody else gets it.
  await pass(clock, 5 * LEASE_MS, 100, traffic);
  ok(!first.lost.aborted);
  ok(!isTaken);
  ok(await drive(clock, first.settle(delivered(first.place, 1), [])));
  // The holder's network is gone: it stops by itself before another can begin.
  const silentSince = clock.monotonic();
  fail("all_hang");
  await until(() => {
    clock.advance(50);
    return first.lost.aborted;
  });
  ok(clock.monotonic() - silentSince <= LEASE_MS / 2 + 100);
  ok(!isTaken);
  const second = await drive(clock, taking);
  ok(clock.monotonic() - silentSince <= LEASE_MS + 6_000);
  equal(second.place.books.delivered, 1);
  // Back again: what it would write is refused.
  fail("never");
  ok(!await first.settle(delivered(first.place, 99), []));
  ok(await drive(clock, second.settle(delivered(second.place, 1), [])));
  const entry = await b.store.kv.get(cursorKey("siem"));
  equal(placeOf(entry.value)?.books.delivered, 2);
  await close();
});

Deno.test("settle() of a holder that does not know yet is refused by the epoch, dead letters too", async () => {
  const { clock, a, b, close } = await twoProcesses();
  const first = await drive(clock, takeLease(a, "siem", { signal: always }));
  await drive(clock, a.append(intakeOf(["1"])));
  const segment = await drive(clock, a.next(first.place));
  ok(segment);
  // Process a stands still: its timers do not run, while b's do. The clock is shared, so b takes the lease by force.
  await first.release();
  const second = await drive(clock, takeLease(b, "siem", { signal: always }));
  const letter = {
    segment,
    index: 0,
    reason: "rejected" as const,
    error: "no",
    attempts: 1,
    at: 0,
  };
  ok(!await drive(clock, first.settle(delivered(first.place, 5), [letter])));
  ok(first.lost.aborted);
  const dead = await b.store.kv.get(deadKey("siem", `${segment.id}-0`));
  equal(dead.versionstamp, null);
  ok(await drive(clock, second.settle(delivered(second.place, 1), [])));
  await close();
});

Deno.test("a holder whose connection froze renews over a fresh one and keeps its lease", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  let isFrozen = false;
  const traffic = { calls: 0 };
  const store = new FaultyStore(real, {
    traffic,
    commit: () => undefined,
    frozen: (handle) => isFrozen && handle === 0,
  });
  const log = await openRig({ location: REMOTE, clock, openKv: store.openKv });
  const held = await drive(clock, takeLease(log, "siem", { signal: always }));
  isFrozen = true;
  await pass(clock, 5 * LEASE_MS, 100, traffic);
  ok(!held.lost.aborted, String(held.lost.reason));
  deepEqual([store.opened, store.closed], [2, 1]);
  // What the old connection held back arrives: the lease stays ours.
  await release(store.held);
  await pass(clock, LEASE_MS, 100, traffic);
  ok(!held.lost.aborted, String(held.lost.reason));
  ok(await drive(clock, held.settle(delivered(held.place, 1), [])));
  await drive(clock, held.release());
  await drive(clock, log.close());
  real.close();
});

Deno.test("release() lets another take over within one poll", async () => {
  const { clock, a, b, close } = await twoProcesses();
  const first = await drive(clock, takeLease(a, "siem", { signal: always }));
  const taking = takeLease(b, "siem", { signal: always });
  await pass(clock, 2_000);
  const before = clock.monotonic();
  await drive(clock, first.release());
  await drive(clock, taking, 50);
  ok(clock.monotonic() - before < 2_500);
  await close();
});

for (
  const fault of [
    "throw_after",
    "hang_after",
    "throw_before",
    "hang_before",
    "refuse_after",
    "late",
  ] as const
) {
  Deno.test(`settle() over the network is right when its commit goes wrong: ${fault}`, async () => {
    const { clock, a, fail, held, close } = await twoProcesses();
    const holding = await drive(
      clock,
      takeLease(a, "siem", { signal: always }),
    );
    fail(fault);
    ok(
      await drive(clock, holding.settle(delivered(holding.place, 1), []), 50),
    );
    ok(
      await drive(clock, holding.settle(delivered(holding.place, 1), []), 50),
    );
    // What arrives late must not set the place back.
    await release(held);
    const entry = await a.store.kv.get(cursorKey("siem"));
    equal(placeOf(entry.value)?.books.delivered, 2);
    ok(
      await drive(clock, holding.settle(delivered(holding.place, 1), []), 50),
    );
    await close();
  });
}

Deno.test("takeLease() ends with the signal's reason", async () => {
  const { clock, a, b, close } = await twoProcesses();
  await drive(clock, takeLease(a, "siem", { signal: always }));
  const stop = new AbortController();
  const taking = takeLease(b, "siem", { signal: stop.signal });
  await pass(clock, 3_000);
  stop.abort(new Error("enough"));
  await rejects(taking, { message: "enough" });
  await close();
});

Deno.test("next() over the network sees what other processes appended, in one order", async () => {
  const { clock, a, b, close } = await twoProcesses();
  const work = async () => {
    for (let n = 0; n < 30; n++) {
      await Promise.all([
        a.append(intakeOf([`"a${n}"`])),
        b.append(intakeOf([`"b${n}"`])),
      ]);
    }
  };
  const read = async (log: EventLog) => {
    const ids: string[] = [];
    let at = { segment: "", index: 0 };
    for (let events = 0; events < 60;) {
      await log.changed(at, always);
      for (;;) {
        const segment = await log.next(at);
        if (segment === undefined) break;
        ids.push(segment.id);
        events += segment.count;
        at = { segment: segment.id, index: segment.count };
      }
    }
    return ids;
  };
  const [fromA, fromB] = await drive(
    clock,
    Promise.all([read(a), read(b), work()]),
    50,
  );
  deepEqual(fromA, fromB);
  deepEqual(fromA, fromA.toSorted());
  equal(a.lagReads, 0);
  await close();
});
