/**
 * A connector's loop while it holds the lease: collect, send, judge, settle, again. One batch in flight, in log order;
 * the next one is sent only when the settle of the last is durable, so a kill repeats at most one. A sink that takes
 * several at once gets them (`pipeline.ts`) while all goes well.
 *
 * - Strict: after so many attempts of a batch, whatever they met, each of its events becomes a dead letter.
 * - Else weather keeps the place; what is still pending goes again after a backoff, for ever.
 * - A setup fault keeps the place; probes are slow, and newer events join them.
 * - A refused event becomes a dead letter once it is known that not all of its batch were refused. If all of two or
 *   more are, the settings are suspected and nothing is settled, until one is taken or the test event decides.
 *
 * Over 300 lines because every turn of the loop reads and changes the same state.
 */

import { EventView } from "../event.ts";
import type { Holding, Place } from "../log/cursor.ts";
import { type Held, Sender, type SenderContext } from "./sender.ts";
import { Batch, type Interruption } from "./batch.ts";
import {
  behind,
  type Bounds,
  collect,
  type Scoping,
  type Source,
  STRIDE,
} from "./batches.ts";
import { Pipeline } from "./pipeline.ts";
import { type ReplayContext, ReplayTurns } from "./replay.ts";
import { Settlement, type SettlementContext } from "./settlement.ts";

/** What a connector's loop works with. */
export interface DeliveryContext
  extends SenderContext, SettlementContext, Scoping, ReplayContext {
  readonly source: Source;
  /** How long an event may wait for others to fill its batch, in milliseconds. Absent: it goes at once. */
  readonly batchWait?: number | undefined;
}

/** Told when the loop has nothing to do at the moment, and when it has again. */
export interface RestListener {
  resting(): void;
  working(): void;
}

export interface SessionSignals {
  /** Begin nothing new; an attempt in flight may end. */
  readonly stop: AbortSignal;
  /** End the attempt in flight too. */
  readonly abort: AbortSignal;
}

/** A minute at most. */
const EXPIRY_LOOK_MS = 60_000;
const EXPIRY_LOOK_SHARE = 10;
/** After so many batches of live events without a pause a replay gets one, lest it never came to its end. */
const LIVE_BATCHES = 20;
/** In the time that a batch may wait for others to fill it, the log is looked at so often. */
const GATHER_LOOKS = 20;
/** How many probes of the same events come before the test event decides. */
const SAME_PROBES = 3;

export class Session {
  readonly #context: DeliveryContext;
  readonly #settlement: Settlement;
  readonly #sender: Sender;
  readonly #pipeline: Pipeline | undefined;
  readonly #replay: ReplayTurns | undefined;
  readonly #rest: RestListener;
  /** Ends waits. */
  readonly #stop: AbortSignal;
  /** Ends the wait for the next attempt. */
  #nap: AbortController | undefined;
  #batch: Batch | undefined;
  /** No attempt before this, on the monotonic clock. */
  #notBefore = 0;
  #nextExpiryLook = 0;
  /** The batch in hand waits for others to fill it: it is collected anew, and nothing of it was sent. */
  #isGathering = false;
  /** The log held no more when the batch in hand was collected. */
  #isAll = false;
  /** A whole batch was expired: there may be many more. */
  #skimming = false;
  /** The next attempt is a held connector's probe. */
  #probing = false;
  /** All of the batch was refused: perhaps a wrong setting. */
  #suspected = false;
  /** Probes of the suspected batch since newer events joined it. */
  #sameProbes = 0;
  /** Batches of live events since a replay could send. */
  #live = 0;
  /** The log is asked to tell of a change. */
  #isWatching = false;
  /** The wait for something to do. */
  #idling: PromiseWithResolvers<void> | undefined;

  constructor(
    context: DeliveryContext,
    holding: Holding,
    { stop, abort }: SessionSignals,
    rest: RestListener,
  ) {
    const ends = AbortSignal.any([holding.lost, abort]);
    this.#context = context;
    this.#settlement = new Settlement(context, holding);
    this.#sender = new Sender(context, ends);
    this.#stop = AbortSignal.any([ends, stop]);
    this.#pipeline = (context.sink.inFlight ?? 1) > 1
      ? new Pipeline(context, this.#settlement, { ends, stop: this.#stop })
      : undefined;
    this.#replay = ReplayTurns.open(
      context,
      { holding, settlement: this.#settlement },
      { ends, stop: this.#stop },
      () => this.wake(),
    );
    this.#rest = rest;
  }

  /** When the relay took the oldest event that waits, as far as the loop has seen; milliseconds since the epoch. */
  get oldestWaiting(): number | undefined {
    const batch = this.#pipeline?.oldest ?? this.#batch;
    return batch === undefined || batch.count === 0
      ? undefined
      : batch.run.view(0, new EventView()).receivedAt;
  }

  /** Looks at the log again now. */
  wake(): void {
    this.#idling?.resolve();
  }

  /** The next attempt comes at once. */
  tryNow(): void {
    if (this.#replay?.tryNow()) this.wake();
    if (this.#nap === undefined) return;
    this.#notBefore = this.#sender.notBefore = 0;
    if (this.#pipeline) this.#pipeline.notBefore = 0;
    this.#rest.working();
    this.#nap.abort(new Error("Now"));
  }

  /** Hears of no replays any more. To be called at the end of the lease, whatever was done under it. */
  close(): void {
    this.#replay?.close();
  }

  /** Books what has expired, and does nothing else: for a connector that is switched off. */
  async expire(): Promise<void> {
    while (!this.#stop.aborted && !this.#settlement.isLost) {
      this.#skimming = true;
      const batch = await this.#refill();
      if (batch === undefined || batch.count > 0) break;
    }
    this.#batch = undefined;
  }

  /** Runs until stopped or until the lease is lost; then what is decided is settled, and the rest left in place. */
  async run(): Promise<void> {
    try {
      await this.#settlement.began();
      while (!this.#stop.aborted && !this.#settlement.isLost) {
        await this.#turn();
      }
    } catch (cause) {
      if (!this.#stop.aborted) throw cause;
    }
    const decided = this.#batch?.settle();
    if (decided === undefined || decided.run.count === 0) return;
    if (decided.delivered > 0) await this.#settlement.answered(decided);
    else await this.#settlement.write(decided, {});
  }

  async #turn(): Promise<void> {
    const { clock } = this.#context;
    const isNew = this.#isFresh;
    if (isNew && this.#live >= LIVE_BATCHES && this.#isWell) {
      this.#live = 0;
      if (await this.#replay?.turn()) return;
    }
    const batch = await this.#refill();
    const gathers = isNew && batch !== undefined ? this.#gathers(batch) : 0;
    this.#isGathering = gathers > 0;
    if (batch === undefined || this.#isGathering) {
      // No live event waits to be sent, or none now.
      this.#live = 0;
      if (await this.#replay?.turn()) return;
      const wait = this.#replay?.wait;
      return batch === undefined
        ? await this.#idle(wait)
        : await this.#sleep(Math.min(gathers, wait ?? gathers));
    }
    if (batch.count === 0) return;
    const wait = Math.max(
      // A replay may have found the SIEM well meanwhile.
      this.#isWell ? 0 : this.#notBefore,
      this.#sender.notBefore,
      this.#pipeline?.notBefore ?? 0,
    ) - clock.monotonic();
    if (wait > 0) {
      return await this.#sleep(Math.min(wait, this.#expiryLook()));
    }
    this.#live++;
    if (this.#pipeline && isNew && this.#isWell) {
      return await this.#runAhead(this.#pipeline, batch);
    }
    if (this.#probing) await this.#renew(batch);
    await this.#judge(batch, await this.#sender.make(batch));
  }

  /** The next batch is yet to be collected. */
  get #isFresh(): boolean {
    return this.#batch === undefined || this.#batch.count === 0 ||
      this.#isGathering;
  }

  /**
   * How long to wait until a fresh batch is looked at again, in milliseconds; 0: it goes. Not at every event, for a
   * batch is collected anew each time. Where several are in flight there is no need.
   */
  #gathers(batch: Batch): number {
    const { batchWait = 0, clock } = this.#context;
    const isDue = batchWait === 0 || this.#pipeline !== undefined ||
      !this.#isWell || !this.#isAll || batch.count === 0;
    if (isDue) return 0;
    const { receivedAt } = batch.run.view(0, new EventView());
    const age = clock.now() - receivedAt;
    // Wall time may jump.
    if (age < 0 || age >= batchWait) return 0;
    return Math.min(batchWait / GATHER_LOOKS, batchWait - age);
  }

  get #isWell(): boolean {
    const { state } = this.#settlement.place;
    return state !== "retrying" && state !== "held";
  }

  async #sleep(ms: number): Promise<void> {
    const nap = new AbortController();
    this.#nap = nap;
    this.#rest.resting();
    try {
      const { clock } = this.#context;
      await clock.sleep(ms, AbortSignal.any([this.#stop, nap.signal]));
    } catch (cause) {
      if (!nap.signal.aborted) throw cause;
    } finally {
      this.#nap = undefined;
    }
    this.#rest.working();
  }

  /** Sends this batch and what comes behind it; the one that was not taken whole is the batch in hand then. */
  async #runAhead(pipeline: Pipeline, first: Batch): Promise<void> {
    this.#batch = undefined;
    const replay = this.#replay;
    const many = LIVE_BATCHES * (this.#context.sink.inFlight ?? 1);
    let asking: Promise<void> | undefined, askAt = many, isEnough = false;
    const stalled = await pipeline.run(first, (sent) => {
      if (sent >= askAt && replay !== undefined && asking === undefined) {
        // Those in flight come to their end only where there is a job.
        asking = replay.isDue().then((isDue) => {
          isEnough = isDue;
          asking = undefined;
        });
        askAt = sent + many;
      }
      return isEnough;
    });
    await asking;
    if (isEnough) this.#live = LIVE_BATCHES;
    if (stalled === undefined) return;
    this.#batch = stalled.batch;
    await this.#judge(stalled.batch, stalled.interruption);
  }

  async #judge(
    batch: Batch,
    interruption: Interruption | undefined,
  ): Promise<void> {
    if (interruption !== undefined) await this.#interrupt(batch, interruption);
    else if (batch.isDecided) await this.#conclude(batch);
  }

  /** The batch in hand or the next one, without what has expired; undefined at the log's end. */
  async #refill(): Promise<Batch | undefined> {
    const { source, settings, clock } = this.#context;
    const isFresh = this.#isFresh;
    if (isFresh) {
      const { place } = this.#settlement;
      const bounds = this.#skimming ? STRIDE : this.#bounds(place);
      const { run, filtered, isAll } = await collect(
        source,
        place,
        bounds,
        this.#context,
      );
      this.#batch = run.count > 0 ? new Batch(run, filtered) : undefined;
      this.#isAll = isAll;
      const { tried, attempt } = place;
      if (tried !== undefined) this.#batch?.resume(tried, attempt);
      this.#suspected = false;
    }
    const batch = this.#batch;
    if (batch === undefined) return undefined;
    let expired = 0;
    if (
      settings.expire > 0 &&
      (isFresh || clock.monotonic() >= this.#nextExpiryLook)
    ) {
      this.#nextExpiryLook = clock.monotonic() + this.#expiryLook();
      expired = batch.expire(clock.now() - settings.expire);
      this.#skimming = expired > 0 && expired === batch.wanted;
    }
    // Of a fresh one nothing is decided but what is filtered or expired; if that is all, there is nothing to send.
    if (expired > 0 || isFresh && batch.isDecided) {
      const settled = batch.settle();
      const isOver = settings.strict !== undefined && batch.count === 0;
      await this.#settlement.write(settled, isOver ? { attempt: 0 } : {});
    }
    return batch;
  }

  /** What a new batch may hold: after a restart in the middle of its attempts (strict) what they carried. */
  #bounds({ attempt, attempted = 0 }: Place): Bounds {
    const { sink: { limits }, settings: { strict } } = this.#context;
    return strict === undefined || attempt === 0 || attempted === 0
      ? limits
      : { ...limits, events: Math.min(limits.events, attempted) };
  }

  /** Waits for the log, or so many milliseconds. */
  async #idle(most?: number): Promise<void> {
    if (most === 0) return;
    const idling = this.#idling = Promise.withResolvers<void>();
    const over = new AbortController();
    if (most !== undefined) {
      this.#context.clock.sleep(most, over.signal)
        .then(idling.resolve, () => undefined);
    }
    this.#watch();
    this.#rest.resting();
    try {
      await idling.promise;
    } finally {
      over.abort("woken");
    }
    this.#rest.working();
  }

  /** Whichever wait is under way hears of a change. One ear for all waits: on a quiet log there are thousands. */
  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#context.source.changed(this.#settlement.place, this.#stop).then(
      () => {
        this.#isWatching = false;
        this.#idling?.resolve();
      },
      (cause) => {
        this.#isWatching = false;
        this.#idling?.reject(cause);
      },
    );
  }

  /** A probe asks about everything again, and newer events join. */
  async #renew(batch: Batch): Promise<void> {
    const { source, sink, settings: { strict } } = this.#context;
    this.#probing = false;
    this.#sameProbes++;
    batch.reopen();
    // The attempts are those of this batch.
    if (strict !== undefined) return;
    const room = sink.limits.events - batch.wanted;
    // What is filtered takes no room in an attempt, but some in memory.
    const stride = {
      events: STRIDE.events - (batch.count - batch.wanted),
      bytes: STRIDE.bytes - batch.filteredBytes,
    };
    if (batch.full || room <= 0 || stride.events <= 0 || stride.bytes <= 0) {
      return;
    }
    const from = behind(batch.run, this.#settlement.place);
    const bounds = { events: room, bytes: sink.limits.bytes };
    const more = await collect(source, from, bounds, this.#context, stride);
    const before = batch.wanted;
    batch.extend(more.run, more.filtered);
    if (batch.wanted > before) this.#sameProbes = 0;
  }

  /** Weather or a setup fault: what is decided is settled, the rest goes again later. */
  async #interrupt(batch: Batch, answer: Interruption): Promise<void> {
    if (answer.kind === "held") return await this.#hold(batch, answer);
    if (await this.#isGivenUp(batch, answer)) return;
    const { isProgress } = batch;
    const tried = behind(batch.run, this.#settlement.place);
    const settled = batch.settle(), { wanted } = batch;
    const left = { isProgress, wanted, tried };
    this.#waitFor(await this.#settlement.retrying(settled, answer, left));
  }

  async #hold(batch: Batch, fault: Held, words?: string): Promise<void> {
    if (await this.#isGivenUp(batch, fault, words)) return;
    const tried = behind(batch.run, this.#settlement.place);
    const settled = batch.settle(), { wanted } = batch;
    this.#waitFor(
      await this.#settlement.held(settled, fault, { wanted, tried }, words),
    );
    this.#probing = true;
  }

  /** Strict: was this the batch's last attempt? Then its events become dead letters. */
  async #isGivenUp(
    batch: Batch,
    fault: Interruption,
    words?: string,
  ): Promise<boolean> {
    const { strict } = this.#context.settings;
    const attempt = this.#settlement.place.attempt + 1;
    if (strict === undefined || attempt < strict.attempts) return false;
    batch.giveUp(fault, attempt);
    this.#suspected = this.#probing = false;
    await this.#settlement.gaveUp(batch.settle(), fault, words);
    return true;
  }

  #waitFor(ms: number): void {
    this.#notBefore = this.#context.clock.monotonic() + ms;
  }

  /** All of the batch is decided: settles it, unless all that was sent was refused. */
  async #conclude(batch: Batch): Promise<void> {
    const { strict } = this.#context.settings;
    // A lone event that is refused is the event's fault; strict makes no difference between causes.
    const isDoubtful = !batch.taken &&
      batch.refused >= (this.#suspected || strict !== undefined ? 1 : 2);
    if (isDoubtful && strict !== undefined) {
      const fault = allRefused(batch);
      return await this.#hold(batch, fault, fault.help);
    }
    if (isDoubtful) {
      if (!this.#suspected) this.#sameProbes = 0;
      this.#suspected = true;
      const verdict = this.#isFinal(batch)
        ? await this.#sender.test()
        : "unknown";
      if (verdict === "unknown") {
        const fault = allRefused(batch);
        return await this.#hold(batch, fault, fault.help);
      }
      if (verdict !== "taken") return await this.#hold(batch, verdict);
    }
    this.#suspected = false;
    batch.taken = true;
    await this.#settlement.answered(batch.settle());
  }

  /** Waiting for other events would tell no more. */
  #isFinal(batch: Batch): boolean {
    return batch.full || batch.wanted >= this.#context.sink.limits.events ||
      this.#sameProbes >= SAME_PROBES;
  }

  #expiryLook(): number {
    return expiryLook(this.#context.settings.expire);
  }
}

/** How often expiry is looked at while something waits: a tenth of the span, a minute at most. Milliseconds. */
export function expiryLook(expire: number): number {
  return expire === 0
    ? EXPIRY_LOOK_MS
    : Math.min(EXPIRY_LOOK_MS, expire / EXPIRY_LOOK_SHARE);
}

/** What is shown when all of a batch was refused. The vendor's words, which may quote an event, stay in the status. */
function allRefused(batch: Batch): Held {
  return {
    kind: "held",
    reason: "config",
    message: `${
      batch.refused === 1
        ? "The event was refused"
        : `All ${batch.refused} events of a batch were refused`
    }: ${batch.firstRefusal?.message ?? ""}`,
    help:
      "A setting is probably wrong (index, format, permissions): correct it here or at the SIEM. The events are kept and tried again.",
  };
}
