import assert from "node:assert/strict";
import { ADMIN_TOKEN, openRelay } from "../../support/hec_relay.ts";

const ADMIN = { Authorization: `Bearer ${ADMIN_TOKEN}` };
const PATH = "/api/v1/connectors/splunk/test";
const REPORT = {
  ok: false,
  steps: [{ name: "address", ok: false, ms: 3, detail: "No such name: x." }],
  diagnosis: "No such name: x.",
} as const;

function post(body?: string): RequestInit {
  return {
    method: "POST",
    headers: ADMIN,
    ...body !== undefined && { body },
  };
}

function keyed(key: string, body = '{"event":true}'): RequestInit {
  const headers = { ...ADMIN, "Idempotency-Key": key };
  return { method: "POST", headers, body };
}

Deno.test("POST …/test answers steps and diagnosis, also of a failed test; an event only on request", async () => {
  const asked: [string, boolean][] = [];
  await using relay = await openRelay({
    testConnector(name, { event }) {
      asked.push([name, event]);
      return Promise.resolve(REPORT);
    },
  });
  for (
    const body of [undefined, "", "{}", '{"event":false}', '{"event":true}']
  ) {
    const reply = await relay.app.request(PATH, post(body));
    assert.equal(reply.status, 200);
    assert.equal(reply.headers.get("Cache-Control"), "no-store");
    assert.deepEqual(await reply.json(), REPORT);
  }
  assert.deepEqual(asked.map(([, event]) => event), [
    ...[false, false, false, false, true],
  ]);
  assert.ok(asked.every(([name]) => name === "splunk"));
});

Deno.test("POST …/test: problems for no token, an unknown name, other bodies and methods", async () => {
  let tests = 0;
  await using relay = await openRelay({
    testConnector(name) {
      tests++;
      return Promise.resolve(name === "splunk" ? REPORT : undefined);
    },
  });
  for (
    const [path, init, status, slug] of [
      [PATH, { method: "POST" }, 401, "sign-in"],
      [
        PATH,
        { method: "POST", headers: { Authorization: "Bearer hct_good" } },
        401,
        "sign-in",
      ],
      [PATH, { headers: ADMIN }, 405, "method-not-allowed"],
      [PATH, post("{"), 400, "invalid-json"],
      [PATH, post("\0"), 400, "invalid-json"],
      [PATH, post("[]"), 422, "invalid-fields"],
      [PATH, post('{"event":1}'), 422, "invalid-fields"],
      [PATH, post('{"evnt":true}'), 422, "invalid-fields"],
      [PATH, keyed("an illegal one"), 422, "invalid-fields"],
      [PATH, post(" ".repeat(2000)), 413, "too-large"],
    ] as const
  ) {
    const reply = await relay.app.request(path, init);
    assert.equal(reply.status, status, slug);
    assert.match((await reply.json()).type, new RegExp(`/problems/${slug}$`));
  }
  assert.equal(tests, 0);
  const unknown = "/api/v1/connectors/nobody/test";
  const reply = await relay.app.request(unknown, post());
  assert.equal(reply.status, 404);
  assert.match((await reply.json()).detail, /no connector "nobody"/);
});

Deno.test("POST …/test: one test of a connector at a time, others meanwhile, again after a fault", async () => {
  const gates: PromiseWithResolvers<typeof REPORT>[] = [];
  await using relay = await openRelay({
    testConnector() {
      const gate = Promise.withResolvers<typeof REPORT>();
      gates.push(gate);
      return gate.promise;
    },
    logger: { log() {} },
  });
  const first = relay.app.request(PATH, post());
  while (gates.length === 0) await Promise.resolve();
  const second = await relay.app.request(PATH, post());
  assert.equal(second.status, 409);
  assert.match((await second.json()).type, /\/problems\/in-progress$/);
  const other = relay.app.request("/api/v1/connectors/hec/test", post());
  while (gates.length === 1) await Promise.resolve();
  gates[1]?.resolve(REPORT);
  assert.equal((await other).status, 200);
  gates[0]?.reject(new Error("a bug"));
  assert.equal((await first).status, 500);
  const again = relay.app.request(PATH, post());
  while (gates.length === 2) await Promise.resolve();
  gates[2]?.resolve(REPORT);
  assert.equal((await again).status, 200);
});

Deno.test("POST …/test: with an Idempotency-Key the first report is told again, a test under way is not", async () => {
  let tests = 0;
  let gate = Promise.withResolvers<typeof REPORT>();
  await using relay = await openRelay({
    testConnector() {
      tests++;
      return gate.promise;
    },
  });
  const first = relay.app.request(PATH, keyed("k1"));
  while (tests === 0) await relay.log.answers();
  const busy = await relay.app.request(PATH, keyed("k2"));
  assert.equal(busy.status, 409);
  gate.resolve(REPORT);
  const text = await (await first).text();
  const again = await relay.app.request(PATH, keyed("k1"));
  assert.equal(again.headers.get("Idempotent-Replayed"), "true");
  assert.equal(await again.text(), text);
  assert.equal(tests, 1);
  const other = await relay.app.request(PATH, keyed("k1", "{}"));
  assert.match((await other.json()).type, /idempotency-key-reused$/);
  gate = Promise.withResolvers();
  gate.resolve(REPORT);
  const later = await relay.app.request(PATH, keyed("k2"));
  assert.equal(later.status, 200);
  await later.body?.cancel();
  assert.equal(tests, 2);
});
