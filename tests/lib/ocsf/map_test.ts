import assert from "node:assert/strict";
import {
  mapped,
  mappedEnvelope,
  mappedText,
  MAX_TEXT,
  RECEIVED,
  segmentOf,
  segmentOfLines,
} from "../../support/mapped.ts";

Deno.test("mapEvent() wraps text, values and objects as Base Events", () => {
  const wrapped = (value: string) => mapped(segmentOf([value]));
  assert.equal(wrapped('"line\\u0000 \\"x\\""').raw_data, 'line\u0000 "x"');
  assert.equal(
    wrapped("12345678901234567890").raw_data,
    "12345678901234567890",
  );
  assert.equal(wrapped('[1,\r\n{"a":2}]').raw_data, '[1,\r\n{"a":2}]');
  assert.equal(wrapped("null").raw_data, "null");
  assert.equal(wrapped('""').raw_data, "");
  const object = '{"a":12345678901234567890,"a":2,"b":{"c":"\\u00e9"}}';
  const text = mappedText(segmentOf([object]));
  assert.ok(text.endsWith(`,"unmapped":${object}}`));
  assert.ok(
    mappedText(segmentOf(['{\n  "a": [\r\n1 ]\n}']))
      .endsWith(',"unmapped":{\n  "a": [\r\n1 ]\n}}'),
  );
  const event = wrapped("{}");
  assert.deepEqual(
    [event.class_uid, event.type_uid, event.severity_id, event.time],
    [0, 0, 1, RECEIVED],
  );
  assert.deepEqual(event.metadata, {
    version: "1.1.0",
    product: { vendor_name: "Unknown", name: "Unknown" },
    uid: "00000000000000010000-0",
    logged_time: RECEIVED,
  });
});

Deno.test("mapEvent() fills time, product and host from the envelope", () => {
  const event = mappedEnvelope(
    '{"time":"1741824000.5","host":"web-1","source":"/var/log/x",' +
      '"sourcetype":"nginx","event":{"timestamp":"2020-01-01T00:00:00Z"}}',
  );
  assert.equal(event.time, 1_741_824_000_500);
  for (
    const [time, ms] of [
      ["-5", -5000],
      ["-0.001", -1],
      ["1e300", RECEIVED],
      ["99999999999999999999", RECEIVED],
    ] as const
  ) {
    const { time: found } = mappedEnvelope(`{"event":{"t":1},"time":${time}}`);
    assert.equal(found, ms, time);
  }
  assert.deepEqual(event.metadata, {
    version: "1.1.0",
    product: { vendor_name: "Unknown", name: "nginx" },
    log_name: "/var/log/x",
    loggers: [{ name: "web-1" }],
    uid: "00000000000000010000-0",
    logged_time: RECEIVED,
    original_time: "2020-01-01T00:00:00Z",
  });
  const without = mappedEnvelope(
    '{"event":{"timestamp":"2020-01-01T00:00:00Z","severity":"Critical"}}',
  );
  assert.equal(without.time, Date.UTC(2020, 0, 1));
  assert.equal(without.severity_id, 5);
  // What is no time, or none that makes sense, is passed over.
  const odd = mappedEnvelope('{"time":"soon","event":{"time":12,"ts":"x"}}');
  assert.equal(odd.time, RECEIVED);
  assert.equal(odd.metadata.original_time, "soon");
});

Deno.test("mapEvent() makes HEC fields enrichments", () => {
  const event = mappedEnvelope(
    '{"fields":{"a":"x\\ny","n":1.50,"list":["p", "q"],"no":null},"event":1}',
  );
  assert.deepEqual(event.enrichments, [
    { name: "a", value: "x\ny", data: "x\ny", provider: "hec" },
    { name: "n", value: "1.50", data: 1.5, provider: "hec" },
    {
      name: "list",
      value: '["p", "q"]',
      data: ["p", "q"],
      provider: "hec",
    },
    { name: "no", value: "null", data: null, provider: "hec" },
  ]);
  assert.equal(
    mappedEnvelope('{"fields":{},"event":1}').enrichments,
    undefined,
  );
});

Deno.test("mapEvent() cuts an enrichment's value to what OCSF allows, not its data", () => {
  const long = "é".repeat(70_000);
  const event = mappedEnvelope(`{"fields":{"a":"${long}"},"event":1}`);
  const [{ value, data }] = event.enrichments as [
    { value: string; data: string },
  ];
  assert.equal(value, long.slice(0, MAX_TEXT));
  assert.equal(data, long);
});

Deno.test("mapEvent() reads syslog, CEF and LEEF headers", () => {
  const of = (line: string) => mapped(segmentOfLines([line]));
  const syslog = of("<34>1 2026-03-13T00:00:00.5Z web-1 su - ID47 - hello");
  assert.equal(syslog.time, 1_773_360_000_500);
  assert.equal(syslog.severity_id, 5);
  assert.equal(syslog.metadata.product.name, "su");
  assert.deepEqual(syslog.metadata.loggers, [{ name: "web-1" }]);
  const old = of("<11>Mar 13 00:00:00 web-1 sshd[12]: Failed password");
  assert.equal(old.severity_id, 4);
  assert.equal(old.metadata.product.name, "sshd");
  const cef = of("Mar 13 00:00:00 h CEF:0|Acme|Wall|1.0|100|Bad thing|8|a=b");
  assert.deepEqual(cef.metadata.product, {
    vendor_name: "Acme",
    name: "Wall",
    version: "1.0",
  });
  assert.equal(cef.metadata.event_code, "100");
  assert.equal(cef.message, "Bad thing");
  assert.equal(cef.severity_id, 4);
  for (
    const header of [
      "Mar 13 00:00:00 ",
      "<134>Mar 13 00:00:00 ",
      "<134>1 2026-03-13T00:00:00Z ",
      "<134>1 2026-03-13T00:00:00Z h ",
      "<134>1 2026-03-13T00:00:00Z h - - - - ",
      "",
    ]
  ) {
    // Also where the header lacks its host, its application or itself.
    const { metadata } = of(`${header}CEF:0|Acme|Wall|1.0|100|Bad thing|8|a=b`);
    assert.equal(metadata.product.name, "Wall", header);
    assert.equal(metadata.event_code, "100", header);
    if (header.includes("Mar")) assert.equal(metadata.loggers, undefined);
  }
  const leef2 = of("<13>Mar 13 00:00:00 h LEEF:2.0|Acme|Mail|2|login|^|src=1");
  assert.equal(leef2.metadata.product.name, "Mail");
  assert.equal(leef2.metadata.event_code, "login");
  const leef = of("LEEF:1.0|Acme|Mail|2|login|src=1.2.3.4");
  assert.equal(leef.metadata.product.name, "Mail");
  assert.equal(leef.severity_id, 1);
});

Deno.test("mapEvent() maps FalconPy's event: its nanoseconds, its message", () => {
  const event =
    '{"category": ["host"], "host": "IV1IDSBP", "kind": "event", "module": "crowdstrike-falconpy-hec", "timestamp": 1747771778324434944, "type": ["info"], "timeunit": "nanoseconds", "message": "VP35ya83siwOC9bThq0U"}';
  for (
    const one of [
      mapped(segmentOf([event])),
      mapped(segmentOfLines([`{"event": ${event}}`])),
    ]
  ) {
    assert.equal(one.time, 1_747_771_778_324);
    assert.equal(one.message, "VP35ya83siwOC9bThq0U");
    assert.equal(one.metadata.product.vendor_name, "CrowdStrike");
    assert.equal(one.metadata.original_time, "1747771778324434944");
  }
});

Deno.test("mapEvent() maps Elisity's event, wrapped by its exporter or not", () => {
  const of = (type: string, payload: string) => {
    const data =
      `{"event_type":"${type}","timestamp":"2026-02-23T10:30:00Z","source":"elisity-ccc","payload":${payload}}`;
    const alone = mapped(segmentOf([data]));
    const wrapped = mapped(
      segmentOf([`{"data":${data},"collector_ms":1740312600000}`]),
    );
    assert.deepEqual(
      { ...wrapped, unmapped: 0 },
      { ...alone, unmapped: 0 },
    );
    return alone;
  };
  const audit = of("audit", "{}");
  assert.deepEqual(
    [audit.class_uid, audit.activity_id, audit.activity_name, audit.time],
    [0, 99, "audit", Date.UTC(2026, 1, 23, 10, 30)],
  );
  assert.equal(audit.metadata.product.vendor_name, "Elisity");
  // A payload that does not name both ends cannot be Network Activity.
  assert.equal(of("policy_enforcement", "{}").class_uid, 0);
  assert.equal(
    of(
      "policy_enforcement",
      '{"src_ip":"10.0.0.1","dst_ip":"10.0.0.2","action":"deny"}',
    ).class_uid,
    4001,
  );
});

Deno.test("mapEvent() stands deep nesting and equal members", () => {
  const deep = '{"a":'.repeat(20_000) + "1" + "}".repeat(20_000);
  const text = mappedText(segmentOf([deep]));
  assert.ok(text.endsWith(`,"unmapped":${deep}}`));
  // The last of equal members counts.
  const twice = mapped(
    segmentOf(['{"severity":"high","severity":"low","message":"m"}']),
  );
  assert.equal(twice.severity_id, 2);
});

Deno.test("mapEvent() reads the event alone, not what stands around it", () => {
  const segment = segmentOf(['{"message":"one"}', "{}", '"x"']);
  assert.equal(mapped(segment, 1).message, undefined);
  assert.equal(mapped(segment, 2).message, "x");
  // An envelope without an event.
  const none = mappedEnvelope('{"fields":{"a":1}}');
  assert.deepEqual([none.unmapped, none.raw_data], [undefined, undefined]);
});
