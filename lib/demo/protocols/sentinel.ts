/**
 * The demo SIEM as Azure Monitor's Logs Ingestion API with its token endpoint: `reference/destinations.md` §2. The
 * vendor answers 204 to much that it then loses; those are complaints here.
 */

import type { Reply } from "../http_server.ts";
import {
  type CollectorRequest,
  decoded,
  jsonReply,
  noneTaken,
  type Poison,
  type Protocol,
  type Refusal,
  type TakenEvent,
  type Verdict,
} from "../protocol.ts";
import { seededRandom } from "../random.ts";
import {
  elementsOf,
  isJson,
  membersOf,
  parsed,
  stringBytes,
} from "../source_text.ts";
import { entra, type EntraOptions, entraRefusal } from "./entra.ts";

export type ColumnType =
  | "datetime"
  | "string"
  | "int"
  | "long"
  | "real"
  | "boolean"
  | "dynamic";

export interface SentinelOptions extends
  Partial<
    Pick<
      EntraOptions,
      | "tenant"
      | "clientId"
      | "secretExpired"
      | "certificate"
      | "federated"
      | "scope"
      | "tokenLife"
    >
  > {
  /** The client secret. */
  readonly token: string;
  /** The data collection rule's immutable id. */
  readonly rule?: string;
  readonly stream?: string;
  /** The stream's columns and their types. */
  readonly columns?: Readonly<Record<string, ColumnType>>;
  /** Columns that may be left out. */
  readonly optional?: readonly string[];
  /** An auxiliary table: at most 30 minutes in one request, nothing nested. */
  readonly auxiliary?: boolean;
  /** The app lacks its role on the rule: 403. */
  readonly noRole?: boolean;
  /** Bytes, on the wire and decoded. */
  readonly maxBody?: number;
  /** Bytes; a longer value is cut without a word. */
  readonly maxField?: number;
}

/** What a connector is configured with, unless said otherwise. */
export const SENTINEL_DEFAULTS = {
  tenant: "11111111-2222-3333-4444-555555555555",
  clientId: "66666666-7777-8888-9999-000000000000",
  rule: "dcr-00000000000000000000000000000000",
  stream: "Custom-ArbitexAudit_CL",
  scope: "https://monitor.azure.com/.default",
} as const;

/** The seed's columns, and those that Hecate may add. */
const COLUMNS: Readonly<Record<string, ColumnType>> = {
  TimeGenerated: "datetime",
  EventId: "string",
  UserId: "string",
  UserEmail: "string",
  Operation: "string",
  ModelId: "string",
  PolicyAction: "string",
  DlpLabels: "string",
  TokensInput: "long",
  TokensOutput: "long",
  SeverityId: "int",
  RawOCSF: "string",
  EventUid: "string",
  EventTime: "datetime",
  RawOcsfTruncated: "boolean",
};
const OPTIONAL = ["EventUid", "EventTime", "RawOcsfTruncated"];
const HALF_HOUR_MS = 1_800_000;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?(Z|[+-]\d\d:\d\d)$/;
const INTAKE = /^\/dataCollectionRules\/([^/]+)\/streams\/([^/]+)$/;
const CODES: Readonly<Record<number, string>> = {
  400: "InvalidPayload",
  401: "Unauthorized",
  403: "OperationFailed",
  404: "NotFound",
  413: "ContentLengthLimitExceeded",
  429: "TooManyRequests",
  500: "InternalServerError",
  503: "ServiceUnavailable",
};

/** An ingestion endpoint with one rule and one stream, and the tenant's token endpoint. */
export function sentinel(
  options: SentinelOptions & Pick<EntraOptions, "base" | "clock">,
): Protocol {
  const {
    tenant = SENTINEL_DEFAULTS.tenant,
    clientId = SENTINEL_DEFAULTS.clientId,
    rule = SENTINEL_DEFAULTS.rule,
    stream = SENTINEL_DEFAULTS.stream,
    scope = SENTINEL_DEFAULTS.scope,
    tokenLife = 3599,
    columns = COLUMNS,
    optional = OPTIONAL,
    auxiliary = false,
    noRole = false,
    maxBody = 1_048_576,
    maxField = 65_536,
    clock,
  } = options;
  const tokens = entra({
    ...options,
    ...{ tenant, clientId, scope, tokenLife },
    secret: options.token,
    random: seededRandom(Math.trunc(clock.now())),
  });

  function judge(request: CollectorRequest, poison: Poison): Verdict {
    const { method, path, headers, query } = request;
    if (/\/oauth2\/v2\.0\/token$/.test(path)) {
      const { reply, complaints } = tokens.answer(request);
      return noneTaken(reply, request.body, 0, complaints);
    }
    const said = (status: number, message: string, code?: string) =>
      noneTaken(failure(status, message, code), request.body);
    const place = INTAKE.exec(path);
    if (place === null) return said(404, "Resource not found");
    const bearer = /^Bearer (.+)$/.exec(headers.get("authorization") ?? "");
    if (bearer === null || !tokens.knows(bearer[1] ?? "")) {
      return said(401, "The authentication token is invalid or expired");
    }
    if (method !== "POST") return said(405, "Use POST");
    if (query.get("api-version") !== "2023-01-01") {
      return said(400, "The api-version is not supported");
    }
    if (place[1] !== rule) {
      return said(404, `Data collection rule ${place[1]} not found`);
    }
    if (noRole) return said(403, NO_ROLE);
    if (decodeURIComponent(place[2] ?? "") !== stream) {
      return said(404, `Stream ${place[2]} was not configured for the rule`);
    }
    if (!/^application\/json\b/.test(headers.get("content-type") ?? "")) {
      return said(400, "The content type must be application/json");
    }
    const body = decoded(request, "optional");
    if (typeof body === "string") return said(400, "Could not decode the body");
    if (Math.max(request.body.length, body.length) > maxBody) {
      return said(413, `Maximum allowed content length: ${maxBody} bytes`);
    }
    if (!isJson(body)) return said(400, "The body is not valid JSON");
    return take(body, poison);
  }

  function take(body: Uint8Array, poison: Poison): Verdict {
    const rows = elementsOf(body);
    const done: Reply = { status: 204, headers: [], body: "" };
    if (rows === undefined) {
      return noneTaken(done, body, 0, ["not an array: nothing was stored"]);
    }
    const taken: TakenEvent[] = [];
    const complaints: string[] = [];
    const times: number[] = [];
    const refused = (message: string, code?: string) =>
      noneTaken(failure(400, message, code), body, rows.length === 1 ? 1 : 0);
    for (const [place, row] of rows.entries()) {
      const members = membersOf(row);
      if (members === undefined) return refused("A record is no object");
      const event = stringBytes(members.get("RawOCSF")) ?? row;
      if (poison(event, place)) return refused("A record was refused");
      if (auxiliary && [...members.values()].some(isNested)) {
        return refused("A value is nested");
      }
      const time = members.get("TimeGenerated");
      if (time !== undefined) times.push(Date.parse(String(parsed(time))));
      complaints.push(
        ...wrongColumns(members).map((one) => `record ${place}: ${one}`),
      );
      taken.push({ envelope: row, event });
    }
    if (
      auxiliary && times.length > 1 &&
      times.reduce((a, b) => Math.max(a, b)) -
            times.reduce((a, b) => Math.min(a, b)) > HALF_HOUR_MS
    ) {
      return refused(
        "The records span more than 30 minutes",
        "RecordsTimeRangeIsMoreThan30Minutes",
      );
    }
    return { reply: done, taken, decided: taken.length, body, complaints };
  }

  /** What vanishes, becomes null or is cut after the 204. */
  function wrongColumns(members: ReadonlyMap<string, Uint8Array>): string[] {
    const wrong = Object.keys(columns)
      .filter((name) => !members.has(name) && !optional.includes(name))
      .map((name) => `${name} is missing`);
    for (const [name, source] of members) {
      const type = columns[name];
      if (type === undefined) wrong.push(`no column ${name}, dropped`);
      else if (!fits(parsed(source), type)) wrong.push(`${name} is no ${type}`);
      const length = stringBytes(source)?.length ?? source.length;
      if (length > maxField) wrong.push(`${name} is over 64 KB, cut`);
    }
    return wrong;
  }

  return {
    judge,
    isIntake: ({ path }) => INTAKE.test(path),
    revoke: () => tokens.revoke(),
    refuse(refusal: Refusal): Reply {
      const { status, path = "", headers } = refusal;
      if (!INTAKE.test(path)) return entraRefusal(refusal, clock.now());
      const message = status === 403 ? NO_ROLE : "Refused on request";
      return failure(status, message, undefined, headers);
    },
  };
}

const NO_ROLE =
  "The authentication token provided does not have access to ingest data for the data collection rule";

function failure(
  status: number,
  message: string,
  code = CODES[status] ?? "Error",
  headers: readonly (readonly [string, string])[] = [],
): Reply {
  return jsonReply(status, { error: { code, message } }, headers);
}

function isNested(source: Uint8Array): boolean {
  return source[0] === 0x7b || source[0] === 0x5b;
}

/** null fits every column. */
function fits(value: unknown, type: ColumnType): boolean {
  if (value === null) return true;
  switch (type) {
    case "datetime":
      return typeof value === "string" && TIME.test(value) &&
        !Number.isNaN(Date.parse(value));
    case "string":
      return typeof value === "string";
    case "int":
      return Number.isInteger(value) && Math.abs(Number(value)) < 2 ** 31;
    case "long":
      return Number.isInteger(value);
    case "real":
      return typeof value === "number";
    case "boolean":
      return typeof value === "boolean";
    case "dynamic":
      return true;
    default:
      return type satisfies never;
  }
}
