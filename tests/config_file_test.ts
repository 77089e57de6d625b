import assert from "node:assert/strict";
import { startDemoSiem } from "../lib/demo/siem.ts";
import { makeCertificates } from "./support/certificates.ts";
import { poll } from "./support/poll.ts";
import { freePort, spawnRelay, startRelay } from "./support/processes.ts";

/** hecate.yaml as an operator meets it: the real program, real files, real servers. */

const IS_OLD = /^2\.[0-8]\./.test(Deno.version.deno);

async function inFolder(
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "hecate-file-" });
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function post(url: string, body: string): Promise<void> {
  const reply = await fetch(`${url}/services/collector/event`, {
    method: "POST",
    headers: { Authorization: "Splunk hct_edge" },
    body,
  });
  assert.equal(await reply.text(), '{"text":"Success","code":0}');
}

interface Reported {
  readonly name: string;
  readonly state: string;
  readonly accepted: number;
  readonly delivered: number;
  readonly waiting: number;
  readonly last_error: { readonly reason: string } | null;
}

async function connectors(url: string): Promise<Map<string, Reported>> {
  const reply = await fetch(`${url}/api/v1/status`, {
    headers: { Authorization: "Bearer hca_edge" },
  });
  const { connectors }: { connectors: Reported[] } = await reply.json();
  return new Map(connectors.map((one) => [one.name, one]));
}

Deno.test("hecate.yaml: start and config validate tell the same faults, exit 78, no secret", async () => {
  const yaml = `prot: 1
admin_token: hca_planted-secret
sinks:
  soc:
    type: splunk
    url: https://{tenant}.example
    token: "Splunk planted-secret"
    tls_ca_bundle: nowhere.pem
    index: \${file:/dev/zero}
`;
  await inFolder({ "my.yaml": yaml }, async (folder) => {
    const expected = [
      'my.yaml:1:1: prot: It is not a known key. Did you mean "port"?',
      "my.yaml:6:10: sinks.soc.url: Replace the placeholder in the address (it still has {tenant}).",
      "my.yaml:7:12: sinks.soc.token: Leave out the word before the token; it is added by itself.",
      'my.yaml:8:20: sinks.soc.tls_ca_bundle: The file "nowhere.pem" cannot be read.',
      'my.yaml:9:12: sinks.soc.index: The file "/dev/zero" cannot be read.',
    ];
    for (
      const options of [
        { env: { HECATE_CONFIG: "my.yaml" } },
        {
          flags: ["-P=hecate"],
          args: ["hecate", "config", "validate", "my.yaml"],
        },
        {
          flags: ["-P=hecate"],
          args: ["hecate", "config", "validate"],
          env: { HECATE_CONFIG: "my.yaml" },
        },
      ]
    ) {
      await using relay = spawnRelay({ ...options, cwd: folder });
      assert.equal((await relay.ended).code, 78);
      const told = relay.stderr().split("\n")
        .filter((line) => line.startsWith("my.yaml:"));
      assert.deepEqual(told, expected);
      assert.doesNotMatch(
        relay.stdout() + relay.stderr(),
        /planted-secret|\n {4}at /,
      );
    }
  });
});

Deno.test("hecate.yaml: start and config validate tell what only the opening of connectors shows, all of it", async () => {
  const files = {
    "my.yaml": `kv: ":memory:"
port: 0
sinks:
  udp: { type: qradar, syslog_host: h, syslog_protocol: udp, proxy: "http://p:1" }
  key: { type: splunk, url: "https://x.example", token: t, tls_client_cert: c.pem, tls_client_key: k.pem }
`,
    "c.pem": "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    "k.pem": "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
  };
  await inFolder(files, async (folder) => {
    for (
      const options of [
        { env: { HECATE_CONFIG: "my.yaml" } },
        {
          flags: ["-P=hecate"],
          args: ["hecate", "config", "validate", "my.yaml"],
        },
      ]
    ) {
      await using relay = spawnRelay({ ...options, cwd: folder });
      assert.equal((await relay.ended).code, 78);
      const told = relay.stderr().split("\n")
        .filter((line) => line.startsWith("my.yaml:"));
      assert.deepEqual(told, [
        "my.yaml:4:69: sinks.udp.proxy: UDP cannot go through a proxy: choose tcp or tls.",
        "my.yaml:5:100: sinks.key.tls_client_key: The client key is encrypted: it needs a passphrase.",
      ]);
    }
  });
});

Deno.test("hecate.yaml: two sinks of one type get everything, the one that no source names gets and counts nothing", async () => {
  const splunk = { protocol: "splunk" as const };
  await using siem = await startDemoSiem({
    targets: { one: splunk, two: splunk, spare: splunk, env: splunk },
  });
  const sink = (name: string) =>
    `  ${name}:\n    type: splunk\n    url: ${
      siem.target(name).url
    }\n    token: \${env:TOKEN_${name.toUpperCase()}}\n`;
  const yaml = `# everything in one file
port: ${freePort()}
kv: store/hecate.kv
admin_token: hca_edge
tokens: [{ name: edge, value: hct_edge }]
sources:
  intake: { type: hec, sink: [one, two, splunk] }
sinks:
${sink("one")}${sink("two")}${sink("spare")}`;
  await inFolder({ "hecate.yaml": yaml }, async (folder) => {
    const port = freePort();
    await using relay = await startRelay({
      cwd: folder,
      port,
      env: {
        HECATE_CONFIG: "hecate.yaml",
        TOKEN_ONE: siem.target("one").token,
        TOKEN_TWO: siem.target("two").token,
        TOKEN_SPARE: siem.target("spare").token,
        SPLUNK_HEC_URL: siem.target("env").url,
        SPLUNK_HEC_TOKEN: siem.target("env").token,
      },
    });
    for (let n = 0; n < 10; n++) {
      await post(relay.url, `{"event":{"n":${n}}}`);
    }
    for (const name of ["one", "two", "env"]) {
      await siem.target(name).until(10);
    }
    const counts = await poll(async () => {
      const all = await connectors(relay.url);
      return all.get("one")?.delivered === 10 &&
          all.get("two")?.delivered === 10 &&
          all.get("splunk")?.delivered === 10
        ? all
        : undefined;
    });
    const spare = counts.get("spare");
    assert.deepEqual(
      [spare?.state, spare?.accepted, spare?.waiting, spare?.delivered],
      ["waiting", 0, 0, 0],
    );
    assert.equal(siem.requests("spare").length, 0);
    assert.match(relay.stdout(), /Connector spare gets nothing/);
    assert.doesNotMatch(
      relay.stdout() + relay.stderr(),
      /demo-siem-|hct_edge|hca_edge/,
    );
  });
});

Deno.test({
  name:
    "hecate.yaml: two Splunk servers with their own token, authority and client certificate, side by side",
  ignore: IS_OLD,
  async fn() {
    const a = await makeCertificates(), b = await makeCertificates();
    const open = await makeCertificates();
    if (a === undefined || b === undefined || open === undefined) return;
    const server = (one: typeof a, token: string) =>
      startDemoSiem({
        tls: { ...one.good, ca: one.ca, name: "localhost" },
        targets: { splunk: { protocol: "splunk", token } },
      });
    await using siemA = await server(a, "token-of-a");
    await using siemB = await server(b, "token-of-b");
    // Stands for a public authority: Deno itself trusts it.
    await using siemOpen = await server(open, "token-of-c");
    const sink = (
      name: string,
      url: string,
      { token, ca = name, client = name }: {
        readonly token: string;
        readonly ca?: string;
        readonly client?: string;
      },
    ) => `
  ${name}:
    type: splunk
    url: ${url}
    token: ${token}
    tls_ca_bundle: ca-${ca}.pem
    tls_client_cert: client-${client}.pem
    tls_client_key: client-${client}.key
    tls_client_key_passphrase: \${file:pass}
`;
    const urlA = siemA.target("splunk").url, urlB = siemB.target("splunk").url;
    const urlOpen = siemOpen.target("splunk").url;
    const yaml = `kv: ":memory:"
admin_token: hca_edge
tokens: edge=hct_edge
sinks:${sink("a", urlA, { token: "token-of-a" })}${
      sink("b", urlB, { token: "token-of-b" })
    }${
      sink("open", urlOpen, { token: "token-of-c", ca: "a", client: "open" })
    }${sink("wrong-ca", urlB, { token: "token-of-b", ca: "a", client: "b" })}${
      sink("wrong-token", urlA, { token: "token-of-b", ca: "a", client: "a" })
    }`;
    const files = {
      "hecate.yaml": yaml,
      pass: `${a.passphrase}\n`,
      "ca-a.pem": a.ca,
      "ca-b.pem": b.ca,
      "client-a.pem": a.client.cert,
      "client-a.key": a.clientKeyEncrypted,
      "client-b.pem": b.client.cert,
      "client-b.key": b.clientKeyEncrypted,
      "ca-open.pem": open.ca,
      "client-open.pem": open.client.cert,
      "client-open.key": open.clientKeyEncrypted,
    };
    await inFolder(files, async (folder) => {
      await using relay = await startRelay({
        cwd: folder,
        env: {
          HECATE_CONFIG: "hecate.yaml",
          DENO_CERT: `${folder}/ca-open.pem`,
        },
      });
      await post(relay.url, '{"event":{"n":1}}');
      await siemOpen.target("splunk").until(1);
      await siemA.target("splunk").until(1);
      await siemB.target("splunk").until(1);
      const held = await poll(async () => {
        const all = await connectors(relay.url);
        return ["wrong-ca", "wrong-token"].every((name) =>
            all.get(name)?.state === "held"
          )
          ? all
          : undefined;
      });
      assert.equal(held.get("wrong-ca")?.last_error?.reason, "tls_issuer");
      assert.equal(held.get("wrong-token")?.last_error?.reason, "forbidden");
      assert.equal(siemA.received("splunk").length, 1);
      assert.equal(siemB.received("splunk").length, 1);
    });
  },
});

Deno.test("main.ts takes no argument that would go unread: usage, exit 2", async () => {
  for (const [args, code] of [[["hecate.yaml"], 2], [["--help"], 0]] as const) {
    await using relay = spawnRelay({ args: [...args] });
    assert.equal((await relay.ended).code, code);
    assert.match(relay.stderr(), /^Usage: deno task start/m);
    assert.equal(relay.stdout(), "");
  }
});
