/** A relay's HTTP surface over a real log in memory, for tests of HEC: post, then read back what was kept. */

import { systemClock } from "../../lib/clock.ts";
import type { Clock } from "../../lib/clock.ts";
import { EventView, type Position } from "../../lib/event.ts";
import {
  HOST,
  INDEX,
  type Member,
  SOURCE,
  SOURCETYPE,
  TIME,
} from "../../lib/json/spans.ts";
import { Acks } from "../../lib/log/acks.ts";
import { History } from "../../lib/log/history.ts";
import { MAX_EVENT_BYTES } from "../../lib/log/intake.ts";
import { type EventLog, openLog } from "../../lib/log/log.ts";
import { openStore } from "../../lib/log/store.ts";
import { silentLogger } from "../../lib/logger.ts";
import { hashToken, parseTokens } from "../../lib/tokens.ts";
import { type App, type AppDeps, createApp } from "../../routes/app.ts";

/** Tokens of every kind, by what they are for; the value of each is `hct_<name>`. */
export const TOKENS = JSON.stringify([
  { name: "good", value: "hct_good" },
  { name: "splunk", value: "hct_splunk", face: "splunk" },
  { name: "falcon", value: "hct_falcon", face: "ngsiem" },
  { name: "disabled", value: "hct_disabled", disabled: true },
  { name: "query", value: "hct_query", query: true },
  {
    name: "listed",
    value: "hct_listed",
    index: "main",
    indexes: ["main", "security"],
  },
  {
    name: "defaults",
    value: "hct_defaults",
    host: "token-host",
    source: "token-source",
    sourcetype: "token-type",
    index: "token-index",
  },
]);
export const ADMIN_TOKEN = "hca_admin";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** An event as the log has it. Members are the JSON text or undefined. */
export interface KeptEvent {
  readonly id: string;
  readonly event: string;
  readonly bytes: Uint8Array;
  readonly flags: number;
  readonly producer: string;
  readonly time: string | undefined;
  readonly host: string | undefined;
  readonly source: string | undefined;
  readonly sourcetype: string | undefined;
  readonly index: string | undefined;
}

export interface RelayOptions {
  readonly tokens?: string;
  /** The clock of the HTTP surface; the log keeps the machine's own. */
  readonly clock?: Clock;
  readonly limits?: Partial<AppDeps["limits"]>;
  readonly readiness?: AppDeps["readiness"];
  readonly accepts?: () => boolean;
  readonly patience?: NonNullable<AppDeps["patience"]>;
  readonly status?: AppDeps["status"];
  readonly testConnector?: NonNullable<AppDeps["testConnector"]>;
  readonly logger?: AppDeps["logger"];
  /** Commits that find room; the ones after them find the disk full. */
  readonly disk?: { commits: number };
  /** High-water mark of the log, in bytes. */
  readonly maxBytes?: number;
  /** Absent: real ones, with no connector. */
  readonly acks?: (log: EventLog) => Acks;
}

/** A reply, read. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** `code` of the body, if it is JSON. */
  readonly code: number | undefined;
  /** `invalid-event-number`. */
  readonly number: number | undefined;
}

export class Relay implements AsyncDisposable {
  readonly app: App;
  readonly log: EventLog;
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  #read: Position | undefined;

  constructor(app: App, log: EventLog) {
    this.app = app;
    this.log = log;
  }

  /** Posts to a path below `/services/collector` (or an absolute one) as the producer `good`, in Splunk's scheme. */
  async post(
    suffix: string,
    body: BodyInit | Uint8Array,
    headers: Record<string, string> = {},
  ): Promise<Reply> {
    const path = suffix.startsWith("/services") || suffix.startsWith("/api")
      ? suffix
      : `/services/collector${suffix}`;
    return await readReply(
      await this.app.request(path, {
        method: "POST",
        body: body as BodyInit,
        headers: { Authorization: "Splunk hct_good", ...headers },
      }),
    );
  }

  /** Posts on CrowdStrike's face. */
  postFalcon(suffix: string, body: BodyInit): Promise<Reply> {
    return this.post(suffix, body, { Authorization: "Bearer hct_good" });
  }

  /** Serves on a loopback port until the relay is disposed of. */
  serve(): number {
    this.#server ??= Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => this.app.fetch(request),
    );
    return this.#server.addr.port;
  }

  /** What the log kept since the last call, in order. */
  async events(): Promise<readonly KeptEvent[]> {
    const events: KeptEvent[] = [];
    const view = new EventView();
    for (;;) {
      const segment = await this.log.next(this.#read);
      if (segment === undefined) return events;
      const from = this.#read?.segment === segment.id ? this.#read.index : 0;
      for (let i = from; i < segment.count; i++) {
        events.push(keptEvent(view.at(segment, i)));
      }
      this.#read = { segment: segment.id, index: segment.count };
    }
  }

  /** The texts of what the log kept since the last call. */
  async texts(): Promise<readonly string[]> {
    return (await this.events()).map(({ event }) => event);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.shutdown();
    this.app.close();
    await this.log.close();
  }
}

function keptEvent(view: EventView): KeptEvent {
  const member = (word: Member) =>
    view.end(word) > view.start(word)
      ? decoder.decode(
        view.bytes.subarray(view.start(word), view.end(word)),
      )
      : undefined;
  return {
    id: view.id,
    event: decoder.decode(view.event),
    bytes: view.event.slice(),
    flags: view.flags,
    producer: view.run.producer,
    time: member(TIME),
    host: member(HOST),
    source: member(SOURCE),
    sourcetype: member(SOURCETYPE),
    index: member(INDEX),
  };
}

export async function readReply(response: Response): Promise<Reply> {
  const text = await response.text();
  let body: Record<string, unknown> = {};
  try {
    body = JSON.parse(text);
  } catch {
    // Not JSON: there is no code.
  }
  const code = body["code"], number = body["invalid-event-number"];
  return {
    status: response.status,
    headers: response.headers,
    text,
    code: typeof code === "number" ? code : undefined,
    number: typeof number === "number" ? number : undefined,
  };
}

/** Opens one. Dispose of it with `await using`. */
export async function openRelay(options: RelayOptions = {}): Promise<Relay> {
  const { clock = systemClock, limits = {}, maxBytes } = options;
  const { tokens, faults } = parseTokens(options.tokens ?? TOKENS);
  if (faults.length > 0) throw new Error(faults.join("; "));
  const { disk } = options;
  const store = await openStore(":memory:", {
    clock: systemClock,
    logger: silentLogger,
    ...(disk === undefined
      ? {}
      : { openKv: (path) => openKvOnDisk(path, disk) }),
  });
  let ids = 0;
  const log = await openLog(store, {
    clock: systemClock,
    logger: silentLogger,
    random: () => 0.5,
    uuid: () => `00000000-0000-4000-8000-${String(ids++).padStart(12, "0")}`,
    instance: "test",
    connectors: () => [],
    keep: 24 * 3_600_000,
    keepBytes: 2 ** 30,
    ...(maxBytes === undefined ? {} : { maxBytes }),
  });
  const acks = options.acks?.(log) ??
    new Acks(log, {
      connectors: () => [],
      expiry: new History(log),
    });
  const app = createApp({
    log,
    acks,
    tokens,
    adminHash: hashToken(ADMIN_TOKEN),
    clock,
    logger: options.logger ?? silentLogger,
    limits: {
      maxBody: 64 << 20,
      maxEvent: MAX_EVENT_BYTES,
      maxInflight: 128 << 20,
      ...limits,
    },
    readiness: options.readiness ?? { store: () => true },
    status: options.status ?? (() => Promise.resolve({ version: 1 })),
    uuid: () => "00000000-0000-4000-8000-000000000000",
    version: "0.0.0",
    ...(options.patience === undefined ? {} : { patience: options.patience }),
    ...(options.accepts === undefined ? {} : { accepts: options.accepts }),
    ...options.testConnector && { testConnector: options.testConnector },
  });
  return new Relay(app, log);
}

/** A KV that says what a full disk makes it say, once `disk.commits` are used up. */
async function openKvOnDisk(
  path: string | undefined,
  disk: { commits: number },
): Promise<Deno.Kv> {
  const kv = await Deno.openKv(path);
  const atomic = kv.atomic.bind(kv);
  kv.atomic = () => {
    const operation = atomic();
    const commit = operation.commit.bind(operation);
    operation.commit = () =>
      disk.commits-- > 0
        ? commit()
        : Promise.reject(new TypeError("database or disk is full"));
    return operation;
  };
  return kv;
}
