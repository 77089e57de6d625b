/** Rows where the transport matters: a real server on a loopback port. */

import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { ManualClock } from "../../support/manual_clock.ts";
import {
  chunk,
  connect,
  head,
  type RawClient,
  type RawReply,
} from "../../support/raw_http.ts";
import { openRelay, type Relay } from "../../support/hec_relay.ts";

const EVENT = "/services/collector/event";
const MIB = 1 << 20;

/** Waits until the relay has read so many bytes of bodies that it still holds: the server's own progress. */
async function untilHeld(relay: Relay, bytes: number): Promise<void> {
  while (relay.app.heldBytes() < bytes) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Moves time on by so many ticks of the deadlines, one a second. */
async function tick(clock: ManualClock, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await clock.untilSleeping();
    clock.advance(1_000);
  }
}

/** Sends `bytes` as chunks until the other side stops listening. */
async function flood(client: RawClient, bytes: number): Promise<void> {
  const piece = "x".repeat(64 * 1024);
  try {
    for (let sent = 0; sent < bytes; sent += piece.length) {
      await client.send(piece);
    }
  } catch {
    // The relay has answered and closed.
  }
}

Deno.test("hec row 21: a wrong token is answered without reading 50 MB", async () => {
  await using relay = await openRelay();
  const port = relay.serve();
  using client = await connect(port);
  await client.send(
    head(EVENT, { Authorization: "Splunk wrong" }, 50_000_000),
  );
  const reply = await client.reply();
  assert.equal(reply.status, 403);
  assert.equal(reply.text, '{"text":"Invalid token","code":4}');
  await flood(client, 50_000_000);
  assert.ok(await client.isClosed());
  using other = await connect(port);
  await other.post(EVENT, '{"event":"a"}');
  assert.equal((await other.reply()).status, 200);
});

Deno.test("hec row 47: gzip, gzip in chunks, gzip of two members", async () => {
  await using relay = await openRelay();
  using client = await connect(relay.serve());
  const gzip = { "Content-Encoding": "gzip" };
  const body = '{"event":"a"}\n{"event":"b"}';
  const whole = gzipSync(body);
  await client.post(EVENT, whole, gzip);
  assert.equal((await client.reply()).status, 200);
  await client.send(head(EVENT, gzip));
  for (let at = 0; at < whole.length; at += 7) {
    const piece = whole.subarray(at, at + 7);
    await client.send(`${piece.length.toString(16)}\r\n`, piece, "\r\n");
  }
  await client.send("0\r\n\r\n");
  assert.equal((await client.reply()).status, 200);
  const two = new Uint8Array([
    ...gzipSync(body.slice(0, 9)),
    ...gzipSync(body.slice(9)),
  ]);
  await client.post(EVENT, two, { "Content-Encoding": "GZIP" });
  assert.equal((await client.reply()).status, 200);
  assert.deepEqual(
    await relay.texts(),
    ['"a"', '"b"', '"a"', '"b"', '"a"', '"b"'],
  );
  assert.equal(relay.app.heldBytes(), 0);
});

Deno.test("hec row 48: other encodings", async () => {
  await using relay = await openRelay();
  for (const encoding of ["br", "deflate", "zstd", "gzip, gzip", "x"]) {
    const reply = await relay.post("", '{"event":"a"}', {
      "Content-Encoding": encoding,
    });
    assert.equal(reply.status, 415, encoding);
    assert.equal(reply.code, 6);
  }
  for (const encoding of ["", "identity"]) {
    const reply = await relay.post("", '{"event":"a"}', {
      "Content-Encoding": encoding,
    });
    assert.equal(reply.status, 200);
  }
});

Deno.test("hec row 49: gzip that is none, is cut, has a wrong checksum or something behind it", async () => {
  await using relay = await openRelay();
  const good = gzipSync('{"event":"a"}{"event":"b"}');
  const wrong = good.slice();
  wrong[good.length - 6] = (wrong[good.length - 6] ?? 0) ^ 1;
  for (
    const body of [
      new TextEncoder().encode('{"event":"a"}'),
      good.subarray(0, good.length - 3),
      wrong,
      new Uint8Array([...good, 0x7b]),
      new Uint8Array(0),
    ]
  ) {
    const reply = await relay.post("", body, { "Content-Encoding": "gzip" });
    assert.equal(reply.status, 400);
    assert.equal(reply.text, '{"text":"Invalid data format","code":6}');
  }
  assert.deepEqual(await relay.texts(), []);
  assert.equal(relay.app.heldBytes(), 0);
});

Deno.test("hec row 50: gzip bombs are refused in bounded memory", async () => {
  await using relay = await openRelay({
    limits: { maxBody: 4 * MIB, maxInflight: 8 * MIB },
  });
  const bomb = gzipSync(new Uint8Array(100 * MIB));
  const before = Deno.memoryUsage().rss;
  const replies = await Promise.all(
    Array.from(
      { length: 16 },
      () => relay.post("", bomb, { "Content-Encoding": "gzip" }),
    ),
  );
  assert.ok(Deno.memoryUsage().rss - before < 200 * MIB);
  const [refused, busy] = [413, 503].map((status) =>
    replies.filter((reply) => reply.status === status)
  );
  assert.equal((refused?.length ?? 0) + (busy?.length ?? 0), 16);
  assert.ok((refused?.length ?? 0) > 0);
  assert.equal(refused?.[0]?.text, '{"text":"Content too large","code":6}');
  assert.equal(relay.app.heldBytes(), 0);
});

Deno.test("hec row 51: a body above the cap, with its length declared or not", async () => {
  await using relay = await openRelay({ limits: { maxBody: MIB } });
  const port = relay.serve();
  for (
    const [authorization, status, text] of [
      ["Splunk hct_good", 413, '{"text":"Content too large","code":6}'],
      [
        "Bearer hct_good",
        400,
        '{"text":"Invalid data format","code":6,"invalid-event-number":0}',
      ],
    ] as const
  ) {
    const headers = { Authorization: authorization };
    using declared = await connect(port);
    await declared.send(head(EVENT, headers, MIB + 1));
    const one = await declared.reply();
    assert.deepEqual([one.status, one.text], [status, text]);
    using chunked = await connect(port);
    await chunked.send(head(EVENT, headers));
    const sending = chunked.send(chunk("x".repeat(MIB + 1))).catch(() => {});
    const two = await chunked.reply();
    assert.deepEqual([two.status, two.text], [status, text]);
    await sending;
  }
  using exact = await connect(port);
  await exact.post(EVENT, '{"event":"a"}'.padEnd(MIB, " "));
  assert.equal((await exact.reply()).status, 200);
  assert.equal(relay.app.heldBytes(), 0);
});

Deno.test("hec row 52: a body that drips for 35 s", async () => {
  const clock = new ManualClock();
  await using relay = await openRelay({ clock });
  using client = await connect(relay.serve());
  const body = '{"event":"dripping"}{"event":"still"}';
  await client.send(head(EVENT, {}, body.length));
  for (let at = 0; at < body.length; at++) {
    await client.send(body.slice(at, at + 1));
    await untilHeld(relay, at + 1 === body.length ? 0 : at + 1);
    if (at + 1 < body.length) {
      await tick(clock, 1);
    }
  }
  assert.equal((await client.reply()).status, 200);
  assert.deepEqual(await relay.texts(), ['"dripping"', '"still"']);
});

Deno.test("a body without a byte for 60 s is answered 408, and its whole events are kept", async () => {
  const clock = new ManualClock();
  await using relay = await openRelay({ clock });
  const port = relay.serve();
  for (
    const [suffix, piece, kept] of [
      ["/event", '{"event":"a"}{"event":"b"}{"event":"c', ['"a"', '"b"']],
      ["/raw", "line one\nline tw", ["line one"]],
    ] as const
  ) {
    using client = await connect(port);
    await client.send(head(`/services/collector${suffix}`, {}, 1_000), piece);
    await untilHeld(relay, piece.length);
    await tick(clock, 60);
    assert.ok(relay.app.heldBytes() > 0, "not before 60 s");
    await tick(clock, 1);
    const reply = await client.reply();
    assert.equal(reply.status, 408);
    assert.equal(reply.text, '{"text":"Request timed out","code":6}');
    assert.equal(reply.headers.get("connection"), "close");
    const events = await relay.events();
    assert.deepEqual(events.map(({ event }) => event), kept);
    assert.equal(
      reply.headers.get("Hecate-Event-Ids"),
      `${events[0]?.id}+${kept.length}`,
    );
  }
});

Deno.test("a body that takes more than 10 minutes is answered 408; nothing of a compressed one is kept", async () => {
  const clock = new ManualClock();
  await using relay = await openRelay({
    clock,
    patience: { idle: 3_600_000, total: 600_000 },
  });
  using client = await connect(relay.serve());
  const body = gzipSync('{"event":"a"}'.repeat(100));
  await client.send(
    head(EVENT, { "Content-Encoding": "gzip" }, body.length),
    body.subarray(0, -1),
  );
  await untilHeld(relay, body.length - 1);
  await tick(clock, 600);
  assert.ok(relay.app.heldBytes() > 0, "not before 10 minutes");
  await tick(clock, 1);
  assert.equal((await client.reply()).status, 408);
  assert.deepEqual(await relay.texts(), []);
  assert.equal(relay.app.heldBytes(), 0);
});

Deno.test("hec row 56: events cut across chunks at every byte", async () => {
  await using relay = await openRelay();
  using client = await connect(relay.serve());
  const events = [
    '{"a":"}{\\"\\\\"}',
    '"é😀\\\\"',
    '{"b":["]",{}]}',
  ];
  const text = events.map((event) => `{"event":${event}}`).join("");
  const bytes = new TextEncoder().encode(text);
  for (let cut = 1; cut < bytes.length; cut++) {
    await client.send(head(EVENT, {}));
    for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      await client.send(`${piece.length.toString(16)}\r\n`, piece, "\r\n");
    }
    await client.send("0\r\n\r\n");
    assert.equal((await client.reply()).status, 200);
    assert.deepEqual(await relay.texts(), events, `cut at ${cut}`);
  }
});

Deno.test("hec row 77: a client that goes away leaves no half event", async () => {
  await using relay = await openRelay();
  const port = relay.serve();
  const client = await connect(port);
  const piece = '{"event":"a"}{"event":"b"}{"event":"c';
  await client.send(head(EVENT, {}, 1_000), piece);
  await untilHeld(relay, piece.length);
  client[Symbol.dispose]();
  while (relay.app.heldBytes() > 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.deepEqual(await relay.texts(), ['"a"', '"b"']);
  const cut = await connect(port);
  await cut.send(head(EVENT, {}), '7\r\n{"eve');
  await untilHeld(relay, 1);
  cut[Symbol.dispose]();
  while (relay.app.heldBytes() > 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.deepEqual(await relay.texts(), []);
});

Deno.test("a body of several chunks: whole in one or in many writes, and cut", async () => {
  await using relay = await openRelay();
  const port = relay.serve();
  using client = await connect(port);
  const event = `"${"x".repeat(997)}"`;
  const body = `{"event":${event}}`.repeat(200);
  for (const step of [body.length, 1_460]) {
    await client.send(head(EVENT, {}, body.length));
    for (let at = 0; at < body.length; at += step) {
      await client.send(body.slice(at, at + step));
    }
    assert.equal((await client.reply()).status, 200);
    assert.equal((await relay.texts()).length, 200);
  }
  await client.send(head(EVENT, {}, body.length), body.slice(0, -1));
  await untilHeld(relay, body.length);
  client[Symbol.dispose]();
  while (relay.app.heldBytes() > 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const kept = await relay.texts();
  assert.ok(kept.length < 200);
  assert.deepEqual(new Set(kept), new Set(kept.length > 0 ? [event] : []));
});

/** Sends half a body, lets `end` happen and says what the client is told and what was kept. */
async function cutShort(
  end: (client: RawClient, server: Deno.HttpServer) => unknown,
): Promise<{ readonly reply: RawReply | undefined; readonly kept: number }> {
  await using relay = await openRelay();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => relay.app.fetch(request),
  );
  using client = await connect(server.addr.port);
  const body = '{"event":"a"}{"event":"b"}';
  await client.send(head(EVENT, {}, 1_000), body);
  await untilHeld(relay, body.length);
  const ended = end(client, server);
  // A half-closed connection may end without a word.
  const reply = await client.reply().catch(() => undefined);
  client[Symbol.dispose]();
  await ended;
  await server.shutdown();
  assert.equal(relay.app.heldBytes(), 0);
  return { reply, kept: (await relay.texts()).length };
}

Deno.test({
  name:
    "a body cut off by the server's own shutdown is answered 503; its whole events are kept",
  // Before, a shutdown waits for the body.
  ignore: Number(Deno.version.deno.split(".")[1]) < 9,
  async fn() {
    const { reply, kept } = await cutShort((_, server) => server.shutdown());
    assert.equal(reply?.status, 503);
    assert.ok(Number(reply.headers.get("Retry-After")) > 0);
    assert.equal(kept, 2);
  },
});

Deno.test("a body that fails or ends before its length is answered 503; its whole events are kept", async () => {
  await using relay = await openRelay();
  const piece = new TextEncoder().encode('{"event":"a"}{"event":"b"}{"ev');
  const cut = () =>
    new ReadableStream({
      start: (controller) => controller.enqueue(piece),
      pull: (controller) => controller.error(new Error("cut")),
    });
  const short = { "Content-Length": "1000" };
  for (
    const [suffix, body, headers, kept] of [
      ["/event", cut(), {}, 2],
      ["/event", piece.slice(), short, 2],
      ["/raw", "one\ntwo", short, 1],
      ["/event", "{", short, 0],
      ["/event", gzipSync(piece), { ...short, "Content-Encoding": "gzip" }, 0],
    ] as const
  ) {
    const reply = await relay.post(suffix, body, headers);
    assert.equal(reply.status, 503);
    const number = kept === 0 ? "" : `,"invalid-event-number":${kept}`;
    assert.equal(
      reply.text,
      `{"text":"Request was cut off","code":9${number}}`,
    );
    assert.ok(Number(reply.headers.get("Retry-After")) > 0);
    const events = await relay.events();
    assert.equal(events.length, kept);
    assert.equal(
      reply.headers.get("Hecate-Event-Ids"),
      kept === 0 ? null : `${events[0]?.id}+${kept}`,
    );
  }
  assert.equal(relay.app.heldBytes(), 0);
});

Deno.test("a client that half-closes in mid-body is never answered 200", async () => {
  const { reply } = await cutShort((client) => client.closeWrite());
  assert.notEqual(reply?.status, 200);
});

Deno.test("hec row 78: Expect: 100-continue is answered at once", async () => {
  await using relay = await openRelay();
  using client = await connect(relay.serve());
  const event = `"${"x".repeat(600_000)}"`;
  const body = `{"event":${event}}`.repeat(2);
  await client.send(head(EVENT, { Expect: "100-continue" }, body.length));
  assert.equal((await client.reply()).status, 100);
  await client.send(body);
  assert.equal((await client.reply()).status, 200);
  assert.deepEqual(await relay.texts(), [event, event]);
});

Deno.test("hec row 83: a raw piece of 41 MB within 5 s", async () => {
  await using relay = await openRelay();
  using client = await connect(relay.serve());
  const line = "😀".repeat(1_023) + "é\n";
  const piece = new TextEncoder().encode(line.repeat(10_000));
  assert.ok(piece.length > 40_000_000);
  const started = performance.now();
  await client.post("/services/collector/raw", piece, {
    Authorization: "Bearer hct_good",
  });
  const reply = await client.reply();
  assert.equal(reply.status, 200);
  assert.ok(performance.now() - started < 5_000);
  assert.equal((await relay.events()).length, 10_000);
});

Deno.test("hec row 84: 270 connections at once", async () => {
  await using relay = await openRelay();
  const port = relay.serve();
  const replies = await Promise.all(
    Array.from({ length: 270 }, async (_, number) => {
      using client = await connect(port);
      await client.post("/services/collector", `{"event":{"n":${number}}}`, {
        Authorization: "Bearer hct_falcon",
      });
      return await client.reply();
    }),
  );
  for (const reply of replies) {
    assert.equal(reply.status, 200);
    assert.equal(reply.text, '{"text":"Success","code":0}');
  }
  const numbers = (await relay.texts()).map((text) => JSON.parse(text).n);
  assert.equal(new Set(numbers).size, 270);
});

Deno.test("hec row 88: a connection serves one request after the other; the server has no idle limit", async () => {
  const clock = new ManualClock();
  await using relay = await openRelay({ clock });
  using client = await connect(relay.serve());
  for (const idle of [0, 60_000, 120_000]) {
    clock.advance(idle);
    await client.post(EVENT, '{"event":"a"}');
    assert.equal((await client.reply()).status, 200);
  }
});

Deno.test("a short body that waits for its rest holds no more memory than is accounted", async () => {
  await using relay = await openRelay({ limits: { maxInflight: 100_000 } });
  const piece = new Uint8Array(65_536).fill(0x20);
  const body = (length: number) =>
    new ReadableStream({
      start(controller) {
        controller.enqueue(piece.subarray(0, length));
        controller.close();
      },
    });
  // Half of its buffer or more: the whole buffer counts, and two do not fit.
  assert.deepEqual(
    (await Promise.all([1, 2].map(() => relay.post("", body(40_000)))))
      .map(({ code }) => code),
    [5, 9],
  );
  // Less: copied, and its own length counts.
  assert.deepEqual(
    (await Promise.all([1, 2, 3, 4].map(() => relay.post("", body(20_000)))))
      .map(({ code }) => code),
    [5, 5, 5, 5],
  );
  assert.equal(relay.app.heldBytes(), 0);
});
