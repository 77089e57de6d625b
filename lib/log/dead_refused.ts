/** Dead letters that a replay sent and the SIEM refused again: the same record, attempts counting on. */

import type { Reason } from "../connector.ts";
import { changeDead } from "./dead_books.ts";
import { type Beside, readAll } from "./dead_ends.ts";
import { COMMIT_BYTES, COMMIT_WRITES } from "./dead_letters.ts";
import { type DeadWrite, entryValue, sizeOf } from "./dead_record.ts";
import { deadAtKey, deadKey } from "./keys.ts";
import { numberIn, textIn, toValue } from "./kv.ts";
import type { Store } from "./store.ts";

/** Letters of one commit, at the most. */
const BATCH = COMMIT_WRITES / 4;

/** A letter that a replay sent and the SIEM refused again. */
export interface RefusedAgain {
  readonly id: string;
  readonly reason: Reason;
  readonly error: string;
  /** Attempts that the replay made. */
  readonly attempts: number;
}

/**
 * Notes them: attempts count on, reason and error are the newest. The books do not change.
 * @param beside asked for each commit with the letters that it notes.
 * @returns those that were dead letters still. @throws {DeadPlanRefused}, or what the store throws: what is done is done.
 */
export async function noteRefused(
  store: Store,
  connector: string,
  refused: readonly RefusedAgain[],
  beside?: (noted: readonly string[]) => Beside,
): Promise<string[]> {
  const all: string[] = [];
  for (let from = 0; from < refused.length;) {
    const batch = refused.slice(from, from + BATCH);
    const done = await changeDead(store, connector, async () => {
      const { noted, looked, sets } = await plan(store, connector, batch);
      const extra = beside?.(noted);
      return {
        deltas: {},
        checks: extra?.checks ?? [],
        sets: [...sets, ...extra?.sets ?? []],
        result: { noted, looked },
      };
    });
    if (done === undefined) break;
    all.push(...done.noted);
    from += done.looked;
  }
  return all;
}

async function plan(
  store: Store,
  connector: string,
  refused: readonly RefusedAgain[],
) {
  const keys = refused.map(({ id }) => deadKey(connector, id));
  const records = await readAll(store, keys);
  const places = refused.map(({ id }, n) =>
    deadAtKey(connector, numberIn(records[n] ?? {}, "at"), id)
  );
  const entries = await readAll(store, places);
  const noted: string[] = [];
  const sets: DeadWrite[] = [];
  let looked = 0, bytes = 0;
  for (const [n, { id, reason, error, attempts: more }] of refused.entries()) {
    const record = records[n], entry = entries[n];
    const key = keys[n], place = places[n];
    looked++;
    if (record === undefined || key === undefined || place === undefined) {
      continue;
    }
    const attempts = numberIn(record, "attempts") + more;
    const writes: DeadWrite[] = [
      // Looked at by the SIEM and refused: not to be replayed by itself any more.
      [key, toValue({ ...record, reason, error, attempts, givenUp: false })],
      [
        place,
        entryValue({
          reason,
          error,
          attempts,
          bytes: numberIn(entry ?? {}, "bytes"),
          preview: textIn(entry ?? {}, "preview"),
          producer: textIn(entry ?? {}, "producer"),
          parts: numberIn(record, "parts"),
          print: textIn(record, "print"),
          keptFrom: numberIn(record, "keptFrom"),
        }),
      ],
    ];
    bytes += sizeOf(writes);
    if (bytes > COMMIT_BYTES && noted.length > 0) {
      looked--;
      break;
    }
    noted.push(id);
    sets.push(...writes);
  }
  return { noted, looked, sets };
}
