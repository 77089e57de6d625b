/** The further values of a segment: everything behind the first 65,536 bytes of its blob. */

import { partKey } from "./keys.ts";
import { MAX_GET, MAX_VALUE_BYTES } from "./kv.ts";
import type { Store } from "./store.ts";

/**
 * Reads values 1 … `values` − 1 of a segment into its blob, each to its place.
 * @returns the number of the first one that is missing or too long; undefined: all were there.
 * @throws when the store does not answer.
 */
export async function readParts(
  store: Store,
  id: string,
  values: number,
  blob: Uint8Array,
): Promise<number | undefined> {
  let missing: number | undefined;
  for (let from = 1; from < values; from += MAX_GET) {
    const to = Math.min(values, from + MAX_GET);
    const keys = Array.from(
      { length: to - from },
      (_, i) => partKey(from + i, id),
    );
    const entries = await store.call((kv) => kv.getMany(keys));
    for (const [i, entry] of entries.entries()) {
      const at = (from + i) * MAX_VALUE_BYTES;
      const part: unknown = entry.value;
      if (part instanceof Uint8Array && at + part.length <= blob.length) {
        blob.set(part, at);
      } else missing ??= from + i;
    }
  }
  return missing;
}
