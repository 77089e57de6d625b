/** `/api/…` wants the admin token; `GET /api/v1/status` gives the figures. */

import type { Hono, MiddlewareHandler } from "hono";
import { isAdmin } from "./auth.ts";
import { problem } from "./problem.ts";
import type { AppVariables } from "./request_id.ts";

export function mountStatus(app: Hono<AppVariables>, deps: {
  /** SHA-256 of the admin token; without one nobody is let in. */
  readonly adminHash?: Uint8Array;
  /** What `main` puts together; a JSON value. */
  readonly status: () => Promise<unknown>;
}): void {
  app.use("/api/*", adminOnly(deps.adminHash));
  app.get("/api/v1/status", async (c) => {
    c.header("Cache-Control", "no-store");
    return c.json(await deps.status());
  });
}

/** Lets nobody pass who does not send the admin token with this hash. */
export function adminOnly(
  hash: Uint8Array | undefined,
): MiddlewareHandler<AppVariables> {
  return async (c, next) => {
    if (isAdmin(c.req.header("Authorization") ?? null, hash)) {
      await next();
      return;
    }
    return problem(c, "sign-in", "The request has no valid admin token.", {
      "WWW-Authenticate": "Bearer",
    });
  };
}
