/** The vocabulary of HTTP deliveries: where a request goes, what it is, what comes back. */

import type { TestStep } from "../connector.ts";

/** What a connector's `tls_*` settings become. */
export interface TlsSettings {
  /** False: any certificate is taken (a lasting warning). A pin still holds. */
  readonly verify: boolean;
  /** PEM text of the authorities (or self-signed certificates) to trust, beside the public ones. */
  readonly caBundle?: string;
  /** PEM text; certificate and key go together. */
  readonly clientCert?: string;
  readonly clientKey?: string;
  readonly clientKeyPassphrase?: string;
  /** The name asked for (SNI) and looked for in the certificate, in place of the URL's host. */
  readonly serverName?: string;
  /** SHA-256 of the server certificate (DER), hex, `sha256:` and colons allowed; replaces trust in an authority. */
  readonly pin?: string;
}

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

/** One request. `Host`, `Content-Length` and (unless given) `User-Agent` are the client's. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query as they go on the wire; the URL's own unless given. */
  readonly path?: string;
  readonly headers: readonly (readonly [string, string])[];
  /** Not copied when large: must not change until `send` has settled. Empty for none. */
  readonly body: Uint8Array;
}

/** A complete reply. Bodies of 2xx are whole; those of other statuses may end at `maxReplyBytes`. */
export interface HttpReply {
  readonly status: number;
  /** Not to be changed: other replies may share them. */
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
  /** The way there, step by step until one fails, over connections of its own; nothing is sent. */
  way(signal: AbortSignal): AsyncIterable<TestStep>;
}
