import assert from "node:assert/strict";
import { type DemoSiem, startDemoSiem } from "../../../lib/demo/siem.ts";

const json = (n: number) => `{"event":${n}}`;

function send(siem: DemoSiem, body: string): Promise<Response> {
  const target = siem.target("splunk");
  return fetch(target.url, {
    method: "POST",
    body,
    redirect: "manual",
    headers: { authorization: `Splunk ${target.token}` },
  });
}

async function answer(siem: DemoSiem, body: string): Promise<[number, string]> {
  const reply = await send(siem, body);
  return [reply.status, await reply.text()];
}

/** What a plain socket sees after it sent `body`: the bytes, and how it ended. */
async function onSocket(
  siem: DemoSiem,
  body: string,
): Promise<{ readonly reply: string; readonly ended: string }> {
  const target = siem.target("splunk");
  using connection = await Deno.connect({
    hostname: "127.0.0.1",
    port: siem.port,
  });
  const request = new TextEncoder().encode(
    `POST ${new URL(target.url).pathname} HTTP/1.1\r\nHost: x\r\n` +
      `Authorization: Splunk ${target.token}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  for (let at = 0; at < request.length;) {
    at += await connection.write(request.subarray(at));
  }
  let reply = "";
  const buffer = new Uint8Array(4096);
  try {
    for (;;) {
      const count = await connection.read(buffer);
      if (count === null) return { reply, ended: "end" };
      reply += new TextDecoder().decode(buffer.subarray(0, count));
    }
  } catch (error) {
    assert.ok(error instanceof Deno.errors.ConnectionReset, String(error));
    return { reply, ended: "reset" };
  }
}

Deno.test("fault() spoils the next n requests, one fault after the other", async () => {
  await using siem = await startDemoSiem();
  siem.fault("splunk", { kind: "status", status: 503 }, { requests: 2 });
  siem.fault("splunk", { kind: "status", status: 403 }, { requests: 1 });
  const seen: number[] = [];
  for (let n = 0; n < 4; n++) seen.push((await answer(siem, json(n)))[0]);
  assert.deepEqual(seen, [503, 503, 403, 200]);
  assert.equal(siem.target("splunk").count, 1);
});

Deno.test("fault() stands until cleared, by its handle, its scope or the siem", async () => {
  await using siem = await startDemoSiem();
  const status = async () => (await answer(siem, json(1)))[0];
  {
    using _fault = siem.fault("splunk", { kind: "status", status: 401 });
    assert.deepEqual([await status(), await status()], [401, 401]);
  }
  assert.equal(await status(), 200);
  const armed = siem.fault("splunk", { kind: "status", status: 404 });
  assert.equal(await status(), 404);
  armed.clear();
  assert.equal(await status(), 200);
  siem.fault("splunk", { kind: "html" });
  siem.clear();
  assert.equal(await status(), 200);
});

Deno.test("a status fault speaks the vendor's words, with Retry-After and prefix", async () => {
  await using siem = await startDemoSiem();
  const date = new Date(Date.UTC(2026, 2, 13, 0, 0, 7));
  siem.fault("splunk", {
    kind: "status",
    status: 429,
    retryAfter: 7,
  }, { requests: 1 });
  siem.fault("splunk", {
    kind: "status",
    status: 503,
    retryAfter: date,
    number: 2,
  }, { requests: 1 });
  const slow = await send(siem, json(1));
  assert.equal((await slow.json()).code, 26);
  assert.equal(slow.headers.get("retry-after"), "7");
  const busy = await send(siem, json(1) + json(2) + json(3));
  assert.equal(
    await busy.text(),
    '{"text":"Server is busy","code":9,"invalid-event-number":2}',
  );
  assert.equal(
    busy.headers.get("retry-after"),
    "Fri, 13 Mar 2026 00:00:07 GMT",
  );
  assert.equal(siem.target("splunk").count, 2);
});

Deno.test("reset before the body takes nothing; after it, all", async () => {
  await using siem = await startDemoSiem();
  siem.fault("splunk", { kind: "reset", when: "before" }, { requests: 1 });
  siem.fault("splunk", { kind: "reset", when: "after" }, { requests: 1 });
  assert.deepEqual(await onSocket(siem, json(1)), {
    reply: "",
    ended: "reset",
  });
  assert.equal(siem.target("splunk").count, 0);
  assert.deepEqual(await onSocket(siem, json(2)), {
    reply: "",
    ended: "reset",
  });
  assert.equal(siem.target("splunk").count, 1);
});

Deno.test("close and cut take all and break off", async () => {
  await using siem = await startDemoSiem();
  siem.fault("splunk", { kind: "close" }, { requests: 1 });
  siem.fault("splunk", { kind: "cut" }, { requests: 1 });
  assert.deepEqual(await onSocket(siem, json(1)), { reply: "", ended: "end" });
  const cut = await onSocket(siem, json(2));
  assert.match(cut.reply, /^HTTP\/1\.1 200 OK/);
  assert.doesNotMatch(cut.reply, /Success/);
  assert.equal(siem.target("splunk").count, 2);
});

Deno.test("drip answers byte by byte and whole", async () => {
  await using siem = await startDemoSiem();
  siem.fault("splunk", { kind: "drip", ms: 0 }, { requests: 1 });
  assert.deepEqual(await answer(siem, json(1)), [
    200,
    '{"text":"Success","code":0}',
  ]);
});

Deno.test("hang takes nothing and lets go when cleared", async () => {
  await using siem = await startDemoSiem();
  const target = siem.target("splunk");
  siem.fault("splunk", { kind: "hang" }, { requests: 1 });
  const hanging = onSocket(siem, json(1));
  await target.until(() => target.requests.length === 1);
  siem.clear("splunk");
  assert.deepEqual(await hanging, { reply: "", ended: "end" });
  assert.equal(target.count, 0);
});

Deno.test("hang ends with the client, and with the siem", async () => {
  const siem = await startDemoSiem();
  const target = siem.target("splunk");
  siem.fault("splunk", { kind: "hang" });
  const leaving = new AbortController();
  const left = fetch(target.url, {
    method: "POST",
    body: json(1),
    signal: leaving.signal,
  });
  await target.until(() => target.requests.length === 1);
  leaving.abort();
  await assert.rejects(left);
  const staying = onSocket(siem, json(2));
  await target.until(() => target.requests.length === 2);
  await siem[Symbol.asyncDispose]();
  assert.equal((await staying).reply, "");
});

Deno.test("reject refuses every n-th event over requests, with its number", async () => {
  await using siem = await startDemoSiem();
  const target = siem.target("splunk");
  siem.fault("splunk", { kind: "reject", events: 3 });
  const numbers: (number | undefined)[] = [];
  let rest = [1, 2, 3, 4, 5, 6, 7];
  while (rest.length > 0) {
    const [, body] = await answer(siem, rest.map(json).join("\n"));
    const number: number | undefined = JSON.parse(body)["invalid-event-number"];
    numbers.push(number);
    rest = number === undefined ? [] : rest.slice(number + 1);
  }
  assert.deepEqual(numbers, [2, 2, undefined]);
  assert.deepEqual(
    target.received.map((one) => new TextDecoder().decode(one.event)),
    ["1", "2", "4", "5", "7"],
  );
});

Deno.test("reject of a vendor that names no event converges under halving", async () => {
  await using siem = await startDemoSiem();
  const target = siem.target("hec");
  siem.fault("hec", { kind: "reject", events: 4 });
  const dead: number[] = [];
  const deliver = async (events: number[]): Promise<void> => {
    const reply = await fetch(target.url, {
      method: "POST",
      body: events.map((n) => `{"data":${n},"collector_ms":1773360000123}`)
        .join("\n"),
      headers: { authorization: `Bearer ${target.token}` },
    });
    await reply.body?.cancel();
    if (reply.status === 200) return;
    if (events.length === 1) return void dead.push(...events);
    const half = events.length >> 1;
    await deliver(events.slice(0, half));
    await deliver(events.slice(half));
  };
  await deliver(Array.from({ length: 20 }, (_, n) => n + 1));
  assert.deepEqual(dead, [4, 8, 12, 16, 20]);
  assert.equal(target.count, 15);
});

Deno.test("reject of matching events", async () => {
  await using siem = await startDemoSiem();
  siem.fault("splunk", {
    kind: "reject",
    events: (event) => new TextDecoder().decode(event) === "2",
  });
  const [status, body] = await answer(siem, json(1) + json(2) + json(3));
  assert.equal(status, 400);
  assert.equal(JSON.parse(body)["invalid-event-number"], 1);
});

Deno.test("html, redirect and garbage take nothing", async () => {
  await using siem = await startDemoSiem();
  siem.fault("splunk", { kind: "html" }, { requests: 1 });
  siem.fault("splunk", { kind: "redirect", to: "http://127.0.0.1:1/" }, {
    requests: 1,
  });
  siem.fault("splunk", { kind: "garbage" }, { requests: 1 });
  const page = await send(siem, json(1));
  assert.match(page.headers.get("content-type") ?? "", /text\/html/);
  assert.match(await page.text(), /^<!doctype html>/);
  const moved = await send(siem, json(1));
  assert.deepEqual(
    [moved.status, moved.headers.get("location"), await moved.text()],
    [302, "http://127.0.0.1:1/", ""],
  );
  const [status, body] = await answer(siem, json(1));
  assert.equal(status, 200);
  assert.throws(() => JSON.parse(body));
  assert.equal(siem.target("splunk").count, 0);
});
