/** Waiting for another process: asked again and again, with an end. */

import { systemClock } from "../../lib/clock.ts";

const PAUSE_MS = 20;

/**
 * Asks until the answer is not undefined. For what another process does in its own time and tells nobody of.
 * @throws {Error} after `timeout` milliseconds
 */
export async function poll<T>(
  ask: () => Promise<T | undefined>,
  { timeout = 20_000 }: { readonly timeout?: number } = {},
): Promise<T> {
  const end = systemClock.monotonic() + timeout;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (systemClock.monotonic() > end) {
      throw new Error(`Nothing came of it in ${timeout} ms`);
    }
    await systemClock.sleep(PAUSE_MS);
  }
}
