/** One batch of a replay: collected from dead letters or from the log, and turned into decisions once it is answered. */

import type { Sink } from "../connector.ts";
import { EventRun, EventView, type Position, type Segment } from "../event.ts";
import { readDeadLetter } from "../log/dead_record.ts";
import { newLetter } from "../log/dead_letters.ts";
import type { JobDecision } from "../log/job_decision.ts";
import { within } from "../log/job_range.ts";
import { type JobPart, type JobRecord, leftOf } from "../log/job.ts";
import { ITEMS, readItems } from "../log/jobs.ts";
import { type Bases, type Standing, standingBy } from "../log/standing.ts";
import type { Store } from "../log/store.ts";
import { Batch, type Settled } from "./batch.ts";
import {
  type Bounds,
  Pauses,
  type Scoping,
  type Source,
  STRIDE,
} from "./batches.ts";
import { ReplaySegment } from "./replay_segment.ts";

/** The field of an envelope that marks an event of a replay. */
export const MARK = "hecate.replay";
/** Dead letters read at the same time. */
const READS = 10;
/** Events of a segment whose standing is looked up together. */
const LOOK = 1_000;

export interface ReplaySource extends Scoping {
  readonly store: Store;
  readonly source: Source;
  readonly sink: Sink;
}

/** An event of the batch, or several in a row that are not sent. */
type Slot =
  | Extract<JobDecision, { count: number }>
  | {
    readonly kind: "event";
    readonly id: string;
    readonly base: Standing;
    readonly place?: Position;
    /** Where it lies in the log, to become a dead letter from there; undefined: it is one, or the SIEM has it. */
    readonly origin?: { readonly segment: Segment; readonly index: number };
  };

export class ReplayBatch {
  readonly batch: Batch;
  readonly #connector: string;
  readonly #slots: Slot[];

  constructor(connector: string, run: EventRun, slots: Slot[]) {
    this.#connector = connector;
    this.#slots = slots;
    this.batch = new Batch(run);
    // A refusal is the event's own: the guard against wrong settings never applies in replays.
    this.batch.taken = true;
  }

  /** All of it was decided and taken; at the beginning: nothing is left of the job. */
  get isOver(): boolean {
    return this.#slots.length === 0;
  }

  /** Takes what is decided off the front. */
  take(now: number): JobDecision[] {
    const settled = this.batch.settle();
    const sent = decisionsOf(settled);
    const decisions: JobDecision[] = [];
    const view = new EventView();
    for (;;) {
      const slot = this.#slots[0];
      if (slot === undefined) break;
      if (slot.kind !== "event") {
        decisions.push(slot);
        this.#slots.shift();
        continue;
      }
      const one = sent.shift();
      if (one === undefined) break;
      this.#slots.shift();
      const { id, base, place, origin } = slot;
      const shared = { id, base, ...place !== undefined && { place } };
      if (one.kind === "delivered") {
        decisions.push({ ...one, ...shared });
        continue;
      }
      const { reason, error, attempts } = one;
      const letter = origin &&
        newLetter(
          this.#connector,
          { ...origin, reason, error, attempts, at: now },
          view,
        );
      decisions.push({
        ...one,
        ...shared,
        letter,
        ...origin !== undefined && { origin },
      });
    }
    return decisions;
  }
}

type Sent =
  | Pick<
    Extract<JobDecision, { kind: "delivered" }>,
    "kind" | "attempts" | "answer"
  >
  | Pick<
    Extract<JobDecision, { kind: "dead" }>,
    "kind" | "reason" | "error" | "attempts"
  >;

/** One for each event that is settled. */
function decisionsOf({ ranges, dead }: Settled): Sent[] {
  const decisions: Sent[] = [];
  let letters = 0;
  for (const { count, decision } of ranges) {
    for (let n = 0; n < count; n++) {
      const letter = dead[letters];
      if (decision.kind === "delivered") decisions.push(decision);
      else if (letter !== undefined) {
        letters++;
        const { reason, message: error, attempts } = letter;
        decisions.push({ kind: "dead", reason, error, attempts });
      }
    }
  }
  return decisions;
}

/** The next dead letters of a part. @throws what the store throws. */
export async function nextLetters(
  { store }: ReplaySource,
  part: JobPart,
  bounds: Bounds,
): Promise<ReplayBatch> {
  const { job, connector, total, preskipped } = part;
  const done = total - leftOf(part) - preskipped;
  const items = await readItems(
    store,
    job,
    connector,
    Math.floor(done / ITEMS),
  );
  const ids = items.slice(done % ITEMS, done % ITEMS + bounds.events);
  const slots: Slot[] = [];
  const made = new ReplaySegment();
  let bytes = 0, events = 0;
  for (let from = 0; from < ids.length && bytes < bounds.bytes; from += READS) {
    const some = ids.slice(from, from + READS);
    const records = await Promise.all(
      some.map((id) => readDeadLetter(store, connector, id)),
    );
    for (const [n, id] of some.entries()) {
      const record = records[n];
      if (record === undefined) {
        slots.push({ kind: "skipped", count: 1 });
        continue;
      }
      made.addLetter(record);
      bytes += record.event.length;
      events++;
      slots.push({ kind: "event", id, base: "dead" });
    }
  }
  const run = new EventRun();
  const segment = made.segment(`replay-${job}-${done}`);
  run.push(segment, 0, events);
  return new ReplayBatch(connector, run, slots);
}

/** The next events of the log for a part. @throws what the store throws. */
export async function nextOfLog(
  context: ReplaySource,
  { record, part, bases }: {
    readonly record: JobRecord;
    readonly part: JobPart;
    readonly bases: Bases;
  },
  bounds: Bounds,
): Promise<ReplayBatch> {
  const { source, store, filter } = context;
  const { connector } = part;
  const slots: Slot[] = [];
  const run = new EventRun(), view = new EventView();
  const made = new ReplaySegment();
  const pauses = new Pauses(context);
  let at = part.place, bytes = 0, looked = 0, lookedBytes = 0;
  const isFull = () =>
    run.count >= bounds.events || bytes >= bounds.bytes ||
    looked >= STRIDE.events || lookedBytes >= STRIDE.bytes;
  while (!isFull()) {
    const segment = await source.next(at);
    if (segment === undefined) break;
    const start = segment.id === at.segment ? at.index : 0;
    const here = { id: segment.id, count: segment.count };
    const [first, end] = within(
      here,
      { segment: segment.id, index: start },
      part.end,
    );
    if (first === end) break;
    const last = Math.min(end, first + Math.min(LOOK, 2 * bounds.events));
    const found = await bases.of(segment, first, last);
    const marks = await bases.marksOf(store, segment.id);
    for (let index = first; index < last && !isFull(); index++) {
      const base = found[index - first] ?? "gone";
      view.at(segment, index);
      const place = at = { segment: segment.id, index: index + 1 };
      const size = view.event.length;
      looked++;
      lookedBytes += size;
      const standing = standingBy(marks, segment.id, index, base);
      if (
        standing === "gone" || standing === "delivered" && !record.all
      ) {
        add(slots, "skipped", place);
        continue;
      }
      const by = filter?.by(view);
      if (pauses.isDue()) await pauses.take();
      if (by !== undefined) {
        add(slots, "filtered", place);
        continue;
      }
      bytes += size;
      slots.push({
        kind: "event",
        id: view.id,
        base,
        place,
        // The SIEM has it: a refusal of the repeat makes no dead letter of it.
        ...standing !== "delivered" && { origin: { segment, index } },
      });
      run.push(segment, index);
      if (record.mark) made.addMarked(view, MARK, record.id);
    }
  }
  if (!record.mark) return new ReplayBatch(connector, run, slots);
  const marked = new EventRun();
  const segment = made.segment(`replay-${record.id}-${at.segment}-${at.index}`);
  for (let n = 0; n < run.count; n++) marked.push(segment, n);
  return new ReplayBatch(connector, marked, slots);
}

function add(
  slots: Slot[],
  kind: "skipped" | "filtered",
  place: Position,
): void {
  const last = slots.at(-1);
  if (last?.kind === kind) {
    slots[slots.length - 1] = { kind, count: last.count + 1, place };
  } else slots.push({ kind, count: 1, place });
}
