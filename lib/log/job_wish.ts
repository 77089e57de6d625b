/** What people ask for: a replay of the log, of dead letters, or only how much one would be. */

import type { DeadFilter } from "./dead_index.ts";
import type { DeadName } from "./dead_kept.ts";
import type { RangeBound } from "./job_range.ts";

/** A replay of the log as asked for. */
export interface LogWish {
  readonly to: readonly string[];
  readonly from: RangeBound;
  readonly until: RangeBound;
  /** As asked, for the job. */
  readonly fromText: string;
  readonly untilText: string | null;
  /** Events a second at each connector; 0: no cap. */
  readonly rate: number;
  readonly all: boolean;
  readonly mark: boolean;
}

/** A replay of dead letters as asked for. */
export interface DeadWish {
  readonly choice:
    | { readonly filter: DeadFilter }
    | { readonly names: readonly DeadName[] };
  /** By connector: events that need no sending any more. */
  readonly skipped?: ReadonlyMap<string, number>;
  /** Events a second at each connector; 0: no cap. */
  readonly rate: number;
}

/** What a replay would be. */
export interface Estimate {
  readonly events: number;
  readonly bytes: number;
  /** At the rate; null: there is no cap. */
  readonly seconds: number | null;
  readonly alreadyDelivered: number;
}
