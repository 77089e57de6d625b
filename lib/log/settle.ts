/**
 * Moving a place: one small commit that checks the epoch.
 *
 * Where this process is alone with the store, calls on the one handle are carried out in their order, so the epoch is
 * fence enough. Over the network a commit that was given up may arrive later and would set the place back: there the
 * place's own last versionstamp is checked as well.
 */

import { isSameBytes } from "../json/copy.ts";
import { isDiskFull, isLocked, messageOf } from "./kv.ts";
import type { Store } from "./store.ts";

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;
/** A settle that fails for so long is spoken of, and again each time as long. */
const SLOW_MS = 5_000;
const SAY_AGAIN_MS = 60_000;

/** One move of one connector's place. */
export interface Settle {
  readonly epochKey: Deno.KvKey;
  readonly epoch: string;
  readonly cursorKey: Deno.KvKey;
  /** The place's versionstamp so far; null: none. Looked at only where the store is shared. */
  readonly cursor: string | null;
  readonly value: Uint8Array;
  /** What goes with it: the connector's history. */
  readonly sets?: readonly (readonly [Deno.KvKey, Uint8Array])[];
  /** Ends all trying: the lease is lost, or the log closes. */
  readonly signal: AbortSignal;
}

/** Bytes of its values. */
export function bytesOf({ value, sets = [] }: Settle): number {
  return sets.reduce((sum, [, { length }]) => sum + length, value.length);
}

/** Adds the settle to a commit. */
export function addSettle(
  operation: Deno.AtomicOperation,
  settle: Settle,
  { isExclusive }: { readonly isExclusive: boolean },
): void {
  operation.check({ key: settle.epochKey, versionstamp: settle.epoch });
  if (!isExclusive) {
    operation.check({ key: settle.cursorKey, versionstamp: settle.cursor });
  }
  operation.set(settle.cursorKey, settle.value);
  for (const [key, value] of settle.sets ?? []) operation.set(key, value);
}

/**
 * Settles in a commit of its own and tries until it is durable.
 * The place's new versionstamp; undefined: the lease is lost, or `signal` aborted.
 */
export async function settleAlone(
  store: Store,
  settle: Settle,
  random: () => number,
): Promise<string | undefined> {
  const slow = new SlowSettle(store);
  for (let tries = 0; !settle.signal.aborted; tries++) {
    let isRefused = false;
    try {
      const result = await store.call((kv) => {
        const operation = kv.atomic();
        addSettle(operation, settle, store);
        return operation.commit();
      });
      if (result.ok) return result.versionstamp;
      isRefused = true;
    } catch (error) {
      slow.failed(error);
      if (!store.isExclusive && !isLocked(error)) {
        await store.refresh().catch(() => undefined);
      }
    }
    try {
      const verdict = await lookUp(store, settle);
      if (verdict !== "again") return verdict.version;
      if (isRefused) continue;
    } catch {
      // The store does not answer: try the whole again.
    }
    const ms = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tries);
    await store.clock.sleep(ms * (0.5 + random() / 2), settle.signal)
      .catch(() => undefined);
  }
  return undefined;
}

/** What the store holds after an outcome that is not plain success. */
async function lookUp(
  store: Store,
  settle: Settle,
): Promise<"again" | { readonly version: string | undefined }> {
  const [epoch, cursor] = await store.call((kv) =>
    kv.getMany<[unknown, unknown]>([settle.epochKey, settle.cursorKey])
  );
  if (epoch.versionstamp !== settle.epoch) return { version: undefined };
  if (cursor.versionstamp === settle.cursor) return "again";
  const isMine = cursor.value instanceof Uint8Array &&
    isSameBytes(cursor.value, settle.value);
  if (isMine) return { version: cursor.versionstamp ?? undefined };
  // Alone with the store the versionstamp is not tracked; over the network another has moved the place.
  return store.isExclusive ? "again" : { version: undefined };
}

/** Says that a settle does not come to its end, once a minute. */
class SlowSettle {
  readonly #store: Store;
  /** On the monotonic clock: not before this. */
  #sayAt: number;
  #isUnsaid = true;

  constructor(store: Store) {
    this.#store = store;
    this.#sayAt = store.clock.monotonic() + SLOW_MS;
  }

  failed(error: unknown): void {
    const { clock, logger } = this.#store;
    const now = clock.monotonic();
    // By Deno's convention the request itself is wrong, such as a value that is too large: it will not get better.
    const isBug = error instanceof TypeError && !isLocked(error) &&
      !isDiskFull(error);
    if (isBug && this.#isUnsaid) this.#sayAt = now;
    if (now < this.#sayAt) return;
    this.#isUnsaid = false;
    this.#sayAt = now + SAY_AGAIN_MS;
    logger.log(
      isBug ? "error" : "warn",
      isBug ? "bug" : "store.slow",
      "A place cannot be settled; trying again",
      { error: messageOf(error) },
    );
  }
}
