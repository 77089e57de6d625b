/**
 * The way to a destination as a connection test shows it: address, connection, certificate, each with its own time.
 * Every step has a connection of its own, on which nothing is sent; what is kept for deliveries is not touched.
 */

import type { Clock } from "../clock.ts";
import type { TestStep } from "../connector.ts";
import { Attempt } from "./attempt.ts";
import { type DialPlan, dialPlan, hostname } from "./dial_plan.ts";
import type { DialTarget } from "./dial_plan.ts";
import { transportOutcome } from "./http_sink.ts";
import {
  day,
  described,
  type PeerCertificate,
  peerCertificate,
} from "./peer_certificate.ts";
import { type Dial, isOlderThan29 } from "./tls.ts";
import {
  isForbidden,
  plainTcp,
  type Sockets,
  tunnelledTcp,
} from "./tls_native.ts";
import { TransportError } from "./transport_error.ts";
import { at, type Place, transportFault } from "./transport_fault.ts";
import type { Wire } from "./wire.ts";

/** Milliseconds of each step (destinations §0.5). */
const STEP_MS = 10_000;
/** A certificate that ends sooner than this is told of. */
const SOON_MS = 14 * 86_400_000;
const MOST_ADDRESSES = 4;

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

/** Follows the way until a step fails. @throws the signal's reason when it aborts. */
export async function* wayTo(
  target: DialTarget,
  net: WayNet,
  signal: AbortSignal,
): AsyncGenerator<TestStep> {
  const plan = dialPlan(target);
  const { protocol } = target.url;
  const isSecure = protocol === "https:" || protocol === "tls:";
  const first = plan.proxy === undefined ? plan.host : hostname(plan.proxy);
  const address = await addressStep(first, net, signal);
  yield plan.proxy === undefined || !address.ok ? address : {
    ...address,
    detail: `${address.detail} It is the proxy, which finds ${plan.host}.`,
  };
  if (!address.ok) return;
  const listen = isSecure ? undefined : net.listen;
  const connection = await connectionStep(
    plan,
    protocol === "http:",
    { ...net, listen },
    signal,
  );
  if (connection !== undefined) yield connection;
  if (connection?.ok !== false && isSecure) {
    yield await certificateStep(plan, net, connection?.ms ?? 0, signal);
  }
}

/** Finds the addresses of a name. */
export async function addressStep(
  host: string,
  { clock }: Pick<WayNet, "clock">,
  signal: AbortSignal,
): Promise<TestStep> {
  const began = clock.monotonic();
  const ms = () => Math.round(clock.monotonic() - began);
  if (/^[\d.]+$/.test(host) || host.includes(":")) {
    const detail = `Address given: ${host}.`;
    return { name: "address", ok: true, ms: ms(), detail };
  }
  const place = { host, port: 0 };
  const found = await within(clock, place, signal, async () => {
    const { lookup } = await import("node:dns/promises");
    const all = await lookup(host, { all: true });
    return { all: all.map(({ address }) => address), close() {} };
  });
  if (found instanceof TransportError) {
    const late = found.reason === "timeout"
      ? new TransportError("timeout", `Looking up ${host} took too long.`)
      : found;
    return failed("address", ms(), late);
  }
  const addresses = [...new Set(found.all)].slice(0, MOST_ADDRESSES);
  const detail = `Address found: ${addresses.join(", ")}.`;
  return { name: "address", ok: true, ms: ms(), detail };
}

/** TCP. Undefined where the platform allows its own TLS alone: then the certificate's step tells. */
async function connectionStep(
  plan: DialPlan,
  isPlainHttp: boolean,
  { clock, sockets, listen }: Omit<WayNet, "listen"> & {
    listen: WayNet["listen"] | undefined;
  },
  signal: AbortSignal,
): Promise<TestStep | undefined> {
  const { host, port, proxy } = plan;
  const began = clock.monotonic();
  const place: Place = proxy === undefined ? plan : {
    host: `the proxy ${hostname(proxy)}`,
    port: Number(proxy.port || 80),
  };
  let isUnseen = false;
  const wire = await within(clock, place, signal, async (signal) => {
    if (proxy !== undefined) {
      return isPlainHttp
        ? await plainTcp(proxy, sockets, signal)
        : await tunnelledTcp(plan, proxy, sockets, signal);
    }
    try {
      const to = { hostname: host, port: `${port}` };
      return await plainTcp(to, sockets, signal);
    } catch (error) {
      isUnseen = isForbidden(error);
      throw error;
    }
  });
  const ms = Math.round(clock.monotonic() - began);
  if (wire instanceof TransportError) {
    return isUnseen ? undefined : failed("connection", ms, wire);
  }
  const fault = await heard(wire, listen, { clock, place }, signal);
  if (fault !== undefined) return failed("connection", ms, fault);
  const detail = proxy === undefined
    ? `Connected to ${host}:${port}.`
    : isPlainHttp
    ? `Connected to the proxy ${proxy.host}.`
    : `Connected to ${host}:${port} through the proxy ${proxy.host}.`;
  return { name: "connection", ok: true, ms, detail };
}

/** Shows the certificate, and lets a connection as deliveries open it judge. */
async function certificateStep(
  plan: DialPlan,
  { clock, sockets, dial, listen }: WayNet,
  connectMs: number,
  signal: AbortSignal,
): Promise<TestStep> {
  const isOld = isOlderThan29(sockets.version);
  // Deno 2.5 cannot put TLS of this kind on a connection through a proxy.
  const look = isOld && plan.proxy !== undefined ? undefined : await within(
    clock,
    plan,
    signal,
    // It also refuses some servers when it is to show a client certificate without judging.
    (signal) =>
      peerCertificate(isOld ? { ...plan, client: undefined } : plan, signal),
  );
  if (look instanceof TransportError && look.reason === "timeout") {
    return failed("certificate", STEP_MS, mute(plan));
  }
  const shown = look instanceof TransportError ? undefined : look;
  const began = clock.monotonic();
  const wire = await within(clock, plan, signal, dial);
  const ms = Math.round(clock.monotonic() - began);
  const fault = wire instanceof TransportError ? wire : await heard(
    wire,
    // TLS 1.3 refuses a client's certificate after the handshake: an alert takes one more way there and back.
    listen ?? { ms: Math.min(1_000, 100 + 3 * connectMs), judge: () => {} },
    { clock, place: plan },
    signal,
  );
  if (fault !== undefined) return refused(plan, fault, shown, ms);
  const what = shown === undefined ? "TLS." : described(shown);
  const left = (shown?.to ?? Infinity) - clock.now();
  const days = Math.floor(left / 86_400_000);
  return {
    name: "certificate",
    ok: true,
    ms,
    detail: `${what} ${trust(plan, shown)}`,
    ...left < SOON_MS && shown !== undefined && plan.pin === undefined && {
      warning: left < 0
        ? `The certificate ended on ${day(shown.to)}.`
        : `The certificate ends on ${day(shown.to)}, in ${days} ${
          days === 1 ? "day" : "days"
        }: have it renewed.`,
    },
  };
}

/** A port that took the connection and waits for more is none of TLS, as a rule. */
function mute(place: Place): TransportError {
  return new TransportError(
    "timeout",
    `${at(place)} took the connection, but no TLS handshake came in ${
      STEP_MS / 1000
    } s. It may speak without TLS: check the port, and whether something in between holds it up.`,
  );
}

/** What vouches for the certificate. */
function trust(
  { pin, verify, caCerts }: DialPlan,
  shown: PeerCertificate | undefined,
): string {
  if (pin !== undefined) return "Trusted by its pin.";
  if (!verify) return "Not verified: tls_verify is off.";
  if (shown?.vouchedBy !== undefined) {
    return `Trusted by the CA bundle (${shown.vouchedBy}).`;
  }
  return caCerts.length > 0
    ? "Trusted by the CA bundle or a public authority."
    : "Trusted by a public authority.";
}

/** The certificate's faults in its own words, where it was seen. */
function refused(
  plan: DialPlan,
  error: TransportError,
  shown: PeerCertificate | undefined,
  ms: number,
): TestStep {
  const step = failed("certificate", ms, error);
  if (shown === undefined) return step;
  const { fault } = step;
  const message = said(error, plan.serverName ?? plan.host, shown);
  const detail = `${message ?? error.message} It shows: ${described(shown)}`;
  if (fault === undefined || message === undefined) return { ...step, detail };
  const outcome = transportOutcome(error);
  const help = outcome.kind === "held" ? outcome.help : "";
  const isStranger = error.reason === "tls_issuer" ||
    error.reason === "tls_self";
  const pin = `tls_pin: sha256:${
    shown.sha256.replaceAll(":", "").toLowerCase()
  }`;
  return {
    ...step,
    detail,
    fault: {
      ...fault,
      message,
      help: isStranger
        ? `${help} To trust this one alone, once you have compared it: ${pin}`
        : help,
    },
  };
}

function said(
  { reason }: TransportError,
  name: string,
  { subject, issuer, names, from, to }: PeerCertificate,
): string | undefined {
  switch (reason) {
    case "tls_issuer":
      return `The certificate is signed by ${issuer}, which is not trusted here.`;
    case "tls_self":
      return `The server shows a self-signed authority (${subject}) as its own certificate.`;
    case "tls_name":
      return names.length === 0
        ? undefined
        : `The certificate is for ${names.join(", ")}, not for ${name}.`;
    case "tls_expired":
      return `The certificate ended on ${day(to)}.`;
    case "tls_early":
      return `The certificate starts on ${day(from)}.`;
    default:
      return undefined;
  }
}

/** Faults whose sentence does not name the settings that mend them. */
const NEEDS_HELP = /^(auth|forbidden|config|client_key|tls_client|tls_pin)$/;

/** A step that an attempt without an answer failed at. */
export function failed(
  name: TestStep["name"],
  ms: number,
  error: TransportError,
): TestStep {
  const { reason, message } = error;
  const outcome = transportOutcome(error);
  const help = outcome.kind === "held" && NEEDS_HELP.test(reason)
    ? outcome.help
    : "";
  return {
    name,
    ok: false,
    ms,
    detail: message,
    fault: { reason, message, help },
  };
}

/** What the work gives, or why it gave nothing in time. @throws the signal's reason when it aborts. */
async function within<T extends { close(): void }>(
  clock: Clock,
  place: Place,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | TransportError> {
  signal.throwIfAborted();
  using attempt = new Attempt(clock, signal, { place, timeout: STEP_MS });
  try {
    return await attempt.connect(work, STEP_MS);
  } catch (error) {
    signal.throwIfAborted();
    return transportFault(attempt.failure ?? error, place);
  }
}

/** Listens to an open connection for a while, then closes it: what it says is a fault, or nothing. */
async function heard(
  wire: Wire,
  listen: WayNet["listen"] | undefined,
  { clock, place }: { readonly clock: Clock; readonly place: Place },
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
      const fault = transportFault(error, place);
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
