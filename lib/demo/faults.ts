/** Faults on request: what a target of the demo SIEM does wrong, and how often. */

import type { Ending, Reply } from "./http_server.ts";
import {
  htmlReply,
  type Protocol,
  textReply,
  type Verdict,
} from "./protocol.ts";

export type Fault =
  /** An answer in the vendor's own words. `number`: events before it are taken all the same (Splunk). */
  | {
    readonly kind: "status";
    readonly status: number;
    /** Seconds, or an HTTP date. */
    readonly retryAfter?: number | Date;
    readonly code?: number;
    readonly number?: number;
  }
  /** No answer: for `ms`, then the connection ends; absent: until cleared. Nothing is taken. */
  | { readonly kind: "hang"; readonly ms?: number }
  /** All is taken; the answer comes one byte each `ms`. */
  | { readonly kind: "drip"; readonly ms: number }
  /** A reset before the body is read (nothing is taken), or after (all is taken). */
  | {
    readonly kind: "reset";
    readonly when: "before" | "after";
    /** Syslog: only once a connection has brought so many messages. */
    readonly messages?: number;
  }
  /** All is taken; the connection ends without an answer. */
  | {
    readonly kind: "close";
    /** Syslog: only once a connection has brought so many messages. */
    readonly messages?: number;
  }
  /** All is taken; the answer ends in its middle. */
  | { readonly kind: "cut" }
  /**
   * Every n-th event, counted over requests, or those that match, is refused as the vendor does (Splunk: code 6 with
   * its number; syslog: lost without a word). `as`: Elastic's item error, `type` or `type:status`.
   */
  | {
    readonly kind: "reject";
    readonly events: number | ((event: Uint8Array) => boolean);
    readonly as?: string;
  }
  /** A web page with 200, as from a portal in between. Nothing is taken. */
  | { readonly kind: "html" }
  /** 302 (or what is said) to another place. Nothing is taken. */
  | {
    readonly kind: "redirect";
    readonly to: string;
    readonly status?: 301 | 302 | 303 | 307 | 308;
  }
  /** 200 with a text that means nothing. Nothing is taken. */
  | { readonly kind: "garbage" }
  /** Syslog only, until cleared: nobody listens, and all connections end. */
  | { readonly kind: "refuse" }
  /** Syslog over TCP or TLS only, until cleared: connections end at the client's first byte, and all others too. */
  | { readonly kind: "handshake" };

/** What a fault is asked for with. */
export interface FaultOptions {
  /** How many requests (syslog: messages, or ended connections) it spoils; absent: all until it is cleared. */
  readonly requests?: number;
  /** Which paths, below the target's prefix, it is for; absent: those that bring events. */
  readonly at?: RegExp;
}

/** A fault that was asked for; ends at `clear()`, when its requests are used up, or with its scope (`using`). */
export interface ArmedFault extends Disposable {
  readonly fault: Fault;
  clear(): void;
}

interface Armed {
  readonly fault: Fault;
  readonly at: RegExp | undefined;
  left: number;
  readonly cleared: AbortController;
}

/** Faults of one target, used in the order in which they were asked for. */
export class FaultQueue {
  #waiting: Armed[] = [];
  /** With those that are used up: a request may still hang in one. */
  readonly #all = new Set<Armed>();

  arm(fault: Fault, options: FaultOptions = {}): ArmedFault {
    const { requests = Infinity, at } = options;
    const armed = { fault, at, left: requests, cleared: new AbortController() };
    this.#waiting.push(armed);
    this.#all.add(armed);
    const clear = () => this.#clear(armed);
    return { fault, clear, [Symbol.dispose]: clear };
  }

  /** The fault that `next()` would take. */
  peek(path = "", isIntake = true): Fault | undefined {
    return this.#first(path, isIntake)?.fault;
  }

  /** Takes the fault for the next request. `cleared` aborts when it is taken back. */
  next(
    path = "",
    isIntake = true,
  ): { readonly fault: Fault; readonly cleared: AbortSignal } | undefined {
    const first = this.#first(path, isIntake);
    if (first === undefined) return undefined;
    if (--first.left === 0) {
      this.#waiting = this.#waiting.filter((one) => one !== first);
    }
    return { fault: first.fault, cleared: first.cleared.signal };
  }

  /** Does such a fault stand? */
  holds(kind: Fault["kind"]): boolean {
    return this.#waiting.some(({ fault }) => fault.kind === kind);
  }

  /** Takes back all of them. */
  clear(): void {
    for (const armed of this.#all) this.#clear(armed);
  }

  #first(path: string, isIntake: boolean): Armed | undefined {
    return this.#waiting.find(({ at }) =>
      at === undefined ? isIntake : at.test(path)
    );
  }

  #clear(armed: Armed): void {
    this.#waiting = this.#waiting.filter((one) => one !== armed);
    this.#all.delete(armed);
    armed.cleared.abort();
  }
}

/** What happens to an HTTP exchange once it was judged. */
export type SpoilingFault = Exclude<
  Fault,
  { readonly kind: "hang" | "reject" | "refuse" | "handshake" }
>;

/** What a fault makes of the vendor's own judgement: what is said in its place, and which events are taken. */
export function spoil(
  fault: SpoilingFault,
  { verdict, protocol, path, pause }: {
    readonly verdict: Verdict;
    readonly protocol: Protocol;
    readonly path: string;
    readonly pause: (ms: number) => Promise<void>;
  },
): { readonly ending: Ending; readonly taken: Verdict["taken"] } {
  const { reply, taken } = verdict;
  const instead = (reply: Reply) => ({
    ending: { kind: "reply", reply } as const,
    taken: [],
  });
  switch (fault.kind) {
    case "status": {
      const { retryAfter } = fault;
      const headers = retryAfter === undefined ? [] : [
        [
          "Retry-After",
          typeof retryAfter === "number"
            ? String(retryAfter)
            : retryAfter.toUTCString(),
        ],
      ] as const;
      return {
        ...instead(protocol.refuse({ ...fault, path, headers })),
        taken: taken.slice(0, fault.number ?? 0),
      };
    }
    case "drip":
      return {
        ending: { kind: "drip", reply, pause: () => pause(fault.ms) },
        taken,
      };
    case "reset":
      return {
        ending: { kind: "reset" },
        taken: fault.when === "after" ? taken : [],
      };
    case "close":
      return { ending: { kind: "close" }, taken };
    case "cut":
      return { ending: { kind: "cut", reply }, taken };
    case "html":
      return instead(htmlReply(200, "Please sign in"));
    case "redirect":
      return instead(
        textReply(fault.status ?? 302, "", [["Location", fault.to]]),
      );
    case "garbage":
      return instead(textReply(200, "\u0000lorem {ipsum"));
    default:
      return fault satisfies never;
  }
}
