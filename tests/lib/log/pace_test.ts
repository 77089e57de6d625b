import { deepEqual, equal, ok } from "node:assert/strict";
import type { Segment } from "../../../lib/event.ts";
import { advance, type Place } from "../../../lib/log/cursor.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import { Pace } from "../../../lib/log/pace.ts";
import { newPlace } from "../../../lib/log/places.ts";
import { Tail } from "../../../lib/log/tail.ts";
import { drive, turn } from "../../support/drive.ts";
import {
  intakeOf,
  noise,
  openRig,
  readAll,
  seeded,
  textsOf,
} from "../../support/log_rig.ts";
import { madeSegmentId } from "../../support/made_segment.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const MIB = 1024 * 1024;
const always = new AbortController().signal;
const NEW = newPlace("newest", new Map(), { lanes: {} });

/** A tail of segments of 1 MiB, numbered from 1, and a pace over it. */
class PaceRig {
  readonly clock = new ManualClock();
  readonly tail = new Tail(32 * MIB, { segment: "", index: 0 });
  readonly pace = new Pace(this.clock, this.tail);
  #pushed = 0;

  push(count: number): void {
    // One buffer for all: only its length counts.
    const spans = new Uint32Array(0);
    for (let n = 0; n < count; n++) {
      const segment: Segment = {
        id: madeSegmentId(++this.#pushed),
        bytes,
        spans,
        count: 1,
        runs: [],
        lane: "local",
        eventsBefore: this.#pushed - 1,
        bytesBefore: 0,
        storedBytes: MIB,
      };
      this.tail.push(segment);
    }
  }

  /** A connector has settled everything before that segment. */
  move(connector: string, number: number): void {
    this.pace.moved(connector, placeAt(number));
  }

  holds(number: number): boolean {
    return this.tail.covers(placeAt(number));
  }
}

// With its overhead 1 MiB.
const bytes = new Uint8Array(MIB - 1_024);

/** The place before that segment. */
function placeAt(number: number): Place {
  return { ...NEW, segment: madeSegmentId(number), index: 0 };
}

/** Has it settled, once what is ready has run? */
async function isOver(promise: Promise<unknown> | undefined): Promise<boolean> {
  let isDone = false;
  void promise?.then(() => {
    isDone = true;
  });
  await turn();
  return isDone;
}

Deno.test("pass() lets producers by at once while every connector is near", () => {
  const { pace, push, move } = bound(new PaceRig());
  equal(pace.pass(), undefined);
  push(7);
  move("a", 1);
  equal(pace.pass(), undefined);
  push(20);
  move("a", 20);
  // At 7 MiB; nobody else is known.
  move("a", 21);
  equal(pace.pass(), undefined);
});

Deno.test("pass() waits for a connector in motion 8 MiB behind, until it is 4 MiB behind", async () => {
  const { pace, clock, push, move } = bound(new PaceRig());
  push(9);
  move("a", 1);
  const waiting = pace.pass();
  ok(waiting);
  equal(pace.pass(), waiting, "all wait together");
  clock.advance(30);
  move("a", 5);
  ok(!await isOver(waiting), "5 MiB are too much");
  move("a", 7);
  ok(await isOver(waiting));
  equal(clock.sleepers, 0);
  equal(pace.pass(), undefined);
  // It fell again: it is waited for again.
  push(8);
  move("a", 8);
  const again = pace.pass();
  ok(again);
  pace.close();
  ok(await isOver(again));
});

Deno.test("pass() waits for several connectors until the last has caught up", async () => {
  const { pace, push, move } = bound(new PaceRig());
  push(9);
  move("a", 1);
  move("b", 1);
  const waiting = pace.pass();
  move("a", 8);
  ok(!await isOver(waiting));
  move("b", 8);
  ok(await isOver(waiting));
});

Deno.test("pass() ends after 100 ms and lets go who has not caught up, until that one is near again", async () => {
  const { pace, clock, push, move } = bound(new PaceRig());
  push(9);
  move("a", 1);
  const waiting = pace.pass();
  clock.advance(60);
  move("a", 2);
  clock.advance(39);
  ok(!await isOver(waiting));
  clock.advance(1);
  ok(await isOver(waiting));
  for (let n = 3; n < 20; n++) {
    push(1);
    move("a", n);
    equal(pace.pass(), undefined, "let go");
  }
  push(1);
  // 3 MiB: near again, so that its next fall counts.
  move("a", 25);
  push(9);
  move("a", 26);
  const again = pace.pass();
  ok(again);
  clock.advance(100);
  ok(await isOver(again));
});

for (const period of [20, 55, 60, 99, 200]) {
  Deno.test(`pass() waits once per fall for a connector that settles every ${period} ms`, async () => {
    const { pace, clock, push, move } = bound(new PaceRig());
    push(9);
    let waits = 0;
    for (let ms = 0, at = 1; ms < 2_000; ms++) {
      // Always 9 MiB behind.
      if (ms % period === 0) {
        if (at > 1) push(1);
        move("slow", at++);
      }
      const waiting = pace.pass();
      clock.advance(1);
      if (waiting !== undefined && await isOver(waiting)) waits++;
    }
    ok(waits <= 1, `${waits} times`);
  });

  Deno.test(`pass() waits once per fall for one that settles every ${period} ms beside one that keeps up`, async () => {
    const { pace, clock, push, move } = bound(new PaceRig());
    push(9);
    let waits = 0;
    for (let ms = 0, at = 1; ms < 2_000; ms++) {
      // Always 9 MiB behind.
      if (ms % period === 0) {
        if (at > 1) push(1);
        move("slow", at++);
      }
      move("fast", at + 7);
      const waiting = pace.pass();
      clock.advance(1);
      if (waiting !== undefined && await isOver(waiting)) waits++;
    }
    ok(waits <= 1, `${waits} times`);
  });
}

Deno.test("pass() does not wait for a connector that stands still, or that has left memory", () => {
  const { pace, clock, push, move, holds } = bound(new PaceRig());
  push(9);
  move("a", 1);
  clock.advance(50);
  equal(pace.pass(), undefined, "it stands still");
  push(40);
  move("a", 2);
  ok(!holds(2));
  equal(pace.pass(), undefined, "it reads from the store");
});

Deno.test("pass() goes on waiting while all connectors together settle as fast as only this process bounds, a second at most", async () => {
  const { pace, clock, push, move } = bound(new PaceRig());
  push(20);
  move("a", 1);
  move("b", 1);
  const waiting = pace.pass();
  // 20 MiB a second, and never within 4 MiB of the end.
  for (let tenth = 1; tenth <= 10; tenth++) {
    ok(!await isOver(waiting), `over after ${tenth - 1} tenths`);
    push(1);
    move("a", 1 + tenth);
    move("b", 1 + tenth);
    clock.advance(100);
    await turn();
  }
  ok(await isOver(waiting));
  equal(pace.pass(), undefined, "let go");
});

Deno.test("ahead() counts as the place of a connector that settles later: nobody waits, memory forgets what it has read", () => {
  const { pace, push, move, holds } = bound(new PaceRig());
  push(9);
  move("late", 1);
  pace.ahead("late", placeAt(8));
  equal(pace.pass(), undefined, "it reads near the end");
  ok(holds(8) && !holds(1));
  pace.ahead("late", undefined);
  equal(pace.pass(), undefined, "its place is in the store alone");
});

Deno.test("close() lets all that wait pass", async () => {
  const { pace, clock, push, move } = bound(new PaceRig());
  push(9);
  move("a", 1);
  const waiting = pace.pass();
  ok(!await isOver(waiting));
  pace.close();
  ok(await isOver(waiting));
  equal(clock.sleepers, 0);
});

Deno.test("moved() forgets what all have passed, never what one still needs", () => {
  const { tail, push, move, holds } = bound(new PaceRig());
  push(10);
  move("b", 1);
  move("a", 8);
  ok(holds(1));
  equal(tail.bytes, 10 * MIB);
  move("b", 3);
  ok(holds(3));
  ok(!holds(2));
  equal(tail.bytes, 8 * MIB);
  move("b", 9);
  ok(holds(8));
  ok(!holds(7));
  equal(tail.next(placeAt(8))?.id, madeSegmentId(8));
  equal(tail.bytesFrom(madeSegmentId(8)), 3 * MIB);
  // The newest stays, whoever has passed it.
  for (const name of ["a", "b"]) move(name, 11);
  equal(tail.bytes, MIB);
  equal(tail.end.segment, madeSegmentId(10));
});

Deno.test("tail keeps its sums over thousands of segments that come and go", () => {
  const rig = new PaceRig();
  const random = seeded(21);
  for (let newest = 0, at = 1; newest < 3_000;) {
    const more = 1 + Math.floor(random() * 5);
    rig.push(more);
    newest += more;
    at = Math.min(newest, at + Math.floor(random() * 10));
    rig.move("a", at);
    if (!rig.holds(at)) continue;
    equal(rig.tail.bytesFrom(madeSegmentId(at)), (newest - at + 1) * MIB);
    equal(rig.tail.bytes, rig.tail.bytesFrom(""));
    equal(rig.tail.next(placeAt(at))?.id, madeSegmentId(at));
  }
});

Deno.test("append() waits for the connector and goes on in its step", async () => {
  const clock = new ManualClock();
  const log = await openRig({ clock });
  const holding = await takeLease(log, "a", { signal: always });
  const random = seeded(22);
  const filler = noise(random, 600_000);
  for (let n = 0; n < 15; n++) {
    equal((await log.append(intakeOf([filler]))).kept, 1);
  }
  const settleNext = async () => {
    const segment = await log.next(holding.place);
    ok(segment);
    const place = advance(holding.place, [segment], segment.count);
    ok(await holding.settle(place, []));
  };
  await settleNext();
  const waiting = log.append(intakeOf(["1"]));
  ok(!await isOver(waiting));
  for (let n = 0; n < 14; n++) await settleNext();
  equal((await waiting).kept, 1);
  equal(log.lagReads, 0);
  await log.close();
});

Deno.test("append() that waits when the log closes is answered, stored or not", async () => {
  const clock = new ManualClock();
  const log = await openRig({ clock });
  const holding = await takeLease(log, "a", { signal: always });
  const filler = noise(seeded(23), 600_000);
  for (let n = 0; n < 15; n++) await log.append(intakeOf([filler]));
  const first = await log.next(holding.place);
  ok(first);
  ok(await holding.settle(advance(holding.place, [first], 1), []));
  const waiting = log.append(intakeOf(["1"]));
  await drive(clock, log.close());
  deepEqual(await waiting, { kept: 0, ids: [], refusal: "closing" });
});

Deno.test("memory keeps what a connector needs that has its lease and has settled nothing yet", async () => {
  const log = await openRig();
  const quick = await takeLease(log, "quick", { signal: always });
  const slow = await takeLease(log, "slow", { signal: always });
  const texts = Array.from({ length: 20 }, (_, n) => `${n}`);
  for (const text of texts) {
    await log.append(intakeOf([text]));
    const segment = await log.next(quick.place);
    ok(segment);
    ok(await quick.settle(advance(quick.place, [segment], 1), []));
  }
  const seen: string[] = [];
  let { place } = slow;
  for (;;) {
    const segment = await log.next(place);
    if (segment === undefined) break;
    seen.push(...textsOf(segment));
    place = advance(place, [segment], segment.count);
  }
  deepEqual(seen, texts);
  equal(log.lagReads, 0);
  await log.close();
});

Deno.test("a reader behind what memory has forgotten reads from the store, all of it, and comes back to memory", async () => {
  const log = await openRig();
  const quick = await takeLease(log, "quick", { signal: always });
  const texts = Array.from({ length: 30 }, (_, n) => `${n}`);
  for (const text of texts) {
    await log.append(intakeOf([text]));
    const segment = await log.next(quick.place);
    ok(segment);
    ok(await quick.settle(advance(quick.place, [segment], 1), []));
  }
  const late = await takeLease(log, "late", { signal: always, from: "oldest" });
  const segment = await log.next(late.place);
  ok(segment);
  ok(await late.settle(advance(late.place, [segment], 1), []));
  deepEqual(await readAll(log), texts);
  ok(log.lagReads >= 20);
  const before = log.lagReads;
  const end = await log.end();
  await log.append(intakeOf(["new"]));
  equal((await log.next(end))?.count, 1);
  equal(log.lagReads, before);
  await log.close();
});

/** Its methods, free of it. */
function bound(rig: PaceRig) {
  return {
    pace: rig.pace,
    tail: rig.tail,
    clock: rig.clock,
    push: (count: number) => rig.push(count),
    move: (connector: string, number: number) => rig.move(connector, number),
    holds: (number: number) => rig.holds(number),
  };
}
