/**
 * Dead letters of the live deliveries: written before the place whose books count them.
 *
 * Invariants: keyed by event id; record and entry of the index are written and deleted in one commit, parts before or
 * with them, in as many commits as needed, each of which checks the epoch. A letter counts once the place lies behind
 * its event: what a crash left before that is dropped by whoever takes over, before anything is sent, so an event that
 * is taken after all leaves no letter. No store of an earlier release exists: every record has its entry.
 */

import { EventView, type Position } from "../event.ts";
import { METADATA } from "../json/spans.ts";
import type { DeadLetter } from "./cursor.ts";
import { changeDead, DeadPlanRefused } from "./dead_books.ts";
import {
  type DeadWrite,
  type EnvelopeMember,
  keysOf,
  type NewDeadLetter,
  sizeOf,
  writesOf,
} from "./dead_record.ts";
import { deadFrom, deadPartsFrom } from "./keys.ts";
import { fromValue, MAX_VALUE_BYTES, MAX_VALUES, numberIn } from "./kv.ts";
import type { Store } from "./store.ts";

/** Bytes of values in one commit; the rest of the 819,200 is for keys. */
export const COMMIT_BYTES = MAX_VALUE_BYTES * (MAX_VALUES - 1);
/** Writes of one commit: 200 keys of at most 150 bytes, counted twice, stay under 81,920. */
export const COMMIT_WRITES = 200;
/** Letters looked at together when a lease is taken, and values of 64 KiB. */
const BATCH = 100, PARTS = 10;

/** Refused because the epoch moved on: the lease is lost. */
export class EpochLost extends Error {
  override readonly name = "EpochLost";
}

/** Writes dead letters. @throws {EpochLost}, or what the store throws: call again with the same. */
export async function writeDeadLetters(
  store: Store,
  connector: string,
  letters: readonly DeadLetter[],
  epoch: Deno.AtomicCheck,
): Promise<void> {
  let writes: DeadWrite[] = [];
  let bytes = 0;
  const flush = async () => {
    if (writes.length === 0) return;
    const batch = writes;
    writes = [];
    bytes = 0;
    await fenced(store, connector, { sets: batch, checks: [epoch] });
  };
  const view = new EventView();
  for (const letter of letters) {
    const { parts, record } = writesOf(newLetter(connector, letter, view));
    for (const group of [...parts.map((part) => [part]), record]) {
      const size = sizeOf(group);
      if (
        bytes + size > COMMIT_BYTES ||
        writes.length + group.length > COMMIT_WRITES
      ) await flush();
      writes.push(...group);
      bytes += size;
    }
  }
  await flush();
}

/**
 * Deletes the letters that no place counts, and the bytes of half-written ones: a crash came between them and the
 * place. To be called when a lease was taken, before anything is sent. @throws {EpochLost}, or what the store throws.
 */
export async function dropUncounted(
  store: Store,
  connector: string,
  place: Position,
  epoch: Deno.AtomicCheck,
): Promise<void> {
  for (;;) {
    const found = await store.call(async (kv) => {
      const keys: Deno.KvKey[] = [];
      let last: string | undefined;
      const range = deadFrom(connector, place.segment);
      for await (const { key, value } of kv.list(range, { batchSize: BATCH })) {
        const id = String(key[2]), record = fromValue(value) ?? {};
        if (isBehind(id, place)) continue;
        last = id;
        keys.push(...keysOf(connector, id, {
          at: numberIn(record, "at"),
          parts: numberIn(record, "parts"),
        }));
        if (keys.length > COMMIT_WRITES) break;
      }
      return { keys, last };
    });
    if (found.last === undefined) break;
    await fenced(store, connector, { deletes: found.keys, checks: [epoch] });
  }
  await dropParts(store, connector, place, epoch);
}

/** Bytes whose record was never written: a batch of letters may take several commits. */
async function dropParts(
  store: Store,
  connector: string,
  place: Position,
  epoch: Deno.AtomicCheck,
): Promise<void> {
  for (;;) {
    const keys = await store.call(async (kv) => {
      const found: Deno.KvKey[] = [];
      const range = deadPartsFrom(connector, place.segment);
      for await (const { key } of kv.list(range, { batchSize: PARTS })) {
        if (isBehind(String(key[2]), place)) continue;
        found.push(key);
        if (found.length === COMMIT_WRITES) break;
      }
      return found;
    });
    if (keys.length === 0) return;
    await fenced(store, connector, { deletes: keys, checks: [epoch] });
  }
}

async function fenced(store: Store, connector: string, change: {
  readonly sets?: readonly DeadWrite[];
  readonly deletes?: readonly Deno.KvKey[];
  readonly checks: readonly Deno.AtomicCheck[];
}): Promise<void> {
  const plan = { deltas: {}, ...change, result: undefined };
  try {
    await changeDead(store, connector, () => Promise.resolve(plan));
  } catch (error) {
    if (!(error instanceof DeadPlanRefused)) throw error;
    throw new EpochLost("The lease is lost");
  }
}

/** The place of an event in this log by its id; undefined for ids that were made for imported letters. */
export function positionOf(id: string): Position | undefined {
  const found = /^([0-9a-f]{20})-(0|[1-9]\d{0,9})$/.exec(id);
  const [, segment, index] = found ?? [];
  return segment === undefined ? undefined : { segment, index: Number(index) };
}

/** Does a place lie behind the event? Then its letter counts. Ids that are no events' always do. */
export function isBehind(id: string, place: Position): boolean {
  const at = positionOf(id);
  return at === undefined || at.segment < place.segment ||
    (at.segment === place.segment && at.index < place.index);
}

/** What keeps a letter of an event, which `view` is moved to. */
export function newLetter(
  connector: string,
  letter: DeadLetter,
  view: EventView,
): NewDeadLetter {
  view.at(letter.segment, letter.index);
  const envelope: Partial<Record<EnvelopeMember, Uint8Array>> = {};
  for (const [name, member] of METADATA) {
    const start = view.start(member), end = view.end(member);
    if (end > start) envelope[name] = view.bytes.subarray(start, end);
  }
  return {
    id: view.id,
    connector,
    at: letter.at,
    timestamp: new Date(letter.at).toISOString(),
    reason: letter.reason,
    error: letter.error,
    attempts: letter.attempts,
    isGivenUp: letter.givenUp === true,
    isRaw: view.isRaw,
    producer: view.run.producer,
    receivedAt: view.receivedAt,
    envelope,
    event: view.event,
  };
}
