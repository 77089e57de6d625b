import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { makeCertificates } from "../../support/certificates.ts";
import { schemaPage } from "../../support/write_docs.ts";
import { goodYaml } from "./yaml_case.ts";

const EXAMPLE = new URL(
  "../../../docs/hecate.example.yaml",
  import.meta.url,
);

function check(yaml: string): string[] {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  const validate = ajv.compile(JSON.parse(schemaPage().text));
  return validate(parse(yaml))
    ? []
    : (validate.errors ?? []).map((error) =>
      `${error.instancePath} ${error.message}`
    );
}

Deno.test("docs/hecate.schema.json is what the declarations say (deno task docs writes it)", () => {
  const { path, text } = schemaPage();
  assert.equal(Deno.readTextFileSync(path), text);
});

const certificates = await makeCertificates();

Deno.test("docs/hecate.example.yaml fits the schema and the loader, and shows every setting of the relay's groups", async () => {
  const yaml = Deno.readTextFileSync(EXAMPLE);
  assert.deepEqual(check(yaml), []);
  // `openssl` makes them.
  if (certificates === undefined) return;
  const pem = (label: string) =>
    `-----BEGIN ${label}-----\nMAA=\n-----END ${label}-----\n`;
  const { connectors, warnings } = await goodYaml({
    yaml,
    env: {
      SOC_A_TOKEN: "a",
      ARCHIVE_TOKEN: "b",
      EDR_TOKEN: "hct_edr",
      FIREWALL_TOKEN: "hct_fw",
      RELAY_ADMIN_TOKEN: "hca_admin",
    },
    files: {
      "/etc/hecate/ca-a.pem": pem("CERTIFICATE"),
      "/etc/hecate/ca-b.pem": pem("CERTIFICATE"),
      "/etc/hecate/client-a.pem": certificates.client.cert,
      "/etc/hecate/client-a.key": certificates.clientKeyEncrypted,
      "/run/secrets/client-a-passphrase": certificates.passphrase,
      "/run/secrets/soc-b-token": "c",
    },
  });
  assert.deepEqual(warnings, []);
  assert.deepEqual(connectors.map(({ name }) => name), [
    "soc-a",
    "soc-b",
    "archive",
  ]);
});

Deno.test("configurationSchema() points out what the loader does not take", () => {
  const sink = "sinks: { a: { type: hec, url: 'https://x', token: t } }\n";
  assert.deepEqual(check(sink), []);
  for (
    const wrong of [
      "prot: 1",
      "sinks: { a: { type: hec, url: 'https://x', token: t, tokn: u } }",
      "sinks: { a: { type: hec, token: t } }",
      "sinks: { a: { type: splnk } }",
      "sinks: { A_B: { type: hec, url: 'https://x', token: t } }",
      "sinks: { a: { type: crowdstrike, api_key: k } }",
      "sinks: { a: { type: crowdstrike, api_key: k, url: 'https://x', url_key: b } }",
      "sources: { a: { type: syslog } }",
      "retry: { much: 1 }",
      "log_level: loud",
      "tokens: [{ name: a }]",
    ]
  ) assert.notDeepEqual(check(wrong), [], wrong);
});
