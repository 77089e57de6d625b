/** `GET /api/v1/log/verify`: walks the log's checksums and hash chain (interface §14). One walk at a time. */

import type { Hono } from "hono";
import type { Store } from "../../lib/log/store.ts";
import { verifyLog } from "../../lib/log/verify.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";
import { noOtherMethod } from "./methods.ts";

const PATH = "/api/v1/log/verify";

export function mountVerify(app: Hono<AppVariables>, store: Store): void {
  let isRunning = false;
  app.get(PATH, async (c) => {
    if (isRunning) {
      return problem(c, "in-progress", "The log is being verified already.", {
        "Retry-After": "10",
      });
    }
    isRunning = true;
    try {
      const verdict = await verifyLog(store, c.req.raw.signal);
      c.header("Cache-Control", "no-store");
      return c.json(verdict);
    } finally {
      isRunning = false;
    }
  });
  noOtherMethod(app, PATH, "GET, HEAD");
}
