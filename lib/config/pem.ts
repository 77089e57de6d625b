/** Certificates and keys that settings name, checked while the operator is looking: the runtime takes nonsense silently. */

import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  X509Certificate,
} from "node:crypto";

/** The text of a PEM file that holds a block of this kind; undefined after a fault. */
export function readPem(
  path: string,
  label: string,
  readFile: (path: string) => string,
  fault: (sentence: string) => void,
): string | undefined {
  let text: string;
  try {
    text = readFile(path.replace(/^file:/, ""));
  } catch {
    fault(`The file "${path}" cannot be read.`);
    return undefined;
  }
  if (!new RegExp(`^-----BEGIN [A-Z0-9 ]*${label}-----`, "m").test(text)) {
    const what = label === "CERTIFICATE" ? "certificate" : "private key";
    fault(
      `"${path}" is not a PEM ${what}. It begins with -----BEGIN ${label}-----`,
    );
    return undefined;
  }
  if (label !== "CERTIFICATE") return text;
  const blocks = [...text.matchAll(CERTIFICATE)];
  const wrong = blocks.findIndex(([, base64 = ""]) => !isDer(base64));
  if (blocks.length > 0 && wrong < 0) return text;
  const which = wrong > 0
    ? `Certificate ${wrong + 1} of "${path}"`
    : `"${path}"`;
  fault(
    `${which} is no whole certificate. Copy it again, from -----BEGIN to -----END with all between.`,
  );
  return undefined;
}

const CERTIFICATE =
  /^-----BEGIN [A-Z0-9 ]*CERTIFICATE-----([\s\S]*?)^-----END [A-Z0-9 ]*CERTIFICATE-----/gm;

/** Whether it is Base64 of one DER sequence, as long as it says (X.690 §8.1). */
function isDer(base64: string): boolean {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    return false;
  }
  const [tag, short = 0] = bytes;
  if (tag !== 0x30) return false;
  const more = short < 0x80 ? 0 : short & 0x7f;
  const length = more === 0
    ? short
    : bytes.subarray(2, 2 + more).reduce((sum, byte) => sum * 256 + byte, 0);
  return bytes.length === 2 + more + length;
}

/** A certificate's own key, as PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
  readonly passphrase?: string | undefined;
}

/** Whether the key takes a passphrase. */
export function isEncrypted(key: string): boolean {
  return key.includes("ENCRYPTED");
}

/**
 * What is wrong with a key beside its certificate: the passphrase does not open it, or it is another's. What this Deno
 * cannot read (RSA-PSS; P-521 and Ed25519 on 2.5) is not judged.
 */
export function keyFault(
  { cert, key, passphrase }: KeyPair,
): "passphrase" | "other" | undefined {
  if (isEncrypted(key) && passphrase === undefined) return undefined;
  let own: KeyObject;
  try {
    own = createPrivateKey({
      key,
      ...isEncrypted(key) && passphrase !== undefined && { passphrase },
    });
  } catch {
    return isEncrypted(key) ? "passphrase" : undefined;
  }
  try {
    // What signs is the first certificate; those behind it lead to its authority.
    const certified = publicBytes(new X509Certificate(cert).publicKey);
    return publicBytes(createPublicKey(own)).equals(certified)
      ? undefined
      : "other";
  } catch {
    return undefined;
  }
}

function publicBytes(key: KeyObject) {
  return key.export({ type: "spki", format: "der" });
}

/** The 64 hex digits of `sha256:<hex>`, colons between them allowed; undefined after a fault. */
export function parsePin(
  text: string,
  fault: (sentence: string) => void,
): string | undefined {
  const hex = text.trim().toLowerCase().replace(/^sha256:/, "")
    .replaceAll(":", "");
  if (/^[0-9a-f]{64}$/.test(hex)) return hex;
  fault("It must be sha256: and the 64 hex digits of the certificate's hash.");
  return undefined;
}
