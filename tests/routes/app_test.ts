import assert from "node:assert/strict";
import type { Level, LogEvent } from "../../lib/logger.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { connect } from "../support/raw_http.ts";
import { ADMIN_TOKEN, openRelay } from "../support/hec_relay.ts";

const ADMIN = { Authorization: `Bearer ${ADMIN_TOKEN}` };
const ID = "00000000-0000-4000-8000-000000000000";

Deno.test("createApp() answers unknown addresses with a JSON problem, also for browsers", async () => {
  await using relay = await openRelay();
  for (const accept of ["*/*", "text/html", "application/json"]) {
    const reply = await relay.app.request("/nowhere?token=hct_good", {
      headers: { Accept: accept },
    });
    assert.equal(reply.status, 404);
    assert.equal(
      reply.headers.get("Content-Type"),
      "application/problem+json",
    );
    assert.equal(reply.headers.get("X-Request-Id"), ID);
    assert.deepEqual(await reply.json(), {
      type: "http://relay/problems/not-found",
      title: "There is nothing here",
      status: 404,
      detail: "The relay has nothing at this address.",
      instance: "/nowhere",
      request_id: ID,
    });
  }
});

Deno.test("createApp() passes a harmless X-Request-Id on and replaces others", async () => {
  await using relay = await openRelay();
  for (const [given, sent] of [["abc-1.2_3", "abc-1.2_3"], ["a b", ID]]) {
    const reply = await relay.app.request("/healthz", {
      headers: { "X-Request-Id": given ?? "" },
    });
    await reply.body?.cancel();
    assert.equal(reply.headers.get("X-Request-Id"), sent);
  }
});

Deno.test("createApp() says which methods a page takes", async () => {
  await using relay = await openRelay();
  for (const path of ["/", "/healthz", "/readyz"]) {
    const reply = await relay.app.request(path, { method: "POST", body: "x" });
    assert.equal(reply.status, 405);
    assert.equal(reply.headers.get("Allow"), "GET, HEAD");
    assert.match((await reply.json()).type, /\/problems\/method-not-allowed$/);
  }
});

Deno.test("/api/v1/status wants the admin token", async () => {
  await using relay = await openRelay({
    status: () => Promise.resolve({ version: "1", connectors: [] }),
  });
  for (
    const headers of [
      {},
      { Authorization: "Bearer wrong" },
      { Authorization: `Splunk ${ADMIN_TOKEN}` },
      { Authorization: "Bearer hct_good" },
    ] as Record<string, string>[]
  ) {
    const reply = await relay.app.request("/api/v1/status", { headers });
    assert.equal(reply.status, 401);
    assert.match((await reply.json()).type, /\/problems\/sign-in$/);
  }
  const reply = await relay.app.request("/api/v1/status", { headers: ADMIN });
  assert.equal(reply.status, 200);
  assert.deepEqual(await reply.json(), { version: "1", connectors: [] });
  const unknown = await relay.app.request("/api/v1/x", { headers: ADMIN });
  assert.equal(unknown.status, 404);
  await unknown.body?.cancel();
});

Deno.test("a fault of our own shows nothing of itself", async () => {
  const lines: string[] = [];
  await using relay = await openRelay({
    status: () => Promise.reject(new Error("secret words")),
    logger: {
      log: (_: Level, event: LogEvent) => lines.push(event),
    },
  });
  const reply = await relay.app.request("/api/v1/status", { headers: ADMIN });
  assert.equal(reply.status, 500);
  const text = await reply.text();
  assert.match(text, /\/problems\/unexpected"/);
  assert.ok(!text.includes("secret"));
  assert.deepEqual(lines, ["bug"]);
});

Deno.test("/healthz answers; /readyz lists what failed", async () => {
  const clock = new ManualClock();
  let isStoreFine = true, calls = 0;
  await using relay = await openRelay({
    clock,
    readiness: {
      store: () => {
        calls++;
        return Promise.resolve(isStoreFine);
      },
      running: () => true,
      broken: () => {
        throw new Error("x");
      },
    },
  });
  const health = await relay.app.request("/healthz");
  assert.equal(health.status, 200);
  await health.body?.cancel();
  const ask = async () => {
    const reply = await relay.app.request("/readyz");
    return [reply.status, await reply.json()];
  };
  const expected = {
    ready: false,
    checks: { store: "ok", running: "ok", broken: "failed" },
  };
  assert.deepEqual(await ask(), [503, expected]);
  isStoreFine = false;
  assert.deepEqual(await ask(), [503, expected], "remembered for 5 s");
  assert.equal(calls, 1);
  clock.advance(5_000);
  assert.deepEqual(await ask(), [503, {
    ready: false,
    checks: { store: "failed", running: "ok", broken: "failed" },
  }]);
});

Deno.test("/readyz asks the log's own store", async () => {
  const clock = new ManualClock();
  await using relay = await openRelay({
    clock,
    readiness: { store: () => relay.log.answers() },
  });
  const status = async () => {
    const reply = await relay.app.request("/readyz");
    await reply.body?.cancel();
    return reply.status;
  };
  assert.equal(await status(), 200);
  await relay.log.close();
  clock.advance(5_000);
  assert.equal(await status(), 503);
});

Deno.test("/readyz gives a check 2 s", async () => {
  const clock = new ManualClock();
  await using relay = await openRelay({
    clock,
    readiness: { store: () => new Promise<boolean>(() => {}) },
  });
  const asked = relay.app.request("/readyz");
  await clock.untilSleeping();
  clock.advance(2_000);
  const reply = await asked;
  assert.equal(reply.status, 503);
  assert.deepEqual((await reply.json()).checks, { store: "failed" });
});

Deno.test("the page at / says where to post, without script or anything from outside", async () => {
  await using relay = await openRelay();
  const reply = await relay.app.fetch(
    new Request("http://relay.example:8080/", {
      headers: { Accept: "text/html" },
    }),
  );
  assert.equal(reply.status, 200);
  assert.match(reply.headers.get("Content-Type") ?? "", /^text\/html/);
  assert.match(
    reply.headers.get("Content-Security-Policy") ?? "",
    /default-src 'none'/,
  );
  const text = await reply.text();
  assert.ok(
    text.includes("http://relay.example:8080/services/collector/event"),
  );
  assert.ok(!/<script|https?:\/\/(?!relay\.example)|hct_/.test(text));
  const json = await relay.app.request("/", {
    headers: { Accept: "application/json" },
  });
  assert.equal(json.headers.get("Content-Type"), "application/problem+json");
  await json.body?.cancel();
});

Deno.test("the page at / escapes the address it was reached by", async () => {
  await using relay = await openRelay();
  const reply = await relay.app.fetch(
    new Request("http://relay/problems/%3Cimg%20src=x%3E"),
  );
  assert.equal(reply.status, 404);
  assert.ok(!(await reply.text()).includes("<img"));
  const page = await relay.app.request("/problems/sign-in");
  assert.equal(page.status, 200);
  assert.ok((await page.text()).includes("An admin token is needed"));
});

Deno.test("refusals are logged once a minute by producer and cause, without secrets", async () => {
  const clock = new ManualClock();
  const lines: string[] = [];
  await using relay = await openRelay({
    clock,
    logger: {
      log(level, event, message, fields) {
        lines.push(JSON.stringify({ level, event, message, ...fields }));
      },
    },
  });
  const post = () => relay.post("", "secret body");
  await post();
  await post();
  await post();
  await relay.post("", "x", { Authorization: "Splunk hct_wrong" });
  assert.deepEqual(lines.map((line) => JSON.parse(line).producer), [
    "good",
    "unknown",
  ]);
  clock.advance(60_000);
  await post();
  assert.equal(JSON.parse(lines[2] ?? "{}").repeats, 2);
  assert.ok(!/secret|hct_/.test(lines.join()));
});

Deno.test("unknown members are logged once an hour by producer, with their number and nothing of themselves", async () => {
  const clock = new ManualClock();
  const lines: unknown[] = [];
  await using relay = await openRelay({
    clock,
    patience: { idle: Infinity, total: Infinity },
    logger: {
      log: (level, event, _, fields) => lines.push({ level, event, ...fields }),
    },
  });
  const odd = '{"event":1,"secret":"words"}';
  const post = (body: string, token = "good") =>
    relay.post("", body, { Authorization: `Splunk hct_${token}` });
  const line = (producer: string, envelopes: number) => ({
    level: "warn",
    event: "ingest.unknown_member",
    producer,
    envelopes,
  });
  await post('{"event":1}');
  assert.deepEqual(lines, []);
  await post(odd + odd);
  await post(odd);
  await post(odd, "splunk");
  assert.deepEqual(lines, [line("good", 2), line("splunk", 1)]);
  clock.advance(3_599_999);
  await post(odd);
  assert.equal(lines.length, 2);
  clock.advance(1);
  await post(odd);
  assert.deepEqual(lines.slice(2), [line("good", 3)]);
  assert.equal(relay.app.unknownMembers(), 6);
});

Deno.test("createApp() answers in its dialects whatever the Host header says", async () => {
  await using relay = await openRelay();
  const port = relay.serve();
  for (
    const host of [
      "[",
      "a b",
      "<img src=x>",
      "x/y?z",
      '"',
      "",
      "a$(id)",
      "a`id`",
      "a;id",
      "'",
    ]
  ) {
    for (
      const [path, status, type] of [
        ["/nowhere", 404, "application/problem+json"],
        ["/", 200, "text/html; charset=UTF-8"],
        ["/%", 404, "application/problem+json"],
        [
          "/services/collector/health?token=%",
          400,
          "application/json; charset=UTF-8",
        ],
      ] as const
    ) {
      using client = await connect(port);
      await client.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      const reply = await client.reply();
      // A query in the Host header hides the path; the dialect stays ours.
      if (host !== "x/y?z") assert.equal(reply.status, status, host + path);
      if (host !== "x/y?z") {
        assert.equal(reply.headers.get("content-type"), type);
      }
      assert.ok(reply.status < 500);
      // The page has a command to copy.
      assert.doesNotMatch(reply.text, /<img|\$\(id|`id|a;id/);
    }
  }
});

Deno.test("/problems/{slug} takes GET and HEAD; of an unknown one there is nothing for any method", async () => {
  await using relay = await openRelay();
  const ask = (path: string, method: string) =>
    relay.app.request(`/problems/${path}`, { method });
  for (const method of ["POST", "PUT", "DELETE"]) {
    const known = await ask("sign-in", method);
    assert.equal(known.status, 405);
    assert.equal(known.headers.get("Allow"), "GET, HEAD");
    assert.match((await known.json()).type, /method-not-allowed$/);
    assert.equal((await ask("no-such", method)).status, 404);
  }
  assert.equal((await ask("sign-in", "HEAD")).status, 200);
});
