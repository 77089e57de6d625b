import assert from "node:assert/strict";
import { EventView } from "../../../lib/event.ts";
import { FieldCache, fieldSpans } from "../../../lib/json/field_spans.ts";
import { pathCount, pathId } from "../../../lib/json/paths.ts";
import { madeSegment } from "../../support/made_segment.ts";

const decoder = new TextDecoder();

function textAt(cache: FieldCache, view: EventView, path: number): string {
  const spans = cache.at(view);
  return decoder.decode(
    view.bytes.subarray(spans.start(path), spans.end(path)),
  );
}

function events(count: number, salt: string): string[] {
  return Array.from({ length: count }, (_, n) => `{"n":{"m":"${salt}${n}"}}`);
}

Deno.test("FieldCache answers for any order of events, however little it keeps", () => {
  const path = pathId("n.m");
  const segments = ["a", "b", "c"].map((salt, i) =>
    madeSegment({ number: i + 1, events: events(50, salt) })
  );
  for (const bytes of [0, 1_000, 10_000, 1_000_000]) {
    const cache = new FieldCache(bytes);
    const view = new EventView();
    for (let step = 0; step < 1_000; step++) {
      const at = step * 7919 % 150, place = at % 50;
      const segment = segments[(at - place) / 50];
      assert.ok(segment);
      const wanted = `"${"abc"[(at - place) / 50]}${place}"`;
      assert.equal(textAt(cache, view.at(segment, place), path), wanted);
    }
  }
});

Deno.test("FieldCache walks an event once while it is kept", () => {
  const path = pathId("n.m");
  const segment = madeSegment({ number: 1, events: events(3, "a") });
  const cache = new FieldCache();
  const view = new EventView().at(segment, 1);
  assert.equal(textAt(cache, view, path), '"a1"');
  // No event ever changes: that the old spans stand shows that nothing was read again.
  segment.bytes.fill(0x20);
  const spans = cache.at(view);
  assert.equal(spans.end(path) - spans.start(path), 4);
});

Deno.test("FieldCache notices paths that are interned later", () => {
  const segment = madeSegment({ number: 1, events: ['{"late":{"er":1}}'] });
  const cache = new FieldCache();
  const view = new EventView().at(segment, 0);
  assert.equal(textAt(cache, view, pathId("n.m")), "");
  const before = pathCount();
  const path = pathId("late.er");
  assert.equal(pathCount(), before + 2);
  assert.equal(textAt(cache, view, path), "1");
});

Deno.test("fieldSpans() of a line of text finds nothing", () => {
  const segment = madeSegment({
    number: 1,
    events: ['{"n":{"m":1}}'],
    isRaw: true,
  });
  const spans = fieldSpans(new EventView().at(segment, 0));
  assert.equal(spans.start(pathId("n.m")), spans.end(pathId("n.m")));
  assert.equal(spans.start(0), spans.end(0));
});
