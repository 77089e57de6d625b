/** Connection tests of real types against the demo SIEM, and every fault that can stop one. */

import assert from "node:assert/strict";
import * as registry from "../../../connectors/registry.ts";
import { systemClock } from "../../../lib/clock.ts";
import { loadConfiguration } from "../../../lib/config/load.ts";
import type { SinkEnvironment } from "../../../lib/connector.ts";
import { openHttp } from "../../../lib/delivery/http_client.ts";
import {
  testConnection,
  type TestReport,
} from "../../../lib/delivery/test_connection.ts";
import { EVERY_PROTOCOL } from "../../../lib/demo/offer.ts";
import { type DemoSiem, startDemoSiem } from "../../../lib/demo/siem.ts";
import { redactor } from "../../../lib/secrets.ts";
import {
  type Certificates,
  makeCertificates,
} from "../../support/certificates.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { freePort } from "../../support/processes.ts";
import { ScriptedServer } from "../../support/scripted_server.ts";
import {
  answer,
  encoded,
  numbered,
  openSink,
  sinkEnvironment,
} from "../../support/sinks.ts";

type Env = Readonly<Record<string, string>>;

const SECRET = "S3cr3t-t0ken-0123456789";
const IS_OLD = /^2\.[0-8]\./.test(Deno.version.deno);
const NEVER = new AbortController().signal;

const made = await makeCertificates();
if (made === undefined) {
  // deno-lint-ignore no-console -- a skipped test says why
  console.log("skipped: tests of certificates need `openssl` on the PATH");
}

interface Options {
  readonly event?: boolean;
  readonly files?: Readonly<Record<string, string>>;
  readonly environment?: Partial<SinkEnvironment>;
  readonly signal?: AbortSignal;
}

/** Tests a connector as configured by an environment. */
async function tested(
  name: string,
  env: Env,
  { event = false, files = {}, environment = {}, signal = NEVER }: Options = {},
): Promise<TestReport> {
  const loaded = loadConfiguration({
    env,
    readFile: (path) => files[path] ?? Deno.readTextFileSync(path),
    types: Object.values(registry),
  });
  assert.ok(loaded.ok, loaded.ok ? "" : loaded.faults.join("\n"));
  const connector = loaded.connectors.find((one) => one.name === name);
  assert.ok(connector);
  const seen: string[] = [];
  const report = await testConnection(connector, {
    environment: sinkEnvironment(environment),
    event,
    redact: redactor([]),
    signal,
    onStep: (step) => seen.push(step.detail),
  });
  assert.deepEqual(seen, report.steps.map(({ detail }) => detail));
  assert.ok(report.steps.every(({ ms }) => Number.isSafeInteger(ms)));
  const text = JSON.stringify(report);
  for (const secret of [SECRET, btoa(SECRET).slice(0, 28)]) {
    assert.ok(!text.includes(secret), text);
  }
  return report;
}

/** `address, connection, login!`: the steps, the one that failed marked. */
function course({ steps }: TestReport): string {
  return steps.map(({ name, ok }) => ok ? name : `${name}!`).join(", ");
}

function splunk(url: string, more: Env = {}): Env {
  return { SPLUNK_HEC_URL: url, SPLUNK_HEC_TOKEN: SECRET, ...more };
}

/** A certificate test: the server's pair, the connector's settings. */
function withTls(
  name: string,
  work: (certificates: Certificates) => Promise<void>,
  ignore = false,
): void {
  Deno.test({
    name,
    ignore: made === undefined || ignore,
    fn: () => made === undefined ? undefined : work(made),
  });
}

for (const name of Object.keys(registry)) {
  Deno.test(`testConnection() of ${name}: all well, no event unless asked`, async () => {
    await using siem = await startDemoSiem({ targets: EVERY_PROTOCOL });
    const env = siem.environment();
    const plain = await tested(name, env);
    assert.ok(plain.ok, JSON.stringify(plain));
    assert.match(plain.diagnosis, /^It works\. .* Not to be seen there\? ./);
    assert.match(course(plain), /^address, connection(, login)*$/);
    assert.equal(siem.received(name).length, 0);
    const asked = await tested(name, env, { event: true });
    assert.ok(asked.ok, JSON.stringify(asked));
    assert.match(course(asked), /, event$/);
    await siem.target(name).until(1);
    assert.equal(siem.received(name).length, 1);
    // Again: an id that was there already (Elastic) is none that arrived.
    await tested(name, env, { event: true });
    await siem.target(name).until(2);
    assert.equal(siem.received(name).length, 2);
  });
}

Deno.test("testConnection() over UDP says that UDP confirms nothing", async () => {
  await using siem = await startDemoSiem({
    targets: { qradar: { protocol: "qradar", transport: "udp" } },
  });
  const env = siem.environment();
  assert.equal(course(await tested("qradar", env)), "address");
  const sent = await tested("qradar", env, { event: true });
  assert.equal(
    sent.steps.at(-1)?.detail,
    "Sent. UDP confirms nothing; look for it there.",
  );
  await siem.target("qradar").until(1);
});

/** How the demo's Splunk goes wrong, what the test shows, and words of the diagnosis. */
const ANSWERS: readonly [
  string,
  Parameters<DemoSiem["fault"]>[1],
  string,
  RegExp,
][] = [
  [
    "401",
    { kind: "status", status: 401 },
    "address, connection, login!",
    /^The credential was refused \(401: .*\)\. The address is right and reachable\. /,
  ],
  [
    "403",
    { kind: "status", status: 403 },
    "address, connection, login!",
    /^The credential may not do this \(403: .*\)\. .*Splunk does not know this token/,
  ],
  [
    "404",
    { kind: "status", status: 404 },
    "address, connection, login!",
    /^That path does not exist there \(404/,
  ],
  [
    "503",
    { kind: "status", status: 503 },
    "address, connection, login!",
    /^The destination has a problem of its own; .*\(503/,
  ],
  [
    "a redirect",
    { kind: "redirect", to: `https://sso.example/${SECRET}` },
    "address, connection, login!",
    /^It does not answer itself \(302: it sends us on to sso\.example\)\. .*8000/,
  ],
  [
    "a web page",
    { kind: "html" },
    "address, connection, login!",
    /^A web page answered, not a collector: .*8088/,
  ],
  [
    "a hang",
    { kind: "hang" },
    "address, connection, login!",
    /^Connected to .*, but no whole answer in 0\.2 s/,
  ],
  [
    "a cut",
    { kind: "close" },
    "address, connection, login!",
    /closed the connection before an answer\. .*Splunk's HEC speaks https/,
  ],
];

for (const [what, fault, steps, diagnosis] of ANSWERS) {
  Deno.test(`testConnection() of splunk and ${what}`, async () => {
    await using siem = await startDemoSiem();
    siem.fault("splunk", fault);
    const report = await tested("splunk", {
      ...siem.environment(),
      SPLUNK_HEC_TIMEOUT: "200ms",
    });
    assert.ok(!report.ok);
    assert.equal(course(report), steps);
    assert.match(report.diagnosis, diagnosis);
  });
}

Deno.test("testConnection(): an event that is refused says why", async () => {
  await using siem = await startDemoSiem();
  siem.fault("splunk", { kind: "reject", events: 1 });
  const report = await tested("splunk", siem.environment(), { event: true });
  assert.equal(course(report), "address, connection, login, event!");
  assert.match(report.diagnosis, /^It refused what was sent \(400: /);
});

Deno.test("testConnection(): nobody listens", async () => {
  const report = await tested("splunk", splunk("https://127.0.0.1:9"));
  assert.equal(course(report), "address, connection!");
  assert.match(
    report.diagnosis,
    /nothing listens on port 9\. .*All tokens: Enabled/,
  );
});

Deno.test("testConnection(): no such name (the CLI under its own permissions), and what is shown", async () => {
  const diagnosis = async (env: Readonly<Record<string, string>>) => {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "-A", "main.ts", "hecate"],
        ...["connectors", "test", "splunk", "--json"],
      ],
      cwd: new URL("../../../", import.meta.url),
      clearEnv: true,
      env: { ...Deno.env.toObject(), NO_PROXY: "*", ...env },
    }).output();
    assert.equal(code, 7);
    const report: TestReport = JSON.parse(new TextDecoder().decode(stdout));
    assert.equal(course(report), "address!");
    return report.diagnosis;
  };
  const [direct, proxied] = await Promise.all([
    diagnosis(splunk("https://nowhere.invalid:8088")),
    diagnosis(splunk("https://splunk.example:8088", {
      SPLUNK_HEC_PROXY: "http://no-proxy.invalid:3128",
    })),
  ]);
  assert.match(direct, /^No such name: nowhere\.invalid\./);
  assert.match(proxied, /^No such name: the proxy no-proxy\.invalid\./);
});

/** The certificate shown, settings, steps, words of the last step and of the diagnosis. */
const CERTIFICATES: readonly {
  readonly name: string;
  readonly shown:
    | "good"
    | "wrongName"
    | "expired"
    | "early"
    | "selfSigned";
  readonly env?: (c: Certificates) => Env;
  readonly ok?: true;
  readonly detail: RegExp;
  readonly diagnosis: RegExp;
}[] = [
  {
    name: "an authority that is not trusted",
    shown: "good",
    env: () => ({}),
    detail: /signed by ca, .* It shows: TLS.*; certificate of localhost, /,
    diagnosis:
      /^The certificate is signed by ca, which is not trusted here\. .*tls_ca_bundle.*tls_pin: sha256:[0-9a-f]{64}\. .*SplunkCommonCA/,
  },
  {
    name: "a self-signed authority",
    shown: "selfSigned",
    env: () => ({}),
    detail: /It shows: TLS/,
    diagnosis: /self-signed authority \(localhost\).*tls_pin/,
  },
  {
    name: "another name",
    shown: "wrongName",
    detail: /It shows: TLS/,
    diagnosis:
      /^The certificate is for collector\.example, not for localhost\. .*tls_server_name.*SplunkServerDefaultCert/,
  },
  {
    name: "an ended one",
    shown: "expired",
    detail: /2024-01-01 to 2024-02-01/,
    diagnosis:
      /^The certificate ended on 2024-02-01\. Its owner|^The certificate ended on 2024-02-01\. The certificate's owner/,
  },
  {
    name: "one that starts later",
    shown: "early",
    detail: /2048-01-01/,
    diagnosis: /^The certificate starts on 2048-01-01\. .*clock/,
  },
  {
    name: "a CA bundle",
    shown: "good",
    ok: true,
    detail: /SHA-256 [0-9A-F:]{95}\. Trusted by the CA bundle \(ca\)\.$/,
    diagnosis:
      /^It works\. .*The certificate ends on .*, in [01] days?: have it renewed/,
  },
  {
    name: "a pin",
    shown: "good",
    env: (c) => ({ SPLUNK_HEC_TLS_PIN: `sha256:${c.goodPin}` }),
    ok: true,
    detail: /Trusted by its pin\.$/,
    diagnosis: /^It works\./,
  },
  {
    name: "another's pin",
    shown: "good",
    env: () => ({ SPLUNK_HEC_TLS_PIN: `sha256:${"0".repeat(64)}` }),
    detail: /not the pinned one.* It shows: TLS/,
    diagnosis: /not the pinned one: its SHA-256 is [0-9a-f]{64}\. .*in between/,
  },
  {
    name: "verification off",
    shown: "expired",
    env: () => ({ SPLUNK_HEC_TLS_VERIFY: "false" }),
    ok: true,
    detail: /Not verified: tls_verify is off\.$/,
    diagnosis: /The certificate ended on 2024-02-01/,
  },
];

for (const { name, shown, env, ok, detail, diagnosis } of CERTIFICATES) {
  withTls(`testConnection() shows the certificate: ${name}`, async (c) => {
    const pair = c[shown];
    await using siem = await startDemoSiem({
      tls: { ...pair, name: "localhost" },
    });
    const report = await tested("splunk", {
      ...siem.environment(),
      SPLUNK_HEC_TOKEN: SECRET,
      ...ok && siem.environment(),
      ...env?.(c) ?? { SPLUNK_HEC_TLS_CA_BUNDLE: "/ca.pem" },
    }, { files: { "/ca.pem": c.ca } });
    assert.equal(
      course(report),
      `address, connection, certificate${ok ? ", login" : "!"}`,
      JSON.stringify(report),
    );
    const step = report.steps[2];
    assert.match(step?.detail ?? "", detail);
    assert.match(report.diagnosis, diagnosis);
    assert.equal(siem.requests("splunk").length, ok ? 1 : 0);
  });
}

withTls(
  "testConnection(): a certificate that lasts is not warned of",
  async (c) => {
    await using siem = await startDemoSiem({
      tls: { ...c.good, name: "localhost" },
    });
    // A month earlier its two days are far enough away.
    const now = () => systemClock.now() - 30 * 86_400_000;
    const clock = { ...systemClock, now };
    const report = await tested("splunk", {
      ...siem.environment(),
      SPLUNK_HEC_TLS_CA_BUNDLE: "/ca.pem",
    }, {
      files: { "/ca.pem": c.ca },
      environment: { http: (target) => openHttp(target, { clock }) },
    });
    assert.ok(report.ok);
    assert.doesNotMatch(report.diagnosis, /certificate/);
  },
);

withTls("testConnection(): a client certificate is wanted", async (c) => {
  await using siem = await startDemoSiem({
    tls: { ...c.good, ca: c.ca, name: "localhost" },
  });
  const trusting = {
    ...siem.environment(),
    SPLUNK_HEC_TLS_CA_BUNDLE: "/ca.pem",
  };
  const files = {
    "/ca.pem": c.ca,
    "/cert.pem": c.client.cert,
    "/key.pem": c.client.key,
  };
  const without = await tested("splunk", trusting, { files });
  assert.equal(course(without), "address, connection, certificate!");
  assert.match(
    without.diagnosis,
    /wants a client certificate.*tls_client_cert/,
  );
  const withOne = await tested("splunk", {
    ...trusting,
    SPLUNK_HEC_TLS_CLIENT_CERT: "/cert.pem",
    SPLUNK_HEC_TLS_CLIENT_KEY: "/key.pem",
  }, { files });
  assert.ok(withOne.ok, JSON.stringify(withOne));
}, IS_OLD);

withTls(
  "testConnection(): http:// at an https port and the other way round",
  async (c) => {
    await using plain = new ScriptedServer(async (connection) => {
      await connection.write(answer(400));
    });
    const toPlain = await tested(
      "splunk",
      splunk(`https://127.0.0.1:${plain.port}`),
    );
    assert.equal(course(toPlain), "address, connection, certificate!");
    assert.match(toPlain.diagnosis, /answers without TLS/);
    await using secure = await startDemoSiem({
      tls: { ...c.good, name: "localhost" },
    });
    const toSecure = await tested(
      "splunk",
      splunk(`http://127.0.0.1:${secure.port}`),
    );
    assert.equal(course(toSecure), "address, connection, login!");
    assert.match(toSecure.diagnosis, /https:\/\//);
  },
);

withTls(
  "testConnection() of qradar over TLS: certificate and alerts",
  async (c) => {
    await using siem = await startDemoSiem({
      targets: {
        qradar: { protocol: "qradar", transport: "tls" },
      },
      tls: { ...c.good, ca: c.ca, name: "localhost" },
    });
    const env = {
      ...siem.environment(),
      QRADAR_TLS_CA_BUNDLE: "/ca.pem",
      QRADAR_TLS_CLIENT_CERT: "/cert.pem",
      QRADAR_TLS_CLIENT_KEY: "/key.pem",
    };
    const files = {
      "/ca.pem": c.ca,
      "/cert.pem": c.client.cert,
      "/key.pem": c.client.key,
    };
    const good = await tested("qradar", env, { files });
    assert.equal(course(good), "address, connection, certificate");
    assert.ok(good.ok, JSON.stringify(good));
    const { QRADAR_TLS_CLIENT_CERT: _, QRADAR_TLS_CLIENT_KEY: __, ...bare } =
      env;
    const refused = await tested("qradar", bare, { files });
    assert.equal(course(refused), "address, connection, certificate!");
    assert.match(refused.diagnosis, /client certificate/);
  },
  IS_OLD,
);

Deno.test("testConnection(): a port that takes the connection and never speaks TLS", async () => {
  const clock = new ManualClock();
  const looked = Promise.withResolvers<void>();
  await using server = new ScriptedServer(async (connection, nth) => {
    if (nth === 1) looked.resolve();
    await connection.closed();
  });
  const testing = tested("splunk", splunk(`https://127.0.0.1:${server.port}`), {
    environment: { http: (target) => openHttp(target, { clock }) },
  });
  await looked.promise;
  clock.advance(10_000);
  const report = await testing;
  assert.equal(course(report), "address, connection, certificate!");
  assert.match(
    report.diagnosis,
    /no TLS handshake came in 10 s\. .*check the port/,
  );
});

Deno.test("testConnection() of qradar: a web server is none", async () => {
  await using server = new ScriptedServer(async (connection) => {
    await connection.write(answer(400));
  });
  const report = await tested("qradar", {
    QRADAR_SYSLOG_HOST: "127.0.0.1",
    QRADAR_SYSLOG_PORT: String(server.port),
  });
  assert.equal(course(report), "address, connection!");
  assert.match(report.diagnosis, /is a web server/);
});

Deno.test("testConnection(): a proxy that is not there is no fault of the vendor's", async () => {
  const port = freePort();
  const report = await tested(
    "splunk",
    splunk("https://splunk.example:8088", {
      SPLUNK_HEC_PROXY: `http://127.0.0.1:${port}`,
    }),
  );
  assert.equal(course(report), "address, connection!");
  assert.equal(
    report.diagnosis,
    `The proxy 127.0.0.1 answers, but nothing listens on port ${port}. Wrong port, or the proxy is off.`,
  );
});

Deno.test("testConnection() through a proxy: what the proxy says", async () => {
  const said = async (reply: string, url: string) => {
    await using proxy = new ScriptedServer(async (connection) => {
      await connection.head();
      await connection.write(reply);
    });
    return await tested(
      "splunk",
      splunk(url, {
        SPLUNK_HEC_PROXY: `http://user:${SECRET}@127.0.0.1:${proxy.port}`,
      }),
    );
  };
  const wrong = await said(answer(407), "https://splunk.example:8088");
  assert.equal(course(wrong), "address, connection!");
  assert.match(
    wrong.steps[0]?.detail ?? "",
    /It is the proxy, which finds splunk\.example\./,
  );
  assert.match(wrong.diagnosis, /^The proxy .* answered 407 .*credentials/);
  assert.match(wrong.diagnosis, /Check the proxy's address, user and password/);
  assert.doesNotMatch(wrong.diagnosis, /this server/);
  const unpaid = await said(answer(407), "http://splunk.example:8088");
  assert.equal(course(unpaid), "address, connection, login!");
  assert.match(unpaid.diagnosis, /^The proxy wants its own credentials: 407/);
  assert.match(
    unpaid.diagnosis,
    /Check the proxy's address, user and password/,
  );
  assert.doesNotMatch(unpaid.diagnosis, /is right and reachable/);
  const gone = await said(answer(502), "https://splunk.example:8088");
  assert.match(gone.diagnosis, /^The proxy .* answered 502/);
  const plain = await said(answer(400, { code: 5 }), "http://splunk.example");
  assert.equal(course(plain), "address, connection, login");
  assert.match(plain.steps[1]?.detail ?? "", /^Connected to the proxy /);
});

Deno.test("testConnection() of sentinel: a login host that refuses, the token's and the stream's faults apart", async () => {
  await using siem = await startDemoSiem({
    targets: { sentinel: EVERY_PROTOCOL.sentinel },
  });
  const env = siem.environment();
  const wrong = await tested("sentinel", {
    ...env,
    SENTINEL_CLIENT_SECRET: SECRET,
  });
  assert.equal(course(wrong), "address, connection, login!");
  const away = await tested("sentinel", {
    ...env,
    SENTINEL_AUTHORITY_HOST: "https://127.0.0.1:9",
  });
  assert.equal(course(away), "address, connection, login!");
  assert.match(away.diagnosis, /nothing listens on port 9/);
  siem.fault("sentinel", { kind: "status", status: 403 });
  const role = await tested("sentinel", env);
  assert.equal(course(role), "address, connection, login, login!");
  assert.match(role.diagnosis, /Monitoring Metrics Publisher/);
});

Deno.test("testConnection(): settings that cannot be honoured are the diagnosis", async () => {
  const report = await tested("qradar", {
    QRADAR_SYSLOG_HOST: "127.0.0.1",
    QRADAR_SYSLOG_PROTOCOL: "udp",
    QRADAR_PROXY: "http://127.0.0.1:9",
  });
  assert.ok(!report.ok);
  assert.deepEqual(report.steps, []);
  assert.match(report.diagnosis, /^proxy: UDP cannot go through a proxy/);
});

Deno.test("testConnection() leaves the delivering connection alone", async () => {
  const served: [number, number][] = [];
  await using server = new ScriptedServer(async (connection, nth) => {
    for (;;) {
      const { body } = await connection.request();
      served.push([nth, body.length]);
      await connection.write(
        body.length > 0
          ? answer(200, { code: 0 })
          : answer(400, { text: "No data", code: 5 }),
      );
    }
  });
  const env = splunk(`http://127.0.0.1:${server.port}`);
  await using sink = openSink(registry.splunk, env);
  const deliver = async () => {
    const outcome = await sink.deliver(encoded(sink, numbered(1)), NEVER);
    assert.equal(outcome.kind, "delivered");
  };
  await deliver();
  assert.ok((await tested("splunk", env)).ok);
  await deliver();
  const events = served.filter(([, bytes]) => bytes > 0);
  assert.deepEqual(events.map(([nth]) => nth), [0, 0]);
  assert.equal(served.length, 3);
});

Deno.test("testConnection() is given up after 30 s, and by the signal at once", async () => {
  const clock = new ManualClock();
  const stuck = Promise.withResolvers<void>();
  await using server = new ScriptedServer(async (connection) => {
    await connection.request();
    stuck.resolve();
    await connection.closed();
  });
  // Requests keep the machine's time, which is not up.
  const late = tested("splunk", splunk(`http://127.0.0.1:${server.port}`), {
    environment: { clock },
  });
  await stuck.promise;
  clock.advance(30_000);
  const report = await late;
  assert.equal(course(report), "address, connection, login!");
  assert.match(report.diagnosis, /given up after 30 s/);
  const stop = new AbortController();
  const reason = new Error("stop");
  stop.abort(reason);
  await assert.rejects(
    tested("splunk", splunk(`http://127.0.0.1:${server.port}`), {
      signal: stop.signal,
    }),
    reason,
  );
});
