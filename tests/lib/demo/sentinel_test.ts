import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, sign } from "node:crypto";
import { constants } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { SentinelOptions } from "../../../lib/demo/protocols/sentinel.ts";
import { SENTINEL_DEFAULTS } from "../../../lib/demo/protocols/sentinel.ts";
import { type DemoSiem, startDemoSiem } from "../../../lib/demo/siem.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const { tenant, clientId, rule, stream, scope } = SENTINEL_DEFAULTS;
const SECRET = "demo-siem-sentinel";
const GOOD_FORM = {
  client_id: clientId,
  client_secret: SECRET,
  grant_type: "client_credentials",
  scope,
};
const STREAM =
  `/dataCollectionRules/${rule}/streams/${stream}?api-version=2023-01-01`;
const ROW = {
  TimeGenerated: "2026-03-13T00:00:00.123Z",
  EventId: "req_xyz",
  UserId: "user_abc",
  UserEmail: "alice@example.com",
  Operation: "chat_completion",
  ModelId: "gpt-4o",
  PolicyAction: "allow",
  DlpLabels: "[]",
  TokensInput: 512,
  TokensOutput: null,
  SeverityId: 1,
  RawOCSF: '{"a":"é\\n"}',
};

const open = (options?: Partial<SentinelOptions>, clock?: ManualClock) =>
  startDemoSiem({
    targets: { sentinel: { protocol: "sentinel", ...options } },
    ...(clock === undefined ? {} : { clock }),
  });

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** `error_codes[0]` or `error.code`. */
  readonly code: unknown;
}

async function answered(reply: Response): Promise<Answer> {
  const text = await reply.text();
  const content = text.startsWith("{") ? JSON.parse(text) : {};
  const { status, headers } = reply;
  return {
    status,
    headers,
    text,
    code: content.error_codes?.[0] ?? content.error?.code,
  };
}

const askToken = async (
  siem: DemoSiem,
  form: Record<string, string>,
  path = `/${tenant}/oauth2/v2.0/token`,
) =>
  answered(
    await fetch(siem.target("sentinel").url + path, {
      method: "POST",
      body: new URLSearchParams(form),
    }),
  );

async function tokenOf(siem: DemoSiem): Promise<string> {
  const { status, text } = await askToken(siem, GOOD_FORM);
  assert.equal(status, 200, text);
  return JSON.parse(text).access_token;
}

const send = async (
  siem: DemoSiem,
  token: string,
  body: BodyInit,
  path = STREAM,
  headers: Record<string, string> = {},
) =>
  answered(
    await fetch(siem.target("sentinel").url + path, {
      method: "POST",
      body,
      headers: {
        "authorization": `Bearer ${token}`,
        "content-type": "application/json",
        ...headers,
      },
    }),
  );

Deno.test("sentinel target gives a token and takes rows", async () => {
  await using siem = await open();
  const token = await tokenOf(siem);
  const { status, text, headers } = await send(
    siem,
    token,
    JSON.stringify([ROW, { ...ROW, EventUid: "x", RawOcsfTruncated: true }]),
  );
  assert.deepEqual([status, text, headers.get("content-length")], [
    204,
    "",
    null,
  ]);
  const target = siem.target("sentinel");
  assert.deepEqual(target.complaints, []);
  assert.deepEqual(
    target.received.map((one) => new TextDecoder().decode(one.event)),
    [ROW.RawOCSF, ROW.RawOCSF],
  );
  assert.deepEqual(
    JSON.parse(new TextDecoder().decode(target.received[0]?.envelope)),
    ROW,
  );
  assert.equal((await send(siem, token, "[]")).status, 204);
  const zipped = new Uint8Array(gzipSync(JSON.stringify([ROW])));
  const { status: ofZipped } = await send(siem, token, zipped, STREAM, {
    "content-encoding": "gzip",
  });
  assert.equal(ofZipped, 204);
  assert.equal(target.count, 3);
});

const forms: readonly [string, Record<string, string>, number, number][] = [
  ["a bad secret", { client_secret: "x" }, 401, 7000215],
  ["an unknown app", { client_id: "x" }, 400, 700016],
  ["another scope", { scope: "https://graph.example/.default" }, 400, 70011],
  [
    "a scope without .default",
    { scope: "https://monitor.azure.com" },
    400,
    1002012,
  ],
  ["another grant", { grant_type: "password" }, 400, 70003],
];
for (const [name, wrong, status, code] of forms) {
  Deno.test(`sentinel token endpoint refuses ${name}`, async () => {
    await using siem = await open();
    const got = await askToken(siem, { ...GOOD_FORM, ...wrong });
    assert.deepEqual([got.status, got.code], [status, code]);
    assert.match(got.text, new RegExp(`AADSTS${code}: `));
    assert.doesNotMatch(got.text, /access_token/);
  });
}

Deno.test("sentinel token endpoint: tenant, double slash, expired secret", async () => {
  await using siem = await open({ secretExpired: true });
  const wrong = await askToken(siem, GOOD_FORM, "/other/oauth2/v2.0/token");
  assert.deepEqual([wrong.status, wrong.code], [400, 90002]);
  const expired = await askToken(siem, GOOD_FORM);
  assert.deepEqual([expired.status, expired.code], [401, 7000222]);
  await using other = await open();
  const doubled = scope.replace("/.default", "//.default");
  const { status } = await askToken(other, { ...GOOD_FORM, scope: doubled });
  assert.equal(status, 200);
});

Deno.test("sentinel tokens end with their life, and by revoke()", async () => {
  const clock = new ManualClock();
  await using siem = await open({ tokenLife: 60 }, clock);
  const token = await tokenOf(siem);
  const status = async () =>
    (await send(siem, token, JSON.stringify([ROW]))).status;
  assert.equal(await status(), 204);
  clock.advance(60_000);
  assert.equal(await status(), 401);
  const second = await tokenOf(siem);
  assert.notEqual(second, token);
  assert.equal((await send(siem, second, "[]")).status, 204);
  siem.target("sentinel").revoke();
  assert.equal((await send(siem, second, "[]")).status, 401);
  assert.equal((await send(siem, "made-up", "[]")).status, 401);
});

Deno.test("sentinel target refuses as the vendor does", async () => {
  await using siem = await open({ maxBody: 2000 });
  const token = await tokenOf(siem);
  const row = JSON.stringify([ROW]);
  const said = async (body: BodyInit, path?: string, headers = {}) => {
    const { status, code } = await send(siem, token, body, path, headers);
    return [status, code];
  };
  assert.deepEqual(await said(row, STREAM.replace(rule, "dcr-1")), [
    404,
    "NotFound",
  ]);
  assert.deepEqual(await said(row, STREAM.replace(stream, "Custom-x")), [
    404,
    "NotFound",
  ]);
  assert.deepEqual(await said(row, STREAM.replace("2023-01-01", "1")), [
    400,
    "InvalidPayload",
  ]);
  assert.deepEqual(await said("[{"), [400, "InvalidPayload"]);
  assert.deepEqual(await said("[1]"), [400, "InvalidPayload"]);
  assert.deepEqual(await said(row, STREAM, { "content-type": "text/plain" }), [
    400,
    "InvalidPayload",
  ]);
  const long = JSON.stringify([{ ...ROW, RawOCSF: "x".repeat(2000) }]);
  assert.deepEqual(await said(long), [413, "ContentLengthLimitExceeded"]);
  const zipped = new Uint8Array(gzipSync(long));
  assert.ok(zipped.length < 2000);
  assert.deepEqual(
    await said(zipped, STREAM, { "content-encoding": "gzip" }),
    [413, "ContentLengthLimitExceeded"],
  );
  assert.equal(siem.target("sentinel").count, 0);
  await using bare = await open({ noRole: true });
  const refused = await send(bare, await tokenOf(bare), row);
  assert.deepEqual([refused.status, refused.code], [403, "OperationFailed"]);
});

Deno.test("sentinel target complains of what a 204 hides", async () => {
  await using siem = await open({ maxField: 100 });
  const token = await tokenOf(siem);
  const { UserId: _, ...less } = ROW;
  const rows: readonly [unknown, RegExp][] = [
    [ROW, /not an array: nothing was stored/],
    [[less], /UserId is missing/],
    [[{ ...ROW, Extra: 1 }], /no column Extra, dropped/],
    [[{ ...ROW, TokensInput: "512" }], /TokensInput is no long/],
    [[{ ...ROW, SeverityId: 2 ** 40 }], /SeverityId is no int/],
    [[{ ...ROW, TimeGenerated: 1773360000123 }], /TimeGenerated is no datetim/],
    [[{ ...ROW, UserId: 7 }], /UserId is no string/],
    [[{ ...ROW, RawOCSF: "x".repeat(101) }], /RawOCSF is over 64 KB, cut/],
  ];
  for (const [body, complaint] of rows) {
    const { status } = await send(siem, token, JSON.stringify(body));
    assert.equal(status, 204);
    assert.match(siem.target("sentinel").complaints.at(-1) ?? "", complaint);
  }
  assert.equal(siem.target("sentinel").complaints.length, rows.length);
  assert.equal(siem.target("sentinel").count, rows.length - 1);
});

Deno.test("sentinel auxiliary table takes 30 minutes and nothing nested", async () => {
  await using siem = await open({ auxiliary: true });
  const token = await tokenOf(siem);
  const at = (time: string) => ({ ...ROW, TimeGenerated: time });
  const said = async (rows: unknown) => {
    const { status, code } = await send(siem, token, JSON.stringify(rows));
    return [status, code];
  };
  const first = at("2026-03-13T00:00:00.000Z");
  assert.deepEqual(await said([first, at("2026-03-13T00:30:00.000Z")]), [
    204,
    undefined,
  ]);
  assert.deepEqual(await said([at("2026-03-13T00:30:00.001Z"), first]), [
    400,
    "RecordsTimeRangeIsMoreThan30Minutes",
  ]);
  assert.deepEqual(await said([{ ...ROW, DlpLabels: [] }]), [
    400,
    "InvalidPayload",
  ]);
});

/** A certificate of RSA, as Entra wants it. */
async function rsaPair(): Promise<{ cert: string; key: string }> {
  const dir = await Deno.makeTempDir();
  try {
    const { success } = await new Deno.Command("openssl", {
      args: [
        ...["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=x"],
        ...["-days", "2", "-keyout", `${dir}/key`, "-out", `${dir}/cert`],
      ],
      stderr: "null",
    }).output();
    assert.ok(success);
    return {
      cert: await Deno.readTextFile(`${dir}/cert`),
      key: await Deno.readTextFile(`${dir}/key`),
    };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const part = (value: unknown) =>
  Buffer.from(JSON.stringify(value)).toString("base64url");

Deno.test("sentinel token endpoint checks a certificate's assertion", async () => {
  const { cert, key } = await rsaPair();
  const clock = new ManualClock();
  await using siem = await open({ certificate: cert }, clock);
  const now = Math.trunc(clock.now() / 1000);
  const der = Buffer.from(cert.replaceAll(/-----[^-]+-----|\s/g, ""), "base64");
  const good = {
    header: {
      alg: "PS256",
      typ: "JWT",
      "x5t#S256": createHash("sha256").update(der).digest("base64url"),
    },
    claims: {
      aud: `${siem.target("sentinel").url}/${tenant}/oauth2/v2.0/token`,
      iss: clientId,
      sub: clientId,
      jti: "1",
      nbf: now,
      iat: now,
      exp: now + 600,
    },
  };
  const ask = (header: unknown, claims: unknown, saltLength = 32) => {
    const text = `${part(header)}.${part(claims)}`;
    const signature = sign("sha256", Buffer.from(text), {
      key,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength,
    });
    return askToken(siem, {
      client_id: clientId,
      grant_type: "client_credentials",
      scope,
      client_assertion_type:
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: `${text}.${signature.toString("base64url")}`,
    });
  };
  const { header, claims } = good;
  assert.equal((await ask(header, claims)).status, 200);
  assert.deepEqual(siem.target("sentinel").complaints, []);
  const wrong: readonly [unknown, unknown, number][] = [
    [{ ...header, alg: "RS256" }, claims, 700027],
    [{ ...header, "x5t#S256": "x" }, claims, 700027],
    [header, { ...claims, iss: "x" }, 700027],
    [header, { ...claims, sub: "x" }, 700027],
    [header, { ...claims, aud: "https://login.example/" }, 700023],
    [header, { ...claims, exp: now - 1 }, 700024],
    [header, { ...claims, exp: now + 3600 }, 700024],
    [header, { ...claims, nbf: now + 3600 }, 700024],
  ];
  for (const [head, claim, code] of wrong) {
    const got = await ask(head, claim);
    assert.deepEqual([got.status, got.code], [401, code], got.text);
  }
  const forged = await askToken(siem, {
    client_id: clientId,
    grant_type: "client_credentials",
    scope,
    client_assertion_type:
      "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: `${part(header)}.${part(claims)}.AAAA`,
  });
  assert.equal(forged.code, 700027);
  assert.equal((await ask(header, claims)).status, 200);
  assert.match(
    siem.target("sentinel").complaints.join(),
    /a jti came for the second time/,
  );
  assert.equal((await askToken(siem, GOOD_FORM)).code, 7000215);
});

Deno.test("sentinel token endpoint checks a federated token", async () => {
  await using siem = await open({ federated: "a.b.c" });
  const form = {
    client_id: clientId,
    grant_type: "client_credentials",
    scope,
    client_assertion_type:
      "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: "a.b.c",
  };
  assert.equal((await askToken(siem, form)).status, 200);
  const other = await askToken(siem, { ...form, client_assertion: "a.b.d" });
  assert.deepEqual([other.status, other.code], [401, 700213]);
});

Deno.test("sentinel faults: ingestion alone, unless the token's path is said", async () => {
  await using siem = await open();
  siem.fault("sentinel", { kind: "status", status: 429, retryAfter: 20 }, {
    requests: 1,
  });
  siem.fault("sentinel", { kind: "status", status: 400, code: 7000222 }, {
    requests: 1,
    at: /oauth2/,
  });
  const expired = await askToken(siem, GOOD_FORM);
  assert.deepEqual([expired.status, expired.code], [400, 7000222]);
  const token = await tokenOf(siem);
  const slow = await send(siem, token, JSON.stringify([ROW]));
  assert.deepEqual(
    [slow.status, slow.code, slow.headers.get("retry-after")],
    [429, "TooManyRequests", "20"],
  );
  assert.equal((await send(siem, token, JSON.stringify([ROW]))).status, 204);
  siem.fault("sentinel", { kind: "reject", events: 2 });
  const body = JSON.stringify([ROW, ROW]);
  assert.equal((await send(siem, token, body)).status, 400);
  assert.equal(siem.target("sentinel").count, 1);
});
