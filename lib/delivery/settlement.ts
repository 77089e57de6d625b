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
    await this.write(new Batch(new EventRun()).settle(), {
      nextAttemptAt: null,
    });
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
    if (this.isLost) return;
    if (before === "retrying" || before === "held") {
      this.#say("info", "delivery.resumed", "Deliveries go on.");
    }
  }

  /**
   * Weather: settles what was decided before it and notes the next attempt.
   * @returns how long to wait, in milliseconds.
   */
  async retrying(
    settled: Settled,
    { reason, message, after }: Weather,
    { isProgress, wanted, tried }: Left,
  ): Promise<number> {
    const { settings: { retry, strict }, random } = this.#context;
    const { state, attempt: before } = this.place;
    const goesOn = strict !== undefined || state === "retrying" && !isProgress;
    const attempt = goesOn ? before + 1 : 1;
    const wait = strict === undefined
      ? retryDelay(retry, attempt, random, after)
      : strictDelay(retry, attempt, after);
    const lastError = this.#error(reason, message, null);
    const isNews = this.#isNews("retrying", reason);
    await this.#fault(settled, "retrying", {
      attempt,
      lastError,
      wait,
      wanted,
      tried,
    });
    if (isNews) {
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
    { reason, message, help }: Held,
    { wanted, tried }: Omit<Left, "isProgress">,
    words = message,
  ): Promise<number> {
    const { retry, probe, strict } = this.#context.settings;
    const { state, attempt: before } = this.place;
    const goesOn = strict !== undefined || state === "held";
    const attempt = goesOn ? before + 1 : 1;
    const wait = strict === undefined
      ? probeDelay(probe, attempt)
      : strictDelay(retry, attempt);
    const lastError = this.#error(reason, message, help);
    const isNews = this.#isNews("held", reason);
    await this.#fault(settled, "held", {
      attempt,
      lastError,
      wait,
      wanted,
      tried,
    });
    if (isNews) {
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
    const { reason, message } = fault;
    const state = fault.kind === "held" ? "held" : "retrying";
    const help = fault.kind === "held" ? fault.help : null;
    const isNews = this.#isNews(state, reason);
    await this.write(settled, {
      state,
      attempt: 0,
      lastError: this.#error(reason, message, help),
      nextAttemptAt: null,
      ...settled.delivered > 0 && { lastSuccess: this.#context.clock.now() },
    });
    if (this.isLost || !isNews) return;
    const [level, event] = state === "held"
      ? ["error", "delivery.held"] as const
      : ["warn", "delivery.retry"] as const;
    this.#say(level, event, "Cannot deliver; the attempts are used up.", {
      reason,
      error: words,
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

  async #fault(
    settled: Settled,
    state: "retrying" | "held",
    { attempt, lastError, wait, wanted, tried }: Omit<Left, "isProgress"> & {
      readonly attempt: number;
      readonly lastError: PlaceError;
      readonly wait: number;
    },
  ): Promise<void> {
    const { clock, settings: { strict } } = this.#context;
    await this.write(settled, {
      state,
      attempt,
      ...strict !== undefined && { attempted: wanted },
      tried,
      lastError,
      nextAttemptAt: clock.now() + wait,
      ...settled.delivered > 0 && { lastSuccess: clock.now() },
    });
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

  #isNews(state: Place["state"], reason: string): boolean {
    return this.place.state !== state ||
      this.place.lastError?.reason !== reason;
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
