import assert from "node:assert/strict";
import fc from "fast-check";
import { EventRun, EventView, type Segment } from "../../lib/event.ts";
import { madeSegment } from "../support/made_segment.ts";
import { testSeed } from "../support/seed.ts";

const EVENTS = 9;
const SEGMENTS = [1, 2, 3].map((number) =>
  madeSegment({
    number,
    events: Array.from({ length: EVENTS }, (_, n) => `${n}`),
  })
);
const view = new EventView();

/** The events one by one, as the run shows them. */
function listed(run: EventRun): string[] {
  return Array.from(
    { length: run.count },
    (_, place) => run.view(place, view).id,
  );
}

function made(parts: readonly [number, number, number][]) {
  const run = new EventRun(), plain: string[] = [];
  for (const [number, index, count] of parts) {
    const segment = SEGMENTS[number];
    assert.ok(segment);
    run.push(segment, index, count);
    for (let n = 0; n < count; n++) plain.push(`${segment.id}-${index + n}`);
  }
  return { run, plain };
}

const PARTS = fc.array(
  fc.tuple(
    fc.nat(SEGMENTS.length - 1),
    fc.nat(EVENTS - 4),
    fc.integer({ min: 0, max: 4 }),
  ),
  { maxLength: 8 },
);

Deno.test("EventRun is what a list of its events is, in whatever order it is looked at", () => {
  const seed = testSeed("EventRun");
  const property = fc.property(
    PARTS,
    PARTS,
    fc.array(fc.nat()),
    (some, more, looks) => {
      const { run, plain } = made(some);
      const other = made(more);
      run.append(other.run);
      plain.push(...other.plain);
      assert.equal(run.count, plain.length);
      assert.deepEqual(listed(run), plain);
      const places = plain.length === 0
        ? []
        : looks.map((look) => look % plain.length);
      for (const place of places) {
        assert.equal(run.view(place, view).id, plain[place]);
        const { segment, index } = run.position(place);
        assert.equal(`${segment}-${index}`, plain[place]);
      }
      const ranges = places.map((at) => ({ at, count: 1 + at % 3 }))
        .filter(({ at, count }) => at + count <= plain.length);
      assert.deepEqual(
        listed(run.pick(ranges)),
        ranges.flatMap(({ at, count }) => plain.slice(at, at + count)),
      );
      const [first = 0, second = 0] = places;
      const from = Math.min(first, second), until = Math.max(first, second);
      assert.deepEqual(
        listed(run.slice(from, until)),
        plain.slice(from, until),
      );
      assert.deepEqual(listed(run.slice(from)), plain.slice(from));
      const { end } = run;
      assert.equal(
        end && `${end.segment}-${end.index - 1}`,
        plain.at(-1),
      );
    },
  );
  fc.assert(property, { seed, numRuns: 500 });
});

Deno.test("EventRun keeps events in a row as one, and changes no run that was joined to it", () => {
  const [segment] = SEGMENTS as [Segment];
  const run = new EventRun(), other = new EventRun();
  for (const index of [0, 1, 2]) run.push(segment, index);
  other.push(segment, 3, 2);
  run.append(other);
  run.push(segment, 5);
  assert.deepEqual(run.segments, [segment]);
  assert.deepEqual([run.count, other.count], [6, 2]);
  assert.deepEqual(other.end, { segment: segment.id, index: 5 });
});

Deno.test("EventRun has no event outside", () => {
  const { run } = made([[0, 0, 2], [1, 3, 1]]);
  for (const place of [-1, 3, NaN]) {
    assert.throws(() => run.view(place, view), RangeError);
    assert.throws(() => run.position(place), RangeError);
  }
  assert.throws(() => run.pick([{ at: 1, count: 3 }]), RangeError);
  assert.throws(() => new EventRun().view(0, view), RangeError);
  assert.equal(new EventRun().end, undefined);
});
