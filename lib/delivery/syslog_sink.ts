/** The sink of types that send messages over syslog: UDP, TCP and TLS. A type brings the message. */

import type {
  BatchLimits,
  ConnectorContext,
  Outcome,
  Sink,
  TestStep,
} from "../connector.ts";
import { type EventRun, EventView } from "../event.ts";
import {
  FRAME_BYTES,
  type Framing,
  octetFrames,
  writeOctetCount,
} from "../format/syslog.ts";
import { SettingFault } from "../setting_fault.ts";
import { BatchBuffer } from "./batch_buffer.ts";
import { transportOutcome } from "./http_sink.ts";
import type { DatagramSender, MessageStream } from "./message_stream.ts";
import { TransportError } from "./transport_error.ts";

const LINE_FEED = 0x0a;

/** Batches that may wait for their second at once; their bytes are bounded by the pipeline. */
const IN_FLIGHT = 512;

/** What a type says about its messages. */
export interface SyslogWire {
  readonly protocol: "udp" | "tcp" | "tls";
  /** A name or an address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly framing: Framing;
  readonly limits: Omit<BatchLimits, "eventBytes">;
  /** The most bytes of a message. */
  readonly messageBytes: number;
  /**
   * Writes one message without framing. Pure. `ocsf` is the event as OCSF.
   * @returns false when the event cannot be made to fit; what was written then means nothing
   */
  compose(view: EventView, ocsf: EventView, into: BatchBuffer): boolean;
  /** A message that says it is a test. */
  probe(): EventView;
}

/** Opens the sink. @throws {SettingFault} when the common settings ask for what the protocol cannot do. */
export function openSyslogSink(
  wire: SyslogWire,
  context: ConnectorContext,
): Sink {
  const { tls, proxy } = context.common;
  if (wire.protocol !== "tls") {
    const idle = tls.caBundle !== undefined
      ? "tls_ca_bundle"
      : tls.clientCert !== undefined
      ? "tls_client_cert"
      : tls.pin !== undefined
      ? "tls_pin"
      : tls.serverName !== undefined
      ? "tls_server_name"
      : undefined;
    if (idle !== undefined) {
      throw new SettingFault(
        idle,
        `TLS settings do nothing with protocol ${wire.protocol}: choose tls, or leave them out.`,
      );
    }
  }
  if (wire.protocol !== "udp") return new StreamSink(wire, context);
  if (proxy instanceof URL) {
    throw new SettingFault(
      "proxy",
      "UDP cannot go through a proxy: choose tcp or tls.",
    );
  }
  return new DatagramSink(wire, context);
}

/** What both kinds do alike. */
abstract class SyslogSink implements Sink {
  readonly limits: BatchLimits;
  protected readonly wire: SyslogWire;
  protected readonly context: ConnectorContext;
  /** How messages stand in the body: what tells them apart. */
  readonly #framing: Framing;
  readonly #view = new EventView();
  readonly #ocsf = new EventView();

  constructor(wire: SyslogWire, context: ConnectorContext, framing: Framing) {
    this.wire = wire;
    this.context = context;
    this.#framing = framing;
    this.limits = {
      ...wire.limits,
      eventBytes: wire.messageBytes + FRAME_BYTES,
    };
  }

  abstract deliver(batch: BatchBuffer, signal: AbortSignal): Promise<Outcome>;
  abstract test(signal: AbortSignal): AsyncIterable<TestStep>;
  abstract [Symbol.asyncDispose](): Promise<void>;

  encode(events: EventRun, into: BatchBuffer): void {
    for (let place = 0; place < events.count; place++) {
      if (!this.#write(events.view(place, this.#view), place, into)) return;
    }
  }

  probe(signal: AbortSignal): Promise<Outcome> {
    const batch = new BatchBuffer(this.limits);
    this.#write(this.wire.probe(), 0, batch);
    return this.deliver(batch, signal);
  }

  #write(view: EventView, place: number, into: BatchBuffer): boolean {
    const ocsf = this.context.ocsf(view, this.#ocsf);
    const isCounted = this.#framing === "octet";
    into.begin();
    const begin = into.length;
    if (isCounted) {
      into.room(FRAME_BYTES);
      into.length += FRAME_BYTES;
    }
    if (!this.wire.compose(view, ocsf, into)) {
      into.refuse(
        place,
        "too_large",
        `The message takes more than ${this.wire.messageBytes} bytes, even with all left out that may be.`,
      );
      return true;
    }
    if (isCounted) {
      // Its count goes before it, and takes as many digits as it does.
      const message = begin + FRAME_BYTES, size = into.length - message;
      const end = writeOctetCount(size, into.bytes, begin);
      into.bytes.copyWithin(end, message, into.length);
      into.length = end + size;
    } else into.byte(LINE_FEED);
    return into.end(place);
  }
}

/** TCP and TLS: delivered once the connection has stayed open for a second. */
class StreamSink extends SyslogSink {
  readonly inFlight = IN_FLIGHT;
  readonly unconfirmed =
    "Sent, and the connection stayed open. Syslog confirms nothing; look for it there.";
  readonly #stream: MessageStream;

  constructor(wire: SyslogWire, context: ConnectorContext) {
    super(wire, context, wire.framing);
    const { host, port, protocol } = wire;
    const { tls, proxy = "none", timeout } = context.common;
    this.#stream = context.stream({
      url: new URL(
        `${protocol}://${host.includes(":") ? `[${host}]` : host}:${port}`,
      ),
      tls,
      proxy,
      timeout,
    });
  }

  async deliver(batch: BatchBuffer, signal: AbortSignal): Promise<Outcome> {
    try {
      await this.#stream.send(batch.body(), signal, () => batch.release());
      return { kind: "delivered" };
    } catch (error) {
      if (error instanceof TransportError) return transportOutcome(error);
      throw error;
    }
  }

  /** Connects, and waits for a refusal; sends nothing. */
  test(signal: AbortSignal): AsyncIterable<TestStep> {
    return this.#stream.way(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stream[Symbol.asyncDispose]();
  }
}

/** UDP: sent is all that can be said. */
class DatagramSink extends SyslogSink {
  readonly unconfirmed = "Sent. UDP confirms nothing; look for it there.";
  readonly #datagrams: DatagramSender;

  constructor(wire: SyslogWire, context: ConnectorContext) {
    // A datagram is a message; the counts only tell them apart in the body.
    super(wire, context, "octet");
    this.#datagrams = context.datagrams(wire);
  }

  async deliver(batch: BatchBuffer, signal: AbortSignal): Promise<Outcome> {
    let sent = 0;
    for (const message of octetFrames(batch.body())) {
      signal.throwIfAborted();
      const fault = await faultOf(this.#datagrams.send(message));
      if (fault !== undefined) {
        const outcome = transportOutcome(fault);
        return outcome.kind === "retry"
          ? { ...outcome, pending: batch.places.slice(sent) }
          : outcome;
      }
      sent++;
    }
    return { kind: "delivered" };
  }

  /** Looks the name up: nothing more can be known from here. */
  test(signal: AbortSignal): AsyncIterable<TestStep> {
    return this.#datagrams.way(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#datagrams[Symbol.asyncDispose]();
  }
}

/** What kept it from happening. @throws what is no TransportError */
async function faultOf(
  work: Promise<void>,
): Promise<TransportError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof TransportError) return error;
    throw error;
  }
}
