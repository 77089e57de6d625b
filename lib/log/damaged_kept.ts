/**
 * The records of damaged segments, `["damaged", shard, id]`: which of those in the log any process has met, so that
 * every process counts the same, also after a restart. Written once, best effort; gone when the segment is trimmed.
 */

import { deleteAll } from "./expired.ts";
import { damagedAfter, damagedKey, damagedUpTo } from "./keys.ts";
import { toValue } from "./kv.ts";
import type { Store } from "./store.ts";

/** Notes that a segment is damaged, for every process and start. @throws what the store throws. */
export async function keepDamaged(
  store: Store,
  id: string,
  at: number,
): Promise<void> {
  await store.call((kv) =>
    kv.atomic().set(damagedKey(id), toValue({ at })).commit()
  );
}

/**
 * How many damaged segments the log holds: those noted in the store, and those of `met`, which may not be there yet.
 * `trimmed`: the newest segment deleted. @throws what the store throws.
 */
export async function countDamaged(
  store: Store,
  trimmed: string,
  met: Iterable<string>,
): Promise<number> {
  const ids = await store.call(async (kv) => {
    const found = new Set<unknown>();
    const batches = { batchSize: 100 };
    for await (const { key } of kv.list(damagedAfter(trimmed), batches)) {
      found.add(key[2]);
    }
    return found;
  });
  for (const id of met) if (id > trimmed) ids.add(id);
  return ids.size;
}

/** Forgets those of the segments up to this one. @throws what the store throws. */
export async function forgetDamaged(
  store: Store,
  segment: string,
): Promise<void> {
  await deleteAll(store, damagedUpTo(segment));
}
