/** A real `Deno.Kv` whose commits and reads go wrong as a network makes them go wrong. */

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

  readonly list: Deno.Kv["list"] = (selector, options) =>
    this.#real.list(selector, options);

  commitVersionstamp(): ReturnType<Deno.Kv["commitVersionstamp"]> {
    return this.#real.commitVersionstamp();
  }

  close(): void {}

  atomic(): Deno.AtomicOperation {
    const operation = this.#real.atomic();
    const commit = () => Deno.AtomicOperation.prototype.commit.call(operation);
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
        return await read();
    }
  }
}

/** Applies the late commits that wait. */
export async function release(
  held: (() => Promise<unknown>)[],
): Promise<void> {
  for (const commit of held.splice(0)) await commit();
}
