/**
 * Intakes that wait for a commit, in the order they came, and what became of each.
 *
 * Invariants: an intake's events are packed in their order and by one lane at a time; what is reported as kept is a
 * prefix of the intake.
 */

import { ACK_VALUE_BYTES } from "./ack_ids.ts";
import { type AckSet, AckSets } from "./ack_sets.ts";
import type { Codec } from "./codec.ts";
import type { IdRun, Intake, Kept, Refusal } from "./intake.ts";
import type { Lane } from "./lane.ts";
import { type Sealed, SegmentBuilder } from "./segment_builder.ts";

/** One intake. Only this file looks inside. */
interface Ticket {
  /** Counts intakes as they come. */
  readonly number: number;
  readonly intake: Intake;
  /** Next row to pack. */
  row: number;
  kept: number;
  readonly ids: IdRun[];
  /** A lane has a commit with it in flight. */
  isBusy: boolean;
  isDone: boolean;
  readonly resolve: (kept: Kept) => void;
  readonly reject: (error: unknown) => void;
}

/** What a commit carries of an intake. */
interface Share {
  readonly ticket: Ticket;
  /** Place of its first event in the segment. */
  readonly first: number;
  readonly count: number;
}

/** A packed segment and whose events are in it. */
export interface Packed {
  readonly sealed: Sealed;
  readonly shares: readonly Share[];
  readonly acks: readonly AckSet[];
}

/**
 * Ack records of one commit, and bytes of their keys: within KV's 1,000 mutations and 81,920 bytes of keys, beside a
 * segment's own and a few cursors'. Their bytes go off what the segment may take.
 */
const MAX_ACKS = 500, MAX_ACK_KEY_BYTES = 60_000;
const NO_ACKS: readonly AckSet[] = [];

export class IntakeQueue {
  readonly #codec: Codec;
  #tickets: Ticket[] = [];
  #pushed = 0;

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  get isEmpty(): boolean {
    return this.#tickets.length === 0;
  }

  /** Is there something that no lane is busy with? */
  get hasWork(): boolean {
    return this.#tickets.some((ticket) => !ticket.isBusy);
  }

  push(intake: Intake): Promise<Kept> {
    return new Promise((resolve, reject) => {
      this.#tickets.push({
        number: this.#pushed++,
        intake,
        row: intake.from,
        kept: 0,
        ids: [],
        isBusy: false,
        isDone: false,
        resolve,
        reject,
      });
    });
  }

  /**
   * Packs what waits into one segment. Undefined: nothing waits that could be packed.
   * @throws for a bug: then everything waits as before.
   */
  pack(lane: Lane): Packed | undefined {
    for (;;) {
      const open = this.#tickets.filter((ticket) => !ticket.isBusy);
      if (open.length === 0) return undefined;
      const packed = this.#tryPack(lane, open);
      if (packed !== undefined) return packed;
    }
  }

  /** Undefined: one of them was answered instead; try again without it. */
  #tryPack(lane: Lane, open: readonly Ticket[]): Packed | undefined {
    const builder = new SegmentBuilder(
      lane.name,
      lane.head,
      open.map(({ intake, row }) => [intake, row] as const),
      this.#codec,
    );
    const shares: Share[] = [];
    let acks = 0, ackKeyBytes = 0;
    for (const ticket of open) {
      const { ack } = ticket.intake;
      if (ack !== undefined) {
        acks++;
        ackKeyBytes += ack.keyBytes;
        if (
          acks > MAX_ACKS || ackKeyBytes > MAX_ACK_KEY_BYTES ||
          !builder.leave(2 * ack.keyBytes + ACK_VALUE_BYTES)
        ) break;
      }
      const first = builder.count;
      let count;
      try {
        count = builder.add(ticket.intake, ticket.row);
      } catch (error) {
        // A bug of the caller: its promise says so.
        ticket.isDone = true;
        this.#remove(ticket);
        ticket.reject(error);
        return undefined;
      }
      if (count > 0) shares.push({ ticket, first, count });
      if (ticket.row + count < ticket.intake.to) {
        if (builder.count === 0) {
          this.#finish(ticket, "too_large");
          return undefined;
        }
        break;
      }
    }
    // Made first: where that throws, all of them still wait here, for their answer.
    const packed = {
      sealed: builder.finish(),
      shares,
      acks: acks === 0 ? NO_ACKS : ackSets(shares),
    };
    for (const { ticket, count } of shares) {
      ticket.row += count;
      ticket.isBusy = true;
    }
    this.#tickets = this.#tickets.filter(({ row, intake }) => row < intake.to);
    return packed;
  }

  /** The segment is durable. */
  onStored(shares: readonly Share[], segment: string): void {
    for (const { ticket, first, count } of shares) {
      ticket.isBusy = false;
      ticket.kept += count;
      ticket.ids.push({ segment, first, count });
      if (ticket.kept === ticket.intake.to - ticket.intake.from) {
        this.#finish(ticket);
      }
    }
  }

  /** The segment was not stored and never will be: its events wait again, where they stood. */
  requeue(shares: readonly Share[]): void {
    for (const { ticket, count } of shares) {
      if (ticket.isDone) continue;
      ticket.row -= count;
      ticket.isBusy = false;
      if (!this.#tickets.includes(ticket)) this.#tickets.push(ticket);
    }
    this.#tickets.sort((a, b) => a.number - b.number);
  }

  /** The segment will not be stored, or nobody knows yet: its intakes are answered, with all that is left of them. */
  refuse(shares: readonly Share[], refusal: Refusal): void {
    for (const { ticket } of shares) {
      this.#remove(ticket);
      this.#finish(ticket, refusal);
    }
  }

  /** Answers everything that waits. */
  refuseAll(refusal: Refusal): void {
    for (const ticket of this.#tickets.splice(0)) this.#finish(ticket, refusal);
  }

  #finish(ticket: Ticket, refusal?: Refusal): void {
    if (ticket.isDone) return;
    ticket.isDone = true;
    if (refusal !== undefined) this.#remove(ticket);
    const { kept, ids } = ticket;
    ticket.resolve(
      refusal === undefined ? { kept, ids } : { kept, ids, refusal },
    );
  }

  #remove(ticket: Ticket): void {
    const at = this.#tickets.indexOf(ticket);
    if (at >= 0) this.#tickets.splice(at, 1);
  }
}

/** The records of a commit. An id is fixed here, when its first commit is made. */
function ackSets(shares: readonly Share[]): readonly AckSet[] {
  const sets = new AckSets();
  for (
    const { ticket: { intake: { ack, receivedAt } }, first, count } of shares
  ) {
    if (ack !== undefined) sets.add(ack, { first, count, at: receivedAt });
  }
  return sets.finish();
}
