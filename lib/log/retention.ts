/**
 * Keeps the log within its span, its bytes and its disk.
 *
 * What every configured connector has settled is kept for replay no longer than `keep` and no more than `keepBytes`.
 * Above the high-water mark, or when the disk is full, producers are refused; what is kept for replay only goes first;
 * below 95 % of the mark, or with room on the disk again, they are taken. Nothing waiting is ever deleted here, and
 * never by `expireIn` (it ends the process on a full disk).
 */

import type { Logger } from "../logger.ts";
import type { Clock } from "../clock.ts";
import type { Position } from "../event.ts";
import { isBefore } from "./decision.ts";
import { forgetDamaged } from "./damaged_kept.ts";
import { forgetExpired } from "./expired.ts";
import { forgetLeft } from "./left.ts";
import { trimHistory } from "./history.ts";
import { countsOf, type Heads } from "./books.ts";
import type { Disk } from "./disk.ts";
import { readHeads, totalsOf } from "./heads.ts";
import { heldByJobs } from "./jobs.ts";
import { ballastKey } from "./keys.ts";
import { isDiskFull, MAX_VALUE_BYTES, MAX_VALUES, messageOf } from "./kv.ts";
import { readPlaces } from "./places.ts";
import type { Header } from "./segment.ts";
import type { Store } from "./store.ts";
import { readTrimMark, type TrimMark, trimSegments } from "./trim.ts";

/** How often to look, and how often while producers are refused. */
const EVERY_MS = 10_000;
const FULL_EVERY_MS = 1_000;
/** Appended bytes after which to look at once. */
const EVERY_BYTES = 64 * 1024 * 1024;
/** Producers are taken again below this share of the mark. */
const LOW_WATER = 0.95;
/** High-water mark where there is no disk to measure, and its share of the disk where there is one. */
const DEFAULT_MAX_BYTES = 1024 ** 3;
const DISK_SHARE = 0.8;
const WAS_FULL = true;
/** How often expired ranges are looked at for some to be forgotten. */
const FORGET_MS = 3_600_000;

export interface RetentionParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly disk: Disk | undefined;
  readonly connectors: () => readonly string[];
  /** As `LogOptions`; 0: for ever. */
  readonly keepLeft: number;
  readonly keep: number;
  readonly keepBytes: number;
  readonly maxBytes: number | undefined;
  /** Everything up to this segment was deleted. */
  readonly onTrimmed: (segment: string) => void;
}

export class Retention {
  readonly #parts: RetentionParts;
  readonly #stop = new AbortController();
  #maxBytes = DEFAULT_MAX_BYTES;
  #bytes = 0;
  #sinceTrim = 0;
  #isOverMark = false;
  #isDiskFull = false;
  /** On the monotonic clock. */
  #forgetAt = 0;
  /** What the history was trimmed to. */
  #historyTo = "";
  #wake: (() => void) | undefined;
  #isKicked = false;
  #running: Promise<void> | undefined;
  #trimming: Promise<void> = Promise.resolve();

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  /** Appends are to be refused. */
  get isFull(): boolean {
    return this.#isOverMark || this.#isDiskFull;
  }

  /** Stored bytes of the log, as far as this process knows. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Measures disk and log, takes the ballast and begins to look regularly. `heads` and `mark` as just read. */
  async start(heads: Heads, mark: TrimMark): Promise<void> {
    const { disk, maxBytes } = this.#parts;
    const space = maxBytes === undefined ? await disk?.space() : undefined;
    this.#maxBytes = maxBytes ?? (
      space === undefined
        ? DEFAULT_MAX_BYTES
        : Math.floor(space.total * DISK_SHARE)
    );
    this.#setBytes(bytesBetween(heads, mark));
    this.#running = this.#run();
  }

  /** A segment was appended here. */
  onAppended(bytes: number): void {
    this.#sinceTrim += bytes;
    this.#setBytes(this.#bytes + bytes);
    if (this.#sinceTrim >= EVERY_BYTES) {
      this.#sinceTrim = 0;
      this.kick();
    }
  }

  /** A commit found the disk full. */
  onDiskFull(): void {
    if (this.#isDiskFull) return;
    const wasFull = this.isFull;
    this.#isDiskFull = true;
    this.#report(wasFull);
    this.kick();
  }

  /** Looks at once. */
  kick(): void {
    this.#isKicked = true;
    this.#wake?.();
  }

  /** One look: trims what may go. Also called by itself. @throws what the store throws. */
  trim(): Promise<void> {
    const next = this.#trimming.catch(() => undefined).then(() => this.#trim());
    this.#trimming = next;
    return next;
  }

  async close(): Promise<void> {
    this.#stop.abort("closed");
    await this.#running;
    await this.#trimming.catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { clock, logger, disk } = this.#parts;
    const { signal } = this.#stop;
    // Behind the first event: 8 MiB take their time.
    if (!this.#isDiskFull) await disk?.writeBallast();
    while (!signal.aborted) {
      const stop = new AbortController();
      this.#wake = () => stop.abort("kicked");
      if (!this.#isKicked) {
        await clock.sleep(
          this.isFull ? FULL_EVERY_MS : EVERY_MS,
          AbortSignal.any([signal, stop.signal]),
        ).catch(() => undefined);
      }
      this.#isKicked = false;
      if (signal.aborted) return;
      if (this.#isDiskFull) await disk?.dropBallast();
      try {
        await this.trim();
      } catch (error) {
        if (isDiskFull(error)) this.onDiskFull();
        else {
          logger.log("warn", "store.slow", "The log could not be trimmed", {
            error: messageOf(error),
          });
        }
      }
      if (this.#isDiskFull) await this.#probeDisk();
    }
  }

  async #trim(): Promise<void> {
    const { store, clock, connectors, keep, keepBytes, logger } = this.#parts;
    const mark = await readTrimMark(store);
    const places = await readPlaces(store);
    const heads = totalsOf(await readHeads(store));
    let bytes = bytesBetween(heads, mark);
    let limit: Position | undefined;
    let waiting = 0;
    for (const name of connectors()) {
      const place = places.get(name);
      if (place === undefined) continue;
      waiting = Math.max(waiting, countsOf(place, heads).waitingBytes);
      if (limit === undefined || isBefore(place, limit)) limit = place;
    }
    const now = clock.now();
    for (const place of await heldByJobs(store, now)) {
      if (limit === undefined || isBefore(place, limit)) limit = place;
    }
    const wants = (header: Header | undefined) => {
      const isOld = header === undefined || now - header.receivedAt > keep;
      const isTooMuch = bytes - waiting > keepBytes;
      const isWanted = isOld || isTooMuch ||
        this.#isDiskFull ||
        (this.#isOverMark && bytes > this.#maxBytes * LOW_WATER);
      if (isWanted) bytes -= header?.storedBytes ?? 0;
      return isWanted;
    };
    const { mark: trimmed, segments } = await trimSegments(store, mark, {
      limit,
      wants,
      signal: this.#stop.signal,
    });
    this.#parts.onTrimmed(trimmed.segment);
    if (segments > 0) {
      logger.log("debug", "log.trimmed", "Settled segments were deleted", {
        segments,
        up_to: trimmed.segment,
      });
    }
    // Also where another process trimmed the log: it may have ended before its histories.
    if (trimmed.segment !== this.#historyTo) {
      await trimHistory(store, places.keys(), trimmed.segment);
      await forgetDamaged(store, trimmed.segment);
      this.#historyTo = trimmed.segment;
    }
    if (clock.monotonic() >= this.#forgetAt) {
      await forgetExpired(store, places.keys(), now);
      await forgetLeft(store, {
        known: places.keys(),
        configured: new Set(connectors()),
        now,
        kept: this.#parts.keepLeft,
      });
      this.#forgetAt = clock.monotonic() + FORGET_MS;
    }
    // What was appended here meanwhile is in neither number: it is read again.
    this.#setBytes(
      bytesBetween(totalsOf(await readHeads(store)), trimmed),
    );
  }

  /** Is there room again? Only when the ballast fits, the largest commit goes through beside it, and more is left. */
  async #probeDisk(): Promise<void> {
    const { disk, store } = this.#parts;
    const isHeld = disk === undefined || await disk.retakeBallast();
    if (isHeld && await disk?.isRoomy(this.#bytes) !== false) {
      const keys = Array.from({ length: MAX_VALUES }, (_, n) => ballastKey(n));
      try {
        await store.call((kv) => {
          const operation = kv.atomic();
          const value = new Uint8Array(MAX_VALUE_BYTES).fill(0x48);
          for (const key of keys) operation.set(key, value);
          return operation.commit();
        });
        await store.call((kv) => {
          const operation = kv.atomic();
          for (const key of keys) operation.delete(key);
          return operation.commit();
        });
        this.#isDiskFull = false;
        this.#report(WAS_FULL);
        return;
      } catch {
        // Still full.
      }
    }
    // Room for settles and deletes.
    await disk?.dropBallast();
  }

  #setBytes(bytes: number): void {
    const wasFull = this.isFull;
    this.#bytes = bytes;
    if (bytes > this.#maxBytes) this.#isOverMark = true;
    else if (bytes < this.#maxBytes * LOW_WATER) this.#isOverMark = false;
    if (this.#isOverMark && !wasFull) this.kick();
    this.#report(wasFull);
  }

  #report(wasFull: boolean): void {
    if (this.isFull === wasFull) return;
    const fields = {
      bytes: this.#bytes,
      max_bytes: this.#maxBytes,
      disk_full: this.#isDiskFull,
    };
    const { logger } = this.#parts;
    if (wasFull) {
      logger.log("info", "log.recovered", "Producers are taken again", fields);
    } else {
      logger.log(
        "error",
        "log.full",
        "The log is full: producers get 503 until there is room; delivery goes on",
        fields,
      );
    }
  }
}

function bytesBetween(heads: Heads, mark: TrimMark): number {
  let bytes = 0;
  for (const [lane, head] of Object.entries(heads)) {
    bytes += head.bytes - (mark.lanes[lane]?.bytes ?? 0);
  }
  return bytes;
}
