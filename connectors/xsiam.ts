/**
 * Palo Alto Cortex XSIAM and XDR Pro: HTTP log collector.
 *
 * A little long: four ways to show who sends, and an answer 500 that means two things.
 */

import type { z } from "zod";
import {
  address,
  choice,
  group,
  optional as maybe,
  secret,
  text as line,
  withDefault,
} from "../lib/config/fields.ts";
import type {
  ConnectorContext,
  ConnectorType,
  Outcome,
  TestHints,
  TypeLimits,
} from "../lib/connector.ts";
import type { BatchBuffer } from "../lib/delivery/batch_buffer.ts";
import { hmacSha256, randomLetters, sha256 } from "../lib/delivery/digests.ts";
import type { HttpReply } from "../lib/delivery/http_exchange.ts";
import {
  classifyStatus,
  held,
  said,
  withHelp,
} from "../lib/delivery/http_sink.ts";
import {
  type HeaderList,
  limitsOf,
  openPostSink,
} from "../lib/delivery/post_sink.ts";
import { asObject, parsed } from "../lib/json/objects.ts";
import {
  eventString,
  isoTime,
  json,
  mapped,
  number,
  type Slot,
  Template,
  text,
  textOrId,
} from "../lib/template.ts";

// Limits ----------------------------------------------------------------------------------------------------------

// Cortex XSIAM documentation, "Ingest logs from an HTTP log collector" (destinations §7).
const LIMITS: TypeLimits = {
  // The seed's batch; the collector itself counts bytes.
  events: 100,
  mostEvents: 100_000,
  // Advised: 1 MiB a request.
  bytes: 1_000_000,
  mostBytes: 10_485_760,
  eventBytes: 5_000_000,
};

// Settings --------------------------------------------------------------------------------------------------------

const settings = group({
  url: address({
    title: "URL",
    help:
      "The collector's address as its page shows it. A base address gets `/logs/v1/event`.",
    example: "https://api-tenant.xdr.us.paloaltonetworks.com/logs/v1/event",
  }),
  api_key: secret({
    title: "API key",
    help: "The collector's token, shown once; or an API key beside its id.",
  }),
  api_key_id: maybe(
    line({
      title: "API key id",
      help: "The key's number. With it requests are signed (`hmac`).",
      example: "7",
    }).refine(
      (id) => /^[\x21-\x7e]+$/.test(id),
      "It is the number beside the key in Settings > API Keys.",
    ),
  ),
  log_type: withDefault(
    line({ title: "Log type", help: "`log_type` of every record." }),
    "arbitex_audit",
  ),
  dataset: withDefault(
    line({
      title: "Dataset",
      help:
        "`_dataset` of every record, sent with `hmac` alone. Elsewhere the collector's vendor and product decide (`arbitex_arbitexplatform_raw`).",
    }),
    "arbitex_audit_raw",
  ),
  auth: maybe(
    choice({
      title: "Authentication",
      help:
        "`token`: the collector's token as it is; `bearer`: behind the word Bearer; `hmac`: signed with key and id; `advanced`: Palo Alto's SHA-256 of key, nonce and time. Absent: `hmac` with a key id, `token` without. With `hmac` the body is `{\"events\":[…]}`, else one record a line.",
    }, ["hmac", "token", "bearer", "advanced"]),
  ),
});

/** Checked settings of an XSIAM connector. */
export type XsiamSettings = z.infer<typeof settings>;

const checked = settings.superRefine(({ auth, api_key_id }, context) => {
  if ((auth === "hmac" || auth === "advanced") && api_key_id === undefined) {
    context.addIssue({
      code: "custom",
      path: ["auth"],
      message:
        `${auth} signs with the key's id: set api_key_id (XSIAM_API_KEY_ID).`,
    });
  }
});

type Auth = "hmac" | "token" | "bearer" | "advanced";

// Wire format -----------------------------------------------------------------------------------------------------

/** By severity_id, as JSON (destinations §12.3). */
const SEVERITIES = {
  1: '"informational"',
  2: '"low"',
  3: '"medium"',
  4: '"high"',
  5: '"critical"',
  6: '"critical"',
};

function record({ log_type, dataset }: XsiamSettings, auth: Auth): Template {
  const routing = auth === "hmac"
    ? `"_vendor":"Arbitex","_product":"ArbitexPlatform","_dataset":${
      JSON.stringify(dataset)
    },`
    : "";
  const member = (name: string, value: Slot) => [`,"${name}":`, value];
  return new Template([
    '{"_time":"',
    isoTime,
    `",${routing}"log_type":${JSON.stringify(log_type)}`,
    ...member("event_id", textOrId(["api.request.uid", "metadata.uid"])),
    ...member("user_id", text("actor.user.uid")),
    ...member("user_email", text("actor.user.email_addr")),
    ...member("operation", text(["api.operation", "activity_name"])),
    ...member("model_id", text(["unmapped.model_id", "ai_model.name"])),
    ...member("policy_action", text("unmapped.policy_action")),
    ...member("dlp_labels", json("unmapped.dlp_labels", "[]")),
    ...member(
      "tokens_input",
      number(["unmapped.tokens_input", "message_context.prompt_tokens"]),
    ),
    ...member(
      "tokens_output",
      number(["unmapped.tokens_output", "message_context.completion_tokens"]),
    ),
    ...member("severity", mapped("severity_id", SEVERITIES, '"unknown"')),
    ...member("raw_ocsf", eventString),
    "}",
  ]);
}

// Request ---------------------------------------------------------------------------------------------------------

const PATH = "/logs/v1/event";

function collectorUrl(given: URL): URL {
  const url = new URL(given);
  const path = url.pathname.replace(/\/+$/, "");
  url.pathname = path.endsWith(PATH) ? path : `${path}${PATH}`;
  return url;
}

const NONCE_LETTERS = 64;

/** Headers of one attempt: nonce and time are new at each. */
async function headersOf(
  { api_key: key, api_key_id: id = "" }: XsiamSettings,
  auth: Auth,
  { clock, randomBytes }: ConnectorContext,
): Promise<HeaderList> {
  const content = ["Content-Type", "application/json"] as const;
  switch (auth) {
    case "token":
      return [["Authorization", key], content];
    case "bearer":
      return [["Authorization", `Bearer ${key}`], content];
    case "hmac": {
      // The seed's scheme.
      const nonce = randomLetters(NONCE_LETTERS, randomBytes);
      return [
        ["x-xdr-auth-id", id],
        ["x-xdr-nonce", nonce],
        ["x-xdr-hmac-sha256", await hmacSha256(key, `${id}${nonce}${key}`)],
        content,
      ];
    }
    case "advanced": {
      // Palo Alto's "advanced" keys.
      const nonce = randomLetters(NONCE_LETTERS, randomBytes);
      const timestamp = String(Math.floor(clock.now()));
      return [
        ["x-xdr-auth-id", id],
        ["x-xdr-nonce", nonce],
        ["x-xdr-timestamp", timestamp],
        ["Authorization", await sha256(`${key}${nonce}${timestamp}`)],
        content,
      ];
    }
  }
}

// Answers ---------------------------------------------------------------------------------------------------------

const REFUSED =
  "The token or key was refused, or the collector is disabled or deleted. Collectors take their token (XSIAM_AUTH=token or bearer); hmac and advanced need the key's id.";

/** What a person should do, by status. */
const HELP: Readonly<Record<number, string>> = {
  401: REFUSED,
  403: REFUSED,
  404:
    "That address is not known there. Copy the URL from the collector's page.",
};

/** So many answers 500 in a row speak of the settings, also after better ones (destinations §7). */
const MOST_500 = 5;

/** What the answers said so far: a 500 alone is ambiguous. */
class Answers {
  #failures = 0;

  judge(reply: HttpReply, batch: BatchBuffer, now: number): Outcome {
    const { status } = reply;
    const outcome = classifyStatus(reply, now);
    if (outcome === undefined) return this.#taken(reply);
    // The connection test's empty body may be answered 500: that says nothing of the format.
    if (batch.empty) return outcome;
    this.#failures = status === 500 ? this.#failures + 1 : 0;
    if (this.#failures >= MOST_500) {
      return held(
        "config",
        `${said(reply)} (to ${this.#failures} attempts in a row)`,
        "Check format and compression of the collector: JSON, and gzip only with XSIAM_GZIP=on.",
      );
    }
    return withHelp(outcome, status, HELP);
  }

  #taken(reply: HttpReply): Outcome {
    // `{"error":"false"}` is how success is spelt.
    const { error } = asObject(parsed(reply.text()));
    if (error === true || error === "true") {
      return {
        kind: "retry",
        reason: "unclear",
        message: said(reply),
      };
    }
    this.#failures = 0;
    return { kind: "delivered" };
  }
}

// Test ------------------------------------------------------------------------------------------------------------

/** What a connection test says beside the answers' own help. */
const HINTS: TestHints = {
  notSeen:
    "Query the collector's dataset; a parsing rule may drop events. The console shows the collector active only after a first event.",
  cures: {
    auth:
      "Check, in this order: the key was copied whole; the key's id is the number beside it; its kind (standard and advanced keys sign differently); this machine's clock. Keys are per tenant.",
  },
};

// Type ------------------------------------------------------------------------------------------------------------

/** Cortex XSIAM. */
export const xsiam: ConnectorType<XsiamSettings> = {
  type: "xsiam",
  title: "Palo Alto Cortex XSIAM (HTTP log collector)",
  prefix: "XSIAM",
  limits: LIMITS,
  format: "ocsf",
  settings: checked,
  hints: HINTS,
  open(settings: XsiamSettings, context: ConnectorContext) {
    const auth = settings.auth ??
      (settings.api_key_id === undefined ? "token" : "hmac");
    const wire = record(settings, auth);
    const answers = new Answers();
    return openPostSink({
      url: collectorUrl(settings.url),
      limits: limitsOf(LIMITS, context.common),
      headers: () => headersOf(settings, auth, context),
      ...auth === "hmac" &&
        { frame: { open: '{"events":[', separator: ",", close: "]}" } },
      secrets: [settings.api_key],
      // A collector made for gzip takes nothing else, any other takes none.
      gzip: context.common.gzip === true ? "always" : false,
      readsOcsf: true,
      fill: (view, into, ocsf) => wire.fill(view, into, ocsf),
      judge: (reply, batch) => answers.judge(reply, batch, context.clock.now()),
      isNoData: ({ status }) => status === 400 || status === 500,
    }, context);
  },
};
