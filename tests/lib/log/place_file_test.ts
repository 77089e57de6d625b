import { deepEqual, equal, ok } from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Place } from "../../../lib/log/cursor.ts";
import { toValue } from "../../../lib/log/kv.ts";
import { PlaceFile } from "../../../lib/log/place_file.ts";
import type { FoundPlace } from "../../../lib/log/place_record.ts";
import { newPlace, placeOf } from "../../../lib/log/places.ts";
import { seeded } from "../../support/log_rig.ts";
import { testSeed } from "../../support/seed.ts";

const NEW = newPlace("newest", new Map(), { lanes: {} });
const HALF = 262_144;

async function inFolder(
  work: (path: string) => void | Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(`${folder}/a.kv.places`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function placeAt(index: number, words = ""): Place {
  const place = { ...NEW, segment: "00000000000000010000", index };
  if (words === "") return place;
  const reason = "server" as const;
  return { ...place, lastError: { reason, message: words, help: null, at: 1 } };
}

function opened(path: string): PlaceFile {
  const { file } = PlaceFile.open(path);
  file.forget();
  return file;
}

function foundIn(path: string): readonly FoundPlace[] {
  const { file, found } = PlaceFile.open(path);
  file.close();
  return found;
}

function placeIn({ place }: FoundPlace): Place | undefined {
  return placeOf(toValue(place));
}

function indexesIn(path: string): (number | undefined)[] {
  return foundIn(path).map((found) => placeIn(found)?.index);
}

/** Each connector's newest place, whatever its epoch. */
function newestIn(path: string): Record<string, number | undefined> {
  return Object.fromEntries(
    foundIn(path).map((found) => [found.connector, placeIn(found)?.index]),
  );
}

/** What the place file's calls go through from here on: called with the file's own. */
interface Calls {
  write?: (bytes: Uint8Array, write: (bytes: Uint8Array) => number) => number;
  seek?: () => void;
}

/** A file, emptied, whose calls can be watched and broken. */
function watched(path: string): {
  readonly file: PlaceFile;
  readonly calls: Calls;
} {
  const calls: Calls = {};
  const { openSync } = Deno;
  Deno.openSync = (path, options) => {
    const file = openSync(path, options);
    const write = file.writeSync.bind(file), seek = file.seekSync.bind(file);
    file.writeSync = (bytes) => calls.write?.(bytes, write) ?? write(bytes);
    file.seekSync = (to, whence) => {
      calls.seek?.();
      return seek(to, whence);
    };
    return file;
  };
  try {
    return { file: opened(path), calls };
  } finally {
    Deno.openSync = openSync;
  }
}

Deno.test("write() is read back by the next process, oldest first, and forgotten by forget()", () =>
  inFolder((path) => {
    const file = opened(path);
    const stat = Deno.statSync(path);
    equal((stat.mode ?? 0) & 0o777, 0o600);
    equal(stat.size, 2 * HALF);
    for (const name of ["a", "b"]) file.take(name, `nonce of ${name}`);
    ok(file.write("a", "nonce of a", placeAt(1)));
    ok(file.write("a", "nonce of a", placeAt(2)));
    const full: Place = {
      ...placeAt(7),
      seen: { local: { events: 7, bytes: 700 } },
      state: "held",
      attempt: 3,
      lastError: { reason: "auth", message: 'Bad "key" é', help: null, at: 5 },
      nextAttemptAt: 9,
    };
    ok(file.write("b", "nonce of b", full));
    ok(file.write("a", "nonce of a", placeAt(3)));
    deepEqual(
      foundIn(path).map((found) => [
        found.connector,
        found.epoch,
        placeIn(found),
      ]),
      [
        ["a", "nonce of a", placeAt(1)],
        ["a", "nonce of a", placeAt(2)],
        ["b", "nonce of b", full],
        ["a", "nonce of a", placeAt(3)],
      ],
    );
    file.forget();
    deepEqual(foundIn(path), []);
    ok(!file.write("a", "nonce of a", placeAt(4)), "to be taken again");
    file.close();
    equal(Deno.statSync(path).size, stat.size, "every block stays");
  }));

Deno.test("a record torn at any byte is found out, over nothing and over older records", () =>
  inFolder((path) => {
    const file = opened(path);
    file.take("a", "n");
    const before = Deno.readFileSync(path);
    for (const index of [1, 2, 3]) ok(file.write("a", "n", placeAt(index)));
    const third = Deno.readFileSync(path);
    ok(file.write("a", "n", placeAt(4)));
    file.close();
    const whole = Deno.readFileSync(path);
    const from = third.findIndex((byte, at) => byte !== whole[at]) & ~63;
    const length = 8 + new DataView(whole.buffer).getUint32(from);
    // Under it zeros, or what the half held the last time: another record, or the middle of one.
    const older = [third, third.slice(), third.slice(), third.slice()];
    older[1]?.set(third.subarray(0, 1_024), from);
    older[2]?.set(third.subarray(64, 1_024), from);
    older[3]?.fill(0xff, from, from + 1_024);
    deepEqual(indexesIn(path), [1, 2, 3, 4]);
    for (const under of older) {
      for (let cut = 0; cut <= length; cut++) {
        const torn = under.slice(0, 8_192);
        torn.set(whole.subarray(from, from + cut), from);
        const isWhole = torn.subarray(0, from + length).every((byte, at) =>
          byte === whole[at]
        );
        Deno.writeFileSync(path, torn);
        equal(newestIn(path)["a"], isWhole ? 4 : 3, `${cut} bytes`);
      }
    }
    for (let at = from; at < from + length; at++) {
      const torn = whole.slice(0, 8_192);
      torn[at] = (torn[at] ?? 0) ^ (1 << at % 8);
      Deno.writeFileSync(path, torn);
      deepEqual(indexesIn(path), [1, 2, 3], `byte ${at}`);
    }
    // Cut off, empty or other files hold nothing, and stop nobody.
    Deno.writeFileSync(path, whole.subarray(0, from + length - 1));
    deepEqual(indexesIn(path), [1, 2, 3]);
    for (const none of [before, whole.subarray(0, 11), new Uint8Array(0)]) {
      Deno.writeFileSync(path, none);
      deepEqual(indexesIn(path), []);
    }
    for (const filler of [0, 0xff, 0x7b]) {
      Deno.writeFileSync(path, new Uint8Array(whole.length + 9).fill(filler));
      deepEqual(indexesIn(path), []);
    }
  }));

Deno.test("write() keeps every connector's newest record through all turns, whichever write is torn", () =>
  inFolder((path) => {
    const { file, calls } = watched(path);
    const random = seeded(testSeed("turns of a place file"));
    const names = ["slow", "slower", "busy", "other"];
    for (const name of names) file.take(name, "n");
    const expected: Record<string, number> = {};
    let writing = "", seeks = 0, since = 0;
    const check = () => {
      const found = newestIn(path);
      for (const name of names) {
        // The one being written may be there already.
        const isEither = name === writing &&
          found[name] === (expected[name] ?? -1) + 1;
        ok(isEither || found[name] === expected[name], `${name} at a tear`);
      }
    };
    // Each write in two, and a look between the two: what a kill there leaves.
    calls.write = (bytes, write) => {
      const isLookedAt = since++ < 24 || random() < 0.01;
      const cut = isLookedAt
        ? 1 + Math.floor(random() * bytes.length)
        : bytes.length;
      const written = write(bytes.subarray(0, cut));
      if (isLookedAt) check();
      return written;
    };
    calls.seek = () => {
      seeks++;
      since = 0;
    };
    const settle = (name: string) => {
      writing = name;
      ok(file.write(name, "n", placeAt((expected[name] ?? -1) + 1)));
      expected[name] = (expected[name] ?? -1) + 1;
      writing = "";
    };
    settle("slow");
    settle("slower");
    for (let n = 0; n < 4_000; n++) {
      settle(random() < 0.7 ? "busy" : "other");
      if (n === 2_500) settle("slower");
    }
    check();
    const turns = 4_000 * 320 / HALF;
    ok(seeks > turns / 2 && seeks < 2 * turns, `${seeks} seeks: one a turn`);
    file.close();
  }));

Deno.test("write() that fails anywhere, in a turn too, loses nothing and the next one goes on", () =>
  inFolder((path) => {
    const { file, calls } = watched(path);
    const random = seeded(testSeed("faults of a place file"));
    const names = ["a", "b", "c"];
    const expected: Record<string, number> = {};
    for (const name of names) {
      file.take(name, "n");
      ok(file.write(name, "n", placeAt(0)));
      expected[name] = 0;
    }
    let isTurning = false, failed = 0;
    calls.seek = () => {
      isTurning = true;
    };
    calls.write = (bytes, write) => {
      if (random() > (isTurning ? 0.4 : 0.002)) return write(bytes);
      write(bytes.subarray(0, Math.floor(random() * bytes.length)));
      throw new Error("no room");
    };
    for (let n = 1; n < 3_000; n++) {
      // Not c: it has settled long ago.
      const name = names[n % 2] ?? "a";
      isTurning = false;
      if (file.write(name, "n", placeAt(n))) expected[name] = n;
      else {
        failed++;
        const found = newestIn(path);
        // All but some of its zeros may have been written.
        if (found[name] === n) found[name] = expected[name];
        deepEqual(found, expected);
      }
    }
    const last = newestIn(path);
    for (const name of names) ok((last[name] ?? -1) >= (expected[name] ?? 0));
    ok(failed > 3, `${failed} failed`);
    file.close();
    ok(!file.write("a", "n", placeAt(1)), "a closed file says so too");
  }));

Deno.test("write() refuses all but the epoch taken last", () =>
  inFolder((path) => {
    const file = opened(path);
    ok(!file.write("a", "old", placeAt(1)), "nobody has it");
    file.take("a", "old");
    ok(file.write("a", "old", placeAt(2)));
    file.take("a", "new");
    ok(!file.write("a", "old", placeAt(3)));
    ok(file.write("a", "new", placeAt(2)));
    deepEqual(foundIn(path).map(({ epoch }) => epoch), ["old", "new"]);
    // What was written under an epoch that is over is not carried on.
    file.take("b", "new");
    for (let n = 0; n < 2_000; n++) ok(file.write("b", "new", placeAt(n)));
    const found = foundIn(path).filter(({ connector }) => connector === "a");
    ok(found.length > 0 && found.every(({ epoch }) => epoch === "new"));
    file.close();
  }));

Deno.test("write() has room for hundreds of connectors", () =>
  inFolder((path) => {
    const file = opened(path);
    const names = Array.from({ length: 250 }, (_, n) => `connector-${n}`);
    for (const name of names) file.take(name, crypto.randomUUID());
    const expected: Record<string, number> = {};
    const epochs = new Map(names.map((name) => [name, crypto.randomUUID()]));
    for (const [name, epoch] of epochs) file.take(name, epoch);
    for (let n = 0; n < 3_000; n++) {
      const name = names[(n * 7) % (n < 500 ? 250 : 100)] ?? "";
      ok(file.write(name, epochs.get(name) ?? "", placeAt(n)));
      expected[name] = n;
    }
    deepEqual(newestIn(path), expected);
    file.close();
  }));

Deno.test("write() refuses what does not fit, and keeps what does", () =>
  inFolder((path) => {
    const file = opened(path);
    const long = "é".repeat(1_750);
    file.take("a", "n");
    ok(!file.write("a", "n", placeAt(1, "m".repeat(4_000))));
    ok(!file.write("a", "n", placeAt(1, "é".repeat(2_000))));
    deepEqual(foundIn(path), [], "nothing of it was written");
    ok(file.write("a", "n", placeAt(2, long)));
    const expected: Record<string, number> = { a: 2 };
    let refused = 0;
    for (let n = 0; n < 100; n++) {
      file.take(`c${n}`, "n");
      if (file.write(`c${n}`, "n", placeAt(n, long))) expected[`c${n}`] = n;
      else refused++;
    }
    ok(refused > 50 && refused < 75, `${refused}`);
    // Small records go on; each turn carries all the long ones.
    ok(file.write("a", "n", placeAt(3)));
    for (let n = 4; n < 2_000; n++) ok(file.write("a", "n", placeAt(n)));
    expected["a"] = 1_999;
    deepEqual(newestIn(path), expected);
    // A shorter record, or another epoch, makes room again.
    ok(file.write("c0", "n", placeAt(1)));
    file.take("c1", "new");
    for (const name of ["c98", "c99"]) {
      ok(file.write(name, "n", placeAt(1, long)));
    }
    file.close();
  }));

Deno.test("records of earlier versions are read", () =>
  inFolder((path) => {
    const bytes = new Uint8Array(64 * 8_192);
    const put = (at: number, connector: string, number: number) => {
      const place = placeAt(number);
      const text = toValue({ connector, epoch: "n", number, place });
      new DataView(bytes.buffer).setUint32(at, text.length);
      const sum = createHash("sha256").update(text).digest();
      bytes.set(sum.subarray(0, 8), at + 4);
      bytes.set(text, at + 12);
    };
    put(0, "a", 3);
    put(4_096, "a", 1);
    put(8_192, "b", 2);
    put(12_288, "b", 4);
    bytes[12_400] = (bytes[12_400] ?? 0) ^ 1;
    Deno.writeFileSync(path, bytes);
    deepEqual(indexesIn(path), [1, 2, 3]);
    deepEqual(newestIn(path), { a: 3, b: 2 });
    const file = opened(path);
    file.take("a", "n");
    ok(file.write("a", "n", placeAt(9)));
    file.close();
    deepEqual(newestIn(path), { a: 9 });
  }));
