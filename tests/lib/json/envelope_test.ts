import assert from "node:assert/strict";
import { scanBody } from "../../../lib/json/scanner.ts";
import {
  ARRAY,
  BAD_METADATA,
  ENVELOPE,
  EVENT,
  EVENT_KIND_SHIFT,
  FALSE,
  FIELDS,
  FIELDS_KIND_SHIFT,
  FLAGS,
  HOST,
  INDEX,
  KIND_MASK,
  type Member,
  MULTILINE,
  NESTED_FIELDS,
  NONE,
  NULL,
  NUMBER,
  OBJECT,
  RUN,
  SOURCE,
  SOURCETYPE,
  SpanTable,
  STRING,
  TIME,
  TIME_KIND_SHIFT,
  TRUE,
  UNKNOWN_MEMBER,
  VALUE_KIND_SHIFT,
} from "../../../lib/json/spans.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const MEMBERS: readonly (readonly [string, Member])[] = [
  ["envelope", ENVELOPE],
  ["event", EVENT],
  ["time", TIME],
  ["host", HOST],
  ["source", SOURCE],
  ["sourcetype", SOURCETYPE],
  ["index", INDEX],
  ["fields", FIELDS],
];

/** The row of the only value of `text`: the text of each span that is there, kinds and flag names. */
function rowOf(text: string): Record<string, unknown> {
  const bytes = encoder.encode(text);
  const table = new SpanTable();
  // A dirty table shows members that the scan forgets to clear.
  scanBody(
    encoder.encode('{"host":"x","fields":{"a":[[]]},"index":1,"":0}'),
    table,
  );
  table.clear();
  assert.equal(scanBody(bytes, table), undefined);
  assert.equal(table.count, 1);
  const row: Record<string, unknown> = {};
  for (const [name, member] of MEMBERS) {
    const start = table.words[member] ?? 0, end = table.words[member + 1] ?? 0;
    if (end !== 0) row[name] = decoder.decode(bytes.subarray(start, end));
    else assert.equal(start, 0);
  }
  if (row.envelope === text) delete row.envelope;
  const flags = table.words[FLAGS] ?? 0;
  row.kinds = [
    VALUE_KIND_SHIFT,
    EVENT_KIND_SHIFT,
    TIME_KIND_SHIFT,
    FIELDS_KIND_SHIFT,
  ]
    .map((shift) => flags >> shift & KIND_MASK);
  row.flags = flags >> 12 << 12;
  assert.equal(table.words[RUN], 0);
  return row;
}

Deno.test("scanBody() fills a row with spans and kinds", () => {
  assert.deepEqual(
    rowOf(
      '{"time":"1700000000.123","host":"h","source":"s","sourcetype":"t","index":"i","fields":{"a":["x"]},"event":{"b":1}}',
    ),
    {
      event: '{"b":1}',
      time: '"1700000000.123"',
      host: '"h"',
      source: '"s"',
      sourcetype: '"t"',
      index: '"i"',
      fields: '{"a":["x"]}',
      kinds: [OBJECT, OBJECT, STRING, OBJECT],
      flags: 0,
    },
  );
  const kinds: readonly (readonly [string, number])[] = [
    ["{}", OBJECT],
    ["[]", ARRAY],
    ['""', STRING],
    ["-1.5e3", NUMBER],
    ["0", NUMBER],
    ["true", TRUE],
    ["false", FALSE],
    ["null", NULL],
  ];
  for (const [event, kind] of kinds) {
    assert.deepEqual(rowOf(`{"event": ${event} }`), {
      event,
      kinds: [OBJECT, kind, NONE, NONE],
      flags: 0,
    });
    // The value itself at the top level; an array there is taken apart, so it stands in another one.
    const top = rowOf(kind === ARRAY ? `[${event}]` : event);
    assert.deepEqual(top.kinds, [kind, NONE, NONE, NONE]);
    assert.equal(top.envelope ?? event, event);
  }
});

Deno.test("scanBody() leaves out members that say nothing", () => {
  assert.deepEqual(
    rowOf('{"host":"","source":null,"time":null,"fields":null,"event":null}'),
    { event: "null", kinds: [OBJECT, NULL, NULL, NULL], flags: 0 },
  );
  for (const fields of ["{}", "{ \n }"]) {
    assert.deepEqual(rowOf(`{"fields":${fields},"event":1}`), {
      event: "1",
      kinds: [OBJECT, NUMBER, NONE, OBJECT],
      flags: 0,
    });
  }
  assert.deepEqual(rowOf('{"time":"","event":""}'), {
    event: '""',
    time: '""',
    kinds: [OBJECT, STRING, STRING, NONE],
    flags: 0,
  });
});

Deno.test("scanBody() takes the last of equal members and reads escaped names", () => {
  assert.deepEqual(
    rowOf(
      '{"event":{"a":\n1},"event":"b","host":"h","host":"","ind\\u0065x":"i"}',
    ),
    {
      event: '"b"',
      index: '"i"',
      kinds: [OBJECT, STRING, NONE, NONE],
      flags: 0,
    },
  );
  assert.deepEqual(
    rowOf(
      '{"fields":{"a":{}},"fields":{"a":1},"host":1,"host":"h","time":1,"time":null}',
    ),
    {
      fields: '{"a":1}',
      host: '"h"',
      kinds: [OBJECT, NONE, NULL, OBJECT],
      flags: 0,
    },
  );
});

Deno.test("scanBody() flags unknown members and metadata that is no text", () => {
  const names = [
    "Event",
    "hosts",
    "even",
    "@timestamp",
    "",
    "\\u0000",
    "sourceType",
  ];
  for (const name of names) {
    assert.equal(rowOf(`{"event":1,"${name}":2}`).flags, UNKNOWN_MEMBER, name);
  }
  for (const name of ["host", "source", "sourcetype", "index"]) {
    for (const value of ["1", "true", "{}", "[]"]) {
      const row = rowOf(`{"event":1,"${name}":${value}}`);
      assert.equal(row.flags, BAD_METADATA, name);
      assert.equal(row[name], undefined);
    }
  }
});

Deno.test("scanBody() flags nesting in fields and line breaks in the event", () => {
  const fields: readonly (readonly [string, boolean])[] = [
    ['{"a":1,"b":"{[","c":["x","y"],"d":[],"e":null}', false],
    ['{"a":["\\"[",1],"b":["]"]}', false],
    ['{"a":{}}', true],
    ['{"a":[1,{}]}', true],
    ['{"a":[[]]}', true],
    ['{"a":"\\\\","b":{"c":1}}', true],
    ["[[]]", false],
    ['"x"', false],
  ];
  for (const [value, isNested] of fields) {
    assert.equal(
      rowOf(`{"fields":${value}}`).flags,
      isNested ? NESTED_FIELDS : 0,
      value,
    );
  }
  const events: readonly (readonly [string, boolean])[] = [
    ['\n{"a":1}\n', false],
    ['{"a":\n1}', true],
    ["[1\r]", true],
    ["[[1],2,\t\n3]", true],
    ['"\\n"', false],
  ];
  for (const [event, isMultiline] of events) {
    for (
      const text of [`{"event":${event}}`, `{\n"event":${event},"time":\n1}`]
    ) {
      assert.equal(rowOf(text).flags, isMultiline ? MULTILINE : 0, text);
    }
  }
});
