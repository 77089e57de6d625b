/**
 * Parser of one HTTP/1.1 reply (RFC 9112), fed with what the socket gives, cut anywhere. Bounded: heads, trailers and
 * chunk extensions together by `MAX_HEAD_BYTES`, the body by the caller. What is no HTTP is said at the first wrong byte.
 */

import type { HttpReply } from "./http_client.ts";
import { TransportError } from "./transport_error.ts";

/** Bytes of all lines of a reply: interim heads, head, chunk extensions, trailers. */
export const MAX_HEAD_BYTES = 65_536;

const LF = 10;
const CR = 13;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: .*)?$/;
const STATUS_START = [72, 84, 84, 80, 47, 49, 46]; // "HTTP/1."
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const CHUNK_SIZE = /^([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?$/;
const NO_BYTES = new Uint8Array(0);

type State =
  | "status"
  | "headers"
  | "fixed"
  | "chunk size"
  | "chunk data"
  | "chunk end"
  | "trailers"
  | "until close"
  | "done";

/** What the parser must know of the request. */
export interface ReplyExpectation {
  readonly method: string;
  /** Bytes of the body that are kept: a longer 2xx is a fault, a longer other reply is cut there. */
  readonly maxBody: number;
  /** `host:port`, for messages. */
  readonly place: string;
}

/** Reads one reply; make a new one per request. */
export class ReplyParser {
  readonly #expectation: ReplyExpectation;
  #state: State = "status";
  #status = 0;
  #headers: [name: string, value: string][] = [];
  #parts: Uint8Array[] = [];
  #kept = 0;
  /** Bytes left of the fixed body or of the chunk. */
  #left = 0;
  #line: Uint8Array = NO_BYTES;
  #lineBytes = 0;
  #keepAlive = false;
  #started = false;

  constructor(expectation: ReplyExpectation) {
    this.#expectation = expectation;
  }

  /** Whether any byte of a reply came. */
  get started(): boolean {
    return this.#started;
  }

  /** Whether the connection may carry another request; known when the reply is complete. */
  get keepAlive(): boolean {
    return this.#keepAlive;
  }

  /** Takes bytes (copies what it keeps). True when the reply is complete. @throws {TransportError} `not_http`, `unclear` */
  push(bytes: Uint8Array): boolean {
    let at = 0;
    if (bytes.length > 0) this.#started = true;
    while (at < bytes.length && this.#state !== "done") {
      switch (this.#state) {
        case "fixed":
        case "chunk data": {
          const take = Math.min(this.#left, bytes.length - at);
          this.#keep(bytes.subarray(at, at + take));
          at += take;
          this.#left -= take;
          if (this.#left === 0 && this.#state === "fixed") this.#done();
          else if (this.#left === 0 && this.#state === "chunk data") {
            this.#state = "chunk end";
          }
          break;
        }
        case "until close":
          this.#keep(bytes.subarray(at));
          at = bytes.length;
          break;
        default:
          at = this.#takeLine(bytes, at);
      }
    }
    // Bytes that nobody asked for: what follows on this connection cannot be trusted.
    if (at < bytes.length) this.#keepAlive = false;
    return this.#state === "done";
  }

  /** The server closed. @throws {TransportError} `cut` unless that is how this reply ends. */
  end(): void {
    if (this.#state === "done") return;
    if (this.#state === "until close") return this.#done();
    throw new TransportError(
      "cut",
      this.#started
        ? `${this.#expectation.place} closed the connection in the middle of its answer.`
        : `${this.#expectation.place} closed the connection before an answer. If always: an https port called with http, or a proxy in between.`,
    );
  }

  /** The reply, once `push` or `end` made it complete. */
  reply(): HttpReply {
    const [first = NO_BYTES] = this.#parts;
    return new Reply(
      this.#status,
      this.#headers,
      this.#parts.length < 2 ? first : join(this.#parts, this.#kept),
    );
  }

  #takeLine(bytes: Uint8Array, from: number): number {
    const lf = bytes.indexOf(LF, from);
    const end = lf < 0 ? bytes.length : lf;
    const grown = this.#line.length + end - from;
    if (this.#lineBytes + grown > MAX_HEAD_BYTES) {
      throw this.#malformed(`its head is over ${MAX_HEAD_BYTES} bytes`);
    }
    const piece = bytes.subarray(from, end);
    const line = this.#line.length === 0
      ? piece
      : join([this.#line, piece], grown);
    if (this.#state === "status") this.#checkStart(line);
    if (lf < 0) {
      this.#line = line === piece ? piece.slice() : line;
      return end;
    }
    this.#line = NO_BYTES;
    const size = line.at(-1) === CR ? line.length - 1 : line.length;
    // A chunk's size costs its body's bound, not the head's; its extension costs the head's.
    this.#lineBytes += this.#state === "chunk size" ||
        this.#state === "chunk end"
      ? Math.max(0, size - 8)
      : grown + 1;
    this.#useLine(latin1(line, size));
    return lf + 1;
  }

  #checkStart(line: Uint8Array): void {
    const length = Math.min(line.length, STATUS_START.length);
    for (let i = 0; i < length; i++) {
      if (line[i] === STATUS_START[i]) continue;
      throw this.#malformed(
        line[0] === 0x15 || line[0] === 0x16
          ? "it speaks TLS: use https:// in the address"
          : "its answer does not begin with HTTP/1",
      );
    }
  }

  #useLine(line: string): void {
    switch (this.#state) {
      case "status": {
        const match = STATUS_LINE.exec(line);
        if (match === null) throw this.#malformed("a wrong status line");
        this.#status = Number(match[2]);
        this.#keepAlive = match[1] === "1";
        this.#headers = [];
        this.#state = "headers";
        return;
      }
      case "headers":
        return line === "" ? this.#headDone() : this.#header(line);
      case "trailers":
        if (line === "") this.#done();
        return;
      case "chunk end":
        if (line !== "") throw this.#malformed("a wrong chunk end");
        this.#state = "chunk size";
        return;
      default: {
        const match = CHUNK_SIZE.exec(line);
        if (match === null) throw this.#malformed("a wrong chunk size");
        this.#left = Number.parseInt(match[1] ?? "0", 16);
        this.#state = this.#left === 0 ? "trailers" : "chunk data";
      }
    }
  }

  #header(line: string): void {
    const last = this.#headers.at(-1);
    if (line[0] === " " || line[0] === "\t") {
      if (last === undefined) throw this.#malformed("a wrong header line");
      last[1] = `${last[1]} ${line.trim()}`; // obs-fold, RFC 9112 §5.2
      return;
    }
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon));
    if (!HEADER_NAME.test(name) || /[\0\r]/.test(line)) {
      throw this.#malformed("a wrong header line");
    }
    this.#headers.push([
      name.toLowerCase(),
      line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, ""),
    ]);
  }

  #headDone(): void {
    if (this.#status < 200) {
      if (this.#status === 101) {
        throw this.#malformed("it changes to a protocol nobody asked for");
      }
      this.#state = "status";
      return;
    }
    const options = this.#list("connection");
    if (options.includes("close")) this.#keepAlive = false;
    else if (options.includes("keep-alive")) this.#keepAlive = true;
    if (
      this.#status === 204 || this.#status === 304 ||
      this.#expectation.method === "HEAD" ||
      (this.#expectation.method === "CONNECT" && this.#status < 300)
    ) return this.#done();
    const lengths = [...new Set(this.#list("content-length"))];
    const codings = this.#list("transfer-encoding");
    if (codings.length > 0) {
      if (codings.length > 1 || codings[0] !== "chunked") {
        throw this.#malformed("a transfer coding that nobody asked for");
      }
      // Two lengths that may differ: the chunks count, the connection ends (RFC 9112 §6.3).
      if (lengths.length > 0) this.#keepAlive = false;
      this.#state = "chunk size";
      return;
    }
    const [length] = lengths;
    if (length === undefined) {
      this.#keepAlive = false;
      this.#state = "until close";
      return;
    }
    if (lengths.length > 1 || !/^\d{1,15}$/.test(length)) {
      throw this.#malformed("a wrong Content-Length");
    }
    this.#left = Number(length);
    this.#state = "fixed";
    if (this.#left === 0) this.#done();
    else if (this.#left > this.#expectation.maxBody) this.#refuseLong();
  }

  #list(name: string): string[] {
    return this.#headers.flatMap(([key, value]) =>
      key === name ? value.toLowerCase().split(",").map((v) => v.trim()) : []
    );
  }

  #keep(bytes: Uint8Array): void {
    const room = this.#expectation.maxBody - this.#kept;
    const part = bytes.length > room ? bytes.subarray(0, room) : bytes;
    if (part.length > 0) this.#parts.push(part.slice());
    this.#kept += part.length;
    if (part.length === bytes.length) return;
    this.#refuseLong();
    this.#keepAlive = false;
    this.#state = "done";
  }

  /** A cut 2xx could be misread by whom it tells which events were taken; any other is judged by its status. */
  #refuseLong(): void {
    if (this.#status >= 300) return;
    throw new TransportError(
      "unclear",
      `The answer of ${this.#expectation.place} (${this.#status}) is over ${this.#expectation.maxBody} bytes and was not read.`,
    );
  }

  #done(): void {
    this.#state = "done";
  }

  #malformed(what: string): TransportError {
    return new TransportError(
      "not_http",
      `What answers at ${this.#expectation.place} is not a web server: ${what}.`,
    );
  }
}

class Reply implements HttpReply {
  readonly status: number;
  readonly body: Uint8Array;
  readonly #fields: readonly (readonly [string, string])[];
  #headers: Headers | undefined;

  constructor(
    status: number,
    fields: readonly (readonly [string, string])[],
    body: Uint8Array,
  ) {
    this.status = status;
    this.body = body;
    this.#fields = fields;
  }

  get headers(): Headers {
    if (this.#headers === undefined) {
      this.#headers = new Headers();
      for (const [name, value] of this.#fields) {
        this.#headers.append(name, value);
      }
    }
    return this.#headers;
  }

  text(): string {
    return new TextDecoder().decode(this.body);
  }
}

function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Header bytes as the characters of the same numbers (TextDecoder's "latin1" is windows-1252). */
function latin1(bytes: Uint8Array, end: number): string {
  let text = "";
  for (let at = 0; at < end; at += 4096) {
    text += String.fromCharCode(
      ...bytes.subarray(at, Math.min(end, at + 4096)),
    );
  }
  return text;
}
