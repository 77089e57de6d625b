/**
 * Every KV key of the program, and what ends each of them. Nothing else builds a key.
 *
 *     ["log", shard, vs]                 first value of a segment; vs = versionstamp of its commit = segment id
 *     ["part", shard, n, vs]             value n (1 … 11) of the same segment; one prefix each, because of several
 *                                        versionstamped keys under one prefix a commit keeps only the last
 *                                        until: trimmed (`trim.ts`)
 *     ["damaged", shard, vs]             that segment was met and is damaged; best effort, by whoever met it
 *                                        until: the segment is trimmed (`damaged_kept.ts`)
 *     ["trim", shard]                    trim mark: newest segment deleted, and per lane what was deleted
 *                                        one
 *     ["writer", shard, lane]            writer head: append id, hash of the lane's newest segment, running totals
 *                                        as many lanes as processes write at once: they are taken over (`claim.ts`)
 *     ["cursor", connector, shard]       place and books
 *     ["lease", connector, shard]        rewritten at each renewal
 *     ["epoch", connector, shard]        changed only at a take-over; what settling checks
 *     ["hand", connector]                switched on or off by hand
 *     ["deadbooks", connector]           what happened to dead letters, as changes of the connector's books; rewritten
 *                                        by every commit that changes one of its dead letters
 *                                        until: the connector left the configuration `HECATE_EXPIRE` ago and has no dead
 *                                        letters (`left.ts`)
 *     ["left", connector]                since when it is not configured any more
 *                                        until: it returned, or is forgotten (`left.ts`)
 *     ["process", id]                    a process that shares the store's connectors: its name and beat
 *                                        until: it ends, or stays still for 21 looks of another (`share.ts`)
 *     ["sent", connector, segment, n]    chunk of the history: what was decided from that event on
 *     ["sentby", connector, segment, n, at] what a replay of the log delivered of a segment from event n on
 *                                        until: the segment is trimmed (`trimHistory`), or with the connector
 *     ["expired", connector, at, id]     events that expired, from this one on, at that time (20 digits)
 *                                        until: 30 days (`forgetExpired`), or with the connector
 *     ["dead", connector, id]            dead letter, by event id
 *     ["deadpart", connector, id, n]     its bytes, values of at most 65,536
 *     ["deadat", connector, ms, id]      index of dead letters by death (20 digits), then in the log's order (the
 *                                        number in the id with 10 digits): what lists show
 *                                        until: delivered, filtered or discarded, or 30 days (`DeadLetters.sweep`, and
 *                                        `forget` for imports); uncounted ones, and bytes without a record, at the next
 *                                        lease (`dropUncounted`)
 *     ["deadend", connector, id]         what became of a dead letter that is none any more
 *                                        until: 30 days (`forgetEnds`), or with the connector
 *     ["job", id]                        a replay: what was asked for, and its state
 *     ["jobpart", id, connector]         its part for one connector: counts and place, changed with their effects
 *     ["jobitem", id, connector, n]      ids of the dead letters that the part is for, 1,000 a value
 *                                        until: 30 days after it ended, or was to begin (`forgetJobs`)
 *     ["jobopen", connector, id]         that part is not ended
 *                                        until: it is, or the job is stopped or forgotten (`jobs.ts`)
 *     ["jobsum"]                         what forgotten jobs counted, by connector
 *                                        one
 *     ["idem", hash]                     answer to a request with an Idempotency-Key
 *                                        until: 24 hours (`forgetAnswers`)
 *     ["ackids", token, channel]         where the ack ids end that are reserved, and the channel's last use
 *                                        until: 30 days after that (`ack_sweep.ts`); a million at most
 *     ["ack", token, channel, group, vs] the events in segment vs of the requests that were answered with these ack ids
 *                                        (256 in a row are a group); set in that segment's own commit
 *                                        until: told (`ack_told.ts`); not asked for, trimmed and an hour old, or behind
 *                                        a million newer ids, or with the channel (`ack_sweep.ts`)
 *     ["acktold", token, channel, at, n] ack ids that were told to be true in this second
 *                                        until: ten minutes (next poll, `ack_sweep.ts`)
 *     ["ballast", n]                     probe of a disk that was full; gone again at once
 *     ["credential", name]               SHA-256 of a token made at the first start
 *                                        two
 *
 * Limits: a key of 2,048 encoded bytes; connector names and token names are at most 64 characters (configuration), ids 40, ack channels 36.
 *
 * Over 300 lines because all keys stand in one place.
 */

import type { VersionstampPart } from "./kv.ts";

/** The only shard so far. In the keys, so that deliveries can be leased apart later. */
const SHARD = 0;

/** Before every segment, in keys of histories. */
const NO_SEGMENT = "0".repeat(20);

/** What sorts behind every versionstamp (hex digits). */
const BEHIND_ALL = "g";

export function logKey(vs: string | VersionstampPart): Deno.KvKey {
  return ["log", SHARD, vs];
}

/** Range of the first values with an id greater than `after`. */
export function logAfter(after: string): Deno.KvListSelector {
  return {
    start: ["log", SHARD, `${after}\0`],
    end: ["log", SHARD, BEHIND_ALL],
  };
}

export function partKey(n: number, vs: string | VersionstampPart): Deno.KvKey {
  return ["part", SHARD, n, vs];
}

/** Range of the first further values of the segments between two ids, both excluded. */
export function partsBetween(
  after: string,
  before: string,
): Deno.KvListSelector {
  return {
    start: ["part", SHARD, 1, `${after}\0`],
    end: ["part", SHARD, 1, before],
  };
}

export function damagedKey(id: string): Deno.KvKey {
  return ["damaged", SHARD, id];
}

/** Records of damaged segments with an id greater than `after`. */
export function damagedAfter(after: string): Deno.KvListSelector {
  return {
    start: ["damaged", SHARD, `${after}\0`],
    end: ["damaged", SHARD, BEHIND_ALL],
  };
}

/** Those of the segments up to this one. */
export function damagedUpTo(segment: string): Deno.KvListSelector {
  return {
    start: ["damaged", SHARD],
    end: ["damaged", SHARD, `${segment}\0`],
  };
}

export function writerKey(lane: string): Deno.KvKey {
  return ["writer", SHARD, lane];
}

export function writers(): Deno.KvListSelector {
  return { prefix: ["writer", SHARD] };
}

export function cursorKey(connector: string): Deno.KvKey {
  return ["cursor", connector, SHARD];
}

export function cursors(): Deno.KvListSelector {
  return { prefix: ["cursor"] };
}

export function leaseKey(connector: string): Deno.KvKey {
  return ["lease", connector, SHARD];
}

/** Every connector's lease. */
export function leases(): Deno.KvListSelector {
  return { prefix: ["lease"] };
}

export function processKey(id: string): Deno.KvKey {
  return ["process", id];
}

export function processes(): Deno.KvListSelector {
  return { prefix: ["process"] };
}

export function epochKey(connector: string): Deno.KvKey {
  return ["epoch", connector, SHARD];
}

export function deadKey(connector: string, id: string): Deno.KvKey {
  return ["dead", connector, id];
}

export function deadPartKey(
  connector: string,
  id: string,
  n: number,
): Deno.KvKey {
  return ["deadpart", connector, id, n];
}

/** Digits of a time in a key: milliseconds since the Unix epoch in the order of their numbers. */
const TIME_DIGITS = 20;

function timePart(ms: number): string {
  return String(ms).padStart(TIME_DIGITS, "0");
}

/** Digits of an event's number in its segment, in a key. */
const NUMBER_DIGITS = 10;

/** An event id whose text sorts as the log does: by segment, then by number. Any other id is as it is. */
export function idInOrder(id: string): string {
  const found = /^([0-9a-f]{20})-(0|[1-9]\d{0,9})$/.exec(id);
  return found === null
    ? id
    : `${found[1]}-${(found[2] ?? "").padStart(NUMBER_DIGITS, "0")}`;
}

export function deadAtKey(
  connector: string,
  ms: number,
  id: string,
): Deno.KvKey {
  return ["deadat", connector, timePart(ms), idInOrder(id)];
}

/** The event id in a key of the index. */
export function idOfDeadAt(key: Deno.KvKey): string {
  return String(key[3]).replace(/^([0-9a-f]{20})-0+(?=\d+$)/, "$1-");
}

/** The time of death in a key of the index. */
export function timeOfDeadAt(key: Deno.KvKey): number {
  return Number(key[2]);
}

/** A place in the index of one connector: before the first letter of a moment, or before or right behind one letter. */
export interface DeadAtBound {
  readonly ms: number;
  readonly id?: string;
  readonly isBehind?: boolean;
}

/** The index of one connector between two places; undefined: from its beginning, to its end. */
export function deadAtBetween(
  connector: string,
  from: DeadAtBound | undefined,
  to: DeadAtBound | undefined,
): Deno.KvListSelector {
  const bound = ({ ms, id, isBehind = false }: DeadAtBound): Deno.KvKey => {
    const moment = ["deadat", connector, timePart(ms)];
    if (id === undefined) return moment;
    return [...moment, isBehind ? `${idInOrder(id)}\0` : idInOrder(id)];
  };
  return {
    start: from === undefined ? ["deadat", connector] : bound(from),
    end: to === undefined ? ["deadat", `${connector}\0`] : bound(to),
  };
}

/** The dead letters whose events lie in a segment or behind it. */
export function deadFrom(
  connector: string,
  segment: string,
): Deno.KvListSelector {
  return {
    start: ["dead", connector, segment],
    end: ["dead", connector, BEHIND_ALL],
  };
}

/** The bytes of dead letters whose events lie in a segment or behind it. */
export function deadPartsFrom(
  connector: string,
  segment: string,
): Deno.KvListSelector {
  return {
    start: ["deadpart", connector, segment],
    end: ["deadpart", connector, BEHIND_ALL],
  };
}

export function deadEndKey(connector: string, id: string): Deno.KvKey {
  return ["deadend", connector, id];
}

export function deadEnds(
  connector: string,
  after: string,
): Deno.KvListSelector {
  return {
    start: ["deadend", connector, `${after}\0`],
    end: ["deadend", `${connector}\0`],
  };
}

export function deadBooksKey(connector: string): Deno.KvKey {
  return ["deadbooks", connector];
}

export function deadBooksAll(): Deno.KvListSelector {
  return { prefix: ["deadbooks"] };
}

export function sentKey(
  connector: string,
  segment: string,
  index: number,
): Deno.KvKey {
  return ["sent", connector, segment === "" ? NO_SEGMENT : segment, index];
}

/** A connector's history. */
export function sentOf(connector: string): Deno.KvListSelector {
  return { prefix: ["sent", connector] };
}

/** Its chunks that begin at a place or before it. */
export function sentUpTo(
  connector: string,
  segment: string,
  index: number,
): Deno.KvListSelector {
  return {
    start: ["sent", connector],
    end: behind(sentKey(connector, segment, index)),
  };
}

/** Its chunks that begin behind a place. */
export function sentAfter(
  connector: string,
  segment: string,
  index: number,
): Deno.KvListSelector {
  return {
    start: behind(sentKey(connector, segment, index)),
    end: ["sent", connector, BEHIND_ALL],
  };
}

export function sentByKey(
  connector: string,
  segment: string,
  first: number,
  at: number,
): Deno.KvKey {
  return ["sentby", connector, segment, first, at];
}

/** What replays of the log delivered of a segment. */
export function sentByOf(
  connector: string,
  segment: string,
): Deno.KvListSelector {
  return { prefix: ["sentby", connector, segment] };
}

/** What they delivered of the segments up to this one. */
export function sentByUpTo(
  connector: string,
  segment: string,
): Deno.KvListSelector {
  return {
    start: ["sentby", connector],
    end: ["sentby", connector, `${segment}\0`],
  };
}

export function expiredKey(
  connector: string,
  at: number,
  id: string,
): Deno.KvKey {
  return ["expired", connector, timePart(at), id];
}

/** What expired at a connector before a time or before a key; undefined: all of it. */
export function expiredBefore(
  connector: string,
  before?: number | { readonly at: number; readonly id: string },
): Deno.KvListSelector {
  const start = ["expired", connector];
  if (before === undefined) return { prefix: start };
  return {
    start,
    end: typeof before === "number"
      ? ["expired", connector, timePart(before)]
      : expiredKey(connector, before.at, before.id),
  };
}

export function handKey(connector: string): Deno.KvKey {
  return ["hand", connector];
}

export function handKeys(): Deno.KvListSelector {
  return { prefix: ["hand"] };
}

export function leftKey(connector: string): Deno.KvKey {
  return ["left", connector];
}

export function leftKeys(): Deno.KvListSelector {
  return { prefix: ["left"] };
}

/** What a connector is now. */
export function stateKeys(connector: string): Deno.KvKey[] {
  return [
    cursorKey(connector),
    leaseKey(connector),
    epochKey(connector),
    handKey(connector),
    deadBooksKey(connector),
  ];
}

/** What became of a connector's events. */
export function pastOf(connector: string): Deno.KvListSelector[] {
  return ["sent", "sentby", "expired", "deadend"].map((first) => ({
    prefix: [first, connector],
  }));
}

export function idempotencyKey(hash: string): Deno.KvKey {
  return ["idem", hash];
}

/** Behind a hash; "": all. */
export function idempotencyAfter(hash: string): Deno.KvListSelector {
  return { start: ["idem", `${hash}\0`], end: ["idem", BEHIND_ALL] };
}

export function jobKey(id: string): Deno.KvKey {
  return ["job", id];
}

/** The jobs that began before this one; undefined: all. */
export function jobsBefore(id?: string): Deno.KvListSelector {
  return id === undefined
    ? { prefix: ["job"] }
    : { start: ["job"], end: ["job", id] };
}

export function jobPartKey(id: string, connector: string): Deno.KvKey {
  return ["jobpart", id, connector];
}

export function jobPartsOf(id: string): Deno.KvListSelector {
  return { prefix: ["jobpart", id] };
}

/** The parts of all jobs. */
export function jobPartsAll(): Deno.KvListSelector {
  return { prefix: ["jobpart"] };
}

/** What forgotten jobs counted. */
export function jobSumKey(): Deno.KvKey {
  return ["jobsum"];
}

export function jobOpenKey(connector: string, id: string): Deno.KvKey {
  return ["jobopen", connector, id];
}

/** The open parts of one connector, or of all. */
export function jobsOpen(connector?: string): Deno.KvListSelector {
  return {
    prefix: connector === undefined ? ["jobopen"] : ["jobopen", connector],
  };
}

export function jobItemKey(
  id: string,
  connector: string,
  n: number,
): Deno.KvKey {
  return ["jobitem", id, connector, n];
}

export function jobItemsOf(id: string): Deno.KvListSelector {
  return { prefix: ["jobitem", id] };
}

/** The lists of all jobs from an id on. */
export function jobItemsFrom(id: string): Deno.KvListSelector {
  return { prefix: ["jobitem"], start: ["jobitem", id] };
}

/** Range of the first values with this id or a greater one. */
export function logFrom(id: string): Deno.KvListSelector {
  return { start: ["log", SHARD, id], end: ["log", SHARD, BEHIND_ALL] };
}

/** The dead letters of one segment's events. */
export function deadOf(
  connector: string,
  segment: string,
): Deno.KvListSelector {
  return eventsOf("dead", connector, segment);
}

/** What became of dead letters of one segment's events. */
export function deadEndsOf(
  connector: string,
  segment: string,
): Deno.KvListSelector {
  return eventsOf("deadend", connector, segment);
}

/** Keys that end with the id of one of a segment's events. */
function eventsOf(
  first: string,
  connector: string,
  segment: string,
): Deno.KvListSelector {
  // "." is the sign that follows "-".
  return {
    start: [first, connector, `${segment}-`],
    end: [first, connector, `${segment}.`],
  };
}

export function trimKey(): Deno.KvKey {
  return ["trim", SHARD];
}

export function ballastKey(n: number): Deno.KvKey {
  return ["ballast", n];
}

export function ackIdsKey(token: string, channel: string): Deno.KvKey {
  return ["ackids", token, channel];
}

/** Range of all channels' records behind this one's; undefined: from the first. */
export function ackIdsAfter(after?: Deno.KvKey): Deno.KvListSelector {
  return after === undefined
    ? { prefix: ["ackids"] }
    : { prefix: ["ackids"], start: behind(after) };
}

export function ackKey(
  token: string,
  channel: string,
  group: number,
  vs: string | VersionstampPart,
): Deno.KvKey {
  return ["ack", token, channel, group, vs];
}

/** Range of the records of the groups `from` … `to`, or what of it comes behind `after`. */
export function acksBetween(
  token: string,
  channel: string,
  { from, to }: { readonly from: number; readonly to: number },
  after?: Deno.KvKey,
): Deno.KvListSelector {
  return {
    start: after === undefined ? ["ack", token, channel, from] : behind(after),
    end: ["ack", token, channel, to + 1],
  };
}

export function ackToldKey(
  token: string,
  channel: string,
  at: number,
  n: number,
): Deno.KvKey {
  return ["acktold", token, channel, at, n];
}

/** Range of what a channel was told, in the order of time, or what of it comes behind `after`. */
export function ackToldOf(
  token: string,
  channel: string,
  after?: Deno.KvKey,
): Deno.KvListSelector {
  const prefix = ["acktold", token, channel];
  return after === undefined ? { prefix } : { prefix, start: behind(after) };
}

/** The first key that may follow. */
function behind(key: Deno.KvKey): Deno.KvKey {
  return [...key, ""];
}

export function credentialKey(name: string): Deno.KvKey {
  return ["credential", name];
}
