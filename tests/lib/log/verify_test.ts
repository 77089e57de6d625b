import { deepEqual, equal, ok } from "node:assert/strict";
import { logKey, partKey } from "../../../lib/log/keys.ts";
import type { EventLog } from "../../../lib/log/log.ts";
import { verifyLog } from "../../../lib/log/verify.ts";
import { intakeOf, noise, openRig, seeded } from "../../support/log_rig.ts";
import { testSeed } from "../../support/seed.ts";

/** A segment's further values, the larger of the two. */
const LARGE = 150_000;

async function grown(
  location: string | null = ":memory:",
): Promise<{ readonly log: EventLog; readonly segments: string[] }> {
  const path = await Deno.makeTempFile();
  const log = await openRig(
    location === null
      ? { location, openKv: () => Deno.openKv(`${path}.kv`) }
      : { location },
  );
  const random = seeded(7);
  const segments: string[] = [];
  for (let n = 0; n < 6; n++) {
    const events = Array.from(
      { length: n + 1 },
      () => noise(random, n === 2 ? LARGE : 60),
    );
    const { ids } = await log.append(
      intakeOf(events, { receivedAt: 1_800_000_000_000 + n * 1000 }),
    );
    segments.push(...ids.map(({ segment }) => segment));
  }
  return { log, segments };
}

/** Deno.Kv itself: nothing in the program changes a segment. */
function kvOf(log: EventLog): Deno.Kv {
  const { kv } = log.store;
  ok(kv instanceof Deno.Kv);
  return kv;
}

async function valueAt(log: EventLog, key: Deno.KvKey): Promise<Uint8Array> {
  const { value } = await kvOf(log).get<Uint8Array>(key);
  ok(value);
  return value;
}

function at(segments: readonly string[], n: number): string {
  const segment = segments[n];
  ok(segment);
  return segment;
}

for (const location of [":memory:", null]) {
  const kind = location ?? "platform";
  Deno.test(`verifyLog() finds a log whole, also while it grows (${kind})`, async () => {
    const { log, segments } = await grown(location);
    const [verdict] = await Promise.all([
      verifyLog(log.store),
      log.append(intakeOf(["1"])),
    ]);
    deepEqual(verdict.breaks, []);
    ok(verdict.whole);
    equal(verdict.first, segments[0]);
    ok(verdict.events === 21 || verdict.events === 22);
    equal((await verifyLog(log.store)).events, 22);
    equal((await verifyLog(log.store)).bytes, (await log.stats()).bytes);
    await log.close();
  });
}

Deno.test("verifyLog() finds an empty log whole", async () => {
  const log = await openRig();
  deepEqual(await verifyLog(log.store), {
    whole: true,
    segments: 0,
    events: 0,
    bytes: 0,
    first: null,
    last: null,
    breaks: [],
  });
  await log.close();
});

Deno.test("verifyLog() names the segment of any flipped byte, and it alone, with its events", async () => {
  const random = seeded(testSeed("verifyLog() flips"));
  const { log, segments } = await grown();
  for (let n = 0; n < 150; n++) {
    const which = Math.floor(random() * segments.length);
    const id = at(segments, which);
    const isPart = which === 2 && random() < 0.5;
    const key = isPart ? partKey(1, id) : logKey(id);
    const good = await valueAt(log, key);
    const bad = good.slice();
    // The header's first fields are the likeliest to mislead.
    const place = Math.floor(
      random() < 0.5 ? random() * 120 : random() * bad.length,
    );
    // Byte 7 is reserved: nothing reads it.
    if (!isPart && place === 7) continue;
    bad[place] = (bad[place] ?? 0) ^ (1 << Math.floor(random() * 8));
    await kvOf(log).set(key, bad);
    const { whole, breaks } = await verifyLog(log.store);
    const told = `segment ${which}, byte ${place}: ${JSON.stringify(breaks)}`;
    ok(!whole, told);
    equal(breaks.length, 1, told);
    equal(breaks[0]?.segment, id, told);
    equal(breaks[0]?.events, which + 1, told);
    await kvOf(log).set(key, good);
  }
  ok((await verifyLog(log.store)).whole);
  await log.close();
});

Deno.test("verifyLog() finds what is gone: a part, a first value, a whole segment, the newest one", async () => {
  const told = async (keys: readonly Deno.KvKey[]) => {
    const { log, segments } = await grown();
    const large = at(segments, 2);
    for (const key of keys) {
      await kvOf(log).delete(
        key.map((part) =>
          typeof part === "string" && /^\d$/.test(part)
            ? at(segments, Number(part))
            : part
        ),
      );
    }
    const { breaks } = await verifyLog(log.store);
    await log.close();
    return breaks.map(({ segment, reason, events, from, to }) => [
      segment === large ? "2" : String(segments.indexOf(segment)),
      reason,
      events,
      from?.slice(18, 19),
      to?.slice(18, 19),
    ]);
  };
  deepEqual(await told([partKey(1, "2")]), [["2", "missing", 3, "1", "3"]]);
  deepEqual(await told([logKey("2")]), [["2", "missing", 3, "1", "3"]]);
  const whole = [0, 1, 2, 3, 4, 5, 6].map((n) =>
    n === 0 ? logKey("2") : partKey(n, "2")
  );
  deepEqual(await told(whole), [["3", "missing", 3, "1", "3"]]);
  deepEqual(await told([logKey("5")]), [["5", "missing", 6, "4", undefined]]);
  deepEqual(await told([logKey("0"), logKey("4")]), [
    ["1", "missing", 1, undefined, "1"],
    ["5", "missing", 5, "3", "5"],
  ]);
});

Deno.test("verifyLog() finds a whole segment in the place of another", async () => {
  const { log, segments } = await grown();
  const [one, two] = [at(segments, 3), at(segments, 4)];
  const older = await valueAt(log, logKey(one));
  await kvOf(log).set(logKey(one), await valueAt(log, logKey(two)));
  await kvOf(log).set(logKey(two), older);
  const { whole, breaks } = await verifyLog(log.store);
  ok(!whole);
  equal(breaks[0]?.segment, one);
  ok(breaks.some(({ reason }) => reason === "chain"));
  await log.close();
});

Deno.test("verifyLog() begins at the trim mark: what was trimmed is no break", async () => {
  const log = await openRig({ keep: 0 });
  for (let n = 0; n < 5; n++) {
    await log.append(intakeOf([String(n)], { receivedAt: 1 }));
  }
  await log.retention.trim();
  await log.append(intakeOf(["5", "6"]));
  const verdict = await verifyLog(log.store);
  deepEqual(verdict.breaks, []);
  equal(verdict.events, 2);
  await log.close();
});
