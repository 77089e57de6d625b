import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { sentinel } from "../../connectors/sentinel.ts";
import type { Sink } from "../../lib/connector.ts";
import { loadConfiguration } from "../../lib/config/load.ts";
import { openHttp } from "../../lib/delivery/http_client.ts";
import type { HttpTarget } from "../../lib/delivery/http_exchange.ts";
import type { EventRun } from "../../lib/event.ts";
import { Azure, refused, sendAll, sentinelEnv } from "../support/azure.ts";
import type { SeenRequest } from "../support/scripted_server.ts";
import { needsTestData } from "../support/test_data.ts";
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

const OFFLINE = sentinelEnv("http://127.0.0.1:9");
const SECRET = OFFLINE["SENTINEL_CLIENT_SECRET"] ?? "";
const MOST = 1_048_576;

/** A small OCSF event at a time in milliseconds, with text to make it long. */
function ocsf(n: number, time = 1_773_360_000_123, text = ""): string {
  return `{"class_uid":6003,"metadata":{"version":"1.1.0","uid":"u${n}"},"time":${time},"severity_id":1,"unmapped":{"text":"${text}"}}`;
}

function runOf(...events: readonly string[]): EventRun {
  return hecRun(events.map((event) => `{"event":${event}}`).join(""));
}

type Row = Record<string, unknown>;

function plainBody({ head, body }: SeenRequest): Uint8Array {
  return /^content-encoding: gzip/im.test(head)
    ? new Uint8Array(gunzipSync(body))
    : body;
}

function rowsIn(call: SeenRequest | undefined): Row[] {
  assert.ok(call);
  return JSON.parse(new TextDecoder().decode(plainBody(call)));
}

async function rowOf(
  run: EventRun,
  env: Readonly<Record<string, string>> = {},
): Promise<Row> {
  await using sink = openSink(sentinel, { ...OFFLINE, ...env });
  const [row, ...more] = JSON.parse(bodyText(sink, run));
  assert.deepEqual(more, []);
  return row;
}

function faultsOf(env: Readonly<Record<string, string>>): string {
  const loaded = loadConfiguration({
    env: { ...OFFLINE, ...env },
    readFile: () => "",
    types: [sentinel],
  });
  return loaded.ok ? "" : loaded.faults.join("\n");
}

async function outcomeOf(sink: Sink, run: EventRun) {
  return await sink.deliver(encoded(sink, run), AbortSignal.timeout(20_000));
}

Deno.test("sentinel: a pinned certificate and a server name are the endpoint's, not the login's", async () => {
  const targets: HttpTarget[] = [];
  const clock = sinkEnvironment().clock;
  await using _sink = openSink(
    sentinel,
    {
      ...sentinelEnv("https://dce.example"),
      SENTINEL_AUTHORITY_HOST: "https://login.example",
      SENTINEL_TLS_PIN: `sha256:${"ab".repeat(32)}`,
      SENTINEL_TLS_SERVER_NAME: "inspected.example",
    },
    clock,
    {
      http(target) {
        targets.push(target);
        return openHttp(target, { clock });
      },
    },
  );
  const seen = targets.map(({ url, tls: { pin, serverName, verify } }) => [
    url.host,
    pin?.slice(0, 4),
    serverName,
    verify,
  ]).sort();
  assert.deepEqual(seen, [
    ["dce.example", "abab", "inspected.example", true],
    ["login.example", undefined, undefined, true],
  ]);
});

Deno.test("T15 sentinel: an array, one token, the exact scope", async () => {
  await using azure = new Azure();
  await using sink = openSink(sentinel, azure.env());
  const run = numbered(3);
  for (let n = 0; n < 2; n++) {
    assert.deepEqual(await outcomeOf(sink, run), { kind: "delivered" });
  }
  assert.equal(azure.logins.length, 1);
  assert.match(
    azure.logins[0]?.head ?? "",
    /^POST \/11111111-2222-3333-4444-555555555555\/oauth2\/v2\.0\/token HTTP[^]*^content-type: application\/x-www-form-urlencoded\r?$/im,
  );
  assert.deepEqual(Object.fromEntries(azure.logins[0]?.form ?? []), {
    client_id: "66666666-7777-8888-9999-000000000000",
    scope: "https://monitor.azure.com/.default",
    grant_type: "client_credentials",
    client_secret: SECRET,
  });
  const [call] = azure.calls;
  assert.match(
    call?.head ?? "",
    /^POST \/dataCollectionRules\/dcr-0{32}\/streams\/Custom-ArbitexAudit_CL\?api-version=2023-01-01 HTTP[^]*^authorization: Bearer token-1\r?$/im,
  );
  assert.match(call?.head ?? "", /^content-type: application\/json\r?$/im);
  assert.equal(rowsIn(call).length, 3);
});

Deno.test("T16 sentinel: a refused token is fetched anew once, then taken", async () => {
  await using azure = new Azure({
    calls: [refused(401, "InvalidToken"), answer(204)],
  });
  await using sink = openSink(sentinel, azure.env());
  assert.deepEqual(await outcomeOf(sink, numbered(3)), { kind: "delivered" });
  assert.equal(azure.logins.length, 2);
  assert.equal(azure.calls.length, 2);
  assert.match(azure.calls[1]?.head ?? "", /^authorization: Bearer token-2/im);
  assert.deepEqual(azure.calls[0]?.body, azure.calls[1]?.body);
});

Deno.test("T17 sentinel: two refused tokens are held", async () => {
  await using azure = new Azure({
    calls: [
      ({ head }) =>
        answer(401, `no ${/^authorization: (.*)$/im.exec(head)?.[1]}`),
    ],
  });
  await using sink = openSink(sentinel, azure.env());
  const outcome = await outcomeOf(sink, numbered(3));
  assert.ok(outcome.kind === "held");
  assert.equal(outcome.reason, "auth");
  assert.equal(azure.logins.length, 2);
  assert.equal(azure.calls.length, 2);
  assert.doesNotMatch(JSON.stringify(outcome), /token-\d/);
});

Deno.test("T18 sentinel: 403 is held and says where the role goes", async () => {
  await using azure = new Azure({ calls: [refused(403, "OperationFailed")] });
  await using sink = openSink(sentinel, azure.env());
  const { outcomes, batch } = await sendAll(sink, numbered(3));
  const [outcome] = outcomes;
  assert.ok(outcome?.kind === "held");
  assert.equal(outcome.reason, "forbidden");
  assert.match(outcome.help, /Monitoring Metrics Publisher.*DCR/);
  assert.deepEqual(batch.settle().dead, []);
});

Deno.test("sentinel: 404 is held and names the settings", async () => {
  await using azure = new Azure({ calls: [refused(404, "NotFound")] });
  await using sink = openSink(sentinel, azure.env());
  const outcome = await outcomeOf(sink, numbered(1));
  assert.ok(outcome.kind === "held");
  assert.equal(outcome.reason, "path");
  assert.match(outcome.help, /SENTINEL_DCR_RULE_ID/);
});

Deno.test("T19 sentinel: 100 events of 30 KB go in three or more requests, in order", async () => {
  await using azure = new Azure();
  await using sink = openSink(sentinel, azure.env());
  const events = Array.from(
    { length: 100 },
    (_, n) => ocsf(n, undefined, "x".repeat(30_000)),
  );
  let left = runOf(...events);
  while (left.count > 0) {
    const sent = await sendAll(sink, left.slice(0));
    const done = sent.batch.settle().run.count;
    assert.ok(done > 0);
    left = left.slice(done);
  }
  assert.ok(azure.calls.length >= 3);
  const uids = azure.calls.flatMap((call) => {
    assert.ok(call.body.length <= MOST);
    assert.ok(plainBody(call).length <= 1_000_000);
    return rowsIn(call).map(({ EventUid }) => EventUid);
  });
  assert.deepEqual(uids, events.map((_, n) => `u${n}`));
});

Deno.test("T20 sentinel: 413 halves, a lone event is a dead letter", async () => {
  await using azure = new Azure({
    calls: [
      (call) =>
        rowsIn(call).length > 2 ||
          rowsIn(call).some((r) => r["EventUid"] === "u2")
          ? refused(413, "ContentLengthLimitExceeded")
          : answer(204),
    ],
  });
  await using sink = openSink(sentinel, azure.env());
  const { batch } = await sendAll(
    sink,
    runOf(...[0, 1, 2, 3].map((n) => ocsf(n))),
  );
  assert.deepEqual(
    azure.calls.map((call) => rowsIn(call).map(({ EventUid }) => EventUid)),
    [["u0", "u1", "u2", "u3"], ["u0", "u1"], ["u2", "u3"], ["u2"], ["u3"]],
  );
  const { dead, delivered } = batch.settle();
  assert.equal(delivered, 3);
  assert.deepEqual(dead.map(({ index, reason }) => [index, reason]), [
    [2, "too_large"],
  ]);
});

Deno.test("T21 sentinel: Retry-After as a date is heeded", async () => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await using azure = new Azure({
    calls: [refused(429, "TooManyRequests", {
      "retry-after": new Date(now + 20_000).toUTCString(),
    })],
  });
  await using sink = openSink(sentinel, azure.env(), {
    now: () => now,
    monotonic: () => performance.now(),
    sleep: () => Promise.reject(new Error("no sleep")),
    after: () => () => {},
  });
  const outcome = await outcomeOf(sink, numbered(1));
  assert.ok(outcome.kind === "retry");
  assert.equal(outcome.reason, "slow_down");
  assert.equal(outcome.after, 20_000);
});

Deno.test("T22 sentinel: an expired secret is held, nothing is sent", async () => {
  await using azure = new Azure({
    logins: [answer(400, {
      error: "invalid_client",
      error_description:
        `AADSTS7000222: ${SECRET} The provided client secret keys are expired.`,
      error_codes: [7000222],
    })],
  });
  await using sink = openSink(sentinel, azure.env());
  const outcome = await outcomeOf(sink, numbered(2));
  assert.ok(outcome.kind === "held");
  assert.equal(outcome.reason, "auth");
  assert.match(outcome.message, /client secret expired \(AADSTS7000222\)/);
  assert.ok(!JSON.stringify(outcome).includes(SECRET));
  assert.equal(azure.calls.length, 0);
});

Deno.test("T23 sentinel: an OCSF event of 90 KB is trimmed and says so", async () => {
  const long = ocsf(1, undefined, "é\\n".repeat(22_500));
  assert.ok(new TextEncoder().encode(long).length > 90_000);
  await using azure = new Azure();
  await using sink = openSink(sentinel, azure.env());
  const run = runOf(ocsf(0), long, ocsf(2));
  assert.deepEqual(await outcomeOf(sink, run), { kind: "delivered" });
  const rows = rowsIn(azure.calls[0]);
  assert.deepEqual(rows.map((row) => row["RawOcsfTruncated"]), [
    undefined,
    true,
    undefined,
  ]);
  assert.deepEqual(rows.map((row) => row["EventUid"]), ["u0", "u1", "u2"]);
  const raw = String(rows[1]?.["RawOCSF"]);
  assert.ok(new TextEncoder().encode(raw).length <= 64_000);
  const { unmapped } = JSON.parse(raw);
  assert.ok(unmapped.hecate_truncated);
  assert.match(unmapped.text, /^(é\n)+é?$/);
});

Deno.test("sentinel: 63,999 bytes go as they are, 64,000 are trimmed, what cannot be is too large", async () => {
  const empty = ocsf(1).length;
  for (const [size, isTrimmed] of [[63_998], [63_999], [64_000, true]]) {
    const event = ocsf(1, undefined, "x".repeat(Number(size) - empty));
    assert.equal(event.length, size);
    const row = await rowOf(runOf(event));
    assert.equal(row["RawOcsfTruncated"], isTrimmed);
    assert.equal(row["RawOCSF"] === event, isTrimmed !== true);
  }
  await using sink = openSink(sentinel, OFFLINE);
  const numbers = `{"class_uid":6003,"metadata":{"version":"1"},"n":[${
    Array(40_000).fill("1").join(",")
  }]}`;
  const batch = encoded(sink, runOf(ocsf(0), numbers, ocsf(2)));
  assert.deepEqual(batch.places, [0, 2]);
  const [refusal] = batch.refusals;
  assert.equal(refusal?.at, 1);
  assert.equal(refusal?.reason, "too_large");
  assert.match(refusal?.message ?? "", new RegExp(`${numbers.length} bytes`));
  assert.equal(
    JSON.parse(new TextDecoder().decode(batch.body())).length,
    2,
  );
});

Deno.test("sentinel: no column takes more than 63,999 bytes, and the row says what was cut", async () => {
  const most = 63_999;
  const event = (over: string, rest = "") =>
    `{"class_uid":6003,"metadata":{"version":"1"},${over},"severity_id":4${rest}}`;
  const labels = (count: number) =>
    `"unmapped":{"dlp_labels":[${Array(count).fill('"é"').join(",")}]}`;
  const operation = (text: string) => `"api":{"operation":"${text}"}`;
  const cut = await rowOf(runOf(event(operation("é".repeat(32_001)))));
  assert.equal(cut["Operation"], "é".repeat(most >> 1), "at a border");
  assert.ok(cut["RawOcsfTruncated"]);
  assert.equal(cut["SeverityId"], 4);
  assert.ok(JSON.parse(String(cut["RawOCSF"])).unmapped.hecate_truncated);
  // Escapes count as what they stand for.
  const whole = await rowOf(runOf(event(operation("\\n".repeat(most)))));
  assert.equal(whole["Operation"], "\n".repeat(most));
  const listed = await rowOf(runOf(event(labels(20_000))));
  assert.equal(listed["DlpLabels"], "[]");
  assert.ok(listed["RawOcsfTruncated"]);
  const wide = await rowOf(
    runOf(event(labels(13_000))),
    {
      SENTINEL_FORMAT: "native",
      SENTINEL_COLUMNS:
        '{"Free":"unmapped","Text":"api.operation","RawOCSF":null}',
    },
  );
  assert.equal(wide["Free"], null, "JSON is never cut");
  assert.ok(wide["RawOcsfTruncated"]);
  const short = await rowOf(runOf(event(labels(10_000))));
  assert.equal(JSON.parse(String(short["DlpLabels"])).length, 10_000);
  assert.equal(short["RawOcsfTruncated"], undefined);
});

Deno.test("sentinel: a native line that is too long is cut and says so, one that grows by U+FFFD too", async () => {
  const env = { SENTINEL_FORMAT: "native" };
  const long = await rowOf(rawRun("é".repeat(40_000)), env);
  assert.match(String(long["RawOCSF"]), /^é+ \[hecate_truncated, .* 80000\]$/);
  assert.ok(long["RawOcsfTruncated"]);
  const broken = await rowOf(rawRun(new Uint8Array(30_000).fill(0xff)), env);
  assert.ok(broken["RawOcsfTruncated"]);
  assert.ok(
    new TextEncoder().encode(String(broken["RawOCSF"])).length < 64_000,
  );
  const fits = await rowOf(rawRun("x".repeat(30_000)), env);
  assert.equal(fits["RawOcsfTruncated"], undefined);
  assert.equal(fits["RawOCSF"], "x".repeat(30_000));
});

Deno.test("T24 sentinel: an Auxiliary table gets its half hours one by one", async () => {
  const half = 30 * 60_000, start = 1_773_360_000_000;
  const spread = (call: SeenRequest) => {
    const times = rowsIn(call).map((row) =>
      Date.parse(String(row["TimeGenerated"]))
    );
    return Math.max(...times) - Math.min(...times);
  };
  await using azure = new Azure({
    calls: [
      (call) =>
        spread(call) > half
          ? refused(400, "RecordsTimeRangeIsMoreThan30Minutes")
          : answer(204),
    ],
  });
  await using sink = openSink(sentinel, azure.env());
  const times = [0, half, 1, half + 1, 3 * half, -1, half + 2].map((offset) =>
    start + offset
  );
  const events = times.map((time, n) => ocsf(n, time));
  const { outcomes, batch } = await sendAll(sink, runOf(...events));
  assert.equal(batch.settle().delivered, 7);
  assert.ok(outcomes.every(({ kind }) => kind !== "retry" && kind !== "split"));
  assert.deepEqual(
    azure.calls.map((call) => rowsIn(call).map(({ EventUid }) => EventUid)),
    [
      ["u0", "u1", "u2", "u3", "u4", "u5", "u6"],
      ["u0", "u1", "u2"],
      ["u3", "u6"],
      ["u4"],
      ["u5"],
    ],
  );
  // It is known now: no more refusals.
  await sendAll(sink, runOf(...events));
  assert.equal(azure.calls.length, 9);
});

Deno.test("sentinel: other refusals of a whole batch halve it", async () => {
  await using azure = new Azure({ calls: [refused(400, "InvalidPayload")] });
  await using sink = openSink(sentinel, azure.env());
  const outcome = await outcomeOf(sink, numbered(2));
  assert.ok(outcome.kind === "split");
  assert.equal(outcome.reason, "rejected");
});

Deno.test("sentinel: the batch's bytes at n−1, n and n+1, the event's own too", async () => {
  // A column takes 63,999 bytes: many fill the row.
  const names = Array.from({ length: 17 }, (_, n) => `f${n}`);
  await using sink = openSink(sentinel, {
    ...OFFLINE,
    SENTINEL_BATCH_BYTES: String(MOST),
    SENTINEL_COLUMNS: JSON.stringify({
      RawOCSF: null,
      ...Object.fromEntries(names.map((name) => [name, name])),
    }),
  });
  assert.equal(sink.limits.bytes, MOST);
  assert.match(
    faultsOf({ SENTINEL_BATCH_BYTES: String(MOST + 1) }),
    /SENTINEL_BATCH_BYTES/,
  );
  const event = (size: number) =>
    `{"class_uid":6003,"metadata":{"version":"1"},${
      names.map((name, n) =>
        `"${name}":"${"u".repeat(Math.floor((size + n) / names.length))}"`
      ).join(",")
    }}`;
  const sizeOf = (...sizes: readonly number[]) => {
    const batch = encoded(sink, runOf(...sizes.map(event)));
    return [batch.length, batch.places.length, batch.refusals.length];
  };
  const [measured = 0] = sizeOf(500_000);
  const fits = 500_000 + MOST - measured;
  assert.deepEqual(sizeOf(fits - 1), [MOST - 1, 1, 0]);
  assert.deepEqual(sizeOf(fits), [MOST, 1, 0]);
  assert.deepEqual(sizeOf(fits + 1), ["[]".length, 0, 1]);
  const [pair = 0] = sizeOf(300_000, 300_000);
  const second = 300_000 + MOST - pair;
  assert.deepEqual(sizeOf(300_000, second - 1), [MOST - 1, 2, 0]);
  assert.deepEqual(sizeOf(300_000, second), [MOST, 2, 0]);
  assert.deepEqual(sizeOf(300_000, second + 1)[1], 1);
});

Deno.test("sentinel: no request is larger than 1 MB packed, nor larger than unpacked", async () => {
  await using azure = new Azure();
  await using sink = openSink(sentinel, {
    ...azure.env(),
    SENTINEL_BATCH_BYTES: String(MOST),
  });
  // What gzip cannot make smaller: bytes of the seed's own generator, all of them printable.
  let state = 0x2545f491;
  const noise = Array.from({ length: 400_000 }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return String.fromCharCode(0x80 + (state >>> 0) % 0x700);
  }).join("");
  const event =
    `{"class_uid":6003,"metadata":{"version":"1"},"actor":{"user":{"uid":"${noise}"}}}`;
  await sendAll(sink, runOf(event, ocsf(1), event));
  assert.ok(azure.calls.length >= 1);
  for (const call of azure.calls) {
    assert.ok(call.body.length <= MOST);
    assert.ok(call.body.length <= plainBody(call).length);
  }
});

Deno.test("sentinel: missing fields as interface §3", async () => {
  const event = '{"class_uid":6003,"metadata":{"version":"1.1.0"}}';
  assert.deepEqual(await rowOf(runOf(event)), {
    TimeGenerated: "2026-03-13T00:00:00.123Z",
    EventId: "00000000000000010000-0",
    UserId: "",
    UserEmail: "",
    Operation: "",
    ModelId: "",
    PolicyAction: "",
    DlpLabels: "[]",
    TokensInput: null,
    TokensOutput: null,
    SeverityId: 0,
    RawOCSF: event,
    EventUid: "",
    EventTime: "2026-03-13T00:00:00.123Z",
  });
});

Deno.test("sentinel: native keeps the event's own text, its columns come from its mapping", async () => {
  const row = await rowOf(rawRun('a "line"'), { SENTINEL_FORMAT: "native" });
  assert.equal(row["RawOCSF"], 'a "line"');
  assert.equal(row["EventId"], "00000000000000010000-0");
  assert.equal(row["SeverityId"], 1);
  const wrapped = await rowOf(rawRun('a "line"'));
  assert.equal(JSON.parse(String(wrapped["RawOCSF"])).raw_data, 'a "line"');
});

Deno.test("sentinel: columns laid over the default", async () => {
  const columns = {
    ModelId: null,
    Operation: "activity_name",
    SrcIp: "src_endpoint.ip",
    Labels: "metadata.labels",
    Nothing: "not.there",
    RawOcsfTruncated: null,
  };
  const event =
    '{"class_uid":1,"metadata":{"version":"1","labels":["a", 1]},"activity_name":7,"src_endpoint":{"ip":"192.0.2.1"}}';
  const row = await rowOf(runOf(event), {
    SENTINEL_COLUMNS: JSON.stringify(columns),
  });
  assert.deepEqual(Object.keys(row), [
    "TimeGenerated",
    "EventId",
    "UserId",
    "UserEmail",
    "Operation",
    "PolicyAction",
    "DlpLabels",
    "TokensInput",
    "TokensOutput",
    "SeverityId",
    "RawOCSF",
    "EventUid",
    "EventTime",
    "SrcIp",
    "Labels",
    "Nothing",
  ]);
  assert.equal(row["Operation"], "7");
  assert.equal(row["SrcIp"], "192.0.2.1");
  assert.deepEqual(row["Labels"], ["a", 1]);
  assert.equal(row["Nothing"], null);
  const first = await rowOf(runOf(ocsf(1, undefined, "x".repeat(70_000))), {
    SENTINEL_COLUMNS: '{"TimeGenerated":null,"RawOcsfTruncated":null}',
  });
  assert.equal(Object.keys(first)[0], "EventId");
  assert.ok(!Object.hasOwn(first, "RawOcsfTruncated"));
  assert.ok(String(first["RawOCSF"]).length < 64_000);
});

Deno.test("sentinel: settings that cannot be are told", () => {
  for (
    const [name, value, fault] of [
      ["SENTINEL_COLUMNS", "{", /not JSON/],
      ["SENTINEL_COLUMNS", "[]", /JSON object/],
      ["SENTINEL_COLUMNS", '{"1a":"x"}', /cannot be a column/],
      ["SENTINEL_COLUMNS", '{"a":1}', /OCSF path/],
      ["SENTINEL_COLUMNS", '{"a":"x..y"}', /OCSF path/],
      ["SENTINEL_COLUMNS", '{"RawOCSF":"raw_data"}', /removed with null/],
      ["SENTINEL_COLUMNS", '{"RawOcsfTruncated":"x"}', /removed with null/],
      ["SENTINEL_DCR_RULE_ID", "my-rule", /dcr-/],
      ["SENTINEL_DCR_STREAM_NAME", "ArbitexAudit_CL", /Custom-/],
      ["SENTINEL_TENANT_ID", "a/b", /tenant/],
      ["SENTINEL_DCR_ENDPOINT", "https://h/dataCollectionRules/x", /Leave out/],
      ["SENTINEL_CLOUD", "mars", /public, usgov, china/],
    ] as const
  ) {
    assert.match(faultsOf({ [name]: value }), fault, `${name}=${value}`);
  }
  assert.match(
    faultsOf({ SENTINEL_CLIENT_SECRET: "" }),
    /SENTINEL_CLIENT_SECRET or SENTINEL_CLIENT_CERTIFICATE or SENTINEL_FEDERATED_TOKEN_FILE/,
  );
  assert.match(
    faultsOf({
      SENTINEL_CLIENT_CERTIFICATE: "a.pem",
      SENTINEL_FEDERATED_TOKEN_FILE: "token",
    }),
    /not both/,
  );
  const deploy = { ...OFFLINE, SENTINEL_FEDERATED_TOKEN_FILE: "deno-deploy" };
  assert.throws(() => openSink(sentinel, deploy), /Deno Deploy only/);
  const missing = { ...OFFLINE, SENTINEL_CLIENT_CERTIFICATE: "/nowhere.pem" };
  assert.throws(
    () => openSink(sentinel, missing),
    { key: "client_certificate", message: "The file cannot be read." },
  );
});

Deno.test("sentinel: clouds, a login host and a base path", async () => {
  for (
    const [env, login] of [
      [{}, "https://login.microsoftonline.com/"],
      [{ SENTINEL_CLOUD: "usgov" }, "https://login.microsoftonline.us/"],
      [
        { SENTINEL_CLOUD: "china" },
        "https://login.partner.microsoftonline.cn/",
      ],
      [
        { SENTINEL_AUTHORITY_HOST: "https://l.example/x/" },
        "https://l.example/x/",
      ],
    ] as const
  ) {
    const { SENTINEL_AUTHORITY_HOST: _, ...base } = OFFLINE;
    const loaded = loadConfiguration({
      env: { ...base, SENTINEL_DCR_ENDPOINT: "https://d.example/p/", ...env },
      readFile: () => "",
      types: [sentinel],
    });
    assert.ok(loaded.ok);
    const urls: string[] = [];
    const sink = loaded.connectors[0]?.open(sinkEnvironment({
      http({ url }) {
        urls.push(url.href);
        return {
          send: () => Promise.reject(new Error("offline")),
          async *way() {},
          [Symbol.asyncDispose]: () => Promise.resolve(),
        };
      },
    }));
    await sink?.[Symbol.asyncDispose]();
    assert.deepEqual(urls, [
      `${login}11111111-2222-3333-4444-555555555555/oauth2/v2.0/token`,
      "https://d.example/p/dataCollectionRules/dcr-00000000000000000000000000000000/streams/Custom-ArbitexAudit_CL?api-version=2023-01-01",
    ]);
  }
});

Deno.test("sentinel: the scopes of the clouds, and one's own", async () => {
  for (
    const [env, scope] of [
      [{ SENTINEL_CLOUD: "usgov" }, "https://monitor.azure.us/.default"],
      [{ SENTINEL_CLOUD: "china" }, "https://monitor.azure.cn/.default"],
      [{ SENTINEL_TOKEN_SCOPE: "api://x/.default" }, "api://x/.default"],
    ] as const
  ) {
    await using azure = new Azure();
    await using sink = openSink(sentinel, azure.env({ ...env }));
    await outcomeOf(sink, numbered(1));
    assert.equal(azure.logins[0]?.form.get("scope"), scope);
  }
});

Deno.test("sentinel: test() logs in and sends an empty array", async () => {
  const stepsOf = async (azure: Azure) => {
    await using sink = openSink(sentinel, azure.env());
    const steps = await Array.fromAsync(sink.test(AbortSignal.timeout(20_000)));
    assert.ok(!JSON.stringify(steps).includes(SECRET));
    return steps;
  };
  await using good = new Azure();
  assert.deepEqual((await stepsOf(good)).map(({ name, ok }) => [name, ok]), [
    ["address", true],
    ["connection", true],
    // The token, then the stream.
    ["login", true],
    ["login", true],
  ]);
  assert.equal(new TextDecoder().decode(good.calls[0]?.body), "[]");
  await using noRole = new Azure({ calls: [refused(403, "OperationFailed")] });
  const denied = (await stepsOf(noRole)).at(-1);
  assert.ok(!denied?.ok);
  assert.match(denied?.detail ?? "", /DCR/);
  await using wrong = new Azure({
    logins: [answer(401, { error_codes: [7000215] })],
  });
  const refusedLogin = (await stepsOf(wrong)).at(-1);
  assert.ok(!refusedLogin?.ok);
  assert.match(refusedLogin?.detail ?? "", /client secret wrong/);
});

needsTestData("sentinel: golden request of the seed", async (directory) => {
  const read = (name: string) =>
    Deno.readTextFileSync(`${directory}/seeds/${name}`);
  // As the producer sends it: the seed's request holds it without spaces.
  const event = JSON.stringify(JSON.parse(read("sentinel.event.json")));
  const [golden] = JSON.parse(read("sentinel.request.json"));
  for (const format of ["ocsf", "native"]) {
    const row = await rowOf(runOf(event), { SENTINEL_FORMAT: format });
    assert.deepEqual(Object.entries(row), [
      ...Object.entries(golden),
      ["EventUid", ""],
      ["EventTime", "2026-03-13T00:00:00.123Z"],
    ]);
  }
  const [seed] = JSON.parse(read("sentinel.seed.json"));
  assert.deepEqual(Object.keys(seed), Object.keys(golden));
});
