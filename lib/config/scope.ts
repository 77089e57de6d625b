/** A sink's `scope`: which events it gets. Checked in shape here; matching is the delivery's. */

import {
  CATEGORY_CAPTIONS,
  categoryUid,
  CLASS_CAPTIONS,
  classUid,
  SEVERITY_CAPTIONS,
  severityId,
} from "../ocsf/captions.ts";
import type { FilePath, FileReader } from "./file_source.ts";
import type { FileNode, FilePlace } from "./file_tree.ts";
import { nearest } from "./nearest.ts";

/** All that is given must hold (interface §6). Lists are never empty. */
export interface Scope {
  /** The least `severity_id`, 0 … 6. */
  readonly minSeverity?: number;
  /** `category_uid`s of which the event must have one. */
  readonly categories?: readonly number[];
  /** `class_uid`s of which the event must have one. */
  readonly classes?: readonly number[];
  /** Names of ingest tokens of which one must have brought the event. */
  readonly tokens?: readonly string[];
  /** A CEL expression over `event`; `checkWhen` found no fault in it. */
  readonly when?: string;
}

/** Keys of `scope`, in the order in which the first that does not hold is named as the filter. */
export const SCOPE_KEYS = [
  "min_severity",
  "categories",
  "classes",
  "tokens",
  "when",
] as const;
export type ScopeKey = (typeof SCOPE_KEYS)[number];

/** "Other" (99) has no rank. */
const RANKED = SEVERITY_CAPTIONS.filter((_, at) => at <= 6);

/** What a scope is checked against. */
export interface ScopeCheck {
  readonly reader: FileReader;
  /** Names of the configured tokens; undefined: those of the first start, or not known. */
  readonly tokens: readonly string[] | undefined;
  /** What is wrong with a CEL expression, as a sentence; undefined: nothing. */
  readonly checkWhen: (expression: string) => string | undefined;
}

/** Reads a scope; faults are told at their places. Undefined: there is none. */
export function readScope(
  node: FileNode,
  path: FilePath,
  check: ScopeCheck,
): Scope | undefined {
  const { reader } = check;
  const map = reader.asMap(node, path);
  if (map === undefined) return undefined;
  reader.known(map, path, SCOPE_KEYS);
  const at = (key: ScopeKey) => {
    const value = map.entries.get(key)?.value;
    return value?.kind === "text" && value.text === null ? undefined : value;
  };
  const minSeverity = severity(at("min_severity"), path, reader);
  const categories = ids(at("categories"), [...path, "categories"], reader, {
    what: "category",
    idOf: categoryUid,
    captions: CATEGORY_CAPTIONS,
  });
  const classes = ids(at("classes"), [...path, "classes"], reader, {
    what: "class",
    idOf: classUid,
    captions: CLASS_CAPTIONS,
  });
  const tokens = producers(at("tokens"), [...path, "tokens"], check);
  const when = expression(at("when"), [...path, "when"], check);
  return {
    ...minSeverity !== undefined && { minSeverity },
    ...categories !== undefined && { categories },
    ...classes !== undefined && { classes },
    ...tokens !== undefined && { tokens },
    ...when !== undefined && { when },
  };
}

function severity(
  node: FileNode | undefined,
  above: FilePath,
  reader: FileReader,
): number | undefined {
  if (node === undefined) return undefined;
  const path = [...above, "min_severity"];
  const written = reader.text(node, path);
  if (written === undefined || "isTold" in written) return undefined;
  const id = severityId(written.text);
  if (id !== undefined && id <= 6) return id;
  reader.fault(
    node.place,
    path,
    `It must be a severity: 0 to 6, or ${RANKED.join(", ")}.`,
    nearestCaption(written.text, RANKED),
  );
  return undefined;
}

function ids(
  node: FileNode | undefined,
  path: FilePath,
  reader: FileReader,
  kind: {
    readonly what: "category" | "class";
    readonly idOf: (text: string) => number | undefined;
    readonly captions: readonly string[];
  },
): readonly number[] | undefined {
  if (node === undefined) return undefined;
  const { what, idOf, captions } = kind;
  const found: number[] = [];
  for (const { text, place, path: below } of items(node, path, reader)) {
    const id = idOf(text);
    if (id !== undefined) found.push(id);
    else if (/^\d{1,9}$/.test(text.trim())) {
      // A later version of OCSF, or an extension: its events carry the number.
      found.push(Number(text));
      reader.warn(
        place,
        `${
          below.join(".")
        }: OCSF 1.1.0 has no ${what} of this number; only events that carry it match.`,
      );
    } else {
      reader.fault(
        place,
        below,
        `It must be a ${what} of OCSF, by number or caption.`,
        nearestCaption(text, captions),
      );
    }
  }
  return found.length === 0 ? undefined : [...new Set(found)];
}

function producers(
  node: FileNode | undefined,
  path: FilePath,
  { reader, tokens: known }: ScopeCheck,
): readonly string[] | undefined {
  if (node === undefined) return undefined;
  const found: string[] = [];
  for (const { text, place, path: below } of items(node, path, reader)) {
    found.push(text);
    if (known === undefined || known.includes(text)) continue;
    const guess = reader.guesses.nearest(text, known);
    reader.warn(
      place,
      `${below.join(".")}: There is no token of this name.${
        guess === undefined ? "" : ` Did you mean "${guess}"?`
      }`,
    );
  }
  return found.length === 0 ? undefined : [...new Set(found)];
}

function expression(
  node: FileNode | undefined,
  path: FilePath,
  { reader, checkWhen }: ScopeCheck,
): string | undefined {
  if (node === undefined) return undefined;
  const written = reader.text(node, path);
  if (written === undefined || "isTold" in written) return undefined;
  const text = written.text.trim();
  const sentence = text === "" ? "There is nothing here." : checkWhen(text);
  if (sentence === undefined) return text;
  reader.fault(node.place, path, sentence);
  return undefined;
}

/** The texts of a list (or the one that stands for it), each with its place. */
function items(
  node: FileNode,
  path: FilePath,
  reader: FileReader,
): { text: string; place: FilePlace; path: FilePath }[] {
  if (node.kind === "list" && node.items.length === 0) {
    reader.fault(node.place, path, "It is empty. Name one, or leave it out.");
  }
  return reader.texts(node, path);
}

function nearestCaption(
  text: string,
  captions: readonly string[],
): string | undefined {
  const wanted = text.trim().toLowerCase();
  const near = nearest(wanted, captions.map((one) => one.toLowerCase()));
  return captions.find((one) => one.toLowerCase() === near);
}
