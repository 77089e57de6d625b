/** `tokens:` of the file: a list of maps, as the JSON form of `HECATE_TOKENS`. */

import { hashToken, readTokens, TOKEN_OPTIONS } from "../tokens.ts";
import type { FilePath, FileReader } from "./file_source.ts";
import { type FileNode, pathText } from "./file_tree.ts";
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
  const tokens: Token[] = [];
  /** Their places in the file's list. */
  const places: number[] = [];
  let isTold = false;
  for (const [at, item] of node.items.entries()) {
    const token = tokenOf(item, [...path, at], reader);
    if (token === undefined || token.isTold) isTold = true;
    if (token === undefined) continue;
    tokens.push(token);
    places.push(at);
  }
  const options = tokens.map((token) => token.options);
  readTokens(options, ({ at, option = "", sentence, choices = [] }) => {
    isTold = true;
    const place = places[at] ?? at;
    const item = node.items[place];
    const entry = item?.kind === "map"
      ? item.entries.get(option)?.value
      : undefined;
    const given = String(tokens[at]?.options[option] ?? "");
    reader.fault(
      (entry ?? item ?? node).place,
      option === "" ? [...path, place] : [...path, place, option],
      `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`,
      choices.includes(given)
        ? undefined
        : reader.guesses.nearest(given, choices),
    );
  });
  return isTold ? { isTold } : { text: JSON.stringify(options) };
}

/** One token as JSON has it. */
interface Token {
  readonly options: Record<string, unknown>;
  /** Something of it is told already; what could not be read has a stand-in, so that the rest is judged. */
  readonly isTold: boolean;
}

/** Undefined: there is nothing to judge, and that was told. */
function tokenOf(
  item: FileNode,
  path: FilePath,
  reader: FileReader,
): Token | undefined {
  if (item.kind !== "map") {
    reader.fault(
      item.place,
      path,
      "It must be a map such as { name: edr, value: ${env:EDR_TOKEN} }.",
    );
    return undefined;
  }
  reader.known(item, path, [...TOKEN_OPTIONS]);
  const options: Record<string, unknown> = {};
  let isTold = false;
  for (const [option, { value }] of item.entries) {
    if (!TOKEN_OPTIONS.has(option)) {
      isTold = true;
      continue;
    }
    const below = [...path, option];
    if (option === "indexes" && value.kind === "list") {
      options[option] = reader.texts(value, below).map(({ text }) => text);
      continue;
    }
    const written = reader.text(value, below, option === "value");
    if (written === undefined) continue;
    if ("isTold" in written) {
      isTold = true;
      const made = standIn(option, pathText(below));
      if (made !== undefined) options[option] = made;
    } else {
      options[option] = SWITCHES.has(option)
        ? readSwitch(written.text) ?? written.text
        : option === "indexes"
        ? [written.text]
        : written.text;
    }
  }
  return { options, isTold };
}

/** What no other token has, where a token must say something. */
function standIn(option: string, path: string): string | undefined {
  if (option === "sha256") {
    return [...hashToken(path)].map((byte) =>
      byte.toString(16).padStart(2, "0")
    ).join("");
  }
  return option === "name" || option === "value" ? path : undefined;
}
