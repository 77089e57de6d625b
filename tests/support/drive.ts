/** Moving a manual clock along while real I/O goes on. */

import type { ManualClock } from "./manual_clock.ts";

/** One turn of the event loop: what is ready, I/O included, runs. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Moves time on, `step` ms at each `every`th turn of the event loop, until the promise settles; gives what it gives. */
export async function drive<T>(
  clock: ManualClock,
  promise: Promise<T>,
  step = 20,
  every = 1,
): Promise<T> {
  let isSettled = false;
  const done = () => {
    isSettled = true;
  };
  promise.then(done, done);
  for (let turns = 1; !isSettled; turns++) {
    await turn();
    if (!isSettled && turns % every === 0) clock.advance(step);
  }
  return await promise;
}

/** Turns without an end after which somebody must be waiting for the clock. */
const MANY_TURNS = 2_000;

/**
 * Gives what the promise gives, which needs turns of the event loop only. On a busy machine a call of the store may have
 * been under way when a test moved time on: it timed out and waits for the clock to be made again, so time goes on
 * after many turns.
 */
export async function settled<T>(
  clock: ManualClock,
  promise: Promise<T>,
): Promise<T> {
  return await drive(clock, promise, 1_000, MANY_TURNS);
}

/**
 * Moves time on by `ms` in steps, with turns of the event loop between them. `traffic`: time stands still while its
 * calls are under way, so that a slow machine does not look like a slow store.
 */
export async function pass(
  clock: ManualClock,
  ms: number,
  step = 100,
  traffic: { readonly calls: number } = { calls: 0 },
): Promise<void> {
  for (let left = ms; left > 0; left -= step) {
    clock.advance(Math.min(step, left));
    for (let quiet = 0; quiet < 2; quiet++) {
      await turn();
      if (traffic.calls > 0) quiet = -1;
    }
  }
}

/** Turns the event loop until the condition holds. @throws after `turns`. */
export async function until(
  condition: () => boolean,
  turns = 10_000,
): Promise<void> {
  for (let n = 0; !condition(); n++) {
    if (n >= turns) throw new Error("The condition never held");
    await turn();
  }
}
