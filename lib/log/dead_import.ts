/**
 * Dead letters that come from outside: an export, or a dead letter file.
 *
 * Invariants: a letter comes in once, whatever is repeated: what is dead here, what the connector had and what still
 * waits for it are passed over. Each that comes in adds one to accepted and one to dead, in the commit of its record.
 */

import type { Position } from "../event.ts";
import { changeDead } from "./dead_books.ts";
import { endOf, importId, importIds, readAll } from "./dead_ends.ts";
import {
  COMMIT_BYTES,
  COMMIT_WRITES,
  isBehind,
  positionOf,
} from "./dead_letters.ts";
import {
  type DeadWrite,
  type NewDeadLetter,
  printOf,
  sizeOf,
  writesOf,
} from "./dead_record.ts";
import { cursorKey, deadAtBetween, deadEndKey, deadKey } from "./keys.ts";
import { fromValue, textIn } from "./kv.ts";
import { placeOf } from "./places.ts";
import type { Store } from "./store.ts";

/** Letters looked at in one commit: three reads each, and 200 writes at the most. */
const BATCH = 50;

/** A record as it came. `id`: of its event, where it says one. */
export interface ForeignLetter extends Omit<NewDeadLetter, "id" | "keptFrom"> {
  readonly id: string | undefined;
}

/**
 * imported: it is a dead letter now. dead: it was one already. had: the connector has had its event. waiting: its event
 * still waits at the connector.
 */
export type ImportOutcome = "imported" | "dead" | "had" | "waiting";

export interface Imported {
  /** Under which it is kept, or was. */
  readonly id: string;
  readonly outcome: ImportOutcome;
}

export interface ImportParts {
  readonly store: Store;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** The place behind the newest event of this log. */
  readonly end: Position;
  /** Has the connector had this event of the log by itself? */
  readonly isDelivered: (connector: string, id: string) => Promise<boolean>;
}

interface Candidate {
  readonly letter: NewDeadLetter;
  readonly print: string;
  readonly isHad: boolean;
}

/** Takes letters of one connector in, in their order: an outcome for each. @throws what the store throws. */
export async function importDead(
  parts: ImportParts,
  connector: string,
  letters: readonly ForeignLetter[],
): Promise<Imported[]> {
  const outcomes: Imported[] = [];
  while (outcomes.length < letters.length) {
    const batch: Candidate[] = [];
    for (
      const letter of letters.slice(outcomes.length, outcomes.length + BATCH)
    ) {
      batch.push(await candidate(parts, letter));
    }
    const done = await changeDead(parts.store, connector, async () => {
      const { seen, sets } = await plan(parts.store, connector, batch);
      const count = seen.filter(({ outcome }) => outcome === "imported").length;
      return {
        deltas: { accepted: count, dead: count },
        sets,
        result: seen,
      };
    });
    outcomes.push(...done ?? []);
  }
  return outcomes;
}

/** What is known of a letter before the commit, and its name here. */
async function candidate(
  { now, end, isDelivered }: ImportParts,
  foreign: ForeignLetter,
): Promise<Candidate> {
  const print = printOf(foreign);
  const { id = "" } = foreign;
  const at = positionOf(id);
  // An id from behind this log's end is another log's, and will be an own event's one day.
  const isForeign = at !== undefined && !isBehind(id, end);
  const name = id === "" || isForeign ? importId(print) : id;
  return {
    print,
    letter: { ...foreign, id: name, keptFrom: now },
    isHad: at !== undefined && !isForeign &&
      await isDelivered(foreign.connector, id),
  };
}

async function plan(
  store: Store,
  connector: string,
  batch: readonly Candidate[],
): Promise<{ readonly seen: Imported[]; readonly sets: DeadWrite[] }> {
  const cursor = await store.call((kv) => kv.get(cursorKey(connector)));
  const place = placeOf(cursor.value);
  const dead = await readAll(
    store,
    batch.map(({ letter }) => deadKey(connector, letter.id)),
  );
  const ends = await readAll(
    store,
    batch.map(({ letter }) => deadEndKey(connector, letter.id)),
  );
  const seen: Imported[] = [];
  const sets: DeadWrite[] = [];
  const ids = new Set<string>(), prints = new Set<string>();
  const known = new Map<number, ReadonlySet<string>>();
  const isDeadAs = async ({ at }: NewDeadLetter, print: string) => {
    const there = known.get(at) ?? await printsAt(store, connector, at);
    known.set(at, there);
    return there.has(print);
  };
  let bytes = 0;
  for (const [n, { letter, print, isHad }] of batch.entries()) {
    const { id } = letter;
    const outcome: ImportOutcome = dead[n] !== undefined || ids.has(id)
      ? "dead"
      : isHad || endOf(ends[n])?.how === "delivered"
      ? "had"
      : place !== undefined && !isBehind(id, place)
      ? "waiting"
      : id === importId(print) &&
          (prints.has(print) || await isDeadAs(letter, print))
      ? "dead"
      : "imported";
    if (outcome !== "imported") {
      seen.push({ id, outcome });
      continue;
    }
    const { parts, record } = writesOf(letter);
    const all = [...parts, ...record];
    const size = sizeOf(all);
    if (
      bytes + size > COMMIT_BYTES || sets.length + all.length > COMMIT_WRITES
    ) {
      if (seen.length > 0) break;
      // One that fills more than a commit by itself: its bytes go first, its record makes it one.
      await writeParts(store, parts);
      return { seen: [{ id, outcome }], sets: record };
    }
    bytes += size;
    sets.push(...all);
    ids.add(id);
    prints.add(print);
    seen.push({ id, outcome });
  }
  return { seen, sets };
}

/**
 * What tells the letters apart that died at a moment: a whole batch of them may have. Without those that are named by
 * their print: these are found by their name, and an import may bring any number of one moment.
 */
async function printsAt(
  store: Store,
  connector: string,
  at: number,
): Promise<ReadonlySet<string>> {
  const prints = new Set<string>();
  const [first, last] = importIds();
  for (
    const range of [
      deadAtBetween(connector, { ms: at }, { ms: at, id: first }),
      deadAtBetween(connector, { ms: at, id: last }, { ms: at + 1 }),
    ]
  ) {
    await store.call(async (kv) => {
      for await (const { value } of kv.list(range, { batchSize: 500 })) {
        prints.add(textIn(fromValue(value) ?? {}, "print"));
      }
    });
  }
  return prints;
}

async function writeParts(
  store: Store,
  parts: readonly DeadWrite[],
): Promise<void> {
  for (const [key, value] of parts) {
    await store.call((kv) => kv.atomic().set(key, value).commit());
  }
}
