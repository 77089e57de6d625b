/**
 * The demo SIEM as Datadog's log intake v2 and its key check: `reference/destinations.md` §4. Limits in the stricter
 * reading (5 MB = 5,000,000 bytes). A refused request leaves nothing behind.
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
import {
  elementsOf,
  isJson,
  membersOf,
  parsed,
  stringBytes,
} from "../source_text.ts";

export interface DatadogOptions {
  /** The API key. */
  readonly token: string;
  /** Bytes, decoded. */
  readonly maxBody?: number;
  readonly maxEntries?: number;
  /** Bytes; a longer entry is cut without a word. */
  readonly maxEntry?: number;
}

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Request Entity Too Large",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};
/** Attributes of the intake and what they must be. */
const TEXTS = ["ddsource", "ddtags", "hostname", "service", "status"];
const INTAKE = "/api/v2/logs";
const KEY_CHECK = "/api/v1/validate";

/** An intake with one API key. */
export function datadog(options: DatadogOptions): Protocol {
  const {
    token,
    maxBody = 5_000_000,
    maxEntries = 1000,
    maxEntry = 1_000_000,
  } = options;

  function judge(request: CollectorRequest, poison: Poison): Verdict {
    const { method, path, headers } = request;
    const said = (status: number, detail: string, decided = 0) =>
      noneTaken(failure(status, detail), request.body, decided);
    const key = headers.get("dd-api-key");
    if (path === KEY_CHECK) {
      return noneTaken(
        method !== "GET"
          ? failure(405, "use GET")
          : key === token
          ? jsonReply(200, { valid: true })
          : jsonReply(403, { errors: ["Forbidden"] }),
        request.body,
      );
    }
    if (path !== INTAKE) return said(404, "no such resource");
    if (method !== "POST") return said(405, "use POST");
    if (key === null) return said(401, "API key is missing");
    if (key !== token) return said(403, "API key is invalid");
    if (!/^application\/json\b/.test(headers.get("content-type") ?? "")) {
      return said(400, "unsupported content type");
    }
    const body = decoded(request, "optional");
    if (typeof body === "string") return said(400, "could not decode body");
    if (body.length > maxBody) return said(413, "payload over 5 MB");
    const entries = isJson(body) ? elementsOf(body) : undefined;
    if (entries === undefined) return said(400, "Invalid JSON array");
    if (entries.length > maxEntries) return said(400, "over 1000 entries");
    const taken: TakenEvent[] = [];
    const complaints: string[] = [];
    const decided = entries.length === 1 ? 1 : 0;
    for (const [place, entry] of entries.entries()) {
      const members = membersOf(entry);
      if (members === undefined) return said(400, "not an object", decided);
      const event = stringBytes(members.get("message")) ?? entry;
      if (poison(event, place)) return said(400, "entry refused", decided);
      complaints.push(
        ...complaintsOf(members, entry.length > maxEntry)
          .map((one) => `entry ${place}: ${one}`),
      );
      taken.push({ envelope: entry, event });
    }
    const reply = jsonReply(202, {});
    return { reply, taken, decided: taken.length, body, complaints };
  }

  function refuse({ status, headers = [] }: Refusal): Reply {
    const said = headers.flatMap(([name, value]) =>
      // Datadog names the wait in seconds in a header of its own.
      status === 429 && name === "Retry-After" && /^\d+$/.test(value)
        ? [
          ["X-RateLimit-Limit", "1000"],
          ["X-RateLimit-Period", "60"],
          ["X-RateLimit-Remaining", "0"],
          ["X-RateLimit-Reset", value],
        ] as const
        : [[name, value]] as const
    );
    return failure(status, "refused on request", said);
  }

  return { judge, refuse, isIntake: ({ path }) => path === INTAKE };
}

function failure(
  status: number,
  detail: string,
  headers: readonly (readonly [string, string])[] = [],
): Reply {
  const title = TITLES[status] ?? "Error";
  return jsonReply(status, {
    errors: [{ status: String(status), title, detail }],
  }, headers);
}

function complaintsOf(
  members: ReadonlyMap<string, Uint8Array>,
  isTooLong: boolean,
): string[] {
  const complaints = isTooLong ? ["over 1 MB, cut"] : [];
  for (const name of TEXTS) {
    const member = members.get(name);
    if (member !== undefined && typeof parsed(member) !== "string") {
      complaints.push(`${name} is no text`);
    }
  }
  const message = stringBytes(members.get("message"));
  if (message === undefined) {
    complaints.push("no message, or one that is no text");
    return complaints;
  }
  const time = members.get("timestamp");
  if (time !== undefined && !/^\d{13}$/.test(new TextDecoder().decode(time))) {
    complaints.push("timestamp is not in milliseconds");
  }
  // A message that is JSON is taken apart, and its own captions then decide the log's status: "Failure" is emergency.
  const inside = isJson(message) ? membersOf(message) : undefined;
  for (const name of ["status", "severity"]) {
    const caption = stringBytes(inside?.get(name));
    if (caption !== undefined) {
      complaints.push(`the message's own ${name} decides the log's status`);
    }
  }
  return complaints;
}
