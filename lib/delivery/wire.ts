/** A byte stream to a destination: what `Deno.Conn` is, and what a `node:` socket is made into. */

import type { Socket } from "node:net";
import { failureOf } from "./node_socket.ts";

/** One read and one write may be pending at a time; `close` makes both settle, and then the bytes may change. */
export interface Wire {
  /** Fills the front of `into`: how many bytes, null at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes the front of `bytes`: how many were taken. */
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** The most that goes out behind a `close` where Deno cannot take a write back. */
const COPIED_BYTES = 65_536;

/**
 * Makes a connection of an older Deno keep a Wire's promises. There `close` leaves a pending write pending until the far
 * end reads or hangs up, and what is read by then is what the memory holds by then (2.5.6; 2.9.6 takes it back). So
 * nobody waits for that write, and it has bytes of its own.
 */
export function endWritesAtClose(conn: Pick<Wire, "write" | "close">): void {
  const write = conn.write.bind(conn), close = conn.close.bind(conn);
  let copy: Uint8Array<ArrayBuffer> | undefined;
  let end: ((why: Error) => void) | undefined;
  conn.write = (bytes) => {
    const part = bytes.subarray(0, COPIED_BYTES);
    copy ??= new Uint8Array(COPIED_BYTES);
    copy.set(part);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    end = reject;
    write(copy.subarray(0, part.length)).then(resolve, reject);
    return promise;
  };
  conn.close = () => {
    end?.(new Error("connection closed"));
    close();
  };
}

/** All of the bytes, however short the writes are. */
export async function writeAll(wire: Wire, bytes: Uint8Array): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) rest = rest.subarray(await wire.write(rest));
}

/** A Wire that can give its socket back. */
export interface NodeWire extends Wire {
  /** Lets go of the socket's events, so that TLS may be put on it. No read or write may be pending. */
  release(): Socket;
}

/** A connected, kept `node:` socket as a Wire. Takes over its events; nothing is read that was not asked for. */
export function nodeWire(socket: Socket): NodeWire {
  // Both may have come before anyone asked for a Wire.
  let failure = failureOf(socket);
  let ended = socket.readableEnded || socket.destroyed;
  let wake: (() => void) | undefined;
  const settle = () => {
    wake?.();
    wake = undefined;
  };
  const onEnd = () => {
    ended = true;
    settle();
  };
  socket.on("readable", settle);
  socket.on("end", onEnd);
  socket.on("close", onEnd);
  const onError = (error: Error) => {
    failure ??= error;
    settle();
  };
  socket.on("error", onError);
  return {
    release() {
      socket.off("readable", settle);
      socket.off("end", onEnd);
      socket.off("close", onEnd);
      return socket;
    },
    async read(into) {
      for (;;) {
        const size = Math.min(socket.readableLength, into.length);
        const bytes: unknown = size > 0 ? socket.read(size) : socket.read();
        if (bytes instanceof Uint8Array && bytes.length > 0) {
          if (bytes.length > into.length) {
            socket.unshift(bytes.subarray(into.length));
          }
          const taken = bytes.subarray(0, into.length);
          into.set(taken);
          return taken.length;
        }
        if (failure !== undefined) throw failure;
        if (ended) return null;
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
    write(bytes) {
      return new Promise((resolve, reject) => {
        if (failure !== undefined || ended) {
          return reject(failure ?? new Error("connection closed"));
        }
        const onClose = () => reject(failure ?? new Error("connection closed"));
        socket.once("close", onClose);
        socket.write(bytes, (error) => {
          socket.off("close", onClose);
          if (error) reject(error);
          else resolve(bytes.length);
        });
      });
    },
    close() {
      failure ??= new Error("connection closed");
      socket.destroy();
      settle();
    },
  };
}
