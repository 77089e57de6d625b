import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { ConnectorBooks } from "../../../lib/log/books.ts";
import { DeadLetters } from "../../../lib/log/dead_kept.ts";
import type { DeadMark } from "../../../lib/log/dead_index.ts";
import { writeDeadLetters } from "../../../lib/log/dead_letters.ts";
import { deadConnectors } from "../../../lib/log/dead_index.ts";
import { deadPartKey, epochKey } from "../../../lib/log/keys.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import { DeadRig } from "../../support/dead_rig.ts";
import { turn } from "../../support/drive.ts";
import { FaultyKv } from "../../support/faulty_kv.ts";

const DAY = 86_400_000;

/** `accepted = delivered + dead + discarded + expired` */
function counts(books: ConnectorBooks): string {
  const { accepted, delivered, dead, discarded, expired, difference } = books;
  equal(difference, 0);
  return `${accepted} = ${delivered} + ${dead} + ${discarded} + ${expired}`;
}

Deno.test("DeadLetters.page() lists all connectors newest first, page by page, each letter once", async () => {
  await using rig = await DeadRig.open(["a", "b", "c"]);
  const died: string[] = [];
  for (let n = 0; n < 40; n++) {
    const connector = "abc"[n % 3] ?? "a";
    // Some die at the same moment, at several connectors.
    if (n % 4 === 0) rig.clock.advance(1_000);
    const ids = await rig.append([`${n}`, `[${n}]`]);
    for (const name of ["a", "b", "c"]) {
      await rig.settle(name, { at: name === connector ? [0, 1] : [] });
    }
    died.push(...ids.map((id) => `${id}@${connector}`));
  }
  for (const limit of [1, 3, 7, 500]) {
    const seen: string[] = [];
    let after: DeadMark | undefined;
    do {
      const page = await rig.dead.page({}, limit, after);
      ok(page.items.length <= limit);
      seen.push(...page.items.map(({ id, connector }) => `${id}@${connector}`));
      after = page.next;
    } while (after !== undefined);
    equal(seen.length, died.length);
    deepEqual(seen.toSorted(), died.toSorted());
  }
  const times: number[] = [];
  for await (const { at } of rig.dead.matching({}, "newest")) times.push(at);
  deepEqual(times, times.toSorted((x, y) => y - x));
  const some = [];
  for await (const { id, connector } of rig.dead.matching({ connector: "b" })) {
    some.push(`${id}@${connector}`);
  }
  deepEqual(some, died.filter((name) => name.endsWith("@b")));
});

Deno.test("DeadLetters lists letters of the same moment in the order of the log, page by page", async () => {
  await using rig = await DeadRig.open(["a"]);
  const ids = await rig.append(Array.from({ length: 12 }, (_, n) => `${n}`));
  await rig.settle("a", { at: ids.map((_, n) => n) });
  equal(ids.length, 12);
  const oldest: string[] = [];
  for await (const { id } of rig.dead.matching({})) oldest.push(id);
  deepEqual(oldest, ids);
  const newest: string[] = [];
  let after: DeadMark | undefined;
  do {
    const page = await rig.dead.page({}, 5, after);
    newest.push(...page.items.map(({ id }) => id));
    after = page.next;
  } while (after !== undefined);
  deepEqual(newest, ids.toReversed());
  const names = ids.map((id) => ({ connector: "a", id }));
  deepEqual(await rig.dead.discard({ names }, 12, rig.clock.now()), {
    discarded: 12,
  });
  deepEqual((await rig.dead.page({}, 5)).items, []);
});

Deno.test("DeadLetters filters by reason, time and text", async () => {
  await using rig = await DeadRig.open(["a"]);
  const start = rig.clock.now();
  await rig.kill("a", ['{"user":"ann"}'], { error: "HTTP 400: field user" });
  rig.clock.advance(1_000);
  const long = `{"pad":"${"x".repeat(5_000)}","name":"needle é"}`;
  await rig.kill("a", [long], { reason: "too_large" });
  rig.clock.advance(1_000);
  await rig.kill("a", ['"last"']);
  const found = async (filter: Parameters<typeof rig.dead.page>[0]) =>
    (await rig.dead.page(filter, 50)).items.map(({ preview }) =>
      preview.slice(0, 8)
    );
  deepEqual(await found({}), ['"last"', '{"pad":"', '{"user":']);
  deepEqual(await found({ reason: "too_large" }), ['{"pad":"']);
  deepEqual(await found({ contains: "needle é" }), ['{"pad":"']);
  deepEqual(await found({ contains: "field user" }), ['{"user":']);
  deepEqual(await found({ contains: "nowhere" }), []);
  deepEqual(await found({ from: start + 1_000 }), ['"last"', '{"pad":"']);
  deepEqual(await found({ to: start + 1_000 }), ['{"user":']);
  deepEqual(await found({ from: start + 1_000, to: start + 1_000 }), []);
  deepEqual(await found({ from: start + 2_000, to: start }), []);
  deepEqual(await found({ connector: "unknown" }), []);
  const [{ bytes, preview } = { bytes: 0, preview: "" }] =
    (await rig.dead.page({ reason: "too_large" }, 1)).items;
  equal(bytes, new TextEncoder().encode(long).length);
  equal(preview.length, 200);
});

Deno.test("DeadLetters.groups() counts by connector and reason, most first", async () => {
  await using rig = await DeadRig.open(["a", "b"]);
  const first = rig.clock.now();
  await rig.kill("a", ["1", "2"], { error: "old words" });
  rig.clock.advance(5_000);
  await rig.kill("a", ["3"], { error: "new words" });
  await rig.kill("a", ["4"], { reason: "too_large", error: "long" });
  for (let n = 0; n < 3; n++) await rig.settle("b", { at: [0] });
  const last = rig.clock.now();
  deepEqual(await rig.dead.groups({ connector: "a" }), [
    {
      connector: "a",
      reason: "rejected",
      error: "new words",
      count: 3,
      firstAt: first,
      lastAt: last,
    },
    {
      connector: "a",
      reason: "too_large",
      error: "long",
      count: 1,
      firstAt: last,
      lastAt: last,
    },
  ]);
  equal((await rig.dead.groups({})).length, 3);
});

Deno.test("DeadLetters.discard() does all or, when the count is another, nothing", async () => {
  await using rig = await DeadRig.open(["a", "b"]);
  const ids = await rig.kill("a", ["1", "2", "3"]);
  await rig.settle("b");
  const now = rig.clock.now();
  deepEqual(await rig.dead.discard({ filter: {} }, 5, now), { found: 6 });
  equal(counts(await rig.books("a")), "3 = 0 + 3 + 0 + 0");
  const names = [ids[0], ids[0], "unknown", ids[2]].map((id) => ({
    connector: "a",
    id: id ?? "",
  }));
  deepEqual(await rig.dead.discard({ names }, 2, now), { discarded: 2 });
  equal(counts(await rig.books("a")), "3 = 0 + 1 + 2 + 0");
  equal(counts(await rig.books("b")), "3 = 0 + 3 + 0 + 0");
  equal(await rig.dead.read({ connector: "a", id: ids[0] ?? "" }), undefined);
  equal(
    (await rig.dead.endOf({ connector: "a", id: ids[0] ?? "" }))?.how,
    "discarded",
  );
  deepEqual(await rig.dead.discard({ filter: {} }, 4, now), { discarded: 4 });
  deepEqual((await rig.dead.page({}, 10)).items, []);
});

Deno.test("DeadLetters.discard() holds the expected count where several meet", async () => {
  await using rig = await DeadRig.open(["a", "b"]);
  await rig.kill("a", ["1", "2", "3"]);
  await rig.settle("b");
  const now = rig.clock.now();
  const again = () => rig.dead.discard({ filter: {} }, 6, now);
  deepEqual(await Promise.all([again(), again(), again()]), [
    { discarded: 6 },
    { found: 0 },
    { found: 0 },
  ]);
  deepEqual(await rig.dead.discard({ filter: {} }, 0, now), { discarded: 0 });
});

Deno.test("DeadLetters.discard() did nothing where another process was first", async () => {
  await using rig = await DeadRig.open(["a"]);
  const names = (await rig.kill("a", ["1", "2", "3"])).map((id) => ({
    connector: "a",
    id,
  }));
  const now = rig.clock.now();
  const other = new DeadLetters({
    store: rig.log.store,
    end: () => rig.log.end(),
  });
  deepEqual(
    await Promise.all([
      rig.dead.discard({ names }, 3, now),
      other.discard({ names }, 3, now),
    ]),
    [{ discarded: 3 }, { found: 0 }],
  );
});

Deno.test("DeadLetters.alone() goes on behind work that failed", async () => {
  await using rig = await DeadRig.open(["a"]);
  await rejects(rig.dead.alone(() => Promise.reject(new Error("broken"))));
  equal(await rig.dead.alone(() => Promise.resolve(7)), 7);
});

Deno.test("DeadLetters.end() of delivered letters: once, and what became of them is known", async () => {
  await using rig = await DeadRig.open(["a"]);
  const [one = "", two = ""] = await rig.kill("a", ["1", "2"], { attempts: 3 });
  const answer = { status: 200, message: "ok" };
  const at = rig.clock.now();
  deepEqual(
    await rig.dead.end("a", [one, "gone"], "delivered", {
      at,
      answer,
      attempts: 1,
    }),
    [one],
  );
  deepEqual(await rig.dead.end("a", [one], "delivered", { at }), []);
  equal(counts(await rig.books("a")), "2 = 1 + 1 + 0 + 0");
  deepEqual(await rig.dead.endOf({ connector: "a", id: one }), {
    how: "delivered",
    at,
    attempts: 4,
    answer,
  });
  const { items: [item] } = await rig.dead.page({}, 10);
  deepEqual(
    [item?.id, item?.reason, item?.error, item?.attempts, item?.preview],
    [two, "rejected", "HTTP 400: no", 3, "2"],
  );
});

Deno.test("DeadLetters.sweep() ends what was kept 30 days; an import's days begin when it came", async () => {
  await using rig = await DeadRig.open(["a"]);
  await rig.kill("a", Array.from({ length: 130 }, (_, n) => `${n}`));
  rig.clock.advance(10 * DAY);
  await rig.kill("a", ["true"]);
  const old = rig.clock.now() - 25 * DAY;
  await rig.dead.import("a", [{
    id: undefined,
    connector: "a",
    at: old,
    timestamp: new Date(old).toISOString(),
    reason: "rejected",
    error: "x",
    attempts: 0,
    isRaw: false,
    producer: "",
    receivedAt: old,
    envelope: {},
    event: new TextEncoder().encode("null"),
  }], rig.clock.now());
  rig.clock.advance(20 * DAY + 1);
  deepEqual([...await rig.dead.sweep(rig.clock.now())], [["a", 130]]);
  equal(counts(await rig.books("a")), "132 = 0 + 2 + 0 + 130");
  rig.clock.advance(10 * DAY);
  deepEqual([...await rig.dead.sweep(rig.clock.now())], [["a", 2]]);
  equal(counts(await rig.books("a")), "132 = 0 + 0 + 0 + 132");
  rig.clock.advance(31 * DAY);
  await rig.dead.forget(rig.clock.now());
  const kv = rig.log.store.kv;
  const left = [];
  for await (const { key } of kv.list({ prefix: [] })) {
    if (String(key[0]).startsWith("dead")) left.push(key[0]);
  }
  deepEqual(left, ["deadbooks"]);
});

Deno.test("DeadLetters.forget() ends an import that says it died in the future, 30 days after it came", async () => {
  await using rig = await DeadRig.open(["a"]);
  const future = rig.clock.now() + 20 * 365 * DAY;
  await rig.dead.import("a", [{
    id: undefined,
    connector: "a",
    at: future,
    timestamp: new Date(future).toISOString(),
    reason: "rejected",
    error: "x",
    attempts: 0,
    isRaw: false,
    producer: "",
    receivedAt: future,
    envelope: {},
    event: new TextEncoder().encode("null"),
  }], rig.clock.now());
  rig.clock.advance(30 * DAY - 1);
  await rig.dead.forget(rig.clock.now());
  equal(counts(await rig.books("a")), "1 = 0 + 1 + 0 + 0");
  rig.clock.advance(2);
  await rig.dead.forget(rig.clock.now());
  equal(counts(await rig.books("a")), "1 = 0 + 0 + 0 + 1");
  deepEqual((await rig.dead.page({}, 10)).items, []);
});

Deno.test("a dead letter that finds the disk full has room made for it", async () => {
  const real = await Deno.openKv(":memory:");
  let fulls = 0;
  const said: string[] = [];
  const plan = { commit: () => fulls-- > 0 ? "full" as const : undefined };
  await using rig = await DeadRig.open(["a"], {
    openKv: () => Promise.resolve(new FaultyKv(real, plan)),
    logger: { log: (_level, event) => void said.push(event) },
  });
  await rig.append(["1"]);
  fulls = 1;
  const settled = rig.settle("a");
  for (let n = 0; n < 200 && said.at(-1) !== "log.recovered"; n++) await turn();
  deepEqual(said.slice(1), ["log.full", "store.slow", "log.recovered"]);
  rig.clock.advance(1_000);
  await settled;
  equal(counts(await rig.books("a")), "1 = 0 + 1 + 0 + 0");
  await rig[Symbol.asyncDispose]();
  real.close();
});

Deno.test("takeLease() drops the letters that no place counts, and they were never shown", async () => {
  const path = await Deno.makeTempDir();
  const options = { location: `${path}/a.kv` };
  try {
    let id = "";
    {
      await using rig = await DeadRig.open(["a"], options);
      await rig.kill("a", ["0"]);
      const ids = await rig.append(["1", `"${"x".repeat(200_000)}"`]);
      id = ids[1] ?? "";
      const holding = await rig.holding("a");
      const segment = await rig.log.next(holding.place);
      ok(segment);
      const epoch = await rig.log.store.kv.get(epochKey("a"));
      ok(epoch.versionstamp);
      // The commit of the letters, without that of the place: the process ends between them.
      await writeDeadLetters(
        rig.log.store,
        "a",
        [0, 1].map((index) => rig.letter(segment, index)),
        { key: epoch.key, versionstamp: epoch.versionstamp },
      );
      equal((await rig.dead.page({}, 10)).items.length, 1);
      equal(await rig.dead.read({ connector: "a", id }), undefined);
      deepEqual(
        await rig.dead.discard(
          { names: [{ connector: "a", id }] },
          1,
          rig.clock.now(),
        ),
        { found: 0 },
      );
    }
    await using rig = await DeadRig.open(["a"], options);
    const left = [];
    for await (const { key } of rig.log.store.kv.list({ prefix: [] })) {
      if (key.includes(id)) left.push(key);
    }
    deepEqual(left, []);
    // This time the SIEM takes them.
    await rig.settle("a", { at: [] });
    equal(counts(await rig.books("a")), "3 = 2 + 1 + 0 + 0");
    equal((await rig.dead.page({}, 10)).items.length, 1);
    deepEqual(await deadConnectors(rig.log.store), ["a"]);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("takeLease() drops the bytes of letters whose record a kill left out", async () => {
  await using rig = await DeadRig.open(["a"]);
  const [kept = ""] = await rig.kill("a", [`"${"k".repeat(70_000)}"`]);
  const [id = ""] = await rig.append([`"${"x".repeat(200_000)}"`]);
  const bytes = new Uint8Array(65_536);
  // As a batch that takes several commits leaves it: parts go before their record.
  for (let n = 0; n < 3; n++) {
    await rig.log.store.call((kv) =>
      kv.atomic().set(deadPartKey("a", id, n), bytes).commit()
    );
  }
  const { signal } = new AbortController();
  await takeLease(rig.log, "a", { signal });
  const left = [];
  const { kv } = rig.log.store;
  for await (const { key } of kv.list({ prefix: ["deadpart"] })) {
    left.push(key[2]);
  }
  deepEqual(left, [kept, kept]);
  ok(await rig.dead.read({ connector: "a", id: kept }));
});

Deno.test("takeLease() after a take-over: the letters of the former holder count as they were", async () => {
  await using rig = await DeadRig.open(["a"]);
  await rig.kill("a", ["1", "2"]);
  const { signal } = new AbortController();
  await takeLease(rig.log, "a", { signal });
  equal((await rig.dead.page({}, 10)).items.length, 2);
});
