/**
 * What the log asks of Deno KV, its limits, and how a fault of it is read.
 *
 * Limits are those that hold on memory, file and KV Connect alike (`reference/kv.md` §3).
 */

/** The part of `Deno.Kv` in use: no enqueue, no watch, no sum, no expiry. */
export type Kv = Pick<
  Deno.Kv,
  "get" | "getMany" | "list" | "atomic" | "commitVersionstamp" | "close"
>;

/** The last part of a key that the commit fills in. */
export type VersionstampPart = ReturnType<Deno.Kv["commitVersionstamp"]>;

/** Largest value stored as bytes. */
export const MAX_VALUE_BYTES = 65_536;
/** Values of a segment. 12 full values leave 32 KB of a commit for keys, head and cursors. */
export const MAX_VALUES = 12;
/** Checks of one commit (denokv; locally 100). */
export const MAX_CHECKS = 10;
/** Keys of one `getMany`. */
export const MAX_GET = 10;

/** A call did not answer in time. It is not cancelled: it may still do its work. */
export class KvTimeout extends Error {
  override readonly name = "KvTimeout";
}

/** Another handle wrote to the same file: nothing was written, try again. */
export function isLocked(error: unknown): boolean {
  return error instanceof Error && error.message === "database is locked";
}

/** The disk is full: nothing was written. Only a store on this machine says so. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error &&
    error.message.includes("database or disk is full");
}

/**
 * The store did not answer, or answered with a fault of its own; nothing is wrong with what was asked. A call in flight
 * while its handle is replaced ends with the handle.
 */
export function isStoreDown(error: unknown): boolean {
  return error instanceof KvTimeout || isLocked(error) || isDiskFull(error) ||
    error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted ||
    error instanceof Error && error.message.startsWith("KV Connect failed");
}

/** What a thrown value says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A record as a value: JSON text as bytes, so that its size is known and nothing but plain data is in it. */
export function toValue(record: unknown): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify(record));
}

/** The record in a value; undefined when it is none. */
export function fromValue(
  value: unknown,
): Readonly<Record<string, unknown>> | undefined {
  if (!(value instanceof Uint8Array)) return undefined;
  try {
    const record: unknown = JSON.parse(decoder.decode(value));
    return isRecord(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

export function isRecord(
  value: unknown,
): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function numberIn(
  record: Readonly<Record<string, unknown>>,
  name: string,
): number {
  const value = record[name];
  return typeof value === "number" ? value : 0;
}

export function textIn(
  record: Readonly<Record<string, unknown>>,
  name: string,
): string {
  const value = record[name];
  return typeof value === "string" ? value : "";
}
