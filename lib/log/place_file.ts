/**
 * Places beside the store: what a connector has settled, before the store has it too.
 *
 * Why: settling each batch of 100 events in a KV commit of its own costs more than everything else on their way (3 of
 * 8 CPU-seconds per million events) and ties delivery to the appends' commits. A record written to a file survives
 * `kill -9` as well as a commit does, because the kernel has it, and costs some microseconds. So on a local file a
 * settle is this record, and the store's own place follows within `holding.ts`'s pause. Only a power cut or a kernel
 * crash can lose the record: then what was sent since the store's place goes again, and nothing is lost.
 *
 * Format: slots of `SLOT_BYTES`, one a connector, two records each, written in turn, so that a torn one leaves the
 * other. A record: length (4 bytes, big endian), 8 bytes of SHA-256, JSON text `{connector, epoch, number, place}`;
 * the epoch is its nonce, because versionstamps repeat from one KV file to the next; the number counts records, because
 * a place may be settled again with another state. All blocks are written at the start: a full disk does not stop
 * settling. The data directory's lock is ours.
 */

import { createHash } from "node:crypto";
import type { Position } from "../event.ts";
import type { Place } from "./cursor.ts";
import { isBefore } from "./decision.ts";
import { cursorKey, epochKey } from "./keys.ts";
import {
  fromValue,
  isDiskFull,
  isRecord,
  messageOf,
  numberIn,
  textIn,
  toValue,
} from "./kv.ts";
import { placeOf } from "./places.ts";
import type { Store } from "./store.ts";

const SLOT_BYTES = 8_192;
const RECORD_BYTES = SLOT_BYTES / 2;
const HEAD_BYTES = 12;
const SUM_BYTES = 8;
/** More connectors than this settle in the store as elsewhere. */
const SLOTS = 64;

/** A settled place as found after a start. */
export interface FoundPlace {
  readonly connector: string;
  /** Nonce of the epoch under which it was written. */
  readonly epoch: string;
  /** Of two under one epoch the greater is the newer. */
  readonly number: number;
  /** The place's record, as the store holds it. */
  readonly place: Uint8Array;
}

/** A connector's two records. */
interface Slot {
  readonly at: number;
  /** The half to write next. */
  turn: 0 | 1;
  epoch: string;
}

/** The file; one per process and KV file. */
export class PlaceFile {
  readonly #file: Deno.FsFile;
  readonly #slots = new Map<string, Slot>();
  #written = 0;
  readonly #buffer = new Uint8Array(RECORD_BYTES);

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /**
   * Opens or makes the file and gives what it holds, oldest first; `forget` it once that is in the store.
   * @throws what the file system throws.
   */
  static open(
    path: string,
  ): { readonly file: PlaceFile; readonly found: readonly FoundPlace[] } {
    const file = Deno.openSync(path, {
      read: true,
      write: true,
      create: true,
      mode: 0o600,
    });
    try {
      const bytes = new Uint8Array(SLOTS * SLOT_BYTES);
      let length = 0;
      for (let read: number | null = 0; read !== null; length += read) {
        read = file.readSync(bytes.subarray(length));
        if (read === null || read === 0) break;
      }
      const found: FoundPlace[] = [];
      for (let at = 0; at + RECORD_BYTES <= length; at += RECORD_BYTES) {
        const record = recordIn(bytes.subarray(at, at + RECORD_BYTES));
        if (record !== undefined) found.push(record);
      }
      found.sort((one, other) => one.number - other.number);
      return { file: new PlaceFile(file), found };
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Empties every slot, blocks allocated. @throws what the file system throws. */
  forget(): void {
    this.#slots.clear();
    writeAt(this.#file, new Uint8Array(SLOTS * SLOT_BYTES), 0);
  }

  /** From now on the connector's place is written under this epoch only. */
  take(connector: string, epoch: string): void {
    const known = this.#slots.get(connector);
    if (known !== undefined) known.epoch = epoch;
    else if (this.#slots.size < SLOTS) {
      const at = this.#slots.size * SLOT_BYTES;
      this.#slots.set(connector, { at, turn: 0, epoch });
    }
  }

  /**
   * Writes a place; it is there for the next process once this returns. False: it does not fit, the epoch is not the
   * one taken last, or the file cannot be written; then the store has to have it, or to refuse it.
   */
  write(connector: string, epoch: string, place: Place): boolean {
    const slot = this.#slots.get(connector);
    if (slot?.epoch !== epoch) return false;
    const number = ++this.#written;
    const text = toValue({ connector, epoch, number, place });
    const length = HEAD_BYTES + text.length;
    if (length > RECORD_BYTES) return false;
    const record = this.#buffer.subarray(0, length);
    new DataView(record.buffer).setUint32(0, text.length);
    record.set(sumOf(text), 4);
    record.set(text, HEAD_BYTES);
    try {
      writeAt(this.#file, record, slot.at + slot.turn * RECORD_BYTES);
    } catch {
      return false;
    }
    slot.turn = slot.turn === 0 ? 1 : 0;
    return true;
  }

  close(): void {
    this.#file.close();
  }
}

/**
 * Opens the place file of a store on a local file, once what it holds is in the store: a place counts that is not
 * behind the store's, was written under the epoch that still stands, and does not lie behind the log's end. Undefined:
 * there is no such file, and settling goes to the store. `onDiskFull`: is to make room for a few commits.
 * @throws what the store throws.
 */
export async function openPlaceFile(
  store: Store,
  end: Position,
  onDiskFull: () => Promise<void>,
): Promise<PlaceFile | undefined> {
  if (store.path === undefined) return undefined;
  let file: PlaceFile | undefined;
  try {
    const opened = PlaceFile.open(`${store.path}.places`);
    file = opened.file;
    for (const found of opened.found) {
      await bringToStore(store, found, end).catch(async (error: unknown) => {
        if (!isDiskFull(error)) throw error;
        await onDiskFull();
        await bringToStore(store, found, end);
      });
    }
  } catch (error) {
    file?.close();
    // Without the file's places a little goes again; without a start nothing would go, and the disk stay full.
    if (file !== undefined && !isDiskFull(error)) throw error;
    return withoutFile(store, error);
  }
  try {
    file.forget();
    return file;
  } catch (error) {
    // What is left of it is in the store, or of a lease that is about to be taken anew.
    file.close();
    return withoutFile(store, error);
  }
}

function withoutFile(store: Store, error: unknown): undefined {
  store.logger.log(
    "warn",
    "store.slow",
    "The place file cannot be used; places are settled in the store",
    { error: messageOf(error) },
  );
}

async function bringToStore(
  store: Store,
  { connector, epoch, place }: FoundPlace,
  end: Position,
): Promise<void> {
  const filed = placeOf(place);
  if (filed === undefined || isBefore(end, filed)) return;
  const key = epochKey(connector);
  const [now, stored] = await store.call((kv) =>
    kv.getMany<[unknown, unknown]>([key, cursorKey(connector)])
  );
  const known = placeOf(stored.value);
  if (textIn(fromValue(now.value) ?? {}, "nonce") !== epoch) return;
  if (known === undefined) return;
  // At the same place the file's is the newer one: its state changed.
  if (isBefore(filed, known)) return;
  await store.call((kv) =>
    kv.atomic().check(now).check(stored).set(stored.key, place).commit()
  );
}

function writeAt(file: Deno.FsFile, bytes: Uint8Array, at: number): void {
  file.seekSync(at, Deno.SeekMode.Start);
  for (let done = 0; done < bytes.length;) {
    done += file.writeSync(bytes.subarray(done));
  }
}

function sumOf(text: Uint8Array): Uint8Array {
  return createHash("sha256").update(text).digest().subarray(0, SUM_BYTES);
}

/** The record in a half slot; undefined where there is none, or it is torn. */
function recordIn(bytes: Uint8Array): FoundPlace | undefined {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  if (length === 0 || HEAD_BYTES + length > bytes.length) return undefined;
  const text = bytes.subarray(HEAD_BYTES, HEAD_BYTES + length);
  const sum = bytes.subarray(4, HEAD_BYTES);
  if (!sumOf(text).every((byte, at) => byte === sum[at])) return undefined;
  const record = fromValue(text);
  if (!isRecord(record)) return undefined;
  const connector = textIn(record, "connector"),
    epoch = textIn(record, "epoch");
  const place = record["place"];
  if (connector === "" || epoch === "" || !isRecord(place)) return undefined;
  const number = numberIn(record, "number");
  return { connector, epoch, number, place: toValue(place) };
}
