/**
 * A batch while it is being decided: each of its events is pending, delivered, refused, expired or filtered, never
 * two of them and never none. The SIEM's answers are applied here; when to send, wait and settle is the session's.
 *
 * What is pending goes in groups: each group into one attempt where it fits, the one with the first pending event first.
 * Groups follow each other in the batch. What an attempt carries is a group of its own, so that an attempt that ends
 * without an answer needs nothing done: its events are pending as they were.
 *
 * Over 300 lines because all that may change an event's fate stands in one class.
 */

import type { Answer, Outcome, Rejection } from "../connector.ts";
import { EventRun, EventView, type Position, type Segment } from "../event.ts";
import {
  type Decision,
  isBefore,
  NO_ANSWER,
  type RunRange,
} from "../log/decision.ts";
import type { BatchBuffer } from "./batch_buffer.ts";
import type { Filtered } from "./batches.ts";
import {
  type Change,
  type Fate,
  Fates,
  type Pending,
  type Refusal,
} from "./fates.ts";

const NONE_FILTERED: Filtered = { ranges: [], bytes: 0 };

/** An event to be laid aside. */
export interface DeadEvent extends Refusal {
  readonly segment: Segment;
  readonly index: number;
  /** How often it was sent. */
  readonly attempts: number;
}

/** The batch's first events, decided and taken out of it. */
export interface Settled {
  readonly run: EventRun;
  readonly delivered: number;
  readonly expired: number;
  readonly dead: readonly DeadEvent[];
  readonly filtered: number;
  /** What became of all of the run, in its order. */
  readonly ranges: readonly RunRange[];
}

/** Answers that end the sending for now. */
export type Interruption = Extract<Outcome, { kind: "retry" | "held" }>;

/** Events in log order, what became of each so far, and which go into the next attempt. Places count from 0. */
export class Batch {
  /** It can hold no more: newer events cannot join. */
  full = false;
  /** Some event was taken, or the test event was: a refusal is the event's own fault, not that of the settings. */
  taken = false;
  /** The last attempt's answer decided something. */
  isProgress = false;
  /** Bytes of the events that were filtered, those settled since too. */
  filteredBytes = 0;
  #run: EventRun;
  /** Of each event of the run. */
  #fates = new Fates();
  /** The newest group's number. Not in order: what is pending says which group is the next. */
  #groups = 0;
  /** The group that the attempt in hand carries, event for event. */
  #sent = 0;

  /** The run is the batch's own from now on. */
  constructor(run: EventRun, filtered: Filtered = NONE_FILTERED) {
    this.#run = run;
    this.#join(run.count, filtered);
  }

  /** The events not settled yet. */
  get run(): EventRun {
    return this.#run;
  }

  get count(): number {
    return this.run.count;
  }

  /** How many events are not filtered: those that the sink is to get. */
  get wanted(): number {
    return this.#wantedFrom(0);
  }

  /** No event is pending. */
  get isDecided(): boolean {
    return this.#fates.firstGroup === undefined;
  }

  /** How many events the SIEM itself refused. */
  get refused(): number {
    let refused = 0;
    for (const { count, fate } of this.#fates.stretches) {
      if (isRefusedThere(fate)) refused += count;
    }
    return refused;
  }

  /** The first of the SIEM's refusals, for its words. */
  get firstRefusal(): Refusal | undefined {
    for (const { fate } of this.#fates.stretches) {
      if (isRefusedThere(fate)) return fate.refusal;
    }
    return undefined;
  }

  /** An earlier loop sent those before a place so often already, in vain. */
  resume(until: Position, tries: number): void {
    let count = 0;
    while (count < this.count && isBefore(this.#run.position(count), until)) {
      count++;
    }
    const fates = this.#fates.slice(0, count)
      .map((fate) => fate.kind === "pending" ? { ...fate, tries } : fate);
    for (const { count: some, fate } of this.#fates.slice(count).stretches) {
      fates.push(some, fate);
    }
    this.#fates = fates;
  }

  /** Newer events join; all that is pending goes as one. */
  extend(run: EventRun, filtered: Filtered = NONE_FILTERED): void {
    this.#run.append(run);
    this.#join(run.count, filtered);
    this.#regroup();
  }

  /** Asks again about what the SIEM refused: a probe after all of the batch was. */
  reopen(): void {
    this.#fates = this.#fates.map((fate) =>
      isRefusedThere(fate)
        ? { kind: "pending", tries: fate.tries, group: 0 }
        : fate
    );
    this.#regroup();
  }

  /**
   * Encodes the next attempt.
   * @returns false when nothing is left to send.
   * @throws what `encode` throws, which is a bug; nothing has changed then.
   */
  prepare(
    encode: (run: EventRun, into: BatchBuffer) => void,
    into: BatchBuffer,
  ): boolean {
    this.isProgress = false;
    for (;;) {
      const group = this.#fates.firstGroup;
      if (group === undefined) return false;
      const places = this.#fates.placesOf(group);
      const size = places.reduce((sum, { count }) => sum + count, 0);
      into.reset();
      encode(size === this.count ? this.run : this.run.pick(places), into);
      if (into.count === 0) {
        throw new TypeError("A connector encoded no event of a batch");
      }
      if (into.events + into.refusals.length !== into.count) {
        throw new TypeError("A connector passed over an event of a batch");
      }
      this.#carry(group, into);
      if (into.count < size) this.#leave(group, size - into.count);
      if (!into.empty) return true;
    }
  }

  /**
   * Applies the answer to the attempt that `prepare` made.
   * @returns the answer when sending must pause; undefined when it goes on at once.
   * @throws {TypeError} when it names an event that was not sent: a bug; nothing has changed then.
   */
  apply(outcome: Outcome, sent: BatchBuffer): Interruption | undefined {
    switch (outcome.kind) {
      case "delivered":
        this.#decide(sent, [], []);
        return undefined;
      case "rejected": {
        const { rejections, pending = [] } = outcome;
        this.#decide(sent, rejections, pending);
        return rejections.length === 0 && pending.length === sent.events
          ? { kind: "retry", reason: "unclear", message: UNCLEAR }
          : undefined;
      }
      case "retry":
        this.#decide(sent, outcome.rejections ?? [], outcome.pending);
        if (outcome.smaller === true) this.#halve();
        return outcome;
      case "split": {
        const { reason, message } = outcome;
        const to = refusing({ reason, message, sent: true });
        if (sent.events > 1) this.#halve();
        else this.#recast([{ count: 1, to }]);
        return undefined;
      }
      case "held":
        return outcome;
      default:
        return outcome satisfies never;
    }
  }

  /**
   * Gives up all that is pending or refused by the SIEM, after `attempts` attempts of the batch. `last`: what the last
   * one met; where the SIEM refused an event, its words about that stay.
   */
  giveUp(
    { reason, message }: Pick<Refusal, "reason" | "message">,
    attempts: number,
  ): void {
    const last = { reason, message, sent: true, givenUp: attempts };
    this.#fates = this.#fates.map((fate) => {
      if (fate.kind === "pending") {
        return { kind: "refused", tries: fate.tries, refusal: last };
      }
      return isRefusedThere(fate)
        ? { ...fate, refusal: { ...fate.refusal, givenUp: attempts } }
        : fate;
    });
    this.taken = true;
  }

  /** Gives up what is not settled and came no later than `until` (milliseconds since the Unix epoch). */
  expire(until: number): number {
    const isLate = this.run.segments.some(({ runs }) =>
      runs.some(({ receivedAt }) => receivedAt <= until)
    );
    if (!isLate) return 0;
    let expired = 0;
    const view = new EventView(), fates = new Fates();
    for (const { at, count, fate } of this.#fates.stretches) {
      if (!this.#isOpen(fate)) {
        fates.push(count, fate);
        continue;
      }
      for (let place = at; place < at + count; place++) {
        const isOver = this.run.view(place, view).receivedAt <= until;
        fates.push(1, isOver ? { kind: "expired" } : fate);
        if (isOver) expired++;
      }
    }
    this.#fates = fates;
    return expired;
  }

  /** Takes the decided events off the front. While nothing was taken, what the SIEM refused is not decided. */
  settle(): Settled {
    const open = this.#fates.stretches.find(({ fate }) => this.#isOpen(fate));
    const length = open?.at ?? this.count;
    const run = this.#run.slice(0, length), view = new EventView();
    let delivered = 0, expired = 0, filtered = 0;
    const dead: DeadEvent[] = [];
    const ranges: Range[] = [];
    for (const { at, count, fate } of this.#fates.slice(0, length).stretches) {
      const decision = decisionOf(fate), last = ranges.at(-1);
      if (decision.kind === "dead" && last?.decision.kind === "dead") {
        last.count += count;
      } else ranges.push({ at, count, decision });
      if (fate.kind === "delivered") delivered += count;
      else if (fate.kind === "expired") expired += count;
      else if (fate.kind === "filtered") filtered += count;
      if (fate.kind !== "refused") continue;
      const { refusal, tries } = fate;
      for (let place = at; place < at + count; place++) {
        const { segment, index } = run.view(place, view);
        const attempts = refusal.givenUp ?? tries;
        dead.push({ ...refusal, segment, index, attempts });
      }
    }
    if (length > 0) {
      this.#keep(length);
      this.full = false;
    }
    return { run, delivered, expired, dead, filtered, ranges };
  }

  /** The event is not settled: nobody knows yet what becomes of it. */
  #isOpen(fate: Fate): boolean {
    return fate.kind === "pending" || !this.taken && isRefusedThere(fate);
  }

  /** Notes what an attempt carries of a group, and what of it has no wire form. */
  #carry(group: number, into: BatchBuffer): void {
    const sent = this.#sent = ++this.#groups;
    const to = ({ tries }: Pending): Pending => ({
      kind: "pending",
      tries: tries + 1,
      group: sent,
    });
    const changes: Change[] = [];
    let next = 0;
    for (const { at, reason, message } of into.refusals) {
      changes.push({ count: at - next, to });
      changes.push({
        count: 1,
        to: refusing({ reason, message, sent: false }),
      });
      next = at + 1;
    }
    changes.push({ count: into.count - next, to });
    this.#fates = this.#fates.recast(group, changes);
  }

  /** What did not fit leaves the batch where it is its end, to come again with the next one; else it waits its turn. */
  #leave(group: number, left: number): void {
    const first = this.#fates.placesOf(group)[0]?.at ?? this.count;
    if (left < this.#wantedFrom(first)) return;
    this.#keep(0, first);
    this.full = true;
  }

  /** `pending`: what was not looked at, and the rest was taken; absent: all that is not rejected, and nothing was taken. */
  #decide(
    sent: BatchBuffer,
    rejections: readonly Rejection[],
    pending: readonly number[] | undefined,
  ): void {
    const named = [
      ...rejections.map(({ at, reason, message }) => ({
        at,
        to: refusing({ reason, message, sent: true }),
      })),
      ...(pending ?? []).map((at) => ({ at, to: again })),
    ].sort((one, other) => one.at - other.at);
    const others = pending === undefined ? again : delivering(sent.answer);
    const changes: Change[] = [];
    let next = 0;
    for (const { at, to } of named) {
      const position = sent.positionOf(at);
      // Not written, or named before.
      if (position < next) {
        throw new TypeError(`The answer names event ${at}, which was not sent`);
      }
      changes.push({ count: position - next, to: others }, { count: 1, to });
      next = position + 1;
    }
    changes.push({ count: sent.events - next, to: others });
    this.#recast(changes);
    const left = pending?.length ?? sent.events - rejections.length;
    this.isProgress = left < sent.events;
    if (pending !== undefined && named.length < sent.events) this.taken = true;
  }

  /** What is pending of the attempt goes in two, with a half of the events each. */
  #halve(): void {
    const size = this.#fates.placesOf(this.#sent)
      .reduce((sum, { count }) => sum + count, 0);
    const group = ++this.#groups;
    this.#recast([
      { count: Math.ceil(size / 2), to: again },
      { count: size, to: (fate) => ({ ...fate, group }) },
    ]);
  }

  /** Changes the events of the attempt, in their order. */
  #recast(changes: readonly Change[]): void {
    this.#fates = this.#fates.recast(this.#sent, changes);
  }

  #join(events: number, { ranges, bytes }: Filtered): void {
    const pending: Pending = { kind: "pending", tries: 0, group: 0 };
    let next = 0;
    for (const { at, count, by } of ranges) {
      this.#fates.push(at - next, pending);
      this.#fates.push(count, { kind: "filtered", by });
      next = at + count;
    }
    this.#fates.push(events - next, pending);
    this.filteredBytes += bytes;
  }

  /** All that is pending goes as one. */
  #regroup(): void {
    const group = ++this.#groups;
    this.#fates = this.#fates.map((fate) =>
      fate.kind === "pending" ? { ...fate, group } : fate
    );
  }

  /** Keeps these of its events alone. */
  #keep(from: number, until: number = this.count): void {
    this.#run = this.#run.slice(from, until);
    this.#fates = this.#fates.slice(from, until);
  }

  #wantedFrom(place: number): number {
    let wanted = 0;
    for (const { at, count, fate } of this.#fates.stretches) {
      if (at >= place && fate.kind !== "filtered") wanted += count;
    }
    return wanted;
  }
}

/** What several batches in a row settle; the first one's run grows. */
export function joined(all: readonly Settled[]): Settled {
  const [first, ...more] = all;
  if (first === undefined) throw new TypeError("Nothing to settle");
  const { run } = first;
  let { delivered, expired, filtered } = first;
  const dead = [...first.dead];
  const ranges = [...first.ranges];
  for (const settled of more) {
    for (const { at, ...range } of settled.ranges) {
      ranges.push({ at: at + run.count, ...range });
    }
    run.append(settled.run);
    delivered += settled.delivered;
    expired += settled.expired;
    filtered += settled.filtered;
    for (const event of settled.dead) dead.push(event);
  }
  return { run, delivered, expired, dead, filtered, ranges };
}

interface Range extends RunRange {
  count: number;
}

function decisionOf(fate: Fate): Decision {
  switch (fate.kind) {
    case "delivered": {
      const { tries: attempts, answer } = fate;
      return { kind: "delivered", attempts, answer };
    }
    case "expired":
      return { kind: "expired", reason: "age" };
    case "refused":
      return { kind: "dead" };
    case "filtered":
      return { kind: "filtered", by: fate.by };
    case "pending":
      throw new TypeError("An event that is pending is not settled");
    default:
      return fate satisfies never;
  }
}

const UNCLEAR = "The answer decided no event.";

/** By the SIEM, not for want of a wire form. */
function isRefusedThere(
  fate: Fate,
): fate is Extract<Fate, { kind: "refused" }> {
  return fate.kind === "refused" && fate.refusal.sent;
}

// What the events of an attempt may become.

function again(fate: Pending): Pending {
  return fate;
}

function delivering(answer: Answer = NO_ANSWER): Change["to"] {
  return ({ tries }) => ({ kind: "delivered", tries, answer });
}

function refusing(refusal: Refusal): Change["to"] {
  return ({ tries }) => ({ kind: "refused", tries, refusal });
}
