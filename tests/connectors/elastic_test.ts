import assert from "node:assert/strict";
import { elastic } from "../../connectors/elastic.ts";
import type { Outcome } from "../../lib/connector.ts";
import { BatchBuffer } from "../../lib/delivery/batch_buffer.ts";
import type { EventRun } from "../../lib/event.ts";
import { Rig } from "../support/delivery_rig.ts";
import {
  type Script,
  ScriptedServer,
  type SeenRequest,
} from "../support/scripted_server.ts";
import {
  answer,
  bodyText,
  encoded,
  hecRun,
  numbered,
  openSink,
  rawRun,
} from "../support/sinks.ts";
import { needsTestData } from "../support/test_data.ts";
import { bodyOf } from "./contract_http.ts";

const KEY = "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==";
const ENV = { ELASTIC_URL: "http://127.0.0.1:9", ELASTIC_API_KEY: KEY };
type Env = Readonly<Record<string, string>>;

const E1 =
  '{"activity_id":1,"category_uid":6,"class_uid":6003,"type_uid":600301,"time":1773360000123,"severity_id":1,"metadata":{"version":"1.1.0","uid":"evt-0001"}}';

const ONLY_CREATE = {
  type: "illegal_argument_exception",
  reason:
    "only write ops with an op_type of create are allowed in data streams",
};
const DENIED = {
  type: "security_exception",
  reason:
    "action [indices:data/write/bulk[s]] is unauthorized for API key id [x] of user [u] on indices [arbitex-audit]",
};

type Item = readonly [status: number, error?: unknown, more?: object];

function items(...list: readonly Item[]): string {
  return answer(200, {
    errors: list.some(([status]) => status >= 300),
    items: list.map(([status, error, more]) => ({
      index: { status, ...error !== undefined && { error }, ...more },
    })),
  });
}

/** `count` times the same item. */
function all(count: number, item: Item): string {
  return items(...Array.from({ length: count }, () => item));
}

/** Every event is taken. */
function taken(request: SeenRequest): string {
  return all(idsOf(request).length, [201]);
}

/** The `_id` of each event, with its action. */
function idsOf(request: SeenRequest | undefined): string[] {
  const lines = new TextDecoder().decode(bodyOf(request)).split("\n");
  return lines.filter((_, i) => i % 2 === 0 && i < lines.length - 1).map(
    (line) => {
      const [[action, { _id }]] = Object.entries<{ _id: string }>(
        JSON.parse(line),
      ) as [[string, { _id: string }]];
      return `${action} ${_id}`;
    },
  );
}

/** Answers in order, the last one again and again; `cut` closes the connection after the request. */
function inTurn(
  ...answers: (string | ((request: SeenRequest) => string))[]
): Script {
  let turn = 0;
  return async (connection) => {
    for (;;) {
      const request = await connection.request();
      const next = answers[Math.min(turn++, answers.length - 1)] ?? "cut";
      const reply = typeof next === "string" ? next : next(request);
      if (reply === "cut") return;
      await connection.write(reply);
    }
  };
}

/** One attempt with these events against one answer. */
async function attempt(
  reply: string,
  run: EventRun = numbered(4),
  env: Env = {},
): Promise<{ outcome: Outcome; server: ScriptedServer }> {
  await using server = new ScriptedServer(inTurn(reply));
  await using sink = openSink(elastic, {
    ...ENV,
    ELASTIC_URL: `http://127.0.0.1:${server.port}`,
    ...env,
  });
  const batch = encoded(sink, run);
  const outcome = await sink.deliver(batch, AbortSignal.timeout(20_000));
  return { outcome, server };
}

async function body(run: EventRun, env: Env = {}): Promise<string> {
  await using sink = openSink(elastic, { ...ENV, ...env });
  return bodyText(sink, run);
}

/** A connector's loop with the real sink: `four` events wait. */
async function withLoop(
  script: Script,
  env: Env,
  act: (rig: Rig, server: ScriptedServer) => Promise<void>,
): Promise<void> {
  await using server = new ScriptedServer(script);
  const sink = openSink(elastic, {
    ...ENV,
    ELASTIC_URL: `http://127.0.0.1:${server.port}`,
    ...env,
  });
  const rig = new Rig({ sink });
  rig.append("0", "1", "2", "3");
  await rig.fleet.wake();
  try {
    await act(rig, server);
  } finally {
    await rig.stop();
  }
}

/** Moves time on to the next attempt and waits for its end. */
async function nextAttempt(rig: Rig): Promise<void> {
  const at = rig.log.place.nextAttemptAt ?? rig.clock.now();
  await rig.pass(at - rig.clock.now());
}

// Body ------------------------------------------------------------------------------------------------------------

Deno.test("T34 elastic: two lines an event, the last ends too, @timestamp once and first, _id the relay's own", async () => {
  const stamped = E1.replace("{", '{"@timestamp":"2020-01-01T00:00:00Z",');
  const text = await body(
    hecRun(`{"event":${E1}}{"event":${stamped}}{"time":1.5,"event":${E1}}`),
  );
  const action = (n: number) =>
    `{"index":{"_index":"arbitex-audit","_id":"00000000000000010000-${n}"}}`;
  assert.deepEqual(text.split("\n"), [
    action(0),
    E1.replace("{", '{"@timestamp":"2026-03-13T00:00:00.123Z",'),
    action(1),
    stamped,
    action(2),
    E1.replace("{", '{"@timestamp":"1970-01-01T00:00:01.500Z",'),
    "",
  ]);
});

Deno.test("elastic: request line, headers, pipeline, base path; a typed _bulk is not doubled", async () => {
  for (
    const [path, wanted] of [
      ["", "/_bulk"],
      ["/", "/_bulk"],
      ["/_bulk", "/_bulk"],
      ["/es/", "/es/_bulk"],
      ["/es/_bulk/", "/es/_bulk"],
    ] as const
  ) {
    await using server = new ScriptedServer(inTurn(taken));
    await using sink = openSink(elastic, {
      ...ENV,
      ELASTIC_URL: `http://127.0.0.1:${server.port}${path}`,
      ELASTIC_PIPELINE: "my pipe",
    });
    const signal = AbortSignal.timeout(20_000);
    const outcome = await sink.deliver(encoded(sink, numbered(4)), signal);
    assert.deepEqual(outcome, { kind: "delivered" });
    const head = server.requests[0]?.head ?? "";
    assert.ok(
      head.startsWith(
        `POST ${wanted}?pipeline=my+pipe&filter_path=errors,items.*.status,items.*.error,items.*.failure_store,error,status HTTP/1.1\r\n`,
      ),
      head,
    );
    assert.match(head, /^content-type: application\/x-ndjson\r?$/im);
    assert.ok(head.includes(`ApiKey ${KEY}`));
  }
});

Deno.test("elastic: the API key in every form that people paste", async () => {
  const forms = [
    KEY,
    atob(KEY),
    `ApiKey ${KEY}`,
    `apikey ${atob(KEY)}`,
    ` ${KEY}\n`,
    JSON.stringify({ id: "x", name: "hecate", api_key: "y", encoded: KEY }),
    JSON.stringify({ encoded: KEY }, null, 2),
    JSON.stringify({
      id: atob(KEY).split(":")[0],
      api_key: atob(KEY).split(":")[1],
    }),
  ];
  for (const form of forms) {
    const { server } = await attempt(all(4, [201]), numbered(4), {
      ELASTIC_API_KEY: form,
    });
    const head = server.requests[0]?.head ?? "";
    const [, sent] = /^authorization: (.*?)\r?$/im.exec(head) ?? [];
    assert.equal(sent, `ApiKey ${KEY}`, form);
  }
  for (const wrong of ["{}", '{"id":"a"}', "a b", "“key”", "{broken"]) {
    assert.throws(() => openSink(elastic, { ...ENV, ELASTIC_API_KEY: wrong }));
  }
});

Deno.test("elastic: a name that is none for an index is a fault", () => {
  for (const name of ["Upper", "a b", "_x", "a/b", "a,b", "é".repeat(200)]) {
    assert.throws(() => openSink(elastic, { ...ENV, ELASTIC_INDEX: name }));
  }
});

Deno.test("elastic: native events keep their members on one line, what is no object goes in message", async () => {
  const lines = async (run: EventRun) => {
    const text = await body(run, { ELASTIC_FORMAT: "native" });
    const all = text.split("\n");
    assert.equal(all.length, 2 * run.count + 1);
    return all.filter((_, i) => i % 2 === 1);
  };
  const stamp = '{"@timestamp":"2026-03-13T00:00:00.123Z",';
  assert.deepEqual(
    await lines(
      hecRun(
        '{"event":{\r\n "a": "\\n{}",\n "b":[1,\n2]}}{"event":"x\\"y"}{"event":12}',
      ),
    ),
    [
      `${stamp} "a": "\\n{}", "b":[1,2]}`,
      `${stamp}"message":"x\\"y"}`,
      `${stamp}"message":12}`,
    ],
  );
  // Splunk's face takes no empty event; it may come by CrowdStrike's.
  for (const empty of ["{}", "{ \t}", "{\r\n }"]) {
    const [line] = await lines(hecRun(`{"event":${empty}}`, "ngsiem"));
    assert.deepEqual(JSON.parse(line ?? ""), {
      "@timestamp": "2026-03-13T00:00:00.123Z",
    });
  }
  const [raw] = await lines(rawRun(Uint8Array.of(0x61, 0x22, 0xff)));
  assert.deepEqual(JSON.parse(raw ?? "").message, 'a"\ufffd');
});

Deno.test("elastic: an event that is no OCSF event is one when it leaves", async () => {
  const text = await body(hecRun('{"event":{"a":1}}'));
  const document = JSON.parse(text.split("\n")[1] ?? "");
  assert.equal(document.class_uid, 0);
  assert.deepEqual(document.unmapped, { a: 1 });
  assert.equal(document["@timestamp"], "2026-03-13T00:00:00.123Z");
});

needsTestData("elastic: golden request of the seed", async (directory) => {
  const read = (name: string) =>
    Deno.readTextFileSync(`${directory}/seeds/${name}`).trim().split("\n");
  const events = read("elastic.event.ndjson");
  const text = await body(
    hecRun(events.map((event) => `{"event":${event}}`).join("")),
  );
  const sent = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  const golden = read("elastic.request.ndjson").map((line) => JSON.parse(line));
  // The one deliberate difference: `_id`.
  sent.forEach((line, i) => {
    if (i % 2 === 0) delete line.index._id;
  });
  assert.deepEqual(sent, golden);
  assert.deepEqual(
    sent.map((line) => Object.keys(line)),
    golden.map((line) => Object.keys(line)),
  );
});

Deno.test("elastic: the template for users flattens what is free", () => {
  const { index_patterns, data_stream, template } = JSON.parse(
    Deno.readTextFileSync("docs/elastic-index-template.json"),
  );
  assert.deepEqual([index_patterns, data_stream], [["arbitex-audit*"], {}]);
  const { properties } = template.mappings;
  assert.equal(properties["@timestamp"].type, "date");
  assert.deepEqual(properties.time, { type: "date", format: "epoch_millis" });
  assert.equal(properties.unmapped.type, "flattened");
});

// Answers ---------------------------------------------------------------------------------------------------------

const MIXED: readonly Item[] = [
  [201],
  [409, { type: "version_conflict_engine_exception", reason: "exists" }],
  [429, { type: "es_rejected_execution_exception", reason: "queue full" }],
  [400, {
    type: "mapper_parsing_exception",
    reason: "failed to parse",
    caused_by: { type: "x", reason: "no date" },
  }],
];

Deno.test("T26 elastic: 201 and 409 are there, 429 goes again alone, 400 is a dead letter", async () => {
  const { outcome } = await attempt(items(...MIXED), numbered(4), {
    ELASTIC_OP: "create",
  });
  assert.deepEqual(outcome, {
    kind: "retry",
    reason: "slow_down",
    message: "429 es_rejected_execution_exception: queue full",
    pending: [2],
    rejections: [{
      at: 3,
      reason: "rejected",
      message: "400 mapper_parsing_exception: failed to parse (no date)",
    }],
  });
  await withLoop(
    inTurn(items(...MIXED), taken),
    { ELASTIC_OP: "create" },
    async (rig, server) => {
      assert.equal(rig.state, "retrying");
      await nextAttempt(rig);
      const [first, second] = server.requests;
      assert.equal(idsOf(first).length, 4);
      assert.deepEqual(idsOf(second), [idsOf(first)[2]]);
      assert.ok(idsOf(second)[0]?.startsWith("create "));
      assert.equal(server.requests.length, 2);
      assert.equal(rig.books, "3 1 0 @1-4");
      assert.equal(rig.dead, "3");
      assert.equal(rig.state, "connected");
    },
  );
});

Deno.test("T27 elastic: a data stream and ELASTIC_OP=index is held, nothing dies", async () => {
  await withLoop(
    inTurn(all(4, [400, ONLY_CREATE])),
    { ELASTIC_OP: "index" },
    async (rig, server) => {
      assert.equal(rig.state, "held");
      assert.equal(rig.log.place.lastError?.reason, "config");
      assert.match(rig.log.place.lastError?.help ?? "", /ELASTIC_OP/);
      await rig.pass(60_000);
      assert.equal(server.requests.length, 2);
      assert.equal(rig.books, "0 0 0 @0-0");
    },
  );
});

Deno.test("T27 elastic: a data stream and auto goes on with create, remembered", async () => {
  const stream = (request: SeenRequest) =>
    idsOf(request)[0]?.startsWith("create ")
      ? taken(request)
      : all(idsOf(request).length, [400, ONLY_CREATE]);
  await withLoop(inTurn(stream), {}, async (rig, server) => {
    assert.match(rig.log.place.lastError?.message ?? "", /data stream/);
    await nextAttempt(rig);
    assert.equal(rig.books, "4 0 0 @1-4");
    rig.append("4");
    await rig.fleet.wake();
    assert.equal(rig.books, "5 0 0 @2-1");
    const [refused, again, later] = server.requests.map(idsOf);
    assert.deepEqual(
      again,
      refused?.map((id) => id.replace("index", "create")),
    );
    assert.ok(later?.[0]?.startsWith("create "));
    assert.equal(server.requests.length, 3);
  });
});

Deno.test("elastic: an event that quotes Elasticsearch's words is refused, nothing more", async () => {
  for (
    const reason of [
      `failed to parse field [x]: '${ONLY_CREATE.reason}'`,
      "Preview of field's value: 'pipeline with id [x] does not exist'",
    ]
  ) {
    const { outcome } = await attempt(
      items([201], [201], [201], [400, {
        type: "document_parsing_exception",
        reason,
      }]),
    );
    assert.ok(outcome.kind === "rejected");
    assert.deepEqual(outcome.rejections.map(({ at }) => at), [3]);
  }
});

Deno.test("elastic: all of a batch refused is held by the guard, until one is taken", async () => {
  const refused: Item = [400, { type: "mapper_parsing_exception" }];
  await withLoop(
    inTurn(all(4, refused), (request) => {
      const rest = idsOf(request).slice(4).map((): Item => [201]);
      return items(
        ...Array.from({ length: 4 }, () => refused),
        ...rest,
      );
    }),
    {},
    async (rig) => {
      assert.equal(rig.state, "held");
      assert.equal(rig.books, "0 0 0 @0-0");
      rig.append("good");
      await nextAttempt(rig);
      assert.equal(rig.books, "1 4 0 @2-1");
    },
  );
});

Deno.test("elastic: an event over several lines is wrapped on one", async () => {
  await using sink = openSink(elastic, {
    ELASTIC_URL: "http://127.0.0.1:9",
    ELASTIC_API_KEY: "a2V5",
  });
  const text = bodyText(sink, hecRun('{"event":{"a":\n[1,\r\n 2]}}'));
  assert.equal(text.split("\n").length, 3);
  assert.match(text, /,"unmapped":\{"a":\[1, 2\]\}\}\n$/);
});

Deno.test("T28 elastic: what the failure store took is delivered with a warning", async () => {
  const { outcome } = await attempt(
    items([201], [201, undefined, { failure_store: "used" }], [201], [201]),
  );
  assert.ok(outcome.kind === "delivered");
  assert.match(outcome.warning ?? "", /^1 of 4 events .*failure store/);
  assert.equal(outcome.aside, 1);
});

Deno.test("T28 elastic: the failure store counts beside refusals and what goes again", async () => {
  const aside = [201, undefined, { failure_store: "used" }] as const;
  for (const other of [[400, { type: "x", reason: "no" }], [429]] as const) {
    const { outcome } = await attempt(items(aside, aside, [201], other));
    assert.ok(outcome.kind === "rejected" || outcome.kind === "retry");
    assert.equal(outcome.aside, 2);
    assert.match(outcome.warning ?? "", /^2 of 4 events .*failure store/);
  }
});

Deno.test("T29 elastic: items all 403 hold the connector, nothing dies", async () => {
  await withLoop(inTurn(all(4, [403, DENIED])), {}, async (rig) => {
    await Promise.resolve();
    assert.equal(rig.state, "held");
    assert.equal(rig.log.place.lastError?.reason, "forbidden");
    assert.match(rig.log.place.lastError?.help ?? "", /arbitex-audit/);
    assert.equal(rig.books, "0 0 0 @0-0");
  });
});

Deno.test("elastic: what is held beside what was taken is held alone", async () => {
  await withLoop(
    inTurn(
      items([201], [403, DENIED], [201], [400, { type: "x", reason: "no" }]),
      (request) => all(idsOf(request).length, [403, DENIED]),
    ),
    {},
    async (rig, server) => {
      assert.equal(rig.state, "held");
      assert.deepEqual(server.requests.map((r) => idsOf(r).length), [4, 1]);
      assert.equal(rig.books, "1 0 0 @1-1");
      await nextAttempt(rig);
      assert.equal(rig.books, "1 0 0 @1-1");
    },
  );
});

Deno.test("T30 elastic: a blocked cluster is weather whose words speak of the disk", async () => {
  const block = {
    type: "cluster_block_exception",
    reason: "index [arbitex-audit] blocked by: [TOO_MANY_REQUESTS/12/disk]",
  };
  for (const status of [403, 429]) {
    for (
      const reply of [
        all(4, [status, block]),
        answer(status, { error: block, status }),
      ]
    ) {
      const { outcome } = await attempt(reply);
      assert.ok(outcome.kind === "retry");
      assert.equal(outcome.reason, "server");
      assert.match(outcome.message, /disk is full/);
    }
  }
  const { outcome } = await attempt(
    answer(429, { error: block, status: 429 }, { "retry-after": "7" }),
  );
  assert.ok(outcome.kind === "retry");
  assert.equal(outcome.after, 7_000);
});

Deno.test("T31 elastic: cut after the body was sent, then there already: no duplicate, no dead letter", async () => {
  for (
    const [op, again] of [["index", [200]], ["create", [409, {
      type: "version_conflict_engine_exception",
      reason: "document already exists",
    }]]] as const
  ) {
    await withLoop(
      inTurn("cut", all(4, again)),
      { ELASTIC_OP: op },
      async (rig, server) => {
        assert.equal(rig.log.place.lastError?.reason, "cut");
        await nextAttempt(rig);
        assert.equal(rig.books, "4 0 0 @1-4");
        const [first, second] = server.requests.map(idsOf);
        assert.deepEqual(first, second);
        assert.equal(new Set(first).size, 4);
      },
    );
  }
});

Deno.test("T32 elastic: 413 halves the batch", async () => {
  const { outcome } = await attempt(answer(413));
  assert.ok(outcome.kind === "split");
  assert.equal(outcome.reason, "too_large");
});

Deno.test("T33 elastic: a web page, or 200 without items, is no bulk API", async () => {
  for (
    const reply of [
      answer(200, "<html>Kibana", { "content-type": "text/html" }),
      answer(200, { ok: true }),
      answer(200, "taken"),
    ]
  ) {
    const { outcome } = await attempt(reply);
    assert.ok(outcome.kind === "held");
    assert.equal(outcome.reason, "not_collector");
  }
});

Deno.test("elastic: as many items as events, or all go again", async () => {
  for (const count of [0, 3, 5]) {
    const { outcome } = await attempt(all(count, [201]));
    assert.ok(outcome.kind === "retry");
    assert.equal(outcome.reason, "unclear");
    assert.equal(outcome.pending, undefined);
  }
});

Deno.test("elastic: each item's status has its meaning", async () => {
  const missing = {
    type: "illegal_argument_exception",
    reason: "pipeline with id [p] does not exist",
  };
  const table: [Item, Outcome["kind"], string | undefined][] = [
    [[200], "delivered", undefined],
    [[404, { type: "index_not_found_exception" }], "held", "config"],
    [[400, missing], "held", "config"],
    [[401, { type: "security_exception" }], "held", "auth"],
    [[429, { type: "circuit_breaking_exception" }], "retry", "slow_down"],
    [[503, { type: "unavailable_shards_exception" }], "retry", "server"],
    [[409, { type: "other" }], "rejected", undefined],
    [
      [400, { type: "illegal_argument_exception", reason: "Limit of total" }],
      "rejected",
      undefined,
    ],
  ];
  for (const [item, kind, reason] of table) {
    const { outcome } = await attempt(all(4, item));
    assert.equal(outcome.kind, kind, String(item[0]));
    if (reason !== undefined) {
      assert.ok("reason" in outcome);
      assert.equal(outcome.reason, reason);
    }
  }
  const whole = await attempt(answer(400, { error: missing, status: 400 }));
  assert.ok(whole.outcome.kind === "held" && whole.outcome.reason === "config");
  const odd = await attempt(
    answer(200, { items: [{}, null, 7, { index: {} }] }),
  );
  assert.ok(odd.outcome.kind === "retry");
  assert.deepEqual(odd.outcome.pending, [0, 1, 2, 3]);
});

Deno.test("elastic: places are those of the run where an event had no wire form before it", async () => {
  await using server = new ScriptedServer(inTurn(items([400, {}], [201])));
  await using sink = openSink(elastic, {
    ...ENV,
    ELASTIC_URL: `http://127.0.0.1:${server.port}`,
  });
  const batch = new BatchBuffer({ ...sink.limits, eventBytes: 1_000 });
  const big = JSON.stringify("x".repeat(1_000));
  const events = [big, "1", big, "2"].map((one) => `{"event":${one}}`);
  sink.encode(hecRun(events.join("\n")), batch);
  const outcome = await sink.deliver(batch, AbortSignal.timeout(20_000));
  assert.ok(outcome.kind === "rejected");
  assert.deepEqual(outcome.rejections.map(({ at }) => at), [1]);
});

Deno.test("elastic: an answer of more than 1 MiB is read, words are shortened, an echoed key is blanked", async () => {
  const reason = `${KEY} ${"x".repeat(400_000)}`;
  const { outcome } = await attempt(all(4, [400, { type: "t", reason }]));
  assert.ok(outcome.kind === "rejected");
  const [first] = outcome.rejections;
  assert.equal(Array.from(first?.message ?? "").length, 300);
  assert.ok(!JSON.stringify(outcome).includes(KEY));
});

// Test ------------------------------------------------------------------------------------------------------------

/** The steps of a connection test, and what was asked. */
async function tested(env: Env, ...answers: string[]) {
  await using server = new ScriptedServer(inTurn(...answers));
  await using sink = openSink(elastic, {
    ...ENV,
    ELASTIC_URL: `http://127.0.0.1:${server.port}/es/_bulk`,
    ...env,
  });
  const steps = await Array.fromAsync(sink.test(AbortSignal.timeout(20_000)));
  return {
    steps: steps.map(({ name, ok }) => `${name} ${ok}`),
    last: steps.at(-1)?.detail ?? "",
    asked: server.requests.map(({ head, body }) =>
      `${head.split(" HTTP")[0]} ${new TextDecoder().decode(body)}`.trim()
    ),
  };
}

const WHO = answer(200, { username: "hecate", authentication_type: "api_key" });
const MAY = answer(200, { username: "hecate", has_all_requested: true });

Deno.test("elastic test(): key, privilege and pipeline are asked for, no event is sent", async () => {
  const good = await tested({ ELASTIC_PIPELINE: "p/1" }, WHO, MAY, answer(200));
  assert.deepEqual(good.steps, [
    "address true",
    "connection true",
    "login true",
    "login true",
    "login true",
  ]);
  assert.deepEqual(good.asked, [
    "GET /es/_security/_authenticate",
    'POST /es/_security/user/_has_privileges {"index":[{"names":["arbitex-audit"],"privileges":["index"]}]}',
    "GET /es/_ingest/pipeline/p%2F1",
  ]);
  const create = await tested({ ELASTIC_OP: "create" }, WHO, MAY);
  assert.match(create.asked[1] ?? "", /\["create_doc"\]/);
  assert.equal(create.asked.length, 2);
});

Deno.test("elastic test(): the step that fails says what to do", async () => {
  const key = await tested({}, answer(401, { error: DENIED, status: 401 }));
  assert.equal(key.steps.at(-1), "login false");
  assert.match(key.last, /API key was refused/);
  const kibana = await tested({}, answer(200, { name: "kibana" }));
  assert.equal(kibana.steps.at(-1), "login false");
  const may = await tested({}, WHO, answer(200, { has_all_requested: false }));
  assert.equal(may.steps.at(-1), "login false");
  assert.match(may.last, /lacks the privilege index on arbitex-audit/);
  const env = { ELASTIC_PIPELINE: "p" };
  const gone = await tested(env, WHO, MAY, answer(404, {}));
  assert.match(gone.last, /no pipeline p/);
  const hidden = await tested(env, WHO, MAY, answer(403, { error: DENIED }));
  assert.equal(hidden.steps.at(-1), "login true");
  const off = answer(400, { error: "no handler found for uri [/_security]" });
  assert.equal((await tested({}, off)).steps.at(-1), "login true");
});
