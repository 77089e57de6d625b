/**
 * Hecate: one URL in, every SIEM out. This file wires the parts and is the only one that reads the environment.
 *
 * `deno task start` runs the relay from its environment, `deno task demo` beside a demo SIEM, `deno task hecate` one
 * command of the CLI. On Deno Deploy the same file is the entry point: no arguments, no files, KV without a path. It is
 * long because all wiring is here, once.
 */

import { hostname } from "node:os";
import * as registry from "./connectors/registry.ts";
import { systemClock } from "./lib/clock.ts";
import { type Configuration, readConfiguration } from "./lib/config/load.ts";
import { RiskWatch } from "./lib/delivery/risk.ts";
import { BooksWatch } from "./lib/delivery/books_watch.ts";
import type { Fleet } from "./lib/delivery/fleet.ts";
import { openDatagrams } from "./lib/delivery/datagram.ts";
import { openHttp } from "./lib/delivery/http_client.ts";
import { openStream } from "./lib/delivery/stream.ts";
import { openFleet, openHands } from "./lib/delivery/open_fleet.ts";
import { reportedConnectors, warningsOf } from "./lib/delivery/reported.ts";
import { statusReport } from "./lib/delivery/status.ts";
import { connectorSwitcher } from "./lib/delivery/switching.ts";
import { platformToken } from "./lib/delivery/platform_token.ts";
import { jsonLogger, type Logger } from "./lib/logger.ts";
import { Acks } from "./lib/log/acks.ts";
import type { SinkEnvironment } from "./lib/connector.ts";
import { beginPlaces } from "./lib/log/begin.ts";
import { openCredentials } from "./lib/log/credentials.ts";
import { DeadLetters } from "./lib/log/dead_kept.ts";
import { History } from "./lib/log/history.ts";
import type { Hands } from "./lib/log/hands.ts";
import { type EventLog, openLog } from "./lib/log/log.ts";
import { Replays } from "./lib/log/replays.ts";
import { hadEvent } from "./lib/log/standing.ts";
import { openStore, type Store, StoreError } from "./lib/log/store.ts";
import { type LoadedMap, loadedMap } from "./lib/ocsf/loaded_map.ts";
import { OcsfReader } from "./lib/ocsf/reader.ts";
import { printable } from "./lib/printable.ts";
import { redactor } from "./lib/secrets.ts";
import { type App, createApp } from "./routes/app.ts";
import { AddressInUse, listen, ListenFault } from "./routes/listen.ts";

const VERSION = "0.1.0";
/** A relay takes no argument: a file named there would go unread without a word. */
const USAGE =
  "Usage: deno task start (settings come from the environment; HECATE_CONFIG=FILE names a file), deno task demo, deno task hecate COMMAND.";
/** Exit code of a wrong configuration (`EX_CONFIG` of sysexits.h). */
const EXIT_CONFIGURATION = 78;
/** `deno task` and npx may deliver one Ctrl+C twice; only a second one this much later means "at once". */
const SECOND_SIGNAL_MS = 1_000;
/** Ends everything within the 5 s that Deno Deploy and the interface give; the fleet takes up to 4 s of it. */
const STOP_MS = 4_500;
/** How long a request in flight may go on at the least, while deliveries end. */
const ANSWER_MS = 500;
/** How long a cron run goes on draining what waits, a little under its minute. */
const DRAIN_MS = 50_000;
/** Far above any configuration, certificate or token. */
const MOST_FILE_BYTES = 4_194_304;

type Environment = Readonly<Record<string, string>>;
type Settings = Extract<Configuration, { ok: true }>;

/** A relay that runs. */
interface Relay {
  /** Where it listens, with a slash at the end. */
  readonly url: string;
  readonly log: EventLog;
  readonly fleet: Fleet;
  /** Ends it in order: no new requests, batches in flight end, places are saved, leases given back. */
  stop(): Promise<void>;
}

/** What a person has to mend before the relay can start: lines for stderr and the exit code. */
class StartFault extends Error {
  override readonly name = "StartFault";
  constructor(readonly lines: readonly string[], readonly exitCode: number) {
    super(lines.join("\n"));
  }
}

function configurationFault(
  faults: readonly string[],
  warnings: readonly string[],
): StartFault {
  return new StartFault([
    `Hecate cannot start: ${faults.length} fault(s) in the configuration.`,
    ...faults,
    ...warnings.map((warning) => `(${warning})`),
  ], EXIT_CONFIGURATION);
}

/** Starts a relay from an environment. @throws {StartFault} */
async function startRelay(env: Environment): Promise<Relay> {
  const ocsf = loadedMap();
  const settings = await readConfiguration({
    env,
    readFile: readText,
    types: Object.values(registry),
    sinkEnvironment: (relay) => sinkEnvironment(relay, env, ocsf),
  });
  if (!settings.ok) {
    throw configurationFault(settings.faults, settings.warnings);
  }
  const { relay } = settings;
  redact = redactor(settings.secrets);
  const logger = jsonLogger({
    level: relay.logLevel,
    // deno-lint-ignore no-console -- the logger's own way out
    write: (line) => console.log(line),
    now: () => systemClock.now(),
    redact,
  });
  for (const warning of settings.warnings) {
    logger.log("warn", "config.warning", warning);
  }
  const store = await openStore(relay.kv, { clock: systemClock, logger });
  await using undo = new AsyncDisposableStack();
  undo.defer(() => store.close());
  const log = await openTheLog(store, settings, logger);
  undo.defer(() => log.close());
  // Side by side: each is a read and, at a first start, a commit that waits for the disk.
  const fed = settings.connectors.filter(({ isFed }) => isFed);
  const [hands] = await Promise.all([
    openHands(log, settings.connectors, logger),
    ...fed.map(({ name, common }) =>
      beginPlaces(store, [{ name, from: common.startFrom }])
    ),
  ]);
  const replays = openReplays(log, settings);
  const environment = sinkEnvironment(relay, env, ocsf);
  const opened = await openFleet({
    ...settings,
    log,
    replays,
    hands,
    environment,
    clock: systemClock,
    random: Math.random,
    logger,
  });
  if (!opened.ok) throw configurationFault(opened.faults, []);
  const { fleet } = opened;
  undo.defer(() => fleet.stop());
  const started = await serve({
    env,
    settings,
    ocsf,
    store,
    log,
    replays,
    hands,
    fleet,
    logger,
  });
  undo.move(); // It runs: from here on its own stop ends it.
  return started;
}

function openTheLog(
  store: Store,
  { relay, connectors }: Settings,
  logger: Logger,
): Promise<EventLog> {
  const fed = connectors.filter(({ isFed }) => isFed);
  return openLog(store, {
    clock: systemClock,
    logger,
    random: Math.random,
    uuid: () => crypto.randomUUID(),
    instance: relay.instance ?? `${machineName()}-${Deno.pid}`,
    lease: relay.lease,
    connectors: () => fed.map(({ name }) => name),
    keepLeft: relay.expire,
    keep: relay.keep,
    keepBytes: relay.keepBytes,
    ...(relay.logMaxBytes === undefined ? {} : { maxBytes: relay.logMaxBytes }),
  });
}

/** Dead letters, and replays of them and of the log. */
function openReplays(log: EventLog, { relay, secrets }: Settings): Replays {
  const { store } = log;
  const history = new History(log);
  const deadLetters = new DeadLetters({
    store,
    end: () => log.end(),
    isDelivered: (name, id) => hadEvent({ store, history }, name, id),
    redact: redactor(secrets),
  });
  return new Replays({
    log,
    deadLetters,
    history,
    clock: systemClock,
    uuid: () => crypto.randomUUID(),
    expire: relay.expire,
  });
}

/** What connectors get from outside. */
function sinkEnvironment(
  relay: Settings["relay"],
  env: Environment,
  { map }: LoadedMap,
): SinkEnvironment {
  const deploy = platformToken(env);
  return {
    hostname: relay.hostname ?? machineName(),
    clock: systemClock,
    uuid: () => crypto.randomUUID(),
    randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
    readFile: readText,
    ...deploy !== undefined && { platformToken: deploy },
    ocsf: new OcsfReader({ map }).form,
    http: (target) =>
      openHttp(target, { clock: systemClock, userAgent: `hecate/${VERSION}` }),
    stream: (target) => openStream(target, { clock: systemClock }),
    datagrams: (target) => openDatagrams(target, { clock: systemClock }),
  };
}

/** A connection test over connections of its own; loaded on demand. */
function connectorTester(settings: Settings, env: Environment) {
  const { connectors, relay, secrets } = settings;
  return async (
    name: string,
    { event }: { readonly event: boolean },
    signal: AbortSignal,
  ) => {
    const connector = connectors.find((one) => one.name === name);
    if (connector === undefined) return undefined;
    const { testConnection } = await import(
      "./lib/delivery/test_connection.ts"
    );
    const ocsf = loadedMap();
    await ocsf.load();
    return await testConnection(connector, {
      environment: sinkEnvironment(relay, env, ocsf),
      event,
      redact: redactor(secrets),
      signal,
    });
  };
}

/** Mounts the routes, listens, starts the deliveries, and knows how to end it all. */
async function serve(parts: {
  readonly env: Environment;
  readonly settings: Settings;
  readonly ocsf: LoadedMap;
  readonly store: Store;
  readonly log: EventLog;
  readonly replays: Replays;
  readonly hands: Hands;
  readonly fleet: Fleet;
  readonly logger: Logger;
}): Promise<Relay> {
  const { env, settings, ocsf, store, log, replays, hands, fleet, logger } =
    parts;
  const { relay } = settings;
  const startedAt = systemClock.monotonic();
  const isLasting = !isTemporaryStore(env);
  let isStopping = false;
  await using undo = new AsyncDisposableStack();
  // The port first: a start that finds it taken must not have used up tokens that are shown only once.
  const opened = Promise.withResolvers<App>();
  const open: { app?: App } = {};
  const server = listen(
    (request) =>
      open.app?.fetch(request) ??
        opened.promise.then((app) => app.fetch(request)),
    {
      ...relay,
      // Deno Deploy chooses where it listens unless told otherwise.
      isChosenByPlatform: env["DENO_DEPLOYMENT_ID"] !== undefined &&
        env["HECATE_PORT"] === undefined,
    },
  );
  const closeServer = () =>
    Promise.race([server.shutdown(), systemClock.sleep(ANSWER_MS)]);
  undo.defer(closeServer);
  const { tokens, adminHash } = await openCredentials(store, relay, tell);
  const { history, deadLetters } = replays;
  const acks = new Acks(log, {
    connectors: () =>
      settings.connectors.filter(({ name, isFed }) =>
        isFed && hands.of(name).isEnabled
      ).map(({ name }) => name),
    expiry: history,
  });
  const status = () =>
    statusReport({
      log,
      connectors: reportedConnectors(settings.connectors, hands, fleet),
      keep: relay.keep,
      expire: relay.expire,
      version: VERSION,
      uptime: systemClock.monotonic() - startedAt,
    });
  const connectors = () => settings.connectors;
  const receiptConnectors = () =>
    settings.connectors.filter(({ isFed }) => isFed)
      .map(({ name, type, common }) => ({
        name,
        type: type.type,
        isEnabled: hands.of(name).isEnabled,
        batchEvents: Math.min(common.batchEvents, type.limits.mostEvents),
      }));
  const watch = new BooksWatch({
    log,
    deadLetters,
    connectors,
    clock: systemClock,
    logger,
  });
  const risks = new RiskWatch({
    log,
    connectors,
    expire: relay.expire,
    clock: systemClock,
    logger,
  });
  const app = createApp({
    log,
    acks,
    tokens,
    adminHash,
    clock: systemClock,
    logger,
    limits: {
      maxBody: relay.maxBody,
      maxEvent: relay.maxEvent,
      maxInflight: relay.maxInflight,
    },
    readiness: {
      running: () => !isStopping,
      lasting_store: () => isLasting,
      room: () => !log.full,
      store: () => log.answers(),
    },
    accepts: () => isLasting,
    status,
    metrics: async () => {
      const { metricsText } = await import("./lib/delivery/metrics.ts");
      const build = { deno: Deno.version.deno, now: systemClock.now() };
      return metricsText(await status(), build, await replays.totals());
    },
    connectors,
    deadLetters,
    replays,
    receipt: async (id) => {
      const { receiptOf } = await import("./lib/delivery/receipts.ts");
      return await receiptOf(log, history, receiptConnectors(), id);
    },
    switcher: connectorSwitcher({
      hands,
      fleet,
      clock: systemClock,
      report: async (name) =>
        (await status()).connectors.find((one) => one.name === name),
    }),
    testConnector: connectorTester(settings, env),
    uuid: () => crypto.randomUUID(),
    version: VERSION,
  });
  open.app = app;
  opened.resolve(app);
  acks.start();
  watch.start();
  risks.start();
  log.share.tell(() => warningsOf(fleet));
  hands.start();
  const closeServices = async () => {
    app.close();
    await Promise.all([
      acks.close(),
      hands.close(),
      watch.close(),
      risks.close(),
    ]);
  };
  undo.defer(closeServices);
  // Events are taken already. Loaded before anything is said to be ready: never a file of a later release.
  await Promise.all([ocsf.load(), app.load()]);
  fleet.start();
  const { url } = server;
  logger.log("info", "start", `Hecate ${VERSION} runs`, {
    connectors: settings.connectors.map(({ name }) => name),
  });
  undo.move();
  return {
    url,
    log,
    fleet,
    async stop() {
      // Deliveries first: they need the log to save their places. Events may come in until the log closes.
      isStopping = true;
      await Promise.all([fleet.stop(), closeServer()]);
      await Promise.all([closeServices(), log.close()]);
      logger.log("info", "stop", "Hecate has stopped; places are saved.");
    },
  };
}

/** Deno Deploy gives an app without a database a store that ends with the process: never accept events into that. */
function isTemporaryStore(env: Environment): boolean {
  return env["DENO_KV_REQUIRES_DISTRIBUTED_DATABASE"] !== undefined &&
    !/^https?:/i.test(env["DENO_KV_DEFAULT_PATH"] ?? "");
}

function machineName(): string {
  try {
    return hostname();
  } catch {
    // No permission to know (Deno Deploy).
    return "hecate";
  }
}

/** A file that settings name, whole. @throws when it cannot be read, or does not end (a device) */
function readText(path: string): string {
  using file = Deno.openSync(path);
  const bytes = new Uint8Array(MOST_FILE_BYTES);
  let length = 0;
  for (;;) {
    const read = file.readSync(bytes.subarray(length));
    if (read === null) break;
    length += read;
    if (length === bytes.length) throw new RangeError("The file is too long");
  }
  return new TextDecoder().decode(bytes.subarray(0, length));
}

/** Blanks the configuration's secrets, once it is read. */
let redact = (text: string) => text;

/** Says what went wrong; what the store or a library says of it may hold a secret. */
function tellFault(text: string): void {
  for (const line of redact(text).split("\n")) tell(line);
}

/** Says something to the person at the terminal, beside the log lines on stdout. */
function tell(line: string): void {
  // deno-lint-ignore no-console -- the terminal is who this is for
  console.error(printable(line));
}

/** Ends the program in order at the first signal; at once at a second one that is not an echo of the first. */
function endOnSignals(stop: () => Promise<void>): void {
  let first: number | undefined;
  const end = () => {
    const now = systemClock.monotonic();
    if (first !== undefined) {
      if (now - first >= SECOND_SIGNAL_MS) Deno.exit(1);
      return;
    }
    first = now;
    const late = systemClock.sleep(STOP_MS).then(() => {
      tell("Hecate did not end in time; what was in flight goes again.");
    });
    Promise.race([stop(), late]).then(
      () => Deno.exit(0),
      (cause) => {
        tellFault(`Hecate did not end in order: ${cause}`);
        Deno.exit(1);
      },
    );
  };
  Deno.addSignalListener("SIGINT", end);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", end);
}

/** `deno task hecate …`: one command, then the end. */
async function runCommand(args: readonly string[]): Promise<never> {
  const { runCli } = await import("./lib/cli/run.ts");
  const env = Deno.env.toObject();
  const ocsf = loadedMap();
  await ocsf.load();
  const code = await runCli(args, {
    env,
    types: Object.values(registry),
    version: VERSION,
    platform: `deno ${Deno.version.deno}`,
    readFile: readText,
    sinkEnvironment: (relay) => sinkEnvironment(relay, env, ocsf),
    // deno-lint-ignore no-console -- results go to stdout
    out: (line) => console.log(line),
    err: tell,
  });
  Deno.exit(code);
}

async function main(): Promise<void> {
  const [word] = Deno.args;
  if (word === "hecate") await runCommand(Deno.args.slice(1));
  if (word !== undefined && word !== "demo") {
    tell(USAGE);
    Deno.exit(word === "--help" || word === "-h" ? 0 : 2);
  }
  // Before anything is said to be ready: a signal that finds no listener would cut the relay off.
  let stop = () => Promise.resolve();
  endOnSignals(() => stop());
  try {
    if (Deno.args[0] === "demo") {
      const { runDemo } = await import("./lib/demo/demo.ts");
      const demo = await runDemo({
        env: Deno.env.toObject(),
        types: Object.values(registry).map(({ type }) => type),
        startRelay: (env: Environment) => running = startRelay(env),
        isPortTaken: (fault) => fault instanceof AddressInUse,
        print: tell,
        clock: systemClock,
        uuid: () => crypto.randomUUID(),
        fetch,
      });
      stop = () => demo.stop();
      return;
    }
    running = startRelay(Deno.env.toObject());
    const relay = await running;
    stop = () => relay.stop();
    tell(`Hecate ${VERSION} is ready at ${relay.url}`);
  } catch (cause) {
    if (cause instanceof StartFault) {
      for (const line of cause.lines) tell(line);
      Deno.exit(cause.exitCode);
    }
    if (cause instanceof StoreError || cause instanceof ListenFault) {
      tellFault(cause.message);
      Deno.exit(1);
    }
    tellFault(Deno.inspect(cause));
    Deno.exit(1);
  }
}

let running: Promise<Relay> | undefined;

// At top level and unconditional: Deno Deploy finds crons by evaluating this file. Where processes come and go, this
// wakes one to drain what waits.
Deno.cron("hecate drain", "* * * * *", async () => {
  const relay = await running;
  await Promise.race([relay?.fleet.wake(), systemClock.sleep(DRAIN_MS)]);
});
await main();
