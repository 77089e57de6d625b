/** What a log is opened with, and what it says about itself. */

import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";

export interface LogOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly uuid: () => string;
  /** This process's name, shown as the holder of leases. */
  readonly instance: string;
  /** How long a lease lasts that nobody renews, in milliseconds; default 12 s. */
  readonly lease?: number;
  /** The configured connectors: their places hold the log. Asked at each trim. */
  readonly connectors: () => readonly string[];
  /** How long places and books of connectors that left the configuration are kept; absent or 0: for ever. */
  readonly keepLeft?: number;
  /** How long settled events are kept for replay, in milliseconds, and how many bytes of them. */
  readonly keep: number;
  readonly keepBytes: number;
  /** High-water mark in bytes; default 80 % of the disk, 1 GiB where there is none. */
  readonly maxBytes?: number;
  /** Memory for the newest segments; default 32 MiB. */
  readonly tailBytes?: number;
  /** Default 8 MiB; only for a KV file. */
  readonly ballastBytes?: number;
}

export interface LogStats {
  /** Events and stored bytes in the log now. */
  readonly events: number;
  readonly bytes: number;
  /** When the oldest segment was received: milliseconds since the Unix epoch; null when the log is empty. */
  readonly oldest: number | null;
  /** Segments in the log that any process found damaged. */
  readonly damaged: number;
}
