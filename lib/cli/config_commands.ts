/** `hecate config …`: the configuration as the relay would read it. Nothing is started and nothing is sent. */

import { groupMeta } from "../config/fields.ts";
import { relaySteps } from "../config/file_sections.ts";
import { type Configuration, readConfiguration } from "../config/load.ts";
import { groupOf } from "../config/load_connector.ts";
import type { Scope } from "../config/scope.ts";
import { settingsOf, type ShownSetting } from "../config/settings.ts";
import { redactor } from "../secrets.ts";
import { type Call, type CliContext, type Command, EXIT } from "./command.ts";
import { table } from "./table.ts";

const NO_ENVIRONMENT = {
  "no-environment": {
    kind: "switch",
    help:
      "Look at the file alone: no setting comes from a variable, and what holds a ${…} is not judged.",
  },
} as const;

/** The configuration of the call: FILE in place of `HECATE_CONFIG`. `isTrial`: connectors are opened too, as a start does. */
function load(
  call: Call,
  { env, types, readFile, sinkEnvironment }: CliContext,
  { isTrial = false } = {},
): Promise<Configuration> {
  const [file = env["HECATE_CONFIG"]] = call.arguments;
  const isBlind = call.has("no-environment");
  return readConfiguration({
    env: {
      ...isBlind ? {} : env,
      ...file !== undefined && { HECATE_CONFIG: file },
    },
    types,
    readFile,
    isBlind,
    isFileGiven: call.arguments.length > 0,
    ...isTrial && { sinkEnvironment },
  });
}

/** Tells faults and warnings; what is wrong alone stands in plain lines. */
function tell(loaded: Configuration, { err }: CliContext): void {
  for (const fault of loaded.ok ? [] : loaded.faults) err(fault);
  for (const warning of loaded.warnings) err(`warning: ${warning}`);
}

/** `config validate` */
export const configValidate: Command = {
  name: "config validate",
  arguments: "[FILE]",
  count: [0, 1],
  help:
    "Check the configuration: FILE, or what `HECATE_CONFIG` names, with the environment. Every fault in one run; exit 78.",
  flags: {
    ...NO_ENVIRONMENT,
    "deny-warnings": { kind: "switch", help: "A warning counts as a fault." },
  },
  async run(call, context) {
    const loaded = await load(call, context, { isTrial: true });
    const isGood = loaded.ok &&
      !(call.has("deny-warnings") && loaded.warnings.length > 0);
    if (call.has("json")) {
      context.out(JSON.stringify({
        ok: isGood,
        faults: loaded.ok ? [] : loaded.faults,
        warnings: loaded.warnings,
      }));
    } else {
      tell(loaded, context);
      if (loaded.ok && isGood && !call.has("quiet")) {
        context.out(
          call.has("no-environment")
            ? "In order, as far as the file alone tells."
            : summary(loaded.connectors.map(({ name }) => name)),
        );
      }
    }
    return isGood ? EXIT.done : EXIT.configuration;
  },
};

function summary(names: readonly string[]): string {
  return names.length === 0
    ? "In order, without a connector: events are kept and go nowhere."
    : `In order: ${names.length} connector${names.length === 1 ? "" : "s"} (${
      names.join(", ")
    }).`;
}

/** `config show` */
export const configShow: Command = {
  name: "config show",
  arguments: "[FILE]",
  count: [0, 1],
  help:
    "Print the merged settings with where each comes from; secrets are masked.",
  async run(call, context) {
    const loaded = await load(call, context);
    if (!loaded.ok) {
      tell(loaded, context);
      return EXIT.configuration;
    }
    const redact = redactor(loaded.secrets);
    const lines = call.has("json") ? [shownJson(loaded)] : shownTable(loaded);
    for (const line of lines) context.out(redact(line));
    return EXIT.done;
  },
};

type Loaded = Extract<Configuration, { ok: true }>;

function shownTable({ settings, connectors }: Loaded): string[] {
  const rows = (list: readonly ShownSetting[]) =>
    list.filter(({ text }) => text !== undefined).map((
      { key, text = "", origin },
    ) => [`  ${key}`, text === "" ? '""' : text, origin ?? "default"]);
  const relay = settings.map((one) => ({ ...one, key: relayKey(one) }));
  const lines = ["relay", ...table(rows(relay))];
  for (const { name, type, origin, isFed, scope, settings } of connectors) {
    const own = rows(settings);
    if (scope !== undefined) {
      own.push(["  scope", JSON.stringify(scopeJson(scope)), origin]);
    }
    lines.push(
      "",
      `${name} (${type.type}, ${origin}${isFed ? "" : ", gets nothing"})`,
      ...table(own),
    );
  }
  return lines;
}

function shownJson({ settings, connectors }: Loaded): string {
  const members = (list: readonly ShownSetting[]) =>
    Object.fromEntries(
      list.filter(({ text }) => text !== undefined).map((
        { key, text, origin },
      ) => [key, { value: text, from: origin ?? "default" }]),
    );
  return JSON.stringify({
    relay: members(
      settings.map((one) => ({ ...one, key: relayKey(one) })),
    ),
    connectors: connectors.map((one) => ({
      name: one.name,
      type: one.type.type,
      from: one.origin,
      fed: one.isFed,
      scope: one.scope === undefined ? null : scopeJson(one.scope),
      settings: members(one.settings),
    })),
  });
}

/** As in the file: `retry.max`. */
function relayKey({ key }: ShownSetting): string {
  return relaySteps(key).join(".");
}

function scopeJson({ minSeverity, ...scope }: Scope): unknown {
  return {
    ...minSeverity !== undefined && { min_severity: minSeverity },
    ...scope,
  };
}

/** `config env` */
export const configEnv: Command = {
  name: "config env",
  arguments: "[FILE]",
  count: [0, 1],
  help:
    "Print the variables that the configured connectors need, and whether they are set.",
  async run(call, context) {
    const { variables } = await load(call, context);
    const needs = [
      ...variables.map(({ name, path }) => ({ name, for: path })),
      ...requiredVariables(context, variables.map(({ name }) => name)),
    ];
    const rows = needs.map((need) => ({
      ...need,
      set: (context.env[need.name] ?? "") !== "",
    }));
    if (rows.length === 0 && !call.has("quiet")) {
      context.err(
        "No variable is needed: the file names none, and the environment makes no connector.",
      );
    }
    if (call.has("json")) {
      for (const row of rows) context.out(JSON.stringify(row));
    } else {
      const lines = table([
        ["NAME", "SET", "FOR"],
        ...rows.map((row) => [row.name, row.set ? "yes" : "no", row.for]),
      ]);
      for (const line of rows.length === 0 ? [] : lines) context.out(line);
    }
    return EXIT.done;
  },
};

/** What the types need of which something is set that the file does not name. */
function requiredVariables(
  { types, env }: CliContext,
  named: readonly string[],
): { name: string; for: string }[] {
  return types.flatMap((type) => {
    const settings = settingsOf(groupOf(type), type.prefix);
    const isSet = (name: string) => Boolean(env[name]) && !named.includes(name);
    const nameOf = (key: string) =>
      settings.find((setting) => setting.key === key)?.name ?? key;
    const needs = [
      ...settings.filter(({ meta }) => meta.isRequired).map(({ name }) => [
        name,
      ]),
      ...groupMeta(groupOf(type)).oneOf.map((keys) => keys.map(nameOf)),
    ];
    if (!needs.flat().some(isSet)) return [];
    return needs.map((names) => ({
      name: names.find(isSet) ?? names[0] ?? "",
      for: type.type,
    }));
  });
}

/** `config schema` */
export const configSchema: Command = {
  name: "config schema",
  help:
    "Print the JSON Schema of hecate.yaml, for editors (also docs/hecate.schema.json).",
  async run(_call, { types, out }) {
    const { configurationSchema } = await import("../config/schema.ts");
    out(JSON.stringify(configurationSchema(types), null, 2));
    return EXIT.done;
  },
};
