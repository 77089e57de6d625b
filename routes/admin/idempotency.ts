/** `Idempotency-Key`: the same request again gets the first answer, and is not carried out twice. */

import type { Context } from "hono";
import {
  claimKey,
  keepAnswer,
  requestPrint,
} from "../../lib/log/idempotency.ts";
import type { Store } from "../../lib/log/store.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";
import { invalidField } from "./lists.ts";

/** Printable ASCII, as the header's draft has it. */
const KEY = /^[\x21-\x7e]{1,255}$/;
const REPLAYED = "Idempotent-Replayed";
/** What of an answer is kept beside its text. */
const HEADERS = ["Content-Type", "Location", "Cache-Control"];

/**
 * Carries a request out, or gives the answer that it had. Only answers below 500 are kept.
 * @param body the request's whole body.
 */
export async function idempotent(
  c: Context<AppVariables>,
  store: Store,
  body: Uint8Array,
  run: () => Response | Promise<Response>,
): Promise<Response> {
  const key = c.req.header("Idempotency-Key");
  if (key === undefined) return await run();
  if (!KEY.test(key)) {
    return invalidField(c, {
      pointer: "Idempotency-Key",
      code: "bad_characters",
      detail: "1 to 255 printable ASCII characters without blanks.",
    });
  }
  // A Host header may make an address that is none (`Host: [`).
  const { pathname, search } = URL.parse(c.req.url) ??
    { pathname: c.req.path, search: "" };
  const print = requestPrint([c.req.method, pathname, search, body]);
  const claim = await claimKey(store, key, print);
  switch (claim.kind) {
    case "other":
      return problem(
        c,
        "idempotency-key-reused",
        "Another request had this Idempotency-Key within 24 hours.",
      );
    case "running":
      return problem(
        c,
        "in-progress",
        "The first request with this Idempotency-Key is not answered yet.",
        { "Retry-After": "1" },
      );
    case "known": {
      const { status, headers, text } = claim.answer;
      return new Response(text, {
        status,
        headers: { ...headers, [REPLAYED]: "true" },
      });
    }
  }
  let answer: Awaited<ReturnType<typeof kept>> | undefined;
  let response: Response;
  try {
    response = await run();
    if (response.status < 500) answer = await kept(response.clone());
  } finally {
    // What cannot be noted is carried out again when it is asked again.
    await keepAnswer(store, key, { print, version: claim.version }, answer)
      .catch(() => undefined);
  }
  return response;
}

async function kept(response: Response) {
  const headers: Record<string, string> = {};
  for (const name of HEADERS) {
    const value = response.headers.get(name);
    if (value !== null) headers[name] = value;
  }
  return { status: response.status, headers, text: await response.text() };
}
