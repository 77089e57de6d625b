/** CONNECT through an HTTP proxy (RFC 9110 §9.3.6): the proxy sees host and port only. */

import { percentDecoded } from "../config/proxy.ts";
import { ReplyParser } from "./http_reply.ts";
import { TransportError } from "./transport_error.ts";
import { type Peer, transportFault } from "./transport_fault.ts";
import { type Wire, writeAll } from "./wire.ts";

/** A proxy as messages name it. */
export function proxyPeer(proxy: URL): Peer {
  return {
    host: `the proxy ${proxy.hostname}`,
    port: Number(proxy.port || 80),
    isProxy: true,
  };
}

/** Makes `wire`, a connection to `proxy`, one to `target`. @throws {TransportError} naming the proxy. */
export async function tunnel(
  wire: Wire,
  target: { readonly host: string; readonly port: number },
  proxy: URL,
): Promise<void> {
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  const authority = `${host}:${target.port}`;
  const place = `The proxy ${proxy.host}`;
  const parser = new ReplyParser({ method: "CONNECT", maxBody: 4096, place });
  try {
    await writeAll(
      wire,
      new TextEncoder().encode(
        `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${
          proxyAuthorization(proxy)
        }\r\n`,
      ),
    );
    const buffer = new Uint8Array(4096);
    for (;;) {
      const read = await wire.read(buffer);
      if (read === null) {
        parser.end();
        break;
      }
      if (parser.push(buffer.subarray(0, read))) break;
    }
  } catch (error) {
    throw transportFault(error, proxyPeer(proxy));
  }
  const { status } = parser.reply();
  if (status < 300) return;
  const refused = `${place} answered ${status} when asked for ${authority}`;
  if (status === 407) {
    throw new TransportError(
      "auth",
      `${refused}: it wants other credentials.`,
      { ofProxy: true },
    );
  }
  if (status === 401 || status === 403) {
    throw new TransportError(
      "forbidden",
      `${refused}: it does not allow that.`,
      { ofProxy: true },
    );
  }
  throw status >= 500 || status === 429 || status === 408
    ? new TransportError("server", `${refused}.`, { ofProxy: true })
    : new TransportError("config", `${refused}.`, { ofProxy: true });
}

/** The header line for the userinfo of a proxy's URL, "" where it has none. */
export function proxyAuthorization(proxy: URL): string {
  if (proxy.username === "" && proxy.password === "") return "";
  const userinfo = `${percentDecoded(proxy.username)}:${
    percentDecoded(proxy.password)
  }`;
  const bytes = new TextEncoder().encode(userinfo);
  return `Proxy-Authorization: Basic ${
    btoa(String.fromCharCode(...bytes))
  }\r\n`;
}
