/**
 * What each vendor's format must say of an event, worked out with JSON.parse from destinations §§3–7 and 12, and
 * without the product's code.
 */

import assert from "node:assert/strict";
import { parseMessage } from "../support/cef_text.ts";

/** A JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/** One event that was posted. */
export interface Posted {
  /** `file:line`. */
  readonly what: string;
  /** The JSON value, or the line of text. */
  readonly text: string;
  readonly isRaw: boolean;
  readonly host: string;
  readonly source: string;
  readonly sourcetype: string;
  /** The envelope's time in milliseconds, where it has one. */
  readonly time: number | undefined;
}

/** The first of these dotted paths whose value is present, not null and not "". */
export function first(event: Json, ...paths: readonly string[]): unknown {
  for (const path of paths) {
    let value: unknown = event;
    for (const name of path.split(".")) {
      value = typeof value === "object" && value !== null
        ? Object.getOwnPropertyDescriptor(value, name)?.value
        : undefined;
    }
    if (value !== undefined && value !== null && value !== "") return value;
  }
  return undefined;
}

function textOf(value: unknown, fallback = ""): string {
  if (value === undefined) return fallback;
  return typeof value === "string" ? value : JSON.stringify(value);
}

function numberOf(value: unknown): number | null {
  return value === undefined ? null : Number(value);
}

/** Is it an OCSF event by interface §3? */
export function isOcsf(event: unknown): event is Json {
  return typeof event === "object" && event !== null && !Array.isArray(event) &&
    "class_uid" in event && Number.isInteger(event.class_uid) &&
    "metadata" in event && typeof event.metadata === "object" &&
    event.metadata !== null && "version" in event.metadata &&
    typeof event.metadata.version === "string";
}

/** When it happened: the envelope's time, else the OCSF event's. */
export function timeOf(posted: Posted, ocsf: Json): number {
  return posted.time ?? Number(ocsf["time"]);
}

export function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** Sentinel's row, less `RawOCSF`. */
export function sentinelColumns(time: number, ocsf: Json, id: string): Json {
  return {
    TimeGenerated: iso(time),
    EventId: textOf(first(ocsf, "api.request.uid", "metadata.uid"), id),
    UserId: textOf(first(ocsf, "actor.user.uid")),
    UserEmail: textOf(first(ocsf, "actor.user.email_addr")),
    Operation: textOf(first(ocsf, "api.operation", "activity_name")),
    ModelId: textOf(first(ocsf, "unmapped.model_id", "ai_model.name")),
    PolicyAction: textOf(first(ocsf, "unmapped.policy_action")),
    DlpLabels: JSON.stringify(first(ocsf, "unmapped.dlp_labels") ?? []),
    TokensInput: numberOf(
      first(ocsf, "unmapped.tokens_input", "message_context.prompt_tokens"),
    ),
    TokensOutput: numberOf(
      first(
        ocsf,
        "unmapped.tokens_output",
        "message_context.completion_tokens",
      ),
    ),
    SeverityId: Number(first(ocsf, "severity_id") ?? 0),
    EventUid: textOf(first(ocsf, "metadata.uid")),
    EventTime: iso(time),
  };
}

const XSIAM: Readonly<Record<string, string>> = {
  1: "informational",
  2: "low",
  3: "medium",
  4: "high",
  5: "critical",
  6: "critical",
};

/** XSIAM's record with the seed's routing, less `raw_ocsf`. */
export function xsiamMembers(time: number, ocsf: Json, id: string): Json {
  const columns = sentinelColumns(time, ocsf, id);
  return {
    _time: columns["TimeGenerated"],
    _vendor: "Arbitex",
    _product: "ArbitexPlatform",
    _dataset: "arbitex_audit_raw",
    log_type: "arbitex_audit",
    event_id: columns["EventId"],
    user_id: columns["UserId"],
    user_email: columns["UserEmail"],
    operation: columns["Operation"],
    model_id: columns["ModelId"],
    policy_action: columns["PolicyAction"],
    dlp_labels: first(ocsf, "unmapped.dlp_labels") ?? [],
    tokens_input: columns["TokensInput"],
    tokens_output: columns["TokensOutput"],
    severity: XSIAM[textOf(first(ocsf, "severity_id"))] ?? "unknown",
  };
}

const DATADOG: Readonly<Record<string, string>> = {
  2: "notice",
  3: "warn",
  4: "error",
  5: "critical",
  6: "emergency",
};

/** Datadog's entry, less `message`; `time` is undefined where only the relay knows it. */
export function datadogMembers(
  posted: Posted,
  event: unknown,
  time: number,
): Json {
  return {
    ddsource: posted.source,
    ddtags: "service:arbitex",
    hostname: posted.host,
    service: "arbitex",
    timestamp: time,
    status: isOcsf(event)
      ? DATADOG[textOf(first(event, "severity_id"))] ?? "info"
      : "info",
  };
}

/** CEF's and syslog's severity by `severity_id`. */
const SEVERITIES: Readonly<Record<string, readonly [number, number]>> = {
  0: [3, 6],
  1: [3, 6],
  2: [4, 5],
  3: [6, 4],
  4: [8, 3],
  5: [9, 2],
  6: [10, 1],
  99: [5, 6],
};

/** Text as a CEF parser gives it back: other controls are gone, spaces at either end too. */
function cefText(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, "")
    .replace(/^ +| +$/g, "");
}

function listed(value: unknown): string {
  if (!Array.isArray(value)) return textOf(value);
  return value.map((one: unknown) =>
    typeof one !== "object"
      ? String(one)
      : one === null
      ? ""
      : textOf(first({ ...one }, "uid", "name"))
  ).filter((text) => text !== "").join(",");
}

/** The seed's pairs for an OCSF event, in their order. */
function cefPairs(ocsf: Json, id: string): [string, string][] {
  const action = first(
    ocsf,
    "unmapped.policy_action",
    "action",
    "disposition",
  );
  const pairs: [string, unknown][] = [
    ["rt", ocsf["time"]],
    ["suser", first(ocsf, "actor.user.email_addr", "actor.user.name")],
    ["duid", first(ocsf, "actor.user.uid")],
    ["act", action],
    ["model", first(ocsf, "unmapped.model_id", "ai_model.name")],
    [
      "tokenIn",
      first(ocsf, "unmapped.tokens_input", "message_context.prompt_tokens"),
    ],
    [
      "tokenOut",
      first(
        ocsf,
        "unmapped.tokens_output",
        "message_context.completion_tokens",
      ),
    ],
    ["cs1", action],
    ["cs2", first(ocsf, "unmapped.dlp_labels")],
    ["cs3", first(ocsf, "unmapped.group_ids", "actor.user.groups")],
    ["externalId", first(ocsf, "metadata.uid") ?? id],
  ];
  const labels: Readonly<Record<string, string>> = {
    cs1: "PolicyAction",
    cs2: "DlpLabels",
    cs3: "GroupIds",
  };
  return pairs.flatMap(([key, value]): [string, string][] => {
    const text = cefText(listed(value ?? ""));
    if (text === "") return [];
    const label = labels[key];
    return label === undefined
      ? [[key, text]]
      : [[`${key}Label`, label], [key, text]];
  });
}

/** Compares a CEF message with the OCSF event. @returns whether pairs were left out to make it fit */
export function checkCef(
  message: string,
  posted: Posted,
  ocsf: Json,
  { id, captions }: {
    readonly id: string;
    readonly captions: ReadonlyMap<number, string>;
  },
): boolean {
  const { what } = posted;
  const found = parseMessage(message);
  const severity = Number(first(ocsf, "severity_id") ?? 0);
  const [cef, syslog] = SEVERITIES[severity] ?? [3, 6];
  const uid = Number(ocsf["class_uid"]);
  assert.equal(found.priority, 128 + syslog, what);
  assert.equal(found.time, iso(timeOf(posted, ocsf)), what);
  assert.equal(found.hostname, posted.host, what);
  assert.equal(found.app, "ArbitexPlatform", what);
  const request = textOf(first(ocsf, "api.request.uid"));
  const fits = /^[!-~]{1,32}$/.test(request);
  assert.equal(found.messageId, fits ? request : "-", what);
  const name = textOf(
    first(ocsf, "api.operation", "activity_name"),
    captions.get(uid) ?? "Event",
  );
  assert.deepEqual(found.header, [
    "Arbitex",
    "ArbitexPlatform",
    "1.0",
    String(uid),
    cefText(name.replace(/\r\n|\r|\n/g, " ")),
    String(cef),
  ], what);
  const expected = cefPairs(ocsf, id);
  const isCut = found.values.get("cs6Label") === "Truncated";
  if (!isCut) assert.deepEqual(found.pairs, expected, what);
  return isCut;
}
