/** Request bodies: read under deadlines, capped one by one and in all, inflated. Content-Type is never looked at. */

import type { Clock } from "../../lib/clock.ts";
import { type BodyPatience, Deadlines } from "./deadlines.ts";
import { inflate } from "./inflate.ts";

/** A declared length up to this is allocated at once, a larger one as the bytes come. */
const TRUSTED_LENGTH = 1 << 20;
/** What Deno reads at once into a chunk of its own. A body within it is that chunk. */
const CHUNK = 65_536;
const NOTHING = new Uint8Array(0);

/** Sizes in bytes. */
export interface BodyLimits {
  /** One body, on the wire and inflated alike. */
  readonly maxBody: number;
  /** All bodies that are held at once. */
  readonly maxInflight: number;
}

/** A body, or why there is none. */
export type Body =
  /** `held` goes back with `release()` once the bytes are no longer needed. */
  | {
    readonly kind: "whole" | "slow" | "gone";
    readonly bytes: Uint8Array;
    readonly held: number;
  }
  | { readonly kind: "too_large" | "busy" | "encoding" | "broken" };

const TOO_LARGE: Body = { kind: "too_large" }, BUSY: Body = { kind: "busy" };
const ENCODING: Body = { kind: "encoding" }, BROKEN: Body = { kind: "broken" };

export class BodyReader {
  readonly #limits: BodyLimits;
  /** Of all bodies, those that others read too. */
  readonly deadlines: Deadlines;
  #held = 0;

  constructor(clock: Clock, limits: BodyLimits, patience: BodyPatience) {
    this.#limits = limits;
    this.deadlines = new Deadlines(clock, patience);
  }

  /** Bytes held now. */
  get held(): number {
    return this.#held;
  }

  /** True and noted, when there is room for so many more bytes. */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#limits.maxInflight) return false;
    this.#held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }

  /** Gives a body's room back. */
  release(body: Body): void {
    if ("held" in body) this.give(body.held);
  }

  /** Ends the timer of the deadlines. */
  close(): void {
    this.deadlines.close();
  }

  /** Reads the whole body. Of a slow or cut one what came is returned, unless it is compressed: then nothing. */
  async read(request: Request): Promise<Body> {
    const encoding = request.headers.get("content-encoding");
    if (encoding === null) return await this.#readPlain(request);
    const name = encoding.trim().toLowerCase();
    if (name === "" || name === "identity") {
      return await this.#readPlain(request);
    }
    if (name !== "gzip" && name !== "x-gzip") return ENCODING;
    const body = await this.#readPlain(request);
    if (!("held" in body)) return body;
    if (body.kind !== "whole") {
      this.give(body.held);
      return { kind: body.kind, bytes: NOTHING, held: 0 };
    }
    try {
      const inflated = await inflate(body.bytes, {
        maxBytes: this.#limits.maxBody,
        room: this,
      });
      switch (inflated.kind) {
        case "inflated": {
          const { bytes } = inflated;
          return { kind: "whole", bytes, held: bytes.length };
        }
        case "broken":
          return BROKEN;
        case "too_large":
          return TOO_LARGE;
        case "busy":
          return BUSY;
        default:
          return inflated satisfies never;
      }
    } finally {
      this.give(body.held);
    }
  }

  async #readPlain(request: Request): Promise<Body> {
    const { maxBody } = this.#limits;
    const declared = Number(request.headers.get("content-length") ?? NaN);
    if (declared > maxBody) return TOO_LARGE;
    if (request.body === null) {
      return { kind: "whole", bytes: NOTHING, held: 0 };
    }
    if (declared > CHUNK && declared <= TRUSTED_LENGTH) {
      const filler = byteReader(request.body);
      if (filler !== undefined) return await this.#fill(filler, declared);
    }
    const reader = request.body.getReader();
    const watched = this.deadlines.watch(() => {
      // Ends the read that is waiting, as if the body were over.
      this.#abandon(reader, 0);
    });
    let buffer = NOTHING, length = 0, held = 0, isOwn = false;
    let kind: "whole" | "gone" = "whole";
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) {
          // Deno 2.5 ends the body of a server that is aborted as if it were whole.
          if (declared > length) kind = "gone";
          break;
        }
        this.deadlines.touch(watched);
        const end = length + value.length;
        if (end > maxBody) {
          this.#abandon(reader, held);
          return TOO_LARGE;
        }
        if (length === 0) {
          // A chunk keeps its whole buffer alive, 64 KiB as a rule: a short one is copied.
          const { byteLength } = value.buffer;
          const isShort = value.length < byteLength / 2;
          const size = isShort ? value.length : byteLength;
          if (!this.take(size)) {
            this.#abandon(reader, 0);
            return BUSY;
          }
          buffer = isShort ? value.slice() : value;
          length = value.length;
          held = size;
          continue;
        }
        if (!isOwn || end > buffer.length) {
          const size = sizeFor(end, declared, maxBody);
          if (!this.take(size)) {
            this.#abandon(reader, held);
            return BUSY;
          }
          const grown = new Uint8Array(size);
          grown.set(buffer.subarray(0, length));
          this.give(held);
          buffer = grown;
          held = size;
          isOwn = true;
        }
        buffer.set(value, length);
        length = end;
      }
    } catch {
      // The client cut the connection, or the server is shutting down: the runtime says both by a failed read.
      kind = "gone";
    } finally {
      this.deadlines.unwatch(watched);
    }
    return {
      kind: watched.isExpired ? "slow" : kind,
      bytes: buffer.length === length ? buffer : buffer.subarray(0, length),
      held,
    };
  }

  /**
   * Reads a body of several chunks into one buffer of its declared length: half the cost of chunks that the runtime
   * makes. Only the first read gets that buffer, as a rule for the whole body: what is lent to a read is lost when it
   * fails or is cancelled. The rest comes through a second one, not larger than a chunk and as little accounted.
   */
  async #fill(
    reader: ReadableStreamBYOBReader,
    declared: number,
  ): Promise<Body> {
    if (!this.take(declared)) {
      this.#abandon(reader, 0);
      return BUSY;
    }
    const watched = this.deadlines.watch(() => this.#abandon(reader, 0));
    let buffer = NOTHING, length = 0;
    let kind: "whole" | "gone" = "whole";
    try {
      let lent = new Uint8Array(declared);
      for (;;) {
        const { done, value } = await reader.read(lent);
        if (done) {
          if (declared > length) kind = "gone";
          break;
        }
        this.deadlines.touch(watched);
        const end = length + value.length;
        if (end > declared) {
          this.#abandon(reader, declared);
          return BROKEN;
        }
        if (length === 0) {
          buffer = new Uint8Array(value.buffer);
          // Also where nothing is missing: the end must be read, or the server closes the connection.
          lent = new Uint8Array(Math.min(CHUNK, declared - end || 1));
        } else {
          buffer.set(value, length);
          lent = new Uint8Array(value.buffer);
        }
        length = end;
      }
    } catch {
      kind = "gone"; // as in #readPlain
    } finally {
      this.deadlines.unwatch(watched);
    }
    return {
      kind: watched.isExpired ? "slow" : kind,
      bytes: length === declared ? buffer : buffer.subarray(0, length),
      held: declared,
    };
  }

  /** Reads no further. A stream that fails now has nobody left to tell. */
  #abandon(
    reader: ReadableStreamDefaultReader | ReadableStreamBYOBReader,
    held: number,
  ): void {
    this.give(held);
    reader.cancel().catch(() => {});
  }
}

/** Deno's own bodies are byte streams, unless they came whole with the head; what a test makes is none as a rule. */
function byteReader(
  body: ReadableStream<Uint8Array>,
): ReadableStreamBYOBReader | undefined {
  try {
    return body.getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
}

function sizeFor(end: number, declared: number, maxBody: number): number {
  if (declared >= end) {
    return declared <= TRUSTED_LENGTH ? declared : Math.min(declared, end * 2);
  }
  return Math.min(maxBody, Math.max(end * 2, 65_536));
}
