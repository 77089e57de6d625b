/** Bytes that grow, for tests of what writes into a batch's buffer. */

import type { GrowingBytes } from "../../lib/template.ts";

export class Bytes implements GrowingBytes {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(room = 0) {
    this.bytes = new Uint8Array(room);
  }

  room(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    // Just enough, and a new backing each time: who keeps the old one is found out.
    const grown = new Uint8Array(this.length + more);
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes.fill(0x7e);
    this.bytes = grown;
  }

  text(): string {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      this.bytes.subarray(0, this.length),
    );
  }
}
