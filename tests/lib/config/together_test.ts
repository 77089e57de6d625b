import { deepEqual, equal, match, ok } from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import * as registry from "../../../connectors/registry.ts";
import { readConfiguration } from "../../../lib/config/load.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { sinkEnvironment } from "../../support/sinks.ts";
import { schemaPage } from "../../support/write_docs.ts";
import { loadYaml } from "./yaml_case.ts";

/** All faults of one run, each at its value; and what is no fault wherever it is looked at. */

const certificates = await makeCertificates();

/** The faults of a file and an environment, connectors opened on trial. */
async function faults(
  yaml: string,
  { env = {}, files = {} }: {
    readonly env?: Readonly<Record<string, string>>;
    readonly files?: Readonly<Record<string, string>>;
  } = {},
): Promise<readonly string[]> {
  const all: Readonly<Record<string, string>> = { "h.yaml": yaml, ...files };
  const loaded = await readConfiguration({
    env: { ...yaml !== "" && { HECATE_CONFIG: "h.yaml" }, ...env },
    types: Object.values(registry),
    readFile(path) {
      const text = all[path];
      if (text === undefined) throw new Deno.errors.NotFound(path);
      return text;
    },
    sinkEnvironment: () => sinkEnvironment(),
  });
  return loaded.ok ? [] : loaded.faults;
}

const SENTINEL = {
  dcr_endpoint: "https://x.example",
  dcr_rule_id: "dcr-00000000000000000000000000000000",
  dcr_stream_name: "Custom-Hecate_CL",
  tenant_id: "00000000-0000-0000-0000-000000000000",
  client_id: "00000000-0000-0000-0000-000000000000",
  client_certificate: "/nope.pem",
};

Deno.test("readConfiguration() tells what only an opening shows beside every other fault, at the setting's value", async () => {
  const sentinel = Object.entries(SENTINEL)
    .map(([key, value]) => `    ${key}: ${value}\n`).join("");
  const file = `prot: 1
sinks:
  udp: { type: qradar, syslog_host: h, syslog_protocol: udp, proxy: "http://p:1" }
  tcp: { type: qradar, syslog_host: h, syslog_protocol: tcp, tls_server_name: x }
  ok:
    type: sentinel
${sentinel}  half: { type: hec, url: "https://x", proxy: "http://p:1" }
`;
  deepEqual(
    await faults(file),
    [
      'h.yaml:1:1: prot: It is not a known key. Did you mean "port"?',
      "h.yaml:3:69: sinks.udp.proxy: UDP cannot go through a proxy: choose tcp or tls.",
      "h.yaml:4:79: sinks.tcp.tls_server_name: TLS settings do nothing with protocol tcp: choose tls, or leave them out.",
      "h.yaml:12:25: sinks.ok.client_certificate: The file cannot be read.",
      "h.yaml:13:3: sinks.half.token: It is missing: Generic HEC (any collector with a token) needs it beside sinks.half.url.",
    ],
  );
  const env = Object.fromEntries(
    Object.entries(SENTINEL).map(([key, value]) => [
      `SENTINEL_${key.toUpperCase()}`,
      value,
    ]),
  );
  deepEqual(await faults("", { env: { ...env, HECATE_PORT: "x" } }), [
    "HECATE_PORT: It must be a whole number.",
    "SENTINEL_CLIENT_CERTIFICATE: The file cannot be read.",
  ]);
});

Deno.test("readConfiguration() does not open what has a fault of its own or gets nothing", async () => {
  const proxied =
    'type: qradar, syslog_host: h, syslog_protocol: udp, proxy: "http://p:1"';
  deepEqual(
    await faults(
      `sources: { in: { type: hec, sink: a } }\nsinks:\n  a: { type: hec, url: "https://x.example", token: t }\n  b: { ${proxied} }\n`,
    ),
    [],
  );
  deepEqual(
    await faults(`sinks:\n  a: { ${proxied}, batch_events: 0 }\n`),
    ["h.yaml:2:95: sinks.a.batch_events: The least is 1."],
  );
});

Deno.test("readConfiguration() does not stop at the first fault of a token or a source", async () => {
  deepEqual(
    await faults(`tokens:
  - { name: "z,=", value: c, ack: later, face: splnk }
  - { nam: x }
  - { name: y, value: "\${env:NONE}", query: maybe, face: ngsiem }
  - { name: y, value: b, ack: deliverd }
  - { name: "\${env:NONE}", value: e }
  - { value: f }
sources:
  none: { sink: a, sinks: a }
  near: { type: hecc, sinkk: a }
  far: { type: syslog, mode: udp }
sinks: { a: { type: hec, url: "https://x.example", token: t } }
`),
    [
      "h.yaml:2:13: tokens.0.name: The name must have 1 to 64 characters, none of them a comma, an equals sign or a control character.",
      "h.yaml:2:35: tokens.0.ack: Ack is none of false, true, stored and delivered.",
      'h.yaml:2:48: tokens.0.face: Face is neither splunk nor ngsiem. Did you mean "splunk"?',
      "h.yaml:3:5: tokens.1: Needs exactly one of value and sha256.",
      'h.yaml:3:7: tokens.1.nam: It is not a known key. Did you mean "name"?',
      "h.yaml:4:23: tokens.2.value: The variable NONE is not set.",
      "h.yaml:4:45: tokens.2.query: Query is neither true nor false.",
      'h.yaml:5:31: tokens.3.ack: Ack is none of false, true, stored and delivered. Did you mean "delivered"?',
      "h.yaml:6:13: tokens.4.name: The variable NONE is not set.",
      "h.yaml:9:3: sources.none.type: It is missing: a source needs a type. The relay offers hec.",
      'h.yaml:9:20: sources.none.sinks: It is not a known key. Did you mean "sink"?',
      'h.yaml:10:17: sources.near.type: There is no such type of source. The relay offers hec. Did you mean "hec"?',
      'h.yaml:10:23: sources.near.sinkk: It is not a known key. Did you mean "sink"?',
      "h.yaml:11:16: sources.far.type: There is no such type of source. The relay offers hec.",
    ],
  );
});

Deno.test("readConfiguration() refuses keys that are another certificate's, encrypted, or not opened by the passphrase", async () => {
  // `openssl` makes them.
  if (certificates === undefined) return;
  const { good, wrongName, client, clientKeyEncrypted, passphrase } =
    certificates;
  const files = {
    "/good.pem": good.cert,
    "/good.key": good.key,
    "/other.key": wrongName.key,
    "/client.pem": client.cert,
    "/client.key": clientKeyEncrypted,
  };
  const tls = { HECATE_TLS_CERT: "/good.pem", HECATE_TLS_KEY: "/good.key" };
  deepEqual(await faults("", { env: tls, files }), []);
  deepEqual(
    await faults("", { env: { ...tls, HECATE_TLS_KEY: "/other.key" }, files }),
    ["HECATE_TLS_KEY: It is not the key of the certificate."],
  );
  deepEqual(
    await faults("", { env: { ...tls, HECATE_TLS_KEY: "/client.key" }, files }),
    [
      "HECATE_TLS_KEY: The key is encrypted: the relay takes one without a passphrase.",
    ],
  );
  const sink = (key: string, more: string) =>
    `sinks:\n  a:\n    type: hec\n    url: https://x.example\n    token: t\n    tls_client_cert: /client.pem\n    tls_client_key: ${key}\n${more}`;
  const opened = `    tls_client_key_passphrase: ${passphrase}\n`;
  deepEqual(await faults(sink("/client.key", opened), { files }), []);
  deepEqual(
    await faults(
      sink("/client.key", "    tls_client_key_passphrase: wrong\n"),
      { files },
    ),
    [
      "h.yaml:8:32: sinks.a.tls_client_key_passphrase: It does not open the client key, or this Deno cannot read a key of that kind.",
    ],
  );
  deepEqual(await faults(sink("/other.key", opened), { files }), [
    "h.yaml:7:21: sinks.a.tls_client_key: It is not the key of the client certificate.",
  ]);
});

Deno.test("readConfiguration() refuses a host that is none and an admin token that no request can show", async () => {
  for (
    const host of [
      "999.1.1.1",
      "a b",
      "a/b",
      "host:80",
      "1.2.3.4:80",
      "[::1",
      "@a",
    ]
  ) {
    const [fault = ""] = await faults("", { env: { HECATE_HOST: host } });
    match(fault, /^HECATE_HOST: It is neither an IP address nor a name/, host);
  }
  for (
    const host of [
      "127.0.0.1",
      "0.0.0.0",
      "::",
      "::1",
      "[::1]",
      "2001:DB8::1",
      "fe80::1%eth0",
      "localhost",
      "Relay.Example",
    ]
  ) deepEqual(await faults("", { env: { HECATE_HOST: host } }), [], host);
  const spaced = await faults("", { env: { HECATE_ADMIN_TOKEN: "a b" } });
  equal(spaced.length, 1);
  match(spaced[0] ?? "", /^HECATE_ADMIN_TOKEN: There is a space/);
});

Deno.test("readConfiguration() names placeholders, variables in place of keys, and merge keys", async () => {
  deepEqual(
    await faults(`HECATE_PORT: 1
HECATE_RETRY_MAX: 2s
base: &base { token: t }
sinks:
  a: { <<: *base, type: splunk, url: "https://x.example", token: <API_key_generated>, SPLUNK_HEC_INDEX: main }
`),
    [
      'h.yaml:1:1: HECATE_PORT: It is not a known key. Did you mean "port"?',
      'h.yaml:2:1: HECATE_RETRY_MAX: It is not a known key. Did you mean "retry.max"?',
      "h.yaml:3:1: base: It is not a known key.",
      "h.yaml:5:8: sinks.a.<<: YAML 1.2 has no merge keys. Write the keys here, or an alias in place of the whole map.",
      "h.yaml:5:66: sinks.a.token: This is a placeholder. Put the real value in its place.",
      'h.yaml:5:87: sinks.a.SPLUNK_HEC_INDEX: It is not a known key. Did you mean "index"?',
    ],
  );
});

Deno.test("hecate.yaml: schema and loader agree on keys with nothing behind them and on numbers in any form", async () => {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  const validate = ajv.compile(JSON.parse(schemaPage().text));
  const yaml = `host:
port: 0x1F90
tls_cert:
admin_token:
log_level:
batch_events: 1e3
keep:
tokens:
retry:
probe: { initial: , max: 1e2 }
sources: { in: { type: hec, sink: } }
sinks:
  a: { type: hec, url: "https://x.example", token: t, proxy: , tls_verify: , batch_bytes: 1.0e5, scope: }
  b: { type: crowdstrike, api_key: k, url: , url_key: "y", scope: { when: , classes: } }
`;
  const loaded = await loadYaml({ yaml });
  ok(loaded.ok, loaded.ok ? "" : loaded.faults.join("\n"));
  equal(loaded.relay.port, 8080);
  equal(loaded.relay.batchEvents, 1000);
  equal(loaded.relay.probe.max, 100_000);
  equal(loaded.connectors[0]?.common.batchBytes, 100_000);
  deepEqual(validate(parse(yaml)) ? [] : validate.errors, []);
  for (
    const wrong of [
      "sinks: { a: { type: hec, url: , token: t } }",
      "sinks: { a: { type: crowdstrike, api_key: k, url: } }",
      "tokens: [{ name: a, value: }]",
    ]
  ) {
    ok(!(await loadYaml({ yaml: wrong })).ok, wrong);
    ok(!validate(parse(wrong)), wrong);
  }
});
