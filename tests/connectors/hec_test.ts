import assert from "node:assert/strict";
import { hec } from "../../connectors/hec.ts";
import type { EventRun } from "../../lib/event.ts";
import { ScriptedServer } from "../support/scripted_server.ts";
import {
  answer,
  bodyText,
  encoded,
  hecRun,
  numbered,
  openSink,
  rawRun,
} from "../support/sinks.ts";

const ENV = { HEC_URL: "http://127.0.0.1:9/logs/v1/event", HEC_TOKEN: "tok-1" };

async function body(
  run: EventRun,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  await using sink = openSink(hec, { ...ENV, ...env });
  return bodyText(sink, run);
}

Deno.test("T63 hec: data and collector_ms with the prefix, Retry-After, then taken", async () => {
  await using server = new ScriptedServer(async (connection) => {
    await connection.request();
    await connection.write(answer(429, "", { "retry-after": "3" }));
    await connection.request();
    await connection.write(answer(200));
  });
  await using sink = openSink(hec, {
    ...ENV,
    HEC_URL: `http://127.0.0.1:${server.port}/x?y=1`,
  });
  const batch = encoded(sink, hecRun('{"event":{"a":1}}{"event":"b"}'));
  const signal = AbortSignal.timeout(20_000);
  const first = await sink.deliver(batch, signal);
  assert.ok(first.kind === "retry");
  assert.equal(first.after, 3000);
  assert.deepEqual(await sink.deliver(batch, signal), { kind: "delivered" });
  const [one, two] = server.requests;
  assert.deepEqual(one?.body, two?.body);
  assert.equal(
    new TextDecoder().decode(one?.body),
    '{"data":{"a":1},"collector_ms":1773360000123}\n{"data":"b","collector_ms":1773360000123}',
  );
  assert.match(
    one?.head ?? "",
    /^POST \/x\?y=1 HTTP[^]*^authorization: Bearer tok-1\r?$/im,
  );
});

Deno.test("hec: the prefix may be another word or empty", async () => {
  for (
    const [prefix, sent] of [["Splunk", "Splunk tok-1"], ["", "tok-1"], [
      " ",
      "tok-1",
    ]]
  ) {
    await using server = new ScriptedServer(async (connection) => {
      await connection.request();
      await connection.write(answer(401));
    });
    await using sink = openSink(hec, {
      ...ENV,
      HEC_URL: `http://127.0.0.1:${server.port}/`,
      HEC_TOKEN_PREFIX: prefix ?? "",
    });
    const outcome = await sink.deliver(
      encoded(sink, numbered(1)),
      AbortSignal.timeout(20_000),
    );
    assert.ok(outcome.kind === "held");
    assert.match(outcome.help, /wrong prefix \(now (Splunk|none)\)/);
    const [, value] = /^authorization: (.*?)\r?$/im
      .exec(server.requests[0]?.head ?? "") ?? [];
    assert.equal(value, sent);
  }
});

Deno.test("hec: wrap defaults by the address's end, settings win", async () => {
  const run = () => hecRun('{"index":"i","event":{"a":1},"fields":{"f":1}}');
  const envelope =
    '{"time":1773360000.123,"host":"relay-01","index":"i","event":{"a":1},"fields":{"f":1}}';
  const data = '{"data":{"a":1},"collector_ms":1773360000123}';
  for (
    const [path, expected] of [
      ["/services/collector", envelope],
      ["/x/services/collector/event", envelope],
      ["/ingest/hec", envelope],
      ["/services/collector/raw", data],
      ["/logs", data],
    ]
  ) {
    const url = { HEC_URL: `http://127.0.0.1:9${path}` };
    assert.equal(await body(run(), url), expected);
    assert.equal(await body(run(), { ...url, HEC_WRAP: "none" }), '{"a":1}');
    assert.equal(await body(run(), { ...url, HEC_WRAP: "data" }), data);
    assert.equal(await body(run(), { ...url, HEC_WRAP: "hec" }), envelope);
  }
});

Deno.test("hec: data and none are lines, raw text is a JSON string", async () => {
  const spread = '{"event":{\n\t"a": [1,\r\n2], "s": "\\n"}}';
  assert.equal(
    await body(hecRun(spread), { HEC_WRAP: "none" }),
    '{\t"a": [1,2], "s": "\\n"}',
  );
  assert.equal(
    await body(rawRun('say "hi"')),
    '{"data":"say \\"hi\\"","collector_ms":1773360000123}',
  );
  const metric = '{"fields":{"a":1}}';
  assert.equal(await body(hecRun(metric), { HEC_WRAP: "none" }), metric);
});
