/** Documentation of the settings, written from their declarations (`deno task docs`). */

import type { ConnectorType } from "../connector.ts";
import { COMMON } from "./connector.ts";

import { groupMeta } from "./fields.ts";
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

function table(group: Group, prefix: string): string {
  const rows = settingsOf(group, prefix).map((setting) =>
    `| \`${setting.name}\` | ${setting.meta.kind} | ${
      cell(defaultOf(setting, group, prefix))
    } | ${cell(helpOf(setting))} |`
  );
  return [
    "| variable | kind | default | what it is |",
    "|---|---|---|---|",
    ...rows,
  ].join("\n");
}

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

Everything is set by environment variables. Durations are written \`500ms\`, \`2s\`, \`5m\`, \`24h\` (a bare number is
seconds), sizes \`64KiB\`, \`5MB\` (a bare number is bytes), switches true/false, yes/no, on/off or 1/0. A secret's value may
be \`file:/path\`: then the file's text is taken. An empty value counts as none, save where a table says "Empty". Wrong or
missing values stop the start, with one line for each fault; an unknown name under one of these prefixes is a warning.

## The relay

${table(RELAY, "HECATE")}

## Connectors

A connector exists once its type's required variables are set, and is named after its type.

${connectors.join("\n\n")}

## Every connector

These follow each type's prefix: \`${
    ordered[0]?.prefix ?? "HEC"
  }_TLS_VERIFY\` and so on. Where \`_BATCH_EVENTS\`, \`_BATCH_WAIT\` or
\`_TIMEOUT\` is absent, the relay's own \`HECATE_\` variable of that name holds; \`_BATCH_BYTES\` and \`_GZIP\` have a default of each type.

${table(COMMON, "<PREFIX>")}
`;
}
