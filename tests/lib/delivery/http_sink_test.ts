import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import type { Outcome } from "../../../lib/connector.ts";
import type { HttpReply } from "../../../lib/delivery/http_exchange.ts";
import {
  classifyStatus,
  gzip,
  retryAfter,
  transportOutcome,
  wantsHttps,
  webPage,
  withoutSecrets,
  words,
} from "../../../lib/delivery/http_sink.ts";
import { TransportError } from "../../../lib/delivery/transport_error.ts";
import { redactor } from "../../../lib/secrets.ts";

const NOW = Date.UTC(2026, 2, 13, 12, 0, 0);

function reply(
  status: number,
  text = "",
  headers: Record<string, string> = {},
): HttpReply {
  const body = new TextEncoder().encode(text);
  return {
    status,
    headers: new Headers(headers),
    body,
    text: () => new TextDecoder().decode(body),
  };
}

/** "held auth", "retry server", "split rejected" … */
function verdict(outcome: Outcome | undefined): string {
  if (outcome === undefined) return "the connector's";
  return "reason" in outcome
    ? `${outcome.kind} ${outcome.reason}`
    : outcome.kind;
}

const TABLE: Readonly<Record<string, readonly number[]>> = {
  "the connector's": [200, 201, 202, 204],
  "held redirect": [301, 302, 303, 307, 308],
  "held auth": [401, 407],
  "held forbidden": [403],
  "held path": [404, 405, 410],
  "held config": [402, 409, 411, 426, 431, 451, 501, 505],
  "retry slow_down": [408, 425, 429],
  "split too_large": [413],
  "split rejected": [400, 406, 415, 422],
  "retry server": [500, 502, 503, 504, 520, 521, 524, 529, 599],
};

for (const [want, statuses] of Object.entries(TABLE)) {
  for (const status of statuses) {
    Deno.test(`classifyStatus() of ${status} is ${want}`, () => {
      assert.equal(verdict(classifyStatus(reply(status, "why"), NOW)), want);
    });
  }
}

Deno.test("classifyStatus() names the status and the vendor's words", () => {
  assert.deepEqual(classifyStatus(reply(400, '{"text":"No data"}'), NOW), {
    kind: "split",
    reason: "rejected",
    message: '400: {"text":"No data"}',
  });
  const proxy = classifyStatus(reply(407), NOW);
  assert.ok(proxy?.kind === "held");
  assert.match(proxy.message, /proxy/i);
});

Deno.test("classifyStatus() honours Retry-After of 429, 408, 425 and 503 only", () => {
  const after = (status: number) => {
    const outcome = classifyStatus(
      reply(status, "", { "Retry-After": "7" }),
      NOW,
    );
    assert.ok(outcome?.kind === "retry");
    return outcome.after;
  };
  for (const status of [408, 425, 429, 503]) assert.equal(after(status), 7000);
  for (const status of [500, 502, 504]) assert.equal(after(status), undefined);
});

Deno.test("classifyStatus() of a redirect names the target's host only", () => {
  const said = (location: string) => {
    const outcome = classifyStatus(reply(302, "", { location }), NOW);
    assert.ok(outcome?.kind === "held");
    return outcome.message;
  };
  assert.equal(
    said("https://user:pw@login.example:8443/x?token=s3cret#f"),
    "302: it sends us on to login.example:8443.",
  );
  assert.equal(
    said("/login?token=s3cret"),
    "302: it sends us on to another path of the same host.",
  );
  assert.equal(
    said("//other.example/x"),
    "302: it sends us on to other.example.",
  );
  assert.equal(said("http://["), "302: it sends us on to nowhere.");
});

Deno.test("withoutSecrets() blanks a credential in the body and in the name of a redirect's host", () => {
  const redact = redactor(["aB3-s3cret"]);
  const clean = withoutSecrets(
    reply(302, "Moved, aB3-s3cret", {
      location: "https://aB3-s3cret.evil.example/",
      "retry-after": "7",
    }),
    redact,
  );
  assert.equal(clean.text(), "Moved, [secret]");
  assert.equal(clean.headers.get("retry-after"), "7");
  const outcome = classifyStatus(clean, NOW);
  assert.ok(outcome?.kind === "held");
  assert.doesNotMatch(outcome.message, /s3cret/i);
  const same = reply(302, "", { location: "https://login.example/" });
  assert.equal(withoutSecrets(same, redact), same);
});

Deno.test("classifyStatus() of a 2xx web page is not_collector", () => {
  const html = { "Content-Type": "text/html; charset=utf-8" };
  const page = reply(200, "<html><title>Splunk\n login</title>", html);
  const outcome = classifyStatus(page, NOW);
  assert.equal(verdict(outcome), "held not_collector");
  assert.ok(outcome?.kind === "held");
  assert.equal(
    outcome.message,
    "A web page answered, not a collector: 200: Splunk login",
  );
  assert.equal(
    verdict(webPage(reply(200, " <!DOCTYPE html><p>"))),
    "held not_collector",
  );
  const json = { "Content-Type": "application/json" };
  assert.equal(webPage(reply(200, "<html>", json)), undefined);
});

Deno.test("wantsHttps() knows the error page of an https port called with http, and nothing that quotes it", () => {
  const go = "Client sent an HTTP request to an HTTPS server.\n";
  const nginx =
    "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>…";
  const html = { "Content-Type": "text/html" };
  const json = { "Content-Type": "application/json" };
  assert.equal(verdict(wantsHttps(reply(400, go))), "held config");
  assert.equal(verdict(wantsHttps(reply(400, nginx, html))), "held config");
  for (
    const quoting of [
      reply(400, `{"text":"Invalid data format","event":"${go.trim()}"}`, json),
      reply(400, `Parsing error: ${go}`),
      reply(400, JSON.stringify(go.trim())),
      reply(400, go, { "Content-Type": "text/plain" }),
      reply(400, `<html><title>400</title>${nginx}`, html),
      reply(400, nginx, json),
      reply(200, go),
    ]
  ) assert.equal(wantsHttps(quoting), undefined);
});

Deno.test("retryAfter() reads seconds and dates, and ignores the rest", () => {
  const read = (value: string) =>
    retryAfter(new Headers({ "Retry-After": value }), NOW);
  assert.equal(read("0"), 0);
  assert.equal(read(" 120 "), 120_000);
  assert.equal(read("Fri, 13 Mar 2026 12:00:30 GMT"), 30_000);
  assert.equal(read("Friday, 13-Mar-26 12:00:30 GMT"), 30_000);
  assert.equal(read("Fri Mar 13 12:00:30 2026 GMT"), 30_000);
  for (
    const value of [
      "-5",
      "1.5",
      "soon",
      "",
      "1e9",
      "2026-03-14",
      "Fri, 13 Mar 2026 11:59:59 GMT",
      "99999999999999999999",
    ]
  ) assert.equal(read(value), undefined, value);
  assert.equal(retryAfter(new Headers(), NOW), undefined);
});

Deno.test("transportOutcome() retries weather and holds the rest, with help", () => {
  assert.deepEqual(transportOutcome(new TransportError("cut", "words")), {
    kind: "retry",
    reason: "cut",
    message: "words",
  });
  const held = transportOutcome(new TransportError("tls_issuer", "words"));
  assert.ok(held.kind === "held");
  assert.equal(held.reason, "tls_issuer");
  assert.match(held.help, /authority/);
});

Deno.test("words() are one short line without controls", () => {
  assert.equal(
    words(reply(400, "a\r\n\tb\0\x1b[31mc\u2028d\u202ee")),
    "a b [31mc d e",
  );
  assert.equal(words(reply(400)), "");
  const long = words(reply(400, "😀".repeat(2000)));
  assert.equal([...long].length, 300);
  assert.match(long, /^(😀)+…$/u);
});

Deno.test("gzip() is undone by gunzip", () => {
  const body = new TextEncoder().encode("event ".repeat(10_000));
  const packed = gzip(body);
  assert.ok(packed.length < body.length / 20);
  assert.deepEqual(new Uint8Array(gunzipSync(packed)), body);
});
