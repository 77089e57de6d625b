/**
 * An HTTP/1.1 client for deliveries: bytes in, bytes out, one attempt per call. It never follows a redirect, never
 * retries what may have been taken, and bounds every reply.
 */

import type { Clock } from "../clock.ts";
import type { TlsSettings } from "./tls.ts";

export { TransportError } from "./transport_error.ts";
export type { TlsSettings } from "./tls.ts";

/** Where requests go and how the connection is opened. */
export interface HttpTarget {
  /** `http:` or `https:`; its path and query are the default of a request's `path`. User and password are ignored. */
  readonly url: URL;
  readonly tls: TlsSettings;
  /** `http:` proxy, credentials in its userinfo; absent or "none": a direct connection. */
  readonly proxy?: URL | "none";
  /** Milliseconds for one attempt, from the call to the reply's last byte, connecting included. */
  readonly timeout: number;
  /** Milliseconds for address, connection, proxy and TLS together; 10 s unless given. */
  readonly connectTimeout?: number;
  /** Bytes of a reply's body that are kept; 1 MiB unless given. */
  readonly maxReplyBytes?: number;
}

/** One request. `Host`, `Content-Length`, `Connection` and (unless given) `User-Agent` are the client's. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query as they go on the wire; the URL's own unless given. */
  readonly path?: string;
  readonly headers: readonly (readonly [string, string])[];
  /** Not copied: must not change until `send` has settled. Empty for none. */
  readonly body: Uint8Array;
}

/** A complete reply. Bodies of 2xx are whole; those of other statuses may end at `maxReplyBytes`. */
export interface HttpReply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
  /** The body as UTF-8, U+FFFD for what is none. */
  text(): string;
}

/** Requests to one target over one kept connection (a second one only while requests overlap). */
export interface HttpExchange extends AsyncDisposable {
  /**
   * One attempt. A request on a kept connection that the server had closed while it lay idle goes once more on a new
   * one; nothing else is ever repeated.
   * @throws {TransportError} when no whole reply came; the signal's reason when it aborted.
   */
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpReply>;
}

/** What the client takes from outside. */
export interface HttpNet {
  readonly clock: Clock;
  /** The `User-Agent` of requests that bring none: `hecate/1.0.0`. */
  readonly userAgent?: string;
}

/**
 * Opens an exchange; offline and cheap, the first `send` connects.
 * @throws {TypeError} when the target asks for what this Deno cannot do (one sentence for the operator).
 */
export function openHttp(_target: HttpTarget, _net?: HttpNet): HttpExchange {
  throw new Error("not yet");
}

/** What an operator must be told about a target's transport: verification off, plain HTTP to a far host. */
export function transportWarnings(_target: HttpTarget): readonly string[] {
  return [];
}
