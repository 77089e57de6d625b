/** A process's view of a store that ends with it: after so many commits nothing gets through any more. */

import type { Kv } from "../../lib/log/kv.ts";

export class CrashingKv {
  /** Commits until the end; Infinity: none. */
  left = Infinity;
  /** The last commit is carried out although its caller never hears of it. */
  isLastDone = false;
  readonly #kv: Deno.Kv;

  constructor(kv: Deno.Kv) {
    this.#kv = kv;
  }

  get isOver(): boolean {
    return this.left <= 0;
  }

  view(): Kv {
    const kv = this.#kv;
    const alive = () => {
      if (this.isOver) throw new Error("The process is dead");
    };
    const commit = async (operation: Deno.AtomicOperation) => {
      alive();
      this.left--;
      if (!this.isOver) return await operation.commit();
      if (this.isLastDone) await operation.commit();
      throw new Error("The process is dead");
    };
    return new Proxy(kv, {
      get(target, name) {
        if (name === "close") return () => undefined;
        if (name === "atomic") {
          return () => {
            const operation = target.atomic();
            return new Proxy(operation, {
              get(inner, part, self) {
                if (part === "commit") return () => commit(inner);
                const member = Reflect.get(inner, part);
                return typeof member !== "function"
                  ? member
                  : (...args: unknown[]) => {
                    Reflect.apply(member, inner, args);
                    return self;
                  };
              },
            });
          };
        }
        const member = Reflect.get(target, name);
        return typeof member !== "function" ? member : (...args: unknown[]) => {
          if (name !== "commitVersionstamp") alive();
          return Reflect.apply(member, target, args);
        };
      },
    });
  }
}
