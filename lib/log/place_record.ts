/**
 * A record of the place file: length of the text (4 bytes, big endian), its CRC-32 (4 bytes), JSON text `{connector,
 * epoch, number, place}`, zeros up to a multiple of `UNIT_BYTES`. So a reader finds each at a multiple of that, whatever
 * lies around it; within a text none can seem to begin, because a length begins with a zero byte and JSON text has none.
 *
 * Until November 2026 a record had 8 bytes of SHA-256 in place of the CRC-32, at multiples of 4,096. Those are read too.
 */

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Place } from "./cursor.ts";
import { fromValue, isRecord, numberIn, textIn } from "./kv.ts";

/** Where records begin: at multiples of this. */
const UNIT_BYTES = 64;
/** The largest record. */
export const RECORD_BYTES = 4_096;
const HEAD_BYTES = 8;
const OLD_HEAD_BYTES = 12;

/** A settled place as found after a start. */
export interface FoundPlace {
  readonly connector: string;
  /** Nonce of the epoch under which it was written. */
  readonly epoch: string;
  /** Of two under one epoch the greater is the newer. */
  readonly number: number;
  /** The place as JSON, unchecked. */
  readonly place: Readonly<Record<string, unknown>>;
}

/** Makes records, all in the same bytes. */
export class RecordWriter {
  readonly #bytes = new Uint8Array(RECORD_BYTES);
  readonly #head = new DataView(this.#bytes.buffer);
  readonly #text = this.#bytes.subarray(HEAD_BYTES);
  readonly #encoder = new TextEncoder();

  /** The record, good until the next one; undefined: it does not fit. */
  record(found: {
    readonly connector: string;
    readonly epoch: string;
    readonly number: number;
    readonly place: Place;
  }): Uint8Array | undefined {
    const text = JSON.stringify(found);
    const { read, written } = this.#encoder.encodeInto(text, this.#text);
    if (read < text.length) return undefined;
    this.#head.setUint32(0, written);
    this.#head.setUint32(4, crc32(this.#text.subarray(0, written)));
    const end = HEAD_BYTES + written;
    const length = Math.ceil(end / UNIT_BYTES) * UNIT_BYTES;
    return this.#bytes.fill(0, end, length).subarray(0, length);
  }
}

/** All whole records in a file's bytes, oldest first. */
export function recordsIn(bytes: Uint8Array): FoundPlace[] {
  const found: FoundPlace[] = [];
  for (let at = 0; at + UNIT_BYTES <= bytes.length; at += UNIT_BYTES) {
    const record = recordAt(bytes.subarray(at, at + RECORD_BYTES));
    if (record !== undefined) found.push(record);
  }
  return found.sort((one, other) => one.number - other.number);
}

/** The record that begins here; undefined where there is none, or it is torn. */
function recordAt(bytes: Uint8Array): FoundPlace | undefined {
  const text = textAt(bytes);
  const record = text && fromValue(text);
  if (record === undefined) return undefined;
  const connector = textIn(record, "connector"),
    epoch = textIn(record, "epoch");
  const place = record["place"];
  if (connector === "" || epoch === "" || !isRecord(place)) return undefined;
  return { connector, epoch, number: numberIn(record, "number"), place };
}

function textAt(bytes: Uint8Array): Uint8Array | undefined {
  const head = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = head.getUint32(0);
  if (length === 0 || HEAD_BYTES + length > bytes.length) return undefined;
  const text = bytes.subarray(HEAD_BYTES, HEAD_BYTES + length);
  if (crc32(text) === head.getUint32(4)) return text;
  if (OLD_HEAD_BYTES + length > bytes.length) return undefined;
  const old = bytes.subarray(OLD_HEAD_BYTES, OLD_HEAD_BYTES + length);
  const sum = createHash("sha256").update(old).digest();
  const isWhole = bytes.subarray(4, OLD_HEAD_BYTES).every((byte, at) =>
    byte === sum[at]
  );
  return isWhole ? old : undefined;
}
