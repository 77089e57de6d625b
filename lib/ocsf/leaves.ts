/** How a profile says what an attribute or a number comes from: the words that the tables in `profiles/` are written in. */

import { HOST, type Member, SOURCE, SOURCETYPE } from "../json/spans.ts";
import type { GrowingBytes } from "../template.ts";
import {
  MAX_TEXT,
  putAscii,
  putAsString,
  putBytes,
  putInteger,
  putSpan,
  putText,
} from "./put.ts";
import { isEmail, isHash, isHostname, isIp, isMac } from "./shapes.ts";
import { memberId, type Source } from "./source.ts";
import { NO_TIME, readTime } from "./time.ts";

const QUOTE = 0x22, BACKSLASH = 0x5c, SLASH = 0x2f;
const LF = 0x0a, CR = 0x0d;
const LOWER_N = 0x6e, LOWER_R = 0x72;

/** Longest text that tables and patterns look at. */
const SHORT = 320;

/** Longest part of a message that stands outside of the original. */
const LINE = 1024;

const encoder = new TextEncoder();

/** Writes an attribute's JSON value. @returns whether it did; false leaves the attribute out */
export type Leaf = (source: Source, into: GrowingBytes) => boolean;

/** An id that the event says, or `NO_CHOICE`. */
export type Choice = (source: Source) => number;

/** The event says nothing about it. */
export const NO_CHOICE = -1;

/** Whether an event is a profile's. */
export type Condition = (source: Source) => boolean;

function idsOf(paths: readonly string[]): Int32Array {
  return Int32Array.from(paths, memberId);
}

/** Writes what was found as a JSON string. */
function putFound(
  source: Source,
  from: number,
  to: number,
  into: GrowingBytes,
): void {
  if (source.isText) {
    putText(source.bytes, from, Math.min(to, from + MAX_TEXT), into);
  } else if (to - from > MAX_TEXT) {
    const quote = source.isString ? 1 : 0;
    putAsString(source.bytes, from - quote, to + quote, into);
  } else {
    putAscii('"', into);
    putSpan(source.bytes, from, to, into);
    putAscii('"', into);
  }
}

/** The first of these members that says something, as text: a number and a word too. */
export function text(...paths: readonly string[]): Leaf {
  const ids = idsOf(paths);
  return (source, into) => {
    if (!source.find(ids)) return false;
    putFound(source, source.from, source.to, into);
    return true;
  };
}

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
      // A whole escape; of a pair of surrogates both.
      end += next === 0x75 ? 6 : 2;
      if (next === 0x75 && isHighSurrogate(bytes, end - 6)) end += 6;
    }
    if (end > to) return false;
    // Not within a character.
    while (end < to && end > from && (bytes[end] as number) >> 6 === 2) end--;
    if (end === from) return false;
    putFound(source, from, end, into);
    return true;
  };
}

/** Whether the \uXXXX at `at` is the first half of a pair whose second half follows. */
function isHighSurrogate(bytes: Uint8Array, at: number): boolean {
  const high = bytes[at + 2], low = bytes[at + 3];
  return (high === 0x64 || high === 0x44) &&
    (low === 0x38 || low === 0x39 ||
      low !== undefined && ((low | 0x20) === 0x61 || (low | 0x20) === 0x62)) &&
    bytes[at + 6] === BACKSLASH && bytes[at + 7] === 0x75;
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

/** The first of these members that has the shape. */
function shaped(
  paths: readonly string[],
  hasShape: (source: Source) => boolean,
): Leaf {
  const each = paths.map((path) => idsOf([path]));
  return (source, into) => {
    for (const ids of each) {
      if (!source.find(ids) || !hasShape(source)) continue;
      putFound(source, source.from, source.to, into);
      return true;
    }
    return false;
  };
}

/** An address. */
export function ip(...paths: readonly string[]): Leaf {
  return shaped(paths, (s) => isIp(s.bytes, s.from, s.to));
}

/** A host's name; not an address. */
export function hostname(...paths: readonly string[]): Leaf {
  return shaped(
    paths,
    (s) => isHostname(s.bytes, s.from, s.to) && !isIp(s.bytes, s.from, s.to),
  );
}

/** Text that is no address: what stands where a source puts either. */
export function notIp(...paths: readonly string[]): Leaf {
  return shaped(paths, (s) => !isIp(s.bytes, s.from, s.to));
}

export function mac(...paths: readonly string[]): Leaf {
  return shaped(paths, (s) => isMac(s.bytes, s.from, s.to));
}

/** A hash in hexadecimal digits. */
export function hash(...paths: readonly string[]): Leaf {
  return shaped(paths, (s) => isHash(s.bytes, s.from, s.to));
}

export function email(...paths: readonly string[]): Leaf {
  return shaped(paths, (s) => s.to - s.from <= SHORT && isEmail(s.latin()));
}

/** The number that was found: also in a string, also `0x1f4`. NaN where it is none. */
function foundNumber(source: Source): number {
  if (source.to - source.from > 32) return NaN;
  const found = source.latin();
  if (/^0x[0-9a-fA-F]{1,13}$/.test(found)) return Number(found);
  return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(found) ? Number(found) : NaN;
}

/** A whole number from `least` to `most`, times `factor`, rounded down. */
function wholeNumber(
  paths: readonly string[],
  least: number,
  most: number,
  factor = 1,
): Leaf {
  const each = paths.map((path) => idsOf([path]));
  return (source, into) => {
    for (const ids of each) {
      if (!source.find(ids)) continue;
      const value = Math.floor(foundNumber(source) * factor);
      if (!(value >= least && value <= most)) continue;
      if (value < 0) putAscii("-", into);
      putInteger(Math.abs(value), into);
      return true;
    }
    return false;
  };
}

/** OCSF's integer_t: 32 bits. */
export function integer(...paths: readonly string[]): Leaf {
  return wholeNumber(paths, -(2 ** 31), 2 ** 31 - 1);
}

/** OCSF's long_t, as far as numbers are exact. */
export function long(...paths: readonly string[]): Leaf {
  return wholeNumber(paths, 0, Number.MAX_SAFE_INTEGER);
}

/** A port of TCP or UDP. */
export function port(...paths: readonly string[]): Leaf {
  return wholeNumber(paths, 0, 65_535);
}

/** A duration in seconds as whole milliseconds. */
export function secondsAsMilliseconds(...paths: readonly string[]): Leaf {
  return wholeNumber(paths, 0, 2 ** 31 - 1, 1000);
}

/** A time as milliseconds since the Unix epoch. */
export function time(...paths: readonly string[]): Leaf {
  const ids = idsOf(paths);
  return (source, into) => {
    if (!source.find(ids)) return false;
    const value = readTime(source.bytes, source.from, source.to);
    if (value === NO_TIME) return false;
    putInteger(value, into);
    return true;
  };
}

/** true or false, by what the member says. */
export function flag(
  path: string,
  whenTrue: readonly string[] = ["true"],
  whenFalse: readonly string[] = ["false"],
): Leaf {
  const ids = idsOf([path]);
  return (source, into) => {
    if (!source.find(ids)) return false;
    if (whenTrue.some((word) => source.says(word))) putAscii("true", into);
    else if (whenFalse.some((word) => source.says(word))) {
      putAscii("false", into);
    } else return false;
    return true;
  };
}

/** A value that stands in every event of the profile. */
export function constant(value: string | number | boolean): Leaf {
  const bytes = encoder.encode(JSON.stringify(value));
  return (_source, into) => {
    putBytes(bytes, into);
    return true;
  };
}

/** The first leaf that has something. */
export function either(...leaves: readonly Leaf[]): Leaf {
  return (source, into) => leaves.some((leaf) => leaf(source, into));
}

/** The id that was chosen. */
export function chosen(choice: Choice): Leaf {
  return (source, into) => {
    const id = choice(source);
    if (id < 0) return false;
    putInteger(id, into);
    return true;
  };
}

/** The caption of what was chosen; for 99, what the source says. */
export function captionOf(
  choice: Choice,
  captions: Readonly<Record<number, string>>,
  other: Leaf,
): Leaf {
  return (source, into) => {
    const id = choice(source), caption = captions[id];
    if (caption === undefined) return id === 99 && other(source, into);
    putAscii(`"${caption}"`, into);
    return true;
  };
}

/** The leaf, where the event does not fulfil the condition. */
export function unless(condition: Condition, leaf: Leaf): Leaf {
  return (source, into) => !condition(source) && leaf(source, into);
}

/** The member's text where the table has it, so that it keeps to an enumeration. */
export function word(path: string, words: readonly string[]): Leaf {
  const ids = idsOf([path]);
  return (source, into) => {
    if (!source.find(ids)) return false;
    const found = words.find((each) => source.says(each));
    if (found === undefined) return false;
    putAscii(`"${found}"`, into);
    return true;
  };
}

/** A text member of the envelope that is not empty. */
function envelope(which: Member): Leaf {
  return ({ view }, into) => {
    const start = view.start(which), end = view.end(which);
    if (end - start < 3 || view.bytes[start] !== QUOTE) return false;
    putAsString(view.bytes, start, end, into);
    return true;
  };
}

export const envelopeHost: Leaf = envelope(HOST);
export const envelopeSource: Leaf = envelope(SOURCE);
export const envelopeSourcetype: Leaf = envelope(SOURCETYPE);

/** Always this id. */
export function always(id: number): Choice {
  return () => id;
}

/** Ids by what the first of these members says. */
export function choose(
  paths: string | readonly string[],
  table: Readonly<Record<string, number>>,
  otherwise = NO_CHOICE,
): Choice {
  const ids = idsOf(typeof paths === "string" ? [paths] : paths);
  const map = new Map(Object.entries(table));
  return (source) => {
    if (!source.find(ids) || source.to - source.from > SHORT) return otherwise;
    return map.get(source.latin()) ?? otherwise;
  };
}

/** As `choose`, whatever the case of the letters; the table is written in lower case. */
export function chooseWord(
  paths: string | readonly string[],
  table: Readonly<Record<string, number>>,
  otherwise = NO_CHOICE,
): Choice {
  const ids = idsOf(typeof paths === "string" ? [paths] : paths);
  const map = new Map(Object.entries(table));
  return (source) => {
    if (!source.find(ids) || source.to - source.from > SHORT) return otherwise;
    return map.get(source.latin().toLowerCase()) ?? otherwise;
  };
}

/** Ids by how the member begins; the first that fits. */
export function chooseByStart(
  path: string,
  table: Readonly<Record<string, number>>,
  otherwise = NO_CHOICE,
): Choice {
  const ids = idsOf([path]), rows = Object.entries(table);
  return (source) => {
    if (!source.find(ids) || source.to - source.from > SHORT) return otherwise;
    const found = source.latin();
    return rows.find(([start]) => found.startsWith(start))?.[1] ?? otherwise;
  };
}

/** Ids by the word behind the last dot, up to its first `_`; the first that fits. */
export function chooseByVerb(
  path: string,
  table: Readonly<Record<string, number>>,
  otherwise = NO_CHOICE,
): Choice {
  const ids = idsOf([path]), map = new Map(Object.entries(table));
  return (source) => {
    if (!source.find(ids) || source.to - source.from > SHORT) return otherwise;
    const found = source.latin();
    const verb = found.slice(found.lastIndexOf(".") + 1);
    return map.get(verb) ?? map.get(verb.split("_", 1)[0] ?? "") ?? otherwise;
  };
}

/** One id where the member says something, another where it does not. */
export function ifSaid(path: string, said: number, unsaid: number): Choice {
  const ids = idsOf([path]);
  return (source) => source.find(ids) ? said : unsaid;
}

/** The first choice that has an id. */
export function firstOf(...choices: readonly Choice[]): Choice {
  return (source) => {
    for (const choice of choices) {
      const id = choice(source);
      if (id !== NO_CHOICE) return id;
    }
    return NO_CHOICE;
  };
}

/** The event has these members, whatever they hold. */
export function has(...paths: readonly string[]): Condition {
  const ids = idsOf(paths);
  return (source) => ids.every((id) => source.has(id));
}

/** One of these members is an address. */
export function isAddress(...paths: readonly string[]): Condition {
  const each = paths.map((path) => idsOf([path]));
  return (source) =>
    each.some((ids) =>
      source.find(ids) && isIp(source.bytes, source.from, source.to)
    );
}

/** These members say something: no objects, no empty strings. */
export function says(...paths: readonly string[]): Condition {
  const each = paths.map((path) => idsOf([path]));
  return (source) => each.every((ids) => source.find(ids));
}

/** One of these members says one of these words. */
export function is(
  paths: string | readonly string[],
  ...words: readonly string[]
): Condition {
  const ids = idsOf(typeof paths === "string" ? [paths] : paths);
  return (source) =>
    source.find(ids) && words.some((each) => source.says(each));
}

/** The member begins so. */
export function begins(
  path: string,
  ...starts: readonly string[]
): Condition {
  const ids = idsOf([path]);
  return (source) => {
    if (!source.find(ids) || source.to - source.from > SHORT) return false;
    const found = source.latin();
    return starts.some((start) => found.startsWith(start));
  };
}

/** One of the conditions holds. */
export function oneOf(...conditions: readonly Condition[]): Condition {
  return (source) => conditions.some((condition) => condition(source));
}
