/**
 * Ranges of events that expired at a connector (interface §12), kept 30 days: `["expired", connector, at, first id]`,
 * written in the commit that moves the place behind them.
 */

import { EventView } from "../event.ts";
import type { Decided, ExpiryReason, RunRange } from "./decision.ts";
import type { DamagedSegment, MissingEvents } from "./damaged.ts";
import type { HistoryWrite } from "./journal.ts";
import { expiredBefore, expiredKey } from "./keys.ts";
import { fromValue, numberIn, textIn, toValue } from "./kv.ts";
import type { Store } from "./store.ts";

/** How long a range is kept: milliseconds. */
const EXPIRED_KEPT_MS = 30 * 86_400_000;
/**
 * Ranges of one settle for each reason: a commit has room for so many. Of more than this one is made, whose `events`
 * says how many of the ids it spans expired.
 */
const MOST_RANGES = 20;
/** Entries of one `list`, and of one commit that deletes. */
const PAGE = 100;

/** Events of one connector that expired together. Times are milliseconds since the Unix epoch. */
export interface ExpiredRange {
  /**
   * Ids of the first and the last event. Where `isBetween` those are not known: the id behind the event before them, and
   * the event after them.
   */
  readonly first: string;
  readonly last: string;
  readonly events: number;
  /** Of the events themselves; of damaged ones as they were stored. */
  readonly bytes: number;
  /** When the first and the last were accepted; null where that cannot be read any more. */
  readonly from: number | null;
  readonly to: number | null;
  readonly at: number;
  readonly reason: ExpiryReason;
  /** Their segments are missing whole. */
  readonly isBetween?: true;
}

/** The records of what a settle lets expire. */
export function expiredWrites(
  connector: string,
  decided: Decided,
  damaged: readonly DamagedSegment[],
  missing: readonly MissingEvents[] = [],
): HistoryWrite[] {
  const aged = decided.ranges.filter(({ decision }) =>
    decision.kind === "expired"
  ).map((range) => agedRange(decided, range));
  const ranges = few(aged);
  const { skipped, at } = decided;
  if (skipped?.range !== undefined) {
    const { count: events, range } = skipped;
    ranges.push({ ...range, events, from: null, to: null, at, reason: "age" });
  }
  const broken = damaged.filter(({ count }) => count > 0)
    .map((segment) => damagedRange(segment, at));
  const gaps = missing.map((gap) => missingRange(gap, at));
  return [...ranges, ...few(broken), ...few(gaps)].map(({ at, ...range }) => [
    expiredKey(connector, at, range.first),
    toValue(range),
  ]);
}

function damagedRange(
  { id, from, count, storedBytes, receivedAt }: DamagedSegment,
  at: number,
): ExpiredRange {
  return {
    first: `${id}-${from}`,
    last: `${id}-${Math.max(from, count - 1)}`,
    events: Math.max(0, count - from),
    bytes: storedBytes,
    from: receivedAt,
    to: receivedAt,
    at,
    reason: "damaged",
  };
}

function missingRange(
  { from, until, count, storedBytes }: MissingEvents,
  at: number,
): ExpiredRange {
  return {
    first: `${from.segment}-${from.index}`,
    last: `${until.segment}-${until.index}`,
    events: count,
    bytes: storedBytes,
    from: null,
    to: null,
    at,
    reason: "damaged",
    isBetween: true,
  };
}

function agedRange(
  { run, at }: Decided,
  { at: place, count }: RunRange,
): ExpiredRange {
  const view = new EventView();
  let bytes = 0;
  for (let n = place; n < place + count; n++) {
    bytes += run.view(n, view).event.length;
  }
  const { id: first, receivedAt: from } = run.view(place, view);
  const { id: last, receivedAt: to } = run.view(place + count - 1, view);
  return { first, last, events: count, bytes, from, to, at, reason: "age" };
}

/** The ranges, or one for all of them where they are too many. */
function few(ranges: readonly ExpiredRange[]): ExpiredRange[] {
  if (ranges.length <= MOST_RANGES) return [...ranges];
  return [
    ranges.reduce((all, range) => ({
      ...all,
      last: range.last,
      to: range.to,
      events: all.events + range.events,
      bytes: all.bytes + range.bytes,
    })),
  ];
}

/** Where a list goes on: behind this range. */
export type ExpiredMark = Pick<ExpiredRange, "at" | "first">;

/** What expired at a connector, the newest first. @throws what the store throws. */
export async function* listExpired(
  store: Store,
  connector: string,
  after?: ExpiredMark,
): AsyncGenerator<ExpiredRange> {
  let mark = after;
  for (;;) {
    const range = expiredBefore(
      connector,
      mark && { at: mark.at, id: mark.first },
    );
    const page = await store.call(async (kv) => {
      const found: ExpiredRange[] = [];
      const options = { limit: PAGE, batchSize: PAGE, reverse: true };
      for await (const { key, value } of kv.list(range, options)) {
        found.push(rangeOf(key, value));
      }
      return found;
    });
    yield* page;
    mark = page.at(-1);
    if (mark === undefined || page.length < PAGE) return;
  }
}

/** Has anything expired at the connector in the last 30 days? @throws what the store throws. */
export async function hasExpired(
  store: Store,
  connector: string,
): Promise<boolean> {
  for await (const _ of listExpired(store, connector)) return true;
  return false;
}

/** Forgets what is older than 30 days. @throws what the store throws; what is done is done. */
export async function forgetExpired(
  store: Store,
  connectors: Iterable<string>,
  now: number,
): Promise<void> {
  for (const connector of connectors) {
    await deleteAll(store, expiredBefore(connector, now - EXPIRED_KEPT_MS));
  }
}

/** Deletes a range of keys, as many at a time as a commit takes. @throws what the store throws. */
export async function deleteAll(
  store: Store,
  range: Deno.KvListSelector,
): Promise<void> {
  for (;;) {
    const count = await store.call(async (kv) => {
      const operation = kv.atomic();
      let found = 0;
      for await (
        const { key } of kv.list(range, { limit: PAGE, batchSize: PAGE })
      ) {
        operation.delete(key);
        found++;
      }
      if (found > 0) await operation.commit();
      return found;
    });
    if (count < PAGE) return;
  }
}

function rangeOf(key: Deno.KvKey, value: unknown): ExpiredRange {
  const record = fromValue(value) ?? {};
  const timeIn = (name: string) =>
    typeof record[name] === "number" ? record[name] : null;
  return {
    first: textIn(record, "first"),
    last: textIn(record, "last"),
    events: numberIn(record, "events"),
    bytes: numberIn(record, "bytes"),
    from: timeIn("from"),
    to: timeIn("to"),
    at: Number(key[2]),
    // Written by this program from the closed list.
    reason: textIn(record, "reason") === "damaged" ? "damaged" : "age",
    ...record["isBetween"] === true && { isBetween: true },
  };
}
