import assert from "node:assert/strict";
import { Acks } from "../../../lib/log/acks.ts";
import { parseTokens } from "../../../lib/tokens.ts";
import {
  openRelay,
  type Relay,
  type Reply,
  TOKENS,
} from "../../support/hec_relay.ts";

const A = "6b2c1d0e-1f2a-4b3c-8d4e-0123456789ab";
const B = "6b2c1d0e-1f2a-4b3c-8d4e-0123456789ac";
const tokens = JSON.stringify([
  ...JSON.parse(TOKENS),
  { name: "acked", value: "hct_acked", ack: "stored" },
  { name: "other", value: "hct_other", ack: true },
]);

function post(
  relay: Relay,
  suffix: string,
  body: string | Uint8Array,
  channel?: string,
  token = "hct_acked",
): Promise<Reply> {
  return relay.post(suffix, body, {
    Authorization: `Splunk ${token}`,
    ...(channel === undefined ? {} : { "X-Splunk-Request-Channel": channel }),
  });
}

function ackIdOf({ text }: Reply): number | undefined {
  return JSON.parse(text)["ackId"];
}

Deno.test("hec row 28: a fault in the body on an ack token has an ackId", async () => {
  await using relay = await openRelay({ tokens });
  const cut = await post(relay, "/event", '{"event":"a"}garbage', A);
  assert.equal(
    cut.text,
    '{"text":"Invalid data format","code":6,"invalid-event-number":1,"ackId":0}',
  );
  assert.deepEqual(await relay.texts(), ['"a"']);
});

Deno.test("a reply that kept nothing has no ackId and uses up no id", async () => {
  await using relay = await openRelay({ tokens });
  const first = await post(relay, "/event", "garbage", A);
  assert.equal(
    first.text,
    '{"text":"Invalid data format","code":6,"invalid-event-number":0}',
  );
  // Firehose's connection test.
  const empty = await post(relay, "/raw", "", A);
  assert.equal(empty.text, '{"text":"No data","code":5}');
  assert.equal(ackIdOf(await post(relay, "/raw", "one", A)), 0);
  assert.equal(ackIdOf(await post(relay, "/raw", "\n \n", A)), undefined);
  assert.equal(ackIdOf(await post(relay, "/raw", "two", A)), 1);
});

Deno.test("an append that found the disk full uses up no id", async () => {
  const disk = { commits: 100 };
  await using relay = await openRelay({ tokens, disk });
  assert.equal(ackIdOf(await post(relay, "/raw", "one", A)), 0);
  disk.commits = 0;
  const full = await post(relay, "/raw", "two", A);
  assert.equal(full.text, '{"text":"Server is busy","code":9}');
  disk.commits = 1_000;
  let reply = await post(relay, "/raw", "three", A);
  while (reply.status === 503) {
    relay.log.retention.kick();
    await new Promise((resolve) => setTimeout(resolve, 10));
    reply = await post(relay, "/raw", "three", A);
  }
  assert.equal(ackIdOf(reply), 1);
});

Deno.test("hec row 58: raw without a channel on an ack token", async () => {
  await using relay = await openRelay({ tokens });
  for (const suffix of ["/raw", "/event", "/ack"]) {
    const reply = await post(relay, suffix, "a");
    assert.deepEqual(
      [reply.status, reply.text],
      [400, '{"text":"Data channel is missing","code":10}'],
    );
  }
  assert.deepEqual(await relay.texts(), []);
});

Deno.test("hec row 59: raw with a channel that is no GUID on an ack token", async () => {
  await using relay = await openRelay({ tokens });
  for (const channel of ["abc", `${A}0`, A.replace("-", "+")]) {
    for (const suffix of ["/raw", "/ack"]) {
      const reply = await post(relay, suffix, "a", channel);
      assert.deepEqual(
        [reply.status, reply.text],
        [400, '{"text":"Invalid data channel","code":11}'],
      );
    }
  }
  assert.deepEqual(await relay.texts(), []);
});

Deno.test("hec row 64: ids count by token and channel", async () => {
  await using relay = await openRelay({ tokens });
  const ids: unknown[] = [];
  for (const channel of [A, A, A, B]) {
    const reply = await post(relay, "/event", '{"event":"a"}', channel);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.get("set-cookie"), null);
    ids.push(ackIdOf(reply));
  }
  ids.push(ackIdOf(await post(relay, "/raw", "a", A, "hct_other")));
  assert.deepEqual(ids, [0, 1, 2, 0, 0]);
  const one = await post(relay, "/raw", "a", B);
  assert.equal(one.text, '{"text":"Success","code":0,"ackId":1}');
});

Deno.test("requests at the same time get every id once, without gaps", async () => {
  await using relay = await openRelay({ tokens });
  const ids = await Promise.all(
    Array.from(
      { length: 2_500 },
      async (_, n) =>
        ackIdOf(await post(relay, "/raw", `line ${n}`, n % 5 === 0 ? B : A)),
    ),
  );
  const of = (channel: string) =>
    ids.filter((_, n) => (n % 5 === 0 ? B : A) === channel)
      .sort((a, b) => Number(a) - Number(b));
  assert.deepEqual(of(B), Array.from({ length: 500 }, (_, n) => n));
  assert.deepEqual(of(A), Array.from({ length: 2_000 }, (_, n) => n));
  const asked = { acks: Array.from({ length: 2_500 }, (_, n) => n) };
  const { acks } = JSON.parse(
    (await post(relay, "/ack", JSON.stringify(asked), A)).text,
  );
  assert.deepEqual(
    Object.entries(acks).filter(([, told]) => told).map(([id]) => Number(id)),
    of(A),
  );
});

Deno.test("hec row 65: a poll for known and unknown ids, and another channel's", async () => {
  await using relay = await openRelay({ tokens });
  await post(relay, "/raw", "a", A);
  for (const suffix of ["/ack", "/ack/1.0"]) {
    const reply = await post(
      relay,
      suffix,
      '{"acks":[7,0,"0",-1,1.5,1e99,"__proto__","x\\"y"]}',
      A,
    );
    assert.equal(reply.status, 200);
    assert.equal(
      reply.text,
      '{"acks":{"7":false,"0":true,"-1":false,"1.5":false,"1e+99":false,"__proto__":false,"x\\"y":false}}',
    );
    assert.equal(reply.headers.get("set-cookie"), null);
  }
  const other = await post(relay, "/ack", '{"acks":[0]}', B);
  assert.equal(other.text, '{"acks":{"0":false}}');
  const token = await post(relay, "/ack", '{"acks":[0]}', A, "hct_other");
  assert.equal(token.text, '{"acks":{"0":false}}');
  assert.equal(
    (await post(relay, "/ack", '{"acks":[]}', A)).text,
    '{"acks":{}}',
  );
});

Deno.test("a poll's body may be compressed; one that is no list of ids is code 6, an empty one code 5", async () => {
  await using relay = await openRelay({ tokens });
  await post(relay, "/raw", "a", A);
  const gzip = new Uint8Array(
    await new Response(
      new Blob(['{"acks":[0,1]}']).stream()
        .pipeThrough(new CompressionStream("gzip")),
    ).arrayBuffer(),
  );
  const reply = await relay.post("/ack", gzip, {
    Authorization: "Splunk hct_acked",
    "Content-Encoding": "gzip",
    "X-Splunk-Request-Channel": A,
  });
  assert.equal(reply.text, '{"acks":{"0":true,"1":false}}');
  for (
    const body of [
      "{",
      "[0]",
      "1",
      "null",
      '{"acks":0}',
      '{"acks":{"0":1}}',
      '{"acks":[null]}',
      '{"acks":[[0]]}',
      '{"ack":[0]}',
    ]
  ) {
    const wrong = await post(relay, "/ack", body, A);
    assert.deepEqual([wrong.status, wrong.code], [400, 6], body);
  }
  assert.deepEqual((await post(relay, "/ack", " ", A)).code, 5);
});

Deno.test("hec row 66: the same id again after true", async () => {
  await using relay = await openRelay({ tokens });
  await post(relay, "/raw", "a", A);
  for (let n = 0; n < 3; n++) {
    const reply = await post(relay, "/ack", '{"acks":[0]}', A);
    assert.equal(reply.text, '{"acks":{"0":true}}');
  }
});

Deno.test("hec row 67: ack on a token without acks is code 14, before any channel check", async () => {
  await using relay = await openRelay();
  for (const suffix of ["/ack", "/ack/1.0"]) {
    const reply = await relay.post(suffix, '{"acks":[0]}');
    assert.equal(reply.status, 400);
    assert.equal(reply.text, '{"text":"ACK is disabled","code":14}');
  }
  const reply = await relay.post("/ack", "", { Authorization: "Splunk no" });
  assert.deepEqual([reply.status, reply.code], [403, 4]);
});

Deno.test("hec row 68: GET on ack", async () => {
  await using relay = await openRelay();
  const reply = await relay.app.request("/services/collector/ack");
  assert.equal(reply.status, 405);
  assert.equal((await reply.json()).code, 404);
});

Deno.test("hec row 69: a channel's case does not matter", async () => {
  await using relay = await openRelay({ tokens });
  assert.equal(ackIdOf(await post(relay, "/raw", "a", A.toUpperCase())), 0);
  assert.equal(ackIdOf(await post(relay, "/raw", "a", A)), 1);
  const reply = await post(relay, "/ack", '{"acks":[0,1]}', A.toUpperCase());
  assert.equal(reply.text, '{"acks":{"0":true,"1":true}}');
});

Deno.test("hec row 70: a channel in the query only; the header wins over it", async () => {
  await using relay = await openRelay({ tokens });
  assert.equal(ackIdOf(await post(relay, `/raw?channel=${A}`, "a")), 0);
  const reply = await post(relay, `/ack?channel=${A}`, '{"acks":[0]}');
  assert.equal(reply.text, '{"acks":{"0":true}}');
  const both = await post(relay, `/ack?channel=${A}`, '{"acks":[0]}', B);
  assert.equal(both.text, '{"acks":{"0":false}}');
});

Deno.test("hec row 71: a channel on a token without acks is ignored", async () => {
  await using relay = await openRelay({ tokens });
  for (const channel of [A, "abc"]) {
    const reply = await post(
      relay,
      "/event",
      '{"event":"a"}',
      channel,
      "hct_good",
    );
    assert.equal(reply.status, 200);
    assert.equal(reply.text, '{"text":"Success","code":0}');
  }
});

/** Acks of a store that has too many channels, and then does not answer. */
class NoAcks extends Acks {
  override claim() {
    return Promise.resolve("crowded" as const);
  }
  override poll() {
    return Promise.reject(new Error("No answer within 5000 ms"));
  }
}

Deno.test("too many channels are code 27, a poll that the store does not answer is code 9", async () => {
  await using relay = await openRelay({
    tokens,
    acks: (log) =>
      new NoAcks(log, {
        connectors: () => [],
        expiry: { wasExpired: () => false },
      }),
  });
  const crowded = await post(relay, "/raw", "a", A);
  assert.equal(crowded.status, 429);
  assert.equal(
    crowded.text,
    '{"text":"HEC ACK channel is at capacity and cannot process any more requests","code":27}',
  );
  assert.deepEqual(await relay.texts(), []);
  const silent = await post(relay, "/ack", '{"acks":[0]}', A);
  assert.deepEqual([silent.status, silent.code], [503, 9]);
  assert.ok(silent.headers.get("retry-after"));
});

Deno.test("a request of several slices has one id, which is true for all of them", async () => {
  await using relay = await openRelay({ tokens });
  const lines = Array.from({ length: 100_000 }, (_, n) => `line ${n}`);
  const reply = await post(relay, "/raw", lines.join("\n"), A);
  assert.equal(ackIdOf(reply), 0);
  const runs = reply.headers.get("hecate-event-ids")?.split(",") ?? [];
  assert.ok(runs.length > 1, "one commit held it all: the test shows nothing");
  assert.equal(ackIdOf(await post(relay, "/raw", "a", A)), 1);
  const acks = await post(relay, "/ack", '{"acks":[0,1,2]}', A);
  assert.equal(acks.text, '{"acks":{"0":true,"1":true,"2":false}}');
});

Deno.test("parseTokens() takes false, true, stored and delivered as ack", () => {
  for (
    const [ack, level] of [
      ["false", undefined],
      ["true", "delivered"],
      ['"stored"', "stored"],
      ['"delivered"', "delivered"],
    ]
  ) {
    const { tokens: [token], faults } = parseTokens(
      `[{"name":"edr","value":"hct_secret","ack":${ack}}]`,
    );
    assert.deepEqual(faults, []);
    assert.equal(token?.ack, level);
  }
  const { tokens: none, faults } = parseTokens(
    '[{"name":"edr","value":"hct_secret","ack":"always"}]',
  );
  assert.equal(none.length, 0);
  assert.deepEqual(faults, [
    "token edr: ack is none of false, true, stored and delivered",
  ]);
});
