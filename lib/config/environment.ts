/** Settings out of environment variables: names follow from the declaration. */

import { Guesses } from "./nearest.ts";
import type {
  FaultDetail,
  Setting,
  SettingsSource,
  Written,
} from "./settings.ts";

/** Environment variables as they came; nothing else reads them. */
export type Environment = Readonly<Record<string, string>>;

/** What Kubernetes sets for a service of that name: `HECATE_PORT=tcp://10.0.0.1:8080` and its like. */
export function isKubernetes(name: string, value: string): boolean {
  return /^(tcp|udp|sctp):\/\//.test(value) ||
    /_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)$/
      .test(name);
}

/** The path in a secret's `file:/path`; undefined: the text is the secret itself. */
export function secretFile(
  { meta }: Setting,
  text: string,
): string | undefined {
  return meta.kind === "secret" && text.startsWith("file:")
    ? text.slice("file:".length)
    : undefined;
}

/** A file's text without the line break at its end. @throws when it cannot be read. */
export function fileText(
  path: string,
  readFile: (path: string) => string,
): string {
  return readFile(path).replace(/\r?\n$/, "");
}

/** One prefix's variables as a source of settings. */
export function environmentSource(options: {
  readonly settings: readonly Setting[];
  readonly env: Environment;
  readonly readFile: (path: string) => string;
  readonly fault: (line: string) => void;
  readonly warn: (line: string) => void;
}): SettingsSource {
  const { settings, env, readFile } = options;
  const name = (key: string) =>
    settings.find((setting) => setting.key === key)?.name ?? key;
  const fault = (
    key: string | readonly string[],
    sentence: string,
    { guess }: FaultDetail = {},
  ) => {
    const names = typeof key === "string" ? [key] : key;
    options.fault(
      `${names.map(name).join(" or ")}: ${sentence}${didYouMean(guess)}`,
    );
  };
  const textOf = (key: string) => {
    const setting = settings.find((one) => one.key === key);
    const text = env[setting?.name ?? key];
    if (text === undefined || text === "" && setting?.meta.empty !== true) {
      return undefined;
    }
    return isKubernetes(setting?.name ?? key, text) ? undefined : text;
  };
  return {
    name,
    fault,
    warn: (_key, line) => options.warn(line),
    origin: (key) => textOf(key) === undefined ? undefined : name(key),
    read(setting): Written | undefined {
      const text = textOf(setting.key);
      if (text === undefined) return undefined;
      const path = secretFile(setting, text);
      if (path === undefined) return { text };
      try {
        return { text: fileText(path, readFile) };
      } catch {
        fault(setting.key, `The file "${path}" cannot be read.`);
        return { isTold: true };
      }
    },
  };
}

/** The end of a message where a known name is near enough. */
export function didYouMean(guess: string | undefined): string {
  return guess === undefined ? "" : ` Did you mean "${guess}"?`;
}

/** One warning for each variable under a known prefix that no declaration knows. */
export function unknownNames(
  env: Environment,
  prefixes: readonly string[],
  known: ReadonlySet<string>,
): string[] {
  const warnings: string[] = [];
  const guesses = new Guesses();
  for (const [name, value] of Object.entries(env)) {
    const prefix = prefixes.find((one) => name.startsWith(`${one}_`));
    if (prefix === undefined || known.has(name) || isKubernetes(name, value)) {
      continue;
    }
    const near = guesses.nearest(name, known);
    warnings.push(
      near === undefined
        ? `${name} is not a known name and does nothing.`
        : `${name} is not a known name and does nothing. Did you mean ${near}?`,
    );
  }
  return warnings;
}

/** One warning for all known names that Kubernetes has set. */
export function kubernetesWarning(
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
