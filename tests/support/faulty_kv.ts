/**
 * A real `Deno.Kv` whose commits and reads go wrong as a network makes them go wrong: the faithful stand-in for what
 * `reference/kv.md` §5 saw over KV Connect. All operations of a handle share one connection; what was sent is not
 * cancelled, neither by a lost race nor by `close()`.
 */

import type { Kv } from "../../lib/log/kv.ts";

/**
 * What becomes of a commit. `late`: it is held and applied when `release` is called; its caller never hears of it.
 * `refuse_after`: applied, but `{ ok: false }` is answered (the client sent it twice).
 */
export type Fault =
  | "throw_after"
  | "hang_after"
  | "throw_before"
  | "full"
  | "locked"
  | "hang_before"
  | "refuse_after"
  | "late";

export interface FaultPlan {
  /** Asked for each commit. */
  commit(): Fault | undefined;
  /** Asked for each read. */
  read?(): "throw" | "hang" | undefined;
  /** Is the connection of the handle with this number (from 0) frozen? Then nothing of it is heard again. */
  frozen?(handle: number): boolean;
  /** Counts what is under way in the real KV, so that a test knows when to move its clock. */
  readonly traffic?: { calls: number };
}

/**
 * Handles over one real KV, as a process opens them one after the other. The first is number 0; a commit that a frozen
 * connection holds back waits in `held`.
 */
export class FaultyStore {
  readonly held: (() => Promise<unknown>)[] = [];
  opened = 0;
  closed = 0;

  constructor(readonly real: Deno.Kv, readonly plan: FaultPlan) {}

  readonly openKv = (): Promise<Kv> => {
    const number = this.opened++;
    const { plan } = this;
    const isFrozen = () => plan.frozen?.(number) === true;
    const handle = new FaultyKv(this.real, {
      ...plan,
      commit: () => isFrozen() ? "late" : plan.commit(),
      read: () => isFrozen() ? "hang" : plan.read?.(),
    }, this.held);
    // What is under way goes on: closing cancels nothing.
    handle.close = () => {
      this.closed++;
    };
    return Promise.resolve(handle);
  };
}

function never<T>(): Promise<T> {
  return new Promise(() => {});
}

/** One handle. Several over the same real KV stand for fresh handles. */
export class FaultyKv implements Kv {
  readonly #real: Deno.Kv;
  readonly #plan: FaultPlan;
  readonly #held: (() => Promise<unknown>)[];

  /** `held`: where late commits wait, shared by all handles. The real KV stays the test's to close. */
  constructor(
    real: Deno.Kv,
    plan: FaultPlan,
    held: (() => Promise<unknown>)[] = [],
  ) {
    this.#real = real;
    this.#plan = plan;
    this.#held = held;
  }

  readonly get: Deno.Kv["get"] = (key, options) =>
    this.#read(() => this.#real.get(key, options));

  readonly getMany: Deno.Kv["getMany"] = (keys, options) =>
    this.#read(() => this.#real.getMany(keys, options));

  readonly list: Deno.Kv["list"] = (selector, options) => {
    const iterator = this.#real.list<never>(selector, options);
    const next = iterator.next.bind(iterator);
    iterator.next = () => this.#read(next);
    return iterator;
  };

  commitVersionstamp(): ReturnType<Deno.Kv["commitVersionstamp"]> {
    return this.#real.commitVersionstamp();
  }

  close: () => void = () => undefined;

  atomic(): Deno.AtomicOperation {
    const operation = this.#real.atomic();
    const commit = () =>
      this.#count(() => Deno.AtomicOperation.prototype.commit.call(operation));
    operation.commit = () => this.#commit(commit);
    return operation;
  }

  async #commit(
    commit: () => Promise<Deno.KvCommitResult | Deno.KvCommitError>,
  ): Promise<Deno.KvCommitResult | Deno.KvCommitError> {
    switch (this.#plan.commit()) {
      case undefined:
        return await commit();
      case "throw_after":
        await commit();
        throw new Error("connection reset");
      case "hang_after":
        await commit();
        return await never();
      case "throw_before":
        throw new Error("connection refused");
      case "full":
        throw new Error("database or disk is full");
      case "locked":
        throw new TypeError("database is locked");
      case "hang_before":
        return await never();
      case "refuse_after":
        await commit();
        return { ok: false };
      case "late":
        this.#held.push(commit);
        return await never();
    }
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    switch (this.#plan.read?.()) {
      case "throw":
        throw new Error("connection reset");
      case "hang":
        return await never();
      default:
        return await this.#count(read);
    }
  }

  async #count<T>(work: () => Promise<T>): Promise<T> {
    const { traffic = { calls: 0 } } = this.#plan;
    traffic.calls++;
    try {
      return await work();
    } finally {
      traffic.calls--;
    }
  }
}

/** Applies the late commits that wait. */
export async function release(
  held: (() => Promise<unknown>)[],
): Promise<void> {
  for (const commit of held.splice(0)) await commit();
}
