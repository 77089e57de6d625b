/**
 * Where the log lies: the one `Deno.Kv` of the program, with its lock, its limits in time and its disk.
 *
 * Invariants: a KV file has one handle in one process, held by an exclusive lock on `<path>.lock`. Every call races
 * `CALL_MS`; a call that lost the race is not cancelled and may still do its work. A remote handle that does not
 * answer is replaced by a fresh one, because all calls of a handle share one connection.
 */

import { dirname, resolve } from "node:path";
import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";
import { isStoreUrl, locationSecrets } from "../config/store_location.ts";
import { redactor } from "../secrets.ts";
import { type Kv, KvTimeout, messageOf } from "./kv.ts";

/** How long any one call may take. */
const CALL_MS = 5_000;
/** How long to wait for another process's lock where it can only be waited for (Deno 2.5). */
const LOCK_MS = 1_000;
const EXCLUSIVE = true;
/** SQLite pages: 16 KiB cost 0.7 times the CPU of 4 KiB with values of 64 KiB. */
const PAGE_BYTES = 16_384;

export interface StoreOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default `Deno.openKv`. */
  readonly openKv?: (path?: string) => Promise<Kv>;
  /** Default `CALL_MS`. */
  readonly callMs?: number;
}

/** A fault that a person has to mend; the message is one line. */
export class StoreError extends Error {
  override readonly name = "StoreError";
}

/** memory, file: this process alone. remote: KV Connect. platform: what `Deno.openKv()` gives, taken as shared. */
export type StoreKind = "memory" | "file" | "remote" | "platform";

/** An open store. */
export class Store {
  readonly kind: StoreKind;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Absolute path of the KV file, where there is one. */
  readonly path: string | undefined;
  readonly #open: () => Promise<Kv>;
  readonly #callMs: number;
  readonly #lock: Deno.FsFile | undefined;
  #kv: Kv;
  #opening: Promise<Kv> | undefined;
  #isClosed = false;

  constructor(parts: {
    readonly kind: StoreKind;
    readonly kv: Kv;
    readonly open: () => Promise<Kv>;
    readonly options: StoreOptions;
    readonly path: string | undefined;
    readonly lock: Deno.FsFile | undefined;
  }) {
    this.kind = parts.kind;
    this.#kv = parts.kv;
    this.#open = parts.open;
    this.clock = parts.options.clock;
    this.logger = parts.options.logger;
    this.#callMs = parts.options.callMs ?? CALL_MS;
    this.path = parts.path;
    this.#lock = parts.lock;
  }

  /** No other process can write: what this process committed is all there is. */
  get isExclusive(): boolean {
    return this.kind === "memory" || this.kind === "file";
  }

  /** The handle in use. Ask again for every call: it may have been replaced. */
  get kv(): Kv {
    return this.#kv;
  }

  /** One call. @throws {KvTimeout} after `CALL_MS`, or what the call throws. */
  async call<T>(work: (kv: Kv) => Promise<T>): Promise<T> {
    return await withTimeout(this.clock, work(this.#kv), this.#callMs);
  }

  /**
   * Replaces a remote handle that did not answer, once for all who ask meanwhile. Does nothing for other stores.
   * @throws when the new one does not open.
   */
  async refresh(): Promise<void> {
    if (this.isExclusive || this.#isClosed) return;
    if (this.#opening === undefined) {
      const opening = openInTime(this.clock, this.#open(), this.#callMs);
      this.#opening = opening;
      const done = () => {
        if (this.#opening === opening) this.#opening = undefined;
      };
      opening.then((kv) => {
        done();
        const old = this.#kv;
        this.#kv = this.#isClosed ? old : kv;
        quietly(() => (this.#isClosed ? kv : old).close());
      }, done);
    }
    await this.#opening;
  }

  /** Closes the handle and gives the lock back. What is still in flight over the network is not cancelled. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    quietly(() => this.#kv.close());
    quietly(() => this.#lock?.close());
  }
}

/**
 * Opens a store: a path (its folder is made), `:memory:`, an http(s) URL (KV Connect), or undefined (the platform's
 * own).
 * @throws {StoreError} when the data directory is in use by another process, or it cannot be opened.
 */
export async function openStore(
  location: string | undefined,
  options: StoreOptions,
): Promise<Store> {
  const openKv: (path?: string) => Promise<Kv> = options.openKv ??
    ((path) => Deno.openKv(path));
  const open = () => location === undefined ? openKv() : openKv(location);
  const kind: StoreKind = location === undefined
    ? "platform"
    : location === ":memory:"
    ? "memory"
    : isStoreUrl(location)
    ? "remote"
    : "file";
  if (location !== undefined && kind === "file") {
    return await openFile(location, openKv, options);
  }
  try {
    const kv = await openInTime(options.clock, open(), CALL_MS);
    return new Store({
      kind,
      kv,
      open,
      options,
      path: undefined,
      lock: undefined,
    });
  } catch (cause) {
    const message = messageOf(cause);
    // Deno sends people to its own cloud for the token, and repeats the URL, which may hold a credential.
    const words = /DENO_KV_ACCESS_TOKEN/.test(message)
      ? "DENO_KV_ACCESS_TOKEN must hold the access token that its server (denokv) was started with, 12 characters or more."
      : redactor(locationSecrets(location ?? ""))(message);
    throw new StoreError(
      kind === "remote"
        ? `The KV store at ${hostOf(location)} cannot be opened: ${words}`
        : `The KV store cannot be opened: ${words}`,
      { cause },
    );
  }
}

/**
 * The same for a store that is there already; undefined: there is no file, and none is made, or it is one in memory.
 * @throws {StoreError}
 */
export async function openExisting(
  location: string | undefined,
  options: StoreOptions,
): Promise<Store | undefined> {
  if (location === ":memory:") return undefined;
  if (location !== undefined && !isStoreUrl(location)) {
    try {
      await Deno.stat(resolve(location));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw new StoreError(
        `The KV file ${resolve(location)} cannot be read: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }
  return await openStore(location, options);
}

async function openFile(
  location: string,
  openKv: (path?: string) => Promise<Kv>,
  options: StoreOptions,
): Promise<Store> {
  // Absolute: Deno 2.5 does not open a new file named without a folder.
  const path = resolve(location);
  const folder = dirname(path);
  let lock: Deno.FsFile | undefined;
  try {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    lock = await Deno.open(`${path}.lock`, {
      create: true,
      write: true,
      mode: 0o600,
    });
    if (!await isLockTaken(lock, options.clock)) {
      throw new StoreError(
        `The data directory ${folder} is in use by another process (${path}.lock is locked). Stop it, or set HECATE_KV to another path.`,
      );
    }
    await makeFile(path);
    const open = () => openKv(path);
    const kv = await openInTime(options.clock, open(), CALL_MS);
    return new Store({ kind: "file", kv, open, options, path, lock });
  } catch (cause) {
    quietly(() => lock?.close());
    if (cause instanceof StoreError) throw cause;
    throw new StoreError(
      `The KV file ${path} cannot be opened: ${messageOf(cause)}`,
      { cause },
    );
  }
}

/** Is the exclusive lock ours now? */
async function isLockTaken(
  file: Deno.FsFile,
  clock: Clock,
): Promise<boolean> {
  const tryLock: unknown = Reflect.get(file, "tryLock");
  if (typeof tryLock === "function") return await file.tryLock(EXCLUSIVE);
  try {
    await withTimeout(clock, file.lock(EXCLUSIVE), LOCK_MS);
    return true;
  } catch (error) {
    if (error instanceof KvTimeout) return false;
    throw error;
  }
}

/** Sets the page size while the file does not exist; without `node:sqlite` SQLite's own size serves as well. */
async function makeFile(path: string): Promise<void> {
  try {
    await Deno.lstat(path);
    return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) return;
  }
  // Events are nobody else's to read: SQLite takes an empty file as new, and gives its WAL the file's own mode.
  (await Deno.open(path, { createNew: true, write: true, mode: 0o600 }))
    .close();
  try {
    const { DatabaseSync } = await import("node:sqlite");
    const database = new DatabaseSync(path);
    try {
      database.exec(
        `PRAGMA page_size=${PAGE_BYTES}; PRAGMA journal_mode=WAL; CREATE TABLE made(a); DROP TABLE made;`,
      );
    } finally {
      database.close();
    }
  } catch {
    // Only speed is lost. A half-made file must not be what KV meets.
    await Deno.remove(path).catch(() => undefined);
  }
}

/** A handle. @throws {KvTimeout} when `ms` pass first: one that comes later is closed; or why it does not open. */
async function openInTime(
  clock: Clock,
  opening: Promise<Kv>,
  ms: number,
): Promise<Kv> {
  try {
    return await withTimeout(clock, opening, ms);
  } catch (error) {
    opening.then((kv) => quietly(() => kv.close()), () => undefined);
    throw error;
  }
}

/** Races a promise. @throws {KvTimeout} when `ms` pass first; the promise goes on. */
export async function withTimeout<T>(
  clock: Clock,
  promise: Promise<T>,
  ms: number,
): Promise<T> {
  const stop = new AbortController();
  const late = clock.sleep(ms, stop.signal).then(() => {
    throw new KvTimeout(`No answer within ${ms} ms`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop.abort(DONE);
  }
}

/** Reason of an abort that nobody looks at: spares making an exception for each call. */
const DONE = "done";

function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // Closing what is already closed.
  }
}

function hostOf(location: string | undefined): string {
  try {
    return new URL(location ?? "").host;
  } catch {
    return "the given URL";
  }
}
