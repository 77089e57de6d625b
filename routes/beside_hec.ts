/** All that is not HEC: pages, health, the admin API. It answers problems as JSON (RFC 9457) and carries an id. */

import { Hono } from "hono";
import { readAllBooks } from "../lib/delivery/books_watch.ts";
import { DeadLetters } from "../lib/log/dead_kept.ts";
import { isStoreDown } from "../lib/log/kv.ts";
import { mountBooks } from "./admin/books.ts";
import { mountDeadLetters } from "./admin/dead_letters.ts";
import { mountEvents } from "./admin/events.ts";
import { mountExpired } from "./admin/expired.ts";
import { mountReplays } from "./admin/replays.ts";
import { mountSwitches } from "./admin/switches.ts";
import { mountConnectorTest } from "./admin/test_connector.ts";
import { mountVerify } from "./admin/verify.ts";
import type { AppDeps } from "./app.ts";
import { mountHealth } from "./health.ts";
import type { Deadlines } from "./ingest/deadlines.ts";
import { mountHome } from "./home.ts";
import { mountMetrics } from "./metrics.ts";
import { mountProblems, problem } from "./problem.ts";
import { type AppVariables, requestId } from "./request_id.ts";
import { mountStatus } from "./status.ts";

/** Paths with a fixed set of methods. */
const LOOKED_AT = ["/", "/healthz", "/readyz", "/api/v1/status"];

/** A routed application. */
export type BesideHec = Hono<AppVariables>;

/** Mounts every route. @param deadlines of bodies. */
export function besideHec(deps: AppDeps, deadlines: Deadlines): BesideHec {
  const { log, clock, logger, limits } = deps;
  const rest = new Hono<AppVariables>();
  rest.use(requestId(deps.uuid));
  rest.use((c, next) => {
    c.set("deadlines", deadlines);
    return next();
  });
  rest.notFound((c) =>
    problem(c, "not-found", "The relay has nothing at this address.")
  );
  rest.onError((error, c) => {
    if (isStoreDown(error)) {
      return problem(c, "store-down", "The store does not answer.", {
        "Retry-After": "5",
      });
    }
    logger.log("error", "bug", "a request failed", {
      request_id: c.get("requestId"),
      "error.type": error.name,
      stack: error.stack,
    });
    return problem(c, "unexpected", "The request was not carried out.");
  });
  mountHealth(rest, { clock, readiness: deps.readiness });
  mountHome(rest, deps.version);
  mountProblems(rest);
  mountStatus(rest, deps);
  if (deps.metrics !== undefined) {
    const { metrics } = deps;
    mountMetrics(rest, { ...deps, metrics });
  }
  const { connectors = () => [] } = deps;
  mountBooks(rest, async (name) => {
    const named = connectors().filter((one) => one.name === name);
    return (await readAllBooks(log, named)).get(name);
  });
  mountVerify(rest, log.store);
  mountEvents(rest, deps.receipt ?? (() => Promise.resolve(undefined)));
  mountExpired(rest, {
    store: log.store,
    connectors: () => connectors().map(({ name }) => name),
  });
  mountDeadLetters(rest, {
    store: log.store,
    deadLetters: deps.deadLetters ??
      new DeadLetters({ store: log.store, end: () => log.end() }),
    clock,
    connectors: () => connectors().map(({ name }) => name),
    maxBody: limits.maxBody,
  });
  if (deps.replays !== undefined) {
    mountReplays(rest, {
      replays: deps.replays,
      clock,
      connectors,
      maxBody: limits.maxBody,
    });
  }
  mountSwitches(rest, {
    store: log.store,
    switcher: deps.switcher ?? (() => Promise.resolve("unknown")),
  });
  mountConnectorTest(rest, {
    store: log.store,
    test: deps.testConnector ?? (() => Promise.resolve(undefined)),
  });
  for (const path of LOOKED_AT) {
    rest.all(path, (c) =>
      problem(
        c,
        "method-not-allowed",
        `${c.req.method} is not offered here.`,
        { Allow: "GET, HEAD" },
      ));
  }
  return rest;
}
