/** The loops on the real log: many connectors, many faults, take-overs; nothing lost, nothing twice, books balanced. */

import assert from "node:assert/strict";
import type { Outcome } from "../../../lib/connector.ts";
import { Fleet } from "../../../lib/delivery/fleet.ts";
import { countsOf } from "../../../lib/log/books.ts";
import { readDeadLetter } from "../../../lib/log/dead_record.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import { EventView } from "../../../lib/event.ts";
import { History } from "../../../lib/log/history.ts";
import type { EventLog } from "../../../lib/log/log.ts";
import { readBooks } from "../../../lib/log/places.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { SETTINGS } from "../../support/delivery_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { appendTo, openTestLog } from "../../support/open_log.ts";
import {
  BUSY,
  DELIVERED,
  REFUSED_KEY,
  ScriptedSink,
  SPLIT,
} from "../../support/scripted_sink.ts";
import { testSeed } from "../../support/seed.ts";

const MINUTE = 60_000;

function fleetOf(
  log: EventLog,
  clock: ManualClock,
  sinks: Readonly<Record<string, ScriptedSink>>,
): Fleet {
  return new Fleet({
    connectors: Object.entries(sinks).map(([name, sink]) => ({
      name,
      type: "scripted",
      sink,
    })),
    source: log,
    takeLease: (name, signal) =>
      takeLease(log, name, { signal, from: "oldest" }),
    settings: SETTINGS,
    clock,
    random: () => 1,
    logger: silentLogger,
  });
}

async function booksOf(log: EventLog, connector: string) {
  const { places, heads } = await readBooks(log);
  const place = places.get(connector);
  assert.ok(place);
  const { accepted, waiting } = countsOf(place, heads);
  const { delivered, dead, expired } = place.books;
  assert.equal(accepted, delivered + dead + expired + waiting);
  return { accepted, delivered, dead, expired, waiting };
}

/** A SIEM that answers at random, and knows what it took. */
class MoodySiem {
  readonly sink: ScriptedSink;
  readonly taken: string[] = [];
  isHealed = false;
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
    this.sink = new ScriptedSink({ events: 7, bytes: 60 });
    this.sink.auto = (body) => this.#answer(body);
  }

  #answer(body: string): Outcome {
    if (body === "(test)") return this.#chance(0.5) ? DELIVERED : SPLIT;
    const events = body.split(" ");
    const places = [...events.keys()];
    if (this.isHealed || this.#chance(0.5)) {
      return this.#take(events, DELIVERED);
    }
    if (this.#chance(0.15)) return SPLIT;
    if (this.#chance(0.15)) return REFUSED_KEY;
    if (this.#chance(0.15)) return BUSY;
    if (this.#chance(0.15)) throw new Error("a bug of the connector");
    const share = this.#chance(0.3) ? 1 : 0.3;
    const rejections = places.filter(() => this.#chance(share)).map((at) => ({
      at,
      reason: "rejected" as const,
      message: "HTTP 400",
    }));
    const refused = new Set(rejections.map(({ at }) => at));
    const pending = places.filter((at) =>
      !refused.has(at) && this.#chance(0.3)
    );
    const left = new Set([...refused, ...pending]);
    const taken = events.filter((_, at) => !left.has(at));
    return this.#take(
      taken,
      this.#chance(0.5)
        ? { kind: "rejected", rejections, pending }
        : { ...BUSY, rejections, pending },
    );
  }

  #take(events: readonly string[], outcome: Outcome): Outcome {
    this.taken.push(...events);
    return outcome;
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }
}

/** Numbers in [0, 1) from a seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

Deno.test("Fleet on the log: three moody SIEMs get each event once, or it is their dead letter", async () => {
  const random = randomFrom(testSeed("fleet on the log"));
  const clock = new ManualClock();
  const log = await openTestLog(["a", "b", "c"]);
  const siems = {
    a: new MoodySiem(random),
    b: new MoodySiem(random),
    c: new MoodySiem(random),
  };
  const fleet = fleetOf(log, clock, {
    a: siems.a.sink,
    b: siems.b.sink,
    c: siems.c.sink,
  });
  fleet.start();
  const events: string[] = [];
  for (let request = 0; request < 60; request++) {
    const count = 1 + Math.floor(random() * 12);
    const texts = Array.from(
      { length: count },
      (_, n) => `${events.length + n}`,
    );
    events.push(...texts);
    await appendTo(log, texts.map((text) => `{"event":${text}}`), clock.now());
    if (random() < 0.5) await fleet.wake();
    clock.advance(Math.floor(random() * 30_000));
    if (random() < 0.2 && fleet.live()[0]?.place) await booksOf(log, "a");
  }
  for (const siem of Object.values(siems)) siem.isHealed = true;
  for (const [name, siem] of Object.entries(siems)) {
    const dead: string[] = [];
    for (;;) {
      await fleet.wake();
      const { waiting } = await booksOf(log, name);
      if (waiting === 0) break;
      clock.advance(MINUTE);
    }
    const books = await booksOf(log, name);
    assert.equal(books.accepted, events.length);
    assert.equal(
      new Set(siem.taken).size,
      siem.taken.length,
      "none came twice",
    );
    assert.equal(books.delivered, siem.taken.length);
    const sent = siem.sink.history.filter((body) => body !== "(test)");
    const first = new Set(sent.flatMap((body) => body.split(" ")));
    assert.deepEqual([...first], events, "first attempts keep the order");
    const taken = new Set(siem.taken);
    const missing = events.filter((event) => !taken.has(event));
    const history = new History(log);
    const attempts = new Map<string, number>();
    for (const event of sent.flatMap((body) => body.split(" "))) {
      attempts.set(event, (attempts.get(event) ?? 0) + 1);
    }
    let segment = await log.next(undefined);
    while (segment !== undefined) {
      for (let index = 0; index < segment.count; index++) {
        const record = await readDeadLetter(
          log.store,
          name,
          `${segment.id}-${index}`,
        );
        const event = new TextDecoder().decode(
          new EventView().at(segment, index).event,
        );
        const told = await history.outcomeOf(name, {
          segment: segment.id,
          index,
        });
        assert.deepEqual(
          told?.decision,
          record === undefined
            ? {
              kind: "delivered",
              attempts: attempts.get(event),
              answer: { status: null, message: "" },
            }
            : { kind: "dead" },
          event,
        );
        if (record !== undefined) {
          dead.push(new TextDecoder().decode(record.event));
        }
      }
      segment = await log.next({ segment: segment.id, index: segment.count });
    }
    assert.deepEqual(dead, missing);
    assert.equal(books.dead, dead.length);
  }
  await fleet.stop();
  await log.close();
});

Deno.test("Fleet on the log: a holder that was taken over repeats at most one batch, and writes nothing more", async () => {
  const clock = new ManualClock();
  const log = await openTestLog(["soc"]);
  const old = new ScriptedSink({ events: 2 }),
    fresh = new ScriptedSink({ events: 2 });
  const first = fleetOf(log, clock, { soc: old });
  first.start();
  const envelopes = ["0", "1", "2", "3"].map((n) => `{"event":${n}}`);
  await appendTo(log, envelopes, clock.now());
  assert.equal(await old.next(DELIVERED), "0 1");
  const inFlight = await old.attempt();
  assert.equal(inFlight.events, "2 3");
  const second = fleetOf(log, clock, { soc: fresh });
  second.start();
  const repeated = await fresh.attempt();
  assert.equal(repeated.events, "2 3");
  inFlight.answer(DELIVERED);
  const stopped = first.stop();
  repeated.answer(DELIVERED);
  await stopped;
  await second.wake();
  assert.deepEqual(await booksOf(log, "soc"), {
    accepted: 4,
    delivered: 4,
    dead: 0,
    expired: 0,
    waiting: 0,
  });
  await second.stop();
  await log.close();
});

Deno.test("Fleet on the log: state, books and place survive a restart on the same file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const clock = new ManualClock();
    const path = `${folder}/hecate.kv`;
    let log = await openTestLog(["soc"], path);
    const sink = new ScriptedSink();
    let fleet = fleetOf(log, clock, { soc: sink });
    fleet.start();
    await appendTo(log, ['{"event":0}', '{"event":1}'], clock.now());
    await sink.next({ ...BUSY, pending: [1] });
    await fleet.wake();
    await fleet.stop();
    await log.close();

    log = await openTestLog(["soc"], path);
    const { places } = await readBooks(log);
    assert.equal(places.get("soc")?.state, "retrying");
    assert.equal(places.get("soc")?.lastError?.reason, "server");
    const next = new ScriptedSink();
    fleet = fleetOf(log, clock, { soc: next });
    fleet.start();
    assert.equal(
      await next.next(DELIVERED),
      "1",
      "tried at once, and only the rest",
    );
    await fleet.wake();
    assert.equal(fleet.live()[0]?.place?.state, "connected");
    assert.equal((await booksOf(log, "soc")).delivered, 2);
    await fleet.stop();
    await log.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
