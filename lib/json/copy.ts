/** Copying and comparing bytes: kernels that templates stand on. */

/** Above this many bytes a native copy beats a loop, its view included (29 ns against 0.6 ns a byte on Deno 2.9.6). */
const NATIVE_ABOVE = 48;

/** Copies `from[start … end)` to `out` at `at`, where there must be room. @returns the place after it. */
export function copyBytes(
  from: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  if (end - start > NATIVE_ABOVE) {
    out.set(from.subarray(start, end), at);
    return at + end - start;
  }
  for (let i = start; i < end; i++) out[at++] = from[i] as number;
  return at;
}

/**
 * As `copyBytes`, without line breaks. Only for valid JSON: there a raw CR or LF stands between tokens, and no two
 * tokens need one to stay apart.
 */
export function copyOneLine(
  from: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  for (let i = start; i < end; i++) {
    const byte = from[i] as number;
    if (byte !== 0x0a && byte !== 0x0d) out[at++] = byte;
  }
  return at;
}

/** Whether these are the same bytes. */
export function isSameBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) {
    if (one[at] !== other[at]) return false;
  }
  return true;
}
