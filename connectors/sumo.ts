/** Sumo Logic: an HTTP Logs and Metrics source. Its address is the credential. */

import type { z } from "zod";
import {
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
import type { BatchBuffer } from "../lib/delivery/batch_buffer.ts";
import type { HttpReply } from "../lib/delivery/http_exchange.ts";
import { classifyStatus, withHelp } from "../lib/delivery/http_sink.ts";
import { limitsOf, openPostSink } from "../lib/delivery/post_sink.ts";
import type { EventView } from "../lib/event.ts";
import { trimEvent } from "../lib/ocsf/trim.ts";
import { eventLine, template } from "../lib/template.ts";

// Limits ----------------------------------------------------------------------------------------------------------

// https://help.sumologic.com/docs/send-data/hosted-collectors/http-source/logs-metrics/
const LIMITS: TypeLimits = {
  events: 100,
  // Bytes and the 30 s that the server gives a request are what counts.
  mostEvents: 100_000,
  // Advised: 100 KB to 1 MB a request, before compression.
  bytes: 1_000_000,
  mostBytes: 1_048_576,
  // No event is refused for its size: a message over 64 KB is cut into several.
  eventBytes: Number.MAX_SAFE_INTEGER,
};

/** What a message may take before it is cut into several, which are no JSON: 64 KB, read strictly. */
const MESSAGE_BYTES = 64_000;

/** The first wait after a 429 that names none, in milliseconds: the quota is counted by the minute. */
const QUOTA_WAIT_MS = 30_000;

// Settings --------------------------------------------------------------------------------------------------------

const CODE_MISSING =
  "This is not a source's address: it ends in /receiver/v1/http/ and a code, and begins with https://. Copy it from the source's page.";

/** The last part of the path: whoever knows it may send. */
function codeOf(url: URL): string {
  return url.pathname.split("/").at(-1) ?? "";
}

function isSourceAddress(value: string): boolean {
  const url = URL.parse(value);
  return url !== null && /^https?:$/.test(url.protocol) &&
    url.username === "" && url.password === "" && /^[^{}<>]+$/.test(value) &&
    !["", "http"].includes(codeOf(url));
}

const headerText = (
  about: { title: string; help: string; example?: string },
) =>
  text({ ...about, empty: true }).refine(
    (value) => /^[ -~]*$/.test(value),
    "It goes into an HTTP header: letters without accents, digits and signs.",
  );

const settings = group({
  http_source_url: secret({
    title: "HTTP source address",
    help:
      "As the source's page shows it. It is the credential: only host and last four characters are ever shown.",
    example:
      "https://endpoint1.collection.eu.sumologic.com/receiver/v1/http/ZaVnC4dhaV1…",
  }).refine(isSourceAddress, CODE_MISSING),
  category: withDefault(
    headerText({
      title: "Source category",
      help: "`X-Sumo-Category`. Empty: the source's own.",
    }),
    "arbitex/audit",
  ),
  host: withDefault(
    headerText({
      title: "Source host",
      help: "`X-Sumo-Host`, of all events alike. Empty: the source's own.",
    }),
    "platform.arbitex.ai",
  ),
  name: maybe(headerText({
    title: "Source name",
    help: "`X-Sumo-Name`. Absent: the source's own.",
  })),
});

/** Checked settings of a Sumo Logic connector. */
export type SumoSettings = z.infer<typeof settings>;

// Wire format -----------------------------------------------------------------------------------------------------

// The content type says JSON, so a line of text is a JSON string.
const line = template`${eventLine}`;

/** A message that would be cut goes shorter where it can. */
function fill(view: EventView, into: BatchBuffer): void {
  const start = into.length;
  line.fill(view, into);
  if (into.length - start <= MESSAGE_BYTES) return;
  const shorter = trimEvent(into.bytes, start, into.length, MESSAGE_BYTES);
  if (shorter === undefined) return;
  into.length = start;
  into.literal(shorter);
}

/** Bytes of the longest message. */
function longestLine({ ends }: BatchBuffer): number {
  let longest = 0, start = 0;
  for (const end of ends) {
    longest = Math.max(longest, end - start);
    // Its line feed.
    start = end + 1;
  }
  return longest;
}

// Request ---------------------------------------------------------------------------------------------------------

function headersOf({ category, host, name = "" }: SumoSettings) {
  const given: [string, string][] = [
    ["X-Sumo-Category", category],
    ["X-Sumo-Host", host],
    ["X-Sumo-Name", name],
  ];
  return [
    ...given.filter(([, value]) => value !== ""),
    ["Content-Type", "application/json"],
  ] satisfies [string, string][];
}

// Answers ---------------------------------------------------------------------------------------------------------

const REFUSED: Readonly<Record<number, string>> = {
  401:
    "Sumo Logic does not know the code in SUMO_HTTP_SOURCE_URL, or it was made anew a moment ago (that takes minutes). Copy the address from the source's page.",
  403: "The source is disabled, or its collector deleted. Look at its page.",
  404:
    "There is no source at that address. Copy SUMO_HTTP_SOURCE_URL from the source's page.",
};

/** The source is another deployment's. */
const MOVED =
  "The source lives in another deployment. Copy SUMO_HTTP_SOURCE_URL from the source's page; a redirect is never followed, as the address is the credential.";

function judge(reply: HttpReply, batch: BatchBuffer, now: number): Outcome {
  const outcome = classifyStatus(reply, now);
  if (outcome === undefined) {
    const longest = longestLine(batch);
    return longest <= MESSAGE_BYTES ? { kind: "delivered" } : {
      kind: "delivered",
      warning:
        `An event of ${longest} bytes could not be made shorter: Sumo Logic cuts it into messages of 64 KB.`,
    };
  }
  if (outcome.kind === "held" && outcome.reason === "redirect") {
    return { ...outcome, help: MOVED };
  }
  if (outcome.kind !== "retry") {
    return withHelp(outcome, reply.status, REFUSED);
  }
  switch (reply.status) {
    case 408:
      // It took more than 30 s, and a part may be stored: the same again would take as long.
      return { ...outcome, smaller: true };
    case 429:
      return { after: QUOTA_WAIT_MS, ...outcome };
    default:
      return outcome;
  }
}

// Test ------------------------------------------------------------------------------------------------------------

/** What a connection test says beside the answers' own help. */
const HINTS: TestHints = {
  notSeen:
    "Search by _sourceCategory as configured here; a partition or a processing rule of the source may keep events away.",
};

// Type ------------------------------------------------------------------------------------------------------------

/** Sumo Logic HTTP source. */
export const sumo: ConnectorType<SumoSettings> = {
  type: "sumo",
  title: "Sumo Logic (HTTP source)",
  prefix: "SUMO",
  limits: LIMITS,
  format: "native",
  settings,
  hints: HINTS,
  open(settings: SumoSettings, context: ConnectorContext) {
    const url = new URL(settings.http_source_url);
    const { clock } = context;
    return openPostSink({
      url,
      limits: limitsOf(LIMITS, context.common),
      headers: headersOf(settings),
      secrets: [settings.http_source_url],
      gzip: context.common.gzip ?? true,
      fill: (view, into) => fill(view, into),
      judge: (reply, batch) => judge(reply, batch, clock.now()),
      isNoData: (reply) => reply.status === 400,
    }, context);
  },
};
