/**
 * A small HTTP/1.1 server that can also misbehave: reset, cut, drip and fall silent at a chosen byte. Those are what
 * the demo SIEM is for, and no HTTP framework offers them. It stands on `node:net`, because Deno's own sockets cannot
 * send a TCP reset. Loopback only in spirit: no time limits, little checking of the client.
 */

import { Buffer } from "node:buffer";
import net from "node:net";
import tls from "node:tls";
import { Inbox } from "./inbox.ts";

/** A request whose body has not been read yet. */
export interface ServedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  /** Number of the connection, from 0 in the order of arrival. */
  readonly connection: number;
  /** Reads the body as it is on the wire (chunks joined). `undefined`: the client left in the middle. Call it once. */
  readonly body: () => Promise<Uint8Array | undefined>;
  /** Aborts when the connection is gone. */
  readonly gone: AbortSignal;
}

/** A whole answer. `Content-Length` is added, save to a 204. */
export interface Reply {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

/** How an exchange ends. All but `reply` close the connection. */
export type Ending =
  | { readonly kind: "reply"; readonly reply: Reply }
  /** Byte by byte; `pause` resolves between two of them. */
  | {
    readonly kind: "drip";
    readonly reply: Reply;
    readonly pause: () => Promise<void>;
  }
  /** The first half of the reply, then the end. */
  | { readonly kind: "cut"; readonly reply: Reply }
  /** The end, without a byte. */
  | { readonly kind: "close" }
  /** A TCP reset (over TLS, or on Deno 2.5: an end without farewell). */
  | { readonly kind: "reset" };

export interface HttpServer extends AsyncDisposable {
  readonly port: number;
}

/** Most bytes of a request's head. */
const MAX_HEAD_BYTES = 65_536;

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  202: "Accepted",
  204: "No Content",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** Starts serving; `port` 0 takes a free one. @throws when the port is taken. */
export async function serveHttp(options: {
  readonly hostname: string;
  readonly port: number;
  /** PEM texts: then it speaks TLS. `ca` asks clients for a certificate of that issuer. */
  readonly tls?: {
    readonly cert: string;
    readonly key: string;
    readonly ca?: string;
  };
  readonly handle: (request: ServedRequest) => Promise<Ending>;
}): Promise<HttpServer> {
  const { hostname, port, handle } = options;
  const sockets = new Set<net.Socket>();
  const talks = new Set<Promise<void>>();
  let connections = 0;
  const onSocket = (socket: net.Socket) => {
    sockets.add(socket);
    const talk = converse(socket, connections++, handle).finally(() => {
      sockets.delete(socket);
      talks.delete(talk);
    });
    talks.add(talk);
  };
  const server = options.tls === undefined
    ? net.createServer({ noDelay: true }, onSocket)
    : tls.createServer({
      cert: options.tls.cert,
      key: options.tls.key,
      ...(options.tls.ca === undefined ? {} : {
        ca: options.tls.ca,
        requestCert: true,
        rejectUnauthorized: true,
      }),
    }, onSocket);
  // A handshake that fails is the client's to report.
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, () => resolve());
  });
  const address = server.address();
  if (address === null || typeof address === "string") {
    throw new TypeError("A TCP server has an address with a port");
  }
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      // Not awaited: Deno 2.5 does not always say that a server has closed. It listens no more from here on.
      server.close();
      for (const socket of sockets) socket.destroy();
      await Promise.all(talks);
    },
  };
}

async function converse(
  socket: net.Socket,
  connection: number,
  handle: (request: ServedRequest) => Promise<Ending>,
): Promise<void> {
  const inbox = new Inbox();
  const gone = new AbortController();
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      inbox.end();
      gone.abort();
      resolve();
    });
  });
  socket.on("data", (chunk: Buffer) => inbox.push(chunk));
  socket.on("end", () => inbox.end());
  // Why a connection broke shows at the client; here it is only over.
  socket.on("error", () => {});
  for (;;) {
    const head = await inbox.takeThrough("\r\n\r\n", MAX_HEAD_BYTES);
    if (head === undefined) break;
    let bodyRead = false;
    const request = parseHead(head);
    if (request === undefined) break;
    const ending = await handle({
      ...request,
      connection,
      gone: gone.signal,
      body: async () => {
        if (request.headers.get("expect") === "100-continue") {
          await send(socket, Buffer.from("HTTP/1.1 100 Continue\r\n\r\n"));
        }
        const body = await readBody(inbox, request.headers);
        bodyRead = body !== undefined;
        return body;
      },
    });
    await end(socket, ending);
    if (ending.kind !== "reply" || !bodyRead) break;
  }
  socket.destroy();
  await closed;
}

type Head = Pick<ServedRequest, "method" | "path" | "query" | "headers">;

function parseHead(head: string): Head | undefined {
  const [first = "", ...lines] = head.trimEnd().split("\r\n");
  const [method = "", target = "", version = ""] = first.split(" ");
  if (!version.startsWith("HTTP/1.") || !target.startsWith("/")) return;
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon <= 0) return undefined;
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const mark = target.indexOf("?");
  return {
    method,
    path: mark < 0 ? target : target.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? "" : target.slice(mark)),
    headers,
  };
}

async function readBody(
  inbox: Inbox,
  headers: Headers,
): Promise<Uint8Array | undefined> {
  if (headers.get("transfer-encoding")?.toLowerCase() !== "chunked") {
    return await inbox.take(Number(headers.get("content-length") ?? 0));
  }
  const chunks: Buffer[] = [];
  for (;;) {
    const line = await inbox.takeThrough("\r\n", MAX_HEAD_BYTES);
    const chunk = line && await inbox.take(Number.parseInt(line, 16) + 2);
    if (!chunk) return undefined;
    if (chunk.length === 2) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, -2));
  }
}

async function end(socket: net.Socket, ending: Ending): Promise<void> {
  switch (ending.kind) {
    case "reply":
      return await send(socket, replyBytes(ending.reply));
    case "drip":
      for (const byte of replyBytes(ending.reply)) {
        if (socket.destroyed) return;
        await send(socket, Buffer.of(byte));
        await ending.pause();
      }
      return;
    case "cut": {
      const bytes = replyBytes(ending.reply);
      return await send(socket, bytes.subarray(0, bytes.length >> 1));
    }
    case "close":
      return;
    case "reset":
      // Deno 2.5 has no resetAndDestroy; the caller's destroy() then ends it.
      if ("resetAndDestroy" in socket) socket.resetAndDestroy();
      return;
    default:
      ending satisfies never;
  }
}

function replyBytes(reply: Reply): Buffer {
  const body = Buffer.from(reply.body);
  const lines = [
    `HTTP/1.1 ${reply.status} ${REASONS[reply.status] ?? "Status"}`,
    ...reply.headers.map(([name, value]) => `${name}: ${value}`),
    ...(reply.status === 204 ? [] : [`Content-Length: ${body.length}`]),
    "",
    "",
  ];
  return Buffer.concat([Buffer.from(lines.join("\r\n"), "latin1"), body]);
}

/** Resolves once written, or once it is clear that it cannot be. */
function send(socket: net.Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve();
    socket.write(bytes, () => resolve());
  });
}
