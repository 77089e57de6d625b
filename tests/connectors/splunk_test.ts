import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { splunk } from "../../connectors/splunk.ts";
import { systemClock } from "../../lib/clock.ts";
import type { Outcome } from "../../lib/connector.ts";
import type { BatchBuffer } from "../../lib/delivery/batch_buffer.ts";
import { openHttp } from "../../lib/delivery/http_client.ts";
import type {
  HttpExchange,
  HttpRequest,
  HttpTarget,
} from "../../lib/delivery/http_exchange.ts";
import type { EventRun } from "../../lib/event.ts";
import { ManualClock } from "../support/manual_clock.ts";
import {
  always,
  type ScriptedConnection,
  ScriptedServer,
} from "../support/scripted_server.ts";
import {
  answer,
  bodyText,
  encoded,
  hecRun,
  numbered,
  openSink,
  rawRun,
} from "../support/sinks.ts";
import { needsTestData } from "../support/test_data.ts";

const ENV = {
  SPLUNK_HEC_URL: "http://127.0.0.1:9",
  SPLUNK_HEC_TOKEN: "11111111-2222-3333-4444-555555555555",
};

/** One attempt with these events against one answer. */
async function attempt(
  reply: string,
  run: EventRun = numbered(5),
  env: Readonly<Record<string, string>> = {},
): Promise<{ outcome: Outcome; server: ScriptedServer; batch: BatchBuffer }> {
  await using server = new ScriptedServer(always(reply));
  await using sink = openSink(splunk, {
    ...ENV,
    SPLUNK_HEC_URL: `http://127.0.0.1:${server.port}`,
    ...env,
  });
  const batch = encoded(sink, run);
  const outcome = await sink.deliver(batch, AbortSignal.timeout(20_000));
  return { outcome, server, batch };
}

async function body(
  run: EventRun,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  await using sink = openSink(splunk, { ...ENV, ...env });
  return bodyText(sink, run);
}

/** The outcome without its words. */
function bare(outcome: Outcome): unknown {
  const { message: _, warning: __, help: ___, rejections, ...rest } = {
    message: "",
    warning: "",
    help: "",
    rejections: undefined,
    ...outcome,
  };
  return rejections === undefined
    ? rest
    : { ...rest, rejections: rejections.map(({ at, reason }) => [at, reason]) };
}

const E1 =
  '{"activity_id":1,"category_uid":6,"class_uid":6003,"type_uid":600301,"time":1773360000123,"severity_id":1,"metadata":{"version":"1.1.0","uid":"evt-0001"}}';

Deno.test("T01 splunk: envelopes joined by line feeds, headers, delivered", async () => {
  const run = hecRun(`{"event":${E1}}{"event":"two"}`);
  const { outcome, server } = await attempt(
    answer(200, { text: "Success", code: 0 }),
    run,
    { HECATE_HOSTNAME: "relay-01" },
  );
  assert.deepEqual(outcome, { kind: "delivered" });
  const request = server.requests[0];
  assert.equal(
    new TextDecoder().decode(request?.body),
    `{"time":1773360000.123,"host":"relay-01","source":"arbitex-platform","sourcetype":"arbitex:audit","index":"arbitex","event":${E1}}\n` +
      '{"time":1773360000.123,"host":"relay-01","source":"arbitex-platform","sourcetype":"arbitex:audit","index":"arbitex","event":"two"}',
  );
  const head = request?.head ?? "";
  assert.match(head, /^POST \/services\/collector\/event HTTP\/1\.1\r$/m);
  assert.match(
    head,
    /^authorization: Splunk 11111111-2222-3333-4444-555555555555\r?$/im,
  );
  assert.match(head, /^x-splunk-request-channel: [0-9a-f-]{36}\r?$/im);
  assert.match(head, /^content-type: application\/json\r?$/im);
  assert.doesNotMatch(head, /content-encoding/i);
});

Deno.test("splunk: bodies over 1 KB are gzipped unless switched off", async () => {
  const ok = answer(200, { text: "Success", code: 0 });
  const zipped = await attempt(ok, numbered(100));
  const [request] = zipped.server.requests;
  assert.match(request?.head ?? "", /^content-encoding: gzip\r?$/im);
  const plain = await attempt(ok, numbered(100), { SPLUNK_HEC_GZIP: "off" });
  assert.deepEqual(
    new Uint8Array(gunzipSync(request?.body ?? new Uint8Array())),
    plain.server.requests[0]?.body,
  );
});

Deno.test("splunk: requests of one kind share one list of headers, so that their head is made once", async () => {
  await using server = new ScriptedServer(
    always(answer(200, { text: "Success", code: 0 })),
  );
  const lists: HttpRequest["headers"][] = [];
  const http = (target: HttpTarget): HttpExchange => {
    const exchange = openHttp(target, { clock: systemClock });
    const send = exchange.send.bind(exchange);
    exchange.send = (request, signal) => {
      lists.push(request.headers);
      return send(request, signal);
    };
    return exchange;
  };
  const env = {
    ...ENV,
    SPLUNK_HEC_URL: `http://127.0.0.1:${server.port}`,
  };
  await using sink = openSink(splunk, env, systemClock, { http });
  for (const events of [1, 1, 100, 100]) {
    const batch = encoded(sink, numbered(events));
    await sink.deliver(batch, AbortSignal.timeout(20_000));
  }
  const [plain, plainToo, packed, packedToo] = lists;
  assert.ok(plain !== undefined && plain === plainToo);
  assert.ok(packed !== undefined && packed === packedToo);
  assert.deepEqual(
    server.requests.map(({ head }) => /content-encoding: gzip/i.test(head)),
    [false, false, true, true],
  );
});

Deno.test("splunk: what the producer gave wins, its time keeps its digits and quotes", async () => {
  const given =
    '"host":"h","source":"s","sourcetype":"t","index":"i","fields":{"a":["x", 1]}';
  for (
    const time of ["1747771778324434944", '"1747771778.1"', "1e9", "0.5", "-1"]
  ) {
    assert.equal(
      await body(hecRun(`{"time":${time},${given},"event":{"n": 1.0}}`)),
      `{"time":${time},"host":"h","source":"s","sourcetype":"t","index":"i","event":{"n": 1.0},"fields":{"a":["x", 1]}}`,
    );
  }
});

Deno.test("splunk: empty metadata is left out, producer's and settings' alike", async () => {
  const env = {
    SPLUNK_HEC_INDEX: "",
    SPLUNK_HEC_SOURCE: "",
    SPLUNK_HEC_SOURCETYPE: "",
  };
  assert.equal(
    await body(
      hecRun('{"index":"","source":null,"host":"","fields":{},"event":1}'),
      env,
    ),
    '{"time":1773360000.123,"host":"relay-01","event":1}',
  );
});

Deno.test("splunk: raw lines are JSON strings, broken UTF-8 becomes U+FFFD", async () => {
  const line = Uint8Array.of(0x61, 0x22, 0x5c, 0x09, 0xff, 0x80, 0xc3);
  const text = await body(rawRun(line));
  assert.equal(JSON.parse(text).event, 'a"\\\t\ufffd\ufffd\ufffd');
});

Deno.test("splunk: line breaks between tokens stay; a metric leaves as it came", async () => {
  const event = '{\r\n  "a": 1\n}';
  assert.ok((await body(hecRun(`{"event":${event}}`))).endsWith(`${event}}`));
  const metric = '{"time":1, "fields":{"metric_name:cpu":0.5}}';
  assert.equal(await body(hecRun(metric)), metric);
  const whole = '{"host":"x","fields":{"a":"b"}}';
  assert.match(
    await body(hecRun(whole, "ngsiem")),
    /"event":\{"host":"x","fields":\{"a":"b"\}\}\}$/,
  );
});

Deno.test("splunk: base address, full address and path before it", async () => {
  const ok = answer(200, { text: "Success", code: 0 });
  for (
    const [given, sent] of [
      ["", "/services/collector/event"],
      ["/", "/services/collector/event"],
      ["/splunk/", "/splunk/services/collector/event"],
      ["/services/collector", "/services/collector"],
      ["/services/collector/event", "/services/collector/event"],
      ["/x/services/collector/event/1.0", "/x/services/collector/event/1.0"],
    ]
  ) {
    await using server = new ScriptedServer(always(ok));
    await using sink = openSink(splunk, {
      ...ENV,
      SPLUNK_HEC_URL: `http://127.0.0.1:${server.port}${given}`,
    });
    await sink.deliver(encoded(sink, numbered(1)), AbortSignal.timeout(20_000));
    assert.equal(server.requests[0]?.head.split(" ")[1], sent);
  }
});

/** Answers to five events (places 0 to 4) and what they mean. */
const TABLE: readonly (readonly [string, string, unknown])[] = [
  ["T02 code 24", answer(200, { text: "queue", code: 24 }), {
    kind: "delivered",
    slowDown: 30_000,
  }],
  ["T02 code 25", answer(200, { text: "ack", code: 25 }), {
    kind: "delivered",
    slowDown: 30_000,
  }],
  ["T03 code 6 at 2", refusal(6, 2), {
    kind: "rejected",
    rejections: [[2, "rejected"]],
    pending: [3, 4],
  }],
  ["code 12 at 0", refusal(12, 0), {
    kind: "rejected",
    rejections: [[0, "rejected"]],
    pending: [1, 2, 3, 4],
  }],
  ["code 13 at 4", refusal(13, 4), {
    kind: "rejected",
    rejections: [[4, "rejected"]],
    pending: [],
  }],
  ["code 15 at 1", refusal(15, 1), {
    kind: "rejected",
    rejections: [[1, "rejected"]],
    pending: [2, 3, 4],
  }],
  ["code 6 without number", refusal(6), { kind: "split", reason: "rejected" }],
  ["code 6 outside", refusal(6, 5), { kind: "split", reason: "rejected" }],
  ["code 6 negative", refusal(6, -1), { kind: "split", reason: "rejected" }],
  ["code 5", refusal(5), { kind: "split", reason: "rejected" }],
  ["T04 code 7 at 1, index from settings", refusal(7, 1), {
    kind: "held",
    reason: "config",
  }],
  [
    "code 7 at 3: what stands before is stored, then held",
    refusal(7, 3),
    { kind: "rejected", rejections: [], pending: [2, 3, 4] },
  ],
  ["code 7 without number", refusal(7), { kind: "split", reason: "rejected" }],
  ["code 10", refusal(10), { kind: "held", reason: "config" }],
  ["code 11", refusal(11), { kind: "held", reason: "config" }],
  ["code 28", refusal(28), { kind: "held", reason: "config" }],
  ["code 14", refusal(14), { kind: "retry", reason: "unclear" }],
  ["code 16", refusal(16), { kind: "held", reason: "config" }],
  ["code 21", refusal(21), { kind: "held", reason: "auth" }],
  ["code 22", refusal(22), { kind: "held", reason: "auth" }],
  ["code 1", answer(403, { text: "Token disabled", code: 1 }), {
    kind: "held",
    reason: "forbidden",
  }],
  ["code 2", answer(401, { text: "Token is required", code: 2 }), {
    kind: "held",
    reason: "auth",
  }],
  ["code 8", answer(500, { text: "Internal", code: 8 }), {
    kind: "retry",
    reason: "server",
  }],
  ["T08 code 9", answer(503, { text: "Server is busy", code: 9 }), {
    kind: "retry",
    reason: "server",
  }],
  [
    "code 9 at 2",
    answer(503, { text: "busy", code: 9, "invalid-event-number": 2 }, {
      "retry-after": "3",
    }),
    { kind: "retry", reason: "server", pending: [2, 3, 4], after: 3000 },
  ],
  [
    "code 9 outside",
    answer(503, { code: 9, "invalid-event-number": 17 }),
    { kind: "retry", reason: "server" },
  ],
  ["code 18", answer(503, { code: 18 }), { kind: "retry", reason: "server" }],
  ["code 23", answer(503, { code: 23 }), { kind: "retry", reason: "server" }],
  ["T10 code 26", answer(429, { code: 26 }, { "retry-after": "7" }), {
    kind: "retry",
    reason: "slow_down",
    after: 7000,
  }],
  ["code 27", answer(429, { code: 27 }), {
    kind: "retry",
    reason: "slow_down",
  }],
  [
    "T14 502 web page",
    answer(502, "<html><title>Bad gateway", { "content-type": "text/html" }),
    { kind: "retry", reason: "server" },
  ],
  ["200 without code", answer(200, "{}"), {
    kind: "retry",
    reason: "unclear",
  }],
  ["200 with code 17", answer(200, { code: 17 }), {
    kind: "retry",
    reason: "unclear",
  }],
  ['200 with code "0"', answer(200, { code: "0" }), {
    kind: "retry",
    reason: "unclear",
  }],
  ["200 with null", answer(200, "null"), { kind: "retry", reason: "unclear" }],
  ["204", answer(204), { kind: "retry", reason: "unclear" }],
  ["413 with code 6", answer(413, { text: "Content too large", code: 6 }), {
    kind: "split",
    reason: "too_large",
  }],
  ["408 with code 6", answer(408, { code: 6 }), {
    kind: "retry",
    reason: "slow_down",
  }],
];

function refusal(code: number, number?: number): string {
  return answer(400, {
    text: "refused",
    code,
    ...number !== undefined && { "invalid-event-number": number },
  });
}

for (const [what, reply, expected] of TABLE) {
  Deno.test(`splunk answer: ${what}`, async () => {
    assert.deepEqual(bare((await attempt(reply)).outcome), expected);
  });
}

Deno.test("T03 splunk: the events before the one that code 6 names have an answer that says they were taken", async () => {
  const { batch } = await attempt(refusal(6, 2));
  assert.equal(batch.answer?.status, 400);
  assert.equal(
    batch.answer.message,
    'Taken; a later event of the request was refused: {"text":"refused","code":6,"invalid-event-number":2}',
  );
});

Deno.test("T04 splunk: the help names the index; a producer's own index is a rejection", async () => {
  const { outcome } = await attempt(refusal(7, 1), numbered(5), {
    SPLUNK_HEC_INDEX: "soc",
  });
  assert.ok(outcome.kind === "held");
  assert.match(outcome.help, /index soc/);
  const own = hecRun('{"event":1}{"index":"theirs","event":2}{"event":3}');
  assert.deepEqual(bare((await attempt(refusal(7, 2), own)).outcome), {
    kind: "rejected",
    rejections: [[1, "rejected"]],
    pending: [2],
  });
});

Deno.test("T05 splunk: code 6 number 0 with more than 5,000,000 bytes is split as too large", async () => {
  const run = hecRun(`{"event":"${"x".repeat(2_600_000)}"}`.repeat(2));
  const big = { SPLUNK_HEC_BATCH_BYTES: "6MB" };
  assert.deepEqual(bare((await attempt(refusal(6, 0), run, big)).outcome), {
    kind: "split",
    reason: "too_large",
  });
});

Deno.test("T06 T07 splunk: a refused token is held with what to do", async () => {
  const unknown = await attempt(
    answer(403, { text: "Invalid token", code: 4 }),
  );
  assert.ok(unknown.outcome.kind === "held");
  assert.match(unknown.outcome.help, /does not know this token/);
  const scheme = await attempt(
    answer(401, { text: "Invalid authorization", code: 3 }),
  );
  assert.ok(scheme.outcome.kind === "held");
  assert.match(scheme.outcome.help, /scheme Splunk/);
});

Deno.test("T09 splunk: 503 code 9 with a number goes on from there", async () => {
  const reply = answer(503, { code: 9, "invalid-event-number": 10 });
  const { outcome } = await attempt(reply, numbered(20));
  assert.ok(outcome.kind === "retry");
  assert.deepEqual(outcome.pending, [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
});

Deno.test("T13 splunk: the test sends an empty body and takes code 5 for good", async () => {
  await using server = new ScriptedServer(always(refusal(5)));
  await using sink = openSink(splunk, {
    ...ENV,
    SPLUNK_HEC_URL: `http://127.0.0.1:${server.port}`,
  });
  const steps = await Array.fromAsync(sink.test(AbortSignal.timeout(20_000)));
  assert.ok(steps.every(({ ok }) => ok));
  assert.equal(server.requests[0]?.body.length, 0);
});

Deno.test("splunk: positions count written events, outcomes name places of the run", async () => {
  // Place 1 is refused by the buffer (too large), so the body's position 1 is place 2.
  const run = hecRun(
    `{"event":0}{"event":"${"x".repeat(5_100_000)}"}{"event":2}{"event":3}`,
  );
  const { outcome } = await attempt(refusal(6, 1), run);
  assert.deepEqual(bare(outcome), {
    kind: "rejected",
    rejections: [[2, "rejected"]],
    pending: [3],
  });
});

const COOKIE = "a1b2c3d4e5f6";
const CHANNEL = "00000000-0000-4000-8000-000000000000";

/** A collector that takes everything as id 4 and answers questions about it with these, then hangs up. */
function acking(answers: readonly string[]) {
  let asked = 0;
  return async (connection: ScriptedConnection) => {
    for (;;) {
      const { head } = await connection.request();
      if (!head.includes("/services/collector/ack")) {
        await connection.write(
          answer(200, { text: "Success", code: 0, ackId: 4 }, {
            "set-cookie": `AWSELB=${COOKIE}; Path=/`,
          }),
        );
        continue;
      }
      await connection.write(answers[asked++] ?? answers.at(-1) ?? "");
    }
  };
}

/** One delivery with acks on, the clock moved on by 10 s whenever it waits. */
async function acked(answers: readonly string[]) {
  const clock = new ManualClock();
  await using server = new ScriptedServer(acking(answers));
  await using sink = openSink(splunk, {
    ...ENV,
    SPLUNK_HEC_URL: `http://127.0.0.1:${server.port}`,
    SPLUNK_HEC_ACK: "on",
  }, clock);
  const batch = encoded(sink, numbered(5));
  let isOver = false;
  const delivered = sink.deliver(batch, AbortSignal.timeout(20_000))
    .finally(() => {
      isOver = true;
    });
  let waited = 0;
  for (;;) {
    await Promise.race([clock.untilSleeping(), delivered]);
    if (isOver) break;
    clock.advance(10_000);
    waited += 10;
  }
  return { outcome: await delivered, server, waited };
}

const NOT_YET = answer(200, { acks: { "4": false } });
const INDEXED = answer(200, { acks: { "4": true } });

Deno.test("T11 splunk acks: delivered once the id is true, asked every 10 s on the batch's channel, with its cookie", async () => {
  const { outcome, server, waited } = await acked([NOT_YET, NOT_YET, INDEXED]);
  assert.deepEqual(outcome, { kind: "delivered" });
  assert.equal(waited, 30);
  const [event, ...questions] = server.requests;
  assert.equal(questions.length, 3);
  assert.match(
    event?.head ?? "",
    new RegExp(`^x-splunk-request-channel: ${CHANNEL}\r?$`, "im"),
  );
  for (const { head, body } of questions) {
    assert.match(
      head,
      new RegExp(`^POST /services/collector/ack\\?channel=${CHANNEL} HTTP`),
    );
    assert.match(head, /^authorization: Splunk 11111111-/im);
    assert.match(head, new RegExp(`^cookie: AWSELB=${COOKIE}\r?$`, "im"));
    assert.equal(new TextDecoder().decode(body), '{"acks":[4]}');
  }
});

Deno.test("T12 splunk acks: never true within 300 s is a retry on the same channel", async () => {
  const busy = answer(503, { text: "Server is busy", code: 9 });
  for (const answers of [[NOT_YET], [busy], ["garbage\r\n\r\n"]]) {
    const { outcome, server, waited } = await acked(answers);
    assert.ok(outcome.kind === "retry");
    assert.equal(outcome.reason, "timeout");
    assert.match(outcome.message, /300 s.* may be there twice/);
    assert.equal(outcome.pending, undefined, "all of it goes again");
    assert.equal(waited, 300);
    for (const { head } of server.requests) assert.ok(head.includes(CHANNEL));
  }
});

Deno.test("splunk acks: what the collector says of an id shows neither token nor cookies", async () => {
  const text = `no session ${COOKIE} for ${ENV.SPLUNK_HEC_TOKEN}`;
  const { outcome } = await acked([answer(503, { text, code: 9 })]);
  assert.ok(outcome.kind === "retry");
  assert.match(outcome.message, /no session \[secret\] for \[secret\]/);
});

Deno.test("splunk acks: a token without them turns asking off, with a warning", async () => {
  const { outcome, waited } = await acked([refusal(14)]);
  assert.ok(outcome.kind === "delivered");
  assert.match(outcome.warning ?? "", /enable indexer acknowledgment/);
  assert.equal(waited, 10);
  await using server = new ScriptedServer(
    always(answer(200, { text: "Success", code: 0 })),
  );
  await using sink = openSink(splunk, {
    ...ENV,
    SPLUNK_HEC_URL: `http://127.0.0.1:${server.port}`,
    SPLUNK_HEC_ACK: "on",
  }, new ManualClock());
  const plain = await sink.deliver(
    encoded(sink, numbered(1)),
    AbortSignal.timeout(20_000),
  );
  assert.ok(plain.kind === "delivered" && plain.warning !== undefined);
  assert.equal(server.requests.length, 1);
});

Deno.test("splunk acks: an abort ends the wait", async () => {
  const clock = new ManualClock(), stop = new AbortController();
  await using server = new ScriptedServer(acking([NOT_YET]));
  await using sink = openSink(splunk, {
    ...ENV,
    SPLUNK_HEC_URL: `http://127.0.0.1:${server.port}`,
    SPLUNK_HEC_ACK: "on",
  }, clock);
  const delivered = sink.deliver(encoded(sink, numbered(1)), stop.signal);
  await clock.untilSleeping();
  const reason = new Error("stop");
  stop.abort(reason);
  await assert.rejects(delivered, reason);
});

needsTestData("splunk: golden request of the seed", async (directory) => {
  const read = (name: string) =>
    JSON.parse(Deno.readTextFileSync(`${directory}/seeds/${name}`));
  const event = read("splunk.event.json");
  const text = await body(
    hecRun(JSON.stringify({ host: "platform.arbitex.ai", event })),
  );
  const golden = read("splunk.request.json");
  assert.deepEqual(JSON.parse(text), golden);
  assert.deepEqual(Object.keys(JSON.parse(text)), Object.keys(golden));
});
