import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { xsiam } from "../../connectors/xsiam.ts";
import type { Outcome, Sink } from "../../lib/connector.ts";
import type { EventRun } from "../../lib/event.ts";
import { Rig } from "../support/delivery_rig.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type Script, ScriptedServer } from "../support/scripted_server.ts";
import {
  answer,
  bodyText,
  encoded,
  hecRun,
  numbered,
  openSink,
  rawRun,
  RECEIVED_AT,
} from "../support/sinks.ts";
import { needsTestData } from "../support/test_data.ts";

type Env = Readonly<Record<string, string>>;
const TOKEN: Env = {
  XSIAM_URL: "http://127.0.0.1:9",
  XSIAM_API_KEY: "k3yk3yk3y",
};
const HMAC: Env = { ...TOKEN, XSIAM_API_KEY_ID: "7" };
const OK = answer(200, { error: "false" });

/** destinations §0.7. */
const E1 =
  '{"activity_id":1,"category_uid":6,"class_uid":6003,"type_uid":600301,"time":1773360000123,"severity_id":1,"status_id":1,"metadata":{"version":"1.1.0","uid":"evt-0001","product":{"name":"Arbitex","vendor_name":"Arbitex"}},"actor":{"user":{"uid":"user_abc","email_addr":"alice@example.com"}},"api":{"operation":"chat_completion","request":{"uid":"req_xyz"}},"src_endpoint":{"ip":"192.0.2.10"},"unmapped":{"model_id":"gpt-4o","policy_action":"allow","dlp_labels":[],"tokens_input":512,"tokens_output":256}}';

function inTurn(...answers: string[]): Script {
  let turn = 0;
  return async (connection) => {
    for (;;) {
      await connection.request();
      const reply = answers[Math.min(turn++, answers.length - 1)];
      await connection.write(reply ?? "");
    }
  };
}

/** A sink at a server, and its attempts. */
async function withSink<T>(
  answers: readonly string[],
  env: Env,
  act: (sink: Sink, server: ScriptedServer) => Promise<T>,
): Promise<T> {
  await using server = new ScriptedServer(inTurn(...answers));
  await using sink = openSink(xsiam, {
    ...env,
    XSIAM_URL: `http://127.0.0.1:${server.port}`,
  });
  return await act(sink, server);
}

function send(sink: Sink, run: EventRun = numbered(2)): Promise<Outcome> {
  return sink.deliver(encoded(sink, run), AbortSignal.timeout(20_000));
}

async function body(run: EventRun, env: Env = TOKEN): Promise<string> {
  await using sink = openSink(xsiam, env);
  return bodyText(sink, run);
}

function header(head: string, name: string): string | undefined {
  return new RegExp(`^${name}: (.*?)\\r?$`, "im").exec(head)?.[1];
}

Deno.test("T46 xsiam: the string false is no error, any 2xx is taken, true is a failure", async () => {
  for (
    const reply of [
      OK,
      answer(200, { error: false }),
      answer(200),
      answer(202, "accepted"),
      answer(204),
    ]
  ) {
    assert.deepEqual(await withSink([reply], TOKEN, (sink) => send(sink)), {
      kind: "delivered",
    });
  }
  for (const error of [true, "true"]) {
    const outcome = await withSink(
      [answer(200, { error })],
      TOKEN,
      (sink) => send(sink),
    );
    assert.ok(outcome.kind === "retry");
    assert.equal(outcome.reason, "unclear");
  }
});

Deno.test("T46 xsiam: one record a line with a token, destinations' example", async () => {
  const text = await body(hecRun(`{"event":${E1}}{"event":${E1}}`));
  const record =
    '{"_time":"2026-03-13T00:00:00.123Z","log_type":"arbitex_audit","event_id":"req_xyz","user_id":"user_abc","user_email":"alice@example.com","operation":"chat_completion","model_id":"gpt-4o","policy_action":"allow","dlp_labels":[],"tokens_input":512,"tokens_output":256,"severity":"informational","raw_ocsf":' +
    `${JSON.stringify(E1)}}`;
  assert.equal(text, `${record}\n${record}`);
});

needsTestData("xsiam: golden request of the seed", async (directory) => {
  const read = (name: string) =>
    Deno.readTextFileSync(`${directory}/seeds/${name}`);
  const event = JSON.stringify(JSON.parse(read("xsiam.event.json")));
  const sent = JSON.parse(await body(hecRun(`{"event":${event}}`), HMAC));
  const golden = JSON.parse(read("xsiam.request.json"));
  assert.deepEqual(sent, golden);
  assert.deepEqual(
    Object.keys(sent.events[0]),
    Object.keys(golden.events[0]),
  );
});

Deno.test("xsiam: absent members, other spellings, severities, the relay's own id", async () => {
  const record = async (event: string) =>
    JSON.parse(await body(hecRun(`{"event":${event}}`)));
  const bare = '{"class_uid":0,"metadata":{"version":"1.1.0"}';
  assert.deepEqual(await record(`${bare}}`), {
    _time: "2026-03-13T00:00:00.123Z",
    log_type: "arbitex_audit",
    event_id: "00000000000000010000-0",
    user_id: "",
    user_email: "",
    operation: "",
    model_id: "",
    policy_action: "",
    dlp_labels: [],
    tokens_input: null,
    tokens_output: null,
    severity: "unknown",
    raw_ocsf: `${bare}}`,
  });
  const other = await record(
    '{"class_uid":0,"activity_name":"Read","ai_model":{"name":"m"},"message_context":{"prompt_tokens":1,"completion_tokens":"2"},"metadata":{"version":"1.1.0","uid":"u"},"unmapped":{"dlp_labels":["pii","\\"x"]}}',
  );
  assert.deepEqual(
    [
      other.operation,
      other.model_id,
      other.tokens_input,
      other.tokens_output,
      other.event_id,
      other.dlp_labels,
    ],
    ["Read", "m", 1, 2, "u", ["pii", '"x']],
  );
  const captions = [];
  for (const id of [0, 1, 2, 3, 4, 5, 6, 99]) {
    captions.push((await record(`${bare},"severity_id":${id}}`)).severity);
  }
  assert.equal(
    captions.join(" "),
    "unknown informational low medium high critical critical unknown",
  );
});

Deno.test("xsiam: names in the settings stay names, whatever they hold", async () => {
  const text = await body(hecRun(`{"event":${E1}}`), {
    ...HMAC,
    XSIAM_LOG_TYPE: 'a"b\\`${x}',
    XSIAM_DATASET: 'c"d',
  });
  const [record] = JSON.parse(text).events;
  assert.equal(record.log_type, 'a"b\\`${x}');
  assert.equal(record._dataset, 'c"d');
});

Deno.test("xsiam: what is no OCSF event leaves wrapped, or with format native as its own text", async () => {
  const run = hecRun('{"event":{\n "a":1}}');
  const wrapped = JSON.parse(await body(run));
  assert.deepEqual(JSON.parse(wrapped.raw_ocsf).unmapped, { a: 1 });
  const native = { ...TOKEN, XSIAM_FORMAT: "native" };
  const text = await body(run, native);
  assert.ok(!text.includes("\n"), "a record is a line");
  assert.equal(JSON.parse(text).raw_ocsf, '{\n "a":1}');
  const raw = await body(rawRun(Uint8Array.of(0x61, 0x22, 0xff)), native);
  assert.equal(JSON.parse(raw).raw_ocsf, 'a"\ufffd');
});

Deno.test("T47 xsiam: digests equal the vectors; nonce and time are new at each attempt", async () => {
  const clock = new ManualClock(RECEIVED_AT);
  for (
    const [env, name, digest] of [
      [
        {},
        "x-xdr-hmac-sha256",
        "79cc06f8a87cf694eea99b3371501d68731fab341e1a3e07da43281c28d13553",
      ],
      [
        { XSIAM_AUTH: "advanced" },
        "authorization",
        "a225ee1d5471d7d8b5f7a6730057904bf102d1cebb7ad276d80af58d72ec037f",
      ],
    ] as const
  ) {
    let turn = 0;
    await using server = new ScriptedServer(inTurn(answer(503), OK));
    await using sink = openSink(
      xsiam,
      {
        XSIAM_URL: `http://127.0.0.1:${server.port}`,
        XSIAM_API_KEY: "k3y",
        XSIAM_API_KEY_ID: "7",
        ...env,
      },
      clock,
      // 0 is the letter A.
      { randomBytes: (count) => new Uint8Array(count).fill(turn++) },
    );
    await send(sink);
    await send(sink);
    const [first, second] = server.requests.map(({ head }) => head);
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(header(first, "x-xdr-auth-id"), "7");
    assert.equal(header(first, "x-xdr-nonce"), "A".repeat(64));
    assert.equal(header(first, name), digest);
    const isAdvanced = "XSIAM_AUTH" in env;
    assert.equal(
      header(first, "x-xdr-timestamp"),
      isAdvanced ? "1773360000123" : undefined,
    );
    assert.equal(header(first, "authorization") !== undefined, isAdvanced);
    assert.equal(header(second, "x-xdr-nonce"), "B".repeat(64));
    assert.notEqual(header(second, name), digest);
    assert.ok(!first.includes("k3y"));
  }
});

Deno.test("xsiam: bytes that would make some letters of the nonce likelier are not used", async () => {
  await using server = new ScriptedServer(inTurn(OK));
  // 256 is no multiple of 62: the last eight values are left out.
  const draws = [
    (i: number) => 248 + i % 8,
    (i: number) => i < 32 ? 255 : i - 32,
    (i: number) => 184 + i,
  ];
  await using sink = openSink(
    xsiam,
    { ...HMAC, XSIAM_URL: `http://127.0.0.1:${server.port}` },
    undefined,
    {
      randomBytes(count) {
        const draw = draws.shift();
        assert.ok(draw !== undefined);
        return Uint8Array.from({ length: count }, (_, i) => draw(i));
      },
    },
  );
  await send(sink);
  const letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  assert.equal(
    header(server.requests[0]?.head ?? "", "x-xdr-nonce"),
    // 184 is 2 × 62 + 60: the third draw begins with the letter before the last.
    letters.slice(0, 32) + letters.slice(60) + letters.slice(0, 30),
  );
  assert.equal(draws.length, 0);
});

Deno.test("xsiam: Authorization of token and bearer, address, content type, body by the way of signing", async () => {
  for (
    const [env, authorization, isEnvelope] of [
      [{}, "k3yk3yk3y", false],
      [{ XSIAM_AUTH: "bearer" }, "Bearer k3yk3yk3y", false],
      [{ XSIAM_API_KEY_ID: "7" }, undefined, true],
      [{ XSIAM_API_KEY_ID: "7", XSIAM_AUTH: "token" }, "k3yk3yk3y", false],
    ] as const
  ) {
    await withSink([OK], { ...TOKEN, ...env }, async (sink, server) => {
      await send(sink);
      const [request] = server.requests;
      const head = request?.head ?? "";
      assert.ok(head.startsWith("POST /logs/v1/event HTTP/1.1\r\n"));
      assert.equal(header(head, "authorization"), authorization);
      assert.equal(header(head, "content-type"), "application/json");
      assert.equal(header(head, "content-encoding"), undefined);
      const text = new TextDecoder().decode(request?.body);
      assert.equal(text.startsWith('{"events":[{'), isEnvelope);
      assert.equal(text.includes('"_dataset"'), isEnvelope);
      const records = isEnvelope
        ? JSON.parse(text).events
        : text.split("\n").map((line) => JSON.parse(line));
      assert.equal(records.length, 2);
    });
  }
  for (
    const [given, wanted] of [
      ["/", "/logs/v1/event"],
      ["/gate/", "/gate/logs/v1/event"],
      ["/logs/v1/event", "/logs/v1/event"],
      ["/logs/v1/event/", "/logs/v1/event"],
    ]
  ) {
    await using server = new ScriptedServer(inTurn(OK));
    await using sink = openSink(xsiam, {
      ...TOKEN,
      XSIAM_URL: `http://127.0.0.1:${server.port}${given}`,
    });
    await send(sink);
    assert.ok(server.requests[0]?.head.startsWith(`POST ${wanted} HTTP`));
  }
});

Deno.test("xsiam: ways that sign want the key's id", () => {
  for (const auth of ["hmac", "advanced"]) {
    assert.throws(
      () => openSink(xsiam, { ...TOKEN, XSIAM_AUTH: auth }),
      /XSIAM_API_KEY_ID/,
    );
  }
});

Deno.test("xsiam: a collector made for gzip gets nothing else, small bodies and tests included", async () => {
  const env = { ...TOKEN, XSIAM_GZIP: "on" };
  await withSink([OK], env, async (sink, server) => {
    const batch = encoded(sink, numbered(1));
    const plain = batch.body().slice();
    await sink.deliver(batch, AbortSignal.timeout(20_000));
    await sink.probe(AbortSignal.timeout(20_000));
    await Array.fromAsync(sink.test(AbortSignal.timeout(20_000)));
    assert.equal(server.requests.length, 3);
    for (const { head } of server.requests) {
      assert.equal(header(head, "content-encoding"), "gzip");
    }
    const [first, , third] = server.requests.map(({ body }) =>
      new Uint8Array(gunzipSync(body))
    );
    assert.deepEqual(first, plain);
    assert.equal(third?.length, 0);
  });
});

const MISMATCH = answer(500, "Internal Server Error");

Deno.test("T48 xsiam: five 500 in a row speak of format and compression; nothing dies", async () => {
  await using server = new ScriptedServer(inTurn(MISMATCH));
  const sink = openSink(xsiam, {
    ...TOKEN,
    XSIAM_URL: `http://127.0.0.1:${server.port}`,
    XSIAM_GZIP: "on",
  });
  const rig = new Rig({ sink });
  rig.append("0", "1");
  for (let attempt = 1; attempt <= 5; attempt++) {
    await rig.fleet.wake();
    assert.equal(server.requests.length, attempt);
    assert.equal(rig.state, attempt < 5 ? "retrying" : "held");
    if (attempt === 5) break;
    await rig.pass((rig.log.place.nextAttemptAt ?? 0) - rig.clock.now());
  }
  assert.equal(rig.log.place.lastError?.reason, "config");
  assert.match(rig.log.place.lastError?.help ?? "", /format and compression/);
  assert.equal(
    rig.log.place.lastError?.message,
    "500: Internal Server Error (to 5 attempts in a row)",
  );
  assert.equal(rig.books, "0 0 0 @0-0");
  await rig.stop();
});

Deno.test("T48 xsiam: five 500 in a row hold also what delivered before; between other answers a 500 is weather", async () => {
  const kinds = (answers: readonly string[]) =>
    withSink(answers, TOKEN, async (sink) => {
      const found = [];
      for (let i = 0; i < answers.length; i++) {
        found.push((await send(sink)).kind);
      }
      return found.join(" ");
    });
  const seven = Array.from({ length: 7 }, () => MISMATCH);
  assert.equal(
    await kinds([OK, ...seven]),
    `delivered${" retry".repeat(4)}${" held".repeat(3)}`,
  );
  assert.equal(
    await kinds([...seven.slice(0, 4), answer(503), ...seven.slice(0, 5)]),
    `retry${" retry".repeat(8)} held`,
  );
  assert.equal(
    await kinds([...seven.slice(0, 5), OK, MISMATCH]),
    "retry retry retry retry held delivered retry",
  );
});

Deno.test("xsiam: an answer without a body leaves no colon behind", async () => {
  const { message } = await withSink(
    Array.from({ length: 5 }, () => answer(500, "")),
    TOKEN,
    async (sink) => {
      let last = await send(sink);
      for (let n = 1; n < 5; n++) last = await send(sink);
      assert.ok(last.kind === "held");
      return last;
    },
  );
  assert.equal(message, "500 (to 5 attempts in a row)");
});

Deno.test("T49 xsiam: 401, 403, 404, 413, 429 and gateways' answers", async () => {
  for (
    const [reply, kind, reason] of [
      [answer(401), "held", "auth"],
      [answer(403), "held", "forbidden"],
      [answer(404), "held", "path"],
      [answer(413), "split", "too_large"],
      [answer(429), "retry", "slow_down"],
      [answer(502), "retry", "server"],
      [answer(504), "retry", "server"],
    ] as const
  ) {
    const outcome = await withSink([reply], TOKEN, (sink) => send(sink));
    assert.equal(outcome.kind, kind);
    assert.ok("reason" in outcome);
    assert.equal(outcome.reason, reason);
  }
});

Deno.test("xsiam test(): an empty body; any answer but a refusal means that the token was looked at", async () => {
  const steps = (reply: string) =>
    withSink([reply], TOKEN, async (sink, server) => {
      const signal = AbortSignal.timeout(20_000);
      // More than five do not count against the format.
      let last;
      for (let i = 0; i < 6; i++) {
        last = (await Array.fromAsync(sink.test(signal))).at(-1);
      }
      assert.equal(server.requests[0]?.body.length, 0);
      return `${last?.name} ${last?.ok}`;
    });
  assert.equal(await steps(OK), "login true");
  assert.equal(await steps(answer(400)), "login true");
  assert.equal(await steps(MISMATCH), "login true");
  assert.equal(await steps(answer(401)), "login false");
  assert.equal(await steps(answer(404)), "login false");
});
