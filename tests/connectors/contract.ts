/**
 * What every connector must do, whatever its vendor. A type's test file calls `runContract` once; the suite speaks to
 * scripted servers on loopback over the real HTTP client.
 */

import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import type { ConnectorType, Outcome, Sink } from "../../lib/connector.ts";
import type { BatchBuffer } from "../../lib/delivery/batch_buffer.ts";
import {
  always,
  type Script,
  ScriptedServer,
} from "../support/scripted_server.ts";
import {
  answer,
  encoded,
  hecRun,
  numbered,
  openSink,
} from "../support/sinks.ts";

/** What the suite must know of a type. */
export interface ContractSubject {
  /** Environment that configures it against a base address, with `SECRET` as its credential. */
  readonly env: (base: string) => Readonly<Record<string, string>>;
  /** The vendor's answer to a request that it took. */
  readonly success: string;
  /** The events' own bytes in a body that it sent, in order. */
  readonly eventsOf: (body: Uint8Array) => readonly string[];
}

/** The credential; no message may hold it. */
export const SECRET = "S3cr3t-t0ken-0123456789";

/** What Go's https servers answer to http, the whole of it. */
const PAGE = "Client sent an HTTP request to an HTTPS server.\n";
const HTTPS_PORT =
  `HTTP/1.1 400 Bad Request\r\nContent-Length: ${PAGE.length}\r\n\r\n${PAGE}`;

/** Text that must come out as it went in. */
const HOSTILE = [
  '{"a":"\\u0000\\"\\\\ \\ud83d\\ude00 </script>\\n"}',
  '{"big":9007199254740993,"exp":1e400,"d":1.0,"d":1.00}',
  '{"é":"日本語 |=\\\\|= 𝄞","__proto__":{"x":1}}',
  '"plain text"',
  "[1,2,[3]]",
  "0",
  "false",
];

async function delivered(
  type: ConnectorType,
  subject: ContractSubject,
  script: Script,
  body: (sink: Sink) => BatchBuffer,
  extra: Readonly<Record<string, string>> = {},
): Promise<{ outcome: Outcome; server: ScriptedServer }> {
  await using server = new ScriptedServer(script);
  const env = {
    ...subject.env(`http://127.0.0.1:${server.port}`),
    ...extra,
  };
  await using sink = openSink(type, env);
  const outcome = await sink.deliver(body(sink), AbortSignal.timeout(20_000));
  assert.ok(!JSON.stringify(outcome).includes(SECRET), "a secret left");
  return { outcome, server };
}

/** The places of a batch that an outcome speaks of or, by its kind, stands for: each exactly once. */
export function placesOf(outcome: Outcome, batch: BatchBuffer): number[] {
  const all = batch.places;
  switch (outcome.kind) {
    case "delivered":
    case "split":
    case "held":
      return [...all];
    case "rejected":
    case "retry": {
      const rejected = (outcome.rejections ?? []).map(({ at }) => at);
      const pending = outcome.pending ??
        (outcome.kind === "retry"
          ? all.filter((place) => !rejected.includes(place))
          : []);
      const named = [...rejected, ...pending];
      const taken = all.filter((place) => !named.includes(place));
      return [...named, ...taken].sort((a, b) => a - b);
    }
  }
}

/** Registers the suite's tests for a type. */
export function runContract(
  type: ConnectorType,
  subject: ContractSubject,
): void {
  const name = (what: string) => `${type.type} contract: ${what}`;
  const five = (sink: Sink) => encoded(sink, numbered(5));
  const offline = () => openSink(type, subject.env("http://127.0.0.1:9"));

  Deno.test(
    name("encode() is pure and keeps hostile text byte for byte"),
    async () => {
      await using sink = offline();
      const run = hecRun(HOSTILE.map((text) => `{"event":${text}}`).join(""));
      const one = encoded(sink, run).body().slice();
      const two = encoded(sink, run).body().slice();
      assert.deepEqual(one, two);
      assert.deepEqual(subject.eventsOf(one), HOSTILE);
    },
  );

  Deno.test(
    name("only an https port's own error page is one, no event that quotes it"),
    async () => {
      const verdictOn = async (reply: string) =>
        (await delivered(type, subject, always(reply), five)).outcome.kind;
      assert.equal(
        await verdictOn(HTTPS_PORT),
        "held",
      );
      const quoted = { text: "Invalid event", event: PAGE };
      assert.equal(await verdictOn(answer(400, quoted)), "split");
      assert.equal(await verdictOn(answer(400, `no: ${PAGE}`)), "split");
    },
  );

  Deno.test(
    name("encode() keeps the limit of events at n−1, n and n+1"),
    async () => {
      await using sink = offline();
      const { events } = sink.limits;
      for (
        const [given, taken] of [[events - 1, events - 1], [events, events], [
          events + 1,
          events,
        ]] as const
      ) {
        const batch = encoded(sink, numbered(given));
        assert.equal(batch.places.length, taken);
        assert.equal(batch.count, taken);
      }
    },
  );

  Deno.test(
    name("encode() keeps the limit of bytes at n−1, n and n+1"),
    async () => {
      const sizes: number[] = [];
      for (const extra of [-1, 0, 1]) {
        await using probe = offline();
        const run = hecRun(
          '{"event":"a"}{"event":"b"}'.replace("b", "b".repeat(2000)),
        );
        const whole = encoded(probe, run).length;
        await using sink = openSink(type, {
          ...subject.env("http://127.0.0.1:9"),
          [`${type.prefix}_BATCH_BYTES`]: String(whole + extra),
        });
        sizes.push(encoded(sink, run).places.length);
      }
      assert.deepEqual(sizes, [1, 2, 2]);
    },
  );

  Deno.test(name("a body that was taken is delivered"), async () => {
    const { outcome, server } = await delivered(
      type,
      subject,
      always(subject.success),
      five,
    );
    assert.equal(outcome.kind, "delivered");
    assert.equal(server.requests.length, 1);
    assert.match(
      server.requests[0]?.head ?? "",
      new RegExp(`^authorization: .*${SECRET}`, "im"),
    );
    assert.equal(
      subject.eventsOf(server.requests[0]?.body ?? new Uint8Array()).length,
      5,
    );
  });

  Deno.test(name("gzip sends the same bytes"), async () => {
    const big = (sink: Sink) => encoded(sink, numbered(100));
    const { outcome, server } = await delivered(
      type,
      subject,
      always(subject.success),
      big,
      {
        [`${type.prefix}_GZIP`]: "on",
      },
    );
    assert.equal(outcome.kind, "delivered");
    const request = server.requests[0];
    assert.match(request?.head ?? "", /^content-encoding: gzip$/im);
    assert.equal(
      subject.eventsOf(gunzipSync(request?.body ?? new Uint8Array())).length,
      100,
    );
  });

  const echo = { text: `bad token ${SECRET}`, code: 4 };
  const table: [string, string, Outcome["kind"], string?][] = [
    ["401", answer(401, echo), "held", "auth"],
    ["403", answer(403, echo), "held", "forbidden"],
    ["404", answer(404), "held", "path"],
    ["407", answer(407), "held", "auth"],
    ["413", answer(413), "split", "too_large"],
    ["408", answer(408), "retry", "slow_down"],
    ["429", answer(429), "retry", "slow_down"],
    ["500", answer(500), "retry", "server"],
    [
      "502 with a web page",
      answer(502, `<html><title>Bad ${SECRET}`, {
        "content-type": "text/html",
      }),
      "retry",
      "server",
    ],
    ["503", answer(503), "retry", "server"],
    ["501", answer(501), "held", "config"],
    [
      "200 with a web page",
      answer(200, "<html>sign in", { "content-type": "text/html" }),
      "held",
      "not_collector",
    ],
    [
      "302",
      answer(302, "", { location: "https://elsewhere.invalid/" }),
      "held",
      "redirect",
    ],
    ["400 without words", answer(400), "split", "rejected"],
    ["garbage", "\u0000\u0001 hello\r\n\r\n", "held", "not_http"],
  ];
  for (const [what, bytes, kind, reason] of table) {
    Deno.test(name(`${what} is ${kind} ${reason}`), async () => {
      let batch: BatchBuffer | undefined;
      const { outcome, server } = await delivered(
        type,
        subject,
        always(bytes),
        (sink) => batch = five(sink),
      );
      assert.equal(outcome.kind, kind);
      assert.equal("reason" in outcome ? outcome.reason : undefined, reason);
      assert.ok(batch);
      assert.deepEqual(placesOf(outcome, batch), batch.places);
      assert.equal(
        server.requests.length,
        1,
        "nothing goes twice, nothing follows",
      );
      if (outcome.kind === "held") assert.notEqual(outcome.help, "");
    });
  }

  Deno.test(
    name("429 and 503 honour Retry-After in seconds and as a date"),
    async () => {
      for (const status of [429, 503]) {
        const seconds = await delivered(
          type,
          subject,
          always(answer(status, "", { "retry-after": "7" })),
          five,
        );
        assert.ok(seconds.outcome.kind === "retry");
        assert.equal(seconds.outcome.after, 7000);
        const date = new Date(Date.now() + 60_000).toUTCString();
        const dated = await delivered(
          type,
          subject,
          always(answer(status, "", { "retry-after": date })),
          five,
        );
        assert.ok(dated.outcome.kind === "retry");
        assert.ok(
          (dated.outcome.after ?? 0) > 50_000 &&
            (dated.outcome.after ?? 0) <= 60_000,
        );
      }
    },
  );

  Deno.test(
    name("a cut connection and a refused one are weather"),
    async () => {
      const cut = await delivered(type, subject, async (connection) => {
        await connection.request();
      }, five);
      assert.ok(cut.outcome.kind === "retry");
      assert.equal(cut.outcome.reason, "cut");
      await using sink = offline();
      const outcome = await sink.deliver(
        five(sink),
        AbortSignal.timeout(20_000),
      );
      assert.ok(outcome.kind === "retry");
      assert.equal(outcome.reason, "refused");
    },
  );

  Deno.test(
    name("a slow answer is a timeout; an abort throws the signal's reason"),
    async () => {
      const stuck: Script = async (connection) => {
        await connection.request();
        await connection.closed();
      };
      const slow = await delivered(type, subject, stuck, five, {
        [`${type.prefix}_TIMEOUT`]: "50ms",
      });
      assert.ok(slow.outcome.kind === "retry");
      assert.equal(slow.outcome.reason, "timeout");
      const stop = new AbortController();
      const reason = new Error("stop");
      const aborting: Script = async (connection) => {
        await connection.request();
        stop.abort(reason);
        await connection.closed();
      };
      await using server = new ScriptedServer(aborting);
      await using sink = openSink(
        type,
        subject.env(`http://127.0.0.1:${server.port}`),
      );
      await assert.rejects(sink.deliver(five(sink), stop.signal), reason);
    },
  );

  Deno.test(name("probe() sends one marked event, judged as any"), async () => {
    for (
      const [reply, kind] of [[subject.success, "delivered"], [
        answer(401),
        "held",
      ]] as const
    ) {
      await using server = new ScriptedServer(always(reply));
      await using sink = openSink(
        type,
        subject.env(`http://127.0.0.1:${server.port}`),
      );
      assert.equal((await sink.probe(AbortSignal.timeout(20_000))).kind, kind);
      const [event] = subject.eventsOf(
        server.requests[0]?.body ?? new Uint8Array(),
      );
      assert.ok(JSON.parse(event ?? "")["hecate.test"]);
    }
  });

  Deno.test(
    name("test() names the step that failed and sends no event"),
    async () => {
      const steps = async (reply: string) => {
        await using server = new ScriptedServer(always(reply));
        await using sink = openSink(
          type,
          subject.env(`http://127.0.0.1:${server.port}`),
        );
        const found = await Array.fromAsync(
          sink.test(AbortSignal.timeout(20_000)),
        );
        assert.equal(server.requests[0]?.body.length, 0);
        assert.ok(!JSON.stringify(found).includes(SECRET), "a secret left");
        return found.map(({ name, ok }) => `${name} ${ok}`);
      };
      assert.deepEqual(await steps(answer(400, { text: "No data", code: 5 })), [
        "address true",
        "connection true",
        "login true",
      ]);
      assert.deepEqual((await steps(HTTPS_PORT)).at(-1), "login false");
      assert.deepEqual(await steps(answer(403, echo)), [
        "address true",
        "connection true",
        "login false",
      ]);
      await using sink = offline();
      const refused = await Array.fromAsync(
        sink.test(AbortSignal.timeout(20_000)),
      );
      assert.deepEqual(refused.map(({ name, ok }) => `${name} ${ok}`), [
        "address true",
        "connection false",
      ]);
    },
  );
}
