/** What signed requests are made of: lower-case hex of SHA-256 and of its HMAC, and letters that nobody can guess. */

/** The key need not come out of Web Crypto again. */
const IS_EXTRACTABLE = false;

const LETTERS =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/** Bytes from here on would make the first letters likelier. */
const FAIR = 256 - 256 % LETTERS.length;

const encoder = new TextEncoder();

/** Lower-case hex of HMAC-SHA-256 over the text. */
export async function hmacSha256(key: string, text: string): Promise<string> {
  const imported = await crypto.subtle.importKey(
    "raw",
    encoder.encode(key),
    { name: "HMAC", hash: "SHA-256" },
    IS_EXTRACTABLE,
    ["sign"],
  );
  return hex(await crypto.subtle.sign("HMAC", imported, encoder.encode(text)));
}

/** Lower-case hex of SHA-256 over the text. */
export async function sha256(text: string): Promise<string> {
  return hex(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
}

/** So many letters and digits of ASCII, each as likely. */
export function randomLetters(
  count: number,
  randomBytes: (count: number) => Uint8Array,
): string {
  let letters = "";
  while (letters.length < count) {
    for (const byte of randomBytes(count)) {
      if (byte >= FAIR || letters.length === count) continue;
      letters += LETTERS[byte % LETTERS.length];
    }
  }
  return letters;
}

function hex(bytes: ArrayBuffer): string {
  return new Uint8Array(bytes).toHex();
}
