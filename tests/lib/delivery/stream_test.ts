import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { createServer } from "node:tls";
import { qradar } from "../../../connectors/qradar.ts";
import { systemClock } from "../../../lib/clock.ts";
import type { ConnectorType, Outcome, Sink } from "../../../lib/connector.ts";
import { openStream } from "../../../lib/delivery/stream.ts";
import { runtimeSockets } from "../../../lib/delivery/tls_native.ts";
import { TransportError } from "../../../lib/delivery/transport_error.ts";
import {
  type Certificates,
  makeCertificates,
} from "../../support/certificates.ts";
import { parseMessage } from "../../support/cef_text.ts";
import { Rig } from "../../support/delivery_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { oldSockets } from "../../support/old_sockets.ts";
import { encoded, numbered, openSink } from "../../support/sinks.ts";
import { ScriptedServer } from "../../support/scripted_server.ts";
import { SyslogPeer } from "../../support/syslog_peer.ts";

const NEVER = new AbortController().signal;
const TYPE: ConnectorType = qradar;
const encoder = new TextEncoder();

const made = await makeCertificates();

function tlsTest(
  name: string,
  work: (certificates: Certificates) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: made === undefined,
    fn: () => made === undefined ? undefined : work(made),
  });
}

function environment(
  port: number,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    QRADAR_SYSLOG_HOST: "localhost",
    QRADAR_SYSLOG_PORT: String(port),
    ...more,
  };
}

/** A connector's loop over the real sink and sockets; only time is the test's. */
function rigFor(
  port: number,
  more: Readonly<Record<string, string>> = {},
): Rig {
  return new Rig({
    sink: (clock) => openSink(TYPE, environment(port, more), clock),
  });
}

/** Events that say their number. */
function events(from: number, to: number): string[] {
  return Array.from(
    { length: to - from },
    (_, i) =>
      `{"class_uid":0,"metadata":{"version":"1.1.0","uid":"e${from + i}"}}`,
  );
}

/** Which events messages are, in order. */
function idsOf(messages: readonly string[]): string[] {
  return messages.map((text) =>
    parseMessage(text).values.get("externalId") ?? ""
  );
}

function idsFrom(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `e${from + i}`);
}

async function raised(work: Promise<unknown>): Promise<TransportError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof TransportError, String(error));
    return error;
  }
  assert.fail("it did not fail");
}

Deno.test("T56 qradar tcp: the peer closes after the third of ten messages: all arrive, only those of the last second twice", async () => {
  await using peer = new SyslogPeer();
  const rig = rigFor(peer.port, { QRADAR_BATCH_EVENTS: "1" });
  rig.append(...events(0, 2));
  await peer.until(() => peer.messages.length === 2);
  await rig.clock.untilDue(1000);
  rig.clock.advance(1000);
  await rig.fleet.wake();
  assert.equal(rig.books, "2 0 0 @1-2");
  rig.append(...events(2, 3));
  await peer.until(() => peer.messages.length === 3);
  assert.equal(rig.books, "2 0 0 @1-2", "the second is not over");
  peer.connections[0]?.close();
  await rig.fleet.wake();
  assert.equal(rig.state, "retrying");
  assert.equal(rig.log.place.lastError?.reason, "cut");
  rig.append(...events(3, 10));
  rig.clock.advance(1000);
  await peer.until(() => peer.connections.length === 2);
  const again = peer.connections[1];
  await peer.until(() => again?.messages.length === 1);
  await rig.clock.untilDue(1000);
  rig.clock.advance(1000);
  await peer.until(() => again?.messages.length === 8);
  await rig.clock.untilDue(1000);
  rig.clock.advance(1000);
  await rig.fleet.wake();
  assert.equal(rig.books, "10 0 0 @3-7");
  assert.deepEqual(idsOf(peer.connections[0]?.messages ?? []), idsFrom(0, 3));
  assert.deepEqual(idsOf(again?.messages ?? []), idsFrom(2, 10));
  await rig.stop();
});

Deno.test("stream: after a close while nothing is under way the next bytes go to a new connection", async () => {
  await using peer = new SyslogPeer();
  const clock = new ManualClock();
  await using stream = openStream({
    url: new URL(`tcp://127.0.0.1:${peer.port}`),
    tls: { verify: true },
    timeout: 30_000,
  }, { clock });
  const first = stream.send(encoder.encode("a\n"), NEVER);
  await clock.untilDue(1000);
  clock.advance(1000);
  await first;
  peer.connections[0]?.close();
  // Where the bytes are faster than the news of the close, the news comes at once and they go again.
  let next: Promise<void>;
  do {
    next = stream.send(encoder.encode("b\n"), NEVER);
    await Promise.race([peer.until(() => peer.connections.length > 1), next])
      .catch((error) => assert.equal(error.reason, "cut"));
  } while (peer.connections.length < 2);
  await clock.untilDue(1000);
  clock.advance(1000);
  await next;
  await peer.until(() => peer.connections[1]?.text === "b\n");
});

Deno.test("stream: a stop waits for the second where it has time, and a cut leaves the place", async () => {
  await using peer = new SyslogPeer();
  const one = rigFor(peer.port);
  one.append(...events(0, 3));
  await peer.until(() => peer.messages.length === 3);
  await one.clock.untilDue(1000);
  const stopped = one.stop();
  one.clock.advance(1000);
  await stopped;
  assert.equal(one.books, "3 0 0 @1-3");
  const two = rigFor(peer.port);
  two.append(...events(3, 6));
  await peer.until(() => peer.messages.length === 6);
  await two.clock.untilDue(1000);
  const cut = two.stop(500);
  two.clock.advance(500);
  await cut;
  assert.equal(two.books, "0 0 0 @0-0", "they go again at the next start");
});

Deno.test("stream: writes go out in the order of calls and count after a second each", async () => {
  await using peer = new SyslogPeer();
  const clock = new ManualClock();
  await using stream = openStream({
    url: new URL(`tcp://127.0.0.1:${peer.port}`),
    tls: { verify: true },
    timeout: 30_000,
  }, { clock });
  const done: string[] = [];
  const written: string[] = [];
  const send = (text: string) =>
    stream.send(encoder.encode(text), NEVER, () => written.push(text))
      .then(() => done.push(text));
  const all = [send("a\n"), send("b\n")];
  await peer.until(() => peer.messages.length === 2);
  await clock.untilDue(1000);
  assert.deepEqual(written, ["a\n", "b\n"], "told before they count");
  clock.advance(500);
  all.push(send("c\n"));
  await peer.until(() => peer.messages.length === 3);
  assert.equal(done.length, 0);
  clock.advance(500);
  await Promise.all(all.slice(0, 2));
  assert.deepEqual(done, ["a\n", "b\n"]);
  await clock.untilDue(1000);
  clock.advance(500);
  await Promise.all(all);
  assert.equal(peer.connections[0]?.text, "a\nb\nc\n");
});

Deno.test("stream: what is asked for while the last wait ends has a wait of its own", async () => {
  await using peer = new SyslogPeer();
  const clock = new ManualClock();
  await using stream = openStream({
    url: new URL(`tcp://127.0.0.1:${peer.port}`),
    tls: { verify: true },
    timeout: 30_000,
  }, { clock });
  for (let turn = 0; turn < 20; turn++) {
    const first = stream.open(NEVER);
    await clock.untilDue(1000);
    clock.advance(1000);
    // Not in a function of its own: calling it would take a turn, and the first one counts.
    for (let left = turn; left > 0; left--) await Promise.resolve();
    const second = stream.open(NEVER);
    for (let left = 40; left > 0; left--) await Promise.resolve();
    assert.ok(clock.sleepers > 0, `nobody waits after ${turn} turns`);
    clock.advance(1000);
    await Promise.all([first, second]);
  }
});

for (
  const [kind, sockets] of [
    ["the runtime's", runtimeSockets],
    ["Deno 2.5's", oldSockets],
  ] as const
) {
  Deno.test(`stream: a peer that takes nothing is given up after the time for a write, and dialled anew, over ${kind} sockets`, async () => {
    await using peer = new SyslogPeer({ isDeaf: true });
    const clock = new ManualClock();
    await using stream = openStream({
      url: new URL(`tcp://127.0.0.1:${peer.port}`),
      tls: { verify: true },
      timeout: 5000,
    }, { clock, sockets: sockets() });
    const stuck = raised(stream.send(new Uint8Array(64 * 1024 * 1024), NEVER));
    const behind = raised(stream.send(encoder.encode("b\n"), NEVER));
    await peer.until(() => peer.connections.length === 1);
    await clock.untilDue(5000);
    clock.advance(5000);
    assert.equal((await stuck).reason, "timeout");
    assert.equal((await behind).reason, "timeout", "lost with its connection");
    const next = stream.send(encoder.encode("c\n"), NEVER);
    await peer.until(() => peer.connections.length === 2);
    await clock.untilDue(1000);
    clock.advance(1000);
    await next;
  });
}

Deno.test("stream: what is given up unwritten is never written", async () => {
  await using peer = new SyslogPeer();
  const clock = new ManualClock();
  await using stream = openStream({
    url: new URL(`tcp://127.0.0.1:${peer.port}`),
    tls: { verify: true },
    timeout: 30_000,
  }, { clock });
  const stop = new AbortController();
  const given = stream.send(encoder.encode("a\n"), stop.signal);
  const reason = new Error("put back");
  stop.abort(reason);
  await assert.rejects(given, reason);
  const next = stream.send(encoder.encode("b\n"), NEVER);
  await peer.until(() => peer.messages.length === 1);
  await clock.untilDue(1000);
  clock.advance(1000);
  await next;
  assert.equal(peer.connections[0]?.text, "b\n");
});

Deno.test("stream: a closed port and a web server are told apart", async () => {
  const fault = (port: number) => {
    const stream = openStream({
      url: new URL(`tcp://127.0.0.1:${port}`),
      tls: { verify: true },
      timeout: 5000,
    }, { clock: systemClock });
    return raised(stream.send(encoder.encode("a\n"), NEVER))
      .finally(() => stream[Symbol.asyncDispose]());
  };
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  assert.equal((await fault(port)).reason, "refused");
  await using web = new ScriptedServer(async (connection) => {
    await connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    await connection.closed();
  });
  assert.equal((await fault(web.port)).reason, "not_collector");
});

Deno.test("stream: through a proxy by CONNECT, in the clear too", async () => {
  await using peer = new SyslogPeer();
  const asked: string[] = [];
  await using proxy = new ScriptedServer(async (connection) => {
    const head = await connection.head();
    asked.push(head.split("\r\n")[0] ?? "");
    await connection.write("HTTP/1.1 200 OK\r\n\r\n");
    const port = Number(/:(\d+) HTTP/.exec(head)?.[1]);
    await connection.bridge(
      await Deno.connect({ hostname: "127.0.0.1", port }),
    );
  });
  const outcome = await delivered(environment(peer.port, {
    QRADAR_PROXY: `http://127.0.0.1:${proxy.port}`,
  }));
  assert.equal(outcome.kind, "delivered");
  assert.equal(peer.messages.length, 2);
  assert.deepEqual(asked, [`CONNECT localhost:${peer.port} HTTP/1.1`]);
});

/** What comes of two events over the real clock. */
async function delivered(
  env: Readonly<Record<string, string>>,
): Promise<Outcome> {
  await using sink: Sink = openSink(TYPE, env);
  return await sink.deliver(encoded(sink, numbered(2)), NEVER);
}

/** Settings over TLS with these PEM texts in files. */
async function withFiles<T>(
  files: Readonly<Record<string, string>>,
  work: (env: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "hecate-syslog-" });
  try {
    const env: Record<string, string> = { QRADAR_SYSLOG_PROTOCOL: "tls" };
    for (const [name, text] of Object.entries(files)) {
      env[`QRADAR_TLS_${name}`] = `${folder}/${name}`;
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    return await work(env);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

tlsTest(
  "T57 qradar tls: an unknown authority is held, and nothing is sent",
  async (c) => {
    await using peer = new SyslogPeer({ tls: c.good });
    const outcome = await withFiles(
      {},
      (env) => delivered(environment(peer.port, env)),
    );
    assert.ok(outcome.kind === "held");
    assert.equal(outcome.reason, "tls_issuer");
    assert.match(outcome.message, /authority that is not trusted/);
    assert.ok(peer.connections.every(({ bytes }) => bytes.length === 0));
    const trusted = await withFiles(
      { CA_BUNDLE: c.ca },
      (env) => delivered(environment(peer.port, env)),
    );
    assert.equal(trusted.kind, "delivered");
    assert.equal(peer.messages.length, 2);
  },
);

tlsTest(
  "T58 qradar tls: a client certificate that is demanded and not shown is held; nothing counts",
  async (c) => {
    for (const maxVersion of ["TLSv1.3", "TLSv1.2"] as const) {
      const read: string[] = [];
      const server = createServer({
        ...c.good,
        ca: c.ca,
        requestCert: true,
        rejectUnauthorized: true,
        maxVersion,
      }, (socket) => {
        socket.on("data", (data) => read.push(String(data)));
        socket.on("error", () => {});
      });
      const sockets = new Set<{ destroy(): void }>();
      server.on("connection", (socket) => sockets.add(socket));
      await new Promise<void>((resolve) =>
        server.listen(0, "127.0.0.1", () => resolve())
      );
      const address = server.address();
      const port = typeof address === "object" ? address?.port ?? 0 : 0;
      try {
        const without = await withFiles(
          { CA_BUNDLE: c.ca },
          (env) => delivered(environment(port, env)),
        );
        assert.ok(without.kind === "held", JSON.stringify(without));
        assert.ok(
          without.reason === "tls_client" ||
            maxVersion === "TLSv1.2" && without.reason === "tls",
          without.reason,
        );
        assert.deepEqual(read, []);
        const shown = await withFiles({
          CA_BUNDLE: c.ca,
          CLIENT_CERT: c.client.cert,
          CLIENT_KEY: c.client.key,
        }, (env) => delivered(environment(port, env)));
        assert.equal(shown.kind, "delivered", JSON.stringify(shown));
        assert.equal(read.join("").split("\n").length, 3);
      } finally {
        for (const socket of sockets) socket.destroy();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      }
    }
  },
);

tlsTest("qradar tcp: a port that wants TLS is told as such", async (c) => {
  await using peer = new SyslogPeer({ tls: c.good });
  const outcome = await delivered(environment(peer.port));
  assert.ok(outcome.kind === "held", JSON.stringify(outcome));
  assert.match(outcome.message, /wants TLS/);
});

tlsTest(
  "qradar: test() connects, waits for a refusal, and sends nothing",
  async (c) => {
    await using peer = new SyslogPeer({ tls: c.good });
    const steps = (env: Readonly<Record<string, string>>) =>
      withFiles({ CA_BUNDLE: env["CA"] ?? c.ca }, async (files) => {
        await using sink = openSink(
          TYPE,
          environment(peer.port, { ...files, ...env }),
        );
        const found = await Array.fromAsync(sink.test(NEVER));
        return found.map(({ name, ok }) => `${name} ${ok}`);
      });
    assert.deepEqual(await steps({}), [
      "address true",
      "connection true",
      "certificate true",
    ]);
    assert.equal(peer.connections[0]?.bytes.length, 0);
    assert.deepEqual(
      (await steps({ CA: c.strangerCa })).at(-1),
      "certificate false",
    );
  },
);

Deno.test("qradar udp: one datagram for each message, nothing around it, delivered on sending", async () => {
  const socket = createSocket("udp4");
  try {
    const got: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.on("message", (data) => {
      got.push(data.toString());
      if (got.length === 2) resolve();
    });
    await new Promise<void>((bound) =>
      socket.bind(0, "127.0.0.1", () => bound())
    );
    const env = environment(socket.address().port, {
      QRADAR_SYSLOG_HOST: "127.0.0.1",
      QRADAR_SYSLOG_PROTOCOL: "udp",
    });
    assert.equal((await delivered(env)).kind, "delivered");
    await promise;
    for (const text of got) parseMessage(text);
    await using sink = openSink(TYPE, env);
    const [step] = await Array.fromAsync(sink.test(NEVER));
    assert.deepEqual([step?.name, step?.ok], ["address", true]);
  } finally {
    await new Promise<void>((closed) => socket.close(() => closed()));
  }
});
