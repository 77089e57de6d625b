/** Keeping secrets out of log lines and errors. */

/** Shorter texts are not blanked: they would turn up by chance in every line. */
const SHORTEST = 4;

const SHORTEST_BASE64 = 8;

const BLANK = "[secret]";

/** The forms in which a text may turn up in lines: plain, inside JSON, URL-encoded, in Base64 at any alignment. */
function forms(secret: string): string[] {
  const bytes = new TextEncoder().encode(secret);
  const found = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    new URLSearchParams({ "": secret }).toString().slice(1),
  ];
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

/** Makes a function that blanks these secrets wherever they stand in a text. Cheap: one pass over the text. */
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
    [...all].sort((a, b) => b.length - a.length)
      .map((form) => form.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"),
    "g",
  );
  return (text) => text.replace(pattern, BLANK);
}
