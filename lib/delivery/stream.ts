/**
 * Messages over TCP and TLS, to receivers that answer nothing. What was written counts once the connection has stayed
 * open for a second after: two writes succeed after the far end has closed (measured), and a client certificate that
 * TLS 1.3 refuses is refused only after the handshake. A reader beside the writer notices both at once.
 *
 * Longer than its neighbours: a connection's writes, their ripening and its end belong together.
 */

import type { Clock } from "../clock.ts";
import type { TestStep } from "../connector.ts";
import { Attempt } from "./attempt.ts";
import { wayTo } from "./connection_steps.ts";
import { portOf } from "./dial_plan.ts";
import type { MessageStream, StreamTarget } from "./message_stream.ts";
import { type Dial, dialer } from "./tls.ts";
import { runtimeSockets, type Sockets } from "./tls_native.ts";
import { TransportError } from "./transport_error.ts";
import { at, type Peer, transportFault } from "./transport_fault.ts";
import { type Wire, writeAll } from "./wire.ts";

/** Milliseconds for address, connection, proxy and TLS together (destinations §0.5). */
const CONNECT_TIMEOUT = 10_000;
/** How long a connection must stay open after a write for the write to count, in milliseconds (interface §17). */
const QUIET_MS = 1_000;
/** A wait this much longer than asked for means that this process stood still: what came meanwhile is heard first. */
const STOOD_STILL_MS = 250;
const AT_ONCE =
  "closed the connection at once. The wrong port or protocol, or it does not take this machine's events.";
/** What a receiver says is looked at, never kept. */
const READ_BYTES = 1024;

/** Ends a sleep. */
const OVER = new Error("over");

/** What streams take from outside. */
export interface StreamNet {
  readonly clock: Clock;
  /** The runtime's own unless given. */
  readonly sockets?: Sockets;
}

/**
 * Opens a stream; offline and cheap, the first `send` connects.
 * @throws {TypeError} when the target asks for what this Deno cannot do (one sentence for the operator).
 */
export function openStream(
  target: StreamTarget,
  net: StreamNet,
): MessageStream {
  return new Stream(target, net);
}

class Stream implements MessageStream {
  readonly #target: StreamTarget;
  readonly #clock: Clock;
  readonly #dial: Dial;
  readonly #sockets: Sockets;
  readonly #peer: Peer;
  readonly #closing = new AbortController();
  /** Connections that have not ended. */
  readonly #links = new Set<Link>();
  #link: Link | undefined;

  constructor(target: StreamTarget, { clock, sockets }: StreamNet) {
    this.#target = target;
    this.#clock = clock;
    this.#sockets = sockets ?? runtimeSockets();
    this.#dial = dialer(target, this.#sockets);
    this.#peer = { host: target.url.hostname, port: portOf(target.url) };
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#current(signal).send(new Uint8Array(0), signal);
  }

  async send(
    bytes: Uint8Array,
    signal: AbortSignal,
    written?: () => void,
  ): Promise<void> {
    await this.#current(signal).send(bytes, signal, written);
  }

  way(signal: AbortSignal): AsyncIterable<TestStep> {
    const isPlain = this.#target.url.protocol === "tcp:";
    return wayTo(this.#target, {
      clock: this.#clock,
      sockets: this.#sockets,
      dial: this.#dial,
      listen: {
        ms: QUIET_MS,
        judge: (said) =>
          said === null
            ? new TransportError("cut", `${at(this.#peer)} ${AT_ONCE}`)
            : isPlain
            ? strange(said, this.#peer)
            : undefined,
      },
    }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new TypeError("the stream is closed"));
    this.#link = undefined;
    await Promise.all(
      [...this.#links].map((link) => link.close(this.#closing.signal.reason)),
    );
  }

  #current(signal: AbortSignal): Link {
    signal.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    if (this.#link !== undefined) return this.#link;
    const link: Link = new Link(
      {
        clock: this.#clock,
        peer: this.#peer,
        timeout: this.#target.timeout,
        isPlain: this.#target.url.protocol === "tcp:",
      },
      () => this.#connect(),
      () => {
        if (this.#link === link) this.#link = undefined;
      },
    );
    this.#link = link;
    this.#links.add(link);
    void link.ended.then(() => this.#links.delete(link));
    return link;
  }

  async #connect(): Promise<Wire> {
    const timeout = this.#target.connectTimeout ?? CONNECT_TIMEOUT;
    using attempt = new Attempt(this.#clock, this.#closing.signal, {
      peer: this.#peer,
      timeout,
    });
    return await attempt.connect(this.#dial, timeout);
  }
}

interface LinkOptions {
  readonly clock: Clock;
  readonly peer: Peer;
  readonly timeout: number;
  readonly isPlain: boolean;
}

/** Bytes that were written, until the connection has stayed open long enough. */
interface Written {
  /** On the monotonic clock. */
  readonly due: number;
  readonly resolve: () => void;
  readonly reject: (why: unknown) => void;
}

/** One connection: dialled once, lost once. */
class Link {
  /** Resolves when nothing of it is left. */
  readonly ended: Promise<void>;
  readonly #options: LinkOptions;
  readonly #onLost: () => void;
  readonly #over = new AbortController();
  readonly #written: Written[] = [];
  /** The dial, then one write behind the other. Never rejects. */
  #turn: Promise<void>;
  #reading: Promise<void> | undefined;
  #ripening: Promise<void> | undefined;
  #wire: Wire | undefined;
  /** Why it is no more. */
  #why: { readonly error: unknown } | undefined;

  constructor(
    options: LinkOptions,
    dial: () => Promise<Wire>,
    onLost: () => void,
  ) {
    this.#options = options;
    this.#onLost = onLost;
    const gone = Promise.withResolvers<void>();
    this.#over.signal.addEventListener("abort", () => gone.resolve());
    this.#turn = this.#begin(dial);
    const dialled = this.#turn;
    this.ended = gone.promise.then(async () => {
      await dialled;
      await Promise.all([this.#reading, this.#ripening]);
    });
  }

  /** Writes in the order of calls. */
  async send(
    bytes: Uint8Array,
    signal: AbortSignal,
    written?: () => void,
  ): Promise<void> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    try {
      await before;
      if (this.#why !== undefined) throw this.#why.error;
      signal.throwIfAborted();
      if (bytes.length > 0) await this.#write(bytes, signal);
      written?.();
    } finally {
      resolve();
    }
    await this.#quiet();
  }

  /** Gives the connection up: everything undecided ends with this error. */
  async close(error: unknown): Promise<void> {
    this.#lose(error);
    await this.ended;
  }

  async #begin(dial: () => Promise<Wire>): Promise<void> {
    try {
      const wire = await dial();
      if (this.#why !== undefined) return wire.close();
      this.#wire = wire;
      this.#reading = this.#read(wire);
    } catch (error) {
      this.#lose(transportFault(error, this.#options.peer));
    }
  }

  /** Hears that the far end has closed, and why it did. */
  async #read(wire: Wire): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    try {
      for (;;) {
        const read = await wire.read(buffer);
        if (read === null) return this.#lose(this.#closed());
        const fault = this.#options.isPlain
          ? strange(buffer.subarray(0, read), this.#options.peer)
          : undefined;
        if (fault !== undefined) return this.#lose(fault);
      }
    } catch (error) {
      this.#lose(this.#fault(error));
    }
  }

  async #write(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const { clock, timeout } = this.#options;
    const wire = this.#wire;
    if (wire === undefined) throw this.#closed();
    // What is half written cannot be taken back: whoever gives it up gives the connection up.
    const onAbort = () => this.#lose(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const endTimer = clock.after(timeout, () => this.#lose(this.#slow()));
    try {
      await writeAll(wire, bytes);
    } catch (error) {
      // The reader may still hear why: an alert says more than a broken pipe.
      const { promise: enough, resolve } = Promise.withResolvers<void>();
      const endWait = clock.after(QUIET_MS, resolve);
      await Promise.race([this.#reading, enough]);
      endWait();
      this.#lose(this.#fault(error));
    } finally {
      endTimer();
      signal.removeEventListener("abort", onAbort);
    }
    if (this.#why !== undefined) throw this.#why.error;
  }

  /** Resolves when the connection has stayed open for long enough from now on. */
  #quiet(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const due = this.#options.clock.monotonic() + QUIET_MS;
    this.#written.push({ due, resolve, reject });
    this.#ripening ??= this.#ripen();
    return promise;
  }

  /** Runs until nothing waits, and says so at once: a turn later someone else may have come. */
  async #ripen(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#over;
    try {
      for (;;) {
        const [first] = this.#written;
        if (first === undefined) {
          this.#ripening = undefined;
          return;
        }
        await clock.sleep(first.due - clock.monotonic(), signal);
        if (clock.monotonic() - first.due > STOOD_STILL_MS) {
          await clock.sleep(0, signal);
        }
        const now = clock.monotonic();
        while (this.#written[0] !== undefined && this.#written[0].due <= now) {
          this.#written.shift()?.resolve();
        }
      }
    } catch {
      // Lost: all of them know.
    }
  }

  #lose(error: unknown): void {
    if (this.#why !== undefined) return;
    this.#why = { error };
    this.#onLost();
    this.#over.abort(OVER);
    this.#wire?.close();
    for (const { reject } of this.#written.splice(0)) reject(error);
  }

  #fault(error: unknown): TransportError {
    const fault = transportFault(error, this.#options.peer);
    return fault.reason === "cut" ? this.#closed() : fault;
  }

  #closed(): TransportError {
    return new TransportError(
      "cut",
      `${
        at(this.#options.peer)
      } closed the connection; what was written in the last second goes again. If always: the wrong port or protocol, or it does not take this machine's events.`,
    );
  }

  #slow(): TransportError {
    const { peer, timeout } = this.#options;
    return new TransportError(
      "timeout",
      `${at(peer)} took nothing for ${
        timeout / 1000
      } s. It may be overloaded; events may arrive twice.`,
    );
  }
}

/** Who answers a plain connection is no such receiver. */
function strange(said: Uint8Array, peer: Peer): TransportError | undefined {
  const where = at(peer);
  if (said[0] === 0x15 && said[1] === 0x03) {
    return new TransportError("config", `${where} wants TLS.`);
  }
  return /^HTTP\//.test(new TextDecoder().decode(said.subarray(0, 5)))
    ? new TransportError(
      "not_collector",
      `${where} is a web server, not a receiver of syslog.`,
    )
    : undefined;
}
