import assert from "node:assert/strict";
import { openRelay, type Relay } from "../../support/hec_relay.ts";

async function health(relay: Relay): Promise<[number, string]> {
  const reply = await relay.app.request("/services/collector/health");
  return [reply.status, await reply.text()];
}

Deno.test("hec row 74: a reply waits for the log only, never for a SIEM", async () => {
  // No connector runs here at all, which is as down as an upstream can be.
  await using relay = await openRelay();
  const reply = await relay.post("", '{"event":"a"}');
  assert.deepEqual([reply.status, reply.code], [200, 0]);
  assert.deepEqual(await relay.texts(), ['"a"']);
});

Deno.test("hec row 75: a full store takes nothing, says when to come again, and health says it", async () => {
  await using relay = await openRelay({ maxBytes: 4_096 });
  const event = `{"event":"${"x".repeat(8_000)}"}`;
  assert.equal((await relay.post("", event)).code, 0);
  assert.equal((await relay.events()).length, 1);
  for (const scheme of ["Splunk", "Bearer"]) {
    const reply = await relay.post("", event, {
      Authorization: `${scheme} hct_good`,
    });
    assert.equal(reply.status, 503);
    assert.equal(reply.text, '{"text":"Server is busy","code":9}');
    assert.ok(Number(reply.headers.get("Retry-After")) > 0);
  }
  assert.deepEqual(await health(relay), [
    503,
    '{"text":"HEC is unhealthy, queues are full","code":18}',
  ]);
  assert.deepEqual(await relay.texts(), []);
});

Deno.test("hec row 76: a store that fills in mid-batch names how many it took", async () => {
  const disk = { commits: Infinity };
  await using relay = await openRelay({ disk });
  const events = ["a", "b", "c"].map((letter) => `"${letter.repeat(500_000)}"`);
  const body = events.map((event) => `{"event":${event}}`).join("");
  // The first append of a log also writes the lane's head.
  await relay.post("", '{"event":"first"}');
  assert.equal((await relay.events()).length, 1);
  disk.commits = 1;
  const reply = await relay.post("", body);
  assert.equal(reply.status, 503);
  assert.equal(
    reply.text,
    '{"text":"Server is busy","code":9,"invalid-event-number":1}',
  );
  assert.ok(reply.headers.get("Retry-After"));
  const kept = await relay.events();
  assert.deepEqual(kept.map(({ event }) => event), events.slice(0, 1));
  assert.equal(reply.headers.get("Hecate-Event-Ids"), `${kept[0]?.id}+1`);
  assert.equal((await health(relay))[0], 503);
});

Deno.test("HEC answers 503 while the relay must not accept, and health says 18", async () => {
  await using relay = await openRelay({ accepts: () => false });
  const reply = await relay.post("", '{"event":"a"}');
  assert.deepEqual([reply.status, reply.code], [503, 9]);
  assert.equal((await health(relay))[0], 503);
  assert.deepEqual(await relay.texts(), []);
});

Deno.test("HEC answers code 23 once the log is closing", async () => {
  await using relay = await openRelay();
  const { log } = relay;
  await log.close();
  const reply = await relay.post("", '{"event":"a"}');
  assert.equal(reply.status, 503);
  assert.equal(reply.text, '{"text":"Server is shutting down","code":23}');
  assert.ok(reply.headers.get("Retry-After"));
});

Deno.test("HEC answers 503 above what may be held at once, and takes again afterwards", async () => {
  await using relay = await openRelay({
    limits: { maxInflight: 1_000, maxBody: 10_000 },
  });
  const body = `{"event":"${"x".repeat(2_000)}"}`;
  const reply = await relay.post("", body);
  assert.deepEqual([reply.status, reply.code], [503, 9]);
  assert.ok(reply.headers.get("Retry-After"));
  assert.equal(relay.app.heldBytes(), 0);
  assert.equal((await relay.post("", '{"event":"a"}')).code, 0);
});
