import assert from "node:assert/strict";
import { systemClock } from "../../../lib/clock.ts";
import { openHttp } from "../../../lib/delivery/http_client.ts";
import type {
  HttpExchange,
  HttpReply,
  HttpRequest,
  HttpTarget,
} from "../../../lib/delivery/http_exchange.ts";
import { proxyAuthorization } from "../../../lib/delivery/proxy.ts";
import {
  runtimeSockets,
  type Sockets,
} from "../../../lib/delivery/tls_native.ts";
import { TransportError } from "../../../lib/delivery/transport_error.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { oldSockets } from "../../support/old_sockets.ts";
import {
  always,
  type Script,
  ScriptedServer,
} from "../../support/scripted_server.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const NEVER = new AbortController().signal;

function open(
  port: number,
  {
    clock = systemClock,
    path = "/in?k=v",
    sockets = runtimeSockets(),
    ...more
  }:
    & {
      clock?: ManualClock | typeof systemClock;
      path?: string;
      sockets?: Sockets;
    }
    & Partial<HttpTarget> = {},
): HttpExchange {
  return openHttp({
    url: new URL(`http://127.0.0.1:${port}${path}`),
    tls: { verify: true },
    timeout: 30_000,
    ...more,
  }, { clock, userAgent: "hecate/test", sockets });
}

function post(
  exchange: HttpExchange,
  body: string | Uint8Array = "{}",
  more: Partial<HttpRequest> & { signal?: AbortSignal } = {},
): Promise<HttpReply> {
  const { signal = NEVER, ...request } = more;
  return exchange.send({
    method: "POST",
    headers: [],
    body: typeof body === "string" ? new TextEncoder().encode(body) : body,
    ...request,
  }, signal);
}

async function fault(work: Promise<unknown>): Promise<TransportError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof TransportError, String(error));
    return error;
  }
  throw new Error("no fault");
}

Deno.test("send() writes the request's exact bytes", async () => {
  await using server = new ScriptedServer(always(OK));
  await using exchange = open(server.port);
  const headers = [["Authorization", "Splunk é"], ["X-Empty", ""]] as const;
  const reply = await post(exchange, '{"a":1}', { headers });
  assert.equal(reply.status, 200);
  assert.equal(reply.text(), "ok");
  assert.deepEqual(
    server.requests.map(({ head, body }) => [
      head,
      new TextDecoder().decode(body),
    ]),
    [[
      [
        "POST /in?k=v HTTP/1.1",
        `Host: 127.0.0.1:${server.port}`,
        "Authorization: Splunk Ã©", // UTF-8
        "X-Empty: ",
        "User-Agent: hecate/test",
        "Content-Length: 7",
      ].join("\r\n"),
      '{"a":1}',
    ]],
  );
});

Deno.test("send() says Content-Length 0 for a POST without body, nothing for a GET; takes path and User-Agent", async () => {
  await using server = new ScriptedServer(always(OK));
  await using exchange = open(server.port);
  await post(exchange, "", { path: "/a" });
  await post(exchange, "", {
    method: "GET",
    headers: [["user-agent", "x"]],
  });
  const [first, second] = server.requests.map(({ head }) => head);
  assert.match(first ?? "", /^POST \/a HTTP.*Content-Length: 0$/s);
  assert.match(second ?? "", /^GET \/in\?k=v HTTP/);
  assert.doesNotMatch(second ?? "", /Content-Length|hecate/);
});

Deno.test("send() carries a large body whole, however slowly it is read", async () => {
  await using server = new ScriptedServer(always(OK));
  await using exchange = open(server.port);
  const body = new Uint8Array(8_000_000);
  for (let i = 0; i < body.length; i++) body[i] = i * 31;
  assert.equal((await post(exchange, body)).status, 200);
  const [seen] = server.requests;
  assert.deepEqual(
    await crypto.subtle.digest("SHA-256", seen?.body.slice() ?? body),
    await crypto.subtle.digest("SHA-256", body),
  );
});

Deno.test("send() keeps one connection, past 204 and HEAD", async () => {
  const answers = [
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    OK,
  ];
  await using server = new ScriptedServer(async (connection) => {
    for (const answer of answers) {
      await connection.request();
      await connection.write(answer);
    }
    await connection.closed();
  });
  await using exchange = open(server.port);
  await post(exchange);
  await post(exchange, "", { method: "HEAD" });
  assert.equal((await post(exchange)).text(), "ok");
  assert.equal((await post(exchange)).text(), "ok");
  assert.equal(server.connections, 1);
});

Deno.test("send() opens a second connection only while requests overlap, and keeps one", async () => {
  const bothIn = Promise.withResolvers<void>();
  await using server = new ScriptedServer(async (connection, nth) => {
    await connection.request();
    if (nth === 1) bothIn.resolve();
    await bothIn.promise;
    await connection.write(OK);
    for (;;) {
      await connection.request();
      await connection.write(OK);
    }
  });
  await using exchange = open(server.port);
  await Promise.all([post(exchange, "a"), post(exchange, "b")]);
  for (let i = 0; i < 3; i++) await post(exchange, "c");
  assert.equal(server.connections, 2);
});

Deno.test("send() reconnects after Connection: close and after a body that ends with the connection", async () => {
  const answers = [
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\n\r\nok",
    OK,
  ];
  await using server = new ScriptedServer(async (connection, nth) => {
    await connection.request();
    await connection.write(answers[nth] ?? "");
  });
  await using exchange = open(server.port);
  for (let i = 0; i < 3; i++) assert.equal((await post(exchange)).text(), "ok");
  assert.equal(server.connections, 3);
});

Deno.test("send() notices that the server closed an idle connection and uses a new one, once", async () => {
  const release = Promise.withResolvers<void>();
  await using server = new ScriptedServer(async (connection, nth) => {
    await connection.request();
    await connection.write(OK);
    if (nth > 0) return await connection.closed();
    await release.promise;
    connection.close();
  });
  await using exchange = open(server.port, { clock: new ManualClock() });
  await using other = open(server.port);
  await post(exchange, "first");
  release.resolve();
  await post(other, "a turn of the event loop, in which the close is seen");
  assert.equal((await post(exchange, "second")).status, 200);
  assert.equal(server.connections, 3);
  assert.equal(server.requests.length, 3);
});

/** Answers the first request, takes the second whole and hangs up without a word; other connections answer. */
const hangsUpOnSecond: Script = async (connection, nth) => {
  await connection.request();
  await connection.write(OK);
  if (nth > 0) return await connection.closed();
  await connection.request();
};

Deno.test("send() repeats a request on a connection that had lain idle, once", async () => {
  const clock = new ManualClock();
  await using server = new ScriptedServer(hangsUpOnSecond);
  await using exchange = open(server.port, { clock });
  await post(exchange, "1");
  clock.advance(5_000);
  assert.equal((await post(exchange, "2")).status, 200);
  assert.equal(server.connections, 2);
});

Deno.test("send() never hides that a busy connection was cut after the whole request", async () => {
  const clock = new ManualClock();
  await using server = new ScriptedServer(hangsUpOnSecond);
  await using exchange = open(server.port, { clock });
  await post(exchange, "1");
  const error = await fault(post(exchange, "2"));
  assert.equal(error.reason, "cut");
  assert.ok(error.weather);
  assert.ok(error.bodySent);
  assert.equal(server.connections, 1);
});

Deno.test("send() on a fresh connection: cut after the whole request is bodySent, and not repeated", async () => {
  await using server = new ScriptedServer(async (connection) => {
    await connection.request();
  });
  await using exchange = open(server.port);
  const error = await fault(post(exchange));
  assert.equal(error.reason, "cut");
  assert.ok(error.bodySent);
  assert.equal(server.connections, 1);
});

Deno.test("send() on a fresh connection: a reset in the middle of a large body is not bodySent", async () => {
  await using server = new ScriptedServer(async (connection) => {
    await connection.head(); // what is left unread makes the close a reset
  });
  await using exchange = open(server.port);
  const error = await fault(post(exchange, new Uint8Array(20_000_000)));
  assert.equal(error.reason, "cut");
  assert.ok(!error.bodySent);
  assert.equal(server.connections, 1);
});

Deno.test("send() says cut when the reply ends too early, and does not use the connection again", async () => {
  await using server = new ScriptedServer(async (connection, nth) => {
    await connection.request();
    await connection.write(
      nth === 0 ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf" : OK,
    );
  });
  await using exchange = open(server.port);
  const error = await fault(post(exchange));
  assert.equal(error.reason, "cut");
  assert.match(error.message, /middle of its answer/);
  assert.equal((await post(exchange)).status, 200);
});

Deno.test("send() gives the answer of a server that refuses before it has read all", async () => {
  await using server = new ScriptedServer(async (connection) => {
    await connection.head();
    await connection.write(
      "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    await connection.closed();
  });
  await using exchange = open(server.port);
  const reply = await post(exchange, new Uint8Array(20_000_000));
  assert.equal(reply.status, 413);
});

Deno.test("send() gives a server that answers early and keeps the connection a second to read the rest", async () => {
  const clock = new ManualClock();
  await using server = new ScriptedServer(async (connection) => {
    await connection.head();
    await connection.write("HTTP/1.1 413 Big\r\nContent-Length: 0\r\n\r\n");
    await clock.untilSleeping(2); // the attempt's end and the grace
    clock.advance(1_000);
    await connection.closed();
  });
  await using exchange = open(server.port, { clock });
  const reply = await post(exchange, new Uint8Array(20_000_000));
  assert.equal(reply.status, 413);
  assert.equal(clock.sleepers, 0);
});

for (
  const [kind, sockets] of [
    ["the runtime's", runtimeSockets],
    ["Deno 2.5's", oldSockets],
  ] as const
) {
  Deno.test(`send() gives the answer of a server that reads no more and does not close, over ${kind} sockets`, async () => {
    for (const keepAlive of ["close", "keep-alive"]) {
      const clock = new ManualClock();
      const over = Promise.withResolvers<void>();
      await using server = new ScriptedServer(async (connection) => {
        await connection.head();
        await connection.write(
          `HTTP/1.1 413 Big\r\nConnection: ${keepAlive}\r\nContent-Length: 0\r\n\r\n`,
        );
        if (keepAlive === "keep-alive") {
          await clock.untilSleeping(2); // the attempt's end and the grace
          clock.advance(1_000);
        }
        await over.promise;
      });
      await using exchange = open(server.port, { clock, sockets: sockets() });
      const reply = await post(exchange, new Uint8Array(20_000_000));
      assert.equal(reply.status, 413);
      assert.equal(clock.sleepers, 0);
      over.resolve();
    }
  });
}

Deno.test("send() has settled: a body that changes then is not what the server still gets", async () => {
  const clock = new ManualClock();
  const changed = Promise.withResolvers<void>();
  const rest = Promise.withResolvers<Uint8Array>();
  await using server = new ScriptedServer(async (connection) => {
    await connection.head();
    clock.advance(30_000);
    await changed.promise;
    await connection.closed();
    rest.resolve(connection.unread);
  });
  await using exchange = open(server.port, { clock });
  const body = new Uint8Array(6_000_000);
  const error = await fault(post(exchange, body));
  assert.equal(error.reason, "timeout");
  body.fill(1);
  changed.resolve();
  assert.ok(!(await rest.promise).includes(1));
});

Deno.test("send() has settled: what a write of Deno 2.5 still holds is not the caller's body", async () => {
  const clock = new ManualClock();
  const over = Promise.withResolvers<void>();
  await using server = new ScriptedServer(async (connection) => {
    await connection.head();
    clock.advance(30_000);
    await over.promise;
  });
  const sockets = oldSockets();
  await using exchange = open(server.port, { clock, sockets });
  const body = new Uint8Array(20_000_000);
  const error = await fault(post(exchange, body));
  assert.equal(error.reason, "timeout");
  body.fill(1);
  over.resolve();
  assert.equal(sockets.stuck.length, 1);
  assert.ok(!sockets.stuck[0]?.includes(1));
});

Deno.test("send() skips interim replies and never follows a redirect", async () => {
  await using server = new ScriptedServer(always(
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: http://other/\r\nContent-Length: 0\r\n\r\n",
  ));
  await using exchange = open(server.port);
  const reply = await post(exchange);
  assert.equal(reply.status, 302);
  assert.equal(reply.headers.get("location"), "http://other/");
  assert.equal(server.requests.length, 1);
});

Deno.test("send() drops a connection on which the server speaks unasked", async () => {
  const spoke = Promise.withResolvers<void>();
  await using server = new ScriptedServer(async (connection, nth) => {
    await connection.request();
    await connection.write(nth === 0 ? OK + OK : OK);
    spoke.resolve();
    await connection.closed();
  });
  await using exchange = open(server.port);
  await post(exchange);
  await spoke.promise;
  assert.equal((await post(exchange)).text(), "ok");
  assert.equal(server.requests.length, 2);
});

Deno.test("send() times out while the reply drips, and closes", async () => {
  const clock = new ManualClock();
  const hungUp = Promise.withResolvers<void>();
  await using server = new ScriptedServer(async (connection) => {
    await connection.request();
    for (const letter of "HTTP/1.1 200 OK\r\nX: ") {
      await connection.write(letter);
    }
    clock.advance(29_999);
    await connection.write("y");
    clock.advance(1);
    await connection.closed();
    hungUp.resolve();
  });
  await using exchange = open(server.port, { clock });
  const error = await fault(post(exchange));
  assert.equal(error.reason, "timeout");
  assert.ok(error.bodySent);
  assert.match(error.message, /no whole answer in 30 s.*may arrive twice/);
  await hungUp.promise;
  assert.equal(clock.sleepers, 0);
});

Deno.test("send() times out while the server reads nothing: not bodySent", async () => {
  const clock = new ManualClock();
  const over = Promise.withResolvers<void>();
  await using server = new ScriptedServer(async (connection) => {
    await connection.head();
    clock.advance(30_000);
    await over.promise;
  });
  await using exchange = open(server.port, { clock });
  const error = await fault(post(exchange, new Uint8Array(20_000_000)));
  over.resolve();
  assert.equal(error.reason, "timeout");
  assert.ok(!error.bodySent);
});

Deno.test("send() times out while connecting, after 10 s, and names host and port", async () => {
  const clock = new ManualClock();
  await using server = new ScriptedServer(async (connection) => {
    // The whole greeting is in: the client waits for ours, which never comes.
    await clock.untilSleeping(2);
    clock.advance(10_000);
    await connection.closed();
  });
  const url = new URL(`https://127.0.0.1:${server.port}/`);
  await using exchange = openHttp(
    { url, tls: { verify: true }, timeout: 30_000 },
    { clock },
  );
  const error = await fault(post(exchange));
  assert.equal(error.reason, "timeout");
  assert.ok(!error.bodySent);
  assert.equal(
    error.message,
    `No answer from 127.0.0.1:${server.port} in 10 s. Usually a firewall: allow this machine's address there.`,
  );
  assert.equal(clock.sleepers, 0);
});

Deno.test("send() rejects with the signal's reason and closes", async () => {
  const abort = new AbortController();
  const why = new Error("the program stops");
  const hungUp = Promise.withResolvers<void>();
  await using server = new ScriptedServer(async (connection) => {
    await connection.request();
    abort.abort(why);
    await connection.closed();
    hungUp.resolve();
  });
  await using exchange = open(server.port);
  await assert.rejects(post(exchange, "{}", { signal: abort.signal }), why);
  await hungUp.promise;
  await assert.rejects(post(exchange, "{}", { signal: abort.signal }), why);
});

Deno.test("send() says refused", async () => {
  const port = await (async () => {
    await using server = new ScriptedServer(always(OK));
    return server.port;
  })();
  await using exchange = open(port);
  const error = await fault(post(exchange));
  assert.equal(error.reason, "refused");
  assert.equal(
    error.message,
    `127.0.0.1 answers, but nothing listens on port ${port}. Wrong port, or the collector is off.`,
  );
});

Deno.test("send() says not_http for what speaks something else", async () => {
  for (const words of ["SSH-2.0-x\r\n", "\x15\x03\x01\0\x02\x02\x46"]) {
    await using server = new ScriptedServer(async (connection) => {
      await connection.request();
      await connection.write(words);
      await connection.closed();
    });
    await using exchange = open(server.port);
    const error = await fault(post(exchange));
    assert.equal(error.reason, "not_http");
    assert.ok(!error.weather);
  }
});

Deno.test("send() bounds the reply by maxReplyBytes", async () => {
  await using server = new ScriptedServer(always(
    `HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n${"x".repeat(2000)}`,
  ));
  await using exchange = open(server.port, { maxReplyBytes: 1999 });
  assert.equal((await fault(post(exchange))).reason, "unclear");
});

Deno.test("send() refuses what would smuggle a header or a request, without quoting it", async () => {
  await using server = new ScriptedServer(always(OK));
  await using exchange = open(server.port);
  for (const evil of ["s3cret\r\nX: y", "s3cret\n", "s3cret\0", "s3cret\x7f"]) {
    const error = await fault(
      post(exchange, "{}", { headers: [["Authorization", evil]] }),
    );
    assert.equal(error.reason, "config");
    assert.doesNotMatch(error.message, /s3cret/);
  }
  for (const path of ["/a b", "/a\r\nX: y", "a", "/ä", ""]) {
    assert.equal(
      (await fault(post(exchange, "{}", { path }))).reason,
      "config",
    );
  }
  for (
    const name of ["Host", "content-length", "Transfer-Encoding", "a b", ""]
  ) {
    await assert.rejects(
      post(exchange, "{}", { headers: [[name, "x"]] }),
      TypeError,
    );
  }
  assert.equal(server.connections, 0);
});

Deno.test("send() through a proxy: whole address, credentials to the proxy", async () => {
  await using proxy = new ScriptedServer(always(OK));
  await using exchange = openHttp({
    url: new URL("http://siem.example:8088/in?k=v"),
    tls: { verify: true },
    timeout: 5_000,
    proxy: new URL(`http://us%40er:p%20w@127.0.0.1:${proxy.port}`),
  }, { clock: systemClock });
  assert.equal((await post(exchange)).status, 200);
  const head = proxy.requests[0]?.head.split("\r\n") ?? [];
  assert.equal(head[0], "POST http://siem.example:8088/in?k=v HTTP/1.1");
  assert.equal(head[1], "Host: siem.example:8088");
  assert.equal(head[2], `Proxy-Authorization: Basic ${btoa("us@er:p w")}`);
});

Deno.test("dispose closes the kept connection and what is under way", async () => {
  const hungUp = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const second = Promise.withResolvers<void>();
  await using server = new ScriptedServer(async (connection, nth) => {
    await connection.request();
    if (nth === 0) await connection.write(OK);
    else second.resolve();
    await connection.closed();
    hungUp[nth]?.resolve();
  });
  const idle = open(server.port);
  await post(idle);
  await idle[Symbol.asyncDispose]();
  await hungUp[0]?.promise;
  const busy = open(server.port);
  const pending = fault(post(busy));
  await second.promise;
  await busy[Symbol.asyncDispose]();
  assert.equal((await pending).reason, "cut");
  await hungUp[1]?.promise;
});

Deno.test("proxyAuthorization() takes a malformed % for itself", () => {
  const line = (url: string) => proxyAuthorization(new URL(url));
  const basic = (text: string) =>
    `Proxy-Authorization: Basic ${btoa(text)}\r\n`;
  assert.equal(line("http://u:x%zz@proxy:1"), basic("u:x%zz"));
  assert.equal(line("http://u%40:%ff%20@proxy:1"), basic("u@:%ff%20"));
  assert.equal(line("http://proxy:1"), "");
});
