/**
 * Datadog Log Management: logs intake, version 2.
 *
 * Over 300 lines because sites, captions, quota and key check are each a piece of their own, and a type is one file.
 */

import type { z } from "zod";
import {
  address,
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
import type { BatchBuffer } from "../lib/delivery/batch_buffer.ts";
import type { Check } from "../lib/delivery/checks.ts";
import type { HttpReply } from "../lib/delivery/http_exchange.ts";
import { classifyStatus, held, said } from "../lib/delivery/http_sink.ts";
import { ARRAY, limitsOf, openPostSink } from "../lib/delivery/post_sink.ts";
import type { EventView } from "../lib/event.ts";
import { isOcsf } from "../lib/format/ocsf_event.ts";
import { fieldSpans } from "../lib/json/field_spans.ts";
import { cutMembers, isNamed } from "../lib/json/members.ts";
import { pathId } from "../lib/json/paths.ts";
import { EVENT, HOST, SOURCE } from "../lib/json/spans.ts";
import { MAX_ESCAPED, writeJsonString } from "../lib/json/strings.ts";
import {
  epochMs,
  event,
  eventString,
  given,
  mapped,
  type Slot,
  Template,
  template,
} from "../lib/template.ts";

// Limits ----------------------------------------------------------------------------------------------------------

// https://docs.datadoghq.com/api/latest/logs/#send-logs, read strictly (1 MB = 1,000,000 bytes)
const LIMITS: TypeLimits = {
  events: 100,
  mostEvents: 1000,
  // Vector's: leaves room below the limit.
  bytes: 4_250_000,
  mostBytes: 5_000_000,
  // Above it an entry is cut and answered 202: the message is no JSON any more.
  eventBytes: 1_000_000,
};

/** Datadog keeps the time of events up to 18 h back; what it does with older ones is not said. In milliseconds. */
const KEPT_TIME_MS = 18 * 3_600_000;

// Settings --------------------------------------------------------------------------------------------------------

/** Short names of sites, as the documentation has them. */
const SITES: Readonly<Record<string, string>> = {
  "us1": "datadoghq.com",
  "us3": "us3.datadoghq.com",
  "us5": "us5.datadoghq.com",
  "eu1": "datadoghq.eu",
  "ap1": "ap1.datadoghq.com",
  "ap2": "ap2.datadoghq.com",
  "uk1": "uk1.datadoghq.com",
  "us1-fed": "ddog-gov.com",
  "us2-fed": "us2.ddog-gov.com",
};

const settings = group({
  api_key: secret({
    title: "API key",
    help:
      "Organization Settings > API Keys. (An application key is another thing.) A key belongs to one site.",
  }),
  site: withDefault(
    text({
      title: "Site",
      help:
        "datadoghq.com (US1), us3.datadoghq.com, us5.datadoghq.com, datadoghq.eu (EU1), ap1.datadoghq.com, ap2.datadoghq.com, uk1.datadoghq.com, ddog-gov.com (US1-FED), us2.ddog-gov.com (US2-FED), their short names, or another.",
    }).refine(
      (site) =>
        Object.hasOwn(SITES, nameOf(site)) ||
        /^(?!app\.)[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(nameOf(site)),
      "A site is written datadoghq.eu: without https:// and without app. For another address set url (DATADOG_URL).",
    ),
    "datadoghq.com",
  ),
  url: maybe(address({
    title: "URL",
    help:
      "A base address in place of the site's (private link, proxy). It gets `/api/v2/logs`; connection tests ask `/api/v1/validate` there.",
    example: "https://http-intake.logs.datadoghq.eu",
  })),
  service: withDefault(
    text({ title: "Service", help: "`service`, and the last of the tags." }),
    "arbitex",
  ),
  source: withDefault(
    text({
      title: "Source",
      help: "`ddsource` of events whose producer names no source.",
    }),
    "arbitex-audit",
  ),
  tags: maybe(text({
    title: "Tags",
    help: "`ddtags`, before the service's.",
    example: "env:production,team:security",
  })),
  seed_shape: withDefault(
    toggle({
      title: "Plain shape",
      help:
        "Entries without `timestamp` and `status`, and the whole event as `message`. Datadog then takes the time of arrival, and the log's status from the event's own words: a log whose OCSF `status` is Failure shows as an emergency.",
    }),
    "false",
  ),
});

/** Checked settings of a Datadog connector. */
export type DatadogSettings = z.infer<typeof settings>;

// Wire format -----------------------------------------------------------------------------------------------------

/** Log status by OCSF severity (destinations §12.4); the rest is `info`. */
const STATUS = {
  "2": "notice",
  "3": "warn",
  "4": "error",
  "5": "critical",
  "6": "emergency",
};

const asString = template`${eventString}`, asItIs = template`${event}`;

const QUOTE = 0x22, LEFT_BRACE = 0x7b, RIGHT_BRACE = 0x7d;

/** Writes one entry. */
function entry(
  settings: DatadogSettings,
  hostname: string,
): (view: EventView, into: BatchBuffer) => void {
  const { tags, service, source, seed_shape } = settings;
  const all = `${tags === undefined ? "" : `${tags},`}service:${service}`;
  const head = (...rest: (string | Slot)[]) =>
    new Template([
      '{"ddsource":',
      given(SOURCE, "", source),
      `,"ddtags":${JSON.stringify(all)}`,
      given(HOST, ',"hostname":', hostname),
      `,"service":${JSON.stringify(service)}`,
      ...rest,
      ',"message":',
    ]);
  const plain = head();
  const ocsf = head(
    ',"timestamp":',
    epochMs,
    ',"status":"',
    mapped("severity_id", STATUS, "info"),
    '"',
  );
  const other = head(',"timestamp":', epochMs, ',"status":"info"');
  const cuts: number[] = [];
  // Most events have neither, and their fields are known from `severity_id`.
  const captions = seed_shape ? [] : CAPTIONS.map(pathId);
  // Of equal members the last one is known: no caption begins behind it.
  const captionsEnd = (view: EventView) => {
    const spans = fieldSpans(view);
    let end = 0;
    for (const path of captions) end = Math.max(end, spans.end(path));
    return end;
  };
  return (view, into) => {
    if (seed_shape) plain.fill(view, into);
    else (isOcsf(view) ? ocsf : other).fill(view, into);
    cuts.length = 0;
    const start = view.start(EVENT), end = view.end(EVENT);
    const first = view.isRaw ? 0 : view.bytes[start];
    if (first === LEFT_BRACE) {
      const until = captionsEnd(view);
      if (until > 0) {
        cutMembers(view.bytes, start, end, isCaption, cuts, until);
      }
    }
    if (cuts.length > 0) writeWithout(cuts, view, into);
    // A text is a JSON string already.
    else (first === QUOTE ? asItIs : asString).fill(view, into);
    into.byte(RIGHT_BRACE);
  };
}

/** Datadog reads these words of a JSON message as the log's status: `Failure` is an emergency to it. */
const CAPTIONS = ["status", "severity"];

function isCaption(
  bytes: Uint8Array,
  name: number,
  nameEnd: number,
  value: number,
): boolean {
  if (bytes[value] !== QUOTE) return false;
  // No closure: asked about every member of every event.
  for (const caption of CAPTIONS) {
    if (isNamed(bytes, name, nameEnd, caption)) return true;
  }
  return false;
}

/** Writes the event as a JSON string, without what lies in these spans. */
function writeWithout(
  cuts: readonly number[],
  view: EventView,
  into: BatchBuffer,
): void {
  const end = view.end(EVENT);
  let at = view.start(EVENT);
  into.room(MAX_ESCAPED * (end - at) + 2);
  const { bytes: out } = into;
  out[into.length++] = QUOTE;
  for (let i = 0; i <= cuts.length; i += 2) {
    into.length = writeJsonString(
      view.bytes,
      at,
      cuts[i] ?? end,
      out,
      into.length,
    );
    at = cuts[i + 1] ?? end;
  }
  out[into.length++] = QUOTE;
}

// Request ---------------------------------------------------------------------------------------------------------

const INTAKE = "/api/v2/logs", KEY_CHECK = "/api/v1/validate";

function nameOf(site: string): string {
  return site.trim().toLowerCase();
}

/** Where events go, and where the key is asked about. */
function addressesOf(settings: DatadogSettings): { intake: URL; check: URL } {
  const name = nameOf(settings.site), site = SITES[name] ?? name;
  const under = (fallback: string, path: string) => {
    const url = new URL(settings.url ?? fallback);
    const base = url.pathname.replace(/\/+$/, "");
    url.pathname = base.endsWith(INTAKE)
      ? base.slice(0, -INTAKE.length) + path
      : base + path;
    return url;
  };
  return {
    intake: under(`https://http-intake.logs.${site}`, INTAKE),
    check: under(`https://api.${site}`, KEY_CHECK),
  };
}

// Answers ---------------------------------------------------------------------------------------------------------

const REFUSED =
  "Datadog does not know this API key there. Keys belong to one site: check DATADOG_SITE (or DATADOG_URL) and DATADOG_API_KEY. A new key may take some minutes.";

function judge(reply: HttpReply, now: number): Outcome | undefined {
  const outcome = classifyStatus(reply, now);
  if (outcome?.kind === "held") {
    switch (reply.status) {
      case 401:
      case 403:
        return held("auth", outcome.message, REFUSED);
      case 404:
        return {
          ...outcome,
          help:
            "There is no intake at that address. Check DATADOG_SITE, or DATADOG_URL where it is set.",
        };
    }
  }
  if (outcome?.kind !== "retry" || reply.status !== 429) return outcome;
  const reset = resetAfter(reply.headers);
  return reset === undefined
    ? outcome
    : { ...outcome, after: Math.max(reset, outcome.after ?? 0) };
}

/** The batch was taken; its first event is the oldest that waited. */
function taken(body: Uint8Array, now: number): Outcome {
  const head = new TextDecoder().decode(body.subarray(0, HEAD_BYTES));
  const [, time] = /"timestamp":(\d+)/.exec(head) ?? [];
  return time !== undefined && now - Number(time) > KEPT_TIME_MS
    ? {
      kind: "delivered",
      warning:
        "Events are more than 18 h old: Datadog may show them at the time of their arrival. The messages have their own.",
    }
    : { kind: "delivered" };
}

/** More than what stands before the first entry's `timestamp`. */
const HEAD_BYTES = 4096;

/** Milliseconds until the quota is counted anew. */
function resetAfter(headers: Headers): number | undefined {
  const value = headers.get("x-ratelimit-reset")?.trim() ?? "";
  return /^\d{1,9}(\.\d{1,9})?$/.test(value)
    ? Math.ceil(Number(value) * 1000)
    : undefined;
}

// Test ------------------------------------------------------------------------------------------------------------

/** Asks about the key; the intake sees nothing. */
function keyCheck(url: URL, key: string, now: () => number): Check {
  return {
    method: "GET",
    url,
    headers: [["DD-API-KEY", key], ["Accept", "application/json"]],
    judge(reply) {
      const fault = judge(reply, now());
      if (fault !== undefined) return fault;
      return /"valid"\s*:\s*true/.test(reply.text())
        ? "Datadog knows the API key. No event was sent."
        : held("not_collector", said(reply));
    },
  };
}

/** What a connection test says beside the answers' own help. */
const HINTS: TestHints = {
  notSeen:
    "Events older than 18 hours are not shown at their own time; an index's exclusion filters hide events from the explorer (live tail shows them).",
  cures: {
    dns: "Check DATADOG_SITE, or DATADOG_URL where it is set.",
  },
};

// Type ------------------------------------------------------------------------------------------------------------

/** Datadog Log Management. */
export const datadog: ConnectorType<DatadogSettings> = {
  type: "datadog",
  title: "Datadog Log Management",
  prefix: "DATADOG",
  limits: LIMITS,
  format: "native",
  settings,
  hints: HINTS,
  open(settings: DatadogSettings, context: ConnectorContext) {
    const { intake, check } = addressesOf(settings);
    const { clock } = context;
    return openPostSink({
      url: intake,
      limits: limitsOf(LIMITS, context.common),
      headers: [
        ["DD-API-KEY", settings.api_key],
        ["Content-Type", "application/json"],
      ],
      frame: ARRAY,
      secrets: [settings.api_key],
      gzip: context.common.gzip ?? true,
      fill: entry(settings, context.hostname),
      judge: (reply, batch) =>
        judge(reply, clock.now()) ?? taken(batch.body(), clock.now()),
      isNoData: () => false,
      checks: () => [keyCheck(check, settings.api_key, () => clock.now())],
    }, context);
  },
};
