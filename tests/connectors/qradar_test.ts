import assert from "node:assert/strict";
import fc from "fast-check";
import { qradar } from "../../connectors/qradar.ts";
import type { ConnectorType, Sink } from "../../lib/connector.ts";
import { counted, lines, parseMessage } from "../support/cef_text.ts";
import { testSeed } from "../support/seed.ts";
import {
  bodyText,
  encoded,
  hecRun,
  openSink,
  rawRun,
} from "../support/sinks.ts";
import { needsTestData } from "../support/test_data.ts";

/** destinations §0.7. */
const E1 =
  '{"activity_id":1,"category_uid":6,"class_uid":6003,"type_uid":600301,"time":1773360000123,"severity_id":1,"status_id":1,"metadata":{"version":"1.1.0","uid":"evt-0001","product":{"name":"Arbitex","vendor_name":"Arbitex"}},"actor":{"user":{"uid":"user_abc","email_addr":"alice@example.com"}},"api":{"operation":"chat_completion","request":{"uid":"req_xyz"}},"src_endpoint":{"ip":"192.0.2.10"},"unmapped":{"model_id":"gpt-4o","policy_action":"allow","dlp_labels":[],"tokens_input":512,"tokens_output":256}}';

const TYPE: ConnectorType = qradar;

function open(env: Readonly<Record<string, string>> = {}): Sink {
  return openSink(TYPE, { QRADAR_SYSLOG_HOST: "127.0.0.1", ...env });
}

/** What the connector makes of events given as JSON. */
async function messages(
  events: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  await using sink = open(env);
  const run = hecRun(events.map((event) => `{"event":${event}}`).join(""));
  return lines(encoded(sink, run).body().slice());
}

/** E1 with members laid over it. */
function event(over: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...JSON.parse(E1), ...over });
}

async function message(
  over: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string>> = {},
): Promise<ReturnType<typeof parseMessage>> {
  const [only] = await messages([event(over)], env);
  return parseMessage(only ?? "");
}

needsTestData("qradar: the seed's line, byte for byte", async (data) => {
  const read = (name: string) => Deno.readTextFile(`${data}/seeds/${name}`);
  const seed = (await read("qradar.seed.txt")).trimEnd();
  const given = await read("qradar.event.json");
  await using sink = open();
  const run = hecRun(
    `{"time":1773360000.123,"host":"platform.arbitex.ai","event":${given}}`,
  );
  // The deliberate differences (interface §3): an empty pair is left out, externalId is the last.
  const expected = seed.replace(" cs2Label=DlpLabels cs2=", "") +
    " externalId=00000000000000010000-0\n";
  assert.notEqual(expected.length, seed.length);
  assert.equal(bodyText(sink, run), expected);
});

Deno.test("T60 qradar: E1 in the seed's profile has the seed's keys in their order", async () => {
  const [line] = await messages([E1]);
  assert.equal(
    line,
    "<134>1 2026-03-13T00:00:00.123Z relay-01 ArbitexPlatform - req_xyz - CEF:0|Arbitex|ArbitexPlatform|1.0|6003|chat_completion|3|rt=1773360000123 suser=alice@example.com duid=user_abc act=allow model=gpt-4o tokenIn=512 tokenOut=256 cs1Label=PolicyAction cs1=allow externalId=evt-0001",
  );
  const full = await message({
    unmapped: {
      ...JSON.parse(E1).unmapped,
      dlp_labels: ["pii", "a=b"],
      group_ids: ["finance", 7],
    },
  });
  assert.deepEqual(full.pairs.map(([key]) => key), [
    ...["rt", "suser", "duid", "act", "model", "tokenIn", "tokenOut"],
    ...["cs1Label", "cs1", "cs2Label", "cs2", "cs3Label", "cs3", "externalId"],
  ]);
  assert.equal(full.values.get("cs2"), "pii,a=b");
  assert.equal(full.values.get("cs3"), "finance,7");
});

Deno.test("qradar: E1 in the standard profile is destinations §6's line, 344 bytes", async () => {
  await using sink = open({
    QRADAR_CEF_PROFILE: "standard",
    QRADAR_SYSLOG_FRAMING: "octet",
  });
  assert.equal(
    bodyText(sink, hecRun(`{"event":${E1}}`)),
    "344 <134>1 2026-03-13T00:00:00.123Z relay-01 ArbitexPlatform - req_xyz - CEF:0|Arbitex|ArbitexPlatform|1.0|6003|chat_completion|3|rt=1773360000123 externalId=evt-0001 suser=alice@example.com suid=user_abc src=192.0.2.10 act=allow cs1Label=PolicyAction cs1=allow cs4Label=ModelId cs4=gpt-4o cn1Label=TokensInput cn1=512 cn2Label=TokensOutput cn2=256",
  );
  const high = await message({ severity_id: 4, message: "m" }, {
    QRADAR_CEF_PROFILE: "standard",
  });
  assert.equal(high.values.get("cn3"), "4");
  assert.equal(high.values.get("msg"), "m");
});

Deno.test("T54 qradar: a request id that does not fit is left out of MSGID, and the id is in externalId", async () => {
  const uuid = "123e4567-e89b-12d3-a456-426614174000";
  const found = await message({ api: { request: { uid: uuid } } });
  assert.equal(found.messageId, "-");
  assert.equal(found.values.get("externalId"), "evt-0001");
  const fits = await message({ api: { request: { uid: "r".repeat(32) } } });
  assert.equal(fits.messageId, "r".repeat(32));
});

Deno.test("T55 qradar: framing by a line feed, or by the length in bytes", async () => {
  const run = hecRun(`{"event":${event({ api: { operation: "é€𝄞" } })}}`);
  await using lf = open();
  const [line] = lines(encoded(lf, run).body().slice());
  await using octet = open({ QRADAR_SYSLOG_FRAMING: "octet" });
  const body = encoded(octet, run).body().slice();
  assert.deepEqual(counted(body), [line]);
  const length = new TextEncoder().encode(line).length;
  assert.ok(length > (line ?? "").length, "bytes, not letters");
  assert.equal(
    new TextDecoder().decode(body.subarray(0, 4)),
    `${length} `,
  );
});

Deno.test("T59 qradar: an event of 1500 bytes is made to fit a datagram, whole pairs and no cut escape", async () => {
  const labels = Array.from({ length: 100 }, (_, i) => `L\\=${i}é`);
  const given = event({
    message: "m".repeat(1500),
    unmapped: {
      ...JSON.parse(E1).unmapped,
      dlp_labels: labels,
      group_ids: ["g".repeat(300)],
    },
  });
  for (const profile of ["seed", "standard"]) {
    await using sink = open({
      QRADAR_SYSLOG_PROTOCOL: "udp",
      QRADAR_CEF_PROFILE: profile,
    });
    const body = encoded(sink, hecRun(`{"event":${given}}`)).body().slice();
    const [text] = counted(body);
    assert.ok(new TextEncoder().encode(text).length <= 1024);
    const { values } = parseMessage(text ?? "");
    assert.equal(values.get("cs6Label"), "Truncated");
    assert.equal(values.get("cs6"), "true");
    assert.ok(!values.has("msg") && !values.has("cs3"), "these go first");
    const some = (values.get("cs2") ?? "").split(",");
    assert.ok(some.length > 10);
    assert.deepEqual(some, labels.slice(0, some.length), "whole labels");
    assert.equal(values.get("rt"), "1773360000123");
    assert.equal(values.get("externalId"), "evt-0001");
    assert.equal(values.get("suser"), "alice@example.com");
    assert.equal(values.get("act"), "allow");
  }
});

Deno.test("qradar: an event that cannot be made to fit is refused, the others go", async () => {
  await using sink = open();
  const long = event({ api: { operation: "x".repeat(5000) } });
  const batch = encoded(sink, hecRun(`{"event":${long}}{"event":${E1}}`));
  assert.deepEqual(
    batch.refusals.map(({ at, reason }) => [at, reason]),
    [[0, "too_large"]],
  );
  assert.deepEqual(batch.places, [1]);
  const user = event({ actor: { user: { name: "u".repeat(5000) } } });
  const kept = encoded(sink, hecRun(`{"event":${user}}`));
  assert.equal(kept.refusals.length, 1, "who it was is never left out");
});

Deno.test("qradar: header and fallbacks", async () => {
  for (
    const [id, cef, priority] of [
      [0, "3", 134],
      [1, "3", 134],
      [2, "4", 133],
      [3, "6", 132],
      [4, "8", 131],
      [5, "9", 130],
      [6, "10", 129],
      [99, "5", 134],
      ["odd", "3", 134],
    ] as const
  ) {
    const found = await message({ severity_id: id });
    assert.equal(found.header[5], cef);
    assert.equal(found.priority, priority);
  }
  const nameOf = async (over: Readonly<Record<string, unknown>>) =>
    (await message({ api: {}, ...over })).header[4];
  assert.equal(await nameOf({ activity_name: "Read" }), "Read");
  assert.equal(await nameOf({}), "API Activity");
  assert.equal(await nameOf({ class_uid: 99_999 }), "Event");
  await using sink = open();
  const run = hecRun(
    `{"host":"web 1|é","time":"1773360000.5","event":${
      event({ metadata: { version: "1.1.0" } })
    }}`,
  );
  const [line] = lines(encoded(sink, run).body());
  const found = parseMessage(line ?? "");
  assert.equal(found.hostname, "web_1|__");
  assert.equal(found.time, "2026-03-13T00:00:00.500Z");
  assert.equal(found.values.get("externalId"), "00000000000000010000-0");
  const fixed = await message({}, {
    QRADAR_SYSLOG_HOSTNAME: "log-source-7",
    QRADAR_CEF_DEVICE_VENDOR: "A|B",
    QRADAR_CEF_DEVICE_PRODUCT: "My Product",
    QRADAR_CEF_DEVICE_VERSION: "2",
  });
  assert.equal(fixed.hostname, "log-source-7");
  assert.equal(fixed.app, "My_Product");
  assert.deepEqual(fixed.header.slice(0, 3), ["A|B", "My Product", "2"]);
});

Deno.test("qradar: any other event comes from its mapping, in either format", async () => {
  const run = [
    hecRun('{"event":"a\\nline","host":"h"}{"event":{"a":1}}'),
    rawRun("one line"),
  ];
  for (const format of ["ocsf", "native"]) {
    await using sink = open({ QRADAR_FORMAT: format });
    for (const each of run) {
      for (const line of lines(encoded(sink, each).body().slice())) {
        const { header, values } = parseMessage(line);
        assert.equal(header[3], "0", "a Base Event");
        assert.match(values.get("externalId") ?? "", /^0{15}10000-\d$/);
      }
    }
  }
});

Deno.test("qradar: whatever texts an event holds, its values are read back", async () => {
  const text = fc.string({
    unit: fc.oneof(
      fc.constantFrom("\\", "=", "|", "\n", "\r", " ", "\0", '"', "\ud800"),
      fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
    ),
    maxLength: 40,
  });
  const kept = (given: string) =>
    // deno-lint-ignore no-control-regex -- controls are what CEF drops
    given.toWellFormed().replace(/[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, "")
      .replace(/^ +| +$/g, "");
  await using sink = open();
  fc.assert(
    fc.property(text, text, text, (operation, email, action) => {
      const given = event({
        api: { operation },
        actor: { user: { email_addr: email, uid: "u" } },
        unmapped: { policy_action: action },
      });
      const body = encoded(sink, hecRun(`{"event":${given}}`)).body();
      const [line] = lines(body);
      const { header, values } = parseMessage(line ?? "");
      const name = kept(operation.replace(/\r\n|\r|\n/g, " "));
      assert.equal(header[4], name === "" ? "API Activity" : name);
      assert.equal(values.get("suser") ?? "", kept(email));
      assert.equal(values.get("act") ?? "", kept(action));
      assert.equal(values.get("cs1") ?? "", kept(action));
    }),
    { seed: testSeed("qradar"), numRuns: 300 },
  );
});

Deno.test("qradar: a list of strange things is read as far as it has texts, and stops nothing", async () => {
  const labels = async (json: string) => {
    const given = `{"unmapped":{"dlp_labels":${json}},${
      E1.replace(/"unmapped".*/, '"x":1}').slice(1)
    }`;
    const [only] = await messages([given]);
    return parseMessage(only ?? "").values.get("cs2");
  };
  assert.equal(
    await labels(
      '[{"uid":{"toString":1,"valueOf":1}},"a",{"name":null,"uid":7}]',
    ),
    "a,7",
  );
  assert.equal(
    await labels('[[["b"]],{"name":["c"]},null,{"name":"d"},true]'),
    "d,true",
  );
  const deep = 50_000;
  assert.equal(
    await labels(`[{"uid":${"[".repeat(deep)}${"]".repeat(deep)}},"e"]`),
    "e",
  );
});

Deno.test("qradar: numbers of lists stand as they came", async () => {
  const big =
    '[12345678901234567890,1.0,-1e3,"x",{"uid":98765432109876543210}]';
  const [line] = await messages([
    E1.replace('"dlp_labels":[]', `"dlp_labels":${big},"group_ids":${big}`),
  ]);
  const { values } = parseMessage(line ?? "");
  const text = "12345678901234567890,1.0,-1e3,x,98765432109876543210";
  assert.equal(values.get("cs2"), text);
  assert.equal(values.get("cs3"), text);
});

Deno.test("qradar: rt is the event's own integer, else the header's time", async () => {
  for (
    const [time, rt, iso] of [
      ["1773360000456", "1773360000456", "2026-03-13T00:00:00.456Z"],
      ["-5", "-5", "1969-12-31T23:59:59.995Z"],
      ["1e12", "1000000000000", "2001-09-09T01:46:40.000Z"],
      ["1773360000456.7", "1773360000456", "2026-03-13T00:00:00.456Z"],
      ...['"garbage"', "true", '"2026-03-13"', '"1773360000456"', "[1]", "{}"]
        .map((json) => [json, "1773360000123", "2026-03-13T00:00:00.123Z"]),
      ["99999999999999999999", "1773360000123", "2026-03-13T00:00:00.123Z"],
    ] as const
  ) {
    const given = E1.replace('"time":1773360000123', `"time":${time}`);
    const [line = ""] = await messages([given]);
    assert.equal(parseMessage(line).values.get("rt"), rt, time);
    assert.equal(line.split(" ")[1], iso, time);
  }
});

Deno.test("qradar: a severity counts however it is spelt", async () => {
  const standard = { QRADAR_CEF_PROFILE: "standard" };
  for (const id of ["4", '"4"', "4.0", "4e0", '"40e-1"']) {
    const given = E1.replace('"severity_id":1', `"severity_id":${id}`);
    const [line = ""] = await messages([given], standard);
    assert.ok(line.startsWith("<131>1 "), id);
    const { header, values } = parseMessage(line);
    assert.equal(header[5], "8", id);
    assert.equal(values.get("cn3"), "4", id);
  }
});

Deno.test("qradar: a name of which nothing stays gives way to the next", async () => {
  const name = async (operation: string, activity?: string) =>
    (await message({ api: { operation }, activity_name: activity })).header[4];
  assert.equal(await name(" \t\n ", "Create"), "Create");
  assert.equal(await name(" ", " "), "API Activity");
  assert.equal(await name("\0", "\u0085"), "API Activity");
});

Deno.test("qradar: settings that cannot be together are told at the start", () => {
  const fault = (env: Readonly<Record<string, string>>, pattern: RegExp) => {
    assert.throws(
      () => open(env),
      (error) => error instanceof TypeError && pattern.test(error.message),
    );
  };
  fault({
    QRADAR_SYSLOG_PROTOCOL: "udp",
    QRADAR_PROXY: "http://proxy.example:3128",
  }, /UDP cannot go through a proxy/);
  fault({ QRADAR_TLS_PIN: `sha256:${"a".repeat(64)}` }, /protocol tcp/);
});

Deno.test("qradar: the host is a name or an address alone", () => {
  for (const host of ["http://siem", "siem:514", "a b", "siem/x"]) {
    assert.throws(() => open({ QRADAR_SYSLOG_HOST: host }), /without/);
  }
  for (const host of ["siem", "10.0.0.1", "::1", "[fe80::1]"]) {
    open({ QRADAR_SYSLOG_HOST: host });
  }
});
