/** The configuration: from environment variables to checked settings, or to every fault at once. */

import { z } from "zod";
import type {
  CommonSettings,
  ConnectorType,
  Sink,
  SinkEnvironment,
} from "../connector.ts";
import { parseTokens } from "../tokens.ts";
import { COMMON, commonSettings } from "./connector.ts";
import {
  type Environment,
  type Group,
  isKubernetes,
  parseGroup,
  readGroup,
  settingsOf,
  unknownNames,
} from "./environment.ts";
import { environmentProxy, isLoopback, percentDecoded } from "./proxy.ts";
import { type RelaySettings, relaySettings } from "./relay.ts";
import { RELAY } from "./relay_declaration.ts";

/** What configuration is made of. */
export interface ConfigurationSource {
  readonly env: Environment;
  /** @throws when the file cannot be read. */
  readonly readFile: (path: string) => string;
  /** The registered SIEM types. */
  readonly types: readonly ConnectorType[];
}

/** A connector that the operator configured, ready to be opened. */
export interface ConfiguredConnector {
  readonly name: string;
  readonly type: ConnectorType;
  readonly common: CommonSettings;
  /** Offline and cheap. */
  open(environment: SinkEnvironment): Sink;
}

/** Settings in order, or what is wrong with them. */
export type Configuration =
  | {
    readonly ok: true;
    readonly relay: RelaySettings;
    readonly connectors: readonly ConfiguredConnector[];
    readonly warnings: readonly string[];
    /** Texts that must never leave: for the redactor. */
    readonly secrets: readonly string[];
  }
  | {
    readonly ok: false;
    readonly faults: readonly string[];
    /** A misspelt name is often why another one is missing. */
    readonly warnings: readonly string[];
  };

const PREFIX = "HECATE";

/** Names under the prefix that other parts of the project read. */
const ELSEWHERE = ["HECATE_URL", "HECATE_TEST_DATA"];

/** Names of the interface that this release does not act on yet. */
const LATER = [
  "HECATE_SECRET_KEY",
  "HECATE_SHARDS",
  "HECATE_LEASE",
  "HECATE_INSTANCE",
  "HECATE_RETRY_ATTEMPTS",
  "HECATE_RETRY_REPLAY",
];

/** Reads the whole configuration. Never throws for what a person wrote; every fault is told at once. */
export function loadConfiguration(source: ConfigurationSource): Configuration {
  const { env, types } = source;
  const faults: string[] = [];
  const warnings: string[] = [];
  const secrets: string[] = [];
  const fault = (name: string, sentence: string) =>
    faults.push(`${name}: ${sentence}`);

  const relay = loadRelay(source, secrets, fault);
  const proxies = environmentProxy(env);
  const connectors: ConfiguredConnector[] = [];
  for (const type of types) {
    const configured = loadConnector(type, source, relay, {
      fault,
      warn: (warning) => warnings.push(warning),
      secrets,
      proxyFor: proxies.proxyFor,
    });
    if (configured !== undefined) connectors.push(configured);
  }

  const prefixes = [PREFIX, ...types.map((type) => type.prefix)];
  const known = new Set([
    ...settingsOf(RELAY, PREFIX),
    ...types.flatMap((type) => [
      ...settingsOf(groupOf(type), type.prefix),
      ...settingsOf(COMMON, type.prefix),
    ]),
  ].map((setting) => setting.name));
  if (connectors.length > 0) warnings.push(...proxies.warnings);
  secrets.push(proxies.password);
  warnings.push(
    ...kubernetesWarning(env, known),
    ...LATER.filter((name) => env[name])
      .map((name) =>
        `${name} comes with a later release and does nothing yet.`
      ),
    ...unknownNames(
      env,
      prefixes,
      new Set([...known, ...ELSEWHERE, ...LATER]),
    ),
  );
  if (faults.length > 0 || relay === undefined) {
    return { ok: false, faults, warnings };
  }
  return {
    ok: true,
    relay,
    connectors,
    warnings,
    secrets: secrets.filter((secret) => secret !== ""),
  };
}

/** A type's own settings as a map. @throws {TypeError} when they are not one: a bug in the type's file. */
export function groupOf(type: ConnectorType): Group {
  if (!(type.settings instanceof z.ZodObject)) {
    throw new TypeError(`The settings of type ${type.type} must be a group`);
  }
  return type.settings;
}

function loadRelay(
  { env, readFile }: ConfigurationSource,
  secrets: string[],
  fault: (name: string, sentence: string) => void,
): RelaySettings | undefined {
  const settings = settingsOf(RELAY, PREFIX);
  const { values } = readGroup(RELAY, PREFIX, env, readFile, fault);
  secrets.push(values["admin_token"] ?? "", ...tokenValues(values["tokens"]));
  if (values["tokens"] !== undefined && values["tokens"] !== "") {
    for (const sentence of parseTokens(values["tokens"]).faults) {
      fault("HECATE_TOKENS", sentence);
    }
  }
  const input = parseGroup(RELAY, settings, values, fault);
  return input && relaySettings(input, {
    isDeploy: Boolean(env["DENO_DEPLOYMENT_ID"]),
    readFile,
    fault: (key, sentence) => fault(nameOf(settings, key), sentence),
  });
}

function loadConnector(
  type: ConnectorType,
  { env, readFile }: ConfigurationSource,
  relay: RelaySettings | undefined,
  context: {
    readonly fault: (name: string, sentence: string) => void;
    readonly warn: (warning: string) => void;
    readonly secrets: string[];
    readonly proxyFor: (url: URL) => URL | "none";
  },
): ConfiguredConnector | undefined {
  const { fault, warn, secrets, proxyFor } = context;
  const group = groupOf(type);
  const own = settingsOf(group, type.prefix);
  const shared = settingsOf(COMMON, type.prefix);
  const given = readGroup(group, type.prefix, env, readFile, fault);
  const common = readGroup(COMMON, type.prefix, env, readFile, fault);
  if (given.present.length === 0) {
    const idle = Object.keys({ ...given.values, ...common.values });
    if (idle.length > 0) {
      const names = idle.map((key) => nameOf([...own, ...shared], key));
      warn(
        `${names.join(", ")} ${
          idle.length === 1 ? "does" : "do"
        } nothing: there is no ${type.type} connector without ${
          given.missing.join(" and ")
        }.`,
      );
    }
    return undefined;
  }
  for (const name of given.missing) {
    fault(
      name,
      `It is missing: ${type.title} needs it beside ${
        given.present.join(" and ")
      }.`,
    );
  }
  for (const { key, meta } of [...own, ...shared]) {
    if (meta.kind !== "secret") continue;
    secrets.push(given.values[key] ?? "", common.values[key] ?? "");
  }
  const complete = given.missing.length === 0;
  const known = complete
    ? parseGroup(type.settings, own, given.values, fault)
    : checkSingly(group, own, given.values, fault);
  const input = parseGroup(COMMON, shared, common.values, fault);
  if (input === undefined) return undefined;
  const settled = commonSettings(
    input,
    relay ?? { batchEvents: 100, batchWait: 5000, timeout: 30_000 },
    type,
    readFile,
    (key, sentence) => fault(nameOf(shared, key), sentence),
  );
  if (!complete || known === undefined) return undefined;
  if (!settled.tls.verify && settled.tls.pin === undefined) {
    warn(
      `${type.prefix}_TLS_VERIFY is off: anybody in between can read the events and the token. ${type.prefix}_TLS_CA_BUNDLE or ${type.prefix}_TLS_PIN is better.`,
    );
  }
  for (const { key, name, meta } of own) {
    const url = meta.kind === "url"
      ? URL.parse(given.values[key] ?? "")
      : undefined;
    if (url?.protocol === "http:" && !isLoopback(url)) {
      warn(`${name}: http:// sends the token unencrypted. Use https://.`);
    }
  }
  if (settled.proxy instanceof URL && settled.proxy.password !== "") {
    secrets.push(percentDecoded(settled.proxy.password));
  }
  return {
    name: type.type,
    type,
    common: settled,
    open: ({ http, ...environment }) =>
      type.open(known, {
        ...environment,
        name: type.type,
        common: settled,
        http: (url, options) =>
          http({
            ...options,
            url,
            tls: settled.tls,
            proxy: settled.proxy ?? proxyFor(url),
            timeout: settled.timeout,
          }),
      }),
  };
}

/** Tells the faults of the settings that are there where others are missing. */
function checkSingly(
  group: Group,
  settings: readonly { readonly key: string; readonly name: string }[],
  values: Readonly<Record<string, string>>,
  fault: (name: string, sentence: string) => void,
): undefined {
  for (const { key, name } of settings) {
    const result = values[key] && group.shape[key] instanceof z.ZodType
      ? group.shape[key].safeParse(values[key])
      : undefined;
    if (result?.success === false) {
      for (const issue of result.error.issues) fault(name, issue.message);
    }
  }
}

function nameOf(
  settings: readonly { readonly key: string; readonly name: string }[],
  key: string,
): string {
  return settings.find((setting) => setting.key === key)?.name ?? key;
}

/** The token values in the text of HECATE_TOKENS, for the redactor. */
function tokenValues(text: string | undefined): string[] {
  if (text === undefined) return [];
  if (text.trimStart().startsWith("[")) {
    try {
      const list: unknown = JSON.parse(text);
      return Array.isArray(list)
        ? list.map((token) => String(token?.value ?? ""))
        : [];
    } catch {
      return [];
    }
  }
  return text.split(",").map((pair) =>
    pair.slice(pair.indexOf("=") + 1).trim()
  );
}

function kubernetesWarning(
  env: Environment,
  known: ReadonlySet<string>,
): string[] {
  const names = Object.entries(env)
    .filter(([name, value]) => known.has(name) && isKubernetes(name, value))
    .map(([name]) => name);
  return names.length === 0 ? [] : [
    `Kubernetes sets ${
      names.join(", ")
    } for a service of that name; such values are ignored.`,
  ];
}
