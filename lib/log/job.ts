/**
 * A replay as a record: what was asked for, how far it is at each connector, and what people see of both.
 *
 * Invariant: a part is balanced by itself, total = delivered + filtered + dead + skipped + left.
 */

import type { Position } from "../event.ts";
import type { PlaceError } from "./cursor.ts";
import { fromValue, isRecord, numberIn, textIn, toValue } from "./kv.ts";
import { errorOf } from "./places.ts";

export type JobKind = "dead-letters" | "log";
export type JobState = "running" | "paused" | "finished" | "stopped";

/** What was asked for. Times are milliseconds since the Unix epoch. */
export interface JobRecord {
  readonly id: string;
  readonly kind: JobKind;
  /** Connectors. */
  readonly to: readonly string[];
  /** As asked: `oldest`, a time or an event's id; null: no replay of the log. */
  readonly from: string | null;
  readonly until: string | null;
  /** Events a second at each connector; 0: no cap. */
  readonly rate: number;
  /** Also what was delivered. */
  readonly all: boolean;
  readonly mark: boolean;
  /** As people set it. */
  readonly state: "running" | "paused" | "stopped";
  readonly createdAt: number;
  readonly stoppedAt: number | null;
  /** What it needs of the log is kept until then; null: until it ends. */
  readonly holdsUntil: number | null;
}

export interface JobCounts {
  readonly delivered: number;
  readonly filtered: number;
  readonly dead: number;
  readonly skipped: number;
}

/** A job at one connector. */
export interface JobPart extends JobCounts {
  readonly job: string;
  readonly connector: string;
  readonly total: number;
  /** Of `skipped`: what was known at the beginning. */
  readonly preskipped: number;
  /** A replay of the log: the next event to look at, and where it ends. */
  readonly place: Position;
  readonly end: Position;
  readonly lastError: PlaceError | null;
  readonly endedAt: number | null;
}

/** A job with all its parts. */
export interface Job extends JobRecord {
  readonly parts: readonly JobPart[];
}

/** As people see it. */
export interface JobView extends JobCounts {
  readonly id: string;
  readonly kind: JobKind;
  readonly to: readonly string[];
  readonly from: string | null;
  readonly until: string | null;
  readonly rate: number;
  readonly state: JobState;
  readonly total: number;
  readonly left: number;
  readonly createdAt: number;
  readonly endedAt: number | null;
  readonly lastError: PlaceError | null;
}

/** The id of a job that begins now. @param unique a fresh UUID. */
export function newJobId(now: number, unique: string): string {
  return `${now.toString(36).padStart(9, "0")}${unique.slice(0, 8)}`;
}

export function leftOf(part: JobPart): number {
  const { total, delivered, filtered, dead, skipped } = part;
  return total - delivered - filtered - dead - skipped;
}

/** Counts summed over the parts; each is balanced by itself, so their sum is. */
export function viewOf(job: Job): JobView {
  const { id, kind, to, from, until, rate, createdAt, parts } = job;
  const sum = (name: "total" | keyof JobCounts) =>
    parts.reduce((all, part) => all + part[name], 0);
  const isDone = parts.every(({ endedAt }) => endedAt !== null);
  const state = job.state === "stopped"
    ? "stopped"
    : isDone
    ? "finished"
    : job.state;
  const errors = parts.flatMap(({ lastError }) => lastError ?? []);
  return {
    id,
    kind,
    to,
    from,
    until,
    rate,
    state,
    total: sum("total"),
    delivered: sum("delivered"),
    filtered: sum("filtered"),
    dead: sum("dead"),
    skipped: sum("skipped"),
    left: parts.reduce((all, part) => all + leftOf(part), 0),
    createdAt,
    endedAt: state === "stopped"
      ? job.stoppedAt
      : state === "finished"
      ? Math.max(createdAt, ...parts.map(({ endedAt }) => endedAt ?? 0))
      : null,
    lastError: errors.sort((a, b) => b.at - a.at)[0] ?? null,
  };
}

/** How a part is kept. */
export function partValue(part: JobPart): Uint8Array {
  return toValue(part);
}

/** What was asked for, in a record; undefined: it is none. */
export function recordOf(value: unknown): JobRecord | undefined {
  const record = fromValue(value);
  if (record === undefined) return undefined;
  const { to, state } = record;
  return {
    id: textIn(record, "id"),
    kind: record["kind"] === "log" ? "log" : "dead-letters",
    to: Array.isArray(to) ? to.map(String) : [],
    from: textOrNull(record["from"]),
    until: textOrNull(record["until"]),
    rate: numberIn(record, "rate"),
    all: record["all"] === true,
    mark: record["mark"] === true,
    state: state === "paused" || state === "stopped" ? state : "running",
    createdAt: numberIn(record, "createdAt"),
    stoppedAt: numberOrNull(record["stoppedAt"]),
    holdsUntil: numberOrNull(record["holdsUntil"]),
  };
}

/** A part in a record; undefined: it is none. */
export function partOf(value: unknown): JobPart | undefined {
  const record = fromValue(value);
  if (record === undefined) return undefined;
  return {
    job: textIn(record, "job"),
    connector: textIn(record, "connector"),
    total: numberIn(record, "total"),
    delivered: numberIn(record, "delivered"),
    filtered: numberIn(record, "filtered"),
    dead: numberIn(record, "dead"),
    skipped: numberIn(record, "skipped"),
    preskipped: numberIn(record, "preskipped"),
    place: positionIn(record["place"]),
    end: positionIn(record["end"]),
    lastError: errorOf(record["lastError"]),
    endedAt: numberOrNull(record["endedAt"]),
  };
}

function positionIn(value: unknown): Position {
  return isRecord(value)
    ? { segment: textIn(value, "segment"), index: numberIn(value, "index") }
    : { segment: "", index: 0 };
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function numberOrNull(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
