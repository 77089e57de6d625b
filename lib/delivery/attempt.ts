/** The time and the caller's patience that one attempt has: whichever ends first closes what is open. */

import type { Clock } from "../clock.ts";
import { TransportError } from "./transport_error.ts";
import { at, type Peer } from "./transport_fault.ts";

/** Ends a dial or a sleep; a constant, because a DOMException with its stack costs more than the rest of an attempt. */
const OVER = new Error("over");

/** Dispose ends its timers; a use outlives the reply by nothing. */
export class Attempt implements Disposable {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #peer: Peer;
  readonly #endTimer: () => void;
  #isOver = false;
  #closing: { close(): void } | undefined;
  #onStop: (() => void) | undefined;
  /** Why it was stopped: a TransportError (`timeout`) or the signal's reason. */
  failure: unknown;
  /** Whether the whole request was handed to the network. */
  isSent = false;
  #isConnected = false;

  constructor(
    clock: Clock,
    signal: AbortSignal,
    options: { readonly peer: Peer; readonly timeout: number },
  ) {
    this.#clock = clock;
    this.#signal = signal;
    this.#peer = options.peer;
    signal.addEventListener("abort", this.#onAbort);
    this.#endTimer = this.#stopAfter(options.timeout);
  }

  /** Dials within `timeout` milliseconds. A connection that comes too late is closed. */
  async connect<T extends { close(): void }>(
    dial: (signal: AbortSignal) => Promise<T>,
    timeout: number,
  ): Promise<T> {
    const connecting = new AbortController();
    const stopped = new Promise<never>((_, reject) => {
      this.#onStop = () => reject(this.failure);
    });
    this.#closing = { close: () => connecting.abort(this.failure) };
    const endTimer = this.#stopAfter(timeout);
    const dialing = dial(connecting.signal);
    try {
      const wire = await Promise.race([dialing, stopped]);
      this.#isConnected = true;
      return wire;
    } catch (error) {
      dialing.then((late) => late.close(), () => {});
      throw error;
    } finally {
      endTimer();
      this.#onStop = undefined;
      this.#closing = undefined;
      connecting.abort(OVER);
    }
  }

  /** What to close when the attempt is stopped. */
  use(connection: { close(): void }): void {
    this.#isConnected = true;
    this.#closing = connection;
    if (this.failure !== undefined) connection.close();
  }

  /** Waits for `work`, at most `ms` milliseconds. */
  async grant(work: Promise<void>, ms: number): Promise<void> {
    const enough = new AbortController();
    await Promise.race([
      work,
      this.#clock.sleep(ms, enough.signal).catch(() => {}),
    ]);
    enough.abort(OVER);
  }

  [Symbol.dispose](): void {
    this.#closing = undefined;
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#endTimer();
    this.#isOver = true;
  }

  readonly #onAbort = () => this.#stop(this.#signal.reason);

  #stop(failure: unknown): void {
    if (this.failure !== undefined || this.#isOver) return;
    this.failure = failure;
    this.#onStop?.();
    this.#closing?.close();
  }

  #stopAfter(ms: number): () => void {
    return this.#clock.after(ms, () => this.#stop(this.#timeout(ms)));
  }

  #timeout(ms: number): TransportError {
    const seconds = `${ms / 1000} s`;
    const place = at(this.#peer);
    return new TransportError(
      "timeout",
      this.#isConnected
        ? `Connected to ${place}, but no whole answer in ${seconds}. The collector may be overloaded${
          this.isSent ? "; events may arrive twice" : ""
        }.`
        : `No answer from ${place} in ${seconds}. Usually a firewall: allow this machine's address there.`,
      { bodySent: this.isSent, ofProxy: this.#peer.isProxy ?? false },
    );
  }
}
