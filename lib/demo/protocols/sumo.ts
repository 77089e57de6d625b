/**
 * The demo SIEM as a Sumo Logic HTTP source: `reference/destinations.md` §5. The code in the URL is the credential;
 * the `X-Sumo-*` headers are in the request's record.
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
  textReply,
  type Verdict,
} from "../protocol.ts";
import { isJson, splitLines } from "../source_text.ts";

export interface SumoOptions {
  /** The code behind `/receiver/v1/http/`. */
  readonly token: string;
  /** Bytes of a message; a longer one is sliced. */
  readonly maxMessage?: number;
  /** Bytes, decoded; the vendor states none, this is what it advises. */
  readonly maxBody?: number;
}

const CODES: Readonly<Record<number, string>> = {
  400: "bad.request",
  401: "unauthorized",
  403: "forbidden",
  404: "not.found",
  405: "method.not.allowed",
  408: "request.timeout",
  413: "request.too.large",
  429: "rate.limit.exceeded",
  500: "internal.error",
  503: "service.unavailable",
};
const PATH = /^\/receiver\/v1\/http\/(.*)$/;

/** A source with one code. */
export function sumo(options: SumoOptions): Protocol {
  const { token, maxMessage = 65_536, maxBody = 1_048_576 } = options;

  function judge(request: CollectorRequest, poison: Poison): Verdict {
    const said = (status: number, decided = 0) =>
      noneTaken(failure(status), request.body, decided);
    const code = PATH.exec(request.path)?.[1];
    if (code === undefined) return said(404);
    if (decodeURIComponent(code) !== token) return said(401);
    if (request.method !== "POST") return said(405);
    const body = decoded(request, "optional");
    if (typeof body === "string") return said(400);
    const type = request.headers.get("content-type") ?? "";
    const complaints: string[] = [];
    if (body.length > maxBody) complaints.push("over the advised 1 MB");
    if (
      /^application\/vnd\.sumologic\.(prometheus|carbon2|graphite)/.test(type)
    ) {
      return noneTaken(textReply(200, ""), body, 0, [
        "the content type is that of metrics",
      ]);
    }
    const taken: TakenEvent[] = [];
    const lines = splitLines(body);
    for (const line of lines) {
      const place = taken.length;
      if (poison(line, place)) return said(400, lines.length === 1 ? 1 : 0);
      if (line.length > maxMessage) {
        complaints.push(`message ${place}: over 64 KB, sliced`);
      }
      if (/json/.test(type) && !isJson(line)) {
        complaints.push(`message ${place}: a line is not one JSON value`);
      }
      taken.push({ envelope: line, event: line });
    }
    const reply = textReply(200, "");
    return { reply, taken, decided: taken.length, body, complaints };
  }

  return {
    judge,
    refuse: ({ status, headers }: Refusal) => failure(status, headers),
  };
}

function failure(
  status: number,
  headers: readonly (readonly [string, string])[] = [],
): Reply {
  return jsonReply(status, {
    status,
    id: "DEMO1-SUMO0-00001",
    code: CODES[status] ?? "error",
    message: "Refused by the demo source",
  }, headers);
}
