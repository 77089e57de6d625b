/** Numbers and words of the JSON grammar. */

const PLUS = 0x2b,
  MINUS = 0x2d,
  DOT = 0x2e,
  ZERO = 0x30,
  NINE = 0x39,
  UPPER_E = 0x45,
  LOWER_E = 0x65,
  LOWER_F = 0x66,
  LOWER_N = 0x6e,
  LOWER_T = 0x74,
  /** Stands for the byte behind the last one. */
  END = 0x100;

const TRUE = [0x74, 0x72, 0x75, 0x65],
  FALSE = [0x66, 0x61, 0x6c, 0x73, 0x65],
  NULL = [0x6e, 0x75, 0x6c, 0x6c];

/**
 * Reads the number or word that begins with the byte `first` at `start`.
 * @returns the place behind it; where it is none, `~at` with `at` the first wrong byte
 */
export function literalEnd(
  bytes: Uint8Array,
  start: number,
  first: number,
): number {
  if (first === MINUS || first >= ZERO && first <= NINE) {
    return numberEnd(bytes, start);
  }
  if (first === LOWER_T) return wordEnd(bytes, start, TRUE);
  if (first === LOWER_F) return wordEnd(bytes, start, FALSE);
  if (first === LOWER_N) return wordEnd(bytes, start, NULL);
  return ~start;
}

/** A word that is spelt otherwise, or cut, is wrong from its first byte. */
function wordEnd(
  bytes: Uint8Array,
  start: number,
  word: readonly number[],
): number {
  const end = start + word.length;
  if (end > bytes.length) return ~start;
  for (let at = start; at < end; at++) {
    if (bytes[at] !== word[at - start]) return ~start;
  }
  return end;
}

function numberEnd(bytes: Uint8Array, start: number): number {
  const length = bytes.length;
  let at = start;
  if (bytes[at] === MINUS) at++;
  if (at < length && bytes[at] === ZERO) {
    at++;
  } else {
    at = digitsEnd(bytes, at);
    if (at < 0) return at;
  }
  let byte = at < length ? bytes[at] : END;
  if (byte === DOT) {
    at = digitsEnd(bytes, at + 1);
    if (at < 0) return at;
    byte = at < length ? bytes[at] : END;
  }
  if (byte === UPPER_E || byte === LOWER_E) {
    at++;
    const sign = at < length ? bytes[at] : END;
    return digitsEnd(bytes, sign === PLUS || sign === MINUS ? at + 1 : at);
  }
  return at;
}

/** One digit or more. */
function digitsEnd(bytes: Uint8Array, start: number): number {
  const length = bytes.length;
  let at = start;
  for (; at < length; at++) {
    const byte = bytes[at] as number;
    if (byte < ZERO || byte > NINE) break;
  }
  return at === start ? ~at : at;
}
