/**
 * The disk under a KV file: its size, and a ballast that keeps room for the deletes that make room.
 *
 * The ballast is a file of its own: on a full disk SQLite cannot delete anything, because its WAL cannot grow; a file
 * can be removed. Measured: SQLite first moves what is in the WAL into its file, so that less than that is no help.
 * What the WAL grew by then comes back with its end.
 */

import { statfs } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";

/** Enough for the WAL's content and the deletes after it: 6 of 6 full disks with pages of 16 KiB came back. */
export const BALLAST_BYTES = 8 * 1024 * 1024;
/**
 * What must be free beside the ballast before producers are taken again; less would be used up at once. Of a small disk
 * its share.
 */
const ROOM_BYTES = 32 * 1024 * 1024;
const ROOM_SHARE = 0.25;
/** How long others' reads may hold up the end of the WAL, in milliseconds: this process stands still meanwhile. */
const BUSY_MS = 100;
const CHUNK_BYTES = 1024 * 1024;

export class Disk {
  readonly #path: string;
  readonly #folder: string;
  readonly #ballast: string;
  readonly #ballastBytes: number;
  #hasBallast = false;

  constructor(path: string, ballastBytes = BALLAST_BYTES) {
    this.#path = path;
    this.#folder = dirname(path);
    this.#ballast = `${path}.ballast`;
    this.#ballastBytes = ballastBytes;
  }

  get hasBallast(): boolean {
    return this.#hasBallast;
  }

  /** Size of the disk and what is free of it, in bytes; undefined without the permission or the call. */
  async space(): Promise<
    { readonly total: number; readonly free: number } | undefined
  > {
    try {
      const { blocks, bavail, bsize } = await promisify(statfs)(
        this.#folder,
      );
      return { total: blocks * bsize, free: bavail * bsize };
    } catch {
      return undefined;
    }
  }

  /**
   * Is there room for more than a few commits, on the disk or in the KV file, which keeps what was deleted from it?
   * `used`: bytes of the file that hold something. Undefined: that cannot be seen here.
   */
  async isRoomy(used: number): Promise<boolean | undefined> {
    const space = await this.space();
    const file = await Deno.stat(this.#path).catch(() => undefined);
    if (space === undefined || file === undefined) return undefined;
    return space.free + Math.max(0, file.size - used) >=
      Math.min(ROOM_BYTES, space.total * ROOM_SHARE);
  }

  /** Takes room for later. False: there is not enough. */
  async writeBallast(): Promise<boolean> {
    if (this.#hasBallast) return true;
    try {
      const found = await Deno.stat(this.#ballast).catch(() => undefined);
      if (found?.size !== this.#ballastBytes) await this.#fill();
      this.#hasBallast = true;
    } catch {
      await this.dropBallast();
    }
    return this.#hasBallast;
  }

  /** The same after a full disk: the WAL may have grown into the ballast's room. */
  async retakeBallast(): Promise<boolean> {
    if (await this.writeBallast()) return true;
    await this.#endWal();
    return await this.writeBallast();
  }

  /** Gives the room back. */
  async dropBallast(): Promise<void> {
    this.#hasBallast = false;
    await Deno.remove(this.#ballast).catch(() => undefined);
  }

  /**
   * Moves the WAL's content into the file and gives its room back, which SQLite keeps for as long as a file is open: on
   * a full disk it has grown into the ballast's. Nothing happens where somebody reads or writes. Blocks while up to
   * 16 MB are copied, so only for when there is no other way to the ballast.
   *
   * A second connection in this process is safe: there is one SQLite in Deno, which knows of its own locks.
   */
  async #endWal(): Promise<void> {
    try {
      const { DatabaseSync } = await import("node:sqlite");
      const database = new DatabaseSync(this.#path, { timeout: BUSY_MS });
      try {
        database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      } finally {
        database.close();
      }
    } catch {
      // The file has no room for it, or there is no `node:sqlite`: it stays as it is.
    }
  }

  async #fill(): Promise<void> {
    using file = await Deno.open(this.#ballast, {
      create: true,
      write: true,
      truncate: true,
      mode: 0o600,
    });
    // Not zeros: a file system may keep those as a hole.
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, this.#ballastBytes))
      .fill(0x48);
    for (let left = this.#ballastBytes; left > 0;) {
      left -= await file.write(chunk.subarray(0, Math.min(left, chunk.length)));
    }
    await file.syncData();
  }
}
