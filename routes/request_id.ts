/** The id of a request: taken from `X-Request-Id` where it is harmless, made otherwise, always sent back. */

import type { MiddlewareHandler } from "hono";
import type { Deadlines } from "./ingest/deadlines.ts";

/** What every handler outside HEC finds in its context. */
export interface AppVariables {
  readonly Variables: {
    readonly requestId: string;
    /** Of request bodies. */
    readonly deadlines: Deadlines;
  };
}

const HARMLESS = /^[A-Za-z0-9._-]{1,64}$/;

export function requestId(uuid: () => string): MiddlewareHandler<AppVariables> {
  return async (c, next) => {
    const given = c.req.header("X-Request-Id");
    const id = given !== undefined && HARMLESS.test(given) ? given : uuid();
    c.set("requestId", id);
    await next();
    c.res.headers.set("X-Request-Id", id);
  };
}
