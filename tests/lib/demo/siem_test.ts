import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { EVERY_PROTOCOL } from "../../../lib/demo/offer.ts";
import { type DemoSiem, startDemoSiem } from "../../../lib/demo/siem.ts";
import { makeCertificates } from "../../support/certificates.ts";

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

interface Posted {
  readonly status: number;
  readonly body: string;
  readonly headers: Headers;
}

async function post(
  siem: DemoSiem,
  name: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers?: Record<string, string>,
  path?: string,
): Promise<Posted> {
  const target = siem.target(name);
  const scheme = name === "splunk" ? "Splunk" : "Bearer";
  const reply = await fetch(
    path === undefined ? target.url : `${siem.url}/${name}${path}`,
    {
      method: "POST",
      body,
      redirect: "manual",
      headers: { authorization: `${scheme} ${target.token}`, ...headers },
    },
  );
  return {
    status: reply.status,
    body: await reply.text(),
    headers: reply.headers,
  };
}

const record = (event: string) =>
  `{"data":${event},"collector_ms":1773360000123}`;

Deno.test("splunk target takes concatenated envelopes and keeps the events' bytes", async () => {
  await using siem = await startDemoSiem();
  const events = [
    '{"n":9007199254740993,"x":1e400,"a":1,"a":2}',
    '"\\u0041 \\ud800"',
    "[1.0, {\n}]",
    "0",
    '{"q":"}\\\\\\"{"}',
  ];
  const body = `{"event":${events[0]}}{"time":1773360000.123,"event":${
    events[1]
  },"host":"h"}\n{"event": ${events[2]} } {"event":${events[3]}}{"event":${
    events[4]
  }}`;
  const reply = await post(siem, "splunk", body);
  assert.deepEqual([reply.status, reply.body], [
    200,
    '{"text":"Success","code":0}',
  ]);
  const target = siem.target("splunk");
  await target.until(5);
  assert.deepEqual(target.received.map((one) => text(one.event)), events);
  assert.deepEqual(
    target.received.map((one) => one.sha256),
    events.map((one) => createHash("sha256").update(one).digest("hex")),
  );
  assert.equal(
    text(target.received[3]?.envelope),
    `{"event":${events[3]}}`,
  );
  assert.equal(target.requests[0]?.status, 200);
  assert.deepEqual(target.complaints, []);
});

const splunkRows: readonly [
  name: string,
  body: string,
  status: number,
  reply: string,
  taken: number,
][] = [
  ["nothing", " \n", 400, '{"text":"No data","code":5}', 0],
  [
    "an array",
    '[{"event":1}]',
    400,
    '{"text":"Invalid data format","code":6,"invalid-event-number":0}',
    0,
  ],
  [
    "a cut object after a good one",
    '{"event":1}{"event":',
    400,
    '{"text":"Invalid data format","code":6,"invalid-event-number":1}',
    1,
  ],
  [
    "a comma between objects",
    '{"event":1},{"event":2}',
    400,
    '{"text":"Invalid data format","code":6,"invalid-event-number":1}',
    1,
  ],
  [
    "an object without event",
    '{"host":"h"}',
    400,
    '{"text":"Event field is required","code":12,"invalid-event-number":0}',
    0,
  ],
  [
    "a blank event after two",
    '{"event":1}\n{"event":2}\n{"event":" "}\n{"event":3}',
    400,
    '{"text":"Event field cannot be blank","code":13,"invalid-event-number":2}',
    2,
  ],
  [
    "nested fields",
    '{"event":1,"fields":{"a":{"b":1}}}',
    400,
    '{"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}',
    0,
  ],
  [
    "fields as an array",
    '{"event":1,"fields":["x"]}',
    400,
    '{"text":"Invalid data format","code":6,"invalid-event-number":0}',
    0,
  ],
  [
    "time in words",
    '{"event":1,"time":"yesterday"}',
    400,
    '{"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}',
    0,
  ],
  [
    "time with an exponent",
    '{"event":1,"time":1.7e9}',
    200,
    '{"text":"Success","code":0}',
    1,
  ],
  [
    "a wrong index, third of three, with its number off by one",
    '{"event":1,"index":"main"}{"event":2}{"event":3,"index":"other"}',
    400,
    '{"text":"Incorrect index","code":7,"invalid-event-number":3}',
    2,
  ],
  [
    "an unknown key alone",
    '{"event":1,"@timestamp":1}',
    400,
    '{"text":"No data","code":5}',
    0,
  ],
  [
    "an unknown key behind a good event",
    '{"event":1}{"event":2,"x":1}{"event":3}',
    200,
    '{"text":"Success","code":0}',
    1,
  ],
  [
    "a metric",
    '{"fields":{"metric_name:cpu":1}}',
    200,
    '{"text":"Success","code":0}',
    1,
  ],
];

for (const [name, body, status, reply, taken] of splunkRows) {
  Deno.test(`splunk target answers ${name}`, async () => {
    await using siem = await startDemoSiem({
      targets: { splunk: { protocol: "splunk", indexes: ["main"] } },
    });
    const posted = await post(siem, "splunk", body);
    assert.deepEqual([posted.status, posted.body], [status, reply]);
    assert.equal(siem.target("splunk").count, taken);
    assert.equal(
      siem.target("splunk").complaints.length,
      name.includes("unknown key") ? 1 : 0,
    );
  });
}

Deno.test("splunk target checks credential, path, method, encoding and size", async () => {
  await using siem = await startDemoSiem({
    targets: { splunk: { protocol: "splunk", token: "t", maxBody: 100 } },
  });
  const code = async (
    headers: Record<string, string>,
    body: string | Uint8Array<ArrayBuffer> = '{"event":1}',
    path = "/services/collector/event",
  ) => {
    const reply = await post(siem, "splunk", body, headers, path);
    return reply.body.startsWith("{")
      ? [reply.status, JSON.parse(reply.body).code]
      : [reply.status, reply.headers.get("content-type")?.slice(0, 9)];
  };
  assert.deepEqual(await code({ authorization: "" }), [401, 2]);
  assert.deepEqual(await code({ authorization: "Splunk" }), [401, 2]);
  assert.deepEqual(await code({ authorization: "Bearer t" }), [401, 3]);
  assert.deepEqual(await code({ authorization: "Splunk u" }), [403, 4]);
  assert.deepEqual(await code({ authorization: `Basic ${btoa("x:t")}` }), [
    200,
    0,
  ]);
  assert.deepEqual(await code({}, "", "/services/collector/nothing"), [
    404,
    404,
  ]);
  assert.deepEqual(await code({}, "", "/services/collector/event?token=t"), [
    400,
    16,
  ]);
  const zipped = new Uint8Array(gzipSync('{"event":1}'));
  assert.deepEqual(await code({ "content-encoding": "gzip" }, zipped), [
    200,
    0,
  ]);
  assert.deepEqual(await code({ "content-encoding": "gzip" }), [
    400,
    "text/html",
  ]);
  assert.deepEqual(await code({ "content-encoding": "br" }), [
    415,
    "text/html",
  ]);
  assert.deepEqual(await code({}, `{"event":"${"x".repeat(100)}"}`), [
    413,
    "text/html",
  ]);
  const health = await fetch(`${siem.url}/splunk/services/collector/health`);
  assert.equal((await health.json()).code, 17);
});

Deno.test("crowdstrike target wants Bearer, objects in a row, no index, time in seconds", async () => {
  await using siem = await startDemoSiem();
  const target = siem.target("crowdstrike");
  const status = async (body: string, headers: Record<string, string> = {}) =>
    (await post(siem, "crowdstrike", body, headers)).status;
  assert.equal(
    await status('{"time":1773360000.123,"event":1}\n{"event":{"a"\n:2}}'),
    200,
  );
  assert.deepEqual(target.received.map((one) => text(one.event)), [
    "1",
    '{"a"\n:2}',
  ]);
  assert.equal(await status('{"event":1}', { authorization: "Bearer x" }), 403);
  assert.equal(
    await status('{"event":1}', { authorization: `Splunk ${target.token}` }),
    401,
  );
  assert.equal(await status('{"event":1}{"event":'), 400);
  assert.equal(await status('[{"event":1}]'), 400);
  assert.equal(await status('{"event":1}\n{"event":1,"index":"main"}'), 400);
  assert.equal(target.count, 2, "a refused request leaves nothing");
  assert.deepEqual(target.complaints, []);
  assert.equal(await status('{"event":1,"time":1773360000123}'), 200);
  assert.match(target.complaints.join(), /time is not in seconds/);
  const raw = await post(
    siem,
    "crowdstrike",
    "a line\r\n\nanother",
    {},
    "/key-1/services/collector/raw",
  );
  assert.equal(raw.status, 200);
  assert.deepEqual(target.received.slice(-2).map((one) => text(one.event)), [
    "a line",
    "another",
  ]);
});

Deno.test("hec target wants data and collector_ms, one record a line, the prefix it was set to", async () => {
  await using siem = await startDemoSiem({
    targets: {
      hec: { protocol: "hec" },
      bare: { protocol: "hec", prefix: "", token: "t" },
      plain: { protocol: "hec", wrap: "none" },
      wrapped: { protocol: "hec", wrap: "hec" },
    },
  });
  const reply = await post(siem, "hec", `${record('{"a":1}')}\n${record("2")}`);
  assert.deepEqual([reply.status, reply.body], [200, '{"error":"false"}']);
  assert.deepEqual(siem.received("hec").map((one) => text(one.event)), [
    '{"a":1}',
    "2",
  ]);
  for (
    const wrong of [
      '{"data":1}',
      '{"data":1,"collector_ms":1773360000.123}',
      '{"data":1,"collector_ms":1773360000}',
      '{"data":1,"collector_ms":1773360000123,"more":1}',
      record("1") + record("2"),
      `[${record("1")}]`,
    ]
  ) {
    assert.equal((await post(siem, "hec", wrong)).status, 400, wrong);
  }
  const zipped = new Uint8Array(gzipSync(record("1")));
  assert.equal(
    (await post(siem, "hec", zipped, { "content-encoding": "gzip" })).status,
    500,
  );
  assert.equal((await post(siem, "bare", record("1"))).status, 401);
  assert.equal(
    (await post(siem, "bare", record("1"), { authorization: "t" })).status,
    200,
  );
  assert.equal((await post(siem, "plain", '"x"\n{}')).status, 200);
  assert.equal((await post(siem, "wrapped", '{"event":7}')).status, 200);
  assert.equal(text(siem.received("wrapped")[0]?.event), "7");
});

Deno.test("memory keeps the last arrivals, fewer bytes, and counts all", async () => {
  await using siem = await startDemoSiem({
    memory: { arrivals: 3, bytes: 1, requests: 2 },
  });
  for (let n = 0; n < 5; n++) await post(siem, "hec", record(String(n)));
  const target = siem.target("hec");
  assert.equal(target.count, 5);
  assert.deepEqual(target.received.map((one) => one.number), [2, 3, 4]);
  assert.deepEqual(
    target.received.map((one) => one.event && text(one.event)),
    [undefined, undefined, "4"],
  );
  assert.equal(target.requests.length, 2);
});

Deno.test("until() resolves on arrival and fails saying how far it came", async () => {
  await using siem = await startDemoSiem();
  const waiting = siem.target("hec").until(2);
  await post(siem, "hec", `${record("1")}\n${record("2")}`);
  await waiting;
  await assert.rejects(
    siem.target("hec").until(3, { timeout: 1 }),
    /waited 1 ms for 3 events; 2 came in 1 requests; last answers: 200/,
  );
});

Deno.test("serves HTTPS", async () => {
  const certificates = await makeCertificates();
  if (certificates === undefined) return;
  await using siem = await startDemoSiem({ tls: certificates.good });
  using client = Deno.createHttpClient({ caCerts: [certificates.ca] });
  const target = siem.target("splunk");
  const reply = await fetch(target.url, {
    client,
    method: "POST",
    body: '{"event":1}',
    headers: { authorization: `Splunk ${target.token}` },
  });
  assert.equal((await reply.json()).code, 0);
});

Deno.test("environment() names one connector of each protocol", async () => {
  await using siem = await startDemoSiem();
  assert.deepEqual(siem.environment(), {
    SPLUNK_HEC_URL: `${siem.url}/splunk/services/collector/event`,
    SPLUNK_HEC_TOKEN: "demo-siem-splunk",
    NGSIEM_URL: `${siem.url}/crowdstrike/services/collector`,
    NGSIEM_API_KEY: "demo-siem-crowdstrike",
    HEC_URL: `${siem.url}/hec/logs/v1/event`,
    HEC_TOKEN: "demo-siem-hec",
  });
});

Deno.test("all nine stand at once, each with the variables of its connector", async () => {
  await using siem = await startDemoSiem({ targets: EVERY_PROTOCOL });
  const { port } = new URL(siem.target("qradar").url);
  assert.deepEqual(siem.environment(), {
    SPLUNK_HEC_URL: `${siem.url}/splunk/services/collector/event`,
    SPLUNK_HEC_TOKEN: "demo-siem-splunk",
    SENTINEL_TENANT_ID: "11111111-2222-3333-4444-555555555555",
    SENTINEL_CLIENT_ID: "66666666-7777-8888-9999-000000000000",
    SENTINEL_CLIENT_SECRET: "demo-siem-sentinel",
    SENTINEL_DCR_ENDPOINT: `${siem.url}/sentinel`,
    SENTINEL_DCR_RULE_ID: "dcr-00000000000000000000000000000000",
    SENTINEL_DCR_STREAM_NAME: "Custom-ArbitexAudit_CL",
    SENTINEL_AUTHORITY_HOST: `${siem.url}/sentinel`,
    ELASTIC_URL: `${siem.url}/elastic`,
    ELASTIC_API_KEY: btoa("demo:demo-siem-elastic"),
    DATADOG_URL: `${siem.url}/datadog`,
    DATADOG_API_KEY: "demo-siem-datadog",
    SUMO_HTTP_SOURCE_URL: `${siem.url}/sumo/receiver/v1/http/demo-siem-sumo`,
    QRADAR_SYSLOG_HOST: "127.0.0.1",
    QRADAR_SYSLOG_PORT: port,
    QRADAR_SYSLOG_PROTOCOL: "tcp",
    XSIAM_URL: `${siem.url}/xsiam/logs/v1/event`,
    XSIAM_API_KEY: "demo-siem-xsiam",
    XSIAM_API_KEY_ID: "7",
    NGSIEM_URL: `${siem.url}/crowdstrike/services/collector`,
    NGSIEM_API_KEY: "demo-siem-crowdstrike",
    HEC_URL: `${siem.url}/hec/logs/v1/event`,
    HEC_TOKEN: "demo-siem-hec",
  });
  assert.throws(() => siem.fault("hec", { kind: "refuse" }), RangeError);
});

Deno.test("startDemoSiem() shows at / how many events each collector has, and the newest", async () => {
  await using siem = await startDemoSiem();
  await post(siem, "splunk", '{"event":"one"}{"event":"two \\u001b[31m\x9b"}');
  const reply = await fetch(siem.url);
  assert.equal(reply.status, 200);
  const page = await reply.text();
  assert.match(page, /^splunk: 2 events\n {2}\{"event":"two .*\?"\}\n/);
  assert.match(page, /\ncrowdstrike: 0 events\n/);
  assert.equal(
    (await (await fetch(`${siem.url}/nobody`)).text()).trim(),
    'No collector is called "nobody".',
  );
});
