import assert from "node:assert/strict";
import type { Clock } from "../../../lib/clock.ts";
import { startFeeder } from "../../../lib/demo/feeder.ts";

/** A clock that stands still until told; each sleep is announced. */
function steppingClock() {
  let now = 0;
  let wake = () => {};
  const slept: number[] = [];
  let announce = Promise.withResolvers<void>();
  const clock: Clock = {
    now: () => 1_773_360_000_000 + now,
    monotonic: () => now,
    after: () => () => {},
    sleep(ms, signal) {
      slept.push(ms);
      announce.resolve();
      return new Promise((resolve, reject) => {
        wake = () => {
          now += ms;
          resolve();
        };
        signal?.addEventListener("abort", () => reject(signal.reason));
      });
    },
  };
  return {
    clock,
    slept,
    /** Waits for the next sleep. */
    async asleep() {
      await announce.promise;
      announce = Promise.withResolvers<void>();
    },
    wake: () => wake(),
  };
}

Deno.test("startFeeder() posts at its rate, counts answers, and stops in its sleep", async () => {
  const stepping = steppingClock();
  const posted: Request[] = [];
  const answers = [200, 503, 0, 200];
  const feeder = startFeeder({
    url: "http://127.0.0.1:1/services/collector/event",
    token: "t",
    clock: stepping.clock,
    fetch: (input, init) => {
      posted.push(new Request(input, init));
      const status = answers[posted.length - 1] ?? 200;
      return status === 0
        ? Promise.reject(new TypeError("refused"))
        : Promise.resolve(new Response("{}", { status }));
    },
  });
  for (let n = 0; n < 3; n++) {
    await stepping.asleep();
    stepping.wake();
  }
  await stepping.asleep();
  await feeder[Symbol.asyncDispose]();
  assert.deepEqual(stepping.slept, [200, 200, 200, 200]);
  assert.deepEqual([feeder.taken, feeder.failed], [2, 2]);
  const first = posted[0];
  assert.equal(first?.headers.get("authorization"), "Splunk t");
  assert.ok("event" in await first?.json());
});
