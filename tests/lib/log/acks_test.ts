import { deepEqual, equal, ok } from "node:assert/strict";
import { AckClaim, AckIds, MAX_CHANNELS } from "../../../lib/log/ack_ids.ts";
import { Acks } from "../../../lib/log/acks.ts";
import { beginPlaces } from "../../../lib/log/begin.ts";
import { advance, type Holding } from "../../../lib/log/cursor.ts";
import type { Expiry } from "../../../lib/log/expiry.ts";
import { History } from "../../../lib/log/history.ts";
import { ackIdsKey, logKey } from "../../../lib/log/keys.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import type { EventLog, Kept } from "../../../lib/log/log.ts";
import { readTrimMark } from "../../../lib/log/trim.ts";
import type { AckLevel } from "../../../lib/tokens.ts";
import { type Fault, FaultyKv } from "../../support/faulty_kv.ts";
import {
  intakeOf,
  noise,
  openRig,
  type RigOptions,
  seeded,
} from "../../support/log_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { killedCopy, removeCopy } from "../../support/killed.ts";
import {
  allDecided,
  always,
  inFolder,
  settleNext,
} from "../../support/place_rig.ts";

const A = { token: "edr", channel: "6b2c1d0e-1f2a-4b3c-8d4e-0123456789ab" };
const B = { token: "edr", channel: "6b2c1d0e-1f2a-4b3c-8d4e-0123456789ac" };
const MINUTE = 60_000, DAY = 86_400_000;
const nothingExpires: Expiry = { wasExpired: () => false };

function acksOf(
  log: EventLog,
  connectors: readonly string[] = [],
  expiry = nothingExpires,
): Acks {
  return new Acks(log, { connectors: () => connectors, expiry });
}

async function claimOf(acks: Acks, at = A): Promise<AckClaim> {
  const claim = await acks.claim(at.token, at.channel);
  ok(claim instanceof AckClaim, String(claim));
  return claim;
}

/** One request; its ack id. */
async function post(
  log: EventLog,
  acks: Acks,
  events: readonly (string | Uint8Array)[] = ["1"],
  { at = A, receivedAt }: {
    readonly at?: typeof A;
    readonly receivedAt?: number;
  } = {},
): Promise<Kept & { readonly id: number | undefined }> {
  const ack = await claimOf(acks, at);
  const kept = await log.append({
    ...intakeOf(events, receivedAt === undefined ? {} : { receivedAt }),
    ack,
  });
  ack.close({ isKept: kept.kept > 0 });
  return { ...kept, id: kept.kept > 0 ? ack.id : undefined };
}

async function told(
  acks: Acks,
  ids: Iterable<number>,
  level: AckLevel = "delivered",
  at = A,
): Promise<number[]> {
  return [...await acks.poll(at, level, ids)].sort((a, b) => a - b);
}

async function openTwo(
  names: readonly string[],
  options: RigOptions = {},
): Promise<{ readonly log: EventLog; readonly holdings: readonly Holding[] }> {
  const log = await openRig({ ...options, connectors: () => names });
  await beginPlaces(
    log.store,
    names.map((name) => ({ name, from: "newest" })),
  );
  const holdings = await Promise.all(
    names.map((name) => takeLease(log, name, { signal: always })),
  );
  return { log, holdings };
}

Deno.test("Acks.poll() is true once every connector is beyond all events of the request", async () => {
  const { log, holdings: [a, b] } = await openTwo(["a", "b"]);
  ok(a !== undefined && b !== undefined);
  try {
    const acks = acksOf(log, ["a", "b"]);
    const onlyA = acksOf(log, ["a"]);
    const none = acksOf(log);
    equal((await post(log, acks, ["1", "2", "3"])).id, 0);
    equal((await post(log, acks)).id, 1);
    deepEqual(await told(acks, [0, 1, 2]), []);
    await settleNext(log, b, 1);
    deepEqual(await told(acks, [0, 1]), []);
    // Part of the first request at the other.
    const segment = await log.next(a.place);
    ok(segment);
    ok(await a.settle(advance(a.place, [segment], 2), []));
    deepEqual(await told(acks, [0, 1]), []);
    ok(await a.settle(advance(a.place, [segment], 3), []));
    deepEqual(await told(acks, [0, 1]), [0]);
    await settleNext(log, a, 1);
    deepEqual(await told(acks, [0, 1]), [0]);
    deepEqual(await told(onlyA, [1]), [1]);
    equal((await post(log, acks)).id, 2);
    deepEqual(await told(acks, [2], "stored"), [2]);
    equal((await post(log, acks)).id, 3);
    deepEqual(await told(none, [3]), [3]);
    // A connector that has no place yet owes what nobody knows.
    equal((await post(log, acks)).id, 4);
    deepEqual(await told(acksOf(log, ["c"]), [4]), []);
  } finally {
    await log.close();
  }
});

Deno.test("Acks.poll() of some of the ids of one commit leaves the others as they are", async () => {
  const clock = new ManualClock();
  const { log, holdings: [a] } = await openTwo(["a"], { clock });
  ok(a);
  try {
    const acks = acksOf(log, ["a"]);
    // The first goes alone, the others together: one segment, one record a channel and group.
    const posts = await Promise.all(
      Array.from({ length: 600 }, () => post(log, acks)),
    );
    deepEqual(
      posts.map(({ id }) => id),
      Array.from({ length: 600 }, (_, n) => n),
    );
    const segments = new Set(posts.map(({ ids: [run] }) => run?.segment));
    ok(segments.size < 6, `${segments.size} segments`);
    await settleNext(log, a, segments.size - 1);
    const last = await log.next(a.place);
    ok(last);
    ok(await a.settle(advance(a.place, [last], last.count - 3), []));
    const all = Array.from({ length: 610 }, (_, n) => n);
    const odd = all.filter((n) => n % 2 === 1 && n < 597);
    deepEqual(await told(acks, all.filter((n) => n % 2 === 1)), odd);
    clock.advance(6 * MINUTE);
    deepEqual(await told(acks, all), all.slice(0, 597));
    clock.advance(5 * MINUTE);
    deepEqual(
      await told(acks, all),
      all.slice(0, 597).filter((n) => n % 2 === 0),
    );
    ok(await a.settle(advance(a.place, [last], last.count), []));
    clock.advance(6 * MINUTE);
    deepEqual(await told(acks, all), [597, 598, 599]);
    const left = await Array.fromAsync(
      log.store.kv.list({ prefix: ["ack"] }),
      ({ key }) => key,
    );
    deepEqual(left, []);
  } finally {
    await log.close();
  }
});

Deno.test("Acks.poll() of an event that expired stays false", async () => {
  const { log, holdings: [a] } = await openTwo(["a"]);
  ok(a);
  try {
    const now = Date.now();
    const acks = acksOf(log, ["a"], new History(log));
    await post(log, acks, ["old"], { receivedAt: now - 2 * DAY });
    const segment = await log.next(a.place);
    ok(segment);
    const place = advance(a.place, [segment], 1);
    ok(
      await a.settle(
        { ...place, books: { ...place.books, expired: 1 } },
        [],
        allDecided(segment, "expired"),
      ),
    );
    deepEqual(await told(acks, [0]), []);
    // What came since has not.
    await post(log, acks, ["new"], { receivedAt: now });
    await settleNext(log, a, 1);
    deepEqual(await told(acks, [0, 1]), [1]);
  } finally {
    await log.close();
  }
});

Deno.test("Acks.poll() of events in a damaged segment stays false", async () => {
  await inFolder(async (location) => {
    const { log, holdings: [a] } = await openTwo(["a"], { location });
    ok(a);
    const acks = acksOf(log, ["a"]);
    const [bad] = (await post(log, acks)).ids;
    await post(log, acks);
    ok(bad);
    const key = logKey(bad.segment);
    const { value } = await log.store.kv.get<Uint8Array>(key);
    ok(value);
    value[value.length - 1] = ~(value.at(-1) ?? 0);
    await log.store.kv.atomic().set(key, value).commit();
    await log.close();
    // From here on the store is all there is.
    const again = await openRig({ location, connectors: () => ["a"] });
    try {
      const holding = await takeLease(again, "a", { signal: always });
      await settleNext(again, holding, 1);
      equal(holding.place.books.expired, 1);
      const later = acksOf(again, ["a"], new History(again));
      for (let n = 0; n < 2; n++) deepEqual(await told(later, [0, 1]), [1]);
      deepEqual(await told(later, [0], "stored"), [0]);
    } finally {
      await again.close();
    }
  });
});

Deno.test("Acks.poll() repeats true for ten minutes from the first time, then it is false", async () => {
  const clock = new ManualClock();
  const log = await openRig({ clock });
  try {
    const acks = acksOf(log);
    for (let n = 0; n < 4; n++) await post(log, acks);
    deepEqual(await told(acks, [1]), [1]);
    clock.advance(9 * MINUTE);
    deepEqual(await told(acks, [0, 1]), [0, 1]);
    clock.advance(MINUTE);
    deepEqual(await told(acks, [0, 1]), [0, 1]);
    clock.advance(2_000);
    deepEqual(await told(acks, [0, 1]), [0]);
    deepEqual(await told(acks, [0, 1, 2]), [0, 2]);
    clock.advance(30 * MINUTE);
    deepEqual(await told(acks, [0, 1, 2, 3]), [3]);
    await acks.sweep();
    deepEqual(await told(acks, [0, 1, 2]), []);
  } finally {
    await log.close();
  }
});

Deno.test("Acks.poll() of an id whose request is not over is false", async () => {
  const log = await openRig();
  try {
    const acks = acksOf(log);
    const ack = await claimOf(acks);
    equal((await log.append({ ...intakeOf(["1"]), ack })).kept, 1);
    deepEqual(await told(acks, [0], "stored"), []);
    ack.close({ isKept: true });
    deepEqual(await told(acks, [0], "stored"), [0]);
  } finally {
    await log.close();
  }
});

Deno.test("a refused append uses up no id, whatever the store does", async () => {
  const real = await Deno.openKv(":memory:");
  let fault: Fault | undefined;
  const log = await openRig({
    openKv: () =>
      Promise.resolve(
        new FaultyKv(real, {
          commit: () => {
            const now = fault;
            fault = undefined;
            return now;
          },
        }),
      ),
  });
  try {
    const acks = acksOf(log);
    equal((await post(log, acks)).id, 0);
    // Resolved by the head: stored after all, or sent again.
    for (const one of ["throw_after", "throw_before", "locked"] as const) {
      fault = one;
      const { kept, id } = await post(log, acks);
      deepEqual([kept, typeof id], [1, "number"]);
    }
    fault = "full";
    const refused = await post(log, acks);
    deepEqual([refused.refusal, refused.id], ["full", undefined]);
    log.retention.kick();
    while (log.full) await new Promise((resolve) => setTimeout(resolve, 5));
    equal((await post(log, acks)).id, 4);
    deepEqual(await told(acks, [0, 1, 2, 3, 4, 5]), [0, 1, 2, 3, 4]);
  } finally {
    await log.close();
    real.close();
  }
});

Deno.test("a commit with as many acks as it takes, beside full values and settles, is never too large", async () => {
  const { log, holdings: [a] } = await openTwo(["a"]);
  ok(a);
  try {
    const acks = acksOf(log, ["a"]);
    // The longest name that a token may have, in the longest characters.
    const at = { token: "\u{10ffff}".repeat(32), channel: A.channel };
    const random = seeded(7);
    const works: Promise<unknown>[] = [];
    // As many channels: each one's record has a key of its own.
    const channels = Array.from({ length: 170 }, () => ({
      ...at,
      channel: crypto.randomUUID(),
    }));
    for (const one of channels) {
      (await claimOf(acks, one)).close({ isKept: false });
    }
    for (let round = 0; round < 6; round++) {
      const own = channels.map((one) => post(log, acks, ["1"], { at: one }));
      const large = Array.from(
        { length: 4 },
        () => post(log, acks, [noise(random, 250_000)]),
      );
      for (const { refusal } of await Promise.all([...own, ...large])) {
        equal(refusal, undefined);
      }
      // Small ones by the hundred, then some that fill the commit, of bytes that no codec shrinks.
      for (let n = 0; n < 700; n++) works.push(post(log, acks, ["1"], { at }));
      for (let n = 0; n < 12; n++) {
        works.push(post(log, acks, [noise(random, 200_000)], { at }));
      }
      works.push(post(log, acks, [noise(random, 716_000)], { at }));
      await new Promise((resolve) => setTimeout(resolve, 0));
      const next = await log.next(a.place);
      if (next !== undefined) {
        works.push(a.settle(advance(a.place, [next], next.count), []));
      }
      await Promise.all(works);
    }
    const posts = (await Promise.all(works)).filter((one) =>
      typeof one === "object"
    ) as Awaited<ReturnType<typeof post>>[];
    equal(posts.length, 6 * 713);
    deepEqual(
      posts.filter(({ refusal }) => refusal !== undefined),
      [],
    );
    deepEqual(
      posts.map(({ id }) => id ?? -1).sort((x, y) => x - y),
      Array.from({ length: posts.length }, (_, n) => n),
    );
    const all = Array.from({ length: posts.length + 10 }, (_, n) => n);
    equal((await told(acks, all, "stored", at)).length, posts.length);
    // Again, now from what was told.
    equal((await told(acks, all, "stored", at)).length, posts.length);
  } finally {
    await log.close();
  }
});

Deno.test("after a kill pending acks are there, and no id comes again", async () => {
  await inFolder(async (location) => {
    const log = await openRig({ location });
    const acks = acksOf(log);
    const ids = new Set<number | undefined>();
    for (let n = 0; n < 5; n++) ids.add((await post(log, acks)).id);
    deepEqual(await told(acks, [3]), [3]);
    const copy = await killedCopy(location);
    const again = await openRig({ location: copy });
    try {
      const later = acksOf(again);
      for (let n = 0; n < 5; n++) ids.add((await post(again, later)).id);
      equal(ids.size, 10);
      ok(!ids.has(undefined));
      deepEqual(await told(later, [0, 1, 2, 3, 4, 5]), [0, 1, 2, 3, 4]);
    } finally {
      await again.close();
      await log.close();
      await removeCopy(copy);
    }
  });
});

Deno.test("two processes over one store: ids never collide, and both answer alike", async () => {
  const real = await Deno.openKv(":memory:");
  const openKv = () =>
    Promise.resolve(new FaultyKv(real, { commit: () => undefined }));
  const names = ["a"];
  const logs = [
    await openRig({ location: null, openKv, connectors: () => names }),
    await openRig({ location: null, openKv, connectors: () => names }),
  ] as const;
  try {
    await beginPlaces(logs[0].store, [{ name: "a", from: "newest" }]);
    const both = logs.map((log) => acksOf(log, names));
    const ids = await Promise.all(
      Array.from({ length: 1_500 }, async (_, n) => {
        const log = logs[n % 2], acks = both[n % 2];
        ok(log !== undefined && acks !== undefined);
        return (await post(log, acks, [`${n}`], { at: n % 7 ? A : B })).id;
      }),
    );
    for (const isA of [1, 0]) {
      const own = ids.filter((_, n) => (n % 7 ? 1 : 0) === isA);
      ok(!own.includes(undefined));
      equal(new Set(own).size, own.length);
    }
    const ofA = ids.filter((_, n) => n % 7).map(Number)
      .sort((x, y) => x - y);
    const asked = Array.from({ length: 5_000 }, (_, n) => n);
    for (const acks of both) deepEqual(await told(acks, asked), []);
    const holding = await takeLease(logs[1], "a", { signal: always });
    for (;;) {
      const segment = await logs[1].next(holding.place);
      if (segment === undefined) break;
      ok(
        await holding.settle(
          advance(holding.place, [segment], segment.count),
          [],
        ),
      );
    }
    const [one, other] = await Promise.all(
      both.map((acks) => told(acks, asked)),
    );
    deepEqual(one, ofA);
    deepEqual(other, ofA);
    await holding.release();
  } finally {
    for (const log of logs) await log.close();
    real.close();
  }
});

Deno.test("a sweep forgets what nobody asks for once it left the log, and a channel after 30 days", async () => {
  const clock = new ManualClock();
  const log = await openRig({ clock, keep: MINUTE });
  try {
    const acks = acksOf(log);
    const receivedAt = clock.now();
    for (let n = 0; n < 3; n++) await post(log, acks, ["1"], { receivedAt });
    clock.advance(30 * MINUTE);
    await log.retention.trim();
    ok((await readTrimMark(log.store)).segment !== "");
    await acks.sweep();
    deepEqual(await told(acks, [0]), [0]);
    clock.advance(31 * MINUTE);
    await acks.sweep();
    deepEqual(await told(acks, [0, 1, 2]), []);
    // In use: it stays.
    for (let days = 0; days < 35; days++) {
      clock.advance(DAY + 1);
      const { id } = await post(log, acks, ["1"], { receivedAt: clock.now() });
      equal(id, 3 + days);
      await acks.sweep();
    }
    clock.advance(29 * DAY);
    await acks.sweep();
    const key = ackIdsKey(A.token, A.channel);
    ok((await log.store.kv.get(key)).versionstamp);
    clock.advance(3 * DAY);
    await acks.sweep();
    equal((await log.store.kv.get(key)).versionstamp, null);
    deepEqual(await told(acks, [37]), []);
    // It begins anew.
    equal((await post(log, acks)).id, 0);
  } finally {
    await log.close();
  }
});

Deno.test("a sweep leaves time to ask for what was delivered late and trimmed at once", async () => {
  const clock = new ManualClock();
  const log = await openRig({ clock, keep: MINUTE });
  try {
    const acks = acksOf(log);
    await acks.sweep();
    await post(log, acks, ["1"], { receivedAt: clock.now() });
    // It waited for hours, was delivered a moment ago, and the log let it go.
    clock.advance(3 * 60 * MINUTE);
    await log.retention.trim();
    ok((await readTrimMark(log.store)).segment !== "");
    await acks.sweep();
    deepEqual(await told(acks, [0]), [0]);
  } finally {
    await log.close();
  }
});

Deno.test("a channel that this process no longer knows goes on without a gap", async () => {
  const log = await openRig();
  try {
    const acks = acksOf(log);
    equal((await post(log, acks)).id, 0);
    equal((await post(log, acks)).id, 1);
    // More channels than are known at once; each claim is a channel's use.
    for (let n = 0; n < 10_000; n++) {
      const claim = await acks.claim("edr", `channel-${n}`);
      ok(claim instanceof AckClaim);
      claim.close({ isKept: false });
    }
    while ((await told(acks, [0, 1], "stored")).length < 2) await 0;
    equal((await post(log, acks)).id, 2);
  } finally {
    await log.close();
  }
});

Deno.test("AckIds.claim() refuses a new channel where there are too many, never a known one", async () => {
  const log = await openRig();
  try {
    const ids = new AckIds(log.store);
    const first = await ids.claim(A.token, A.channel);
    ok(first instanceof AckClaim);
    ids.count = MAX_CHANNELS;
    equal(await ids.claim(B.token, B.channel), "crowded");
    ok(await ids.claim(A.token, A.channel) instanceof AckClaim);
  } finally {
    await log.close();
  }
});

Deno.test("Acks.poll() of every other of thousands of ids tells and repeats them all", async () => {
  const log = await openRig();
  try {
    const acks = acksOf(log);
    const all = Array.from({ length: 6_000 }, (_, n) => n);
    await Promise.all(all.map(() => post(log, acks)));
    const odd = all.filter((n) => n % 2 === 1);
    deepEqual(await told(acks, odd), odd);
    const lists = await Array.fromAsync(
      log.store.kv.list<Uint8Array>({ prefix: ["acktold"] }),
      ({ value }) => value.length,
    );
    ok(lists.length > 1);
    // Told once: what is written now are the others.
    deepEqual(await told(acks, all), all);
    const left = await Array.fromAsync(log.store.kv.list({ prefix: ["ack"] }));
    equal(left.length, 0);
  } finally {
    await log.close();
  }
});
