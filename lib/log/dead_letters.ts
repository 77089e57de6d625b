/**
 * Dead letters: `["dead", connector, event id]` is the record, `["deadpart", connector, event id, n]` the bytes.
 *
 * Invariants: keyed by event id, so that writing one again changes nothing; written before the place whose books count
 * it, in as many commits as needed, parts before or with their record. Each commit checks the epoch. Bytes: the event
 * as it came, then the envelope members that are too long for the record.
 */

import type { DataReason } from "../connector.ts";
import { EventView } from "../event.ts";
import { METADATA } from "../json/spans.ts";
import type { DeadLetter } from "./cursor.ts";
import { deadKey, deadPartKey } from "./keys.ts";
import {
  fromValue,
  isRecord,
  MAX_GET,
  MAX_VALUE_BYTES,
  MAX_VALUES,
  numberIn,
  textIn,
  toValue,
} from "./kv.ts";
import type { Store } from "./store.ts";

/** Members longer than this lie in the parts. */
const INLINE_BYTES = 4_096;
/** Bytes of values in one commit; the rest of the 819,200 is for keys. */
const COMMIT_BYTES = MAX_VALUE_BYTES * (MAX_VALUES - 1);
/** Writes of one commit: 200 keys of at most 150 bytes, counted twice, stay under 81,920. */
const COMMIT_WRITES = 200;

export type EnvelopeMember = (typeof METADATA)[number][0];

/** A dead letter as read back. */
export interface DeadRecord {
  readonly id: string;
  readonly connector: string;
  /** When it was given up: RFC 3339, UTC. */
  readonly timestamp: string;
  readonly reason: DataReason;
  readonly error: string;
  readonly attempts: number;
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

/** Refused because the epoch moved on: the lease is lost. */
export class EpochLost extends Error {
  override readonly name = "EpochLost";
}

/** Writes dead letters. @throws {EpochLost}, or what the store throws: call again with the same. */
export async function writeDeadLetters(
  store: Store,
  connector: string,
  letters: readonly DeadLetter[],
  epoch: { readonly key: Deno.KvKey; readonly versionstamp: string },
): Promise<void> {
  let writes: (readonly [Deno.KvKey, Uint8Array])[] = [];
  let bytes = 0;
  const flush = async () => {
    if (writes.length === 0) return;
    const batch = writes;
    writes = [];
    bytes = 0;
    const result = await store.call((kv) => {
      const operation = kv.atomic().check(epoch);
      for (const [key, value] of batch) operation.set(key, value);
      return operation.commit();
    });
    if (!result.ok) throw new EpochLost("The lease is lost");
  };
  const view = new EventView();
  for (const letter of letters) {
    for (const write of writesOf(connector, letter, view)) {
      if (
        bytes + write[1].length > COMMIT_BYTES || writes.length >= COMMIT_WRITES
      ) await flush();
      writes.push(write);
      bytes += write[1].length;
    }
  }
  await flush();
}

/** Parts first, the record last. */
function* writesOf(
  connector: string,
  letter: DeadLetter,
  view: EventView,
): Generator<readonly [Deno.KvKey, Uint8Array]> {
  view.at(letter.segment, letter.index);
  const { id, event } = view;
  const envelope: Record<string, string> = {};
  const long: Record<string, number> = {};
  const pieces = [event];
  for (const [name, member] of METADATA) {
    const start = view.start(member), end = view.end(member);
    if (end === start) continue;
    const text = view.bytes.subarray(start, end);
    if (text.length <= INLINE_BYTES) envelope[name] = decoder.decode(text);
    else {
      long[name] = text.length;
      pieces.push(text);
    }
  }
  const bytes = pieces.length === 1 ? event : concat(pieces);
  let parts = 0;
  for (let at = 0; at < bytes.length; at += MAX_VALUE_BYTES) {
    yield [
      deadPartKey(connector, id, parts++),
      bytes.subarray(at, at + MAX_VALUE_BYTES),
    ];
  }
  yield [
    deadKey(connector, id),
    toValue({
      timestamp: new Date(letter.at).toISOString(),
      connector,
      error: letter.error,
      reason: letter.reason,
      attempts: letter.attempts,
      raw: view.isRaw,
      producer: view.run.producer,
      receivedAt: view.receivedAt,
      envelope,
      size: event.length,
      long,
      parts,
    }),
  ];
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
    // Written by this program from the closed list.
    reason: textIn(record, "reason") as DataReason,
    error: textIn(record, "error"),
    attempts: numberIn(record, "attempts"),
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
  return concat(pieces);
}

const decoder = new TextDecoder();

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(
    pieces.reduce((sum, piece) => sum + piece.length, 0),
  );
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
