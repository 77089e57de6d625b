/** A client's certificate with its RSA key, as `SENTINEL_CLIENT_CERTIFICATE` takes them; made afresh by `openssl`. */

/** PEM texts. */
export interface ClientCertificate {
  readonly certificate: string;
  /** PKCS#8. */
  readonly key: string;
  /** The key as `-----BEGIN RSA PRIVATE KEY-----`. */
  readonly oldKey: string;
  /** The key with a passphrase. */
  readonly encryptedKey: string;
}

/** Makes one in a temporary directory that is gone afterwards. */
export async function makeClientCertificate(): Promise<ClientCertificate> {
  const dir = await Deno.makeTempDir({ prefix: "hecate-client-" });
  const openssl = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command("openssl", {
      args,
      cwd: dir,
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  };
  try {
    await openssl(
      ...["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2"],
      ...["-subj", "/CN=hecate", "-keyout", "key.pem", "-out", "cert.pem"],
    );
    await openssl(
      ...["rsa", "-in", "key.pem", "-traditional", "-out", "old.pem"],
    );
    await openssl(
      ...["pkcs8", "-topk8", "-in", "key.pem", "-out", "encrypted.pem"],
      ...["-passout", "pass:secret"],
    );
    const [certificate, key, oldKey, encryptedKey] = await Promise.all(
      ["cert.pem", "key.pem", "old.pem", "encrypted.pem"].map((name) =>
        Deno.readTextFile(`${dir}/${name}`)
      ),
    );
    if (
      certificate === undefined || key === undefined || oldKey === undefined ||
      encryptedKey === undefined
    ) throw new Error("openssl made no files");
    return { certificate, key, oldKey, encryptedKey };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
