/**
 * Finds and validates the JSON values of a request body: concatenated, separated by white space, or in an array.
 * One pass over the bytes, one row of spans per value, nothing made per value.
 */

import { scanEnvelope } from "./envelope.ts";
import { FAULT, Grammar } from "./grammar.ts";
import type { SpanTable } from "./spans.ts";

/** Where a body stops being JSON. */
export interface ScanFault {
  /**
   * Byte offset of the first wrong byte, the body's length where it is cut. A word other than `true`, `false` and
   * `null` (`True`, `tru`) is wrong from its first byte.
   */
  readonly at: number;
  /** Number of the value it is in, from 0. Each element of a top-level array counts. */
  readonly index: number;
  /** What is wrong there, in short English. Holds nothing of the body. */
  readonly reason: string;
}

const COMMA = 0x2c,
  LEFT_BRACKET = 0x5b,
  RIGHT_BRACKET = 0x5d;

/** Where a slice of a body ends, at the latest: behind the value that reaches one of them. */
export interface SliceLimits {
  readonly rows: number;
  readonly bytes: number;
}

const NO_LIMITS: SliceLimits = { rows: Infinity, bytes: Infinity };

/**
 * Appends to `out` a row for each complete top-level value, an element of a top-level array each for itself, up to
 * the end or the first fault. Takes RFC 8259 in strict UTF-8 without a byte order mark, at any depth. Called with the
 * whole body: a body that came in pieces is joined first.
 */
export function scanBody(
  bytes: Uint8Array,
  out: SpanTable,
): ScanFault | undefined {
  return new BodyScanner(bytes).scan(out, NO_LIMITS);
}

/** The same in slices, so that a body of millions of values needs no row for each at once, nor all the time at once. */
export class BodyScanner {
  readonly #grammar: Grammar;
  #at: number;
  #inArray = false;
  /** Values before the slice. */
  #index = 0;

  constructor(bytes: Uint8Array) {
    this.#grammar = new Grammar(bytes);
    this.#at = this.#grammar.space(0);
  }

  /** Nothing follows: the body's end or its first fault was met. */
  get isDone(): boolean {
    return this.#at === FAULT || this.#at >= this.#grammar.bytes.length;
  }

  /** Appends the next slice's rows. A fault counts values from the body's first; after it, do not call again. */
  scan(out: SpanTable, limits: SliceLimits): ScanFault | undefined {
    const grammar = this.#grammar, bytes = grammar.bytes;
    const length = bytes.length;
    const before = out.count;
    let at = this.#at, inArray = this.#inArray;
    const stop = Math.min(length, at + limits.bytes);
    const full = before + limits.rows;
    while (at < stop && out.count < full) {
      if (!inArray && bytes[at] === LEFT_BRACKET) {
        at = grammar.space(at + 1);
        if (at < length && bytes[at] === RIGHT_BRACKET) {
          at = grammar.space(at + 1);
          continue;
        }
        inArray = true;
      }
      const row = out.add();
      at = scanEnvelope(grammar, at, out.words, row);
      if (at < 0) {
        out.count--;
        break;
      }
      at = grammar.space(at);
      if (!inArray) continue;
      const next = at < length ? bytes[at] : undefined;
      if (next === COMMA) {
        // What follows must be a value: a comma may not be the last.
        at = grammar.space(at + 1);
      } else if (next === RIGHT_BRACKET) {
        inArray = false;
        at = grammar.space(at + 1);
      } else {
        at = grammar.fault(at, "unexpected byte");
        break;
      }
    }
    if (at >= length && inArray) at = grammar.fault(length, "unexpected end");
    this.#at = at;
    this.#inArray = inArray;
    this.#index += out.count - before;
    return at === FAULT ? faultOf(grammar, this.#index) : undefined;
  }
}

/** Whether `bytes` are one JSON text (RFC 8259, strict UTF-8, no byte order mark); undefined when they are. */
export function validateJson(bytes: Uint8Array): ScanFault | undefined {
  const grammar = new Grammar(bytes);
  let at = grammar.value(grammar.space(0));
  if (at !== FAULT) {
    at = grammar.space(at);
    if (at === bytes.length) return undefined;
    grammar.fault(at, "unexpected byte");
  }
  return faultOf(grammar, 0);
}

function faultOf(grammar: Grammar, index: number): ScanFault {
  const { bytes, faultAt, reason } = grammar;
  const isMark = faultAt < bytes.length && bytes[faultAt] === 0xef &&
    bytes[faultAt + 1] === 0xbb && bytes[faultAt + 2] === 0xbf;
  return {
    at: faultAt,
    index,
    reason: isMark ? "a byte order mark" : reason,
  };
}
