/** What was decided about events at a connector, as settles tell it and the history keeps it. */

import type { Answer } from "../connector.ts";
import type { EventRun, PlaceRange, Position } from "../event.ts";

/** What became of an event. `by`: the part of the scope. A dead letter's own record says more. */
export type Decision =
  | {
    readonly kind: "delivered";
    /** How often it was sent. */
    readonly attempts: number;
    readonly answer: Answer;
  }
  | { readonly kind: "filtered"; readonly by: string }
  | { readonly kind: "dead" }
  | { readonly kind: "expired"; readonly reason: ExpiryReason }
  | { readonly kind: "discarded" };

/** `age`: it waited too long. `damaged`: its segment cannot be read. */
export type ExpiryReason = "age" | "damaged";

/** Where the destination answers nothing, or what it said is not known. */
export const NO_ANSWER: Answer = { status: null, message: "" };

/** Events in a row of a run, of which the same became. */
export interface RunRange extends PlaceRange {
  readonly decision: Decision;
}

/** What a settle decides: every event from the old place to the new one. */
export interface Decided {
  /** When: milliseconds since the Unix epoch. */
  readonly at: number;
  readonly run: EventRun;
  /** All of the run, in its order. */
  readonly ranges: readonly RunRange[];
  /** What is passed over without being read: all from the old place to the new one; the run is empty then. */
  readonly skipped?: {
    readonly count: number;
    readonly decision: Decision;
    /** Of what expired: ids of the first and the last, and their stored bytes. */
    readonly range?: {
      readonly first: string;
      readonly last: string;
      readonly bytes: number;
    };
  };
}

/** Events in a row in the log, over one or more segments, of which the same became. */
export interface DecidedRange {
  readonly from: Position;
  readonly count: number;
  readonly decision: Decision;
  /** When, to the second: milliseconds since the Unix epoch. */
  readonly at: number;
}

/** Does one place come before another? */
export function isBefore(one: Position, other: Position): boolean {
  return one.segment < other.segment ||
    (one.segment === other.segment && one.index < other.index);
}
