import assert from "node:assert/strict";
import fc from "fast-check";
import {
  EARLIEST,
  LATEST,
  readMilliseconds,
  writeIsoTime,
  writeMilliseconds,
} from "../../../lib/json/times.ts";
import { testSeed } from "../../support/seed.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function iso(milliseconds: number): string {
  const out = new Uint8Array(30);
  return decoder.decode(out.subarray(3, writeIsoTime(milliseconds, out, 3)));
}

function read(text: string, unit: "by magnitude" | "milliseconds"): number {
  const bytes = encoder.encode(`9${text}9`);
  return readMilliseconds(bytes, 1, bytes.length - 1, unit);
}

Deno.test("writeIsoTime() writes what Date writes", () => {
  const seed = testSeed("writeIsoTime()");
  for (
    const time of [
      EARLIEST,
      LATEST,
      0,
      -1,
      Date.UTC(2000, 1, 29),
      Date.UTC(1900, 1, 28, 23, 59, 59, 999),
      Date.UTC(2024, 11, 31, 23, 59, 59, 999),
      Date.UTC(2100, 2, 1),
    ]
  ) assert.equal(iso(time), new Date(time).toISOString());
  fc.assert(
    fc.property(fc.integer({ min: EARLIEST, max: LATEST }), (time) => {
      assert.equal(iso(time), new Date(time).toISOString());
    }),
    { seed, numRuns: 3_000 },
  );
});

Deno.test("writeMilliseconds() writes times before 1970 too", () => {
  for (const time of [0, -0, 5, -5, EARLIEST, LATEST]) {
    const out = new Uint8Array(30);
    const end = writeMilliseconds(time, out, 1);
    assert.equal(decoder.decode(out.subarray(1, end)), String(time));
  }
});

Deno.test("readMilliseconds() cuts off what is finer, and knows no time beyond four-digit years", () => {
  for (
    const [text, time] of [
      ["1741824000", 1741824000000],
      ["99999999999", 99999999999000],
      ["100000000000", 100000000000],
      ["99999999999999", 99999999999999],
      ["100000000000000", 100000000000],
      ["1741824000.0009", 1741824000000],
      ["0.0019", 1],
      ["-0.0019", -1],
      ["12.3", 12300],
      ["1e3", 1000000],
      ["1.5E-1", 150],
      ["9".repeat(19), 9_999_999_999_999],
      ["9".repeat(20), NaN],
      ["1e18", 1_000_000_000_000],
      ["1e19", NaN],
      ["1e300", NaN],
      ["1e400", NaN],
      ["-1e400", NaN],
      ["9".repeat(1000), NaN],
      [`-${"9".repeat(1000)}`, NaN],
      [`0.${"0".repeat(1000)}1`, 0],
    ] as const
  ) assert.equal(read(text, "by magnitude") + 0, time, text);
  assert.equal(read("5", "milliseconds"), 5);
  assert.equal(read("5.9", "milliseconds"), 5);
  assert.equal(read("1e3", "milliseconds"), 1000);
  assert.equal(read("1e30", "milliseconds"), NaN);
  assert.equal(read(`${LATEST}.9`, "milliseconds"), LATEST);
  assert.equal(read(`${LATEST + 1}`, "milliseconds"), NaN);
  assert.equal(read(`${EARLIEST}`, "milliseconds"), EARLIEST);
  assert.equal(read(`${EARLIEST - 1}`, "milliseconds"), NaN);
});

Deno.test("readMilliseconds() takes JSON numbers only", () => {
  for (
    const text of [
      ..."-|+1|.|1.|.5|01|-01|1e|1e+|1e+-1|1x|0x1| 1|1 |1.5.5|1e5e5|null".split(
        "|",
      ),
      "",
      "\\u0031",
      "１",
    ]
  ) assert.ok(Number.isNaN(read(text, "by magnitude")), text);
});

Deno.test("readMilliseconds() keeps every millisecond of any unit", () => {
  const seed = testSeed("readMilliseconds()");
  const TIME = fc.integer({ min: 1e11, max: 9e13 });
  fc.assert(
    fc.property(TIME, fc.stringMatching(/^[0-9]{6}$/), (time, finer) => {
      const text = String(time);
      assert.equal(read(`${text}.${finer}`, "by magnitude"), time);
      assert.equal(read(`${text}.${finer}`, "milliseconds"), time);
      assert.equal(
        read(`-${text}`, "milliseconds"),
        -time < EARLIEST ? NaN : -time,
      );
      if (time < 1e12) return;
      assert.equal(read(text + finer.slice(0, 3), "by magnitude"), time);
      // Nanoseconds have 19 digits at most.
      const isTime = text.length < 14;
      assert.equal(read(text + finer, "by magnitude"), isTime ? time : NaN);
      const seconds = `${text.slice(0, -3)}.${text.slice(-3)}`;
      assert.equal(read(seconds + finer, "by magnitude"), time);
    }),
    { seed, numRuns: 1_000 },
  );
});
