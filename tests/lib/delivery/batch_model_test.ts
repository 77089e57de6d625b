/** A batch against the plainest one that could be: an object per event, and lists of those that go together. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { Answer, Outcome } from "../../../lib/connector.ts";
import { Batch } from "../../../lib/delivery/batch.ts";
import { BatchBuffer } from "../../../lib/delivery/batch_buffer.ts";
import type { Filtered } from "../../../lib/delivery/batches.ts";
import type { Refusal } from "../../../lib/delivery/fates.ts";
import { EventRun, EventView } from "../../../lib/event.ts";
import { NO_ANSWER } from "../../../lib/log/decision.ts";
import { madeSegment } from "../../support/made_segment.ts";
import { testSeed } from "../../support/seed.ts";

interface Plain {
  readonly name: string;
  readonly receivedAt: number;
  state: "pending" | "delivered" | "refused" | "expired" | "filtered";
  tries: number;
  answer: Answer;
  refusal?: Refusal;
}

type Choose = (below: number) => number;

const ANSWERS = [
  { status: 200, message: "a" },
  { status: 200, message: "b" },
] as const;
const WORDS = { reason: "rejected", message: "no" } as const;

/** What `Batch` is documented to do, event by event. */
class PlainBatch {
  events: Plain[] = [];
  groups: Plain[][] = [];
  taken = false;
  isProgress = false;

  get open(): Plain[] {
    return this.events.filter((event) => this.#isOpen(event));
  }

  get refused(): Plain[] {
    return this.events.filter(isRefusedThere);
  }

  join(events: readonly Plain[]): void {
    this.events.push(...events);
    this.regroup();
  }

  regroup(): void {
    const pending = this.events.filter(({ state }) => state === "pending");
    this.groups = pending.length > 0 ? [pending] : [];
  }

  reopen(): void {
    for (const event of this.refused) {
      event.state = "pending";
      delete event.refusal;
    }
    this.regroup();
  }

  /** @returns what the attempt carries. */
  prepare(group: readonly Plain[], into: BatchBuffer): Plain[] {
    this.groups.shift();
    for (const { at, reason, message } of into.refusals) {
      refuse(group[at], { reason, message, sent: false });
    }
    const rest = group.slice(into.count);
    const [first] = rest;
    if (first !== undefined) {
      const place = this.events.indexOf(first);
      const wanted = this.events.slice(place)
        .filter(({ state }) => state !== "filtered");
      if (rest.length < wanted.length) this.groups.unshift(rest);
      else this.events.length = place;
    }
    const sent = group.filter((_, at) => into.places.includes(at));
    for (const event of sent) event.tries++;
    return sent;
  }

  apply(outcome: Outcome, sent: readonly Plain[], into: BatchBuffer): void {
    if (outcome.kind === "split" && sent.length === 1) {
      const { reason, message } = outcome;
      return refuse(sent[0], { reason, message, sent: true });
    }
    let left = [...sent];
    if (outcome.kind !== "split" && outcome.kind !== "held") {
      const { rejections = [], pending = undefined } =
        outcome.kind === "delivered" ? { pending: [] } : outcome;
      const refused = rejections.map(({ at }) => at);
      const again = pending ??
        (outcome.kind === "rejected"
          ? []
          : into.places.filter((at) => !refused.includes(at)));
      left = sent.filter((_, n) => again.includes(into.places[n] ?? -1));
      for (const [n, event] of sent.entries()) {
        const at = into.places[n] ?? -1;
        const rejection = rejections.find((one) => one.at === at);
        if (rejection !== undefined) {
          const { reason, message } = rejection;
          refuse(event, { reason, message, sent: true });
        } else if (!again.includes(at)) {
          event.state = "delivered";
          event.answer = into.answer ?? NO_ANSWER;
          this.taken = true;
        }
      }
      this.isProgress = left.length < sent.length;
    }
    const isHalved = outcome.kind === "split" ||
      outcome.kind === "retry" && outcome.smaller === true;
    const half = isHalved ? Math.ceil(left.length / 2) : left.length;
    const parts = [left.slice(0, half), left.slice(half)];
    this.groups.unshift(...parts.filter(({ length }) => length > 0));
  }

  giveUp(attempts: number): void {
    for (const event of this.events) {
      if (event.state === "pending") refuse(event, { ...WORDS, sent: true });
      if (!isRefusedThere(event) || event.refusal === undefined) continue;
      event.refusal = { ...event.refusal, givenUp: attempts };
    }
    this.groups = [];
    this.taken = true;
  }

  expire(until: number): number {
    const late = this.open.filter(({ receivedAt }) => receivedAt <= until);
    for (const event of late) {
      event.state = "expired";
      delete event.refusal;
    }
    this.groups = this.groups
      .map((group) => group.filter(({ state }) => state === "pending"))
      .filter(({ length }) => length > 0);
    return late.length;
  }

  settle(): Plain[] {
    const open = this.events.findIndex((event) => this.#isOpen(event));
    return this.events.splice(0, open < 0 ? this.events.length : open);
  }

  #isOpen(event: Plain): boolean {
    return event.state === "pending" || !this.taken && isRefusedThere(event);
  }
}

function isRefusedThere({ refusal }: Plain): boolean {
  return refusal?.sent === true;
}

function refuse(event: Plain | undefined, refusal: Refusal): void {
  assert.ok(event);
  event.state = "refused";
  event.refusal = refusal;
}

function nameAt(run: EventRun, place: number): string {
  return new TextDecoder().decode(run.view(place, new EventView()).event);
}

const namesOf = (run: EventRun) =>
  Array.from({ length: run.count }, (_, place) => nameAt(run, place));

/** New events for both, some of them filtered; every seventh has no wire form. */
function arrivals(choose: Choose, from: number) {
  const run = new EventRun(), plain: Plain[] = [];
  const ranges: Filtered["ranges"][number][] = [];
  let n = from;
  for (let segments = 1 + choose(3); segments > 0; segments--) {
    const receivedAt = n;
    const events = Array.from({ length: 1 + choose(6) }, () => {
      const name = `${n}${n % 7 === 6 ? "x".repeat(9) : ""}`;
      n++;
      return name;
    });
    const segment = madeSegment({ number: n, events, receivedAt });
    run.push(segment, 0, events.length);
    for (const name of events) {
      const isFiltered = choose(6) === 0;
      const at = plain.length;
      if (isFiltered) ranges.push({ at, count: 1, by: "when" });
      plain.push({
        name,
        receivedAt,
        state: isFiltered ? "filtered" : "pending",
        tries: 0,
        answer: NO_ANSWER,
      });
    }
  }
  return { run, plain, filtered: { ranges, bytes: 0 }, next: n };
}

function outcomeFor({ places }: BatchBuffer, choose: Choose): Outcome {
  const part = (below: number) => places.filter(() => choose(below) === 0);
  const rejections = part(3).map((at) => ({
    ...WORDS,
    at,
    message: `no ${at}`,
  })).reverse();
  const rest = places.filter((at) => rejections.every((one) => one.at !== at));
  const pending = rest.filter(() => choose(2) === 0);
  const weather = { kind: "retry", reason: "server", message: "" } as const;
  const outcomes: readonly Outcome[] = [
    { kind: "delivered" },
    { kind: "rejected", rejections },
    { kind: "rejected", rejections, pending },
    { kind: "rejected", rejections: places.map((at) => ({ ...WORDS, at })) },
    { ...weather, rejections },
    { ...weather, rejections, pending },
    weather,
    { ...weather, smaller: true },
    { ...weather, smaller: true, pending },
    { kind: "split", ...WORDS },
    { kind: "held", reason: "auth", message: "", help: "" },
  ];
  const outcome = outcomes[choose(outcomes.length)];
  assert.ok(outcome);
  return outcome;
}

/** One attempt of both. */
function attempt(batch: Batch, model: PlainBatch, choose: Choose): void {
  const into = new BatchBuffer({
    events: 2 + choose(12),
    bytes: 10 + choose(40),
    eventBytes: 8,
  });
  let group: Plain[] = [];
  let sent: Plain[] = [];
  model.isProgress = false;
  const isSent = batch.prepare((run, into) => {
    // Where nothing of a group had a wire form, the next one follows.
    if (group.length > 0) sent = model.prepare(group, lastOf(into, group));
    group = model.groups[0] ?? [];
    assert.deepEqual(namesOf(run), group.map(({ name }) => name));
    const view = new EventView();
    for (let place = 0; place < run.count; place++) {
      into.begin();
      into.literal(run.view(place, view).event);
      if (!into.end(place)) break;
    }
  }, into);
  if (group.length > 0) sent = model.prepare(group, into);
  assert.equal(isSent, sent.length > 0);
  if (!isSent) return;
  // Now and then the attempt ends without an answer.
  if (choose(6) === 0) return model.apply(HELD, sent, into);
  into.answer = ANSWERS[choose(3)];
  const outcome = outcomeFor(into, choose);
  batch.apply(outcome, into);
  model.apply(outcome, sent, into);
}

const HELD: Outcome = { kind: "held", reason: "auth", message: "", help: "" };

/** What the buffer was before it was reset for the next group: all of the group without a wire form. */
function lastOf({ limits }: BatchBuffer, group: readonly Plain[]): BatchBuffer {
  const all = new BatchBuffer(limits);
  for (const [place, { name }] of group.entries()) {
    all.begin();
    all.literal(new TextEncoder().encode(name));
    assert.ok(all.end(place));
  }
  assert.ok(all.empty);
  return all;
}

function checkSettled(batch: Batch, model: PlainBatch): void {
  const settled = batch.settle(), plain = model.settle();
  assert.deepEqual(namesOf(settled.run), plain.map(({ name }) => name));
  const many = (state: Plain["state"]) =>
    plain.filter((event) => event.state === state).length;
  assert.deepEqual(
    [settled.delivered, settled.expired, settled.filtered, settled.dead.length],
    (["delivered", "expired", "filtered", "refused"] as const).map(many),
  );
  assert.deepEqual(
    settled.dead.map(({ segment, index, ...rest }) => ({
      ...rest,
      name: new TextDecoder().decode(new EventView().at(segment, index).event),
    })),
    plain.filter(({ state }) => state === "refused")
      .map(({ name, refusal, tries }) => ({
        ...refusal,
        attempts: refusal?.givenUp ?? tries,
        name,
      })),
  );
  let place = 0;
  for (const { at, count, decision } of settled.ranges) {
    assert.equal(at, place);
    for (const event of plain.slice(at, at + count)) {
      const { state, tries, answer } = event;
      if (decision.kind === "delivered") {
        assert.deepEqual([state, tries], ["delivered", decision.attempts]);
        assert.equal(answer, decision.answer);
      } else {
        assert.equal(
          decision.kind === "dead" ? "refused" : decision.kind,
          state,
        );
      }
    }
    place += count;
  }
  assert.equal(place, plain.length);
}

Deno.test("Batch is what a list of its events is, whatever the answers", () => {
  const seed = testSeed("Batch");
  const property = fc.property(
    fc.array(fc.nat(), { minLength: 40, maxLength: 400 }),
    (numbers) => {
      let used = 0;
      const choose: Choose = (below) =>
        (numbers[used++ % numbers.length] ?? 0) % below;
      const first = arrivals(choose, 0);
      const batch = new Batch(first.run, first.filtered);
      const model = new PlainBatch();
      model.join(first.plain);
      let { next } = first;
      while (used < numbers.length) {
        const step = choose(12);
        if (step === 0) batch.reopen(), model.reopen();
        else if (step === 1) {
          const more = arrivals(choose, next);
          batch.extend(more.run, more.filtered);
          model.join(more.plain);
          next = more.next;
        } else if (step === 2) {
          const until = choose(next);
          assert.equal(batch.expire(until), model.expire(until));
        } else if (step === 3 && choose(4) === 0) {
          batch.giveUp(WORDS, 7);
          model.giveUp(7);
        } else if (step < 6) checkSettled(batch, model);
        else attempt(batch, model, choose);
        assert.deepEqual(
          namesOf(batch.run),
          model.events.map(({ name }) => name),
        );
        const wanted = model.events.filter(({ state }) => state !== "filtered");
        assert.deepEqual(
          [batch.wanted, batch.isDecided, batch.refused, batch.taken],
          [
            wanted.length,
            model.groups.length === 0,
            model.refused.length,
            model.taken,
          ],
        );
        if (step >= 6) assert.equal(batch.isProgress, model.isProgress);
        assert.deepEqual(batch.firstRefusal, model.refused[0]?.refusal);
      }
      checkSettled(batch, model);
    },
  );
  fc.assert(property, { seed, numRuns: 1_000 });
});
