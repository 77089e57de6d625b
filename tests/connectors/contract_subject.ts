/** What the contract suite must know of a type: one `ContractSubject` each, in `contract_test.ts`. */

import assert from "node:assert/strict";
import type { Outcome } from "../../lib/connector.ts";
import type { BatchBuffer } from "../../lib/delivery/batch_buffer.ts";
import type { SeenRequest } from "../support/scripted_server.ts";

/** What the suite must know of a type. */
export interface ContractSubject {
  /** Environment that configures it against a base address, with `SECRET` as its credential. */
  readonly env: (base: string) => Readonly<Record<string, string>>;
  /** One text per event of a body, in order: the event's own as far as the format carries it. */
  readonly eventsOf: (body: Uint8Array) => readonly string[];
  /** Whether a text of `eventsOf` is what the format makes of the event's own, where it changes it. Asserts. */
  readonly isEvent?: (found: string, given: string) => void;
  /** How `eventsOf` shows the marked test event; by its members unless given. */
  readonly marked?: RegExp;
  /** How it speaks: over HTTP, or to a peer that the subject opens. */
  readonly speaks: HttpSpeech | SocketSpeech;
}

/** What HTTP types differ in. */
export interface HttpSpeech {
  readonly protocol: "http";
  /** The vendor's answer to a delivery that it took. */
  readonly success: string | ((delivery: SeenRequest) => string);
  /** Answers what the type asks before it delivers (a token); undefined for the delivery itself. */
  readonly prelude?: (request: SeenRequest) => string | undefined;
  /** What shows the credential in a delivery's head; `Authorization` with `SECRET` unless given. */
  readonly credential?: RegExp;
  /** Where the vendor's answers mean something else than destinations §0.2 says, by the row's name. */
  readonly table?: Readonly<Record<string, Deviation>>;
  /** `test()` asks something else than an empty delivery: the type's own tests follow its steps. */
  readonly ownTest?: true;
}

/** Why a row of the answer table differs, and what it is then. */
export interface Deviation {
  readonly because: string;
  readonly kind: Outcome["kind"];
  readonly reason?: string;
  /** Deliveries that the attempt makes; 1 unless given. */
  readonly deliveries?: number;
}

/** A type that speaks to sockets: how the suite sees what it sends. */
export interface SocketSpeech {
  readonly protocol: "socket";
  readonly listen: () => Peer;
}

/** The other end of a type that does not speak HTTP. */
export interface Peer extends AsyncDisposable {
  /** What the subject's `env` gets. */
  readonly base: string;
  /** What came, once `events` of them are there. */
  body(events: number): Promise<Uint8Array>;
}

/** The credential; no message may hold it. */
export const SECRET = "S3cr3t-t0ken-0123456789";

/** Nobody listens there. */
export const NOWHERE = "http://127.0.0.1:9";

/** The places of a batch that an outcome speaks of or, by its kind, stands for: each exactly once. */
export function placesOf(outcome: Outcome, batch: BatchBuffer): number[] {
  const all = batch.places;
  switch (outcome.kind) {
    case "delivered":
    case "split":
    case "held":
      return [...all];
    case "rejected":
    case "retry": {
      const rejected = (outcome.rejections ?? []).map(({ at }) => at);
      const pending = outcome.pending ??
        (outcome.kind === "retry"
          ? all.filter((place) => !rejected.includes(place))
          : []);
      const named = [...rejected, ...pending];
      const taken = all.filter((place) => !named.includes(place));
      return [...named, ...taken].sort((a, b) => a - b);
    }
  }
}

/** Asserts that an outcome or step says nothing of the credential, in any form that logs show. */
export function hasNoSecret(said: unknown): void {
  const text = JSON.stringify(said);
  assert.ok(!text.includes(SECRET), "a secret left");
  assert.ok(!text.includes(btoa(SECRET).slice(0, 28)), "a secret left");
}
