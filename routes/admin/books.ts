/** `GET /api/v1/connectors/{name}/books`: the seven counts and their difference (interface §9). */

import type { Hono } from "hono";
import type { ConnectorBooks } from "../../lib/log/books.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";
import { noOtherMethod } from "./methods.ts";

const PATH = "/api/v1/connectors/:name/books";

/** @param books of one connector; undefined: it is not configured. */
export function mountBooks(
  app: Hono<AppVariables>,
  books: (name: string) => Promise<ConnectorBooks | undefined>,
): void {
  app.get(PATH, async (c) => {
    const name = c.req.param("name");
    const found = await books(name);
    if (found === undefined) {
      return problem(
        c,
        "not-found",
        `There is no connector ${JSON.stringify(name)}.`,
      );
    }
    c.header("Cache-Control", "no-store");
    return c.json({
      connector: name,
      accepted: found.accepted,
      delivered: found.delivered,
      filtered: found.filtered,
      dead: found.dead,
      discarded: found.discarded,
      waiting: found.waiting,
      expired: found.expired,
      difference: found.difference,
    });
  });
  noOtherMethod(app, PATH, "GET, HEAD");
}
