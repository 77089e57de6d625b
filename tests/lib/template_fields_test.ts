import assert from "node:assert/strict";
import fc from "fast-check";
import { BatchBuffer } from "../../lib/delivery/batch_buffer.ts";
import { EventRun, EventView } from "../../lib/event.ts";
import { SOURCE, TIME } from "../../lib/json/spans.ts";
import {
  epochMs,
  eventId,
  eventMembers,
  eventString,
  isoTime,
  json,
  jsonText,
  mapped,
  number,
  type Slot,
  template,
  text,
  textOrId,
} from "../../lib/template.ts";
import { VALUE_TEXT } from "../support/json_text.ts";
import { testSeed } from "../support/seed.ts";
import { hecRun, rawRun } from "../support/sinks.ts";

const LIMITS = { events: 1000, bytes: 1e9, eventBytes: 1e9 };

function filled(slot: Slot, run: EventRun, ocsf?: EventRun): string {
  const into = new BatchBuffer(LIMITS);
  template`${slot}`.fill(
    run.view(0, new EventView()),
    into,
    ocsf?.view(0, new EventView()),
  );
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
    .decode(into.body());
}

const EVENT = String.raw`{"s":"a\"\u00e9","n":-1.5e3,"t":true,"z":null,"e":"",
 "o":{"k":[1,
 "x"]},"q":"12.50","bad":"012","list":[{"name":"first"},{"name":"second"}],"sev":3}`;

Deno.test("text(), number(), json(), jsonText(), mapped() byte for byte", () => {
  const run = hecRun(`{"event":${EVENT}}`);
  for (
    const [slot, sent] of [
      [text("s"), String.raw`"a\"\u00e9"`],
      [text("n"), '"-1.5e3"'],
      [text("t"), '"true"'],
      [text("z"), '""'],
      [text("e", 'f"b'), String.raw`"f\"b"`],
      [text("o"), String.raw`"{\"k\":[1,\n \"x\"]}"`],
      [text(["z", "none", "e", "o.k.1", "s"]), '"x"'],
      [text("list.1.name"), '"second"'],
      [text("list.2.name", "-"), '"-"'],
      [text("list.name", "-"), '"-"'],
      [text("s.s", "-"), '"-"'],
      [number("n"), "-1.5e3"],
      [number("q"), "12.50"],
      [number("bad"), "null"],
      [number("t", "0"), "0"],
      [number("o", "0"), "0"],
      [number("e"), "null"],
      [number(["none", "sev"]), "3"],
      [json("o"), '{"k":[1, "x"]}'],
      [json("s"), String.raw`"a\"\u00e9"`],
      [json("none"), "null"],
      [json("z", "[]"), "[]"],
      [jsonText("list.0"), String.raw`"{\"name\":\"first\"}"`],
      [jsonText("s"), String.raw`"\"a\\\"\\u00e9\""`],
      [jsonText("none", "[]"), '"[]"'],
      [mapped("sev", { 1: '"Low"', 3: '"High"' }, '"?"'), '"High"'],
      [mapped("sev", { 1: '"Low"' }, '"?"'), '"?"'],
      [mapped("q", { "12.50": "yes" }, "no"), "yes"],
      [mapped("none", { "": "yes" }, "no"), "no"],
      [mapped("sev", {}, "no"), "no"],
    ] as const
  ) {
    assert.equal(filled(slot, run), sent);
  }
});

Deno.test("path slots read the OCSF form, event slots the event", () => {
  const run = hecRun('{"event":{"a":"native"}}');
  const ocsf = hecRun('{"event":{"a":"ocsf"}}');
  assert.equal(filled(text("a"), run, ocsf), '"ocsf"');
  assert.equal(filled(eventMembers, run, ocsf), '"a":"native"');
});

Deno.test("a line of text has no fields", () => {
  assert.equal(filled(text("a", "-"), rawRun('{"a":"b"}')), '"-"');
  assert.equal(filled(text("", "-"), rawRun('"a"')), '"-"');
});

Deno.test("eventString, eventMembers, eventId", () => {
  const run = hecRun('{"event":{"a" :\n"\\"b"}}');
  assert.equal(filled(eventString, run), '"{\\"a\\" :\\n\\"\\\\\\"b\\"}"');
  assert.equal(filled(eventMembers, run), '"a" :"\\"b"');
  assert.equal(filled(eventMembers, rawRun('a"b')), '"message":"a\\"b"');
  assert.equal(filled(eventMembers, hecRun('{"event":"x"}')), '"message":"x"');
  assert.equal(filled(eventString, rawRun('a"\x01')), '"a\\"\\u0001"');
  assert.equal(filled(eventId, run), "00000000000000010000-0");
});

Deno.test("eventId and textOrId are the event's first id in a segment that was made for a replay", () => {
  const ids = ["00000000000004d20000-17", "import-0123456789abcdef01234567"];
  const [segment] = hecRun('{"event":{"a":1}}{"event":{"a":2}}').segments;
  assert.ok(segment);
  const run = new EventRun();
  run.push({ ...segment, ids }, 1);
  run.push({ ...segment, ids }, 0);
  assert.equal(filled(eventId, run), ids[1]);
  assert.equal(filled(textOrId("b"), run), `"${ids[1]}"`);
});

Deno.test("eventString parses to the event's own text", () => {
  const seed = testSeed("eventString");
  fc.assert(
    fc.property(VALUE_TEXT, (value) => {
      const run = hecRun(`{"event":[${value}]}`);
      assert.equal(JSON.parse(filled(eventString, run)), `[${value}]`);
      const held = value === "null" || value === '""' ? "-" : value;
      assert.equal(JSON.parse(filled(jsonText("0", "-"), run)), held);
    }),
    { seed, numRuns: 500 },
  );
});

Deno.test("mapped() knows a whole number however it is spelt", () => {
  const table = { 4: "high", 10: "ten" };
  for (
    const [value, text] of [
      ["4", "high"],
      ['"4"', "high"],
      ["4.0", "high"],
      ['"4e0"', "high"],
      ["1e1", "ten"],
      ["4.5", "?"],
      ['"04"', "?"],
      ["true", "?"],
    ] as const
  ) {
    const run = hecRun(`{"event":{"sev":${value}}}`);
    assert.equal(filled(mapped("sev", table, "?"), run), text, value);
  }
});

/** An event in an envelope whose time the intake would judge. */
function timed(body: string): EventRun {
  const [, time, rest = body] = /^"time":(.*?),(".*)$/.exec(body) ?? [];
  const run = hecRun(`{"source":${JSON.stringify(time ?? "-")},${rest}}`);
  if (time === undefined) return run;
  const segment = run.segments[0];
  assert.ok(segment);
  const from = time.startsWith('"') ? 0 : 1;
  const start = (segment.spans[SOURCE] ?? 0) + from;
  const bytes = segment.bytes.slice();
  if (from === 0) bytes.set(new TextEncoder().encode(time), start);
  const spans = segment.spans.slice();
  spans[TIME] = start;
  spans[TIME + 1] = start + time.length;
  const made = new EventRun();
  made.push({ ...segment, bytes, spans }, 0);
  return made;
}

const OCSF = '"class_uid":6003,"metadata":{"version":"1.1.0"}';

Deno.test("isoTime and epochMs: the envelope's time by magnitude, else OCSF's, else receipt", () => {
  const received = "2026-03-13T00:00:00.123Z";
  for (
    const [body, iso] of [
      ['"time":1741824000,"event":1', "2025-03-13T00:00:00.000Z"],
      ['"time":1741824000.1239,"event":1', "2025-03-13T00:00:00.123Z"],
      ['"time":"1741824000.5","event":1', "2025-03-13T00:00:00.500Z"],
      ['"time":1741824000123,"event":1', "2025-03-13T00:00:00.123Z"],
      ['"time":"1741824000123.9","event":1', "2025-03-13T00:00:00.123Z"],
      ['"time":1741824000123456,"event":1', "2025-03-13T00:00:00.123Z"],
      ['"time":1741824000123456789,"event":1', "2025-03-13T00:00:00.123Z"],
      ['"time":1.741824e9,"event":1', "2025-03-13T00:00:00.000Z"],
      ['"time":1.741824000123E+12,"event":1', "2025-03-13T00:00:00.123Z"],
      ['"time":0,"event":1', "1970-01-01T00:00:00.000Z"],
      ['"time":-1.5,"event":1', "1969-12-31T23:59:58.500Z"],
      ['"time":1e300,"event":1', received],
      ['"time":-1e999,"event":1', received],
      [`"time":${"9".repeat(20)},"event":1`, received],
      [`"time":${"9".repeat(400)},"event":1`, received],
      ['"time":1e-999,"event":1', "1970-01-01T00:00:00.000Z"],
      [
        `"time":7,"event":{${OCSF},"time":1741824000123}`,
        "1970-01-01T00:00:07.000Z",
      ],
      [`"event":{${OCSF},"time":1741824000123.9}`, "2025-03-13T00:00:00.123Z"],
      [`"event":{${OCSF},"time":5}`, "1970-01-01T00:00:00.005Z"],
      [`"event":{${OCSF},"time":"1741824000123"}`, received],
      ['"event":{"class_uid":1,"time":1741824000123}', received],
      [
        '"event":{"class_uid":1.0,"metadata":{"version":"1"},"time":1}',
        received,
      ],
      [
        `"time":"soon","event":{${OCSF},"time":1741824000123}`,
        "2025-03-13T00:00:00.123Z",
      ],
      ...["", " ", "1741824000 ", "0x10", "01", "1.", ".5", "1e", "1e+", "--1"]
        .map((text) => [`"time":"${text}","event":1`, received] as const),
      ['"time":"NaN","event":1', received],
      ['"event":1', received],
    ] as const
  ) {
    const run = timed(body);
    assert.equal(filled(isoTime, run), iso, body);
    assert.equal(filled(epochMs, run), String(Date.parse(iso)), body);
  }
  assert.equal(filled(isoTime, rawRun("x")), received);
});

Deno.test("isoTime reads an event's time from its OCSF form", () => {
  assert.equal(
    filled(
      isoTime,
      rawRun("x"),
      hecRun(`{"event":{${OCSF},"time":1741824000123}}`),
    ),
    "2025-03-13T00:00:00.123Z",
  );
});

Deno.test("textOrId is a field's text, else the relay's own id", () => {
  const slot = textOrId(["a.b", "c"]);
  assert.equal(filled(slot, hecRun('{"event":{"c":"x"}}')), '"x"');
  assert.equal(filled(slot, hecRun('{"event":{"a":{"b":7}}}')), '"7"');
  const id = '"00000000000000010000-0"';
  assert.equal(filled(slot, hecRun('{"event":{"c":"","a":null}}')), id);
  assert.equal(filled(slot, rawRun("x")), id);
});
