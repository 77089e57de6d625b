/** Replies of the collector: what a judged body and what the log kept of it come to. */

import type { Judgement } from "../../lib/format/hec.ts";
import { type Code, REPLIES, replyBody } from "../../lib/format/hec_codes.ts";
import type { Kept } from "../../lib/log/intake.ts";
import type { Face } from "../../lib/tokens.ts";
import type { Body } from "./body.ts";

/** As a record: header pairs cost `new Response` twice as much. */
export const JSON_TYPE: Readonly<Record<string, string>> = {
  "Content-Type": "application/json; charset=UTF-8",
};
/** Seconds that a producer shall wait: until requests in flight are done; until a full store may have room. */
const RETRY_BUSY = "1", RETRY_FULL = "30", RETRY_CLOSING = "5";

/** A reply in the making. */
export interface Answer {
  readonly code: Code;
  readonly number?: number | undefined;
  /** Where they differ from the code's own. */
  readonly status?: number;
  readonly text?: string;
  readonly kept?: Kept;
  /** Of what was kept. */
  readonly ackId?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The reply to a body of which this was kept; the first fault in the body's order wins. */
export function answerFor(
  body: Body,
  judged: Judgement,
  kept: Kept | undefined,
): Answer {
  if (kept?.refusal !== undefined) {
    const number = kept.kept > 0 ? kept.kept : undefined;
    switch (kept.refusal) {
      case "too_large":
        return { code: 6, number: kept.kept, kept };
      case "closing":
        return {
          code: 23,
          number,
          kept,
          headers: { "Retry-After": RETRY_CLOSING },
        };
      case "full":
      case "unavailable":
        return { ...busy(), number, kept };
      default:
        return kept.refusal satisfies never;
    }
  }
  const withKept = kept === undefined ? {} : { kept };
  if (body.kind === "slow") {
    return {
      code: 6,
      status: 408,
      text: "Request timed out",
      headers: { "Connection": "close" },
      ...withKept,
    };
  }
  if (body.kind === "gone") {
    // The client cut it, or the server at its own end while the client still listens: nobody can tell which.
    return {
      ...busy(RETRY_CLOSING),
      text: "Request was cut off",
      ...(kept === undefined ? {} : { number: kept.kept, kept }),
    };
  }
  return { code: judged.code, number: judged.number, ...withKept };
}

/** The reply to a body that was not read to its end. Nothing of it is kept. */
export function refuseBody(
  kind: "too_large" | "busy" | "encoding" | "broken",
  face: Face,
): Answer {
  switch (kind) {
    case "too_large":
      return face === "ngsiem"
        ? { code: 6, number: 0 }
        : { code: 6, status: 413, text: "Content too large" };
    case "busy":
      return busy(RETRY_BUSY);
    case "encoding":
      return { code: 6, status: 415, text: "Unsupported content encoding" };
    case "broken":
      return { code: 6 };
    default:
      return kind satisfies never;
  }
}

/** Nothing is taken now. `seconds`: when to come again. */
export function busy(seconds: string = RETRY_FULL): Answer {
  return { code: 9, headers: { "Retry-After": seconds } };
}

/** A wrong address, or (405) a wrong method: the same body, as Splunk has it. */
export function notFound(
  status: number,
  headers: Readonly<Record<string, string>>,
): Response {
  return new Response(
    replyBody("The requested URL was not found on this server.", 404),
    { status, headers: { ...JSON_TYPE, ...headers } },
  );
}

/** An answer as it goes out. */
export function respond(answer: Answer): Response {
  const { code, kept, headers: extra } = answer;
  const known = REPLIES[code];
  const headers: Record<string, string> = { ...JSON_TYPE };
  if (kept !== undefined && kept.kept > 0) {
    headers["Hecate-Event-Ids"] = eventIds(kept);
  }
  if (extra !== undefined) Object.assign(headers, extra);
  return new Response(
    replyBody(answer.text ?? known.text, code, answer.number, answer.ackId),
    { status: answer.status ?? known.status, headers },
  );
}

/** `<id of the first>+<count>`, comma separated (interface §7). */
function eventIds({ ids }: Kept): string {
  return ids.map(({ segment, first, count }) => `${segment}-${first}+${count}`)
    .join(",");
}
