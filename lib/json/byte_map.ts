/** A fixed table from short texts to texts, looked up by bytes. */

const encoder = new TextEncoder();

/** Bytes by bytes: `severity_id`'s digits to the caption that leaves. Never changes. */
export class ByteMap {
  /** Open addressing: places in the two lists, -1 for none; a power of two, at most half full. */
  readonly #slots: Int32Array;
  readonly #keys: readonly Uint8Array[];
  readonly #values: readonly Uint8Array[];

  constructor(table: Readonly<Record<string, string>>) {
    this.#keys = Object.keys(table).map((key) => encoder.encode(key));
    this.#values = Object.values(table).map((value) => encoder.encode(value));
    this.#slots = new Int32Array(
      2 ** Math.ceil(Math.log2(2 * this.#keys.length + 2)),
    ).fill(-1);
    this.#keys.forEach((key, i) => {
      let slot = hash(key, 0, key.length) & this.#slots.length - 1;
      while (this.#slots[slot] !== -1) {
        slot = slot + 1 & this.#slots.length - 1;
      }
      this.#slots[slot] = i;
    });
  }

  /** What stands for `bytes[start … end)`, or undefined. */
  get(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
    const mask = this.#slots.length - 1;
    let slot = hash(bytes, start, end) & mask;
    probe: for (;; slot = slot + 1 & mask) {
      const i = this.#slots[slot] as number;
      if (i < 0) return undefined;
      const key = this.#keys[i] as Uint8Array;
      if (key.length !== end - start) continue;
      for (let n = 0; n < key.length; n++) {
        if (key[n] !== bytes[start + n]) continue probe;
      }
      return this.#values[i];
    }
  }
}

/** Length and the last eight bytes: keys are short and differ at their ends. */
function hash(bytes: Uint8Array, start: number, end: number): number {
  let sum = end - start;
  for (let i = Math.max(start, end - 8); i < end; i++) {
    sum = Math.imul(sum, 31) + (bytes[i] as number) | 0;
  }
  return sum;
}
