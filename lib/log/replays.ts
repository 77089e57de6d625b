/**
 * Replays as people and programs ask for them: counting, beginning, looking, pausing. What sends is in
 * `lib/delivery/replay.ts`, in each connector's own loop.
 *
 * Over 300 lines because it is all that the API can ask of replays, in one class.
 */

import type { Clock } from "../clock.ts";
import type { Position } from "../event.ts";
import { positionOf } from "./dead_letters.ts";
import { isBefore } from "./decision.ts";
import type { DeadLetters, DeadName } from "./dead_kept.ts";
import type { History } from "./history.ts";
import {
  type Job,
  type JobPart,
  type JobRecord,
  type JobState,
  type JobView,
  newJobId,
  viewOf,
} from "./job.ts";
import { changeState, createJob, listJobs, openJobs, readJob } from "./jobs.ts";
import { countRange, deliveredIn, rangeOf } from "./job_estimate.ts";
import { BEFORE_ALL } from "./job_range.ts";
import type { DeadWish, Estimate, LogWish } from "./job_wish.ts";
import { readReplayTotals, type ReplayTotals } from "./job_totals.ts";
import type { EventLog } from "./log.ts";
import type { Store } from "./store.ts";

/** No segment's id has a letter behind f. */
const BEHIND_ALL: Position = { segment: "g", index: 0 };

export interface ReplaysParts {
  readonly log: EventLog;
  readonly deadLetters: DeadLetters;
  readonly history: History;
  readonly clock: Clock;
  readonly uuid: () => string;
  /** For how long an open job may hold the log, in milliseconds; 0: until it ends. */
  readonly expire: number;
}

/** The letters of a wish, by connector, in the log's order. */
export interface Letters {
  readonly ids: ReadonlyMap<string, readonly string[]>;
  readonly count: number;
  /** Of the events. */
  readonly bytes: number;
}

export class Replays {
  readonly #parts: ReplaysParts;
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor(parts: ReplaysParts) {
    this.#parts = parts;
  }

  get store(): Store {
    return this.#parts.log.store;
  }

  get deadLetters(): DeadLetters {
    return this.#parts.deadLetters;
  }

  get history(): History {
    return this.#parts.history;
  }

  /** Hears when there may be work for a connector. @returns what ends it. */
  listen(connector: string, hear: () => void): () => void {
    const all = this.#listeners.get(connector) ?? new Set();
    this.#listeners.set(connector, all);
    all.add(hear);
    return () => all.delete(hear);
  }

  /** What a replay of the log would be. @throws {NotKept}, or what the store throws. */
  async estimateLog(wish: LogWish): Promise<Estimate> {
    const range = await rangeOf(this.#parts.log, wish);
    let events = 0, bytes = 0, alreadyDelivered = 0;
    const sent: number[] = [];
    for (const connector of wish.to) {
      const counted = await countRange(this.#parts, connector, range);
      const delivered = await deliveredIn(this.#parts, connector, range);
      events += counted.events;
      bytes += counted.bytes;
      alreadyDelivered += delivered;
      sent.push(counted.events - counted.waiting - (wish.all ? 0 : delivered));
    }
    const seconds = secondsAt(wish.rate, sent);
    return { events, bytes, seconds, alreadyDelivered };
  }

  /** Begins a replay of the log. @throws {NotKept}, or what the store throws. */
  async startLog(wish: LogWish): Promise<JobView> {
    const range = await rangeOf(this.#parts.log, wish);
    const { clock, expire } = this.#parts;
    const record = this.#record("log", {
      to: wish.to,
      from: wish.fromText,
      until: wish.untilText,
      rate: wish.rate,
      all: wish.all,
      mark: wish.mark,
      holdsUntil: expire === 0 ? null : clock.now() + expire,
    });
    const parts: JobPart[] = [];
    for (const connector of wish.to) {
      const { events, waiting, horizon } = await countRange(
        this.#parts,
        connector,
        range,
      );
      parts.push(this.#part(record, connector, {
        total: events,
        skipped: waiting,
        place: range.from,
        end: isBefore(horizon, range.until) ? horizon : range.until,
      }));
    }
    return await this.#begin({ ...record, parts });
  }

  /** The letters that a wish means, at connectors that are there. @throws what the store throws. */
  async letters(
    { choice }: Pick<DeadWish, "choice">,
    connectors: ReadonlySet<string>,
  ): Promise<Letters> {
    const { deadLetters } = this.#parts;
    const found = new Map<string, string[]>();
    let count = 0, bytes = 0;
    const add = ({ connector, id }: DeadName) => {
      if (!connectors.has(connector)) return;
      const ids = found.get(connector);
      if (ids === undefined) found.set(connector, [id]);
      else ids.push(id);
      count++;
    };
    if ("names" in choice) {
      for (const name of await deadLetters.existing(choice.names)) {
        add(name);
      }
    } else {
      for await (const entry of deadLetters.matching(choice.filter)) {
        add(entry);
        bytes += entry.bytes;
      }
    }
    for (const [connector, ids] of found) found.set(connector, inOrder(ids));
    return { ids: found, count, bytes };
  }

  /** Begins a replay of letters. @throws what the store throws. */
  async startDead(
    { ids }: Letters,
    { rate, skipped = new Map() }: Omit<DeadWish, "choice">,
  ): Promise<JobView> {
    const to = [...new Set([...ids.keys(), ...skipped.keys()])].sort();
    const record = this.#record("dead-letters", {
      to,
      from: null,
      until: null,
      rate,
      all: false,
      mark: false,
      holdsUntil: null,
    });
    const parts = to.map((connector) => {
      const before = skipped.get(connector) ?? 0;
      return this.#part(record, connector, {
        total: (ids.get(connector)?.length ?? 0) + before,
        skipped: before,
        place: BEFORE_ALL,
        end: BEFORE_ALL,
      });
    });
    return await this.#begin({ ...record, parts }, ids);
  }

  /** Begins a replay of a connector's letters that were given up after their attempts (strict), if there are any. */
  async startGivenUp(connector: string): Promise<JobView | undefined> {
    const names: DeadName[] = [];
    const { deadLetters } = this.#parts;
    for await (const entry of deadLetters.matching({ connector })) {
      if (entry.givenUp === true) names.push({ connector, id: entry.id });
    }
    if (names.length === 0) return undefined;
    const letters = await this.letters(
      { choice: { names } },
      new Set([connector]),
    );
    return await this.startDead(letters, { rate: 0 });
  }

  /** Is a job open at a connector? @throws what the store throws. */
  async hasOpen(connector: string): Promise<boolean> {
    return (await openJobs(this.store, connector)).length > 0;
  }

  /** Jobs, newest first, that began before one. `next`: where to go on. @throws what the store throws. */
  async page(
    { state, before, limit }: {
      readonly state?: JobState | undefined;
      readonly before?: string | undefined;
      readonly limit: number;
    },
  ): Promise<{ readonly items: readonly JobView[]; readonly next?: string }> {
    const items: JobView[] = [];
    for await (const job of listJobs(this.store, before)) {
      const last = items.at(-1);
      if (items.length === limit && last !== undefined) {
        return { items, next: last.id };
      }
      const view = viewOf(job);
      if (state === undefined || view.state === state) items.push(view);
    }
    return { items };
  }

  /** What all replays together did. @throws what the store throws. */
  totals(): Promise<ReplayTotals> {
    return readReplayTotals(this.store);
  }

  async read(id: string): Promise<JobView | undefined> {
    const job = await readJob(this.store, id);
    return job && viewOf(job);
  }

  /** Pauses, resumes or stops. `isDone` false: it has ended already. Undefined: there is none. */
  async change(
    id: string,
    state: JobRecord["state"],
  ): Promise<{ readonly job: JobView; readonly isDone: boolean } | undefined> {
    const now = this.#parts.clock.now();
    const changed = await changeState(this.store, id, state, now);
    if (changed === undefined) return undefined;
    this.#tell(changed.job.to);
    return { job: viewOf(changed.job), isDone: changed.isDone };
  }

  async #begin(
    job: Job,
    items?: ReadonlyMap<string, readonly string[]>,
  ): Promise<JobView> {
    await createJob(this.store, job, items);
    this.#tell(job.to);
    return viewOf(job);
  }

  #tell(connectors: readonly string[]): void {
    for (const connector of connectors) {
      for (const hear of this.#listeners.get(connector) ?? []) hear();
    }
  }

  #record(
    kind: JobRecord["kind"],
    wish: Pick<
      JobRecord,
      "to" | "from" | "until" | "rate" | "all" | "mark" | "holdsUntil"
    >,
  ): JobRecord {
    const { clock, uuid } = this.#parts;
    const createdAt = clock.now();
    return {
      id: newJobId(createdAt, uuid()),
      kind,
      ...wish,
      state: "running",
      createdAt,
      stoppedAt: null,
    };
  }

  #part(
    { id, createdAt }: JobRecord,
    connector: string,
    { skipped, total, ...range }: Pick<
      JobPart,
      "total" | "skipped" | "place" | "end"
    >,
  ): JobPart {
    return {
      job: id,
      connector,
      total,
      delivered: 0,
      filtered: 0,
      dead: 0,
      skipped,
      preskipped: skipped,
      ...range,
      lastError: null,
      endedAt: total === skipped ? createdAt : null,
    };
  }
}

/** How long it takes at a rate, which holds for each connector by itself; null: there is no cap. `sent`: events to each. */
export function secondsAt(
  rate: number,
  sent: readonly number[],
): number | null {
  return rate === 0 ? null : Math.ceil(Math.max(0, ...sent) / rate);
}

/** In the log's order; what is no event of the log comes last. */
function inOrder(ids: readonly string[]): string[] {
  // Read once each: there may be very many.
  const all = ids.map((id) => ({ id, at: positionOf(id) ?? BEHIND_ALL }));
  return all.sort((a, b) =>
    isBefore(a.at, b.at) ? -1 : isBefore(b.at, a.at) ? 1 : a.id < b.id ? -1 : 1
  ).map(({ id }) => id);
}
