/** What all HTTP connectors judge alike: status table, Retry-After, transport errors, gzip, the vendor's words. */

import type { Outcome } from "../connector.ts";
import type { HttpReply } from "./http_client.ts";
import type { TransportError } from "./transport_error.ts";

export type { HttpExchange, HttpReply, HttpRequest } from "./http_client.ts";

/**
 * The default judgement of a reply (destinations §0.2). Undefined for a 2xx that is no web page: the connector reads it.
 * @param now wall time in milliseconds since the epoch, for a Retry-After that is a date.
 */
export function classifyStatus(
  _reply: HttpReply,
  _now: number,
): Outcome | undefined {
  throw new Error("not yet");
}

/** `held` (`not_collector`) when a reply is a web page, whatever its status; else undefined. */
export function webPage(_reply: HttpReply): Outcome | undefined {
  throw new Error("not yet");
}

/** Milliseconds that Retry-After asks for (seconds or a date); undefined when absent, past, negative or unreadable. */
export function retryAfter(
  _headers: Headers,
  _now: number,
): number | undefined {
  throw new Error("not yet");
}

/** The outcome of an attempt that got no judged answer: `retry` for weather, else `held`. */
export function transportOutcome(_error: TransportError): Outcome {
  throw new Error("not yet");
}

/** The vendor's own words: at most 300 characters on one line, a web page's title only, "" when there are none. */
export function words(_reply: HttpReply): string {
  throw new Error("not yet");
}

/** Bodies up to this many bytes go as they are. */
export const GZIP_ABOVE_BYTES = 1024;

/** The body gzipped. */
export function gzip(_body: Uint8Array): Uint8Array {
  throw new Error("not yet");
}
