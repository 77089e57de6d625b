/**
 * What happens to dead letters, in the connector's books: `["deadbooks", connector]` holds changes that are added to
 * the books of the place.
 *
 * Invariants: every commit that writes or deletes a dead letter of a connector checks this record's versionstamp and
 * rewrites it. So all changes of one connector's dead letters come one after the other, each from what the one before
 * left, and a commit that was given up over the network and arrives late finds another version and does nothing. What
 * a commit changes here is balanced by itself: accepted = delivered + filtered + dead + discarded + expired. Never
 * `sum`, which KV Connect may apply twice.
 */

import { createHash } from "node:crypto";
import { deadBooksAll, deadBooksKey } from "./keys.ts";
import { fromValue, numberIn, toValue } from "./kv.ts";
import type { Store } from "./store.ts";

/** Changes of a connector's books; numbers may be negative. */
export interface DeadDeltas {
  readonly accepted: number;
  readonly delivered: number;
  readonly filtered: number;
  readonly dead: number;
  readonly discarded: number;
  readonly expired: number;
}

export const NO_DELTAS: DeadDeltas = {
  accepted: 0,
  delivered: 0,
  filtered: 0,
  dead: 0,
  discarded: 0,
  expired: 0,
};

/** One commit. Its limits are the planner's to keep: 900 mutations, 720,896 bytes of values, 250 keys set. */
export interface DeadPlan<T> {
  readonly deltas: Partial<DeadDeltas>;
  readonly checks?: readonly Deno.AtomicCheck[];
  readonly sets?: readonly (readonly [Deno.KvKey, Uint8Array])[];
  readonly deletes?: readonly Deno.KvKey[];
  /** What `changeDead` gives once it is durable. */
  readonly result: T;
}

/** A check of the plan itself did not hold: an epoch or a job moved on. Nothing was written. */
export class DeadPlanRefused extends Error {
  override readonly name = "DeadPlanRefused";
}

/** Others change the same connector's dead letters at the same time: this often at the most. */
const TRIES = 100;
/** Changes that the record remembers, to tell whether one whose reply was lost is among them. */
const REMEMBERED = 8;

/** The record of one connector, or that there is none. */
interface Stored {
  readonly deltas: DeadDeltas;
  readonly done: readonly string[];
  readonly version: string | null;
}

/**
 * Carries out one change. `plan` is asked with the state that the commit will check, and again whenever another was
 * first: what it reads of the connector's dead letters is what the commit finds. Undefined: there is nothing to do.
 * @throws {DeadPlanRefused}, or what the store throws: then it may have happened, and asking again is harmless.
 */
export async function changeDead<T>(
  store: Store,
  connector: string,
  plan: () => Promise<DeadPlan<T> | undefined>,
): Promise<T | undefined> {
  const key = deadBooksKey(connector);
  const call = ++calls;
  let stored = await readStored(store, key);
  for (let tries = 0; tries < TRIES; tries++) {
    const planned = await plan();
    if (planned === undefined) return undefined;
    const id = idOf(planned, stored.version, call);
    const value = valueOf(stored, planned.deltas, id);
    const { checks = [], sets = [], deletes = [] } = planned;
    const { version } = stored;
    let failed: { readonly error: unknown } | undefined;
    try {
      const result = await store.call((kv) => {
        const operation = kv.atomic()
          .check({ key, versionstamp: version }, ...checks)
          .set(key, value);
        for (const [at, bytes] of sets) operation.set(at, bytes);
        for (const at of deletes) operation.delete(at);
        return operation.commit();
      });
      if (result.ok) return planned.result;
    } catch (error) {
      failed = { error };
      await store.refresh().catch(() => undefined);
    }
    try {
      stored = await readStored(store, key);
    } catch (error) {
      throw failed?.error ?? error;
    }
    // Over the network a commit whose reply was lost answers that it was refused.
    if (stored.done.includes(id)) return planned.result;
    if (failed !== undefined) throw failed.error;
    if (stored.version === version) {
      throw new DeadPlanRefused("What the change stands on has moved on");
    }
  }
  throw new Error("Others kept changing the connector's dead letters");
}

/**
 * By connector what happened to its dead letters; every connector that ever had one is there. Read it before the
 * places: each record is balanced by itself, so a newer place only adds to it.
 * @throws what the store throws.
 */
export function readDeadBooks(store: Store): Promise<Map<string, DeadDeltas>> {
  return store.call(async (kv) => {
    const found = new Map<string, DeadDeltas>();
    for await (const entry of kv.list(deadBooksAll(), { batchSize: 100 })) {
      const connector = entry.key[1];
      if (typeof connector === "string") {
        found.set(connector, deltasOf(fromValue(entry.value) ?? {}));
      }
    }
    return found;
  });
}

async function readStored(store: Store, key: Deno.KvKey): Promise<Stored> {
  const entry = await store.call((kv) => kv.get(key));
  const record = fromValue(entry.value) ?? {};
  const done = record["done"];
  return {
    deltas: deltasOf(record),
    done: Array.isArray(done) ? done.map(String) : [],
    version: entry.versionstamp,
  };
}

function deltasOf(record: Readonly<Record<string, unknown>>): DeadDeltas {
  return {
    accepted: numberIn(record, "accepted"),
    delivered: numberIn(record, "delivered"),
    filtered: numberIn(record, "filtered"),
    dead: numberIn(record, "dead"),
    discarded: numberIn(record, "discarded"),
    expired: numberIn(record, "expired"),
  };
}

/** @throws {TypeError} for a change that would break the books. */
function valueOf(
  { deltas, done }: Stored,
  change: Partial<DeadDeltas>,
  id: string,
): Uint8Array {
  const full = { ...NO_DELTAS, ...change };
  const { accepted, delivered, filtered, dead, discarded, expired } = full;
  if (accepted !== delivered + filtered + dead + discarded + expired) {
    throw new TypeError(`Not balanced: ${JSON.stringify(change)}`);
  }
  return toValue({
    accepted: deltas.accepted + accepted,
    delivered: deltas.delivered + delivered,
    filtered: deltas.filtered + filtered,
    dead: deltas.dead + dead,
    discarded: deltas.discarded + discarded,
    expired: deltas.expired + expired,
    done: [id, ...done].slice(0, REMEMBERED),
  });
}

/** Tells two callers of this process apart that want the same at once; other processes' changes carry other times. */
let calls = 0;

/** The same change from the same state by the same caller has the same id: a second try is known as the first. */
function idOf(
  { deltas, sets = [], deletes = [] }: DeadPlan<unknown>,
  version: string | null,
  call: number,
): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([version, deltas, call]));
  for (const [key, value] of sets) {
    hash.update(JSON.stringify(key)).update(value);
  }
  for (const key of deletes) hash.update(JSON.stringify(key));
  return hash.digest("hex").slice(0, 24);
}
