/** The vocabulary of deliveries over connections that answer nothing. */

import type { TestStep } from "../connector.ts";
import type { DialTarget } from "./dial_plan.ts";

/** Where messages go and how the connection is opened. */
export interface StreamTarget extends DialTarget {
  /** `tcp://host:port` or `tls://host:port`. */
  readonly url: URL;
  /** Milliseconds for one write. */
  readonly timeout: number;
  /** Milliseconds for address, connection, proxy and TLS together; 10 s unless given. */
  readonly connectTimeout?: number;
}

/** Bytes to one receiver over one kept connection, which is opened anew after a loss. */
export interface MessageStream extends AsyncDisposable {
  /** Connects where there is no connection, and waits a second for the receiver to refuse it. @throws as `send` */
  open(signal: AbortSignal): Promise<void>;
  /**
   * Writes the bytes behind those of earlier calls. Resolves once they are written and the connection has stayed open
   * for a second after. What was not resolved when a connection ends is lost with it, and never written to another.
   * The bytes must not change until it has settled, or until `written` was called: then all of them are on their way.
   * @throws {TransportError} when the connection could not be opened or was lost; the signal's reason when it aborted.
   */
  send(
    bytes: Uint8Array,
    signal: AbortSignal,
    written?: () => void,
  ): Promise<void>;
  /** The way there, step by step until one fails, over connections of its own; nothing is sent. */
  way(signal: AbortSignal): AsyncIterable<TestStep>;
}

/** Where datagrams go. */
export interface DatagramTarget {
  /** A name or an address. */
  readonly host: string;
  readonly port: number;
}

/** Datagrams to one receiver. */
export interface DatagramSender extends AsyncDisposable {
  /** Looks the name up. @throws {TransportError} */
  open(): Promise<void>;
  /** Hands one datagram to the network: nobody says whether it arrives. @throws {TransportError} */
  send(bytes: Uint8Array): Promise<void>;
  /** Looks the name up, as a step of a connection test. */
  way(signal: AbortSignal): AsyncIterable<TestStep>;
}
