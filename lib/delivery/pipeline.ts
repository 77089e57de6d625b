/**
 * Several batches in flight, for destinations that answer nothing, where time decides (interface §17, syslog): further
 * batches start while earlier ones are undecided, and are settled strictly in order.
 *
 * It runs ahead only while all goes well. On anything else (weather, a setup fault, a refusal, expiry) what lies behind
 * is put back, unsettled, and the first batch that was not taken whole is handed to the session, which goes on with it
 * alone. What is put back may have arrived: it is sent again. Batches of which all is filtered fly nowhere: they are
 * taken from the start and settled in their turn.
 *
 * Over 300 lines because all that may change a flight stands in one class.
 */

import type { Position } from "../event.ts";
import { Batch, type Interruption, joined } from "./batch.ts";
import { behind, collect, type Scoping, type Source } from "./batches.ts";
import { Sender, type SenderContext } from "./sender.ts";
import type { Settlement, SettlementContext } from "./settlement.ts";

/** Bodies that wait to be written, in bytes: a receiver that takes nothing costs no more. */
const UNWRITTEN_BYTES = 8 * 1024 * 1024;
/**
 * Events written and not decided yet, in bytes: beyond what a busy process writes in the second that decides. At the
 * bound batches would leave in bursts, a second apart, and a connector that rests falls out of memory.
 */
const UNDECIDED_BYTES = 96 * 1024 * 1024;

/** While others are in flight, events gather for so long behind a batch that took all there was, in milliseconds: each costs. */
const GATHER_MS = 10;

export interface PipelineContext
  extends SenderContext, SettlementContext, Scoping {
  readonly source: Source;
}

/** A batch that was not taken whole, and why sending must pause, if it must. */
export interface Stalled {
  readonly batch: Batch;
  readonly interruption: Interruption | undefined;
}

/** One batch on its way. */
interface Flight {
  readonly batch: Batch;
  /** Undefined: there is nothing to send. */
  readonly sender: Sender | undefined;
  readonly abort: AbortController;
  /** Of its events. */
  readonly bytes: number;
  state: "flying" | "taken" | "stalled" | "aborted";
  interruption: Interruption | undefined;
}

/** Runs ahead under one lease; `run` again and again, one at a time. */
export class Pipeline {
  /** No attempt before this, on the monotonic clock. */
  notBefore = 0;
  readonly #context: PipelineContext;
  readonly #settlement: Settlement;
  readonly #ends: AbortSignal;
  readonly #stop: AbortSignal;
  /** In log order. */
  #flights: Flight[] = [];
  /** Senders with their buffers, between two flights. */
  #free: Sender[] = [];
  /** What comes behind the last flight. */
  #next: Position = { segment: "", index: 0 };
  /** No further batch: those in flight come to their end. */
  #isEnding = false;
  #settling: Promise<void> | undefined;
  /** A settle that failed: a bug, it ends the run. */
  #fault: { readonly error: unknown } | undefined;
  #isWatching = false;
  /** How many this run has started. */
  #launched = 0;
  /** The last batch took all there was: the next one begins no earlier, on the monotonic clock. */
  #gathersUntil = -Infinity;
  #isGathering = false;
  #isWoken = false;
  #wake: (() => void) | undefined;

  /** `ends` cuts what is in flight; `stop`, which `ends` implies, begins nothing new. */
  constructor(
    context: PipelineContext,
    settlement: Settlement,
    { ends, stop }: { readonly ends: AbortSignal; readonly stop: AbortSignal },
  ) {
    this.#context = context;
    this.#settlement = settlement;
    this.#ends = ends;
    this.#stop = stop;
  }

  /** The oldest batch that is undecided. */
  get oldest(): Batch | undefined {
    return this.#flights[0]?.batch;
  }

  /**
   * Sends `first`, and what comes behind it, until nothing is left to send, or until so many were sent that it is
   * enough, and all is settled.
   * @returns the batch that must be dealt with alone; undefined where there is none.
   */
  async run(
    first: Batch,
    isEnough: (sent: number) => boolean = () => false,
  ): Promise<Stalled | undefined> {
    const over = new AbortController();
    const quiet = AbortSignal.any([this.#stop, over.signal]);
    const cut = () => this.#abortFrom(0, this.#ends.reason);
    this.#ends.addEventListener("abort", cut);
    this.#isEnding = this.#isWatching = this.#isGathering = false;
    this.#launched = 0;
    try {
      this.#launch(first);
      for (;;) {
        if (this.#fault !== undefined) throw this.#fault.error;
        this.#settle();
        if (isEnough(this.#launched)) this.#isEnding = true;
        if (this.#settling === undefined) {
          const [oldest] = this.#flights;
          if (oldest === undefined) return undefined;
          if (oldest.state === "stalled") return oldest;
          if (oldest.state === "aborted") return undefined;
        }
        if (!await this.#extend(quiet)) await this.#event();
      }
    } finally {
      over.abort();
      this.#ends.removeEventListener("abort", cut);
      this.#abortFrom(0, new Error("put back"));
      this.#flights = [];
      this.#free = [];
      this.#context.source.ahead?.(this.#context.name, undefined);
    }
  }

  /** Starts the next batch. @returns false when there is none to start now. */
  async #extend(quiet: AbortSignal): Promise<boolean> {
    const { source, sink, settings, clock } = this.#context;
    if (!this.#hasRoom() || this.#isWatching || this.#isGathering) return false;
    const rest = this.#gathersUntil - clock.monotonic();
    if (rest > 0 && this.#flights.length > 0) {
      this.#gather(rest, quiet);
      return false;
    }
    const { limits } = sink;
    const { run, filtered, bytes, isAll } = await collect(
      source,
      this.#next,
      limits,
      this.#context,
    );
    if (!this.#hasRoom()) return false;
    if (run.count === 0) {
      this.#watch(quiet);
      return false;
    }
    const batch = new Batch(run, filtered);
    if (
      settings.expire > 0 && batch.expire(clock.now() - settings.expire) > 0
    ) {
      this.#isEnding = true;
      return false;
    }
    if (batch.isDecided) this.#pass(batch, bytes);
    else this.#launch(batch, bytes);
    const isMore = !isAll || batch.full;
    this.#gathersUntil = isMore ? -Infinity : clock.monotonic() + GATHER_MS;
    return true;
  }

  /** All of it is filtered: it waits for its turn to be settled. */
  #pass(batch: Batch, bytes: number): void {
    this.#flights.push({
      batch,
      sender: undefined,
      abort: new AbortController(),
      bytes,
      state: "taken",
      interruption: undefined,
    });
    this.#readTo(behind(batch.run, this.#next));
    this.#call();
  }

  #readTo(at: Position): void {
    this.#next = at;
    this.#context.source.ahead?.(this.#context.name, at);
  }

  #hasRoom(): boolean {
    if (this.#isEnding || this.#stop.aborted || this.#settlement.isLost) {
      return false;
    }
    const { sink, clock } = this.#context;
    if (this.notBefore > clock.monotonic()) return false;
    let undecided = 0, unwritten = 0;
    for (const { sender, bytes } of this.#flights) {
      undecided += bytes;
      unwritten += sender?.bytes ?? 0;
    }
    return this.#flights.length < (sink.inFlight ?? 1) &&
      undecided < UNDECIDED_BYTES && unwritten < UNWRITTEN_BYTES;
  }

  /** `bytes`: of its events; the first one's do not count. */
  #launch(batch: Batch, bytes = 0): void {
    this.#launched++;
    const sender = this.#free.pop() ??
      new Sender(this.#context, this.#ends, () => this.#call());
    const flight: Flight = {
      batch,
      sender,
      abort: new AbortController(),
      bytes,
      state: "flying",
      interruption: undefined,
    };
    this.#flights.push(flight);
    const landing = sender.make(batch, flight.abort.signal);
    // The batch was cut to what one attempt carries.
    this.#readTo(behind(batch.run, this.#next));
    landing.then(
      (interruption) => this.#land(flight, sender, interruption),
      () => {
        flight.state = "aborted";
        this.#call();
      },
    );
  }

  #land(
    flight: Flight,
    sender: Sender,
    interruption: Interruption | undefined,
  ): void {
    const { batch } = flight;
    flight.interruption = interruption;
    const isTaken = interruption === undefined && batch.isDecided &&
      batch.refused === 0;
    flight.state = isTaken ? "taken" : "stalled";
    this.notBefore = Math.max(this.notBefore, sender.notBefore);
    if (!isTaken) {
      this.#isEnding = true;
      const place = this.#flights.indexOf(flight);
      if (place >= 0) this.#abortFrom(place + 1, new Error("put back"));
    }
    this.#call();
  }

  #abortFrom(place: number, reason: unknown): void {
    for (const { abort } of this.#flights.slice(place)) abort.abort(reason);
  }

  /** Settles what was taken and has nothing undecided before it. */
  #settle(): void {
    if (this.#settling !== undefined) return;
    const open = this.#flights.findIndex(({ state }) => state !== "taken");
    const taken = this.#flights.splice(
      0,
      open < 0 ? this.#flights.length : open,
    );
    if (taken.length === 0) return;
    const settled = joined(taken.map(({ batch }) => {
      batch.taken = true;
      return batch.settle();
    }));
    for (const { sender } of taken) if (sender) this.#free.push(sender);
    const done = () => {
      this.#settling = undefined;
      this.#call();
    };
    const isAnswered = taken.some(({ sender }) => sender !== undefined);
    const written = isAnswered
      ? this.#settlement.answered(settled)
      : this.#settlement.write(settled, {});
    this.#settling = written.then(
      done,
      (error) => {
        this.#fault = { error };
        done();
      },
    );
  }

  /** Looks at the log again when enough time has passed for more to be there. */
  #gather(ms: number, quiet: AbortSignal): void {
    this.#isGathering = true;
    const again = () => {
      this.#isGathering = false;
      this.#call();
    };
    this.#context.clock.sleep(ms, quiet).then(again, again);
  }

  /** Looks at the log again when it has grown. */
  #watch(quiet: AbortSignal): void {
    this.#isWatching = true;
    const again = () => {
      this.#isWatching = false;
      this.#call();
    };
    this.#context.source.changed(this.#next, quiet).then(again, again);
  }

  /** Something happened: a body was written, a batch landed, a settle is durable, the log has grown. */
  #call(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  /** Waits for the next `#call`. */
  async #event(): Promise<void> {
    if (!this.#isWoken) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    this.#isWoken = false;
  }
}
