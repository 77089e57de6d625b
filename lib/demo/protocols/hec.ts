/**
 * The demo SIEM as the collector that Elisity's exporter writes to: a Cortex XSIAM HTTP log collector, one record a
 * line, `{"data":…,"collector_ms":…}` (seed 000, `reference/destinations.md` §§7, 10).
 */

import { readEnvelope } from "../envelope.ts";
import type { Reply } from "../http_server.ts";
import {
  type CollectorRequest,
  type Compression,
  decoded,
  jsonReply,
  type Poison,
  type Protocol,
  type Refusal,
  type TakenEvent,
  type Verdict,
} from "../protocol.ts";
import { membersOf, splitLines, splitValues } from "../source_text.ts";

export interface HecOptions {
  readonly token: string;
  /** What stands before the token in `Authorization`; empty: the token alone. */
  readonly prefix?: string;
  /** What a line holds: the exporter's record, an HEC envelope, or the event itself. */
  readonly wrap?: "data" | "hec" | "none";
  /** Set when the collector is made; a request of the other kind is answered 500. */
  readonly compression?: Compression;
  /** 10 MiB, bytes. */
  readonly maxBody?: number;
  /** 5 MB, bytes. */
  readonly maxEvent?: number;
}

/** A collector with one token, at any path. */
export function hec(options: HecOptions): Protocol {
  const {
    token,
    prefix = "Bearer",
    wrap = "data",
    compression = "never",
    maxBody = 10_485_760,
    maxEvent = 5_000_000,
  } = options;
  const credential = prefix === "" ? token : `${prefix} ${token}`;

  function judge(request: CollectorRequest, poison: Poison): Verdict {
    const taken: TakenEvent[] = [];
    let lines: readonly Uint8Array[] = [];
    const said = (status: number, message: string): Verdict => ({
      reply: failure(status, message),
      taken: [],
      decided: lines.length === 1 ? 1 : 0,
      body: request.body,
      complaints: [],
    });
    if (request.method !== "POST") return said(405, "method not allowed");
    if (request.headers.get("authorization") !== credential) {
      return said(401, "unauthorized");
    }
    const body = decoded(request, compression);
    if (typeof body === "string") return said(500, "wrong compression");
    if (body.length > maxBody) return said(413, "request too large");
    lines = splitLines(body);
    for (const line of lines) {
      const { values: [record, more], broken } = splitValues(line);
      if (broken || record === undefined || more !== undefined) {
        return said(400, "a line is not one JSON value");
      }
      const event = eventOf(record, wrap);
      if (event === undefined) return said(400, "unexpected record");
      if (record.length > maxEvent) return said(400, "record too large");
      if (poison(event, taken.length)) return said(400, "record refused");
      taken.push({ envelope: record, event });
    }
    return {
      reply: jsonReply(200, { error: "false" }),
      taken,
      decided: taken.length,
      body,
      complaints: [],
    };
  }

  function refuse({ status, headers = [] }: Refusal): Reply {
    return failure(status, "refused on request", headers);
  }

  return { judge, refuse };
}

function failure(
  status: number,
  message: string,
  headers: readonly (readonly [string, string])[] = [],
): Reply {
  return jsonReply(status, { error: "true", message }, headers);
}

const text = new TextDecoder();

/** The event in a record; undefined where the record has another shape. */
function eventOf(
  record: Uint8Array,
  wrap: "data" | "hec" | "none",
): Uint8Array | undefined {
  if (wrap === "none") return record;
  if (wrap === "hec") {
    const envelope = readEnvelope(record);
    return typeof envelope === "string" ? undefined : envelope.event;
  }
  const members = membersOf(record);
  if (members === undefined) return undefined;
  const collected = members.get("collector_ms");
  if ([...members.keys()].join() !== "data,collector_ms") return undefined;
  // Milliseconds of this century, as an integer: seconds, or a decimal point, are a fault of the sender.
  if (!collected || !/^\d{13}$/.test(text.decode(collected))) return undefined;
  return members.get("data");
}
