import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { TargetOptions } from "../../../lib/demo/offer.ts";
import { type DemoSiem, startDemoSiem } from "../../../lib/demo/siem.ts";

/** Datadog, Sumo Logic and XSIAM: intakes that take or refuse a request as a whole. */

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

const open = (name: string, options: TargetOptions) =>
  startDemoSiem({ targets: { [name]: options } });

const ROW = {
  ddsource: "arbitex-audit",
  ddtags: "env:production,service:arbitex",
  hostname: "relay-01",
  service: "arbitex",
  timestamp: 1773360000123,
  status: "info",
  message: '{"a":"é\\n"}',
};

async function datadogPost(
  siem: DemoSiem,
  body: BodyInit,
  headers: Record<string, string> = {},
  path = "/api/v2/logs",
): Promise<Response> {
  const { url, token } = siem.target("datadog");
  const reply = await fetch(url + path, {
    method: "POST",
    body,
    headers: {
      "dd-api-key": token,
      "content-type": "application/json",
      ...headers,
    },
  });
  return new Response(await reply.text(), reply);
}

Deno.test("datadog target takes an array with its key", async () => {
  await using siem = await open("datadog", { protocol: "datadog" });
  const target = siem.target("datadog");
  const good = await datadogPost(siem, JSON.stringify([ROW, ROW]));
  assert.deepEqual([good.status, await good.text()], [202, "{}"]);
  const zipped = await datadogPost(
    siem,
    new Uint8Array(gzipSync(JSON.stringify([ROW]))),
    { "content-encoding": "gzip" },
  );
  assert.equal(zipped.status, 202);
  assert.deepEqual(target.complaints, []);
  assert.equal(text(target.received[0]?.event), ROW.message);
  assert.deepEqual(JSON.parse(text(target.received[2]?.envelope)), ROW);
});

Deno.test("datadog target refuses key, path, body, entries and size", async () => {
  await using siem = await open("datadog", {
    protocol: "datadog",
    maxBody: 2000,
  });
  const row = JSON.stringify([ROW]);
  const bad = await datadogPost(siem, row, { "dd-api-key": "x" });
  assert.deepEqual([bad.status, await bad.text()], [
    403,
    '{"errors":[{"status":"403","title":"Forbidden","detail":"API key is invalid"}]}',
  ]);
  const status = async (
    body: string,
    headers?: Record<string, string>,
    path?: string,
  ) => (await datadogPost(siem, body, headers, path)).status;
  assert.equal(await status(row, {}, "/api/v1/logs"), 404);
  assert.equal(await status(row, { "content-type": "text/plain" }), 400);
  assert.equal(await status("{}"), 400);
  assert.equal(await status("[{]"), 400);
  assert.equal(await status("[1]"), 400);
  assert.equal(await status(row, { "content-encoding": "gzip" }), 400);
  const long = JSON.stringify([{ ...ROW, message: "x".repeat(2000) }]);
  assert.equal(await status(long), 413);
  assert.equal(siem.target("datadog").count, 0);
  await using wide = await open("datadog", {
    protocol: "datadog",
    maxEntries: 2,
  });
  const three = await datadogPost(wide, JSON.stringify([ROW, ROW, ROW]));
  assert.equal(three.status, 400);
});

Deno.test("datadog target complains of what a 202 hides", async () => {
  await using siem = await open("datadog", {
    protocol: "datadog",
    maxEntry: 300,
  });
  const rows: readonly [unknown, RegExp][] = [
    [{ ...ROW, message: "x".repeat(300) }, /over 1 MB, cut/],
    [{ ...ROW, message: { a: 1 } }, /no message, or one that is no text/],
    [{ ...ROW, timestamp: 1773360000 }, /timestamp is not in milliseconds/],
    [{ ...ROW, service: 1 }, /service is no text/],
    [{ ...ROW, message: '{"status":"Failure"}' }, /own status decides/],
  ];
  for (const [row, complaint] of rows) {
    assert.equal((await datadogPost(siem, JSON.stringify([row]))).status, 202);
    assert.match(siem.target("datadog").complaints.at(-1) ?? "", complaint);
  }
  const number = JSON.stringify([{ ...ROW, message: '{"status":1}' }]);
  await datadogPost(siem, number);
  assert.equal(siem.target("datadog").complaints.length, rows.length);
});

Deno.test("datadog faults and key check", async () => {
  await using siem = await open("datadog", { protocol: "datadog" });
  const { url, token } = siem.target("datadog");
  siem.fault("datadog", { kind: "status", status: 429, retryAfter: 5 }, {
    requests: 1,
  });
  const check = async (key: string) => {
    const reply = await fetch(`${url}/api/v1/validate`, {
      headers: { "dd-api-key": key },
    });
    return [reply.status, await reply.text()];
  };
  assert.deepEqual(await check(token), [200, '{"valid":true}']);
  assert.deepEqual(await check("x"), [403, '{"errors":["Forbidden"]}']);
  const slow = await datadogPost(siem, JSON.stringify([ROW]));
  assert.deepEqual(
    [
      slow.status,
      slow.headers.get("x-ratelimit-reset"),
      slow.headers.get("retry-after"),
    ],
    [429, "5", null],
  );
  siem.fault("datadog", { kind: "reject", events: 2 });
  const two = await datadogPost(siem, JSON.stringify([ROW, ROW]));
  assert.equal(two.status, 400);
  assert.equal(siem.target("datadog").count, 0);
});

async function sumoPost(
  url: string,
  body: BodyInit,
  headers: Record<string, string> = {},
): Promise<number> {
  const reply = await fetch(url, {
    method: "POST",
    body,
    redirect: "manual",
    headers: { "content-type": "application/json", ...headers },
  });
  await reply.body?.cancel();
  return reply.status;
}

Deno.test("sumo target: the URL is the key, a line is a message", async () => {
  await using siem = await open("sumo", {
    protocol: "sumo",
    token: "ZaVn==",
    maxMessage: 20,
  });
  const target = siem.target("sumo");
  assert.equal(target.url, `${siem.url}/sumo/receiver/v1/http/ZaVn%3D%3D`);
  const headers = { "x-sumo-category": "arbitex/audit", "x-sumo-host": "h" };
  assert.equal(await sumoPost(target.url, '{"a":1}\n{"b":2}\n', headers), 200);
  assert.equal(await sumoPost(target.url.replace("%3D%3D", "=="), '"x"'), 200);
  assert.deepEqual(target.complaints, []);
  assert.equal(target.requests[0]?.headers.get("x-sumo-host"), "h");
  assert.deepEqual(target.received.map((one) => text(one.event)), [
    '{"a":1}',
    '{"b":2}',
    '"x"',
  ]);
  assert.equal(await sumoPost(target.url, ""), 200);
  assert.equal(await sumoPost(`${siem.url}/sumo/receiver/v1/http/x`, ""), 401);
  assert.equal(await sumoPost(`${siem.url}/sumo/receiver`, ""), 404);
  assert.equal(await sumoPost(target.url, `"${"x".repeat(20)}"`), 200);
  assert.match(target.complaints.at(-1) ?? "", /over 64 KB, sliced/);
  assert.equal(await sumoPost(target.url, '{"a":\n1}'), 200);
  assert.match(target.complaints.at(-1) ?? "", /not one JSON value/);
  assert.equal(target.count, 6);
  const metrics = { "content-type": "application/vnd.sumologic.carbon2" };
  await sumoPost(target.url, "1", metrics);
  assert.match(target.complaints.at(-1) ?? "", /that of metrics/);
  const armed = siem.fault("sumo", {
    kind: "redirect",
    to: "http://127.0.0.1:1/",
    status: 301,
  });
  assert.equal(await sumoPost(target.url, "1"), 301);
  armed.clear();
  siem.fault("sumo", { kind: "status", status: 408 }, { requests: 1 });
  assert.equal(await sumoPost(target.url, "1"), 408);
});

const RECORD = {
  _time: "2026-03-13T00:00:00.123Z",
  log_type: "arbitex_audit",
  event_id: "req_xyz",
  user_id: "user_abc",
  user_email: "alice@example.com",
  operation: "chat_completion",
  model_id: "gpt-4o",
  policy_action: "allow",
  dlp_labels: [],
  tokens_input: 512,
  tokens_output: null,
  severity: "informational",
  raw_ocsf: '{"a":"é"}',
};
const ROUTED = { ...RECORD, _vendor: "v", _product: "p", _dataset: "d_raw" };

async function xsiamPost(
  siem: DemoSiem,
  body: BodyInit,
  headers: Record<string, string>,
): Promise<[number, string]> {
  const reply = await fetch(siem.target("xsiam").url, {
    method: "POST",
    body,
    headers,
  });
  return [reply.status, await reply.text()];
}

function hmacHeaders(nonce: string, key = "k3y"): Record<string, string> {
  return {
    "x-xdr-auth-id": "7",
    "x-xdr-nonce": nonce,
    "x-xdr-hmac-sha256": createHmac("sha256", key).update(`7${nonce}${key}`)
      .digest("hex"),
  };
}

Deno.test("xsiam target checks the seed's HMAC, its nonces and its envelope", async () => {
  await using siem = await open("xsiam", { protocol: "xsiam", token: "k3y" });
  const target = siem.target("xsiam");
  const body = JSON.stringify({ events: [ROUTED, ROUTED] });
  const vector = hmacHeaders("A".repeat(64));
  assert.equal(
    vector["x-xdr-hmac-sha256"],
    "79cc06f8a87cf694eea99b3371501d68731fab341e1a3e07da43281c28d13553",
  );
  assert.deepEqual(await xsiamPost(siem, body, vector), [
    202,
    '{"error":"false"}',
  ]);
  assert.deepEqual(target.complaints, []);
  assert.equal(text(target.received[0]?.event), RECORD.raw_ocsf);
  assert.deepEqual(JSON.parse(text(target.received[1]?.envelope)), ROUTED);
  const status = async (headers: Record<string, string>, sent = body) =>
    (await xsiamPost(siem, sent, headers))[0];
  assert.equal(await status(vector), 202);
  assert.match(target.complaints.at(-1) ?? "", /nonce came for the second/);
  const good = () => hmacHeaders(`B${target.requests.length}`.padEnd(64, "b"));
  assert.equal(await status({ ...good(), "x-xdr-auth-id": "8" }), 401);
  assert.equal(await status(hmacHeaders("c".repeat(63))), 401);
  assert.equal(await status(hmacHeaders("-".repeat(64))), 401);
  assert.equal(await status(hmacHeaders("d".repeat(64), "other")), 401);
  const upper = good();
  upper["x-xdr-hmac-sha256"] = upper["x-xdr-hmac-sha256"]?.toUpperCase() ?? "";
  assert.equal(await status(upper), 401);
  assert.equal(await status(good(), JSON.stringify(ROUTED)), 500);
  assert.equal(await status(good(), `${body}\n${body}`), 500);
  assert.equal(await status(good(), '{"events":[1]}'), 500);
  assert.equal(target.count, 4);
  assert.equal(await status(good(), JSON.stringify({ events: [RECORD] })), 202);
  assert.match(target.complaints.join(), /_dataset is missing/);
});

Deno.test("xsiam target by token, bearer and the advanced digest takes lines", async () => {
  await using siem = await startDemoSiem({
    targets: {
      xsiam: { protocol: "xsiam", auth: "token", token: "t" },
    },
  });
  const target = siem.target("xsiam");
  const line = JSON.stringify(RECORD);
  const byToken = { authorization: "t" };
  assert.deepEqual(await xsiamPost(siem, `${line}\n${line}`, byToken), [
    200,
    '{"error":"false"}',
  ]);
  assert.deepEqual(target.complaints, []);
  const status = async (body: BodyInit, headers: Record<string, string>) =>
    (await xsiamPost(siem, body, headers))[0];
  assert.equal(await status(line, { authorization: "Bearer t" }), 401);
  assert.equal(await status("", byToken), 200);
  assert.equal(await status(JSON.stringify([RECORD]), byToken), 500);
  assert.equal(await status("{", byToken), 500);
  const zipped = new Uint8Array(gzipSync(line));
  const byGzip = { ...byToken, "content-encoding": "gzip" };
  assert.equal(await status(zipped, byGzip), 500);
  const wrong: readonly [object, RegExp][] = [
    [{ ...RECORD, _time: 1 }, /_time is not/],
    [{ ...RECORD, severity: "Low" }, /severity is none of XSIAM's/],
    [{ ...RECORD, user_id: 1 }, /user_id is no text/],
    [{ ...RECORD, tokens_input: "1" }, /tokens_input is no whole number/],
    [{ ...RECORD, dlp_labels: "[]" }, /dlp_labels is no array/],
    [ROUTED, /_dataset and its like route nothing/],
  ];
  for (const [record, complaint] of wrong) {
    assert.equal(await status(JSON.stringify(record), byToken), 200);
    assert.match(target.complaints.at(-1) ?? "", complaint);
  }
  assert.equal(target.complaints.length, wrong.length);

  await using zip = await open("xsiam", {
    ...{ protocol: "xsiam", auth: "bearer", token: "t" },
    ...{ compression: "always", maxBody: 1000 },
  });
  const bearer = { authorization: "Bearer t" };
  const gzip = { ...bearer, "content-encoding": "gzip" };
  assert.equal((await xsiamPost(zip, zipped, gzip))[0], 200);
  assert.equal((await xsiamPost(zip, line, bearer))[0], 500);
  const long = new Uint8Array(gzipSync(`${line}\n`.repeat(5)));
  assert.equal((await xsiamPost(zip, long, gzip))[0], 413);

  await using advanced = await open("xsiam", {
    ...{ protocol: "xsiam", auth: "advanced", token: "k3y", keyId: "7" },
  });
  const nonce = "A".repeat(64);
  const digest = createHash("sha256").update(`k3y${nonce}1773360000123`)
    .digest("hex");
  assert.equal(
    digest,
    "a225ee1d5471d7d8b5f7a6730057904bf102d1cebb7ad276d80af58d72ec037f",
  );
  const signed = {
    "x-xdr-auth-id": "7",
    "x-xdr-nonce": nonce,
    "x-xdr-timestamp": "1773360000123",
    "authorization": digest,
  };
  assert.equal((await xsiamPost(advanced, line, signed))[0], 200);
  const late = { ...signed, "x-xdr-timestamp": "1773360000124" };
  assert.equal((await xsiamPost(advanced, line, late))[0], 401);
});
