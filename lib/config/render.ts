/** Documentation of the settings, written from their declarations (`deno task docs`). */

import type { ConnectorType } from "../connector.ts";
import { COMMON } from "./connector.ts";

import { groupMeta } from "./fields.ts";
import { isInFile, relaySteps } from "./file_sections.ts";
import { groupOf } from "./load_connector.ts";
import { RELAY } from "./relay_declaration.ts";
import { type Group, type Setting, settingsOf } from "./settings.ts";

/** A cell's text: pipes and line breaks would end it. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll(/\s*\n\s*/g, " ");
}

function defaultOf(
  { key, meta }: Setting,
  group: Group,
  prefix: string,
): string {
  if (meta.default !== undefined) {
    return meta.default === "" ? "empty" : `\`${meta.default}\``;
  }
  if (meta.isRequired) return "required";
  const others = groupMeta(group).oneOf.find((keys) => keys.includes(key))
    ?.filter((other) => other !== key);
  return others === undefined
    ? ""
    : `required without ${
      settingsOf(group, prefix).filter((other) => others.includes(other.key))
        .map(({ name }) => `\`${name}\``).join(", ")
    }`;
}

function helpOf({ meta }: Setting): string {
  const choices = meta.choices === undefined
    ? ""
    : ` One of ${meta.choices.map((word) => `\`${word}\``).join(", ")}.`;
  const example = meta.example === undefined
    ? ""
    : ` Example: \`${meta.example}\``;
  const secret = meta.kind === "secret" ? " May be `file:/path`." : "";
  return `${meta.help}${choices}${secret}${example}`;
}

function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}

/** The relay's key in the file; "" for what cannot stand there. */
function relayKey(setting: Setting): string {
  return isInFile(setting) ? relaySteps(setting.key).join(".") : "";
}

function table(
  group: Group,
  prefix: string,
  fileKey: (setting: Setting) => string = ({ key }) => key,
): string {
  const rows = settingsOf(group, prefix).map((setting) =>
    `| \`${setting.name}\` | ${
      code(fileKey(setting))
    } | ${setting.meta.kind} | ${cell(defaultOf(setting, group, prefix))} | ${
      cell(helpOf(setting))
    } |`
  );
  return [
    "| variable | key in `hecate.yaml` | kind | default | what it is |",
    "|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

/** What holds for the file, for people. */
const FILE_TEXT =
  `\`HECATE_CONFIG=hecate.yaml deno task start\`. [hecate.example.yaml](hecate.example.yaml) shows every part of it;
[hecate.schema.json](hecate.schema.json) lets an editor complete and check it (\`# yaml-language-server: $schema=…\`).

- \`sinks\` are the connectors: a name of 1 to 40 characters (a-z, 0-9, -), a \`type\`, and the type's keys of the tables above.
- \`sources\` may be left out: one source of type \`hec\` that feeds every connector. Its \`sink\` (one name or a list) says who is
  fed, connectors of the environment included; who is not named gets nothing, owes nothing and counts nothing.
- \`scope\` of a sink says which events it gets; all that is given must hold: \`min_severity\`, \`categories\`, \`classes\` (OCSF,
  by number or caption), \`tokens\` (producers' names), \`when\` (a CEL expression over \`event\`): [scopes.md](scopes.md).
- \`tokens\` is a list of maps: \`name\`, \`value\` (or \`sha256\`), \`face\`, \`query\`, \`disabled\`,
  \`ack\` (false, true, stored, delivered), \`host\`, \`source\`, \`sourcetype\`, \`index\`, \`indexes\`.
- \`\${env:NAME}\` and \`\${file:PATH}\` stand for a variable's or a file's text, as a whole value or inside one (between { } and
  [ ] in quotes); \`$\${\` stands for the characters themselves. Variables that the file names make no connector unless all that
  a type needs are set.
- Numbers, switches and text are taken alike: \`port: 8080\` or \`"8080"\`. \`key:\` with nothing behind it counts as not set. A number may be
  written as YAML lets it (\`1e3\`, \`0x10\`). Merge keys (\`<<\`) are not taken: YAML 1.2 has none.
- A connector of the environment overrides the sink of its name as a whole; that is said at the start.
- Every fault is told in one run, exit 78: \`FILE:LINE:COLUMN: PATH: what is wrong. Did you mean "NAME"?\` An unknown key is a
  fault. \`deno task hecate config validate [FILE]\` tells the same without a start.
- LogScale Collector's \`sinks\` of type \`hec\` are taken as they are.`;

/** The whole page of environment variables, Markdown. */
export function renderConfiguration(types: readonly ConnectorType[]): string {
  const ordered = [...types].sort((a, b) => a.type < b.type ? -1 : 1);
  const connectors = ordered.map((type) =>
    `### ${type.title}: \`${type.type}\`\n\n${
      table(groupOf(type), type.prefix)
    }\n\nBatches: ${type.limits.events} events or ${type.limits.bytes} bytes; at most ${type.limits.mostEvents} events and ${type.limits.mostBytes} bytes may be set.`
  );
  return `# Configuration

<!-- Written by \`deno task docs\` from the declarations in lib/config and connectors; do not edit. -->

Everything is set by environment variables, or in a file that \`HECATE_CONFIG\` names (\`hecate.yaml\`, [below](#hecateyaml));
where both say something of the relay, the environment counts. Durations are written \`500ms\`, \`2s\`, \`5m\`, \`24h\` (a bare
number is seconds), sizes \`64KiB\`, \`5MB\` (a bare number is bytes), switches true/false, yes/no, on/off or 1/0, times as in
RFC 3339. A secret's value may be \`file:/path\`: then the file's text is taken. An empty value counts as none, save where a
table says "Empty". Wrong or missing values stop the start, with one line for each fault; an unknown name under one of these
prefixes is a warning.

## The relay

${table(RELAY, "HECATE", relayKey)}

## Connectors

A connector exists once its type's required variables are set, and is named after its type. In the file there may be any
number of each type.

${connectors.join("\n\n")}

## Every connector

These follow each type's prefix: \`${
    ordered[0]?.prefix ?? "HEC"
  }_TLS_VERIFY\` and so on. Where \`_BATCH_EVENTS\`, \`_BATCH_WAIT\` or
\`_TIMEOUT\` is absent, the relay's own \`HECATE_\` variable of that name holds; \`_BATCH_BYTES\` and \`_GZIP\` have a default of each type.

${table(COMMON, "<PREFIX>")}

## hecate.yaml

${FILE_TEXT}
`;
}
