import assert from "node:assert/strict";
import { RAW } from "../../../lib/json/spans.ts";
import { openRelay } from "../../support/hec_relay.ts";

Deno.test("hec row 57: raw needs no channel", async () => {
  await using relay = await openRelay();
  for (const suffix of ["/raw", "/raw/1.0"]) {
    const reply = await relay.post(suffix, "one line");
    assert.equal(reply.text, '{"text":"Success","code":0}');
    const [event] = await relay.events();
    assert.equal(event?.event, "one line");
    assert.equal(event?.flags, RAW);
  }
});

Deno.test("hec row 60: line ends are LF and CRLF, blank lines are none", async () => {
  await using relay = await openRelay();
  const reply = await relay.post("/raw", "a\nb\r\n\n  \n\r\n c \nd\re\nlast");
  assert.equal(reply.code, 0);
  assert.deepEqual(await relay.texts(), ["a", "b", " c ", "d\re", "last"]);
});

Deno.test("hec row 61: raw with nothing but newlines", async () => {
  await using relay = await openRelay();
  for (const body of ["", "\n\n", "\r\n", "  \n\t"]) {
    const reply = await relay.post("/raw", body);
    assert.deepEqual([reply.status, reply.code], [400, 5]);
    assert.equal(reply.number, undefined);
  }
});

Deno.test("hec row 62: raw bytes that are no UTF-8", async () => {
  await using relay = await openRelay();
  const body = Uint8Array.of(0xff, 0x00, 0xc3, 0x28, 0x0a, 0xe2, 0x80, 0xa8);
  const reply = await relay.post("/raw", body);
  assert.equal(reply.code, 0);
  const events = await relay.events();
  assert.deepEqual(events.map(({ bytes }) => [...bytes]), [
    [0xff, 0x00, 0xc3, 0x28],
    [0xe2, 0x80, 0xa8],
  ]);
});

Deno.test("hec row 63: a HEC object on raw is a line of text", async () => {
  await using relay = await openRelay();
  const line = '{"event":"a","host":"h"}';
  await relay.post("/raw", line);
  const [event] = await relay.events();
  assert.equal(event?.event, line);
  assert.equal(event?.host, undefined);
});

Deno.test("raw takes its metadata from the query, then from the token", async () => {
  await using relay = await openRelay();
  const reply = await relay.post(
    "/raw?host=h&time=1700000000.5&source=&x=y",
    "a\nb",
    { Authorization: "Splunk hct_defaults" },
  );
  assert.equal(reply.code, 0);
  for (const event of await relay.events()) {
    assert.deepEqual(
      [event.host, event.source, event.sourcetype, event.index, event.time],
      [
        '"h"',
        '"token-source"',
        '"token-type"',
        '"token-index"',
        "1700000000.5",
      ],
    );
  }
});

Deno.test("raw refuses an index that is not in the list", async () => {
  await using relay = await openRelay();
  const listed = { Authorization: "Splunk hct_listed" };
  const bad = await relay.post("/raw?index=other", "a\nb", listed);
  assert.deepEqual([bad.status, bad.code, bad.number], [400, 7, 1]);
  assert.deepEqual(await relay.texts(), []);
  assert.equal((await relay.post("/raw", "a", listed)).code, 0);
});

Deno.test("raw refuses a line above the cap and keeps what came before", async () => {
  await using relay = await openRelay({ limits: { maxEvent: 10 } });
  const reply = await relay.post("/raw", "a\n\n0123456789\n0123456789+\nd");
  assert.deepEqual([reply.status, reply.code, reply.number], [400, 6, 2]);
  assert.deepEqual(await relay.texts(), ["a", "0123456789"]);
});
