/** Where connectors begin: their places exist before the first event can be accepted, so that they owe all of them. */

import { readHeads } from "./heads.ts";
import { cursorKey } from "./keys.ts";
import { newPlace, placeValue } from "./places.ts";
import type { Store } from "./store.ts";
import { readTrimMark } from "./trim.ts";

/**
 * Gives each connector that has no place one, at the end of the log or at its oldest event. To be called after the log
 * was opened and before anything is appended. A place that is there (of an earlier start or another process) stays.
 * @throws when the store does not answer.
 */
export async function beginPlaces(
  store: Store,
  connectors: Iterable<
    { readonly name: string; readonly from: "newest" | "oldest" }
  >,
): Promise<void> {
  for (const { name, from } of connectors) {
    const key = cursorKey(name);
    const stored = await store.call((kv) => kv.get(key));
    if (stored.versionstamp !== null) continue;
    const place = newPlace(
      from,
      await readHeads(store),
      await readTrimMark(store),
    );
    // Refused: another process has made it meanwhile, or a lost reply hides that we did. Either way it is there.
    await store.call((kv) =>
      kv.atomic().check({ key, versionstamp: null })
        .set(key, placeValue(place)).commit()
    );
  }
}
