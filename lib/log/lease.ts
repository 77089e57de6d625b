/** Leases: who may move a connector's place. (Signatures first; the body follows.) */
import type { Holding } from "./cursor.ts";
import type { EventLog } from "./log.ts";

export interface LeaseOptions {
  readonly signal: AbortSignal;
  /** Where a connector that has no place yet begins. Default: newest. */
  readonly from?: "newest" | "oldest";
}

/** Waits until the connector's lease is ours. @throws the signal's reason when it aborts first. */
export function takeLease(
  _log: EventLog,
  _connector: string,
  _options: LeaseOptions,
): Promise<Holding> {
  throw new Error("in work");
}
