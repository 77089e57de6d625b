import { deepEqual, equal, ok } from "node:assert/strict";
import type { Place } from "../../../lib/log/cursor.ts";
import { type FoundPlace, PlaceFile } from "../../../lib/log/place_file.ts";
import { newPlace, placeOf } from "../../../lib/log/places.ts";
import { seeded } from "../../support/log_rig.ts";

const NEW = newPlace("newest", new Map(), { lanes: {} });
const HALF = 4_096;

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

function placeAt(index: number): Place {
  return { ...NEW, segment: "00000000000000010000", index };
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

function indexesIn(path: string): (number | undefined)[] {
  return foundIn(path).map(({ place }) => placeOf(place)?.index);
}

Deno.test("write() is read back by the next process, oldest first, and forgotten by forget()", () =>
  inFolder((path) => {
    const file = opened(path);
    const stat = Deno.statSync(path);
    equal((stat.mode ?? 0) & 0o777, 0o600);
    equal(stat.size, 64 * 2 * HALF);
    for (const name of ["a", "b"]) file.take(name, `nonce of ${name}`);
    for (const index of [1, 2, 3]) {
      ok(file.write("a", "nonce of a", placeAt(index)));
    }
    const full: Place = {
      ...placeAt(7),
      seen: { local: { events: 7, bytes: 700 } },
      state: "held",
      attempt: 3,
      lastError: { reason: "auth", message: 'Bad "key" é', help: null, at: 5 },
      nextAttemptAt: 9,
    };
    ok(file.write("b", "nonce of b", full));
    deepEqual(
      foundIn(path).map(({ connector, epoch, place }) => [
        connector,
        epoch,
        placeOf(place),
      ]),
      [
        ["a", "nonce of a", placeAt(2)],
        ["a", "nonce of a", placeAt(3)],
        ["b", "nonce of b", full],
      ],
    );
    file.forget();
    deepEqual(foundIn(path), []);
    file.close();
    equal(Deno.statSync(path).size, stat.size, "every block stays");
  }));

Deno.test("a torn record leaves the other one", () =>
  inFolder((path) => {
    const random = seeded(41);
    const file = opened(path);
    file.take("a", "n");
    for (const index of [1, 2, 3, 4]) ok(file.write("a", "n", placeAt(index)));
    file.close();
    const whole = Deno.readFileSync(path);
    const newest = whole.slice(HALF, 2 * HALF);
    const length = 12 + new DataView(newest.buffer).getUint32(0);
    deepEqual(indexesIn(path), [3, 4]);
    for (let n = 0; n < 300; n++) {
      const torn = whole.slice();
      const at = HALF + Math.floor(random() * length);
      if (n % 3 === 0) torn.fill(0, at, HALF + length);
      else if (n % 3 === 1) {
        torn[at] = (torn[at] ?? 0) ^ (1 + Math.floor(random() * 255));
      } else torn.set(whole.subarray(at - HALF, length), at);
      Deno.writeFileSync(path, torn);
      // With enough of the older one's bytes it is the older one.
      const left = new Set(indexesIn(path));
      const isSame = torn.every((byte, i) => byte === whole[i]);
      deepEqual([...left], isSame ? [3, 4] : [3], `${n}, byte ${at}`);
    }
    // Cut off, empty or other files hold nothing, and stop nobody.
    Deno.writeFileSync(path, whole.subarray(0, HALF + length - 1));
    deepEqual(indexesIn(path), [3]);
    Deno.writeFileSync(path, whole.subarray(0, 11));
    deepEqual(indexesIn(path), []);
    for (const filler of [0, 0xff, 0x7b]) {
      Deno.writeFileSync(path, new Uint8Array(whole.length + 9).fill(filler));
      deepEqual(indexesIn(path), []);
    }
  }));

Deno.test("write() goes on in the half that failed last, and takes the oldest in turn", () =>
  inFolder((path) => {
    const file = opened(path);
    file.take("a", "n");
    for (let index = 1; index < 50; index++) {
      ok(file.write("a", "n", placeAt(index)));
      const expected = index === 1 ? [1] : [index - 1, index];
      deepEqual(indexesIn(path), expected);
    }
    file.close();
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
    file.close();
  }));

Deno.test("write() refuses the 65th connector and a record that does not fit", () =>
  inFolder((path) => {
    const file = opened(path);
    for (let n = 0; n < 65; n++) file.take(`c${n}`, "n");
    for (let n = 0; n < 65; n++) {
      equal(file.write(`c${n}`, "n", placeAt(n)), n < 64);
    }
    const lastError = (length: number) => ({
      reason: "server" as const,
      message: "m".repeat(length),
      help: null,
      at: 1,
    });
    const tooLong = { ...placeAt(100), lastError: lastError(4_000) };
    ok(!file.write("c63", "n", tooLong));
    equal(indexesIn(path).length, 64, "nothing of it was written");
    ok(file.write("c63", "n", { ...placeAt(1), lastError: lastError(3_500) }));
    equal(indexesIn(path).length, 65);
    file.close();
    ok(!file.write("c0", "n", placeAt(1)), "a closed file says so too");
  }));
