import assert from "node:assert/strict";
import { join } from "node:path";
import { datadog } from "../../connectors/datadog.ts";
import { loadConfiguration } from "../../lib/config/load.ts";
import type { Outcome } from "../../lib/connector.ts";
import { openHttp } from "../../lib/delivery/http_client.ts";
import { TransportError } from "../../lib/delivery/transport_error.ts";
import type { EventRun } from "../../lib/event.ts";
import { Rig } from "../support/delivery_rig.ts";
import { ManualClock } from "../support/manual_clock.ts";
import {
  always,
  type Script,
  ScriptedServer,
  type SeenRequest,
} from "../support/scripted_server.ts";
import {
  answer,
  bodyText,
  encoded,
  hecRun,
  numbered,
  openSink,
  rawRun,
  RECEIVED_AT,
  sinkEnvironment,
} from "../support/sinks.ts";
import { needsTestData } from "../support/test_data.ts";

const KEY = "0123456789abcdef0123456789abcdef";
const ENV = { DATADOG_API_KEY: KEY, DATADOG_URL: "http://127.0.0.1:9" };
const TAKEN = answer(202, {});
const FORBIDDEN = answer(403, {
  errors: [{ status: "403", title: "Forbidden", detail: `key ${KEY}` }],
});

const at = (server: ScriptedServer) => ({
  ...ENV,
  DATADOG_URL: `http://127.0.0.1:${server.port}`,
});

async function attempt(
  reply: string,
  run: EventRun = numbered(5),
  env: Readonly<Record<string, string>> = {},
): Promise<{ outcome: Outcome; server: ScriptedServer }> {
  await using server = new ScriptedServer(always(reply));
  await using sink = openSink(
    datadog,
    { ...at(server), ...env },
    new ManualClock(RECEIVED_AT),
  );
  const batch = encoded(sink, run);
  const outcome = await sink.deliver(batch, AbortSignal.timeout(20_000));
  assert.ok(!JSON.stringify(outcome).includes(KEY));
  return { outcome, server };
}

async function body(
  run: EventRun,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  await using sink = openSink(datadog, { ...ENV, ...env });
  return bodyText(sink, run);
}

interface Entry {
  readonly ddsource: string;
  readonly ddtags: string;
  readonly hostname: string;
  readonly service: string;
  readonly timestamp: number;
  readonly status: string;
  readonly message: string;
}

function entriesOf(text: string): Entry[] {
  return JSON.parse(text);
}

const messages = (request: SeenRequest | undefined) =>
  entriesOf(new TextDecoder().decode(request?.body)).map(({ message }) =>
    message
  );

/** The one entry that a HEC body becomes. */
async function entry(
  hec: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Entry> {
  const [only, ...more] = entriesOf(await body(hecRun(hec), env));
  assert.ok(only !== undefined && more.length === 0);
  return only;
}

/** Answers by what a request is. */
function answering(reply: (request: SeenRequest) => string): Script {
  return async (connection) => {
    for (;;) await connection.write(reply(await connection.request()));
  };
}

const ocsf = (members: string) =>
  `{"class_uid":6003,"metadata":{"version":"1.1.0"},${members}}`;

needsTestData(
  "datadog: golden request of the seed, timestamp and status beside it",
  async (directory) => {
    const read = (file: string) =>
      Deno.readTextFileSync(join(directory, "seeds", file)).trimEnd();
    const event = JSON.stringify(JSON.parse(read("datadog.event.json")));
    const run = hecRun(`{"host":"platform.arbitex.ai","event":${event}}`);
    const env = { DATADOG_TAGS: "env:production" };
    const wanted = read("datadog.request.json");
    for (const format of ["native", "ocsf"]) {
      const shaped = { ...env, DATADOG_FORMAT: format };
      assert.equal(
        await body(run, { ...shaped, DATADOG_SEED_SHAPE: "true" }),
        wanted,
      );
      const [{ timestamp, status, ...rest }, ...more] = entriesOf(
        await body(run, shaped),
      ) as [Entry];
      assert.deepEqual([timestamp, status], [1741824000123, "info"]);
      assert.equal(JSON.stringify([rest, ...more]), wanted);
    }
  },
);

Deno.test("datadog: headers, array, members in order", async () => {
  const { outcome, server } = await attempt(TAKEN, numbered(2), {
    DATADOG_TAGS: "env:production,team:security",
  });
  assert.deepEqual(outcome, { kind: "delivered" });
  const [request] = server.requests;
  const head = request?.head ?? "";
  assert.match(head, /^POST \/api\/v2\/logs HTTP\/1\.1\r$/m);
  assert.match(head, new RegExp(`^dd-api-key: ${KEY}\\r?$`, "im"));
  assert.match(head, /^content-type: application\/json\r?$/im);
  const one = (n: number) =>
    `{"ddsource":"arbitex-audit","ddtags":"env:production,team:security,service:arbitex","hostname":"relay-01","service":"arbitex","timestamp":${RECEIVED_AT},"status":"info","message":"{\\"n\\":${n}}"}`;
  assert.equal(
    new TextDecoder().decode(request?.body),
    `[${one(0)},${one(1)}]`,
  );
});

Deno.test("T35 datadog: of 1001 events 1000 go in one request, then 1", async () => {
  await using server = new ScriptedServer(always(TAKEN));
  const sink = openSink(datadog, {
    ...at(server),
    HECATE_BATCH_EVENTS: "1001",
    DATADOG_GZIP: "off",
  });
  const rig = new Rig({ sink });
  rig.append(...Array.from({ length: 1001 }, (_, n) => `${n}`));
  await rig.fleet.wake();
  assert.deepEqual(
    server.requests.map((request) => messages(request).length),
    [1000, 1],
  );
  assert.equal(rig.books, "1001 0 0 @1-1001");
  await rig.stop();
  const loaded = loadConfiguration({
    env: { ...ENV, DATADOG_BATCH_EVENTS: "1001" },
    readFile: () => "",
    types: [datadog],
  });
  assert.match(loaded.ok ? "" : loaded.faults.join(), /1000/);
});

Deno.test("T36 datadog: the message lacks the captions, status follows the severity", async () => {
  const table = [
    ["0", "info"],
    ["1", "info"],
    ["2", "notice"],
    ["3", "warn"],
    ["4", "error"],
    ["5", "critical"],
    ["6", "emergency"],
    ["99", "info"],
    ["7", "info"],
    ['"4"', "error"],
    ["null", "info"],
  ];
  for (const [severity, status] of table) {
    const event = ocsf(
      `"time":1773360000123,"severity_id":${severity}, "severity":"High","n":9007199254740993,"status_id":2,"status" : "Failure","unmapped":{"status":"f","severity":"f"},"d":1.0,"d":"\\u00e9"`,
    );
    const found = await entry(`{"event":${event}}`);
    assert.equal(found.status, status);
    assert.equal(found.timestamp, 1773360000123);
    assert.equal(
      found.message,
      ocsf(
        `"time":1773360000123,"severity_id":${severity},"n":9007199254740993,"status_id":2,"unmapped":{"status":"f","severity":"f"},"d":1.0,"d":"\\u00e9"`,
      ),
    );
    const whole = await entry(`{"event":${event}}`, {
      DATADOG_SEED_SHAPE: "on",
    });
    assert.equal(whole.message, event);
    assert.deepEqual(Object.keys(whole), [
      "ddsource",
      "ddtags",
      "hostname",
      "service",
      "message",
    ]);
  }
});

Deno.test("datadog: only top-level captions that are strings go, however they are spelt", async () => {
  const cases = [
    ['{"status":"a","severity":"b"}', "{}"],
    ['{"st\\u0061tus":"a","x":1,"status":"b"}', '{"x":1}'],
    [
      '{"status":5,"severity":null,"x":1}',
      '{"status":5,"severity":null,"x":1}',
    ],
    ['{"status":{"status":"a"}}', '{"status":{"status":"a"}}'],
    ['{"Status":"a"}', '{"Status":"a"}'],
    ['[{"status":"a"}]', '[{"status":"a"}]'],
    ['"status"', "status"],
    ['"a\\n\\"\\u0001é"', 'a\n"\u0001é'],
    ["1.0", "1.0"],
    ['{\n "status": "a",\n "x": 1\n}', '{\n "x": 1\n}'],
  ];
  for (const [event, message] of cases) {
    assert.equal((await entry(`{"event":${event}}`)).message, message, event);
  }
});

Deno.test("datadog: lines of text, broken UTF-8 becomes U+FFFD", async () => {
  const run = rawRun('a "b" \\ é', Uint8Array.of(0x61, 0xff, 0x09));
  const entries = entriesOf(await body(run));
  assert.deepEqual(entries.map(({ message }) => message), [
    'a "b" \\ é',
    "a\ufffd\t",
  ]);
  assert.deepEqual(entries.map(({ status }) => status), ["info", "info"]);
});

Deno.test("datadog: host, source and time are the producer's; an event that is no OCSF is info", async () => {
  const found = await entry(
    '{"host":"h\\u0061","source":"fw","time":"1747771778.5","event":{"severity_id":5,"time":1}}',
    { DATADOG_SOURCE: "mine", DATADOG_SERVICE: 'q"' },
  );
  assert.deepEqual(found, {
    ddsource: "fw",
    ddtags: 'service:q"',
    hostname: "ha",
    service: 'q"',
    timestamp: 1747771778500,
    status: "info",
    message: '{"severity_id":5,"time":1}',
  });
});

Deno.test("datadog: format ocsf maps what is none, its status follows", async () => {
  const [found] = entriesOf(
    await body(rawRun("a line"), { DATADOG_FORMAT: "ocsf" }),
  );
  const { class_uid, raw_data } = JSON.parse(found?.message ?? "");
  assert.deepEqual([class_uid, raw_data], [0, "a line"]);
  assert.equal(found?.status, "info");
});

Deno.test("T37 datadog: a refused key is held, nothing is given up", async () => {
  for (const status of [401, 403]) {
    await using server = new ScriptedServer(
      always(status === 403 ? FORBIDDEN : answer(401)),
    );
    const rig = new Rig({ sink: openSink(datadog, at(server)) });
    rig.append("0", "1");
    await rig.fleet.wake();
    assert.equal(rig.state, "held");
    const { lastError } = rig.log.place;
    assert.equal(lastError?.reason, "auth");
    assert.match(lastError?.help ?? "", /belong to one site.*DATADOG_SITE/);
    assert.ok(!JSON.stringify([lastError, rig.fields]).includes(KEY));
    assert.equal(rig.books, "0 0 0 @0-0");
    await rig.stop();
  }
});

Deno.test("T38 datadog: X-RateLimit-Reset counts as Retry-After", async () => {
  for (
    const [headers, wait] of [
      [{ "x-ratelimit-reset": "5" }, 5_000],
      [{ "x-ratelimit-reset": "5", "retry-after": "7" }, 7_000],
      [{ "x-ratelimit-reset": "5", "retry-after": "2" }, 5_000],
      [{ "x-ratelimit-reset": "4000" }, 300_000],
    ] as const
  ) {
    let seen = 0;
    await using server = new ScriptedServer(
      answering(() => seen++ === 0 ? answer(429, {}, headers) : TAKEN),
    );
    const sink = openSink(datadog, at(server));
    const rig = new Rig({ sink, random: () => 0 });
    rig.append("0", "1");
    await rig.fleet.wake();
    for (let left = wait - 1; left > 0; left -= 60_000) {
      await rig.pass(Math.min(left, 60_000));
    }
    assert.equal(seen, 1, `sent before ${wait}`);
    await rig.pass(1);
    assert.deepEqual(server.requests.map(messages), [["0", "1"], ["0", "1"]]);
    assert.equal(rig.books, "2 0 0 @1-2");
    await rig.stop();
  }
  for (const value of ["soon", "-1", ""]) {
    const { outcome } = await attempt(
      answer(429, "", { "x-ratelimit-reset": value }),
    );
    assert.ok(outcome.kind === "retry" && outcome.after === undefined, value);
  }
});

Deno.test("T39 datadog: an entry over 1 MB dies unsent, the rest of the batch is delivered", async () => {
  await using server = new ScriptedServer(always(TAKEN));
  const rig = new Rig({ sink: openSink(datadog, at(server)) });
  // 600 KB that take 1.2 MB once they are escaped.
  rig.append("0", `["${'\\"'.repeat(300_000)}"]`, "2");
  await rig.fleet.wake();
  assert.equal(server.requests.length, 1);
  assert.deepEqual(messages(server.requests[0]), ["0", "2"]);
  assert.equal(rig.books, "2 1 0 @1-3");
  assert.equal(rig.log.dead[0]?.reason, "too_large");
  assert.match(rig.log.dead[0]?.error ?? "", /1200\d{3} bytes/);
  await rig.stop();
});

Deno.test("datadog: an entry of 1 MB is sent, one byte more is not", async () => {
  await using sink = openSink(datadog, ENV);
  const one = encoded(sink, hecRun('{"event":"x"}')).body();
  const overhead = one.length - "[x]".length;
  const counts = [1_000_000, 1_000_001].map((size) => {
    const text = "x".repeat(size - overhead);
    const { places, refusals } = encoded(sink, hecRun(`{"event":"${text}"}`));
    return [places.length, refusals.length];
  });
  assert.deepEqual(counts, [[1, 0], [0, 1]]);
});

Deno.test("datadog: a 400 is halved down to the one event that is bad", async () => {
  await using server = new ScriptedServer(
    answering((request) =>
      messages(request).includes("bad") ? answer(400, {}) : TAKEN
    ),
  );
  const rig = new Rig({ sink: openSink(datadog, at(server)) });
  rig.append("0", '"bad"', "2", "3");
  await rig.fleet.wake();
  assert.equal(rig.dead, '"bad"');
  assert.equal(rig.books, "3 1 0 @1-4");
  await rig.stop();
});

/** Where the events of a connector with these settings go. */
async function intake(
  env: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const urls: string[] = [];
  const loaded = loadConfiguration({
    env: { DATADOG_API_KEY: KEY, ...env },
    readFile: () => "",
    types: [datadog],
  });
  if (!loaded.ok) return undefined;
  const { clock, ...given } = sinkEnvironment();
  await using _sink = loaded.connectors[0]?.open({
    ...given,
    clock,
    http: (target) => {
      urls.push(target.url.href);
      return openHttp(target, { clock });
    },
  });
  return urls[0];
}

Deno.test("T40 datadog: all nine sites by value and short name, custom sites and addresses", async () => {
  const sites = [
    ["us1", "datadoghq.com"],
    ["us3", "us3.datadoghq.com"],
    ["us5", "us5.datadoghq.com"],
    ["eu1", "datadoghq.eu"],
    ["ap1", "ap1.datadoghq.com"],
    ["ap2", "ap2.datadoghq.com"],
    ["uk1", "uk1.datadoghq.com"],
    ["us1-fed", "ddog-gov.com"],
    ["US2-FED", "us2.ddog-gov.com"],
    ["logs.example.com", "logs.example.com"],
  ];
  for (const [name = "", site = ""] of sites) {
    const url = `https://http-intake.logs.${site}/api/v2/logs`;
    assert.equal(await intake({ DATADOG_SITE: name }), url);
    assert.equal(await intake({ DATADOG_SITE: site }), url);
  }
  assert.equal(
    await intake({}),
    "https://http-intake.logs.datadoghq.com/api/v2/logs",
  );
  for (
    const wrong of ["https://datadoghq.eu", "app.datadoghq.com", "us9", "a b.c"]
  ) {
    assert.equal(await intake({ DATADOG_SITE: wrong }), undefined, wrong);
  }
  for (
    const [base, url] of [
      ["https://pl.example.com", "https://pl.example.com/api/v2/logs"],
      ["https://pl.example.com/dd/", "https://pl.example.com/dd/api/v2/logs"],
      [
        "https://pl.example.com/dd/api/v2/logs",
        "https://pl.example.com/dd/api/v2/logs",
      ],
    ] as const
  ) {
    assert.equal(await intake({ DATADOG_URL: base }), url);
  }
});

Deno.test("datadog test(): a pinned certificate is the intake's, not that of the host that knows keys", async () => {
  const seen: (readonly [string, string | undefined])[] = [];
  const { clock } = sinkEnvironment();
  await using sink = openSink(
    datadog,
    {
      DATADOG_API_KEY: KEY,
      DATADOG_TLS_PIN: `sha256:${"ab".repeat(32)}`,
    },
    clock,
    {
      http({ url, tls }) {
        seen.push([url.host, tls.pin?.slice(0, 4)]);
        return {
          send: () =>
            Promise.reject(new TransportError("dns", "No such name.")),
          async *way() {},
          [Symbol.asyncDispose]: () => Promise.resolve(),
        };
      },
    },
  );
  for await (const _ of sink.test(new AbortController().signal));
  assert.deepEqual(seen, [
    ["http-intake.logs.datadoghq.com", "abab"],
    ["api.datadoghq.com", undefined],
  ]);
});

Deno.test("T41 datadog: the connection test asks about the key, the intake sees nothing", async () => {
  for (
    const [reply, ok, detail] of [
      [answer(200, { valid: true }), true, /knows the API key/],
      [answer(403, { errors: ["Forbidden"] }), false, /one site/],
      [FORBIDDEN, false, /\[secret\]/],
      [answer(200, { valid: false }), false, /./],
      [answer(404), false, /DATADOG_SITE/],
    ] as const
  ) {
    await using server = new ScriptedServer(always(reply));
    await using sink = openSink(datadog, {
      ...ENV,
      DATADOG_URL: `http://127.0.0.1:${server.port}/dd/api/v2/logs`,
    });
    const steps = await Array.fromAsync(sink.test(AbortSignal.timeout(20_000)));
    assert.deepEqual(
      steps.map(({ name, ok }) => [name, ok]),
      [["address", true], ["connection", true], ["login", ok]],
    );
    assert.match(steps.at(-1)?.detail ?? "", detail);
    assert.ok(!JSON.stringify(steps).includes(KEY));
    assert.equal(server.requests.length, 1);
    const { head = "", body } = server.requests[0] ?? {};
    assert.match(head, /^GET \/dd\/api\/v1\/validate HTTP\/1\.1\r$/m);
    assert.match(head, new RegExp(`^dd-api-key: ${KEY}\\r?$`, "im"));
    assert.equal(body?.length, 0);
  }
});

Deno.test("datadog: an unknown address says what to check", async () => {
  const { outcome } = await attempt(answer(404));
  assert.ok(outcome.kind === "held" && outcome.reason === "path");
  assert.match(outcome.help, /DATADOG_SITE/);
});

Deno.test("datadog: events of more than 18 hours ago are delivered with a warning", async () => {
  const old = (hours: number) =>
    hecRun(
      `{"time":${RECEIVED_AT - hours * 3_600_000},"event":1}{"event":2}`,
    );
  const kept = await attempt(TAKEN, old(18));
  assert.deepEqual(kept.outcome, { kind: "delivered" });
  const { outcome } = await attempt(TAKEN, old(19));
  assert.ok(outcome.kind === "delivered");
  assert.match(outcome.warning ?? "", /18 h/);
});

Deno.test("datadog: a wrapped event holds the original's text unchanged, its line breaks too", async () => {
  const original = '{"a":\n[1,\r\n 2]}';
  await using sink = openSink(datadog, {
    DATADOG_API_KEY: "k",
    DATADOG_FORMAT: "ocsf",
  });
  const [entry] = JSON.parse(bodyText(sink, hecRun(`{"event":${original}}`)));
  assert.ok(entry.message.endsWith(`,"unmapped":${original}}`));
});
