/** A collector of the demo SIEM that is reached by syslog: a message is a request of its own, without an answer. */

import type { ArmedFault, Fault, FaultOptions } from "./faults.ts";
import { type QradarOptions, readMessage } from "./protocols/qradar.ts";
import {
  type Aftermath,
  type Listening,
  serveSyslog,
  type SyslogMessage,
  type SyslogServer,
} from "./syslog_server.ts";
import { Target, type TargetSetup } from "./target.ts";

/** Faults that a listener can have. */
const KINDS: readonly Fault["kind"][] = [
  "close",
  "reset",
  "hang",
  "reject",
  "refuse",
  "handshake",
];

export class SyslogTarget extends Target {
  readonly #transport: "tcp" | "udp" | "tls";
  readonly #maxMessage: number;
  /** Messages taken of each connection. */
  readonly #taken = new Map<number, number>();
  #server: SyslogServer | undefined;
  #listening: Listening = "open";
  #changing: Promise<void> = Promise.resolve();

  private constructor(
    setup: TargetSetup,
    transport: "tcp" | "udp" | "tls",
    maxMessage: number,
  ) {
    super(setup);
    this.#transport = transport;
    this.#maxMessage = maxMessage;
  }

  /** Starts listening. @throws when the port is taken. */
  static async open(
    { hostname, shownHost, options, ...setup }:
      & Omit<TargetSetup, "url" | "token">
      & {
        readonly hostname: string;
        /** In its URL. */
        readonly shownHost: string;
        readonly options: QradarOptions;
      },
  ): Promise<SyslogTarget> {
    const { transport = "tcp", framing = "lf", port = 0, tls } = options;
    const { maxMessage = transport === "udp" ? 1024 : 4096 } = options;
    const { clock } = setup;
    const made: { target?: SyslogTarget } = {};
    const server = await serveSyslog({
      ...{ hostname, port, transport, framing, clock },
      ...(tls === undefined ? {} : { tls }),
      onMessage: (message) =>
        made.target?.handle(message) ?? Promise.resolve("close"),
      onBroken: (why) => made.target?.complain([why]),
    });
    const url = `${transport}://${shownHost}:${server.port}`;
    const target = new SyslogTarget(
      { ...setup, url, token: "" },
      transport,
      maxMessage,
    );
    target.#server = server;
    made.target = target;
    return target;
  }

  /**
   * `refuse` and `handshake` hold until cleared; await `ready()` for the listener to follow.
   * @throws {RangeError} for what needs an answer to go wrong in
   */
  override fault(fault: Fault, options?: FaultOptions): ArmedFault {
    const isDatagram = this.#transport === "udp";
    if (
      !KINDS.includes(fault.kind) ||
      (isDatagram && ["close", "reset", "handshake"].includes(fault.kind))
    ) {
      throw new RangeError(
        `Syslog over ${this.#transport} cannot go wrong by "${fault.kind}"`,
      );
    }
    const armed = super.fault(fault, options);
    this.#follow();
    const clear = () => {
      armed.clear();
      this.#follow();
    };
    return { fault, clear, [Symbol.dispose]: clear };
  }

  override clear(): void {
    super.clear();
    this.#follow();
  }

  override ready(): Promise<void> {
    return this.#changing;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await this.#server?.[Symbol.asyncDispose]();
  }

  /** Makes the listener what the faults want. */
  #follow(): void {
    const wanted = this.faults.holds("refuse")
      ? "closed"
      : this.faults.holds("handshake")
      ? "handshake"
      : "open";
    if (wanted === this.#listening) return;
    this.#listening = wanted;
    this.#changing = this.#changing.then(() => this.#server?.listen(wanted));
  }

  async handle(message: SyslogMessage): Promise<Aftermath> {
    const { connection, gone, bytes } = message;
    const before = this.#taken.get(connection) ?? 0;
    const next = this.faults.peek();
    // A fault of a later message of the connection is not this one's.
    const isLater = (next?.kind === "close" || next?.kind === "reset") &&
      before + 1 < (next.messages ?? 1);
    const armed = isLater ? undefined : this.faults.next();
    const fault = armed?.fault;
    const number = this.begin();
    if (fault?.kind === "hang" && armed !== undefined) {
      this.#note(message, number, []);
      await this.pause(
        fault.ms ?? Infinity,
        AbortSignal.any([armed.cleared, gone]),
      );
      return "close";
    }
    if (fault?.kind === "reset" && fault.when === "before") {
      this.#note(message, number, []);
      return "reset";
    }
    const { event, envelope, complaints } = readMessage(
      bytes,
      this.#maxMessage,
    );
    this.complain(complaints.map((one) => `message ${number}: ${one}`));
    const isLost = this.poison(fault)(event, 0) !== false;
    this.lookedAt(1);
    this.#note(message, number, isLost ? [] : [{ event, envelope }]);
    return fault?.kind === "close" || fault?.kind === "reset"
      ? fault.kind
      : "go on";
  }

  #note(
    { connection, frame, gone }: SyslogMessage,
    number: number,
    taken: Parameters<Target["keep"]>[1],
  ): void {
    if (taken.length > 0 && this.#transport !== "udp") {
      const before = this.#taken.get(connection);
      this.#taken.set(connection, (before ?? 0) + 1);
      if (before === undefined) {
        gone.addEventListener("abort", () => this.#taken.delete(connection), {
          once: true,
        });
      }
    }
    this.keep({
      number,
      connection,
      method: this.#transport.toUpperCase(),
      path: "",
      headers: new Headers(),
      body: frame,
      status: 0,
      reply: "",
    }, taken);
  }
}
