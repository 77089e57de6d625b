/**
 * The demo SIEM as Cortex XSIAM's HTTP collector, and as the event endpoint of seed 001 with its HMAC:
 * `reference/destinations.md` §7, §7.1.
 */

import { createHash, createHmac } from "node:crypto";
import type { Reply } from "../http_server.ts";
import {
  type CollectorRequest,
  type Compression,
  decoded,
  jsonReply,
  noneTaken,
  type Poison,
  type Protocol,
  type Refusal,
  type TakenEvent,
  type Verdict,
} from "../protocol.ts";
import {
  elementsOf,
  isJson,
  membersOf,
  parsed,
  splitLines,
  stringBytes,
} from "../source_text.ts";

export interface XsiamOptions {
  /** The collector's token, or the API key. */
  readonly token: string;
  readonly auth?: "hmac" | "token" | "bearer" | "advanced";
  /** For `hmac` and `advanced`. */
  readonly keyId?: string;
  /** Set when the collector is made; a request of the other kind is answered 500. */
  readonly compression?: Compression;
  /** Members that the dataset wants in each record; others may stand beside them. */
  readonly columns?: readonly string[];
  /** 10 MiB, bytes. */
  readonly maxBody?: number;
  /** 5 MB, bytes. */
  readonly maxRecord?: number;
}

/** The seed's members; `_vendor`, `_product`, `_dataset` stand in it with `hmac` only. */
const COLUMNS = [
  "_time",
  "log_type",
  "event_id",
  "user_id",
  "user_email",
  "operation",
  "model_id",
  "policy_action",
  "dlp_labels",
  "tokens_input",
  "tokens_output",
  "severity",
  "raw_ocsf",
];
const ROUTING = ["_vendor", "_product", "_dataset"];
const SEVERITIES = [
  "unknown",
  "informational",
  "low",
  "medium",
  "high",
  "critical",
];
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const PATH = "/logs/v1/event";
/** Nonces remembered. */
const MOST_NONCES = 100_000;

/** A collector with one key. */
export function xsiam(options: XsiamOptions): Protocol {
  const {
    token,
    auth = "hmac",
    keyId = "7",
    compression = "never",
    columns = auth === "hmac" ? [...COLUMNS, ...ROUTING] : COLUMNS,
    maxBody = 10_485_760,
    maxRecord = 5_000_000,
  } = options;
  const nonces = new Set<string>();

  /** Which header is wrong, if any. */
  function wrongHeader(headers: Headers): string | undefined {
    const given = headers.get("authorization");
    if (auth === "token") return given === token ? undefined : "authorization";
    if (auth === "bearer") {
      return given === `Bearer ${token}` ? undefined : "authorization";
    }
    if (headers.get("x-xdr-auth-id") !== keyId) return "x-xdr-auth-id";
    const nonce = headers.get("x-xdr-nonce") ?? "";
    if (!/^[A-Za-z0-9]{64}$/.test(nonce)) return "x-xdr-nonce";
    if (auth === "hmac") {
      const digest = createHmac("sha256", token)
        .update(keyId + nonce + token).digest("hex");
      return headers.get("x-xdr-hmac-sha256") === digest
        ? undefined
        : "x-xdr-hmac-sha256";
    }
    const timestamp = headers.get("x-xdr-timestamp") ?? "";
    if (!/^\d{13}$/.test(timestamp)) return "x-xdr-timestamp";
    const digest = createHash("sha256")
      .update(token + nonce + timestamp).digest("hex");
    return given === digest ? undefined : "authorization";
  }

  /** Complains of a nonce that came before. */
  function nonceAgain(headers: Headers): string[] {
    const nonce = headers.get("x-xdr-nonce");
    if (nonce === null || auth === "token" || auth === "bearer") return [];
    if (nonces.has(nonce)) return ["a nonce came for the second time"];
    if (nonces.size >= MOST_NONCES) nonces.clear();
    nonces.add(nonce);
    return [];
  }

  function judge(request: CollectorRequest, poison: Poison): Verdict {
    const { method, path, headers } = request;
    const said = (
      status: number,
      message: string,
      complaints: readonly string[] = [],
      decided = 0,
    ) => noneTaken(failure(status, message), request.body, decided, complaints);
    if (path !== PATH) return said(404, "no such collector");
    if (method !== "POST") return said(405, "method not allowed");
    const wrong = wrongHeader(headers);
    if (wrong !== undefined) return said(401, `Unauthorized: ${wrong}`);
    const complaints = nonceAgain(headers);
    const body = decoded(request, compression);
    if (typeof body === "string") {
      return said(500, "compression does not match", complaints);
    }
    if (body.length > maxBody) {
      return said(413, "Payload too large", complaints);
    }
    const records = auth === "hmac" ? enveloped(body) : splitLines(body);
    if (records === undefined || !records.every(isJson)) {
      return said(500, "format does not match", complaints);
    }
    const taken: TakenEvent[] = [];
    const alone = records.length === 1 ? 1 : 0;
    for (const [place, record] of records.entries()) {
      const members = membersOf(record);
      if (members === undefined) {
        return said(500, "a record is no object", complaints, alone);
      }
      const event = stringBytes(members.get("raw_ocsf")) ?? record;
      if (record.length > maxRecord) {
        return said(400, "record too large", complaints, alone);
      }
      if (poison(event, place)) {
        return said(400, "record refused", complaints, alone);
      }
      complaints.push(
        ...wrongMembers(members, columns)
          .map((one) => `record ${place}: ${one}`),
      );
      if (auth !== "hmac" && ROUTING.some((name) => members.has(name))) {
        complaints.push(`record ${place}: _dataset and its like route nothing`);
      }
      taken.push({ envelope: record, event });
    }
    const reply = auth === "hmac"
      // The seed's endpoint takes note only; the collector answers 200.
      ? jsonReply(202, { error: "false" })
      : jsonReply(200, { error: "false" });
    return { reply, taken, decided: taken.length, body, complaints };
  }

  return {
    judge,
    refuse: ({ status, headers }: Refusal) =>
      failure(status, "refused on request", headers),
  };
}

/** The records of `{"events":[…]}`, a body with nothing else in it. An empty body has none. */
function enveloped(body: Uint8Array): Uint8Array[] | undefined {
  if (body.length === 0) return [];
  if (!isJson(body)) return undefined;
  const members = membersOf(body);
  const events = members?.get("events");
  return members?.size === 1 && events !== undefined
    ? elementsOf(events)
    : undefined;
}

function wrongMembers(
  members: ReadonlyMap<string, Uint8Array>,
  columns: readonly string[],
): string[] {
  const wrong = columns.filter((name) => !members.has(name))
    .map((name) => `${name} is missing`);
  const value = (name: string) => {
    const member = members.get(name);
    return member === undefined ? undefined : parsed(member);
  };
  if (members.has("_time") && !TIME.test(String(value("_time")))) {
    wrong.push("_time is not 2026-03-13T00:00:00.123Z");
  }
  if (
    members.has("severity") && !SEVERITIES.includes(String(value("severity")))
  ) wrong.push("severity is none of XSIAM's");
  for (const name of ["event_id", "user_id", "user_email", "raw_ocsf"]) {
    if (members.has(name) && typeof value(name) !== "string") {
      wrong.push(`${name} is no text`);
    }
  }
  for (const name of ["tokens_input", "tokens_output"]) {
    const count = value(name) ?? null;
    if (count !== null && !Number.isInteger(count)) {
      wrong.push(`${name} is no whole number`);
    }
  }
  if (members.has("dlp_labels") && !Array.isArray(value("dlp_labels"))) {
    wrong.push("dlp_labels is no array");
  }
  return wrong;
}

function failure(
  status: number,
  message: string,
  headers: readonly (readonly [string, string])[] = [],
): Reply {
  return jsonReply(status, { error: "true", message }, headers);
}
