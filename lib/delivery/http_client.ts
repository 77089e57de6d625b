/**
 * An HTTP/1.1 client for deliveries: bytes in, bytes out, one attempt per call. It never follows a redirect, never
 * repeats what may have been taken, and bounds every reply.
 */

import { type Clock, systemClock } from "../clock.ts";
import { Attempt } from "./attempt.ts";
import { portOf, type TlsSettings } from "./dial_plan.ts";
import { Connection } from "./http_connection.ts";
import { type HeadFrame, requestHead } from "./http_head.ts";
import { proxyAuthorization } from "./proxy.ts";
import { type Dial, dialer } from "./tls.ts";
import type { Sockets } from "./tls_native.ts";
import { type Place, transportFault } from "./transport_fault.ts";

export { TransportError } from "./transport_error.ts";
export type { TlsSettings } from "./dial_plan.ts";

/** Milliseconds for address, connection, proxy and TLS together (destinations §0.5). */
const CONNECT_TIMEOUT = 10_000;
/** Bytes of a reply's body. */
const MAX_REPLY_BYTES = 1_048_576;
/** Milliseconds that a kept connection lay idle before its close after a whole request is taken for a close while idle. */
const IDLE_CLOSE_AFTER = 1_000;

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
  /** The `User-Agent` of requests that bring none. */
  readonly userAgent?: string;
  /** The runtime's sockets unless given. */
  readonly sockets?: Sockets;
}

/**
 * Opens an exchange; offline and cheap, the first `send` connects.
 * @throws {TypeError} when the target asks for what this Deno cannot do (one sentence for the operator).
 */
export function openHttp(
  target: HttpTarget,
  net: HttpNet = { clock: systemClock },
): HttpExchange {
  return new Exchange(target, net);
}

/** What an operator must be told about a target's transport, for as long as it is so. */
export function transportWarnings({ url, tls }: HttpTarget): readonly string[] {
  const warnings: string[] = [];
  if (url.protocol === "https:" && !tls.verify && tls.pin === undefined) {
    warnings.push(
      `TLS verification is off for ${url.host}: whoever answers there gets the token and the events. Give its CA (tls_ca_bundle) or pin its certificate (tls_pin).`,
    );
  }
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol === "http:" && !isLoopback) {
    warnings.push(
      `${url.host} is called over plain HTTP: the token and the events can be read on the way. Use https://.`,
    );
  }
  return warnings;
}

class Exchange implements HttpExchange {
  readonly #target: HttpTarget;
  readonly #clock: Clock;
  readonly #dial: Dial;
  readonly #frame: HeadFrame;
  readonly #place: Place;
  readonly #open = new Set<Connection>();
  #idle: Connection | undefined;
  #isClosed = false;

  constructor(target: HttpTarget, net: HttpNet) {
    const { url } = target;
    this.#target = target;
    this.#clock = net.clock;
    this.#dial = dialer(
      target,
      net.sockets ?? { ...socketsOf(Deno), version: Deno.version.deno },
    );
    const proxy = url.protocol === "http:" && target.proxy !== "none"
      ? target.proxy
      : undefined;
    this.#frame = {
      url,
      userAgent: net.userAgent ?? "hecate",
      origin: proxy === undefined ? "" : `http://${url.host}`,
      proxyLine: proxy === undefined ? "" : proxyAuthorization(proxy),
    };
    this.#place = { host: url.hostname, port: portOf(url) };
  }

  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpReply> {
    signal.throwIfAborted();
    if (this.#isClosed) throw new TypeError("the exchange is closed");
    const head = requestHead(request, this.#frame);
    using attempt = new Attempt(this.#clock, signal, {
      place: this.#place,
      timeout: this.#target.timeout,
    });
    const kept = this.#idle;
    this.#idle = undefined;
    if (kept !== undefined) {
      const idleFor = kept.unpark(this.#clock.monotonic());
      const reply = await this.#roundTrip(
        kept,
        head,
        request,
        attempt,
        idleFor,
      );
      if (reply !== undefined) return reply;
    }
    const fresh = await this.#connect(attempt);
    const reply = await this.#roundTrip(fresh, head, request, attempt, 0);
    if (reply === undefined) throw new Error("a fresh connection is not stale");
    return reply;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#idle = undefined;
    for (const connection of this.#open) connection.close();
    this.#open.clear();
    return Promise.resolve();
  }

  async #connect(attempt: Attempt): Promise<Connection> {
    try {
      const wire = await attempt.connect(
        this.#dial,
        this.#target.connectTimeout ?? CONNECT_TIMEOUT,
      );
      const connection = new Connection(wire, () => {
        this.#open.delete(connection);
        if (this.#idle === connection) this.#idle = undefined;
      });
      this.#open.add(connection);
      if (this.#isClosed) connection.close();
      return connection;
    } catch (error) {
      throw attempt.failure ?? transportFault(error, this.#place);
    }
  }

  /** The reply, or undefined when the kept connection turned out to have been closed before it was used. */
  async #roundTrip(
    connection: Connection,
    head: Uint8Array,
    request: HttpRequest,
    attempt: Attempt,
    idleFor: number,
  ): Promise<HttpReply | undefined> {
    const parser = connection.parserFor({
      method: request.method,
      maxBody: this.#target.maxReplyBytes ?? MAX_REPLY_BYTES,
      place: `${this.#place.host}:${this.#place.port}`,
    });
    const isReused = connection.uses++ > 0;
    attempt.isSent = false;
    attempt.use(connection);
    try {
      await connection.exchange(head, request.body, parser, attempt);
    } catch (error) {
      connection.close();
      if (attempt.failure !== undefined) throw attempt.failure;
      const fault = transportFault(error, this.#place, attempt.isSent);
      if (
        isReused && !parser.started && fault.reason === "cut" &&
        (!attempt.isSent || idleFor >= IDLE_CLOSE_AFTER)
      ) return undefined;
      throw fault;
    }
    const isWanted = this.#idle === undefined && !this.#isClosed;
    if (parser.keepAlive && attempt.isSent && isWanted) {
      this.#idle = connection;
      connection.park(this.#clock.monotonic());
    } else connection.close();
    return parser.reply();
  }
}

function socketsOf(
  { connect, connectTls, startTls }: Omit<Sockets, "version">,
): Omit<Sockets, "version"> {
  return { connect, connectTls, startTls };
}
