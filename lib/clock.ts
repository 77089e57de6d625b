/** Time as an argument, so that tests move it by hand and no code sleeps on the wall clock behind their back. */
export interface Clock {
  /** Wall time: milliseconds since the Unix epoch. May jump. */
  now(): number;
  /** Milliseconds on a clock that never jumps; only differences mean something. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds. @throws the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `wake` after `ms` milliseconds, unless the function that it gives is called before. Cheaper than a sleep. */
  after(ms: number, wake: () => void): () => void;
}

/** The longest delay `setTimeout` takes; more wraps to 1 ms. */
const MAX_TIMEOUT_MS = 2_147_483_647;
/** From here on a sleep is nearly always a patience that ends long before it is over. */
const LONG_MS = 1_000;

/** One that sleeps long; `due` on the monotonic clock. */
interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
}

/**
 * One timer for all long sleeps: to set and clear one of the runtime's costs more than all the rest of a sleep. It
 * stays set when its sleeper leaves, looks who is due when it fires, and is cleared when nobody sleeps: it keeps no
 * program from its end.
 */
class LongSleeps {
  readonly #sleepers = new Set<Sleeper>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #firesAt = Infinity;

  add(ms: number, wake: () => void): Sleeper {
    const sleeper = { due: performance.now() + ms, wake };
    this.#sleepers.add(sleeper);
    if (sleeper.due < this.#firesAt) this.#set(sleeper.due, ms);
    return sleeper;
  }

  /** @returns false where it sleeps no more. */
  delete(sleeper: Sleeper): boolean {
    const slept = this.#sleepers.delete(sleeper);
    if (this.#sleepers.size === 0) this.#clear();
    return slept;
  }

  #set(due: number, ms: number): void {
    clearTimeout(this.#timer);
    this.#firesAt = due;
    this.#timer = setTimeout(() => this.#fire(), Math.ceil(ms));
  }

  #clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#firesAt = Infinity;
  }

  #fire(): void {
    const now = performance.now();
    const due: Sleeper[] = [];
    let next = Infinity;
    for (const sleeper of this.#sleepers) {
      if (sleeper.due <= now) due.push(sleeper);
      else next = Math.min(next, sleeper.due);
    }
    if (next === Infinity) this.#clear();
    else this.#set(next, next - now);
    due.sort((a, b) => a.due - b.due);
    // One may end another that is due too.
    for (const sleeper of due) {
      if (this.delete(sleeper)) sleeper.wake();
    }
  }
}

const longSleeps = new LongSleeps();

function after(ms: number, wake: () => void): () => void {
  const delay = Math.min(Math.max(0, ms), MAX_TIMEOUT_MS);
  if (delay >= LONG_MS) {
    const sleeper = longSleeps.add(delay, wake);
    return () => longSleeps.delete(sleeper);
  }
  const timer = setTimeout(wake, delay);
  return () => clearTimeout(timer);
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after,
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const cancel = after(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      const onAbort = () => {
        cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  },
};
