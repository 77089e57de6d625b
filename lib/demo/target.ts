/** One collector of the demo SIEM: what came in, what goes wrong on request, and who waits for what. */

import { createHash } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { Arrival, Memory, RequestRecord } from "./arrival.ts";
import {
  type ArmedFault,
  type Fault,
  type FaultOptions,
  FaultQueue,
} from "./faults.ts";
import { noPoison, type Poison, type TakenEvent } from "./protocol.ts";

interface Waiter {
  readonly isDone: () => boolean;
  readonly done: () => void;
}

export interface TargetSetup {
  readonly name: string;
  readonly url: string;
  readonly token: string;
  readonly memory: Memory;
  readonly clock: Clock;
  readonly onArrival: (target: Target, arrival: Arrival) => void;
}

/** What HTTP and syslog collectors have in common. */
export abstract class Target {
  readonly name: string;
  /** What a connector is configured with. */
  readonly url: string;
  readonly token: string;
  readonly #memory: Memory;
  readonly #onArrival: (target: Target, arrival: Arrival) => void;
  readonly #waiters = new Set<Waiter>();
  #arrivals: Arrival[] = [];
  #requests: RequestRecord[] = [];
  #complaints: string[] = [];
  #count = 0;
  #requestCount = 0;
  /** Events looked at while a `reject` fault stands. */
  #lookedAt = 0;
  protected readonly clock: Clock;
  protected readonly faults = new FaultQueue();

  constructor(setup: TargetSetup) {
    this.name = setup.name;
    this.url = setup.url;
    this.token = setup.token;
    this.#memory = setup.memory;
    this.clock = setup.clock;
    this.#onArrival = setup.onArrival;
  }

  /** Events that came since the start, repeated ones counted again. */
  get count(): number {
    return this.#count;
  }

  /** What is remembered of them, in the order of arrival. */
  get received(): readonly Arrival[] {
    return this.#arrivals;
  }

  /** The last requests (syslog: messages), in order; refused and spoilt ones too. */
  get requests(): readonly RequestRecord[] {
    return this.#requests;
  }

  /** The last thousand faults of the sender that the answers hid. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  /**
   * Asks for a fault: of the next `requests` requests, or until it is cleared. Several follow one another.
   * @throws {RangeError} when this kind of collector cannot go wrong in this way
   */
  fault(fault: Fault, options: FaultOptions = {}): ArmedFault {
    if (fault.kind === "reject") this.#lookedAt = 0;
    return this.faults.arm(fault, options);
  }

  /** Takes all faults back; what hangs is let go. */
  clear(): void {
    this.faults.clear();
  }

  /** Resolves once the listener is as the faults want it (`refuse`, `handshake`). */
  ready(): Promise<void> {
    return Promise.resolve();
  }

  /** Takes back every token that the collector has issued, where it issues any. */
  revoke(): void {}

  /** Ends what is the target's own, if anything is. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.clear();
    await this.ready();
  }

  /**
   * Waits until `count` events have come, or until a condition holds that is looked at after each request.
   * @throws {Error} after `timeout` milliseconds, telling how far it came
   */
  async until(
    wanted: number | (() => boolean),
    { timeout = 15_000 }: { readonly timeout?: number } = {},
  ): Promise<void> {
    const isDone = typeof wanted === "number"
      ? () => this.#count >= wanted
      : wanted;
    if (isDone()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { isDone, done: resolve };
    this.#waiters.add(waiter);
    const over = new AbortController();
    const tooLate = this.clock.sleep(timeout, over.signal).then(() => {
      throw new Error(
        `Demo SIEM "${this.name}": waited ${timeout} ms for ${
          typeof wanted === "number" ? `${wanted} events` : "a condition"
        }; ${this.#count} came in ${this.#requestCount} requests; last answers: ${
          this.#requests.slice(-5).map((one) => one.status).join(", ") || "none"
        }`,
      );
    });
    try {
      await Promise.race([promise, tooLate]);
    } finally {
      this.#waiters.delete(waiter);
      over.abort();
      await tooLate.catch(() => {});
    }
  }

  /** The number of a request that begins. */
  protected begin(): number {
    return this.#requestCount++;
  }

  /** Refuses events as a `reject` fault wants it; without one, none. */
  protected poison(fault: Fault | undefined): Poison {
    if (fault?.kind !== "reject") return noPoison;
    const { events, as = true } = fault;
    return typeof events === "number"
      ? (_event, place) => (this.#lookedAt + place + 1) % events === 0 && as
      : (event) => events(event) && as;
  }

  /** Counts on for `reject`: what the sender halves or resends is looked at again, and gets the same numbers. */
  protected lookedAt(decided: number): void {
    this.#lookedAt += decided;
  }

  protected complain(complaints: readonly string[]): void {
    if (complaints.length === 0) return;
    this.#complaints = [...this.#complaints, ...complaints].slice(-1000);
  }

  /** Sleeps until the signal aborts, at most `ms`. */
  protected async pause(ms: number, signal: AbortSignal): Promise<void> {
    // The clock's longest sleep is some weeks; "until cleared" needs no more.
    await this.clock.sleep(ms, signal).catch(() => {});
  }

  /** Remembers a request that has ended, and the events taken from it. */
  protected keep(
    request: Omit<RequestRecord, "at" | "events">,
    taken: readonly TakenEvent[],
  ): void {
    const at = this.clock.now();
    this.#requests.push({ ...request, at, events: taken.length });
    const { number, connection } = request;
    taken.forEach((one, place) =>
      this.#arrive(one, { request: number, place, connection, at })
    );
    this.#forget();
    for (const waiter of this.#waiters) if (waiter.isDone()) waiter.done();
  }

  #arrive(
    { event, envelope }: TakenEvent,
    where: Pick<Arrival, "request" | "place" | "connection" | "at">,
  ): void {
    const arrival: Arrival = {
      number: this.#count++,
      ...where,
      length: event.length,
      sha256: createHash("sha256").update(event).digest("hex"),
      event,
      envelope,
    };
    this.#arrivals.push(arrival);
    this.#onArrival(this, arrival);
  }

  #forget(): void {
    const { arrivals, bytes, requests } = this.#memory;
    this.#arrivals = last(this.#arrivals, arrivals);
    this.#requests = last(this.#requests, requests);
    const bare = this.#arrivals.length - bytes;
    for (let at = bare - 1; at >= 0; at--) {
      const arrival = this.#arrivals[at];
      if (arrival?.event === undefined) break;
      this.#arrivals[at] = {
        ...arrival,
        event: undefined,
        envelope: undefined,
      };
    }
  }
}

function last<T>(items: T[], count: number): T[] {
  return items.length > count ? items.slice(items.length - count) : items;
}
