/** A client that writes bytes to a socket, for what `fetch` would not send: half bodies, drips, cuts. */

const encoder = new TextEncoder(), decoder = new TextDecoder();

/** A reply as it came. */
export interface RawReply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export class RawClient implements Disposable {
  readonly #connection: Deno.TcpConn;
  #rest = new Uint8Array(0);

  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  async send(...parts: (string | Uint8Array)[]): Promise<void> {
    for (const part of parts) {
      const bytes = typeof part === "string" ? encoder.encode(part) : part;
      for (let at = 0; at < bytes.length;) {
        at += await this.#connection.write(bytes.subarray(at));
      }
    }
  }

  /** Sends a whole request with a declared length. */
  async post(
    path: string,
    body: string | Uint8Array,
    headers: Record<string, string> = {},
  ): Promise<void> {
    const bytes = typeof body === "string" ? encoder.encode(body) : body;
    await this.send(head(path, headers, bytes.length), bytes);
  }

  /** Reads one reply. @throws where the connection ends before it does */
  async reply(): Promise<RawReply> {
    let end: number;
    while ((end = decoder.decode(this.#rest).indexOf("\r\n\r\n")) < 0) {
      await this.#more();
    }
    const [first = "", ...lines] = decoder.decode(this.#rest.subarray(0, end))
      .split("\r\n");
    const headers = new Headers(
      lines.map((line): [string, string] => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon), line.slice(colon + 1).trim()];
      }),
    );
    const status = Number(first.split(" ")[1]);
    const length = status === 100
      ? 0
      : Number(headers.get("content-length") ?? 0);
    const start = end + 4;
    while (this.#rest.length < start + length) await this.#more();
    const text = decoder.decode(this.#rest.subarray(start, start + length));
    this.#rest = this.#rest.slice(start + length);
    return { status, headers, text };
  }

  /** True once the other side has closed and nothing more came. */
  async isClosed(): Promise<boolean> {
    try {
      return await this.#connection.read(new Uint8Array(1)) === null;
    } catch {
      return true;
    }
  }

  /** Says that nothing more will be sent; replies still come. */
  async closeWrite(): Promise<void> {
    await this.#connection.closeWrite();
  }

  [Symbol.dispose](): void {
    try {
      this.#connection.close();
    } catch {
      // Closed already.
    }
  }

  async #more(): Promise<void> {
    const piece = new Uint8Array(16_384);
    const read = await this.#connection.read(piece);
    if (read === null) throw new Error("The connection ended in mid-reply");
    const joined = new Uint8Array(this.#rest.length + read);
    joined.set(this.#rest);
    joined.set(piece.subarray(0, read), this.#rest.length);
    this.#rest = joined;
  }
}

/** A request's head. `length` undefined: chunked. */
export function head(
  path: string,
  headers: Record<string, string>,
  length?: number,
): string {
  const all: Record<string, string> = {
    Host: "relay",
    Authorization: "Splunk hct_good",
    ...(length === undefined
      ? { "Transfer-Encoding": "chunked" }
      : { "Content-Length": String(length) }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `POST ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}

/** One chunk of a chunked body. */
export function chunk(text: string): string {
  const { length } = encoder.encode(text);
  return `${length.toString(16)}\r\n${text}\r\n`;
}

export async function connect(port: number): Promise<RawClient> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  connection.setNoDelay(); // true by default
  return new RawClient(connection);
}
