/** Segments made for a replay: dead letters as events again, and events of the log with a mark in their envelopes. */

import { EventView, type Run, type Segment } from "../event.ts";
import { kindOf } from "../json/envelope.ts";
import {
  ENVELOPE,
  EVENT,
  EVENT_KIND_SHIFT,
  FIELDS,
  FIELDS_KIND_SHIFT,
  FLAGS,
  KIND_MASK,
  METADATA,
  MULTILINE,
  OBJECT,
  RAW,
  ROW,
  RUN,
  TIME_KIND_SHIFT,
  VALUE_KIND_SHIFT,
  WHOLE,
} from "../json/spans.ts";
import type { DeadRecord } from "../log/dead_record.ts";

const LEFT_BRACE = 0x7b, RIGHT_BRACE = 0x7d;
const SPACES: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);
const FIRST_BYTES = 64 * 1024;

/** Collects events, then makes one segment of them. Every event keeps the id that it has. */
export class ReplaySegment {
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;
  readonly #rows: Uint32Array[] = [];
  /** The rows of the same events without the mark. */
  readonly #plain: Uint32Array[] = [];
  readonly #ids: string[] = [];
  readonly #runs: Run[] = [];
  readonly #runOf = new Map<string, number>();

  /** A dead letter, as its producer sent the event. */
  addLetter(record: DeadRecord): void {
    const row = new Uint32Array(ROW);
    const { event, isRaw, envelope, id, producer, receivedAt } = record;
    let flags = OBJECT << VALUE_KIND_SHIFT;
    for (const [name, member] of METADATA) {
      const text = envelope[name];
      if (text === undefined) continue;
      const bytes = encoder.encode(text);
      this.#span(row, member, bytes);
      const kind = kindOf(bytes[0] ?? 0);
      if (name === "time") flags |= kind << TIME_KIND_SHIFT;
      if (name === "fields") flags |= kind << FIELDS_KIND_SHIFT;
    }
    this.#span(row, EVENT, event);
    if (isRaw) flags |= RAW;
    else {
      flags |= kindOf(event[0] ?? 0) << EVENT_KIND_SHIFT;
      // Between quotes no line break can stand.
      if (event.includes(0x0a) || event.includes(0x0d)) flags |= MULTILINE;
    }
    this.#add(row, flags, id, { producer, receivedAt });
    this.#plain.push(row);
  }

  /** An event of the log with one more field in its envelope; one that is its own envelope stays as it is. */
  addMarked(view: EventView, name: string, value: string): void {
    const row = new Uint32Array(ROW);
    for (const [, member] of METADATA) {
      const start = view.start(member), end = view.end(member);
      if (end > start) this.#span(row, member, view.bytes.subarray(start, end));
    }
    this.#span(row, EVENT, view.event);
    this.#add(row, view.flags, view.id, view.run);
    this.#plain.push(row.slice());
    const fields = (view.flags & WHOLE) !== 0
      ? undefined
      : withField(view.bytes.subarray(view.start(FIELDS), view.end(FIELDS)), {
        name,
        value,
      });
    if (fields === undefined) return;
    this.#span(row, FIELDS, fields);
    row[FLAGS] = view.flags & ~(KIND_MASK << FIELDS_KIND_SHIFT) |
      OBJECT << FIELDS_KIND_SHIFT;
  }

  /** The segment of all that were added, in their order. */
  segment(id: string): Segment {
    const segment = {
      id,
      bytes: this.#bytes.subarray(0, this.#length),
      count: this.#rows.length,
      runs: this.#runs,
      ids: this.#ids,
      lane: "",
      eventsBefore: 0,
      bytesBefore: 0,
      storedBytes: this.#length,
    };
    return {
      ...segment,
      spans: joined(this.#rows),
      plain: { ...segment, spans: joined(this.#plain) },
    };
  }

  #add(row: Uint32Array, flags: number, id: string, run: Run): void {
    row[FLAGS] = flags;
    row[ENVELOPE] = row[EVENT] ?? 0;
    row[ENVELOPE + 1] = row[EVENT + 1] ?? 0;
    const key = `${run.receivedAt} ${run.producer}`;
    let number = this.#runOf.get(key);
    if (number === undefined) {
      number = this.#runs.length;
      this.#runOf.set(key, number);
      this.#runs.push(run);
    }
    row[RUN] = number;
    this.#rows.push(row);
    this.#ids.push(id);
  }

  #span(row: Uint32Array, member: number, bytes: Uint8Array): void {
    const wanted = this.#length + bytes.length;
    if (wanted > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(wanted, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    row[member] = this.#length;
    row[member + 1] = this.#length = wanted;
  }
}

/** An object of fields with one more; undefined: it is no object. */
function withField(
  fields: Uint8Array,
  { name, value }: { readonly name: string; readonly value: string },
): Uint8Array | undefined {
  const text = `${JSON.stringify(name)}:${JSON.stringify(value)}}`;
  if (fields.length === 0 || isNull(fields)) return encoder.encode(`{${text}`);
  if (fields[0] !== LEFT_BRACE) return undefined;
  const end = fields.lastIndexOf(RIGHT_BRACE);
  const isEmpty = fields.subarray(1, end).every((byte) => SPACES.has(byte));
  const more = encoder.encode(`${isEmpty ? "" : ","}${text}`);
  const bytes = new Uint8Array(end + more.length);
  bytes.set(fields.subarray(0, end));
  bytes.set(more, end);
  return bytes;
}

function isNull(bytes: Uint8Array): boolean {
  return bytes.length === 4 && bytes[0] === 0x6e;
}

function joined(rows: readonly Uint32Array[]): Uint32Array {
  const words = new Uint32Array(rows.length * ROW);
  for (const [n, row] of rows.entries()) words.set(row, n * ROW);
  return words;
}

const encoder = new TextEncoder();
