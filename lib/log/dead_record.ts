/**
 * One dead letter as records: `["dead", connector, event id]`, its bytes in `["deadpart", connector, event id, n]`, and
 * its entry in the index, `["deadat", connector, time of death, event id]`.
 *
 * Bytes: the event as it came, then the envelope members that are too long for the record.
 */

import { createHash } from "node:crypto";
import type { Reason } from "../connector.ts";
import { joinBytes } from "../json/copy.ts";
import { eventOnOneLine } from "../json/one_line.ts";
import { METADATA } from "../json/spans.ts";
import { deadAtKey, deadKey, deadPartKey } from "./keys.ts";
import {
  fromValue,
  isRecord,
  MAX_GET,
  MAX_VALUE_BYTES,
  numberIn,
  textIn,
  toValue,
} from "./kv.ts";
import type { Store } from "./store.ts";

/** Members longer than this lie in the parts. */
const INLINE_BYTES = 4_096;
/** Characters of the event and of the error that lists show. */
const PREVIEW = 200, SHOWN_ERROR = 1_000;

export type EnvelopeMember = (typeof METADATA)[number][0];

/** A key and its value. */
export type DeadWrite = readonly [Deno.KvKey, Uint8Array];

/** A dead letter before it is kept. */
export interface NewDeadLetter {
  readonly id: string;
  readonly connector: string;
  /** When it died: milliseconds since the Unix epoch, and as its record says it (RFC 3339). */
  readonly at: number;
  readonly timestamp: string;
  readonly reason: string;
  readonly error: string;
  readonly attempts: number;
  /** Given up after its attempts (strict): what `HECATE_RETRY_REPLAY` replays. */
  readonly isGivenUp?: boolean;
  readonly isRaw: boolean;
  readonly producer: string;
  /** When the relay took it: milliseconds since the Unix epoch. */
  readonly receivedAt: number;
  /** JSON text of what the envelope had. */
  readonly envelope: Readonly<Partial<Record<EnvelopeMember, Uint8Array>>>;
  readonly event: Uint8Array;
  /** Since when it is kept here: its import. Absent: since it died. */
  readonly keptFrom?: number;
}

/** A dead letter as read back. */
export interface DeadRecord {
  readonly id: string;
  readonly connector: string;
  /** When it was given up: RFC 3339, and in milliseconds since the Unix epoch. */
  readonly timestamp: string;
  readonly at: number;
  /** Its 30 days begin here: milliseconds since the Unix epoch. */
  readonly keptFrom: number;
  readonly reason: Reason;
  readonly error: string;
  readonly attempts: number;
  /** Given up after its attempts (strict). */
  readonly isGivenUp: boolean;
  /** The event is a line of text, not JSON. */
  readonly isRaw: boolean;
  readonly producer: string;
  /** When the relay took it: milliseconds since the Unix epoch. */
  readonly receivedAt: number;
  /** Raw JSON text of what the envelope had. */
  readonly envelope: Readonly<Partial<Record<EnvelopeMember, string>>>;
  /** The event's bytes as they came. */
  readonly event: Uint8Array;
}

/** What keeps a letter: its parts, which may go first, and its record with the entry of the index, which go together. */
export function writesOf(
  letter: NewDeadLetter,
): { readonly parts: readonly DeadWrite[]; readonly record: DeadWrite[] } {
  const { id, connector, event, at } = letter;
  const envelope: Record<string, string> = {};
  const long: Record<string, number> = {};
  const pieces = [event];
  for (const [name] of METADATA) {
    const text = letter.envelope[name];
    if (text === undefined) continue;
    if (text.length <= INLINE_BYTES) envelope[name] = decoder.decode(text);
    else {
      long[name] = text.length;
      pieces.push(text);
    }
  }
  const bytes = pieces.length === 1 ? event : joinBytes(pieces);
  const parts: DeadWrite[] = [];
  for (let from = 0; from < bytes.length; from += MAX_VALUE_BYTES) {
    parts.push([
      deadPartKey(connector, id, parts.length),
      bytes.subarray(from, from + MAX_VALUE_BYTES),
    ]);
  }
  const { timestamp, reason, error, attempts, isRaw, producer } = letter;
  const { receivedAt, keptFrom = at, isGivenUp = false } = letter;
  const print = printOf(letter);
  const record = toValue({
    timestamp,
    at,
    keptFrom,
    print,
    connector,
    error,
    reason,
    attempts,
    ...isGivenUp && { givenUp: true },
    raw: isRaw,
    producer,
    receivedAt,
    envelope,
    size: event.length,
    long,
    parts: parts.length,
  });
  const entry = entryValue({
    reason,
    error,
    attempts,
    ...isGivenUp && { givenUp: true },
    bytes: event.length,
    preview: previewOf(event),
    producer,
    parts: parts.length,
    print,
    keptFrom,
  });
  return {
    parts,
    record: [[deadKey(connector, id), record], [
      deadAtKey(connector, at, id),
      entry,
    ]],
  };
}

/** Everything that is deleted with a letter. */
export function keysOf(
  connector: string,
  id: string,
  { at, parts }: { readonly at: number; readonly parts: number },
): Deno.KvKey[] {
  return [
    deadKey(connector, id),
    deadAtKey(connector, at, id),
    ...Array.from({ length: parts }, (_, n) => deadPartKey(connector, id, n)),
  ];
}

export function sizeOf(writes: readonly DeadWrite[]): number {
  return writes.reduce((sum, [, { length }]) => sum + length, 0);
}

/** What the index says of a letter. */
export interface DeadEntryValue {
  readonly reason: string;
  readonly error: string;
  readonly attempts: number;
  /** Given up after its attempts (strict). */
  readonly givenUp?: true;
  /** Of the event. */
  readonly bytes: number;
  /** The event's first 200 characters. */
  readonly preview: string;
  readonly producer: string;
  readonly parts: number;
  /** By connector, time of death and event: tells records without an id apart. */
  readonly print: string;
  /** Its 30 days begin here: milliseconds since the Unix epoch. */
  readonly keptFrom: number;
}

export function entryValue(entry: DeadEntryValue): Uint8Array {
  return toValue({ ...entry, error: entry.error.slice(0, SHOWN_ERROR) });
}

export function previewOf(event: Uint8Array): string {
  // As many bytes as the longest characters take; one that is cut lies behind the last that is shown.
  const text = decoder.decode(event.subarray(0, PREVIEW * 4));
  return [...text].slice(0, PREVIEW).join("");
}

/** 24 hex digits that stand for connector, time of death and event. */
export function printOf(
  letter: Pick<NewDeadLetter, "connector" | "at" | "event" | "isRaw">,
): string {
  const { connector, at, event, isRaw } = letter;
  return createHash("sha256")
    .update(JSON.stringify([connector, at]))
    .update(eventOnOneLine(event, isRaw))
    .digest("hex").slice(0, 24);
}

/** One dead letter; undefined: there is none, or its parts are incomplete. @throws what the store throws. */
export async function readDeadLetter(
  store: Store,
  connector: string,
  id: string,
): Promise<DeadRecord | undefined> {
  const entry = await store.call((kv) => kv.get(deadKey(connector, id)));
  const record = fromValue(entry.value);
  if (record === undefined) return undefined;
  const bytes = await readParts(
    store,
    connector,
    id,
    numberIn(record, "parts"),
  );
  if (bytes === undefined) return undefined;
  const size = numberIn(record, "size");
  const inline = isRecord(record["envelope"]) ? record["envelope"] : {};
  const long = isRecord(record["long"]) ? record["long"] : {};
  const envelope: Partial<Record<EnvelopeMember, string>> = {};
  let at = size;
  for (const [name] of METADATA) {
    const length = numberIn(long, name);
    const text = length > 0
      ? decoder.decode(bytes.subarray(at, at + length))
      : textIn(inline, name);
    at += length;
    if (text !== "") envelope[name] = text;
  }
  return {
    id,
    connector,
    timestamp: textIn(record, "timestamp"),
    at: numberIn(record, "at"),
    keptFrom: numberIn(record, "keptFrom"),
    // Written by this program from the closed list.
    reason: textIn(record, "reason") as Reason,
    error: textIn(record, "error"),
    attempts: numberIn(record, "attempts"),
    isGivenUp: record["givenUp"] === true,
    isRaw: record["raw"] === true,
    producer: textIn(record, "producer"),
    receivedAt: numberIn(record, "receivedAt"),
    envelope,
    event: bytes.subarray(0, size),
  };
}

async function readParts(
  store: Store,
  connector: string,
  id: string,
  count: number,
): Promise<Uint8Array | undefined> {
  const pieces: Uint8Array[] = [];
  for (let from = 0; from < count; from += MAX_GET) {
    const keys = Array.from(
      { length: Math.min(MAX_GET, count - from) },
      (_, i) => deadPartKey(connector, id, from + i),
    );
    for (const entry of await store.call((kv) => kv.getMany(keys))) {
      const value: unknown = entry.value;
      if (!(value instanceof Uint8Array)) return undefined;
      pieces.push(value);
    }
  }
  return joinBytes(pieces);
}

/** A byte order mark at the start of a line of text is part of it. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
