/** What environment variables alone say: their connectors, and names that nobody knows. */

import type { ConnectorType } from "../connector.ts";
import { COMMON } from "./connector.ts";
import {
  type Environment,
  environmentSource,
  kubernetesWarning,
  unknownNames,
} from "./environment.ts";
import type { NamedVariable } from "./file_source.ts";
import { groupOf, readConnector } from "./load_connector.ts";
import { RELAY } from "./relay_declaration.ts";
import { type Given, settingsOf, type SettingsSource } from "./settings.ts";

const PREFIX = "HECATE";

/** Names under the prefix that other parts of the project read. */
const ELSEWHERE = ["HECATE_URL", "HECATE_TEST_DATA"];

/** Names of the interface that this release does not act on yet. */
const LATER = ["HECATE_SECRET_KEY"];

/** What reading variables needs. */
export interface EnvironmentParts {
  readonly env: Environment;
  readonly readFile: (path: string) => string;
  readonly fault: (line: string) => void;
  readonly warn: (line: string) => void;
  /** Variables that the file names: they serve the file. */
  readonly named: readonly NamedVariable[];
}

/** The variables of the relay as a source. */
export function relayVariables(
  parts: Omit<EnvironmentParts, "named">,
): SettingsSource {
  return environmentSource({ ...parts, settings: settingsOf(RELAY, PREFIX) });
}

/** The variables of a type's connector; undefined: they make none. */
export function connectorVariables(
  type: ConnectorType,
  parts: EnvironmentParts,
):
  | {
    readonly source: SettingsSource;
    readonly given: Given;
    readonly shared: Given;
  }
  | undefined {
  const { warn, named } = parts;
  const settings = [
    ...settingsOf(groupOf(type), type.prefix),
    ...settingsOf(COMMON, type.prefix),
  ];
  const source = environmentSource({ ...parts, settings });
  const { given, shared } = readConnector(type, source);
  const isNamed = (key: string) =>
    named.some(({ name }) => name === source.name(key));
  const isComplete = given.missing.length === 0;
  if (given.present.length > 0 && isComplete) {
    if (given.present.every(isNamed)) {
      const names = given.present.map((key) => source.name(key));
      warn(
        `${
          names.join(", ")
        }: the file names them, and they also make the connector ${type.type}. Give the file's other names if that is not meant.`,
      );
    }
    return { source, given, shared };
  }
  // Variables that the file takes are there for it; they are no half of a connector.
  const own = given.present.filter((key) => !isNamed(key));
  if (own.length > 0) return { source, given, shared };
  const idle = [
    ...Object.keys(given.values),
    ...given.told,
    ...Object.keys(shared.values),
    ...shared.told,
  ].filter((key) => !isNamed(key)).map((key) => source.name(key));
  if (idle.length > 0) {
    warn(
      `${idle.join(", ")} ${
        idle.length === 1 ? "does" : "do"
      } nothing: there is no ${type.type} connector without ${
        given.missing.map((keys) =>
          keys.map((key) => source.name(key)).join(" or ")
        ).join(" and ")
      }.`,
    );
  }
  return undefined;
}

/** Warnings of names: those of Kubernetes, those without effect yet, those that nobody knows. */
export function nameWarnings(
  types: readonly ConnectorType[],
  env: Environment,
  named: readonly NamedVariable[],
): string[] {
  const prefixes = [PREFIX, ...types.map((type) => type.prefix)];
  const known = new Set([
    ...settingsOf(RELAY, PREFIX),
    ...types.flatMap((type) => [
      ...settingsOf(groupOf(type), type.prefix),
      ...settingsOf(COMMON, type.prefix),
    ]),
  ].map((setting) => setting.name));
  return [
    ...kubernetesWarning(env, known),
    ...LATER.filter((name) => env[name]).map((name) =>
      `${name} comes with a later release and does nothing yet.`
    ),
    ...unknownNames(
      env,
      prefixes,
      new Set([
        ...known,
        ...ELSEWHERE,
        ...LATER,
        ...named.map(({ name }) => name),
      ]),
    ),
  ];
}
