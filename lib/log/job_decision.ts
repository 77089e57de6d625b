/** What became of events that a job came to. */

import type { Answer, Reason } from "../connector.ts";
import type { Position, Segment } from "../event.ts";
import type { NewDeadLetter } from "./dead_record.ts";
import type { Standing } from "./standing.ts";

/** What was decided of one event, or of several in a row that were not sent. */
export type JobDecision =
  & {
    /** A replay of the log: the place behind it. */
    readonly place?: Position;
  }
  & (
    | { readonly kind: "skipped" | "filtered"; readonly count: number }
    | {
      readonly kind: "delivered";
      readonly id: string;
      /** How it stood by the history. */
      readonly base: Standing;
      readonly attempts: number;
      readonly answer: Answer;
    }
    | {
      readonly kind: "dead";
      readonly id: string;
      readonly base: Standing;
      readonly reason: Reason;
      readonly error: string;
      readonly attempts: number;
      /** As it is kept where it is no dead letter yet; undefined: it was one, or the SIEM has it already. */
      readonly letter: NewDeadLetter | undefined;
      /** Where the letter's event lies in the log. */
      readonly origin?: { readonly segment: Segment; readonly index: number };
    }
  );

/** Of an event that was sent. */
export type JobSent = Exclude<JobDecision, { kind: "skipped" | "filtered" }>;
