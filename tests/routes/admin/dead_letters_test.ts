import { deepEqual, equal, match, ok } from "node:assert/strict";
import { ADMIN, AdminRig } from "../../support/admin_rig.ts";

const DEAD = "/dead-letters";

async function books(admin: AdminRig, connector: string): Promise<string> {
  const { json } = await admin.get(`/connectors/${connector}/books`);
  equal(json.difference, 0);
  const { accepted, delivered, filtered, dead, discarded, waiting, expired } =
    json;
  equal(
    accepted,
    delivered + filtered + dead + discarded + waiting + expired,
  );
  return `${accepted}: ${delivered} delivered, ${dead} dead, ${discarded} discarded`;
}

Deno.test("GET dead-letters lists newest first, page by page", async () => {
  await using admin = await AdminRig.open();
  const { rig } = admin;
  const [one = ""] = await rig.kill("a", ['{"n":1}'], {
    error: "HTTP 400: no",
    attempts: 3,
  });
  rig.clock.advance(1_000);
  const [two = ""] = await rig.kill("a", ["2"]);
  const { status, json } = await admin.get(`${DEAD}?limit=1`);
  equal(status, 200);
  deepEqual(json.items.map(({ id }: { id: string }) => id), [`${two}@a`]);
  equal(typeof json.next, "string");
  const second = await admin.get(`${DEAD}?limit=1&cursor=${json.next}`);
  deepEqual(second.json, {
    items: [{
      id: `${one}@a`,
      connector: "a",
      timestamp: "2026-03-13T00:00:00.000Z",
      reason: "rejected",
      error: "HTTP 400: no",
      attempts: 3,
      bytes: 7,
      expires_at: "2026-04-12T00:00:00.000Z",
      preview: '{"n":1}',
    }],
    next: null,
  });
  const { json: none } = await admin.get(`${DEAD}?connector=nobody`);
  deepEqual(none, { items: [], next: null });
});

Deno.test("GET dead-letters/{id} shows the event last, byte for byte, whatever stands in it", async () => {
  await using admin = await AdminRig.open(["a"]);
  const { rig } = admin;
  const hostile = [
    '{"big":12345678901234567890,"f":1.0,"dup":1,"dup":2,"u":"\\u0041\\/"}',
    '{\r\n  "printed":  [1,\n2]\r\n}',
    '"</script><img src=x>\\u0000\\ud800"',
    '{"__proto__":{"x":1},"constructor":1,"é😀":"\\"}{"}',
    "-1.0E+400",
  ];
  for (const event of hostile) {
    const [id = ""] = await rig.append([event], 'h"\\ost');
    await rig.settle("a", { error: 'HTTP 413, said "\n<b>"', attempts: 2 });
    const { text, json, headers } = await admin.get(`${DEAD}/${id}@a`);
    equal(headers.get("Content-Type"), "application/json");
    ok(text.endsWith(`,"event":${event}}`), text);
    equal(json.id, `${id}@a`);
    deepEqual(json.answer, { status: 413, message: 'HTTP 413, said "\n<b>"' });
    deepEqual(json.envelope, { host: 'h"\\ost' });
    const encoded = await admin.get(`${DEAD}/${id}%40a`);
    equal(encoded.text, text);
  }
  for (
    const [error, status, message] of [
      ['400: {"code":6}', 400, '{"code":6}'],
      ["413", 413, ""],
      ["400, no", 400, "no"],
      ["503:x", 503, "x"],
      ["2026 things", null, "2026 things"],
      ["4000: no", null, "4000: no"],
      ["cut", null, "cut"],
    ] as const
  ) {
    const [id = ""] = await rig.kill("a", ["1"], { error });
    const { json: { answer } } = await admin.get(`${DEAD}/${id}@a`);
    deepEqual(answer, { status, message });
  }
  for (const id of ["x", "x@a", "@a", `${"0".repeat(20)}-0@a`, "%00@a", "@"]) {
    const { status, json } = await admin.get(`${DEAD}/${id}`);
    equal(status, 404);
    match(json.type, /\/problems\/not-found$/);
  }
});

Deno.test("GET dead-letters as NDJSON: oldest first, the seed's keys in their order, an import takes it", async () => {
  await using admin = await AdminRig.open();
  const { rig } = admin;
  const events = ['{"a": 1.0}', '{\n "b":\r\n"x" }', '"text"'];
  const ids: string[] = [];
  for (const event of events) {
    ids.push(...await rig.append([event], "h"));
    await rig.settle("a", { error: "no", attempts: 4 });
    await rig.settle("b", { at: [] });
    rig.clock.advance(1);
  }
  const text = await admin.export();
  const lines = text.trimEnd().split("\n");
  equal(lines.length, 3);
  equal(
    lines[0],
    `{"timestamp":"2026-03-13T00:00:00.000Z","connector":"a","error":"no","event":{"a": 1.0},` +
      `"reason":"rejected","attempts":4,"envelope":{"host":"h"},"id":"${
        ids[0]
      }"}`,
  );
  ok(lines[1]?.includes('"event":{  "b": "x" },'));
  equal(await admin.export("?connector=b"), "");
  // What is there already is skipped, also without its id.
  const bare = lines.map((line) => {
    const { timestamp, connector, error } = JSON.parse(line);
    const event = line.slice(
      line.indexOf('"event":') + 8,
      line.indexOf(',"reason"'),
    );
    return `{"event":${event},"error":${
      JSON.stringify(error)
    },"connector":"${connector}","timestamp":"${timestamp}"}`;
  }).join("\n");
  for (const body of [text, bare]) {
    const { status, json } = await admin.post(`${DEAD}/import`, body);
    equal(status, 200);
    deepEqual(json, { imported: 0, skipped: 3, errors: [] });
  }
  equal(await books(admin, "a"), "3: 0 delivered, 3 dead, 0 discarded");
  const done = await admin.post(`${DEAD}/discard`, { filter: {}, expect: 3 });
  deepEqual(done.json, { discarded: 3 });
  equal(await admin.export(), "");
  const again = await admin.post(`${DEAD}/import`, text);
  deepEqual(again.json, { imported: 3, skipped: 0, errors: [] });
  equal(await admin.export(), text);
  equal(await books(admin, "a"), "6: 0 delivered, 3 dead, 3 discarded");
  await admin.post(`${DEAD}/discard`, { filter: {}, expect: 3 });
  // Without ids they get their own, the same each time.
  deepEqual((await admin.post(`${DEAD}/import`, bare)).json.imported, 3);
  deepEqual((await admin.post(`${DEAD}/import`, bare)).json.skipped, 3);
  const made: string[] = (await admin.get(DEAD)).json.items
    .map(({ id }: { id: string }) => id);
  for (const id of made) match(id, /^import-[0-9a-f]{24}@a$/);
  equal(
    (await admin.export()).split('"event":')[1]?.slice(0, 10),
    '{"a": 1.0}',
  );
});

Deno.test("POST dead-letters/import: what a replay delivered is not taken in again", async () => {
  await using admin = await AdminRig.open(["a"]);
  const { rig } = admin;
  const [id = ""] = await rig.kill("a", ['{"x":1}']);
  const text = await admin.export();
  await rig.dead.end("a", [id], "delivered", { at: rig.clock.now() });
  const { timestamp, connector, error, event } = JSON.parse(text);
  const seed = JSON.stringify({ timestamp, connector, error, event });
  for (const body of [text, seed]) {
    const { json } = await admin.post(`${DEAD}/import`, body);
    deepEqual(json, { imported: 0, skipped: 1, errors: [] });
  }
  equal(await books(admin, "a"), "1: 1 delivered, 0 dead, 0 discarded");
  // Nor what was delivered at once, but what was not.
  const [had = "", other = ""] = await rig.append(["1", "2"]);
  await rig.settle("a", { at: [1] });
  await rig.dead.discard({ filter: {} }, 1, rig.clock.now());
  const lines = [had, other].map((id) =>
    JSON.stringify({ ...JSON.parse(text), id })
  );
  const { json } = await admin.post(`${DEAD}/import`, lines.join("\n"));
  deepEqual(json, { imported: 1, skipped: 1, errors: [] });
  const { json: { items } } = await admin.get(DEAD);
  deepEqual(items.map(({ id }: { id: string }) => id), [`${other}@a`]);
});

Deno.test("POST dead-letters/import: an event that waits is left to its connector, another relay's id gets a name of ours", async () => {
  await using admin = await AdminRig.open(["a"]);
  const { rig } = admin;
  const [id = ""] = await rig.append(["1"]);
  const line = (id: string) =>
    `{"timestamp":"2026-01-01T00:00:00+01:00","connector":"a","error":"e","event":[],"id":"${id}"}`;
  const { json } = await admin.post(
    `${DEAD}/import`,
    [line(id), line("ffffffffffffffff0000-3"), line("opaque-id-1")].join("\n"),
  );
  deepEqual(json, { imported: 2, skipped: 1, errors: [] });
  const { json: { items } } = await admin.get(DEAD);
  const names: string[] = items.map(({ id }: { id: string }) => id).toSorted();
  match(names[0] ?? "", /^import-[0-9a-f]{24}@a$/);
  equal(names[1], "opaque-id-1@a");
  equal(items[0].timestamp, "2025-12-31T23:00:00.000Z");
  ok(
    (await admin.export()).includes('"timestamp":"2026-01-01T00:00:00+01:00"'),
  );
  equal(await books(admin, "a"), "3: 0 delivered, 2 dead, 0 discarded");
});

Deno.test("POST dead-letters/import: lines stand alone; all wrong is 422", async () => {
  await using admin = await AdminRig.open();
  const good = {
    timestamp: "2026-03-13T00:00:00Z",
    connector: "a",
    error: "Connection refused",
    event: { user: "ann" },
  };
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["{", /JSON/],
    ["[]", /object/],
    ['"x"', /object/],
    [JSON.stringify({ ...good, timestamp: "yesterday" }), /timestamp/],
    [JSON.stringify({ ...good, timestamp: 5 }), /timestamp/],
    [
      JSON.stringify({ ...good, timestamp: "2026-02-30T00:00:00Z" }),
      /timestamp/,
    ],
    [
      JSON.stringify({ ...good, timestamp: "0001-01-01T00:00:00Z" }),
      /timestamp/,
    ],
    [JSON.stringify({ ...good, connector: "nobody" }), /nobody/],
    [JSON.stringify({ ...good, connector: null }), /connector/],
    [JSON.stringify({ ...good, error: 1 }), /error/],
    [JSON.stringify({ ...good, event: undefined }), /event/],
    [JSON.stringify({ ...good, event: "x".repeat(716_800) }), /event/],
    [JSON.stringify({ ...good, id: "NO" }), /id/],
    [JSON.stringify({ ...good, id: "a@b" }), /id/],
    [JSON.stringify({ ...good, id: 1 }), /id/],
    [JSON.stringify({ ...good, attempts: "x" }), /attempts/],
    [JSON.stringify({ ...good, attempts: -1 }), /attempts/],
    [JSON.stringify({ ...good, reason: "<b>" }), /reason/],
    [JSON.stringify({ ...good, envelope: [] }), /envelope/],
    [JSON.stringify({ ...good, envelope: { host: {} } }), /envelope/],
    [`${JSON.stringify(good)} {}`, /JSON/],
  ];
  for (const [line, detail] of wrong) {
    const { status, json } = await admin.post(`${DEAD}/import`, line);
    equal(status, 422, line.slice(0, 200));
    match(json.type, /invalid-fields$/);
    equal(json.errors[0].line, 1);
    match(json.errors[0].detail, detail);
  }
  const body = [
    "",
    ...wrong.map(([line]) => line),
    "  ",
    JSON.stringify(good),
    "\r",
    JSON.stringify({ ...good, connector: "b", extra: 1, reason: "too_large" }),
    JSON.stringify(good),
  ].join("\r\n");
  const { status, json } = await admin.post(`${DEAD}/import`, body);
  equal(status, 200);
  deepEqual([json.imported, json.skipped], [2, 1]);
  deepEqual(
    json.errors.map(({ line }: { line: number }) => line),
    wrong.map((_, n) => n + 2),
  );
  equal(await books(admin, "a"), "1: 0 delivered, 1 dead, 0 discarded");
  equal((await admin.post(`${DEAD}/import`, "")).status, 200);
});

Deno.test("POST dead-letters/import takes the largest events, with long envelopes", async () => {
  await using admin = await AdminRig.open(["a"]);
  const event = "x".repeat(716_700);
  const host = "h".repeat(9_000);
  const line = JSON.stringify({
    timestamp: "2026-03-13T00:00:00Z",
    connector: "a",
    error: "e".repeat(100_000),
    event,
    envelope: { host, fields: { long: "f".repeat(9_000) }, time: 1.5 },
  });
  const small = line.replace(event, "small");
  const { json } = await admin.post(
    `${DEAD}/import`,
    [small, line, small.replace("small", "other")].join("\n"),
  );
  deepEqual(json, { imported: 3, skipped: 0, errors: [] });
  const { json: { items } } = await admin.get(`${DEAD}?contains=xxx`);
  equal(items.length, 1);
  equal(items[0].bytes, event.length + 2);
  const shown = await admin.get(`${DEAD}/${items[0].id}`);
  equal(shown.json.event, event);
  equal(shown.json.envelope.host, host);
  const done = await admin.post(`${DEAD}/discard`, { filter: {}, expect: 3 });
  deepEqual(done.json, { discarded: 3 });
  const left = [];
  for await (
    const { key } of admin.rig.log.store.kv.list({ prefix: ["deadpart"] })
  ) {
    left.push(key);
  }
  deepEqual(left, []);
});

Deno.test("POST dead-letters/discard wants the count; another one does nothing", async () => {
  await using admin = await AdminRig.open();
  const { rig } = admin;
  const ids = await rig.kill("a", ["1", "2", "3"]);
  const many = await admin.post(`${DEAD}/discard`, { filter: {}, expect: 2 });
  equal(many.status, 409);
  match(many.json.type, /count-changed$/);
  deepEqual([many.json.expected, many.json.found], [2, 3]);
  equal(many.headers.get("Content-Type"), "application/problem+json");
  const wrong: readonly (readonly [unknown, string])[] = [
    [{ filter: {} }, "#/expect"],
    [{ filter: {}, expect: "3" }, "#/expect"],
    [{ filter: {}, expect: -1 }, "#/expect"],
    [{ filter: {}, expect: 1.5 }, "#/expect"],
    [{ expect: 3 }, "#"],
    [{ filter: {}, ids: [], expect: 3 }, "#"],
    [{ filter: [], expect: 3 }, "#/filter"],
    [{ filter: null, expect: 3 }, "#/filter"],
    [{ filter: { conector: "a" }, expect: 3 }, "#/filter/conector"],
    [{ filter: { "a/b~": "a" }, expect: 3 }, "#/filter/a~1b~0"],
    [{ filter: { connector: 1 }, expect: 3 }, "#/filter/connector"],
    [{ filter: { from: "today" }, expect: 3 }, "#/filter/from"],
    [{ filter: {}, expect: 3, dry_run: true }, "#/dry_run"],
    [{ ids: "x", expect: 1 }, "#/ids"],
    [{ ids: [`${ids[0]}@a`, "x"], expect: 1 }, "#/ids/1"],
    [[], "#"],
    ["text", "#"],
  ];
  for (const [body, pointer] of wrong) {
    const { status, json } = await admin.post(
      `${DEAD}/discard`,
      JSON.stringify(body),
    );
    equal(status, 422, JSON.stringify(body));
    const pointers = json.errors.map(({ pointer }: { pointer: string }) =>
      pointer
    );
    ok(pointers.includes(pointer), `${JSON.stringify(body)}: ${pointers}`);
  }
  for (const body of ["{", "{}x", "\ufeff{}", '{"a":1']) {
    const { status, json } = await admin.post(`${DEAD}/discard`, body);
    equal(status, 400);
    match(json.type, /invalid-json$/);
  }
  const large = await admin.post(`${DEAD}/discard`, " ".repeat((16 << 20) + 1));
  equal(large.status, 413);
  match(large.json.type, /too-large$/);
  equal(await books(admin, "a"), "3: 0 delivered, 3 dead, 0 discarded");
  const two = await admin.post(`${DEAD}/discard`, {
    ids: [`${ids[0]}@a`, `${ids[2]}@a`, `${ids[0]}@a`],
    expect: 2,
  });
  deepEqual(two.json, { discarded: 2 });
  equal(await books(admin, "a"), "3: 0 delivered, 1 dead, 2 discarded");
});

Deno.test("POST dead-letters/discard while others die at the same time loses none", async () => {
  await using admin = await AdminRig.open(["a"]);
  const { rig } = admin;
  await rig.kill("a", Array.from({ length: 300 }, (_, n) => `${n}`));
  rig.clock.advance(1);
  const filter = { to: new Date(rig.clock.now()).toISOString() };
  const [discarded] = await Promise.all([
    admin.post(`${DEAD}/discard`, { filter, expect: 300 }),
    (async () => {
      for (let n = 0; n < 20; n++) {
        await rig.kill("a", [`${n}`, `{"late":${n}}`]);
        await books(admin, "a");
      }
    })(),
  ]);
  deepEqual(discarded.json, { discarded: 300 });
  equal(await books(admin, "a"), "340: 0 delivered, 40 dead, 300 discarded");
  equal((await admin.export()).trimEnd().split("\n").length, 40);
});

Deno.test("two discards of the same letters count each once", async () => {
  await using admin = await AdminRig.open(["a"]);
  await admin.rig.kill("a", Array.from({ length: 200 }, (_, n) => `${n}`));
  const body = { filter: {}, expect: 200 };
  const both = await Promise.all([
    admin.post(`${DEAD}/discard`, body),
    admin.post(`${DEAD}/discard`, body),
  ]);
  const done = both.reduce((sum, { json }) => sum + (json.discarded ?? 0), 0);
  equal(done, 200);
  equal(await books(admin, "a"), "200: 0 delivered, 0 dead, 200 discarded");
});

Deno.test("5,000 dead letters: a page is bounded, and pages together are all of them", async () => {
  await using admin = await AdminRig.open(["a"]);
  for (let n = 0; n < 5; n++) {
    await admin.rig.kill(
      "a",
      Array.from({ length: 1_000 }, (_, m) => `{"n":${n * 1_000 + m}}`),
    );
    admin.rig.clock.advance(1);
  }
  const first = await admin.get(DEAD);
  equal(first.json.items.length, 50);
  const seen = new Set<string>();
  let path = `${DEAD}?limit=500`;
  for (let pages = 0; path !== ""; pages++) {
    ok(pages < 11);
    const { json } = await admin.get(path);
    ok(json.items.length <= 500);
    for (const { id } of json.items) seen.add(id);
    path = json.next === null ? "" : `${DEAD}?limit=500&cursor=${json.next}`;
  }
  equal(seen.size, 5_000);
  equal((await admin.export()).trimEnd().split("\n").length, 5_000);
  const { json } = await admin.get(`${DEAD}/groups`);
  deepEqual(json, {
    items: [{
      connector: "a",
      reason: "rejected",
      error: "HTTP 400: no",
      count: 5_000,
      first_at: "2026-03-13T00:00:00.000Z",
      last_at: "2026-03-13T00:00:00.004Z",
    }],
  });
  const done = await admin.post(`${DEAD}/discard`, {
    filter: {},
    expect: 5_000,
  });
  deepEqual(done.json, { discarded: 5_000 });
});

Deno.test("dead-letters: wrong queries, methods and no token are problems", async () => {
  await using admin = await AdminRig.open();
  for (
    const [query, pointer] of [
      ["limit=0", "?limit"],
      ["limit=501", "?limit"],
      ["limit=x", "?limit"],
      ["cursor=x", "?cursor"],
      ["cursor=e30", "?cursor"],
      [`cursor=${btoa('[-1,"a","b"]').replaceAll("=", "")}`, "?cursor"],
      ["from=2026", "?from"],
      ["to=now", "?to"],
      ["to=2026-02-30T00:00:00Z", "?to"],
      ["reasn=x", "?reasn"],
      ["reason=x&reason=x", "?reason"],
      ["limit=1&limit=2", "?limit"],
    ]
  ) {
    const { status, json } = await admin.get(`${DEAD}?${query}`);
    equal(status, 422, query);
    equal(json.errors[0].pointer, pointer);
    equal(json.instance, "/api/v1/dead-letters");
  }
  for (
    const [method, path, allow] of [
      ["DELETE", DEAD, "GET, HEAD"],
      ["POST", DEAD, "GET, HEAD"],
      ["GET", `${DEAD}/discard`, "POST"],
      ["PUT", `${DEAD}/import`, "POST"],
      ["POST", `${DEAD}/groups`, "GET, HEAD"],
      ["DELETE", `${DEAD}/x@a`, "GET, HEAD"],
      ["POST", "/connectors/a/books", "GET, HEAD"],
      ["POST", "/log/verify", "GET, HEAD"],
    ] as const
  ) {
    const { status, headers } = await admin.ask(method, path);
    equal(status, 405, `${method} ${path}`);
    equal(headers.get("Allow"), allow);
  }
  for (
    const path of [
      "/api/v1/dead-letters",
      "/api/v1/dead-letters/groups",
      "/api/v1/dead-letters/discard",
      "/api/v1/connectors/a/books",
      "/api/v1/log/verify",
      "/metrics",
    ]
  ) {
    for (const headers of [{}, { Authorization: "Bearer hca_wrong" }]) {
      const response = await admin.app.request(path, { headers });
      equal(response.status, 401, path);
      match((await response.json()).type, /sign-in$/);
    }
  }
});

Deno.test("Idempotency-Key: the same request has its first answer, another body none", async () => {
  await using admin = await AdminRig.open(["a"]);
  await admin.rig.kill("a", ["1", "2"]);
  const key = { "Idempotency-Key": "k-1" };
  const body = { filter: {}, expect: 2 };
  const first = await admin.post(`${DEAD}/discard`, body, key);
  deepEqual(first.json, { discarded: 2 });
  equal(first.headers.get("Idempotent-Replayed"), null);
  const again = await admin.post(`${DEAD}/discard`, body, key);
  equal(again.status, 200);
  equal(again.text, first.text);
  equal(again.headers.get("Idempotent-Replayed"), "true");
  equal(again.headers.get("Content-Type"), first.headers.get("Content-Type"));
  const other = await admin.post(
    `${DEAD}/discard`,
    { ...body, expect: 0 },
    key,
  );
  equal(other.status, 422);
  match(other.json.type, /idempotency-key-reused$/);
  const elsewhere = await admin.post(
    `${DEAD}/import`,
    JSON.stringify(body),
    key,
  );
  equal(elsewhere.status, 422);
  const conflict = { "Idempotency-Key": "k-2" };
  for (let n = 0; n < 2; n++) {
    const { status, json } = await admin.post(
      `${DEAD}/discard`,
      { filter: {}, expect: 9 },
      conflict,
    );
    deepEqual([status, json.found], [409, 0]);
  }
  const both = await Promise.all(
    [1, 2].map(() =>
      admin.post(`${DEAD}/discard`, { filter: {}, expect: 0 }, {
        "Idempotency-Key": "k-3",
      })
    ),
  );
  const statuses = both.map(({ status }) => status).toSorted();
  ok(statuses[0] === 200 && (statuses[1] === 409 || statuses[1] === 200));
  for (const { status, json } of both) {
    if (status === 409) match(json.type, /in-progress$/);
  }
  const bad = await admin.post(`${DEAD}/discard`, body, {
    "Idempotency-Key": "a b",
  });
  equal(bad.status, 422);
  // A day later the key is free again.
  admin.rig.clock.advance(86_400_001);
  const later = await admin.post(
    `${DEAD}/discard`,
    { ...body, expect: 0 },
    key,
  );
  deepEqual(later.json, { discarded: 0 });
});

Deno.test("dead-letters: a connector's name longer than the store's keys is a fault of the filter", async () => {
  await using admin = await AdminRig.open();
  const connector = "a".repeat(4_000);
  for (
    const { status, json } of [
      await admin.get(`${DEAD}?connector=${connector}`),
      await admin.get(`${DEAD}/groups?connector=${connector}`),
      await admin.get(`${DEAD}?connector=${connector}`, {
        Accept: "application/x-ndjson",
      }),
      await admin.post(`${DEAD}/discard`, {
        filter: { connector },
        expect: 0,
      }),
    ]
  ) {
    equal(status, 422);
    equal(json.errors[0].code, "out_of_range");
  }
});

Deno.test("POST dead-letters/import lists the first wrong lines, and counts the rest", async () => {
  await using admin = await AdminRig.open(["a"]);
  const all = await admin.post(`${DEAD}/import`, "x\n".repeat(5_000));
  equal(all.status, 422);
  equal(all.json.errors.length, 1_000);
  equal(all.json.more_errors, 4_000);
  const good = JSON.stringify({
    timestamp: "2026-03-13T00:00:00Z",
    connector: "a",
    error: "no",
    event: 1,
  });
  const mixed = await admin.post(
    `${DEAD}/import`,
    `${"x\n".repeat(1_001)}${good}`,
  );
  deepEqual(
    [mixed.status, mixed.json.imported, mixed.json.more_errors],
    [200, 1, 1],
  );
  equal(mixed.json.errors.at(-1).line, 1_000);
  const few = await admin.post(`${DEAD}/import`, `x\n${good}`);
  deepEqual(Object.keys(few.json), ["imported", "skipped", "errors"]);
});

Deno.test("POST dead-letters/discard: of a body full of unknown members the first are listed", async () => {
  await using admin = await AdminRig.open(["a"]);
  const body = Object.fromEntries(
    Array.from({ length: 3_000 }, (_, n) => [`m${n}`, n]),
  );
  const { status, json } = await admin.post(`${DEAD}/discard`, body);
  equal(status, 422);
  equal(json.errors.length, 100);
  // Both `filter` or `ids`, and `expect` are missing too.
  equal(json.more_errors, 2_902);
  ok(json.detail.length < 2_000, json.detail);
});

Deno.test("GET dead-letters: a cursor that names what the store cannot hold is one that is unknown", async () => {
  await using admin = await AdminRig.open(["a"]);
  await admin.rig.kill("a", ["1"]);
  const long = "x".repeat(4_000);
  for (
    const place of [[1, "a", long], [1, long, "0-0"], [1, {}, "0"], [1, "a"]]
  ) {
    const cursor = btoa(JSON.stringify(place));
    const { status, json } = await admin.get(`${DEAD}?cursor=${cursor}`);
    deepEqual([status, json.errors?.[0].pointer], [422, "?cursor"]);
  }
});

Deno.test("admin bodies of JSON may take 2 MiB: 10,000 ids as the CLI sends them fit", async () => {
  await using admin = await AdminRig.open(["a"]);
  const id = `${"0".repeat(40)}@${"a".repeat(64)}`;
  const most = await admin.post(`${DEAD}/discard`, {
    ids: Array.from({ length: 10_000 }, () => id),
    expect: 0,
  });
  deepEqual(most.json, { discarded: 0 });
  const body = `{"ids":[${'"",'.repeat(1_000_000)}""],"expect":0}`;
  equal((await admin.post(`${DEAD}/discard`, body)).status, 413);
});

Deno.test("Idempotency-Key: a Host header that makes no address is no fault of the relay", async () => {
  await using admin = await AdminRig.open(["a"]);
  const body = '{"filter":{},"expect":0}';
  const replayed: (string | null)[] = [];
  for (let n = 0; n < 2; n++) {
    const request = new Request(`http://relay/api/v1${DEAD}/discard`, {
      method: "POST",
      body,
      headers: { ...ADMIN, "Idempotency-Key": "k" },
    });
    // What `Host: [` comes to.
    const url = `http://[/api/v1${DEAD}/discard`;
    Object.defineProperty(request, "url", { value: url });
    const response = await admin.app.fetch(request);
    equal(await response.text(), '{"discarded":0}');
    replayed.push(response.headers.get("Idempotent-Replayed"));
  }
  deepEqual(replayed, [null, "true"]);
});

Deno.test("GET /dead-letters: an Accept that refuses lines gets the list", async () => {
  await using api = await AdminRig.open();
  await api.rig.kill("a", ["1"]);
  for (
    const [accept, isLines] of [
      ["application/x-ndjson", true],
      ["application/json;q=0.5, Application/X-NDJSON; q=0.8", true],
      ["application/x-ndjson;q=0.01", true],
      ["application/x-ndjson;q=0", false],
      ["application/x-ndjson; q=0.000, */*", false],
      ["application/x-ndjson-seq", false],
      ["*/*", false],
    ] as const
  ) {
    const { json, headers } = await api.get("/dead-letters", {
      Accept: accept,
    });
    equal(Array.isArray(json.items), !isLines, accept);
    const type = headers.get("Content-Type") ?? "";
    equal(type.startsWith("application/x-ndjson"), isLines, accept);
  }
});
