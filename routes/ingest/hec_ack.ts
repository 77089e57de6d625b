/** Indexer acknowledgement on the wire: the channel of a request, what a poll asks and what it is answered. */

import type { Code } from "../../lib/format/hec_codes.ts";
import { JSON_TYPE } from "./hec_answer.ts";

const CHANNEL = "x-splunk-request-channel";
const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** An id as its own JSON text has it. */
const ID = /^(?:0|[1-9][0-9]{0,15})$/;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The channel of a request in lower case, or the code for why there is none. The header wins over the query. */
export function readChannel(
  request: Request,
  parameters: URLSearchParams | undefined,
): string | Extract<Code, 10 | 11> {
  const given = request.headers.get(CHANNEL)?.trim() ||
    (parameters?.get("channel") ?? "");
  if (given === "") return 10;
  const channel = given.toLowerCase();
  return GUID.test(channel) ? channel : 11;
}

/**
 * What a poll asks: `{"acks":[0,1]}`. By the text that the answer names it with, the id; NaN where it can be none.
 * Or the code for what is wrong with the body.
 */
export function readAskedIds(
  bytes: Uint8Array,
): ReadonlyMap<string, number> | Extract<Code, 5 | 6> {
  let body: unknown;
  try {
    const text = decoder.decode(bytes);
    if (text.trim() === "") return 5;
    body = JSON.parse(text);
  } catch {
    return 6;
  }
  if (typeof body !== "object" || body === null || !("acks" in body)) return 6;
  if (!Array.isArray(body.acks)) return 6;
  const asked = new Map<string, number>();
  for (const one of body.acks as readonly unknown[]) {
    if (typeof one !== "number" && typeof one !== "string") return 6;
    const name = String(one);
    asked.set(name, ID.test(name) ? Number(name) : NaN);
  }
  return asked;
}

/** The answer to a poll: every id that was asked for, in that order. Written by hand: objects sort such names. */
export function ackReply(
  asked: ReadonlyMap<string, number>,
  isTrue: ReadonlySet<number>,
): Response {
  const members: string[] = [];
  for (const [name, id] of asked) {
    members.push(`${JSON.stringify(name)}:${isTrue.has(id)}`);
  }
  return new Response(`{"acks":{${members.join(",")}}}`, {
    status: 200,
    headers: JSON_TYPE,
  });
}
