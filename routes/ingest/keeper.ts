/** Keeps a body: slice after slice is judged and appended, up to the first fault or refusal. */

import { setImmediate } from "node:timers";
import type { Judgement } from "../../lib/format/hec.ts";
import { sliceLimits, type Slices } from "../../lib/format/hec_slices.ts";
import { ROW, SpanTable } from "../../lib/json/spans.ts";
import type { AckClaim } from "../../lib/log/ack_ids.ts";
import type { Acks } from "../../lib/log/acks.ts";
import type { Intake, Kept } from "../../lib/log/intake.ts";
import type { EventLog } from "../../lib/log/log.ts";
import type { UnknownMembers } from "./unknown_members.ts";

/** Span tables kept for the next requests, and the largest that is: 576 KiB. */
const MAX_TABLES = 64, MAX_TABLE_ROWS = 8_192;
/** Of a body without an event. */
export const NO_DATA: Judgement = { good: 0, code: 5, unknown: 0 };

/** What was judged and kept of a body. */
export interface Keeping {
  readonly judged: Judgement;
  /** crowded: nothing, because there are too many ack channels. */
  readonly kept: Kept | "crowded" | undefined;
  /** Of what was kept, where the request wants one. */
  readonly ackId?: number | undefined;
}

export class Keeper {
  readonly #parts: {
    readonly log: EventLog;
    readonly acks: Acks;
    readonly unknown: UnknownMembers;
  };
  readonly #tables: SpanTable[] = [];
  /** Bodies whose rows are in memory. */
  #bodiesInWork = 0;

  constructor(parts: {
    readonly log: EventLog;
    readonly acks: Acks;
    readonly unknown: UnknownMembers;
  }) {
    this.#parts = parts;
  }

  /** `channel`: the request wants an ack id there. Throws only for bugs. */
  async keep(
    slices: Slices,
    intake: Omit<Intake, "spans" | "from" | "to" | "ack">,
    channel: string | undefined,
  ): Promise<Keeping> {
    const { log, acks, unknown: members } = this.#parts;
    const table = this.#tables.pop() ?? new SpanTable();
    this.#bodiesInWork++;
    let kept: Kept | undefined, claim: AckClaim | undefined;
    try {
      for (;;) {
        const before = kept?.kept ?? 0;
        const judged = slices.next(table, sliceLimits(this.#bodiesInWork));
        const { good, code, number, unknown } = judged;
        if (unknown > 0) members.note(intake.producer, unknown);
        if (good > 0) {
          if (channel !== undefined && claim === undefined) {
            const claimed = await acks.claim(intake.producer, channel);
            if (claimed === "crowded") return { judged, kept: claimed };
            if (typeof claimed === "string") {
              kept = { kept: 0, ids: [], refusal: claimed };
              return { judged, kept };
            }
            claim = claimed;
          }
          const rows = { ...intake, spans: table, from: 0, to: good };
          const part = await log.append(
            claim === undefined ? rows : { ...rows, ack: claim },
          );
          kept = kept === undefined ? part : joined(kept, part);
        }
        const ackId = kept !== undefined && kept.kept > 0
          ? claim?.id
          : undefined;
        if (code !== 0 || kept?.refusal !== undefined) {
          return number === undefined
            ? { judged, kept, ackId }
            : { judged: { ...judged, number: before + number }, kept, ackId };
        }
        if (slices.isDone) {
          return { judged: before + good > 0 ? judged : NO_DATA, kept, ackId };
        }
        // An append lets others have their turn.
        if (good === 0) await new Promise((resolve) => setImmediate(resolve));
        table.clear();
      }
    } finally {
      claim?.close({ isKept: kept !== undefined && kept.kept > 0 });
      this.#bodiesInWork--;
      if (
        this.#tables.length < MAX_TABLES &&
        table.words.length <= MAX_TABLE_ROWS * ROW
      ) {
        table.clear();
        this.#tables.push(table);
      }
    }
  }
}

/** What was kept of the slices so far. */
function joined(kept: Kept, part: Kept): Kept {
  return {
    ...part,
    kept: kept.kept + part.kept,
    ids: [...kept.ids, ...part.ids],
  };
}
