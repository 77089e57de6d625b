/**
 * Ingest tokens: what a producer shows. Only SHA-256 hashes are held; the values are gone once `parseTokens` returns.
 *
 * `HECATE_TOKENS` comes in two forms: `name=value` pairs, comma separated (a value alone is named `default`), or a
 * JSON array of objects with options (text that begins with a brace or bracket). YAML's `tokens:` is the second form,
 * already parsed (`readTokens`).
 */

import { createHash, timingSafeEqual } from "node:crypto";

/** Whose dialect a producer is answered in: Splunk's or CrowdStrike's. */
export type Face = "splunk" | "ngsiem";

/** What an ack says: the events are committed here; or every connector has decided them. */
export type AckLevel = "stored" | "delivered";

/** What fills in for members that an event lacks. Plain text. */
export interface TokenDefaults {
  readonly host?: string;
  readonly source?: string;
  readonly sourcetype?: string;
  readonly index?: string;
}

/** One producer's token. */
export interface IngestToken {
  /** The producer's name, as logs and books show it. */
  readonly name: string;
  /** SHA-256 of the value's UTF-8 bytes. */
  readonly hash: Uint8Array;
  /** Fixes the dialect; without it the scheme decides. */
  readonly face?: Face;
  /** `?token=` is allowed. */
  readonly query: boolean;
  readonly disabled: boolean;
  /** Replies carry an ack id, which becomes true at this level; absent: no acks. */
  readonly ack?: AckLevel;
  readonly defaults: TokenDefaults;
  /** Names that `index` may have; absent: any. */
  readonly indexes?: ReadonlySet<string>;
}

/** What is wrong with one token. */
export interface TokenFault {
  /** Its place in the list, from 0. */
  readonly at: number;
  /** The option; absent: the token as a whole. */
  readonly option?: string;
  /** Without any token value. */
  readonly sentence: string;
  /** The words that the option may be, or the options that there are. */
  readonly choices?: readonly string[];
}

/** What a setting of tokens says. With `faults`, `tokens` holds the ones without a fault. */
export interface ParsedTokens {
  readonly tokens: readonly IngestToken[];
  /** One sentence each, without any token value. */
  readonly faults: readonly string[];
}

/** What a token may say. */
export const TOKEN_OPTIONS: ReadonlySet<string> = new Set([
  "name",
  "value",
  "sha256",
  "face",
  "query",
  "disabled",
  "ack",
  "host",
  "source",
  "sourcetype",
  "index",
  "indexes",
]);
const NO_ARRAY = "is not a valid JSON array";
const FACES = ["splunk", "ngsiem"] as const;
const ACKS = ["stored", "delivered"] as const;
const MAX_NAME = 64;
/** Header values are visible ASCII here: nothing else survives every client and proxy. */
const VISIBLE = /^[\x21-\x7e]+$/;
const NAME = /^[^\p{Cc}\p{Cs}=,]+$/u;

/** SHA-256 of a token's UTF-8 bytes. */
export function hashToken(value: string): Uint8Array {
  return createHash("sha256").update(value).digest();
}

/** True when both hashes are the same; takes the same time wherever they differ. */
export function hashesEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

/** The token with this value, or undefined. Looks at every token whatever it finds, so that time tells nothing. */
export function findToken(
  tokens: readonly IngestToken[],
  value: string,
): IngestToken | undefined {
  const hash = hashToken(value);
  let found: IngestToken | undefined;
  for (const token of tokens) {
    if (hashesEqual(token.hash, hash)) found = token;
  }
  return found;
}

/** Reads `HECATE_TOKENS`. Blank text is no token and no fault. `place` gets what is wrong with tokens of a list. */
export function parseTokens(
  text: string,
  place: (fault: TokenFault) => void = () => {},
  guess: Guess = () => undefined,
): ParsedTokens {
  const trimmed = text.trim();
  if (trimmed === "") return { tokens: [], faults: [] };
  // A lone object is a list forgotten, never a token's value.
  if (!/^[[{]/.test(trimmed)) {
    const pairs = trimmed.split(",").map((part) => part.trim())
      .filter((part) => part !== "").map((part) => {
        const at = part.indexOf("=");
        return at < 0
          ? { name: "default", value: part }
          : { name: part.slice(0, at).trim(), value: part.slice(at + 1) };
      });
    return readTokens(pairs, place, guess);
  }
  let value: unknown;
  try {
    value = JSON.parse(trimmed);
  } catch {
    // The parser's own message may quote the text, and the text holds secrets.
    return { tokens: [], faults: [NO_ARRAY] };
  }
  if (!Array.isArray(value)) return { tokens: [], faults: [NO_ARRAY] };
  return readTokens(value, place, guess);
}

/** The known word nearest to what is there. */
export type Guess = (
  given: string,
  known: readonly string[],
) => string | undefined;

/** Reads the list form, already parsed (JSON or YAML). */
export function readTokens(
  list: unknown,
  place: (fault: TokenFault) => void = () => {},
  guess: Guess = () => undefined,
): ParsedTokens {
  if (!Array.isArray(list)) {
    return { tokens: [], faults: ["is not a list"] };
  }
  const tokens: IngestToken[] = [];
  const faults: string[] = [];
  list.forEach((entry: unknown, at) => {
    const own: Omit<TokenFault, "at">[] = [];
    const fault: Fault = (sentence, option, choices) => {
      own.push({
        sentence,
        ...option !== undefined && { option },
        ...choices !== undefined && { choices },
      });
    };
    const token = readToken(entry, fault, guess);
    if (token !== undefined && own.length === 0) {
      if (tokens.some((other) => other.name === token.name)) {
        fault("the name is used twice", "name");
      } else if (tokens.some((other) => hashesEqual(other.hash, token.hash))) {
        fault("another token has the same value");
      } else tokens.push(token);
    }
    const name = token?.name ?? `number ${at + 1}`;
    for (const one of own) {
      faults.push(`token ${name}: ${one.sentence}`);
      place({ at, ...one });
    }
  });
  return { tokens, faults };
}

type Fault = (
  sentence: string,
  option?: string,
  choices?: readonly string[],
) => void;

/** The token; undefined: not even its name stands. What is wrong is told, all of it. */
function readToken(
  entry: unknown,
  fault: Fault,
  guess: Guess,
): IngestToken | undefined {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
    fault("is not an object");
    return undefined;
  }
  const members = new Map<string, unknown>(Object.entries(entry));
  for (const key of members.keys()) {
    // An unknown name may be a secret in the wrong place: it is not repeated.
    if (!TOKEN_OPTIONS.has(key)) {
      // One that is nearly known is no secret.
      const near = guess(key, [...TOKEN_OPTIONS]);
      fault(
        near === undefined
          ? `has an unknown option; known are ${[...TOKEN_OPTIONS].join(", ")}`
          : `has an unknown option ${key}; did you mean ${near}?`,
      );
    }
  }
  const text = (key: string): string | undefined => {
    const value = members.get(key);
    if (value === undefined || value === null) return undefined;
    if (typeof value === "string") return value;
    fault(`${key} is not a string`, key);
    return undefined;
  };
  const flag = (key: string): boolean => {
    const value = members.get(key) ?? false;
    if (typeof value === "boolean") return value;
    fault(`${key} is neither true nor false`, key);
    return false;
  };
  const name = text("name") ?? "default";
  const isName = name.length <= MAX_NAME && NAME.test(name) &&
    name.trim() === name;
  if (!isName) {
    fault(
      `the name must have 1 to ${MAX_NAME} characters, none of them a comma, an equals sign or a control character`,
      "name",
    );
  }
  const hash = readHash(text("value"), text("sha256"), fault);
  const face = text("face");
  if (face !== undefined && face !== "splunk" && face !== "ngsiem") {
    fault("face is neither splunk nor ngsiem", "face", FACES);
  }
  const ack = readAck(members.get("ack") ?? false, fault);
  const defaults: { -readonly [K in keyof TokenDefaults]: TokenDefaults[K] } =
    {};
  for (const key of ["host", "source", "sourcetype", "index"] as const) {
    const value = text(key);
    if (value !== undefined && value !== "") defaults[key] = value;
  }
  const indexes = readIndexes(members.get("indexes"), defaults.index, fault);
  const query = flag("query"), disabled = flag("disabled");
  if (!isName) return undefined;
  return {
    name,
    hash: hash ?? new Uint8Array(32),
    ...(face === "splunk" || face === "ngsiem" ? { face } : {}),
    query,
    disabled,
    ...(ack === undefined ? {} : { ack }),
    defaults,
    ...(indexes === undefined ? {} : { indexes }),
  };
}

function readAck(value: unknown, fault: Fault): AckLevel | undefined {
  if (value === true || value === "delivered") return "delivered";
  if (value === "stored") return value;
  if (value !== false) {
    fault("ack is none of false, true, stored and delivered", "ack", ACKS);
  }
  return undefined;
}

function readHash(
  value: string | undefined,
  sha256: string | undefined,
  fault: Fault,
): Uint8Array | undefined {
  if ((value === undefined) === (sha256 === undefined)) {
    fault("needs exactly one of value and sha256");
  } else if (value !== undefined) {
    if (VISIBLE.test(value)) return hashToken(value);
    fault(
      value === ""
        ? "the value is empty"
        : "the value has a space, a line break or a character outside ASCII",
      "value",
    );
  } else if (sha256 !== undefined) {
    if (/^[0-9a-fA-F]{64}$/.test(sha256)) {
      return Uint8Array.from(
        sha256.match(/../g) ?? [],
        (pair) => parseInt(pair, 16),
      );
    }
    fault("sha256 is not 64 hexadecimal digits", "sha256");
  }
  return undefined;
}

function readIndexes(
  value: unknown,
  own: string | undefined,
  fault: Fault,
): ReadonlySet<string> | undefined {
  if (value === undefined || value === null) return undefined;
  const isList = Array.isArray(value) && value.length > 0 &&
    value.every((name) => typeof name === "string" && name !== "");
  if (!isList) {
    fault("indexes is not a list of names", "indexes");
    return undefined;
  }
  const indexes = new Set<string>(value);
  if (own !== undefined && !indexes.has(own)) {
    fault("index is not one of indexes", "index");
  }
  return indexes;
}
