/**
 * What ends a dead letter: a person discarded it, a replay delivered it, a scope filtered it, or its 30 days are over.
 *
 * Invariants: record, parts and index entry go in the commit that changes the books and notes the end,
 * `["deadend", connector, id]`, so that receipts tell it and an import knows what the connector had. Ends are kept
 * 30 days. A letter without an event id of its own is known by its print: what was delivered is noted under both.
 */

import { changeDead, type DeadDeltas } from "./dead_books.ts";
import { COMMIT_WRITES, isBehind } from "./dead_letters.ts";
import { type DeadWrite, keysOf } from "./dead_record.ts";
import { cursorKey, deadEndKey, deadEnds, deadKey } from "./keys.ts";
import {
  fromValue,
  isRecord,
  MAX_GET,
  numberIn,
  textIn,
  toValue,
} from "./kv.ts";
import { placeOf } from "./places.ts";
import type { Store } from "./store.ts";

/** How long dead letters are kept, and what became of them after that: milliseconds. */
export const KEPT_MS = 30 * 86_400_000;
/** Letters of one commit: with all their parts they stay under its 1,000 changes. */
const BATCH = 60;
const MAX_MUTATIONS = 900;
const PAGE = 500;

export type DeadEnding = "delivered" | "filtered" | "discarded" | "expired";

/** What became of a letter. */
export interface DeadEnd {
  readonly how: DeadEnding;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** How often it was sent in all. */
  readonly attempts: number;
  /** What the SIEM said; null where nothing was sent, or it says nothing. */
  readonly answer:
    | { readonly status: number | null; readonly message: string }
    | null;
}

export interface EndOptions {
  readonly at: number;
  readonly answer?: DeadEnd["answer"];
  /** Attempts that came on top of the record's. */
  readonly attempts?: number;
}

/** The name under which letters without an event id are kept. */
export function importId(print: string): string {
  return `import-${print}`;
}

/** All such names lie from the first of these on and before the second. */
export function importIds(): readonly [string, string] {
  return [importId(""), importId("\uffff")];
}

/**
 * Ends letters of one connector, by the ids of their events; those that are no dead letters any more are passed over.
 * @returns which ended here. @throws what the store throws: what is done is done.
 */
export async function endDead(
  store: Store,
  connector: string,
  ids: readonly string[],
  how: DeadEnding,
  options: EndOptions,
): Promise<string[]> {
  const all: string[] = [];
  for (let from = 0; from < ids.length;) {
    const batch = ids.slice(from, from + BATCH);
    const done = await changeDead(store, connector, async () => {
      const planned = await planEnd(store, connector, batch, how, options);
      const { ended, looked, sets, deletes } = planned;
      if (ended.length === 0) {
        from += looked;
        return undefined;
      }
      const deltas: Partial<DeadDeltas> = {
        dead: -ended.length,
        [how]: ended.length,
      };
      return {
        deltas,
        sets,
        deletes,
        result: { ended, looked },
      };
    });
    if (done === undefined) continue;
    all.push(...done.ended);
    from += done.looked;
  }
  return all;
}

async function planEnd(
  store: Store,
  connector: string,
  ids: readonly string[],
  how: DeadEnding,
  { at, answer = null, attempts = 0 }: EndOptions,
) {
  const cursor = await store.call((kv) => kv.get(cursorKey(connector)));
  const place = placeOf(cursor.value);
  const records = await readAll(store, ids.map((id) => deadKey(connector, id)));
  const ended: string[] = [];
  const sets: DeadWrite[] = [];
  const deletes: Deno.KvKey[] = [];
  let looked = 0;
  for (const [n, id] of ids.entries()) {
    const record = records[n];
    looked++;
    if (record === undefined || ended.includes(id)) continue;
    if (place !== undefined && !isBehind(id, place)) continue;
    const keys = keysOf(connector, id, {
      at: numberIn(record, "at"),
      parts: numberIn(record, "parts"),
    });
    if (
      sets.length + 2 + deletes.length + keys.length > MAX_MUTATIONS ||
      sets.length + 2 > COMMIT_WRITES
    ) {
      looked--;
      break;
    }
    ended.push(id);
    deletes.push(...keys);
    const end: DeadEnd = {
      how,
      at,
      attempts: numberIn(record, "attempts") + attempts,
      answer,
    };
    const value = toValue(end);
    sets.push([deadEndKey(connector, id), value]);
    const other = importId(textIn(record, "print"));
    if (how === "delivered" && other !== id) {
      sets.push([deadEndKey(connector, other), value]);
    }
  }
  return { ended, looked, sets, deletes };
}

/** The records under keys, each undefined where there is none. @throws what the store throws. */
export async function readAll(
  store: Store,
  keys: readonly Deno.KvKey[],
): Promise<(Readonly<Record<string, unknown>> | undefined)[]> {
  const records: (Readonly<Record<string, unknown>> | undefined)[] = [];
  for (let from = 0; from < keys.length; from += MAX_GET) {
    const some = keys.slice(from, from + MAX_GET);
    for (const entry of await store.call((kv) => kv.getMany(some))) {
      records.push(fromValue(entry.value));
    }
  }
  return records;
}

/** What became of a letter that is none any more; undefined: it never was, or that is 30 days ago. */
export async function readDeadEnd(
  store: Store,
  connector: string,
  id: string,
): Promise<DeadEnd | undefined> {
  const key = deadEndKey(connector, id);
  const entry = await store.call((kv) => kv.get(key));
  return endOf(fromValue(entry.value));
}

export function endOf(
  record: Readonly<Record<string, unknown>> | undefined,
): DeadEnd | undefined {
  if (record === undefined) return undefined;
  const { answer } = record;
  const status = isRecord(answer) ? answer["status"] : null;
  return {
    // Written by this program from the closed list.
    how: textIn(record, "how") as DeadEnding,
    at: numberIn(record, "at"),
    attempts: numberIn(record, "attempts"),
    answer: isRecord(answer)
      ? {
        status: typeof status === "number" ? status : null,
        message: textIn(answer, "message"),
      }
      : null,
  };
}

/** Forgets ends of before a moment. @returns how many. @throws what the store throws. */
export async function forgetEnds(
  store: Store,
  connector: string,
  before: number,
): Promise<number> {
  let forgotten = 0;
  for (let after = "";;) {
    const page = await store.call(async (kv) => {
      const found: { readonly key: Deno.KvKey; readonly isOld: boolean }[] = [];
      const range = deadEnds(connector, after);
      for await (
        const { key, value } of kv.list(range, { limit: PAGE, batchSize: PAGE })
      ) {
        found.push({
          key,
          isOld: numberIn(fromValue(value) ?? {}, "at") < before,
        });
      }
      return found;
    });
    const old = page.filter(({ isOld }) => isOld);
    if (old.length > 0) {
      await store.call((kv) => {
        const operation = kv.atomic();
        for (const { key } of old) operation.delete(key);
        return operation.commit();
      });
    }
    forgotten += old.length;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return forgotten;
    after = String(last.key[2]);
  }
}
