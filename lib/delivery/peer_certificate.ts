/**
 * The certificate that a server shows, also to one who does not trust it: a connection of its own, on which nothing is
 * sent. It says nothing about trust (Deno 2.5 calls any certificate authorized): a real connection decides that.
 */

import type { DialPlan } from "./dial_plan.ts";
import { oneLine } from "./http_sink.ts";
import { openNodeTls } from "./tls_node.ts";

/** A certificate as people look at it. Texts are the server's own, shortened. */
export interface PeerCertificate {
  /** `TLS 1.3`; `TLS` where the runtime does not say. */
  readonly protocol: string;
  readonly subject: string;
  readonly issuer: string;
  /** Names and addresses that it is for, at most so many. */
  readonly names: readonly string[];
  /** Milliseconds since the Unix epoch. */
  readonly from: number;
  readonly to: number;
  /** SHA-256 of its DER, upper-case hex with colons. */
  readonly sha256: string;
  /** The authority in the CA bundle that vouches for it, by name. */
  readonly vouchedBy: string | undefined;
}

const MOST_NAMES = 6;
const MOST_LETTERS = 100;

/** Shakes hands without judging. @throws what the handshake says */
export async function peerCertificate(
  plan: DialPlan,
  signal: AbortSignal,
): Promise<PeerCertificate & { close(): void }> {
  const unjudged = { ...plan, verify: false, pin: undefined };
  const socket = await openNodeTls(unjudged, signal);
  try {
    const { raw } = socket.getPeerCertificate();
    const { X509Certificate } = await import("node:crypto");
    const shown = new X509Certificate(raw);
    // Deno 2.5 has no getProtocol, and X509Certificate without names there.
    const protocol = "getProtocol" in socket ? socket.getProtocol() : null;
    const names = shown.subjectAltName ??
      socket.getPeerCertificate().subjectaltname ?? "";
    const voucher = plan.caCerts.map((pem) => new X509Certificate(pem))
      .find(({ subject, fingerprint256 }) =>
        subject === shown.issuer || fingerprint256 === shown.fingerprint256
      );
    return {
      protocol: (protocol ?? "TLS").replace(/^TLSv/, "TLS "),
      subject: nameIn(shown.subject),
      issuer: nameIn(shown.issuer),
      names: names.split(", ").filter((name) => name !== "")
        .slice(0, MOST_NAMES)
        .map((name) => short(readable(name))),
      from: Date.parse(shown.validFrom),
      to: Date.parse(shown.validTo),
      sha256: shown.fingerprint256,
      vouchedBy: voucher === undefined ? undefined : nameIn(voucher.subject),
      close() {},
    };
  } finally {
    socket.destroy();
  }
}

/** The certificate in one sentence. */
export function described(certificate: PeerCertificate): string {
  const { protocol, subject, issuer, names, from, to, sha256 } = certificate;
  const list = names.length === 0 ? "no name" : names.join(", ");
  return `${protocol}; certificate of ${subject}, for ${list}, from ${issuer}, ${
    day(from)
  } to ${day(to)}, SHA-256 ${sha256}.`;
}

/** `2026-11-21`, UTC. */
export function day(ms: number): string {
  return Number.isFinite(ms)
    ? new Date(ms).toISOString().slice(0, 10)
    : "an unknown day";
}

/** The common name and the organisation of a distinguished name, else the whole of it. */
function nameIn(distinguished: string): string {
  const part = (key: string) =>
    new RegExp(`^${key}=(.+)$`, "m").exec(distinguished)?.[1];
  const common = part("CN"), organisation = part("O");
  const name = common === undefined
    ? organisation ?? distinguished
    : organisation === undefined
    ? common
    : `${common} (${organisation})`;
  return short(name) || "nobody";
}

/** `DNS:a.example` and `IP Address:127.0.0.1` without their kind; Deno 2.5 writes the latter `7F000001`. */
function readable(name: string): string {
  const value = name.replace(/^[^:]*:/, "");
  return /^IP Address:[0-9A-F]{8}$/.test(name)
    ? (value.match(/../g) ?? []).map((byte) => parseInt(byte, 16)).join(".")
    : value;
}

function short(text: string): string {
  return oneLine(text).slice(0, MOST_LETTERS);
}
