/** The demo SIEM as a Splunk HTTP Event Collector: `reference/hec-protocol.md` §§2–4, Enterprise's answers. */

import { readEnvelope } from "../envelope.ts";
import type { EnvelopeFault } from "../envelope.ts";
import type { Reply } from "../http_server.ts";
import {
  type CollectorRequest,
  decoded,
  htmlReply,
  jsonReply,
  type Poison,
  type Protocol,
  type Refusal,
  type TakenEvent,
  type Verdict,
} from "../protocol.ts";
import { splitValues } from "../source_text.ts";

export interface SplunkOptions {
  readonly token: string;
  /** Indexes that the token may write; all when absent. */
  readonly indexes?: readonly string[];
  /** `max_content_length` of limits.conf, bytes, on the wire and decoded. */
  readonly maxBody?: number;
  /** `maxEventSize` of inputs.conf, bytes. */
  readonly maxEvent?: number;
}

const TEXTS: Readonly<Record<number, string>> = {
  0: "Success",
  1: "Token disabled",
  2: "Token is required",
  3: "Invalid authorization",
  4: "Invalid token",
  5: "No data",
  6: "Invalid data format",
  7: "Incorrect index",
  8: "Internal server error",
  9: "Server is busy",
  10: "Data channel is missing",
  11: "Invalid data channel",
  12: "Event field is required",
  13: "Event field cannot be blank",
  14: "ACK is disabled",
  15: "Error in handling indexed fields",
  16: "Query string authorization is not enabled",
  17: "HEC is healthy",
  18: "HEC is unhealthy, queues are full",
  23: "Server is shutting down",
  24: "HEC queue is approaching its capacity limit",
  25: "HEC ACK is approaching its capacity limit",
  26: "HEC queue is at capacity and cannot process any more requests",
  27: "HEC ACK channel is at capacity and cannot process any more requests",
  404: "The requested URL was not found on this server.",
};

/** The code that Splunk sends with a status, unless told otherwise. */
const CODE_OF_STATUS: Readonly<Record<number, number>> = {
  200: 0,
  400: 6,
  401: 3,
  403: 4,
  404: 404,
  405: 404,
  429: 26,
  500: 8,
  503: 9,
};

const CODE_OF_FAULT: Readonly<
  Record<Exclude<EnvelopeFault, "unknown key">, number>
> = {
  "no object": 6,
  "no event": 12,
  "blank event": 13,
  "metadata": 6,
  "time": 15,
  "fields": 6,
  "nested fields": 15,
};

function reply(
  status: number,
  code: number,
  number?: number,
  headers: readonly (readonly [string, string])[] = [],
): Reply {
  return jsonReply(status, {
    text: TEXTS[code] ?? "Unknown",
    code,
    ...(number === undefined ? {} : { "invalid-event-number": number }),
  }, headers);
}

/** A collector with one token. */
export function splunk(options: SplunkOptions): Protocol {
  const {
    token,
    indexes,
    maxBody = 838_860_800,
    maxEvent = 5_000_000,
  } = options;

  /** Splunk reads a body as a stream: what stands before the first fault is indexed. */
  function index(body: Uint8Array, poison: Poison): Verdict {
    const { values, broken } = splitValues(body);
    const taken: TakenEvent[] = [];
    const complaints: string[] = [];
    const refused = (code: number, number = taken.length): Verdict => ({
      reply: reply(400, code, number),
      taken,
      decided: taken.length + 1,
      body,
      complaints,
    });
    for (const value of values) {
      const envelope = readEnvelope(value);
      if (envelope === "unknown key") {
        // Measured: parsing stops there, and the answer hides it.
        complaints.push(
          `event ${taken.length} and all after it were dropped: unknown key`,
        );
        const first = taken.length === 0;
        return {
          reply: first ? reply(400, 5) : reply(200, 0),
          taken,
          decided: taken.length,
          body,
          complaints,
        };
      }
      if (typeof envelope === "string") return refused(CODE_OF_FAULT[envelope]);
      if (value.length > maxEvent) return refused(6);
      if (envelope.index && indexes && !indexes.includes(envelope.index)) {
        return refused(7, taken.length + 1);
      }
      if (poison(envelope.event, taken.length)) return refused(6);
      complaints.push(...envelope.complaints);
      taken.push({ envelope: value, event: envelope.event });
    }
    if (broken) return refused(6);
    return {
      reply: taken.length === 0 ? reply(400, 5) : reply(200, 0),
      taken,
      decided: taken.length,
      body,
      complaints,
    };
  }

  function judge(request: CollectorRequest, poison: Poison): Verdict {
    const nothing = (answer: Reply): Verdict => ({
      reply: answer,
      taken: [],
      decided: 0,
      body: request.body,
      complaints: [],
    });
    const place = /^\/services\/collector(\/event|\/health)?(\/1\.0)?$/.exec(
      request.path,
    );
    if (place === null) return nothing(reply(404, 404));
    if (place[1] === "/health") return nothing(reply(200, 17));
    if (request.method === "OPTIONS") {
      return nothing({
        status: 200,
        headers: [["Allow", "POST,OPTIONS"]],
        body: "",
      });
    }
    if (request.method !== "POST") {
      return nothing(reply(405, 404, undefined, [["Allow", "POST,OPTIONS"]]));
    }
    const given = request.query.get("token");
    if (given !== null) {
      return nothing(given === token ? reply(400, 16) : reply(403, 4));
    }
    const refusal = authorize(request.headers.get("authorization"));
    if (refusal !== undefined) return nothing(refusal);
    const body = decoded(request, "optional");
    if (body === "encoding") {
      return nothing(htmlReply(415, "Unsupported Media Type"));
    }
    if (body === "gzip") {
      return nothing(htmlReply(400, "Unparsable gzip header in request data"));
    }
    if (Math.max(request.body.length, body.length) > maxBody) {
      return nothing(htmlReply(413, "Content-Length is too large"));
    }
    return index(body, poison);
  }

  function authorize(header: string | null): Reply | undefined {
    const [scheme = "", value = ""] = (header ?? "").split(/ +/, 2);
    if (scheme === "" || (/^splunk$/i.test(scheme) && value === "")) {
      return reply(401, 2);
    }
    if (/^basic$/i.test(scheme)) {
      const password = basicPassword(value);
      if (password === undefined) return reply(401, 3);
      return password === token ? undefined : reply(403, 4);
    }
    if (!/^splunk$/i.test(scheme)) return reply(401, 3);
    return value === token ? undefined : reply(403, 4);
  }

  function refuse({ status, code, number, headers = [] }: Refusal): Reply {
    if (status === 413) {
      return htmlReply(413, "Content-Length is too large", headers);
    }
    const said = code ?? CODE_OF_STATUS[status];
    return said === undefined
      ? htmlReply(status, "Refused", headers)
      : reply(status, said, number, headers);
  }

  return { judge, refuse };
}

function basicPassword(value: string): string | undefined {
  try {
    const pair = atob(value);
    return pair.includes(":") ? pair.slice(pair.indexOf(":") + 1) : undefined;
  } catch {
    return undefined;
  }
}
