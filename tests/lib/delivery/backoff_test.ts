import assert from "node:assert/strict";
import { probeDelay, retryDelay } from "../../../lib/delivery/backoff.ts";

const SETTINGS = { initial: 1000, max: 300_000 };
const most = () => 1;

Deno.test("retryDelay() doubles from 1 s to 300 s at the top of its jitter", () => {
  const waits = Array.from(
    { length: 11 },
    (_, n) => retryDelay(SETTINGS, n + 1, most) / 1000,
  );
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  assert.equal(retryDelay(SETTINGS, 1e9, most), 300_000);
});

Deno.test("retryDelay() has full jitter: any part of the span", () => {
  assert.equal(retryDelay(SETTINGS, 4, () => 0), 0);
  assert.equal(retryDelay(SETTINGS, 4, () => 0.25), 2000);
});

Deno.test("retryDelay() waits at least what was asked for, a tenth more at most", () => {
  assert.equal(retryDelay(SETTINGS, 1, () => 0, 7000), 7000);
  assert.equal(retryDelay(SETTINGS, 1, most, 7000), 7700);
  assert.equal(retryDelay(SETTINGS, 10, most, 7000), 300_000);
});

Deno.test("retryDelay() never waits longer than the cap, whatever was asked for (T65)", () => {
  assert.equal(retryDelay(SETTINGS, 1, () => 0, 99_999_000), 300_000);
  assert.equal(retryDelay(SETTINGS, 1, most, 99_999_000), 300_000);
});

Deno.test("retryDelay() ignores an asked-for wait that is no time", () => {
  assert.equal(retryDelay(SETTINGS, 1, most, NaN), 1000);
  assert.equal(retryDelay(SETTINGS, 1, most, -5), 1000);
});

Deno.test("probeDelay() doubles from 60 s to 300 s", () => {
  const waits = [1, 2, 3, 4, 5].map((n) =>
    probeDelay({ initial: 60_000, max: 300_000 }, n) / 1000
  );
  assert.deepEqual(waits, [60, 120, 240, 300, 300]);
});
