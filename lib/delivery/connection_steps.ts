/**
 * The way to a destination as a connection test shows it: address, connection, certificate, each with its own time.
 * Every step has a connection of its own, on which nothing is sent; what is kept for deliveries is not touched.
 */

import type { TestStep } from "../connector.ts";
import { certificateStep } from "./certificate_step.ts";
import {
  type DialPlan,
  dialPlan,
  type DialTarget,
  hostname,
} from "./dial_plan.ts";
import { proxyPeer } from "./proxy.ts";
import { failed, heard, type WayNet, within } from "./step_parts.ts";
import { isForbidden, plainTcp, proxyTcp, tunnelledTcp } from "./tls_native.ts";
import { TransportError } from "./transport_error.ts";
import type { Peer } from "./transport_fault.ts";

const MOST_ADDRESSES = 4;

/** Follows the way until a step fails. @throws the signal's reason when it aborts. */
export async function* wayTo(
  target: DialTarget,
  net: WayNet,
  signal: AbortSignal,
): AsyncGenerator<TestStep> {
  const plan = dialPlan(target);
  const { protocol } = target.url;
  const isSecure = protocol === "https:" || protocol === "tls:";
  const first = plan.proxy === undefined ? plan.host : hostname(plan.proxy);
  const address = await addressStep(
    first,
    net,
    signal,
    plan.proxy && proxyPeer(plan.proxy),
  );
  yield plan.proxy === undefined || !address.ok ? address : {
    ...address,
    detail: `${address.detail} It is the proxy, which finds ${plan.host}.`,
  };
  if (!address.ok) return;
  const listen = isSecure ? undefined : net.listen;
  const connection = await connectionStep(
    plan,
    protocol === "http:",
    { ...net, listen },
    signal,
  );
  if (connection !== undefined) yield connection;
  if (connection?.ok !== false && isSecure) {
    yield await certificateStep(plan, net, connection?.ms ?? 0, signal);
  }
}

/** Finds the addresses of a name. @param peer what faults call it; absent: by its name */
export async function addressStep(
  host: string,
  { clock }: Pick<WayNet, "clock">,
  signal: AbortSignal,
  peer: Peer = { host, port: 0 },
): Promise<TestStep> {
  const began = clock.monotonic();
  const ms = () => Math.round(clock.monotonic() - began);
  if (/^[\d.]+$/.test(host) || host.includes(":")) {
    const detail = `Address given: ${host}.`;
    return { name: "address", ok: true, ms: ms(), detail };
  }
  const found = await within(clock, peer, signal, async () => {
    const { lookup } = await import("node:dns/promises");
    const all = await lookup(host, { all: true });
    return { all: all.map(({ address }) => address), close() {} };
  });
  if (found instanceof TransportError) {
    const late = found.reason === "timeout"
      ? new TransportError(
        "timeout",
        `Looking up ${peer.host} took too long.`,
        {
          ofProxy: found.ofProxy,
        },
      )
      : found;
    return failed("address", ms(), late);
  }
  const addresses = [...new Set(found.all)].slice(0, MOST_ADDRESSES);
  const detail = `Address found: ${addresses.join(", ")}.`;
  return { name: "address", ok: true, ms: ms(), detail };
}

/** TCP. Undefined where the platform allows its own TLS alone: then the certificate's step tells. */
async function connectionStep(
  plan: DialPlan,
  isPlainHttp: boolean,
  { clock, sockets, listen }: Omit<WayNet, "listen"> & {
    listen: WayNet["listen"] | undefined;
  },
  signal: AbortSignal,
): Promise<TestStep | undefined> {
  const { host, port, proxy } = plan;
  const began = clock.monotonic();
  const peer: Peer = proxy === undefined ? plan : proxyPeer(proxy);
  let isUnseen = false;
  const wire = await within(clock, peer, signal, async (signal) => {
    if (proxy !== undefined) {
      return isPlainHttp
        ? await proxyTcp(proxy, sockets, signal)
        : await tunnelledTcp(plan, proxy, sockets, signal);
    }
    try {
      const to = { hostname: host, port: `${port}` };
      return await plainTcp(to, sockets, signal);
    } catch (error) {
      isUnseen = isForbidden(error);
      throw error;
    }
  });
  const ms = Math.round(clock.monotonic() - began);
  if (wire instanceof TransportError) {
    return isUnseen ? undefined : failed("connection", ms, wire);
  }
  const fault = await heard(wire, listen, { clock, peer }, signal);
  if (fault !== undefined) return failed("connection", ms, fault);
  const detail = proxy === undefined
    ? `Connected to ${host}:${port}.`
    : isPlainHttp
    ? `Connected to the proxy ${proxy.host}.`
    : `Connected to ${host}:${port} through the proxy ${proxy.host}.`;
  return { name: "connection", ok: true, ms, detail };
}
