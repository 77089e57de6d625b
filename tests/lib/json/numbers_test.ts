import assert from "node:assert/strict";
import fc from "fast-check";
import {
  MOVED_POINT_BYTES,
  writeAsSeconds,
  writeInteger,
  writeSeconds,
} from "../../../lib/json/numbers.ts";
import { testSeed } from "../../support/seed.ts";

function written(write: (out: Uint8Array) => number): string | undefined {
  const out = new Uint8Array(256);
  const end = write(out);
  return end < 0 ? undefined : new TextDecoder().decode(out.subarray(0, end));
}

function moved(text: string): string | undefined {
  const bytes = new TextEncoder().encode(text);
  const result = written((out) =>
    writeAsSeconds(bytes, 0, bytes.length, out, 0)
  );
  assert.ok((result?.length ?? 0) <= bytes.length + MOVED_POINT_BYTES);
  return result;
}

Deno.test("writeInteger() and writeSeconds() write as people do", () => {
  const seed = testSeed("numbers");
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      assert.equal(written((out) => writeInteger(value, out, 0)), `${value}`);
      const seconds = `${Math.floor(value / 1000)}.${
        `${value % 1000}`.padStart(3, "0")
      }`;
      assert.equal(written((out) => writeSeconds(value, out, 0)), seconds);
      if (value === 0) return;
      assert.equal(
        written((out) => writeSeconds(-value, out, 0)),
        `-${seconds}`,
      );
    }),
    { seed },
  );
});

Deno.test("writeAsSeconds() moves the point and loses no digit", () => {
  const seed = testSeed("moved point");
  fc.assert(
    fc.property(
      fc.bigInt({ min: 10n ** 17n, max: 10n ** 20n - 1n }),
      (value) => {
        const text = moved(`${value}`);
        assert.equal(text?.replace(".", ""), `${value}`);
        assert.equal(text?.split(".")[1]?.length, 9);
      },
    ),
    { seed },
  );
});

Deno.test("writeAsSeconds() by case", () => {
  for (
    const [text, sent] of [
      ["1741824000123", "1741824000.123"],
      ["12", "12"],
      ["0", "0"],
      ["0.5", "0.5"],
      ["1741824000123.25", "1741824000.12325"],
      ["99999999999", "99999999999"],
      ["100000000000", "100000000.000"],
      ["17477717783244349440000", "17477717783244.349440000"],
      ["1.7e9", "1.7e9"],
      ["-1747771778324", "-1747771778.324"],
      ["0.0000001e19", "1000000000"],
      ["1e400", undefined],
      ["1e99999", undefined],
      ["01", undefined],
      ["1.", undefined],
      [".5", undefined],
      ["1e", undefined],
      ["-", undefined],
      ["now", undefined],
      ["", undefined],
      ["1 ", undefined],
    ] as const
  ) {
    assert.equal(moved(text), sent, text);
  }
});
