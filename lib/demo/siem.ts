/**
 * The demo SIEM: a server on the loopback that speaks each connector's protocol under its own path, checks what the
 * vendor checks, keeps what came, and goes wrong on request. `deno task demo` shows it; the tests use the same one.
 */

import { type Clock, systemClock } from "../clock.ts";
import { printable } from "../printable.ts";
import type { Arrival, Memory, RequestRecord } from "./arrival.ts";
import type { ArmedFault, Fault, FaultOptions } from "./faults.ts";
import { serveHttp } from "./http_server.ts";
import { HttpTarget } from "./http_target.ts";
import {
  EVERY_PROTOCOL,
  openProtocol,
  type TargetOptions,
  tokenOf,
  urlOf,
  variablesOf,
} from "./offer.ts";
import { textReply } from "./protocol.ts";
import { SyslogTarget } from "./syslog_target.ts";
import type { Target } from "./target.ts";

export interface DemoSiemOptions {
  /** 0 takes a free port. */
  readonly port?: number;
  /** `127.0.0.1` unless said otherwise. */
  readonly hostname?: string;
  /** PEM texts: then it serves HTTPS; `ca` asks for client certificates. `name` is the host in its URLs. */
  readonly tls?: {
    readonly cert: string;
    readonly key: string;
    readonly ca?: string;
    readonly name?: string;
  };
  /**
   * Collectors by name, which is also their path's first segment; syslog ones have a port of their own. Absent: one of
   * each of the first three protocols, named after it; `EVERY_PROTOCOL` is one of each.
   */
  readonly targets?: Readonly<Record<string, TargetOptions>>;
  /** Absent: everything is remembered, and the last 200 requests. */
  readonly memory?: Partial<Memory>;
  readonly clock?: Clock;
  /** Called for every event, in order of arrival. */
  readonly onArrival?: (target: Target, arrival: Arrival) => void;
}

export interface DemoSiem extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:<port>`, no slash at the end. */
  readonly url: string;
  readonly targets: ReadonlyMap<string, Target>;
  /** @throws {RangeError} when there is none of this name. */
  target(name: string): Target;
  received(name: string): readonly Arrival[];
  requests(name: string): readonly RequestRecord[];
  fault(
    name: string,
    fault: Fault,
    options?: FaultOptions,
  ): ArmedFault;
  /** Takes back all faults, of one target or of all. */
  clear(name?: string): void;
  /** Waits until every target has had `count` events. @throws {Error} after `timeout` milliseconds */
  until(count: number, options?: { readonly timeout?: number }): Promise<void>;
  /** The environment that configures one connector of each protocol on offer (the first target of each). */
  environment(): Record<string, string>;
}

/** What tests that ask for no targets were written for. */
const FIRST_THREE: Readonly<Record<string, TargetOptions>> = {
  splunk: EVERY_PROTOCOL.splunk,
  crowdstrike: EVERY_PROTOCOL.crowdstrike,
  hec: EVERY_PROTOCOL.hec,
};

/** Starts a demo SIEM. @throws when the port is taken. */
export async function startDemoSiem(
  options: DemoSiemOptions = {},
): Promise<DemoSiem> {
  const {
    port = 0,
    hostname = "127.0.0.1",
    tls,
    targets: wanted = FIRST_THREE,
    memory = {},
    clock = systemClock,
    onArrival = () => {},
  } = options;
  const targets = new Map<string, Target>();
  const server = await serveHttp({
    hostname,
    port,
    ...(tls === undefined ? {} : { tls }),
    handle: async (request) => {
      const [, name = "", rest = ""] = /^\/([^/]*)(.*)$/.exec(request.path) ??
        [];
      const target = targets.get(name);
      if (target instanceof HttpTarget) {
        return await target.handle(request, rest);
      }
      await request.body();
      return {
        kind: "reply",
        reply: name === ""
          ? textReply(200, listOf(targets.values()))
          : textReply(404, `No collector is called "${name}".\n`),
      };
    },
  });
  const shownHost = tls?.name ?? hostname;
  const scheme = tls === undefined ? "http" : "https";
  const url = `${scheme}://${shownHost}:${server.port}`;
  const remembered = {
    arrivals: Infinity,
    bytes: Infinity,
    requests: 200,
    ...memory,
  };
  async function end(): Promise<void> {
    for (const one of targets.values()) await one[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  }
  try {
    for (const [name, settings] of Object.entries(wanted)) {
      const setup = { name, memory: remembered, clock, onArrival };
      if (settings.protocol === "qradar") {
        const own = settings.tls === undefined && tls !== undefined
          ? { ...settings, tls }
          : settings;
        targets.set(
          name,
          await SyslogTarget.open({
            ...setup,
            hostname,
            shownHost,
            options: own,
          }),
        );
        continue;
      }
      const token = tokenOf(name, settings);
      const base = `${url}/${name}`;
      targets.set(
        name,
        new HttpTarget({
          ...setup,
          url: urlOf(base, token, settings),
          token,
          protocol: openProtocol(settings, { token, base, clock }),
        }),
      );
    }
  } catch (cause) {
    await end();
    throw cause;
  }

  function target(name: string): Target {
    const found = targets.get(name);
    if (found === undefined) {
      throw new RangeError(
        `The demo SIEM has no "${name}", only ${
          [...targets.keys()].join(", ")
        }`,
      );
    }
    return found;
  }

  return {
    port: server.port,
    url,
    targets,
    target,
    received: (name) => target(name).received,
    requests: (name) => target(name).requests,
    fault: (name, fault, faultOptions) =>
      target(name).fault(fault, faultOptions),
    clear(name) {
      if (name !== undefined) return target(name).clear();
      for (const one of targets.values()) one.clear();
    },
    async until(count, untilOptions) {
      await Promise.all(
        [...targets.values()].map((one) => one.until(count, untilOptions)),
      );
    },
    environment() {
      const variables: Record<string, string> = {};
      const seen = new Set<string>();
      for (const [name, settings] of Object.entries(wanted)) {
        if (seen.has(settings.protocol)) continue;
        seen.add(settings.protocol);
        Object.assign(variables, variablesOf(settings, target(name)));
      }
      return variables;
    },
    [Symbol.asyncDispose]: end,
  };
}

/** Characters of the newest record that are shown. */
const SHOWN = 300;

/** For the newcomer with curl: how many events each collector has, and the newest as it came. */
function listOf(targets: Iterable<Target>): string {
  const blocks = [...targets].map(({ name, count, received }) => {
    const bytes = received.at(-1)?.envelope;
    const newest = bytes === undefined
      ? ""
      : `  ${printable(new TextDecoder().decode(bytes)).slice(0, SHOWN)}\n`;
    return `${name}: ${count} events\n${newest}`;
  });
  return blocks.join("\n");
}
