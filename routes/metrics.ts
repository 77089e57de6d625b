/** `GET /metrics`: figures for Prometheus. Wants the admin token, as `/api` does. */

import type { Hono } from "hono";
import { adminOnly } from "./status.ts";
import { noOtherMethod } from "./admin/methods.ts";
import type { AppVariables } from "./request_id.ts";

const PATH = "/metrics";

export function mountMetrics(app: Hono<AppVariables>, deps: {
  readonly adminHash?: Uint8Array;
  /** The page. */
  readonly metrics: () => Promise<string>;
}): void {
  app.use(PATH, adminOnly(deps.adminHash));
  app.get(PATH, async (c) =>
    c.body(await deps.metrics(), 200, {
      "Content-Type": "text/plain; version=0.0.4; charset=utf-8",
      "Cache-Control": "no-store",
    }));
  noOtherMethod(app, PATH, "GET, HEAD");
}
