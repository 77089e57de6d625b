/** Any collector with a token in a header: the generic HEC exporter (as Elisity's). */

import type { z } from "zod";
import {
  address,
  choice,
  group,
  optional as maybe,
  secret,
  text,
  withDefault,
} from "../lib/config/fields.ts";
import type {
  ConnectorContext,
  ConnectorType,
  Outcome,
  TestHints,
  TypeLimits,
} from "../lib/connector.ts";
import type { HttpReply } from "../lib/delivery/http_exchange.ts";
import { classifyStatus } from "../lib/delivery/http_sink.ts";
import { limitsOf, openPostSink } from "../lib/delivery/post_sink.ts";
import { HOST, INDEX, SOURCE, SOURCETYPE } from "../lib/json/spans.ts";
import {
  event,
  eventLine,
  fields,
  optional,
  receivedMs,
  seconds,
  type Template,
  template,
} from "../lib/template.ts";

// Limits ----------------------------------------------------------------------------------------------------------

/** Nobody knows what stands behind the address: a 413 splits. */
const LIMITS: TypeLimits = {
  events: 100,
  mostEvents: 100_000,
  bytes: 1_000_000,
  mostBytes: 838_860_800,
  eventBytes: Number.MAX_SAFE_INTEGER,
};

// Settings --------------------------------------------------------------------------------------------------------

const settings = group({
  url: address({
    title: "URL",
    help: "The collector's whole address; nothing is added to it.",
    example: "https://siem.example.com/logs/v1/event",
  }),
  token: secret({
    title: "Token",
    help: "The token or API key that the collector made.",
  }),
  token_prefix: withDefault(
    text({
      title: "Token prefix",
      help: "The word before the token. Empty: none.",
      empty: true,
    }).refine(
      (prefix) => /^[!#$%&'*+.^_`|~A-Za-z0-9-]*$/.test(prefix.trim()),
      "It must be one word, such as Bearer or Splunk.",
    ),
    "Bearer",
  ),
  wrap: maybe(
    choice({
      title: "Wrap",
      help:
        '`data`: `{"data":…,"collector_ms":…}`; `hec`: an HEC envelope; `none`: the event alone, one a line. Absent: `hec` where the address ends in `/services/collector`, `/services/collector/event` or `/ingest/hec`, else `data`.',
    }, ["data", "hec", "none"]),
  ),
});

/** Checked settings of a generic HEC connector. */
export type HecSettings = z.infer<typeof settings>;

// Wire format -----------------------------------------------------------------------------------------------------

const data = template`{"data":${eventLine},"collector_ms":${receivedMs}}`;

const none = template`${eventLine}`;

function envelope(hostname: string) {
  return template`{"time":${seconds}${optional(HOST, hostname)}${
    optional(SOURCE)
  }${optional(SOURCETYPE)}${optional(INDEX)},"event":${event}${fields}}`;
}

function bodyOf(settings: HecSettings, hostname: string): Template {
  const isHec = /\/(services\/collector(\/event)?|ingest\/hec)\/*$/
    .test(settings.url.pathname);
  switch (settings.wrap ?? (isHec ? "hec" : "data")) {
    case "data":
      return data;
    case "hec":
      return envelope(hostname);
    case "none":
      return none;
  }
}

// Request ---------------------------------------------------------------------------------------------------------

function headersOf(settings: HecSettings): [string, string][] {
  const prefix = settings.token_prefix.trim();
  return [
    [
      "Authorization",
      prefix === "" ? settings.token : `${prefix} ${settings.token}`,
    ],
    ["Content-Type", "application/json"],
  ];
}

// Answers ---------------------------------------------------------------------------------------------------------

function judge(reply: HttpReply, now: number, prefix: string): Outcome {
  const outcome = classifyStatus(reply, now);
  if (outcome === undefined) return { kind: "delivered" };
  if (
    outcome.kind === "held" && (reply.status === 401 || reply.status === 403)
  ) {
    return {
      ...outcome,
      help: `Wrong token or wrong prefix (now ${
        prefix === "" ? "none" : prefix
      }). Check token (HEC_TOKEN) and token_prefix (HEC_TOKEN_PREFIX).`,
    };
  }
  return outcome;
}

// Test ------------------------------------------------------------------------------------------------------------

/** What a connection test says beside the answers' own help. */
const HINTS: TestHints = {
  notSeen:
    "That platform's own parsing decides; wrap (HEC_WRAP) says how events are packed.",
};

// Type ------------------------------------------------------------------------------------------------------------

/** Generic HEC exporter. */
export const hec: ConnectorType<HecSettings> = {
  type: "hec",
  title: "Generic HEC (any collector with a token)",
  prefix: "HEC",
  limits: LIMITS,
  format: "native",
  settings,
  hints: HINTS,
  open(settings: HecSettings, context: ConnectorContext) {
    const body = bodyOf(settings, context.hostname);
    return openPostSink({
      url: settings.url,
      limits: limitsOf(LIMITS, context.common),
      headers: headersOf(settings),
      secrets: [settings.token],
      gzip: context.common.gzip ?? false,
      fill: (view, into) => body.fill(view, into),
      judge: (reply) =>
        judge(reply, context.clock.now(), settings.token_prefix.trim()),
      isNoData: (reply) => reply.status === 400,
    }, context);
  },
};
