/**
 * An HTTP/1.1 client for deliveries: bytes in, bytes out, one attempt per call. It never follows a redirect, never
 * repeats what may have been taken, and bounds every reply.
 */

import { type Clock, systemClock } from "../clock.ts";
import type { TestStep } from "../connector.ts";
import { Attempt } from "./attempt.ts";
import { wayTo } from "./connection_steps.ts";
import { portOf } from "./dial_plan.ts";
import { Connection } from "./http_connection.ts";
import type {
  HttpExchange,
  HttpReply,
  HttpRequest,
  HttpTarget,
} from "./http_exchange.ts";
import { RequestHeads } from "./http_head.ts";
import { proxyAuthorization } from "./proxy.ts";
import { type Dial, dialer } from "./tls.ts";
import { runtimeSockets, type Sockets } from "./tls_native.ts";
import { type Peer, transportFault } from "./transport_fault.ts";

/** Milliseconds for address, connection, proxy and TLS together (destinations §0.5). */
const CONNECT_TIMEOUT = 10_000;
/** Bytes of a reply's body. */
const MAX_REPLY_BYTES = 1_048_576;
/** Milliseconds that a kept connection lay idle before its close after a whole request is taken for a close while idle. */
const IDLE_CLOSE_AFTER = 1_000;

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

class Exchange implements HttpExchange {
  readonly #target: HttpTarget;
  readonly #clock: Clock;
  readonly #dial: Dial;
  readonly #sockets: Sockets;
  readonly #heads: RequestHeads;
  readonly #peer: Peer;
  readonly #open = new Set<Connection>();
  #idle: Connection | undefined;
  #isClosed = false;

  constructor(target: HttpTarget, net: HttpNet) {
    const { url } = target;
    this.#target = target;
    this.#clock = net.clock;
    this.#sockets = net.sockets ?? runtimeSockets();
    this.#dial = dialer(target, this.#sockets);
    const proxy = url.protocol === "http:" && target.proxy !== "none"
      ? target.proxy
      : undefined;
    this.#heads = new RequestHeads({
      url,
      userAgent: net.userAgent ?? "hecate",
      origin: proxy === undefined ? "" : `http://${url.host}`,
      proxyLine: proxy === undefined ? "" : proxyAuthorization(proxy),
    });
    this.#peer = { host: url.hostname, port: portOf(url) };
  }

  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpReply> {
    signal.throwIfAborted();
    if (this.#isClosed) throw new TypeError("the exchange is closed");
    const head = this.#heads.bytes(request);
    using attempt = new Attempt(this.#clock, signal, {
      peer: this.#peer,
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

  way(signal: AbortSignal): AsyncIterable<TestStep> {
    return wayTo(this.#target, {
      clock: this.#clock,
      sockets: this.#sockets,
      dial: this.#dial,
    }, signal);
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
      throw attempt.failure ?? transportFault(error, this.#peer);
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
      place: `${this.#peer.host}:${this.#peer.port}`,
    });
    const isReused = connection.uses++ > 0;
    attempt.isSent = false;
    attempt.use(connection);
    try {
      await connection.exchange(head, request.body, parser, attempt);
    } catch (error) {
      connection.close();
      if (attempt.failure !== undefined) throw attempt.failure;
      const fault = transportFault(error, this.#peer, attempt.isSent);
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
