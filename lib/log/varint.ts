/** Unsigned integers in as few bytes as they need (LEB128): the numbers of a segment's index. */

/** A growing buffer of numbers. */
export class VarintWriter {
  bytes = new Uint8Array(4096);
  length = 0;

  /** Makes room for `more` bytes. */
  reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const grown = new Uint8Array(
      Math.max(this.bytes.length * 2, this.length + more),
    );
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** Writes 0 ≤ n < 2³². Room must have been reserved (5 bytes). */
  put(n: number): void {
    const bytes = this.bytes;
    let at = this.length;
    while (n > 127) {
      bytes[at++] = (n & 127) | 128;
      n >>>= 7;
    }
    bytes[at++] = n;
    this.length = at;
  }

  /** Writes 0 ≤ n ≤ 2⁵³ − 1. Room must have been reserved (8 bytes). */
  putLarge(n: number): void {
    while (n > 127) {
      this.bytes[this.length++] = (n % 128) | 128;
      n = Math.floor(n / 128);
    }
    this.bytes[this.length++] = n;
  }
}

/** Reads them back. @throws {RangeError} past the end. */
export class VarintReader {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  get(): number {
    const bytes = this.bytes;
    let byte = bytes[this.at++];
    if (byte === undefined) throw new RangeError("index cut short");
    if (byte < 128) return byte;
    let n = byte & 127;
    let shift = 7;
    do {
      byte = bytes[this.at++];
      if (byte === undefined) throw new RangeError("index cut short");
      n |= (byte & 127) << shift;
      shift += 7;
    } while (byte > 127);
    return n >>> 0;
  }

  getLarge(): number {
    let n = 0, scale = 1, byte;
    do {
      byte = this.bytes[this.at++];
      if (byte === undefined) throw new RangeError("index cut short");
      n += (byte & 127) * scale;
      scale *= 128;
    } while (byte > 127);
    return n;
  }
}
