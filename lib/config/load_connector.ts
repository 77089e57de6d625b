/** One connector out of its settings, wherever they are written. */

import { z } from "zod";
import type {
  CommonSettings,
  ConnectorType,
  Sink,
  SinkEnvironment,
} from "../connector.ts";
import { COMMON, type CommonDefaults, commonSettings } from "./connector.ts";
import { isLoopback, percentDecoded } from "./proxy.ts";
import type { Scope } from "./scope.ts";
import {
  checkSingly,
  type Given,
  type Group,
  parseGroup,
  readGroup,
  settingsOf,
  type SettingsSource,
  type ShownSetting,
  shownSettings,
} from "./settings.ts";

/** A connector that the operator configured, ready to be opened. */
export interface ConfiguredConnector {
  readonly name: string;
  readonly type: ConnectorType;
  readonly common: CommonSettings;
  /** Which events it gets; absent: all. */
  readonly scope?: Scope;
  /** False: no source names it. It owes nothing, counts nothing and has no loop. */
  readonly isFed: boolean;
  /** Where it is declared, for people: `environment`, `hecate.yaml:7:3`. */
  readonly origin: string;
  /** Its settings as people are shown them, its own before those that every type takes; secrets masked. */
  readonly settings: readonly ShownSetting[];
  /** Offline and cheap. */
  open(environment: SinkEnvironment): Sink;
}

/** A type's own settings as a map. @throws {TypeError} when they are not one: a bug in the type's file. */
export function groupOf(type: ConnectorType): Group {
  if (!(type.settings instanceof z.ZodObject)) {
    throw new TypeError(`The settings of type ${type.type} must be a group`);
  }
  return type.settings;
}

/** Where relay's defaults cannot be read; only faults come of it. */
const NO_DEFAULTS: CommonDefaults = {
  batchEvents: 100,
  batchWait: 0,
  timeout: 30_000,
};

/** What is known of a connector beside its settings. */
export interface ConnectorParts {
  readonly name: string;
  readonly type: ConnectorType;
  readonly source: SettingsSource;
  /** Its own settings and those of every type, as read. */
  readonly given: Given;
  readonly shared: Given;
  readonly scope?: Scope | undefined;
  readonly origin: string;
  readonly relay: CommonDefaults | undefined;
  readonly readFile: (path: string) => string;
  readonly secrets: string[];
  readonly proxyFor: (url: URL) => URL | "none";
}

/** Reads what a source says of a connector. */
export function readConnector(
  type: ConnectorType,
  source: SettingsSource,
): { readonly given: Given; readonly shared: Given } {
  return {
    given: readGroup(groupOf(type), source),
    shared: readGroup(COMMON, source),
  };
}

/** Judges a connector; undefined after faults, all of which are told. It counts as fed. */
export function loadConnector(
  parts: ConnectorParts,
): ConfiguredConnector | undefined {
  const { name, type, source, given, shared, scope, origin, readFile } = parts;
  const group = groupOf(type);
  tellMissing(type, given, source);
  tellSecrets(parts);
  const isComplete = given.missing.length === 0 && given.told.size === 0;
  if (!isComplete) checkSingly(group, given, source);
  const known = isComplete
    ? parseGroup(type.settings, group, given, source)
    : undefined;
  const input = parseGroup(COMMON, COMMON, shared, source);
  if (input === undefined) return undefined;
  const common = commonSettings(
    input,
    parts.relay ?? NO_DEFAULTS,
    type,
    readFile,
    (key, sentence) => source.fault(key, sentence),
  );
  if (known === undefined) return undefined;
  warnOfRisks(group, given, common, source);
  if (common.proxy instanceof URL && common.proxy.password !== "") {
    parts.secrets.push(percentDecoded(common.proxy.password));
  }
  return {
    name,
    type,
    common,
    ...scope !== undefined && { scope },
    isFed: true,
    origin,
    settings: [
      ...shownSettings(group, given, source),
      ...shownSettings(COMMON, shared, source),
    ],
    open: ({ http, ...environment }) =>
      type.open(known, {
        ...environment,
        name,
        common,
        http: (url, { isElsewhere = false, ...options } = {}) =>
          http({
            ...options,
            url,
            tls: isElsewhere ? ofAnyServer(common.tls) : common.tls,
            proxy: common.proxy ?? parts.proxyFor(url),
            timeout: common.timeout,
          }),
      }),
  };
}

/** Without what is of one server's certificate alone: another is trusted by its authority. */
function ofAnyServer(
  { pin: _pin, serverName: _serverName, ...tls }: CommonSettings["tls"],
): CommonSettings["tls"] {
  return tls;
}

function tellMissing(
  type: ConnectorType,
  { present, missing }: Given,
  source: SettingsSource,
): void {
  const beside = present.length === 0
    ? ""
    : ` beside ${present.map((key) => source.name(key)).join(" and ")}`;
  for (const keys of missing) {
    source.fault(keys, `It is missing: ${type.title} needs it${beside}.`);
  }
}

function tellSecrets({ type, given, shared, secrets }: ConnectorParts): void {
  for (
    const { key, meta } of [
      ...settingsOf(groupOf(type), ""),
      ...settingsOf(COMMON, ""),
    ]
  ) {
    if (meta.kind !== "secret") continue;
    secrets.push(given.values[key] ?? "", shared.values[key] ?? "");
  }
}

function warnOfRisks(
  group: Group,
  given: Given,
  common: CommonSettings,
  source: SettingsSource,
): void {
  if (!common.tls.verify && common.tls.pin === undefined) {
    source.warn(
      "tls_verify",
      `${
        source.name("tls_verify")
      } is off: anybody in between can read the events and the token. ${
        source.name("tls_ca_bundle")
      } or ${source.name("tls_pin")} is better.`,
    );
  }
  for (const { key, meta } of settingsOf(group, "")) {
    const odd = meta.oddity?.(given.values[key] ?? "");
    if (odd !== undefined) source.warn(key, `${source.name(key)}: ${odd}`);
    // A secret may be an address too (Sumo Logic's).
    const url = meta.kind === "url" || meta.kind === "secret"
      ? URL.parse(given.values[key] ?? "")
      : undefined;
    if (url?.protocol === "http:" && !isLoopback(url)) {
      source.warn(
        key,
        `${
          source.name(key)
        }: http:// sends the token unencrypted. Use https://.`,
      );
    }
  }
}
