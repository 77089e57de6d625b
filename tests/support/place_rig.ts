/** Settling beside the store on a local file, and what a start finds after a kill. */

import { equal, ok } from "node:assert/strict";
import { EventRun, type Segment } from "../../lib/event.ts";
import { advance, type Holding, type Place } from "../../lib/log/cursor.ts";
import type { Decided, Decision } from "../../lib/log/decision.ts";
import { takeLease } from "../../lib/log/lease.ts";
import type { EventLog } from "../../lib/log/log.ts";
import { readPlaces } from "../../lib/log/places.ts";
import { type Fault, FaultyKv } from "./faulty_kv.ts";
import { intakeOf, openRig, textsOf } from "./log_rig.ts";
import { ManualClock } from "./manual_clock.ts";

export const always = new AbortController().signal;

export async function inFolder(
  work: (location: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(`${folder}/a.kv`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Appends one event a number. */
export async function appendEvents(
  log: EventLog,
  count: number,
  first = 0,
): Promise<void> {
  for (let n = first; n < first + count; n++) {
    equal((await log.append(intakeOf([`${n}`]))).kept, 1);
  }
}

export function counted(place: Place, more: number): Place {
  const { books } = place;
  return { ...place, books: { ...books, delivered: books.delivered + more } };
}

/** The same for all events of a segment. */
export function allDecided(
  segment: Segment,
  kind: "delivered" | "expired",
  at = 1_800_000_000_000,
): Decided {
  const run = new EventRun();
  for (let index = 0; index < segment.count; index++) run.push(segment, index);
  const decision: Decision = kind === "expired"
    ? { kind, reason: "age" }
    : { kind, attempts: 1, answer: { status: 200, message: "ok" } };
  return { at, run, ranges: [{ at: 0, count: run.count, decision }] };
}

/** Settles the next segments one by one. */
export async function settleNext(
  log: EventLog,
  holding: Holding,
  count: number,
): Promise<void> {
  for (let n = 0; n < count; n++) {
    const segment = await log.next(holding.place);
    ok(segment);
    const place = advance(holding.place, [segment], segment.count);
    const decided = allDecided(segment, "delivered");
    ok(await holding.settle(counted(place, segment.count), [], decided));
  }
}

/** What the store alone has. */
export async function storedDelivered(
  log: EventLog,
  connector = "a",
): Promise<number | undefined> {
  return (await readPlaces(log.store)).get(connector)?.books.delivered;
}

/** The place that a start on these files finds, and what is to be sent from there. */
export async function afterStart(
  location: string,
  connector = "a",
): Promise<{ readonly place: Place; readonly texts: readonly string[] }> {
  const log = await openRig({ location });
  try {
    const { place } = await takeLease(log, connector, { signal: always });
    const texts: string[] = [];
    let at: { segment: string; index: number } = place;
    for (;;) {
      const segment = await log.next(at);
      if (segment === undefined) return { place, texts };
      texts.push(
        ...textsOf(segment, segment.id === at.segment ? at.index : 0),
      );
      at = { segment: segment.id, index: segment.count };
    }
  } finally {
    await log.close();
  }
}

/** A log on a clock that stands still: the store's place follows once and no further. */
export async function laggingLog(
  location: string,
): Promise<
  {
    readonly clock: ManualClock;
    readonly log: EventLog;
    readonly holding: Holding;
  }
> {
  const clock = new ManualClock();
  const log = await openRig({ location, clock, connectors: () => ["a"] });
  const holding = await takeLease(log, "a", { signal: always });
  ok(log.placeFile);
  return { clock, log, holding };
}

/** Opens on a KV whose commits go as `plan` says. */
export async function onFaultyKv(
  location: string,
  plan: () => Fault | undefined,
): Promise<{ readonly log: EventLog; readonly real: Deno.Kv }> {
  const real = await Deno.openKv(location);
  try {
    const log = await openRig({
      location,
      clock: new ManualClock(),
      openKv: () => Promise.resolve(new FaultyKv(real, { commit: plan })),
    });
    return { log, real };
  } catch (error) {
    real.close();
    throw error;
  }
}
