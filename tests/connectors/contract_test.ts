import assert from "node:assert/strict";
import * as registry from "../../connectors/registry.ts";
import { scanBody } from "../../lib/json/scanner.ts";
import { EVENT, ROW, SpanTable } from "../../lib/json/spans.ts";
import { answer } from "../support/sinks.ts";
import { runContract } from "./contract.ts";
import { type ContractSubject, SECRET } from "./contract_subject.ts";

/** The `event` of each envelope in a body. */
function enveloped(body: Uint8Array): string[] {
  const table = new SpanTable();
  assert.equal(scanBody(body, table), undefined);
  return Array.from({ length: table.count }, (_, i) => {
    const at = i * ROW + EVENT;
    return new TextDecoder().decode(
      body.subarray(table.words[at], table.words[at + 1]),
    );
  });
}

/** The event inside `{"data":…,"collector_ms":…}`, a line each. */
function wrapped(body: Uint8Array): string[] {
  return new TextDecoder().decode(body).split("\n").map((line) => {
    const [, event] = /^\{"data":(.*),"collector_ms":\d{13}\}$/.exec(line) ??
      [];
    assert.ok(event !== undefined, line);
    return event;
  });
}

const SUBJECTS: Readonly<Record<keyof typeof registry, ContractSubject>> = {
  splunk: {
    env: (base) => ({ SPLUNK_HEC_URL: base, SPLUNK_HEC_TOKEN: SECRET }),
    eventsOf: enveloped,
    speaks: {
      protocol: "http",
      success: answer(200, { text: "Success", code: 0 }),
    },
  },
  crowdstrike: {
    env: (base) => ({ NGSIEM_URL: base, NGSIEM_API_KEY: SECRET }),
    eventsOf: enveloped,
    speaks: {
      protocol: "http",
      success: answer(200, { text: "Success", code: 0 }),
    },
  },
  hec: {
    env: (base) => ({ HEC_URL: `${base}/logs`, HEC_TOKEN: SECRET }),
    eventsOf: wrapped,
    speaks: { protocol: "http", success: answer(204) },
  },
};

for (const [name, type] of Object.entries(registry)) {
  const subject = Object.entries(SUBJECTS).find(([key]) => key === name)?.[1];
  if (subject !== undefined) runContract(type, subject);
}

Deno.test("registry: types are named as they are exported and share no prefix", () => {
  const types = Object.entries(registry);
  for (const [name, type] of types) {
    assert.equal(type.type, name);
    assert.ok(Object.hasOwn(SUBJECTS, name), `${name} has no contract test`);
  }
  const prefixes = types.map(([, type]) => type.prefix);
  assert.equal(new Set(prefixes).size, types.length);
});
