/** One attempt with a sink: encode, deliver, apply the answer to the batch. What a connector throws ends here. */

import type { Clock } from "../clock.ts";
import type { Outcome, Sink } from "../connector.ts";
import type { Logger } from "../logger.ts";
import type { Batch, Interruption } from "./batch.ts";
import { BatchBuffer } from "./batch_buffer.ts";
import type { Warnings } from "./warnings.ts";

export interface SenderContext {
  /** The connector's name. */
  readonly name: string;
  readonly sink: Sink;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears what the SIEM warns of. */
  readonly warnings: Warnings;
}

export type Held = Extract<Outcome, { kind: "held" }>;

/** A connector's attempts under one lease, one at a time. */
export class Sender {
  /** No attempt before this, on the monotonic clock: the SIEM asked for half the rate. */
  notBefore = 0;
  readonly #context: SenderContext;
  readonly #buffer: BatchBuffer;
  readonly #abort: AbortSignal;
  /** Send at half the rate until this, on the monotonic clock. */
  #slowUntil = 0;

  /** `abort` ends the attempt in flight. `onRelease` hears that its body takes no memory any more. */
  constructor(
    context: SenderContext,
    abort: AbortSignal,
    onRelease?: () => void,
  ) {
    this.#context = context;
    this.#buffer = new BatchBuffer(context.sink.limits);
    this.#buffer.onRelease = onRelease;
    this.#abort = abort;
  }

  /** What its body's buffer takes. */
  get bytes(): number {
    return this.#buffer.bytes.length;
  }

  /**
   * Sends what comes next of the batch. `abort`, the one given at first unless another is, ends the attempt.
   * @returns the answer when sending must pause, undefined when it goes on at once.
   * @throws the abort signal's reason; the batch is as before then.
   */
  async make(
    batch: Batch,
    abort: AbortSignal = this.#abort,
  ): Promise<Interruption | undefined> {
    const { sink, clock } = this.#context;
    const started = clock.monotonic();
    try {
      const isSent = batch.prepare(
        (run, into) => sink.encode(run, into),
        this.#buffer,
      );
      if (!isSent) return undefined;
      const outcome = await this.#abortable(
        (signal) => sink.deliver(this.#buffer, signal),
        abort,
      );
      const interruption = batch.apply(outcome, this.#buffer);
      this.#heed(outcome);
      if (outcome.kind === "delivered") this.#pace(outcome, started);
      return interruption;
    } catch (cause) {
      abort.throwIfAborted();
      return this.#bug(cause);
    }
  }

  /** Sends the type's test event: taken means that events refused are at fault themselves, not the settings. */
  async test(): Promise<"taken" | "unknown" | Held> {
    try {
      const { sink } = this.#context;
      const outcome = await this.#abortable(
        (signal) => sink.probe(signal),
        this.#abort,
      );
      if (outcome.kind === "held") return outcome;
      return outcome.kind === "delivered" ? "taken" : "unknown";
    } catch (cause) {
      this.#abort.throwIfAborted();
      this.#bug(cause);
      return "unknown";
    }
  }

  #heed(outcome: Outcome): void {
    if (outcome.kind === "split" || outcome.kind === "held") return;
    const { warning, aside } = outcome;
    if (warning !== undefined) this.#context.warnings.tell(warning, aside);
  }

  /** Half the rate is a pause as long as the attempt took. */
  #pace(
    { slowDown = 0 }: Extract<Outcome, { kind: "delivered" }>,
    started: number,
  ): void {
    const now = this.#context.clock.monotonic();
    this.#slowUntil = Math.max(this.#slowUntil, now + slowDown);
    if (now < this.#slowUntil) this.notBefore = now + (now - started);
  }

  /** A request ends with its answer or with the loop, also where a connector does not heed its signal. */
  async #abortable(
    request: (signal: AbortSignal) => Promise<Outcome>,
    signal: AbortSignal,
  ): Promise<Outcome> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    try {
      // Less work than a race; what comes second is not heard.
      request(signal).then(resolve, reject);
      return await promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** A connector threw: ours to mend. Nothing is lost, it is tried again like weather. */
  #bug(cause: unknown): Interruption {
    const { logger, name } = this.#context;
    logger.log("error", "bug", "A delivery attempt failed unexpectedly.", {
      connector: name,
      error: String(cause),
      stack: cause instanceof Error ? cause.stack : undefined,
    });
    return {
      kind: "retry",
      reason: "internal",
      message: "The relay failed unexpectedly; its log says how.",
    };
  }
}
