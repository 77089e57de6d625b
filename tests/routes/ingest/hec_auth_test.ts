import assert from "node:assert/strict";
import { openRelay, type Relay } from "../../support/hec_relay.ts";

const BODY = '{"event":"a"}';

/** Status and code of a post with this header and query. */
async function post(
  relay: Relay,
  authorization: string | undefined,
  query = "",
): Promise<[number, number | undefined]> {
  const path = `/services/collector/event${query}`;
  const reply = await relay.app.request(path, {
    method: "POST",
    body: BODY,
    ...(authorization === undefined
      ? {}
      : { headers: { Authorization: authorization } }),
  });
  return [reply.status, (await reply.json()).code];
}

Deno.test("hec row 8: no Authorization", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, undefined), [401, 2]);
  assert.deepEqual(await relay.texts(), []);
});

Deno.test("hec row 9: a blank header, and a scheme with nothing after it", async () => {
  await using relay = await openRelay();
  for (const header of ["", "   ", "Splunk", "Splunk ", "Bearer", "Basic"]) {
    assert.deepEqual(await post(relay, header), [401, 2], `"${header}"`);
  }
});

Deno.test("hec row 10: a token without a scheme", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, "hct_good"), [401, 3]);
  assert.deepEqual(await post(relay, "Digest hct_good"), [401, 3]);
});

Deno.test("hec row 11: Bearer is CrowdStrike's; a token of Splunk's face refuses it", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, "Bearer hct_splunk"), [401, 3]);
  assert.deepEqual(await post(relay, "Bearer hct_falcon"), [200, 0]);
  assert.deepEqual(await post(relay, "Bearer hct_good"), [200, 0]);
  assert.deepEqual(await post(relay, "Bearer wrong"), [403, 4]);
  assert.deepEqual(await post(relay, "Splunk hct_falcon"), [200, 0]);
});

Deno.test("hec row 12: Basic takes the password, whatever the user", async () => {
  await using relay = await openRelay();
  for (const user of ["x", "", "anything"]) {
    const header = `Basic ${btoa(`${user}:hct_good`)}`;
    assert.deepEqual(await post(relay, header), [200, 0]);
  }
  assert.deepEqual(await post(relay, `Basic ${btoa("x:wrong")}`), [403, 4]);
  assert.deepEqual(await post(relay, `Basic ${btoa("x:")}`), [401, 2]);
});

Deno.test("hec row 13: Basic that cannot be decoded", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, "Basic %%%"), [401, 3]);
  assert.deepEqual(await post(relay, `Basic ${btoa("hct_good")}`), [401, 3]);
});

Deno.test("hec row 14: the scheme's case and the blanks after it do not matter", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, "splunk hct_good"), [200, 0]);
  assert.deepEqual(await post(relay, "SPLUNK   hct_good "), [200, 0]);
  assert.deepEqual(await post(relay, "Splunk HCT_GOOD"), [403, 4]);
});

Deno.test("hec row 15: a wrong token is 403", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, "Splunk wrong"), [403, 4]);
  assert.deepEqual(await post(relay, "Splunk hct_good2"), [403, 4]);
});

Deno.test("hec row 16: a disabled token", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, "Splunk hct_disabled"), [403, 1]);
  assert.deepEqual(await post(relay, "Bearer hct_disabled"), [403, 1]);
});

Deno.test("hec row 17: a good token in the query, where that is off", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, undefined, "?token=hct_good"), [400, 16]);
});

Deno.test("hec row 18: a wrong token in the query, where that is off", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, undefined, "?token=wrong"), [403, 4]);
});

Deno.test("hec row 19: a good token in the query, where that is on", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, undefined, "?token=hct_query"), [200, 0]);
});

Deno.test("hec row 20: the query wins over a good header", async () => {
  await using relay = await openRelay();
  assert.deepEqual(
    await post(relay, "Splunk hct_good", "?token=wrong"),
    [403, 4],
  );
  assert.deepEqual(
    await post(relay, "Splunk hct_good", "?token=hct_good"),
    [400, 16],
  );
  assert.deepEqual(await relay.texts(), []);
});

Deno.test("hec row 89: a configured token works at once", async () => {
  await using relay = await openRelay({ tokens: "fresh=hct_fresh" });
  assert.deepEqual(await post(relay, "Splunk hct_fresh"), [200, 0]);
});
