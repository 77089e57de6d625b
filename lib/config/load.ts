/** The configuration: from environment and file to checked settings, or to every fault at once. */

import type { ConnectorType } from "../connector.ts";
import type { Environment } from "./environment.ts";
import {
  type Fed,
  type FileSink,
  readSinks,
  readSources,
  relaySource,
} from "./file_sections.ts";
import { FileReader, type NamedVariable } from "./file_source.ts";
import { type ConfigFile, placeText } from "./file_tree.ts";
import {
  type ConfiguredConnector,
  groupOf,
  loadConnector,
  readConnector,
} from "./load_connector.ts";
import {
  connectorVariables,
  nameWarnings,
  relayVariables,
} from "./load_environment.ts";
import { layered, type LoadedRelay, loadRelay } from "./load_relay.ts";
import { environmentProxy } from "./proxy.ts";
import type { RelaySettings } from "./relay.ts";
import { RELAY } from "./relay_declaration.ts";
import {
  checkSingly,
  readGroup,
  settingsOf,
  type ShownSetting,
} from "./settings.ts";

/** What configuration is made of. */
export interface ConfigurationSource {
  readonly env: Environment;
  /** @throws when the file cannot be read. */
  readonly readFile: (path: string) => string;
  /** The registered SIEM types. */
  readonly types: readonly ConnectorType[];
  /** The parsed file; `readConfiguration` finds it by `HECATE_CONFIG`. */
  readonly file?: ConfigFile | undefined;
  /** What is wrong with a CEL expression (`scope.when`), as a sentence; absent: nothing is. */
  readonly checkWhen?: (expression: string) => string | undefined;
  /** References of the file stay unresolved and what holds one is not judged: for a check far from the secrets. */
  readonly isBlind?: boolean;
  /** The file's name comes from the command line, not from a variable. */
  readonly isFileGiven?: boolean;
}

/** Settings in order, or what is wrong with them. */
export type Configuration =
  | {
    readonly ok: true;
    readonly relay: RelaySettings;
    /** The relay's settings as people are shown them; secrets masked. */
    readonly settings: readonly ShownSetting[];
    /** Those of the environment first, then the file's sinks in their order. */
    readonly connectors: readonly ConfiguredConnector[];
    readonly warnings: readonly string[];
    /** Texts that must never leave: for the redactor. */
    readonly secrets: readonly string[];
    readonly variables: readonly NamedVariable[];
  }
  | {
    readonly ok: false;
    /** Those of the environment, then the file's in its order. */
    readonly faults: readonly string[];
    /** A misspelt name is often why another one is missing. */
    readonly warnings: readonly string[];
    readonly variables: readonly NamedVariable[];
  };

/**
 * Reads the whole configuration, the file that `HECATE_CONFIG` names included; YAML and CEL are loaded only for that.
 * Never throws for what a person wrote; every fault is told at once.
 */
export async function readConfiguration(
  source: Omit<ConfigurationSource, "file">,
): Promise<Configuration> {
  const { HECATE_CONFIG: path } = source.env;
  if (path === undefined || path === "") return loadConfiguration(source);
  let text: string;
  try {
    text = source.readFile(path);
  } catch {
    const loaded = loadConfiguration(source);
    return {
      ok: false,
      faults: [
        source.isFileGiven
          ? `${path}: The file cannot be read.`
          : `HECATE_CONFIG: The file "${path}" cannot be read.`,
        ...loaded.ok ? [] : loaded.faults,
      ],
      warnings: loaded.warnings,
      variables: loaded.variables,
    };
  }
  const { parseYaml } = await import("./yaml.ts");
  const file = parseYaml(path, text);
  // CEL is loaded only for a file that may have an expression.
  if (!/\bwhen\b/.test(text)) return loadConfiguration({ ...source, file });
  const { checkWhen } = await import("../ocsf/when.ts");
  return loadConfiguration({ checkWhen, ...source, file });
}

/** The configuration of an environment and a parsed file. Does not look at `HECATE_CONFIG`. */
export function loadConfiguration(source: ConfigurationSource): Configuration {
  const { env, types, file } = source;
  const faults: string[] = [];
  const warnings: string[] = [];
  const secrets: string[] = [];
  const tell = {
    fault: (line: string) => faults.push(line),
    warn: (line: string) => warnings.push(line),
  };
  const reader = file && new FileReader(file, source);
  const relay = relayOf(source, reader, tell);
  const proxies = environmentProxy(env);
  secrets.push(...relay.secrets, proxies.password);

  const readFile = source.isBlind ? standIn : source.readFile;
  const shared = {
    relay: relay.settings,
    secrets,
    proxyFor: proxies.proxyFor,
  };
  const sections = reader && readSections(source, reader, relay.tokens);
  const connectors: ConfiguredConnector[] = [];
  for (const type of types) {
    const named = reader?.variables ?? [];
    const found = connectorVariables(type, { ...source, ...tell, named });
    const connector = found && loadConnector({
      ...shared,
      ...found,
      name: type.type,
      type,
      origin: "environment",
      readFile: source.readFile,
    });
    if (connector !== undefined) connectors.push(connector);
  }
  for (const sink of sections?.sinks ?? []) {
    const { name, type, place } = sink;
    const connector = loadConnector({
      ...shared,
      ...sink,
      ...readConnector(type, sink.source),
      origin: placeText(file?.name ?? "", place),
      readFile,
    });
    if (connectors.some((other) => other.name === name)) {
      reader?.warn(
        place,
        `sinks.${name}: The environment's connector of this name overrides it.`,
      );
    } else if (connector !== undefined) connectors.push(connector);
  }
  if (connectors.length > 0) warnings.push(...proxies.warnings);
  warnings.push(...nameWarnings(types, env, reader?.variables ?? []));
  const fed = feed(connectors, sections?.sources.fed ?? "all", tell.warn);
  if (reader !== undefined) {
    sections?.sources.check([
      ...new Set([
        ...connectors.map(({ name }) => name),
        ...sections.names,
      ]),
    ]);
    faults.push(...reader.faults);
    warnings.push(...reader.warnings);
    secrets.push(...reader.secrets);
  }
  const variables = reader?.variables ?? [];
  if (faults.length > 0 || relay.settings === undefined) {
    return { ok: false, faults, warnings, variables };
  }
  return {
    ok: true,
    relay: relay.settings,
    settings: relay.shown,
    connectors: fed,
    warnings,
    secrets: secrets.filter((secret) => secret !== ""),
    variables,
  };
}

/** A line of what is wrong, and one of what is merely odd. */
interface Tell {
  readonly fault: (line: string) => void;
  readonly warn: (line: string) => void;
}

function relayOf(
  source: ConfigurationSource,
  reader: FileReader | undefined,
  tell: Tell,
): LoadedRelay {
  const { env } = source;
  const over = relayVariables({ ...source, ...tell });
  const options = {
    isDeploy: Boolean(env["DENO_DEPLOYMENT_ID"]),
    readFile: source.isBlind ? standIn : source.readFile,
  };
  const root = reader?.file.root;
  if (reader === undefined || root === undefined) {
    return loadRelay(over, options);
  }
  const below = relaySource(reader, root, settingsOf(RELAY, ""));
  // Also what the environment overrides must be right.
  checkSingly(RELAY, readGroup(RELAY, below), below);
  return loadRelay(layered(over, below), options);
}

interface Sections {
  readonly sinks: readonly FileSink[];
  /** Names of all sinks, also of those with faults. */
  readonly names: readonly string[];
  readonly sources: ReturnType<typeof readSources>;
}

function readSections(
  { types, checkWhen = () => undefined }: ConfigurationSource,
  reader: FileReader,
  tokens: readonly string[] | undefined,
): Sections | undefined {
  const { root } = reader.file;
  if (root === undefined) return undefined;
  const sinks = root.entries.get("sinks")?.value;
  return {
    sources: readSources(reader, root),
    sinks: readSinks(root, types, groupOf, { reader, tokens, checkWhen }),
    names: sinks?.kind === "map" ? [...sinks.entries.keys()] : [],
  };
}

/** Marks those that no source names, and says so. */
function feed(
  connectors: readonly ConfiguredConnector[],
  fed: Fed,
  warn: (line: string) => void,
): ConfiguredConnector[] {
  return connectors.map((connector) => {
    const isFed = fed === "all" || fed.has(connector.name);
    if (!isFed) {
      warn(
        `Connector ${connector.name} gets nothing: the source's "sink" does not name it.`,
      );
    }
    return { ...connector, isFed };
  });
}

/** In place of certificates and keys that are not looked at. */
function standIn(): string {
  return "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n";
}
