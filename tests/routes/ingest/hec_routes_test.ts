import assert from "node:assert/strict";
import { openRelay, readReply } from "../../support/hec_relay.ts";

const BODY = '{"event":"a"}';

Deno.test("hec row 1: OPTIONS on a posting endpoint needs no token and names the methods", async () => {
  await using relay = await openRelay();
  for (
    const path of ["", "/event", "/event/1.0", "/1.0", "/raw", "/raw/1.0"]
      .map((suffix) => `/services/collector${suffix}`)
  ) {
    const reply = await relay.app.request(path, { method: "OPTIONS" });
    assert.equal(reply.status, 200, path);
    assert.equal(reply.headers.get("Allow"), "POST,OPTIONS");
    assert.equal(await reply.text(), "");
  }
});

Deno.test("hec row 2: OPTIONS on health", async () => {
  await using relay = await openRelay();
  const reply = await relay.app.request("/services/collector/health", {
    method: "OPTIONS",
  });
  assert.equal(reply.status, 200);
  assert.equal(reply.headers.get("Allow"), "GET,HEAD,OPTIONS");
});

Deno.test("hec row 3: health needs no token and does not look at a wrong one", async () => {
  await using relay = await openRelay();
  const ask = (headers: Record<string, string>) =>
    relay.app.request("/services/collector/health", { headers })
      .then(readReply);
  for (const headers of [{}, { Authorization: "Splunk wrong" }]) {
    const reply = await ask(headers);
    assert.equal(reply.status, 200);
    assert.equal(reply.text, '{"text":"HEC is healthy","code":17}');
  }
});

Deno.test("hec row 4: HEAD on health has no body", async () => {
  await using relay = await openRelay();
  const reply = await relay.app.request("/services/collector/health/1.0", {
    method: "HEAD",
  });
  assert.equal(reply.status, 200);
  assert.equal(await reply.text(), "");
});

Deno.test("hec row 5: health looks at a token in the query", async () => {
  await using relay = await openRelay();
  const ask = (token: string) =>
    relay.app.request(`/services/collector/health?token=${token}`)
      .then(readReply);
  const wrong = await ask("wrong");
  assert.deepEqual([wrong.status, wrong.code], [400, 21]);
  const disabled = await ask("hct_disabled");
  assert.deepEqual([disabled.status, disabled.code], [400, 22]);
  const good = await ask("hct_good");
  assert.deepEqual([good.status, good.code], [200, 17]);
});

Deno.test("hec row 6: a wrong method on a known path is 405 with code 404", async () => {
  await using relay = await openRelay();
  for (const method of ["GET", "PUT", "DELETE", "PATCH"]) {
    const reply = await readReply(
      await relay.app.request("/services/collector/event", { method }),
    );
    assert.equal(reply.status, 405);
    assert.equal(
      reply.text,
      '{"text":"The requested URL was not found on this server.","code":404}',
    );
    assert.equal(reply.headers.get("Allow"), "POST,OPTIONS");
  }
  const reply = await relay.app.request("/services/collector/health", {
    method: "POST",
  });
  assert.equal(reply.status, 405);
  assert.equal(reply.headers.get("Allow"), "GET,HEAD,OPTIONS");
});

Deno.test("hec row 7: an unknown path under the collector is 404 with JSON code 404", async () => {
  await using relay = await openRelay();
  for (
    const suffix of [
      "/nothing",
      "/event/2.0",
      "/mint",
      "/s2s",
      "/validatemetrics",
    ]
  ) {
    const reply = await relay.post(suffix, BODY);
    assert.deepEqual([reply.status, reply.code], [404, 404], suffix);
  }
  const elsewhere = await readReply(
    await relay.app.request("/services/collectors"),
  );
  assert.equal(elsewhere.status, 404);
  assert.equal(
    elsewhere.headers.get("Content-Type"),
    "application/problem+json",
  );
});

Deno.test("hec row 79: FalconPy's key before the path, or in the query", async () => {
  await using relay = await openRelay();
  const line = '{"event":{"a":1}}';
  const bearer = { Authorization: "Bearer hct_good" };
  for (
    const path of [
      "/k.ingest.us-1.crowdstrike.com/services/collector/raw",
      "/services/collector?k=.ingest.us-1.crowdstrike.com/services/collector/raw",
    ]
  ) {
    const reply = await readReply(
      await relay.app.request(path, {
        method: "POST",
        body: line,
        headers: bearer,
      }),
    );
    assert.equal(reply.code, 0, path);
    assert.deepEqual(await relay.texts(), [line]);
  }
  const reply = await relay.app.request(
    "/services/collector?k=.ingest.us-1.crowdstrike.com/services/collector",
    { method: "POST", body: line, headers: bearer },
  );
  await reply.body?.cancel();
  assert.deepEqual(await relay.texts(), ['{"a":1}']);
});

Deno.test("hec row 80: CrowdStrike's older address and LogScale's own", async () => {
  await using relay = await openRelay();
  for (
    const path of [
      "/api/ingest/hec/0123abcd/v1/services/collector",
      "/api/v1/ingest/hec",
      "/humio/api/v1/ingest/hec",
    ]
  ) {
    const reply = await readReply(
      await relay.app.request(path, {
        method: "POST",
        body: BODY,
        headers: { Authorization: "Bearer hct_falcon" },
      }),
    );
    assert.equal(reply.code, 0, path);
    assert.deepEqual(await relay.texts(), ['"a"']);
  }
  const raw = await relay.app.request("/api/v1/ingest/hec/raw", {
    method: "POST",
    body: BODY,
    headers: { Authorization: "Bearer hct_falcon" },
  });
  await raw.body?.cancel();
  assert.deepEqual(await relay.texts(), [BODY]);
});

Deno.test("hec row 87: an empty part of the path is a wrong address", async () => {
  await using relay = await openRelay();
  for (
    const path of [
      "/services/collector/",
      "/services/collector/event/",
      "//services/collector/event",
      "/key//services/collector",
    ]
  ) {
    const reply = await readReply(
      await relay.app.fetch(
        new Request(`http://relay${path}`, {
          method: "POST",
          body: BODY,
          headers: { Authorization: "Splunk hct_good" },
        }),
      ),
    );
    assert.deepEqual([reply.status, reply.code], [404, 404], path);
  }
  assert.deepEqual(await relay.texts(), []);
});

Deno.test("hec row 73: replies are 200 with text and code, no cookie, no redirect", async () => {
  await using relay = await openRelay();
  const replies = [
    await relay.post("", BODY),
    await relay.post("/event", "{"),
    await relay.post("/raw", "a\n"),
    await relay.post("/event", BODY, { Authorization: "" }),
    await relay.post("/ack", "{}"),
    await relay.post("/nothing", BODY),
    await relay.post("", BODY, { "Content-Encoding": "br" }),
  ];
  for (const reply of replies) {
    assert.ok(reply.status === 200 || reply.status >= 400);
    assert.equal(reply.headers.get("Set-Cookie"), null);
    assert.equal(reply.headers.get("Location"), null);
    assert.equal(reply.headers.get("WWW-Authenticate"), null);
    assert.equal(
      reply.headers.get("Content-Type"),
      "application/json; charset=UTF-8",
    );
    assert.match(reply.text, /^\{"text":"[^"]+","code":\d+[,}]/);
  }
});
