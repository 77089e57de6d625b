import { deepEqual, equal, ok } from "node:assert/strict";
import { readHolders } from "../../../lib/log/holders.ts";
import { processes } from "../../../lib/log/keys.ts";
import { LEASE_MS, takeLease } from "../../../lib/log/lease.ts";
import type { EventLog } from "../../../lib/log/log.ts";
import { pass as passTime } from "../../support/drive.ts";
import { FaultyKv } from "../../support/faulty_kv.ts";
import { openRig } from "../../support/log_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const NAMES = Array.from({ length: 9 }, (_, n) => `c${n}`);

/** A process with a loop per connector, as the dispatcher's: take, hold, give back when asked. */
class Process {
  readonly #held = new Set<string>();
  readonly #stop = new AbortController();
  readonly #ended: Promise<unknown>;
  /** Neither reads nor writes any more, as after kill -9. */
  isDead = false;
  handovers = 0;

  constructor(readonly log: EventLog) {
    this.#ended = Promise.all(NAMES.map((name) => this.#loop(name)));
  }

  get count(): number {
    return this.isDead ? 0 : this.#held.size;
  }

  async #loop(name: string): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const holding = await takeLease(this.log, name, { signal });
        ok(holding.handover);
        this.#held.add(name);
        await new Promise<void>((resolve) => {
          for (const end of [holding.lost, holding.handover, signal]) {
            end?.addEventListener("abort", () => resolve(), { once: true });
          }
        });
        if (holding.handover.aborted) this.handovers++;
        this.#held.delete(name);
        await holding.release();
      } catch {
        // Stopped while it waited.
      }
    }
  }

  async end(): Promise<void> {
    this.#stop.abort(new Error("over"));
    await this.#ended;
    await this.log.close();
  }
}

Deno.test("processes over one store share the connectors, and share anew when one comes, goes or is killed", async () => {
  const real = await Deno.openKv(":memory:");
  const clock = new ManualClock();
  const traffic = { calls: 0 };
  const pass = (ms: number) => passTime(clock, ms, 500, traffic);
  const start = async (instance: string): Promise<Process> => {
    const state: { process?: Process } = {};
    const isDead = () => state.process?.isDead === true;
    const plan = {
      commit: () => isDead() ? "hang_before" as const : undefined,
      read: () => isDead() ? "hang" as const : undefined,
      traffic,
    };
    const log = await openRig({
      location: "http://kv.invalid",
      clock,
      instance,
      openKv: () => Promise.resolve(new FaultyKv(real, plan)),
    });
    return state.process = new Process(log);
  };
  const counts = (...all: Process[]) => all.map(({ count }) => count);
  const a = await start("a");
  await pass(3_000);
  deepEqual(counts(a), [9], "alone: all at once");
  const b = await start("b");
  await pass(20_000);
  deepEqual(counts(a, b).toSorted(), [4, 5]);
  const c = await start("c");
  await pass(40_000);
  deepEqual(counts(a, b, c), [3, 3, 3]);
  const settled = a.handovers + b.handovers + c.handovers;
  await pass(9 * LEASE_MS);
  equal(a.handovers + b.handovers + c.handovers, settled, "at rest");
  deepEqual(
    [...(await readHolders(a.log)).values()].map(({ instance }) => instance)
      .toSorted(),
    [..."aaabbbccc"],
  );
  a.log.share.tell(() =>
    Object.fromEntries(
      NAMES.map((name) => [name, { warning: "!", answers: 2, aside: 1 }]),
    )
  );
  await pass(LEASE_MS);
  const holders = await readHolders(b.log);
  deepEqual(holders, await readHolders(a.log));
  for (const { instance, warning, warned } of holders.values()) {
    equal(warning, instance === "a" ? "!" : "", "the holder's own words only");
    const counts = instance === "a" ? [2, 1] : [0, 0];
    deepEqual([warned.answers, warned.aside], counts);
  }

  // Given back in order: within a poll.
  const ending = c.end();
  await pass(2_000);
  await ending;
  equal(a.count + b.count, 9);
  await pass(30_000);
  deepEqual(counts(a, b).toSorted(), [4, 5]);

  // Killed: within the lease and a poll, and nothing is handed over to the dead.
  const before = a.handovers + b.handovers;
  b.isDead = true;
  await pass(LEASE_MS + 2_000);
  deepEqual(counts(a), [9]);
  await pass(9 * LEASE_MS);
  deepEqual(counts(a), [9]);
  equal(a.handovers + b.handovers, before);

  const records = [];
  for await (const entry of real.list(processes())) records.push(entry);
  equal(records.length, 1, "the dead one's record is gone");
  b.isDead = false;
  const over = Promise.all([a.end(), b.end()]);
  await pass(10_000);
  await over;
  real.close();
});
