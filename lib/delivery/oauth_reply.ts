/** What the answer of a token endpoint means, Microsoft Entra's numbers (AADSTS) in plain words. */

import type { Outcome } from "../connector.ts";
import type { HttpReply } from "./http_exchange.ts";
import { classifyStatus, held, said, words } from "./http_sink.ts";

/** What is taken for a token's life where the answer does not say (RFC 6749 §5.1 lets it), in milliseconds. */
const UNSAID_LIFE_MS = 300_000;

/** A token and how long it lives, in milliseconds from the question. */
export interface Grant {
  readonly token: string;
  readonly life: number;
}

interface Refusal {
  readonly words: string;
  readonly help: string;
}

const NEW_SECRET: Refusal["help"] =
  "Make a new client secret for the app and set its value (not its id).";
const CREDENTIAL =
  "Compare issuer, subject and audience with the app's federated credential.";

/** https://learn.microsoft.com/entra/identity-platform/reference-error-codes */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  "7000215": { words: "client secret wrong", help: NEW_SECRET },
  "7000222": { words: "client secret expired", help: NEW_SECRET },
  "700016": {
    words: "app unknown in this tenant",
    help: "Check client id and tenant id, and the cloud.",
  },
  "7000112": {
    words: "app disabled",
    help: "Enable the app's sign-in in the tenant.",
  },
  "90002": {
    words: "tenant unknown",
    help: "Check the tenant id, and the cloud.",
  },
  "70011": { words: "scope wrong", help: "Check cloud and scope." },
  "1002012": { words: "scope wrong", help: "Check cloud and scope." },
  "700027": {
    words: "assertion's signature not accepted",
    help: "Upload this certificate to the app, and give its own key.",
  },
  "700024": {
    words: "assertion outside its time",
    help: "Check the clock of this machine.",
  },
  "700211": { words: "federated token's issuer unknown", help: CREDENTIAL },
  "700212": { words: "federated token's audience wrong", help: CREDENTIAL },
  "700213": { words: "federated token's subject unknown", help: CREDENTIAL },
};

/**
 * The token of an answer, or why there is none: `held` for what a person must mend, `retry` for what passes.
 * @param host who answered, for messages.
 * @param now wall time in milliseconds since the epoch.
 */
export function grantOf(
  reply: HttpReply,
  host: string,
  now: number,
): Grant | Outcome {
  const { status } = reply;
  if (status === 400 || status === 401) return refused(reply, host);
  const outcome = classifyStatus(reply, now);
  if (outcome === undefined) {
    return granted(reply) ??
      held("not_collector", `${host} answered ${status} without a token.`);
  }
  switch (outcome.kind) {
    case "retry":
      return { ...outcome, message: `Login at ${host}: ${outcome.message}` };
    case "held":
      return {
        ...outcome,
        message: `Login at ${host}: ${outcome.message}`,
        ...status === 404 && { help: "Check tenant id and login host." },
      };
    default:
      return held("config", `Login at ${host}: ${said(reply)}`);
  }
}

function granted(reply: HttpReply): Grant | undefined {
  const { access_token: token, expires_in: seconds } = members(reply);
  // What could not stand in a header is no token.
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    return undefined;
  }
  const life = typeof seconds === "string" ? Number(seconds) : seconds;
  return {
    token,
    life: typeof life === "number" && life >= 0 ? life * 1000 : UNSAID_LIFE_MS,
  };
}

function refused(reply: HttpReply, host: string): Outcome {
  const { error, error_codes: codes, error_description: text } = members(reply);
  const numbers = Array.isArray(codes) ? codes.map(String) : [];
  if (typeof text === "string") {
    numbers.push(.../AADSTS(\d+)/.exec(text)?.slice(1) ?? []);
  }
  const number = numbers.find((one) => Object.hasOwn(REFUSALS, one)) ??
    numbers.find((one) => /^\d{1,9}$/.test(one));
  const known = number === undefined ? undefined : REFUSALS[number];
  if (known !== undefined) {
    return held(
      "auth",
      `Login at ${host}: ${known.words} (AADSTS${number}).`,
      known.help,
    );
  }
  const said = number !== undefined
    ? `AADSTS${number}`
    : typeof error === "string"
    ? error
    : words(reply);
  return held(
    "auth",
    `Login at ${host} refused: ${reply.status}: ${said.slice(0, 200)}`,
    "Check tenant, client id and credential.",
  );
}

/** The members of a JSON object; none where it is something else. */
function members(reply: HttpReply): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(reply.text());
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
