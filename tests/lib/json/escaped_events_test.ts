import assert from "node:assert/strict";
import fc from "fast-check";
import { EventView } from "../../../lib/event.ts";
import {
  LONGEST_TEXT,
  openKernel,
  plainEscaper,
} from "../../../lib/json/escape_kernel.ts";
import { EscapedEvents } from "../../../lib/json/escaped_events.ts";
import { testSeed } from "../../support/seed.ts";
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

const WAYS = [
  ["kernel", (room: number) => openKernel(room) ?? assert.fail("no kernel")],
  ["plain JS", plainEscaper],
] as const;

for (const [name, open] of WAYS) {
  Deno.test(`EscapedEvents by ${name} go round a small ring and never answer with another event`, () => {
    const seed = testSeed(`EscapedEvents by ${name}`);
    const view = new EventView(), out = new Uint8Array(40_000);
    // Sizes of events in bytes, of which some are longer than the ring, and which of the last ones is asked for again.
    const size = fc.oneof(
      { weight: 8, arbitrary: fc.nat(120) },
      { weight: 1, arbitrary: fc.nat(5_000) },
    );
    const steps = fc.array(fc.tuple(size, fc.nat(25)), { minLength: 60 });
    const ring = fc.integer({ min: 500, max: 4_000 });
    fc.assert(
      fc.property(ring, steps, (bytes, drawn) => {
        const cache = new EscapedEvents(bytes, open);
        const texts = drawn.map(([length], n) =>
          `{"n":${n},"t":"${'x\\"'.repeat(length / 3)}"}`
        );
        const run = hecRun(texts.map((one) => `{"event":${one}}`).join("\n"));
        drawn.forEach(([_, back], n) => {
          for (const place of [n, Math.max(0, n - back)]) {
            const end = cache.write(run.view(place, view), out, 1);
            assert.equal(
              new TextDecoder().decode(out.subarray(1, end)),
              JSON.stringify(texts[place]).slice(1, -1),
            );
          }
        });
      }),
      { seed, numRuns: 40 },
    );
  });

  Deno.test(`EscapedEvents by ${name} keep all that fit, the ring's end and six times the bytes included`, () => {
    // No JSON becomes six times as long; what is no JSON must do no harm either.
    const bodies = Array.from({ length: 200 }, (_, n) => "x".repeat(n % 37));
    const run = hecRun(
      bodies.map((one) => `{"event":{"a":"${one}"}}`).join("\n"),
    );
    const bytes = run.segments[0]?.bytes ?? assert.fail();
    bytes.fill(0x1f);
    // The longest is 44 bytes, 264 when escaped: thirteen such fit, with what is spilt behind each.
    const cache = new EscapedEvents(4_000, open);
    const view = new EventView(), out = new Uint8Array(1_000);
    const write = (place: number) => {
      const end = cache.write(run.view(place, view), out, 0);
      return new TextDecoder().decode(out.subarray(0, end));
    };
    for (let place = 0; place < run.count; place++) {
      const length = run.view(place, view).event.length;
      bytes.fill(0x1f);
      assert.equal(write(place), "\\u001f".repeat(length));
      bytes.fill(0x20);
      for (let back = 0; back < Math.min(12, place + 1); back++) {
        const kept = run.view(place - back, view).event.length;
        assert.equal(write(place - back), "\\u001f".repeat(kept), `${back}`);
      }
    }
  });

  Deno.test(`EscapedEvents by ${name} keep the longest and write longer ones each time`, () => {
    for (const more of [0, 1]) {
      const text = `{"a":"${"x".repeat(LONGEST_TEXT - 8 + more)}"}`;
      const run = hecRun(`{"event":${text}}`);
      const cache = new EscapedEvents(100_000, open);
      const expected = [JSON.stringify(text).slice(1, -1)];
      assert.deepEqual(written(cache, run), expected);
      run.segments[0]?.bytes.fill(0x20);
      const again = written(cache, run);
      if (more === 0) assert.deepEqual(again, expected);
      else assert.notDeepEqual(again, expected);
    }
  });
}

Deno.test("EscapedEvents do not keep what would push all others out, and escape it all the same", () => {
  const big = `{"a":"${'\\"'.repeat(40_000)}"}`;
  const run = hecRun(`{"event":${big}}`);
  const cache = new EscapedEvents();
  const expected = [JSON.stringify(big).slice(1, -1)];
  assert.deepEqual(written(cache, run), expected);
  run.segments[0]?.bytes.fill(0x20);
  assert.notDeepEqual(written(cache, run), expected);
});
