/**
 * CEF:0 taken apart strictly, for the demo SIEM: `reference/destinations.md` §6.2. Not the relay's own writer turned
 * round, on purpose: it is written from the format's description alone.
 */

/** A CEF message's fields, unescaped. */
export interface CefMessage {
  readonly vendor: string;
  readonly product: string;
  readonly version: string;
  readonly signatureId: string;
  readonly name: string;
  readonly severity: number;
  /** In the order of the message. */
  readonly extension: Readonly<Record<string, string>>;
}

export interface CefReading {
  /** Absent when the header cannot be read. */
  readonly cef?: CefMessage;
  /** What a parser stumbles over. */
  readonly complaints: readonly string[];
}

const START = "CEF:0|";
/** Header fields behind the version. */
const HEADER_FIELDS = 6;
const HEADER_ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\",
  "|": "|",
};
const VALUE_ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\",
  "=": "=",
  "n": "\n",
  "r": "\r",
};
const KEY = /^[A-Za-z0-9]+$/;
/** `cs1`, `cn1`, `cfp1`… mean nothing without their label. */
const CUSTOM = /^(c[sn]|cfp|c6a|deviceCustomDate|flexString)\d+$/;

/** Reads a message that begins with `CEF:`. */
export function readCef(message: string): CefReading {
  const complaints: string[] = [];
  if (!message.startsWith(START)) {
    return { complaints: [`does not begin with ${START}`] };
  }
  // deno-lint-ignore no-control-regex -- control characters are what it looks for
  if (/[\u0000-\u001f\u007f]/.test(message)) {
    complaints.push("a control character");
  }
  const fields: string[] = [];
  let at = START.length;
  for (let field = ""; fields.length < HEADER_FIELDS; at++) {
    const char = message[at];
    if (char === undefined) {
      return { complaints: [...complaints, "the header has too few fields"] };
    }
    if (char === "|") {
      fields.push(field);
      field = "";
    } else if (char === "\\") {
      const meant = HEADER_ESCAPES[message[++at] ?? ""];
      if (meant === undefined) complaints.push("a wrong escape in the header");
      field += meant ?? "";
    } else field += char;
  }
  const [vendor = "", product = "", version = "", signatureId = ""] = fields;
  const [, , , , name = "", severity = ""] = fields;
  if (fields.includes("")) complaints.push("an empty header field");
  if (!/^(\d|10)$/.test(severity)) complaints.push(`severity ${severity}`);
  const extension = readExtension(message.slice(at), complaints);
  return {
    cef: {
      ...{ vendor, product, version, signatureId, name },
      severity: Number(severity),
      extension,
    },
    complaints,
  };
}

/** `key=value key=value`: a value goes on to the last space before the next unescaped `=`. */
function readExtension(
  text: string,
  complaints: string[],
): Record<string, string> {
  const marks: number[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === "=") marks.push(at);
  }
  const pairs: Record<string, string> = {};
  marks.forEach((mark, place) => {
    const from = text.lastIndexOf(" ", mark) + 1;
    const key = text.slice(from, mark);
    const next = marks[place + 1];
    const end = next === undefined ? text.length : text.lastIndexOf(" ", next);
    const value = text.slice(mark + 1, Math.max(mark + 1, end));
    if (place === 0 && from !== 0) complaints.push("text before the first key");
    if (!KEY.test(key)) complaints.push(`no key before an "=": "${key}"`);
    if (next !== undefined && end < mark) {
      complaints.push(`an "=" that is not escaped in ${key}`);
    }
    if (value === "") complaints.push(`${key} is empty`);
    if (value !== value.trim()) complaints.push(`${key} has outer spaces`);
    if (Object.hasOwn(pairs, key)) complaints.push(`${key} comes twice`);
    pairs[key] = unescaped(value, key, complaints);
  });
  if (marks.length === 0 && text !== "") complaints.push("no pair at all");
  for (const key of Object.keys(pairs)) {
    const label = /^(.*)Label$/.exec(key)?.[1];
    if (label !== undefined && !(label in pairs)) {
      complaints.push(`${key} without ${label}`);
    }
    if (CUSTOM.test(key) && !(`${key}Label` in pairs)) {
      complaints.push(`${key} without its label`);
    }
  }
  return pairs;
}

function unescaped(value: string, key: string, complaints: string[]): string {
  return value.replaceAll(/\\(.?)/gs, (_all, char: string) => {
    const meant = VALUE_ESCAPES[char];
    if (meant === undefined) complaints.push(`a wrong escape in ${key}`);
    return meant ?? "";
  });
}
