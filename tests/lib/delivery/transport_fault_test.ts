import assert from "node:assert/strict";
import { isWeather } from "../../../lib/delivery/transport_error.ts";
import { transportFault } from "../../../lib/delivery/transport_fault.ts";

/** Texts as Deno 2.9.6 and 2.5.6 were seen to say them, on native sockets, `fetch` and `node:tls`. */
const SAID: Readonly<Record<string, readonly string[]>> = {
  dns: [
    "failed to lookup address information: Name or service not known",
    "client error (Connect): dns error: failed to lookup address information",
    "getaddrinfo ENOTFOUND siem.example",
  ],
  refused: [
    "Connection refused (os error 111)",
    "client error (Connect): tcp connect error: Connection refused (os error 111)",
    "Network is unreachable (os error 101)",
    "No route to host (os error 113)",
  ],
  timeout: ["Connection timed out (os error 110)"],
  internal: ["Too many open files (os error 24)"],
  cut: [
    "Connection reset by peer (os error 104)",
    "Broken pipe (os error 32)",
    "unexpected end of file",
    "peer closed connection without sending TLS close_notify",
    "connection closed before message completed",
    "Client network socket disconnected before secure TLS connection was established",
  ],
  tls_issuer: [
    "invalid peer certificate: UnknownIssuer",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  ],
  tls_self: [
    "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
  ],
  tls_name: [
    'invalid peer certificate: certificate not valid for name "x"; certificate is only valid for DnsName("y")',
    "ERR_TLS_CERT_ALTNAME_INVALID",
  ],
  tls_expired: [
    "invalid peer certificate: certificate expired: verification time 1795282479 (UNIX), but certificate is not valid after 1706745600",
    "CERT_HAS_EXPIRED",
  ],
  tls_early: ["invalid peer certificate: certificate not valid yet"],
  tls_client: [
    "received fatal alert: CertificateRequired",
    "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "received fatal alert: UnknownCA",
    "received fatal alert: BadCertificate",
  ],
  tls_version: [
    "received fatal alert: ProtocolVersion",
    "peer is incompatible: ServerDoesNotSupportTls12Or13",
  ],
  tls_plain: [
    "received corrupt message of type InvalidContentType",
    "ERR_SSL_WRONG_VERSION_NUMBER",
  ],
  tls: [
    "received fatal alert: HandshakeFailure",
    "received fatal alert: NoApplicationProtocol",
    "invalid peer certificate: Revoked",
  ],
  client_key: [
    "keys may not be consistent: KeyMismatch",
    "No keys found in key data",
  ],
  config: ['Requires net access to "siem.example:8088"'],
  unclear: ["something nobody has seen yet"],
};

const PLACE = { host: "siem.example", port: 8088 };
const SETUP = /^(tls|client_key|config|not_http)/;

for (const [reason, texts] of Object.entries(SAID)) {
  for (const text of texts) {
    Deno.test(`transportFault() of "${text}" is ${reason}`, () => {
      for (
        const error of [
          new Error(text),
          new TypeError("fetch failed", { cause: new Error(text) }),
          Object.assign(new Error("words"), { code: text }),
        ]
      ) {
        const fault = transportFault(error, PLACE);
        assert.equal(fault.reason, reason);
        assert.equal(fault.weather, !SETUP.test(reason));
        assert.equal(fault.weather, isWeather(fault.reason));
        assert.match(fault.message, /siem\.example/);
        assert.equal(fault.cause, error);
      }
    });
  }
}

Deno.test("transportFault() takes from the peer's words only names and dates", () => {
  const evil =
    'certificate not valid for name "x"; certificate is only valid for DnsName("y.example"), DnsName("<script>\r\n")';
  const fault = transportFault(new Error(evil), PLACE);
  assert.equal(
    fault.message,
    "The certificate of siem.example:8088 is for y.example, not for the name asked for. Use that name in the address, or set the server name.",
  );
  const unknown = transportFault(
    new Error(`\r\n\u202e${"x".repeat(999)}`),
    PLACE,
  );
  assert.match(unknown.message, /^[\x20-\x7e]{1,300}$/);
});
