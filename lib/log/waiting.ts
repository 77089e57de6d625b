/** What waits at a connector, for those who do not hold its lease. */

import { cursorKey } from "./keys.ts";
import type { EventLog } from "./log.ts";
import { placeOf } from "./places.ts";

/** When the relay took the oldest event that waits; undefined: none does. @throws what the store throws. */
export async function oldestWaiting(
  log: EventLog,
  connector: string,
): Promise<number | undefined> {
  const place = log.settled.get(connector) ??
    placeOf(
      (await log.store.call((kv) => kv.get(cursorKey(connector)))).value,
    );
  return place === undefined ? undefined : await log.receivedAt(place);
}
