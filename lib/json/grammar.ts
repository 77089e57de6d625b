/**
 * RFC 8259 over bytes: one value at a time, strict UTF-8, no object and no string made, no recursion.
 *
 * Places are byte offsets. Every method takes the place to begin at and returns the place behind what it read, or
 * `FAULT` with `faultAt` and `reason` set. Hot: each byte of every request goes through here once.
 */

import { literalEnd } from "./literals.ts";
import { characterEnd } from "./utf8.ts";

/** What the methods of `Grammar` return in place of an offset where the text is wrong. */
export const FAULT = -1;

// Not imported from a shared file: V8 folds a module's own constants, and not those of another module.
const QUOTE = 0x22,
  COMMA = 0x2c,
  COLON = 0x3a,
  LEFT_BRACKET = 0x5b,
  BACKSLASH = 0x5c,
  RIGHT_BRACKET = 0x5d,
  LOWER_U = 0x75,
  LEFT_BRACE = 0x7b,
  RIGHT_BRACE = 0x7d,
  SPACE = 0x20,
  TAB = 0x09,
  LF = 0x0a,
  CR = 0x0d,
  /** Stands for the byte behind the last one. */
  END = 0x100;

/** 1 for the bytes that may stand in a string as they are: ASCII but control characters, `"` and `\`. */
const PLAIN = new Uint8Array(256).fill(1, 0x20, 0x80);
PLAIN[QUOTE] = 0;
PLAIN[BACKSLASH] = 0;

/** 1 for what may follow a backslash, save `u`. */
const ESCAPE = bytesOf('"\\/bfnrt');
const HEX = bytesOf("0123456789abcdefABCDEF");

/** Levels of nesting that one word of the stack holds. */
const LEVELS = 31;

/** The high bit of each byte of a word. */
const HIGH_BITS = 0x80808080 | 0;

const LITTLE_ENDIAN = true;

/** Reads JSON values from one run of bytes. */
export class Grammar {
  /** Where the first wrong byte is; the length where the text is cut. */
  faultAt = 0;
  /** What is wrong there, in short English. */
  reason = "";
  /** Place of the last raw CR or LF read between tokens; -1 before the first. */
  lastBreak = -1;
  /** Place of the last backslash read in a string; -1 before the first. */
  lastEscape = -1;

  readonly #view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Notes a fault. */
  fault(at: number, reason: string): typeof FAULT {
    this.faultAt = at;
    this.reason = at < this.bytes.length ? reason : "unexpected end";
    return FAULT;
  }

  /** Skips white space; never a fault. */
  space(start: number): number {
    const bytes = this.bytes, length = bytes.length;
    let at = start;
    for (; at < length; at++) {
      const byte = bytes[at];
      if (byte === LF || byte === CR) this.lastBreak = at;
      else if (byte !== SPACE && byte !== TAB) break;
    }
    return at;
  }

  /**
   * Reads one value that begins at `start` (no white space before it).
   *
   * Long because strings and names are read in place: as a call per string it is 1.4 times slower. Four bytes at a
   * time are plain when none has its high bit set (non-ASCII), adding 0x60 sets it in each (no control character),
   * and so does adding 0x7f after xor with `"` and `\\` (neither of them). Without high bits no sum carries over.
   */
  value(start: number): number {
    const bytes = this.bytes, length = bytes.length, view = this.#view;
    const last = length - 3;
    // A bit per open level, 1 for an object; the innermost is the lowest bit. Full words go to `outer`.
    let levels = 0, depth = 0;
    let outer: number[] | undefined;
    let wantsName = false;
    let at = start;
    let byte = at < length ? bytes[at] as number : END;
    for (;;) {
      // A value or a member's name begins at `at`.
      if (byte === QUOTE) {
        at++;
        for (;;) {
          while (at < last) {
            const word = view.getInt32(at, LITTLE_ENDIAN);
            if (
              (word + 0x60606060 & (word ^ 0x22222222) + 0x7f7f7f7f &
                (word ^ 0x5c5c5c5c) + 0x7f7f7f7f & ~word & HIGH_BITS) !==
                HIGH_BITS
            ) break;
            at += 4;
          }
          while (at < length && PLAIN[bytes[at] as number] === 1) at++;
          if (at < length && bytes[at] === QUOTE) break;
          at = this.special(at);
          if (at < 0) return FAULT;
        }
        at++;
        if (wantsName) {
          byte = at < length ? bytes[at] as number : END;
          if (byte <= SPACE) {
            at = this.space(at);
            byte = at < length ? bytes[at] as number : END;
          }
          if (byte !== COLON) return this.fault(at, "a colon was expected");
          at++;
          byte = at < length ? bytes[at] as number : END;
          if (byte <= SPACE) {
            at = this.space(at);
            byte = at < length ? bytes[at] as number : END;
          }
          wantsName = false;
          continue;
        }
      } else if (wantsName) {
        return this.fault(at, "a member's name was expected");
      } else if (byte === LEFT_BRACE || byte === LEFT_BRACKET) {
        if (depth !== 0 && depth % LEVELS === 0) (outer ??= []).push(levels);
        depth++;
        levels = levels << 1 | (byte === LEFT_BRACE ? 1 : 0);
        wantsName = byte === LEFT_BRACE;
        at++;
        let next = at < length ? bytes[at] as number : END;
        if (next <= SPACE) {
          at = this.space(at);
          next = at < length ? bytes[at] as number : END;
        }
        // `}` is `{` and `]` is `[` plus 2.
        if (next !== byte + 2) {
          byte = next;
          continue;
        }
      } else {
        at = literalEnd(bytes, at, byte);
        if (at < 0) return this.fault(~at, "not a JSON value");
      }
      // A value ended before `at`.
      for (;;) {
        if (depth === 0) return at;
        let next = at < length ? bytes[at] as number : END;
        if (next <= SPACE) {
          at = this.space(at);
          next = at < length ? bytes[at] as number : END;
        }
        if (next === COMMA) {
          at++;
          byte = at < length ? bytes[at] as number : END;
          if (byte <= SPACE) {
            at = this.space(at);
            byte = at < length ? bytes[at] as number : END;
          }
          wantsName = (levels & 1) !== 0;
          break;
        }
        if (next !== ((levels & 1) !== 0 ? RIGHT_BRACE : RIGHT_BRACKET)) {
          return this.fault(at, "unexpected byte");
        }
        at++;
        depth--;
        levels >>= 1;
        if (depth !== 0 && depth % LEVELS === 0 && outer !== undefined) {
          levels = outer.pop() as number;
        }
      }
    }
  }

  /** Reads white space, the colon and white space, up to the first byte of the value. */
  colon(start: number): number {
    const bytes = this.bytes, length = bytes.length;
    let at = start;
    if (at < length && bytes[at] as number <= SPACE) at = this.space(at);
    if (at >= length || bytes[at] !== COLON) {
      return this.fault(at, "a colon was expected");
    }
    at++;
    return at < length && bytes[at] as number <= SPACE ? this.space(at) : at;
  }

  /** Reads the rest of a short string, a name; `start` is behind the opening quote. */
  string(start: number): number {
    const bytes = this.bytes, length = bytes.length;
    let at = start;
    for (;;) {
      while (at < length && PLAIN[bytes[at] as number] === 1) at++;
      if (at < length && bytes[at] === QUOTE) return at + 1;
      at = this.special(at);
      if (at < 0) return FAULT;
    }
  }

  /** Reads what is not plain in a string: an escape, a character beyond ASCII; the rest is a fault. */
  special(start: number): number {
    const bytes = this.bytes, length = bytes.length;
    if (start >= length) return this.fault(length, "");
    const byte = bytes[start] as number;
    if (byte >= 0x80) return this.character(start);
    if (byte !== BACKSLASH) {
      return this.fault(start, "a control character in a string");
    }
    this.lastEscape = start;
    const next = start + 1 < length ? bytes[start + 1] as number : END;
    if (ESCAPE[next] === 1) return start + 2;
    if (next !== LOWER_U) return this.fault(start + 1, "an invalid escape");
    const end = start + 6;
    for (let at = start + 2; at < end; at++) {
      if (at >= length || HEX[bytes[at] as number] !== 1) {
        return this.fault(at, "an invalid escape");
      }
    }
    return end;
  }

  /** Reads one character beyond ASCII. */
  character(start: number): number {
    const end = characterEnd(this.bytes, start, this.bytes.length);
    return end < 0 ? this.fault(~end, "invalid UTF-8") : end;
  }
}

function bytesOf(text: string): Uint8Array {
  const table = new Uint8Array(END + 1);
  for (const character of text) table[character.charCodeAt(0)] = 1;
  return table;
}
