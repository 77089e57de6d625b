/** The pairs of a CEF message: written one by one; where they do not fit, what matters least is taken out again. */

import {
  copyBytes,
  copyLiteral,
  type Literal,
  literal,
  LITERAL_SPILL,
} from "../json/copy.ts";
import type { GrowingBytes } from "../template.ts";
import { CEF_MAX_ESCAPED, writeCefValue } from "./cef.ts";

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

/** Writes one message's pairs. One for a connector, used again for each event. */
export class CefExtension {
  readonly #most: number;
  readonly #prefixes: readonly Literal[];
  readonly #flag: { readonly at: number; readonly bytes: Uint8Array };
  /** Places of the pairs that may go, in the order in which they do. */
  readonly #dropOrder: readonly number[];
  readonly #lists: readonly boolean[];
  /** Where the pairs begin in what they are written to. */
  #begin = 0;
  /** Of each pair, counted from `#begin`; equal where it is absent. */
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;

  /** `most`: bytes of a message; no value is longer. */
  constructor(pairs: readonly CefPair[], most: number) {
    this.#most = most;
    this.#prefixes = pairs.map(({ key, label }) =>
      literal(label === undefined ? `${key}=` : `${key}Label=${label} ${key}=`)
    );
    const flag = pairs.findIndex((pair) => pair.flag !== undefined);
    this.#flag = {
      at: flag,
      bytes: new TextEncoder().encode(pairs[flag]?.flag ?? ""),
    };
    this.#dropOrder = pairs.map(({ drop }, at) => ({ drop, at }))
      .filter(({ drop }) => drop !== undefined)
      .sort((a, b) => (a.drop ?? 0) - (b.drop ?? 0))
      .map(({ at }) => at);
    this.#lists = pairs.map(({ isList }) => isList === true);
    this.#starts = new Int32Array(pairs.length);
    this.#ends = new Int32Array(pairs.length);
  }

  /** Begins a message's pairs where `into` ends: all are absent. */
  begin(into: GrowingBytes): void {
    this.#begin = into.length;
    this.#starts.fill(0);
    this.#ends.fill(0);
  }

  /**
   * Writes the pair at place `pair`, each once and in their order: valid UTF-8 as its value. An empty value leaves it
   * absent.
   */
  write(
    pair: number,
    from: Uint8Array,
    start: number,
    end: number,
    into: GrowingBytes,
  ): void {
    const prefix = this.#prefixes[pair];
    if (prefix === undefined) throw new RangeError(`There is no pair ${pair}`);
    const most = Math.min(this.#most, CEF_MAX_ESCAPED * (end - start));
    into.room(1 + prefix.length + LITERAL_SPILL + most);
    const out = into.bytes;
    let at = into.length;
    if (at > this.#begin) out[at++] = SPACE;
    const value = copyLiteral(prefix, out, at);
    const to = writeCefValue(from, start, end, out, value, most);
    if (to === value) return;
    this.#starts[pair] = at - this.#begin;
    this.#ends[pair] = to - this.#begin;
    into.length = to;
  }

  /**
   * Makes the pairs fit in `room` bytes; what goes is told by the flag.
   * @returns false when even those that never go do not fit
   */
  fit(room: number, into: GrowingBytes): boolean {
    const over = into.length - this.#begin - room;
    if (over <= 0) return true;
    const whole = into.bytes.slice(this.#begin, into.length);
    const flag = this.#flag;
    if (!this.#drop(over + 1 + flag.bytes.length, whole)) return false;
    const out = into.bytes;
    let to = this.#begin;
    for (let pair = 0; pair < this.#ends.length; pair++) {
      const isFlag = pair === flag.at;
      const own = isFlag ? flag.bytes.length : this.#size(pair);
      if (own === 0) continue;
      if (to > this.#begin) out[to++] = SPACE;
      to = isFlag
        ? copyBytes(flag.bytes, 0, own, out, to)
        : copyBytes(whole, this.#at(pair), this.#at(pair) + own, out, to);
    }
    into.length = to;
    return true;
  }

  #at(pair: number): number {
    return this.#starts[pair] as number;
  }

  #size(pair: number): number {
    return (this.#ends[pair] as number) - (this.#starts[pair] as number);
  }

  /** Leaves out `over` bytes at least of the pairs in `bytes`. */
  #drop(over: number, bytes: Uint8Array): boolean {
    let rest = over;
    for (const pair of this.#dropOrder) {
      if (rest <= 0) return true;
      const before = this.#size(pair);
      if (before === 0) continue;
      if (this.#lists[pair] && this.#shorten(pair, rest, bytes)) {
        rest -= before - this.#size(pair);
        continue;
      }
      this.#ends[pair] = this.#starts[pair] as number;
      rest -= before + 1;
    }
    return rest <= 0;
  }

  /** Takes `over` bytes or more from a list's end, at a comma where there is one. @returns false when nothing is left. */
  #shorten(pair: number, over: number, bytes: Uint8Array): boolean {
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
