import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock.ts";

const OVER = new Error("over");

/** Sleeps and says when it was over, in milliseconds. */
async function slept(ms: number, signal?: AbortSignal): Promise<number> {
  const started = systemClock.monotonic();
  await systemClock.sleep(ms, signal);
  return systemClock.monotonic() - started;
}

Deno.test("sleep() short and long, begun in any order, ends when each is due and not before", async () => {
  const lengths = [1_300, 1_000, 40, 1_150, 0, 900];
  const woken: number[] = [];
  await Promise.all(lengths.map(async (ms) => {
    // The runtime's own timers may be early by their rounding.
    assert.ok(await slept(ms) >= ms - 2);
    woken.push(ms);
  }));
  assert.deepEqual(woken, lengths.toSorted((a, b) => a - b));
});

Deno.test("sleep() goes on where the one that set the timer is aborted", async () => {
  const abort = new AbortController();
  const sooner = assert.rejects(systemClock.sleep(1_000, abort.signal), OVER);
  const later = slept(1_100);
  abort.abort(OVER);
  await sooner;
  const ms = await later;
  assert.ok(ms >= 1_100);
});

Deno.test("after() calls once it is due, unless it was ended before", async () => {
  const woken: string[] = [];
  const endings = [500, 1_000].map((ms) =>
    systemClock.after(ms, () => woken.push(`ended ${ms}`))
  );
  for (const ms of [500, 1_000]) {
    systemClock.after(ms, () => woken.push(`${ms}`));
  }
  for (const end of endings) end();
  // Due at the same look of the one timer, and ended by the one before.
  systemClock.after(1_001, () => endLast());
  const endLast = systemClock.after(1_001.01, () => woken.push("ended last"));
  for (const until = performance.now() + 1_010; performance.now() < until;);
  await systemClock.sleep(40);
  assert.deepEqual(woken, ["500", "1000"]);
  for (const end of endings) end();
});

Deno.test("after() leaves no timer behind where one that is due ends the last that is not", async () => {
  // The sanitizers see what is left.
  const endLast = systemClock.after(60_000, () => {});
  systemClock.after(1_000, endLast);
  // Due at the same look: it sleeps still when the last one is ended.
  systemClock.after(1_000.01, () => {});
  for (const until = performance.now() + 1_010; performance.now() < until;);
  await systemClock.sleep(40);
});

Deno.test("sleep() of an aborted signal leaves no timer behind", async () => {
  // The sanitizers see what is left.
  const abort = new AbortController();
  const sleeps = [10, 1_000, 60_000, Infinity].map((ms) =>
    assert.rejects(systemClock.sleep(ms, abort.signal), OVER)
  );
  abort.abort(OVER);
  await Promise.all(sleeps);
  await assert.rejects(systemClock.sleep(5_000, abort.signal), OVER);
});

Deno.test("sleep() ends at once where there is nothing to wait for", async () => {
  await systemClock.sleep(-1);
});
