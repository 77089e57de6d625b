/** A configuration file and an environment, loaded as the relay loads them. */

import assert from "node:assert/strict";
import * as registry from "../../../connectors/registry.ts";
import {
  type Configuration,
  type ConfigurationSource,
  readConfiguration,
} from "../../../lib/config/load.ts";

export interface Case {
  readonly yaml: string;
  /** Beside `HECATE_CONFIG=hecate.yaml`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly checkWhen?: (expression: string) => string | undefined;
  readonly isBlind?: boolean;
}

/** Loads a case with the registered types. */
export function loadYaml(
  { yaml, env = {}, files = {}, ...more }: Case,
): Promise<Configuration> {
  const source: ConfigurationSource = {
    env: { HECATE_CONFIG: "hecate.yaml", ...env },
    types: Object.values(registry),
    readFile(path) {
      const all: Readonly<Record<string, string>> = {
        "hecate.yaml": yaml,
        ...files,
      };
      const text = all[path];
      if (text === undefined) throw new Deno.errors.NotFound(path);
      return text;
    },
    ...more,
  };
  return readConfiguration(source);
}

/** The settings. @throws {AssertionError} with the faults. */
export async function goodYaml(
  given: Case,
): Promise<Extract<Configuration, { ok: true }>> {
  const loaded = await loadYaml(given);
  assert.ok(loaded.ok, loaded.ok ? "" : loaded.faults.join("\n"));
  return loaded;
}

/** The faults. @throws {AssertionError} when there is none. */
export async function yamlFaults(given: Case): Promise<readonly string[]> {
  const loaded = await loadYaml(given);
  assert.ok(!loaded.ok, "no fault");
  return loaded.faults;
}
