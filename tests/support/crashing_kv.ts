/** A process's view of a store that ends with it: after so many commits nothing gets through any more. */

import type { Kv } from "../../lib/log/kv.ts";

export class CrashingKv {
  /** Commits until the end; Infinity: none. */
  left = Infinity;
  /** The last commit is carried out although its caller never hears of it. */
  isLastDone = false;
  /** Calls under way: no clock should outrun them. */
  calls = 0;
  readonly #kv: Deno.Kv;

  constructor(kv: Deno.Kv) {
    this.#kv = kv;
  }

  get isOver(): boolean {
    return this.left <= 0;
  }

  /** Counts a call for as long as it takes. */
  async #counted<T>(call: () => Promise<T>): Promise<T> {
    this.calls++;
    try {
      return await call();
    } finally {
      this.calls--;
    }
  }

  async *#listed<T>(entries: AsyncIterator<T>): AsyncGenerator<T> {
    for (;;) {
      const { done, value } = await this.#counted(() => entries.next());
      if (done) return;
      yield value;
    }
  }

  view(): Kv {
    const kv = this.#kv;
    const counted = <T>(call: () => Promise<T>) => this.#counted(call);
    const listed = <T>(entries: AsyncIterator<T>) => this.#listed(entries);
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
                if (part === "commit") {
                  return () => counted(() => commit(inner));
                }
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
        if (name === "list") {
          return (...args: Parameters<Deno.Kv["list"]>) => {
            alive();
            return listed(target.list(...args));
          };
        }
        const member = Reflect.get(target, name);
        return typeof member !== "function" ? member : (...args: unknown[]) => {
          if (name === "commitVersionstamp") {
            return Reflect.apply(member, target, args);
          }
          alive();
          return counted(async () => await Reflect.apply(member, target, args));
        };
      },
    });
  }
}
