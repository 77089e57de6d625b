import { deepEqual, equal, ok } from "node:assert/strict";
import { booksOf } from "../../../lib/log/books.ts";
import type { Holding } from "../../../lib/log/cursor.ts";
import { advance } from "../../../lib/log/cursor.ts";
import { NO_ANSWER } from "../../../lib/log/decision.ts";
import { listExpired } from "../../../lib/log/expired.ts";
import { replayedWrite } from "../../../lib/log/history.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import type { EventLog } from "../../../lib/log/log.ts";
import { readBooks } from "../../../lib/log/places.ts";
import { intakeOf, openRig, rawTextsOf } from "../../support/log_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const HOUR = 3_600_000, DAY = 24 * HOUR;
const always = new AbortController().signal;

async function append(log: EventLog, clock: ManualClock, text: string) {
  const { kept } = await log.append(
    intakeOf([text], { receivedAt: clock.now() }),
  );
  equal(kept, 1);
}

/** Delivers all that waits; its texts. */
async function deliverAll(log: EventLog, holding: Holding): Promise<string[]> {
  const texts: string[] = [];
  for (;;) {
    const { place } = holding;
    const segment = await log.next(place);
    if (segment === undefined) return texts;
    const from = segment.id === place.segment ? place.index : 0;
    const next = advance(place, [segment], segment.count);
    const delivered = place.books.delivered + segment.count - from;
    const books = { ...next.books, delivered };
    ok(await holding.settle({ ...next, books }, []));
    texts.push(...rawTextsOf(segment).slice(from));
  }
}

/** `accepted delivered expired waiting`; they balance. */
async function books(log: EventLog, connector: string): Promise<string> {
  const { places, heads, deltas } = await readBooks(log);
  const place = places.get(connector);
  ok(place);
  const found = booksOf(place, heads, deltas.get(connector));
  equal(found.difference, 0);
  const { accepted, delivered, expired, waiting } = found;
  return `${accepted} ${delivered} ${expired} ${waiting}`;
}

async function ranges(log: EventLog, connector: string) {
  const found = [];
  for await (const range of listExpired(log.store, connector)) {
    found.push([range.events, range.reason]);
  }
  return found;
}

for (const more of [false, true]) {
  Deno.test(
    `a connector that left holds nothing; when it returns, what was trimmed is expired at once, in the books and in its ranges${
      more ? ", and it goes on with what is kept" : ""
    }`,
    async () => {
      const clock = new ManualClock();
      let configured = ["a", "b"];
      const log = await openRig({
        clock,
        keep: HOUR,
        keepLeft: 7 * DAY,
        connectors: () => configured,
      });
      const a = await takeLease(log, "a", { signal: always });
      const b = await takeLease(log, "b", { signal: always });
      await append(log, clock, "1");
      await deliverAll(log, b);
      await b.release();
      for (const text of ["2", "3"]) await append(log, clock, text);
      await deliverAll(log, a);
      clock.advance(2 * HOUR);
      await log.retention.trim();
      equal((await log.stats()).events, 2, "b's place holds the log");
      configured = ["a"];
      await log.retention.trim();
      equal((await log.stats()).events, 0);
      equal(await books(log, "b"), "3 1 0 2");
      if (more) await append(log, clock, "4");
      clock.advance(6 * DAY);
      configured = ["a", "b"];
      const back = await takeLease(log, "b", { signal: always });
      equal(await books(log, "b"), more ? "4 1 2 1" : "3 1 2 0");
      deepEqual(await ranges(log, "b"), [[2, "age"]]);
      if (!more) await append(log, clock, "5");
      deepEqual(await deliverAll(log, back), [more ? "4" : "5"]);
      equal(await books(log, "b"), "4 2 2 0");
      // Taken again there is nothing more to book.
      await back.release();
      await takeLease(log, "b", { signal: always });
      equal(await books(log, "b"), "4 2 2 0");
      await log.close();
    },
  );
}

Deno.test("a connector that left is forgotten after its span; one that returned in time is not", async () => {
  const clock = new ManualClock();
  let configured = ["a", "b", "c"];
  const log = await openRig({
    clock,
    keep: HOUR,
    keepLeft: 7 * DAY,
    connectors: () => configured,
  });
  for (const name of configured) {
    const lease = await takeLease(log, name, { signal: always });
    await append(log, clock, name);
    await deliverAll(log, lease);
    await lease.release();
  }
  const look = async (after: number) => {
    clock.advance(after);
    await log.retention.trim();
    return [
      ...(await readBooks({ ...log, store: log.store, settled: new Map() }))
        .places.keys(),
    ];
  };
  // A replay of the log delivered b an event that the log keeps longer than b is known.
  const [key, value] = replayedWrite("b", {
    segment: "ffffffffffffffffffff",
    first: 0,
    count: 1,
    at: clock.now(),
    attempts: 1,
    answer: NO_ANSWER,
  });
  await log.store.call((kv) => kv.atomic().set(key, value).commit());
  configured = ["a"];
  await look(2 * HOUR);
  configured = ["a", "c"];
  deepEqual(await look(6 * DAY), ["a", "b", "c"]);
  configured = ["a"];
  deepEqual(await look(DAY), ["a", "c"], "c left anew");
  deepEqual(await look(6 * DAY), ["a", "c"]);
  deepEqual(await look(DAY), ["a"]);
  const left: unknown[] = [];
  await log.store.call(async (kv) => {
    for await (const { key } of kv.list({ prefix: [] })) {
      if (key.includes("b") || key.includes("c")) left.push(key);
    }
  });
  deepEqual(left, []);
  // It begins anew.
  const b = await takeLease(log, "b", { signal: always });
  equal(b.place.books.delivered, 0);
  await log.close();
});
