import { deepEqual, equal } from "node:assert/strict";
import { ReplaySegment } from "../../../lib/delivery/replay_segment.ts";
import { EventView, type Segment } from "../../../lib/event.ts";
import {
  EVENT,
  FIELDS,
  HOST,
  INDEX,
  type Member,
  RAW,
  ROW,
  SpanTable,
  TIME,
} from "../../../lib/json/spans.ts";
import { scanBody } from "../../../lib/json/scanner.ts";
import type { DeadRecord } from "../../../lib/log/dead_record.ts";
import { mapEvent } from "../../../lib/ocsf/map.ts";
import { OcsfReader } from "../../../lib/ocsf/reader.ts";

const encoder = new TextEncoder(), decoder = new TextDecoder();

function letter(record: Partial<DeadRecord>): DeadRecord {
  return {
    id: "00000000000000010000-7",
    connector: "soc",
    timestamp: "2026-03-13T00:00:00.000Z",
    at: 0,
    keptFrom: 0,
    reason: "rejected",
    error: "HTTP 400",
    attempts: 1,
    isGivenUp: false,
    isRaw: false,
    producer: "edr",
    receivedAt: 1_800_000_000_000,
    envelope: {},
    event: encoder.encode('{"a":1}'),
    ...record,
  };
}

function textOf(view: EventView, member: Member): string {
  return decoder.decode(
    view.bytes.subarray(view.start(member), view.end(member)),
  );
}

/** Segments as a scan of these envelopes makes them. */
function scanned(body: string): Segment {
  const bytes = encoder.encode(body);
  const table = new SpanTable();
  equal(scanBody(bytes, table), undefined);
  return {
    id: "00000000000000020000",
    bytes,
    spans: table.words.slice(0, table.count * ROW),
    count: table.count,
    runs: [{ producer: "edr", receivedAt: 1 }],
    lane: "lane",
    eventsBefore: 0,
    bytesBefore: 0,
    storedBytes: bytes.length,
  };
}

function marked(body: string): { view: EventView; segment: Segment } {
  const from = scanned(body);
  const made = new ReplaySegment();
  made.addMarked(new EventView().at(from, 0), "hecate.replay", "j1");
  const segment = made.segment("replay-j1");
  return { view: new EventView().at(segment, 0), segment };
}

Deno.test("addLetter() gives the event as it came, under its own id, with its flags", () => {
  const envelope = {
    host: '"h\\u00e9"',
    index: '"soc"',
    time: '"1.5"',
    fields: '{"a":"b"}',
  };
  const spans = [HOST, INDEX, TIME, FIELDS] as const;
  const texts = Object.values(envelope);
  for (
    const event of ['{"a":\n1}', '"text"', "5", "null", "[1,\r\n2]", "true"]
  ) {
    const made = new ReplaySegment();
    made.addLetter(letter({ id: "import-1", event: encoder.encode("{}") }));
    made.addLetter(letter({ envelope, event: encoder.encode(event) }));
    const view = new EventView().at(made.segment("x"), 1);
    const body = `{"host":${texts[0]},"index":${texts[1]},"time":${
      texts[2]
    },"fields":${texts[3]},"event":${event}}`;
    const like = new EventView().at(scanned(body), 0);
    equal(view.flags, like.flags, event);
    equal(decoder.decode(view.event), event);
    deepEqual(spans.map((one) => textOf(view, one)), texts);
    equal(view.id, "00000000000000010000-7");
    equal(view.receivedAt, 1_800_000_000_000);
    equal(view.run.producer, "edr");
    equal(view.at(view.segment, 0).id, "import-1");
  }
  const made = new ReplaySegment();
  made.addLetter(letter({ isRaw: true, event: encoder.encode("a line") }));
  const raw = new EventView().at(made.segment("x"), 0);
  equal(raw.isRaw, true && (raw.flags & RAW) !== 0);
});

Deno.test("addMarked() adds a field to the envelope and leaves the event alone", () => {
  for (
    const [fields, expected] of [
      ["", '{"hecate.replay":"j1"}'],
      [',"fields":{}', '{"hecate.replay":"j1"}'],
      [`,"fields":{ \n }`, `{"hecate.replay":"j1"}`],
      [',"fields":{"a":"}"}', '{"a":"}","hecate.replay":"j1"}'],
      [',"fields":{"a":[1,2] }', '{"a":[1,2] ,"hecate.replay":"j1"}'],
    ] as const
  ) {
    const { view } = marked(`{"event":{"x": 1},"time":5${fields}}`);
    equal(textOf(view, FIELDS), expected);
    JSON.parse(textOf(view, FIELDS));
    equal(textOf(view, EVENT), '{"x": 1}');
    equal(textOf(view, TIME), "5");
    equal(view.id, "00000000000000020000-0");
  }
});

Deno.test("addMarked(): an event that is mapped is mapped without the mark", () => {
  const body = '{"event":{"x":1},"fields":{"a":"b"}}';
  const reader = new OcsfReader({ map: mapEvent });
  const plain = reader.form(
    new EventView().at(scanned(body), 0),
    new EventView(),
  );
  const { view } = marked(body);
  const form = reader.form(view, new EventView());
  equal(decoder.decode(form.event), decoder.decode(plain.event));
  equal(form.id, plain.id);
  equal(textOf(form, FIELDS), '{"a":"b","hecate.replay":"j1"}');
});
