import assert from "node:assert/strict";
import { filterPath } from "../../../lib/demo/filter_path.ts";
import type { ElasticOptions } from "../../../lib/demo/protocols/elastic.ts";
import { type DemoSiem, startDemoSiem } from "../../../lib/demo/siem.ts";

const open = (options: Partial<ElasticOptions> = {}) =>
  startDemoSiem({ targets: { elastic: { protocol: "elastic", ...options } } });

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

async function ask(
  siem: DemoSiem,
  path: string,
  init: RequestInit & { readonly headers?: Record<string, string> } = {},
): Promise<{ readonly status: number; readonly body: string }> {
  const { url, token } = siem.target("elastic");
  const reply = await fetch(url + path, {
    ...init,
    headers: { authorization: `ApiKey ${token}`, ...init.headers },
  });
  return { status: reply.status, body: await reply.text() };
}

const bulk = (
  siem: DemoSiem,
  body: string,
  path = "/_bulk",
  type = "application/x-ndjson",
) =>
  ask(siem, path, { method: "POST", body, headers: { "content-type": type } });

/** Lines of a bulk request: `create x` or `index x` with a document. */
const lines = (op: string, ...documents: readonly [string, string][]) =>
  documents.map(([id, document]) =>
    `{"${op}":{"_index":"logs","_id":"${id}"}}\n${document}\n`
  ).join("");

const DOCUMENT = '{"@timestamp":"2026-03-13T00:00:00.123Z","n":1.0}';

/** Status and error type of each item. */
async function items(
  posted: Promise<{ readonly status: number; readonly body: string }>,
): Promise<unknown[]> {
  const { status, body } = await posted;
  assert.equal(status, 200, body);
  const content: {
    readonly errors: boolean;
    readonly items: readonly Record<
      string,
      {
        readonly status: number;
        readonly error?: { readonly type: string; readonly reason: string };
      }
    >[];
  } = JSON.parse(body);
  const each = content.items.flatMap((item) => Object.values(item));
  assert.equal(content.errors, each.some((one) => one.error !== undefined));
  return each.map((one) =>
    one.error === undefined ? one.status : [one.status, one.error.type]
  );
}

Deno.test("elastic target takes documents, and knows their ids again", async () => {
  await using siem = await open();
  const two = lines("create", ["a", DOCUMENT], ["b", '{"x":"é"}']);
  assert.deepEqual(await items(bulk(siem, two)), [201, 201]);
  assert.deepEqual(await items(bulk(siem, two)), [
    [409, "version_conflict_engine_exception"],
    [409, "version_conflict_engine_exception"],
  ]);
  assert.deepEqual(
    await items(bulk(siem, lines("index", ["a", DOCUMENT], ["c", "{}"]))),
    [200, 201],
  );
  assert.deepEqual(
    await items(bulk(siem, lines("create", ["d", "{}"], ["d", "{}"]))),
    [201, [409, "version_conflict_engine_exception"]],
  );
  const target = siem.target("elastic");
  assert.deepEqual(
    target.received.map((one) => text(one.event)),
    [DOCUMENT, '{"x":"é"}', DOCUMENT, "{}", "{}"],
  );
  assert.equal(
    text(target.received[0]?.envelope),
    `{"action":"create","index":"logs","id":"a","document":${DOCUMENT}}`,
  );
  assert.deepEqual(target.complaints, []);
});

Deno.test("elastic data stream takes create alone, with @timestamp", async () => {
  await using siem = await open({ dataStream: true });
  const { body } = await bulk(siem, lines("index", ["a", DOCUMENT]));
  assert.match(
    body,
    /only write ops with an op_type of create are allowed in data streams/,
  );
  assert.deepEqual(
    await items(
      bulk(siem, lines("create", ["a", DOCUMENT], ["b", '{"n":1}'])),
    ),
    [201, [400, "document_parsing_exception"]],
  );
});

Deno.test("elastic target refuses documents that it cannot parse", async () => {
  await using siem = await open();
  const bad = [
    ["a", "[]"],
    ["b", '{"n":}'],
    ["c", '{"o":{"x":1,"y":[{"x":2}],"x":3}}'],
    ["d", '{"o":{"x":1},"p":{"x":"\\"x\\":"}}'],
  ] as const;
  assert.deepEqual(
    await items(
      bulk(
        siem,
        lines("index", ...bad.map(([i, d]) => [i, d] as [string, string])),
      ),
    ),
    [
      [400, "document_parsing_exception"],
      [400, "document_parsing_exception"],
      [400, "document_parsing_exception"],
      201,
    ],
  );
});

Deno.test("elastic target checks index, pipeline and privileges", async () => {
  await using siem = await open({
    indexes: ["logs"],
    pipelines: ["clean"],
    privileges: ["create_doc"],
  });
  const create = lines("create", ["a", DOCUMENT]);
  assert.deepEqual(
    await items(bulk(siem, create.replace("logs", "other"))),
    [[404, "index_not_found_exception"]],
  );
  assert.deepEqual(await items(bulk(siem, lines("index", ["a", "{}"]))), [
    [403, "security_exception"],
  ]);
  assert.deepEqual(
    await items(bulk(siem, create, "/_bulk?pipeline=nothing")),
    [[400, "illegal_argument_exception"]],
  );
  assert.deepEqual(
    await items(bulk(siem, create, "/_bulk?require_data_stream=true")),
    [[404, "index_not_found_exception"]],
  );
  assert.deepEqual(
    await items(bulk(siem, create, "/_bulk?pipeline=clean")),
    [201],
  );
});

const malformed: readonly [string, string, RegExp][] = [
  ["without a last newline", '{"index":{"_index":"x"}}\n{}', /terminated by a/],
  ["without a document", '{"index":{"_index":"x"}}\n', /no document/],
  ["with a blank line", '\n{"index":{"_index":"x"}}\n{}\n\n', /Malformed act/],
  [
    "with another action",
    '{"delete":{"_index":"x"}}\n{}\n',
    /Malformed action/,
  ],
  ["without an index", '{"index":{}}\n{}\n', /index is missing/],
  ["with a long id", lines("index", ["x".repeat(513), "{}"]), /too long/],
  ["of nothing", "", /request body is required/],
];
for (const [name, body, reason] of malformed) {
  Deno.test(`elastic target refuses a bulk ${name}`, async () => {
    await using siem = await open();
    const got = await bulk(siem, body);
    assert.equal(got.status, 400);
    assert.match(got.body, reason);
    assert.equal(siem.target("elastic").count, 0);
  });
}

Deno.test("elastic target checks key, content type and size", async () => {
  await using siem = await open({ maxBody: 100 });
  const good = lines("index", ["a", "{}"]);
  assert.equal(
    (await bulk(siem, good, "/_bulk", "text/plain")).status,
    406,
  );
  const other = await ask(siem, "/_bulk", {
    method: "POST",
    body: good,
    headers: { authorization: "ApiKey eDp5" },
  });
  assert.equal(other.status, 401);
  assert.match(other.body, /security_exception/);
  const long = await bulk(
    siem,
    lines("index", ["a", `{"x":"${"x".repeat(100)}"}`]),
  );
  assert.deepEqual([long.status, long.body], [413, ""]);
});

Deno.test("elastic faults: items by name, whole answers, and ids that stay free", async () => {
  await using siem = await open();
  const three = lines("create", ["a", "{}"], ["b", "{}"], ["c", "{}"]);
  siem.fault("elastic", { kind: "status", status: 503 }, { requests: 1 });
  assert.equal((await bulk(siem, three)).status, 503);
  siem.fault("elastic", {
    kind: "reject",
    events: 2,
    as: "es_rejected_execution_exception",
  }, { requests: 1 });
  assert.deepEqual(await items(bulk(siem, three)), [
    201,
    [429, "es_rejected_execution_exception"],
    201,
  ]);
  siem.fault("elastic", {
    kind: "reject",
    events: 1,
    as: "cluster_block_exception:429",
  }, { requests: 1 });
  const b = lines("create", ["b", "{}"]);
  assert.deepEqual(await items(bulk(siem, b)), [
    [429, "cluster_block_exception"],
  ]);
  siem.fault("elastic", { kind: "reject", events: 1, as: "failure_store" }, {
    requests: 1,
  });
  const { body } = await bulk(siem, b);
  assert.match(body, /"errors":false/);
  assert.match(body, /"failure_store":"used"/);
  siem.fault("elastic", { kind: "cut" }, { requests: 1 });
  await assert.rejects(bulk(siem, lines("create", ["d", "{}"])));
  assert.deepEqual(await items(bulk(siem, lines("create", ["d", "{}"]))), [
    [409, "version_conflict_engine_exception"],
  ]);
  assert.equal(siem.target("elastic").count, 4);
});

Deno.test("filterPath() keeps what is named; what is left empty vanishes", async () => {
  const answer = {
    took: 1,
    errors: true,
    items: [
      { index: { _id: "a", status: 201 } },
      { index: { _id: "b", status: 400, error: { type: "t", reason: "r" } } },
    ],
  };
  assert.deepEqual(filterPath(answer, "errors,items.*.status,items.*.error"), {
    errors: true,
    items: [
      { index: { status: 201 } },
      { index: { status: 400, error: { type: "t", reason: "r" } } },
    ],
  });
  // The trap: without the status the first item is gone and the second takes its place.
  assert.deepEqual(filterPath(answer, "items.*.error.type"), {
    items: [{ index: { error: { type: "t" } } }],
  });
  assert.equal(filterPath(answer, "nothing"), undefined);
  await using siem = await open();
  const { body } = await bulk(
    siem,
    lines("index", ["a", "{}"]),
    "/_bulk?filter_path=errors,items.*.status,items.*.error",
  );
  assert.equal(body, '{"errors":false,"items":[{"index":{"status":201}}]}');
});

Deno.test("elastic target answers a connection test", async () => {
  await using siem = await open({
    pipelines: ["clean"],
    privileges: ["create_doc"],
  });
  const who = await ask(siem, "/_security/_authenticate");
  assert.equal(who.status, 200);
  const may = async (privilege: string) => {
    const { body } = await ask(siem, "/_security/user/_has_privileges", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        index: [{ names: ["logs"], privileges: [privilege] }],
      }),
    });
    return JSON.parse(body).has_all_requested;
  };
  assert.deepEqual([await may("create_doc"), await may("index")], [
    true,
    false,
  ]);
  assert.equal((await ask(siem, "/_ingest/pipeline/clean")).status, 200);
  assert.equal((await ask(siem, "/_ingest/pipeline/other")).status, 404);
  assert.equal((await ask(siem, "/_nothing")).status, 400);
});
