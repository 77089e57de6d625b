/**
 * A connector's replays, in its own loop: one batch at a time, through its sink, when no live event waits to be sent,
 * or when very many went before (`Session`), so that a job comes to its end under any load.
 *
 * Invariants: what a batch decided is durable before the next is sent, so a kill repeats at most one; a batch whose
 * commit is refused (the lease is lost) is forgotten. Weather and setup faults make a job wait, for ever; a pause takes
 * hold after the batch in flight. Jobs come one after the other, the oldest first; a paused one holds up none. What a
 * batch met is the connector's last success or error too (`Settlement`); it never keeps live events from being sent.
 *
 * Over 300 lines because every step of a turn reads and changes the same state.
 */

import type { Holding, PlaceError } from "../log/cursor.ts";
import { DeadPlanRefused } from "../log/dead_books.ts";
import { commitPart } from "../log/job_progress.ts";
import { type JobPart, type JobRecord, leftOf } from "../log/job.ts";
import type { JobDecision } from "../log/job_decision.ts";
import { openJobs, readJobRecord, readPart } from "../log/jobs.ts";
import { messageOf } from "../log/kv.ts";
import type { Replays } from "../log/replays.ts";
import { Bases } from "../log/standing.ts";
import { probeDelay, retryDelay } from "./backoff.ts";
import type { Interruption } from "./batch.ts";
import type { Scoping, Source } from "./batches.ts";
import { type DecidedContext, makeDurable } from "./replay_commit.ts";
import { nextLetters, nextOfLog, type ReplayBatch } from "./replay_batch.ts";
import { Sender, type SenderContext } from "./sender.ts";
import type { Settlement, SettlementContext } from "./settlement.ts";

/** How often to look for jobs that other processes began, in milliseconds. */
const LOOK_MS = 2_000;
/** After a store that failed, and after a lease that is lost. */
const RETRY_MS = 1_000;

export interface ReplayContext
  extends SenderContext, SettlementContext, Scoping {
  readonly source: Source;
  /** Absent: there are none. */
  readonly replays?: Replays | undefined;
}

/** A job that is being carried out. */
interface Work {
  readonly record: JobRecord;
  readonly bases: Bases | undefined;
  part: JobPart;
  batch: ReplayBatch | undefined;
  /** Failures in a row. */
  failures: number;
}

export class ReplayTurns {
  readonly #context: ReplayContext;
  readonly #replays: Replays;
  readonly #holding: Holding;
  readonly #settlement: Settlement;
  readonly #fence: Deno.AtomicCheck;
  readonly #sender: Sender;
  readonly #stop: AbortSignal;
  readonly #unlisten: () => void;
  #work: Work | undefined;
  /** There may be a job that is not known here. */
  #isStale = true;
  /** Not before this, on the monotonic clock. */
  #notBefore = 0;
  #nextLook = Infinity;
  /** Letters counted when those given up were looked for. */
  #lookedAtDead = -1;

  /** Undefined: this loop carries out none. `wake` is called when there may be one. */
  static open(
    context: ReplayContext,
    { holding, settlement }: {
      readonly holding: Holding;
      readonly settlement: Settlement;
    },
    signals: { readonly ends: AbortSignal; readonly stop: AbortSignal },
    wake: () => void,
  ): ReplayTurns | undefined {
    const { replays } = context;
    const { fence } = holding;
    return replays === undefined || fence === undefined
      ? undefined
      : new ReplayTurns(context, {
        replays,
        holding,
        settlement,
        fence,
        wake,
        ...signals,
      });
  }

  private constructor(
    context: ReplayContext,
    parts: {
      readonly replays: Replays;
      readonly holding: Holding;
      readonly settlement: Settlement;
      readonly fence: Deno.AtomicCheck;
      readonly ends: AbortSignal;
      readonly stop: AbortSignal;
      readonly wake: () => void;
    },
  ) {
    const { replays, holding, settlement, fence, ends, stop, wake } = parts;
    this.#context = context;
    this.#replays = replays;
    this.#holding = holding;
    this.#settlement = settlement;
    this.#fence = fence;
    this.#stop = stop;
    this.#sender = new Sender(context, ends);
    this.#unlisten = replays.listen(context.name, () => {
      this.#isStale = true;
      wake();
    });
  }

  close(): void {
    this.#unlisten();
  }

  /** How long until there is something to do, in milliseconds; undefined: until it is told. */
  get wait(): number | undefined {
    const now = this.#context.clock.monotonic();
    const at = this.#work !== undefined || this.#isStale
      ? this.#ready
      : this.#nextLook;
    return at === Infinity ? undefined : Math.max(0, at - now);
  }

  /** A batch that waits for the SIEM goes at once. @returns whether there is one. */
  tryNow(): boolean {
    if (this.#work === undefined || this.#work.failures === 0) return false;
    this.#notBefore = this.#sender.notBefore = 0;
    return true;
  }

  /** Could a batch be sent now? Not to be asked while one is. */
  async isDue(): Promise<boolean> {
    if (this.#context.clock.monotonic() < this.#ready) return false;
    try {
      return await this.#hasWork();
    } catch {
      // Its turn tells.
      return this.#isStale = true;
    }
  }

  /** Sends one batch, if it is time for one. @returns whether anything was done. */
  async turn(): Promise<boolean> {
    const { clock, logger, name } = this.#context;
    const now = clock.monotonic();
    if (now < this.#ready) return false;
    try {
      await this.#lookForGivenUp();
      if (!await this.#hasWork()) return false;
      const work = this.#work;
      if (work !== undefined) await this.#advance(work);
      return true;
    } catch (error) {
      this.#stop.throwIfAborted();
      // What was decided meanwhile is in the store or not: it tells.
      this.#work = undefined;
      this.#isStale = true;
      this.#notBefore = clock.monotonic() + RETRY_MS;
      if (!(error instanceof DeadPlanRefused)) {
        logger.log("warn", "store.slow", "A replay could not go on", {
          connector: name,
          error: messageOf(error),
        });
        await this.#replays.store.refresh().catch(() => undefined);
      }
      return true;
    }
  }

  get #ready(): number {
    return Math.max(this.#notBefore, this.#sender.notBefore);
  }

  /** Finds the job to go on with, and whether it may. */
  async #hasWork(): Promise<boolean> {
    const { store } = this.#replays;
    const { name, clock } = this.#context;
    if (this.#work !== undefined) {
      const record = await readJobRecord(store, this.#work.record.id);
      if (record?.state === "running") return true;
      this.#work = undefined;
      this.#isStale = true;
    }
    if (!this.#isStale && clock.monotonic() < this.#nextLook) return false;
    this.#isStale = false;
    this.#nextLook = store.isExclusive ? Infinity : clock.monotonic() + LOOK_MS;
    for (const id of await openJobs(store, name)) {
      const record = await readJobRecord(store, id);
      const part = await readPart(store, id, name);
      if (record?.state !== "running" || part?.endedAt !== null) continue;
      this.#work = {
        record,
        part,
        bases: record.kind === "log"
          ? new Bases(this.#replays.history, name, this.#holding.place)
          : undefined,
        batch: undefined,
        failures: 0,
      };
      this.#say("info", "replay.started", "A replay goes on", this.#work);
      return true;
    }
    return false;
  }

  async #advance(work: Work): Promise<void> {
    const { clock } = this.#context;
    if (work.batch === undefined) {
      work.batch = await this.#collect(work);
      if (work.batch.isOver) {
        // A log that closes has no next event either.
        this.#stop.throwIfAborted();
        return await this.#end(work);
      }
    }
    const { batch } = work;
    const interruption = await this.#sender.make(batch.batch);
    const decisions = batch.take(clock.now());
    const sent = decisions.filter((one) => "id" in one).length;
    work.part = await makeDurable(this.#decided, work.part, decisions);
    await this.#settlement.replayed(shownOf(decisions));
    // What did not fit into an attempt has left the batch, and is collected again.
    if (batch.isOver || batch.batch.count === 0) work.batch = undefined;
    const { rate } = work.record;
    if (rate > 0 && sent > 0) {
      const from = Math.max(this.#notBefore, clock.monotonic());
      this.#notBefore = from + sent * 1_000 / rate;
    }
    if (interruption !== undefined) {
      return await this.#interrupt(work, interruption);
    }
    if (sent > 0) work.failures = 0;
    // Not to be shown as running until it is time for a next batch.
    if (leftOf(work.part) === 0) await this.#end(work);
  }

  #collect(work: Work): Promise<ReplayBatch> {
    const { record, part, bases } = work;
    const { sink: { limits } } = this.#context;
    const { store } = this.#replays;
    const most = record.rate === 0 ? Infinity : Math.max(1, record.rate);
    const bounds = {
      events: Math.min(limits.events, Math.floor(most)),
      bytes: limits.bytes,
    };
    const context = { ...this.#context, store };
    return bases === undefined
      ? nextLetters(context, part, bounds)
      : nextOfLog(context, { record, part, bases }, bounds);
  }

  async #interrupt(work: Work, fault: Interruption): Promise<void> {
    const { settings, random, clock } = this.#context;
    const { retry, probe } = settings;
    work.failures++;
    const wait = fault.kind === "held"
      ? probeDelay(probe, work.failures)
      : retryDelay(retry, work.failures, random, fault.after);
    this.#notBefore = Math.max(this.#notBefore, clock.monotonic() + wait);
    const { reason, message } = fault;
    const before = work.part.lastError;
    if (before?.reason === reason && before.message === message) return;
    const lastError: PlaceError = {
      reason,
      message,
      help: fault.kind === "held" ? fault.help : null,
      at: clock.now(),
    };
    work.part = await commitPart(this.#commitNow, work.part, { lastError });
    await this.#settlement.replayMet(fault);
    this.#say("warn", "replay.waits", "A replay waits for the SIEM", work, {
      reason,
      error: message,
    });
  }

  async #end(work: Work): Promise<void> {
    work.part = await commitPart(this.#commitNow, work.part, "ended");
    this.#work = undefined;
    this.#isStale = true;
    const { delivered, filtered, dead, skipped } = work.part;
    const counts = { delivered, filtered, dead, skipped };
    this.#say("info", "replay.ended", "A replay has ended", work, counts);
  }

  /** Strict: what was given up is replayed once the connector delivers again, where that is asked for. */
  async #lookForGivenUp(): Promise<void> {
    const { settings: { strict }, name } = this.#context;
    const { state, books } = this.#holding.place;
    if (strict?.replay !== true || state !== "connected") return;
    if (books.dead === this.#lookedAtDead) return;
    if (await this.#replays.hasOpen(name)) return;
    this.#lookedAtDead = books.dead;
    if (books.dead > 0) await this.#replays.startGivenUp(name);
  }

  get #decided(): DecidedContext {
    const { store } = this.#replays;
    return { ...this.#context, store, fence: this.#fence, stop: this.#stop };
  }

  get #commitNow() {
    return {
      store: this.#replays.store,
      fence: this.#fence,
      now: this.#context.clock.now(),
    };
  }

  #say(
    level: "info" | "warn",
    event: "replay.started" | "replay.waits" | "replay.ended",
    message: string,
    { record }: Work,
    fields: Readonly<Record<string, unknown>> = {},
  ): void {
    const { logger, name } = this.#context;
    logger.log(level, event, message, {
      connector: name,
      replay: record.id,
      ...fields,
    });
  }
}

/** What of a batch's decisions the connector's status shows. */
function shownOf(
  decisions: readonly JobDecision[],
): Parameters<Settlement["replayed"]>[0] {
  const refused = decisions.findLast((one) => one.kind === "dead");
  return {
    isDelivered: decisions.some(({ kind }) => kind === "delivered"),
    refused: refused && { reason: refused.reason, message: refused.error },
  };
}
