/**
 * Walks the log from the trim mark to its end and checks what makes it tamper evident: each segment's checksum, each
 * lane's hash chain, its running count of events, and that every lane reaches what its writer head says.
 *
 * Reads only. The log may be in use: what is appended meanwhile is checked too, what is trimmed meanwhile is no break.
 * Memory: one batch of first values and one segment.
 *
 * Over 300 lines because the walk and what it compares share their state.
 */

import type { LaneSeen } from "./cursor.ts";
import { type Head, readHeads } from "./heads.ts";
import { logAfter, logKey, partsBetween } from "./keys.ts";
import { readParts } from "./parts.ts";
import { decodeSegment, type Header, readHeader } from "./segment.ts";
import type { Store } from "./store.ts";
import { readTrimMark, type TrimMark } from "./trim.ts";

/** First values of one `list`. */
const BATCH = 10;

/**
 * checksum: the bytes are not those that were written. chain: whole, but not what its lane wrote next. missing: it, a
 * part of it, or what stood before it is gone. unreadable: not even its header can be read.
 */
export type BreakReason = "checksum" | "chain" | "missing" | "unreadable";

/** One place where the log is not what was written. */
export interface LogBreak {
  /** The segment that is broken; of a gap that left no trace, the one behind it. */
  readonly segment: string;
  readonly reason: BreakReason;
  readonly detail: string;
  /** Events that cannot be read any more, as far as the neighbours tell. */
  readonly events: number;
  /** Between when they were accepted: RFC 3339 UTC, null where nothing tells. */
  readonly from: string | null;
  readonly to: string | null;
}

/** What a walk found. `first` and `last`: ids of the oldest and the newest segment, null in an empty log. */
export interface LogVerdict {
  readonly whole: boolean;
  /** Whole segments, their events and stored bytes. */
  readonly segments: number;
  readonly events: number;
  readonly bytes: number;
  readonly first: string | null;
  readonly last: string | null;
  /** In the log's order. */
  readonly breaks: readonly LogBreak[];
}

/** Walks the whole log. @throws when the store does not answer, or the signal's reason. */
export async function verifyLog(
  store: Store,
  signal?: AbortSignal,
): Promise<LogVerdict> {
  // Before the walk: what is appended behind them is seen, what they count must be seen.
  const heads = await readHeads(store);
  const walk = new Walk(store, await readTrimMark(store));
  for (;;) {
    signal?.throwIfAborted();
    if (!await walk.next()) break;
  }
  return await walk.end(heads);
}

/** A lane as far as the walk has come. */
interface Lane extends LaneSeen {
  /** Checksum of its newest segment. */
  readonly hash: string | undefined;
}

/** A broken segment: its lane and its count, if its header tells the truth. */
interface Wreck {
  /** Place in the list of breaks. */
  readonly at: number;
  readonly lane: string | undefined;
  readonly count: number;
}

class Walk {
  readonly #store: Store;
  readonly #lanes = new Map<string, Lane>();
  readonly #breaks: LogBreak[] = [];
  /** Broken segments whose events no later segment of their lane has confirmed yet. */
  #wrecks: Wreck[] = [];
  #mark: TrimMark;
  #at: string;
  #first: string | null = null;
  #last: string | null = null;
  #segments = 0;
  #events = 0;
  #bytes = 0;
  /** When the segment before was accepted. */
  #acceptedAt: number | undefined;

  constructor(store: Store, mark: TrimMark) {
    this.#store = store;
    this.#mark = mark;
    this.#at = mark.segment;
    this.#begin(mark);
  }

  /** Checks some segments more; false at the log's end. */
  async next(): Promise<boolean> {
    const firsts = await this.#store.call(async (kv) => {
      const found: { readonly id: string; readonly value: unknown }[] = [];
      const bounds = { limit: BATCH, batchSize: BATCH };
      for await (const entry of kv.list(logAfter(this.#at), bounds)) {
        const id = entry.key[2];
        if (typeof id === "string") found.push({ id, value: entry.value });
      }
      return found;
    });
    await this.#followTrimming();
    for (const { id, value } of firsts) {
      if (id <= this.#mark.segment) continue;
      await this.#check(id, value instanceof Uint8Array ? value : EMPTY);
      this.#at = id;
    }
    return firsts.length === BATCH;
  }

  async end(heads: ReadonlyMap<string, Head>): Promise<LogVerdict> {
    await this.#followTrimming();
    for (const [name, head] of heads) {
      const events = head.events - (this.#lanes.get(name)?.events ?? 0);
      if (events <= 0 || this.#settleWrecks(name, events)) continue;
      this.#break({
        segment: head.segment,
        reason: "missing",
        detail: `Lane ${name} ends too early: ${events} events are gone.`,
        events,
      });
    }
    const breaks = this.#breaks.toSorted((a, b) =>
      a.segment < b.segment ? -1 : a.segment > b.segment ? 1 : 0
    );
    return {
      whole: breaks.length === 0,
      segments: this.#segments,
      events: this.#events,
      bytes: this.#bytes,
      first: this.#first,
      last: this.#last,
      breaks,
    };
  }

  /** What was trimmed since the last look is no gap. */
  async #followTrimming(): Promise<void> {
    const mark = await readTrimMark(this.#store);
    if (mark.segment <= this.#mark.segment) return;
    this.#mark = mark;
    if (mark.segment <= this.#at) return;
    this.#at = mark.segment;
    this.#begin(mark);
  }

  #begin(mark: TrimMark): void {
    for (const [lane, seen] of Object.entries(mark.lanes)) {
      // A lane's first segment carries the hash of the newest one it read, whosever it was: nothing to compare.
      this.#lanes.set(lane, { ...seen, hash: mark.hashes[lane] });
    }
  }

  async #check(id: string, first: Uint8Array): Promise<void> {
    const header = readHeader(first);
    const fault = header === undefined
      ? { reason: "unreadable", detail: "Its header cannot be read." } as const
      : await this.#faultOf(id, first, header);
    if (fault !== undefined && await this.#isGone(id)) return;
    this.#first ??= id;
    this.#last = id;
    if (header === undefined || fault !== undefined) {
      this.#wrecks.push({
        at: this.#breaks.length,
        lane: header?.lane,
        count: header?.count ?? 0,
      });
      this.#break({
        segment: id,
        reason: fault?.reason ?? "unreadable",
        detail: fault?.detail ?? "",
        events: header?.count ?? 0,
      });
      return;
    }
    await this.#follow(id, header);
    this.#segments++;
    this.#events += header.count;
    this.#bytes += header.storedBytes;
    this.#acceptedAt = header.receivedAt;
  }

  /** Whether a whole segment is the one that its lane wrote next. */
  async #follow(id: string, header: Header): Promise<void> {
    const name = header.lane;
    const lane = this.#lanes.get(name) ??
      { events: 0, bytes: 0, hash: undefined };
    const gap = header.eventsBefore - lane.events;
    if (gap > 0) {
      const { receivedAt } = header;
      if (!this.#settleWrecks(name, gap, receivedAt)) {
        await this.#gap(id, header, gap);
      }
    } else if (gap < 0) {
      this.#break({
        segment: id,
        reason: "chain",
        detail:
          `It counts ${header.eventsBefore} events before it; its lane ${name} had ${lane.events}.`,
        events: 0,
        until: header.receivedAt,
      });
    } else if (lane.hash !== undefined && header.previous !== lane.hash) {
      this.#break({
        segment: id,
        reason: "chain",
        detail:
          `It does not continue its lane ${name}: another segment stood before it when it was written.`,
        events: 0,
        until: header.receivedAt,
      });
    }
    this.#lanes.set(name, {
      events: header.eventsBefore + header.count,
      bytes: header.bytesBefore + header.storedBytes,
      hash: header.checksum,
    });
  }

  async #faultOf(
    id: string,
    first: Uint8Array,
    header: Header,
  ): Promise<Pick<LogBreak, "reason" | "detail"> | undefined> {
    const { values, storedBytes } = header;
    let blob = first;
    if (values > 1) {
      blob = new Uint8Array(storedBytes);
      blob.set(first.subarray(0, storedBytes));
      const missing = await readParts(this.#store, id, values, blob);
      if (missing !== undefined) {
        return {
          reason: "missing",
          detail: `Part ${missing + 1} of ${values} is missing.`,
        };
      }
    }
    try {
      decodeSegment(id, blob);
      return undefined;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return { reason: "checksum", detail: `${error.message}.` };
    }
  }

  /** Trimmed while it was read: its parts were gone because of that. */
  async #isGone(id: string): Promise<boolean> {
    const entry = await this.#store.call((kv) => kv.get(logKey(id)));
    return entry.versionstamp === null;
  }

  /** Events of the lane are missing before this segment. */
  async #gap(id: string, header: Header, events: number): Promise<void> {
    const rest = await this.#orphan(id);
    this.#break({
      segment: rest ?? id,
      reason: "missing",
      detail: rest === undefined
        ? `${events} events of lane ${header.lane} before it are gone.`
        : "Part 1 is missing.",
      events,
      until: header.receivedAt,
    });
  }

  /** The id of a segment before this one of which only further parts are left. */
  async #orphan(id: string): Promise<string | undefined> {
    return await this.#store.call(async (kv) => {
      for await (
        const entry of kv.list(partsBetween(this.#at, id), { limit: 1 })
      ) {
        const found = entry.key[3];
        if (typeof found === "string") return found;
      }
      return undefined;
    });
  }

  /** Lays a lane's missing events to the broken segments that may have held them; false: there are none. */
  #settleWrecks(lane: string, events: number, until?: number): boolean {
    const own = this.#wrecks.filter((wreck) => wreck.lane === lane);
    // A header that is damaged itself may name no lane, or one that never was.
    const found = own.length > 0
      ? own
      : this.#wrecks.filter((wreck) => !this.#lanes.has(wreck.lane ?? ""));
    if (found.length === 0) return false;
    this.#wrecks = this.#wrecks.filter((wreck) => !found.includes(wreck));
    const counted = found.reduce((sum, { count }) => sum + count, 0);
    // Headers that do not add up are part of the damage: the first stands for all.
    for (const [n, { at, count }] of found.entries()) {
      const one = this.#breaks[at];
      if (one === undefined) continue;
      const held = counted === events ? count : n === 0 ? events : 0;
      this.#breaks[at] = { ...one, events: held, to: rfc3339(until) };
    }
    return true;
  }

  #break(
    found: Omit<LogBreak, "from" | "to"> & {
      /** When the newest of them was accepted at the latest, where that is known. */
      readonly until?: number | undefined;
    },
  ): void {
    const { until, ...rest } = found;
    this.#breaks.push({
      ...rest,
      from: rfc3339(this.#acceptedAt),
      to: rfc3339(until),
    });
  }
}

const EMPTY = new Uint8Array(0);

function rfc3339(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString();
}
