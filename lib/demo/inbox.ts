/** The reading side of a connection: bytes are pushed as they come, and taken by number or up to a mark. */

import { Buffer } from "node:buffer";

/** Bytes that have come over a socket and were not taken yet. */
export class Inbox {
  #bytes = Buffer.alloc(0);
  #coming: Buffer[] = [];
  #comingBytes = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  /** Adds what has come. */
  push(chunk: Buffer): void {
    this.#coming.push(chunk);
    this.#comingBytes += chunk.length;
    this.#wake?.();
  }

  /** Nothing more will come. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Waits for `count` bytes and takes them. `undefined`: the end came before. */
  async take(count: number): Promise<Buffer | undefined> {
    while (this.#bytes.length + this.#comingBytes < count) {
      if (this.#ended) return undefined;
      await this.#more();
    }
    return this.#cut(count);
  }

  /** Waits for `mark` and takes everything up to its end. `undefined`: the end, or more than `limit` bytes, came before. */
  async takeThrough(mark: string, limit: number): Promise<string | undefined> {
    for (;;) {
      this.#join();
      const at = this.#bytes.indexOf(mark);
      if (at >= 0) return this.#cut(at + mark.length).toString("latin1");
      if (this.#ended || this.#bytes.length > limit) return undefined;
      await this.#more();
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  #join(): void {
    if (this.#comingBytes === 0) return;
    this.#bytes = Buffer.concat([this.#bytes, ...this.#coming]);
    this.#coming = [];
    this.#comingBytes = 0;
  }

  #cut(count: number): Buffer {
    this.#join();
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }
}
