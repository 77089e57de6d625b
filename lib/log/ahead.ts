/** How many events lie before one at a connector, over all lanes. */

import type { Position } from "../event.ts";
import type { Place } from "./cursor.ts";
import { logAfter } from "./keys.ts";
import type { EventLog } from "./log.ts";
import { readHeader } from "./segment.ts";

/** First values looked at for what other lanes had appended, in pages of so many. */
const PAGE = 50, PAGES = 10;

/** An event in the order of its lane. */
export interface LanePlace {
  readonly at: Position;
  readonly lane: string;
  /** Events of its lane before it. */
  readonly before: number;
}

/** Events between a place and an event behind it. @throws what the store throws. */
export async function eventsAhead(
  log: EventLog,
  place: Place,
  event: LanePlace,
): Promise<number> {
  const seen = (lane: string) => place.seen[lane]?.events ?? 0;
  let ahead = Math.max(0, event.before - seen(event.lane));
  for (const [lane, events] of await otherLanes(log, event)) {
    ahead += Math.max(0, events - seen(lane));
  }
  return ahead;
}

/**
 * What the other lanes had appended before an event: from each one's next segment behind it, or its total where there
 * is none. A lane that does not appear for long is taken as having appended nothing since.
 */
async function otherLanes(
  log: EventLog,
  { at, lane }: LanePlace,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  if (log.store.isExclusive) return found;
  const totals = await log.totals();
  const open = new Set(Object.keys(totals).filter((name) => name !== lane));
  let after = at.segment;
  for (let page = 0; page < PAGES && open.size > 0; page++) {
    const count = await log.store.call(async (kv) => {
      let seen = 0;
      const options = { limit: PAGE, batchSize: PAGE };
      for await (const { key, value } of kv.list(logAfter(after), options)) {
        seen++;
        after = String(key[2]);
        const header = value instanceof Uint8Array
          ? readHeader(value)
          : undefined;
        if (header !== undefined && open.delete(header.lane)) {
          found.set(header.lane, header.eventsBefore);
        }
      }
      return seen;
    });
    if (count < PAGE) {
      for (const name of open) found.set(name, totals[name]?.events ?? 0);
      return found;
    }
  }
  return found;
}
