import { deepEqual, equal, ok } from "node:assert/strict";
import type { ForeignLetter } from "../../../lib/log/dead_import.ts";
import type { Kv } from "../../../lib/log/kv.ts";
import { DeadRig } from "../../support/dead_rig.ts";

function letter(
  at: number,
  event: string,
  more: Partial<ForeignLetter> = {},
): ForeignLetter {
  return {
    id: undefined,
    connector: "a",
    at,
    timestamp: new Date(at).toISOString(),
    reason: "rejected",
    error: "HTTP 400: no",
    attempts: 1,
    isRaw: false,
    producer: "",
    receivedAt: at,
    envelope: {},
    event: new TextEncoder().encode(event),
    ...more,
  };
}

/** A store that counts the entries of the index that its lists give. */
async function counting(): Promise<
  { readonly kv: Kv; readonly listed: () => number }
> {
  const kv = await Deno.openKv(":memory:");
  let listed = 0;
  const list: Kv["list"] = (selector, options) => {
    const found = kv.list(selector, options);
    const next = found.next.bind(found);
    found.next = async () => {
      const one = await next();
      if (one.done !== true && one.value.key[0] === "deadat") listed++;
      return one;
    };
    // deno-lint-ignore no-explicit-any -- generic in what it reads, as the KV's own
    return found as any;
  };
  return {
    kv: {
      get: kv.get.bind(kv),
      getMany: kv.getMany.bind(kv),
      list,
      atomic: kv.atomic.bind(kv),
      commitVersionstamp: kv.commitVersionstamp.bind(kv),
      close: kv.close.bind(kv),
    },
    listed: () => listed,
  };
}

Deno.test("importDead() looks at the letters of a moment that have ids only, however many come without", async () => {
  const { kv, listed } = await counting();
  await using rig = await DeadRig.open(["a"], {
    location: null,
    openKv: () => Promise.resolve(kv),
  });
  const at = rig.clock.now();
  const own = await rig.kill("a", ["1", "2", "3"]);
  // What else has a name of its own lies before and behind those without.
  const named = [
    letter(at, "4", { id: "0-first" }),
    letter(at, "5", { id: "zz-last" }),
  ];
  equal((await rig.dead.import("a", named, at)).length, 2);
  const many = Array.from({ length: 1_000 }, (_, n) => letter(at, `[${n}]`));
  const before = listed();
  for (let from = 0; from < many.length; from += 200) {
    const outcomes = await rig.dead.import(
      "a",
      many.slice(from, from + 200),
      at,
    );
    ok(outcomes.every(({ outcome }) => outcome === "imported"));
  }
  // Five a commit of 50 letters; all that had come before them otherwise.
  equal(listed() - before, 5 * 20);
  // Each letter once, also without its id.
  const again = [
    ...many.slice(0, 3),
    ...["1", "4", "5"].map((event) => letter(at, event)),
  ];
  deepEqual(
    (await rig.dead.import("a", again, at)).map(({ outcome }) => outcome),
    again.map(() => "dead"),
  );
  equal((await rig.books("a")).dead, own.length + 2 + many.length);
});
