/** The relay's HTTP surface. HEC comes before Hono: its hot path pays for no routing and no middleware. */

import { Hono } from "hono";
import type { Clock } from "../lib/clock.ts";
import type { Switcher } from "../lib/delivery/switching.ts";
import type { Acks } from "../lib/log/acks.ts";
import {
  type BookedConnector,
  readAllBooks,
} from "../lib/delivery/books_watch.ts";
import type { Receipt } from "../lib/delivery/receipts.ts";
import { DeadLetters } from "../lib/log/dead_kept.ts";
import { KvTimeout } from "../lib/log/kv.ts";
import type { EventLog } from "../lib/log/log.ts";
import type { Replays } from "../lib/log/replays.ts";
import type { Logger } from "../lib/logger.ts";
import type { IngestToken } from "../lib/tokens.ts";
import {
  type ConnectorTester,
  mountConnectorTest,
} from "./admin/test_connector.ts";
import { mountBooks } from "./admin/books.ts";
import { mountDeadLetters } from "./admin/dead_letters.ts";
import { mountEvents } from "./admin/events.ts";
import { mountExpired } from "./admin/expired.ts";
import { mountSwitches } from "./admin/switches.ts";
import { mountReplays } from "./admin/replays.ts";
import { mountVerify } from "./admin/verify.ts";
import { mountMetrics } from "./metrics.ts";
import { mountHealth, type Readiness } from "./health.ts";
import { mountHome } from "./home.ts";
import type { BodyPatience } from "./ingest/deadlines.ts";
import { HecIntake, type HecLimits } from "./ingest/hec.ts";
import { findHecRoute } from "./ingest/hec_route.ts";
import { mountProblems, problem } from "./problem.ts";
import { type AppVariables, requestId } from "./request_id.ts";
import { mountStatus } from "./status.ts";

/** Paths with a fixed set of methods: all but HEC's. */
const LOOKED_AT = ["/", "/healthz", "/readyz", "/api/v1/status"];
/** 60 s without a byte, 10 minutes in all (interface §18). */
const PATIENCE: BodyPatience = { idle: 60_000, total: 600_000 };

export interface AppDeps {
  readonly log: EventLog;
  readonly acks: Acks;
  readonly tokens: readonly IngestToken[];
  /** SHA-256 of the admin token (`hashToken`). Without it `/api` lets nobody in. */
  readonly adminHash?: Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Bytes. */
  readonly limits: HecLimits;
  /** How long a body may take, in milliseconds. */
  readonly patience?: BodyPatience;
  /** The checks of `/readyz`. */
  readonly readiness: Readiness;
  /** False while no event may be taken although the log would. */
  readonly accepts?: () => boolean;
  /** What `/api/v1/status` answers. */
  readonly status: () => Promise<unknown>;
  /** The configured connectors; absent: none. */
  readonly connectors?: () => readonly BookedConnector[];
  /** Absent: those of the log's store. */
  readonly deadLetters?: DeadLetters;
  /** Absent: there are none. */
  readonly replays?: Replays;
  /** The receipt of an event. Absent: none is known. */
  readonly receipt?: (id: string) => Promise<Receipt | undefined>;
  /** What `/metrics` answers; absent: nothing is there. */
  readonly metrics?: () => Promise<string>;
  /** Switches connectors by hand. Absent: there is none to switch. */
  readonly switcher?: Switcher;
  /** Tests a connector's connection. Absent: there is none to test. */
  readonly testConnector?: ConnectorTester;
  /** Ids of requests. */
  readonly uuid: () => string;
  readonly version: string;
}

export interface App {
  /** For `Deno.serve`. */
  fetch(request: Request): Response | Promise<Response>;
  /** For tests: a path or an address, as `fetch` takes them. */
  request(path: string, init?: RequestInit): Promise<Response>;
  /** Envelopes taken with members that HEC does not know, since the start. */
  unknownMembers(): number;
  /** Bytes of request bodies held now. */
  heldBytes(): number;
  /** Ends the one timer. The server that uses `fetch` is its owner's to stop. */
  close(): void;
}

/** Puts the surfaces together. Everything that is not HEC answers problems as JSON (RFC 9457) and carries an id. */
export function createApp(deps: AppDeps): App {
  const { log, acks, tokens, clock, logger, limits } = deps;
  const { patience = PATIENCE, accepts = () => true } = deps;
  const hec = new HecIntake({
    log,
    acks,
    tokens,
    clock,
    logger,
    limits,
    patience,
    accepts,
  });
  const rest = new Hono<AppVariables>();
  rest.use(requestId(deps.uuid));
  rest.notFound((c) =>
    problem(c, "not-found", "The relay has nothing at this address.")
  );
  rest.onError((error, c) => {
    if (error instanceof KvTimeout) {
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
  mountConnectorTest(
    rest,
    deps.testConnector ?? (() => Promise.resolve(undefined)),
  );
  for (const path of LOOKED_AT) {
    rest.all(path, (c) =>
      problem(
        c,
        "method-not-allowed",
        `${c.req.method} is not offered here.`,
        { Allow: "GET, HEAD" },
      ));
  }
  function fetch(request: Request): Response | Promise<Response> {
    const route = findHecRoute(request.url);
    return route === undefined
      ? rest.fetch(request)
      : hec.handle(request, route);
  }
  return {
    fetch,
    async request(path, init) {
      return await fetch(new Request(new URL(path, "http://relay"), init));
    },
    unknownMembers: () => hec.unknownMembers,
    heldBytes: () => hec.heldBytes,
    close: () => hec.close(),
  };
}
