/** How a profile says what an attribute comes from: the words that the tables in `profiles/` are written in. */

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
import { type Choice, type Condition, idsOf, SHORT } from "./choices.ts";
import type { Source } from "./source.ts";
import { NO_TIME, readTime } from "./time.ts";

const QUOTE = 0x22;

const encoder = new TextEncoder();

/** Writes an attribute's JSON value. @returns whether it did; false leaves the attribute out */
export type Leaf = (source: Source, into: GrowingBytes) => boolean;

/** Writes what was found as a JSON string. */
export function putFound(
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
