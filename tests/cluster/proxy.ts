/**
 * A TCP proxy that goes wrong on request, between a relay and `denokv`: what a network, a NAT box and a dying server do
 * to KV Connect. It knows bytes and connections only.
 */

/** One connection through the proxy. */
interface Pair {
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;
  /** Nothing of it goes on any more, and nobody is told. */
  isFrozen: boolean;
}

/** Which way bytes go. */
type Way = "requests" | "replies";

export class FaultyProxy implements AsyncDisposable {
  readonly port: number;
  readonly #target: number;
  #listener: Deno.TcpListener | undefined;
  readonly #pairs = new Set<Pair>();
  readonly #work = new Set<Promise<void>>();
  /** Replies that are still to be cut off. */
  #cuts = 0;
  /** Bytes of a way wait for this. */
  readonly #held = new Map<Way, PromiseWithResolvers<void>>();
  /** What was done, by name. */
  readonly done: Record<string, number> = {};

  /** `target`: port on the loopback. */
  constructor(target: number) {
    this.#target = target;
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = listener.addr.port;
    this.#accept(listener);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The next replies never arrive: what they answer is done all the same, and the connection is gone. */
  cutReplies(count: number): void {
    this.#note("replies cut", count);
    this.#cuts += count;
  }

  /** Ends every connection. */
  drop(): void {
    this.#note("drops");
    for (const pair of [...this.#pairs]) this.#end(pair);
  }

  /** Bytes of a way stay here until `release`. */
  hold(way: Way): void {
    this.#note(`${way} held`);
    if (!this.#held.has(way)) {
      this.#held.set(way, Promise.withResolvers<void>());
    }
  }

  release(): void {
    for (const { resolve } of this.#held.values()) resolve();
    this.#held.clear();
  }

  /** Every connection there is goes silent for ever, without an end: a NAT entry was dropped. New ones work. */
  freeze(): void {
    this.#note("freezes");
    for (const pair of this.#pairs) pair.isFrozen = true;
  }

  /** No new connections, as while a server starts; the ones there are end. */
  refuse(): void {
    this.#note("refusals");
    this.#listener?.close();
    this.#listener = undefined;
    for (const pair of [...this.#pairs]) this.#end(pair);
  }

  /** Listens again. */
  accept(): void {
    if (this.#listener !== undefined) return;
    this.#accept(Deno.listen({ hostname: "127.0.0.1", port: this.port }));
  }

  /** Everything as it should be; frozen connections stay frozen. */
  calm(): void {
    this.#cuts = 0;
    this.release();
    this.accept();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    this.#listener?.close();
    for (const pair of [...this.#pairs]) this.#end(pair);
    await Promise.all(this.#work);
  }

  #note(what: string, count = 1): void {
    this.done[what] = (this.done[what] ?? 0) + count;
  }

  #accept(listener: Deno.TcpListener): void {
    this.#listener = listener;
    this.#track((async () => {
      try {
        for await (const client of listener) {
          this.#track(this.#serve(client));
        }
      } catch {
        // Closed.
      }
    })());
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({
        hostname: "127.0.0.1",
        port: this.#target,
      });
    } catch {
      close(client);
      return;
    }
    // As a network without the loopback's delayed acknowledgements: the faults are what is tried here.
    client.setNoDelay();
    server.setNoDelay();
    const pair = { client, server, isFrozen: false };
    this.#pairs.add(pair);
    await Promise.all([
      this.#pass(pair, client, server, "requests"),
      this.#pass(pair, server, client, "replies"),
    ]);
  }

  async #pass(
    pair: Pair,
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    way: Way,
  ): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) {
        const read = await from.read(buffer);
        // A frozen connection does not even pass its end on.
        if (read === null && !pair.isFrozen) break;
        if (read === null) return;
        await this.#held.get(way)?.promise;
        if (pair.isFrozen) continue;
        if (way === "replies" && this.#cuts > 0) {
          this.#cuts--;
          break;
        }
        let rest = buffer.subarray(0, read);
        while (rest.length > 0) rest = rest.subarray(await to.write(rest));
      }
    } catch {
      // One end went.
    }
    this.#end(pair);
  }

  #end(pair: Pair): void {
    this.#pairs.delete(pair);
    close(pair.client);
    close(pair.server);
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It was closed before.
  }
}
