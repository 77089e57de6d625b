/** Attributes that are a part of a text: a message's first line, a file's name. */

import { idsOf } from "./choices.ts";
import { type Leaf, putFound } from "./leaves.ts";

const BACKSLASH = 0x5c, SLASH = 0x2f, LF = 0x0a, CR = 0x0d;
const LOWER_N = 0x6e, LOWER_R = 0x72, LOWER_U = 0x75;

/** Longest part of a message that stands outside of the original. */
const LINE = 1024;

/** As `text`, up to the first line break, and no more than 1,024 bytes of it. */
export function firstLine(...paths: readonly string[]): Leaf {
  const ids = idsOf(paths);
  return (source, into) => {
    if (!source.find(ids)) return false;
    const { bytes, from, to } = source;
    let end = from;
    while (end < to && end < from + LINE) {
      const byte = bytes[end] as number;
      if (byte === LF || byte === CR) break;
      if (byte !== BACKSLASH || source.isText) {
        end++;
        continue;
      }
      const next = bytes[end + 1];
      if (next === LOWER_N || next === LOWER_R) break;
      if (next === LOWER_U && isSpeltBreak(bytes, end)) break;
      // A whole escape; of a pair of surrogates both.
      end += next === LOWER_U ? 6 : 2;
      if (next === LOWER_U && isHighSurrogate(bytes, end - 6)) end += 6;
    }
    if (end > to) return false;
    // Not within a character.
    while (end < to && end > from && (bytes[end] as number) >> 6 === 2) end--;
    if (end === from) return false;
    putFound(source, from, end, into);
    return true;
  };
}

/** Whether the \uXXXX at `at` is LF or CR. */
function isSpeltBreak(bytes: Uint8Array, at: number): boolean {
  const last = (bytes[at + 5] as number) | 0x20;
  return bytes[at + 2] === 0x30 && bytes[at + 3] === 0x30 &&
    bytes[at + 4] === 0x30 && (last === 0x61 || last === 0x64);
}

/** Whether the \uXXXX at `at` is the first half of a pair whose second half follows. */
function isHighSurrogate(bytes: Uint8Array, at: number): boolean {
  const high = bytes[at + 2], low = bytes[at + 3];
  return (high === 0x64 || high === 0x44) &&
    (low === 0x38 || low === 0x39 ||
      low !== undefined && ((low | 0x20) === 0x61 || (low | 0x20) === 0x62)) &&
    bytes[at + 6] === BACKSLASH && bytes[at + 7] === LOWER_U;
}

/** As `text`, behind the last `/` or `\`: a file's name. */
export function baseName(...paths: readonly string[]): Leaf {
  const ids = idsOf(paths);
  return (source, into) => {
    if (!source.find(ids)) return false;
    const { bytes, from, to } = source;
    let start = from;
    for (let i = from; i < to; i++) {
      if (bytes[i] === SLASH) start = i + 1;
      else if (bytes[i] === BACKSLASH) {
        if (source.isText) start = i + 1;
        else if (bytes[++i] === BACKSLASH) start = i + 1;
      }
    }
    if (start >= to) return false;
    putFound(source, start, to, into);
    return true;
  };
}
