/** The Sentinel connector's three logins against a real OAuth server, which issues and checks the tokens. */

import assert from "node:assert/strict";
import { exportJWK, generateKeyPair, importX509, SignJWT } from "jose";
import { sentinel } from "../../connectors/sentinel.ts";
import { systemClock } from "../../lib/clock.ts";
import type { Outcome } from "../../lib/connector.ts";
import { sentinelEnv } from "../support/azure.ts";
import { makeClientCertificate } from "../support/client_certificate.ts";
import { ScriptedServer } from "../support/scripted_server.ts";
import { answer, encoded, numbered, openSink } from "../support/sinks.ts";
import { type OidcClient, OidcServer, TOKEN_PATH } from "./oidc_provider.ts";

const SCOPE = "https://monitor.azure.com/.default";
const ID = sentinelEnv("")["SENTINEL_CLIENT_ID"] ?? "";

/** Delivers to an API that takes what the login says is its own token. */
async function delivered(
  login: OidcServer,
  client: OidcClient,
  env: Readonly<Record<string, string>>,
  times = 1,
): Promise<Outcome[]> {
  await using api = new ScriptedServer(async (connection) => {
    for (;;) {
      const { head } = await connection.request();
      const token = /^authorization: Bearer (\S+)/im.exec(head)?.[1] ?? "";
      const isGood = await login.knows(token, client);
      await connection.write(answer(isGood ? 204 : 401));
    }
  });
  const { SENTINEL_CLIENT_SECRET: _, ...rest } = sentinelEnv(
    `http://127.0.0.1:${api.port}`,
  );
  const outcomes: Outcome[] = [];
  for (let n = 0; n < times; n++) {
    // A new sink logs in anew.
    await using sink = openSink(
      sentinel,
      {
        ...rest,
        SENTINEL_TENANT_ID: "tenant",
        SENTINEL_AUTHORITY_HOST: login.base,
        ...env,
      },
      systemClock,
      { uuid: () => crypto.randomUUID() },
    );
    const batch = encoded(sink, numbered(3));
    outcomes.push(await sink.deliver(batch, AbortSignal.timeout(30_000)));
  }
  return outcomes;
}

const WELL: Outcome = { kind: "delivered" };

function isHeldForLogin(outcome: Outcome | undefined): boolean {
  return outcome?.kind === "held" && outcome.reason === "auth";
}

Deno.test("interop: oidc-provider takes the client secret, and no other", async () => {
  const client = { id: ID, scope: SCOPE, secret: "v~8Q+x/y=z.-_9&%" };
  await using login = await OidcServer.start(client);
  assert.deepEqual(
    await delivered(login, client, { SENTINEL_CLIENT_SECRET: client.secret }),
    [WELL],
  );
  assert.equal(login.granted, 1);
  const [refused] = await delivered(login, client, {
    SENTINEL_CLIENT_SECRET: `${client.secret}x`,
  });
  assert.ok(isHeldForLogin(refused), JSON.stringify(refused));
  const [scope] = await delivered(login, client, {
    SENTINEL_CLIENT_SECRET: client.secret,
    SENTINEL_TOKEN_SCOPE: "api://other/.default",
  });
  assert.ok(isHeldForLogin(scope), JSON.stringify(scope));
});

Deno.test("interop: oidc-provider takes the certificate's assertions (PS256), each once, and no other key's", async () => {
  const own = await makeClientCertificate();
  const other = await makeClientCertificate();
  const jwk = await exportJWK(
    await importX509(own.certificate, "PS256", { extractable: true }),
  );
  const client: OidcClient = {
    id: ID,
    scope: SCOPE,
    keys: [{ ...jwk, alg: "PS256", use: "sig" }],
    algorithm: "PS256",
  };
  await using login = await OidcServer.start(client);
  const file = await Deno.makeTempFile({ suffix: ".pem" });
  try {
    await Deno.writeTextFile(file, own.certificate + own.key);
    assert.deepEqual(
      await delivered(login, client, { SENTINEL_CLIENT_CERTIFICATE: file }),
      [WELL],
    );
    assert.deepEqual(
      await delivered(login, client, {
        SENTINEL_CLIENT_CERTIFICATE: `file:${file}`,
      }, 2),
      [WELL, WELL],
    );
    const [refused] = await delivered(login, client, {
      SENTINEL_CLIENT_CERTIFICATE: other.certificate + other.key,
    });
    assert.ok(isHeldForLogin(refused), JSON.stringify(refused));
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("interop: oidc-provider takes a federated token from a file that is read again at each login", async () => {
  const { privateKey, publicKey } = await generateKeyPair("RS256", {
    extractable: true,
  });
  const client: OidcClient = {
    id: ID,
    scope: SCOPE,
    keys: [{ ...await exportJWK(publicKey), alg: "RS256", use: "sig" }],
    algorithm: "RS256",
  };
  await using login = await OidcServer.start(client);
  const file = await Deno.makeTempFile({ suffix: ".jwt" });
  const write = async (life: string) => {
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: "RS256" })
      .setIssuer(ID).setSubject(ID).setAudience(login.base + TOKEN_PATH)
      .setJti(crypto.randomUUID()).setIssuedAt().setExpirationTime(life)
      .sign(privateKey);
    await Deno.writeTextFile(file, `${token}\n`);
  };
  const env = { SENTINEL_FEDERATED_TOKEN_FILE: file };
  try {
    await write("5m");
    assert.deepEqual(await delivered(login, client, env), [WELL]);
    // The server takes an assertion once: that it takes the next one shows that the file was read again.
    const [replayed] = await delivered(login, client, env);
    assert.ok(isHeldForLogin(replayed), JSON.stringify(replayed));
    await write("5m");
    assert.deepEqual(await delivered(login, client, env), [WELL]);
    await write("-5m");
    const [old] = await delivered(login, client, env);
    assert.ok(isHeldForLogin(old), JSON.stringify(old));
  } finally {
    await Deno.remove(file);
  }
  const [gone] = await delivered(login, client, env);
  assert.ok(gone?.kind === "held");
  assert.match(gone.message, /cannot be read/);
});
