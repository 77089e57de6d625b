/** The control's wire formats: objects made with JavaScript's own means, the same members in the same order as the relay's. */

/** An OCSF event, as far as the formats read it. */
interface Event {
  readonly class_uid?: number;
  readonly time: number;
  readonly severity_id?: number;
  readonly activity_name?: string;
  readonly status?: unknown;
  readonly severity?: unknown;
  readonly metadata?: { readonly uid?: string };
  readonly api?: {
    readonly operation?: string;
    readonly request?: { readonly uid?: string };
  };
  readonly actor?: {
    readonly user?: {
      readonly uid?: string;
      readonly name?: string;
      readonly email_addr?: string;
    };
  };
  readonly unmapped?: {
    readonly model_id?: string;
    readonly policy_action?: string;
    readonly dlp_labels?: readonly string[];
    readonly tokens_input?: number;
    readonly tokens_output?: number;
  };
}

/** What a producer posted. */
export interface Envelope {
  readonly time?: number;
  readonly host?: string;
  readonly source?: string;
  readonly sourcetype?: string;
  readonly index?: string;
  readonly event: Event;
}

/** How one type writes its events and its bodies. */
interface Format {
  /** What goes after the base address. */
  readonly path: string;
  readonly event: (envelope: Envelope, id: string) => string;
  readonly body: (events: readonly string[]) => string;
}

/** Sends one body and waits until it was taken. */
export type Send = (url: string, body: string) => Promise<void>;

const encoder = new TextEncoder();
const lines = (events: readonly string[]) => events.join("\n");
const array = (events: readonly string[]) => `[${events.join(",")}]`;

const DATADOG = [
  "info",
  "info",
  "notice",
  "warn",
  "error",
  "critical",
  "emergency",
];
const XSIAM = [
  "unknown",
  "informational",
  "low",
  "medium",
  "high",
  "critical",
  "critical",
];
const CEF = [3, 3, 4, 6, 8, 9, 10];
const SYSLOG = [6, 6, 5, 4, 3, 2, 1];

function iso(event: Event): string {
  return new Date(event.time).toISOString();
}

function cefHeader(text: string): string {
  return text.replace(/[\\|]/g, "\\$&").replace(/[\r\n]+/g, " ");
}

function cefValue(text: string): string {
  return text.replace(/[\\=]/g, "\\$&").replace(/\n/g, "\\n").replace(
    /\r/g,
    "\\r",
  );
}

function cef({ host, event }: Envelope, id: string): string {
  const severity = event.severity_id ?? 0;
  const { user } = event.actor ?? {};
  const { unmapped } = event;
  const pairs: readonly (readonly [string, unknown])[] = [
    ["rt", event.time],
    ["suser", user?.email_addr ?? user?.name],
    ["duid", user?.uid],
    ["act", unmapped?.policy_action],
    ["model", unmapped?.model_id],
    ["tokenIn", unmapped?.tokens_input],
    ["tokenOut", unmapped?.tokens_output],
    ["cs1", unmapped?.policy_action],
    ["cs2", unmapped?.dlp_labels?.join(",")],
    ["externalId", event.metadata?.uid ?? id],
  ];
  const extension = pairs
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([key, value]) => `${key}=${cefValue(String(value))}`).join(" ");
  const name = event.api?.operation ?? event.activity_name ?? "Authentication";
  const pri = 16 * 8 + (SYSLOG[severity] ?? 6);
  const message = event.api?.request?.uid ?? "-";
  return `<${pri}>1 ${
    iso(event)
  } ${host} ArbitexPlatform - ${message} - CEF:0|Arbitex|ArbitexPlatform|1.0|${event.class_uid}|${
    cefHeader(name)
  }|${CEF[severity] ?? 5}|${extension}`;
}

function hecEnvelope(envelope: Envelope, index?: string): string {
  const { time, host, source, sourcetype, event } = envelope;
  return JSON.stringify({ time, host, source, sourcetype, index, event });
}

/** What the relay's connectors send with their default settings. */
export const FORMATS: Readonly<Record<string, Format>> = {
  hec: {
    path: "/services/collector/event",
    event: ({ event }) =>
      JSON.stringify({ data: event, collector_ms: Date.now() }),
    body: lines,
  },
  splunk: {
    path: "/services/collector/event",
    event: (one) => hecEnvelope(one, one.index ?? "arbitex"),
    body: lines,
  },
  crowdstrike: {
    path: "/services/collector",
    event: (one) => hecEnvelope(one),
    body: lines,
  },
  sentinel: {
    path:
      "/dataCollectionRules/dcr-0/streams/Custom-ArbitexAudit_CL?api-version=2023-01-01",
    event: ({ event }, id) =>
      JSON.stringify({
        TimeGenerated: iso(event),
        EventId: event.api?.request?.uid ?? event.metadata?.uid ?? id,
        UserId: event.actor?.user?.uid ?? "",
        UserEmail: event.actor?.user?.email_addr ?? "",
        Operation: event.api?.operation ?? event.activity_name ?? "",
        ModelId: event.unmapped?.model_id ?? "",
        PolicyAction: event.unmapped?.policy_action ?? "",
        DlpLabels: JSON.stringify(event.unmapped?.dlp_labels ?? []),
        TokensInput: event.unmapped?.tokens_input ?? null,
        TokensOutput: event.unmapped?.tokens_output ?? null,
        SeverityId: event.severity_id ?? 0,
        RawOCSF: JSON.stringify(event),
        EventUid: event.metadata?.uid ?? "",
        EventTime: iso(event),
      }),
    body: array,
  },
  elastic: {
    path: "/_bulk",
    event: ({ event }, id) =>
      `${JSON.stringify({ index: { _index: "arbitex-audit", _id: id } })}\n${
        JSON.stringify({ "@timestamp": iso(event), ...event })
      }\n`,
    body: (events) => events.join(""),
  },
  datadog: {
    path: "/api/v2/logs",
    event({ host, source, event }) {
      const { status: _, severity: __, ...message } = event;
      return JSON.stringify({
        ddsource: source,
        ddtags: "service:arbitex",
        hostname: host,
        service: "arbitex",
        timestamp: event.time,
        status: DATADOG[event.severity_id ?? 0] ?? "info",
        message: JSON.stringify(message),
      });
    },
    body: array,
  },
  sumo: {
    path: "/receiver/v1/http/t",
    event: ({ event }) => JSON.stringify(event),
    body: lines,
  },
  qradar: { path: "", event: cef, body: (events) => `${events.join("\n")}\n` },
  xsiam: {
    path: "/logs/v1/event",
    event: ({ event }, id) =>
      JSON.stringify({
        _time: iso(event),
        log_type: "arbitex_audit",
        event_id: event.api?.request?.uid ?? event.metadata?.uid ?? id,
        user_id: event.actor?.user?.uid ?? "",
        user_email: event.actor?.user?.email_addr ?? "",
        operation: event.api?.operation ?? event.activity_name ?? "",
        model_id: event.unmapped?.model_id ?? "",
        policy_action: event.unmapped?.policy_action ?? "",
        dlp_labels: event.unmapped?.dlp_labels ?? [],
        tokens_input: event.unmapped?.tokens_input ?? null,
        tokens_output: event.unmapped?.tokens_output ?? null,
        severity: XSIAM[event.severity_id ?? 0] ?? "unknown",
        raw_ocsf: JSON.stringify(event),
      }),
    body: lines,
  },
};

/** A connection to a syslog receiver, kept open. */
export async function openSyslog(url: string): Promise<Send> {
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  return async (_, body) => {
    const bytes = encoder.encode(body);
    for (let sent = 0; sent < bytes.length;) {
      sent += await connection.write(bytes.subarray(sent));
    }
  };
}
