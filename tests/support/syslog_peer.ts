/** A receiver on loopback that keeps what comes over TCP or TLS, answers nothing, and does what the test says. */

/** One connection to the peer. */
export class PeerConnection {
  readonly #conn: Deno.Conn;
  readonly #changed: () => void;
  bytes = new Uint8Array(0);
  isOver = false;

  constructor(conn: Deno.Conn, changed: () => void) {
    this.#conn = conn;
    this.#changed = changed;
  }

  /** What came, as text. */
  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  /** Messages that came whole, by their line feeds. */
  get messages(): string[] {
    return this.text.split("\n").slice(0, -1);
  }

  /** Reads until the other end closes. */
  async read(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) {
        const read = await this.#conn.read(buffer);
        if (read === null) break;
        const grown = new Uint8Array(this.bytes.length + read);
        grown.set(this.bytes);
        grown.set(buffer.subarray(0, read), this.bytes.length);
        this.bytes = grown;
        this.#changed();
      }
    } catch {
      // Reset, or closed here.
    }
    this.isOver = true;
    this.#changed();
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#conn.write(bytes);
  }

  close(): void {
    try {
      this.#conn.close();
    } catch {
      // It was closed.
    }
  }
}

export interface SyslogPeerOptions {
  /** Certificate and key, PEM: TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** 0, the default: a free one. */
  readonly port?: number;
  /** Takes connections and reads nothing. */
  readonly isDeaf?: boolean;
}

export class SyslogPeer implements AsyncDisposable {
  readonly connections: PeerConnection[] = [];
  readonly #listener: Deno.Listener;
  readonly #options: SyslogPeerOptions;
  readonly #watchers = new Set<() => void>();
  readonly #reading: Promise<void>[] = [];
  readonly #accepting: Promise<void>;

  constructor(options: SyslogPeerOptions = {}) {
    const { tls, port = 0 } = options;
    const where = { hostname: "127.0.0.1", port };
    this.#options = options;
    this.#listener = tls === undefined
      ? Deno.listen(where)
      : Deno.listenTls({ ...where, ...tls });
    this.#accepting = this.#accept();
  }

  get port(): number {
    const { addr } = this.#listener;
    return addr.transport === "tcp" ? addr.port : 0;
  }

  /** Messages of all connections, in the order of connections. */
  get messages(): string[] {
    return this.connections.flatMap(({ messages }) => messages);
  }

  /** Resolves when it holds; looked at whenever something comes or ends. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.connections) connection.close();
    await this.#accepting;
    await Promise.all(this.#reading);
  }

  async #accept(): Promise<void> {
    for (;;) {
      let conn: Deno.Conn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        // A handshake that failed is the other end's affair.
        if (error instanceof Deno.errors.BadResource) return;
        continue;
      }
      const connection = new PeerConnection(conn, () => this.#look());
      this.connections.push(connection);
      if (!this.#options.isDeaf) this.#reading.push(connection.read());
      this.#look();
    }
  }

  #look(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}
