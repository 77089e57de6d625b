/** One connection: a request out, its reply in, and in between a read that notices when the server hangs up. */

import type { Attempt } from "./attempt.ts";
import { LastHead, type ReplyExpectation, ReplyParser } from "./http_reply.ts";
import { type Wire, writeAll } from "./wire.ts";

const READ_BYTES = 65_536;
/** A request up to this many bytes goes out in one write; the body of a larger one is not copied. */
const JOIN_BYTES = 32_768;

/** Milliseconds that a server gets to read the rest of a request that it has answered. */
const SEND_GRACE = 1_000;

/** Made, used by one request at a time, parked in between, closed once. */
export class Connection {
  readonly #wire: Wire;
  readonly #onClose: () => void;
  readonly #buffer = new Uint8Array(READ_BYTES);
  readonly #lastHead = new LastHead();
  #reading: Promise<number | null> | undefined;
  #joined: Uint8Array | undefined;
  #parkedAt: number | undefined;
  #isClosed = false;
  /** Requests begun on it. */
  uses = 0;

  constructor(wire: Wire, onClose: () => void) {
    this.#wire = wire;
    this.#onClose = onClose;
  }

  /** A parser for the next reply. */
  parserFor(expectation: ReplyExpectation): ReplyParser {
    return new ReplyParser(expectation, this.#lastHead);
  }

  /**
   * Writes the request and feeds the parser until the reply is complete. Reads meanwhile: a server may answer (413) or
   * hang up before it has read all, and what it said last is worth more than the failed write.
   */
  async exchange(
    head: Uint8Array,
    body: Uint8Array,
    parser: ReplyParser,
    attempt: Attempt,
  ): Promise<void> {
    this.#reading ??= this.#wire.read(this.#buffer);
    const sending = this.#write(head, body).then(
      () => {
        attempt.isSent = true;
      },
      () => {}, // the pending read tells why
    );
    for (;;) {
      const read = await this.#reading;
      if (read === null) {
        parser.end();
        break;
      }
      if (parser.push(this.#buffer.subarray(0, read))) break;
      this.#reading = this.#wire.read(this.#buffer);
    }
    this.#reading = undefined;
    if (attempt.isSent) return;
    // Answered before the write was seen to end. A server that keeps the connection is reading the rest.
    if (parser.keepAlive) await attempt.grant(sending, SEND_GRACE);
    if (!attempt.isSent) this.close();
    await sending;
  }

  /** Lays the connection by; it closes itself when the server hangs up or speaks unasked. */
  park(now: number): void {
    this.#parkedAt = now;
    const reading = this.#wire.read(this.#buffer);
    this.#reading = reading;
    const ended = () => {
      if (this.#parkedAt !== undefined && this.#reading === reading) {
        this.close();
      }
    };
    reading.then(ended, ended);
  }

  /** Takes it up again. Milliseconds that it lay idle. */
  unpark(now: number): number {
    const idle = now - (this.#parkedAt ?? now);
    this.#parkedAt = undefined;
    return idle;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
    this.#wire.close();
  }

  #write(head: Uint8Array, body: Uint8Array): Promise<void> {
    const length = head.length + body.length;
    if (body.length === 0) return writeAll(this.#wire, head);
    if (length > JOIN_BYTES) return this.#writeBoth(head, body);
    this.#joined ??= new Uint8Array(JOIN_BYTES);
    this.#joined.set(head);
    this.#joined.set(body, head.length);
    return writeAll(this.#wire, this.#joined.subarray(0, length));
  }

  async #writeBoth(head: Uint8Array, body: Uint8Array): Promise<void> {
    await writeAll(this.#wire, head);
    await writeAll(this.#wire, body);
  }
}
