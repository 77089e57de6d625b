import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import zlib from "node:zlib";
import {
  AS_IS,
  bestCodec,
  type Codec,
  compressed,
  decompressed,
  DEFLATE,
  ZSTD,
} from "../../../lib/log/codec.ts";
import { logKey } from "../../../lib/log/keys.ts";
import {
  decodeSegment,
  MAX_BLOB_BYTES,
  NO_HASH,
  readHeader,
} from "../../../lib/log/segment.ts";
import { SegmentBuilder } from "../../../lib/log/segment_builder.ts";
import { FaultyKv } from "../../support/faulty_kv.ts";
import {
  intakeOf,
  noise,
  openRig,
  readAll,
  seeded,
  textsOf,
} from "../../support/log_rig.ts";

const HEAD = 123;
const LEAST = 16 * 1024;
const BEST = bestCodec({ isExclusive: true });
/** zstd is not there on Deno 2.5. */
const CODECS: readonly Codec[] = BEST === ZSTD ? [DEFLATE, ZSTD] : [DEFLATE];

/** Bytes that shrink to about a third, behind a head of noise. */
function blobOf(random: () => number, body: number): Uint8Array {
  const blob = new Uint8Array(HEAD + body);
  for (let at = 0; at < blob.length; at++) {
    blob[at] = random() * (at < HEAD ? 256 : 6);
  }
  return blob;
}

function packedOf(blob: Uint8Array, codec: Codec): Uint8Array<ArrayBuffer> {
  const packed = compressed(blob, HEAD, codec);
  ok(packed);
  return packed;
}

/** Events that compress well, more than a small body of them. */
const texts = Array.from(
  { length: 400 },
  (_, n) => `{"n":${n},"message":"Failed password for invalid user admin"}`,
);

/** A sealed segment's blob. */
function sealed(codec: Codec, events: readonly string[] = texts): Uint8Array {
  const intake = intakeOf(events);
  const totals = { hash: NO_HASH, events: 0, bytes: 0 };
  const builder = new SegmentBuilder("local", totals, [[intake, 0]], codec);
  equal(builder.add(intake, 0), events.length);
  return builder.finish().blob;
}

for (const codec of CODECS) {
  Deno.test(`compressed() and decompressed() are each other's opposite, codec ${codec}`, () => {
    const random = seeded(31);
    const sizes = [LEAST, LEAST + 1, 65_536, 300_001, MAX_BLOB_BYTES - HEAD];
    for (const size of sizes) {
      const blob = blobOf(random, size);
      const packed = packedOf(blob, codec);
      ok(packed.length < blob.length * 0.7, `${packed.length} of ${size}`);
      deepEqual(packed.subarray(0, HEAD), blob.subarray(0, HEAD));
      deepEqual(decompressed(packed, HEAD, codec, MAX_BLOB_BYTES), blob);
    }
  });

  Deno.test(`compressed() leaves small and incompressible bodies as they are, codec ${codec}`, () => {
    const random = seeded(32);
    equal(compressed(blobOf(random, LEAST - 1), HEAD, codec), undefined);
    equal(compressed(noise(random, 200_000), HEAD, codec), undefined);
    equal(compressed(new Uint8Array(0), 0, codec), undefined);
  });

  Deno.test(`decompressed() calls a damaged body a RangeError, codec ${codec}`, () => {
    const random = seeded(33);
    const blob = blobOf(random, 400_000);
    const packed = packedOf(blob, codec);
    const read = (bytes: Uint8Array) =>
      decompressed(bytes, HEAD, codec, MAX_BLOB_BYTES);
    for (const left of [0, 1, 4, 5, 9, 100, 70_000, -1]) {
      const cut = packed.subarray(0, left < 0 ? left : HEAD + left);
      if (codec === ZSTD) ok(read(cut).length < blob.length);
      else throws(() => read(cut), RangeError);
    }
    throws(() => read(noise(random, 50_000)), RangeError);
    for (let n = 0; n < 100; n++) {
      const bad = packed.slice();
      const at = HEAD + Math.floor(random() * (bad.length - HEAD));
      bad[at] = (bad[at] ?? 0) ^ (1 + Math.floor(random() * 255));
      // What the codec cannot see the segment's checksum does; anything but a RangeError would stop the readers.
      try {
        ok(read(bad).length <= HEAD + MAX_BLOB_BYTES);
      } catch (error) {
        ok(error instanceof RangeError, `${error}`);
      }
    }
  });

  Deno.test(`decompressed() does not unpack more than it is told, codec ${codec}`, () => {
    const zeros = new Uint8Array(64 * 1024 * 1024);
    const bomb = codec === ZSTD
      ? zlib.zstdCompressSync(zeros)
      : zlib.deflateRawSync(zeros);
    ok(bomb.length < 100_000);
    throws(() => decompressed(bomb, 0, codec, MAX_BLOB_BYTES), RangeError);
    const blob = blobOf(seeded(34), 100_000);
    const packed = packedOf(blob, codec);
    deepEqual(decompressed(packed, HEAD, codec, 100_000), blob);
    throws(() => decompressed(packed, HEAD, codec, 99_999), RangeError);
  });

  Deno.test(`decodeSegment() refuses any changed byte of a compressed segment, codec ${codec}`, () => {
    const random = seeded(35);
    const blob = sealed(codec);
    equal(readHeader(blob)?.codec, codec);
    equal(decodeSegment("a", blob).count, texts.length);
    for (let n = 0; n < 200; n++) {
      const bad = blob.slice();
      const at = Math.floor(random() * bad.length);
      bad[at] = (bad[at] ?? 0) ^ (1 + Math.floor(random() * 255));
      // Byte 7 is reserved and means nothing.
      if (at !== 7) throws(() => decodeSegment("a", bad), RangeError);
    }
    throws(() => decodeSegment("a", blob.subarray(0, -1)), RangeError);
  });
}

Deno.test("decompressed() gives what was stored as it is, and stops where the codec is missing", () => {
  const blob = blobOf(seeded(36), 100);
  equal(decompressed(blob, HEAD, AS_IS, 1), blob);
  if (BEST === ZSTD) return;
  throws(
    () => decompressed(blob, HEAD, ZSTD, MAX_BLOB_BYTES),
    (error) => error instanceof Error && !(error instanceof RangeError),
  );
});

Deno.test("readHeader() knows no other codec: the segment is damaged", () => {
  const blob = sealed(DEFLATE);
  for (const codec of [3, 4, 255]) {
    blob[5] = codec;
    equal(readHeader(blob), undefined);
    throws(() => decodeSegment("a", blob), RangeError);
  }
});

Deno.test("bestCodec() is deflate wherever another process may read", () => {
  equal(bestCodec({ isExclusive: false }), DEFLATE);
  ok(BEST === ZSTD || BEST === DEFLATE);
});

async function codecsOf(kv: Deno.Kv): Promise<number[]> {
  const codecs: number[] = [];
  for await (const { value } of kv.list({ prefix: ["log"] })) {
    ok(value instanceof Uint8Array);
    codecs.push(readHeader(value)?.codec ?? -1);
  }
  return codecs;
}

Deno.test("segments of every codec in one log are read after a restart", async () => {
  const folder = await Deno.makeTempDir();
  const location = `${folder}/a.kv`;
  const log = await openRig({ location });
  await log.append(intakeOf(['"small"']));
  await log.append(intakeOf(texts));
  const { segment: id } = await log.end();
  await log.close();
  const written: readonly Codec[] = [AS_IS, ...CODECS];
  for (const codec of written) {
    // As an earlier version, or a Deno without zstd, wrote it.
    const kv = await Deno.openKv(location);
    await kv.set(logKey(id), sealed(codec));
    deepEqual(await codecsOf(kv), [AS_IS, codec]);
    kv.close();
    const again = await openRig({ location });
    deepEqual(await readAll(again), ['"small"', ...texts]);
    equal(again.damaged, 0);
    ok(again.lagReads >= 2);
    await again.close();
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a shared store is never written with zstd", async () => {
  const real = await Deno.openKv(":memory:");
  const log = await openRig({
    location: "http://kv.invalid",
    openKv: () =>
      Promise.resolve(new FaultyKv(real, { commit: () => undefined })),
  });
  for (let n = 0; n < 8; n++) await log.append(intakeOf(texts));
  const codecs = await codecsOf(real);
  deepEqual(codecs, Array(8).fill(DEFLATE));
  const segment = await log.next(undefined);
  ok(segment);
  deepEqual(textsOf(segment), texts);
  ok(segment.storedBytes < 8_000, "compressed");
  await log.close();
  real.close();
});

Deno.test("the same segment is in memory and read back: the stored bytes are those of the store", async () => {
  const log = await openRig({ tailBytes: 1 });
  await log.append(intakeOf(texts));
  const inMemory = await log.next(undefined);
  await log.append(intakeOf(["1"]));
  const readBack = await log.next(undefined);
  equal(log.lagReads, 1);
  ok(inMemory && readBack);
  equal(inMemory.storedBytes, readBack.storedBytes);
  deepEqual(Buffer.from(inMemory.bytes), Buffer.from(readBack.bytes));
  deepEqual(inMemory.spans, readBack.spans);
  match(textsOf(readBack)[399] ?? "", /^\{"n":399,/);
  await log.close();
});
