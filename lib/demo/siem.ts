/**
 * The demo SIEM: a server on the loopback that speaks each connector's protocol under its own path, checks what the
 * vendor checks, keeps what came, and goes wrong on request. `deno task demo` shows it; the tests use the same one.
 */

import { type Clock, systemClock } from "../clock.ts";
import type { Arrival, Memory, RequestRecord } from "./arrival.ts";
import type { ArmedFault, Fault } from "./faults.ts";
import { serveHttp } from "./http_server.ts";
import { textReply } from "./protocol.ts";
import type { Protocol } from "./protocol.ts";
import {
  crowdstrike,
  type CrowdstrikeOptions,
} from "./protocols/crowdstrike.ts";
import { hec, type HecOptions } from "./protocols/hec.ts";
import { splunk, type SplunkOptions } from "./protocols/splunk.ts";
import { HttpTarget } from "./http_target.ts";
import type { Target } from "./target.ts";

/** A collector to offer: its protocol and what that vendor's console would let one set. Without a token it is `demo-siem-<name>`. */
export type TargetOptions =
  | { readonly protocol: "splunk" } & Partial<SplunkOptions>
  | { readonly protocol: "crowdstrike" } & Partial<CrowdstrikeOptions>
  | { readonly protocol: "hec" } & Partial<HecOptions>;

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
  /** Collectors by name, which is also their path's first segment. Absent: one of each protocol, named after it. */
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
    options?: { readonly requests?: number },
  ): ArmedFault;
  /** Takes back all faults, of one target or of all. */
  clear(name?: string): void;
  /** Waits until every target has had `count` events. @throws {Error} after `timeout` milliseconds */
  until(count: number, options?: { readonly timeout?: number }): Promise<void>;
  /** The environment that configures one connector of each protocol on offer (the first target of each). */
  environment(): Record<string, string>;
}

const EVERY_PROTOCOL: Readonly<Record<string, TargetOptions>> = {
  splunk: { protocol: "splunk" },
  crowdstrike: { protocol: "crowdstrike" },
  hec: { protocol: "hec" },
};

/** Where each vendor's collector lies below the host. */
const PATHS: Readonly<Record<TargetOptions["protocol"], string>> = {
  splunk: "/services/collector/event",
  crowdstrike: "/services/collector",
  hec: "/logs/v1/event",
};

const VARIABLES: Readonly<
  Record<TargetOptions["protocol"], readonly [url: string, token: string]>
> = {
  splunk: ["SPLUNK_HEC_URL", "SPLUNK_HEC_TOKEN"],
  crowdstrike: ["NGSIEM_URL", "NGSIEM_API_KEY"],
  hec: ["HEC_URL", "HEC_TOKEN"],
};

/** Starts a demo SIEM. @throws when the port is taken. */
export async function startDemoSiem(
  options: DemoSiemOptions = {},
): Promise<DemoSiem> {
  const {
    port = 0,
    hostname = "127.0.0.1",
    tls,
    targets: wanted = EVERY_PROTOCOL,
    memory = {},
    clock = systemClock,
    onArrival = () => {},
  } = options;
  const targets = new Map<string, HttpTarget>();
  const server = await serveHttp({
    hostname,
    port,
    ...(tls === undefined ? {} : { tls }),
    handle: async (request) => {
      const [, name = "", rest = ""] = /^\/([^/]*)(.*)$/.exec(request.path) ??
        [];
      const target = targets.get(name);
      if (target !== undefined) return await target.handle(request, rest);
      await request.body();
      return {
        kind: "reply",
        reply: textReply(404, `No collector is called "${name}".\n`),
      };
    },
  });
  const url = `${tls === undefined ? "http" : "https"}://${
    tls?.name ?? hostname
  }:${server.port}`;
  for (const [name, settings] of Object.entries(wanted)) {
    const token = settings.token ?? `demo-siem-${name}`;
    targets.set(
      name,
      new HttpTarget({
        name,
        url: `${url}/${name}${PATHS[settings.protocol]}`,
        token,
        protocol: open({ ...settings, token }),
        memory: {
          arrivals: Infinity,
          bytes: Infinity,
          requests: 200,
          ...memory,
        },
        clock,
        onArrival,
      }),
    );
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
      for (const [name, { protocol }] of Object.entries(wanted)) {
        const [urlName, tokenName] = VARIABLES[protocol];
        if (urlName in variables) continue;
        variables[urlName] = target(name).url;
        variables[tokenName] = target(name).token;
      }
      return variables;
    },
    async [Symbol.asyncDispose]() {
      for (const one of targets.values()) one.clear();
      await server[Symbol.asyncDispose]();
    },
  };
}

function open(
  settings: TargetOptions & { readonly token: string },
): Protocol {
  switch (settings.protocol) {
    case "splunk":
      return splunk(settings);
    case "crowdstrike":
      return crowdstrike(settings);
    case "hec":
      return hec(settings);
    default:
      return settings satisfies never;
  }
}
