/** A log over a real KV, and intakes made of text, for tests. */

import { Buffer } from "node:buffer";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { EventView, type Segment } from "../../lib/event.ts";
import {
  ENVELOPE,
  EVENT,
  EVENT_KIND_SHIFT,
  FLAGS,
  HOST,
  OBJECT,
  SpanTable,
  VALUE_KIND_SHIFT,
} from "../../lib/json/spans.ts";
import { type Logger, silentLogger } from "../../lib/logger.ts";
import type { Kv } from "../../lib/log/kv.ts";
import {
  type Defaults,
  type EventLog,
  type Intake,
  type LogOptions,
  openLog,
} from "../../lib/log/log.ts";
import { openStore } from "../../lib/log/store.ts";

export interface RigOptions extends Partial<LogOptions> {
  /** Default in memory; null: what `openKv` gives without one, a store of kind `platform`. */
  readonly location?: string | null;
  readonly openKv?: (path?: string) => Promise<Kv>;
  /** How long one call of the store may take, in milliseconds of `clock`. */
  readonly callMs?: number;
}

/** A seeded generator of 0 ≤ x < 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Opens store and log. Close the log at the end. */
export async function openRig(options: RigOptions = {}): Promise<EventLog> {
  const { location = ":memory:", openKv, callMs, ...rest } = options;
  const clock: Clock = rest.clock ?? systemClock;
  const logger: Logger = rest.logger ?? silentLogger;
  const store = await openStore(location ?? undefined, {
    clock,
    logger,
    ...(openKv === undefined ? {} : { openKv }),
    ...(callMs === undefined ? {} : { callMs }),
  });
  try {
    return await openLog(store, {
      clock,
      logger,
      random: seeded(1),
      uuid: () => crypto.randomUUID(),
      instance: "test",
      connectors: () => [],
      keep: 3_600_000,
      keepBytes: 2 ** 30,
      ballastBytes: 65_536,
      ...rest,
    });
  } catch (cause) {
    store.close();
    throw cause;
  }
}

/**
 * An event of `length` pseudo-random bytes between quotes, which no codec shrinks. The log does not look into it; no
 * JSON text would do: it leaves a fifth of each byte unused.
 */
export function noise(random: () => number, length: number): Uint8Array {
  const bytes = new Uint8Array(length + 2);
  for (let at = 1; at <= length; at++) bytes[at] = Math.floor(random() * 256);
  bytes[0] = bytes[length + 1] = 0x22;
  return bytes;
}

/** An intake of envelopes `{"host":…,"event":…}`, one per text, `separator` between them. */
export function intakeOf(
  texts: readonly (string | Uint8Array)[],
  options: {
    readonly producer?: string;
    readonly receivedAt?: number;
    readonly defaults?: Defaults;
    readonly separator?: string;
    readonly host?: string;
  } = {},
): Intake {
  const {
    producer = "test",
    receivedAt = 1_800_000_000_000,
    defaults = {},
    separator = "\n",
    host,
  } = options;
  const spans = new SpanTable();
  const pieces: Uint8Array[] = [];
  let at = 0;
  const put = (text: string | Uint8Array) => {
    const bytes = typeof text === "string" ? encoder.encode(text) : text;
    pieces.push(bytes);
    at += bytes.length;
  };
  for (const text of texts) {
    const row = spans.add();
    const words = spans.words;
    words[row + ENVELOPE] = at;
    put("{");
    if (host !== undefined) {
      put('"host":');
      words[row + HOST] = at;
      put(JSON.stringify(host));
      words[row + HOST + 1] = at;
      put(",");
    }
    put('"event":');
    words[row + EVENT] = at;
    put(text);
    words[row + EVENT + 1] = at;
    put("}");
    words[row + ENVELOPE + 1] = at;
    words[row + FLAGS] = (OBJECT << VALUE_KIND_SHIFT) |
      (OBJECT << EVENT_KIND_SHIFT);
    put(separator);
  }
  const bytes = new Uint8Array(at);
  let to = 0;
  for (const piece of pieces) {
    bytes.set(piece, to);
    to += piece.length;
  }
  return {
    bytes,
    spans,
    from: 0,
    to: spans.count,
    producer,
    receivedAt,
    defaults,
  };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The events of a segment, byte for byte, as Latin-1 text: for what is not UTF-8. */
export function rawTextsOf(segment: Segment): string[] {
  const view = new EventView();
  return Array.from(
    { length: segment.count },
    (_, i) => latin1(view.at(segment, i).event),
  );
}

/** One character a byte. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

/** The event texts of a segment from an index on. */
export function textsOf(segment: Segment, from = 0): string[] {
  const view = new EventView();
  return Array.from(
    { length: segment.count - from },
    (_, i) => decoder.decode(view.at(segment, from + i).event),
  );
}

/** Every event of the log in order, from the oldest. */
export async function readAll(
  log: EventLog,
  read: (segment: Segment) => string[] = textsOf,
): Promise<string[]> {
  const texts: string[] = [];
  let at = { segment: "", index: 0 };
  for (;;) {
    const segment = await log.next(at);
    if (segment === undefined) return texts;
    texts.push(...read(segment));
    at = { segment: segment.id, index: segment.count };
  }
}
