import assert from "node:assert/strict";
import { join } from "node:path";
import type { Clock } from "../../../lib/clock.ts";
import { type SampleEvent, sampleEvents } from "../../../lib/demo/events.ts";
import { membersOf, splitValues } from "../../../lib/demo/source_text.ts";
import { needsTestData } from "../../support/test_data.ts";

const clock: Clock = {
  now: () => 1_773_360_000_123,
  monotonic: () => 0,
  sleep: () => Promise.resolve(),
  after: () => () => {},
};

function take(count: number, seed: number): SampleEvent[] {
  const events: SampleEvent[] = [];
  for (const event of sampleEvents({ seed, clock })) {
    events.push(event);
    if (events.length === count) break;
  }
  return events;
}

const FILES: Readonly<Record<number, string>> = {
  3002: "authentication",
  6003: "api_activity",
  4001: "network_activity",
  4003: "dns_activity",
  1007: "process_activity",
  2004: "detection_finding",
};

type Schema = Readonly<Record<string, unknown>>;

function asSchema(value: unknown): Schema {
  return typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value))
    : {};
}

/** As much of JSON Schema as the OCSF schemas use. Returns where `value` breaks it. */
function faults(
  value: unknown,
  schema: Schema,
  root: Schema,
  path = "",
): string[] {
  const found: string[] = [];
  const check = (ok: boolean, what: string) => {
    if (!ok) found.push(`${path}: ${what}`);
  };
  const known = new Set([
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "title",
    "description",
    "type",
    "properties",
    "required",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "then",
    "else",
    "$ref",
    "const",
    "enum",
    "items",
    "contains",
    "additionalProperties",
    "unevaluatedProperties",
    "pattern",
    "maxLength",
    "minLength",
    "minimum",
    "maximum",
    "not",
  ]);
  for (const keyword of Object.keys(schema)) {
    check(known.has(keyword), `unknown keyword ${keyword}`);
  }
  const inner = (part: unknown, inside = value, at = path) =>
    faults(inside, asSchema(part), root, at);
  const passes = (part: unknown) => inner(part).length === 0;
  const list = (name: string) => {
    const all = schema[name];
    return Array.isArray(all) ? all : [];
  };
  if (typeof schema.$ref === "string") {
    const name = schema.$ref.replace("#/$defs/", "");
    found.push(...inner(asSchema(root.$defs)[name]));
  }
  if (typeof schema.type === "string") {
    check(kinds(value).includes(schema.type), `is no ${schema.type}`);
  }
  if ("const" in schema) check(value === schema.const, "const");
  if ("enum" in schema) check(list("enum").includes(value), "enum");
  if (typeof value === "number") {
    check(value >= Number(schema.minimum ?? -Infinity), "minimum");
    check(value <= Number(schema.maximum ?? Infinity), "maximum");
  }
  if (typeof value === "string") {
    check(value.length <= Number(schema.maxLength ?? Infinity), "maxLength");
    check(new RegExp(String(schema.pattern ?? ""), "u").test(value), "pattern");
  }
  if (Array.isArray(value)) {
    value.forEach((item, n) =>
      found.push(...inner(schema.items ?? {}, item, `${path}/${n}`))
    );
    if ("contains" in schema) {
      check(
        value.some((item) => inner(schema.contains, item).length === 0),
        "contains",
      );
    }
  } else if (typeof value === "object" && value !== null) {
    const properties = asSchema(schema.properties);
    for (const name of list("required")) {
      check(Object.hasOwn(value, name), `${name} is missing`);
    }
    for (const [name, member] of Object.entries(value)) {
      if (name in properties) {
        found.push(...inner(properties[name], member, `${path}/${name}`));
      } else check(schema.additionalProperties !== false, `${name} is unknown`);
    }
  }
  for (const part of list("allOf")) found.push(...inner(part));
  if ("anyOf" in schema) check(list("anyOf").some(passes), "anyOf");
  if ("oneOf" in schema) {
    check(list("oneOf").filter(passes).length === 1, "oneOf");
  }
  if ("not" in schema) check(!passes(schema.not), "not");
  if ("if" in schema) {
    const branch = passes(schema.if) ? schema.then : schema.else;
    if (branch !== undefined) found.push(...inner(branch));
  }
  return found;
}

function kinds(value: unknown): string[] {
  if (value === null) return ["null"];
  if (Array.isArray(value)) return ["array"];
  return Number.isInteger(value) ? ["integer", "number"] : [typeof value];
}

Deno.test("sampleEvents() repeats with its seed, differs with another", () => {
  assert.deepEqual(take(50, 7), take(50, 7));
  assert.notDeepEqual(take(50, 7), take(50, 8));
});

Deno.test("sampleEvents() makes envelopes that hold the event, and every class early", () => {
  const events = take(200, 1);
  assert.equal(new Set(events.map((one) => one.event)).size, 200);
  assert.equal(new Set(events.slice(0, 6).map((one) => one.classUid)).size, 6);
  for (const { envelope, event } of events) {
    const bytes = new TextEncoder().encode(envelope);
    const { values, broken } = splitValues(bytes);
    assert.ok(!broken && values.length === 1 && !envelope.includes("\n"));
    const members = membersOf(bytes);
    assert.equal(new TextDecoder().decode(members?.get("event")), event);
    assert.equal(
      new TextDecoder().decode(members?.get("time")),
      "1773360000.123",
    );
  }
});

needsTestData("sampleEvents() are valid OCSF 1.1.0, strictly", (directory) => {
  const schemas = new Map<number, Schema>();
  for (const { classUid, event } of take(300, 3)) {
    const schema = schemas.get(classUid) ??
      asSchema(JSON.parse(Deno.readTextFileSync(
        join(
          directory,
          "ocsf-1.1.0/strict",
          `${FILES[classUid]}.schema.json`,
        ),
      )));
    schemas.set(classUid, schema);
    assert.deepEqual(faults(JSON.parse(event), schema, schema), [], event);
  }
  assert.equal(schemas.size, 6);
  const [dns] = take(4, 3).slice(3);
  const { query: _query, ...rest } = JSON.parse(dns?.event ?? "{}");
  const broken = { ...rest, severity_id: 7, metadata: { version: "1.1.0" } };
  const schema = asSchema(schemas.get(4003));
  assert.deepEqual(faults(broken, schema, schema), [
    "/severity_id: enum",
    "/metadata: product is missing",
  ], "the check sees what is wrong");
});
