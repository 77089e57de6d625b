/**
 * Parser of one HTTP/1.1 reply (RFC 9112), fed with what the socket gives, cut anywhere. Bounded: heads, trailers and
 * chunk extensions together by `MAX_HEAD_BYTES`, the body by the caller. What is no HTTP is said at the first wrong byte.
 *
 * Over 300 lines because each state of the parser changes what all others start from.
 */

import type { HttpReply } from "./http_exchange.ts";
import { MalformedReply, ReplyHead } from "./reply_head.ts";
import { TransportError } from "./transport_error.ts";

/** Bytes of all lines of a reply: interim heads, head, chunk extensions, trailers. */
export const MAX_HEAD_BYTES = 65_536;

const LF = 10;
const CR = 13;
const STATUS_START = [72, 84, 84, 80, 47, 49, 46]; // "HTTP/1."
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

/**
 * The last head on a connection: as a rule the next one is the same, byte for byte, until its `Date` moves on. Then it
 * is not read again.
 */
export class LastHead {
  bytes = NO_BYTES;
  head: ReplyHead | undefined;
}

/** Reads one reply; make a new one per request. */
export class ReplyParser {
  readonly #expectation: ReplyExpectation;
  readonly #last: LastHead;
  #state: State = "status";
  #head: ReplyHead | undefined;
  #body = NO_BYTES;
  #kept = 0;
  /** Bytes left of the fixed body or of the chunk. */
  #left = 0;
  /** The front of a line whose end has not come. */
  #line = NO_BYTES;
  #lineBytes = 0;
  #keepAlive = false;
  #started = false;

  /** `last`: of the same connection. */
  constructor(expectation: ReplyExpectation, last = new LastHead()) {
    this.#expectation = expectation;
    this.#last = last;
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
    const isFirst = !this.#started;
    if (bytes.length > 0) this.#started = true;
    try {
      let at = isFirst ? this.#takeHead(bytes) : 0;
      while (at < bytes.length && this.#state !== "done") {
        at = this.#take(bytes, at);
      }
      // Bytes that nobody asked for: what follows on this connection cannot be trusted.
      if (at < bytes.length) this.#keepAlive = false;
    } catch (error) {
      if (!(error instanceof MalformedReply)) throw error;
      throw new TransportError(
        "not_http",
        `What answers at ${this.#expectation.place} is not a web server: ${error.message}.`,
      );
    }
    return this.#state === "done";
  }

  /** The server closed. @throws {TransportError} `cut` unless that is how this reply ends. */
  end(): void {
    if (this.#state === "until close") this.#state = "done";
    if (this.#state === "done") return;
    throw new TransportError(
      "cut",
      this.#started
        ? `${this.#expectation.place} closed the connection in the middle of its answer.`
        : `${this.#expectation.place} closed the connection before an answer. If always: an https port called with http, or a proxy in between.`,
    );
  }

  /** The reply, once `push` or `end` made it complete. */
  reply(): HttpReply {
    return new Reply(
      this.#head,
      this.#body.subarray(0, this.#kept),
    );
  }

  /** Takes a whole head that is the last one again, or one to remember; where it stopped. */
  #takeHead(bytes: Uint8Array): number {
    const last = this.#last;
    if (last.head !== undefined && beginsWith(bytes, last.bytes)) {
      this.#head = last.head;
      this.#lineBytes = last.bytes.length;
      this.#headDone();
      return last.bytes.length;
    }
    let at = 0;
    while (
      at < bytes.length &&
      (this.#state === "status" || this.#state === "headers")
    ) {
      at = this.#takeLine(bytes, at);
    }
    if (this.#state !== "status" && this.#state !== "headers") {
      last.bytes = bytes.slice(0, at);
      last.head = this.#head;
    }
    return at;
  }

  /** Takes some bytes from `at` on; where it stopped. */
  #take(bytes: Uint8Array, at: number): number {
    switch (this.#state) {
      case "fixed":
      case "chunk data": {
        const take = Math.min(this.#left, bytes.length - at);
        this.#left -= take;
        if (this.#left === 0) {
          this.#state = this.#state === "fixed" ? "done" : "chunk end";
        }
        this.#keep(bytes.subarray(at, at + take));
        return at + take;
      }
      case "until close":
        this.#keep(bytes.subarray(at));
        return bytes.length;
      default:
        return this.#takeLine(bytes, at);
    }
  }

  #takeLine(bytes: Uint8Array, from: number): number {
    const lf = bytes.indexOf(LF, from);
    const end = lf < 0 ? bytes.length : lf;
    const length = this.#line.length + end - from;
    if (this.#lineBytes + length > MAX_HEAD_BYTES) {
      throw new MalformedReply(`its head is over ${MAX_HEAD_BYTES} bytes`);
    }
    let line = bytes.subarray(from, end);
    if (this.#line.length > 0) {
      const whole = new Uint8Array(length);
      whole.set(this.#line);
      whole.set(line, this.#line.length);
      line = whole;
    }
    if (this.#state === "status") checkStart(line);
    if (lf < 0) {
      this.#line = line.slice();
      return end;
    }
    this.#line = NO_BYTES;
    // A chunk's size costs the body's bound, not the head's; its extension costs the head's.
    const isChunk = this.#state === "chunk size" || this.#state === "chunk end";
    this.#lineBytes += isChunk ? Math.max(0, length - 9) : length + 1;
    this.#useLine(latin1(line, line.at(-1) === CR ? length - 1 : length));
    return lf + 1;
  }

  #useLine(line: string): void {
    switch (this.#state) {
      case "status":
        this.#head = new ReplyHead(line);
        this.#state = "headers";
        return;
      case "headers":
        return line === "" ? this.#headDone() : this.#head?.add(line);
      case "trailers":
        if (line === "") this.#state = "done";
        return;
      case "chunk end":
        if (line !== "") throw new MalformedReply("a wrong chunk end");
        this.#state = "chunk size";
        return;
      default: {
        const match = CHUNK_SIZE.exec(line);
        if (match === null) throw new MalformedReply("a wrong chunk size");
        this.#left = Number.parseInt(match[1] ?? "0", 16);
        this.#state = this.#left === 0 ? "trailers" : "chunk data";
      }
    }
  }

  #headDone(): void {
    const head = this.#head;
    if (head === undefined) return;
    if (head.status === 101) {
      throw new MalformedReply("it changes to a protocol nobody asked for");
    }
    if (head.status < 200) {
      this.#state = "status";
      return;
    }
    const { body, isKept } = head.framing(this.#expectation.method);
    this.#keepAlive = isKept;
    switch (body.kind) {
      case "none":
        this.#state = "done";
        return;
      case "fixed":
        this.#left = body.length;
        this.#state = "fixed";
        if (body.length > this.#expectation.maxBody) this.#refuseLong();
        return;
      case "chunked":
        this.#state = "chunk size";
        return;
      case "until close":
        this.#state = "until close";
        return;
      default:
        body satisfies never;
    }
  }

  /** One buffer that grows: a body in a million chunks costs what its bytes cost. */
  #keep(bytes: Uint8Array): void {
    const { maxBody } = this.#expectation;
    const part = bytes.subarray(0, maxBody - this.#kept);
    const needed = this.#kept + part.length;
    if (needed > this.#body.length) {
      const size = Math.max(needed, 2 * this.#body.length, 1024);
      const grown = new Uint8Array(Math.min(size, maxBody));
      grown.set(this.#body);
      this.#body = grown;
    }
    this.#body.set(part, this.#kept);
    this.#kept = needed;
    if (part.length === bytes.length) return;
    this.#refuseLong();
    this.#keepAlive = false;
    this.#state = "done";
  }

  /** A cut 2xx could be misread by whom it tells which events were taken; any other is judged by its status. */
  #refuseLong(): void {
    const { place, maxBody } = this.#expectation;
    const status = this.#head?.status ?? 0;
    if (status >= 300) return;
    throw new TransportError(
      "unclear",
      `The answer of ${place} (${status}) is over ${maxBody} bytes and was not read.`,
    );
  }
}

class Reply implements HttpReply {
  readonly status: number;
  readonly body: Uint8Array;
  readonly #head: ReplyHead | undefined;

  constructor(head: ReplyHead | undefined, body: Uint8Array) {
    this.status = head?.status ?? 0;
    this.body = body;
    this.#head = head;
  }

  get headers(): Headers {
    return this.#head?.fields ?? new Headers();
  }

  text(): string {
    return new TextDecoder().decode(this.body);
  }
}

function beginsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  if (bytes.length < start.length) return false;
  for (let i = 0; i < start.length; i++) {
    if (bytes[i] !== start[i]) return false;
  }
  return true;
}

function checkStart(line: Uint8Array): void {
  for (let i = 0; i < Math.min(line.length, STATUS_START.length); i++) {
    if (line[i] === STATUS_START[i]) continue;
    throw new MalformedReply(
      line[0] === 0x15 || line[0] === 0x16
        ? "it speaks TLS: use https:// in the address"
        : "its answer does not begin with HTTP/1",
    );
  }
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
