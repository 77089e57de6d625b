/** Methods that an admin address does not take. */

import type { Hono } from "hono";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";

/** Answers 405 for all methods but those mounted before. @param allow the Allow header. */
export function noOtherMethod(
  app: Hono<AppVariables>,
  path: string,
  allow: string,
): void {
  app.all(path, (c) =>
    problem(
      c,
      "method-not-allowed",
      `${c.req.method} is not offered here.`,
      { Allow: allow },
    ));
}
