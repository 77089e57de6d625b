/** `tokens:` of the file: a list of maps, as the JSON form of `HECATE_TOKENS`. */

import { readTokens, TOKEN_OPTIONS } from "../tokens.ts";
import type { FilePath, FileReader } from "./file_source.ts";
import type { FileNode } from "./file_tree.ts";
import { readSwitch } from "./quantities.ts";
import type { Written } from "./settings.ts";

const SWITCHES: ReadonlySet<string> = new Set(["query", "disabled", "ack"]);

/** The list as the text that `parseTokens` reads; every fault is told at its place. */
export function tokensText(
  node: FileNode,
  path: FilePath,
  reader: FileReader,
): Written {
  if (node.kind !== "list") {
    reader.fault(node.place, path, "It must be a list of tokens.");
    return { isTold: true };
  }
  const tokens: unknown[] = [];
  /** Their places in the file's list. */
  const places: number[] = [];
  let isTold = false;
  for (const [at, item] of node.items.entries()) {
    const token = tokenOf(item, [...path, at], reader);
    if (token === undefined) isTold = true;
    else {
      tokens.push(token);
      places.push(at);
    }
  }
  readTokens(tokens, ({ at, option, sentence }) => {
    isTold = true;
    const place = places[at] ?? at;
    const item = node.items[place];
    const entry = item?.kind === "map" && option !== undefined
      ? item.entries.get(option)?.value
      : undefined;
    reader.fault(
      (entry ?? item ?? node).place,
      option === undefined ? [...path, place] : [...path, place, option],
      `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`,
    );
  });
  return isTold ? { isTold } : { text: JSON.stringify(tokens) };
}

/** One token as JSON has it; undefined after a fault. */
function tokenOf(
  item: FileNode,
  path: FilePath,
  reader: FileReader,
): Record<string, unknown> | undefined {
  if (item.kind !== "map") {
    reader.fault(
      item.place,
      path,
      "It must be a map such as { name: edr, value: ${env:EDR_TOKEN} }.",
    );
    return undefined;
  }
  reader.known(item, path, [...TOKEN_OPTIONS]);
  const token: Record<string, unknown> = {};
  let isTold = false;
  for (const [option, { value }] of item.entries) {
    if (!TOKEN_OPTIONS.has(option)) {
      isTold = true;
      continue;
    }
    const below = [...path, option];
    if (option === "indexes" && value.kind === "list") {
      token[option] = reader.texts(value, below).map(({ text }) => text);
      continue;
    }
    const written = reader.text(value, below, option === "value");
    if (written === undefined) continue;
    if ("isTold" in written) isTold = true;
    else {
      token[option] = SWITCHES.has(option)
        ? readSwitch(written.text) ?? written.text
        : option === "indexes"
        ? [written.text]
        : written.text;
    }
  }
  return isTold ? undefined : token;
}
