/** TLS over `node:tls`, for what native sockets cannot do; `tls.ts` decides when. Loaded on demand. */

import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { proxyPeer, tunnel } from "./proxy.ts";
import { clientKeyPair, type DialPlan, hostname } from "./dial_plan.ts";
import { failureOf, kept } from "./node_socket.ts";
import { TransportError } from "./transport_error.ts";
import { texts, transportFault } from "./transport_fault.ts";
import { nodeWire, type Wire } from "./wire.ts";

/** On, after this many idle milliseconds. */
const KEEP_ALIVE = [true, 60_000] as const;

/**
 * Connects, shakes hands and judges the certificate: by its pin where there is one, else by chain, date and name, else
 * (verification off) not at all.
 */
export async function dialNodeTls(
  plan: DialPlan,
  signal: AbortSignal,
): Promise<Wire> {
  const socket = await openNodeTls(plan, signal);
  try {
    if (plan.pin !== undefined) {
      const seen = await sha256(socket.getPeerCertificate().raw);
      if (seen !== plan.pin) {
        throw new TransportError(
          "tls_pin",
          `The certificate of ${plan.host}:${plan.port} is not the pinned one: its SHA-256 is ${seen}.`,
        );
      }
    }
    const failure = failureOf(socket);
    if (failure !== undefined) throw failure;
    if (socket.destroyed) throw new Error("connection closed");
    return nodeWire(socket);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** What `node:tls` says of an issuer that it does not know. */
const UNKNOWN_ISSUER = /UNABLE_TO_(VERIFY_LEAF|GET_ISSUER)|SELF_SIGNED_CERT/;

/**
 * Connects and shakes hands; chain, date and name are judged where verification is on and there is no pin. The socket is
 * kept: what befalls it later is no unheard error.
 *
 * The operator's authorities count beside the public ones. `ca` replaces those, and `rootCertificates`, which could be
 * given beside, wants a permission that the relay is not started with (sys: ca): so a second handshake asks for them.
 */
export async function openNodeTls(
  plan: DialPlan,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const isBundled = plan.verify && plan.pin === undefined &&
    plan.caCerts.length > 0;
  if (!isBundled) return await handshake(plan, undefined, signal);
  try {
    return await handshake(plan, plan.caCerts, signal);
  } catch (first) {
    if (signal.aborted || !UNKNOWN_ISSUER.test(texts(first))) throw first;
    return await handshake(plan, undefined, signal).catch((second) => {
      throw UNKNOWN_ISSUER.test(texts(second)) ? first : second;
    });
  }
}

/** @param ca the only authorities to trust; undefined: the public ones */
async function handshake(
  plan: DialPlan,
  ca: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { connect } = await import("node:tls");
  const client = await checkedPair(plan);
  const isChecked = plan.verify && plan.pin === undefined;
  const name = plan.serverName ?? plan.host;
  const under = plan.proxy === undefined
    ? { host: plan.host, port: plan.port }
    : { socket: await throughProxy(plan, plan.proxy, signal) };
  const socket = kept(connect({
    ...under,
    // SNI takes names only (RFC 6066 §3); an address is checked by `host`.
    ...(isAddress(name) ? { host: name } : { servername: name }),
    ...client,
    ...(ca === undefined ? {} : { ca: [...ca] }),
    rejectUnauthorized: isChecked,
    ...(plan.alpn.length > 0 ? { ALPNProtocols: [...plan.alpn] } : {}),
    minVersion: "TLSv1.2",
  }));
  socket.setNoDelay();
  socket.setKeepAlive(...KEEP_ALIVE);
  try {
    await settled(socket, "secureConnect", signal);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** `node:tls` itself says "unsupported protocol" of another's key, and leaves the connection open. */
async function checkedPair(
  plan: DialPlan,
): Promise<{ cert?: string; key?: string }> {
  const pair = await clientKeyPair(plan);
  if (pair.cert === undefined || pair.key === undefined) return {};
  const { createPrivateKey, X509Certificate } = await import("node:crypto");
  let isOwn: boolean;
  try {
    isOwn = new X509Certificate(pair.cert)
      .checkPrivateKey(createPrivateKey(pair.key));
  } catch (cause) {
    throw new Error("Unable to decode key", { cause });
  }
  if (!isOwn) throw new Error("KeyMismatch");
  return pair;
}

async function throughProxy(
  plan: DialPlan,
  proxy: URL,
  signal: AbortSignal,
): Promise<Socket> {
  const { connect } = await import("node:net");
  const socket = kept(connect({
    host: hostname(proxy),
    port: Number(proxy.port || 80),
  }));
  try {
    await settled(socket, "connect", signal).catch((error) => {
      throw transportFault(error, proxyPeer(proxy));
    });
    const wire = nodeWire(socket);
    const stop = () => wire.close();
    signal.addEventListener("abort", stop);
    try {
      await tunnel(wire, plan, proxy);
    } finally {
      signal.removeEventListener("abort", stop);
    }
    return wire.release();
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Waits for an event; rejects with the socket's error, its end, or the signal's reason. */
function settled(
  socket: Socket,
  event: "connect" | "secureConnect",
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: unknown) => {
      socket.off(event, onEvent);
      socket.off("error", finish);
      socket.off("close", onClose);
      signal.removeEventListener("abort", onAbort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onEvent = () => finish();
    const onClose = () => finish(new Error("connection closed"));
    const onAbort = () => finish(signal.reason);
    if (signal.aborted) return reject(signal.reason);
    socket.on(event, onEvent);
    socket.on("error", finish);
    socket.on("close", onClose);
    signal.addEventListener("abort", onAbort);
  });
}

async function sha256(bytes: Uint8Array | undefined): Promise<string> {
  if (bytes === undefined) return "unknown";
  const digest = await crypto.subtle.digest("SHA-256", bytes.slice());
  return Array.from(
    new Uint8Array(digest),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
}

function isAddress(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(":");
}
