/**
 * A job batch that is decided: dead letters, history, books and the job's counts, in commits that each carry out and
 * count a beginning of what is left of it.
 *
 * Invariants: each commit checks the connector's epoch, and by `changeDead` that nothing of the connector's dead
 * letters changed since it was planned: what it takes out of one count of the books was there. What a person did to a
 * letter while it was being sent (discarded it) is undone by what the SIEM did: it has the event.
 *
 * Over 300 lines because all that one commit holds is weighed in one class.
 */

import type { Answer } from "../connector.ts";
import type { Position } from "../event.ts";
import { changeDead, type DeadDeltas, NO_DELTAS } from "./dead_books.ts";
import { type DeadEnd, importId } from "./dead_ends.ts";
import { COMMIT_BYTES, COMMIT_WRITES, positionOf } from "./dead_letters.ts";
import {
  type DeadWrite,
  entryValue,
  keysOf,
  sizeOf,
  writesOf,
} from "./dead_record.ts";
import { replayedWrite } from "./history.ts";
import { type JobPart, leftOf, partValue } from "./job.ts";
import type { JobDecision, JobSent } from "./job_decision.ts";
import { type Fields, type Known, readKnown } from "./job_known.ts";
import {
  deadAtKey,
  deadEndKey,
  deadKey,
  jobOpenKey,
  jobPartKey,
} from "./keys.ts";
import { numberIn, textIn, toValue } from "./kv.ts";
import { type Standing, standingBy } from "./standing.ts";
import type { Store } from "./store.ts";

const MAX_MUTATIONS = 900;
/** Events looked at for one commit. */
const EVENTS = 100;

/** What a commit needs beside the decisions. */
export interface JobCommit {
  readonly store: Store;
  /** The epoch of the connector's lease. */
  readonly fence: Deno.AtomicCheck;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/**
 * Carries out a beginning of the decisions, as much as one commit holds.
 * @returns the part as it is then, and how many decisions it counts.
 * @throws {DeadPlanRefused} when the lease is lost, or what the store throws: then it may have happened.
 */
export async function commitDecisions(
  commit: JobCommit,
  part: JobPart,
  decisions: readonly JobDecision[],
): Promise<{ readonly part: JobPart; readonly done: number }> {
  const { store, fence } = commit;
  const { connector, job } = part;
  const done = await changeDead(store, connector, async () => {
    const plan = new Plan(commit, part);
    await plan.fill(decisions);
    const next = plan.part;
    return {
      deltas: plan.deltas,
      checks: [fence],
      sets: [...plan.sets, [jobPartKey(job, connector), partValue(next)]],
      deletes: plan.deletes,
      result: { part: next, done: plan.done },
    };
  });
  return done ?? { part, done: 0 };
}

/** Changes what a part says beside its counts; `ended`: what is left counts as skipped. @throws as `commitDecisions`. */
export async function commitPart(
  { store, fence, now }: JobCommit,
  part: JobPart,
  change: Pick<JobPart, "lastError"> | "ended",
): Promise<JobPart> {
  const { connector, job } = part;
  const next = change === "ended"
    ? { ...part, skipped: part.skipped + leftOf(part), endedAt: now }
    : { ...part, ...change };
  await changeDead(store, connector, () =>
    Promise.resolve({
      deltas: {},
      checks: [fence],
      sets: [[jobPartKey(job, connector), partValue(next)]],
      deletes: change === "ended" ? [jobOpenKey(connector, job)] : [],
      result: undefined,
    }));
  return next;
}

type Deltas = { -readonly [Name in keyof DeadDeltas]: number };

/** One commit in the making. */
class Plan {
  readonly deltas: Deltas = { ...NO_DELTAS };
  readonly sets: DeadWrite[] = [];
  readonly deletes: Deno.KvKey[] = [];
  part: JobPart;
  done = 0;
  readonly #commit: JobCommit;
  /** What was delivered of the log, in a row. */
  #run:
    | {
      readonly segment: string;
      readonly first: number;
      readonly attempts: number;
      readonly answer: Answer;
      count: number;
    }
    | undefined;

  constructor(commit: JobCommit, part: JobPart) {
    this.#commit = commit;
    this.part = part;
  }

  async fill(decisions: readonly JobDecision[]): Promise<void> {
    const some = decisions.slice(0, EVENTS);
    const sent = some.filter((one): one is JobSent => "id" in one);
    const known = await readKnown(
      this.#commit.store,
      this.part.connector,
      sent.map(({ id }) => id),
    );
    for (const one of some) {
      if (!("id" in one)) {
        this.#count(one.kind, one.count, one.place);
        continue;
      }
      const isFull = this.sets.length + 4 > COMMIT_WRITES ||
        this.sets.length + this.deletes.length + 20 > MAX_MUTATIONS;
      if (this.done > 0 && isFull) break;
      if (!await this.#add(one, known)) break;
      this.#count(one.kind, 1, one.place);
    }
    this.#endRun();
  }

  #count(
    kind: JobDecision["kind"],
    count: number,
    place: Position = this.part.place,
  ): void {
    const { part } = this;
    this.part = { ...part, [kind]: part[kind] + count, place };
    this.done++;
  }

  /** False: this commit has no room for it. */
  async #add(one: JobSent, known: Known): Promise<boolean> {
    const { id } = one;
    const record = known.records.get(id);
    const at = positionOf(id);
    const marks = at && known.marks.get(at.segment);
    const standing = record !== undefined
      ? "dead"
      : marks !== undefined
      ? standingBy(marks, at?.segment ?? "", at?.index ?? 0, one.base)
      : known.ends.get(id)?.how ?? "gone";
    return one.kind === "delivered"
      ? this.#delivered(one, { record, standing, end: known.ends.get(id) })
      : await this.#dead(one, {
        record,
        standing,
        entry: known.entries.get(id),
      });
  }

  #delivered(
    { id, attempts, answer }: Extract<JobSent, { kind: "delivered" }>,
    { record, standing, end }: {
      readonly record: Fields | undefined;
      readonly standing: Standing;
      readonly end: DeadEnd | undefined;
    },
  ): boolean {
    const { connector } = this.part;
    const at = positionOf(id);
    const isLetter = record !== undefined || end !== undefined ||
      at === undefined;
    if (isLetter) {
      const keys = record === undefined ? [] : keysOf(connector, id, {
        at: numberIn(record, "at"),
        parts: numberIn(record, "parts"),
      });
      const isTooMuch =
        this.sets.length + this.deletes.length + keys.length + 4 >
          MAX_MUTATIONS;
      if (this.done > 0 && isTooMuch) return false;
      this.deletes.push(...keys);
      const value = toValue(
        {
          how: "delivered",
          at: this.#commit.now,
          // Of one that was discarded and came back by an import the record tells the earlier ones.
          attempts: numberIn(record ?? {}, "attempts") + attempts +
            (end?.how === "delivered" || record === undefined
              ? end?.attempts ?? 0
              : 0),
          answer,
        } satisfies DeadEnd,
      );
      this.sets.push([deadEndKey(connector, id), value]);
      const print = textIn(record ?? {}, "print");
      if (print !== "" && importId(print) !== id) {
        this.sets.push([deadEndKey(connector, importId(print)), value]);
      }
    } else this.#sent(at, attempts, answer);
    this.#move(standing, "delivered");
    return true;
  }

  async #dead(
    one: Extract<JobSent, { kind: "dead" }>,
    { record, standing, entry }: {
      readonly record: Fields | undefined;
      readonly standing: Standing;
      readonly entry: Fields | undefined;
    },
  ): Promise<boolean> {
    const { id, reason, error, letter } = one;
    const { connector } = this.part;
    if (record !== undefined) {
      const attempts = numberIn(record, "attempts") + one.attempts;
      const at = numberIn(record, "at");
      const writes: DeadWrite[] = [
        // Looked at by the SIEM and refused: not to be replayed by itself any more.
        [
          deadKey(connector, id),
          toValue({ ...record, reason, error, attempts, givenUp: false }),
        ],
        [
          deadAtKey(connector, at, id),
          entryValue({
            reason,
            error,
            attempts,
            bytes: numberIn(entry ?? {}, "bytes"),
            preview: textIn(entry ?? {}, "preview"),
            producer: textIn(entry ?? {}, "producer"),
            parts: numberIn(record, "parts"),
            print: textIn(record, "print"),
            keptFrom: numberIn(record, "keptFrom"),
          }),
        ],
      ];
      if (!this.#fits(writes)) return false;
      this.sets.push(...writes);
      return true;
    }
    // It ended otherwise while it was being sent, or the SIEM had it before: that stays.
    if (letter === undefined) return true;
    const { parts, record: writes } = writesOf(letter);
    if (sizeOf(parts) > COMMIT_BYTES / 2) {
      // Its bytes go first, its record makes it a dead letter.
      for (const [key, value] of parts) {
        await this.#commit.store.call((kv) =>
          kv.atomic().check(this.#commit.fence).set(key, value).commit()
        );
      }
    } else writes.push(...parts);
    if (!this.#fits(writes)) return false;
    this.sets.push(...writes);
    this.#move(standing, "dead");
    return true;
  }

  #fits(writes: readonly DeadWrite[]): boolean {
    return this.done === 0 ||
      sizeOf(this.sets) + sizeOf(writes) <= COMMIT_BYTES &&
        this.sets.length + writes.length < COMMIT_WRITES;
  }

  /** From one count of the books to another. */
  #move(from: Standing, to: "delivered" | "dead"): void {
    if (from === to || from === "gone") return;
    if (from === "none") this.deltas.accepted++;
    else this.deltas[from]--;
    this.deltas[to]++;
  }

  #sent({ segment, index }: Position, attempts: number, answer: Answer): void {
    const run = this.#run;
    if (
      run?.segment === segment && run.first + run.count === index &&
      run.attempts === attempts && run.answer.status === answer.status &&
      run.answer.message === answer.message
    ) {
      run.count++;
      return;
    }
    this.#endRun();
    this.#run = { segment, first: index, count: 1, attempts, answer };
  }

  #endRun(): void {
    if (this.#run === undefined) return;
    const { connector } = this.part;
    const at = this.#commit.now;
    this.sets.push(replayedWrite(connector, { ...this.#run, at }));
    this.#run = undefined;
  }
}
