/** A client's own assertion (RFC 7523), signed with a certificate's key as Microsoft Entra wants it. */

import {
  createHash,
  createPrivateKey,
  type KeyObject,
  X509Certificate,
} from "node:crypto";

/** How long an assertion is good, in seconds (destinations §2.1: at most ten minutes). */
const LIFE_S = 300;
/** How far the login's clock may be behind ours, in seconds. */
const SKEW_S = 60;

/** What one assertion says. */
export interface Claims {
  readonly clientId: string;
  /** The token's address. */
  readonly audience: string;
  /** Its `jti`: never twice the same. */
  readonly id: string;
  /** Wall time in milliseconds since the epoch. */
  readonly now: number;
}

/** Signs with one certificate's key. */
export class CertificateSigner {
  readonly #key: KeyObject;
  /** Base64url of the certificate's SHA-256. */
  readonly #thumbprint: string;
  #imported: Promise<CryptoKey> | undefined;

  /**
   * @param pem one certificate (the first counts) and its RSA key, not encrypted, in any order.
   * @throws {TypeError} with a sentence for the operator, never with a part of the key.
   */
  constructor(pem: string) {
    const certificate = block(pem, "CERTIFICATE");
    if (certificate === undefined) {
      throw new TypeError("There is no -----BEGIN CERTIFICATE----- in it.");
    }
    const key = block(pem, "(?:RSA )?PRIVATE KEY");
    if (key === undefined) {
      throw new TypeError(
        /PRIVATE KEY-----/.test(pem)
          ? "Its key is encrypted or of a kind that PS256 cannot use: give an RSA key as -----BEGIN PRIVATE KEY-----."
          : "There is no -----BEGIN PRIVATE KEY----- in it: certificate and key go in one file.",
      );
    }
    const sure = <T>(make: () => T, sentence: string): T => {
      try {
        return make();
      } catch {
        throw new TypeError(sentence);
      }
    };
    this.#key = sure(
      () => createPrivateKey(key),
      "Its private key cannot be read.",
    );
    if (this.#key.asymmetricKeyType !== "rsa") {
      throw new TypeError("Its key must be an RSA key.");
    }
    const parsed = sure(
      () => new X509Certificate(certificate),
      "Its certificate cannot be read.",
    );
    if (!belong(parsed, this.#key)) {
      throw new TypeError("Its key is not the certificate's own.");
    }
    const der = certificate.replace(/-----[^-]+-----|\s/g, "");
    this.#thumbprint = createHash("sha256").update(der, "base64")
      .digest("base64url");
  }

  /** A compact JWT, good for five minutes. */
  async sign({ clientId, audience, id, now }: Claims): Promise<string> {
    // On demand: only this way of logging in needs it.
    const { importPKCS8, SignJWT } = await import("jose");
    const at = Math.floor(now / 1000);
    this.#imported ??= importPKCS8(
      this.#key.export({ type: "pkcs8", format: "pem" }).toString(),
      "PS256",
    );
    return await new SignJWT({})
      .setProtectedHeader({
        alg: "PS256",
        typ: "JWT",
        "x5t#S256": this.#thumbprint,
      })
      .setAudience(audience)
      .setIssuer(clientId)
      .setSubject(clientId)
      .setJti(id)
      .setNotBefore(at - SKEW_S)
      .setIssuedAt(at)
      .setExpirationTime(at + LIFE_S)
      .sign(await this.#imported);
  }
}

/** The first block with this label, whole. */
function block(pem: string, label: string): string | undefined {
  return new RegExp(`-----BEGIN (${label})-----[^-]+-----END \\1-----`)
    .exec(pem)?.[0];
}

function belong(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return certificate.checkPrivateKey(key);
  } catch {
    // Deno 2.5 has no such check: the login will say it.
    return true;
  }
}
