/**
 * TLS 1.3 refuses a client's certificate after the handshake: an alert that may come at any moment, also while nobody
 * listens. Against a real server that wants one, directly and over a bridge that holds the alert back.
 */

import assert from "node:assert/strict";
import { systemClock } from "../../../lib/clock.ts";
import { dialPlan } from "../../../lib/delivery/dial_plan.ts";
import { openHttp } from "../../../lib/delivery/http_client.ts";
import type { TlsSettings } from "../../../lib/delivery/http_exchange.ts";
import { peerCertificate } from "../../../lib/delivery/peer_certificate.ts";
import { openStream } from "../../../lib/delivery/stream.ts";
import { openNodeTls } from "../../../lib/delivery/tls_node.ts";
import { dialer } from "../../../lib/delivery/tls.ts";
import { runtimeSockets } from "../../../lib/delivery/tls_native.ts";
import { transportFault } from "../../../lib/delivery/transport_fault.ts";
import { TransportError } from "../../../lib/delivery/transport_error.ts";
import { nodeWire, writeAll } from "../../../lib/delivery/wire.ts";
import {
  type Certificates,
  makeCertificates,
} from "../../support/certificates.ts";
import { poll } from "../../support/poll.ts";
import { startRelay } from "../../support/processes.ts";

const NEVER = new AbortController().signal;
const made = await makeCertificates();

/** 2.5's `node:tls` cannot be the server here. */
const IS_OLD = /^2\.[0-8]\./.test(Deno.version.deno);

function test(name: string, work: (c: Certificates) => Promise<void>): void {
  Deno.test({
    name,
    ignore: made === undefined || IS_OLD,
    fn: () => made === undefined ? undefined : work(made),
  });
}

interface PickyServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * A server that takes only clients with a certificate of its authority: OpenSSL's, because Deno's `node:tls` sends no
 * alert about a certificate that it does not like.
 */
async function pickyServer({ good, ca }: Certificates): Promise<PickyServer> {
  const folder = await Deno.makeTempDir({ prefix: "hecate-alert-" });
  await Deno.writeTextFile(`${folder}/ca`, ca);
  await Deno.writeTextFile(`${folder}/cert`, good.cert);
  await Deno.writeTextFile(`${folder}/key`, good.key);
  const child = new Deno.Command("openssl", {
    args: [
      ...["s_server", "-accept", "127.0.0.1:0", "-cert", "cert", "-key", "key"],
      ...["-CAfile", "ca", "-Verify", "3", "-verify_return_error"],
    ],
    cwd: folder,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const ready = Promise.withResolvers<number>();
  const reading = (async () => {
    let said = "";
    for await (
      const text of child.stdout.pipeThrough(new TextDecoderStream())
    ) {
      said += text;
      const port = /ACCEPT 127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (port !== undefined) ready.resolve(Number(port));
    }
    ready.reject(new Error("openssl s_server ended"));
  })();
  return {
    port: await ready.promise,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.stdin.close().catch(() => {});
      await Promise.all([child.status, reading]);
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** A bridge that keeps what the server says after the handshake, until it is let go. */
class Bridge {
  /** The alert has left, and the server's end. */
  readonly over: Promise<void>;
  readonly port: number;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #release = Promise.withResolvers<void>();

  constructor(to: number) {
    this.port = this.#listener.addr.port;
    this.over = this.#bridge(to);
  }

  release(): void {
    this.#release.resolve();
  }

  async #bridge(to: number): Promise<void> {
    using client = await this.#listener.accept();
    this.#listener.close();
    using server = await Deno.connect({ hostname: "127.0.0.1", port: to });
    let flights = 0;
    await Promise.all([
      pass(client, server, () => {
        flights++;
        return Promise.resolve();
      }),
      // The client's second flight is its answer to the handshake.
      pass(server, client, async () => {
        if (flights > 1) await this.#release.promise;
      }).then(() => client.closeWrite()).catch(() => {}),
    ]);
  }
}

async function pass(
  from: Deno.Conn,
  to: Deno.Conn,
  before: () => Promise<void>,
): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (;;) {
      const read = await from.read(buffer);
      if (read === null) return;
      await before();
      let bytes = buffer.subarray(0, read);
      while (bytes.length > 0) bytes = bytes.subarray(await to.write(bytes));
    }
  } catch {
    // One end has gone: the other hears of it by its own.
  }
}

/** All the ways that lead over `node:tls`, each without a certificate that the server knows. */
const MODES: readonly [string, (c: Certificates) => Partial<TlsSettings>][] = [
  ["a pin", (c) => ({ pin: c.goodPin })],
  ["verification off", () => ({ verify: false })],
  ["a stranger's certificate", (c) => ({
    caBundle: c.ca,
    clientCert: c.selfSigned.cert,
    clientKey: c.selfSigned.key,
  })],
  ["an ended certificate", (c) => ({
    caBundle: c.ca,
    clientCert: c.expired.cert,
    clientKey: c.expired.key,
  })],
  ["a stranger's certificate and a pin", (c) => ({
    pin: c.goodPin,
    clientCert: c.selfSigned.cert,
    clientKey: c.selfSigned.key,
  })],
];

/** A small batch, and one whose write is under way when the alert comes. */
const SIZES = [10, 2_000_000];
const TIMES = 8;

async function posted(
  port: number,
  tls: Partial<TlsSettings>,
  size: number,
): Promise<string> {
  await using exchange = openHttp({
    url: new URL(`https://localhost:${port}/in`),
    tls: { verify: true, ...tls },
    timeout: 10_000,
  });
  return await reasonOf(exchange.send(
    { method: "POST", headers: [], body: new Uint8Array(size) },
    NEVER,
  ));
}

async function reasonOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    assert.ok(error instanceof TransportError, String(error));
    return error.reason;
  }
}

test("openNodeTls(): an alert that comes while nobody listens is what its wire says", async (c) => {
  await using server = await pickyServer(c);
  const bridge = new Bridge(server.port);
  const socket = await openNodeTls(
    dialPlan({
      url: new URL(`https://localhost:${bridge.port}/`),
      tls: { verify: false },
      proxy: "none",
    }),
    NEVER,
  );
  const closed = new Promise((resolve) => socket.on("close", resolve));
  bridge.release();
  await closed;
  await bridge.over;
  const wire = nodeWire(socket);
  await assert.rejects(wire.read(new Uint8Array(9)), /CertificateRequired/);
  await assert.rejects(wire.write(new Uint8Array(9)), /CertificateRequired/);
});

for (const [name, tls] of MODES) {
  test(`https with ${name}: a client refused after the handshake is tls_client, each time`, async (c) => {
    await using server = await pickyServer(c);
    for (const size of SIZES) {
      for (let i = 0; i < TIMES; i++) {
        assert.equal(await posted(server.port, tls(c), size), "tls_client");
      }
    }
  });

  test(`a connection with ${name}: the same when the alert comes late`, async (c) => {
    await using server = await pickyServer(c);
    const bridge = new Bridge(server.port);
    const url = new URL(`https://localhost:${bridge.port}`);
    const dial = dialer(
      { url, tls: { verify: true, ...tls(c) }, proxy: "none" },
      runtimeSockets(),
    );
    const wire = await dial(NEVER);
    const reading = wire.read(new Uint8Array(9));
    const writing = writeAll(wire, new Uint8Array(2_000_000)).catch(() => {});
    bridge.release();
    await assert.rejects(reading, (error) => {
      const { reason } = transportFault(error, { host: "", port: 0 });
      assert.equal(reason, "tls_client");
      return true;
    });
    wire.close();
    await Promise.all([writing, bridge.over]);
  });

  test(`tls stream with ${name}: a client refused after the handshake is tls_client, each time`, async (c) => {
    await using server = await pickyServer(c);
    const reasons = await Promise.all(
      Array.from({ length: TIMES }, async () => {
        await using stream = openStream({
          url: new URL(`tls://localhost:${server.port}`),
          tls: { verify: true, ...tls(c) },
          proxy: "none",
          timeout: 10_000,
        }, { clock: systemClock });
        const lines = new TextEncoder().encode("line\n".repeat(10_000));
        return await reasonOf(stream.send(lines, NEVER));
      }),
    );
    assert.deepEqual(reasons, Array(TIMES).fill("tls_client"));
  });
}

test("peerCertificate() shows the certificate of a server that then refuses, each time", async (c) => {
  await using server = await pickyServer(c);
  const plan = dialPlan({
    url: new URL(`https://localhost:${server.port}/`),
    tls: { verify: true },
    proxy: "none",
  });
  for (let i = 0; i < TIMES; i++) {
    const { sha256 } = await peerCertificate(plan, NEVER);
    assert.equal(sha256.replaceAll(":", "").toLowerCase(), c.goodPin);
  }
});

test("a relay outlives alerts after the handshake: every connector is held with tls_client", async (c) => {
  await using server = await pickyServer(c);
  const folder = await Deno.makeTempDir({ prefix: "hecate-alert-" });
  try {
    const sinks = [
      ["pin", `tls_pin: "sha256:${c.goodPin}"`],
      ["off", "tls_verify: off"],
      [
        "foreign",
        `tls_ca_bundle: ${folder}/ca, tls_client_cert: ${folder}/cert, tls_client_key: ${folder}/key`,
      ],
    ].map(([name, tls]) =>
      `  ${name}: { type: splunk, url: "https://localhost:${server.port}", token: tok, ${tls} }\n`
    );
    await Promise.all([
      Deno.writeTextFile(`${folder}/ca`, c.ca),
      Deno.writeTextFile(`${folder}/cert`, c.selfSigned.cert),
      Deno.writeTextFile(`${folder}/key`, c.selfSigned.key),
      Deno.writeTextFile(
        `${folder}/hecate.yaml`,
        `sinks:\n${
          sinks.join("")
        }  syslog: { type: qradar, syslog_host: localhost, syslog_port: ${server.port}, syslog_protocol: tls, tls_verify: off }\n`,
      ),
    ]);
    await using relay = await startRelay({
      env: {
        HECATE_CONFIG: `${folder}/hecate.yaml`,
        HECATE_KV: `${folder}/kv`,
        HECATE_TOKENS: "edge=hct_edge",
        HECATE_ADMIN_TOKEN: "hca_edge",
        HECATE_PROBE_INITIAL: "1s",
        HECATE_PROBE_MAX: "1s",
      },
    });
    const reply = await fetch(`${relay.url}/services/collector/event`, {
      method: "POST",
      headers: { Authorization: "Splunk hct_edge" },
      body: `{"event":1}`,
    });
    assert.equal(reply.status, 200, await reply.text());
    const rows = async () => {
      const reply = await fetch(`${relay.url}/api/v1/status`, {
        headers: { Authorization: "Bearer hca_edge" },
      });
      const { connectors }: { connectors: readonly Row[] } = await reply.json();
      return connectors;
    };
    const all = (done: (row: Row) => boolean) =>
      poll(async () => {
        const now = await rows();
        return now.every(done) ? now : undefined;
      });
    const first = await all(({ last_error }) => last_error !== null);
    // Probed once at least: alerts go on coming.
    const held = await all(({ name, last_error }) =>
      last_error?.at !== first.find((row) => row.name === name)?.last_error?.at
    );
    for (const { state, last_error } of held) {
      assert.equal(last_error?.reason, "tls_client");
      assert.equal(state, "held");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

interface Row {
  readonly name: string;
  readonly state: string;
  readonly last_error: { readonly reason: string; readonly at: string } | null;
}
