import assert from "node:assert/strict";
import { configurationPage } from "../../support/write_docs.ts";

Deno.test("docs/configuration.md is what the declarations say (deno task docs writes it)", () => {
  const { path, text } = configurationPage();
  assert.equal(Deno.readTextFileSync(path), text);
});

Deno.test("renderConfiguration() names every variable of the interface that this release knows", () => {
  const { text } = configurationPage();
  for (
    const name of [
      "HECATE_PORT",
      "SIEM_DEAD_LETTER_PATH",
      "SPLUNK_HEC_URL",
      "NGSIEM_URL_KEY",
      "HEC_TOKEN_PREFIX",
      "<PREFIX>_TLS_PIN",
    ]
  ) assert.ok(text.includes(`\`${name}\``), name);
});

Deno.test("renderConfiguration() says what ENABLED and BATCH_WAIT do", () => {
  const { text } = configurationPage();
  const row = (name: string) =>
    text.split("\n").find((line) => line.startsWith(`| \`${name}\` |`)) ?? "";
  assert.match(
    row("<PREFIX>_ENABLED"),
    /first start.*events wait, are kept, and expire/,
  );
  for (const name of ["HECATE_BATCH_WAIT", "<PREFIX>_BATCH_WAIT"]) {
    assert.match(row(name), /Not set: it goes at once/, name);
  }
});
