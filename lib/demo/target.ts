/** One collector of the demo SIEM: what came in, what goes wrong on request, and who waits for what. */

import { createHash } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { Arrival, Memory, RequestRecord } from "./arrival.ts";
import { type ArmedFault, type Fault, FaultQueue, spoil } from "./faults.ts";
import type { Ending, ServedRequest } from "./http_server.ts";
import {
  noPoison,
  type Poison,
  type Protocol,
  type TakenEvent,
  type Verdict,
} from "./protocol.ts";

interface Waiter {
  readonly isDone: () => boolean;
  readonly done: () => void;
}

export class Target {
  readonly name: string;
  /** What a connector is configured with. */
  readonly url: string;
  readonly token: string;
  readonly #protocol: Protocol;
  readonly #memory: Memory;
  readonly #clock: Clock;
  readonly #onArrival: (target: Target, arrival: Arrival) => void;
  readonly #faults = new FaultQueue();
  readonly #waiters = new Set<Waiter>();
  #arrivals: Arrival[] = [];
  #requests: RequestRecord[] = [];
  #complaints: string[] = [];
  #count = 0;
  #requestCount = 0;
  /** Events looked at while a `reject` fault stands. */
  #lookedAt = 0;

  constructor(options: {
    readonly name: string;
    readonly url: string;
    readonly token: string;
    readonly protocol: Protocol;
    readonly memory: Memory;
    readonly clock: Clock;
    readonly onArrival: (target: Target, arrival: Arrival) => void;
  }) {
    this.name = options.name;
    this.url = options.url;
    this.token = options.token;
    this.#protocol = options.protocol;
    this.#memory = options.memory;
    this.#clock = options.clock;
    this.#onArrival = options.onArrival;
  }

  /** Events that came since the start, repeated ones counted again. */
  get count(): number {
    return this.#count;
  }

  /** What is remembered of them, in the order of arrival. */
  get received(): readonly Arrival[] {
    return this.#arrivals;
  }

  /** The last requests, in order; refused and spoilt ones too. */
  get requests(): readonly RequestRecord[] {
    return this.#requests;
  }

  /** The last thousand faults of the sender that the answers hid. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  /** Asks for a fault: of the next `requests` requests, or until it is cleared. Several follow one another. */
  fault(
    fault: Fault,
    { requests = Infinity }: { readonly requests?: number } = {},
  ): ArmedFault {
    if (fault.kind === "reject") this.#lookedAt = 0;
    return this.#faults.arm(fault, requests);
  }

  /** Takes all faults back; what hangs is let go. */
  clear(): void {
    this.#faults.clear();
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
    const tooLate = this.#clock.sleep(timeout, over.signal).then(() => {
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

  /** Answers one request; `path` is below the target's prefix. */
  async handle(request: ServedRequest, path: string): Promise<Ending> {
    const armed = this.#faults.next();
    const fault = armed?.fault;
    const number = this.#requestCount++;
    const note = (
      verdict: Pick<Verdict, "body" | "taken">,
      ending: Ending,
    ): Ending => {
      this.#keep({ request, path, number, verdict, ending });
      return ending;
    };
    const unread = { body: new Uint8Array(), taken: [] };
    if (fault?.kind === "reset" && fault.when === "before") {
      return note(unread, { kind: "reset" });
    }
    const body = await request.body();
    if (body === undefined) return note(unread, { kind: "close" });
    if (fault?.kind === "hang" && armed !== undefined) {
      note({ body, taken: [] }, { kind: "close" });
      await this.#pause(
        fault.ms ?? Infinity,
        AbortSignal.any([armed.cleared, request.gone]),
      );
      return { kind: "close" };
    }
    const verdict = this.#protocol.judge(
      {
        method: request.method,
        path,
        query: request.query,
        headers: request.headers,
        body,
      },
      fault?.kind === "reject" ? this.#poison(fault.events) : noPoison,
    );
    this.#complaints = [...this.#complaints, ...verdict.complaints].slice(
      -1000,
    );
    if (fault === undefined || fault.kind === "reject") {
      // What the sender halves or resends is looked at again, and gets the same numbers.
      this.#lookedAt += verdict.decided;
      return note(verdict, { kind: "reply", reply: verdict.reply });
    }
    if (fault.kind === "hang") throw new TypeError("A hang was handled above");
    const { ending, taken } = spoil(
      fault,
      verdict,
      this.#protocol,
      (ms) => this.#pause(ms, request.gone),
    );
    return note({ body: verdict.body, taken }, ending);
  }

  #poison(events: number | ((event: Uint8Array) => boolean)): Poison {
    return typeof events === "number"
      ? (_event, place) => (this.#lookedAt + place + 1) % events === 0
      : (event) => events(event);
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    // The clock's longest sleep is some weeks; "until cleared" needs no more.
    await this.#clock.sleep(ms, signal).catch(() => {});
  }

  #keep({ request, path, number, verdict, ending }: {
    readonly request: ServedRequest;
    readonly path: string;
    readonly number: number;
    readonly verdict: Pick<Verdict, "body" | "taken">;
    readonly ending: Ending;
  }): void {
    const at = this.#clock.now();
    const { connection } = request;
    const whole = ending.kind === "reply" || ending.kind === "drip";
    this.#requests.push({
      number,
      connection,
      at,
      method: request.method,
      path,
      headers: request.headers,
      body: verdict.body,
      status: whole ? ending.reply.status : 0,
      reply: whole ? ending.reply.body : "",
      events: verdict.taken.length,
    });
    verdict.taken.forEach((taken, place) =>
      this.#arrive(taken, { request: number, place, connection, at })
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
