/** One measured run: sinks, a relay on a new data folder, a loader; all three processes of their own, all stopped at the end. */

import { Child, freePort } from "./child.ts";
import type { LoaderOptions, Phase, PhaseReport } from "./loader.ts";
import { cpuSeconds, mainThreadSeconds, peakRss } from "./proc.ts";
import type { SinkCommand, SinkReport } from "./sink.ts";

export type Kind = "naive" | "hecate";
/** The types that are fed; the named one is also its sink's. */
export type Destination =
  | "hec"
  | "splunk"
  | "crowdstrike"
  | "sentinel"
  | "elastic"
  | "datadog"
  | "sumo"
  | "qradar"
  | "xsiam";

const HERE = new URL(".", import.meta.url);
export const ADMIN_TOKEN = "hca_bench", TOKEN = "hct_bench";

/** Environment of the relay under test. */
export function relayEnv(options: {
  readonly port: number;
  readonly folder: string;
  readonly ports: Readonly<Partial<Record<Destination, number>>>;
}): Record<string, string> {
  const { port, folder, ports } = options;
  return {
    HECATE_PORT: String(port),
    HECATE_KV: `${folder}/hecate.kv`,
    HECATE_TOKENS: `bench=${TOKEN}`,
    HECATE_ADMIN_TOKEN: ADMIN_TOKEN,
    HECATE_LOG_LEVEL: "error",
    ...Object.assign(
      {},
      ...DESTINATIONS.map((type) => {
        const at = ports[type];
        return at === undefined
          ? {}
          : VARIABLES[type](`http://127.0.0.1:${at}`, at);
      }),
    ),
  };
}

/**
 * What configures each type. Nothing is compressed: sinks count plain bodies, and zlib's cost would be the same in
 * both relays.
 */
const VARIABLES: Readonly<
  Record<
    Destination,
    (base: string, port: number) => Readonly<Record<string, string>>
  >
> = {
  hec: (base) => ({
    HEC_URL: `${base}/services/collector/event`,
    HEC_TOKEN: "t",
    HEC_WRAP: "data",
  }),
  splunk: (base) => ({
    SPLUNK_HEC_URL: base,
    SPLUNK_HEC_TOKEN: "t",
    SPLUNK_HEC_GZIP: "false",
  }),
  crowdstrike: (base) => ({
    NGSIEM_URL: `${base}/services/collector`,
    NGSIEM_API_KEY: "t",
  }),
  sentinel: (base) => ({
    SENTINEL_TENANT_ID: "11111111-2222-3333-4444-555555555555",
    SENTINEL_CLIENT_ID: "66666666-7777-8888-9999-000000000000",
    SENTINEL_CLIENT_SECRET: "t",
    SENTINEL_DCR_ENDPOINT: base,
    SENTINEL_DCR_RULE_ID: "dcr-00000000000000000000000000000000",
    SENTINEL_DCR_STREAM_NAME: "Custom-ArbitexAudit_CL",
    SENTINEL_AUTHORITY_HOST: base,
    SENTINEL_GZIP: "false",
  }),
  elastic: (base) => ({
    ELASTIC_URL: base,
    ELASTIC_API_KEY: "aWQ6a2V5",
    ELASTIC_GZIP: "false",
  }),
  datadog: (base) => ({
    DATADOG_URL: base,
    DATADOG_API_KEY: "t",
    DATADOG_GZIP: "false",
  }),
  sumo: (base) => ({
    SUMO_HTTP_SOURCE_URL: `${base}/receiver/v1/http/t`,
    SUMO_GZIP: "false",
  }),
  qradar: (_, port) => ({
    QRADAR_SYSLOG_HOST: "127.0.0.1",
    QRADAR_SYSLOG_PORT: String(port),
  }),
  xsiam: (base) => ({ XSIAM_URL: base, XSIAM_API_KEY: "t" }),
};

const DESTINATIONS: readonly Destination[] = [
  "hec",
  "splunk",
  "crowdstrike",
  "sentinel",
  "elastic",
  "datadog",
  "sumo",
  "qradar",
  "xsiam",
];

/** Starts a relay and waits until it accepts. */
async function startRelay(
  kind: Kind,
  env: Readonly<Record<string, string>>,
  port: number,
): Promise<Child> {
  const relay = kind === "hecate"
    ? new Child(["run", "-P=start", "main.ts"], env)
    : new Child([
      "run",
      "--unstable-kv",
      "--allow-all",
      new URL("naive_relay.ts", HERE).pathname,
    ], env);
  relay.drain();
  const deadline = performance.now() + 15_000;
  for (;;) {
    try {
      const reply = await fetch(`http://127.0.0.1:${port}/readyz`);
      await reply.body?.cancel();
      if (reply.ok) return relay;
    } catch {
      // Not yet.
    }
    if (performance.now() > deadline) {
      await relay[Symbol.asyncDispose]();
      throw new Error(`The ${kind} relay did not start:\n${relay.complaint}`);
    }
    await new Promise((r) => setTimeout(r, 20));
  }
}

/** Segments that the relay had to read back from KV for a connector that fell behind. */
export async function lagReads(port: number): Promise<number> {
  const reply = await fetch(`http://127.0.0.1:${port}/api/v1/status`, {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  });
  const { log } = await reply.json();
  if (typeof log?.lag_reads !== "number") {
    throw new Error("GET /api/v1/status has no log.lag_reads");
  }
  return log.lag_reads;
}

/** A bench set up: talk to its parts; disposing stops every process and removes the data. */
export class Bench implements AsyncDisposable {
  readonly kind: Kind;
  readonly relay: Child;
  readonly sink: Child;
  readonly loader: Child;
  readonly port: number;
  readonly #folder: string;
  readonly #used: () => { relay: number; main: number; tools: number };

  private constructor(
    kind: Kind,
    parts: { relay: Child; sink: Child; loader: Child },
    place: { port: number; folder: string },
  ) {
    const { relay, sink, loader } = parts;
    this.kind = kind;
    this.relay = relay;
    this.sink = sink;
    this.loader = loader;
    this.port = place.port;
    this.#folder = place.folder;
    this.#used = () => ({
      relay: cpuSeconds(relay.pid),
      main: mainThreadSeconds(relay.pid),
      tools: cpuSeconds(sink.pid) + cpuSeconds(loader.pid),
    });
  }

  static async open(options: {
    readonly kind: Kind;
    readonly to: readonly Destination[];
    readonly batch: 1 | 100;
    readonly connections: number;
    readonly env?: Readonly<Record<string, string>>;
  }): Promise<Bench> {
    const { kind, to, batch, connections, env = {} } = options;
    const folder = await Deno.makeTempDir({ prefix: "hecate-bench-" });
    const port = freePort();
    const net = ["run", "--no-prompt", "--allow-net=127.0.0.1"];
    const sink = new Child([
      ...net,
      new URL("sink.ts", HERE).pathname,
      ...to,
    ]);
    const parts: Child[] = [sink];
    try {
      const { ports } = JSON.parse(await sink.line());
      const at = Object.fromEntries(to.map((type, i) => [type, ports[i]]));
      const relay = await startRelay(
        kind,
        kind === "hecate"
          ? { ...relayEnv({ port, folder, ports: at }), ...env }
          : {
            NAIVE_PORT: String(port),
            NAIVE_KV: `${folder}/naive.kv`,
            NAIVE_SINKS: to.map((type) =>
              `${type}=http://127.0.0.1:${at[type]}`
            )
              .join(","),
          },
        port,
      );
      parts.push(relay);
      const load: LoaderOptions = {
        port,
        token: TOKEN,
        connections,
        batch,
        seed: 20_260_301,
      };
      const loader = new Child([
        ...net,
        new URL("loader.ts", HERE).pathname,
        JSON.stringify(load),
      ]);
      parts.push(loader);
      await loader.line();
      return new Bench(kind, { relay, sink, loader }, { port, folder });
    } catch (error) {
      for (const part of parts) await part[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
      throw error;
    }
  }

  /** Runs one phase of load and waits until every destination in `of` (absent: all) has every event ever acknowledged. */
  async phase(
    phase: Phase,
    options: { of?: readonly number[]; drain?: number } = {},
  ): Promise<Figures> {
    const { of, drain = 120 } = options;
    await this.tell({ do: "clear" });
    const before = this.#used();
    const lagBefore = await this.#lagReads();
    const load = await this.loader.ask<PhaseReport>(phase);
    const sinks = await this.tell<SinkReport[]>({
      do: "await",
      events: load.total,
      seconds: drain,
      ...(of !== undefined && { of }),
    });
    const after = this.#used();
    const waited = of === undefined ? sinks : of.flatMap((i) => sinks[i] ?? []);
    for (const sink of waited) this.#check(sink, load.total);
    const seconds =
      (Math.max(...waited.map((s) => s.lastAt)) - load.startedAt) / 1e6;
    const million = load.events / 1e6;
    return {
      events: load.events,
      rate: load.events / seconds,
      acks: load.events / load.seconds,
      cpu: (after.relay - before.relay) / million,
      main: (after.main - before.main) / million,
      tools: (after.tools - before.tools) / million,
      ackP50: load.ackP50,
      ackP99: load.ackP99,
      p50: Math.max(...waited.map((s) => s.p50)),
      p99: Math.max(...waited.map((s) => s.p99)),
      rss: peakRss(this.relay.pid),
      lagReads: await this.#lagReads() - lagBefore,
    };
  }

  async #lagReads(): Promise<number> {
    return this.kind === "hecate" ? await lagReads(this.port) : 0;
  }

  /** @throws unless a destination has each event exactly once and in order. */
  #check(sink: SinkReport, events: number): void {
    const { repeated, misplaced } = sink;
    if (sink.events === events && repeated === 0 && misplaced === 0) return;
    throw new Error(
      `${this.kind}: ${events} events were acknowledged, a sink counted ${sink.events} ` +
        `(${repeated} repeated, ${misplaced} lost or swapped)\n${this.relay.complaint}`,
    );
  }

  /** Sends the sinks a command. */
  tell<T = unknown>(command: SinkCommand): Promise<T> {
    return this.sink.ask<T>(command);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.loader[Symbol.asyncDispose]();
    await this.relay[Symbol.asyncDispose]();
    await this.sink[Symbol.asyncDispose]();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** What one phase showed. */
export interface Figures {
  readonly events: number;
  /** Events a second from the first byte sent until the last destination had everything. */
  readonly rate: number;
  /** Durably acknowledged events a second. */
  readonly acks: number;
  /** CPU seconds per million events: the relay's, its main thread's, and loader and sinks together. */
  readonly cpu: number;
  readonly main: number;
  readonly tools: number;
  /** Milliseconds: request to answer, and request to destination (the slowest destination's). */
  readonly ackP50: number;
  readonly ackP99: number;
  readonly p50: number;
  readonly p99: number;
  /** Peak resident set since the relay's start, bytes. */
  readonly rss: number;
  /** Segments read back from KV in this phase. */
  readonly lagReads: number;
}
