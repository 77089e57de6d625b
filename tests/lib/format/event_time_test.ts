import assert from "node:assert/strict";
import { EventView, type Segment } from "../../../lib/event.ts";
import { eventTime, EventTimes } from "../../../lib/format/event_time.ts";
import { madeSegment } from "../../support/made_segment.ts";

const META = '"class_uid":1,"metadata":{"version":"1.1.0"}';

function text(times: EventTimes, view: EventView, ocsf = view): string {
  const out = new Uint8Array(30);
  return new TextDecoder().decode(
    out.subarray(2, times.write(view, ocsf, out, 2)),
  );
}

Deno.test("eventTime() takes the envelope's time, else an OCSF event's, else the receipt's", () => {
  const at = (given: Partial<Parameters<typeof madeSegment>[0]>) =>
    eventTime(
      new EventView().at(
        madeSegment({ number: 1, events: ["{}"], receivedAt: 17, ...given }),
        0,
      ),
    );
  const events = [`{${META},"time":1000}`];
  assert.equal(at({ events, time: "1773360000" }), 1_773_360_000_000);
  assert.equal(at({ events, time: '"1773360000.5"' }), 1_773_360_000_500);
  assert.equal(at({ events, time: '"soon"' }), 1000);
  assert.equal(at({ events, time: "-5" }), -5000);
  assert.equal(at({ events, time: "1e300" }), 1000);
  assert.equal(at({ events: [`{${META},"time":1e300}`] }), 17);
  assert.equal(at({ events }), 1000);
  assert.equal(at({ events: ['{"time":1000}'] }), 17);
  assert.equal(at({ events, isRaw: true }), 17);
});

Deno.test("EventTimes answers for any order of events, of more than it keeps", () => {
  const count = 10_000, times = new EventTimes();
  const segments: Segment[] = [1, 2].map((number) =>
    madeSegment({
      number,
      events: Array.from(
        { length: count },
        (_, n) => `{${META},"time":${number * count + n}}`,
      ),
    })
  );
  const view = new EventView();
  for (let step = 0; step < 5 * count; step++) {
    const at = step * 7919 % (2 * count), index = at % count;
    const segment = segments[at < count ? 0 : 1];
    assert.ok(segment);
    assert.equal(
      text(times, view.at(segment, index)),
      new Date(count + at).toISOString(),
    );
  }
});

Deno.test("EventTimes reads an event once while it is kept, and the mapped form's time", () => {
  const times = new EventTimes();
  const came = madeSegment({ number: 1, events: ['{"a":1}'], receivedAt: 5 });
  const mapped = madeSegment({ number: 2, events: [`{${META},"time":1000}`] });
  const view = new EventView().at(came, 0);
  const ocsf = new EventView().at(mapped, 0);
  assert.equal(text(times, view, ocsf), "1970-01-01T00:00:01.000Z");
  assert.equal(text(times, view), "1970-01-01T00:00:00.005Z");
  mapped.bytes.fill(0x20);
  assert.equal(text(times, view, ocsf), "1970-01-01T00:00:01.000Z");
});

Deno.test("EventTimes keep no time of an event that has none", () => {
  const times = new EventTimes();
  const whole = madeSegment({ number: 1, events: ["{}"] });
  const view = new EventView().at({ ...whole, runs: [] }, 0);
  assert.throws(() => text(times, view), TypeError);
  assert.throws(() => text(times, view), TypeError);
});
