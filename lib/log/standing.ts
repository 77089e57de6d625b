/**
 * How events stand at a connector before a replay: what of its books each of them is in.
 *
 * Where several sources speak of one event, a dead letter that is there wins; then the newest of what ended one and of
 * what a replay delivered; then the history. An event from before the connector's first place is in no books. One of
 * which nothing is known lies in a gap that a kill left in the history: it counts as delivered, as receipts say.
 */

import type { Position, Segment } from "../event.ts";
import { eventId } from "../event.ts";
import type { Place } from "./cursor.ts";
import { type DeadEnd, endOf } from "./dead_ends.ts";
import { positionOf } from "./dead_letters.ts";
import { isBefore } from "./decision.ts";
import { type History, type OutcomeRange, replayedOf } from "./history.ts";
import { deadEndsOf, deadOf, sentByOf } from "./keys.ts";
import { fromValue, type Kv, numberIn } from "./kv.ts";
import type { Store } from "./store.ts";

/** `none`: in no books yet. `gone`: a dead letter of which nothing is left. */
export type Standing =
  | "none"
  | "delivered"
  | "filtered"
  | "dead"
  | "discarded"
  | "expired"
  | "gone";

/** What is kept beside the history about events of one segment. */
export interface Marks {
  /** Ids of dead letters. */
  readonly dead: ReadonlySet<string>;
  /** By id: what became of dead letters, and when. */
  readonly ends: ReadonlyMap<string, DeadEnd>;
  /** What replays of the log delivered. */
  readonly sent: readonly {
    readonly first: number;
    readonly count: number;
    readonly at: number;
  }[];
}

/** Has a connector had this event of the log by itself, or by a replay of the log? @throws what the store throws. */
export async function hadEvent(
  { store, history }: { readonly store: Store; readonly history: History },
  connector: string,
  id: string,
): Promise<boolean> {
  const at = positionOf(id);
  if (at === undefined) return false;
  const outcome = await history.outcomeOf(connector, at);
  return outcome?.decision.kind === "delivered" ||
    await replayedOf(store, connector, at) !== undefined;
}

/** The marks of a segment's events. @throws what the store throws. */
export async function readMarks(
  store: Store,
  connector: string,
  segment: string,
): Promise<Marks> {
  return await store.call(async (kv) => {
    const dead = new Set<string>();
    const ends = new Map<string, DeadEnd>();
    for await (const { key } of kv.list(deadOf(connector, segment))) {
      dead.add(String(key[2]));
    }
    for await (
      const { key, value } of kv.list(deadEndsOf(connector, segment))
    ) {
      const end = endOf(fromValue(value));
      if (end !== undefined) ends.set(String(key[2]), end);
    }
    return { dead, ends, sent: await sentOf(kv, connector, segment) };
  });
}

/** What replays of the log delivered of a segment's events. @throws what the store throws. */
export function readSent(
  store: Store,
  connector: string,
  segment: string,
): Promise<Marks["sent"]> {
  return store.call((kv) => sentOf(kv, connector, segment));
}

async function sentOf(
  kv: Kv,
  connector: string,
  segment: string,
): Promise<Marks["sent"]> {
  const sent: Marks["sent"][number][] = [];
  for await (const { key, value } of kv.list(sentByOf(connector, segment))) {
    const count = numberIn(fromValue(value) ?? {}, "count");
    sent.push({ first: Number(key[3]), count, at: Number(key[4]) });
  }
  return sent;
}

/** How an event stands by the marks; `base`: by the history. */
export function standingBy(
  { dead, ends, sent }: Marks,
  segment: string,
  index: number,
  base: Standing,
): Standing {
  const id = eventId(segment, index);
  if (dead.has(id)) return "dead";
  const end = ends.get(id);
  let sentAt = -1;
  for (const { first, count, at } of sent) {
    if (index >= first && index < first + count) sentAt = Math.max(sentAt, at);
  }
  if (sentAt >= 0 && sentAt >= (end?.at ?? 0)) return "delivered";
  if (end !== undefined) return end.how;
  return base === "dead" ? "gone" : base;
}

/** Reads how events stand by the history, in the log's order; going back begins anew. */
export class Bases {
  readonly #history: History;
  readonly #connector: string;
  readonly #place: Place;
  #ranges: AsyncGenerator<OutcomeRange> | undefined;
  #range: OutcomeRange | undefined;
  #isEnd = false;
  #from: Position = { segment: "", index: 0 };
  #marked: { readonly segment: string; readonly marks: Marks } | undefined;

  /** `place`: the connector's, in front of all that is asked about. */
  constructor(history: History, connector: string, place: Place) {
    this.#history = history;
    this.#connector = connector;
    this.#place = place;
  }

  /** For the events of a segment from an index on, up to another: how each stands. @throws what the store throws. */
  async of(
    segment: Pick<Segment, "id" | "lane" | "eventsBefore">,
    from: number,
    until: number,
  ): Promise<Standing[]> {
    const found: Standing[] = [];
    const start = this.#place.start[segment.lane] ?? 0;
    for (let index = from; index < until; index++) {
      const at = { segment: segment.id, index };
      const isOlder = segment.eventsBefore + index < start;
      const range = isOlder ? undefined : await this.#rangeAt(at);
      found.push(isOlder ? "none" : range?.decision.kind ?? "delivered");
    }
    return found;
  }

  /** The marks of a segment, read when it is first asked about. @throws what the store throws. */
  async marksOf(store: Store, segment: string): Promise<Marks> {
    if (this.#marked?.segment !== segment) {
      const marks = await readMarks(store, this.#connector, segment);
      this.#marked = { segment, marks };
    }
    return this.#marked.marks;
  }

  #rangeAt(
    at: Position,
  ): OutcomeRange | undefined | Promise<OutcomeRange | undefined> {
    const range = this.#range;
    if (range !== undefined && isBefore(at, range.until)) {
      if (!isBefore(at, range.from)) return range;
      if (!isBefore(at, this.#from)) return undefined;
    } else if (this.#isEnd && !isBefore(at, this.#from)) return undefined;
    return this.#seek(at);
  }

  async #seek(at: Position): Promise<OutcomeRange | undefined> {
    if (this.#ranges === undefined || isBefore(at, this.#from)) {
      await this.#ranges?.return(undefined);
      this.#ranges = this.#history.rangesOf(this.#connector, at, this.#place);
      this.#range = undefined;
      this.#isEnd = false;
    }
    this.#from = at;
    while (this.#range === undefined || !isBefore(at, this.#range.until)) {
      const next = await this.#ranges.next();
      if (next.done === true) {
        this.#isEnd = true;
        this.#range = undefined;
        return undefined;
      }
      this.#range = next.value;
    }
    return isBefore(at, this.#range.from) ? undefined : this.#range;
  }
}
