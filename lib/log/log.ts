/** The durable log. (Signatures first; the bodies follow.) */
import type { Clock } from "../clock.ts";
import type { Position, Segment } from "../event.ts";
import type { SpanTable } from "../json/spans.ts";
import type { Logger } from "../logger.ts";
import type { Store } from "./store.ts";

/** The largest envelope (or raw line) that one commit holds with its index: 700 KiB. */
export const MAX_EVENT_BYTES = 716_800;

/** Plain text that fills what an event lacks; `time` is digits as text. */
export interface Defaults {
  readonly host?: string;
  readonly source?: string;
  readonly sourcetype?: string;
  readonly index?: string;
  readonly time?: string;
}

/** What one request brings. */
export interface Intake {
  /** Not to be changed until `append` resolves. */
  readonly bytes: Uint8Array;
  readonly spans: SpanTable;
  /** Rows `from` … `to − 1`. */
  readonly from: number;
  readonly to: number;
  /** Name of the ingest token. */
  readonly producer: string;
  /** Milliseconds since the Unix epoch. */
  readonly receivedAt: number;
  readonly defaults: Defaults;
}

/** `count` events of one segment from `first` on. */
export interface IdRun {
  readonly segment: string;
  readonly first: number;
  readonly count: number;
}

/** What was kept: a prefix of the intake. */
export interface Kept {
  readonly kept: number;
  readonly ids: readonly IdRun[];
  /**
   * Why the rest was not. full: no room; unavailable: the store does not answer (the rest may be stored all the same);
   * closing: the relay stops; too_large: the event after the kept ones fits no commit.
   */
  readonly refusal?: "full" | "unavailable" | "closing" | "too_large";
}

export interface LogStats {
  /** Events and stored bytes in the log now. */
  readonly events: number;
  readonly bytes: number;
  /** When the oldest was received: milliseconds since the Unix epoch; null when empty. */
  readonly oldest: number | null;
}

export interface LogOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly uuid: () => string;
  /** This process's name, shown as the holder of leases. */
  readonly instance: string;
  /** The configured connectors: they hold the log back. Asked at each trim. */
  readonly connectors: () => readonly string[];
  /** How long settled events are kept for replay, in milliseconds, and how many bytes of them. */
  readonly keep: number;
  readonly keepBytes: number;
  /** High-water mark in bytes; default 80 % of the disk, 1 GiB where there is none. */
  readonly maxBytes?: number;
  /** Memory for the newest segments; default 32 MiB. */
  readonly tailBytes?: number;
}

export declare function openLog(
  store: Store,
  options: LogOptions,
): Promise<EventLog>;

export declare class EventLog {
  /** Resolves when what it kept is durable. Never throws for expected failures. */
  append(intake: Intake): Promise<Kept>;
  /** The first segment that holds an event at or after `at` (undefined: the oldest kept); undefined: none yet. */
  next(at: Position | undefined): Promise<Segment | undefined>;
  /** Resolves when there may be something at or after `after`. @throws the signal's reason when it aborts first. */
  changed(after: Position, signal: AbortSignal): Promise<void>;
  /** The place behind the newest event. */
  end(): Promise<Position>;
  /** Segments read back from KV since the start because they were no longer in memory. */
  readonly lagReads: number;
  /** Damaged segments met since the start. */
  readonly damaged: number;
  /** Appends are refused: no room. */
  readonly full: boolean;
  /** The store does not answer: appends are refused. */
  readonly unavailable: boolean;
  stats(): Promise<LogStats>;
  /** Finishes what is in flight, gives everything back. The store closes with it. */
  close(): Promise<void>;
}
