/** The relay's HTTP surface. HEC comes before Hono: its hot path pays for no routing and no middleware. */

import type { Clock } from "../lib/clock.ts";
import type { BookedConnector } from "../lib/delivery/books_watch.ts";
import type { Receipt } from "../lib/delivery/receipts.ts";
import type { Switcher } from "../lib/delivery/switching.ts";
import type { Acks } from "../lib/log/acks.ts";
import type { DeadLetters } from "../lib/log/dead_kept.ts";
import type { EventLog } from "../lib/log/log.ts";
import type { Replays } from "../lib/log/replays.ts";
import type { Logger } from "../lib/logger.ts";
import type { IngestToken } from "../lib/tokens.ts";
import type { ConnectorTester } from "./admin/test_connector.ts";
import type { BesideHec } from "./beside_hec.ts";
import type { Readiness } from "./health.ts";
import type { BodyPatience, Deadlines } from "./ingest/deadlines.ts";
import { HecIntake, type HecLimits } from "./ingest/hec.ts";
import { findHecRoute } from "./ingest/hec_route.ts";

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
  /** Loads what is not HEC, which otherwise its first request does. */
  load(): Promise<void>;
  /** For tests: a path or an address, as `fetch` takes them. */
  request(path: string, init?: RequestInit): Promise<Response>;
  /** Envelopes taken with members that HEC does not know, since the start. */
  unknownMembers(): number;
  /** Bytes of request bodies held now. */
  heldBytes(): number;
  /** Ends the one timer. The server that uses `fetch` is its owner's to stop. */
  close(): void;
}

/** Puts the surfaces together. */
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
  let rest: Promise<BesideHec> | undefined;
  const load = () => rest ??= loadRest(deps, hec.deadlines);
  function fetch(request: Request): Response | Promise<Response> {
    const route = findHecRoute(request.url);
    return route === undefined
      ? load().then((app) => app.fetch(request))
      : hec.handle(request, route);
  }
  return {
    fetch,
    async load() {
      await load();
    },
    async request(path, init) {
      return await fetch(new Request(new URL(path, "http://relay"), init));
    },
    unknownMembers: () => hec.unknownMembers,
    heldBytes: () => hec.heldBytes,
    close: () => hec.close(),
  };
}

/** No producer waits for the rest to be loaded: a start takes events first. */
async function loadRest(
  deps: AppDeps,
  deadlines: Deadlines,
): Promise<BesideHec> {
  const { besideHec } = await import("./beside_hec.ts");
  return besideHec(deps, deadlines);
}
