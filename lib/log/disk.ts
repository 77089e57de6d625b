/**
 * The disk under a KV file: its size, and a ballast that keeps room for the deletes that make room.
 *
 * The ballast is a file of its own: on a full disk SQLite cannot delete anything, because its WAL cannot grow; a file
 * can be removed. Measured: SQLite first moves what is in the WAL into its file, so that less than that is no help.
 */

import { statfs } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";

/** Enough for the WAL's content and the deletes after it: 6 of 6 full disks with pages of 16 KiB came back. */
export const BALLAST_BYTES = 8 * 1024 * 1024;
/** What must be free beside the ballast before producers are taken again; less would be used up at once. */
const ROOM_BYTES = 32 * 1024 * 1024;
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
    return space.free + Math.max(0, file.size - used) >= ROOM_BYTES;
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

  /** Gives the room back. */
  async dropBallast(): Promise<void> {
    this.#hasBallast = false;
    await Deno.remove(this.#ballast).catch(() => undefined);
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
