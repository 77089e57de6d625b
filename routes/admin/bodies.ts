/** Bodies of the admin API: capped, JSON or raw bytes, told apart by nothing but the route. */

import type { Context } from "hono";
import { joinBytes } from "../../lib/json/copy.ts";
import { validateJson } from "../../lib/json/scanner.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";

/** The most that a JSON body may take: 20,000 of the longest ids. It is read in one go, while nothing else has its turn. */
const MOST_JSON = 2 * 1024 * 1024;

/** The whole body, or the reply that says that it is too large. */
export async function readBytes(
  c: Context<AppVariables>,
  most = MOST_JSON,
): Promise<Uint8Array | Response> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of c.req.raw.body ?? []) {
    length += piece.length;
    if (length > most) {
      return problem(c, "too-large", `The body may take ${most} bytes.`);
    }
    pieces.push(piece);
  }
  return joinBytes(pieces);
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
