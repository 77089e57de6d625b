/** What all HTTP connectors judge alike: status table, Retry-After, transport errors, gzip, the vendor's words. */

import { gzipSync } from "node:zlib";
import type { Outcome, SetupReason } from "../connector.ts";
import type { HttpReply } from "./http_exchange.ts";
import { isWeather, type TransportError } from "./transport_error.ts";

/** Bodies up to this many bytes go as they are. */
export const GZIP_ABOVE_BYTES = 1024;
const LEFT_ANGLE = 0x3c;
/** Characters of a vendor's words. */
const MAX_WORDS = 300;

/**
 * The default judgement of a reply (destinations §0.2). Undefined for a 2xx that is no web page: the connector reads it.
 * @param now wall time in milliseconds since the epoch, for a Retry-After that is a date.
 */
export function classifyStatus(
  reply: HttpReply,
  now: number,
): Outcome | undefined {
  const { status } = reply;
  if (status >= 200 && status < 300) return webPage(reply);
  if (status < 400) return redirect(reply);
  const message = said(reply);
  switch (status) {
    case 401:
      return held("auth", message);
    case 403:
      return held("forbidden", message);
    case 407:
      return {
        ...held(
          "auth",
          `The proxy wants its own credentials: ${message}`,
          PROXY_HELP,
        ),
        ofProxy: true,
      };
    case 404:
    case 405:
    case 410:
      return held("path", message);
    case 501:
    case 505:
      return held("config", message);
    case 408:
    case 425:
    case 429:
      return later("slow_down", reply, message, now);
    case 413:
      return { kind: "split", reason: "too_large", message };
    case 400:
    case 406:
    case 415:
    case 422:
      return { kind: "split", reason: "rejected", message };
    default:
      // No other 4xx speaks of one event: hold rather than spend events on it.
      return status >= 500
        ? later("server", reply, message, now)
        : held("config", message);
  }
}

/**
 * `held` when an https port said that it was called with http, else undefined. An answer may quote events, so only the
 * page itself counts, whole: Go's, which has no header either, or nginx's by its beginning.
 */
export function wantsHttps(reply: HttpReply): Outcome | undefined {
  if (reply.status !== 400) return undefined;
  const isPage = isHtml(reply)
    ? /^\s*<html>\s*<head>\s*<title>400 The plain HTTP request was sent to HTTPS port<\/title>/
      .test(reply.text())
    : reply.headers.get("content-type") === null &&
      reply.text().trim() === "Client sent an HTTP request to an HTTPS server.";
  return isPage
    ? held("config", `That port wants https://. ${said(reply)}`)
    : undefined;
}

/** `held` (`not_collector`) when a reply is a web page, whatever its status; else undefined. */
export function webPage(reply: HttpReply): Outcome | undefined {
  if (!isHtml(reply)) return undefined;
  return held(
    "not_collector",
    `A web page answered, not a collector: ${said(reply)}`,
  );
}

/** Milliseconds that Retry-After asks for (seconds or a date); undefined when absent, past, negative or unreadable. */
export function retryAfter(headers: Headers, now: number): number | undefined {
  const value = headers.get("retry-after")?.trim() ?? "";
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  // RFC 9110 §5.6.7: every form of HTTP-date begins with a day's name; Date.parse would take much more.
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(value)) return undefined;
  const wait = Date.parse(value) - now;
  return wait > 0 ? wait : undefined;
}

/** The outcome of an attempt that got no judged answer: `retry` for weather, else `held`. */
export function transportOutcome(error: TransportError): Outcome {
  const { reason, message, ofProxy } = error;
  if (isWeather(reason)) return { kind: "retry", reason, message };
  return ofProxy
    ? { ...held(reason, message, PROXY_HELP), ofProxy }
    : held(reason, message);
}

/** The vendor's own words: at most 300 characters on one line, a web page's title only, "" when there are none. */
export function words(reply: HttpReply): string {
  // Twice the bytes that the longest words can take, so that blanks may go.
  const head = new TextDecoder().decode(reply.body.subarray(0, 8 * MAX_WORDS));
  const text = isHtml(reply)
    ? /<title[^>]*>([^<]*)/i.exec(head)?.[1] ?? ""
    : head;
  return oneLine(text);
}

/** A vendor's text as words: at most 300 characters on one line. */
export function oneLine(text: string): string {
  // Controls, line separators and the marks that turn the direction of writing. Blanks may go: more is looked at.
  const line = text.slice(0, 8 * MAX_WORDS).toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ").trim();
  const letters = Array.from(line);
  return letters.length > MAX_WORDS
    ? `${letters.slice(0, MAX_WORDS - 1).join("")}…`
    : line;
}

/** The reply with the credentials blanked that its body echoes, or the host that it sends us to (told in messages). */
export function withoutSecrets(
  reply: HttpReply,
  redact: (text: string) => string,
): HttpReply {
  const location = reply.headers.get("location") ?? "";
  // Before it is read as an address: that makes letters small.
  const target = location === "" ? "" : redact(location);
  const isEmpty = reply.body.length === 0;
  if (isEmpty && target === location) return reply;
  const text = isEmpty ? "" : reply.text();
  const clean = isEmpty ? "" : redact(text);
  if (clean === text && target === location) return reply;
  const headers = new Headers(reply.headers);
  if (target !== location) headers.set("location", target);
  return {
    status: reply.status,
    headers,
    body: new TextEncoder().encode(clean),
    text: () => clean,
  };
}

/** The body gzipped, fastest level. */
export function gzip(body: Uint8Array): Uint8Array {
  return gzipSync(body, { level: 1 });
}

/** A `held` outcome with what a person should do. */
export function held(
  reason: SetupReason,
  message: string,
  help = HELP[reason],
): Extract<Outcome, { kind: "held" }> {
  return { kind: "held", reason, message, help };
}

/** The outcome, with what a person should do by the answer's status where it is `held` and the vendor has a word for it. */
export function withHelp(
  outcome: Outcome,
  status: number,
  help: Readonly<Record<number, string>>,
): Outcome {
  const said = help[status];
  return outcome.kind === "held" && said !== undefined
    ? { ...outcome, help: said }
    : outcome;
}

function later(
  reason: "slow_down" | "server",
  reply: HttpReply,
  message: string,
  now: number,
): Outcome {
  // §0.2: of the 5xx only a 503 is asked.
  const after = reason === "slow_down" || reply.status === 503
    ? retryAfter(reply.headers, now)
    : undefined;
  return {
    kind: "retry",
    reason,
    message,
    ...(after === undefined ? {} : { after }),
  };
}

/** Only the host of where it leads: the rest may hold a session or echo a credential. */
function redirect(reply: HttpReply): Outcome {
  const location = reply.headers.get("location") ?? "";
  const parsed = URL.parse(location, "relative:///");
  const where = parsed === null || location === ""
    ? "nowhere"
    : parsed.host === ""
    ? "another path of the same host"
    : parsed.host.slice(0, 200);
  return held("redirect", `${reply.status}: it sends us on to ${where}.`);
}

/** Status and words: `400: No data`; the status alone where it came without words. */
export function said(reply: HttpReply): string {
  const text = words(reply);
  return text === "" ? `${reply.status}` : `${reply.status}: ${text}`;
}

function isHtml(reply: HttpReply): boolean {
  const type = reply.headers.get("content-type") ?? "";
  if (/^\s*(text\/html|application\/xhtml\+xml)/i.test(type)) return true;
  return type === "" && reply.body.includes(LEFT_ANGLE) &&
    /^\s*<(!doctype html|html)/i.test(
      new TextDecoder().decode(reply.body.subarray(0, 256)),
    );
}

/** What a person should do when the proxy refuses. */
const PROXY_HELP =
  "Check the proxy's address, user and password (proxy: http://user:password@host:port), and that it may reach the destination.";

/** What a person should do, per reason. */
const HELP: Readonly<Record<SetupReason, string>> = {
  auth:
    "Check that the credential was copied whole, is not expired or disabled, and belongs to this server.",
  forbidden:
    "The credential is known but may not do this. Give it the permission, or use another.",
  path:
    "Check the path in the address. (A proxy also says 404 when the collector is down; nothing is lost.)",
  redirect:
    "A login page or proxy is in the way, or the port is the web page's. Give the final address; a redirect is never followed with a credential.",
  not_collector: "Check address and port: this looks like a web page's.",
  not_http: "Check address, port and http:// or https://.",
  config: "Check the connector's settings.",
  client_key: "Give the certificate's own key as PEM, and its passphrase.",
  tls_issuer:
    "Give the authority's certificate (tls_ca_bundle), or pin the server's (tls_pin).",
  tls_self:
    "Give that certificate as tls_ca_bundle (Deno 2.9 or newer), pin it (tls_pin), or have a server certificate issued from it.",
  tls_name:
    "Use the certificate's name in the address or as tls_server_name, or have one issued for this name.",
  tls_expired: "The certificate's owner must renew it.",
  tls_early: "Check the clock of the server and of this machine.",
  tls_client: "Give tls_client_cert and tls_client_key that the server knows.",
  tls_version: "Turn on TLS 1.2 or 1.3 there.",
  tls_plain: "Turn on TLS there, or check the port.",
  tls_pin:
    "If the certificate was renewed on purpose, set the new SHA-256 as tls_pin; if not, someone may be in between.",
  tls: "Check the TLS settings of the server and of this connector.",
};
