/** Certificates for TLS tests, made afresh by the machine's `openssl` and never committed. */

/** A certificate with its key, PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** All that the TLS tests show or trust. Names are of `localhost` and 127.0.0.1 unless said otherwise. */
export interface Certificates {
  /** The private authority that signed the rest. */
  readonly ca: string;
  /** Another authority, which signed nothing here. */
  readonly strangerCa: string;
  readonly good: KeyPair;
  /** For `collector.example` only. */
  readonly wrongName: KeyPair;
  readonly expired: KeyPair;
  readonly early: KeyPair;
  /** Self-signed as `openssl req -x509` makes it: CA:TRUE. */
  readonly selfSigned: KeyPair;
  /** The same, ended. */
  readonly selfSignedExpired: KeyPair;
  /** No subject alternative name, CN localhost. */
  readonly commonName: KeyPair;
  readonly client: KeyPair;
  /** The same of X.509 version 1. */
  readonly clientV1: KeyPair;
  /** The client's key as encrypted PKCS#8. */
  readonly clientKeyEncrypted: string;
  /** The client's key in the older encrypted form (`Proc-Type: 4,ENCRYPTED`). */
  readonly clientKeyEncryptedOld: string;
  readonly passphrase: string;
  /** SHA-256 of `good`'s certificate, hex. */
  readonly goodPin: string;
}

const LOCAL = "subjectAltName=DNS:localhost,IP:127.0.0.1";
const PASSPHRASE = "correct horse";

/** Makes the set in a temporary directory that is gone afterwards. Undefined where there is no `openssl`. */
export async function makeCertificates(): Promise<Certificates | undefined> {
  const dir = await Deno.makeTempDir({ prefix: "hecate-certificates-" });
  const read = (name: string) => Deno.readTextFile(`${dir}/${name}`);
  const openssl = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command("openssl", {
      args,
      cwd: dir,
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) {
      throw new Error(
        `openssl ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`,
      );
    }
  };
  const authority = (name: string, extension?: string) =>
    openssl(
      ...["req", "-x509", "-nodes", "-newkey", "ec"],
      ...["-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"],
      ...["-subj", `/CN=${name}`, "-keyout", `${name}.key`],
      ...["-out", `${name}.pem`],
      ...(extension === undefined ? [] : ["-addext", extension]),
    );
  const leaf = async (
    name: string,
    subject: string,
    extensions: string,
    dates: readonly string[] = ["-days", "2"],
  ): Promise<KeyPair> => {
    await openssl(
      ...["req", "-nodes", "-newkey", "ec"],
      ...["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", `/CN=${subject}`],
      ...["-keyout", `${name}.key`, "-out", `${name}.csr`],
    );
    await Deno.writeTextFile(`${dir}/${name}.ext`, extensions);
    await openssl(
      ...["ca", "-batch", "-notext", "-config", "ca.cnf"],
      ...["-extfile", `${name}.ext`, "-in", `${name}.csr`],
      ...["-out", `${name}.pem`, ...dates],
    );
    return { cert: await read(`${name}.pem`), key: await read(`${name}.key`) };
  };
  try {
    await authority("ca", "keyUsage=critical,keyCertSign,cRLSign");
    await authority("stranger");
    await authority("localhost", LOCAL);
    await Deno.mkdir(`${dir}/issued`);
    await Deno.writeTextFile(`${dir}/index.txt`, "");
    await Deno.writeTextFile(`${dir}/ca.cnf`, CA_CONFIG);
    const server = `basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n`;
    const past = [
      ...["-startdate", "20240101000000Z", "-enddate", "20240201000000Z"],
    ];
    await openssl(
      ...["req", "-new", "-key", "localhost.key", "-subj", "/CN=localhost"],
      ...["-out", "past.csr"],
    );
    await Deno.writeTextFile(
      `${dir}/past.ext`,
      `basicConstraints=critical,CA:TRUE\n${LOCAL}`,
    );
    await openssl(
      ...["ca", "-batch", "-notext", "-config", "ca.cnf", "-selfsign"],
      ...["-keyfile", "localhost.key", "-extfile", "past.ext"],
      ...["-in", "past.csr", "-out", "past.pem", ...past],
    );
    const good = await leaf("good", "localhost", server + LOCAL);
    const client = await leaf(
      "client",
      "relay",
      "basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n",
    );
    const pass = ["-passout", `pass:${PASSPHRASE}`];
    await openssl(
      ...[
        "pkcs8",
        "-topk8",
        "-in",
        "client.key",
        "-out",
        "client.enc",
        ...pass,
      ],
      ...["-v2", "aes-256-cbc"],
    );
    await openssl(
      ...["ec", "-aes256", "-in", "client.key", "-out", "client.old", ...pass],
    );
    return {
      ca: await read("ca.pem"),
      strangerCa: await read("stranger.pem"),
      good,
      wrongName: await leaf(
        "wrong",
        "collector.example",
        server + "subjectAltName=DNS:collector.example",
      ),
      expired: await leaf("expired", "localhost", server + LOCAL, past),
      early: await leaf("early", "localhost", server + LOCAL, [
        ...["-startdate", "20480101000000Z", "-enddate", "20490201000000Z"],
      ]),
      selfSigned: {
        cert: await read("localhost.pem"),
        key: await read("localhost.key"),
      },
      selfSignedExpired: {
        cert: await read("past.pem"),
        key: await read("localhost.key"),
      },
      commonName: await leaf("common", "localhost", server),
      client,
      clientV1: await leaf("client1", "relay", ""),
      clientKeyEncrypted: await read("client.enc"),
      clientKeyEncryptedOld: await read("client.old"),
      passphrase: PASSPHRASE,
      goodPin: await fingerprint(good.cert),
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** SHA-256 of a PEM certificate's DER bytes, lower-case hex. */
export async function fingerprint(pem: string): Promise<string> {
  const der = Uint8Array.from(
    atob(pem.replace(/-----[^-]+-----|\s/g, "")),
    (c) => c.charCodeAt(0),
  );
  return new Uint8Array(await crypto.subtle.digest("SHA-256", der)).toHex();
}

const CA_CONFIG = `[ca]
default_ca = here
[here]
dir = .
certificate = ca.pem
private_key = ca.key
database = index.txt
new_certs_dir = issued
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
`;
