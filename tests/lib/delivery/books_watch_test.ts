import { deepEqual } from "node:assert/strict";
import { BooksWatch } from "../../../lib/delivery/books_watch.ts";
import { AdminRig } from "../../support/admin_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const MINUTE_MS = 60_000;

Deno.test("BooksWatch: what a round could not do is done in the next, whatever else fails", async () => {
  await using admin = await AdminRig.open(["a"]);
  const { rig } = admin;
  // Its own: the store's calls sleep on the rig's.
  const clock = new ManualClock();
  const done: string[] = [], failing = new Set<string>();
  const note = (what: string) => {
    done.push(what);
    if (failing.has(what)) throw new Error("The store does not answer");
    return Promise.resolve(new Map<string, number>());
  };
  const said: string[] = [];
  const watch = new BooksWatch({
    log: rig.log,
    // Only what this looks at.
    deadLetters: {
      sweep: () => note("sweep"),
      forget: () => note("forget"),
    } as unknown as typeof rig.dead,
    connectors: () => {
      done.push("look");
      if (failing.has("look")) throw new Error("The store does not answer");
      return [];
    },
    clock,
    logger: { log: (_level, _event, message) => void said.push(message) },
  });
  /** One minute on; what was done in it. */
  const round = async () => {
    done.length = said.length = 0;
    clock.advance(MINUTE_MS);
    await clock.untilSleeping();
    return done.join(" ");
  };
  watch.start();
  await clock.untilSleeping();
  failing.add("look").add("sweep");
  deepEqual(await round(), "look sweep forget");
  deepEqual(said.length, 2, said.join());
  failing.clear();
  failing.add("forget");
  deepEqual(await round(), "look sweep");
  const rounds: string[] = [];
  for (let n = 3; n <= 24 * 60; n++) rounds.push(await round());
  deepEqual(
    rounds.flatMap((what, n) => what === "look" ? [] : [[n + 3, what]]),
    Array.from({ length: 23 }, (_, n) => [62 + n * 60, "look sweep"]),
  );
  deepEqual(await round(), "look forget");
  deepEqual(said.length, 1);
  failing.clear();
  deepEqual(await round(), "look sweep forget");
  deepEqual(await round(), "look");
  await watch.close();
});
