/**
 * From what sockets and TLS throw to one closed reason code and a plain sentence. Texts and codes as measured on Deno
 * 2.9.6 and 2.5.6: rustls and the system's own on native sockets, OpenSSL-like codes on `node:tls`.
 */

import type { SetupReason, WeatherReason } from "../connector.ts";
import { TransportError } from "./transport_error.ts";

/** Whom the connection was for. */
export interface Peer {
  readonly host: string;
  readonly port: number;
  /** The proxy on the way; `host` names it in words then. */
  readonly isProxy?: boolean;
}

/** One line of the table: the first whose `when` fits the error's texts and codes counts. */
interface Fault {
  readonly when: RegExp;
  readonly reason: WeatherReason | SetupReason;
  readonly say: (peer: Peer, text: string) => string;
}

const FAULTS: readonly Fault[] = [
  {
    when: /failed to lookup address|dns error|ENOTFOUND|EAI_AGAIN/,
    reason: "dns",
    say: ({ host }) =>
      `No such name: ${host}. Check the spelling; a private name is not known outside your network.`,
  },
  {
    when: /Connection refused|ECONNREFUSED/,
    reason: "refused",
    say: ({ host, port, isProxy }) =>
      `${host} answers, but nothing listens on port ${port}. Wrong port, or the ${
        isProxy ? "proxy" : "collector"
      } is off.`,
  },
  {
    when: /ETIMEDOUT|TimedOut|timed out/,
    reason: "timeout",
    say: (peer) =>
      `No answer from ${
        at(peer)
      }: the network gave up. Usually a firewall between.`,
  },
  {
    when: /ENETUNREACH|EHOSTUNREACH|unreachable|No route to host/i,
    reason: "refused",
    say: ({ host, port }) =>
      `There is no way from here to ${host}:${port}: the network says it cannot be reached.`,
  },
  {
    when: /NotCapable|Requires net access|PermissionDenied/,
    reason: "config",
    say: ({ host, port }) =>
      `Deno was started without the permission to reach ${host}:${port} (--allow-net).`,
  },
  {
    when: /EMFILE|ENFILE|Too many open files|EADDRNOTAVAIL|ENOBUFS|ENOMEM/,
    reason: "internal",
    say: ({ host, port }) =>
      `This machine has no file or port left to open a connection to ${host}:${port}.`,
  },
  {
    when: /KeyMismatch|key values mismatch/i,
    reason: "client_key",
    say: (peer) =>
      `The client key for ${at(peer)} does not belong to its certificate.`,
  },
  {
    when:
      /No keys found|Unable to decode key|No certificates found|bad decrypt|invalid encrypted PEM|Error decoding|PEM routines|ERR_OSSL|ERR_MISSING_PASSPHRASE/i,
    reason: "client_key",
    say: (peer) =>
      `The client certificate or key for ${
        at(peer)
      } cannot be read: no key in that text, or the passphrase is wrong.`,
  },
  {
    when: /InvalidContentType|WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/,
    reason: "tls_plain",
    say: (peer) =>
      `${at(peer)} answers without TLS. Turn it on there, or check the port.`,
  },
  {
    when: /CaUsedAsEndEntity|DEPTH_ZERO_SELF_SIGNED_CERT/,
    reason: "tls_self",
    say: (peer) =>
      `${
        at(peer)
      } shows a self-signed authority as its own certificate. Give it as the CA bundle or pin it (or issue a server certificate from it).`,
  },
  {
    when: /certificate expired|CERT_HAS_EXPIRED/,
    reason: "tls_expired",
    say: (peer, text) =>
      `The certificate of ${at(peer)} ended${
        day(text, /not valid after (\d+)/)
      }. Its owner must renew it.`,
  },
  {
    when: /certificate not valid yet|CERT_NOT_YET_VALID/,
    reason: "tls_early",
    say: (peer, text) =>
      `The certificate of ${at(peer)} starts later${
        day(text, /not valid before (\d+)/)
      }. Check the server's clock and this machine's.`,
  },
  {
    when: /not valid for name|ALTNAME_INVALID|NotValidForName/,
    reason: "tls_name",
    say: (peer, text) => `The certificate of ${at(peer)} is ${names(text)}.`,
  },
  {
    when: /fatal alert: Unrecogni[sz]edName|UNRECOGNIZED_NAME/,
    reason: "tls_name",
    say: (peer) =>
      `${
        at(peer)
      } does not know the name that it was called by. Check the address or the server name setting.`,
  },
  {
    when: /CertificateRequired|CERTIFICATE_REQUIRED/,
    reason: "tls_client",
    say: (peer) =>
      `${at(peer)} wants a client certificate. Add one in the TLS settings.`,
  },
  {
    when:
      /fatal alert: (BadCertificate|UnsupportedCertificate|CertificateRevoked|CertificateExpired|CertificateUnknown|UnknownCA|AccessDenied|DecryptError)|ALERT_(BAD|UNKNOWN|REVOKED|EXPIRED|UNSUPPORTED)|ALERT_\w*CERTIFICATE|ALERT_ACCESS_DENIED/,
    reason: "tls_client",
    say: (peer) => `${at(peer)} refused the client certificate shown to it.`,
  },
  {
    when:
      /ProtocolVersion|PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|PeerIncompatible|peer is incompatible/,
    reason: "tls_version",
    say: (peer) => `${at(peer)} offers only old TLS. 1.2 or newer is needed.`,
  },
  {
    when: /NoApplicationProtocol|NO_APPLICATION_PROTOCOL/,
    reason: "tls",
    say: (peer) => `${at(peer)} offers no HTTP/1.1 over TLS.`,
  },
  {
    when: /HandshakeFailure|HANDSHAKE_FAILURE/,
    reason: "tls",
    say: (peer) =>
      `${
        at(peer)
      } refused the TLS handshake: no cipher in common (it may know only old ones), or it wants a client certificate.`,
  },
  {
    when:
      /UnknownIssuer|UNABLE_TO_(VERIFY_LEAF|GET_ISSUER)|SELF_SIGNED_CERT_IN_CHAIN|BadSignature|UnhandledCriticalExtension/,
    reason: "tls_issuer",
    say: (peer) =>
      `The certificate of ${
        at(peer)
      } is signed by an authority that is not trusted here. Give that authority's certificate as the CA bundle, or have the server send its whole chain.`,
  },
  {
    when: /invalid peer certificate|fatal alert|ERR_SSL|ERR_TLS/,
    reason: "tls",
    say: (peer, text) => `TLS with ${at(peer)} failed: ${shorten(text)}`,
  },
  {
    when:
      /reset|BrokenPipe|Broken pipe|UnexpectedEof|unexpected end of file|closed|close_notify|ConnectionAborted|NotConnected|BadResource|Interrupted|EPIPE|ECONNABORTED|disconnected|socket hang up/i,
    reason: "cut",
    say: (peer) =>
      `The connection to ${
        at(peer)
      } was cut before an answer. If always: an https port called with http, or a proxy in between.`,
  },
];

/** What was thrown as a TransportError. `bodySent`: the whole request had been handed to the network. */
export function transportFault(
  error: unknown,
  peer: Peer,
  bodySent = false,
): TransportError {
  if (error instanceof TransportError) {
    return error.bodySent === bodySent
      ? error
      : new TransportError(error.reason, error.message, {
        bodySent,
        ofProxy: error.ofProxy,
      });
  }
  const text = texts(error);
  const fault = FAULTS.find(({ when }) => when.test(text));
  const said = fault?.say(peer, text) ??
    `The exchange with ${at(peer)} failed: ${shorten(text)}`;
  const ofProxy = peer.isProxy ?? false;
  return new TransportError(
    fault?.reason ?? "unclear",
    // A name stays as it is written; words begin a sentence.
    ofProxy ? said.replace(/^the /, "The ") : said,
    { bodySent, ofProxy, cause: error },
  );
}

/** Name, code and message of an error and of all its causes (2.9 keeps the text in the cause, 2.5 in the message). */
export function texts(error: unknown): string {
  const lines: string[] = [];
  for (
    let e: unknown = error, depth = 0;
    e instanceof Error && depth < 5;
    e = e.cause, depth++
  ) {
    const code = "code" in e ? String(e.code) : "";
    lines.push(`${e.name} ${code} ${e.message}`);
  }
  return lines.length > 0 ? lines.join("\n") : String(error);
}

/** `host:port` as messages name it. */
export function at(peer: Peer): string {
  return `${peer.host}:${peer.port}`;
}

function shorten(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, " ").slice(0, 200);
}

/** " on 2026-01-31" from the seconds that rustls names, "" where there are none. */
function day(text: string, pattern: RegExp): string {
  const seconds = Number(pattern.exec(text)?.[1] ?? NaN);
  return Number.isFinite(seconds) && seconds < 1e11
    ? ` on ${new Date(seconds * 1000).toISOString().slice(0, 10)}`
    : "";
}

/** The names are the peer's words: only letters that a name may have, at most three. */
function names(text: string): string {
  const found = [
    ...text.matchAll(/(?:DnsName\("|IpAddress\(|DNS:|IP Address:)([\w.*:-]+)/g),
  ].map(([, name]) => name?.slice(0, 100)).slice(0, 3);
  return found.length > 0
    ? `for ${
      found.join(", ")
    }, not for the name asked for. Use that name in the address, or set the server name`
    : /not valid for any names/.test(text)
    ? "for no name at all (it has a common name only). Give its authority as the CA bundle on Deno 2.9 or newer, or pin it"
    : "not for the name asked for";
}
