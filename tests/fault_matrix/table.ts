/**
 * What every fault does to every connector: data. From destinations §0.2 and the vendors' own tables; where a vendor
 * differs, its row says why. Four events are sent (`EVENTS`); what is said holds for the first rest after the fault.
 */

import type { PlaceState } from "../../lib/log/cursor.ts";
import type { Reason } from "../../lib/connector.ts";
import type { Fault } from "../../lib/demo/faults.ts";

/** Events of a cell; the one at place `BAD` is the one that "item errors" is about. */
export const EVENTS = 4;
export const BAD = 2;

/** How it is brought about. `way`: on the way there. */
export type Cause =
  | { readonly way: "shut" | "dns" }
  | { readonly way: "certificate"; readonly shown: Shown }
  | { readonly way: "reply"; readonly fault: Fault };

export type Shown = "expired" | "selfSigned" | "wrongName";

/** What is expected once the connector waits for its SIEM, or has nothing more to send. */
export interface Expected {
  readonly state: Extract<PlaceState, "retrying" | "held" | "connected">;
  readonly reason: Reason | null;
  /** Places that become dead letters. Absent: none, and nothing that waits is given up. */
  readonly dead?: readonly number[];
  /** Events delivered while the fault stands. Absent: 0. */
  readonly delivered?: number;
  /** May events come a second time? Only where the SIEM took them and the relay cannot know. */
  readonly twice?: true;
  /** The least wait until the next attempt, milliseconds. */
  readonly wait?: number;
}

/** A vendor's own way. `none`: there is no such cell. */
export type Deviation =
  & { readonly because: string }
  & (Partial<Expected> | { readonly none: true });

export interface Row {
  readonly cause: Cause;
  readonly expect: Expected;
  readonly but?: Readonly<Record<string, Deviation>>;
}

/** The first wait at full jitter; a probe's. */
const BACKOFF = 1_000, PROBE = 60_000;

const NO_REPLIES: Deviation = {
  none: true,
  because: "syslog has no replies: there is none to be wrong",
};

function status(
  status: number,
  expect: Expected,
  more: Omit<Extract<Fault, { kind: "status" }>, "kind" | "status"> = {},
  but: Row["but"] = {},
): Row {
  return {
    cause: { way: "reply", fault: { kind: "status", status, ...more } },
    expect,
    but: { qradar: NO_REPLIES, ...but },
  };
}

function reply(fault: Fault, expect: Expected, but: Row["but"] = {}): Row {
  return { cause: { way: "reply", fault }, expect, but };
}

function held(reason: Reason): Expected {
  return { state: "held", reason, wait: PROBE };
}

function retrying(reason: Reason, more: Partial<Expected> = {}): Expected {
  return { state: "retrying", reason, wait: BACKOFF, ...more };
}

export const MATRIX: Readonly<Record<string, Row>> = {
  "refused": { cause: { way: "shut" }, expect: retrying("refused") },
  "DNS": { cause: { way: "dns" }, expect: retrying("dns") },
  "TLS expired": {
    cause: { way: "certificate", shown: "expired" },
    expect: held("tls_expired"),
  },
  "TLS untrusted": {
    cause: { way: "certificate", shown: "selfSigned" },
    expect: held("tls_self"),
  },
  "wrong name": {
    cause: { way: "certificate", shown: "wrongName" },
    expect: held("tls_name"),
  },
  "reset before reply": reply(
    { kind: "reset", when: "before" },
    retrying("cut"),
  ),
  "reset after body": reply(
    { kind: "reset", when: "after" },
    retrying("cut", { twice: true }),
  ),
  "hang": reply({ kind: "hang" }, retrying("timeout"), {
    qradar: {
      none: true,
      because:
        "a receiver that took the bytes and does nothing with them looks like one that is well",
    },
  }),
  "slow drip": reply(
    { kind: "drip", ms: 1_000 },
    retrying("timeout", { twice: true }),
    { qradar: NO_REPLIES },
  ),
  "HTTP 400": status(400, held("config")),
  "HTTP 401": status(401, held("auth")),
  "HTTP 403": status(403, held("forbidden"), {}, {
    datadog: {
      because: "it says 403 to a key that it does not know",
      reason: "auth",
    },
  }),
  "HTTP 404": status(404, held("path")),
  "HTTP 408": status(408, retrying("slow_down")),
  // Halved down to single events; all refused, and so the guard of destinations §0.2 suspects the settings.
  "HTTP 413": status(413, held("config")),
  "HTTP 429": status(429, retrying("slow_down", { wait: 7_000 }), {
    retryAfter: 7,
  }),
  "HTTP 500": status(500, retrying("server")),
  "HTTP 502": status(502, retrying("server")),
  "HTTP 503 with number": status(
    503,
    retrying("server", { wait: 5_000, twice: true }),
    { retryAfter: 5, number: 2 },
    {
      splunk: {
        because: "says which event it stopped at: those before it are stored",
        delivered: 2,
      },
    },
  ),
  "200 with HTML": reply({ kind: "html" }, held("not_collector"), {
    qradar: NO_REPLIES,
  }),
  "200 with item errors": reply(
    {
      kind: "reject",
      events: (event) => new TextDecoder().decode(event).includes(`evt-${BAD}`),
    },
    {
      state: "connected",
      reason: "rejected",
      dead: [BAD],
      delivered: EVENTS - 1,
    },
    { qradar: NO_REPLIES },
  ),
  "redirect": reply(
    { kind: "redirect", to: "http://127.0.0.1:9/elsewhere" },
    held("redirect"),
    { qradar: NO_REPLIES },
  ),
  "truncated reply": reply(
    { kind: "cut" },
    retrying("cut", { twice: true }),
    { qradar: NO_REPLIES },
  ),
};

/** What a cell expects. Undefined: there is no such cell. */
export function expectation(row: Row, type: string): Expected | undefined {
  const deviation = row.but?.[type];
  if (deviation === undefined) return row.expect;
  if ("none" in deviation) return undefined;
  const { because: _, ...own } = deviation;
  return { ...row.expect, ...own };
}
