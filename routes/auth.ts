/** Who asks: the ingest token of a producer, the admin token of an operator. Hashes are compared in constant time. */

import type { Code } from "../lib/format/hec_codes.ts";
import {
  type Face,
  findToken,
  hashesEqual,
  hashToken,
  type IngestToken,
} from "../lib/tokens.ts";

/** A producer let in, with the dialect it is answered in; or the code it is turned away with. */
export type Entry =
  | { readonly token: IngestToken; readonly face: Face }
  | { readonly code: Code; readonly token?: IngestToken };

/**
 * Checks a producer's credential (hec-protocol §2). A token in the query wins over the header, even where it is not
 * allowed: then it is an error.
 */
export function admitProducer(
  tokens: readonly IngestToken[],
  authorization: string | null,
  queryToken: string | null,
): Entry {
  if (queryToken !== null) {
    if (queryToken === "") return { code: 2 };
    const token = findToken(tokens, queryToken);
    if (token === undefined) return { code: 4 };
    if (token.disabled) return { code: 1, token };
    if (!token.query) return { code: 16, token };
    return { token, face: token.face ?? "splunk" };
  }
  const credential = readCredential(authorization);
  if (typeof credential === "number") return { code: credential };
  const token = findToken(tokens, credential.value);
  if (token === undefined) return { code: 4 };
  const face = token.face ?? (credential.isBearer ? "ngsiem" : "splunk");
  // Splunk does not know the scheme.
  if (face === "splunk" && credential.isBearer) return { code: 3, token };
  return token.disabled ? { code: 1, token } : { token, face };
}

/** True when the header holds the admin token with this hash. */
export function isAdmin(
  authorization: string | null,
  hash: Uint8Array | undefined,
): boolean {
  const found = /^bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
  return found !== undefined && hash !== undefined &&
    hashesEqual(hashToken(found), hash);
}

/** The token in an Authorization header, or the code for why there is none. The scheme's case does not matter. */
function readCredential(
  header: string | null,
): { readonly value: string; readonly isBearer: boolean } | 2 | 3 {
  if (header === null) return 2;
  const text = header.trim();
  if (text === "") return 2;
  const gap = text.indexOf(" ");
  const scheme = (gap < 0 ? text : text.slice(0, gap)).toLowerCase();
  const value = gap < 0 ? "" : text.slice(gap).trim();
  switch (scheme) {
    case "splunk":
    case "bearer":
      return value === "" ? 2 : { value, isBearer: scheme === "bearer" };
    case "basic": {
      const password = value === "" ? "" : passwordOf(value);
      if (password === undefined) return 3;
      return password === "" ? 2 : { value: password, isBearer: false };
    }
    default:
      return 3;
  }
}

/** The password in Basic credentials (RFC 7617); the user's name does not matter. */
function passwordOf(credentials: string): string | undefined {
  let pair: string;
  try {
    pair = atob(credentials);
  } catch {
    return undefined;
  }
  const colon = pair.indexOf(":");
  return colon < 0 ? undefined : pair.slice(colon + 1);
}
