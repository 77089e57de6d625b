/** The relay's settings out of file and environment, the environment over the file. */

import { parseTokens } from "../tokens.ts";
import { Guesses } from "./nearest.ts";
import { type RelaySettings, relaySettings } from "./relay.ts";
import { RELAY } from "./relay_declaration.ts";
import {
  parseGroup,
  readGroup,
  type SettingsSource,
  type ShownSetting,
  shownSettings,
} from "./settings.ts";
import { locationSecrets } from "./store_location.ts";

/** A shorter value in a store's URL is a word, which a redactor would blank wherever it stands; no access token is. */
const LEAST_TOKEN = 12;

/** The relay as configured. */
export interface LoadedRelay {
  /** Undefined: the faults leave nothing to go by. */
  readonly settings: RelaySettings | undefined;
  readonly shown: readonly ShownSetting[];
  /** Names of the configured tokens; undefined: none is configured. */
  readonly tokens: readonly string[] | undefined;
  readonly secrets: readonly string[];
}

/** Reads and judges the relay's settings; faults are told by the source. */
export function loadRelay(source: SettingsSource, options: {
  readonly isDeploy: boolean;
  readonly readFile: (path: string) => string;
}): LoadedRelay {
  const given = readGroup(RELAY, source);
  const { tokens: text } = given.values;
  const guesses = new Guesses();
  const { tokens, faults } = parseTokens(
    text ?? "",
    undefined,
    (given, known) => guesses.nearest(given, known),
  );
  for (const sentence of faults) source.fault("tokens", sentence);
  const input = parseGroup(RELAY, RELAY, given, source);
  return {
    settings: input && relaySettings(input, { ...options, source }),
    shown: shownSettings(RELAY, given, source),
    tokens: text === undefined ? undefined : tokens.map(({ name }) => name),
    secrets: [
      given.values["admin_token"] ?? "",
      ...tokenValues(text),
      ...locationSecrets(given.values["kv"] ?? "")
        .filter(({ length }) => length >= LEAST_TOKEN),
    ],
  };
}

/** The source `over` where it says something, else the one below it. */
export function layered(
  over: SettingsSource,
  below: SettingsSource,
): SettingsSource {
  const ownerOf = (key: string) =>
    over.origin(key) === undefined && below.origin(key) !== undefined
      ? below
      : over;
  return {
    read(setting) {
      const first = over.read(setting), second = below.read(setting);
      return first ?? second;
    },
    name: (key) => ownerOf(key).name(key),
    origin: (key) => over.origin(key) ?? below.origin(key),
    fault: (key, sentence, detail) =>
      ownerOf(detail?.beside ?? (typeof key === "string" ? key : key[0] ?? ""))
        .fault(key, sentence, detail),
    warn: (key, line) => ownerOf(key).warn(key, line),
  };
}

/** The token values in the text of HECATE_TOKENS, for the redactor. */
function tokenValues(text: string | undefined): string[] {
  if (text === undefined) return [];
  if (text.trimStart().startsWith("[")) {
    try {
      const list: unknown = JSON.parse(text);
      return Array.isArray(list)
        ? list.map((token) => String(token?.value ?? ""))
        : [];
    } catch {
      return [];
    }
  }
  return text.split(",").map((pair) =>
    pair.slice(pair.indexOf("=") + 1).trim()
  );
}
