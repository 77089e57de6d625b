/**
 * What is written when a batch, or its beginning, is decided: dead letters, place, books and state, in that order of
 * durability. What changes is said once in the diagnostics; never an event's content, nor the words of a refusal,
 * which may quote one.
 *
 * Over 300 lines because all that moves a connector's place and state in live delivery stands in one class.
 */

import type { Clock } from "../clock.ts";
import type { Outcome } from "../connector.ts";
import { EventRun, EventView, type Position } from "../event.ts";
import {
  advance,
  type DeadLetter,
  type Holding,
  type Place,
  type PlaceError,
  type PlaceState,
} from "../log/cursor.ts";
import type { Level, LogEvent, Logger } from "../logger.ts";
import {
  type BackoffSettings,
  probeDelay,
  retryDelay,
  strictDelay,
} from "./backoff.ts";
import { Batch, type DeadEvent, type Settled } from "./batch.ts";
import { type DeadLetterFile, deadLetterLine } from "./dead_letter_file.ts";

/** Milliseconds throughout. */
export interface DeliverySettings {
  readonly retry: BackoffSettings;
  readonly probe: BackoffSettings;
  /** What waits longer than this expires; 0: never. */
  readonly expire: number;
  /** A batch is given up after so many attempts, whatever the cause. Absent: never. */
  readonly strict?: {
    readonly attempts: number;
    /** What was given up is replayed once the connector delivers again. */
    readonly replay?: boolean;
  };
}

export interface SettlementContext {
  /** The connector's name. */
  readonly name: string;
  readonly settings: DeliverySettings;
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly logger: Logger;
  readonly deadLetterFile?: DeadLetterFile;
}

type Weather = Extract<Outcome, { kind: "retry" }>;
type Held = Extract<Outcome, { kind: "held" }>;
type FaultState = "retrying" | "held";
/** How a fault is told. */
const LINES = {
  held: ["error", "delivery.held"],
  retrying: ["warn", "delivery.retry"],
} as const satisfies Record<FaultState, readonly [Level, LogEvent]>;
type StatePatch = Partial<
  Pick<
    Place,
    | "state"
    | "attempt"
    | "attempted"
    | "tried"
    | "lastSuccess"
    | "lastError"
    | "nextAttemptAt"
  >
>;
/** What the attempt that failed leaves in hand. */
interface Left {
  /** It was taken in part: a patient backoff starts anew. */
  readonly isProgress: boolean;
  /** Events not settled, filtered ones aside. */
  readonly wanted: number;
  /** Behind the last of them. */
  readonly tried: Position;
}

/** Moves one connector's place. Each method resolves when what it wrote is durable. */
export class Settlement {
  readonly #context: SettlementContext;
  readonly #holding: Holding;
  #lost = false;

  constructor(context: SettlementContext, holding: Holding) {
    this.#context = context;
    this.#holding = holding;
  }

  /** The lease is gone: nothing more will be written. */
  get isLost(): boolean {
    return this.#lost || this.#holding.lost.aborted;
  }

  get place(): Place {
    return this.#holding.place;
  }

  /** A loop begins. It tries at once, whatever the one before it had planned. */
  async began(): Promise<void> {
    if (this.place.nextAttemptAt === null) return;
    await this.write(nothing(), { nextAttemptAt: null });
  }

  /** The SIEM answered for these events. */
  async answered(settled: Settled): Promise<void> {
    const { clock } = this.#context;
    const before = this.place.state;
    await this.write(settled, {
      state: "connected",
      attempt: 0,
      tried: undefined,
      nextAttemptAt: null,
      ...settled.delivered > 0 && { lastSuccess: clock.now() },
    });
    this.#sayResumed(before);
  }

  /**
   * Weather: settles what was decided before it and notes the next attempt.
   * @returns how long to wait, in milliseconds.
   */
  async retrying(
    settled: Settled,
    fault: Weather,
    { isProgress, ...left }: Left,
  ): Promise<number> {
    const { settings: { retry, strict }, random } = this.#context;
    const { reason, message, after } = fault;
    const attempt = this.#attempt("retrying", isProgress);
    const wait = strict === undefined
      ? retryDelay(retry, attempt, random, after)
      : strictDelay(retry, attempt, after);
    if (await this.#fault(settled, fault, { ...left, attempt, wait })) {
      this.#say("warn", "delivery.retry", "Cannot deliver; trying again.", {
        reason,
        error: message,
      });
    }
    return wait;
  }

  /**
   * A setup fault: settles what was decided before it and notes the next probe.
   * @param words what the diagnostics say, where `message` may quote an event.
   * @returns how long to wait, in milliseconds.
   */
  async held(
    settled: Settled,
    fault: Held,
    left: Omit<Left, "isProgress">,
    words = fault.message,
  ): Promise<number> {
    const { retry, probe, strict } = this.#context.settings;
    const { reason, help } = fault;
    const attempt = this.#attempt("held");
    const wait = strict === undefined
      ? probeDelay(probe, attempt)
      : strictDelay(retry, attempt);
    if (await this.#fault(settled, fault, { ...left, attempt, wait })) {
      this.#say(
        "error",
        "delivery.held",
        strict === undefined
          ? "Cannot deliver until a person acts; events are kept."
          : `Cannot deliver until a person acts; after ${strict.attempts} attempts events become dead letters.`,
        { reason, error: words, help },
      );
    }
    return wait;
  }

  /** The batch was given up (strict) after an attempt that met this. The state stays what the fault makes it. */
  async gaveUp(
    settled: Settled,
    fault: Weather | Held,
    words = fault.message,
  ): Promise<void> {
    const { reason } = fault;
    const { state, lastError, isNews } = this.#standing(fault);
    await this.write(settled, {
      state,
      attempt: 0,
      lastError,
      nextAttemptAt: null,
      ...settled.delivered > 0 && { lastSuccess: this.#context.clock.now() },
    });
    if (this.isLost || !isNews) return;
    const [level, event] = LINES[state];
    this.#say(level, event, "Cannot deliver; the attempts are used up.", {
      reason,
      error: words,
      ...lastError.help !== null && { help: lastError.help },
    });
  }

  /**
   * A replay's batch was answered while no live event was in hand: it moves no place, but what the SIEM took is the
   * connector's last success, and what it refused its last error.
   */
  async replayed(
    { isDelivered, refused }: {
      readonly isDelivered: boolean;
      /** The last one. */
      readonly refused: Pick<PlaceError, "reason" | "message"> | undefined;
    },
  ): Promise<void> {
    if (!isDelivered && refused === undefined) return;
    const before = this.place.state;
    await this.write(nothing(), {
      ...isDelivered && {
        state: "connected",
        attempt: 0,
        tried: undefined,
        nextAttemptAt: null,
        lastSuccess: this.#context.clock.now(),
      },
      ...refused !== undefined && {
        lastError: this.#error(refused.reason, refused.message, null),
      },
    });
    if (isDelivered) this.#sayResumed(before);
  }

  /**
   * A replay met a fault: it is the connector's last error. A connector whose last live events were delivered stays
   * `connected`; nothing here keeps the next ones from being sent at once.
   */
  async replayMet(fault: Weather | Held): Promise<void> {
    const { state, lastError, isNews } = this.#standing(fault);
    const isShown = this.place.state !== "connected";
    await this.write(nothing(), { lastError, ...isShown && { state } });
    if (this.isLost || !isShown || !isNews) return;
    const { reason, message: error, help } = lastError;
    const [level, event] = LINES[state];
    this.#say(level, event, "A replay cannot deliver; nothing else waits.", {
      reason,
      error,
      ...help !== null && { help },
    });
  }

  /** Writes what was decided, and what changed of the state. */
  async write(settled: Settled, patch: StatePatch): Promise<void> {
    if (this.isLost) return;
    const { run, delivered, expired, dead, filtered, ranges } = settled;
    const at = this.#context.clock.now();
    const before = this.place;
    const { end } = run;
    const moved = end === undefined
      ? before
      : advance(before, run.segments, end.index);
    const damaged = moved.books.expired - before.books.expired;
    const letters = dead.map((event) => letter(event, at));
    await this.#file(letters);
    const isKept = await this.#holding.settle(
      {
        ...moved,
        ...letters.length > 0 && { lastError: this.#refusal(letters) },
        ...patch,
        books: {
          ...moved.books,
          delivered: moved.books.delivered + delivered,
          filtered: moved.books.filtered + filtered,
          dead: moved.books.dead + letters.length,
          expired: moved.books.expired + expired,
        },
      },
      letters,
      { at, run, ranges },
    );
    if (!isKept) {
      this.#lost = true;
      return;
    }
    if (delivered > 0) {
      this.#say("debug", "delivery.delivered", "Events were delivered.", {
        events: delivered,
      });
    }
    if (letters.length > 0) {
      this.#say("warn", "delivery.dead", "Events became dead letters.", {
        events: letters.length,
        reasons: [...new Set(letters.map(({ reason }) => reason))],
      });
    }
    this.#sayExpired(expired, "age");
    this.#sayExpired(damaged, "damaged");
  }

  /** The number of the attempt that failed. @param isProgress it begins anew */
  #attempt(state: FaultState, isProgress = false): number {
    const { state: before, attempt } = this.place;
    const goesOn = this.#context.settings.strict !== undefined ||
      before === state && !isProgress;
    return goesOn ? attempt + 1 : 1;
  }

  /** Settles what was decided before the fault. @returns whether the fault is news */
  async #fault(
    settled: Settled,
    fault: Weather | Held,
    { attempt, wait, wanted, tried }: Omit<Left, "isProgress"> & {
      readonly attempt: number;
      readonly wait: number;
    },
  ): Promise<boolean> {
    const { clock, settings: { strict } } = this.#context;
    const { state, lastError, isNews } = this.#standing(fault);
    await this.write(settled, {
      state,
      attempt,
      ...strict !== undefined && { attempted: wanted },
      tried,
      lastError,
      nextAttemptAt: clock.now() + wait,
      ...settled.delivered > 0 && { lastSuccess: clock.now() },
    });
    return isNews;
  }

  /** What the fault makes of the place, and whether it was not so before. */
  #standing(fault: Weather | Held): {
    readonly state: FaultState;
    readonly lastError: PlaceError;
    readonly isNews: boolean;
  } {
    const isHeld = fault.kind === "held";
    const state = isHeld ? "held" : "retrying";
    const { reason, message } = fault;
    const lastError = this.#error(reason, message, isHeld ? fault.help : null);
    const before = this.place;
    const isNews = before.state !== state ||
      before.lastError?.reason !== reason;
    return { state, lastError, isNews };
  }

  /** The file comes before the place: written twice is harmless, not written is a loss. */
  async #file(letters: readonly DeadLetter[]): Promise<void> {
    const { deadLetterFile, name } = this.#context;
    if (deadLetterFile === undefined || letters.length === 0) return;
    const view = new EventView();
    await deadLetterFile.append(
      letters.map(({ segment, index, ...note }) =>
        deadLetterLine(view.at(segment, index), { ...note, connector: name })
      ),
    );
  }

  #refusal(letters: readonly DeadLetter[]): PlaceError | null {
    const last = letters.at(-1);
    return last === undefined
      ? null
      : this.#error(last.reason, last.error, null);
  }

  #error(
    reason: PlaceError["reason"],
    message: string,
    help: string | null,
  ): PlaceError {
    return { reason, message, help, at: this.#context.clock.now() };
  }

  #sayResumed(before: PlaceState): void {
    if (this.isLost || before !== "retrying" && before !== "held") return;
    this.#say("info", "delivery.resumed", "Deliveries go on.");
  }

  #sayExpired(events: number, reason: "age" | "damaged"): void {
    if (events === 0) return;
    this.#say("error", "delivery.expired", "Events expired undelivered.", {
      events,
      reason,
    });
  }

  #say(
    level: Level,
    event: LogEvent,
    message: string,
    fields: Readonly<Record<string, unknown>> = {},
  ): void {
    this.#context.logger.log(level, event, message, {
      connector: this.#context.name,
      ...fields,
    });
  }
}

/** A settle that decides no event. */
function nothing(): Settled {
  return new Batch(new EventRun()).settle();
}

function letter(
  { segment, index, reason, message, attempts, givenUp }: DeadEvent,
  at: number,
): DeadLetter {
  return {
    segment,
    index,
    reason,
    error: message,
    attempts,
    ...givenUp !== undefined && { givenUp: true },
    at,
  };
}
