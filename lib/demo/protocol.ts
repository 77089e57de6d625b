/** What a vendor's protocol does for the demo SIEM: judge one request as the vendor's collector would. */

import { gunzipSync } from "node:zlib";
import type { Reply } from "./http_server.ts";

/** A request with its body as it was on the wire. */
export interface CollectorRequest {
  readonly method: string;
  /** Below the target's own prefix: `/services/collector/event`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** One event that the collector took, as views of the body. */
export interface TakenEvent {
  readonly envelope: Uint8Array;
  /** The event's own bytes: the source text of a JSON value, or a line of text. */
  readonly event: Uint8Array;
}

/** The collector's judgement. */
export interface Verdict {
  readonly reply: Reply;
  readonly taken: readonly TakenEvent[];
  /** Events whose fate the sender learns from the reply: taken, or refused by number or alone. */
  readonly decided: number;
  /** The body after decompression. */
  readonly body: Uint8Array;
  /** Said by no vendor, but worth a test's attention: loss or damage that the reply hides. */
  readonly complaints: readonly string[];
  /** For collectors with a memory (Elastic's `_id`s): called with what was taken in fact, after any fault. */
  readonly keep?: (taken: readonly TakenEvent[]) => void;
}

/** How a vendor words a refusal that was asked for (a fault). */
export interface Refusal {
  readonly status: number;
  /** Splunk's code, where it is not the usual one of the status. */
  readonly code?: number;
  /** Splunk's `invalid-event-number`. */
  readonly number?: number;
  /** Of the request, below the target's prefix: a token endpoint words its refusals in another way. */
  readonly path?: string;
  readonly headers?: readonly (readonly [string, string])[];
}

/**
 * Refuses the event at this place although it is good; asked for each in order. A text names the refusal in the
 * vendor's words (Elastic: the item error's type, `type:status` where the status is not the usual one).
 */
export type Poison = (event: Uint8Array, place: number) => boolean | string;

export interface Protocol {
  judge(request: CollectorRequest, poison: Poison): Verdict;
  refuse(refusal: Refusal): Reply;
  /** Does this request bring events? Others (a token, a check of the key) are spoilt only by faults meant for them. Absent: all do. */
  isIntake?(request: Pick<CollectorRequest, "method" | "path">): boolean;
  /** Takes back every token that was issued. */
  revoke?(): void;
}

/** The judgement on a request that brings no event, or of which none is taken. `decided`: 1 where it was about a single one. */
export function noneTaken(
  reply: Reply,
  body: Uint8Array,
  decided = 0,
  complaints: readonly string[] = [],
): Verdict {
  return { reply, taken: [], decided, body, complaints };
}

/** A JSON reply. */
export function jsonReply(
  status: number,
  content: unknown,
  headers: readonly (readonly [string, string])[] = [],
): Reply {
  return {
    status,
    headers: [["Content-Type", "application/json"], ...headers],
    body: JSON.stringify(content),
  };
}

/** A reply that is no JSON. */
export function textReply(
  status: number,
  body: string,
  headers: readonly (readonly [string, string])[] = [],
): Reply {
  return {
    status,
    headers: [["Content-Type", "text/plain; charset=utf-8"], ...headers],
    body,
  };
}

/** The page that web servers answer with. */
export function htmlReply(
  status: number,
  title: string,
  headers: readonly (readonly [string, string])[] = [],
): Reply {
  return {
    status,
    headers: [["Content-Type", "text/html; charset=utf-8"], ...headers],
    body:
      `<!doctype html><html><head><title>${status} ${title}</title></head><body><h1>${title}</h1></body></html>`,
  };
}

/** Whether a target takes gzip. A collector made for gzip takes nothing else, and the other way round. */
export type Compression = "optional" | "never" | "always";

/** Undoes Content-Encoding. A string says what is wrong. */
export function decoded(
  request: CollectorRequest,
  compression: Compression,
): Uint8Array | "encoding" | "gzip" {
  const encoding = request.headers.get("content-encoding") ?? "identity";
  if (encoding !== "gzip" && encoding !== "identity") return "encoding";
  if (compression === "never" && encoding === "gzip") return "encoding";
  if (compression === "always" && encoding !== "gzip") return "encoding";
  if (encoding === "identity") return request.body;
  try {
    return gunzipSync(request.body);
  } catch {
    return "gzip";
  }
}

/** No event is refused. */
export function noPoison(): boolean {
  return false;
}
