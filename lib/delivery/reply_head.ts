/** The head of an HTTP/1.1 reply, line by line: status, headers, and how long its body is (RFC 9112 §§4–6). */

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: .*)?$/;
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** What is wrong with a reply, for the sentence that names the place. */
export class MalformedReply extends Error {}

/** How a body ends. */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "fixed"; readonly length: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "until close" };

/** One head; an interim one (1xx) is followed by another. */
export class ReplyHead {
  readonly status: number;
  /** Names in lower case, in order, values trimmed. */
  readonly headers: [name: string, value: string][] = [];
  readonly #isHttp10: boolean;
  #fields: Headers | undefined;

  /** @throws {MalformedReply} */
  constructor(statusLine: string) {
    const match = STATUS_LINE.exec(statusLine);
    if (match === null) throw new MalformedReply("a wrong status line");
    this.#isHttp10 = match[1] === "0";
    this.status = Number(match[2]);
  }

  /** Takes a header line, or the fold of the one before (§5.2). @throws {MalformedReply} */
  add(line: string): void {
    const last = this.headers.at(-1);
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon));
    const isFold = line[0] === " " || line[0] === "\t";
    if (
      (isFold ? last === undefined : !HEADER_NAME.test(name)) ||
      /[\0\r]/.test(line)
    ) throw new MalformedReply("a wrong header line");
    if (isFold && last !== undefined) last[1] = `${last[1]} ${line.trim()}`;
    else {
      const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
      this.headers.push([name.toLowerCase(), value]);
    }
  }

  /** The headers, once all are there: one object, not to be changed. */
  get fields(): Headers {
    return this.#fields ??= new Headers(this.headers);
  }

  /** Whether the server will take another request on the connection. */
  get isKept(): boolean {
    const options = this.#list("connection");
    if (options.includes("close")) return false;
    return !this.#isHttp10 || options.includes("keep-alive");
  }

  /** How the body of the reply to such a request ends, and whether the connection outlives it. @throws {MalformedReply} */
  framing(method: string): { body: Framing; isKept: boolean } {
    if (
      this.status === 204 || this.status === 304 || method === "HEAD" ||
      (method === "CONNECT" && this.status < 300)
    ) return { body: { kind: "none" }, isKept: this.isKept };
    const lengths = [...new Set(this.#list("content-length"))];
    const codings = this.#list("transfer-encoding");
    if (codings.length > 0) {
      if (codings.length > 1 || codings[0] !== "chunked") {
        throw new MalformedReply("a transfer coding that nobody asked for");
      }
      // Two lengths that may differ: the chunks count, the connection ends (§6.3).
      const isKept = this.isKept && lengths.length === 0;
      return { body: { kind: "chunked" }, isKept };
    }
    const [length] = lengths;
    if (length === undefined) {
      return { body: { kind: "until close" }, isKept: false };
    }
    if (lengths.length > 1 || !/^\d{1,15}$/.test(length)) {
      throw new MalformedReply("a wrong Content-Length");
    }
    return {
      body: length === "0"
        ? { kind: "none" }
        : { kind: "fixed", length: Number(length) },
      isKept: this.isKept,
    };
  }

  #list(name: string): string[] {
    return this.headers.flatMap(([key, value]) =>
      key === name ? value.toLowerCase().split(",").map((v) => v.trim()) : []
    );
  }
}
