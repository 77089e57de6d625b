/** Connection tests over HTTP: the vendor's harmless requests, and what they show as steps. */

import type {
  ConnectorContext,
  Outcome,
  StepFault,
  TestStep,
} from "../connector.ts";
import type { HttpReply } from "./http_exchange.ts";
import { wantsHttps } from "./http_sink.ts";
import { failed } from "./step_parts.ts";
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

/** What a request showed: a sentence, a judged fault, or no answer. */
export type Finding = string | Outcome | TransportError;

/**
 * A step over what a request showed. Without an answer it is the certificate's where that is to blame and the request went
 * where events go: the way there had been free before.
 */
export function foundStep(
  name: "login" | "event",
  ms: number,
  found: Finding,
  where: "here" | "elsewhere",
): TestStep {
  if (typeof found === "string") return { name, ok: true, ms, detail: found };
  if (found instanceof TransportError) {
    const isTls = found.reason.startsWith("tls") ||
      found.reason === "client_key";
    return failed(isTls && where === "here" ? "certificate" : name, ms, found);
  }
  const fault = faultOf(found);
  const detail = fault.help === ""
    ? fault.message
    : `${fault.message}${
      /[.!?…]$/.test(fault.message) ? "" : "."
    } ${fault.help}`;
  return { name, ok: false, ms, detail, fault };
}

/** Why an outcome is no success. */
function faultOf(outcome: Outcome): StepFault {
  switch (outcome.kind) {
    case "held":
    case "split":
    case "retry": {
      const { reason, message } = outcome;
      if (outcome.kind !== "held") return { reason, message, help: "" };
      const { help, ofProxy = false } = outcome;
      return { reason, message, help, ofProxy };
    }
    case "rejected": {
      const [first] = outcome.rejections;
      const { reason = "rejected", message = "It was not taken" } = first ?? {};
      return { reason, message, help: "" };
    }
    case "delivered":
      throw new TypeError("a delivery is no fault");
  }
}

/** Makes the requests in order, until one shows a fault. `clean` blanks secrets that an answer echoes. */
export async function* runChecks(
  checks: readonly Check[],
  host: string,
  clean: (reply: HttpReply) => HttpReply,
  { clock, http }: Pick<ConnectorContext, "clock" | "http">,
  signal: AbortSignal,
): AsyncGenerator<TestStep> {
  for (const check of checks) {
    const { url, method, headers, body = "" } = check;
    const began = clock.monotonic();
    let found: Finding;
    try {
      await using exchange = http(url, { isElsewhere: url.host !== host });
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
      found = error;
    }
    const ms = Math.round(clock.monotonic() - began);
    const step = foundStep(
      "login",
      ms,
      found,
      url.host === host ? "here" : "elsewhere",
    );
    yield step;
    if (!step.ok) return;
  }
}
