/**
 * How the body of a segment is stored: as it is, or compressed.
 *
 * Why: security events compress 4 to 8 times, and what the store costs (copying into the WAL, back out and into the
 * database, in CPU and in disk bytes) falls as much; seen in `deno task bench`: 10.2 to 8.4 CPU-seconds per million
 * events with deflate, and a quarter of the bytes. zstd is faster and denser, but Deno 2.5 cannot read it: it is used
 * only where no other process, and so no other version, reads the same store. Level 1 both.
 */

import zlib from "node:zlib";

/** Codec byte of the header. */
export const AS_IS = 0, DEFLATE = 1, ZSTD = 2;

export type Codec = typeof AS_IS | typeof DEFLATE | typeof ZSTD;

/** Smaller bodies stay as they are: setting up a compressor costs more than it saves. */
const LEAST_BYTES = 16 * 1024;
const DEFLATE_LEVEL = { level: 1 };
// A window and a table that stay in the processor's cache: a quarter less time than level 1 alone, and no less dense.
const ZSTD_LEVEL = {
  [zlib.constants.ZSTD_c_compressionLevel]: 1,
  [zlib.constants.ZSTD_c_windowLog]: 17,
  [zlib.constants.ZSTD_c_hashLog]: 13,
};

/** The best codec that every reader of the store has. */
export function bestCodec(
  { isExclusive }: { readonly isExclusive: boolean },
): Codec {
  if (!isExclusive) return DEFLATE;
  try {
    zstd(new Uint8Array(1));
    return ZSTD;
  } catch {
    return DEFLATE;
  }
}

/** The blob with everything from `from` on compressed; undefined where that does not pay. */
export function compressed(
  blob: Uint8Array,
  from: number,
  codec: Codec,
): Uint8Array<ArrayBuffer> | undefined {
  const body = blob.subarray(from);
  if (codec === AS_IS || body.length < LEAST_BYTES) return undefined;
  const packed = codec === ZSTD
    ? zstd(body)
    : zlib.deflateRawSync(body, DEFLATE_LEVEL);
  if (packed.length >= body.length) return undefined;
  const stored = new Uint8Array(from + packed.length);
  stored.set(blob.subarray(0, from));
  stored.set(packed, from);
  return stored;
}

/** zlib takes a fresh piece of memory for what comes out, and clears it: one of about the size that is needed. */
function zstd(body: Uint8Array): Uint8Array {
  const chunkSize = Math.max(LEAST_BYTES, body.length >> 2);
  return zlib.zstdCompressSync(body, { params: ZSTD_LEVEL, chunkSize });
}

/**
 * The blob as it was before `compressed`; `most` bounds its bytes.
 * @throws {RangeError} when the codec sees that it is damaged. Check its checksum first: of a zstd body that is cut off
 * Deno gives a part, without a word.
 * @throws {Error} when this Deno does not have the codec: the segment is whole, another version reads it
 */
export function decompressed(
  stored: Uint8Array,
  from: number,
  codec: number,
  most: number,
): Uint8Array {
  if (codec === AS_IS) return stored;
  const packed = stored.subarray(from);
  let body: Uint8Array;
  try {
    body = codec === ZSTD
      ? zlib.zstdDecompressSync(packed, { maxOutputLength: most })
      : zlib.inflateRawSync(packed, { maxOutputLength: most });
  } catch (cause) {
    if (codec === ZSTD && bestCodec({ isExclusive: true }) !== ZSTD) {
      throw new Error(
        "The log was written with zstd, which this Deno cannot read: run the relay on Deno 2.9 or newer",
        { cause },
      );
    }
    throw new RangeError("the compressed body is damaged", { cause });
  }
  const blob = new Uint8Array(from + body.length);
  blob.set(stored.subarray(0, from));
  blob.set(body, from);
  return blob;
}
