/** Characters beyond ASCII, one at a time. */

/**
 * Reads the character of two to four bytes at `start` (RFC 3629: no overlong form, no surrogate, none above
 * U+10FFFF). Reads nothing at or behind `end`.
 * @returns the place behind it; where it is none, `~at` with `at` the first wrong byte (`end` when cut)
 */
export function characterEnd(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const lead = bytes[start] as number;
  if (lead < 0xc2 || lead > 0xf4) return ~start;
  let low = 0x80, high = 0xbf, length = 2;
  if (lead >= 0xf0) {
    length = 4;
    if (lead === 0xf0) low = 0x90;
    else if (lead === 0xf4) high = 0x8f;
  } else if (lead >= 0xe0) {
    length = 3;
    if (lead === 0xe0) low = 0xa0;
    else if (lead === 0xed) high = 0x9f;
  }
  for (let at = start + 1; at < start + length; at++) {
    if (at >= end) return ~end;
    const byte = bytes[at] as number;
    if (byte < low || byte > high) return ~at;
    low = 0x80;
    high = 0xbf;
  }
  return start + length;
}
