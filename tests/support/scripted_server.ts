/** A server on a loopback socket that does, byte by byte, what a script says: once per connection. */

/** One request as it came. */
export interface SeenRequest {
  /** Request line and headers, without the empty line. */
  readonly head: string;
  readonly body: Uint8Array;
}

/** The server's end of one connection. */
export class ScriptedConnection {
  readonly #conn: Deno.Conn;
  readonly #seen: SeenRequest[];
  #rest = new Uint8Array(0);

  constructor(conn: Deno.Conn, seen: SeenRequest[]) {
    this.#conn = conn;
    this.#seen = seen;
  }

  /** Reads one whole request (by its Content-Length). @throws when the client closes before. */
  async request(): Promise<SeenRequest> {
    const head = await this.head();
    const length = Number(/^content-length: *(\d+)$/im.exec(head)?.[1] ?? 0);
    while (this.#rest.length < length) await this.#more();
    const body = this.#rest.slice(0, length);
    this.#rest = this.#rest.slice(length);
    const request = { head, body };
    this.#seen.push(request);
    return request;
  }

  /** Reads a request's head only. */
  async head(): Promise<string> {
    for (;;) {
      const text = latin1(this.#rest);
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0) {
        this.#rest = this.#rest.slice(end + 4);
        return text.slice(0, end);
      }
      await this.#more();
    }
  }

  /** Writes all of it; text as UTF-8. */
  async write(data: string | Uint8Array): Promise<void> {
    let bytes = typeof data === "string"
      ? new TextEncoder().encode(data)
      : data;
    while (bytes.length > 0) {
      bytes = bytes.subarray(await this.#conn.write(bytes));
    }
  }

  /** What came and was not asked for. */
  get unread(): Uint8Array {
    return this.#rest;
  }

  /** Resolves when the client has closed (end or reset). */
  async closed(): Promise<void> {
    try {
      for (;;) await this.#more();
    } catch {
      // that was it
    }
  }

  /** Passes bytes both ways until either end closes. */
  async bridge(other: Deno.Conn): Promise<void> {
    const pass = async (from: Deno.Conn, to: Deno.Conn) => {
      const buffer = new Uint8Array(65_536);
      try {
        for (;;) {
          const read = await from.read(buffer);
          if (read === null) break;
          let bytes = buffer.subarray(0, read);
          while (bytes.length > 0) {
            bytes = bytes.subarray(await to.write(bytes));
          }
        }
      } catch {
        // one end went
      }
      closeQuietly(from);
      closeQuietly(to);
    };
    await Promise.all([pass(this.#conn, other), pass(other, this.#conn)]);
  }

  /** Closes at once. */
  close(): void {
    closeQuietly(this.#conn);
  }

  async #more(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    const read = await this.#conn.read(buffer);
    if (read === null) throw new Error("the client closed");
    const rest = new Uint8Array(this.#rest.length + read);
    rest.set(this.#rest);
    rest.set(buffer.subarray(0, read), this.#rest.length);
    this.#rest = rest;
  }
}

/** What to do with the nth connection (from 0); the connection closes when it returns. */
export type Script = (
  connection: ScriptedConnection,
  nth: number,
) => Promise<void>;

/** Listens until disposed; a script's faults after the client has gone are no faults. */
export class ScriptedServer implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  readonly port: number;
  connections = 0;
  readonly #listener: Deno.Listener<Deno.Conn>;
  readonly #conns = new Set<Deno.Conn>();
  readonly #work: Promise<void>[] = [];

  constructor(script: Script, tls?: { cert: string; key: string }) {
    const where = { hostname: "127.0.0.1", port: 0 };
    const listener: Deno.Listener<Deno.Conn> = tls === undefined
      ? Deno.listen(where)
      : Deno.listenTls({ ...where, ...tls, alpnProtocols: ["http/1.1"] });
    this.#listener = listener;
    // By its members: 2.5 leaves the transport out for TLS.
    if (!("port" in listener.addr)) throw new Error("no TCP");
    this.port = listener.addr.port;
    this.#work.push(this.#accept(script));
  }

  async #accept(script: Script): Promise<void> {
    for (;;) {
      let conn: Deno.Conn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return;
        if (error instanceof Deno.errors.Interrupted) return;
        continue; // a handshake that failed
      }
      this.#conns.add(conn);
      this.#work.push(this.#run(script, conn, this.connections++));
    }
  }

  async #run(script: Script, conn: Deno.Conn, nth: number): Promise<void> {
    try {
      await script(new ScriptedConnection(conn, this.requests), nth);
    } catch {
      // the client went, or refused the certificate
    } finally {
      this.#conns.delete(conn);
      closeQuietly(conn);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) closeQuietly(conn);
    await Promise.all(this.#work);
  }
}

/** Answers every request of every connection alike. */
export function always(answer: string): Script {
  return async (connection) => {
    for (;;) {
      await connection.request();
      await connection.write(answer);
    }
  };
}

function closeQuietly(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // closed already
  }
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
