/** Settings out of environment variables: names follow from the declaration. */

import type { z } from "zod";
import { type FieldMeta, fieldMeta, groupMeta } from "./fields.ts";
import { nearest } from "./nearest.ts";

/** Environment variables as they came; nothing else reads them. */
export type Environment = Readonly<Record<string, string>>;

/** A map of settings as `group` makes it. */
export type Group = z.ZodObject;

/** One declared setting. */
export interface Setting {
  readonly key: string;
  /** Its environment variable. */
  readonly name: string;
  readonly meta: FieldMeta;
}

/** The settings of a map, in the order of its declaration. */
export function settingsOf(group: Group, prefix: string): Setting[] {
  return Object.entries(group.shape).map(([key, schema]) => {
    const meta = fieldMeta(schema);
    return { key, name: meta.env ?? `${prefix}_${key.toUpperCase()}`, meta };
  });
}

/** What Kubernetes sets for a service of that name: `HECATE_PORT=tcp://10.0.0.1:8080` and its like. */
export function isKubernetes(name: string, value: string): boolean {
  return /^(tcp|udp|sctp):\/\//.test(value) ||
    /_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)$/
      .test(name);
}

/** What the variables say of one map of settings. */
export interface Given {
  /** Text by key; what is not set is not there. */
  readonly values: Record<string, string>;
  /** Names of required settings that are set, and of those that are not (alternatives joined by " or "). */
  readonly present: string[];
  readonly missing: string[];
}

/**
 * Reads the variables of one map. `file:/path` stands for a secret's text.
 * @param fault gets a variable's name and a sentence.
 */
export function readGroup(
  group: Group,
  prefix: string,
  env: Environment,
  readFile: (path: string) => string,
  fault: (name: string, sentence: string) => void,
): Given {
  const settings = settingsOf(group, prefix);
  const values: Record<string, string> = {};
  for (const { key, name, meta } of settings) {
    const value = env[name];
    if (value === undefined || value === "" && meta.empty !== true) continue;
    if (isKubernetes(name, value)) continue;
    if (meta.kind !== "secret" || !value.startsWith("file:")) {
      values[key] = value;
      continue;
    }
    try {
      values[key] = readFile(value.slice("file:".length)).replace(/\r?\n$/, "");
    } catch {
      fault(name, `The file "${value.slice("file:".length)}" cannot be read.`);
      // It is set, and its fault is told: nothing more to say of it.
      values[key] = "";
    }
  }
  const isSet = (key: string) => values[key] !== undefined;
  const needs = [
    ...settings.filter(({ meta }) => meta.isRequired).map(({ key }) => [key]),
    ...groupMeta(group).oneOf,
  ];
  const nameOf = (key: string) =>
    settings.find((setting) => setting.key === key)?.name ?? key;
  return {
    values,
    present: needs.flat().filter(isSet).map(nameOf),
    missing: needs.filter((keys) => !keys.some(isSet))
      .map((keys) => keys.map(nameOf).join(" or ")),
  };
}

/**
 * Checks the text by the declaration. `fault` gets the name of each variable that is wrong, once for each fault.
 * @returns the settings; where there were faults, those without the faulty ones, so that what can be judged still is,
 * or undefined where they do not stand without them.
 */
export function parseGroup<S>(
  schema: z.ZodType<S>,
  settings: readonly Setting[],
  values: Readonly<Record<string, string>>,
  fault: (name: string, sentence: string) => void,
): S | undefined {
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const setting = settings.find(({ key }) => key === issue.path[0]);
    // An empty text stands for a secret whose file could not be read; that was told.
    if (setting?.meta.kind === "secret" && values[setting.key] === "") continue;
    fault(setting?.name ?? String(issue.path[0] ?? ""), issue.message);
  }
  const faulty = result.error.issues.map((issue) => issue.path[0]);
  const rest = Object.entries(values).filter(([key]) => !faulty.includes(key));
  return schema.safeParse(Object.fromEntries(rest)).data;
}

/** One warning for each variable under a known prefix that no declaration knows. */
export function unknownNames(
  env: Environment,
  prefixes: readonly string[],
  known: ReadonlySet<string>,
): string[] {
  const warnings: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    const prefix = prefixes.find((one) => name.startsWith(`${one}_`));
    if (prefix === undefined || known.has(name) || isKubernetes(name, value)) {
      continue;
    }
    const near = nearest(name, known);
    warnings.push(
      near === undefined
        ? `${name} is not a known name and does nothing.`
        : `${name} is not a known name and does nothing. Did you mean ${near}?`,
    );
  }
  return warnings;
}
