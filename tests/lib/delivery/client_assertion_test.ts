import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { decodeProtectedHeader, importX509, jwtVerify } from "jose";
import { CertificateSigner } from "../../../lib/delivery/client_assertion.ts";
import { makeClientCertificate } from "../../support/client_certificate.ts";

const CLAIMS = {
  clientId: "client",
  audience: "https://login.example/t/oauth2/v2.0/token",
  id: "id-1",
  now: 1_773_360_000_123,
};

Deno.test("CertificateSigner signs what Entra wants, with either form of key, in any order", async () => {
  const { certificate, key, oldKey } = await makeClientCertificate();
  const other = await makeClientCertificate();
  for (
    const pem of [
      key + certificate,
      certificate + oldKey,
      `Bag Attributes\n${certificate}${other.certificate}${key}`,
    ]
  ) {
    const token = await new CertificateSigner(pem).sign(CLAIMS);
    const { payload } = await jwtVerify(
      token,
      await importX509(certificate, "PS256"),
      { currentDate: new Date(CLAIMS.now) },
    );
    assert.deepEqual(payload, {
      aud: CLAIMS.audience,
      iss: "client",
      sub: "client",
      jti: "id-1",
      nbf: 1_773_359_940,
      iat: 1_773_360_000,
      exp: 1_773_360_300,
    });
    assert.deepEqual(decodeProtectedHeader(token), {
      alg: "PS256",
      typ: "JWT",
      "x5t#S256": createHash("sha256")
        .update(new X509Certificate(certificate).raw).digest("base64url"),
    });
  }
});

Deno.test("CertificateSigner() says what is wrong with a file, never a part of the key", async () => {
  const { certificate, key, encryptedKey } = await makeClientCertificate();
  const other = await makeClientCertificate();
  const cut = key.slice(0, 200) + "\n-----END PRIVATE KEY-----\n";
  for (
    const [pem, fault] of [
      ["", /BEGIN CERTIFICATE/],
      [key, /BEGIN CERTIFICATE/],
      [certificate, /one file/],
      [certificate + encryptedKey, /encrypted/],
      [certificate + cut, /cannot be read/],
      [certificate + other.key, /not the certificate's own/],
      [
        certificate.replace(/\n[^-]{40}/, "\n") + key,
        /certificate cannot be read/,
      ],
    ] as const
  ) {
    assert.throws(() => new CertificateSigner(pem), (error) => {
      assert.ok(error instanceof TypeError);
      assert.match(error.message, fault);
      assert.ok(!error.message.includes(key.slice(60, 100)));
      return true;
    });
  }
});
