import assert from "node:assert/strict";
import fc from "fast-check";
import * as registry from "../../../connectors/registry.ts";
import { COMMON } from "../../../lib/config/connector.ts";
import { groupOf } from "../../../lib/config/load_connector.ts";
import { settingsOf } from "../../../lib/config/settings.ts";
import { testSeed } from "../../support/seed.ts";
import { sinkEnvironment } from "../../support/sinks.ts";
import { goodYaml, loadYaml, yamlFaults } from "./yaml_case.ts";
import { makeCertificates } from "../../support/certificates.ts";

/** What a file in order means, and that no secret is ever printed. */

const certificates = await makeCertificates();

Deno.test("readConfiguration() reads interface §6's example", async () => {
  // `openssl` makes them.
  if (certificates === undefined) return;
  const { passphrase } = certificates;
  const pem = (label: string) =>
    `-----BEGIN ${label}-----\nMAA=\n-----END ${label}-----\n`;
  const { relay, connectors, warnings, secrets } = await goodYaml({
    yaml: `
sources:
  intake: { type: hec, sink: [soc-a, soc-b] }
sinks:
  soc-a:
    type: splunk
    url: https://splunk.example.com:8088/services/collector/event
    token: \${env:SOC_A_TOKEN}
    index: soc
    tls_ca_bundle: /etc/hecate/ca.pem
    tls_client_cert: /etc/hecate/client.pem
    tls_client_key: /etc/hecate/client.key
    tls_client_key_passphrase: \${file:/run/secrets/pass}
    scope: { min_severity: high, categories: [3], classes: [3002], tokens: [firewall], when: 'event.severity_id >= 4' }
    format: native
  soc-b: { type: hec, url: "https://b.example", token: "\${env:B}-\${file:/run/secrets/b}" }
retry: { policy: patient, initial: 2s, max: 100s }
probe: { initial: 60s, max: 300s }
`,
    env: { SOC_A_TOKEN: "soc-a-token", B: "tok-b" },
    files: {
      "/etc/hecate/ca.pem": pem("CERTIFICATE"),
      "/etc/hecate/client.pem": certificates.client.cert,
      "/etc/hecate/client.key": certificates.clientKeyEncrypted,
      "/run/secrets/pass": `${passphrase}\n`,
      "/run/secrets/b": "half\r\n",
    },
  });
  assert.deepEqual(warnings, []);
  assert.equal(relay.retry.initial, 2000);
  assert.equal(relay.retry.max, 100_000);
  const [a, b] = connectors;
  assert.equal(a?.name, "soc-a");
  assert.equal(a?.type.type, "splunk");
  assert.equal(a?.origin, "hecate.yaml:5:3");
  assert.deepEqual(a?.scope, {
    minSeverity: 4,
    categories: [3],
    classes: [3002],
    tokens: ["firewall"],
    when: "event.severity_id >= 4",
  });
  assert.equal(a?.common.tls.clientKeyPassphrase, passphrase);
  assert.ok(a?.isFed);
  assert.equal(b?.name, "soc-b");
  assert.equal(b?.scope, undefined);
  for (const one of ["soc-a-token", passphrase, "tok-b-half", "half"]) {
    assert.ok(secrets.includes(one), one);
  }
});

Deno.test("readConfiguration() takes LogScale Collector's sinks as they are and refuses its syslog source", async () => {
  const seed = `
# Example config using default listening port 514
sources:
  syslog_udp_514:
    type: syslog
    mode: udp
    port: 514
    sink: ngsiem
sinks:
  ngsiem:
    type: hec
    proxy: none
    token: 0123456789abcdef
    url: https://x.ingest.us-1.crowdstrike.com/services/collector
`;
  assert.deepEqual(await yamlFaults({ yaml: seed }), [
    "hecate.yaml:5:11: sources.syslog_udp_514.type: There is no such type of source. The relay offers hec.",
  ]);
  const { connectors: [sink], warnings } = await goodYaml({
    yaml: seed.replace(/sources:[\s\S]*(?=sinks:)/, ""),
  });
  assert.deepEqual(warnings, []);
  assert.equal(sink?.name, "ngsiem");
  assert.equal(sink?.type.type, "hec");
  assert.equal(sink?.common.proxy, "none");
});

Deno.test("readConfiguration() order: default, then file, then environment", async () => {
  const yaml =
    "port: 1111\nhost: 0.0.0.0\nretry: { max: 7s }\ntokens: fw=hct_file\nkeep: 5m\n";
  const env = {
    HECATE_PORT: "2222",
    HECATE_RETRY_MAX: "",
    HECATE_TOKENS: "edr=hct_env",
    HECATE_HOST: "tcp://10.0.0.1:8080",
  };
  const { relay, settings, secrets } = await goodYaml({ yaml, env });
  assert.equal(relay.port, 2222);
  assert.equal(relay.host, "0.0.0.0");
  assert.equal(relay.retry.max, 7000);
  assert.equal(relay.keep, 300_000);
  assert.equal(relay.timeout, 30_000);
  assert.equal(relay.tokens, "edr=hct_env");
  const origin = Object.fromEntries(
    settings.map(({ key, origin }) => [key, origin]),
  );
  assert.deepEqual(
    [origin["port"], origin["host"], origin["timeout"], origin["tokens"]],
    ["HECATE_PORT", "hecate.yaml:2:7", undefined, "HECATE_TOKENS"],
  );
  assert.ok(secrets.includes("hct_env"));
});

Deno.test("readConfiguration() takes numbers, switches and text alike, as they were typed", async () => {
  const of = (lines: string) =>
    goodYaml({
      yaml:
        `sinks:\n  a:\n    type: splunk\n    url: https://x.example\n    token: 0123\n${lines}`,
    });
  for (
    const [lines, timeout, events] of [
      ["    timeout: 5\n    batch_events: 7\n    tls_verify: no\n", 5000, 7],
      [
        '    timeout: "5s"\n    batch_events: "7"\n    tls_verify: 0\n',
        5000,
        7,
      ],
      ["    timeout: 500ms\n    tls_verify: 'off'\n", 500, 100],
      ["    timeout: 1.5m\n    tls_verify: false\n", 90_000, 100],
      ["    timeout: ~\n    gzip:\n    tls_verify: off\n", 30_000, 100],
    ] as const
  ) {
    const { connectors: [sink] } = await of(lines);
    assert.equal(sink?.common.timeout, timeout, lines);
    assert.equal(sink?.common.batchEvents, events, lines);
    assert.ok(!sink?.common.tls.verify, lines);
  }
  const shown = async (key: string, lines: string) =>
    (await of(lines)).connectors[0]?.settings.find((one) => one.key === key);
  assert.equal((await shown("index", "    index: 1.10\n"))?.text, "1.10");
  assert.equal((await shown("index", "    index: 0x1F\n"))?.text, "0x1F");
  assert.equal((await shown("index", "    index: yes\n"))?.text, "yes");
  assert.equal((await shown("index", "    index: ''\n"))?.text, "");
  assert.equal((await shown("index", "    index:\n"))?.text, "arbitex");
  assert.equal(
    (await shown("index", "    index: a$${env:X}\n"))?.text,
    "a${env:X}",
  );
  assert.deepEqual(
    [(await shown("token", ""))?.text, (await shown("token", ""))?.origin],
    ["********", "hecate.yaml:5:12"],
  );
});

Deno.test("readConfiguration() reads tokens as a list, each option in any spelling", async () => {
  const { relay } = await goodYaml({
    yaml: `
tokens:
  - { name: edr, value: "\${env:EDR}", query: yes, face: splunk }
  - { name: fw, value: 12345, disabled: "off", indexes: main, ack: no }
  - { name: third, sha256: ${"ab".repeat(32)}, indexes: [a, b], index: a }
`,
    env: { EDR: "hct_edr" },
  });
  assert.deepEqual(JSON.parse(relay.tokens ?? ""), [
    { name: "edr", value: "hct_edr", query: true, face: "splunk" },
    {
      name: "fw",
      value: "12345",
      disabled: false,
      indexes: ["main"],
      ack: false,
    },
    {
      name: "third",
      sha256: "ab".repeat(32),
      indexes: ["a", "b"],
      index: "a",
    },
  ]);
  const { relay: text } = await goodYaml({ yaml: "tokens: a=hct_1,b=hct_2\n" });
  assert.equal(text.tokens, "a=hct_1,b=hct_2");
});

const TWO =
  "sinks:\n  splunk: { type: splunk, url: 'https://file.example', token: file-token }\n  b: { type: splunk, url: 'https://b.example', token: t-b }\n";
const SPLUNK = {
  SPLUNK_HEC_URL: "https://env.example",
  SPLUNK_HEC_TOKEN: "env-token",
};

Deno.test("readConfiguration(): a type by environment and by file gives both; the environment's name overrides, said once", async () => {
  const { connectors, warnings } = await goodYaml({ yaml: TWO, env: SPLUNK });
  assert.deepEqual(
    connectors.map(({ name, origin }) => [name, origin]),
    [["splunk", "environment"], ["b", "hecate.yaml:3:3"]],
  );
  assert.deepEqual(warnings, [
    "hecate.yaml:2:3: sinks.splunk: The environment's connector of this name overrides it.",
  ]);
  const targets: string[] = [];
  for (const connector of connectors) {
    connector.open(sinkEnvironment({
      http(target) {
        targets.push(target.url.host);
        return {
          send: () => Promise.reject(new Error("offline")),
          async *way() {},
          [Symbol.asyncDispose]: () => Promise.resolve(),
        };
      },
    }));
  }
  assert.deepEqual(targets, ["env.example", "b.example"]);
});

Deno.test("readConfiguration(): who is not named by the source is not fed", async () => {
  const fed = async (sources: string) => {
    const { connectors, warnings } = await goodYaml({
      yaml: `${sources}${TWO}`,
      env: { HEC_URL: "https://hec.example", HEC_TOKEN: "t" },
    });
    return {
      fed: connectors.filter(({ isFed }) => isFed).map(({ name }) => name)
        .sort(),
      warnings: warnings.length,
    };
  };
  const all = { fed: ["b", "hec", "splunk"], warnings: 0 };
  assert.deepEqual(await fed(""), all);
  assert.deepEqual(await fed("sources:\n"), all);
  assert.deepEqual(await fed("sources: { in: { type: hec } }\n"), all);
  assert.deepEqual(await fed("sources: { in: { type: hec, sink: b } }\n"), {
    fed: ["b"],
    warnings: 2,
  });
  assert.deepEqual(
    await fed("sources: { in: { type: hec, sink: [hec, b] } }\n"),
    { fed: ["b", "hec"], warnings: 1 },
  );
});

Deno.test("readConfiguration(): variables that the file names are no half of a connector, and are known names", async () => {
  const yaml =
    "sinks:\n  a:\n    type: splunk\n    url: https://a.example\n    token: ${env:SPLUNK_HEC_TOKEN}\n    index: ${env:SPLUNK_HEC_INDEX_A}\n";
  const env = { SPLUNK_HEC_TOKEN: "t-1", SPLUNK_HEC_INDEX_A: "soc" };
  const { connectors, warnings, variables } = await goodYaml({ yaml, env });
  assert.deepEqual(connectors.map(({ name }) => name), ["a"]);
  assert.deepEqual(warnings, []);
  assert.deepEqual(variables, [
    { name: "SPLUNK_HEC_TOKEN", path: "sinks.a.token" },
    { name: "SPLUNK_HEC_INDEX_A", path: "sinks.a.index" },
  ]);
  const whole = yaml.replace("https://a.example", "${env:SPLUNK_HEC_URL}");
  const both = await goodYaml({
    yaml: whole,
    env: { ...env, SPLUNK_HEC_URL: "https://a.example" },
  });
  assert.deepEqual(both.connectors.map(({ name }) => name), ["splunk", "a"]);
  assert.match(both.warnings.join(), /they also make the connector splunk/);
  // What the file does not name is half a connector all the same.
  assert.match(
    (await yamlFaults({
      yaml,
      env: { ...env, SPLUNK_HEC_URL: "not an address" },
    })).join(),
    /^SPLUNK_HEC_URL: This is not an address/,
  );
});

Deno.test("readConfiguration() warns of what has no effect, wherever it is written", async () => {
  const { warnings } = await goodYaml({
    yaml: "retry: { attempts: 3 }\n",
    env: { HECATE_RETRY_REPLAY: "yes" },
  });
  assert.deepEqual(warnings.toSorted(), [
    "HECATE_RETRY_REPLAY has no effect: the retry policy is patient.",
    "hecate.yaml:1:20: retry.attempts has no effect: the retry policy is patient.",
  ]);
});

Deno.test("readConfiguration() reads the retry policy", async () => {
  const { relay, warnings } = await goodYaml({
    yaml:
      "retry: { policy: strict, initial: 2s, max: 60s, attempts: 3, replay: true }\n",
  });
  assert.deepEqual(relay.retry, {
    policy: "strict",
    initial: 2_000,
    max: 60_000,
    attempts: 3,
    replay: true,
  });
  assert.deepEqual(warnings, []);
  const strict = await goodYaml({
    yaml: "retry: { policy: patient, attempts: 3 }\n",
    env: { HECATE_RETRY_POLICY: "strict" },
  });
  assert.deepEqual(
    [strict.relay.retry.policy, strict.relay.retry.attempts, strict.warnings],
    ["strict", 3, []],
  );
});

Deno.test("readConfiguration() follows anchors and aliases", async () => {
  const { connectors } = await goodYaml({
    yaml:
      "sinks:\n  a: &a { type: hec, url: 'https://a.example', token: &t tok }\n  b: { type: hec, url: 'https://b.example', token: *t }\n  c: *a\n",
  });
  assert.deepEqual(connectors.map(({ name }) => name), ["a", "b", "c"]);
});

Deno.test("readConfiguration() reads start_from: newest, oldest or a time", async () => {
  const start = async (value: string) => {
    const { connectors } = await goodYaml({
      yaml:
        `sinks: { a: { type: hec, url: 'https://a.example', token: t, start_from: ${value} } }\n`,
    });
    return connectors[0]?.common.startFrom;
  };
  assert.equal(await start("oldest"), "oldest");
  assert.equal(await start("2026-03-13T00:00:00Z"), 1_773_360_000_000);
  assert.equal(await start("2026-03-13 01:00:00.5+01:00"), 1_773_360_000_500);
  for (
    const wrong of [
      "yesterday",
      "2026-03-13",
      "2026-13-13T00:00:00Z",
      "2026-02-30T00:00:00Z",
    ]
  ) {
    await assert.rejects(start(wrong), /newest, oldest or a time such as/);
  }
});

Deno.test("readConfiguration() lets a map stand for a setting's JSON", async () => {
  const of = (columns: string) =>
    `sinks: { s: { type: sentinel, tenant_id: t, client_id: c, client_secret: s, dcr_endpoint: 'https://d.example', dcr_rule_id: ${
      "dcr-" + "a".repeat(32)
    }, dcr_stream_name: Custom-A, columns: ${columns} } }\n`;
  const { connectors: [sink] } = await goodYaml({
    yaml: of("{ SrcIp: src_endpoint.ip, ModelId: ~ }"),
  });
  assert.equal(
    sink?.settings.find(({ key }) => key === "columns")?.text,
    '{"SrcIp":"src_endpoint.ip","ModelId":null}',
  );
});

Deno.test("readConfiguration() isBlind judges what holds no reference, and reads no file", async () => {
  const yaml =
    "port: 99999\nadmin_token: ${env:NOWHERE}\nsinks:\n  a:\n    type: hec\n    url: https://{x}\n    token: file:/nowhere\n    tls_ca_bundle: /nowhere\n";
  assert.deepEqual(await yamlFaults({ yaml, isBlind: true }), [
    "hecate.yaml:1:7: port: The most is 65535.",
    "hecate.yaml:6:10: sinks.a.url: Replace the placeholder in the address (it still has {x}).",
  ]);
});

/** A secret in every secret position of a file, with faults all around. */
function faultyFile(secret: string): string {
  const sinks = Object.values(registry).flatMap((type) => {
    const secrets = [
      ...settingsOf(groupOf(type), ""),
      ...settingsOf(COMMON, ""),
    ].filter(({ meta }) => meta.kind === "secret");
    return secrets.flatMap(({ key }, at) =>
      [
        `"${secret}"`,
        `"Splunk ${secret}"`,
        `"${secret} "`,
        `["${secret}"]`,
        `{ a: "${secret}" }`,
        `"$\{env:NO_SUCH}${secret}"`,
        `"$\{${secret}}"`,
        `"$\{env:WHERE}\\n"`,
      ].map((value, form) =>
        `  ${type.type}-${at}-${form}:\n    type: ${type.type}\n    ${key}: ${value}\n    tls_verify: perhaps\n    nonsense: 1\n`
      )
    );
  });
  return `admin_token: ["${secret}"]
tokens:
  - "${secret}"
  - { value: "${secret} x", fce: 1 }
  - { value: "${secret}", sha256: "${secret}" }
  - { value: "${secret}", face: nowhere, disabled: maybe }
  - { value: ["${secret}"] }
retry: { initial: soon }
sinks:
${sinks.join("")}`;
}

Deno.test("readConfiguration() never prints a secret, whatever is wrong beside it", async () => {
  const seed = testSeed("secrets in configuration files");
  await fc.assert(
    fc.asyncProperty(
      fc.stringMatching(/^[A-Za-z0-9_.-]{12,30}$/),
      fc.constantFrom("", "\t", "  bad", "}", '"', ": :", "- x"),
      async (random, broken) => {
        const secret = `s3cr3t${random}`;
        const text = faultyFile(secret);
        const lines = text.split("\n");
        const at = random.length * 7 % lines.length;
        lines[at] = `${lines[at]}${broken}`;
        for (const yaml of [text, lines.join("\n")]) {
          const loaded = await loadYaml({
            yaml,
            env: { WHERE: secret, HECATE_ADMIN_TOKEN: secret },
          });
          assert.ok(!loaded.ok);
          const said = [...loaded.faults, ...loaded.warnings].join("\n");
          assert.ok(!said.includes(secret), said);
        }
      },
    ),
    { seed, numRuns: 40 },
  );
});
