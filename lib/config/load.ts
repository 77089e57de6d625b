/** The configuration: from environment and file to checked settings, or to every fault at once. */

import type { ConnectorType, SinkEnvironment } from "../connector.ts";
import { SettingFault } from "../setting_fault.ts";
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
  type ConnectorParts,
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
  type SettingsSource,
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
  /** Opens a connector on trial; absent: none is opened. @throws {TypeError} what only that shows, for the operator. */
  readonly tryOpen?: (
    connector: ConfiguredConnector,
    relay: RelaySettings,
  ) => void;
}

/** What `readConfiguration` takes beside a parsed file. */
export interface ReadingSource
  extends Omit<ConfigurationSource, "file" | "tryOpen"> {
  /** What connectors get from outside: each in order is opened and let go, so that what only that shows is told too. */
  readonly sinkEnvironment?: (relay: RelaySettings) => SinkEnvironment;
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
  { sinkEnvironment, ...given }: ReadingSource,
): Promise<Configuration> {
  await using opened = new AsyncDisposableStack();
  let environment: SinkEnvironment | undefined;
  return await readGiven({
    ...given,
    // Certificates are stand-ins where nothing of the outside counts.
    ...sinkEnvironment !== undefined && !given.isBlind && {
      tryOpen: (connector, relay) => {
        environment ??= sinkEnvironment(relay);
        opened.use(connector.open(environment));
      },
    },
  });
}

async function readGiven(
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
  const whole = new Map<ConfiguredConnector, SettingsSource>();
  const judge = (parts: ConnectorParts): ConfiguredConnector | undefined => {
    const { source, given, shared } = parts;
    let isWhole = given.told.size === 0 && shared.told.size === 0;
    const fault: SettingsSource["fault"] = (...told) => {
      isWhole = false;
      source.fault(...told);
    };
    const connector = loadConnector({ ...parts, source: { ...source, fault } });
    if (connector !== undefined && isWhole) whole.set(connector, source);
    return connector;
  };
  for (const type of types) {
    const named = reader?.variables ?? [];
    const found = connectorVariables(type, { ...source, ...tell, named });
    const connector = found && judge({
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
    const connector = judge({
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
  const isFed = feed(sections?.sources.fed ?? "all", tell.warn);
  const fed = connectors.map((connector) => {
    const marked = { ...connector, isFed: isFed(connector) };
    const own = whole.get(connector);
    if (own !== undefined && marked.isFed && relay.settings !== undefined) {
      tryOpen({ ...source, ...tell }, marked, relay.settings, own);
    }
    return marked;
  });
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
  const below = relaySource(reader, root, settingsOf(RELAY, "HECATE"));
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

/** Whether a source names a connector; says of each that none does. */
function feed(
  fed: Fed,
  warn: (line: string) => void,
): (connector: ConfiguredConnector) => boolean {
  return ({ name }) => {
    const isFed = fed === "all" || fed.has(name);
    if (!isFed) {
      warn(
        `Connector ${name} gets nothing: the source's "sink" does not name it.`,
      );
    }
    return isFed;
  };
}

/** Opens a connector that is in order so far; a refusal stands at its setting. */
function tryOpen(
  { tryOpen, fault }: Pick<ConfigurationSource, "tryOpen"> & Tell,
  connector: ConfiguredConnector,
  relay: RelaySettings,
  source: SettingsSource,
): void {
  try {
    tryOpen?.(connector, relay);
  } catch (cause) {
    // The contract of `open`: a sentence for the operator.
    if (!(cause instanceof TypeError)) throw cause;
    const { name, origin } = connector;
    const key = cause instanceof SettingFault ? cause.key : "";
    if (key === "" && origin === "environment") {
      fault(`connector ${name}: ${cause.message}`);
    } else source.fault(key, cause.message);
  }
}

/** In place of certificates and keys that are not looked at. */
function standIn(): string {
  return "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n";
}
