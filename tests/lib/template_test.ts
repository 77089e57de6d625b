import assert from "node:assert/strict";
import fc from "fast-check";
import { BatchBuffer } from "../../lib/delivery/batch_buffer.ts";
import { type EventRun, EventView } from "../../lib/event.ts";
import { HOST, INDEX, SOURCE } from "../../lib/json/spans.ts";
import {
  epochSeconds,
  event,
  eventLine,
  eventTextLine,
  fields,
  optional,
  receivedMs,
  seconds,
  type Template,
  template,
} from "../../lib/template.ts";
import { testSeed } from "../support/seed.ts";
import { hecRun, rawRun } from "../support/sinks.ts";

const LIMITS = { events: 1000, bytes: 1e9, eventBytes: 1e9 };

function filled(body: Template, run: EventRun): string {
  const into = new BatchBuffer(LIMITS);
  body.fill(run.view(0, new EventView()), into);
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
    .decode(into.body());
}

Deno.test("template() without slots is its text", () => {
  assert.equal(filled(template`{"é":1}`, hecRun('{"event":1}')), '{"é":1}');
});

Deno.test("template() slots next to each other and at the ends", () => {
  const run = hecRun('{"event":[1],"host":"h"}');
  assert.equal(filled(template`${event}${event}`, run), "[1][1]");
  assert.equal(
    filled(template`<${event}>${receivedMs}`, run),
    "<[1]>1773360000123",
  );
});

Deno.test("event keeps any JSON byte for byte", () => {
  const seed = testSeed("template event");
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), (text) => {
      fc.pre(!/^("\s*"|null|\{\}|\[\]|\{\s*\}|\[\s*\])$/.test(text));
      const run = hecRun(`{"event":${text}}`);
      assert.equal(filled(template`${event}`, run), text);
      const line = filled(template`${eventLine}`, run);
      assert.deepEqual(JSON.parse(line), JSON.parse(text));
    }),
    { seed, numRuns: 300 },
  );
});

Deno.test("raw text becomes a JSON string whatever its bytes", () => {
  const seed = testSeed("template raw");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const run = rawRun(bytes);
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
      for (const slot of [event, eventLine]) {
        assert.equal(JSON.parse(filled(template`${slot}`, run)), text);
      }
    }),
    { seed, numRuns: 300 },
  );
});

Deno.test("eventTextLine leaves a line of text alone", () => {
  assert.equal(
    filled(template`${eventTextLine}`, rawRun('a "b"\t')),
    'a "b"\t',
  );
});

Deno.test("optional(): the producer's, else the fallback, else nothing", () => {
  const body = template`{"n":0${optional(HOST, 'f"b')}${optional(SOURCE, "s")}${
    optional(INDEX)
  }${fields}}`;
  assert.equal(
    filled(body, hecRun('{"event":1}')),
    '{"n":0,"host":"f\\"b","source":"s"}',
  );
  assert.equal(
    filled(
      body,
      hecRun(
        '{"event":1,"host":"\\u0041","source":"x","index":"i","fields":{"a" : 1}}',
      ),
    ),
    '{"n":0,"host":"\\u0041","source":"x","index":"i","fields":{"a" : 1}}',
  );
});

Deno.test("seconds: envelope's digits, else an OCSF event's time, else receipt", () => {
  const body = template`${seconds}`;
  const ocsf = '"class_uid":6003,"metadata":{"version":"1.1.0"}';
  for (
    const [text, sent] of [
      ['{"time":"1.50","event":1}', '"1.50"'],
      [`{"time":7,"event":{${ocsf},"time":1741824000123}}`, "7"],
      [`{"event":{"time":1741824000123,${ocsf}}}`, "1741824000.123"],
      [`{"event":{"time":1741824000123.5,${ocsf}}}`, "1741824000.123"],
      [`{"event":{"time":1e12,${ocsf}}}`, "1000000000.000"],
      [`{"event":{"time":1e300,${ocsf}}}`, "1773360000.123"],
      [`{"event":{"time":5,${ocsf}}}`, "0.005"],
      [`{"event":{"time":-1500,${ocsf}}}`, "-1.500"],
      [`{"event":{"time":"1741824000123",${ocsf}}}`, "1773360000.123"],
      [`{"event":{"time":1741824000123}}`, "1773360000.123"],
      ['{"event":"x"}', "1773360000.123"],
    ] as const
  ) {
    assert.equal(filled(body, hecRun(text)), sent);
  }
  assert.equal(filled(body, rawRun("{")), "1773360000.123");
  assert.equal(
    filled(
      template`${epochSeconds}`,
      hecRun(`{"event":{"time":1741824000123,${ocsf}}}`),
    ),
    "1741824000.123",
  );
});

Deno.test("fill() grows the buffer over large events and keeps what was there", () => {
  const text = JSON.stringify("é".repeat(300_000));
  const run = hecRun(`{"event":${text}}`);
  assert.equal(
    filled(template`<${event}|${event}>`, run),
    `<${text}|${text}>`,
  );
});
