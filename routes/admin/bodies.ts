/** Bodies of the admin API: capped, JSON or raw bytes, told apart by nothing but the route. */

import type { Context } from "hono";
import { joinBytes } from "../../lib/json/copy.ts";
import { validateJson } from "../../lib/json/scanner.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";
import { isObject } from "./dead_filter.ts";
import { invalidField } from "./lists.ts";

/** The most that a JSON body may take: 20,000 of the longest ids. It is read in one go, while nothing else has its turn. */
const MOST_JSON = 2 * 1024 * 1024;

/** The whole body, or the reply that says that it is too large or did not come. */
export async function readBytes(
  c: Context<AppVariables>,
  most = MOST_JSON,
): Promise<Uint8Array | Response> {
  const { body, headers } = c.req.raw;
  if (body === null) return joinBytes([]);
  const deadlines = c.get("deadlines"), reader = body.getReader();
  const abandon = () => void reader.cancel().catch(() => undefined);
  // Ends the read that is waiting, as if the body were over.
  const watched = deadlines.watch(abandon);
  const pieces: Uint8Array[] = [];
  let length = 0, isWhole = true;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      deadlines.touch(watched);
      length += value.length;
      if (length > most) {
        abandon();
        return problem(c, "too-large", `The body may take ${most} bytes.`);
      }
      pieces.push(value);
    }
  } catch {
    // The client cut the connection, or the server ends.
    isWhole = false;
  } finally {
    deadlines.unwatch(watched);
  }
  // Deno 2.5 ends the body of a server that is aborted as if it were whole.
  const isShort = Number(headers.get("Content-Length") ?? NaN) > length;
  if (isWhole && !isShort && !watched.isExpired) return joinBytes(pieces);
  return problem(
    c,
    "cut-off",
    `${length} bytes of it came. Nothing was done.`,
    { Connection: "close" },
  );
}

/** Nothing but JSON's own white space (RFC 8259 §2)? Other control characters are a body, and a wrong one. */
export function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) =>
    byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
  );
}

/** The value of a JSON body ({} of an empty one), or the reply that says what it is not. */
export function jsonOf(
  c: Context<AppVariables>,
  bytes: Uint8Array,
): { readonly value: unknown } | Response {
  if (isBlank(bytes)) return { value: {} };
  const fault = validateJson(bytes);
  if (fault !== undefined) {
    return problem(
      c,
      "invalid-json",
      `The body is no JSON: ${fault.reason} at byte ${fault.at}.`,
    );
  }
  return { value: JSON.parse(new TextDecoder().decode(bytes)) };
}

/** A JSON body that is an object ({} of an empty one), or the reply that says what it is not. */
export function objectOf(
  c: Context<AppVariables>,
  bytes: Uint8Array,
): { readonly value: Readonly<Record<string, unknown>> } | Response {
  const json = jsonOf(c, bytes);
  if (json instanceof Response) return json;
  const { value } = json;
  return isObject(value) ? { value } : invalidField(c, {
    pointer: "#",
    code: "type",
    detail: "an object, or no body.",
  });
}
