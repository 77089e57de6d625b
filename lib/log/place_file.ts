/**
 * Places beside the store: what a connector has settled, before the store has it too.
 *
 * Why: settling each batch of 100 events in a KV commit of its own costs more than everything else on their way (3 of
 * 8 CPU-seconds per million events) and ties delivery to the appends' commits. A record written to a file survives
 * `kill -9` as well as a commit does, because the kernel has it, and costs some microseconds. So on a local file a
 * settle is this record, and the store's own place follows within `holding.ts`'s pause. Only a power cut or a kernel
 * crash can lose the record: then what was sent since the store's place goes again, and nothing is lost.
 *
 * Format: two halves of `HALF_BYTES`. Records (`place_record.ts`) of all connectors follow each other through one half,
 * one write each and no seek. Once it is full, every connector's newest record is written at the beginning of the other
 * half, and the rest follows there. What that overwrites is older than what the full half holds, and the full half
 * stays whole until the other one is full: so whichever write is torn, each connector's newest record but that one is
 * there. The epoch in a record is its nonce, because versionstamps repeat from one KV file to the next; the number
 * counts records, because a place may be settled again with another state. All blocks are written at the start: a full
 * disk does not stop settling. The data directory's lock is ours.
 */

import type { Position } from "../event.ts";
import type { Place } from "./cursor.ts";
import { isBefore } from "./decision.ts";
import { cursorKey, epochKey } from "./keys.ts";
import {
  fromValue,
  isDiskFull,
  messageOf,
  numberIn,
  textIn,
  toValue,
} from "./kv.ts";
import {
  type FoundPlace,
  RECORD_BYTES,
  recordsIn,
  RecordWriter,
} from "./place_record.ts";
import { placeOf } from "./places.ts";
import type { Store } from "./store.ts";

const HALF_BYTES = 262_144;
/**
 * Of all connectors' newest records: so that a half has room for as many more. Some 250 connectors, or fewer whose
 * faults are long; what goes beyond settles in the store as elsewhere.
 */
const MOST_NEWEST_BYTES = HALF_BYTES / 2;

/** A connector's newest record, and under which epoch the next one may be written. */
interface Newest {
  readonly epoch: string;
  /** 0: there is none under this epoch. */
  bytes: number;
  number: number;
  place: Place | undefined;
}

/** The file; one per process and KV file. */
export class PlaceFile {
  readonly #file: Deno.FsFile;
  readonly #newest = new Map<string, Newest>();
  #newestBytes = 0;
  readonly #writer = new RecordWriter();
  #written = 0;
  /** Where the half in use begins. */
  #half = 0;
  /** Where the next record goes. */
  #at = 0;
  /** The file's own offset; undefined: not known. */
  #offset: number | undefined;

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
      const bytes = new Uint8Array(2 * HALF_BYTES);
      let length = 0;
      for (let read: number | null = 0; read !== null; length += read) {
        read = file.readSync(bytes.subarray(length));
        if (read === null || read === 0) break;
      }
      const found = recordsIn(bytes.subarray(0, length));
      return { file: new PlaceFile(file), found };
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Empties the file, blocks allocated. @throws what the file system throws. */
  forget(): void {
    this.#newest.clear();
    this.#newestBytes = 0;
    this.#writeAt(new Uint8Array(2 * HALF_BYTES), 0);
    this.#half = this.#at = 0;
  }

  /** From now on the connector's place is written under this epoch only; older records do not count any more. */
  take(connector: string, epoch: string): void {
    this.#newestBytes -= this.#newest.get(connector)?.bytes ?? 0;
    this.#newest.set(connector, {
      epoch,
      bytes: 0,
      number: 0,
      place: undefined,
    });
  }

  /**
   * Writes a place; it is there for the next process once this returns. False: it does not fit, the epoch is not the
   * one taken last, or the file cannot be written; then the store has to have it, or to refuse it.
   */
  write(connector: string, epoch: string, place: Place): boolean {
    const newest = this.#newest.get(connector);
    if (newest?.epoch !== epoch) return false;
    const end = this.#half + HALF_BYTES;
    const number = ++this.#written;
    let bytes: number;
    try {
      if (this.#at + RECORD_BYTES > end) this.#turn();
      const record = this.#writer.record({ connector, epoch, number, place });
      if (record === undefined) return false;
      bytes = record.length;
      const sum = this.#newestBytes - newest.bytes + bytes;
      if (sum > MOST_NEWEST_BYTES) return false;
      this.#writeAt(record, this.#at);
      this.#newestBytes = sum;
    } catch {
      return false;
    }
    this.#at += bytes;
    newest.bytes = bytes;
    newest.number = number;
    newest.place = place;
    return true;
  }

  close(): void {
    this.#file.close();
  }

  /** Goes on in the other half, once it has every connector's newest record. @throws what the file system throws. */
  #turn(): void {
    const half = this.#half === 0 ? HALF_BYTES : 0;
    let at = half;
    for (const [connector, { epoch, number, place }] of this.#newest) {
      if (place === undefined) continue;
      // As large as it was: it is the same.
      const record = this.#writer.record({ connector, epoch, number, place });
      if (record === undefined) continue;
      this.#writeAt(record, at);
      at += record.length;
    }
    // Where that failed, the full half stays the one in use, and the next settle tries again.
    this.#half = half;
    this.#at = at;
  }

  #writeAt(bytes: Uint8Array, at: number): void {
    if (this.#offset !== at) this.#file.seekSync(at, Deno.SeekMode.Start);
    this.#offset = undefined;
    let done = this.#file.writeSync(bytes);
    while (done < bytes.length) {
      done += this.#file.writeSync(bytes.subarray(done));
    }
    this.#offset = at + done;
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
    for (const found of newestOf(opened.found, end)) {
      await bringToStore(store, found).catch(async (error: unknown) => {
        if (!isDiskFull(error)) throw error;
        await onDiskFull();
        await bringToStore(store, found);
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

/** Of places in the order of their writing the newest of each epoch; those that lie behind the log's end left out. */
function newestOf(
  found: readonly FoundPlace[],
  end: Position,
): Iterable<FoundPlace> {
  const newest = new Map<string, FoundPlace>();
  for (const one of found) {
    if (isBefore(end, positionOf(one))) continue;
    newest.set(JSON.stringify([one.connector, one.epoch]), one);
  }
  return newest.values();
}

async function bringToStore(store: Store, found: FoundPlace): Promise<void> {
  const { connector, epoch, place } = found;
  const [now, stored] = await store.call((kv) =>
    kv.getMany<[unknown, unknown]>([
      epochKey(connector),
      cursorKey(connector),
    ])
  );
  const known = placeOf(stored.value);
  if (textIn(fromValue(now.value) ?? {}, "nonce") !== epoch) return;
  if (known === undefined) return;
  // At the same place the file's counts: as a rule its state changed since. Where the file could not take the state's
  // last change, the store's is the newer one; nothing tells, and all it costs are attempts that are counted again and
  // an older fault shown until the next one: books and history only change with the place.
  if (isBefore(positionOf(found), known)) return;
  await store.call((kv) =>
    kv.atomic().check(now).check(stored).set(stored.key, toValue(place))
      .commit()
  );
}

function positionOf({ place }: FoundPlace): Position {
  return { segment: textIn(place, "segment"), index: numberIn(place, "index") };
}
