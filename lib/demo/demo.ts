/** `deno task demo`: the relay, a demo SIEM of each protocol and sample events, in one process and in memory. */

import type { Clock } from "../clock.ts";
import { startFeeder } from "./feeder.ts";
import { EVERY_PROTOCOL } from "./offer.ts";
import { startDemoSiem } from "./siem.ts";

/** Where the demo looks for a port when the usual one is taken. */
const FIRST_PORT = 8080;
const PORTS = 20;
const EVENTS_A_SECOND = 5;

/** What the demo needs of a relay. */
export interface DemoRelay {
  /** With a slash at the end. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface DemoOptions {
  /** Of it only `HECATE_HOST` and `HECATE_PORT` count: a demo has its own SIEMs, store and tokens. */
  readonly env: Readonly<Record<string, string>>;
  /** Types of connectors that the relay knows: the demo SIEM offers those of them that it speaks. */
  readonly types: readonly string[];
  /** Starts a relay from an environment. */
  readonly startRelay: (
    env: Readonly<Record<string, string>>,
  ) => Promise<DemoRelay>;
  /** Is this the fault of a port in use? */
  readonly isPortTaken: (fault: unknown) => boolean;
  readonly print: (line: string) => void;
  readonly clock: Clock;
  readonly uuid: () => string;
  readonly fetch: typeof fetch;
}

export interface Demo {
  /** Ends the events, the relay and the demo SIEM, in this order. */
  stop(): Promise<void>;
}

/** Starts everything and prints what a newcomer needs. @throws what the relay's start throws. */
export async function runDemo(options: DemoOptions): Promise<Demo> {
  const { print, clock, uuid } = options;
  const seen = new Set<string>();
  const since = { firstEvent: clock.monotonic() };
  const targets = Object.fromEntries(
    Object.entries(EVERY_PROTOCOL)
      .filter(([type]) => options.types.includes(type)),
  );
  const siem = await startDemoSiem({
    targets,
    memory: { arrivals: 1000, bytes: 200, requests: 50 },
    clock,
    onArrival(target) {
      if (seen.has(target.name)) return;
      seen.add(target.name);
      const took = clock.monotonic() - since.firstEvent;
      print(
        `✓ first event delivered to ${target.name} ${
          (took / 1000).toFixed(2)
        } s after it arrived`,
      );
    },
  });
  const token = `hct_demo_${uuid().replaceAll("-", "")}`;
  const admin = `hca_demo_${uuid().replaceAll("-", "")}`;
  const relay = await startAtFreePort(options, {
    ...siem.environment(),
    HECATE_KV: ":memory:",
    HECATE_TOKENS: `demo=${token}`,
    HECATE_ADMIN_TOKEN: admin,
    HECATE_LOG_LEVEL: "warn",
  }).catch(async (cause: unknown) => {
    await siem[Symbol.asyncDispose]();
    throw cause;
  });
  const { url: base } = relay;
  const post = `${base}services/collector/event`;
  print("Hecate, demo mode. In memory; nothing leaves this machine.");
  print(`  Relay      ${base}`);
  print(`  Send to    ${post}`);
  print(`  Token      ${token}`);
  print(`  Demo SIEM  ${siem.url}  (${[...siem.targets.keys()].join(", ")})`);
  print("Send your own:");
  print(
    `  curl ${post} -H 'Authorization: Splunk ${token}' -d '{"event":"hello"}'`,
  );
  print("See what arrived at each SIEM:");
  print(`  curl ${siem.url}`);
  print("See where every event is:");
  print(
    `  curl ${base}api/v1/status -H 'Authorization: Bearer ${admin}'`,
  );
  since.firstEvent = clock.monotonic();
  const feeder = startFeeder({
    url: `${relay.url}services/collector/event`,
    token,
    rate: EVENTS_A_SECOND,
    clock,
    fetch: options.fetch,
  });
  print(`Sample events: ${EVENTS_A_SECOND} a second. Ctrl+C stops.`);
  return {
    async stop() {
      await feeder[Symbol.asyncDispose]();
      await relay.stop();
      await siem[Symbol.asyncDispose]();
      print(`Ended. ${feeder.taken} sample events were taken.`);
    },
  };
}

/** The wanted port, or else the first free one from 8080 on. */
async function startAtFreePort(
  { env, startRelay, isPortTaken }: DemoOptions,
  settings: Readonly<Record<string, string>>,
): Promise<DemoRelay> {
  const wanted = env["HECATE_PORT"];
  const isWanted = wanted !== undefined && /^\d+$/.test(wanted);
  const host = env["HECATE_HOST"];
  for (let next = 0;; next++) {
    const port = isWanted ? wanted : String(FIRST_PORT + next);
    try {
      return await startRelay({
        ...settings,
        ...(host === undefined ? {} : { HECATE_HOST: host }),
        HECATE_PORT: port,
      });
    } catch (fault) {
      if (!isPortTaken(fault) || isWanted || next >= PORTS) throw fault;
    }
  }
}
