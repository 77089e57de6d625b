import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import dgram from "node:dgram";
import net from "node:net";
import tls from "node:tls";
import { readCef } from "../../../lib/demo/cef.ts";
import {
  type QradarOptions,
  readMessage,
} from "../../../lib/demo/protocols/qradar.ts";
import { startDemoSiem } from "../../../lib/demo/siem.ts";
import { makeCertificates } from "../../support/certificates.ts";

const open = (options: QradarOptions = {}) =>
  startDemoSiem({ targets: { qradar: { protocol: "qradar", ...options } } });

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const bytes = (content: string) => new TextEncoder().encode(content);

const CEF =
  "CEF:0|Arbitex|ArbitexPlatform|1.0|6003|chat|3|rt=1773360000123 suser=alice@example.com cs1Label=PolicyAction cs1=allow";
const message = (n = 0, cef = CEF) =>
  `<134>1 2026-03-13T00:00:00.123Z relay-01 ArbitexPlatform - req_${n} - ${cef}`;

/** A connected socket, and how it ends. */
async function dial(url: string): Promise<
  AsyncDisposable & {
    readonly socket: net.Socket;
    readonly ended: Promise<string>;
  }
> {
  const { hostname, port } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  const ended = new Promise<string>((resolve) => {
    socket.once(
      "error",
      (fault: Error & { readonly code?: string }) =>
        resolve(fault.code ?? fault.message),
    );
    socket.once("end", () => resolve("end"));
  });
  const closed = new Promise<void>((resolve) =>
    socket.once("close", () => resolve())
  );
  socket.resume();
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", () => resolve());
    socket.once("error", reject);
  });
  return {
    socket,
    ended,
    async [Symbol.asyncDispose]() {
      socket.destroy();
      await closed;
    },
  };
}

Deno.test("readCef() gives the fields back, unescaped", () => {
  const vectors: readonly [input: string, header: string, value: string][] = [
    ["a=b|c\\d\ne", "a=b\\|c\\\\d e", "a\\=b|c\\\\d\\ne"],
    ["Policy|DLP", "Policy\\|DLP", "Policy|DLP"],
    ["C:\\temp\\=x", "C:\\\\temp\\\\=x", "C:\\\\temp\\\\\\=x"],
    ["é", "é", "é"],
  ];
  for (const [input, header, value] of vectors) {
    const { cef, complaints } = readCef(
      `CEF:0|V|P|1.0|6003|${header}|10|msg=${value} act=a b  c`,
    );
    assert.deepEqual(complaints, [], input);
    assert.equal(cef?.name, input.replace("\n", " "));
    assert.deepEqual(cef?.extension, { msg: input, act: "a b  c" });
    assert.equal(cef?.severity, 10);
  }
});

const badCef: readonly [string, RegExp][] = [
  ["CEF:1|V|P|1|6|n|3|a=b", /does not begin with CEF:0/],
  ["CEF:0|V|P|1|6|n", /too few fields/],
  ["CEF:0|V|P|1|6|n\\=|3|a=b", /a wrong escape in the header/],
  ["CEF:0|V||1|6|n|3|a=b", /an empty header field/],
  ["CEF:0|V|P|1|6|n|11|a=b", /severity 11/],
  ["CEF:0|V|P|1|6|n|03|a=b", /severity 03/],
  ["CEF:0|V|P|1|6|n|3|a=b cs2= c=d", /cs2 is empty/],
  ["CEF:0|V|P|1|6|n|3|a=b=c", /not escaped in a/],
  ["CEF:0|V|P|1|6|n|3|a=b\\|c", /a wrong escape in a/],
  ["CEF:0|V|P|1|6|n|3|a=b\\", /a wrong escape in a/],
  ["CEF:0|V|P|1|6|n|3|a=b a=c", /a comes twice/],
  ["CEF:0|V|P|1|6|n|3|a.b=c", /no key before/],
  ["CEF:0|V|P|1|6|n|3|x a=b", /text before the first key/],
  ["CEF:0|V|P|1|6|n|3|a= b", /a has outer spaces/],
  ["CEF:0|V|P|1|6|n|3|words", /no pair at all/],
  ["CEF:0|V|P|1|6|n|3|cs1=b", /cs1 without its label/],
  ["CEF:0|V|P|1|6|n|3|cs1Label=b", /cs1Label without cs1/],
  ["CEF:0|V|P|1|6|n|3|a=b\tc", /a control character/],
];
for (const [cef, complaint] of badCef) {
  Deno.test(`readCef() complains: ${complaint.source}, ${cef}`, () => {
    assert.match(readCef(cef).complaints.join(), complaint);
  });
}

const badMessages: readonly [string | Uint8Array, RegExp][] = [
  [message().replace("<134>1", "<134>2"), /no RFC 5424 header/],
  [message().replace("<134>", "<0134>"), /no RFC 5424 header/],
  [message().replace("<134>", "<192>"), /PRI 192/],
  [message().replace(".123Z", "Z"), /timestamp/],
  [message().replace(".123Z", ".123+00:00"), /timestamp/],
  [message().replace("03-13", "13-13"), /timestamp/],
  [message().replace("relay-01", "-"), /no host/],
  [message().replace("relay-01", "x".repeat(256)), /host too long/],
  [message().replace("relay-01", "é"), /host is not printable/],
  [message().replace("req_0", "x".repeat(33)), /messageId too long/],
  [message().replace(" - CEF", ' [a b="c"] CEF'), /structured data/],
  [message().replace("CEF:", "\ufeffCEF:"), /a byte order mark/],
  [message(0, "hello"), /does not begin with CEF:0/],
  [message(0, `${CEF} msg=${"x".repeat(4096)}`), /over 4096/],
  [Buffer.concat([bytes(message()), Uint8Array.of(0xff)]), /no UTF-8/],
];
for (const [bad, complaint] of badMessages) {
  Deno.test(`readMessage() complains: ${complaint.source} ${text(typeof bad === "string" ? bytes(bad.slice(0, 90)) : bad.slice(0, 9))}`, () => {
    const made = typeof bad === "string" ? bytes(bad) : bad;
    const { complaints, event } = readMessage(made, 4096);
    assert.match(complaints.join(), complaint);
    assert.deepEqual(event, made);
  });
}

Deno.test("qradar target over TCP takes lines and decodes them", async () => {
  await using siem = await open();
  const target = siem.target("qradar");
  assert.deepEqual(siem.environment(), {
    QRADAR_SYSLOG_HOST: "127.0.0.1",
    QRADAR_SYSLOG_PORT: new URL(target.url).port,
    QRADAR_SYSLOG_PROTOCOL: "tcp",
  });
  await using line = await dial(target.url);
  const all = bytes(`${message(0)}\n${message(1, `${CEF} msg=é`)}\n`);
  line.socket.write(all.subarray(0, 300));
  line.socket.write(all.subarray(300));
  await target.until(2);
  assert.deepEqual(target.complaints, []);
  assert.equal(text(target.received[0]?.event), message(0));
  assert.equal(text(target.requests[0]?.body), `${message(0)}\n`);
  assert.deepEqual(JSON.parse(text(target.received[1]?.envelope)), {
    pri: 134,
    timestamp: "2026-03-13T00:00:00.123Z",
    host: "relay-01",
    app: "ArbitexPlatform",
    process: "-",
    messageId: "req_1",
    message: `${CEF} msg=é`,
    cef: {
      vendor: "Arbitex",
      product: "ArbitexPlatform",
      version: "1.0",
      signatureId: "6003",
      name: "chat",
      severity: 3,
      extension: {
        rt: "1773360000123",
        suser: "alice@example.com",
        cs1Label: "PolicyAction",
        cs1: "allow",
        msg: "é",
      },
    },
  });
  line.socket.write("<134>1 cut");
  line.socket.end();
  await line.ended;
  assert.match(target.complaints.join(), /ended within a message/);
});

Deno.test("qradar target counts octets where it is set so, and guesses nothing", async () => {
  await using siem = await open({ framing: "octet", maxMessage: 300 });
  const target = siem.target("qradar");
  assert.equal(siem.environment()["QRADAR_SYSLOG_FRAMING"], "octet");
  const framed = (content: string) => `${bytes(content).length} ${content}`;
  {
    await using line = await dial(target.url);
    const both = bytes(framed(message(0, `${CEF} msg=é`)) + framed(message(1)));
    line.socket.write(both.subarray(0, 2));
    line.socket.write(both.subarray(2));
    await target.until(2);
    assert.deepEqual(target.complaints, []);
    assert.equal(text(target.received[1]?.event), message(1));
  }
  await using line = await dial(target.url);
  line.socket.write(`${message(2)}\n`);
  await line.ended;
  assert.match(target.complaints.join(), /no octet frame: "<134>1/);
  assert.equal(target.count, 2);
});

Deno.test("qradar target over UDP takes a datagram each, of 1024 bytes", async () => {
  await using siem = await open({ transport: "udp" });
  const target = siem.target("qradar");
  const { port } = new URL(target.url.replace("udp:", "http:"));
  const socket = dgram.createSocket("udp4");
  const send = (content: string) =>
    new Promise<void>((resolve, reject) =>
      socket.send(
        bytes(content),
        Number(port),
        "127.0.0.1",
        (fault) => fault ? reject(fault) : resolve(),
      )
    );
  try {
    await send(message(0));
    await target.until(1);
    assert.deepEqual(target.complaints, []);
    await send(message(1, `${CEF} msg=${"x".repeat(1024)}`));
    await target.until(2);
    assert.match(target.complaints.join(), /over 1024/);
    assert.throws(
      () => siem.fault("qradar", { kind: "close" }),
      /Syslog over udp cannot go wrong by "close"/,
    );
    siem.fault("qradar", { kind: "reject", events: 2 });
    await send(message(2));
    await send(message(3));
    await send(message(4));
    await target.until(4);
    assert.deepEqual(
      target.received.slice(2).map((one) => text(one.event)),
      [message(2), message(4)],
    );
  } finally {
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
});

Deno.test("qradar faults: close and reset after n messages, hang", async () => {
  await using siem = await open();
  const target = siem.target("qradar");
  assert.throws(
    () => siem.fault("qradar", { kind: "status", status: 503 }),
    RangeError,
  );
  siem.fault("qradar", { kind: "close", messages: 3 }, { requests: 1 });
  siem.fault("qradar", { kind: "reset", when: "before", messages: 2 }, {
    requests: 1,
  });
  const five = [0, 1, 2, 3, 4].map((n) => `${message(n)}\n`).join("");
  {
    await using line = await dial(target.url);
    line.socket.write(five);
    await line.ended;
    assert.equal(target.count, 3);
  }
  {
    await using line = await dial(target.url);
    line.socket.write(five);
    assert.equal(await line.ended, "ECONNRESET");
    assert.equal(target.count, 4);
  }
  siem.fault("qradar", { kind: "hang" }, { requests: 1 });
  {
    await using line = await dial(target.url);
    line.socket.write(five);
    await target.until(() => target.requests.length === 6);
    siem.clear("qradar");
    await line.ended;
    assert.equal(target.count, 4);
  }
  await using line = await dial(target.url);
  line.socket.write(five);
  await target.until(9);
});

Deno.test("qradar faults: refused, and ended in the handshake, until cleared", async () => {
  await using siem = await open();
  const target = siem.target("qradar");
  await using before = await dial(target.url);
  const refuse = siem.fault("qradar", { kind: "refuse" });
  await target.ready();
  await before.ended;
  await assert.rejects(dial(target.url), /ECONNREFUSED/);
  refuse.clear();
  await target.ready();
  {
    await using line = await dial(target.url);
    line.socket.write(`${message()}\n`);
    await target.until(1);
  }
  using _ = siem.fault("qradar", { kind: "handshake" });
  await target.ready();
  await using line = await dial(target.url);
  line.socket.write(`${message()}\n`);
  await line.ended;
  assert.equal(target.count, 1);
});

Deno.test("qradar target over TLS, and with client certificates", async () => {
  const certificates = await makeCertificates();
  if (certificates === undefined) return;
  const { good, ca, client } = certificates;
  const send = (url: string, own: tls.ConnectionOptions = {}) => {
    const { port } = new URL(url.replace("tls:", "http:"));
    return new Promise<string>((resolve) => {
      const socket = tls.connect({
        host: "127.0.0.1",
        port: Number(port),
        ca,
        ...own,
      }, () => {
        socket.write(`${message()}\n`);
        socket.resume();
      });
      const settle = (how: string) => {
        socket.destroy();
        resolve(how);
      };
      socket.once("error", (fault) => settle(fault.message));
      socket.once("end", () => settle("end"));
    });
  };
  await using siem = await open({ transport: "tls", tls: good });
  const target = siem.target("qradar");
  siem.fault("qradar", { kind: "close" });
  await send(target.url);
  assert.equal(target.count, 1);
  assert.deepEqual(target.complaints, []);
  siem.clear();
  const rude = siem.fault("qradar", { kind: "handshake" });
  await target.ready();
  await send(target.url);
  rude.clear();
  await target.ready();
  assert.equal(target.count, 1);

  await using mutual = await open({ transport: "tls", tls: { ...good, ca } });
  mutual.fault("qradar", { kind: "close" });
  const { url } = mutual.target("qradar");
  await send(url);
  assert.equal(mutual.target("qradar").count, 0);
  await send(url, { cert: client.cert, key: client.key });
  assert.equal(mutual.target("qradar").count, 1);
});
