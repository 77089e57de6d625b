/** Maps of settings, wherever they are written: environment variables and the file go through the same steps. */

import { z } from "zod";
import { masked, withoutQueryValues } from "../secrets.ts";
import { type FieldMeta, fieldMeta, groupMeta } from "./fields.ts";
import { nearest } from "./nearest.ts";

/** A map of settings as `group` makes it. */
export type Group = z.ZodObject;

/** One declared setting. */
export interface Setting {
  /** Its key in the file. */
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

/** What is written for a setting: text, or something that cannot be read and whose fault is told already. */
export type Written =
  | { readonly text: string }
  | { readonly isTold: true };

/** Where a fault lies beside its key, and what the person may have meant. */
export interface FaultDetail {
  /** Steps below the setting: the place in a list, a member of it. */
  readonly within?: readonly (string | number)[];
  /** The known name nearest to what is there. */
  readonly guess?: string | undefined;
  /** What is missing is missing beside this one: it is told where this one is written. */
  readonly beside?: string;
}

/** One map of settings as a person wrote it, with a place for everything that is wrong with it. */
export interface SettingsSource {
  /** Undefined: not set. An empty text counts as none unless the setting gives it a meaning. */
  read(setting: Setting): Written | undefined;
  /** How the person calls the setting: `SPLUNK_HEC_URL`, `sinks.soc-a.url`. */
  name(key: string): string;
  /** Where its value is written, for people; undefined: nowhere. */
  origin(key: string): string | undefined;
  /** Tells what is wrong with a setting, or with all of several alternatives that are missing. */
  fault(
    key: string | readonly string[],
    sentence: string,
    detail?: FaultDetail,
  ): void;
  /** Tells what does not stop the start. `line` names the setting. */
  warn(key: string, line: string): void;
}

/** What a source says of one map of settings. */
export interface Given {
  /** Text by key; what is not set is not there. */
  readonly values: Readonly<Record<string, string>>;
  /** Keys that are set and cannot be read; that was told. */
  readonly told: ReadonlySet<string>;
  /** Required settings that are set, and those that are not (alternatives together). */
  readonly present: readonly string[];
  readonly missing: readonly (readonly string[])[];
}

/** Reads one map of settings. */
export function readGroup(group: Group, source: SettingsSource): Given {
  const settings = settingsOf(group, "");
  const values: Record<string, string> = {};
  const told = new Set<string>();
  for (const setting of settings) {
    const written = source.read(setting);
    if (written === undefined) continue;
    if ("isTold" in written) told.add(setting.key);
    else values[setting.key] = written.text;
  }
  const isSet = (key: string) => values[key] !== undefined || told.has(key);
  const needs = [
    ...settings.filter(({ meta }) => meta.isRequired).map(({ key }) => [key]),
    ...groupMeta(group).oneOf,
  ];
  return {
    values,
    told,
    present: needs.flat().filter(isSet),
    missing: needs.filter((keys) => !keys.some(isSet)),
  };
}

/**
 * Checks the text by the declaration and tells each fault at its place.
 * @returns the settings; where there were faults, those without the faulty ones, so that what can be judged still is,
 * or undefined where they do not stand without them.
 */
export function parseGroup<S>(
  schema: z.ZodType<S>,
  group: Group,
  given: Given,
  source: SettingsSource,
): S | undefined {
  const result = schema.safeParse(given.values);
  if (result.success) return result.data;
  const faulty = new Set<unknown>();
  for (const issue of result.error.issues) {
    const key = String(issue.path[0] ?? "");
    faulty.add(key);
    if (given.told.has(key)) continue;
    const schemaOf = group.shape[key];
    const text = given.values[key] ?? "";
    const choices = schemaOf && fieldMeta(schemaOf).choices;
    source.fault(key, issue.message, { guess: meant(text, choices) });
  }
  const rest = Object.entries(given.values).filter(([key]) => !faulty.has(key));
  return schema.safeParse(Object.fromEntries(rest)).data;
}

/** Tells the faults of the settings one by one, also where others are missing. */
export function checkSingly(
  group: Group,
  given: Given,
  source: SettingsSource,
): void {
  for (const { key, meta } of settingsOf(group, "")) {
    const text = given.values[key], schema = group.shape[key];
    if (text === undefined || !(schema instanceof z.ZodType)) continue;
    for (const issue of schema.safeParse(text).error?.issues ?? []) {
      source.fault(key, issue.message, { guess: meant(text, meta.choices) });
    }
  }
}

/** The choice nearest to a text that is none of them; what is one is refused for another reason. */
function meant(
  text: string,
  choices: readonly string[] = [],
): string | undefined {
  return choices.includes(text) ? undefined : nearest(text, choices);
}

/** A setting as people are shown it. */
export interface ShownSetting {
  readonly key: string;
  readonly meta: FieldMeta;
  /** Undefined: not set and without a default. Of a secret what `masked` shows. */
  readonly text: string | undefined;
  /** Where it is written: a variable's name, a file's line; undefined: it is the default. */
  readonly origin: string | undefined;
}

/** The settings of a map with what holds and where it comes from; secrets masked. */
export function shownSettings(
  group: Group,
  given: Given,
  source: SettingsSource,
): ShownSetting[] {
  return settingsOf(group, "").map(({ key, meta }) => {
    const text = given.values[key];
    return {
      key,
      meta,
      text: text === undefined ? meta.default : shown(meta, text),
      origin: text === undefined ? undefined : source.origin(key),
    };
  });
}

function shown({ kind }: FieldMeta, text: string): string {
  if (kind === "secret") return masked(text);
  // The store's place is an address where it is not a path.
  const isAddress = kind === "url" || /^https?:\/\//i.test(text);
  return isAddress ? withoutQueryValues(text) : text;
}
