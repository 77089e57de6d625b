/** Whose the connectors are, for status: read from the leases, so that every process answers alike. */

import { leases } from "./keys.ts";
import { fromValue, textIn } from "./kv.ts";
import type { EventLog } from "./log.ts";

/**
 * By connector the instance whose lease it is; none where nobody's is. A holder that was killed stands here until
 * another has taken over. @throws when the store does not answer.
 */
export function readHolders(
  { store, options }: Pick<EventLog, "store" | "options">,
): Promise<Map<string, string>> {
  return store.call(async (kv) => {
    const holders = new Map<string, string>();
    for await (const { key, value } of kv.list(leases(), { batchSize: 100 })) {
      const connector = key[1], record = fromValue(value) ?? {};
      const holder = textIn(record, "holder");
      if (typeof connector !== "string" || holder === "") continue;
      // Alone with the store nothing is released: what another process left behind is nobody's.
      const isLeft = record["released"] === true ||
        (store.isExclusive && holder !== options.instance);
      if (!isLeft) holders.set(connector, holder);
    }
    return holders;
  });
}
