/**
 * A chunk of a connector's history as a value: decided ranges in log order, 2 to 12 bytes each.
 *
 *     0  version (1)
 *     1  length of the dictionary, dictionary: JSON array of the decisions that the ranges name by number
 *        end: segment (10 bytes), index; events before the end; base time
 *        ranges to the value's end: number × 4 + flags, count,
 *          flag 1: segment (bytes shared with the last one named, bytes left, these) and index; else it follows directly
 *          flag 2: milliseconds since the range before, zigzag
 *
 * All numbers LEB128. Segments are 20 hex digits; "" is all zeros.
 */

import type { Position } from "../event.ts";
import type { DecidedRange, Decision } from "./decision.ts";
import { VarintReader, VarintWriter } from "./varint.ts";

const VERSION = 1;
const ID_BYTES = 10;
const NEW_PLACE = 1, NEW_TIME = 2;

/** The first segment of all, as keys and chunks name it. */
const NO_SEGMENT = "0".repeat(ID_BYTES * 2);

/** A chunk as read. */
export interface Chunk {
  readonly ranges: readonly DecidedRange[];
  /** The place behind the last range. */
  readonly end: Position;
  /** Events of all lanes before the end, as the place counts them. */
  readonly seen: number;
}

/** Writes one chunk, range by range; the last range may still grow. */
export class ChunkWriter {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];
  readonly #ranges = new VarintWriter();
  #base = 0;
  #isEmpty = true;
  #segment: Uint8Array = new Uint8Array(ID_BYTES);
  /** Where a range begins that follows directly. */
  #next: Position = { segment: "", index: -1 };
  #at = 0;
  #textBytes = 0;

  /** About what the value takes. */
  get bytes(): number {
    return this.#ranges.length + this.#textBytes + 40;
  }

  push(range: DecidedRange): void {
    this.#encode(range, this.#numberOf(textOf(range.decision)));
  }

  /** The value with one more range, which is not in it afterwards. */
  value(
    last: DecidedRange | undefined,
    end: Position,
    seen: number,
  ): Uint8Array<ArrayBuffer> {
    const ranges = this.#ranges;
    const { length } = ranges;
    const before = {
      base: this.#base,
      isEmpty: this.#isEmpty,
      segment: this.#segment,
      next: this.#next,
      at: this.#at,
    };
    let texts = this.#texts;
    if (last !== undefined) {
      const text = textOf(last.decision);
      const known = this.#numbers.get(text);
      if (known === undefined) texts = [...texts, text];
      this.#encode(last, known ?? texts.length - 1);
    }
    const head = new VarintWriter();
    const dictionary = encoder.encode(`[${texts.join(",")}]`);
    head.reserve(dictionary.length + 64);
    head.put(VERSION);
    head.put(dictionary.length);
    head.bytes.set(dictionary, head.length);
    head.length += dictionary.length;
    head.bytes.set(bytesOf(end.segment), head.length);
    head.length += ID_BYTES;
    head.put(end.index);
    head.putLarge(seen);
    head.putLarge(this.#base);
    const value = new Uint8Array(head.length + ranges.length);
    value.set(head.bytes.subarray(0, head.length));
    value.set(ranges.bytes.subarray(0, ranges.length), head.length);
    ranges.length = length;
    this.#base = before.base;
    this.#isEmpty = before.isEmpty;
    this.#segment = before.segment;
    this.#next = before.next;
    this.#at = before.at;
    return value;
  }

  #numberOf(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#texts.length;
      this.#numbers.set(text, number);
      this.#texts.push(text);
      this.#textBytes += text.length;
    }
    return number;
  }

  #encode({ from, count, at }: DecidedRange, number: number): void {
    const out = this.#ranges;
    if (this.#isEmpty) this.#base = this.#at = at;
    this.#isEmpty = false;
    const isNext = from.segment === this.#next.segment &&
      from.index === this.#next.index;
    const delta = at - this.#at;
    out.reserve(48);
    out.putLarge(
      number * 4 + (isNext ? 0 : NEW_PLACE) + (delta === 0 ? 0 : NEW_TIME),
    );
    out.putLarge(count);
    if (!isNext) {
      const segment = bytesOf(from.segment);
      let shared = 0;
      while (shared < ID_BYTES && segment[shared] === this.#segment[shared]) {
        shared++;
      }
      let end = ID_BYTES;
      while (end > shared && segment[end - 1] === 0) end--;
      out.put(shared);
      out.put(end - shared);
      out.bytes.set(segment.subarray(shared, end), out.length);
      out.length += end - shared;
      out.put(from.index);
      this.#segment = segment;
    }
    if (delta !== 0) out.putLarge(delta > 0 ? delta * 2 : -delta * 2 - 1);
    this.#at = at;
    this.#next = { segment: from.segment, index: from.index + count };
  }
}

/** The chunk in a value; undefined when it is none. */
export function readChunk(value: unknown): Chunk | undefined {
  if (!(value instanceof Uint8Array)) return undefined;
  try {
    const reader = new VarintReader(value, 0);
    if (reader.get() !== VERSION) return undefined;
    const length = reader.get();
    const text = decoder.decode(value.subarray(reader.at, reader.at + length));
    reader.at += length;
    // Written by this program: `textOf`.
    const decisions = JSON.parse(text) as Decision[];
    const end = {
      segment: idOf(value.subarray(reader.at, reader.at += ID_BYTES)),
      index: reader.get(),
    };
    const seen = reader.getLarge();
    let at = reader.getLarge();
    const ranges: DecidedRange[] = [];
    const segment = new Uint8Array(ID_BYTES);
    let id = "", index = 0;
    while (reader.at < value.length) {
      const head = reader.getLarge();
      const count = reader.getLarge();
      if ((head & NEW_PLACE) !== 0) {
        const shared = reader.get(), more = reader.get();
        segment.fill(0, shared);
        segment.set(value.subarray(reader.at, reader.at + more), shared);
        reader.at += more;
        id = idOf(segment);
        index = reader.get();
      }
      if ((head & NEW_TIME) !== 0) {
        const zigzag = reader.getLarge();
        at += zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
      }
      const decision = decisions[Math.floor(head / 4)];
      if (decision === undefined) return undefined;
      ranges.push({ from: { segment: id, index }, count, decision, at });
      index += count;
    }
    return { ranges, end, seen };
  } catch {
    return undefined;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The same text for the same decision. */
function textOf(decision: Decision): string {
  switch (decision.kind) {
    case "delivered": {
      const { kind, attempts, answer: { status, message } } = decision;
      return JSON.stringify({ kind, attempts, answer: { status, message } });
    }
    case "filtered":
      return `{"kind":"filtered","by":${JSON.stringify(decision.by)}}`;
    case "expired":
      return `{"kind":"expired","reason":"${decision.reason}"}`;
    default:
      return `{"kind":"${decision.kind}"}`;
  }
}

function bytesOf(segment: string): Uint8Array {
  const bytes = new Uint8Array(ID_BYTES);
  for (let at = 0; at < ID_BYTES && at * 2 < segment.length; at++) {
    bytes[at] = Number.parseInt(segment.slice(at * 2, at * 2 + 2), 16);
  }
  return bytes;
}

function idOf(bytes: Uint8Array): string {
  let id = "";
  for (const byte of bytes) id += byte.toString(16).padStart(2, "0");
  return id === NO_SEGMENT ? "" : id;
}
