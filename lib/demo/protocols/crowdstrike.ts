/**
 * The demo SIEM as a CrowdStrike Falcon Next-Gen SIEM HEC connector: `reference/destinations.md` §8. The vendor
 * publishes no error bodies; ours are one plain sentence. A refused request leaves nothing behind.
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
  textReply,
  type Verdict,
} from "../protocol.ts";
import { splitLines, splitValues } from "../source_text.ts";

export interface CrowdstrikeOptions {
  readonly token: string;
  /** LogScale takes gzip; for the connector it is unconfirmed. */
  readonly compression?: Compression;
  /** LogScale's `MaxIngestRequestSize`, bytes after decoding. */
  readonly maxBody?: number;
}

/** Epoch seconds end here (the year 5138): a larger `time` is in another unit and lands in the far future. */
const MOST_SECONDS = 1e11;

/** A connector with one API key. */
export function crowdstrike(options: CrowdstrikeOptions): Protocol {
  const { token, compression = "optional", maxBody = 33_554_432 } = options;

  function judge(request: CollectorRequest, poison: Poison): Verdict {
    const said = (status: number, sentence: string): Verdict => ({
      reply: textReply(status, sentence),
      taken: [],
      decided: 0,
      body: request.body,
      complaints: [],
    });
    // The vendor's host holds the URL key; here a segment before the path may.
    const place = /^(\/[\w-]+)?\/services\/collector(\/raw)?$/.exec(
      request.path,
    );
    if (place === null) return said(404, "Not found");
    if (request.method !== "POST") return said(405, "Method not allowed");
    const [scheme = "", key = ""] = (request.headers.get("authorization") ?? "")
      .split(/ +/, 2);
    if (!/^bearer$/i.test(scheme) || key === "") {
      return said(401, "Missing or unknown authorization");
    }
    if (key !== token) return said(403, "Not authorized");
    const body = decoded(request, compression);
    if (body === "encoding") return said(415, "Unsupported content encoding");
    if (body === "gzip") return said(400, "Could not decompress the body");
    if (body.length > maxBody) return said(413, "Request too large");
    return place[2] === "/raw" ? takeLines(body, poison) : take(body, poison);
  }

  function take(body: Uint8Array, poison: Poison): Verdict {
    // LogScale reads a stream of objects (Vector's humio sink puts nothing between them), so one may span lines.
    const { values, broken } = splitValues(body);
    const taken: TakenEvent[] = [];
    const complaints: string[] = [];
    const refused = (why: string): Verdict => ({
      reply: textReply(400, `Could not handle input: ${why}`),
      taken: [],
      decided: values.length === 1 && !broken ? 1 : 0,
      body,
      complaints: [],
    });
    for (const value of values) {
      const envelope = readEnvelope(value);
      if (typeof envelope === "string") return refused(envelope);
      if (envelope.index !== undefined) return refused("index not allowed");
      if (poison(envelope.event, taken.length)) return refused("event");
      complaints.push(...envelope.complaints);
      if (Number(envelope.time?.replaceAll('"', "") ?? 0) > MOST_SECONDS) {
        complaints.push(`event ${taken.length}: time is not in seconds`);
      }
      taken.push({ envelope: value, event: envelope.event });
    }
    if (broken) return refused("not a sequence of JSON objects");
    return {
      reply: success(),
      taken,
      decided: taken.length,
      body,
      complaints,
    };
  }

  function takeLines(body: Uint8Array, poison: Poison): Verdict {
    const taken = splitLines(body).map((line) => ({
      envelope: line,
      event: line,
    }));
    return taken.some(({ event }, place) => poison(event, place))
      ? {
        reply: textReply(400, "Could not handle input: event"),
        taken: [],
        decided: taken.length === 1 ? 1 : 0,
        body,
        complaints: [],
      }
      : {
        reply: success(),
        taken,
        decided: taken.length,
        body,
        complaints: [],
      };
  }

  function refuse({ status, headers = [] }: Refusal): Reply {
    return textReply(status, "Refused on request", headers);
  }

  return { judge, refuse };
}

function success(): Reply {
  return jsonReply(200, { text: "Success", code: 0 });
}
