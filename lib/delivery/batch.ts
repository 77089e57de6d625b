/**
 * A batch while it is being decided: each of its events is pending, delivered, refused, expired or filtered, never
 * two of them and never none. The SIEM's answers are applied here; when to send, wait and settle is the session's.
 *
 * Over 300 lines because all that may change an event's state stands in one class.
 */

import { SCOPE_KEYS } from "../config/scope.ts";
import type { Answer, Outcome, Reason } from "../connector.ts";
import { EventRun, EventView, type Segment } from "../event.ts";
import { type Decision, NO_ANSWER, type RunRange } from "../log/decision.ts";
import type { BatchBuffer } from "./batch_buffer.ts";
import type { Filtered } from "./batches.ts";

const NONE_FILTERED: Filtered = { ranges: [], bytes: 0 };

/** From `FILTERED` on: filtered, by the part of the scope that stands there in `SCOPE_KEYS`. */
const PENDING = 0, DELIVERED = 1, REFUSED = 2, EXPIRED = 3, FILTERED = 4;

/** Why an event was refused. */
export interface Refusal {
  readonly reason: Reason;
  readonly message: string;
  /** The SIEM refused it; otherwise it has no wire form and was never sent. */
  readonly sent: boolean;
  /** Given up after so many attempts of the batch, whatever the cause. */
  readonly givenUp?: number;
}

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
  #states: number[] = [];
  /** Attempts that carried each event. */
  #tries: number[] = [];
  /** What the SIEM said of each event that it took. */
  #answers: (Answer | undefined)[] = [];
  #refusals = new Map<number, Refusal>();
  /** What is to be sent, in order; each list goes into one attempt where it fits. */
  #groups: number[][] = [];
  /** What the attempt in hand carries. */
  #group: number[] = [];

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
    return this.#groups.length === 0;
  }

  /** How many events the SIEM itself refused. */
  get refused(): number {
    let refused = 0;
    for (const { sent } of this.#refusals.values()) if (sent) refused++;
    return refused;
  }

  /** The first of the SIEM's refusals, for its words. */
  get firstRefusal(): Refusal | undefined {
    return this.#refusals.values().find(({ sent }) => sent);
  }

  /** Newer events join; all that is pending goes as one. */
  extend(run: EventRun, filtered: Filtered = NONE_FILTERED): void {
    append(this.run, run);
    this.#join(run.count, filtered);
  }

  /** Asks again about what the SIEM refused: a probe after all of the batch was. */
  reopen(): void {
    for (const [place, { sent }] of this.#refusals) {
      if (!sent) continue;
      this.#states[place] = PENDING;
      this.#refusals.delete(place);
    }
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
      const group = this.#groups[0];
      if (group === undefined) return false;
      const whole = group.length === this.count;
      into.reset();
      encode(whole ? this.run : this.run.pick(group), into);
      if (into.count === 0) {
        throw new TypeError("A connector encoded no event of a batch");
      }
      this.#groups.shift();
      for (const { at, reason, message } of into.refusals) {
        this.#refuse(placeAt(group, at), { reason, message, sent: false });
      }
      if (into.count < group.length) this.#leave(group, into.count);
      if (into.empty) continue;
      this.#group = group;
      for (const at of into.places) {
        const place = placeAt(group, at);
        this.#tries[place] = (this.#tries[place] ?? 0) + 1;
      }
      return true;
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
        for (const at of sent.places) {
          this.#deliver(placeAt(this.#group, at), sent.answer);
        }
        this.taken = this.isProgress = true;
        return undefined;
      case "rejected": {
        const { rejections, pending = [] } = outcome;
        this.#decide(sent, rejections, pending);
        return rejections.length === 0 && pending.length === sent.places.length
          ? { kind: "retry", reason: "unclear", message: UNCLEAR }
          : undefined;
      }
      case "retry": {
        const { rejections = [] } = outcome;
        const refused = new Set(rejections.map(({ at }) => at));
        const pending = outcome.pending ??
          sent.places.filter((at) => !refused.has(at));
        this.#decide(sent, rejections, pending);
        if (outcome.smaller === true && pending.length > 1) {
          this.#halve(this.#groups.shift() ?? []);
        }
        return outcome;
      }
      case "split":
        this.#split(sent, outcome);
        return undefined;
      case "held":
        this.#decide(sent, [], sent.places);
        return outcome;
      default:
        return outcome satisfies never;
    }
  }

  /** The attempt ended without an answer: what it carried goes again. */
  putBack(sent: BatchBuffer): void {
    this.#decide(sent, [], sent.places);
  }

  /**
   * Gives up all that is pending or refused by the SIEM, after `attempts` attempts of the batch. `last`: what the last
   * one met; where the SIEM refused an event, its words about that stay.
   */
  giveUp(
    { reason, message }: Pick<Refusal, "reason" | "message">,
    attempts: number,
  ): void {
    for (const [place, state] of this.#states.entries()) {
      if (state === PENDING) {
        this.#refuse(place, {
          reason,
          message,
          sent: true,
          givenUp: attempts,
        });
        continue;
      }
      const refusal = this.#refusals.get(place);
      if (state !== REFUSED || refusal?.sent !== true) continue;
      this.#refusals.set(place, { ...refusal, givenUp: attempts });
    }
    this.#groups = [];
    this.taken = true;
  }

  /** Gives up what is not settled and came no later than `until` (milliseconds since the Unix epoch). */
  expire(until: number): number {
    let expired = 0;
    const view = new EventView();
    for (let place = 0; place < this.count; place++) {
      const waits = this.#states[place] === PENDING ||
        !this.taken && this.#refusals.get(place)?.sent === true;
      if (!waits || this.run.view(place, view).receivedAt > until) continue;
      this.#states[place] = EXPIRED;
      this.#refusals.delete(place);
      expired++;
    }
    if (expired > 0) {
      this.#groups = this.#groups
        .map((group) => group.filter((at) => this.#states[at] === PENDING))
        .filter((group) => group.length > 0);
    }
    return expired;
  }

  /** Takes the decided events off the front. While nothing was taken, what the SIEM refused is not decided. */
  settle(): Settled {
    const open = this.#states.findIndex((state, place) =>
      state === PENDING ||
      state === REFUSED && !this.taken && this.#refusals.get(place)?.sent
    );
    const length = open === -1 ? this.count : open;
    const { run, states, tries, answers } = this.#takeOff(length);
    let delivered = 0, expired = 0, filtered = 0;
    const dead: DeadEvent[] = [];
    const ranges: RunRange[] = [];
    let first = 0;
    for (let place = 0; place < length; place++) {
      const state = states[place] as number, next = place + 1;
      if (
        next === length || state !== states[next] ||
        state === DELIVERED &&
          (tries[place] !== tries[next] || answers[place] !== answers[next])
      ) {
        const decision = decisionOf(state, tries[place], answers[place]);
        ranges.push({ at: first, count: next - first, decision });
        first = next;
      }
      if (state === DELIVERED) delivered++;
      else if (state === EXPIRED) expired++;
      else if (state >= FILTERED) filtered++;
      if (state !== REFUSED) continue;
      const refusal = this.#refusals.get(place);
      const segment = run.segments[place], index = run.indexes[place];
      if (!refusal || !segment || index === undefined) continue;
      const attempts = refusal.givenUp ?? tries[place] ?? 0;
      dead.push({ ...refusal, segment, index, attempts });
    }
    this.#renumber(length);
    if (length > 0) this.full = false;
    return { run, delivered, expired, dead, filtered, ranges };
  }

  /** Takes so many events off the front, with what is known of each. */
  #takeOff(length: number) {
    const run = this.#run, states = this.#states;
    const tries = this.#tries, answers = this.#answers;
    // Nearly always all of them: nothing is copied then.
    if (length === run.count) {
      this.#run = new EventRun();
      this.#states = [];
      this.#tries = [];
      this.#answers = [];
      return { run, states, tries, answers };
    }
    const taken = new EventRun();
    append(taken, {
      segments: run.segments.splice(0, length),
      indexes: run.indexes.splice(0, length),
    });
    return {
      run: taken,
      states: states.splice(0, length),
      tries: tries.splice(0, length),
      answers: answers.splice(0, length),
    };
  }

  #decide(
    sent: BatchBuffer,
    rejections: Extract<Outcome, { kind: "rejected" }>["rejections"],
    pending: readonly number[],
  ): void {
    const open = new Set(sent.places);
    for (const { at } of rejections) take(open, at);
    for (const at of pending) take(open, at);
    const group = this.#group;
    for (const at of open) this.#deliver(placeAt(group, at), sent.answer);
    if (open.size > 0) this.taken = true;
    this.isProgress = pending.length < sent.places.length;
    for (const { at, reason, message } of rejections) {
      this.#refuse(placeAt(group, at), { reason, message, sent: true });
    }
    if (pending.length > 0) {
      const again = pending.map((at) => placeAt(group, at));
      this.#groups.unshift(again.sort((a, b) => a - b));
    }
    this.#group = [];
  }

  #split(
    sent: BatchBuffer,
    { reason, message }: Extract<Outcome, { kind: "split" }>,
  ): void {
    const group = sent.places.map((at) => placeAt(this.#group, at));
    this.#group = [];
    if (group.length === 1) {
      this.#refuse(placeAt(group, 0), { reason, message, sent: true });
      return;
    }
    this.#halve(group);
  }

  /** Two attempts go first, with a half of the events each. */
  #halve(group: readonly number[]): void {
    const half = Math.ceil(group.length / 2);
    this.#groups.unshift(group.slice(0, half), group.slice(half));
  }

  #deliver(place: number, answer: Answer | undefined): void {
    this.#states[place] = DELIVERED;
    this.#answers[place] = answer;
  }

  #refuse(place: number, refusal: Refusal): void {
    this.#states[place] = REFUSED;
    this.#refusals.set(place, refusal);
  }

  /** What did not fit leaves the batch where it is its end, to come again with the next one; else it waits its turn. */
  #leave(group: readonly number[], dealt: number): void {
    const first = placeAt(group, dealt);
    if (group.length - dealt < this.#wantedFrom(first)) {
      this.#groups.unshift(group.slice(dealt));
      return;
    }
    this.run.segments.length = this.run.indexes.length = first;
    this.#states.length = this.#tries.length = this.#answers.length = first;
    this.full = true;
  }

  #join(events: number, { ranges, bytes }: Filtered): void {
    const from = this.#states.length;
    this.#states = longer(this.#states, events, PENDING);
    this.#tries = longer(this.#tries, events, 0);
    this.#answers = longer(this.#answers, events, undefined);
    for (const { at, count, by } of ranges) {
      const state = FILTERED + SCOPE_KEYS.indexOf(by);
      this.#states.fill(state, from + at, from + at + count);
    }
    this.filteredBytes += bytes;
    this.#regroup();
  }

  #wantedFrom(place: number): number {
    let wanted = 0;
    for (let at = place; at < this.count; at++) {
      if ((this.#states[at] as number) < FILTERED) wanted++;
    }
    return wanted;
  }

  #regroup(): void {
    const pending: number[] = [];
    for (let place = 0; place < this.#states.length; place++) {
      if (this.#states[place] === PENDING) pending.push(place);
    }
    this.#groups = pending.length > 0 ? [pending] : [];
  }

  #renumber(gone: number): void {
    if (gone === 0) return;
    this.#groups = this.#groups.map((group) => group.map((at) => at - gone));
    if (this.#refusals.size === 0) return;
    const kept = [...this.#refusals].filter(([place]) => place >= gone);
    this.#refusals = new Map(kept.map(([place, why]) => [place - gone, why]));
  }
}

/** The list with so many more of `value`. Made in its length: lists that grow leave a trail of their smaller selves. */
function longer<T>(list: T[], more: number, value: T): T[] {
  const added = new Array<T>(more).fill(value);
  return list.length === 0 ? added : list.concat(added);
}

/** Not by spreading: a run may be longer than a call has room for. */
function append(
  run: EventRun,
  more: Pick<EventRun, "segments" | "indexes">,
): void {
  for (const segment of more.segments) run.segments.push(segment);
  for (const index of more.indexes) run.indexes.push(index);
}

/** What several batches in a row settle; the first one's run grows. */
export function joined(all: readonly Settled[]): Settled {
  const [first, ...more] = all;
  if (first === undefined) throw new TypeError("Nothing to settle");
  let { delivered, expired, filtered } = first;
  const dead = [...first.dead];
  const ranges = [...first.ranges];
  for (const settled of more) {
    for (const { at, ...range } of settled.ranges) {
      ranges.push({ at: at + first.run.count, ...range });
    }
    append(first.run, settled.run);
    delivered += settled.delivered;
    expired += settled.expired;
    filtered += settled.filtered;
    dead.push(...settled.dead);
  }
  const { run } = first;
  return { run, delivered, expired, dead, filtered, ranges };
}

function decisionOf(
  state: number,
  attempts = 0,
  answer: Answer = NO_ANSWER,
): Decision {
  if (state === DELIVERED) return { kind: "delivered", attempts, answer };
  if (state === EXPIRED) return { kind: "expired", reason: "age" };
  if (state === REFUSED) return { kind: "dead" };
  return { kind: "filtered", by: SCOPE_KEYS[state - FILTERED] ?? "when" };
}

const UNCLEAR = "The answer decided no event.";

function placeAt(group: readonly number[], at: number): number {
  const place = group[at];
  if (place === undefined) {
    throw new TypeError(`No event ${at} in an attempt of ${group.length}`);
  }
  return place;
}

function take(open: Set<number>, at: number): void {
  if (!open.delete(at)) {
    throw new TypeError(`The answer names event ${at}, which was not sent`);
  }
}
