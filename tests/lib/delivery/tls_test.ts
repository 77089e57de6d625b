import assert from "node:assert/strict";
import { createServer, type TLSSocket } from "node:tls";
import { systemClock } from "../../../lib/clock.ts";
import { openHttp } from "../../../lib/delivery/http_client.ts";
import type {
  HttpTarget,
  TlsSettings,
} from "../../../lib/delivery/http_exchange.ts";
import {
  runtimeSockets,
  type Sockets,
} from "../../../lib/delivery/tls_native.ts";
import { TransportError } from "../../../lib/delivery/transport_error.ts";
import {
  type Certificates,
  type KeyPair,
  makeCertificates,
} from "../../support/certificates.ts";
import { always, ScriptedServer } from "../../support/scripted_server.ts";

/**
 * Every TLS setting against real servers with certificates of its own. What Deno before 2.9 cannot do is expected to be
 * refused there, never ignored.
 */

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const NEVER = new AbortController().signal;
const IS_OLD = /^2\.[0-8]\./.test(Deno.version.deno);

const made = await makeCertificates();
if (made === undefined) {
  // deno-lint-ignore no-console -- a skipped test says why
  console.log("skipped: TLS tests need `openssl` on the PATH");
}

function test(
  name: string,
  work: (certificates: Certificates) => Promise<void>,
  options: { readonly ignore?: boolean } = {},
): void {
  Deno.test({
    name,
    ignore: made === undefined || (options.ignore ?? false),
    fn: () => made === undefined ? undefined : work(made),
  });
}

/** 200, or the reason of the fault. The second request shows that the connection can be used again. */
async function attempt(
  port: number,
  tls: Partial<TlsSettings>,
  { host = "localhost", sockets = runtimeSockets(), ...more }:
    & { host?: string; sockets?: Sockets }
    & Partial<HttpTarget> = {},
): Promise<{ result: string; message: string; bodySent: boolean }> {
  await using exchange = openHttp({
    url: new URL(`https://${host}:${port}/in?token=s3cret`),
    tls: { verify: true, ...tls },
    timeout: 10_000,
    ...more,
  }, { clock: systemClock, sockets });
  const body = new TextEncoder().encode("events".repeat(15_000));
  try {
    const first = await exchange.send(
      { method: "POST", headers: [["Authorization", "s3cret"]], body },
      NEVER,
    );
    const second = await exchange.send(
      { method: "POST", headers: [], body: body.subarray(0, 10) },
      NEVER,
    );
    assert.equal(first.text(), "ok");
    return { result: `${second.status}`, message: "", bodySent: true };
  } catch (error) {
    assert.ok(error instanceof TransportError, String(error));
    assert.match(error.message, new RegExp(`${host}:${port}|${host}.*${port}`));
    assert.doesNotMatch(error.message, /s3cret/);
    assert.ok(!error.weather, error.message);
    const { reason: result, message, bodySent } = error;
    return { result, message, bodySent };
  }
}

type Shown =
  | "good"
  | "wrongName"
  | "expired"
  | "early"
  | "selfSigned"
  | "selfSignedExpired"
  | "commonName";

/** Which certificate the server shows, what the client is told, and what comes of it (2.9, then older if it differs). */
const CASES: readonly {
  readonly name: string;
  readonly shown: Shown;
  readonly tls: (c: Certificates) => Partial<TlsSettings>;
  readonly host?: string;
  readonly want: string;
  readonly wantOld?: string;
}[] = [
  {
    name: "a private authority that is trusted",
    shown: "good",
    tls: (c) => ({ caBundle: c.ca }),
    want: "200",
  },
  {
    name: "the same by address",
    shown: "good",
    host: "127.0.0.1",
    tls: (c) => ({ caBundle: c.ca }),
    want: "200",
  },
  {
    name: "a bundle of several authorities with words between",
    shown: "good",
    tls: (c) => ({ caBundle: `# one\n${c.strangerCa}\n# two\n${c.ca}` }),
    want: "200",
  },
  {
    name: "a private authority that nobody trusts",
    shown: "good",
    tls: () => ({}),
    want: "tls_issuer",
  },
  {
    name: "another authority than the trusted one",
    shown: "good",
    tls: (c) => ({ caBundle: c.strangerCa }),
    want: "tls_issuer",
  },
  {
    name: "another name",
    shown: "wrongName",
    tls: (c) => ({ caBundle: c.ca }),
    want: "tls_name",
  },
  {
    name: "another name that the server name setting gives",
    shown: "wrongName",
    tls: (c) => ({ caBundle: c.ca, serverName: "collector.example" }),
    want: "200",
  },
  {
    name: "not the name that the server name setting gives",
    shown: "good",
    tls: (c) => ({ caBundle: c.ca, serverName: "collector.example" }),
    want: "tls_name",
  },
  {
    name: "an ended certificate",
    shown: "expired",
    tls: (c) => ({ caBundle: c.ca }),
    want: "tls_expired",
  },
  {
    name: "a certificate that has not begun",
    shown: "early",
    tls: (c) => ({ caBundle: c.ca }),
    want: "tls_early",
  },
  {
    name: "T61 self-signed with CA:TRUE, given as authority",
    shown: "selfSigned",
    tls: (c) => ({ caBundle: c.selfSigned.cert }),
    want: "200",
    wantOld: "tls_self",
  },
  {
    name: "self-signed with CA:TRUE, given as authority, under another name",
    shown: "selfSigned",
    tls: (c) => ({ caBundle: c.selfSigned.cert, serverName: "other.example" }),
    want: "tls_name",
    wantOld: "tls_self",
  },
  {
    name: "self-signed with CA:TRUE, not given",
    shown: "selfSigned",
    tls: (c) => ({ caBundle: c.ca }),
    want: "tls_self",
  },
  {
    name: "self-signed with CA:TRUE, given as authority, ended",
    shown: "selfSignedExpired",
    tls: (c) => ({ caBundle: c.selfSignedExpired.cert }),
    want: "tls_expired",
  },
  {
    name: "a common name only, authority trusted",
    shown: "commonName",
    tls: (c) => ({ caBundle: c.ca }),
    want: "200",
    wantOld: "tls_name",
  },
  {
    name: "a common name only, authority not trusted",
    shown: "commonName",
    tls: (c) => ({ caBundle: c.strangerCa }),
    want: "tls_issuer",
  },
  {
    name: "verification off",
    shown: "expired",
    tls: () => ({ verify: false }),
    want: "200",
  },
  {
    name: "verification off, by address and other name",
    shown: "wrongName",
    host: "127.0.0.1",
    tls: () => ({ verify: false }),
    want: "200",
  },
  {
    name: "the pinned certificate, whoever signed it",
    shown: "good",
    tls: (c) => ({ pin: `sha256:${c.goodPin}` }),
    want: "200",
  },
  {
    name: "the pin with colons and capitals",
    shown: "good",
    tls: (c) => ({
      pin: c.goodPin.toUpperCase().replace(/..(?!$)/g, "$&:"),
    }),
    want: "200",
  },
  {
    name:
      "another than the pinned certificate, though its authority is trusted",
    shown: "expired",
    tls: (c) => ({ pin: c.goodPin, caBundle: c.ca }),
    want: "tls_pin",
  },
  {
    name: "a pin where verification is off",
    shown: "selfSigned",
    tls: (c) => ({ pin: c.goodPin, verify: false }),
    want: "tls_pin",
  },
];

for (const { name, shown, tls, host, want, wantOld = want } of CASES) {
  test(`https: ${name}`, async (certificates) => {
    await using server = new ScriptedServer(always(OK), certificates[shown]);
    const { result, bodySent } = await attempt(
      server.port,
      tls(certificates),
      host === undefined ? {} : { host },
    );
    assert.equal(result, IS_OLD ? wantOld : want);
    // A certificate of odd shape costs one refused handshake, once.
    if (result === "200") assert.ok(server.connections <= 2);
    else {
      assert.ok(!bodySent);
      assert.equal(server.requests.length, 0, "a request left");
    }
  });
}

test("https: sentences name the certificate's names and dates", async (c) => {
  await using wrong = new ScriptedServer(always(OK), c.wrongName);
  await using expired = new ScriptedServer(always(OK), c.expired);
  const name = await attempt(wrong.port, { caBundle: c.ca });
  assert.match(name.message, /is for collector\.example, not/);
  const date = await attempt(expired.port, { caBundle: c.ca });
  assert.match(date.message, /ended on 2024-02-01/);
});

for (const tls of [{ verify: true }, { verify: false }]) {
  test(`https: a plain server is tls_plain, verification ${tls.verify}`, async () => {
    await using server = new ScriptedServer(async (connection) => {
      await connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
      await connection.closed();
    });
    assert.equal((await attempt(server.port, tls)).result, "tls_plain");
  });
}

/** A server that takes only clients with a certificate of its authority. */
async function withClientServer(
  { good, ca }: { good: KeyPair; ca: string },
  work: (port: number) => Promise<void>,
): Promise<void> {
  const sockets = new Set<TLSSocket>();
  const server = createServer({
    ...good,
    ca: [ca],
    requestCert: true,
    rejectUnauthorized: true,
  }, (socket) => {
    sockets.add(socket);
    let seen = "";
    socket.on("error", () => {});
    socket.on("data", (data) => {
      seen += data.toString("latin1");
      const length = Number(/content-length: (\d+)/i.exec(seen)?.[1]);
      if (seen.length < seen.indexOf("\r\n\r\n") + 4 + length) return;
      seen = "";
      socket.write(OK);
    });
  });
  server.on("tlsClientError", () => {});
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => listening.resolve());
  await listening.promise;
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  try {
    await work(address.port);
  } finally {
    for (const socket of sockets) socket.destroy();
    const closed = Promise.withResolvers<void>();
    server.close(() => closed.resolve());
    await closed.promise;
  }
}

const CLIENT_CASES: readonly {
  readonly name: string;
  readonly tls: (c: Certificates) => Partial<TlsSettings>;
  readonly want: string;
}[] = [
  { name: "none given", tls: () => ({}), want: "tls_client" },
  {
    name: "none given, verification off",
    tls: () => ({ verify: false }),
    want: "tls_client",
  },
  {
    name: "given",
    tls: (c) => ({ clientCert: c.client.cert, clientKey: c.client.key }),
    want: "200",
  },
  {
    name: "T62 given, key encrypted",
    tls: (c) => ({
      clientCert: c.client.cert,
      clientKey: c.clientKeyEncrypted,
      clientKeyPassphrase: c.passphrase,
    }),
    want: "200",
  },
  {
    name: "given, key encrypted in the older form",
    tls: (c) => ({
      clientCert: c.client.cert,
      clientKey: c.clientKeyEncryptedOld,
      clientKeyPassphrase: c.passphrase,
    }),
    want: "200",
  },
  {
    name: "given, wrong passphrase",
    tls: (c) => ({
      clientCert: c.client.cert,
      clientKey: c.clientKeyEncrypted,
      clientKeyPassphrase: "wrong",
    }),
    want: "client_key",
  },
  {
    name: "given with another's key",
    tls: (c) => ({ clientCert: c.client.cert, clientKey: c.good.key }),
    want: "client_key",
  },
  {
    name: "given with no key in the text",
    tls: (c) => ({ clientCert: c.client.cert, clientKey: "nonsense" }),
    want: "client_key",
  },
  {
    name: "given, under a server name",
    tls: (c) => ({
      clientCert: c.client.cert,
      clientKey: c.client.key,
      serverName: "127.0.0.1",
    }),
    want: "200",
  },
  {
    name: "given, with a pin",
    tls: (c) => ({
      clientCert: c.client.cert,
      clientKey: c.client.key,
      pin: c.goodPin,
    }),
    want: "200",
  },
  {
    name: "given, verification off",
    tls: (c) => ({
      clientCert: c.client.cert,
      clientKey: c.client.key,
      verify: false,
    }),
    want: "200",
  },
];

test("https with client certificate: an ended server certificate is told as such", async (c) => {
  await using server = new ScriptedServer(always(OK), c.expired);
  const { result } = await attempt(server.port, {
    caBundle: c.ca,
    clientCert: c.client.cert,
    clientKey: c.client.key,
  });
  assert.equal(result, "tls_expired");
});

/** Client's pairs that rustls refuses; Deno 2.5 panics on them unless they are looked at before. */
const UNUSABLE: readonly [string, (c: Certificates) => KeyPair, RegExp][] = [
  ["another's key", (c) => ({ ...c.client, key: c.good.key }), /belong/],
  ["a certificate of version 1", (c) => c.clientV1, /version 3/],
  ["a damaged certificate", (c) => ({
    key: c.client.key,
    cert: `${BEGIN}\n${btoa("no certificate")}\n-----END CERTIFICATE-----\n`,
  }), /damaged/],
  ["a damaged key", (c) => ({
    cert: c.client.cert,
    key: `-----BEGIN PRIVATE KEY-----\n${
      btoa("no key")
    }\n-----END PRIVATE KEY-----\n`,
  }), /damaged/],
];
const BEGIN = "-----BEGIN CERTIFICATE-----";

for (const [name, pair, why] of UNUSABLE) {
  test(`https on Deno 2.5: ${name} is client_key, and nothing is sent`, async (c) => {
    await using server = new ScriptedServer(always(OK), c.good);
    const { cert, key } = pair(c);
    const { result, message } = await attempt(server.port, {
      caBundle: c.ca,
      clientCert: cert,
      clientKey: key,
    }, { sockets: { ...runtimeSockets(), version: "2.5.6" } });
    assert.equal(result, "client_key");
    assert.match(message, why);
    assert.equal(server.connections, 0);
  });
}

test("https with a client certificate of version 1: the server's own fault is told", async (c) => {
  await using server = new ScriptedServer(always(OK), c.good);
  const { result } = await attempt(server.port, {
    caBundle: c.strangerCa,
    clientCert: c.clientV1.cert,
    clientKey: c.clientV1.key,
  });
  assert.equal(result, IS_OLD ? "client_key" : "tls_issuer");
});

test("https where plain sockets are forbidden goes over connectTls", async (c) => {
  await using server = new ScriptedServer(always(OK), c.good);
  const { connectTls, startTls } = Deno;
  await using exchange = openHttp({
    url: new URL(`https://localhost:${server.port}/`),
    tls: { verify: true, caBundle: c.ca },
    timeout: 10_000,
  }, {
    clock: systemClock,
    sockets: {
      connect: () => Promise.reject(new Deno.errors.PermissionDenied("443")),
      connectTls,
      startTls,
      version: Deno.version.deno,
    },
  });
  const reply = await exchange.send(
    { method: "POST", headers: [], body: new Uint8Array(10) },
    NEVER,
  );
  assert.equal(reply.status, 200);
});

test("https loses no time to delayed acknowledgements", async (c) => {
  await using server = new ScriptedServer(always(OK), c.good);
  // 2.5's node:tls has the delay and no way to switch it off.
  const ways = [{ caBundle: c.ca }, ...IS_OLD ? [] : [{ pin: c.goodPin }]];
  for (const tls of ways) {
    await using exchange = openHttp({
      url: new URL(`https://localhost:${server.port}/`),
      tls: { verify: true, ...tls },
      timeout: 10_000,
    });
    const body = new Uint8Array(40_000);
    const send = () =>
      exchange.send({ method: "POST", headers: [], body }, NEVER);
    await send();
    const times: number[] = [];
    for (let i = 0; i < 15; i++) {
      const from = performance.now();
      await send();
      times.push(performance.now() - from);
    }
    const median = times.toSorted((a, b) => a - b)[7] ?? NaN;
    assert.ok(median < 30, `${median} ms; with the delay it is 40 and more`);
  }
});

for (const { name, tls, want } of CLIENT_CASES) {
  // 2.5's node:tls cannot be the server here.
  test(`https with client certificate: ${name}`, async (c) => {
    await withClientServer(c, async (port) => {
      const settings = { caBundle: c.ca, ...tls(c) };
      assert.equal((await attempt(port, settings)).result, want);
    });
  }, { ignore: IS_OLD });
}

/** A proxy that answers CONNECT and then passes bytes on; what was asked is noted. */
function connectProxy(asked: string[], answer: string): ScriptedServer {
  return new ScriptedServer(async (connection) => {
    const head = await connection.head();
    asked.push(head);
    await connection.write(answer);
    if (!answer.startsWith("HTTP/1.1 200")) return;
    const port = Number(/^CONNECT [^ ]+:(\d+) /.exec(head)?.[1]);
    using target = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.bridge(target);
  });
}

const THROUGH: readonly [string, (c: Certificates) => Partial<TlsSettings>][] =
  [
    ["native", (c) => ({ caBundle: c.ca })],
    ["node:tls", (c) => ({ pin: c.goodPin })],
  ];

for (const [name, tls] of THROUGH) {
  test(`https through a proxy by CONNECT, ${name}`, async (c) => {
    const asked: string[] = [];
    await using server = new ScriptedServer(always(OK), c.good);
    await using proxy = connectProxy(asked, "HTTP/1.1 200 Established\r\n\r\n");
    const { result, message } = await attempt(server.port, tls(c), {
      proxy: new URL(`http://user:pw@127.0.0.1:${proxy.port}`),
    });
    assert.equal(result, "200", message);
    const target = `localhost:${server.port}`;
    assert.deepEqual(asked, [
      [
        `CONNECT ${target} HTTP/1.1`,
        `Host: ${target}`,
        `Proxy-Authorization: Basic ${btoa("user:pw")}`,
      ].join("\r\n"),
    ]);
  }, { ignore: IS_OLD && name === "node:tls" });
}

test("https through a proxy that refuses", async (c) => {
  for (
    const [status, want] of [
      [407, "auth"],
      [403, "forbidden"],
      [405, "config"],
    ] as const
  ) {
    await using proxy = connectProxy(
      [],
      `HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`,
    );
    const { result, message } = await attempt(443, { caBundle: c.ca }, {
      proxy: new URL(`http://user:s3cret@127.0.0.1:${proxy.port}`),
    });
    assert.equal(result, want);
    assert.match(
      message,
      new RegExp(`^The proxy 127.0.0.1:${proxy.port} answered`),
    );
  }
});

test("a proxy that is not there is named by every kind of connection", async (c) => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const told = async (url: string, tls: Partial<TlsSettings>) => {
    await using exchange = openHttp({
      url: new URL(url),
      tls: { verify: true, ...tls },
      timeout: 10_000,
      proxy,
    }, { clock: systemClock });
    const fault = await exchange.send(
      { method: "POST", headers: [], body: new Uint8Array(1) },
      NEVER,
    ).then(() => undefined, (error) => error);
    assert.ok(fault instanceof TransportError, String(fault));
    assert.equal(fault.reason, "refused");
    assert.match(fault.message, said);
  };
  const proxy = new URL(`http://127.0.0.1:${port}`);
  const said = new RegExp(`^The proxy 127.0.0.1 .*nothing .* port ${port}`);
  await told("http://siem.example/", {});
  await told("https://siem.example/", { caBundle: c.ca });
  // Over node:tls, where this Deno can.
  if (!IS_OLD) await told("https://siem.example/", { verify: false });
});

test("openHttp() refuses settings that are wrong in themselves", (c) => {
  const open =
    (tls: Partial<TlsSettings>, more: Partial<HttpTarget> = {}) => () =>
      openHttp({
        url: new URL("https://siem.example/"),
        tls: { verify: true, ...tls },
        timeout: 1,
        ...more,
      });
  const key = c.clientKeyEncrypted;
  assert.throws(open({ caBundle: "nonsense" }), /not PEM/);
  assert.throws(open({ clientCert: c.client.cert }), /go together/);
  assert.throws(
    open({ clientCert: c.client.cert, clientKey: key }),
    /needs a passphrase/,
  );
  assert.throws(open({ pin: "sha256:abc" }), /64 hex digits/);
  assert.throws(
    open({}, { proxy: new URL("socks5://127.0.0.1:1") }),
    /not supported/,
  );
  assert.throws(open({}, { url: new URL("ftp://siem/") }), /not http/);
  return Promise.resolve();
});

test("openHttp() refuses on Deno 2.5 what only 2.9 can honour", (c) => {
  const { connect, connectTls, startTls } = Deno;
  const sockets = { connect, connectTls, startTls, version: "2.5.6" };
  const open =
    (tls: Partial<TlsSettings>, more: Partial<HttpTarget> = {}) => () =>
      openHttp({
        url: new URL("https://siem.example/"),
        tls: { verify: true, ...tls },
        timeout: 1,
        ...more,
      }, { clock: systemClock, sockets });
  const client = { clientCert: c.client.cert, clientKey: c.client.key };
  const proxy = { proxy: new URL("http://127.0.0.1:1") };
  for (
    const refused of [
      open({ ...client, pin: c.goodPin }),
      open({ ...client, verify: false }),
      open({ ...client, serverName: "x" }),
      open(client, proxy),
      open({ verify: false }, proxy),
      open({
        clientCert: c.client.cert,
        clientKey: c.clientKeyEncryptedOld,
        clientKeyPassphrase: c.passphrase,
      }),
    ]
  ) assert.throws(refused, /needs Deno 2\.9/);
  assert.doesNotThrow(open({ ...client, caBundle: c.ca }));
  assert.doesNotThrow(open({ pin: c.goodPin }));
  assert.doesNotThrow(open({ verify: false }));
  assert.doesNotThrow(open({ caBundle: c.ca, serverName: "x" }, proxy));
  return Promise.resolve();
});
