/** Deno's own sockets: plain TCP and rustls. */

import { ALPN, clientKeyPair, type DialPlan, hostname } from "./dial_plan.ts";
import { tunnel } from "./proxy.ts";
import type { Wire } from "./wire.ts";

/** The runtime's sockets, as an argument. */
export interface Sockets {
  readonly connect: typeof Deno.connect;
  readonly connectTls: typeof Deno.connectTls;
  readonly startTls: typeof Deno.startTls;
  /** `Deno.version.deno`. */
  readonly version: string;
}

/** TLS with chain, date and name checked. A client certificate only to the URL's own host, without a proxy. */
export async function nativeTls(
  plan: DialPlan,
  sockets: Sockets,
  signal: AbortSignal,
): Promise<Wire> {
  const { host, port, proxy, serverName } = plan;
  const trust = { caCerts: [...plan.caCerts], alpnProtocols: [...ALPN] };
  let conn: Deno.TlsConn;
  if (proxy === undefined && serverName === undefined) {
    conn = await sockets.connectTls({
      hostname: host,
      port,
      ...trust,
      ...(plan.client === undefined ? {} : await clientKeyPair(plan)),
    });
  } else {
    const tcp = await plainTcp(
      proxy ?? { hostname: host, port: String(port) },
      sockets,
      signal,
    );
    try {
      if (proxy !== undefined) await tunnel(tcp, plan, proxy);
      conn = await sockets.startTls(tcp, {
        hostname: serverName ?? host,
        ...trust,
      });
    } catch (error) {
      closeQuietly(tcp);
      throw error;
    }
  }
  const stop = () => closeQuietly(conn);
  signal.addEventListener("abort", stop);
  try {
    if (signal.aborted) throw signal.reason;
    await conn.handshake();
    return quietly(conn);
  } catch (error) {
    stop();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** A TCP connection, to the target or to its proxy. */
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
  return quietly(conn);
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
