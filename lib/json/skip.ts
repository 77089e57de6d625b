/** Steps over valid JSON: what to call where only the place behind a value is wanted. */

const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c, SPACE = 0x20;
const OPEN_OBJECT = 0x7b, CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b, CLOSE_ARRAY = 0x5d;

/** A string longer than this is worth a native search for its end (15 ns and 0.3 ns a byte on Deno 2.9.6). */
const LONG_STRING = 48;

/** Place behind the string whose opening quote stands at `at`. */
export function afterString(bytes: Uint8Array, at: number): number {
  let i = at + 1;
  for (const near = i + LONG_STRING; i < near; i++) {
    const byte = bytes[i];
    if (byte === QUOTE || byte === undefined) return i + 1;
    if (byte === BACKSLASH) i++;
  }
  for (;;) {
    const quote = bytes.indexOf(QUOTE, i);
    if (quote < 0) return bytes.length;
    // An odd number of backslashes before it: an escaped quote. Those before `i` are used up.
    let slash = quote;
    while (slash > i && bytes[slash - 1] === BACKSLASH) slash--;
    i = quote + 1;
    if ((quote - slash & 1) === 0) return i;
  }
}

/** First byte at or after `at` that is no white space. */
export function afterSpace(bytes: Uint8Array, at: number): number {
  let i = at;
  while ((bytes[i] as number) <= SPACE) i++;
  return i;
}

/** Place behind the value that begins at `at`; reads nothing at or behind `end`. */
export function afterValue(
  bytes: Uint8Array,
  at: number,
  end: number,
): number {
  const first = bytes[at] as number;
  if (first === QUOTE) return afterString(bytes, at);
  if (first === OPEN_OBJECT || first === OPEN_ARRAY) {
    return afterClose(bytes, at + 1, end);
  }
  for (let i = at; i < end; i++) {
    const byte = bytes[i] as number;
    if (
      byte === COMMA || byte <= SPACE || byte === CLOSE_OBJECT ||
      byte === CLOSE_ARRAY
    ) return i;
  }
  return end;
}

/** Place behind the bracket that closes the object or array in which `at` stands, outside of any string. */
export function afterClose(
  bytes: Uint8Array,
  at: number,
  end: number,
): number {
  let depth = 1;
  for (let i = at; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte === QUOTE) {
      i = afterString(bytes, i) - 1;
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      depth++;
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      if (--depth === 0) return i + 1;
    }
  }
  return end;
}
