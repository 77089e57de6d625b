/** Datagrams over UDP. `node:dgram`, because Deno's own needs a flag (destinations §0.5); loaded on demand. */

import type { Socket } from "node:dgram";
import type { Clock } from "../clock.ts";
import type { TestStep } from "../connector.ts";
import { addressStep } from "./connection_steps.ts";
import type { DatagramSender, DatagramTarget } from "./message_stream.ts";
import { transportFault } from "./transport_fault.ts";

/** How long an address that a name led to is used, in milliseconds. */
const ADDRESS_MS = 60_000;

/** What it takes from outside. */
export interface DatagramNet {
  readonly clock: Clock;
}

/** Opens a sender; offline and cheap. */
export function openDatagrams(
  target: DatagramTarget,
  net: DatagramNet,
): DatagramSender {
  return new Datagrams(target, net);
}

class Datagrams implements DatagramSender {
  readonly #target: DatagramTarget;
  readonly #clock: DatagramNet["clock"];
  #socket: Socket | undefined;
  #address = "";
  #until = 0;

  constructor(target: DatagramTarget, { clock }: DatagramNet) {
    this.#target = target;
    this.#clock = clock;
  }

  async open(): Promise<void> {
    try {
      await this.#ready();
    } catch (error) {
      throw transportFault(error, this.#target);
    }
  }

  async send(bytes: Uint8Array): Promise<void> {
    try {
      const socket = this.#isReady() ? this.#socket : await this.#ready();
      await new Promise<void>((resolve, reject) => {
        socket?.send(
          bytes,
          this.#target.port,
          this.#address,
          (error) => error ? reject(error) : resolve(),
        );
      });
    } catch (error) {
      this.#close();
      throw transportFault(error, this.#target);
    }
  }

  async *way(signal: AbortSignal): AsyncIterable<TestStep> {
    yield await addressStep(
      this.#target.host,
      { clock: this.#clock },
      signal,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    return Promise.resolve();
  }

  #isReady(): boolean {
    return this.#socket !== undefined && this.#clock.monotonic() < this.#until;
  }

  async #ready(): Promise<Socket> {
    const { createSocket } = await import("node:dgram");
    const { lookup } = await import("node:dns/promises");
    const { address, family } = await lookup(this.#target.host);
    if (this.#socket === undefined || address !== this.#address) {
      this.#close();
      this.#socket = createSocket(family === 6 ? "udp6" : "udp4");
      // What a send met is told by that send.
      this.#socket.on("error", () => {});
    }
    this.#address = address;
    this.#until = this.#clock.monotonic() + ADDRESS_MS;
    return this.#socket;
  }

  #close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}
