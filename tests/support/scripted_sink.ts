/** A sink whose answers the test gives, attempt by attempt. */

import type { BatchLimits, Outcome, Sink } from "../../lib/connector.ts";
import type { BatchBuffer } from "../../lib/delivery/batch_buffer.ts";
import { type EventRun, EventView } from "../../lib/event.ts";

/** What a sink was asked, and has not answered yet. */
export interface Asked {
  /** The events' texts, separated by blanks; `(test)` for the test event. */
  readonly events: string;
  /** Aborted: the loop wants no answer any more. */
  readonly signal: AbortSignal;
  answer(outcome: Outcome): void;
  fail(error: unknown): void;
}

export const DELIVERED = { kind: "delivered" } as const;
export const BUSY = {
  kind: "retry",
  reason: "server",
  message: "HTTP 503",
} as const;
export const REFUSED_KEY = {
  kind: "held",
  reason: "auth",
  message: "HTTP 401",
  help: "Check the key.",
} as const;
export const SPLIT = {
  kind: "split",
  reason: "rejected",
  message: "HTTP 400",
} as const;

/** Refuses these places of the attempt, and leaves `pending` unseen. */
export function rejected(
  at: readonly number[],
  pending: readonly number[] = [],
): Outcome {
  return {
    kind: "rejected",
    rejections: at.map((at) => ({
      at,
      reason: "rejected",
      message: "HTTP 400",
    })),
    pending,
  };
}

export class ScriptedSink implements Sink {
  readonly limits: BatchLimits;
  readonly inFlight: number;
  /** All that was asked, in order. */
  readonly history: string[] = [];
  /** Answers without asking the test. */
  auto:
    | ((events: string) => Outcome | Promise<Outcome> | undefined)
    | undefined;
  isDisposed = false;
  #asked: Asked[] = [];
  #waiting: ((asked: Asked) => void)[] = [];

  constructor(limits: Partial<BatchLimits> = {}, inFlight = 1) {
    this.inFlight = inFlight;
    this.limits = {
      events: 100,
      bytes: 1_000_000,
      eventBytes: 1_000_000,
      ...limits,
    };
  }

  encode(events: EventRun, into: BatchBuffer): void {
    const view = new EventView(), blank = Uint8Array.of(0x20);
    for (let place = 0; place < events.count; place++) {
      into.begin(blank);
      into.literal(events.view(place, view).event);
      if (!into.end(place)) break;
    }
  }

  deliver(batch: BatchBuffer, signal: AbortSignal): Promise<Outcome> {
    return this.#ask(new TextDecoder().decode(batch.body()), signal);
  }

  probe(signal: AbortSignal): Promise<Outcome> {
    return this.#ask("(test)", signal);
  }

  async *test(): AsyncIterable<never> {}

  /** The next attempt, when it comes. */
  attempt(): Promise<Asked> {
    const asked = this.#asked.shift();
    if (asked !== undefined) return Promise.resolve(asked);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Answers the next attempt, and says what it carried. */
  async next(outcome: Outcome): Promise<string> {
    const asked = await this.attempt();
    asked.answer(outcome);
    return asked.events;
  }

  /** Attempts that wait for an answer which no test has taken. */
  get unanswered(): number {
    return this.#asked.length;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true;
    return Promise.resolve();
  }

  #ask(events: string, signal: AbortSignal): Promise<Outcome> {
    this.history.push(events);
    const known = this.auto?.(events);
    if (known !== undefined) return Promise.resolve(known);
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const asked = { events, signal, answer: resolve, fail: reject };
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) waiting(asked);
    else this.#asked.push(asked);
    return promise;
  }
}
