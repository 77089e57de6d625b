/** Where connectors begin: their places exist before the first event can be accepted, so that they owe all of them. */

import type { Place } from "./cursor.ts";
import { readHeads } from "./heads.ts";
import { cursorKey } from "./keys.ts";
import { newPlace, placeOf, placeValue } from "./places.ts";
import type { Store } from "./store.ts";
import { readTrimMark } from "./trim.ts";

/** A connector and where it begins when it has no place yet: at the end of the log, or at its oldest event. */
export interface Beginner {
  readonly name: string;
  readonly from: "newest" | "oldest";
}

/**
 * Gives each connector that has no place one. To be called after the log was opened and before anything is appended.
 * @throws when the store does not answer.
 */
export async function beginPlaces(
  store: Store,
  connectors: Iterable<Beginner>,
): Promise<void> {
  for (const connector of connectors) await beginPlace(store, connector);
}

/**
 * The connector's place, made where there is none; one that is there (of an earlier start or another process) stays.
 * Undefined: its record cannot be read.
 * @throws when the store does not answer.
 */
export async function beginPlace(
  store: Store,
  { name, from }: Beginner,
): Promise<
  { readonly place: Place; readonly version: string | null } | undefined
> {
  const key = cursorKey(name);
  let entry = await store.call((kv) => kv.get(key));
  if (entry.versionstamp === null) {
    const fresh = newPlace(
      from,
      await readHeads(store),
      await readTrimMark(store),
    );
    // Refused: another process has made it meanwhile, or a lost reply hides that we did. Either way it is there.
    await store.call((kv) =>
      kv.atomic().check({ key, versionstamp: null })
        .set(key, placeValue(fresh)).commit()
    );
    entry = await store.call((kv) => kv.get(key));
  }
  const place = placeOf(entry.value);
  return place === undefined
    ? undefined
    : { place, version: entry.versionstamp };
}
