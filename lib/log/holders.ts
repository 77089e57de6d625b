/** Whose the connectors are, for status: read from the leases, so that every process answers alike. */

import { leases, processes } from "./keys.ts";
import { fromValue, isRecord, numberIn, textIn } from "./kv.ts";
import type { EventLog } from "./log.ts";

/** Whose a connector is. */
export interface Holder {
  readonly instance: string;
  /** What the SIEM warned of, as far as the holder told the others (`share.ts`); "": nothing. */
  readonly warning: string;
  /** How often: answers with a warning, and events that these put aside, since the holder began. */
  readonly warned: { readonly answers: number; readonly aside: number };
}

/**
 * By connector whose lease it is; none where nobody's is. A holder that was killed stands here until
 * another has taken over. @throws when the store does not answer.
 */
export function readHolders(
  { store, options }: Pick<EventLog, "store" | "options">,
): Promise<Map<string, Holder>> {
  return store.call(async (kv) => {
    const holders = new Map<string, Holder>();
    const warnings = new Map<string, Readonly<Record<string, unknown>>>();
    for await (const { value } of kv.list(processes(), { batchSize: 500 })) {
      const record = fromValue(value) ?? {};
      const said = record["warnings"];
      if (isRecord(said)) warnings.set(textIn(record, "instance"), said);
    }
    for await (const { key, value } of kv.list(leases(), { batchSize: 100 })) {
      const connector = key[1], record = fromValue(value) ?? {};
      const holder = textIn(record, "holder");
      if (typeof connector !== "string" || holder === "") continue;
      // Alone with the store nothing is released: what another process left behind is nobody's.
      const isLeft = record["released"] === true ||
        (store.isExclusive && holder !== options.instance);
      if (isLeft) continue;
      const told = warnings.get(holder)?.[connector];
      const said = isRecord(told) ? told : {};
      holders.set(connector, {
        instance: holder,
        warning: textIn(said, "warning"),
        warned: {
          answers: numberIn(said, "answers"),
          aside: numberIn(said, "aside"),
        },
      });
    }
    return holders;
  });
}
