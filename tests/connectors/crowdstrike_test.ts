import assert from "node:assert/strict";
import { crowdstrike } from "../../connectors/crowdstrike.ts";
import { loadConfiguration } from "../../lib/config/load.ts";
import type { EventRun } from "../../lib/event.ts";
import { openHttp } from "../../lib/delivery/http_client.ts";
import { systemClock } from "../../lib/clock.ts";
import { always, ScriptedServer } from "../support/scripted_server.ts";
import {
  answer,
  bodyText,
  encoded,
  hecRun,
  numbered,
  openSink,
  rawRun,
  sinkEnvironment,
} from "../support/sinks.ts";

const ENV = { NGSIEM_API_KEY: "key-0001", NGSIEM_URL: "http://127.0.0.1:9" };

async function body(
  run: EventRun,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  await using sink = openSink(crowdstrike, { ...ENV, ...env });
  return bodyText(sink, run);
}

/** The address that a configuration leads to, or the faults. */
function addressOf(env: Readonly<Record<string, string>>): string {
  const loaded = loadConfiguration({
    env,
    readFile: () => "",
    types: [crowdstrike],
  });
  if (!loaded.ok) return loaded.faults.join("\n");
  let address = "";
  loaded.connectors[0]?.open(sinkEnvironment({
    http(target) {
      address = target.url.href;
      return openHttp(target, { clock: systemClock });
    },
  }));
  return address;
}

Deno.test("T50 crowdstrike: regions by key, a full URL for everything else", () => {
  const key = { NGSIEM_API_KEY: "key-0001", NGSIEM_URL_KEY: "1a2b3c" };
  const at = (host: string) => `https://1a2b3c.${host}/services/collector`;
  assert.equal(addressOf(key), at("ingest.us-1.crowdstrike.com"));
  for (
    const [region, host] of [
      ["us1", "ingest.us-1.crowdstrike.com"],
      ["us2", "ingest.us-2.crowdstrike.com"],
      ["eu1", "ingest.eu-1.crowdstrike.com"],
      ["usgov1", "ingest.laggar.gcw.crowdstrike.com"],
    ] as const
  ) {
    assert.equal(addressOf({ ...key, NGSIEM_REGION: region }), at(host));
  }
  assert.match(
    addressOf({ ...key, NGSIEM_REGION: "usgov2" }),
    /^NGSIEM_REGION: .*Set url \(NGSIEM_URL\)/,
  );
  const url = "https://x.example/api/v1/ingest/hec";
  assert.equal(
    addressOf({ ...key, NGSIEM_REGION: "usgov2", NGSIEM_URL: url }),
    url,
  );
  assert.equal(
    addressOf({ ...key, NGSIEM_URL: url, NGSIEM_RAW: "yes" }),
    `${url}/raw`,
  );
  assert.equal(
    addressOf({ ...key, NGSIEM_RAW: "1" }),
    `${at("ingest.us-1.crowdstrike.com")}/raw`,
  );
});

Deno.test("crowdstrike: the envelope, never an index", async () => {
  const run = hecRun(
    '{"time":1773360000.5,"index":"i","fields":{"#tag":"v"},"event":{"a":1}}{"event":"b"}',
  );
  assert.equal(
    await body(run),
    '{"time":1773360000.5,"host":"relay-01","source":"arbitex-platform","sourcetype":"arbitex-audit","event":{"a":1},"fields":{"#tag":"v"}}\n' +
      '{"time":1773360000.123,"host":"relay-01","source":"arbitex-platform","sourcetype":"arbitex-audit","event":"b"}',
  );
});

Deno.test("crowdstrike: time becomes seconds by magnitude, no digit lost", async () => {
  for (
    const [given, sent] of [
      ["1747771778", "1747771778"],
      ["1747771778324", "1747771778.324"],
      ["1747771778324434", "1747771778.324434"],
      ["1747771778324434944", "1747771778.324434944"],
      ['"1747771778324434944"', "1747771778.324434944"],
      ["1747771778324.25", "1747771778.32425"],
      ['"1747771778.5"', "1747771778.5"],
      ["1.747771778324e12", "1747771778.324"],
      ["0", "0"],
    ]
  ) {
    const text = await body(hecRun(`{"time":${given},"event":1}`));
    assert.equal(/^\{"time":(.*?),"host"/.exec(text)?.[1], sent);
  }
});

Deno.test("crowdstrike raw: one event a line, line breaks between tokens gone, text as it is", async () => {
  const env = { NGSIEM_RAW: "true" };
  assert.equal(
    await body(hecRun('{"event":{\r\n "a":\n"x\\n"}}{"event":"t"}'), env),
    '{ "a":"x\\n"}\n"t"',
  );
  assert.equal(
    await body(rawRun('plain "text"', "a\rb"), env),
    'plain "text"\na\rb',
  );
});

Deno.test("T51 T52 crowdstrike: 403 is held, 503 is weather, 404 names key and region", async () => {
  for (
    const [reply, kind, pattern] of [
      [answer(403), "held", /key was refused/],
      [answer(404), "held", /URL key and region/],
      [answer(503), "retry", /503/],
    ] as const
  ) {
    await using server = new ScriptedServer(always(reply));
    await using sink = openSink(crowdstrike, {
      ...ENV,
      NGSIEM_URL: `http://127.0.0.1:${server.port}`,
    });
    const outcome = await sink.deliver(
      encoded(sink, numbered(3)),
      AbortSignal.timeout(20_000),
    );
    assert.equal(outcome.kind, kind);
    assert.match(JSON.stringify(outcome), pattern);
    assert.match(
      server.requests[0]?.head ?? "",
      /^POST \/services\/collector HTTP[^]*^authorization: Bearer key-0001\r?$/im,
    );
  }
});
