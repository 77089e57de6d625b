/**
 * A writer lane: one chain of appends, one commit in flight.
 *
 * Invariants (`reference/kv.md` §1): every append is `check(head)` + `set(head)` + values, so it is stored at most
 * once whatever the store repeats. After `ok: false`, a throw or a time-out the head tells; where the commit may still
 * arrive it is fenced (the head rewritten) before anything is appended again. `ok: true` is one copy because of the check.
 */

import { type Head, headOf, headValue, NEW_HEAD } from "./heads.ts";
import { writerKey } from "./keys.ts";
import { isDiskFull, isLocked, type Kv, messageOf } from "./kv.ts";
import type { LaneTotals } from "./segment_builder.ts";
import type { Store } from "./store.ts";

/** Failed calls until producers are told that the store does not answer; the lane goes on resolving. */
const FAILURES = 3;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** Another process's transaction on the KV file: refused calls in so many milliseconds count as one that failed. */
const LOCKED_MS = 5_000;
const LOCKED_PAUSE_MS = 50;
/** The same once producers are answered. */
const STUCK_PAUSE_MS = 500;

/** One append. */
export interface Append {
  readonly id: string;
  /** The lane's totals with it. */
  readonly totals: LaneTotals;
  readonly count: number;
  /** Other writes ride in the commit, with checks of their own. */
  readonly rides: boolean;
  /** Adds the values and what rides. */
  readonly add: (operation: Deno.AtomicOperation, kv: Kv) => void;
  /** The store has not answered three times, or was locked for 15 s: called once; resolving goes on. */
  readonly onStuck: () => void;
}

/** conflict: not stored, what rode was refused. full: no room. given_up: not stored, and it will not be. */
export type Committed =
  | { readonly kind: "stored"; readonly segment: string }
  | { readonly kind: "conflict" | "full" | "given_up" };

export class Lane {
  readonly name: string;
  readonly #store: Store;
  readonly #random: () => number;
  readonly #stop: AbortSignal;
  readonly #inherit: () => Promise<string>;
  readonly #key: Deno.KvKey;
  #head: Head | undefined;
  #fences = 0;

  /** `inherit`: the hash that a new lane's first segment carries. `stop`: ends all trying. */
  constructor(parts: {
    readonly name: string;
    readonly store: Store;
    readonly random: () => number;
    readonly stop: AbortSignal;
    readonly inherit: () => Promise<string>;
  }) {
    this.name = parts.name;
    this.#store = parts.store;
    this.#random = parts.random;
    this.#stop = parts.stop;
    this.#inherit = parts.inherit;
    this.#key = writerKey(parts.name);
  }

  /** The lane's head. @throws {TypeError} before `open`. */
  get head(): Head {
    if (this.#head === undefined) throw new TypeError("Lane is not open");
    return this.#head;
  }

  get isOpen(): boolean {
    return this.#head !== undefined;
  }

  /**
   * Reads the head, or creates it: before the first append, so that a late first append cannot find none.
   * @throws what the store throws; call again.
   */
  async open(): Promise<void> {
    if (this.#head !== undefined) return;
    const head = await this.#read();
    if (head.version !== null) {
      this.#head = head;
      return;
    }
    const fresh = { ...NEW_HEAD, hash: await this.#inherit() };
    await this.#store.call((kv) =>
      kv.atomic().check({ key: this.#key, versionstamp: null })
        .set(this.#key, headValue(fresh)).commit()
    );
    const made = await this.#read();
    if (made.version === null) throw new Error("The writer head is not there");
    this.#head = made;
  }

  /** Commits an append and does not return before its outcome is known, or `stop` aborts. */
  async commit(append: Append): Promise<Committed> {
    const failures = new Failures(this.#store, append.onStuck);
    const before = this.head.hash;
    try {
      for (let tries = 0;; tries++) {
        const { ok, version, error } = await this.#attempt(append);
        if (ok === true) return this.#stored(append, version);
        if (isLocked(error)) {
          failures.addLocked();
          // Once producers are answered it must not be stored any more: the fence waits for the lock instead.
          if (!failures.isStuck) {
            await this.#pause(tries, LOCKED_PAUSE_MS);
            continue;
          }
        }
        const isFull = isDiskFull(error);
        const found = await this.#resolve(
          append.id,
          { isFinal: ok === false || isFull },
          failures,
        );
        if (found !== undefined) return this.#stored(append, found);
        if (isFull) return { kind: "full" };
        // Sealed for another state of the chain: cannot be while every append is resolved before the next.
        if (this.head.hash !== before) return { kind: "given_up" };
        if (ok === false) {
          if (append.rides) return { kind: "conflict" };
        } else {
          failures.add();
        }
        if (failures.isStuck) return { kind: "given_up" };
        await this.#pause(tries, LONGEST_PAUSE_MS);
      }
    } catch (error) {
      if (!this.#stop.aborted) throw error;
      return { kind: "given_up" };
    }
  }

  async #attempt(append: Append): Promise<{
    readonly ok?: boolean;
    readonly version?: string;
    readonly error?: unknown;
  }> {
    const { version } = this.head;
    const value = headValue({
      id: append.id,
      ...append.totals,
      segment: "",
      count: append.count,
    });
    try {
      const result = await this.#store.call((kv) => {
        const operation = kv.atomic()
          .check({ key: this.#key, versionstamp: version })
          .set(this.#key, value);
        append.add(operation, kv);
        return operation.commit();
      });
      return result.ok
        ? { ok: true, version: result.versionstamp }
        : { ok: false };
    } catch (error) {
      if (!isLocked(error) && !isDiskFull(error)) {
        this.#store.logger.log(
          "warn",
          "store.slow",
          "An append's outcome is unknown; asking the writer head",
          { lane: this.name, error: messageOf(error) },
        );
      }
      return { error };
    }
  }

  /**
   * Is the append stored? Its segment id, or undefined when it is not and cannot arrive any more.
   * `isFinal`: it was refused, so it cannot arrive later and needs no fence.
   */
  async #resolve(
    id: string,
    { isFinal }: { readonly isFinal: boolean },
    failures: Failures,
  ): Promise<string | undefined> {
    for (let tries = 0;; tries++) {
      try {
        const head = await this.#read();
        if (head.version === null) throw new Error("The writer head is gone");
        this.#head = head;
        if (head.id === id) return head.version;
        if (isFinal) return undefined;
        const fence = {
          ...head,
          id: `fence/${id}/${this.#fences++}`,
        };
        const result = await this.#store.call((kv) =>
          kv.atomic().check({ key: this.#key, versionstamp: head.version })
            .set(this.#key, headValue(fence)).commit()
        );
        if (result.ok) {
          this.#head = { ...fence, version: result.versionstamp };
          return undefined;
        }
        // The head moved meanwhile: the append arrived. Read again.
      } catch (error) {
        // Only a store on this machine says that its disk is full, and there nothing arrives later.
        if (isDiskFull(error)) return undefined;
        if (isLocked(error)) {
          failures.addLocked();
          await this.#pause(
            tries,
            failures.isStuck ? STUCK_PAUSE_MS : LOCKED_PAUSE_MS,
          );
          continue;
        }
        failures.add();
        await this.#store.refresh().catch(() => undefined);
        await this.#pause(tries, LONGEST_PAUSE_MS);
      }
    }
  }

  #stored(append: Append, version: string | undefined): Committed {
    if (version === undefined) throw new TypeError("A commit without a stamp");
    this.#head = {
      id: append.id,
      ...append.totals,
      segment: version,
      count: append.count,
      version,
    };
    return { kind: "stored", segment: version };
  }

  #read(): Promise<Head> {
    return this.#store.call(async (kv) => headOf(await kv.get(this.#key)));
  }

  #pause(tries: number, longest: number): Promise<void> {
    const ms = Math.min(longest, FIRST_PAUSE_MS * 2 ** Math.min(tries, 10));
    return this.#store.clock.sleep(
      ms * (0.5 + this.#random() / 2),
      this.#stop,
    );
  }
}

/** Counts failed calls of one append. */
class Failures {
  #count = 0;
  readonly #store: Store;
  readonly #onStuck: () => void;
  /** On the monotonic clock: since when the time of refused calls is counted. */
  #lockedSince: number | undefined;
  #isSaid = false;

  constructor(store: Store, onStuck: () => void) {
    this.#store = store;
    this.#onStuck = onStuck;
  }

  get isStuck(): boolean {
    return this.#count >= FAILURES;
  }

  add(): void {
    if (++this.#count === FAILURES) this.#onStuck();
  }

  /** A call was refused at once because of a lock: it is the time that counts. */
  addLocked(): void {
    const now = this.#store.clock.monotonic();
    this.#lockedSince ??= now;
    if (now - this.#lockedSince < LOCKED_MS) return;
    this.#lockedSince = now;
    if (!this.#isSaid) {
      this.#isSaid = true;
      this.#store.logger.log(
        "warn",
        "store.slow",
        "Another process holds a write transaction on the KV file; an append waits for it",
      );
    }
    this.add();
  }
}
