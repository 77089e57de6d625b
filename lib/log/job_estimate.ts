/** How much a replay of the log would be: its range, and how its events stand at each connector. */

import type { Position } from "../event.ts";
import { isBefore } from "./decision.ts";
import type { History } from "./history.ts";
import {
  BEFORE_ALL,
  beginningOf,
  endOfRange,
  later,
  type RangeBound,
  shapesFrom,
  within,
} from "./job_range.ts";
import type { EventLog } from "./log.ts";
import { Bases, readMarks, standingBy } from "./standing.ts";

/** Events from one place on, up to another. */
export interface JobRange {
  readonly from: Position;
  readonly until: Position;
}

/** What a range holds for one connector. */
export interface RangeCount {
  readonly events: number;
  readonly bytes: number;
  /** Of the events: those that the connector has before it still. */
  readonly waiting: number;
  /** The connector's place. */
  readonly horizon: Position;
}

interface Sources {
  readonly log: EventLog;
  readonly history: History;
}

/** @throws {NotKept}, or what the store throws. */
export async function rangeOf(
  log: EventLog,
  wish: { readonly from: RangeBound; readonly until: RangeBound },
): Promise<JobRange> {
  const from = await beginningOf(log, wish.from);
  const until = await endOfRange(log, wish.until);
  return { from, until: later(from, until) };
}

/** Events and bytes of a range, and how many of them still wait at a connector: those from its place on. */
export async function countRange(
  { log, history }: Sources,
  connector: string,
  { from, until }: JobRange,
): Promise<RangeCount> {
  const place = await history.placeOf(connector);
  const horizon: Position = place ?? BEFORE_ALL;
  let events = 0, bytes = 0, waiting = 0;
  for await (const shape of shapesFrom(log.store, from.segment)) {
    if (shape.id > until.segment) break;
    const [first, end] = within(shape, from, until);
    events += end - first;
    bytes += Math.round(shape.payloadBytes * (end - first) / shape.count);
    const [waits] = within(shape, later(from, horizon), until);
    waiting += Math.max(0, end - Math.max(first, waits));
  }
  return { events, bytes, waiting, horizon };
}

/** How many events of a range a connector has had. */
export async function deliveredIn(
  { log, history }: Sources,
  connector: string,
  { from, until }: JobRange,
): Promise<number> {
  const { store } = log;
  const place = await history.placeOf(connector);
  if (place === undefined) return 0;
  const bases = new Bases(history, connector, place);
  const last = isBefore(place, until) ? place : until;
  let delivered = 0;
  for await (const shape of shapesFrom(store, from.segment)) {
    if (shape.id > last.segment) break;
    const [first, end] = within(shape, from, last);
    if (first === end) continue;
    const marks = await readMarks(store, connector, shape.id);
    const found = await bases.of(shape, first, end);
    for (const [n, base] of found.entries()) {
      const standing = standingBy(marks, shape.id, first + n, base);
      if (standing === "delivered") delivered++;
    }
  }
  return delivered;
}
