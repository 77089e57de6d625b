/**
 * Group commit without a timer: what arrives while a commit is in flight forms the next one.
 *
 * Invariants: one commit in flight per lane; a promise resolves only when what it says is durable, and every promise is
 * settled whatever throws. On a store that is this process's alone settles ride in the appends' commits; when such a
 * commit is refused, append and settles go apart to find the loser.
 */

import type { Segment } from "../event.ts";
import type { Intake, Kept, Refusal } from "./intake.ts";
import { bestCodec } from "./codec.ts";
import { IntakeQueue, type Packed } from "./intake_queue.ts";
import { ackKey, logKey, partKey } from "./keys.ts";
import {
  isDiskFull,
  type Kv,
  MAX_CHECKS,
  MAX_VALUE_BYTES,
  messageOf,
} from "./kv.ts";
import type { Committed, Lane } from "./lane.ts";
import { addSettle, bytesOf, type Settle, settleAlone } from "./settle.ts";
import type { Store } from "./store.ts";

/** Room that cursors may take in a commit beside twelve full values. */
const MAX_RIDING_BYTES = 24_000;

export interface WriterParts {
  readonly store: Store;
  readonly lanes: readonly Lane[];
  readonly random: () => number;
  /** A segment is durable. Called in commit order of its lane. */
  readonly onStored: (segment: Segment) => void;
  /** A commit found the disk full. */
  readonly onFull: () => void;
}

/** A settle that rides, and who waits for it. */
interface Rider {
  readonly settle: Settle;
  readonly resolve: (version: string | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Settles that ride in one commit; who is answered, or goes alone, is taken out. */
type Riders = Rider[];

export class Writer {
  readonly #parts: WriterParts;
  readonly #queue: IntakeQueue;
  readonly #settles: Riders = [];
  readonly #busy = new Set<Lane>();
  readonly #stuck = new Set<Lane>();
  #isScheduled = false;
  readonly #idle: (() => void)[] = [];

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.#queue = new IntakeQueue(bestCodec(parts.store));
  }

  /** The store does not answer on any lane. */
  get isStuck(): boolean {
    return this.#stuck.size === this.#parts.lanes.length;
  }

  append(intake: Intake): Promise<Kept> {
    if (intake.from >= intake.to) return Promise.resolve({ kept: 0, ids: [] });
    if (this.isStuck) {
      return Promise.resolve({ kept: 0, ids: [], refusal: "unavailable" });
    }
    const kept = this.#queue.push(intake);
    this.#schedule();
    return kept;
  }

  /** The place's new versionstamp once it is durable; undefined: refused, or given up by its signal. */
  settle(settle: Settle): Promise<string | undefined> {
    const { store, random } = this.#parts;
    // One that is too large for a value, which is a bug, would take appends down with it.
    const isLarge = bytesOf(settle) > MAX_RIDING_BYTES;
    if (!store.isExclusive || this.isStuck || isLarge) {
      return settleAlone(store, settle, random);
    }
    return new Promise((resolve, reject) => {
      this.#settles.push({ settle, resolve, reject });
      this.#schedule();
    });
  }

  /** Resolves when nothing is left to write. */
  async drained(): Promise<void> {
    while (!this.#isIdle) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /** Answers every intake that waits; settles go on alone. */
  refuseAll(refusal: Refusal): void {
    this.#queue.refuseAll(refusal);
    this.#sendAlone(this.#settles);
  }

  get #isIdle(): boolean {
    return this.#busy.size === 0 && this.#queue.isEmpty &&
      this.#settles.length === 0 && !this.#isScheduled;
  }

  get #hasWork(): boolean {
    return this.#settles.length > 0 || this.#queue.hasWork;
  }

  /** One turn of the microtask queue later, so that what arrives at once goes at once. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      for (const lane of this.#parts.lanes) {
        if (!this.#hasWork) break;
        if (!this.#busy.has(lane)) void this.#run(lane);
      }
      this.#announce();
    });
  }

  #announce(): void {
    if (!this.#isIdle) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #run(lane: Lane): Promise<void> {
    this.#busy.add(lane);
    let packed: Packed | undefined;
    let riders: Riders = [];
    try {
      while (this.#hasWork) {
        if (!lane.isOpen) await lane.open();
        riders = this.#takeRiders();
        packed = this.#queue.pack(lane);
        if (packed !== undefined) {
          await this.#commit(lane, packed, riders);
          packed = undefined;
        } else if (riders.length > 0) await this.#commitRiders(riders);
      }
    } catch (error) {
      if (packed !== undefined) {
        this.#queue.refuse(packed.shares, "unavailable");
      }
      this.#sendAlone(riders);
      this.refuseAll("unavailable");
      // The head could not be read or made, and nothing was sent; anything else is a bug.
      this.#parts.store.logger.log(
        "error",
        packed === undefined && !lane.isOpen ? "store.slow" : "bug",
        "The log cannot be written",
        { lane: lane.name, error: messageOf(error) },
      );
      await this.#parts.store.refresh().catch(() => undefined);
    } finally {
      this.#busy.delete(lane);
      // The rest of an intake may wait for a lane that just went to rest.
      if (this.#hasWork) this.#schedule();
      else this.#announce();
    }
  }

  #takeRiders(): Riders {
    let bytes = 0, count = 0;
    for (const { settle } of this.#settles) {
      bytes += bytesOf(settle);
      // One check is the head's.
      if (count + 1 >= MAX_CHECKS || (count > 0 && bytes > MAX_RIDING_BYTES)) {
        break;
      }
      count++;
    }
    return this.#settles.splice(0, count);
  }

  async #commit(
    lane: Lane,
    packed: Packed,
    riders: Riders,
  ): Promise<void> {
    const { shares } = packed;
    const result = await this.#stored(lane, packed, riders)
      .finally(() => this.#stuck.delete(lane));
    if (result.kind === "stored") {
      // Whoever waits is answered first: it is durable, whatever else goes wrong.
      for (const { resolve } of riders.splice(0)) resolve(result.segment);
      this.#queue.onStored(shares, result.segment);
      this.#parts.onStored(packed.sealed.segment(result.segment));
      return;
    }
    if (result.kind === "lost") {
      // Nobody's fault: it goes again by the lane that is claimed next.
      this.#queue.requeue(shares);
      return;
    }
    const isFull = result.kind === "full";
    this.#queue.refuse(shares, isFull ? "full" : "unavailable");
    if (isFull) this.#parts.onFull();
  }

  /** What becomes of the commit once it goes without riders that lost their lease. */
  async #stored(
    lane: Lane,
    packed: Packed,
    riders: Riders,
  ): Promise<Committed> {
    const { sealed, shares } = packed;
    const id = lane.nextId();
    for (;;) {
      const result = await lane.commit({
        id,
        totals: {
          hash: sealed.hash,
          events: lane.head.events + sealed.count,
          bytes: lane.head.bytes + sealed.blob.length,
        },
        count: sealed.count,
        rides: riders.length > 0,
        add: (operation, kv) => addAll(operation, kv, packed, riders),
        onStuck: () => {
          // Producers are answered; the lane goes on finding out.
          this.#stuck.add(lane);
          this.#queue.refuse(shares, "unavailable");
          if (this.isStuck) this.refuseAll("unavailable");
        },
      });
      if (result.kind === "stored") return result;
      // On a conflict one of them lost its lease; the append goes once more without them.
      this.#sendAlone(riders);
      if (result.kind !== "conflict") return result;
    }
  }

  /** Settles without an append: one commit for all, apart when it is not plainly done. */
  async #commitRiders(riders: Riders): Promise<void> {
    try {
      const result = await this.#parts.store.call((kv) => {
        const operation = kv.atomic();
        for (const { settle } of riders) {
          addSettle(operation, settle, { isExclusive: true });
        }
        return operation.commit();
      });
      if (result.ok) {
        for (const { resolve } of riders.splice(0)) {
          resolve(result.versionstamp);
        }
        return;
      }
    } catch (error) {
      if (isDiskFull(error)) this.#parts.onFull();
    }
    this.#sendAlone(riders);
  }

  #sendAlone(riders: Riders): void {
    const { store, random } = this.#parts;
    for (const { settle, resolve, reject } of riders.splice(0)) {
      settleAlone(store, settle, random).then(resolve, reject);
    }
  }
}

/** The segment's values and what rides with them. */
function addAll(
  operation: Deno.AtomicOperation,
  kv: Kv,
  { sealed: { blob }, acks }: Packed,
  riders: readonly Rider[],
): void {
  const vs = kv.commitVersionstamp();
  for (let n = 0, at = 0; at < blob.length; n++, at += MAX_VALUE_BYTES) {
    const value = blob.subarray(at, at + MAX_VALUE_BYTES);
    operation.set(n === 0 ? logKey(vs) : partKey(n, vs), value);
  }
  for (const { token, channel, group, value } of acks) {
    operation.set(ackKey(token, channel, group, vs), value);
  }
  for (const { settle } of riders) {
    addSettle(operation, settle, { isExclusive: true });
  }
}
