/**
 * Connectors that are not configured any more: they do not hold the log, and their place, books and history are kept for
 * a span, so that one that returns goes on from where it was. What was trimmed meanwhile is `expired` there.
 */

import { EventRun } from "../event.ts";
import type { Holding, LaneSeen } from "./cursor.ts";
import { isBefore } from "./decision.ts";
import { deleteAll } from "./expired.ts";
import { deadAtBetween, leftKey, leftKeys, pastOf, stateKeys } from "./keys.ts";
import { fromValue, numberIn, toValue } from "./kv.ts";
import type { Store } from "./store.ts";
import type { TrimMark } from "./trim.ts";

/** More than a segment holds events. */
const BEHIND_ALL = 999_999;

/**
 * Moves a place that lies before what the log still holds behind what was trimmed, and books that as expired.
 * False: the lease is lost.
 */
export async function passTrimmed(
  holding: Holding,
  mark: TrimMark,
  at: number,
): Promise<boolean> {
  const { place } = holding;
  const next = { segment: mark.segment, index: BEHIND_ALL };
  if (!isBefore(place, next)) return true;
  const seen: Record<string, LaneSeen> = { ...place.seen };
  let count = 0, bytes = 0;
  for (const [lane, there] of Object.entries(mark.lanes)) {
    const here = seen[lane] ?? { events: 0, bytes: 0 };
    if (there.events <= here.events) continue;
    count += there.events - here.events;
    bytes += Math.max(0, there.bytes - here.bytes);
    seen[lane] = there;
  }
  // Behind all of it: the last segment's own end.
  if (count === 0) return true;
  const expired = place.books.expired + count;
  return await holding.settle(
    { ...place, ...next, seen, books: { ...place.books, expired } },
    [],
    {
      at,
      run: new EventRun(),
      ranges: [],
      skipped: {
        count,
        decision: { kind: "expired", reason: "age" },
        range: {
          first: `${place.segment || "0".repeat(20)}-${place.index}`,
          last: `${next.segment}-${next.index}`,
          bytes,
        },
      },
    },
  );
}

/**
 * Notes which connectors left the configuration, and forgets those that left `kept` milliseconds ago (0: none) and have
 * no dead letters any more.
 * @throws what the store throws; what is done is done.
 */
export async function forgetLeft(store: Store, options: {
  /** All that have a place. */
  readonly known: Iterable<string>;
  readonly configured: ReadonlySet<string>;
  readonly now: number;
  readonly kept: number;
}): Promise<void> {
  const { known, configured, now, kept } = options;
  const left = await readLeft(store);
  for (const name of new Set([...known, ...left.keys()])) {
    const since = left.get(name);
    if (configured.has(name)) {
      if (since !== undefined) {
        await store.call((kv) => kv.atomic().delete(leftKey(name)).commit());
      }
    } else if (since === undefined) {
      await store.call((kv) =>
        kv.atomic().set(leftKey(name), toValue({ at: now })).commit()
      );
    } else if (
      kept > 0 && now - since >= kept && !await hasDead(store, name)
    ) await forget(store, name);
  }
}

/** What makes up its books goes in one commit; a crash after it leaves the mark, and the rest goes at the next look. */
async function forget(store: Store, connector: string): Promise<void> {
  await store.call((kv) => {
    const operation = kv.atomic();
    for (const key of stateKeys(connector)) operation.delete(key);
    return operation.commit();
  });
  for (const range of pastOf(connector)) await deleteAll(store, range);
  await store.call((kv) => kv.atomic().delete(leftKey(connector)).commit());
}

function readLeft(store: Store): Promise<Map<string, number>> {
  return store.call(async (kv) => {
    const left = new Map<string, number>();
    for await (const { key, value } of kv.list(leftKeys())) {
      const name = key[1];
      if (typeof name === "string") {
        left.set(name, numberIn(fromValue(value) ?? {}, "at"));
      }
    }
    return left;
  });
}

function hasDead(store: Store, connector: string): Promise<boolean> {
  return store.call(async (kv) => {
    const range = deadAtBetween(connector, undefined, undefined);
    for await (const _ of kv.list(range, { limit: 1 })) return true;
    return false;
  });
}
