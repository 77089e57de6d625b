/** What the steps of a connection test are made of: work in time, a fault as a step, an ear on an open connection. */

import type { Clock } from "../clock.ts";
import type { TestStep } from "../connector.ts";
import { Attempt } from "./attempt.ts";
import { transportOutcome } from "./http_sink.ts";
import type { Dial } from "./tls.ts";
import type { Sockets } from "./tls_native.ts";
import { TransportError } from "./transport_error.ts";
import { type Peer, transportFault } from "./transport_fault.ts";
import type { Wire } from "./wire.ts";

/** Milliseconds of each step (destinations §0.5). */
export const STEP_MS = 10_000;

/** What the steps take from outside. */
export interface WayNet {
  readonly clock: Clock;
  readonly sockets: Sockets;
  /** How deliveries open their connections: the judge of the certificate. */
  readonly dial: Dial;
  /** How long an open connection is listened to, in milliseconds, and what its end (null) or what it says means. */
  readonly listen?: {
    readonly ms: number;
    judge(said: Uint8Array | null): TransportError | undefined;
  };
}

/** Faults whose sentence does not name the settings that mend them. */
const NEEDS_HELP = /^(auth|forbidden|config|client_key|tls_client|tls_pin)$/;

/** A step that an attempt without an answer failed at. */
export function failed(
  name: TestStep["name"],
  ms: number,
  error: TransportError,
): TestStep {
  const { reason, message, ofProxy } = error;
  const outcome = transportOutcome(error);
  const help = outcome.kind === "held" && NEEDS_HELP.test(reason)
    ? outcome.help
    : "";
  return {
    name,
    ok: false,
    ms,
    detail: message,
    fault: { reason, message, help, ofProxy },
  };
}

/** What the work gives, or why it gave nothing in time. @throws the signal's reason when it aborts. */
export async function within<T extends { close(): void }>(
  clock: Clock,
  peer: Peer,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | TransportError> {
  signal.throwIfAborted();
  using attempt = new Attempt(clock, signal, { peer, timeout: STEP_MS });
  try {
    return await attempt.connect(work, STEP_MS);
  } catch (error) {
    signal.throwIfAborted();
    return transportFault(attempt.failure ?? error, peer);
  }
}

/** Listens to an open connection for a while, then closes it: what it says is a fault, or nothing. */
export async function heard(
  wire: Wire,
  listen: WayNet["listen"] | undefined,
  { clock, peer }: { readonly clock: Clock; readonly peer: Peer },
  signal: AbortSignal,
): Promise<TransportError | undefined> {
  if (listen === undefined) {
    wire.close();
    return undefined;
  }
  const buffer = new Uint8Array(1024);
  const over = new AbortController();
  const stop = () => over.abort();
  signal.addEventListener("abort", stop);
  const reading = wire.read(buffer).then(
    (read) => listen.judge(read === null ? null : buffer.subarray(0, read)),
    (error) => {
      const fault = transportFault(error, peer);
      return fault.reason === "cut" ? listen.judge(null) : fault;
    },
  );
  const silence = clock.sleep(listen.ms, over.signal).catch(() => {});
  try {
    return await Promise.race([reading, silence.then(() => undefined)]);
  } finally {
    signal.removeEventListener("abort", stop);
    over.abort();
    wire.close();
    await reading;
    signal.throwIfAborted();
  }
}
