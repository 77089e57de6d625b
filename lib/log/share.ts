/**
 * Processes over one store share its connectors: each tells that it lives, and one that holds more than its share hands
 * the rest over, in order, so that a process that comes later gets its part and the first does not keep everything.
 *
 * Invariants: nothing here decides who may write; leases and epochs do (`lease.ts`). A wrong count only moves a
 * connector that need not have moved. Over KV Connect only: alone there is nobody to share with, and a platform's
 * isolates come and go by the minute.
 *
 * Record: `["process", id]`, value `{instance, beat, warnings}`, rewritten each third of the lease; `warnings` is what
 * only a holder knows of its connectors, so that every process can show it. A process lives whose record
 * changed between two looks: no clocks are compared, and a killed one is not counted any more by the time that its
 * leases run out. Records that stay still are deleted by whoever sees it.
 */

import { processes, processKey } from "./keys.ts";
import { toValue } from "./kv.ts";
import type { LogOptions } from "./log_options.ts";
import { type Store, withTimeout } from "./store.ts";

/** Looks without a change after which a record is of the past. */
const STALE_LOOKS = 20;
/** How long a leaving process waits for its record to go. */
const LEAVE_MS = 500;

/** A lease held by this process, which can be asked to go. */
export interface Held {
  /** Asks for a hand-over: ends what is in flight and gives the lease back. */
  handOver(): void;
}

/** What a holder's SIEM warned of, for the other processes. */
export interface Told {
  /** "": nothing lately. */
  readonly warning: string;
  /** How often, and how many events it put aside. */
  readonly answers: number;
  readonly aside: number;
}

/** What is known of another process. */
interface Seen {
  readonly version: string;
  /** Looks since it changed. */
  readonly still: number;
}

export class Share {
  readonly #store: Store;
  readonly #options: LogOptions;
  readonly #id: string;
  readonly #pause: number;
  readonly #stop: AbortSignal;
  readonly #held = new Set<Held>();
  readonly #asked = new Set<Held>();
  #others = new Map<string, Seen>();
  #living = 1;
  #waiting = 0;
  #running: Promise<void> | undefined;
  #warnings: () => Readonly<Record<string, Told>> = () => ({});

  /** `id`: unique for ever. `stop`: the process leaves. */
  constructor(parts: {
    readonly store: Store;
    readonly options: LogOptions;
    readonly id: string;
    /** How long a lease lasts, in milliseconds. */
    readonly lease: number;
    readonly stop: AbortSignal;
  }) {
    this.#store = parts.store;
    this.#options = parts.options;
    this.#id = parts.id;
    this.#pause = parts.lease / 3;
    this.#stop = parts.stop;
  }

  /** Has this process as many connectors as it should have, as far as it knows? */
  get isFilled(): boolean {
    return this.#held.size - this.#asked.size >= this.#fair;
  }

  /** Processes that live, this one included. */
  get living(): number {
    return this.#living;
  }

  /** What to tell the others: by connector held here, what its SIEM warned of; short, all fit one value. */
  tell(warnings: () => Readonly<Record<string, Told>>): void {
    this.#warnings = warnings;
  }

  /** This process wants one more connector, until the returned function is called. */
  want(): () => void {
    this.#waiting++;
    // The first wish begins it: a process without connectors takes no part.
    if (this.#store.kind === "remote") this.#running ??= this.#run();
    let isOver = false;
    return () => {
      if (!isOver) this.#waiting--;
      isOver = true;
    };
  }

  /** A lease is held, until the returned function is called. */
  hold(held: Held): () => void {
    this.#held.add(held);
    return () => {
      this.#held.delete(held);
      this.#asked.delete(held);
    };
  }

  /** Resolves when the process's record is gone, or soon where the store does not answer. After `stop` aborted. */
  async left(): Promise<void> {
    if (this.#running === undefined) return;
    const leaving = this.#running.then(() =>
      this.#store.kv.atomic().delete(processKey(this.#id)).commit()
    );
    await withTimeout(this.#options.clock, leaving, LEAVE_MS)
      .catch(() => undefined);
  }

  /** The same connectors are configured everywhere: each process wants all of them, or has them. */
  get #fair(): number {
    return Math.ceil((this.#held.size + this.#waiting) / this.#living);
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#options;
    for (let beat = 1; !this.#stop.aborted; beat++) {
      try {
        await this.#look(beat);
        this.#balance();
      } catch {
        // Who cannot see the others does not make room for them.
        this.#living = 1;
      }
      await clock.sleep(this.#pause * (0.9 + random() / 5), this.#stop)
        .catch(() => undefined);
    }
  }

  /** Tells that this process lives and counts the others that do. */
  async #look(beat: number): Promise<void> {
    const { instance } = this.#options;
    const value = toValue({ instance, beat, warnings: this.#warnings() });
    await this.#store.call((kv) =>
      kv.atomic().set(processKey(this.#id), value).commit()
    );
    const seen = new Map<string, Seen>();
    let living = 1;
    const past: Deno.KvEntry<unknown>[] = [];
    await this.#store.call(async (kv) => {
      for await (const entry of kv.list(processes(), { batchSize: 500 })) {
        const id = String(entry.key[1]);
        if (id === this.#id) continue;
        const before = this.#others.get(id);
        const isChanged = before !== undefined &&
          before.version !== entry.versionstamp;
        if (isChanged) living++;
        const still = isChanged || before === undefined ? 0 : before.still + 1;
        if (still > STALE_LOOKS) past.push(entry);
        seen.set(id, { version: entry.versionstamp, still });
      }
    });
    this.#others = seen;
    this.#living = living;
    for (const entry of past.slice(0, STALE_LOOKS)) {
      await this.#store.call((kv) =>
        kv.atomic().check(entry).delete(entry.key).commit()
      );
    }
  }

  /** Asks those that are too many to go. */
  #balance(): void {
    let over = this.#held.size - this.#asked.size - this.#fair;
    // The newest first: what was handed over comes to rest where it is.
    for (const held of [...this.#held].reverse()) {
      if (over <= 0) break;
      if (this.#asked.has(held)) continue;
      this.#asked.add(held);
      held.handOver();
      over--;
    }
  }
}
