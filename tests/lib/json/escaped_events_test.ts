import assert from "node:assert/strict";
import { EventView } from "../../../lib/event.ts";
import { EscapedEvents } from "../../../lib/json/escaped_events.ts";
import { hecRun } from "../../support/sinks.ts";

/** What the cache writes for each event of a body, behind `at` bytes of something else. */
function written(cache: EscapedEvents, run: ReturnType<typeof hecRun>) {
  const view = new EventView(), at = 3;
  return Array.from({ length: run.count }, (_, place) => {
    const out = new Uint8Array(1_000_000);
    const end = cache.write(run.view(place, view), out, at);
    return new TextDecoder().decode(out.subarray(at, end));
  });
}

const text = (n: number) =>
  `{"n":${n},"t":"a\\"b\\\\${"é".repeat(n % 7)}","x":"${"x".repeat(n % 50)}"}`;

Deno.test("EscapedEvents write what JSON.stringify would, the second time from what was kept", () => {
  const texts = Array.from({ length: 300 }, (_, n) => text(n));
  const expected = texts.map((one) => JSON.stringify(one).slice(1, -1));
  const run = hecRun(texts.map((one) => `{"event":${one}}`).join("\n"));
  const cache = new EscapedEvents();
  assert.deepEqual(written(cache, run), expected);
  // What is kept is what is read: the bytes themselves are gone.
  run.segments[0]?.bytes.fill(0x20);
  assert.deepEqual(written(cache, run), expected);
});

Deno.test("EscapedEvents go round a small ring and never answer with another event", () => {
  const cache = new EscapedEvents(1_000);
  for (let round = 0; round < 5; round++) {
    const texts = Array.from({ length: 100 }, (_, n) => text(round * 100 + n));
    const run = hecRun(texts.map((one) => `{"event":${one}}`).join("\n"));
    const expected = texts.map((one) => JSON.stringify(one).slice(1, -1));
    assert.deepEqual(written(cache, run), expected);
    assert.deepEqual(written(cache, run), expected);
  }
});

Deno.test("EscapedEvents do not keep what would push all others out", () => {
  const big = `{"a":"${'\\"'.repeat(40_000)}"}`;
  const run = hecRun(`{"event":${big}}`);
  const cache = new EscapedEvents();
  const expected = [JSON.stringify(big).slice(1, -1)];
  assert.deepEqual(written(cache, run), expected);
  run.segments[0]?.bytes.fill(0x20);
  assert.notDeepEqual(written(cache, run), expected);
});
