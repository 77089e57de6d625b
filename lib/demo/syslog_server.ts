/**
 * A syslog listener that can also misbehave: TCP and TLS by LF or octet counting, and UDP by `node:dgram`
 * (`Deno.listenDatagram` is unstable). Loopback only in spirit.
 */

import { Buffer } from "node:buffer";
import dgram from "node:dgram";
import net from "node:net";
import tls from "node:tls";
import type { Clock } from "../clock.ts";

/** What becomes of the connection after a message. Datagrams know none. */
export type Aftermath = "go on" | "close" | "reset";

/** Whether it listens: `handshake` takes connections and ends them at the client's first byte. */
export type Listening = "open" | "closed" | "handshake";

export interface SyslogServerOptions {
  readonly hostname: string;
  readonly port: number;
  readonly transport: "tcp" | "udp" | "tls";
  readonly framing: "lf" | "octet";
  readonly tls?: {
    readonly cert: string;
    readonly key: string;
    readonly ca?: string;
  };
  readonly clock: Clock;
  /**
   * One message without its framing; no other of the connection is looked at until it resolves. Over TCP the sender
   * stalls meanwhile; over TLS it does not, as Deno's `node:tls` server goes on reading (measured on 2.9.6).
   */
  readonly onMessage: (message: SyslogMessage) => Promise<Aftermath>;
  /** A connection ended with, or came to, bytes that are no message. */
  readonly onBroken: (why: string) => void;
}

export interface SyslogMessage {
  readonly bytes: Uint8Array;
  /** With its framing. */
  readonly frame: Uint8Array;
  /** Number of the connection from 0; a datagram is one of its own. */
  readonly connection: number;
  /** Aborts when the connection is gone. */
  readonly gone: AbortSignal;
}

export interface SyslogServer extends AsyncDisposable {
  readonly port: number;
  /** Ends all connections, and listens so from then on. @throws when somebody else took the port meanwhile */
  listen(how: Listening): Promise<void>;
}

/** Something that listens, and can stop. */
interface Listener {
  readonly port: number;
  stop(): Promise<void>;
}

/** Bytes that may wait for the end of a message. */
const MOST_WAITING = 33_554_432;
/** A port that was given up is free again at once, save for moments on a busy machine. */
const LISTEN_ATTEMPTS = 50;
const LISTEN_PAUSE_MS = 20;

/** Starts listening. @throws when the port is taken. */
export async function serveSyslog(
  options: SyslogServerOptions,
): Promise<SyslogServer> {
  const { hostname, transport, clock } = options;
  const sockets = new Set<net.Socket>();
  const talks = new Set<Promise<void>>();
  let connections = 0;

  const onSocket = (socket: net.Socket) => {
    sockets.add(socket);
    const talk = converse(socket, connections++, options).finally(() => {
      sockets.delete(socket);
      talks.delete(talk);
    });
    talks.add(talk);
  };
  const onRude = (socket: net.Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.once("data", () => socket.destroy());
  };
  const onDatagram = (bytes: Uint8Array) => {
    const gone = new AbortController().signal;
    const connection = connections++;
    const talk = options.onMessage({ bytes, frame: bytes, connection, gone })
      .then(() => {}).finally(() => talks.delete(talk));
    talks.add(talk);
  };

  async function open(how: Listening, port: number): Promise<Listener> {
    if (transport === "udp") return await openUdp(hostname, port, onDatagram);
    const server = how === "handshake"
      ? net.createServer(onRude)
      : transport === "tcp"
      ? net.createServer(onSocket)
      : tls.createServer(tlsSettings(options.tls), onSocket);
    server.on("tlsClientError", () => {});
    return await openTcp(server, hostname, port);
  }

  async function endAll(): Promise<void> {
    for (const socket of sockets) socket.destroy();
    await Promise.all(talks);
  }

  let listener: Listener | undefined = await open("open", options.port);
  const { port } = listener;
  return {
    port,
    async listen(how) {
      await listener?.stop();
      listener = undefined;
      await endAll();
      if (how === "closed") return;
      for (let attempt = 1; listener === undefined; attempt++) {
        listener = await open(how, port).catch((cause: unknown) => {
          if (attempt >= LISTEN_ATTEMPTS) throw cause;
          return undefined;
        });
        if (listener === undefined) await clock.sleep(LISTEN_PAUSE_MS);
      }
    },
    async [Symbol.asyncDispose]() {
      await listener?.stop();
      listener = undefined;
      await endAll();
    },
  };
}

function tlsSettings(given: SyslogServerOptions["tls"]): tls.TlsOptions {
  if (given === undefined) {
    throw new TypeError("A TLS listener needs a certificate and its key");
  }
  const { cert, key, ca } = given;
  return {
    cert,
    key,
    ...(ca === undefined
      ? {}
      : { ca, requestCert: true, rejectUnauthorized: true }),
  };
}

async function openTcp(
  server: net.Server,
  hostname: string,
  port: number,
): Promise<Listener> {
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
    stop() {
      // Not awaited: Deno 2.5 does not always say that a server has closed.
      server.close();
      return Promise.resolve();
    },
  };
}

async function openUdp(
  hostname: string,
  port: number,
  onDatagram: (bytes: Uint8Array) => void,
): Promise<Listener> {
  const socket = dgram.createSocket(hostname.includes(":") ? "udp6" : "udp4");
  socket.on("message", (message) => onDatagram(new Uint8Array(message)));
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, hostname, () => resolve());
  });
  return {
    port: socket.address().port,
    stop: () =>
      new Promise((resolve) => {
        socket.close(() => resolve());
      }),
  };
}

async function converse(
  socket: net.Socket,
  connection: number,
  { framing, onMessage, onBroken }: SyslogServerOptions,
): Promise<void> {
  const gone = new AbortController();
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      gone.abort();
      resolve();
    });
  });
  // Why a connection broke shows at the client; here it is only over.
  socket.on("error", () => {});
  let waiting: Uint8Array = new Uint8Array();
  try {
    // Reading by iteration stops the sender while a message is dealt with.
    for await (const chunk of socket) {
      waiting = Buffer.concat([waiting, chunk]);
      for (;;) {
        const next = cut(waiting, framing);
        if (next === "more") break;
        if (next === "broken") {
          onBroken(`no ${framing} frame: ${shown(waiting)}`);
          return;
        }
        waiting = waiting.subarray(next.frame.length);
        const after = await onMessage({
          ...next,
          connection,
          gone: gone.signal,
        });
        if (after === "go on") continue;
        // Deno 2.5 has no resetAndDestroy; destroy() then ends it.
        if (after === "reset" && "resetAndDestroy" in socket) {
          socket.resetAndDestroy();
        }
        return;
      }
    }
    if (waiting.length > 0) {
      onBroken(`ended within a message: ${shown(waiting)}`);
    }
  } catch {
    // The connection broke: the client's affair.
  } finally {
    socket.destroy();
    await closed;
  }
}

interface Cut {
  readonly bytes: Uint8Array;
  readonly frame: Uint8Array;
}

/** The first message of what has come. */
function cut(
  waiting: Uint8Array,
  framing: "lf" | "octet",
): Cut | "more" | "broken" {
  if (framing === "lf") {
    const lf = waiting.indexOf(0x0a);
    if (lf < 0) return waiting.length > MOST_WAITING ? "broken" : "more";
    return {
      bytes: waiting.slice(0, lf),
      frame: waiting.slice(0, lf + 1),
    };
  }
  const head = new TextDecoder("latin1").decode(waiting.subarray(0, 9));
  const digits = /^([1-9]\d{0,7}) /.exec(head)?.[1];
  if (digits === undefined) {
    return head.length < 9 && /^([1-9]\d*)?$/.test(head) ? "more" : "broken";
  }
  const from = digits.length + 1;
  const end = from + Number(digits);
  if (end > waiting.length) return "more";
  return { bytes: waiting.slice(from, end), frame: waiting.slice(0, end) };
}

function shown(bytes: Uint8Array): string {
  return JSON.stringify(new TextDecoder().decode(bytes.subarray(0, 60)));
}
