/**
 * Group commit without a timer: what arrives while a commit is in flight forms the next one.
 *
 * Invariants: one commit in flight per lane; an intake's events are stored in their order, those of one intake never
 * by two lanes at once; a promise resolves only when what it says is durable. On a store that is this process's alone
 * settles ride in the appends' commits; when such a commit is refused, append and settles go apart to find the loser.
 */

import type { Segment } from "../event.ts";
import type { IdRun, Intake, Kept, Refusal } from "./intake.ts";
import { appendId } from "./heads.ts";
import { logKey, partKey } from "./keys.ts";
import {
  isDiskFull,
  type Kv,
  MAX_CHECKS,
  MAX_VALUE_BYTES,
  messageOf,
} from "./kv.ts";
import type { Committed, Lane } from "./lane.ts";
import { type Sealed, SegmentBuilder } from "./segment_builder.ts";
import { addSettle, type Settle, settleAlone } from "./settle.ts";
import type { Store } from "./store.ts";

/** Room that cursors may take in a commit beside twelve full values. */
const MAX_RIDING_BYTES = 24_000;

export interface WriterParts {
  readonly store: Store;
  readonly lanes: readonly Lane[];
  readonly random: () => number;
  /** Unique per process start. */
  readonly process: string;
  /** A segment is durable. Called in commit order of its lane. */
  readonly onStored: (segment: Segment) => void;
  /** A commit found the disk full. */
  readonly onFull: () => void;
}

interface Ticket {
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

interface SettleTicket {
  readonly settle: Settle;
  readonly resolve: (version: string | undefined) => void;
}

/** What a commit carries of an intake. */
interface Share {
  readonly ticket: Ticket;
  readonly first: number;
  readonly count: number;
}

interface Group {
  readonly sealed: Sealed | undefined;
  readonly shares: readonly Share[];
  riders: readonly SettleTicket[];
}

export class Writer {
  readonly #parts: WriterParts;
  #queue: Ticket[] = [];
  #settles: SettleTicket[] = [];
  readonly #busy = new Set<Lane>();
  readonly #stuck = new Set<Lane>();
  #isScheduled = false;
  #appends = 0;
  readonly #idle: (() => void)[] = [];

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** The store does not answer on any lane. */
  get isStuck(): boolean {
    return this.#stuck.size === this.#parts.lanes.length;
  }

  get isIdle(): boolean {
    return this.#busy.size === 0 && this.#queue.length === 0 &&
      this.#settles.length === 0 && !this.#isScheduled;
  }

  append(intake: Intake): Promise<Kept> {
    if (intake.from >= intake.to) return Promise.resolve({ kept: 0, ids: [] });
    if (this.isStuck) {
      return Promise.resolve({ kept: 0, ids: [], refusal: "unavailable" });
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({
        intake,
        row: intake.from,
        kept: 0,
        ids: [],
        isBusy: false,
        isDone: false,
        resolve,
        reject,
      });
      this.#schedule();
    });
  }

  /** The place's new versionstamp once it is durable; undefined: refused, or given up by its signal. */
  settle(settle: Settle): Promise<string | undefined> {
    const { store, random } = this.#parts;
    if (!store.isExclusive || this.isStuck) {
      return settleAlone(store, settle, random);
    }
    return new Promise((resolve) => {
      this.#settles.push({ settle, resolve });
      this.#schedule();
    });
  }

  /** Resolves when nothing is left to write. */
  async drained(): Promise<void> {
    while (!this.isIdle) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /** Answers everything that waits. */
  refuseAll(refusal: Refusal): void {
    for (const ticket of this.#queue.splice(0)) finish(ticket, refusal);
    for (const { settle, resolve } of this.#settles.splice(0)) {
      void settleAlone(this.#parts.store, settle, this.#parts.random)
        .then(resolve);
    }
  }

  /** One turn of the microtask queue later, so that what arrives at once goes at once. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      for (const lane of this.#parts.lanes) {
        if (!this.#hasWork()) break;
        if (!this.#busy.has(lane)) void this.#run(lane);
      }
      this.#announce();
    });
  }

  #announce(): void {
    if (!this.isIdle) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #hasWork(): boolean {
    return this.#settles.length > 0 ||
      this.#queue.some((ticket) => !ticket.isBusy);
  }

  async #run(lane: Lane): Promise<void> {
    this.#busy.add(lane);
    let group: Group | undefined;
    try {
      while (this.#hasWork()) {
        if (!lane.isOpen) await lane.open();
        group = this.#take(lane);
        if (group === undefined) break;
        await this.#commit(lane, group);
      }
    } catch (error) {
      // The head could not be read or made, and nothing was sent; anything else is a bug.
      this.#parts.store.logger.log(
        "error",
        group === undefined ? "store.slow" : "bug",
        "The log cannot be written",
        { lane: lane.name, error: messageOf(error) },
      );
      if (group !== undefined) this.#onRefused({ isFull: false }, group);
      this.refuseAll("unavailable");
      await this.#parts.store.refresh().catch(() => undefined);
    } finally {
      this.#busy.delete(lane);
      // Its remainder may wait for a lane that just went to rest.
      if (this.#hasWork()) this.#schedule();
      else this.#announce();
    }
  }

  /** Packs what waits. Undefined: nothing could be packed. */
  #take(lane: Lane): Group | undefined {
    const riders = this.#takeRiders();
    const open = this.#queue.filter((ticket) => !ticket.isBusy);
    if (open.length === 0) {
      return riders.length === 0
        ? undefined
        : { sealed: undefined, shares: [], riders };
    }
    const builder = new SegmentBuilder(
      lane.name,
      lane.head,
      open.map(({ intake, row }) => [intake, row] as const),
    );
    const shares: Share[] = [];
    for (const ticket of open) {
      const first = builder.count;
      let count;
      try {
        count = builder.add(ticket.intake, ticket.row);
      } catch (error) {
        // A bug of the caller. What is packed so far is packed again without it.
        ticket.isDone = true;
        this.#remove(ticket);
        ticket.reject(error);
        this.#settles = [...riders, ...this.#settles];
        return this.#take(lane);
      }
      if (count > 0) shares.push({ ticket, first, count });
      if (ticket.row + count < ticket.intake.to) {
        if (first === 0 && count === 0) {
          this.#remove(ticket);
          finish(ticket, "too_large");
          this.#settles = [...riders, ...this.#settles];
          return this.#take(lane);
        }
        break;
      }
    }
    for (const { ticket, count } of shares) {
      ticket.row += count;
      ticket.isBusy = true;
    }
    this.#queue = this.#queue.filter(({ row, intake }) => row < intake.to);
    return { sealed: builder.finish(), shares, riders };
  }

  #takeRiders(): SettleTicket[] {
    let bytes = 0, count = 0;
    for (const { settle } of this.#settles) {
      bytes += settle.value.length;
      // One check is the head's.
      if (count + 1 >= MAX_CHECKS || (count > 0 && bytes > MAX_RIDING_BYTES)) {
        break;
      }
      count++;
    }
    return this.#settles.splice(0, count);
  }

  #remove(ticket: Ticket): void {
    const at = this.#queue.indexOf(ticket);
    if (at >= 0) this.#queue.splice(at, 1);
  }

  async #commit(lane: Lane, group: Group): Promise<void> {
    const { sealed } = group;
    if (sealed === undefined) return await this.#commitRiders(group.riders);
    const id = appendId(this.#parts.process, ++this.#appends);
    let result: Committed;
    do {
      result = await lane.commit({
        id,
        totals: {
          hash: sealed.hash,
          events: lane.head.events + sealed.count,
          bytes: lane.head.bytes + sealed.blob.length,
        },
        count: sealed.count,
        rides: group.riders.length > 0,
        add: (operation, kv) => this.#add(operation, kv, sealed, group.riders),
        onStuck: () => this.#onStuck(lane, group.shares),
      });
      // One of those that rode lost its lease: they go apart, the append once more.
      if (result.kind === "conflict") this.#partFrom(group);
    } while (result.kind === "conflict");
    this.#stuck.delete(lane);
    if (result.kind === "stored") this.#onStored(result.segment, sealed, group);
    else this.#onRefused({ isFull: result.kind === "full" }, group);
  }

  #add(
    operation: Deno.AtomicOperation,
    kv: Kv,
    { blob }: Sealed,
    riders: readonly SettleTicket[],
  ): void {
    const vs = kv.commitVersionstamp();
    for (let n = 0, at = 0; at < blob.length; n++, at += MAX_VALUE_BYTES) {
      const value = blob.subarray(at, at + MAX_VALUE_BYTES);
      operation.set(n === 0 ? logKey(vs) : partKey(n, vs), value);
    }
    for (const { settle } of riders) {
      addSettle(operation, settle, { isExclusive: true });
    }
  }

  #onStored(id: string, sealed: Sealed, group: Group): void {
    this.#parts.onStored(sealed.segment(id));
    for (const { ticket, first, count } of group.shares) {
      ticket.isBusy = false;
      ticket.kept += count;
      ticket.ids.push({ segment: id, first, count });
      if (ticket.kept === ticket.intake.to - ticket.intake.from) {
        finish(ticket);
      }
    }
    for (const { resolve } of group.riders) resolve(id);
  }

  #onRefused({ isFull }: { readonly isFull: boolean }, group: Group): void {
    for (const { ticket } of group.shares) {
      this.#remove(ticket);
      finish(ticket, isFull ? "full" : "unavailable");
    }
    if (isFull) this.#parts.onFull();
    this.#partFrom(group);
  }

  /** Producers are answered; the lane goes on finding out. */
  #onStuck(lane: Lane, shares: readonly Share[]): void {
    this.#stuck.add(lane);
    for (const { ticket } of shares) {
      this.#remove(ticket);
      finish(ticket, "unavailable");
    }
    if (this.isStuck) this.refuseAll("unavailable");
  }

  /** Sends what rode on its own way. */
  #partFrom(group: Group): void {
    const { store, random } = this.#parts;
    for (const { settle, resolve } of group.riders) {
      void settleAlone(store, settle, random).then(resolve);
    }
    group.riders = [];
  }

  /** Settles without an append: one commit for all, apart when it is not plainly done. */
  async #commitRiders(riders: readonly SettleTicket[]): Promise<void> {
    try {
      const result = await this.#parts.store.call((kv) => {
        const operation = kv.atomic();
        for (const { settle } of riders) {
          addSettle(operation, settle, { isExclusive: true });
        }
        return operation.commit();
      });
      if (result.ok) {
        for (const { resolve } of riders) resolve(result.versionstamp);
        return;
      }
    } catch (error) {
      if (isDiskFull(error)) this.#parts.onFull();
    }
    this.#partFrom({ sealed: undefined, shares: [], riders });
  }
}

function finish(ticket: Ticket, refusal?: Refusal): void {
  if (ticket.isDone) return;
  ticket.isDone = true;
  const { kept, ids } = ticket;
  ticket.resolve(
    refusal === undefined ? { kept, ids } : { kept, ids, refusal },
  );
}
