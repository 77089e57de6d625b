import type { Clock } from "../../lib/clock.ts";

/** A clock that moves only when a test says so. */
export class ManualClock implements Clock {
  #now: number;
  #elapsed = 0;
  readonly #sleepers = new Set<{ due: number; wake: () => void }>();
  readonly #watchers = new Set<() => void>();

  constructor(now = Date.UTC(2026, 2, 13)) {
    this.#now = now;
  }

  now(): number {
    return this.#now + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  /** How many sleeps are under way. */
  get sleepers(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const sleeper = {
        due: this.#elapsed + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      const onAbort = () => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", onAbort, { once: true });
      for (const watcher of this.#watchers) watcher();
    });
  }

  after(ms: number, wake: () => void): () => void {
    const sleeper = {
      due: this.#elapsed + ms,
      wake: () => {
        this.#sleepers.delete(sleeper);
        wake();
      },
    };
    this.#sleepers.add(sleeper);
    for (const watcher of this.#watchers) watcher();
    return () => {
      this.#sleepers.delete(sleeper);
    };
  }

  /** Moves time on, waking sleepers in the order they are due. */
  advance(ms: number): void {
    const end = this.#elapsed + ms;
    for (;;) {
      const [next] = [...this.#sleepers].sort((a, b) => a.due - b.due);
      if (next === undefined || next.due > end) break;
      this.#elapsed = Math.max(this.#elapsed, next.due);
      next.wake();
    }
    this.#elapsed = end;
  }

  /** Moves wall time only, as a person or NTP does. */
  setNow(now: number): void {
    this.#now = now - this.#elapsed;
  }

  /** Resolves once at least `count` sleeps are under way. */
  async untilSleeping(count = 1): Promise<void> {
    await this.#until(() => this.#sleepers.size >= count);
  }

  /** Resolves once a sleep is under way that is over within `ms` milliseconds. */
  async untilDue(ms: number): Promise<void> {
    await this.#until(() =>
      [...this.#sleepers].some(({ due }) => due - this.#elapsed <= ms)
    );
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        const watcher = () => {
          this.#watchers.delete(watcher);
          resolve();
        };
        this.#watchers.add(watcher);
      });
    }
  }
}
