/** What a replay of the log is about: the events between two places, counted by the headers of their segments. */

import { EventView, type Position } from "../event.ts";
import { positionOf } from "./dead_letters.ts";
import { isBefore } from "./decision.ts";
import { logFrom, logKey } from "./keys.ts";
import type { EventLog } from "./log.ts";
import { readHeader } from "./segment.ts";
import type { Store } from "./store.ts";
import { readTrimMark } from "./trim.ts";

/** First values of one `list`: at most 3.3 MB. */
const BATCH = 50;
const IS_END = true;
/** No event is before it. */
export const BEFORE_ALL: Position = { segment: "", index: 0 };

/** What the header says of a segment. */
export interface SegmentShape {
  readonly id: string;
  readonly count: number;
  readonly lane: string;
  readonly eventsBefore: number;
  readonly payloadBytes: number;
  /** Of the newest event: milliseconds since the Unix epoch. */
  readonly receivedAt: number;
}

/** Where a range begins or ends: everything kept, a time (milliseconds since the Unix epoch) or an event. */
export type RangeBound =
  | { readonly kind: "oldest" }
  | { readonly kind: "now" }
  | { readonly kind: "time"; readonly at: number }
  | { readonly kind: "event"; readonly id: string };

/** The event that a range was to begin with is not there. */
export class NotKept extends Error {
  override readonly name = "NotKept";
  /** @param oldest the id of the oldest event that is kept; undefined: none is. */
  constructor(
    readonly oldest: string | undefined,
    /** It is where the range was to end. */
    readonly isEnd = false,
  ) {
    super("That is not kept any more");
  }
}

/** Readable segments from one on, in the log's order. @throws what the store throws. */
export async function* shapesFrom(
  store: Store,
  from: string,
): AsyncGenerator<SegmentShape> {
  for (let start = from;;) {
    const page = await store.call(async (kv) => {
      const found: { readonly id: string; readonly shape?: SegmentShape }[] =
        [];
      const options = { limit: BATCH, batchSize: BATCH };
      for await (const { key, value } of kv.list(logFrom(start), options)) {
        const id = String(key[2]);
        const header = value instanceof Uint8Array
          ? readHeader(value)
          : undefined;
        found.push(
          header === undefined ? { id } : {
            id,
            shape: {
              id,
              count: header.count,
              lane: header.lane,
              eventsBefore: header.eventsBefore,
              payloadBytes: header.payloadBytes,
              receivedAt: header.receivedAt,
            },
          },
        );
      }
      return found;
    });
    for (const { shape } of page) if (shape !== undefined) yield shape;
    const last = page.at(-1);
    if (last === undefined || page.length < BATCH) return;
    start = `${last.id}\0`;
  }
}

/** The id of the oldest event that is kept; undefined: there is none. @throws what the store throws. */
async function oldestId(store: Store): Promise<string | undefined> {
  for await (const { id } of shapesFrom(store, "")) return `${id}-0`;
  return undefined;
}

/**
 * The place where a range begins. @throws {NotKept} where the log does not reach back so far or has no such event, or
 * what the store throws.
 */
export async function beginningOf(
  log: EventLog,
  bound: RangeBound,
): Promise<Position> {
  const { store } = log;
  if (bound.kind === "oldest") return BEFORE_ALL;
  if (bound.kind === "now") return await log.end();
  if (bound.kind === "event") {
    const at = positionOf(bound.id);
    if (at !== undefined && await isKept(store, at)) return at;
    throw new NotKept(await oldestId(store));
  }
  const found = await placeAt(log, bound.at);
  if (found.isFirst && (await readTrimMark(store)).segment !== "") {
    // What came then may have been deleted: less than was asked for must not look like all.
    if (found.receivedAt > bound.at) throw new NotKept(await oldestId(store));
  }
  return found.place;
}

/** The place before which a range ends. @throws {NotKept} for an event that is not there, or as the store. */
export async function endOfRange(
  log: EventLog,
  bound: RangeBound,
): Promise<Position> {
  if (bound.kind === "time") return (await placeAt(log, bound.at)).place;
  if (bound.kind !== "event") return await beginningOf(log, bound);
  const at = positionOf(bound.id);
  if (at !== undefined && await isKept(log.store, at)) return at;
  throw new NotKept(await oldestId(log.store), IS_END);
}

/** The events of a shape that lie in a range: from the first index to the second. */
export function within(
  { id, count }: Pick<SegmentShape, "id" | "count">,
  from: Position,
  until: Position,
): readonly [first: number, end: number] {
  const first = id < from.segment
    ? count
    : id === from.segment
    ? from.index
    : 0;
  const end = id > until.segment
    ? 0
    : id === until.segment
    ? Math.min(count, until.index)
    : count;
  return [first, Math.max(first, end)];
}

/** The first event that came at a time or later. */
async function placeAt(log: EventLog, time: number): Promise<
  {
    readonly place: Position;
    readonly isFirst: boolean;
    readonly receivedAt: number;
  }
> {
  let isFirst = true;
  for await (const { id, receivedAt } of shapesFrom(log.store, "")) {
    if (receivedAt >= time) {
      const segment = await log.next({ segment: id, index: 0 });
      const view = new EventView();
      for (let n = 0; segment?.id === id && n < segment.count; n++) {
        const came = view.at(segment, n).receivedAt;
        if (came < time) continue;
        const place = { segment: id, index: n };
        return { place, isFirst: isFirst && n === 0, receivedAt: came };
      }
    }
    isFirst = false;
  }
  return { place: await log.end(), isFirst: false, receivedAt: time };
}

async function isKept(store: Store, at: Position): Promise<boolean> {
  const entry = await store.call((kv) => kv.get(logKey(at.segment)));
  const header = entry.value instanceof Uint8Array
    ? readHeader(entry.value)
    : undefined;
  return header !== undefined && at.index < header.count;
}

/** The later of two places. */
export function later(one: Position, other: Position): Position {
  return isBefore(one, other) ? other : one;
}
