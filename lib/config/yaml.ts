/**
 * YAML 1.2 to a tree with places. Loaded only where there is a file. The parser's own messages are not shown: some
 * quote the text, and the text may hold secrets.
 */

import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import {
  type ConfigFile,
  type FileEntry,
  type FileFault,
  type FileMap,
  type FileNode,
  type FilePlace,
  pathText,
} from "./file_tree.ts";

/** Far above any configuration that a person writes. */
const MOST_CHARACTERS = 1_048_576;
/** Values, those that aliases repeat counted each time: aliases of aliases grow without end. */
const MOST_NODES = 50_000;
const DEEPEST = 32;

/** What each of the parser's codes means to a person. */
const SYNTAX: Readonly<Record<string, string>> = {
  ALIAS_PROPS: "An alias takes neither an anchor nor a tag.",
  BAD_ALIAS: "This is no alias of an anchor.",
  BAD_DIRECTIVE: "This directive (%) is not known.",
  BAD_DQ_ESCAPE:
    "There is no such escape between double quotes. Write \\\\ for a backslash, or use single quotes.",
  BAD_INDENT: "The indentation does not fit what stands around it.",
  BAD_PROP_ORDER: "Anchors and tags stand before the value.",
  BAD_SCALAR_START:
    "A value cannot begin with this character. Put it in quotes.",
  BLOCK_AS_IMPLICIT_KEY:
    "A map cannot begin here: check the indentation and the colons.",
  BLOCK_IN_FLOW: "Between { } and [ ] nothing may hang by indentation.",
  KEY_OVER_1024_CHARS: "The key is too long.",
  MISSING_CHAR: "Something is missing here: a colon, a quote or a bracket.",
  MULTILINE_IMPLICIT_KEY: "A key must stand on one line, with its colon.",
  MULTIPLE_ANCHORS: "There is more than one anchor.",
  MULTIPLE_DOCS: "There is a second document. One file holds one.",
  MULTIPLE_TAGS: "There is more than one tag.",
  TAB_AS_INDENT: "There is a tab in the indentation. YAML wants spaces.",
  TAG_RESOLVE_FAILED: "This tag (!…) means nothing here.",
  UNEXPECTED_TOKEN: "Something stands here that does not belong to the rest.",
};

/** Reads a file's text. Never throws for what a person wrote. */
export function parseYaml(name: string, given: string): ConfigFile {
  const text = given.startsWith("\ufeff") ? given.slice(1) : given;
  const start = { line: 1, column: 1 };
  const whole = (sentence: string): ConfigFile => ({
    name,
    root: undefined,
    faults: [{ place: start, path: "file", sentence }],
  });
  if (text.length > MOST_CHARACTERS) {
    return whole("It is larger than 1 MiB.");
  }
  const lines = new LineCounter();
  const placeAt = (offset: number): FilePlace => {
    const { line } = lines.linePos(offset);
    if (line === 0) return start;
    const from = lines.lineStarts[line - 1] ?? 0;
    return { line, column: [...text.slice(from, offset)].length + 1 };
  };
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
      strict: true,
      version: "1.2",
      logLevel: "error",
    });
  } catch {
    // Thousands of brackets in one another end the parser's stack.
    return whole("It cannot be read: it is nested too deep.");
  }
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) {
    return {
      name,
      root: undefined,
      faults: syntaxFaults(problems, placeAt, text),
    };
  }
  const tree = new Tree(document, placeAt);
  const root = tree.root();
  return { name, root, faults: tree.faults };
}

function syntaxFaults(
  problems: readonly {
    readonly code: string;
    readonly pos: [number, number];
  }[],
  placeAt: (offset: number) => FilePlace,
  text: string,
): FileFault[] {
  const faults: FileFault[] = [];
  const lines = text.split("\n");
  for (const { code, pos } of problems) {
    const place = placeAt(pos[0]);
    // What follows on a line from its first fault says nothing new.
    if (faults.some((fault) => fault.place.line === place.line)) continue;
    const hint = lines[place.line - 1]?.includes("${")
      ? " Between { } and [ ] a ${…} stands in quotes."
      : "";
    faults.push({
      place,
      path: "syntax",
      sentence: (SYNTAX[code] ?? "This is not YAML.") + hint,
    });
  }
  return faults;
}

/** The parser's document as a tree of our own, aliases followed. */
class Tree {
  readonly faults: FileFault[] = [];
  readonly #document: Document.Parsed;
  readonly #placeAt: (offset: number) => FilePlace;
  /** By name, as far as the document was read: the newest of a name holds. */
  readonly #anchors = new Map<string, unknown>();
  #nodes = 0;
  #isFull = false;
  /** What the aliases stand for that hold what is being read. */
  readonly #held = new Set<unknown>();
  /** The lists and maps that hold it. */
  readonly #open = new Set<unknown>();

  constructor(
    document: Document.Parsed,
    placeAt: (offset: number) => FilePlace,
  ) {
    this.#document = document;
    this.#placeAt = placeAt;
  }

  root(): FileMap | undefined {
    const { contents } = this.#document;
    const place = { line: 1, column: 1 };
    if (contents === null) return { kind: "map", entries: new Map(), place };
    const node = this.#node(contents, place, [], 0);
    if (this.#isFull) return undefined;
    if (node?.kind === "map") return { ...node, place };
    if (node?.kind === "text" && node.text === null) {
      return { kind: "map", entries: new Map(), place };
    }
    if (node !== undefined) {
      this.#fault(node.place, [], "It must be a map of settings.");
    }
    return undefined;
  }

  #fault(
    place: FilePlace,
    path: readonly (string | number)[],
    sentence: string,
  ): void {
    this.faults.push({ place, path: pathText(path) || "file", sentence });
  }

  #place(node: unknown, otherwise: FilePlace): FilePlace {
    const range = isScalar(node) || isMap(node) || isSeq(node) || isAlias(node)
      ? node.range
      : undefined;
    return range ? this.#placeAt(range[0]) : otherwise;
  }

  /** @param around the key's place: a value that is not there has none. */
  #node(
    node: unknown,
    around: FilePlace,
    path: readonly (string | number)[],
    depth: number,
  ): FileNode | undefined {
    const place = this.#place(node, around);
    if (this.#isFull) return undefined;
    if (++this.#nodes > MOST_NODES || depth > DEEPEST) {
      this.#isFull = true;
      this.#fault(
        place,
        path,
        depth > DEEPEST
          ? "It is nested too deep."
          : "The file has too many values; aliases count each time.",
      );
      return undefined;
    }
    if (isAlias(node)) return this.#alias(node, place, path, depth);
    this.#anchor(node);
    if (isScalar(node)) {
      const text = textOf(node);
      const digits = typeof node.value === "number" ? String(node.value) : text;
      return {
        kind: "text",
        text,
        ...digits !== null && digits !== text && { digits },
        place,
      };
    }
    if (!isMap(node) && !isSeq(node)) {
      return { kind: "text", text: null, place };
    }
    this.#open.add(node);
    const made = isMap(node)
      ? this.#map(node, place, path, depth)
      : this.#list(node, place, path, depth);
    this.#open.delete(node);
    return made;
  }

  #anchor(node: unknown): void {
    if (this.#held.size > 0) return;
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return;
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
  }

  #alias(
    alias: Alias,
    place: FilePlace,
    path: readonly (string | number)[],
    depth: number,
  ): FileNode | undefined {
    // The parser's own `resolve` walks the whole document for each alias.
    const target = this.#anchors.get(alias.source);
    if (target === undefined) {
      this.#fault(place, path, "There is no anchor of this name before it.");
      return undefined;
    }
    if (this.#open.has(target)) {
      this.#fault(place, path, "The alias holds itself.");
      return undefined;
    }
    const isFirst = !this.#held.has(target);
    this.#held.add(target);
    const node = this.#node(target, place, path, depth + 1);
    if (isFirst) this.#held.delete(target);
    // Faults of what it says are told where it says so.
    return node === undefined ? undefined : { ...node, place };
  }

  #list(
    list: YAMLSeq,
    place: FilePlace,
    path: readonly (string | number)[],
    depth: number,
  ): FileNode {
    const items = list.items.map((item, at) =>
      this.#node(item, place, [...path, at], depth + 1)
    );
    return { kind: "list", items: items.filter((item) => !!item), place };
  }

  #map(
    map: YAMLMap,
    place: FilePlace,
    path: readonly (string | number)[],
    depth: number,
  ): FileMap {
    const entries = new Map<string, FileEntry>();
    for (const { key, value } of map.items) {
      const at = this.#place(key, place);
      const name = isScalar(key) ? textOf(key) : null;
      if (name === null) {
        this.#fault(at, path, "A key must be a text.");
        continue;
      }
      if (name === "<<" && isScalar(key) && key.type === "PLAIN") {
        this.#fault(
          at,
          [...path, name],
          "YAML 1.2 has no merge keys. Write the keys here, or an alias in place of the whole map.",
        );
        continue;
      }
      const below = [...path, name];
      const first = entries.get(name);
      if (first !== undefined) {
        this.#fault(
          at,
          below,
          `It is set twice, first in line ${first.place.line}.`,
        );
        continue;
      }
      const node = this.#node(value, at, below, depth + 1);
      if (node !== undefined) entries.set(name, { place: at, value: node });
    }
    return { kind: "map", entries, place };
  }
}

/** What stands there: digits, `yes` and `1.10` stay as they were typed. */
function textOf(scalar: Scalar): string | null {
  if (scalar.value === null) return null;
  return typeof scalar.value === "string"
    ? scalar.value
    : scalar.source ?? String(scalar.value);
}
