/** Events as OCSF, for all connectors: those that are none are mapped once and kept for the connectors that follow. */

import type { OcsfForm } from "../connector.ts";
import { EventView, type Run, type Segment } from "../event.ts";
import { isOcsf } from "../format/ocsf_event.ts";
import {
  ENVELOPE,
  EVENT,
  EVENT_KIND_SHIFT,
  FLAGS,
  KIND_MASK,
  METADATA,
  OBJECT,
  RAW,
  ROW,
  RUN,
  VALUE_KIND_SHIFT,
} from "../json/spans.ts";
import type { GrowingBytes } from "../template.ts";

/** Memory of the mapped events that are kept. A batch of the slowest connector's is mapped anew when they are gone. */
const CACHE_BYTES = 16 * 1024 * 1024;

const FIRST_BYTES = 4096;

/** What an event is; 0 until it is asked for. */
const IS_OCSF = 1, IS_OTHER = 2;

const KINDS = KIND_MASK << VALUE_KIND_SHIFT | KIND_MASK << EVENT_KIND_SHIFT;
const OBJECTS = OBJECT << VALUE_KIND_SHIFT | OBJECT << EVENT_KIND_SHIFT;

/**
 * Writes an event that is no OCSF event as one. Line breaks stand between its tokens only where they did in the event
 * that came. Never throws.
 */
export type MapEvent = (view: EventView, into: GrowingBytes) => void;

/** What is known of one segment; lives as long as the segment. */
interface Known {
  readonly kinds: Uint8Array;
  mapped: MappedSegment | undefined;
}

/** Finds or makes the OCSF form of events. One for the process. */
export class OcsfReader {
  readonly #map: MapEvent;
  readonly #cacheBytes: number;
  readonly #known = new WeakMap<Segment, Known>();
  /** Who has mapped events, the longest unused first, and how many bytes they hold together. */
  readonly #kept = new Set<Known>();
  #keptBytes = 0;
  #last: Known | undefined;

  constructor(given: {
    readonly map: MapEvent;
    /** The most that mapped events may hold; those of one segment are kept whatever they take. */
    readonly cacheBytes?: number;
  }) {
    this.#map = given.map;
    this.#cacheBytes = given.cacheBytes ?? CACHE_BYTES;
  }

  /** The bytes that mapped events hold now. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** See `OcsfForm`. A mapped event lies in a segment of its own, at the same index, beside the same envelope. */
  readonly form: OcsfForm = (view, into) => {
    const { segment, index } = view;
    let known = this.#known.get(segment);
    if (known === undefined) {
      known = { kinds: new Uint8Array(segment.count), mapped: undefined };
      this.#known.set(segment, known);
    }
    const kind = known.kinds[index] ||= isOcsf(view) ? IS_OCSF : IS_OTHER;
    if (kind === IS_OCSF) return into.at(segment, index);
    return into.at(this.#mapped(known, view), index);
  };

  #mapped(known: Known, view: EventView): MappedSegment {
    let mapped = known.mapped;
    if (mapped === undefined) {
      mapped = known.mapped = new MappedSegment(view.segment);
      this.#keptBytes += mapped.memory;
    }
    if (known !== this.#last) {
      this.#last = known;
      this.#kept.delete(known);
      this.#kept.add(known);
    }
    if (!mapped.has(view.index)) {
      this.#keptBytes -= mapped.memory;
      mapped.add(view, this.#map);
      this.#keptBytes += mapped.memory;
    }
    // Whoever still looks at what goes here keeps it alive.
    for (const oldest of this.#kept) {
      if (this.#keptBytes <= this.#cacheBytes || oldest === known) break;
      this.#keptBytes -= oldest.mapped?.memory ?? 0;
      oldest.mapped = undefined;
      this.#kept.delete(oldest);
    }
    return mapped;
  }
}

/**
 * A segment's events as OCSF, filled event by event as they are asked for. Spans never change once they are written;
 * `bytes` grows, and a view that has the shorter ones reads the same in them.
 */
class MappedSegment implements Segment, GrowingBytes {
  readonly id: string;
  readonly spans: Uint32Array;
  readonly count: number;
  readonly runs: readonly Run[];
  readonly lane: string;
  readonly eventsBefore: number;
  readonly bytesBefore: number;
  readonly storedBytes: number;
  readonly ids: readonly string[] | undefined;
  bytes = new Uint8Array(FIRST_BYTES);
  length = 0;

  constructor(source: Segment) {
    this.id = source.id;
    this.spans = new Uint32Array(source.count * ROW);
    this.count = source.count;
    this.runs = source.runs;
    this.lane = source.lane;
    this.eventsBefore = source.eventsBefore;
    this.bytesBefore = source.bytesBefore;
    this.storedBytes = source.storedBytes;
    this.ids = source.ids;
  }

  /** Bytes that it holds. */
  get memory(): number {
    return this.bytes.byteLength + this.spans.byteLength;
  }

  has(index: number): boolean {
    return this.spans[index * ROW + EVENT + 1] !== 0;
  }

  /** Maps the event of the source at which `view` stands. */
  add(view: EventView, map: MapEvent): void {
    const row = view.index * ROW;
    for (const [, member] of METADATA) {
      const start = view.start(member), length = view.end(member) - start;
      if (length === 0) continue;
      this.room(length);
      this.bytes.set(view.bytes.subarray(start, start + length), this.length);
      this.spans[row + member] = this.length;
      this.length += length;
      this.spans[row + member + 1] = this.length;
    }
    const start = this.length;
    const { plain } = view.segment;
    map(
      plain === undefined ? view : new EventView().at(plain, view.index),
      this,
    );
    this.spans[row + FLAGS] = view.flags & ~(RAW | KINDS) | OBJECTS;
    this.spans[row + RUN] = view.segment.spans[row + RUN] ?? 0;
    this.spans[row + ENVELOPE] = this.spans[row + EVENT] = start;
    this.spans[row + ENVELOPE + 1] = this.spans[row + EVENT + 1] = this.length;
    // Escaping text asks for much more room than it takes in the end.
    if (this.bytes.length > 4 * Math.max(this.length, FIRST_BYTES)) {
      this.bytes = this.bytes.slice(0, this.length + FIRST_BYTES);
    }
  }

  room(more: number): void {
    const wanted = this.length + more;
    if (wanted <= this.bytes.length) return;
    let size = this.bytes.length;
    while (size < wanted) size *= 2;
    const grown = new Uint8Array(size);
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}
