/** A configuration file as read: maps, lists and texts with their places, and the lines that tell what is wrong. */

import { printable } from "../printable.ts";
import { didYouMean } from "./environment.ts";

/** A place in the file, both from 1; columns count characters. */
export interface FilePlace {
  readonly line: number;
  readonly column: number;
}

/** One value. `text` is what stands there, null for none (`key:`, `~`, `null`). */
export interface FileText {
  readonly kind: "text";
  readonly text: string | null;
  /** In plain digits, where it is a number that YAML lets people write otherwise (`1e3`, `0x10`). */
  readonly digits?: string;
  readonly place: FilePlace;
}

export interface FileList {
  readonly kind: "list";
  readonly items: readonly FileNode[];
  readonly place: FilePlace;
}

export interface FileMap {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, FileEntry>;
  readonly place: FilePlace;
}

/** A key with its value. `place` is the key's. */
export interface FileEntry {
  readonly place: FilePlace;
  readonly value: FileNode;
}

export type FileNode = FileText | FileList | FileMap;

/** What is wrong at one place. */
export interface FileFault {
  readonly place: FilePlace;
  /** Keys and places in lists, joined by dots. */
  readonly path: string;
  readonly sentence: string;
  readonly guess?: string | undefined;
}

/** A file that was read. */
export interface ConfigFile {
  /** As the person gave it. */
  readonly name: string;
  /** Undefined: what stands there is no map that could be looked into; `faults` say why. */
  readonly root: FileMap | undefined;
  readonly faults: readonly FileFault[];
}

/** A path longer than this is cut: it may be a whole misplaced document. */
const LONGEST_PATH = 200;

/** A path on one line. */
export function pathText(path: readonly (string | number)[]): string {
  // A quoted key may hold any character.
  const text = printable(path.join("."));
  return text.length <= LONGEST_PATH ? text : `${text.slice(0, LONGEST_PATH)}…`;
}

/** `FILE:LINE:COLUMN` (interface §6). */
export function placeText(file: string, { line, column }: FilePlace): string {
  return `${file}:${line}:${column}`;
}

/** The faults as lines, in the file's order. */
export function faultLines(
  file: string,
  faults: readonly FileFault[],
): string[] {
  const ordered = [...faults].sort((one, other) =>
    one.place.line - other.place.line || one.place.column - other.place.column
  );
  const lines = ordered.map(({ place, path, sentence, guess }) =>
    `${placeText(file, place)}: ${path}: ${sentence}${didYouMean(guess)}`
  );
  // What an environment variable overrides is looked at twice.
  return [...new Set(lines)];
}
