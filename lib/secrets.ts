/** Keeping secrets out of log lines and errors. */

/** Shorter texts are not blanked: they would turn up by chance in every line. */
const SHORTEST = 4;

const SHORTEST_BASE64 = 8;

const BLANK = "[secret]";

/** Backslashes of an escape, also in JSON that stands in JSON. */
const SLASHES = "\\\\{1,3}";
/** What HTML writes with a name, and JSON with a letter. */
const HTML_NAMES: Readonly<Record<string, string>> = {
  "&": "amp",
  "<": "lt",
  ">": "gt",
  '"': "quot",
  "'": "apos",
};
const JSON_LETTERS: Readonly<Record<string, string>> = {
  "\b": "b",
  "\t": "t",
  "\n": "n",
  "\f": "f",
  "\r": "r",
};

/** What says a secret: itself, and its Base64 at any alignment, standard and URL-safe. */
function forms(secret: string): string[] {
  const bytes = encoder.encode(secret);
  const found = [secret];
  for (const before of [0, 1, 2]) {
    const padded = new Uint8Array(before + bytes.length);
    padded.set(bytes, before);
    // Only whole groups of three bytes have the same four characters whatever stands around them.
    const first = before === 0 ? 0 : 4;
    const last = Math.floor(padded.length / 3) * 4;
    const middle = padded.toBase64().slice(first, last);
    if (middle.length < SHORTEST_BASE64) continue;
    found.push(middle, middle.replaceAll("+", "-").replaceAll("/", "_"));
  }
  return found.filter((form) => form.length >= SHORTEST);
}

/**
 * The source of a pattern that finds a text as JSON, URLs and HTML write it, each character in a way of its own.
 * ASCII letters and digits stand for themselves everywhere. At each place of what is searched one way through the
 * pattern can go on, so that time grows with its length only.
 */
function patternOf(text: string): string {
  let pattern = "";
  for (const [part] of text.matchAll(/[0-9A-Za-z]+|\\+[^0-9A-Za-z]?|[^]/gu)) {
    if (/^[0-9A-Za-z]/.test(part)) pattern += part;
    else if (part.startsWith("\\")) pattern += backslashes(part);
    else pattern += `(?:${character(part)})`;
  }
  return pattern;
}

/** A run of backslashes with the character behind it: where that is escaped, its backslash lengthens the run. */
function backslashes(part: string): string {
  const length = part.lastIndexOf("\\") + 1;
  const next = part.slice(length);
  const most = 4 * length + (next === "" ? 0 : 3);
  const run = `\\\\{${length},${most}}`;
  const others = `(?:${encoded("\\", SLASHES)}){${length}}`;
  return next === ""
    ? `(?:${run}|${others})`
    : `(?:${run}(?:${plain(next)}|${encoded(next, "")})|${others}(?:${
      character(next)
    }))`;
}

/** Alternatives for one character. */
function character(one: string): string {
  return `\\\\{0,3}${plain(one)}|${encoded(one, SLASHES)}`;
}

/** What stands for a character. @param slashes the backslashes before its letter. */
function encoded(one: string, slashes: string): string {
  const units = Array.from(
    { length: one.length },
    (_, n) => one.charCodeAt(n).toString(16),
  );
  const point = one.codePointAt(0) ?? 0;
  const hex = point.toString(16);
  const [escape, ...escapes] = units.map((unit) =>
    `u${anyCase(unit.padStart(4, "0"))}`
  );
  const bytes = [...encoder.encode(one)].map((byte) =>
    `%(?:25)?${anyCase(byte.toString(16).padStart(2, "0"))}`
  );
  const name = HTML_NAMES[one];
  const letter = JSON_LETTERS[one];
  return [
    [`${slashes}${escape}`, ...escapes].join(SLASHES),
    ...point < 0x100 ? [`${slashes}x${anyCase(hex.padStart(2, "0"))}`] : [],
    ...letter === undefined ? [] : [`${slashes}${letter}`],
    bytes.join(""),
    `&(?:amp;)?#(?:[xX]0{0,6}${anyCase(hex)}|0{0,6}${point});?`,
    ...name === undefined ? [] : [`&(?:amp;)?${name};`],
    ...one === " " ? ["\\+"] : [],
  ].join("|");
}

/** Hex digits in upper and lower case. */
function anyCase(hex: string): string {
  return hex.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}

function plain(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}

/** Where the secret is an address (Sumo Logic's), the last part of its path alone says as much. */
function withCode(secret: string): string[] {
  const url = /^https?:\/\//i.test(secret) ? URL.parse(secret) : null;
  if (url === null) return [secret];
  const code = url.pathname.split("/").findLast((part) => part !== "") ?? "";
  return [secret, url.href, code, percentDecoded(code)];
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Length of what `masked` shows of an address. */
const SHOWN = 4;

/** What people may see of a secret: of an address its host and last four characters, of all else nothing. */
export function masked(secret: string): string {
  const url = /^https?:\/\//i.test(secret) ? URL.parse(secret) : null;
  return url === null
    ? "********"
    : `${url.protocol}//${url.host}/…${secret.slice(-SHOWN)}`;
}

/** An address with the values of its query masked: what stands there may be a credential. Other texts as they are. */
export function withoutQueryValues(text: string): string {
  const at = text.indexOf("?");
  return at < 0
    ? text
    : text.slice(0, at) + text.slice(at).replace(/=[^&#]+/g, "=********");
}

/**
 * Makes a function that blanks these secrets wherever they stand in a text: plain, in Base64, and as JSON, URLs and HTML
 * write them. Cheap: one pass over the text.
 */
export function redactor(
  secrets: Iterable<string>,
): (text: string) => string {
  const all = new Set(
    [...secrets].flatMap(withCode).filter((text) => text.length >= SHORTEST)
      .flatMap(forms),
  );
  if (all.size === 0) return (text) => text;
  // The longest first: a secret that holds another is blanked whole.
  const pattern = new RegExp(
    [...all].sort((a, b) => b.length - a.length).map(patternOf).join("|"),
    "g",
  );
  return (text) => text.replace(pattern, BLANK);
}

const encoder = new TextEncoder();
