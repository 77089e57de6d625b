/**
 * The certificate's step of a connection test. It is shown to one who trusts nobody; a connection opened as deliveries
 * open theirs judges it.
 */

import type { TestStep } from "../connector.ts";
import type { DialPlan } from "./dial_plan.ts";
import { transportOutcome } from "./http_sink.ts";
import {
  day,
  described,
  type PeerCertificate,
  peerCertificate,
} from "./peer_certificate.ts";
import { failed, heard, STEP_MS, type WayNet, within } from "./step_parts.ts";
import { isOlderThan29 } from "./tls_native.ts";
import { TransportError } from "./transport_error.ts";
import { at, type Peer } from "./transport_fault.ts";

/** A certificate that ends sooner than this is told of. */
const SOON_MS = 14 * 86_400_000;

/** Shows the certificate, and lets a connection as deliveries open it judge. */
export async function certificateStep(
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
    { clock, peer: plan },
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
function mute(peer: Peer): TransportError {
  return new TransportError(
    "timeout",
    `${at(peer)} took the connection, but no TLS handshake came in ${
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
