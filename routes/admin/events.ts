/** `GET /api/v1/events/{id}`: an event's receipt (interface §7), with the event itself byte for byte. */

import type { Hono } from "hono";
import { joinBytes } from "../../lib/json/copy.ts";
import type { Receipt } from "../../lib/delivery/receipts.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";
import { noOtherMethod } from "./methods.ts";

const PATH = "/api/v1/events/:id";

/** @param receipt of an event; undefined: it is unknown or gone. */
export function mountEvents(
  app: Hono<AppVariables>,
  receipt: (id: string) => Promise<Receipt | undefined>,
): void {
  app.get(PATH, async (c) => {
    const found = await receipt(c.req.param("id"));
    if (found === undefined) {
      return problem(
        c,
        "not-found",
        "There is no event of this id, or the log keeps it no longer.",
      );
    }
    return c.body(receiptBytes(found), 200, {
      "Content-Type": "application/json",
      "Cache-Control": "no-store",
    });
  });
  noOtherMethod(app, PATH, "GET, HEAD");
}

/** The receipt as JSON, the event last and as it came. */
function receiptBytes(receipt: Receipt): Uint8Array<ArrayBuffer> {
  const { event, ...members } = receipt;
  const text = JSON.stringify(members);
  const encoder = new TextEncoder();
  if (event === undefined) return encoder.encode(text);
  const head = encoder.encode(`${text.slice(0, -1)},"event":`);
  return joinBytes([head, event, encoder.encode("}")]);
}
