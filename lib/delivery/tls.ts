/**
 * How a connection to a destination is opened: which API can honour which setting on which Deno.
 *
 * Native sockets (rustls) are the rule: precise reasons, the same on 2.5 and 2.9. They trust a CA bundle beside the public
 * roots and always check chain, date and name. `node:tls` does what they cannot: no verification, a pin; on 2.9 also client
 * certificates (`startTls` shows none, `connectTls` delays every batch) and certificates whose shape rustls refuses
 * (self-signed CA:TRUE, common name only, X.509 v1) once a CA bundle vouches for them. Where verification is needed,
 * `node:tls` of Deno before 2.9 is never used: it checks no host name.
 */

import { SettingFault } from "../setting_fault.ts";
import { type DialPlan, dialPlan, type DialTarget } from "./dial_plan.ts";
import type { TlsSettings } from "./http_exchange.ts";
import {
  delayedTls,
  isOlderThan29,
  nativeTls,
  plainTcp,
  proxyTcp,
  type Sockets,
  tunnelledTcp,
} from "./tls_native.ts";
import { dialNodeTls } from "./tls_node.ts";
import { texts, transportFault } from "./transport_fault.ts";
import type { Wire } from "./wire.ts";

/** Opens one connection, TLS done and certificate judged. The signal closes what is half open. */
export type Dial = (signal: AbortSignal) => Promise<Wire>;

/** Certificates that rustls refuses by their shape, whoever vouches for them. */
const ODD_SHAPE =
  /CaUsedAsEndEntity|not valid for any names|UnsupportedCertVersion/;
/** What `node:tls` says of several faults. */
const UNCLEAR = /UNABLE_TO_/;

/** The way to a target. Offline. @throws {TypeError} when this Deno cannot honour the settings. */
export function dialer(target: DialTarget, sockets: Sockets): Dial {
  const plan = dialPlan(target);
  const { url } = target;
  if (url.protocol === "http:") {
    const { proxy } = plan;
    return proxy === undefined
      ? (signal) => plainTcp(url, sockets, signal)
      : (signal) => proxyTcp(proxy, sockets, signal);
  }
  if (url.protocol === "tcp:") {
    const { proxy } = plan;
    return proxy === undefined
      ? (signal) => plainTcp(url, sockets, signal)
      : (signal) => tunnelledTcp(plan, proxy, sockets, signal);
  }
  const isOld = isOlderThan29(sockets.version);
  const unchecked = !plan.verify || plan.pin !== undefined;
  const isSplit = plan.serverName !== undefined || plan.proxy !== undefined;
  if (isOld) refuseOnOld(plan, target.tls, { unchecked, isSplit });
  if (unchecked || (plan.client !== undefined && isSplit)) {
    return (signal) => dialNodeTls(plan, signal);
  }
  if (plan.client !== undefined) {
    return isOld
      ? (signal) => delayedTls(plan, sockets, signal)
      : (signal) => withClient(plan, sockets, signal);
  }
  let isOdd = false;
  return async (signal) => {
    if (isOdd) return await dialNodeTls(plan, signal);
    try {
      return await nativeTls(plan, sockets, signal);
    } catch (error) {
      if (
        isOld || plan.caCerts.length === 0 || signal.aborted ||
        !ODD_SHAPE.test(texts(error))
      ) throw error;
      const wire = await dialNodeTls(plan, signal);
      isOdd = true;
      return wire;
    }
  };
}

/** `node:tls` calls an ended certificate one of an unknown issuer: rustls says which it is. */
async function withClient(
  plan: DialPlan,
  sockets: Sockets,
  signal: AbortSignal,
): Promise<Wire> {
  try {
    return await dialNodeTls(plan, signal);
  } catch (error) {
    if (signal.aborted || !UNCLEAR.test(texts(error))) throw error;
    return await delayedTls(plan, sockets, signal).catch((second) => {
      // rustls takes fewer client certificates: it has not come as far as the server's.
      throw transportFault(second, plan).reason === "client_key"
        ? error
        : second;
    });
  }
}

/** Never ignore a setting that an older Deno cannot honour. */
function refuseOnOld(
  plan: DialPlan,
  tls: TlsSettings,
  { unchecked, isSplit }: { unchecked: boolean; isSplit: boolean },
): void {
  const needs = (key: string, what: string) =>
    new SettingFault(
      key,
      `${what} needs Deno 2.9 or newer; this one is older.`,
    );
  if (plan.client !== undefined && unchecked) {
    throw needs(
      "tls_client_cert",
      "A client certificate with a pin or without verification",
    );
  }
  if (plan.client !== undefined && isSplit) {
    throw needs(
      "tls_client_cert",
      "A client certificate with a server name or through a proxy",
    );
  }
  if (plan.proxy !== undefined && unchecked) {
    throw needs(
      plan.pin === undefined ? "tls_verify" : "tls_pin",
      "A pin or no verification through a proxy",
    );
  }
  if (tls.clientKey?.includes("Proc-Type: 4,ENCRYPTED")) {
    throw needs("tls_client_key", "A client key encrypted in the older form");
  }
}
