/** The JSON Schema of hecate.yaml, from the declarations: editors complete and check with it. */

import type { ConnectorType } from "../connector.ts";
import {
  CATEGORY_CAPTIONS,
  CLASS_CAPTIONS,
  SEVERITY_CAPTIONS,
} from "../ocsf/captions.ts";
import { COMMON } from "./connector.ts";
import { type FieldMeta, groupMeta } from "./fields.ts";
import { isInFile, relaySteps } from "./file_sections.ts";
import { groupOf } from "./load_connector.ts";
import { RELAY } from "./relay_declaration.ts";
import { type Group, settingsOf } from "./settings.ts";

/** A schema, as JSON. */
export type JsonSchema = { readonly [key: string]: unknown };

/** `${env:NAME}` may stand for any value. */
const REFERENCE = { type: "string", pattern: "\\$\\{(env|file):" };
const SWITCH_WORDS = ["true", "false", "yes", "no", "on", "off", "1", "0"];
const NUMBER_TEXT = "^\\s*\\d+(\\.\\d+)? ?[A-Za-z]*\\s*$";

/** What a value may be; the relay's own checks go further. */
function valueOf({ kind, choices, json }: FieldMeta): JsonSchema {
  if (json) return { type: ["string", "object", "array"] };
  if (choices !== undefined) return { anyOf: [{ enum: choices }, REFERENCE] };
  switch (kind) {
    case "switch":
      return {
        anyOf: [
          { type: "boolean" },
          { enum: [...SWITCH_WORDS, 0, 1] },
          REFERENCE,
        ],
      };
    case "count":
      return {
        anyOf: [
          { type: "integer", minimum: 0 },
          { type: "string", pattern: "^\\s*\\d+\\s*$" },
          REFERENCE,
        ],
      };
    case "duration":
    case "size":
      return {
        anyOf: [
          { type: "number", minimum: 0 },
          { type: "string", pattern: NUMBER_TEXT },
          REFERENCE,
        ],
      };
    case "text":
    case "secret":
      return { type: ["string", "number", "boolean"] };
    case "url":
    case "path":
    case "choice":
    case "time":
      return { type: "string" };
    default:
      return kind satisfies never;
  }
}

/** `key:` with nothing behind it counts as not set. */
function orNothing(schema: JsonSchema): JsonSchema {
  const { type, anyOf } = schema;
  if (Array.isArray(anyOf)) {
    return { ...schema, anyOf: [...anyOf, { type: "null" }] };
  }
  return type === undefined
    ? { anyOf: [schema, { type: "null" }] }
    : { ...schema, type: [type, "null"].flat() };
}

function described(meta: FieldMeta): JsonSchema {
  const value = valueOf(meta);
  return {
    title: meta.title,
    description: meta.help,
    ...meta.isRequired ? value : orNothing(value),
    ...meta.default !== undefined && { default: meta.default },
    ...meta.example !== undefined && { examples: [meta.example] },
  };
}

function propertiesOf(group: Group): JsonSchema {
  return Object.fromEntries(
    settingsOf(group, "").map(({ key, meta }) => [key, described(meta)]),
  );
}

function sinkOf(type: ConnectorType): JsonSchema {
  const group = groupOf(type);
  const alternatives = groupMeta(group).oneOf.map((keys) => ({
    oneOf: keys.map((key) => ({
      required: [key],
      properties: { [key]: { not: { type: "null" } } },
    })),
  }));
  return {
    title: type.title,
    type: "object",
    additionalProperties: false,
    required: [
      "type",
      ...settingsOf(group, "").filter(({ meta }) => meta.isRequired)
        .map(({ key }) => key),
    ],
    ...alternatives.length > 0 && { allOf: alternatives },
    properties: {
      type: { const: type.type },
      ...Object.fromEntries(
        settingsOf(COMMON, "").map(({ key }) => [key, {
          $ref: `#/$defs/every/properties/${key}`,
        }]),
      ),
      ...propertiesOf(group),
      scope: orNothing({ $ref: "#/$defs/scope" }),
    },
  };
}

/** The relay's settings at the top, `retry` and `probe` grouped. */
function relayProperties(): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  const groups: Record<string, Record<string, JsonSchema>> = {};
  for (const setting of settingsOf(RELAY, "")) {
    if (!isInFile(setting)) continue;
    const [first = "", second] = relaySteps(setting.key);
    const schema = setting.key === "tokens"
      ? orNothing({ $ref: "#/$defs/tokens" })
      : described(setting.meta);
    if (second === undefined) properties[first] = schema;
    else (groups[first] ??= {})[second] = schema;
  }
  for (const [name, members] of Object.entries(groups)) {
    properties[name] = {
      type: ["object", "null"],
      additionalProperties: false,
      properties: members,
    };
  }
  return properties;
}

const TEXT = { type: ["string", "number", "boolean"] };
const SWITCH = {
  anyOf: [{ type: "boolean" }, { enum: [...SWITCH_WORDS, 0, 1] }],
};

function optional(
  properties: Readonly<Record<string, JsonSchema>>,
): JsonSchema {
  return Object.fromEntries(
    Object.entries(properties).map(([key, schema]) => [key, orNothing(schema)]),
  );
}

const TOKENS: JsonSchema = {
  title: "Ingest tokens",
  description:
    "What producers show. A list with options, or HECATE_TOKENS' own text.",
  anyOf: [{ type: "string" }, {
    type: "array",
    items: {
      type: "object",
      additionalProperties: false,
      oneOf: ["value", "sha256"].map((key) => ({
        required: [key],
        properties: { [key]: { not: { type: "null" } } },
      })),
      properties: optional({
        name: { ...TEXT, default: "default" },
        value: { ...TEXT, examples: ["${env:EDR_TOKEN}"] },
        sha256: { type: "string", pattern: "^[0-9a-fA-F]{64}$|\\$\\{" },
        face: { anyOf: [{ enum: ["splunk", "ngsiem"] }, REFERENCE] },
        query: SWITCH,
        disabled: SWITCH,
        ack: { anyOf: [SWITCH, { enum: ["stored", "delivered"] }] },
        host: TEXT,
        source: TEXT,
        sourcetype: TEXT,
        index: TEXT,
        indexes: listOf(TEXT),
      }),
    },
  }],
};

function listOf(item: JsonSchema): JsonSchema {
  return { anyOf: [item, { type: "array", minItems: 1, items: item }] };
}

function captions(names: readonly string[], most?: number): JsonSchema {
  return {
    anyOf: [
      {
        type: "integer",
        minimum: 0,
        ...most !== undefined && { maximum: most },
      },
      { enum: names },
      // By caption whatever its case, or by a number in quotes.
      { type: "string" },
    ],
  };
}

const SCOPE: JsonSchema = {
  title: "Scope",
  description: "Which events it gets; all that is given must hold.",
  type: "object",
  additionalProperties: false,
  properties: optional({
    min_severity: captions(SEVERITY_CAPTIONS.slice(0, 7), 6),
    categories: listOf(captions(CATEGORY_CAPTIONS)),
    classes: listOf(captions(CLASS_CAPTIONS)),
    tokens: listOf({ ...TEXT, description: "A producer's token name." }),
    when: { type: "string", description: "A CEL expression over `event`." },
  }),
};

/** The whole schema (draft 2020-12). */
export function configurationSchema(
  types: readonly ConnectorType[],
): JsonSchema {
  const ordered = [...types].sort((a, b) => a.type < b.type ? -1 : 1);
  const names = ordered.map(({ type }) => type);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "hecate.yaml",
    type: ["object", "null"],
    additionalProperties: false,
    properties: {
      sources: {
        description:
          "What comes in. Absent: one HEC source that feeds every sink.",
        type: ["object", "null"],
        additionalProperties: {
          type: "object",
          additionalProperties: false,
          required: ["type"],
          properties: {
            type: { const: "hec" },
            sink: {
              description: "One name, a list, or absent for all.",
              ...orNothing(listOf({ type: "string" })),
            },
          },
        },
      },
      sinks: {
        description: "The connectors, by name.",
        type: ["object", "null"],
        propertyNames: { pattern: "^[a-z0-9-]{1,40}$" },
        additionalProperties: {
          type: "object",
          required: ["type"],
          properties: { type: { enum: names } },
          allOf: names.map((type) => ({
            if: { properties: { type: { const: type } }, required: ["type"] },
            then: { $ref: `#/$defs/${type}` },
          })),
        },
      },
      ...relayProperties(),
    },
    $defs: {
      ...Object.fromEntries(ordered.map((type) => [type.type, sinkOf(type)])),
      // No sink by itself: what each of them may say.
      every: { properties: propertiesOf(COMMON) },
      scope: SCOPE,
      tokens: TOKENS,
    },
  };
}
