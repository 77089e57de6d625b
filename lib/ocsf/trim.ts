/**
 * Making an event that is too long for a destination shorter, and saying so in it (destinations §0.6): without
 * `raw_data`, then without `enrichments`, then the longest strings under `unmapped` cut, then those of the rest. What
 * stays stays byte for byte. An event that is no OCSF is treated by the same rules, as far as they find something.
 *
 * The mark is `"hecate_truncated":true,"hecate_original_length":<bytes>`: the last members of `unmapped`, which is
 * added where there is none; of the event itself where `unmapped` is no object; the members of one more element where
 * the event is an array; in words at the end of a text.
 *
 * Runs for over-long events alone: clear rather than fast, yet in one or two passes whatever the event holds. Over 300
 * lines because what is cut where is one subject, texts and arrays included.
 */

import { cutMembers, isNamed } from "../json/members.ts";
import { afterSpace, afterString } from "../json/skip.ts";
import { characterEnd } from "../json/utf8.ts";

const QUOTE = 0x22,
  COLON = 0x3a,
  LEFT_BRACKET = 0x5b,
  BACKSLASH = 0x5c,
  LOWER_U = 0x75,
  LEFT_BRACE = 0x7b;

const TRUNCATED = "hecate_truncated", LENGTH = "hecate_original_length";

interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The valid JSON value at `start`…`end`, made to take at most `limit` bytes: valid JSON of the same kind; the same
 * bytes where it fits already. Strings are cut between characters and never inside an escape.
 * @returns a copy, or undefined where it cannot be made to fit (too many members, numbers, names)
 */
export function trimEvent(
  bytes: Uint8Array,
  start: number,
  end: number,
  limit: number,
): Uint8Array | undefined {
  if (end - start <= limit) return bytes.slice(start, end);
  switch (bytes[start]) {
    case LEFT_BRACE:
      return trimObject(bytes, start, end, limit);
    case LEFT_BRACKET:
      return trimArray(bytes, start, end, limit);
    case QUOTE: {
      const words = inWords(end - start);
      const room = limit - 2 - words.length;
      if (room < 0) return undefined;
      const edits = new Edits(bytes, start, end);
      const cut = literalBorder(bytes, start + 1, end - 1, room);
      edits.replace(cut, end - 1, words);
      return edits.result();
    }
    default:
      return undefined;
  }
}

/**
 * The line of text at `start`…`end`, cut at a character's border so that it takes at most `limit` bytes, the mark in
 * words behind it; the same bytes where it fits already. Bytes that are no UTF-8 count as they are.
 * @returns a copy, or undefined where not even the mark fits
 */
export function trimText(
  bytes: Uint8Array,
  start: number,
  end: number,
  limit: number,
): Uint8Array | undefined {
  if (end - start <= limit) return bytes.slice(start, end);
  const words = inWords(end - start);
  const room = limit - words.length;
  if (room < 0) return undefined;
  const edits = new Edits(bytes, start, end);
  edits.replace(textBorder(bytes, start, end, room), end, words);
  return edits.result();
}

function trimObject(
  bytes: Uint8Array,
  start: number,
  end: number,
  limit: number,
): Uint8Array | undefined {
  const light = new Edits(bytes, start, end);
  leaveOut(light, ["raw_data"]);
  if (light.size <= limit) return light.result();
  const edits = new Edits(bytes, start, end);
  const unmapped = leaveOut(edits, ["raw_data", "enrichments"]);
  const { inside, outside } = stringsOf(edits, unmapped);
  return shorten(edits, inside, limit) || shorten(edits, outside, limit)
    ? edits.result()
    : undefined;
}

function trimArray(
  bytes: Uint8Array,
  start: number,
  end: number,
  limit: number,
): Uint8Array | undefined {
  const edits = new Edits(bytes, start, end);
  const isEmpty = afterSpace(bytes, start + 1) === end - 1;
  edits.replace(
    end - 1,
    end - 1,
    `${isEmpty ? "" : ","}{${mark(end - start)}}`,
  );
  const { outside } = stringsOf(edits, []);
  return shorten(edits, outside, limit) ? edits.result() : undefined;
}

/** What is to be changed in a value, and how long it becomes. Edits do not overlap. */
class Edits {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly all: (Span & { readonly by: string })[] = [];
  /** Length of the result. */
  size: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.size = end - start;
  }

  /** `by` is ASCII. */
  replace(start: number, end: number, by = ""): void {
    this.all.push({ start, end, by });
    this.size += by.length - (end - start);
  }

  sort(): void {
    this.all.sort((a, b) => a.start - b.start || a.end - b.end);
  }

  result(): Uint8Array {
    const out = new Uint8Array(this.size);
    const encoder = new TextEncoder();
    let read = this.start, write = 0;
    this.sort();
    for (const { start, end, by } of this.all) {
      out.set(this.bytes.subarray(read, start), write);
      write += start - read;
      write += encoder.encodeInto(by, out.subarray(write)).written;
      read = end;
    }
    out.set(this.bytes.subarray(read, this.end), write);
    return out;
  }
}

/** Takes these members out of the event and adds the mark. @returns where its `unmapped` stands (equal names repeat). */
function leaveOut(edits: Edits, unwanted: readonly string[]): Span[] {
  const { bytes, start, end } = edits;
  const unmapped: Span[] = [];
  const cuts: number[] = [];
  let kept = cutMembers(
    bytes,
    start,
    end,
    (_, name, nameEnd, value, valueEnd) => {
      if (isNamed(bytes, name, nameEnd, "unmapped")) {
        unmapped.push({ start: value, end: valueEnd });
      }
      return unwanted.some((word) => isNamed(bytes, name, nameEnd, word));
    },
    cuts,
  );
  // The last of equal members is the one that readers see.
  const last = unmapped.at(-1);
  let text = mark(end - start), at = end - 1;
  if (last === undefined) text = `"unmapped":{${text}}`;
  else if (bytes[last.start] === LEFT_BRACE) {
    // A mark of an earlier relay would be a repeated name.
    kept = cutMembers(
      bytes,
      last.start,
      last.end,
      (_, name, nameEnd) =>
        isNamed(bytes, name, nameEnd, TRUNCATED) ||
        isNamed(bytes, name, nameEnd, LENGTH),
      cuts,
    );
    at = last.end - 1;
  }
  for (let i = 0; i < cuts.length; i += 2) {
    edits.replace(cuts[i] as number, cuts[i + 1] as number);
  }
  edits.replace(at, at, kept > 0 ? `,${text}` : text);
  return unmapped;
}

/** The insides of the value's strings (no names), within and without these spans, save those that go anyway. */
function stringsOf(
  edits: Edits,
  spans: readonly Span[],
): { inside: Span[]; outside: Span[] } {
  const { bytes, end } = edits;
  const inside: Span[] = [], outside: Span[] = [];
  edits.sort();
  let edit = 0, span = 0;
  let at = edits.start;
  while (at < end) {
    if (bytes[at] !== QUOTE) {
      at++;
      continue;
    }
    while ((edits.all[edit]?.end ?? end) <= at) edit++;
    const gone = edits.all[edit];
    if (gone !== undefined && gone.start <= at) {
      at = gone.end;
      continue;
    }
    const literal = at;
    at = afterString(bytes, at);
    if (bytes[afterSpace(bytes, at)] === COLON) continue;
    while ((spans[span]?.end ?? end) <= literal) span++;
    const isInside = (spans[span]?.start ?? end) <= literal;
    (isInside ? inside : outside).push({ start: literal + 1, end: at - 1 });
  }
  return { inside, outside };
}

/** Cuts the longest of the strings, no more than needed, down to nothing. @returns whether the value fits then. */
function shorten(
  edits: Edits,
  strings: readonly Span[],
  limit: number,
): boolean {
  const excess = edits.size - limit;
  if (excess <= 0) return true;
  const lengths = Uint32Array.from(strings, ({ start, end }) => end - start)
    .sort().reverse();
  // The greatest length at which all strings cut to it give enough.
  let level = 0, sum = 0;
  for (let i = 0; i < lengths.length; i++) {
    sum += lengths[i] as number;
    if (sum - (i + 1) * (lengths[i + 1] ?? 0) < excess) continue;
    level = Math.floor((sum - excess) / (i + 1));
    break;
  }
  for (const { start, end } of strings) {
    if (end - start <= level) continue;
    edits.replace(literalBorder(edits.bytes, start, end, level), end);
  }
  return edits.size <= limit;
}

/** The last place within `room` bytes of `start` that lies between two characters of a string literal's inside. */
function literalBorder(
  bytes: Uint8Array,
  start: number,
  end: number,
  room: number,
): number {
  let at = start;
  while (at < end) {
    const next = unitEnd(bytes, at, end);
    if (next - start > room) break;
    at = next;
  }
  return at;
}

/** Place behind the character at `at`: itself, an escape, or the two escapes of a surrogate pair. */
function unitEnd(bytes: Uint8Array, at: number, end: number): number {
  const byte = bytes[at] as number;
  if (byte < 0x80 && byte !== BACKSLASH) return at + 1;
  if (byte !== BACKSLASH) {
    const next = characterEnd(bytes, at, end);
    return next < 0 ? at + 1 : next;
  }
  if (bytes[at + 1] !== LOWER_U) return at + 2;
  const isPair = isSurrogate(bytes, at, /^\\ud[89ab]/i) &&
    isSurrogate(bytes, at + 6, /^\\ud[c-f]/i);
  return at + (isPair ? 12 : 6);
}

function isSurrogate(bytes: Uint8Array, at: number, form: RegExp): boolean {
  return form.test(String.fromCharCode(...bytes.subarray(at, at + 4)));
}

/** The last place within `room` bytes of `start` that is not inside a character. */
function textBorder(
  bytes: Uint8Array,
  start: number,
  end: number,
  room: number,
): number {
  const cut = start + room;
  for (let lead = cut - 1; lead >= Math.max(start, cut - 3); lead--) {
    if (bytes[lead] as number < 0x80) break;
    if (characterEnd(bytes, lead, end) > cut) return lead;
  }
  return cut;
}

function mark(length: number): string {
  return `"${TRUNCATED}":true,"${LENGTH}":${length}`;
}

function inWords(length: number): string {
  return ` [${TRUNCATED}, ${LENGTH} ${length}]`;
}
