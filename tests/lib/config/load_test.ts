import assert from "node:assert/strict";
import * as registry from "../../../connectors/registry.ts";
import { sinkEnvironment } from "../../support/sinks.ts";
import {
  type Configuration,
  loadConfiguration,
} from "../../../lib/config/load.ts";

const FILES: Readonly<Record<string, string>> = {
  "/run/secrets/hec": "from-a-file\n",
  "/ca.pem": "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
  "/key.pem": "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n",
  "/note.txt": "hello",
};

function load(env: Readonly<Record<string, string>>): Configuration {
  return loadConfiguration({
    env,
    types: Object.values(registry),
    readFile(path) {
      const text = FILES[path];
      if (text === undefined) throw new Deno.errors.NotFound(path);
      return text;
    },
  });
}

function good(env: Readonly<Record<string, string>>) {
  const loaded = load(env);
  assert.ok(loaded.ok, loaded.ok ? "" : loaded.faults.join("\n"));
  return loaded;
}

function faults(env: Readonly<Record<string, string>>): readonly string[] {
  const loaded = load(env);
  assert.ok(!loaded.ok);
  return loaded.faults;
}

const SPLUNK = {
  SPLUNK_HEC_URL: "https://splunk.example.com:8088",
  SPLUNK_HEC_TOKEN: "splunk-secret-1",
};

Deno.test("loadConfiguration() of nothing has the interface's defaults and no connector", () => {
  const { relay, connectors, warnings } = good({});
  assert.deepEqual(connectors, []);
  assert.deepEqual(warnings, []);
  assert.deepEqual(relay, {
    host: "127.0.0.1",
    port: 8080,
    kv: "data/hecate.kv",
    tokens: undefined,
    adminToken: undefined,
    tls: undefined,
    hostname: undefined,
    instance: undefined,
    lease: 12_000,
    logLevel: "info",
    format: undefined,
    batchEvents: 100,
    batchWait: 0,
    timeout: 30_000,
    retry: {
      policy: "patient",
      initial: 1000,
      max: 300_000,
      attempts: 5,
      replay: false,
    },
    probe: { initial: 60_000, max: 300_000 },
    keep: 86_400_000,
    keepBytes: 1_073_741_824,
    expire: 604_800_000,
    logMaxBytes: undefined,
    maxBody: 67_108_864,
    maxEvent: 716_800,
    maxInflight: 134_217_728,
    deadLetterPath: undefined,
  });
  assert.equal(good({ DENO_DEPLOYMENT_ID: "x" }).relay.kv, undefined);
});

Deno.test("loadConfiguration() tells every fault at once, by variable, without a secret", () => {
  const told = faults({
    HECATE_PORT: "99999",
    HECATE_TIMEOUT: "soon",
    HECATE_PROBE_INITIAL: "10m",
    HECATE_RETRY_POLICY: "stubborn",
    HECATE_TLS_CERT: "/ca.pem",
    SPLUNK_HEC_TOKEN: "Splunk abc-secret-9",
    SPLUNK_HEC_TLS_VERIFY: "perhaps",
    HEC_URL: "https://{tenant}.example.com",
    HEC_TOKEN: "file:/missing",
    NGSIEM_API_KEY: "a b-secret-9",
    NGSIEM_URL: "splunk.example.com",
  });
  const text = told.join("\n");
  for (
    const pattern of [
      /^HECATE_PORT: The most is 65535\.$/m,
      /^HECATE_TIMEOUT: It must be a duration/m,
      /^SPLUNK_HEC_URL: It is missing: .* beside SPLUNK_HEC_TOKEN\.$/m,
      /^SPLUNK_HEC_TOKEN: Leave out the word before the token/m,
      /^SPLUNK_HEC_TLS_VERIFY: It must be true or false/m,
      /^HEC_URL: Replace the placeholder .*\{tenant\}/m,
      /^HEC_TOKEN: The file "\/missing" cannot be read\.$/m,
      /^NGSIEM_API_KEY: There is a space/m,
      /^NGSIEM_URL: This is not an address/m,
    ]
  ) assert.match(text, pattern);
  assert.ok(!text.includes("secret-9"), text);
  assert.equal(told.length, 12, text);
  for (
    const pattern of [
      /^HECATE_RETRY_POLICY: It must be one of patient, strict/m,
      /^HECATE_TLS_KEY: It is missing/m,
      /^HECATE_PROBE_INITIAL: It is longer than HECATE_PROBE_MAX/m,
    ]
  ) assert.match(text, pattern);
});

Deno.test("loadConfiguration() names what is missing, alternatives joined", () => {
  assert.deepEqual(faults({ NGSIEM_API_KEY: "k" }), [
    "NGSIEM_URL or NGSIEM_URL_KEY: It is missing: CrowdStrike Falcon Next-Gen SIEM needs it beside NGSIEM_API_KEY.",
  ]);
  assert.deepEqual(faults({ HEC_URL: "https://x.example", HEC_TOKEN: "" }), [
    "HEC_TOKEN: It is missing: Generic HEC (any collector with a token) needs it beside HEC_URL.",
  ]);
  const { connectors, warnings } = good({ SPLUNK_HEC_INDEX: "soc" });
  assert.deepEqual(connectors, []);
  assert.match(warnings.join(), /SPLUNK_HEC_INDEX does nothing/);
});

Deno.test("loadConfiguration() reads secrets from files and collects them for the redactor", () => {
  const { secrets } = good({
    ...SPLUNK,
    HEC_URL: "https://x.example",
    HEC_TOKEN: "file:/run/secrets/hec",
    HECATE_TOKENS: "edr=hct_one, hct_two",
    HECATE_ADMIN_TOKEN: "hca_admin",
    HEC_PROXY: "http://user:pass%20word@proxy.example:3128",
  });
  assert.deepEqual(
    new Set(secrets),
    new Set([
      "hca_admin",
      "hct_one",
      "hct_two",
      "splunk-secret-1",
      "from-a-file",
      "pass word",
    ]),
  );
  for (const name of ["SPLUNK_HEC_PROXY", "HTTPS_PROXY"]) {
    const env = { ...SPLUNK, [name]: "http://u:%70w%zz@proxy.example:3128" };
    assert.ok(good(env).secrets.includes("pw%zz"), name);
  }
  assert.deepEqual(
    good({ HECATE_TOKENS: '[{"name":"a","value":"hct_three"}]' }).secrets,
    ["hct_three"],
  );
});

Deno.test("loadConfiguration() takes no credential in a store's URL; what its query says is a secret", () => {
  const said =
    "HECATE_KV: Take the credential out of the address: KV Connect asks for the access token in DENO_KV_ACCESS_TOKEN.";
  for (const user of ["user:hunter2pass", "user", ":hunter2pass"]) {
    const HECATE_KV = `http://${user}@127.0.0.1:4512`;
    assert.deepEqual(faults({ HECATE_KV }), [said], user);
  }
  for (const HECATE_KV of ["libsql://kv.example", "http://"]) {
    assert.match(faults({ HECATE_KV }).join(), /^HECATE_KV: It is neither/);
  }
  const HECATE_KV =
    "https://kv.example/?k=query-token-3n&l=a%2fb-cdefghijkl&env=prod";
  const { relay, secrets } = good({ HECATE_KV });
  assert.equal(relay.kv, HECATE_KV);
  assert.deepEqual(
    new Set(secrets),
    new Set(["query-token-3n", "a%2fb-cdefghijkl", "a/b-cdefghijkl"]),
  );
  assert.deepEqual(good({ HECATE_KV: "/var/a?b=c@d" }).secrets, []);
});

Deno.test("loadConfiguration() warns of unknown names, plain http and no verification", () => {
  const { warnings } = good({
    ...SPLUNK,
    SPLUNK_HEC_URL: "http://splunk.example.com",
    SPLUNK_HEC_TLS_VERIFY: "no",
    SPLUNK_HEC_IDNEX: "x",
    HECATE_PROT: "1",
    HECATE_SECRET_KEY: "2",
    HECATE_TEST_DATA: "/x",
    HEC: "x",
    PATH: "/bin",
  });
  assert.equal(warnings.length, 5, warnings.join("\n"));
  const text = warnings.join("\n");
  assert.match(text, /^SPLUNK_HEC_URL: http:\/\/ sends the token unencrypted/m);
  assert.match(text, /^SPLUNK_HEC_TLS_VERIFY is off/m);
  assert.match(text, /^SPLUNK_HEC_IDNEX .* Did you mean SPLUNK_HEC_INDEX\?$/m);
  assert.match(text, /^HECATE_PROT .* Did you mean HECATE_PORT\?$/m);
  assert.match(text, /^HECATE_SECRET_KEY comes with a later release/m);
  const pinned = {
    SPLUNK_HEC_TLS_VERIFY: "no",
    SPLUNK_HEC_TLS_PIN: "ab".repeat(32),
  };
  assert.deepEqual(good({ ...SPLUNK, ...pinned }).warnings, []);
  for (const host of ["127.0.0.1:1", "localhost", "[::1]"]) {
    const env = { ...SPLUNK, SPLUNK_HEC_URL: `http://${host}` };
    assert.deepEqual(good(env).warnings, []);
  }
});

Deno.test("loadConfiguration() warns of Splunk's web port, and starts all the same", () => {
  const url = (text: string) => good({ ...SPLUNK, SPLUNK_HEC_URL: text });
  assert.deepEqual(url("https://splunk.example:8000/services").warnings, [
    "SPLUNK_HEC_URL: 8000 is Splunk's web page; HEC usually listens on 8088.",
  ]);
  assert.deepEqual(url("https://splunk.example:8088").warnings, []);
  assert.deepEqual(url("https://splunk.example:18000").warnings, []);
});

Deno.test("loadConfiguration() ignores Kubernetes' values with one warning", () => {
  const { relay, warnings } = good({
    HECATE_PORT: "tcp://10.0.0.1:8080",
    HECATE_SERVICE_HOST: "10.0.0.1",
    HECATE_SERVICE_PORT: "8080",
    HECATE_SERVICE_PORT_HTTP: "8080",
    HECATE_PORT_8080_TCP: "tcp://10.0.0.1:8080",
    HECATE_PORT_8080_TCP_ADDR: "10.0.0.1",
    HECATE_PORT_8080_TCP_PORT: "8080",
    HECATE_PORT_8080_TCP_PROTO: "tcp",
  });
  assert.equal(relay.port, 8080);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /Kubernetes sets HECATE_PORT/);
});

Deno.test("loadConfiguration() fills the settings common to all types", () => {
  const env = {
    ...SPLUNK,
    HECATE_BATCH_EVENTS: "7",
    HECATE_TIMEOUT: "10s",
    SPLUNK_HEC_BATCH_BYTES: "64KiB",
    SPLUNK_HEC_BATCH_WAIT: "100ms",
    SPLUNK_HEC_TLS_CA_BUNDLE: "/ca.pem",
    SPLUNK_HEC_TLS_CLIENT_CERT: "/ca.pem",
    SPLUNK_HEC_TLS_CLIENT_KEY: "/key.pem",
    SPLUNK_HEC_TLS_PIN: `sha256:${"AB:".repeat(31)}AB`,
    SPLUNK_HEC_PROXY: "none",
    SPLUNK_HEC_ENABLED: "off",
    SPLUNK_HEC_START_FROM: "oldest",
  };
  const [connector] = good(env).connectors;
  assert.equal(connector?.name, "splunk");
  assert.deepEqual(connector?.common, {
    format: "native",
    tls: {
      verify: true,
      caBundle: FILES["/ca.pem"],
      clientCert: FILES["/ca.pem"],
      clientKey: FILES["/key.pem"],
      pin: "ab".repeat(32),
    },
    proxy: "none",
    batchEvents: 7,
    batchBytes: 65_536,
    batchWait: 100,
    timeout: 10_000,
    enabled: false,
    startFrom: "oldest",
  });
  const told = faults({
    ...SPLUNK,
    SPLUNK_HEC_TLS_CA_BUNDLE: "/note.txt",
    SPLUNK_HEC_TLS_CLIENT_CERT: "/nowhere",
    SPLUNK_HEC_TLS_PIN: "abc",
    SPLUNK_HEC_BATCH_BYTES: "2GB",
  }).join("\n");
  for (
    const pattern of [
      /^SPLUNK_HEC_TLS_CA_BUNDLE: .*BEGIN CERTIFICATE/m,
      /^SPLUNK_HEC_TLS_CLIENT_CERT: The file "\/nowhere"/m,
      /^SPLUNK_HEC_TLS_CLIENT_KEY: It is missing/m,
      /^SPLUNK_HEC_TLS_PIN: It must be sha256:/m,
      /^SPLUNK_HEC_BATCH_BYTES: The most/m,
    ]
  ) assert.match(told, pattern);
});

Deno.test("loadConfiguration() gives each address its proxy", () => {
  const targetOf = (env: Readonly<Record<string, string>>) => {
    const [connector] = good({ ...SPLUNK, ...env }).connectors;
    let proxy = "";
    connector?.open(sinkEnvironment({
      http(target) {
        proxy = String(target.proxy);
        return {
          send: () => Promise.reject(new Error("offline")),
          async *way() {},
          [Symbol.asyncDispose]: () => Promise.resolve(),
        };
      },
    }));
    return proxy;
  };
  const proxy = { HTTPS_PROXY: "http://proxy.example:3128" };
  assert.equal(targetOf({}), "none");
  assert.equal(targetOf(proxy), "http://proxy.example:3128/");
  for (
    const exempt of [
      "*",
      "splunk.example.com",
      ".example.com",
      "a, example.com",
      "splunk.example.com:8088",
    ]
  ) assert.equal(targetOf({ ...proxy, NO_PROXY: exempt }), "none");
  const address = { ...proxy, SPLUNK_HEC_URL: "https://10.1.255.7:8088" };
  for (
    const [exempt, isDirect] of [
      ["10.0.0.0/8", true],
      ["10.1.128.0/17", true],
      ["10.1.255.7/32", true],
      ["0.0.0.0/0", true],
      ["10.1.0.0/17", false],
      ["10.1.255.6/32", false],
      ["192.168.0.0/16", false],
      ["10.0.0.0/33", false],
    ] as const
  ) {
    const chosen = targetOf({ ...address, NO_PROXY: exempt });
    assert.equal(chosen === "none", isDirect, exempt);
  }
  assert.notEqual(targetOf({ ...proxy, NO_PROXY: "0.0.0.0/0" }), "none");
  for (const other of ["ample.com", "splunk.example.com:443", "10.0.0.1"]) {
    assert.notEqual(targetOf({ ...proxy, NO_PROXY: other }), "none");
  }
  const local = { SPLUNK_HEC_URL: "https://127.0.0.1:8088" };
  assert.equal(targetOf({ ...proxy, ...local }), "none");
  assert.equal(targetOf({ ...proxy, SPLUNK_HEC_PROXY: "none" }), "none");
});

Deno.test("loadConfiguration() warns of a proxy setting that does nothing", () => {
  const told = (env: Readonly<Record<string, string>>) =>
    good({ ...SPLUNK, ...env }).warnings.join("\n");
  for (const name of ["HTTPS_PROXY", "https_proxy"]) {
    for (const value of ["https://u:s3cret@proxy.example", "proxy:3128", "x"]) {
      const warning = told({ [name]: value });
      assert.match(warning, new RegExp(`^${name} .* events go direct`));
      assert.doesNotMatch(warning, /s3cret|\n/);
    }
  }
  assert.equal(
    good({ HTTPS_PROXY: "https://proxy.example" }).warnings[0],
    undefined,
  );
  const proxy = { HTTPS_PROXY: "http://proxy.example:3128" };
  assert.equal(told({ ...proxy, NO_PROXY: "10.0.0.0/8,.svc,::1" }), "");
  assert.match(
    told({ ...proxy, NO_PROXY: "10.0.0.0/8 fd00::/8,10.0.0.0/33" }),
    /^NO_PROXY: fd00::\/8, 10\.0\.0\.0\/33 means nothing/,
  );
});

Deno.test("loadConfiguration() tells of a misspelt name beside the fault that it caused, and refuses a store of an unknown kind", () => {
  const result = loadConfiguration({
    env: {
      HECATE_KV: "file:///var/lib/hecate.kv",
      SPLUNK_HEC_URL: "https://splunk.example:8088",
      SPLUNK_HEC_TOKE: "x",
    },
    readFile: () => "",
    types: Object.values(registry),
  });
  assert.ok(!result.ok);
  assert.ok(result.faults.some((fault) => fault.startsWith("HECATE_KV: ")));
  assert.ok(
    result.warnings.some((warning) => warning.includes("SPLUNK_HEC_TOKEN?")),
  );
});

Deno.test("loadConfiguration() of several processes: instance, lease and its bounds; more than one shard comes later", () => {
  const { relay, warnings } = good({
    HECATE_KV: "http://kv.example.com:4512",
    HECATE_INSTANCE: "relay-1",
    HECATE_LEASE: "30s",
    HECATE_SHARDS: "1",
  });
  assert.deepEqual([relay.instance, relay.lease], ["relay-1", 30_000]);
  assert.deepEqual(warnings, []);
  const said = faults({
    HECATE_LEASE: "1s",
    HECATE_SHARDS: "2",
  });
  assert.equal(said.length, 2, said.join("\n"));
  assert.match(said.join("\n"), /^HECATE_LEASE: /m);
  assert.match(
    faults({ HECATE_SHARDS: "2" }).join("\n"),
    /^HECATE_SHARDS: More than 1 comes with a later release\./,
  );
  assert.match(faults({ HECATE_SHARDS: "9" }).join("\n"), /^HECATE_SHARDS: /);
});
