/**
 * A tenth connector is one file (`fixtures/acme.ts`) and one line in the registry (`types`): its settings' form,
 * environment names, docs, JSON Schema, faults and contract suite follow.
 */

import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { z } from "zod";
import * as registry from "../connectors/registry.ts";
import { loadConfiguration, readConfiguration } from "../lib/config/load.ts";
import { renderConfiguration } from "../lib/config/render.ts";
import { configurationSchema } from "../lib/config/schema.ts";
import { settingsOf } from "../lib/config/settings.ts";
import { runContract } from "./connectors/contract.ts";
import { SECRET } from "./connectors/contract_subject.ts";
import { acme } from "./fixtures/acme.ts";
import { answer } from "./support/sinks.ts";

const types = Object.values({ ...registry, acme });

/** Loads with the tenth type registered. */
function load(env: Readonly<Record<string, string>>) {
  return loadConfiguration({
    env,
    readFile: (path) => {
      throw new Error(`no ${path}`);
    },
    types,
  });
}

Deno.test("tenth connector: environment names, defaults, secrets and faults follow from its declaration", () => {
  const loaded = load({
    ACME_URL: "https://intake.acme.example",
    ACME_KEY: "k3y",
    ACME_TLS_VERIFY: "on",
    ACME_BATCH_EVENTS: "50",
  });
  assert.ok(loaded.ok);
  assert.deepEqual(loaded.connectors.map(({ name }) => name), ["acme"]);
  assert.deepEqual(loaded.warnings, []);

  const missing = load({ ACME_URL: "https://intake.acme.example" });
  assert.ok(!missing.ok);
  assert.match(missing.faults.join("\n"), /ACME_KEY/);
  const wrong = load({
    ACME_URL: "nonsense",
    ACME_KEY: "k3y",
    ACME_BATCH_EVENTS: "501",
  });
  assert.ok(!wrong.ok);
  assert.match(wrong.faults.join("\n"), /ACME_URL[^]*ACME_BATCH_EVENTS/);
  assert.ok(!wrong.faults.join("\n").includes("k3y"));
  const nearest = load({
    ACME_URL: "https://intake.acme.example",
    ACME_KEY: "k3y",
    ACME_TEEM: "x",
  });
  assert.ok(nearest.ok);
  assert.match(nearest.warnings.join("\n"), /ACME_TEEM.*ACME_TEAM/);
});

Deno.test("tenth connector: hecate.yaml takes it, the schema for editors and the docs have it", async () => {
  const yaml =
    "sinks: { ours: { type: acme, url: 'https://intake.acme.example', key: k, team: blue } }\n";
  const schema = configurationSchema(types);
  const validate = new Ajv2020({ strict: false }).compile(schema);
  assert.ok(validate(parse(yaml)), JSON.stringify(validate.errors));
  assert.ok(!validate(parse(yaml.replace("team", "teem"))));
  const loaded = await readConfiguration({
    env: { HECATE_CONFIG: "hecate.yaml" },
    readFile: () => yaml,
    types,
  });
  assert.ok(loaded.ok, loaded.ok ? "" : loaded.faults.join("\n"));
  assert.deepEqual(loaded.connectors.map(({ name }) => name), ["ours"]);

  const page = renderConfiguration(types);
  assert.match(page, /### Acme Detect: `acme`/);
  for (const name of ["ACME_URL", "ACME_KEY", "ACME_TEAM"]) {
    assert.ok(page.includes(`| \`${name}\` | `), name);
  }
});

Deno.test("tenth connector: its form's fields have a title, help and whether they are secret", () => {
  assert.ok(acme.settings instanceof z.ZodObject);
  const fields = settingsOf(acme.settings, acme.prefix).map(
    ({ name, meta }) => [name, meta.title, meta.kind === "secret"],
  );
  assert.deepEqual(fields, [
    ["ACME_URL", "URL", false],
    ["ACME_KEY", "Key", true],
    ["ACME_TEAM", "Team", false],
  ]);
});

runContract(acme, {
  env: (base) => ({ ACME_URL: base, ACME_KEY: SECRET }),
  eventsOf: (body) => {
    const text = new TextDecoder().decode(body);
    return text.slice(1, -1).split(/,(?=\{"at":\d{13},"event":)/).map((row) => {
      const [, event] = /^\{"at":\d{13},"event":([^]*)\}$/.exec(row) ?? [];
      assert.ok(event !== undefined, row);
      return event;
    });
  },
  speaks: { protocol: "http", success: answer(202, {}) },
});
