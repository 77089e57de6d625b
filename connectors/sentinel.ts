/**
 * Microsoft Sentinel: the Azure Monitor Logs Ingestion API.
 *
 * Longer than its neighbours: three ways to log in, columns that operators may change, a field's limit, and tables that
 * take half an hour at a time.
 */

import type { z } from "zod";
import {
  address,
  choice,
  group,
  optional as maybe,
  path,
  secret,
  secretText,
  text as line,
  withDefault,
} from "../lib/config/fields.ts";
import type {
  ConnectorContext,
  ConnectorType,
  Outcome,
  Sink,
  TestHints,
  TypeLimits,
} from "../lib/connector.ts";
import { CertificateSigner } from "../lib/delivery/client_assertion.ts";
import type { HttpReply } from "../lib/delivery/http_exchange.ts";
import { classifyStatus, withHelp } from "../lib/delivery/http_sink.ts";
import { type Credential, TokenSource } from "../lib/delivery/oauth.ts";
import { ARRAY, limitsOf, openPostSink } from "../lib/delivery/post_sink.ts";
import { sinkBySpan } from "../lib/delivery/span_sink.ts";
import {
  type Column,
  column,
  fixed,
  isFixed,
  laidOverColumns,
  neverCut,
  TableRows,
} from "../lib/delivery/table_rows.ts";
import { SettingFault } from "../lib/setting_fault.ts";
import {
  eventString,
  isoTime,
  jsonText,
  number,
  text,
  textOrId,
} from "../lib/template.ts";

// Limits ----------------------------------------------------------------------------------------------------------

/** The API's own: 1 MB a call, before and after compression (its error says 1048576 bytes). */
const MAX_CALL_BYTES = 1_048_576;

const LIMITS: TypeLimits = {
  events: 100,
  // The API counts bytes only.
  mostEvents: 100_000,
  bytes: 1_000_000,
  mostBytes: MAX_CALL_BYTES,
  eventBytes: MAX_CALL_BYTES - ARRAY.open.length - ARRAY.close.length,
};

/** Azure cuts a longer field (64 KB) without a word; JSON would be none then (destinations §2: keep it under 64,000). */
const MAX_FIELD_BYTES = 63_999;

/** What an Auxiliary table takes in one call (`RecordsTimeRangeIsMoreThan30Minutes`), in milliseconds. */
const AUXILIARY_SPAN_MS = 30 * 60_000;

// Settings --------------------------------------------------------------------------------------------------------

/** https://learn.microsoft.com/azure/azure-monitor/logs/logs-ingestion-api-overview; destinations §2.1. */
const CLOUDS = {
  public: {
    login: "https://login.microsoftonline.com",
    scope: "https://monitor.azure.com/.default",
  },
  usgov: {
    login: "https://login.microsoftonline.us",
    scope: "https://monitor.azure.us/.default",
  },
  china: {
    login: "https://login.partner.microsoftonline.cn",
    scope: "https://monitor.azure.cn/.default",
  },
} as const;

/** In place of a file's path: the token that Deno Deploy issues to the program itself. */
const DENO_DEPLOY = "deno-deploy";

const settings = group({
  tenant_id: line({
    title: "Tenant",
    help: "Directory (tenant) id, or one of its domains.",
    example: "11111111-2222-3333-4444-555555555555",
  }).refine(
    (id) => /^[A-Za-z0-9.-]+$/.test(id),
    "It is a tenant's id or domain: letters, digits, points and hyphens.",
  ),
  client_id: line({
    title: "Client",
    help:
      "Application (client) id. The app needs the role Monitoring Metrics Publisher on the data collection rule.",
  }),
  client_secret: maybe(secret({
    title: "Client secret",
    help: "The secret's value, not its id.",
  })),
  client_certificate: maybe(secretText({
    title: "Client certificate",
    help:
      "In place of the secret, which is not used then: path of one PEM file with certificate and RSA key, or its text.",
    example: "/etc/hecate/sentinel.pem",
  })),
  federated_token_file: maybe(path({
    title: "Federated token",
    help:
      "In place of the secret, which is not used then: file with a token that the app trusts, read again at each login. `deno-deploy` takes the platform's own token (not proven here).",
    example: "/var/run/secrets/azure/tokens/azure-identity-token",
  })),
  dcr_endpoint: address({
    title: "Endpoint",
    help:
      "Logs ingestion URL of the data collection endpoint, or of the rule itself.",
    example: "https://my-dce-ab12.westeurope-1.ingest.monitor.azure.com",
  }).refine(
    (url) => !url.pathname.includes("/dataCollectionRules"),
    "Leave out what comes after the host: rule and stream have their own settings.",
  ),
  dcr_rule_id: line({
    title: "Rule",
    help: "Immutable id of the data collection rule.",
    example: "dcr-00000000000000000000000000000000",
  }).refine(
    (id) => /^dcr-[A-Za-z0-9-]+$/.test(id),
    "It is the rule's immutable id, which begins with dcr-, not its name.",
  ),
  dcr_stream_name: line({
    title: "Stream",
    help: "The rule's input stream.",
    example: "Custom-ArbitexAudit_CL",
  }).refine(
    (name) => /^Custom-\S+$/.test(name),
    "An input stream's name begins with Custom-",
  ),
  cloud: withDefault(
    choice(
      { title: "Cloud", help: "Where login and scope are." },
      ["public", "usgov", "china"],
    ),
    "public",
  ),
  authority_host: maybe(address({
    title: "Login host",
    help: "In place of the cloud's.",
    example: "https://login.microsoftonline.com",
  })),
  token_scope: maybe(line({
    title: "Scope",
    help: "In place of the cloud's.",
    example: "https://monitor.azure.com/.default",
  })),
  columns: maybe(
    line({
      title: "Columns",
      help:
        "A JSON object, column to OCSF path, laid over the default; null removes one. A new column gets the field's JSON value, or null.",
      example: '{"SrcIp":"src_endpoint.ip","ModelId":null}',
      json: true,
    }).superRefine((given, context) => {
      const fault = columnsFault(given);
      if (fault !== undefined) {
        context.addIssue({ code: "custom", message: fault });
      }
    }),
  ),
}, {
  oneOf: [["client_secret", "client_certificate", "federated_token_file"]],
});

/** Checked settings of a Sentinel connector. */
export type SentinelSettings = z.infer<typeof settings>;

const checked = settings.superRefine((given, context) => {
  if (given.client_certificate && given.federated_token_file) {
    context.addIssue({
      code: "custom",
      path: ["federated_token_file"],
      message: "Give a certificate or a federated token, not both.",
    });
  }
});

/** @throws {SettingFault} for a certificate that cannot serve, and for `deno-deploy` elsewhere. */
function credentialOf(
  given: SentinelSettings,
  { readFile, platformToken }: ConnectorContext,
): Credential {
  const { client_certificate: pem, federated_token_file: file } = given;
  if (file === DENO_DEPLOY) {
    if (platformToken === undefined) {
      throw new SettingFault(
        "federated_token_file",
        "deno-deploy works on Deno Deploy only.",
      );
    }
    return {
      kind: "federated",
      assertion: () => platformToken("api://AzureADTokenExchange"),
    };
  }
  if (file !== undefined) {
    const assertion = () => {
      try {
        return readFile(file);
      } catch {
        throw new Error(`the file "${file}" cannot be read.`);
      }
    };
    return { kind: "federated", assertion };
  }
  if (pem === undefined) {
    return { kind: "secret", secret: given.client_secret ?? "" };
  }
  try {
    const text = pem.includes("-----BEGIN") ? pem : readFile(pem);
    return { kind: "certificate", signer: new CertificateSigner(text) };
  } catch (cause) {
    const why = cause instanceof TypeError
      ? cause.message
      : "The file cannot be read.";
    throw new SettingFault("client_certificate", why, { cause });
  }
}

// Wire format -----------------------------------------------------------------------------------------------------

const TIME = "TimeGenerated", RAW = "RawOCSF", TRIMMED = "RawOcsfTruncated";

const time = fixed('"', isoTime, '"');

/** The seed's columns in its order, then three more (interface §3). */
const COLUMNS: Readonly<Record<string, Column>> = {
  [TIME]: time,
  EventId: column(textOrId, "api.request.uid", "metadata.uid"),
  UserId: column(text, "actor.user.uid"),
  UserEmail: column(text, "actor.user.email_addr"),
  Operation: column(text, "api.operation", "activity_name"),
  ModelId: column(text, "unmapped.model_id", "ai_model.name"),
  PolicyAction: column(text, "unmapped.policy_action"),
  DlpLabels: neverCut(
    column((paths) => jsonText(paths, "[]"), "unmapped.dlp_labels"),
    '"[]"',
  ),
  TokensInput: column(
    number,
    "unmapped.tokens_input",
    "message_context.prompt_tokens",
  ),
  TokensOutput: column(
    number,
    "unmapped.tokens_output",
    "message_context.completion_tokens",
  ),
  SeverityId: column((paths) => number(paths, "0"), "severity_id"),
  [RAW]: fixed(eventString),
  EventUid: column(text, "metadata.uid"),
  EventTime: time,
};

function rowsOf(given: string | undefined): TableRows {
  const { [TRIMMED]: mark, ...laidOver } = JSON.parse(given ?? "{}");
  return new TableRows({
    columns: laidOverColumns(COLUMNS, laidOver),
    event: RAW,
    most: MAX_FIELD_BYTES,
    // A row without it says null.
    ...mark !== null && { mark: TRIMMED },
  });
}

/** What is wrong with `SENTINEL_COLUMNS`. */
function columnsFault(given: string): string | undefined {
  let columns: unknown;
  try {
    columns = JSON.parse(given);
  } catch {
    return "It is not JSON.";
  }
  if (
    typeof columns !== "object" || columns === null || Array.isArray(columns)
  ) {
    return 'It must be a JSON object: {"Column":"ocsf.path"}.';
  }
  for (const [name, from] of Object.entries(columns)) {
    // learn.microsoft.com/azure/azure-monitor/logs/create-custom-table
    if (!/^[A-Za-z]\w{0,44}$/.test(name)) {
      return `"${name}" cannot be a column: at most 45 letters, digits and _, a letter first.`;
    }
    if (from === null) continue;
    if (name === TRIMMED || isFixed(COLUMNS, name)) {
      return `${name} is the relay's own: it can be removed with null, and no more.`;
    }
    if (typeof from !== "string" || !/^[^.]+(\.[^.]+)*$/.test(from)) {
      return `${name}: give an OCSF path such as src_endpoint.ip, or null.`;
    }
  }
  return undefined;
}

// Request ---------------------------------------------------------------------------------------------------------

function tokenUrl({ authority_host, cloud, tenant_id }: SentinelSettings): URL {
  const url = new URL(authority_host ?? CLOUDS[cloud].login);
  url.pathname = `${baseOf(url)}/${tenant_id}/oauth2/v2.0/token`;
  url.search = "";
  return url;
}

function ingestUrl(given: SentinelSettings): URL {
  const url = new URL(given.dcr_endpoint);
  const rule = encodeURIComponent(given.dcr_rule_id);
  const stream = encodeURIComponent(given.dcr_stream_name);
  url.pathname = `${baseOf(url)}/dataCollectionRules/${rule}/streams/${stream}`;
  url.search = "?api-version=2023-01-01";
  return url;
}

function baseOf(url: URL): string {
  return url.pathname.replace(/\/+$/, "");
}

const BEARER = "Bearer ";

// Answers ---------------------------------------------------------------------------------------------------------

const RANGE_TOO_WIDE = /"RecordsTimeRangeIsMoreThan30Minutes"/;

/** What a person should do, by status. */
const HELP: Readonly<Record<number, string>> = {
  401:
    "Tenant, client or credential is wrong, or the credential ended; or the token is for another cloud.",
  403:
    "Give the app Monitoring Metrics Publisher on the data collection rule (DCR), not on the endpoint. A new role assignment can take up to 30 minutes; delivery then goes on by itself.",
  404:
    "Endpoint, rule id or stream name is wrong: check SENTINEL_DCR_ENDPOINT, SENTINEL_DCR_RULE_ID and SENTINEL_DCR_STREAM_NAME.",
};

function judge(reply: HttpReply, now: number): Outcome {
  const outcome = classifyStatus(reply, now);
  return outcome === undefined
    ? { kind: "delivered" }
    : withHelp(outcome, reply.status, HELP);
}

/** When the event of a row happened, from its first column, in milliseconds since the Unix epoch. */
function timeIn(row: Uint8Array): number {
  const from = `{"${TIME}":"`.length;
  return Date.parse(new TextDecoder().decode(row.subarray(from, from + 24)));
}

// Test ------------------------------------------------------------------------------------------------------------

/** What a connection test says beside the answers' own help. */
const HINTS: TestHints = {
  notSeen:
    "A new table takes minutes. What the stream does not declare as a column is dropped without a word; the rule's transformation may filter.",
  cures: {
    dns:
      "SENTINEL_DCR_ENDPOINT is the Logs ingestion URL of the endpoint or rule, not the portal's.",
  },
};

// Type ------------------------------------------------------------------------------------------------------------

/** Microsoft Sentinel. */
export const sentinel: ConnectorType<SentinelSettings> = {
  type: "sentinel",
  title: "Microsoft Sentinel (Logs Ingestion API)",
  prefix: "SENTINEL",
  limits: LIMITS,
  format: "ocsf",
  settings: checked,
  hints: HINTS,
  open(given: SentinelSettings, context: ConnectorContext): Sink {
    const { clock, common } = context;
    const rows = rowsOf(given.columns);
    const login = tokenUrl(given), ingest = ingestUrl(given);
    const isElsewhere = login.host !== ingest.host;
    const tokens = new TokenSource({
      tokenUrl: login,
      clientId: given.client_id,
      scope: given.token_scope ?? CLOUDS[given.cloud].scope,
      credential: credentialOf(given, context),
    }, { ...context, http: (url) => context.http(url, { isElsewhere }) });
    /** Found out from an answer: the table takes half an hour at a time. */
    let isAuxiliary = false;
    const post = openPostSink({
      url: ingest,
      limits: limitsOf(LIMITS, common),
      frame: ARRAY,
      async headers(signal) {
        const token = await tokens.token(signal);
        if (typeof token !== "string") return token;
        return [
          ["Authorization", BEARER + token],
          ["Content-Type", "application/json"],
        ];
      },
      again(reply, headers) {
        if (reply.status !== 401) return false;
        tokens.discard(headers[0]?.[1].slice(BEARER.length) ?? "");
        return true;
      },
      secrets: () => tokens.secrets(),
      gzip: common.gzip ?? true,
      readsOcsf: true,
      fill: (view, into, ocsf) => rows.fill(view, into, ocsf),
      async login(signal) {
        const token = await tokens.token(signal);
        return typeof token === "string"
          ? `${login.host} issued a token.`
          : token;
      },
      // Azure answers 204 to it and stores nothing (Vector's own health check).
      harmless: "[]",
      judge(reply) {
        isAuxiliary ||= reply.status === 400 &&
          RANGE_TOO_WIDE.test(reply.text());
        return judge(reply, clock.now());
      },
      isNoData: () => false,
    }, context);
    const spanned = rows.names[0] === TIME
      ? sinkBySpan(post, ARRAY, {
        ms: AUXILIARY_SPAN_MS,
        isWanted: () => isAuxiliary,
        timeIn,
      })
      : post;
    return {
      limits: spanned.limits,
      encode: (events, into) => spanned.encode(events, into),
      deliver: (batch, signal) => spanned.deliver(batch, signal),
      probe: (signal) => spanned.probe(signal),
      test: (signal) => spanned.test(signal),
      async [Symbol.asyncDispose]() {
        await spanned[Symbol.asyncDispose]();
        await tokens[Symbol.asyncDispose]();
      },
    };
  },
};
