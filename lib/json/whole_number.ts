/** Whole numbers, however a value spells them. */

import { literalEnd } from "./literals.ts";

const QUOTE = 0x22, ZERO = 0x30;

/** So many digits are exact. */
const EXACT_DIGITS = 15;

const decoder = new TextDecoder();

/** The whole number that a JSON value says, in quotes too: `3`, `"3"`, `3.0`, `3e0`. NaN where it says none. */
export function wholeNumber(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let from = start, to = end;
  if (bytes[from] === QUOTE) {
    from++;
    to--;
  }
  const first = bytes[from] as number;
  if (to - from <= EXACT_DIGITS && (first !== ZERO || to - from === 1)) {
    let value = 0;
    for (let i = from; i < to; i++) {
      const digit = (bytes[i] as number) - ZERO;
      if (digit >>> 0 > 9) break;
      value = value * 10 + digit;
      if (i === to - 1) return value;
    }
  }
  if (to <= from || literalEnd(bytes, from, first) !== to) return NaN;
  // `true` and `null` are no numbers to `parseFloat`.
  const value = Number.parseFloat(decoder.decode(bytes.subarray(from, to)));
  return Number.isSafeInteger(value) ? value : NaN;
}
