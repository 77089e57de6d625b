/**
 * A `node:` socket's failure, kept from the socket's birth on.
 *
 * An `error` that nobody listens for ends the whole process, and one may come at any moment: TLS 1.3 refuses a client's
 * certificate after the handshake, between any two awaits of whoever opened the connection. On Deno 2.9.6 such an alert
 * shows in that event alone: `errored` stays empty and the socket undestroyed.
 */

import type { Socket } from "node:net";
import { systemClock } from "../clock.ts";

/** How long a socket that broke while writing is still listened to, in milliseconds; heard after 3 at most (measured). */
const LISTEN_MS = 100;

const FAILURES = new WeakMap<Socket, Error>();

/** The socket itself; call it before anything is awaited. */
export function kept<S extends Socket>(socket: S): S {
  socket.on("error", (error: Error) => {
    if (!FAILURES.has(socket)) FAILURES.set(socket, error);
  });
  // A broken write destroys the socket before the alert is read that lies there and says why.
  const destroy = socket._destroy.bind(socket);
  socket._destroy = (error, done) => {
    if (!isOfWrite(error)) return destroy(error, done);
    const finish = () => {
      endTimer();
      socket.off("error", finish);
      destroy(error, done);
    };
    const endTimer = systemClock.after(LISTEN_MS, finish);
    socket.on("error", finish);
  };
  return socket;
}

/** What a kept socket failed of first, also where nobody listened. */
export function failureOf(socket: Socket): Error | undefined {
  return FAILURES.get(socket);
}

function isOfWrite(error: Error | null): boolean {
  return error !== null && "syscall" in error && error.syscall === "write";
}
