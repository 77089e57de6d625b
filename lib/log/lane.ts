/**
 * A writer lane: one chain of appends, one commit in flight.
 *
 * Invariants (`reference/kv.md` §1): every append is `check(head)` + `set(head)` + values, so it is stored at most
 * once whatever the store repeats. After `ok: false`, a throw or a time-out the head tells; where the commit may still
 * arrive it is fenced (the head rewritten) before anything is appended again. `ok: true` is one copy because of the check.
 *
 * On a shared store another process may have taken the lane over (`claim.ts`): then its head says whether the append in
 * flight was stored, and the next `open` claims another lane.
 *
 * A little over 300 lines because all that may change the head stands in one class.
 */

import { claimLane } from "./claim.ts";
import { Failures } from "./failures.ts";
import {
  appendId,
  fenceId,
  type Head,
  headValue,
  ownerOf,
  putHead,
  readHead,
} from "./heads.ts";
import { writerKey } from "./keys.ts";
import { isDiskFull, isLocked, type Kv, KvTimeout, messageOf } from "./kv.ts";
import type { LaneTotals } from "./segment_builder.ts";
import type { Store } from "./store.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** Between tries while another process holds a transaction on the KV file … */
const LOCKED_PAUSE_MS = 50;
/** … and once producers are answered. */
const STUCK_PAUSE_MS = 500;
/** Unused for so long on a shared store: whose the lane is is looked up before an append is sent. */
const IDLE_MS = 30_000;

/** One append. */
export interface Append {
  /** `Lane.nextId()`. */
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

/**
 * conflict: not stored, what rode was refused. full: no room. lost: not stored, the lane is another's; open it again.
 * given_up: not stored, and it will not be; or nobody can tell, because the lane has gone through many hands since.
 */
export type Committed =
  | { readonly kind: "stored"; readonly segment: string }
  | { readonly kind: "conflict" | "full" | "lost" | "given_up" };

/** What became of an append. passed: the lane is another's, whose head does not know us. */
type Fate =
  | { readonly kind: "stored"; readonly segment: string }
  | { readonly kind: "absent" | "lost" | "passed" };

export class Lane {
  readonly #slot: string;
  readonly #store: Store;
  readonly #random: () => number;
  readonly #stop: AbortSignal;
  #name = "";
  #head: Head | undefined;
  /** Lanes lost so far: each claim is an owner of its own. */
  #losses = 0;
  #appends = 0;
  #fences = 0;

  /** `slot`: unique for ever, without "/". `stop`: ends all trying. */
  constructor(parts: {
    readonly slot: string;
    readonly store: Store;
    readonly random: () => number;
    readonly stop: AbortSignal;
  }) {
    this.#slot = parts.slot;
    this.#store = parts.store;
    this.#random = parts.random;
    this.#stop = parts.stop;
  }

  /** The lane's name in the store; another after it was lost. */
  get name(): string {
    return this.#name;
  }

  /** The lane's head. @throws {TypeError} before `open`. */
  get head(): Head {
    if (this.#head === undefined) throw new TypeError("Lane is not open");
    return this.#head;
  }

  get isOpen(): boolean {
    return this.#head !== undefined;
  }

  /** Id for an append; unique for ever. */
  nextId(): string {
    return appendId(this.#owner, ++this.#appends);
  }

  /**
   * Claims a lane and its head: before the first append, so that a late first append cannot find none.
   * @throws what the store throws; call again.
   */
  async open(): Promise<void> {
    if (this.#head !== undefined) return;
    const { name, head } = await claimLane(this.#store, this.#owner);
    this.#name = name;
    this.#head = head;
  }

  get #owner(): string {
    return this.#losses === 0 ? this.#slot : `${this.#slot}.${this.#losses}`;
  }

  /** Commits an append and does not return before its outcome is known, or `stop` aborts. */
  async commit(append: Append): Promise<Committed> {
    const failures = new Failures(this.#store, append.onStuck);
    const before = this.head.hash;
    try {
      if (await this.#wasTaken()) return { kind: "lost" };
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
        const fate = await this.#resolve(
          append.id,
          { isFinal: ok === false || isFull },
          failures,
        );
        if (fate.kind === "stored") {
          // Known from another's head: the lane is no longer ours.
          return this.isOpen ? this.#stored(append, fate.segment) : fate;
        }
        if (fate.kind === "lost") return { kind: "lost" };
        if (fate.kind === "passed") return { kind: "given_up" };
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
    const key = writerKey(this.#name);
    const value = headValue(this.#headAfter(append));
    try {
      const result = await this.#store.call((kv) => {
        const operation = kv.atomic()
          .check({ key, versionstamp: version })
          .set(key, value);
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
          { lane: this.#name, error: messageOf(error) },
        );
        // A frozen connection answers nothing more, and a fresh one does within milliseconds.
        if (error instanceof KvTimeout) {
          await this.#store.refresh().catch(() => undefined);
        }
      }
      return { error };
    }
  }

  /**
   * What became of the append. Where it is not stored it cannot arrive any more.
   * `isFinal`: it was refused, so it cannot arrive later and needs no fence.
   */
  async #resolve(
    id: string,
    { isFinal }: { readonly isFinal: boolean },
    failures: Failures,
  ): Promise<Fate> {
    for (let tries = 0;; tries++) {
      try {
        const head = await readHead(this.#store, this.#name);
        if (head.version === null) throw new Error("The writer head is gone");
        if (this.#isOthers(head)) return this.#lose(head, id);
        this.#head = head;
        if (head.id === id) {
          this.#say("An append in doubt is stored");
          return { kind: "stored", segment: head.version };
        }
        if (isFinal) return { kind: "absent" };
        const fence = {
          ...head,
          id: fenceId(id, this.#fences++),
          at: this.#store.clock.now(),
        };
        const version = await putHead(this.#store, this.#name, fence);
        if (version !== undefined) {
          this.#head = { ...fence, version };
          this.#say("An append in doubt is fenced off");
          return { kind: "absent" };
        }
        // The head moved meanwhile: the append arrived. Read again.
      } catch (error) {
        // Only a store on this machine says that its disk is full, and there nothing arrives later.
        if (isDiskFull(error)) return { kind: "absent" };
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

  #say(outcome: string): void {
    const { logger } = this.#store;
    logger.log("debug", "store.slow", outcome, { lane: this.#name });
  }

  /** Has another process taken the lane while it was not used? Then nothing of the append has been sent yet. */
  async #wasTaken(): Promise<boolean> {
    const { clock, isExclusive } = this.#store;
    const { at } = this.head;
    if (isExclusive) return false;
    if (at !== null && Math.abs(clock.now() - at) <= IDLE_MS) return false;
    try {
      const head = await readHead(this.#store, this.#name);
      if (!this.#isOthers(head)) return false;
      this.#forget();
      return true;
    } catch {
      // The append itself will find out.
      return false;
    }
  }

  /** Was it written by another owner after us? */
  #isOthers(head: Head): boolean {
    return !this.#store.isExclusive && head.version !== this.head.version &&
      ownerOf(head.id) !== this.#owner;
  }

  /** The lane is another's. Its check refuses all of ours since, so our last operation before that tells. */
  #lose(head: Head, id: string): Fate {
    const last = head.past.find((past) => ownerOf(past.id) === this.#owner);
    this.#forget();
    if (last === undefined) return { kind: "passed" };
    return last.id === id
      ? { kind: "stored", segment: last.segment }
      : { kind: "lost" };
  }

  #forget(): void {
    this.#head = undefined;
    this.#losses++;
  }

  #headAfter({ id, totals, count }: Append): Omit<Head, "version"> {
    const { past } = this.head;
    const at = this.#store.clock.now();
    return { id, ...totals, segment: "", count, at, past };
  }

  #stored(append: Append, version: string | undefined): Committed {
    if (version === undefined) throw new TypeError("A commit without a stamp");
    this.#head = { ...this.#headAfter(append), segment: version, version };
    return { kind: "stored", segment: version };
  }

  #pause(tries: number, longest: number): Promise<void> {
    const ms = Math.min(longest, FIRST_PAUSE_MS * 2 ** Math.min(tries, 10));
    return this.#store.clock.sleep(
      ms * (0.5 + this.#random() / 2),
      this.#stop,
    );
  }
}
