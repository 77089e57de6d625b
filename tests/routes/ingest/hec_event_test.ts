import assert from "node:assert/strict";
import { MULTILINE, WHOLE } from "../../../lib/json/spans.ts";
import { openRelay, type Relay } from "../../support/hec_relay.ts";

const FALCON = { Authorization: "Bearer hct_good" };
const LISTED = { Authorization: "Splunk hct_listed" };

/** Posts, and gives `code`, `code #number`, then the texts of what was kept. */
async function post(
  relay: Relay,
  body: BodyInit,
  headers: Record<string, string> = {},
): Promise<string[]> {
  const reply = await relay.post("/event", body, headers);
  const expected = reply.code === 0 ? 200 : 400;
  assert.equal(reply.status, expected, reply.text);
  const answer = reply.number === undefined
    ? `${reply.code}`
    : `${reply.code} #${reply.number}`;
  return [answer, ...await relay.texts()];
}

Deno.test("hec row 22: an empty or blank body", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, ""), ["5"]);
  assert.deepEqual(await post(relay, "  \n"), ["5"]);
  const reply = await relay.post("", "");
  assert.equal(reply.text, '{"text":"No data","code":5}');
});

Deno.test("hec row 23: two objects with nothing, a newline or blank lines between", async () => {
  await using relay = await openRelay();
  for (const between of ["", "\n", "\n\n\n\n", " \r\n\t"]) {
    const body = `{"event":"a"}${between}{"event":"b"}`;
    assert.deepEqual(await post(relay, body), ["0", '"a"', '"b"']);
  }
});

Deno.test("hec row 24: an array of two", async () => {
  await using relay = await openRelay();
  const body = '[{"event":"a"},{"event":"b"}]';
  assert.deepEqual(await post(relay, body), ["0", '"a"', '"b"']);
});

Deno.test("hec row 25: an empty array holds no data", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, "[]"), ["5"]);
  assert.deepEqual(await post(relay, " [ ] []"), ["5"]);
});

Deno.test("hec row 26: anything but objects at the top", async () => {
  await using relay = await openRelay();
  for (const body of ['"text"', "1", "[1]", "true", "null", '[["a"]]']) {
    assert.deepEqual(await post(relay, body), ["6 #0"], body);
  }
});

Deno.test("hec row 27: a good object, then garbage", async () => {
  await using relay = await openRelay();
  const reply = await relay.post("/event", '{"event":"a"} garbage');
  assert.equal(
    reply.text,
    '{"text":"Invalid data format","code":6,"invalid-event-number":1}',
  );
  const [event] = await relay.events();
  assert.equal(event?.event, '"a"');
  assert.equal(reply.headers.get("Hecate-Event-Ids"), `${event?.id}+1`);
});

Deno.test("hec row 29: nothing after a blank event is taken", async () => {
  await using relay = await openRelay();
  const body = '{"event":"a"}{"event":"b"}{"event":""}{"event":"d"}';
  assert.deepEqual(await post(relay, body), ["13 #2", '"a"', '"b"']);
});

Deno.test("hec row 30: the first fault wins, whatever its kind", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, '{"event":""}{"event":'), ["13 #0"]);
});

Deno.test("hec row 31: no event member", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, '{"host":"h"}'), ["12 #0"]);
  assert.deepEqual(await post(relay, '{"host":"h"}', FALCON), [
    "0",
    '{"host":"h"}',
  ]);
});

Deno.test("hec row 32: fields without an event are kept whole", async () => {
  await using relay = await openRelay();
  const body = '{"host":"h","fields":{"metric_name:cpu":1}}';
  const reply = await relay.post("/event", body);
  assert.equal(reply.code, 0);
  const [event] = await relay.events();
  assert.equal(event?.event, body);
  assert.equal(event?.host, '"h"');
  assert.notEqual((event?.flags ?? 0) & WHOLE, 0);
  assert.deepEqual(await post(relay, '{"fields":{}}'), ["12 #0"]);
  assert.deepEqual(await post(relay, '{"fields":null}'), ["12 #0"]);
});

Deno.test("hec row 33: an unknown envelope member: kept, and counted", async () => {
  await using relay = await openRelay();
  const body = '{"event":"a","@timestamp":1}';
  assert.deepEqual(await post(relay, body), ["0", '"a"']);
  assert.equal(relay.app.unknownMembers(), 1);
  assert.deepEqual(await post(relay, body + '{"event":"b"}' + body), [
    "0",
    '"a"',
    '"b"',
    '"a"',
  ]);
  assert.equal(relay.app.unknownMembers(), 3);
});

Deno.test("hec row 34: events that JavaScript calls false", async () => {
  await using relay = await openRelay();
  for (const event of ["0", "false", '"0"', '["a"]', "-0", "0.0", "true"]) {
    assert.deepEqual(await post(relay, `{"event":${event}}`), ["0", event]);
  }
});

Deno.test("hec row 35: null is no event, blank ones are blank", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, '{"event":null}'), ["12 #0"]);
  for (const event of ['""', '"   "', '"\\t\\n"', "{}", "[]", "{ }", "[\n]"]) {
    assert.deepEqual(await post(relay, `{"event":${event}}`), ["13 #0"], event);
    assert.deepEqual(
      await post(relay, `{"event":${event}}`, FALCON),
      ["0", event],
    );
  }
  assert.deepEqual(await post(relay, '{"event":null}', FALCON), ["0", "null"]);
});

Deno.test("hec row 36: nested fields", async () => {
  await using relay = await openRelay();
  const body = '{"event":"a","fields":{"a":{"b":1}}}';
  assert.deepEqual(await post(relay, body), ["15 #0"]);
  assert.deepEqual(await post(relay, body, FALCON), ["15 #0"]);
});

Deno.test("hec row 37: several values of one field", async () => {
  await using relay = await openRelay();
  const body = '{"event":"a","fields":{"a":["x","y"]}}';
  assert.deepEqual(await post(relay, body), ["0", '"a"']);
});

Deno.test("hec row 38: fields that are no object", async () => {
  await using relay = await openRelay();
  for (const fields of ['["x"]', '"x"', "1", "true"]) {
    const body = `{"event":"a","fields":${fields}}`;
    assert.deepEqual(await post(relay, body), ["6 #0"], fields);
  }
});

Deno.test("hec row 39: times keep their digits", async () => {
  await using relay = await openRelay();
  for (
    const time of [
      '"1700000000.123456"',
      "1700000000.123",
      "1700000000123",
      "1700000000123456789",
      "-1",
      "0",
      "1.7e9",
      "1700000000.123456789012345678901234567890123",
    ]
  ) {
    const reply = await relay.post("", `{"time":${time},"event":"a"}`);
    assert.equal(reply.code, 0, time);
    assert.equal((await relay.events())[0]?.time, time);
  }
});

Deno.test("hec row 40: times that are none", async () => {
  await using relay = await openRelay();
  for (
    const time of [
      '"yesterday"',
      '""',
      '"2026-03-13T00:00:00Z"',
      '" 1"',
      '"1."',
      '"."',
      '"-"',
      '"1.2.3"',
      '"0x10"',
      "true",
      "{}",
      "[1]",
      "1e400",
      '"Infinity"',
    ]
  ) {
    assert.deepEqual(
      await post(relay, `{"time":${time},"event":"a"}`),
      ["15 #0"],
      time,
    );
  }
  assert.deepEqual(await post(relay, '{"time":null,"event":"a"}'), [
    "0",
    '"a"',
  ]);
});

Deno.test("hec row 41: an index that is not in the list counts from one", async () => {
  await using relay = await openRelay();
  const body = '{"event":"a","index":"main"}{"event":"b","index":"security"}' +
    '{"event":"c","index":"other"}';
  assert.deepEqual(await post(relay, body, LISTED), ["7 #3", '"a"', '"b"']);
  assert.deepEqual(
    await post(relay, '{"event":"a","index":"m\\u0061in"}', LISTED),
    ["0", '"a"'],
  );
});

Deno.test("hec row 42: any index, where there is no list", async () => {
  await using relay = await openRelay();
  assert.deepEqual(await post(relay, '{"event":"a","index":"no-such"}'), [
    "0",
    '"a"',
  ]);
});

Deno.test("hec row 43: an empty index", async () => {
  await using relay = await openRelay();
  for (const headers of [{}, LISTED]) {
    assert.deepEqual(
      await post(relay, '{"event":"a","index":""}', headers),
      ["0", '"a"'],
    );
  }
});

Deno.test("hec row 44: the envelope wins over the query, the query over the token", async () => {
  await using relay = await openRelay();
  await relay.post(
    "/event?sourcetype=q&host=h%20h",
    '{"event":"a","sourcetype":"e"}{"event":"b"}',
    { Authorization: "Splunk hct_defaults" },
  );
  const [one, two] = await relay.events();
  assert.deepEqual(
    [one?.sourcetype, one?.host, one?.source, one?.index],
    ['"e"', '"h h"', '"token-source"', '"token-index"'],
  );
  assert.deepEqual([two?.sourcetype, two?.host], ['"q"', '"h h"']);
  assert.equal(two?.producer, "defaults");
});

Deno.test("hec row 45: metadata does not stick to the next object", async () => {
  await using relay = await openRelay();
  await relay.post(
    "",
    '{"event":"a","host":"first","time":1}{"event":"b"}',
    { Authorization: "Splunk hct_defaults" },
  );
  const [one, two] = await relay.events();
  assert.deepEqual([one?.host, one?.time], ['"first"', "1"]);
  assert.deepEqual([two?.host, two?.time], ['"token-host"', undefined]);
});

Deno.test("hec row 46: Content-Type means nothing", async () => {
  await using relay = await openRelay();
  const body = '{"event":"a+b%20c&d=e"}';
  for (
    const type of [
      undefined,
      "application/x-www-form-urlencoded",
      "text/csv",
      "multipart/form-data; boundary=x",
      'application/json; profile="urn:splunk:event:1.0"',
    ]
  ) {
    const headers: Record<string, string> = type === undefined
      ? {}
      : { "Content-Type": type };
    assert.deepEqual(
      await post(relay, new TextEncoder().encode(body), headers),
      ["0", '"a+b%20c&d=e"'],
    );
  }
});

Deno.test("hec row 53: a byte order mark is no JSON", async () => {
  await using relay = await openRelay();
  const body = new TextEncoder().encode('\ufeff{"event":"a"}');
  assert.deepEqual(await post(relay, body), ["6 #0"]);
});

Deno.test("hec row 54: an event's text is kept to the byte", async () => {
  await using relay = await openRelay();
  for (
    const event of [
      "1747771778324434944",
      "1e400",
      "-0",
      "1.0",
      '"\\ud800"',
      '{"a":1,"a":2, "b" : [ ] }',
      '"\\u0041\\/"',
    ]
  ) {
    assert.deepEqual(await post(relay, `{"event":${event}}`), ["0", event]);
  }
});

Deno.test("hec row 55: 20,000 nested arrays", async () => {
  await using relay = await openRelay();
  const event = "[".repeat(20_000) + "]".repeat(20_000);
  assert.deepEqual(await post(relay, `{"event":${event}}`), ["0", event]);
  assert.deepEqual(await post(relay, `{"event":${event.slice(0, -1)}}`), [
    "6 #0",
  ]);
  assert.deepEqual(await post(relay, event), ["6 #0"]);
});

Deno.test("hec row 81: FalconPy's JSON under any type", async () => {
  await using relay = await openRelay();
  const event =
    '{"host": "connection_test", "timestamp": 1747771778324434944, "timeunit": "nanoseconds", "test": "connection"}';
  assert.deepEqual(
    await post(relay, `{"event": ${event}, "fields": {"#repo": "x"}}`, {
      ...FALCON,
      "Content-Type": "text/csv",
    }),
    ["0", event],
  );
});

Deno.test("hec row 82: a file as one string literal", async () => {
  await using relay = await openRelay();
  const body = '"line one\\nline two"';
  assert.deepEqual(await post(relay, body), ["6 #0"]);
  assert.deepEqual(await post(relay, body, FALCON), ["0", body]);
  assert.deepEqual(await post(relay, "1", FALCON), ["6 #0"]);
});

Deno.test("hec row 85: Elisity's body has no event member", async () => {
  await using relay = await openRelay();
  const body = '{"data":{"host":"x"},\n"collector_ms":1700000000000,' +
    '"host":7,"time":"soon","fields":{"a":{}}}';
  const reply = await relay.postFalcon("", body);
  assert.equal(reply.code, 0);
  const [event] = await relay.events();
  assert.equal(event?.event, body);
  assert.deepEqual([event?.host, event?.time], [undefined, undefined]);
  assert.equal((event?.flags ?? 0) & (WHOLE | MULTILINE), WHOLE | MULTILINE);
  assert.equal(relay.app.unknownMembers(), 0);
});

Deno.test("hec row 86: the same request twice is kept twice", async () => {
  await using relay = await openRelay();
  const body = '{"event":"a"}';
  assert.deepEqual(await post(relay, body), ["0", '"a"']);
  assert.deepEqual(await post(relay, body), ["0", '"a"']);
});

Deno.test("hec row 90: query keys that mean nothing to us", async () => {
  await using relay = await openRelay();
  const reply = await relay.post(
    "/event?auto_extract_timestamp=true&x=%zz",
    '{"event":"a"}',
  );
  assert.equal(reply.code, 0);
  assert.deepEqual(await relay.texts(), ['"a"']);
});

Deno.test("HEC takes metadata that are strings only", async () => {
  await using relay = await openRelay();
  for (const key of ["host", "source", "sourcetype", "index"]) {
    for (const value of ["1", "true", "{}", '["x"]']) {
      const body = `{"event":"a"}{"event":"b","${key}":${value}}`;
      assert.deepEqual(await post(relay, body), ["6 #1", '"a"'], body);
    }
    assert.deepEqual(await post(relay, `{"event":"a","${key}":null}`), [
      "0",
      '"a"',
    ]);
  }
});

Deno.test("HEC refuses an envelope above its cap and keeps what came before", async () => {
  await using relay = await openRelay({ limits: { maxEvent: 100 } });
  const fits = `{"event":"${"x".repeat(88)}"}`;
  assert.equal(fits.length, 100);
  const body = `${fits}{"event":"${"x".repeat(89)}"}{"event":"c"}`;
  assert.deepEqual(await post(relay, body), ["6 #1", fits.slice(9, -1)]);
  assert.deepEqual(await post(relay, body, FALCON), [
    "6 #1",
    fits.slice(9, -1),
  ]);
});

Deno.test("HEC takes an event of 700 KiB and refuses one byte more", async () => {
  await using relay = await openRelay();
  const event = `"${"x".repeat(716_800 - 12)}"`;
  assert.deepEqual(await post(relay, `{"event":${event}}`), ["0", event]);
  assert.deepEqual(await post(relay, `{"event":${event}} `), ["0", event]);
  assert.deepEqual(await post(relay, `{"event": ${event}}`), ["6 #0"]);
});

Deno.test("HEC refuses a time in the query that is none", async () => {
  await using relay = await openRelay();
  const body = '{"event":"a"}';
  const bad = await relay.post("?time=soon", body);
  assert.deepEqual([bad.status, bad.code, bad.number], [400, 15, 0]);
  const good = await relay.post("?time=1700000000.5", body);
  assert.equal(good.code, 0);
  assert.equal((await relay.events())[0]?.time, "1700000000.5");
});

Deno.test("Hecate-Event-Ids names what was kept, in order", async () => {
  await using relay = await openRelay();
  const body = '{"event":"a"}'.repeat(3);
  const [one, two] = await Promise.all([
    relay.post("", body),
    relay.post("", body),
  ]);
  const ids: string[] = [];
  for (const reply of [one, two]) {
    for (const run of reply.headers.get("Hecate-Event-Ids")?.split(",") ?? []) {
      const match = /^([0-9a-f]{20})-(\d+)\+(\d+)$/.exec(run);
      assert.ok(match, run);
      for (let i = 0; i < Number(match[3]); i++) {
        ids.push(`${match[1]}-${Number(match[2]) + i}`);
      }
    }
  }
  const kept = (await relay.events()).map(({ id }) => id);
  assert.deepEqual(ids.toSorted(), kept.toSorted());
  const none = await relay.post("", '{"event":""}');
  assert.equal(none.headers.get("Hecate-Event-Ids"), null);
});

Deno.test("HEC refuses metadata above 1 KiB in the query", async () => {
  await using relay = await openRelay();
  for (const suffix of ["/event", "/raw"]) {
    for (const key of ["host", "source", "sourcetype", "index", "time"]) {
      const value = key === "time" ? "1".repeat(1_025) : "é".repeat(513);
      const query = `${suffix}?${key}=${encodeURIComponent(value)}`;
      const reply = await relay.post(query, '{"event":1}');
      assert.deepEqual([reply.status, reply.code, reply.number], [400, 6, 0]);
    }
  }
  assert.deepEqual(await relay.texts(), []);
  const host = encodeURIComponent("é".repeat(512));
  assert.equal((await relay.post(`?host=${host}`, '{"event":1}')).code, 0);
});
