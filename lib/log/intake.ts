/** What a request brings to the log, and what the log answers. */

import type { SpanTable } from "../json/spans.ts";
import type { AckClaim } from "./ack_ids.ts";

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
  /** The request's right to an ack id: every commit with its events says so. All slices of a request have the same. */
  readonly ack?: AckClaim;
}

/** `count` events of one segment from `first` on. */
export interface IdRun {
  readonly segment: string;
  readonly first: number;
  readonly count: number;
}

/**
 * Why the rest was not kept. full: no room; unavailable: the store does not answer (the rest may be stored all the
 * same); closing: the relay stops; too_large: the event after the kept ones fits no commit.
 */
export type Refusal = "full" | "unavailable" | "closing" | "too_large";

/** What was kept: a prefix of the intake. */
export interface Kept {
  readonly kept: number;
  readonly ids: readonly IdRun[];
  readonly refusal?: Refusal;
}
