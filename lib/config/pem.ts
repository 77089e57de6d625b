/** Certificates and keys that settings name, checked while the operator is looking: the runtime takes nonsense silently. */

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
  return text;
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
