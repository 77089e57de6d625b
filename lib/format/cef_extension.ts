/** The pairs of a CEF message: written one by one, then made to fit by leaving out what matters least. */

import { copyBytes } from "../json/copy.ts";
import { writeCefValue } from "./cef.ts";

const SPACE = 0x20, COMMA = 0x2c, BACKSLASH = 0x5c;

/** A pair as it is declared, in the order of the message. */
export interface CefPair {
  readonly key: string;
  /** Text of the key's label pair, which goes before it: `cs1Label=PolicyAction cs1=`. */
  readonly label?: string;
  /** Goes when the message is too long, those with 1 first; absent: it never goes. */
  readonly drop?: number;
  /** A list with commas: its end goes before the whole of it does. */
  readonly isList?: boolean;
  /** Written when pairs were left out, else never; its whole text. */
  readonly flag?: string;
}

/** Collects one message's pairs. One for a connector, used again for each event. */
export class CefExtension {
  readonly #most: number;
  readonly #prefixes: readonly Uint8Array[];
  readonly #flag: { readonly at: number; readonly bytes: Uint8Array };
  /** Places of the pairs that may go, in the order in which they do. */
  readonly #dropOrder: readonly number[];
  readonly #lists: readonly boolean[];
  /** What was written, pair behind pair. */
  readonly #bytes: Uint8Array;
  #length = 0;
  /** Of each pair; equal where it is absent. */
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;

  /** `most`: bytes of a message; no value is longer. */
  constructor(pairs: readonly CefPair[], most: number) {
    const encoder = new TextEncoder();
    this.#most = most;
    this.#prefixes = pairs.map(({ key, label }) =>
      encoder.encode(
        label === undefined ? `${key}=` : `${key}Label=${label} ${key}=`,
      )
    );
    const flag = pairs.findIndex((pair) => pair.flag !== undefined);
    this.#flag = { at: flag, bytes: encoder.encode(pairs[flag]?.flag ?? "") };
    this.#dropOrder = pairs.map(({ drop }, at) => ({ drop, at }))
      .filter(({ drop }) => drop !== undefined)
      .sort((a, b) => (a.drop ?? 0) - (b.drop ?? 0))
      .map(({ at }) => at);
    this.#lists = pairs.map(({ isList }) => isList === true);
    this.#bytes = new Uint8Array(
      this.#prefixes.reduce((sum, { length }) => sum + length + most, 0),
    );
    this.#starts = new Int32Array(pairs.length);
    this.#ends = new Int32Array(pairs.length);
  }

  /** Begins a message: all pairs are absent. */
  reset(): void {
    this.#length = 0;
    this.#starts.fill(0);
    this.#ends.fill(0);
  }

  /** Writes the pair at place `pair` once: valid UTF-8 as its value. An empty value leaves it absent. */
  write(pair: number, from: Uint8Array, start: number, end: number): void {
    const prefix = this.#prefixes[pair];
    if (prefix === undefined) throw new RangeError(`There is no pair ${pair}`);
    const begin = this.#length;
    const value = copyBytes(prefix, 0, prefix.length, this.#bytes, begin);
    const to = writeCefValue(from, start, end, this.#bytes, value, this.#most);
    if (to === value) return;
    this.#starts[pair] = begin;
    this.#ends[pair] = this.#length = to;
  }

  /**
   * Writes the pairs to `out` at `at`, in `room` bytes at most; what goes is told by the flag.
   * @returns the place behind them, or -1 when even those that never go do not fit
   */
  fit(room: number, out: Uint8Array, at: number): number {
    let length = -1;
    for (let pair = 0; pair < this.#ends.length; pair++) {
      const own = this.#size(pair);
      if (own > 0) length += own + 1;
    }
    const isCut = length > room;
    if (isCut && !this.#drop(length + 1 + this.#flag.bytes.length - room)) {
      return -1;
    }
    let to = at;
    for (let pair = 0; pair < this.#ends.length; pair++) {
      const isFlag = isCut && pair === this.#flag.at;
      const own = isFlag ? this.#flag.bytes.length : this.#size(pair);
      if (own === 0) continue;
      if (to > at) out[to++] = SPACE;
      to = isFlag ? copyBytes(this.#flag.bytes, 0, own, out, to) : copyBytes(
        this.#bytes,
        this.#starts[pair] as number,
        this.#ends[pair] as number,
        out,
        to,
      );
    }
    return to;
  }

  #size(pair: number): number {
    return (this.#ends[pair] as number) - (this.#starts[pair] as number);
  }

  /** Leaves out `over` bytes at least. */
  #drop(over: number): boolean {
    let rest = over;
    for (const pair of this.#dropOrder) {
      if (rest <= 0) return true;
      const before = this.#size(pair);
      if (before === 0) continue;
      if (this.#lists[pair] && this.#shorten(pair, rest)) {
        rest -= before - this.#size(pair);
        continue;
      }
      this.#ends[pair] = this.#starts[pair] as number;
      rest -= before + 1;
    }
    return rest <= 0;
  }

  /** Takes `over` bytes or more from a list's end, at a comma where there is one. @returns false when nothing is left. */
  #shorten(pair: number, over: number): boolean {
    const bytes = this.#bytes;
    const value = (this.#starts[pair] as number) +
      (this.#prefixes[pair]?.length ?? 0);
    let end = (this.#ends[pair] as number) - over;
    if (end <= value) return false;
    const comma = bytes.subarray(value, end + 1).lastIndexOf(COMMA);
    if (comma > 0) end = value + comma;
    else end = cut(bytes, value, end);
    while (end > value && bytes[end - 1] === SPACE) end--;
    if (end === value) return false;
    this.#ends[pair] = end;
    return true;
  }
}

/** The last place up to `end` that is neither inside a character nor inside an escape pair. */
function cut(bytes: Uint8Array, start: number, end: number): number {
  let to = end;
  while (to > start && ((bytes[to] ?? 0) & 0xc0) === 0x80) to--;
  let slashes = 0;
  while (to - slashes > start && bytes[to - slashes - 1] === BACKSLASH) {
    slashes++;
  }
  return slashes % 2 === 0 ? to : to - 1;
}
