/** Maps of the file as sources of settings: each fault with its line, column and path. */

import { type Environment, fileText, secretFile } from "./environment.ts";
import type { FieldKind } from "./fields.ts";
import {
  type ConfigFile,
  faultLines,
  type FileEntry,
  type FileFault,
  type FileMap,
  type FileNode,
  type FilePlace,
  pathText,
  placeText,
} from "./file_tree.ts";
import { Guesses } from "./nearest.ts";
import { namedVariables, resolveReferences } from "./references.ts";
import type {
  FaultDetail,
  Setting,
  SettingsSource,
  Written,
} from "./settings.ts";

/** Steps from the file's root: keys and places in lists. */
export type FilePath = readonly (string | number)[];

/** A variable that the file names. */
export interface NamedVariable {
  readonly name: string;
  /** Where: `sinks.soc-a.token`. */
  readonly path: string;
}

/** Kinds of settings that a bare number may stand for, however it is written. */
const NUMBERS: ReadonlySet<FieldKind> = new Set(["count", "duration", "size"]);

/** Reads one file's values and collects what is wrong with them. */
export class FileReader {
  readonly file: ConfigFile;
  readonly warnings: string[] = [];
  /** Texts that must never leave. */
  readonly secrets: string[] = [];
  /** All of the file, also where it is wrong. */
  readonly variables: readonly NamedVariable[];
  readonly guesses = new Guesses();
  readonly #faults: FileFault[];
  readonly #env: Environment;
  readonly #readFile: (path: string) => string;
  readonly #isBlind: boolean;

  /** @param options `isBlind`: references stay unresolved, and what holds one is not judged. */
  constructor(file: ConfigFile, options: {
    readonly env: Environment;
    readonly readFile: (path: string) => string;
    readonly isBlind?: boolean;
  }) {
    this.file = file;
    this.#faults = [...file.faults];
    this.variables = file.root === undefined ? [] : variablesIn(file.root, []);
    this.#env = options.env;
    this.#readFile = options.readFile;
    this.#isBlind = options.isBlind ?? false;
  }

  /** All faults, as lines in the file's order. */
  get faults(): string[] {
    return faultLines(this.file.name, this.#faults);
  }

  fault(
    place: FilePlace,
    path: FilePath,
    sentence: string,
    guess?: string,
  ): void {
    this.#faults.push({ place, path: pathText(path), sentence, guess });
  }

  warn(place: FilePlace, line: string): void {
    const warning = `${placeText(this.file.name, place)}: ${line}`;
    if (!this.warnings.includes(warning)) this.warnings.push(warning);
  }

  /** Tells each key that is not among these. `variables`: a setting's variable by mistake, and the key that is meant. */
  known(
    map: FileMap,
    path: FilePath,
    known: readonly string[],
    variables: ReadonlyMap<string, string> = new Map(),
  ): void {
    for (const [key, { place }] of map.entries) {
      if (known.includes(key)) continue;
      this.fault(
        place,
        [...path, key],
        "It is not a known key.",
        variables.get(key.toUpperCase()) ?? this.guesses.nearest(key, known),
      );
    }
  }

  /** The map at a key; undefined where there is none (nothing, or a fault that is told). */
  mapAt(map: FileMap, key: string, path: FilePath): FileMap | undefined {
    const value = map.entries.get(key)?.value;
    return value === undefined ? undefined : this.asMap(value, [...path, key]);
  }

  asMap(node: FileNode, path: FilePath): FileMap | undefined {
    if (node.kind === "map") return node;
    if (node.kind === "list" || node.text !== null) {
      this.fault(node.place, path, "It must be a map.");
    }
    return undefined;
  }

  /** The texts of a list, or the one text that stands for a list; what cannot be read is told and left out. */
  texts(
    node: FileNode,
    path: FilePath,
  ): { text: string; place: FilePlace; path: FilePath }[] {
    if (node.kind === "map") {
      this.fault(node.place, path, "It must be a list.");
      return [];
    }
    const items = node.kind === "list" ? node.items : [node];
    return items.flatMap((item, at) => {
      const below = node.kind === "list" ? [...path, at] : path;
      const written = this.text(item, below);
      if (written === undefined || "text" in written && written.text === "") {
        this.fault(item.place, below, "There is nothing here.");
        return [];
      }
      return "isTold" in written
        ? []
        : [{ text: written.text, place: item.place, path: below }];
    });
  }

  /** One value with its references resolved; undefined: none is there. */
  text(node: FileNode, path: FilePath, isSecret = false): Written | undefined {
    if (node.kind !== "text") {
      this.fault(
        node.place,
        path,
        `It must be one value, not a ${node.kind}.`,
      );
      return { isTold: true };
    }
    if (node.text === null) return undefined;
    const { text, pieces, fault } = resolveReferences(node.text, {
      env: this.#env,
      readFile: this.#readFile,
      guesses: this.guesses,
    });
    if (isSecret) this.secrets.push(text, ...pieces);
    if (this.#isBlind && node.text.includes("${")) return { isTold: true };
    if (fault === undefined) return { text };
    this.fault(node.place, path, fault.sentence, fault.guess);
    return { isTold: true };
  }

  /** A secret's text, from the file it names where it names one. */
  secret(
    setting: Setting,
    text: string,
    node: FileNode,
    path: FilePath,
  ): Written {
    const file = secretFile(setting, text);
    if (file === undefined) return { text };
    if (this.#isBlind) return { isTold: true };
    try {
      const found = fileText(file, this.#readFile);
      this.secrets.push(found);
      return { text: found };
    } catch {
      this.fault(node.place, path, `The file "${file}" cannot be read.`);
      return { isTold: true };
    }
  }
}

function variablesIn(node: FileNode, path: FilePath): NamedVariable[] {
  if (node.kind === "text") {
    return namedVariables(node.text ?? "").map((name) => ({
      name,
      path: pathText(path),
    }));
  }
  const below: [string | number, FileNode][] = node.kind === "list"
    ? [...node.items.entries()]
    : [...node.entries].map(([key, { value }]) => [key, value]);
  return below.flatMap(([step, value]) => variablesIn(value, [...path, step]));
}

/** A map of the file as a source of settings. */
export function fileSource(options: {
  readonly reader: FileReader;
  readonly map: FileMap;
  /** Its path, and where its key stands: what it lacks is told there. */
  readonly path: FilePath;
  readonly place: FilePlace;
  /** The steps from the map to a setting; absent: its key. */
  readonly steps?: (key: string) => readonly string[];
  /** A value that is no text as the text that the setting takes; undefined: it takes none. */
  readonly textOf?: (
    key: string,
    node: FileNode,
    path: FilePath,
  ) => Written | undefined;
}): SettingsSource {
  const { reader, map, path, place, steps = (key) => [key], textOf } = options;
  const pathOf = (key: string): FilePath => [...path, ...steps(key)];
  const find = (key: string): FileEntry | undefined => entryAt(map, steps(key));

  return {
    name: (key) => pathText(pathOf(key)),
    origin(key) {
      const entry = find(key);
      return entry && placeText(reader.file.name, entry.value.place);
    },
    read(setting) {
      const { key, meta } = setting;
      const entry = find(key);
      if (entry === undefined) return undefined;
      const { value } = entry;
      if (value.kind !== "text") {
        const made = textOf?.(key, value, pathOf(key)) ??
          (meta.json ? jsonOf(value, pathOf(key), reader) : undefined);
        if (made !== undefined) return made;
      }
      const written = reader.text(value, pathOf(key), meta.kind === "secret");
      if (written === undefined || "isTold" in written) return written;
      if (written.text === "" && meta.empty !== true) return undefined;
      if (
        NUMBERS.has(meta.kind) && value.kind === "text" &&
        value.digits !== undefined
      ) return { text: value.digits };
      return reader.secret(setting, written.text, value, pathOf(key));
    },
    fault(key, sentence, { within = [], guess }: FaultDetail = {}) {
      const keys = typeof key === "string" ? [key] : key;
      const below = keys.length === 1
        ? pathOf(keys[0] ?? "")
        : [...path, keys.map((one) => steps(one).join(".")).join(" or ")];
      const found = keys.map(find).find((entry) => entry !== undefined);
      reader.fault(
        found === undefined
          ? lackingPlace(map, steps(keys[0] ?? "")) ?? place
          : deepest(found.value, within).place,
        key === "" ? path : [...below, ...within],
        sentence,
        guess,
      );
    },
    warn(key, line) {
      reader.warn(find(key)?.value.place ?? place, line);
    },
  };
}

/** A map or list as JSON text: what stands there as strings, nothing as null. */
function jsonOf(node: FileNode, path: FilePath, reader: FileReader): Written {
  let isTold = false;
  const valueOf = (one: FileNode, below: FilePath): unknown => {
    if (one.kind === "list") {
      return one.items.map((item, at) => valueOf(item, [...below, at]));
    }
    if (one.kind === "map") {
      return Object.fromEntries(
        [...one.entries].map((
          [key, { value }],
        ) => [key, valueOf(value, [...below, key])]),
      );
    }
    const written = reader.text(one, below);
    if (written !== undefined && "isTold" in written) isTold = true;
    return written !== undefined && "text" in written ? written.text : null;
  };
  const text = JSON.stringify(valueOf(node, path));
  return isTold ? { isTold } : { text };
}

function entryAt(
  map: FileMap,
  steps: readonly string[],
): FileEntry | undefined {
  const [first = "", ...rest] = steps;
  const entry = map.entries.get(first);
  if (rest.length === 0 || entry === undefined) return entry;
  return entry.value.kind === "map" ? entryAt(entry.value, rest) : undefined;
}

/** The key of the map below that should hold the last step; undefined: the map itself should. */
function lackingPlace(
  map: FileMap,
  steps: readonly string[],
): FilePlace | undefined {
  return steps.length > 1 ? map.entries.get(steps[0] ?? "")?.place : undefined;
}

/** The value that far below a node, or what is nearest above it. */
function deepest(node: FileNode, within: FilePath): FileNode {
  const [step, ...rest] = within;
  if (step === undefined) return node;
  const next = node.kind === "list" && typeof step === "number"
    ? node.items[step]
    : node.kind === "map"
    ? node.entries.get(String(step))?.value
    : undefined;
  return next === undefined ? node : deepest(next, rest);
}
