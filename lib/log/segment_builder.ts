/**
 * Packs intakes into one blob (layout: `segment.ts`) and makes the segment for memory along the way, so that
 * nothing is decoded again. Invariants: the blob never passes `MAX_BLOB_BYTES`; an event is in it whole or not at
 * all; neighbours in the request are copied at one go, gaps above `MAX_GAP` are left out.
 * Longer than other files: one pass over an event writes payload, index and memory's row, and shares their state.
 */

import type { Run, Segment } from "../event.ts";
import {
  ENVELOPE,
  EVENT,
  FLAGS,
  NUMBER,
  ROW,
  RUN,
  STRING,
  TIME,
} from "../json/spans.ts";
import { AS_IS, type Codec, compressed } from "./codec.ts";
import type { Intake } from "./intake.ts";
import { type DefaultTexts, sameTexts, textsOf } from "./run_defaults.ts";
import {
  fillDefaults,
  HEADER_BYTES,
  MAX_BLOB_BYTES,
  MEMBERS,
  type RunDefaults,
  seal,
} from "./segment.ts";
import { VarintWriter } from "./varint.ts";

/** Bytes between two events that are kept rather than making two copies. */
const MAX_GAP = 16;
/** More than an event can take in the index: 17 numbers of at most 5 bytes. */
const MAX_ROW_BYTES = 96;
/** The same for a run, without its producer. */
const MAX_RUN_BYTES = 128;

/** What a lane had appended before. */
export interface LaneTotals {
  readonly hash: string;
  readonly events: number;
  /** Stored bytes. */
  readonly bytes: number;
}

/** A finished blob; `segment` makes the segment once the commit has given its id. */
export interface Sealed {
  /** As stored. */
  readonly blob: Uint8Array;
  readonly hash: string;
  readonly count: number;
  segment(id: string): Segment;
}

/** Bytes that an intake takes at most, payload and index together. */
function bound(intake: Intake, from: number): number {
  const words = intake.spans.words;
  const first = words[from * ROW + ENVELOPE] as number;
  const last = words[(intake.to - 1) * ROW + ENVELOPE + 1] as number;
  return Math.max(0, last - first) + (intake.to - from) * 48 + 8192;
}

/** One blob in the making. */
export class SegmentBuilder {
  readonly #lane: string;
  readonly #codec: Codec;
  /** Where the payload begins. */
  readonly #start: number;
  readonly #before: LaneTotals;
  /** Index and runs are written apart and laid behind the payload at the end. */
  readonly #index = new VarintWriter();
  readonly #runs: (Run & { count: number; defaults: DefaultTexts })[] = [];
  readonly #runSpans: RunDefaults[] = [];
  #blob: Uint8Array<ArrayBuffer>;
  #words: Uint32Array;
  #at: number;
  /** What the blob may come to. */
  #limit = MAX_BLOB_BYTES;
  #count = 0;
  #runBytes = 0;
  #receivedAt = 0;
  /** End of the event written last. */
  #end: number;

  /** `expected`: what is to come, so that memory fits. */
  constructor(
    lane: string,
    before: LaneTotals,
    expected: Iterable<readonly [Intake, number]>,
    codec: Codec,
  ) {
    this.#lane = lane;
    this.#codec = codec;
    const name = encoder.encode(lane);
    this.#start = this.#at = this.#end = HEADER_BYTES + name.length;
    this.#before = before;
    let bytes = this.#start, rows = 0;
    for (const [intake, from] of expected) {
      bytes += bound(intake, from);
      rows += intake.to - from;
      if (bytes >= MAX_BLOB_BYTES) break;
    }
    this.#blob = new Uint8Array(Math.min(bytes, MAX_BLOB_BYTES));
    this.#blob.set(name, HEADER_BYTES);
    this.#words = new Uint32Array(Math.max(1, Math.min(rows, 4096)) * ROW);
  }

  get count(): number {
    return this.#count;
  }

  /** Leaves so many bytes of the commit to what goes beside the blob. False: they are taken. */
  leave(bytes: number): boolean {
    const limit = this.#limit - bytes;
    if (this.#at + this.#runBytes + this.#index.length > limit) return false;
    this.#limit = limit;
    return true;
  }

  /** Takes events from row `from` on and says how many; fewer than asked: the blob is full. */
  add(intake: Intake, from: number): number {
    const { bytes, spans, to } = intake;
    const defaults = this.#openRun(intake);
    if (defaults === undefined) return 0;
    const source = spans.words;
    const index = this.#index;
    let copyFrom = 0, copyTo = 0, taken = 0;
    for (let row = from; row < to; row++, taken++) {
      const at = row * ROW;
      let start = source[at + ENVELOPE] as number;
      let end = source[at + ENVELOPE + 1] as number;
      if (end === 0) {
        start = source[at + EVENT] as number;
        end = source[at + EVENT + 1] as number;
      }
      const gap = start - copyTo;
      const joined = taken > 0 && gap >= 0 && gap <= MAX_GAP;
      const needed = this.#at + (copyTo - copyFrom) + (joined ? gap : 0) +
        (end - start);
      if (!this.#fits(needed)) break;
      if (!joined) {
        this.#copy(bytes, copyFrom, copyTo);
        copyFrom = start;
      }
      copyTo = end;
      const place = this.#at + (start - copyFrom);
      index.reserve(MAX_ROW_BYTES);
      this.#writeRow(source, at, start, end, place);
      if (defaults.mask !== 0) {
        fillDefaults(this.#words, (this.#count - 1) * ROW, defaults);
      }
    }
    this.#copy(bytes, copyFrom, copyTo);
    const run = this.#runs.at(-1);
    if (run !== undefined) run.count += taken;
    return taken;
  }

  /** Closes the blob. Call once, when at least one event is in. */
  finish(): Sealed {
    const payloadBytes = this.#at - this.#start;
    const runs = this.#encodeRuns();
    const index = this.#index.bytes.subarray(0, this.#index.length);
    const length = this.#at + runs.length + index.length;
    // What was reserved too much goes back where it is worth a copy.
    const whole = this.#blob.length >= length &&
        this.#blob.length - length < 16_384 + (length >> 3)
      ? this.#blob
      : copyOf(this.#blob, this.#at, length);
    const blob = whole.subarray(0, length);
    blob.set(runs, this.#at);
    blob.set(index, length - index.length);
    const { hash: previous, events, bytes } = this.#before;
    const packed = compressed(blob, this.#start, this.#codec);
    const stored = packed ?? blob;
    const hash = seal(stored, {
      codec: packed === undefined ? AS_IS : this.#codec,
      previous,
      eventsBefore: events,
      bytesBefore: bytes,
      payloadBytes,
      count: this.#count,
      runs: this.#runs.length,
      payloadAt: this.#start,
      receivedAt: this.#receivedAt,
    });
    const rest: Omit<Segment, "id"> = {
      bytes: blob.subarray(this.#start, this.#start + payloadBytes),
      spans: this.#words.length === this.#count * ROW
        ? this.#words
        : this.#words.slice(0, this.#count * ROW),
      count: this.#count,
      runs: this.#runs.map(({ producer, receivedAt }) => ({
        producer,
        receivedAt,
      })),
      lane: this.#lane,
      eventsBefore: events,
      bytesBefore: bytes,
      storedBytes: stored.length,
    };
    return {
      blob: stored,
      hash,
      count: this.#count,
      segment: (id) => ({ id, ...rest }),
    };
  }

  /** Is there room when the payload ends at `at`, with one more row and every run? */
  #fits(at: number): boolean {
    const used = at + this.#runBytes + this.#index.length + MAX_ROW_BYTES;
    if (used > this.#limit) return false;
    if (at > this.#blob.length) this.#growBlob(at);
    return true;
  }

  #growBlob(least: number): void {
    const grown = Math.min(
      MAX_BLOB_BYTES,
      Math.max(least, this.#blob.length * 2),
    );
    this.#blob = copyOf(this.#blob, this.#at, grown);
  }

  #copy(bytes: Uint8Array, from: number, to: number): void {
    if (to <= from) return;
    this.#blob.set(
      from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to),
      this.#at,
    );
    this.#at += to - from;
  }

  /** The run of this intake, a new one unless the last is the same. Undefined: its defaults do not fit. */
  #openRun(intake: Intake): RunDefaults | undefined {
    const { producer, receivedAt } = intake;
    const texts = textsOf(intake.defaults);
    const last = this.#runs.at(-1);
    const lastSpans = this.#runSpans.at(-1);
    if (
      last !== undefined && lastSpans !== undefined &&
      last.producer === producer && last.receivedAt === receivedAt &&
      sameTexts(last.defaults, texts)
    ) return lastSpans;
    const runBytes = MAX_RUN_BYTES + producer.length * 3;
    const size = texts.reduce((sum, text) => sum + text.bytes.length, 0);
    this.#runBytes += runBytes;
    if (!this.#fits(this.#at + size)) {
      this.#runBytes -= runBytes;
      return undefined;
    }
    let mask = 0, timeKind = 0;
    const spans = new Array<number>(MEMBERS.length * 2).fill(0);
    for (const { bit, bytes } of texts) {
      mask |= 1 << bit;
      spans[bit * 2] = this.#at - this.#start;
      this.#blob.set(bytes, this.#at);
      this.#at += bytes.length;
      spans[bit * 2 + 1] = this.#at - this.#start;
      if (MEMBERS[bit] === TIME) timeKind = bytes[0] === 0x22 ? STRING : NUMBER;
    }
    this.#receivedAt = Math.max(this.#receivedAt, receivedAt);
    const defaults = { mask, spans, timeKind };
    this.#runs.push({ producer, receivedAt, count: 0, defaults: texts });
    this.#runSpans.push(defaults);
    return defaults;
  }

  /** The row for memory and the row of the index. `place`: where the event will lie in the blob. */
  #writeRow(
    source: Uint32Array,
    at: number,
    start: number,
    end: number,
    place: number,
  ): void {
    const row = this.#count * ROW;
    if (row + ROW > this.#words.length) {
      const grown = new Uint32Array(this.#words.length * 2);
      grown.set(this.#words);
      this.#words = grown;
    }
    const words = this.#words, index = this.#index;
    const flags = source[at + FLAGS] as number;
    const base = place - this.#start;
    words[row + ENVELOPE] = base;
    words[row + ENVELOPE + 1] = base + end - start;
    words[row + FLAGS] = flags;
    words[row + RUN] = this.#runs.length - 1;
    index.put(place - this.#end);
    index.put(end - start);
    index.put(flags);
    this.#end = place + end - start;
    const maskAt = index.length++;
    let mask = 0;
    for (let m = 0; m < MEMBERS.length; m++) {
      const word = MEMBERS[m] as number;
      const to = source[at + word + 1] as number;
      if (to === 0) continue;
      const from = source[at + word] as number;
      if (from < start || to > end) {
        throw new RangeError("A member lies outside of its event");
      }
      mask |= 1 << m;
      words[row + word] = base + from - start;
      words[row + word + 1] = base + to - start;
      index.put(from - start);
      index.put(to - from);
    }
    index.bytes[maskAt] = mask;
    this.#count++;
  }

  #encodeRuns(): Uint8Array {
    const out = new VarintWriter();
    for (const [i, run] of this.#runs.entries()) {
      const producer = encoder.encode(run.producer);
      const spans = this.#runSpans[i] as RunDefaults;
      out.reserve(MAX_RUN_BYTES + producer.length);
      out.put(producer.length);
      out.bytes.set(producer, out.length);
      out.length += producer.length;
      out.putLarge(run.receivedAt);
      out.put(run.count);
      out.put(spans.mask);
      out.put(spans.timeKind);
      for (let m = 0; m < MEMBERS.length; m++) {
        if ((spans.mask & (1 << m)) === 0) continue;
        const start = spans.spans[m * 2] as number;
        out.put(start);
        out.put(spans.spans[m * 2 + 1] as number - start);
      }
    }
    return out.bytes.subarray(0, out.length);
  }
}

const encoder = new TextEncoder();

function copyOf(
  bytes: Uint8Array,
  used: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(length);
  copy.set(bytes.subarray(0, used));
  return copy;
}
