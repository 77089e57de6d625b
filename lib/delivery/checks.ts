/** Connection tests over HTTP: how far an attempt came, step by step, and the vendor's harmless requests. */

import type { ConnectorContext, Outcome, TestStep } from "../connector.ts";
import type { HttpReply } from "./http_exchange.ts";
import { transportOutcome, wantsHttps } from "./http_sink.ts";
import { TransportError } from "./transport_error.ts";

/** A harmless request of a vendor: tells whether the credential is good, and allowed what it has to do. */
export interface Check {
  readonly method: "GET" | "POST";
  /** Where it goes: with the connector's TLS settings, proxy and time. */
  readonly url: URL;
  readonly headers: readonly (readonly [string, string])[];
  readonly body?: string;
  /** What an answer shows, in a sentence; an outcome (never `delivered`) where it shows a fault. */
  judge(reply: HttpReply): string | Outcome;
}

/** The steps that came before the one at which an attempt stopped. */
export function* stepsBefore(
  failed: TestStep["name"],
  { host, protocol }: URL,
): Generator<TestStep> {
  for (
    const [name, detail] of [
      ["address", `${host} was found.`],
      ["connection", `${host} answers.`],
      ["certificate", "The certificate is trusted."],
    ] as const
  ) {
    if (name === failed) return;
    if (name === "certificate" && protocol === "http:") continue;
    yield { name, ok: true, ms: 0, detail };
  }
}

/** The step of a connection test at which an attempt without an answer stopped. */
export function stepOf(error: TransportError): TestStep["name"] {
  if (error.reason === "dns") return "address";
  return error.reason.startsWith("tls") || error.reason === "client_key"
    ? "certificate"
    : "connection";
}

/** What a fault says in a step. */
export function faultText(outcome: Outcome): string {
  const said = "message" in outcome ? outcome.message : outcome.kind;
  const help = outcome.kind === "held" ? ` ${outcome.help}` : "";
  return `${said}.${help}`;
}

/** Makes the requests in order, until one shows a fault. `clean` blanks secrets that an answer echoes. */
export async function* runChecks(
  checks: readonly Check[],
  clean: (reply: HttpReply) => HttpReply,
  { clock, http }: Pick<ConnectorContext, "clock" | "http">,
  signal: AbortSignal,
): AsyncGenerator<TestStep> {
  let isFirst = true;
  for (const check of checks) {
    const { url, method, headers, body = "" } = check;
    const began = clock.monotonic();
    let name: TestStep["name"] = "login";
    let found: string | Outcome;
    try {
      await using exchange = http(url);
      const reply = clean(
        await exchange.send({
          method,
          headers,
          body: new TextEncoder().encode(body),
        }, signal),
      );
      found = (url.protocol === "http:" ? wantsHttps(reply) : undefined) ??
        check.judge(reply);
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      name = stepOf(error);
      found = transportOutcome(error);
    }
    if (isFirst) yield* stepsBefore(name, url);
    isFirst = false;
    const ms = Math.round(clock.monotonic() - began);
    if (typeof found !== "string") {
      yield { name, ok: false, ms, detail: faultText(found) };
      return;
    }
    yield { name, ok: true, ms, detail: found };
  }
}
