import assert from "node:assert/strict";
import {
  LastHead,
  MAX_HEAD_BYTES,
  ReplyParser,
} from "../../../lib/delivery/http_reply.ts";
import { TransportError } from "../../../lib/delivery/transport_error.ts";

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

interface Read {
  readonly status: number;
  readonly body: string;
  readonly keepAlive: boolean;
}

function parse(
  pieces: readonly string[],
  { method = "POST", maxBody = 1000, close = false } = {},
): Read {
  const parser = new ReplyParser({ method, maxBody, place: "siem:8088" });
  let isDone = false;
  for (const piece of pieces) {
    assert.ok(!isDone, "bytes after the end");
    isDone = parser.push(bytes(piece));
  }
  if (close) parser.end();
  else assert.ok(isDone, "the reply is not complete");
  const reply = parser.reply();
  return {
    status: reply.status,
    body: reply.text(),
    keepAlive: parser.keepAlive,
  };
}

function reasonOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof TransportError, String(error));
    assert.match(error.message, /siem:8088/);
    return error.reason;
  }
  return "no fault";
}

const CHUNKED =
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" +
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n" +
  '7;x="1"\r\n{"text"\r\n0010\r\n:"Success","code\r\n4\r\n":0}\r\n0\r\nX-Trail: 1\r\n\r\n';

Deno.test("ReplyParser.push() reads a chunked reply however it is cut in two", () => {
  for (let cut = 1; cut < CHUNKED.length; cut++) {
    const read = parse([CHUNKED.slice(0, cut), CHUNKED.slice(cut)]);
    assert.deepEqual(
      read,
      { status: 200, body: '{"text":"Success","code":0}', keepAlive: true },
      `cut at ${cut}`,
    );
  }
});

Deno.test("ReplyParser.push() reads a chunked reply byte by byte", () => {
  const read = parse([...CHUNKED]);
  assert.equal(read.body, '{"text":"Success","code":0}');
});

const ACCEPTED: readonly {
  readonly name: string;
  readonly reply: string;
  readonly want: Read;
  readonly method?: string;
  readonly close?: boolean;
}[] = [
  {
    name: "Content-Length",
    reply: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    want: { status: 200, body: "ok", keepAlive: true },
  },
  {
    name: "no reason phrase, bare line feeds, odd case",
    reply: "HTTP/1.1 202\ncontent-LENGTH:2\n\nok",
    want: { status: 202, body: "ok", keepAlive: true },
  },
  {
    name: "the same length twice",
    reply:
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2, 2\r\n\r\nok",
    want: { status: 200, body: "ok", keepAlive: true },
  },
  {
    name: "204 without a length",
    reply: "HTTP/1.1 204 No Content\r\n\r\n",
    want: { status: 204, body: "", keepAlive: true },
  },
  {
    name: "304 with a length that it does not send",
    reply: "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    want: { status: 304, body: "", keepAlive: true },
  },
  {
    name: "HEAD",
    method: "HEAD",
    reply: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    want: { status: 200, body: "", keepAlive: true },
  },
  {
    name: "Connection: close",
    reply:
      "HTTP/1.1 503 Busy\r\nConnection: foo, Close\r\nContent-Length: 0\r\n\r\n",
    want: { status: 503, body: "", keepAlive: false },
  },
  {
    name: "HTTP/1.0",
    reply: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    want: { status: 200, body: "ok", keepAlive: false },
  },
  {
    name: "HTTP/1.0 that keeps the connection",
    reply:
      "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    want: { status: 200, body: "ok", keepAlive: true },
  },
  {
    name: "until close",
    close: true,
    reply: "HTTP/1.1 200 OK\r\n\r\nall of it",
    want: { status: 200, body: "all of it", keepAlive: false },
  },
  {
    name: "length and chunks: the chunks count, the connection ends",
    reply:
      "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    want: { status: 200, body: "ok", keepAlive: false },
  },
  {
    name: "bytes after the reply",
    reply: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200",
    want: { status: 200, body: "ok", keepAlive: false },
  },
];

for (const { name, reply, want, ...options } of ACCEPTED) {
  Deno.test(`ReplyParser accepts: ${name}`, () => {
    assert.deepEqual(parse([reply], options), want);
  });
}

const MALFORMED: Readonly<Record<string, string>> = {
  "an SSH banner": "SSH-2.0-OpenSSH_9.2\r\n",
  "a TLS alert": "\x15\x03\x03\x00\x02\x02\x46",
  "HTTP/2": "HTTP/2 200\r\n",
  "status 99": "HTTP/1.1 099 No\r\n",
  "status text": "HTTP/1.1 OK\r\n",
  "a switch of protocols": "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
  "a header without colon": "HTTP/1.1 200 OK\r\nnonsense\r\n",
  "a blank before the colon": "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n",
  "a NUL in a header": "HTTP/1.1 200 OK\r\nX: a\0b\r\n",
  "a fold before any header": "HTTP/1.1 200 OK\r\n x\r\n",
  "two lengths":
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
  "a length with a sign": "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n",
  "an unasked coding":
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
  "a chunk size that is none":
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
  "a chunk size over 32 bits":
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
  "a chunk longer than it says":
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nok\r\n",
};

for (const [name, reply] of Object.entries(MALFORMED)) {
  Deno.test(`ReplyParser refuses as not_http: ${name}`, () => {
    assert.equal(reasonOf(() => parse([reply])), "not_http");
    assert.equal(reasonOf(() => parse([...reply])), "not_http");
  });
}

Deno.test("ReplyParser.push() says not_http at the first wrong byte", () => {
  assert.equal(reasonOf(() => parse(["HTTQ"])), "not_http");
});

Deno.test("ReplyParser.end() is a cut unless the reply ends so", () => {
  for (
    const reply of [
      "",
      "HTTP/1.1 200 OK\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    ]
  ) {
    assert.equal(reasonOf(() => parse([reply], { close: true })), "cut");
  }
});

Deno.test("ReplyParser bounds heads, trailers and chunk extensions", () => {
  const long = "x".repeat(1000);
  const heads = [
    `HTTP/1.1 200 OK\r\n${`X: ${long}\r\n`.repeat(70)}`,
    `HTTP/1.1 200 OK\r\nX: ${"x".repeat(MAX_HEAD_BYTES)}`,
    "HTTP/1.1 100 Continue\r\n\r\n".repeat(3000),
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${
      `1;${long}\r\na\r\n`.repeat(70)
    }`,
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${
      `X: ${long}\r\n`.repeat(70)
    }`,
  ];
  for (const head of heads) {
    assert.equal(reasonOf(() => parse([head])), "not_http");
  }
});

Deno.test("ReplyParser reads small chunks up to the body's bound only", () => {
  const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const body = head + "1\r\na\r\n".repeat(1000) + "0\r\n\r\n";
  assert.equal(parse([body]).body.length, 1000);
  assert.equal(reasonOf(() => parse([body], { maxBody: 999 })), "unclear");
});

Deno.test("ReplyParser cuts a long 503 and refuses a long 200, by length, chunks and close", () => {
  const long = "x".repeat(2000);
  const rests = [
    `Content-Length: 2000\r\n\r\n${long}`,
    `Transfer-Encoding: chunked\r\n\r\n7d0\r\n${long}\r\n0\r\n\r\n`,
    `\r\n${long}`,
  ];
  for (const rest of rests) {
    const read = parse([`HTTP/1.1 503 Busy\r\n${rest}`]);
    assert.equal(read.body.length, 1000);
    assert.ok(!read.keepAlive);
    assert.equal(
      reasonOf(() => parse([`HTTP/1.1 200 OK\r\n${rest}`])),
      "unclear",
    );
  }
});

Deno.test("HttpReply keeps headers as they came and decodes bad UTF-8", () => {
  const parser = new ReplyParser({
    method: "GET",
    maxBody: 9,
    place: "siem:1",
  });
  parser.push(bytes(
    "HTTP/1.1 200 OK\r\nX-A: caf\xe9 \r\nX-A: b\r\n folded\r\nContent-Length: 2\r\n\r\n\xff!",
  ));
  const reply = parser.reply();
  assert.equal(reply.headers.get("x-a"), "caf\xe9, b folded");
  assert.equal(reply.text(), "\ufffd!");
});

Deno.test("ReplyParser knows a head that comes again, and reads one that is another", () => {
  const last = new LastHead();
  const expectation = { method: "POST", maxBody: 1_000, place: "siem:8088" };
  const read = (text: string) => {
    const parser = new ReplyParser(expectation, last);
    assert.ok(parser.push(new TextEncoder().encode(text)), text);
    return { reply: parser.reply(), keepAlive: parser.keepAlive };
  };
  const head = "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\n";
  const first = read(`${head}ok`), again = read(`${head}no`);
  assert.equal(again.reply.text(), "no");
  assert.ok(again.keepAlive);
  assert.equal(again.reply.headers, first.reply.headers);
  const other = read("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
  assert.equal(other.reply.status, 503);
  assert.equal(other.reply.headers.get("a"), null);
  // Beyond a head that is the same: bytes that nobody asked for.
  assert.ok(
    !read("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\nmore").keepAlive,
  );
  // In pieces, and behind an interim one.
  const parser = new ReplyParser(expectation, last);
  const bytes = new TextEncoder().encode(`${head}ok`);
  assert.ok(!parser.push(bytes.subarray(0, 20)));
  assert.ok(parser.push(bytes.subarray(20)));
  assert.equal(parser.reply().text(), "ok");
  assert.equal(read(`HTTP/1.1 100 Go\r\n\r\n${head}ok`).reply.status, 200);
  assert.equal(read(`HTTP/1.1 100 Go\r\n\r\n${head}ok`).reply.text(), "ok");
});
