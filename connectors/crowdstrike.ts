/** CrowdStrike Falcon Next-Gen SIEM (HEC connector) and Falcon LogScale. */

import type { z } from "zod";
import {
  address,
  choice,
  group,
  optional as maybe,
  secret,
  text,
  toggle,
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
import { classifyStatus, withHelp } from "../lib/delivery/http_sink.ts";
import { limitsOf, openPostSink } from "../lib/delivery/post_sink.ts";
import { HOST, SOURCE, SOURCETYPE } from "../lib/json/spans.ts";
import {
  epochSeconds,
  event,
  eventTextLine,
  fields,
  optional,
  template,
} from "../lib/template.ts";

// Limits ----------------------------------------------------------------------------------------------------------

// https://library.humio.com/logscale-api/log-shippers-hec.html
const LIMITS: TypeLimits = {
  events: 100,
  // Advised: at most 5,000 events and 5 MB a request.
  mostEvents: 5000,
  bytes: 1_000_000,
  // MaxIngestRequestSize, after decoding.
  mostBytes: 33_554_432,
  // LogScale cuts an event of more than 1 MB without a word.
  eventBytes: 1_000_000,
};

// Settings --------------------------------------------------------------------------------------------------------

const REGIONS = {
  us1: "ingest.us-1.crowdstrike.com",
  us2: "ingest.us-2.crowdstrike.com",
  eu1: "ingest.eu-1.crowdstrike.com",
  usgov1: "ingest.laggar.gcw.crowdstrike.com",
  // FalconPy names the region and has no host for it.
  usgov2: undefined,
} as const;

const settings = group({
  api_key: secret({
    title: "API key",
    help: "Shown once when the data connector is made.",
  }),
  url: maybe(address({
    title: "URL",
    help:
      "The API URL as the data connector's page shows it. A base address gets `/services/collector`.",
    example: "https://1a2b3c.ingest.us-1.crowdstrike.com/services/collector",
  })),
  url_key: maybe(
    text({
      title: "URL key",
      help: "In place of the URL: the first part of its host name.",
      example: "1a2b3c",
    }).refine(
      (key) => /^[A-Za-z0-9-]{1,63}$/.test(key),
      "It is the first part of the API URL's host name: letters, digits and hyphens.",
    ),
  ),
  region: withDefault(
    choice(
      { title: "Region", help: "Where a URL key leads." },
      ["us1", "us2", "eu1", "usgov1", "usgov2"],
    ),
    "us1",
  ),
  raw: withDefault(
    toggle({
      title: "Raw ingest",
      help: "One event a line to `…/raw`, without host, source, type and time.",
    }),
    "false",
  ),
  source: withDefault(
    text({
      title: "Source",
      help: "`source` of events whose producer names none. Empty: left out.",
      empty: true,
    }),
    "arbitex-platform",
  ),
  sourcetype: withDefault(
    text({
      title: "Source type",
      help:
        "The parser, for events whose producer names none. Empty: left out.",
      empty: true,
    }),
    "arbitex-audit",
  ),
}, { oneOf: [["url", "url_key"]] });

/** Checked settings of a CrowdStrike connector. */
export type CrowdstrikeSettings = z.infer<typeof settings>;

const checked = settings.superRefine((given, context) => {
  if (given.url === undefined && REGIONS[given.region] === undefined) {
    context.addIssue({
      code: "custom",
      path: ["region"],
      message:
        "There is no known host for usgov2. Set url (NGSIEM_URL) to the API URL as the console shows it.",
    });
  }
});

// Wire format -----------------------------------------------------------------------------------------------------

/** Never `index`: it must match the repository or the request is refused. */
function envelope(settings: CrowdstrikeSettings, hostname: string) {
  return template`{"time":${epochSeconds}${optional(HOST, hostname)}${
    optional(SOURCE, settings.source)
  }${optional(SOURCETYPE, settings.sourcetype)},"event":${event}${fields}}`;
}

const line = template`${eventTextLine}`;

// Request ---------------------------------------------------------------------------------------------------------

function ingestUrl(settings: CrowdstrikeSettings): URL {
  const host = REGIONS[settings.region];
  const url = new URL(
    settings.url ?? `https://${settings.url_key}.${host}/services/collector`,
  );
  url.pathname = url.pathname.replace(/\/+$/, "");
  if (url.pathname === "/") url.pathname = "/services/collector";
  if (settings.raw && !url.pathname.endsWith("/raw")) url.pathname += "/raw";
  return url;
}

// Answers ---------------------------------------------------------------------------------------------------------

const REFUSED =
  "The key was refused, or the data connector is paused or deleted. The key is shown once; make a new one if it is lost.";

/** What a person should do, by status. */
const HELP: Readonly<Record<number, string>> = {
  401: REFUSED,
  403: REFUSED,
  404:
    "That address is not known there. Check URL key and region, or set NGSIEM_URL to the API URL as the console shows it.",
};

function judge(reply: HttpReply, now: number): Outcome {
  const outcome = classifyStatus(reply, now);
  return outcome === undefined
    ? { kind: "delivered" }
    : withHelp(outcome, reply.status, HELP);
}

// Test ------------------------------------------------------------------------------------------------------------

/** What a connection test says beside the answers' own help. */
const HINTS: TestHints = {
  notSeen:
    "The parser is chosen at the data connector; search #connector. The connector's page shows active only after a first event.",
  cures: {
    dns:
      "Check URL key and region, or set NGSIEM_URL to the API URL as the console shows it.",
  },
};

// Type ------------------------------------------------------------------------------------------------------------

/** CrowdStrike NG-SIEM. */
export const crowdstrike: ConnectorType<CrowdstrikeSettings> = {
  type: "crowdstrike",
  title: "CrowdStrike Falcon Next-Gen SIEM",
  prefix: "NGSIEM",
  limits: LIMITS,
  format: "native",
  settings: checked,
  hints: HINTS,
  open(settings: CrowdstrikeSettings, context: ConnectorContext) {
    const url = ingestUrl(settings);
    const isRaw = url.pathname.endsWith("/raw");
    const body = isRaw ? line : envelope(settings, context.hostname);
    const { clock } = context;
    return openPostSink({
      url,
      limits: limitsOf(LIMITS, context.common),
      headers: [
        ["Authorization", `Bearer ${settings.api_key}`],
        [
          "Content-Type",
          isRaw ? "text/plain; charset=utf-8" : "application/json",
        ],
      ],
      secrets: [settings.api_key],
      // LogScale takes gzip; nobody has confirmed it for the connector.
      gzip: context.common.gzip ?? false,
      fill: (view, into) => body.fill(view, into),
      judge: (reply) => judge(reply, clock.now()),
      isNoData: (reply) => reply.status === 400,
    }, context);
  },
};
