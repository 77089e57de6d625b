import assert from "node:assert/strict";
import { EventRun, EventView } from "../../../lib/event.ts";
import {
  EVENT,
  FIELDS,
  HOST,
  MULTILINE,
  SOURCE,
  TIME,
} from "../../../lib/json/spans.ts";
import { mapEvent } from "../../../lib/ocsf/map.ts";
import { type MapEvent, OcsfReader } from "../../../lib/ocsf/reader.ts";
import {
  event,
  eventId,
  fields,
  optional,
  seconds,
  template,
  text,
} from "../../../lib/template.ts";
import { BatchBuffer } from "../../../lib/delivery/batch_buffer.ts";
import { hecRun, rawRun } from "../../support/sinks.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });
const OCSF = '{"class_uid":6003,"metadata":{"version":"1.1.0"}}';

/** A mapper whose events say which one they are, and what it was asked for. */
function counting(): { readonly map: MapEvent; readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    map: (view, into) => {
      const name = `${view.segment.id}-${view.index}`;
      asked.push(name);
      const bytes = new TextEncoder().encode(
        JSON.stringify({
          class_uid: 0,
          metadata: { version: "1.1.0" },
          was: decoder.decode(view.event),
        }),
      );
      into.room(6 * bytes.length);
      into.bytes.set(bytes, into.length);
      into.length += bytes.length;
    },
  };
}

function was(view: EventView): string {
  return JSON.parse(decoder.decode(view.event)).was;
}

function spanText(view: EventView, member: typeof HOST | typeof FIELDS) {
  return decoder.decode(
    view.bytes.subarray(view.start(member), view.end(member)),
  );
}

/** The same events as another segment. */
function again(run: EventRun): EventRun {
  const copy = new EventRun();
  const [segment] = run.segments;
  assert.ok(segment);
  copy.push({ ...segment }, 0, run.count);
  return copy;
}

Deno.test("OcsfReader leaves an OCSF event where it is", () => {
  const { map, asked } = counting();
  const reader = new OcsfReader({ map });
  const run = hecRun(`{"event":${OCSF}}{"event":"x"}{"event":${OCSF}}`);
  const into = new EventView();
  for (const place of [0, 2]) {
    const view = run.view(place, new EventView());
    assert.equal(reader.form(view, into), into);
    assert.equal(into.segment, view.segment);
    assert.equal(into.index, place);
    assert.equal(decoder.decode(into.event), OCSF);
  }
  assert.deepEqual(asked, []);
  assert.equal(reader.keptBytes, 0);
});

Deno.test("OcsfReader maps the rest beside their envelopes", () => {
  const { map } = counting();
  const { form } = new OcsfReader({ map });
  const run = hecRun(
    `{"event":${OCSF},"host":"h0"}
     {"time":"1.5","fields":{"a":1},"host":"h1","event":{"n":
1},"source":"s"}
     {"event":"text","host":"h2"}`,
  );
  const into = form(run.view(1, new EventView()), new EventView());
  assert.equal(was(into), '{"n":\n1}');
  assert.equal(into.id, run.view(1, new EventView()).id);
  assert.equal(into.receivedAt, run.view(1, new EventView()).receivedAt);
  assert.equal(into.flags & MULTILINE, MULTILINE);
  assert.equal(into.segment.count, 3);
  assert.equal(spanText(into, HOST), '"h1"');
  assert.equal(spanText(into, FIELDS), '{"a":1}');
  // Another event of the segment: what was answered before still stands.
  const other = form(run.view(2, new EventView()), new EventView());
  assert.equal(was(other), '"text"');
  assert.equal(spanText(other, HOST), '"h2"');
  assert.equal(other.start(TIME), other.end(TIME));
  assert.equal(was(into), '{"n":\n1}');
  assert.equal(
    body(into),
    '{"time":"1.5","host":"h1","source":"s","event":' +
      decoder.decode(into.event) +
      ',"fields":{"a":1}}00000000000000010000-1"{\\"n\\":\\n1}"',
  );
});

function body(view: EventView): string {
  const into = new BatchBuffer({ events: 1, bytes: 1e6, eventBytes: 1e6 });
  template`{"time":${seconds}${optional(HOST)}${
    optional(SOURCE)
  },"event":${event}${fields}}${eventId}${text("was")}`.fill(view, into);
  return decoder.decode(into.body());
}

Deno.test("OcsfReader: a mapped line of text is JSON", () => {
  const { map } = counting();
  const into = new OcsfReader({ map }).form(
    rawRun("a", 'line "two"').view(1, new EventView()),
    new EventView(),
  );
  assert.ok(!into.isRaw);
  assert.equal(was(into), 'line "two"');
});

Deno.test("OcsfReader: view and target may be one, and a form is its own form", () => {
  const { map, asked } = counting();
  const { form } = new OcsfReader({ map });
  const view = hecRun('{"event":"x"}').view(0, new EventView());
  assert.equal(form(view, view), view);
  assert.equal(was(view), '"x"');
  const { segment } = view;
  assert.equal(form(view, new EventView()).segment, segment);
  assert.equal(asked.length, 1);
});

Deno.test("OcsfReader maps an event once for all connectors, whatever the order", () => {
  const { map, asked } = counting();
  const { form } = new OcsfReader({ map });
  const body = Array.from({ length: 40 }, (_, n) => `{"event":"${n}"}`)
    .join("");
  const runs = [hecRun(body), hecRun(body), rawRun("x", "y")];
  for (const step of [1, 3, 7]) {
    for (const run of runs) {
      for (let n = 0; n < run.count; n++) {
        const place = n * step % run.count;
        const into = form(run.view(place, new EventView()), new EventView());
        const raw = run === runs[2];
        assert.equal(was(into), raw ? "xy"[place] : `"${place}"`);
      }
    }
  }
  assert.equal(asked.length, 82);
});

Deno.test("OcsfReader keeps no more than it may, and maps anew what it dropped", () => {
  const { map, asked } = counting();
  const reader = new OcsfReader({ map, cacheBytes: 40_000 });
  const run = hecRun(`{"event":"${"x".repeat(5_000)}"}`);
  const segments = Array.from({ length: 20 }, () => again(run));
  const first = new EventView();
  for (const each of segments) {
    const into = reader.form(each.view(0, new EventView()), new EventView());
    if (each === segments[0]) first.at(into.segment, 0);
    assert.ok(reader.keptBytes <= 40_000, `${reader.keptBytes} bytes`);
  }
  assert.ok(reader.keptBytes > 5_000);
  assert.equal(asked.length, 20);
  // Dropped, but whoever holds it reads on.
  assert.equal(was(first).length, 5_002);
  const [oldest] = segments;
  const newest = segments.at(-1);
  assert.ok(oldest && newest);
  reader.form(newest.view(0, new EventView()), new EventView());
  assert.equal(asked.length, 20);
  reader.form(oldest.view(0, new EventView()), new EventView());
  assert.equal(asked.length, 21);
});

Deno.test("OcsfReader with one segment over its bound still answers, and drops it for the next", () => {
  const { map, asked } = counting();
  const reader = new OcsfReader({ map, cacheBytes: 0 });
  const run = hecRun(`{"event":"${"x".repeat(50_000)}"}{"event":"y"}`);
  const into = new EventView();
  assert.equal(was(reader.form(run.view(0, into), into)).length, 50_002);
  assert.equal(was(reader.form(run.view(1, into), into)), '"y"');
  assert.equal(asked.length, 2);
  const one = reader.keptBytes;
  const other = hecRun('{"event":"z"}');
  assert.equal(was(reader.form(other.view(0, into), into)), '"z"');
  assert.ok(reader.keptBytes < one);
});

Deno.test("OcsfReader with the true mapper: every form is OCSF, with no line break but the event's own", () => {
  const reader = new OcsfReader({ map: mapEvent });
  for (
    const run of [
      hecRun('{"event":{"a":\n[1]},"host":"h"}{"event":"x"}{"event":7}'),
      rawRun("CEF:0|a|b|1|2|3|4|", "", 'x"\x01'),
    ]
  ) {
    for (let place = 0; place < run.count; place++) {
      const into = reader.form(
        run.view(place, new EventView()),
        new EventView(),
      );
      const line = decoder.decode(into.event);
      assert.equal(/[\r\n]/.test(line), (into.flags & MULTILINE) !== 0);
      assert.equal(typeof JSON.parse(line).class_uid, "number");
      assert.equal(into.end(EVENT) - into.start(EVENT), into.event.length);
      assert.equal(reader.form(into, new EventView()).segment, into.segment);
    }
  }
});
