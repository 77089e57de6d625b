import assert from "node:assert/strict";
import { NO_TIME, readTime } from "../../../lib/ocsf/time.ts";

function timeOf(text: string): number {
  const bytes = new TextEncoder().encode(`"${text}"9`);
  return readTime(bytes, 1, bytes.length - 2);
}

Deno.test("readTime() reads seconds, milli-, micro- and nanoseconds by magnitude", () => {
  assert.equal(timeOf("1773360000"), 1_773_360_000_000);
  assert.equal(timeOf("1773360000.1239"), 1_773_360_000_123);
  assert.equal(timeOf("1773360000123"), 1_773_360_000_123);
  assert.equal(timeOf("1773360000123456"), 1_773_360_000_123);
  // Beyond 2^53 and just below the next millisecond.
  assert.equal(timeOf("1747771778324999999"), 1_747_771_778_324);
  assert.equal(timeOf("1.7733600001e9"), 1_773_360_000_100);
  assert.equal(timeOf("0"), 0);
});

Deno.test("readTime() reads dates as sources write them", () => {
  const noon = Date.UTC(2022, 2, 22, 14, 21, 53);
  for (
    const [text, time] of [
      ["2022-03-22T14:21:53Z", noon],
      ["2022-03-22 14:21:53", noon],
      ["2022/03/22 14:21:53", noon],
      ["2022-03-22 14:21:53.225", noon + 225],
      ["2022-03-22 14:21:53.496000000", noon + 496],
      ["2022-03-22T14:21:53.1234567Z", noon + 123],
      ["2022-03-22T09:21:53.080710-0500", noon + 80],
      ["2022-03-22T17:21:53+03:00", noon],
      ["2022-03-22T17:21:53+03", noon],
      ["2022-03-22 14:21:53 UTC", noon],
      ["Mar 22 2022 14:21:53", noon],
      ["Mar 22 2022 14:21:53.225", noon + 225],
      ["2016-12-31T23:59:60Z", Date.UTC(2017, 0, 1)],
    ] as const
  ) assert.equal(timeOf(text), time, text);
});

Deno.test("readTime() takes nothing else for a time", () => {
  for (
    const text of [
      "",
      "-",
      "-5",
      "soon",
      "12:00",
      "0x10",
      "1e",
      "2022-13-22T14:21:53Z",
      "2022-03-32T14:21:53Z",
      "2022-03-22X14:21:53Z",
      "2022-03-22T14:21:53Zulu",
      "2022-03-22T14:21:53+0x00",
      "2022-03/22T14:21:53Z",
      "1969-12-31T23:59:59Z",
      "Mar 13 00:00:00",
      "Arf 22 2022 14:21:53",
    ]
  ) assert.equal(timeOf(text), NO_TIME, text);
});

Deno.test("readTime() stays a whole number whatever the digits", () => {
  for (const text of ["9".repeat(400), "1e400", "1e-400", "9".repeat(17)]) {
    const time = timeOf(text);
    assert.ok(Number.isSafeInteger(time), text);
  }
});
