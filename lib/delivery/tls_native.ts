/** Deno's own sockets: plain TCP and rustls. */

import { clientKeyPair, type DialPlan, hostname } from "./dial_plan.ts";
import { proxyPeer, tunnel } from "./proxy.ts";
import { TransportError } from "./transport_error.ts";
import { at, type Peer, texts, transportFault } from "./transport_fault.ts";
import { endWritesAtClose, type Wire } from "./wire.ts";

/** The runtime's sockets, as an argument. */
export interface Sockets {
  readonly connect: (options: Deno.ConnectOptions) => Promise<Deno.TcpConn>;
  readonly connectTls: typeof Deno.connectTls;
  readonly startTls: typeof Deno.startTls;
  /** `Deno.version.deno`. */
  readonly version: string;
}

/** The runtime's own sockets; `connectTls` refuses a client's pair that it cannot use (`client_key`). */
export function runtimeSockets(): Sockets {
  return { ...socketsOf(Deno), connectTls, version: Deno.version.deno };
}

/**
 * Deno 2.5 panics in `connectTls`, and the whole relay with it, on a client's pair that rustls refuses. `listenTls` asks
 * rustls the same and throws; nobody can connect before it is closed. (`node:crypto` there knows too few kinds of keys.)
 */
async function connectTls(
  options: Parameters<typeof Deno.connectTls>[0],
): Promise<Deno.TlsConn> {
  if ("cert" in options) {
    const { cert, key } = options;
    try {
      Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key }).close();
    } catch (error) {
      const said = texts(error);
      // What else keeps it from listening says nothing of the pair.
      if (!isForbidden(error) && !/\(os error \d+\)/.test(said)) {
        const { hostname = "127.0.0.1", port } = options;
        throw unusable(error, { host: hostname, port });
      }
    }
  }
  return await Deno.connectTls(options);
}

function unusable(error: unknown, peer: Peer): TransportError {
  const fault = transportFault(error, peer);
  if (fault.reason === "client_key") return fault;
  const why = /UnsupportedCertVersion/.test(texts(error))
    ? "it is not of X.509 version 3. Have one of version 3 issued, or use Deno 2.9 or newer."
    : "it is damaged, or the key is of a kind that TLS here does not know (RSA, ECDSA on the NIST curves and Ed25519 are known).";
  return new TransportError(
    "client_key",
    `The client certificate for ${at(peer)} cannot be used: ${why}`,
    { cause: error },
  );
}

/** Whether a Deno of this version lacks what 2.9 can do with `node:tls`, and does not end writes at a close. */
export function isOlderThan29(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < 2 || (major === 2 && minor < 9);
}

function socketsOf(
  { connect, connectTls, startTls }: Omit<Sockets, "version">,
): Omit<Sockets, "version"> {
  return { connect, connectTls, startTls };
}

/** A platform that forbids plain sockets to such a port (Deno Deploy to 443, it is said) may yet allow its own TLS. */
const FORBIDDEN = /PermissionDenied|NotCapable|NotSupported/;

/** Whether the platform refused to open such a socket at all. */
export function isForbidden(error: unknown): boolean {
  return FORBIDDEN.test(texts(error));
}

/**
 * TLS with chain, date and name checked. TCP first, because only there can Nagle's delay be switched off: with
 * `connectTls` each batch waited 44 ms for the far end's delayed acknowledgement.
 */
export async function nativeTls(
  plan: DialPlan,
  sockets: Sockets,
  signal: AbortSignal,
): Promise<Wire> {
  const { host, port, proxy, serverName } = plan;
  let tcp: Deno.TcpConn;
  try {
    tcp = proxy === undefined
      ? await plainTcp({ hostname: host, port: `${port}` }, sockets, signal)
      : await proxyTcp(proxy, sockets, signal);
  } catch (error) {
    const isDirect = proxy === undefined && serverName === undefined;
    if (!isDirect || !isForbidden(error)) throw error;
    return await delayedTls(plan, sockets, signal);
  }
  return await guarded(tcp, signal, async () => {
    if (proxy !== undefined) await tunnel(tcp, plan, proxy);
    const conn = await sockets.startTls(tcp, {
      hostname: serverName ?? host,
      caCerts: [...plan.caCerts],
      alpnProtocols: [...plan.alpn],
    });
    return await handshaken(conn, sockets, signal);
  });
}

/** TCP through a proxy. */
export async function tunnelledTcp(
  plan: DialPlan,
  proxy: URL,
  sockets: Sockets,
  signal: AbortSignal,
): Promise<Wire> {
  const tcp = await proxyTcp(proxy, sockets, signal);
  return await guarded(tcp, signal, async () => {
    await tunnel(tcp, plan, proxy);
    return tcp;
  });
}

/** The same with a client certificate, which only `connectTls` can show, to the URL's own host, without a proxy. */
export async function delayedTls(
  plan: DialPlan,
  sockets: Sockets,
  signal: AbortSignal,
): Promise<Wire> {
  const conn = await sockets.connectTls({
    hostname: plan.host,
    port: plan.port,
    caCerts: [...plan.caCerts],
    alpnProtocols: [...plan.alpn],
    ...await clientKeyPair(plan),
  });
  return await handshaken(conn, sockets, signal);
}

/** A TCP connection to a proxy. @throws {TransportError} naming the proxy */
export async function proxyTcp(
  proxy: URL,
  sockets: Sockets,
  signal: AbortSignal,
): Promise<Deno.TcpConn & Wire> {
  try {
    return await plainTcp(proxy, sockets, signal);
  } catch (error) {
    throw transportFault(error, proxyPeer(proxy));
  }
}

/** A TCP connection. */
export async function plainTcp(
  to: Pick<URL, "hostname" | "port">,
  sockets: Sockets,
  signal: AbortSignal,
): Promise<Deno.TcpConn & Wire> {
  const conn = await sockets.connect({
    hostname: hostname(to),
    port: Number(to.port || 80),
    signal,
  });
  // A head and a body in two writes must not wait for each other's acknowledgement.
  conn.setNoDelay();
  conn.setKeepAlive();
  return asWire(conn, sockets);
}

function handshaken(
  conn: Deno.TlsConn,
  sockets: Sockets,
  signal: AbortSignal,
): Promise<Wire> {
  return guarded(conn, signal, async () => {
    await conn.handshake();
    return asWire(conn, sockets);
  });
}

function asWire<C extends Deno.Conn>(conn: C, { version }: Sockets): C {
  if (isOlderThan29(version)) endWritesAtClose(conn);
  return quietly(conn);
}

/** Closes the connection when the signal aborts during the work, or the work fails. */
async function guarded<T>(
  conn: Deno.Conn,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const stop = () => closeQuietly(conn);
  signal.addEventListener("abort", stop);
  try {
    signal.throwIfAborted();
    return await work();
  } catch (error) {
    stop();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Closing twice is no fault: time, abort and the far end may all want it. */
function quietly<C extends Deno.Conn>(conn: C): C {
  const close = conn.close.bind(conn);
  conn.close = () => {
    try {
      close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  };
  return conn;
}

function closeQuietly(conn: Deno.Conn): void {
  quietly(conn).close();
}
