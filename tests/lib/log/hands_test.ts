import { deepEqual } from "node:assert/strict";
import { Hands } from "../../../lib/log/hands.ts";
import type { Kv } from "../../../lib/log/kv.ts";
import { openRig } from "../../support/log_rig.ts";

/** A store whose commits, once asked to, wait until that many are under way. */
class Gathering {
  wanted = 0;
  #came = 0;
  readonly #all = Promise.withResolvers<void>();

  over(kv: Deno.Kv): Kv {
    const commit = async (operation: Deno.AtomicOperation) => {
      if (this.wanted > 0) {
        if (++this.#came === this.wanted) this.#all.resolve();
        await this.#all.promise;
      }
      return await operation.commit();
    };
    const own = (operation: Deno.AtomicOperation) =>
      new Proxy(operation, {
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
    return new Proxy(kv, {
      get(inner, name) {
        if (name === "atomic") return () => own(inner.atomic());
        const member = Reflect.get(inner, name);
        return typeof member === "function" ? member.bind(inner) : member;
      },
    });
  }
}

Deno.test("Hands.open() sets what the configuration says of all new connectors together", async () => {
  const gathering = new Gathering();
  const log = await openRig({
    openKv: async (path) => gathering.over(await Deno.openKv(path)),
  });
  try {
    gathering.wanted = 3;
    const configured = ["a", "b", "c"].map((name) => ({
      name,
      enabled: name !== "b",
    }));
    const hands = await Hands.open(log, configured);
    const on = (all: Hands) =>
      configured.map(({ name }) => all.of(name).isEnabled);
    deepEqual(on(hands), [true, false, true]);
    await hands.close();
    gathering.wanted = 0;
    // What was set holds, whatever the configuration says later.
    const later = await Hands.open(
      log,
      configured.map(({ name }) => ({ name, enabled: true })),
    );
    deepEqual(on(later), [true, false, true]);
    await later.close();
  } finally {
    await log.close();
  }
});
