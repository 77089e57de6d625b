/** The file's sections: the relay's settings at the top, `sources`, `sinks` (interface §6). */

import type { ConnectorType } from "../connector.ts";
import type { Setting, SettingsSource } from "./settings.ts";
import { COMMON } from "./connector.ts";
import { groupMeta } from "./fields.ts";
import { type FileReader, fileSource } from "./file_source.ts";
import type { FileMap, FileNode, FilePlace } from "./file_tree.ts";
import { nearest } from "./nearest.ts";
import { tokensText } from "./file_tokens.ts";
import { readScope, type Scope, type ScopeCheck } from "./scope.ts";
import { type Group, settingsOf } from "./settings.ts";

/** Settings of the relay that a file groups: `retry_max` is `retry: { max }`. */
const GROUPED = ["retry", "probe"] as const;
/** The file cannot name the file. */
const OUTSIDE = "config";
/** Source types that the relay listens to. */
const SOURCE_TYPES = ["hec"] as const;
const SOURCE_KEYS = ["type", "sink"] as const;
/** What a sink says beside its type's and every connector's settings. */
const SINK_KEYS = ["type", "scope"] as const;
/** Names of sinks that a fault lists. */
const MOST_NAMES = 20;
const SINK_NAME = /^[a-z0-9-]{1,40}$/;

/** Keys of the relay's settings in the file, from the root. */
export function relaySteps(key: string): readonly string[] {
  const group = GROUPED.find((one) => key.startsWith(`${one}_`));
  return group === undefined ? [key] : [group, key.slice(group.length + 1)];
}

/** Whether a setting of the relay may stand in the file. */
export function isInFile({ key }: Pick<Setting, "key">): boolean {
  return key !== OUTSIDE;
}

/** The relay's settings as the file gives them; unknown keys of the root and its groups are told. */
export function relaySource(
  reader: FileReader,
  root: FileMap,
  settings: readonly Setting[],
): SettingsSource {
  const steps = settings.filter(isInFile).map(({ key }) => relaySteps(key));
  const top = ["sources", "sinks", ...new Set(steps.map(([first]) => first))];
  const variables = new Map(
    settings.filter(isInFile).map(({ key, name }) =>
      [name, relaySteps(key).join(".")] as const
    ),
  );
  reader.known(root, [], top.filter((key) => key !== undefined), variables);
  for (const group of GROUPED) {
    const map = reader.mapAt(root, group, []);
    const keys = steps.filter(([first]) => first === group);
    if (map) reader.known(map, [group], keys.map(([, key = ""]) => key));
  }
  const source = fileSource({
    reader,
    map: root,
    path: [],
    place: { line: 1, column: 1 },
    steps: relaySteps,
    textOf: (key, node, path) =>
      key === "tokens" ? tokensText(node, path, reader) : undefined,
  });
  return {
    ...source,
    read: (setting) => isInFile(setting) ? source.read(setting) : undefined,
  };
}

/** Who gets what comes in: all connectors, or those of these names. */
export type Fed = "all" | ReadonlySet<string>;

/** The names that a source gives, to be looked at once all connectors are known. */
export interface Sources {
  readonly fed: Fed;
  /** Tells each name that no connector has. */
  check(names: readonly string[]): void;
}

/** Reads `sources`. Without it one HEC source feeds every sink. */
export function readSources(reader: FileReader, root: FileMap): Sources {
  const map = reader.mapAt(root, "sources", []);
  const named: ReturnType<FileReader["texts"]>[number][] = [];
  const check = (names: readonly string[]) => {
    for (const { text, place, path } of named) {
      if (names.includes(text)) continue;
      const shown = names.slice(0, MOST_NAMES).join(", ");
      const sentence = names.length === 0
        ? "There is no sink of this name."
        : `There is no sink of this name, only ${shown}${
          names.length > MOST_NAMES ? " and others" : ""
        }.`;
      reader.fault(place, path, sentence, reader.guesses.nearest(text, names));
    }
  };
  let fed: Fed = "all", first: string | undefined;
  for (const [name, { place, value }] of map?.entries ?? []) {
    const path = ["sources", name];
    if (value.kind !== "map") {
      reader.fault(value.place, path, "It must be a map.");
      continue;
    }
    const sinks = value.entries.get("sink")?.value;
    const texts = sinks === undefined || isNothing(sinks)
      ? undefined
      : reader.texts(sinks, [...path, "sink"]);
    if (sinks?.kind === "list" && sinks.items.length === 0) {
      reader.fault(
        sinks.place,
        [...path, "sink"],
        "It is empty. Name a sink, or leave it out for all.",
      );
    }
    named.push(...texts ?? []);
    const type = choiceAt(reader, value, path, place, SOURCE_TYPES, "a source");
    // Which keys a type has that is not offered is not known here.
    if (!isOfAnotherType(value)) reader.known(value, path, SOURCE_KEYS);
    if (type === undefined) continue;
    if (first !== undefined) {
      reader.fault(
        place,
        path,
        `There is a source of type hec already (${first}); one is all that there may be.`,
      );
      continue;
    }
    first = name;
    if (texts !== undefined) fed = new Set(texts.map(({ text }) => text));
  }
  return { fed, check };
}

/** Whether a source says a type that is not even meant to be one of ours. */
function isOfAnotherType({ entries }: FileMap): boolean {
  const node = entries.get("type")?.value;
  return node?.kind === "text" && node.text !== null &&
    nearest(node.text.trim(), SOURCE_TYPES) === undefined;
}

/** A sink whose name and type are in order. */
export interface FileSink {
  readonly name: string;
  readonly type: ConnectorType;
  readonly source: SettingsSource;
  readonly scope: Scope | undefined;
  /** Where its name stands. */
  readonly place: FilePlace;
}

/** Reads `sinks`; what is wrong with names, types, keys and scopes is told. */
export function readSinks(
  root: FileMap,
  types: readonly ConnectorType[],
  groupOf: (type: ConnectorType) => Group,
  check: ScopeCheck,
): FileSink[] {
  const { reader } = check;
  const sinks: FileSink[] = [];
  const all = reader.mapAt(root, "sinks", []);
  for (const [name, { place, value }] of all?.entries ?? []) {
    const path = ["sinks", name];
    if (!SINK_NAME.test(name)) {
      reader.fault(
        place,
        path,
        "A sink's name has 1 to 40 characters: a-z, 0-9 and -.",
      );
    }
    if (value.kind !== "map") {
      reader.fault(
        isNothing(value) ? place : value.place,
        path,
        "It must be a map with a type.",
      );
      continue;
    }
    const names = types.map(({ type }) => type).sort();
    const word = choiceAt(reader, value, path, place, names, "a sink");
    const type = types.find((one) => one.type === word);
    const scopeNode = value.entries.get("scope")?.value;
    const scope = scopeNode === undefined
      ? undefined
      : readScope(scopeNode, [...path, "scope"], check);
    if (type === undefined) continue;
    const group = groupOf(type);
    const settings = [
      ...settingsOf(group, type.prefix),
      ...settingsOf(COMMON, type.prefix),
    ];
    reader.known(
      value,
      path,
      [...SINK_KEYS, ...settings.map(({ key }) => key)],
      new Map(settings.map(({ key, name }) => [name, key])),
    );
    tellSpellings(reader, value, path, group);
    const source = fileSource({ reader, map: value, path, place });
    sinks.push({ name, type, source, scope, place });
  }
  return sinks;
}

/** Settings of which one is enough: two of them would say one thing twice. */
function tellSpellings(
  reader: FileReader,
  map: FileMap,
  path: readonly string[],
  group: Group,
): void {
  for (const keys of groupMeta(group).oneOf) {
    const set = [...map.entries].filter(([key, { value }]) =>
      keys.includes(key) && !isNothing(value)
    );
    const [first, ...more] = set;
    for (const [key, { place }] of more) {
      reader.fault(
        place,
        [...path, key],
        `It says the same as ${first?.[0]}. Set one of the two.`,
      );
    }
  }
}

/** The `type` of a source or sink; undefined after a fault. */
function choiceAt(
  reader: FileReader,
  map: FileMap,
  above: readonly string[],
  place: FilePlace,
  choices: readonly string[],
  what: string,
): string | undefined {
  const path = [...above, "type"];
  const node = map.entries.get("type")?.value;
  const known = `The relay offers ${choices.join(", ")}.`;
  const written = node && reader.text(node, path);
  if (node === undefined || written === undefined) {
    reader.fault(place, path, `It is missing: ${what} needs a type. ${known}`);
    return undefined;
  }
  if ("isTold" in written) return undefined;
  const word = written.text.trim();
  if (choices.includes(word)) return word;
  reader.fault(
    node.place,
    path,
    `There is no such type of ${what.slice(2)}. ${known}`,
    reader.guesses.nearest(word, choices),
  );
  return undefined;
}

function isNothing(node: FileNode): boolean {
  return node.kind === "text" && node.text === null;
}
