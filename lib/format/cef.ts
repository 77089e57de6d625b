/**
 * ArcSight Common Event Format: text escaped for a header field or for an extension's value, bytes to bytes.
 *
 * - Header field: `\` and `|` get a backslash, a line break becomes one space.
 * - Value: `\` and `=` get a backslash, LF becomes `\n`, CR `\r`.
 * - Both: other control characters (C0, DEL, C1) are dropped, spaces at either end too.
 *
 * What is written is never cut inside a character or an escape pair.
 */

const SPACE = 0x20, LF = 0x0a, CR = 0x0d, BACKSLASH = 0x5c;
const PIPE = 0x7c, EQUALS = 0x3d, DEL = 0x7f, LOWER_N = 0x6e, LOWER_R = 0x72;

/** What a byte of ASCII becomes: itself, nothing, a space, or a backslash and the byte given. */
const ITSELF = 0, NOTHING = 1, BLANK = 2;

/** The most bytes that one byte of text becomes. */
export const CEF_MAX_ESCAPED = 2;

interface Escaping {
  /** What each byte of ASCII becomes. */
  readonly actions: Uint8Array;
  /** 1 for what stands for itself wherever it is: all of `ITSELF` but the space, which goes at the start. */
  readonly plain: Uint8Array;
}

function escaping(escapes: Readonly<Record<number, number>>): Escaping {
  const table = new Uint8Array(128).fill(NOTHING, 0, SPACE);
  table[DEL] = NOTHING;
  for (const [byte, action] of Object.entries(escapes)) {
    table[Number(byte)] = action;
  }
  const plain = new Uint8Array(256);
  table.forEach((action, byte) => plain[byte] = action === ITSELF ? 1 : 0);
  plain[SPACE] = 0;
  return { actions: table, plain };
}

const HEADER = escaping({
  [BACKSLASH]: BACKSLASH,
  [PIPE]: PIPE,
  [LF]: BLANK,
  [CR]: BLANK,
});

const VALUE = escaping({
  [BACKSLASH]: BACKSLASH,
  [EQUALS]: EQUALS,
  [LF]: LOWER_N,
  [CR]: LOWER_R,
});

/**
 * Writes the text `from[start … end)`, valid UTF-8, to `out` from `at` on as a header field of at most `most` bytes.
 * `out` must have room for `most`, or for `CEF_MAX_ESCAPED` times the text.
 * @returns the place behind what was written
 */
export function writeCefHeader(
  from: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  most: number,
): number {
  return write(HEADER, from, start, end, out, at, most);
}

/** As `writeCefHeader`, for the value of an extension. */
export function writeCefValue(
  from: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  most: number,
): number {
  return write(VALUE, from, start, end, out, at, most);
}

/** Hot: once per pair of an event. */
function write(
  escaping: Escaping,
  from: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  most: number,
): number {
  const limit = at + most, { plain, actions: table } = escaping;
  let read = start, to = at;
  while (read < end) {
    // Most bytes stand for themselves: no more is asked of them.
    const last = Math.min(end, read + limit - to);
    while (read < last && plain[from[read] as number] !== 0) {
      out[to++] = from[read++] as number;
    }
    if (read === end) break;
    const byte = from[read++] as number;
    if (byte >= 0x80) {
      // Controls of C1 are U+0080 to U+009F.
      if (byte === 0xc2 && from[read] as number < 0xa0) {
        read++;
        continue;
      }
      const more = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
      if (to + 1 + more > limit) break;
      out[to++] = byte;
      for (let i = 0; i < more; i++) out[to++] = from[read++] as number;
      continue;
    }
    const action = table[byte] as number;
    if (action === NOTHING) continue;
    if (action === ITSELF || action === BLANK) {
      if (action === BLANK && byte === CR && from[read] === LF && read < end) {
        read++;
      }
      const written = action === BLANK ? SPACE : byte;
      if (written === SPACE && to === at) continue;
      if (to + 1 > limit) break;
      out[to++] = written;
      continue;
    }
    if (to + 2 > limit) break;
    out[to++] = BACKSLASH;
    out[to++] = action;
  }
  while (to > at && out[to - 1] === SPACE) to--;
  return to;
}
