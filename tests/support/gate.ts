/** A TCP port of the tests that leads where a test says, or nowhere: what a connector is configured with stays. */

/** Listens on one port for its whole life, save while it is shut. */
export class Gate implements AsyncDisposable {
  readonly port: number;
  /** Port on the loopback that new connections lead to. */
  target: number;
  #listener: Deno.TcpListener | undefined;
  #accepting: Promise<void> | undefined;
  readonly #conns = new Set<Deno.Conn>();
  readonly #work = new Set<Promise<void>>();

  constructor(target: number) {
    this.target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#accepting = this.#accept(this.#listener);
  }

  /** From its end on nobody listens, and all connections end. */
  async shut(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    // Until then the system still takes connections.
    await this.#accepting;
    this.cut();
  }

  /** Listens again. */
  open(): void {
    if (this.#listener !== undefined) return;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: this.port });
    this.#accepting = this.#accept(this.#listener);
  }

  /** Ends all connections; new ones are taken. */
  cut(): void {
    for (const conn of this.#conns) close(conn);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shut();
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    for (;;) {
      let conn: Deno.TcpConn;
      try {
        conn = await listener.accept();
      } catch {
        return; // it was shut
      }
      this.#conns.add(conn);
      this.#track(this.#lead(conn));
    }
  }

  async #lead(conn: Deno.TcpConn): Promise<void> {
    try {
      const { target: port } = this;
      const other = await Deno.connect({ hostname: "127.0.0.1", port });
      this.#conns.add(other);
      conn.setNoDelay();
      other.setNoDelay();
      await Promise.all([this.#pass(conn, other), this.#pass(other, conn)]);
    } catch {
      // Nobody there.
    }
    close(conn);
    this.#conns.delete(conn);
  }

  /** An end or a reset on one side ends both. */
  async #pass(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    try {
      await from.readable.pipeTo(to.writable);
    } catch {
      // A side went away.
    }
    close(from);
    close(to);
    this.#conns.delete(to);
  }
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It has ended.
  }
}
