/**
 * What every connector that speaks HTTP must make of the answers: scripted servers on loopback, the real client.
 * Registered by `runContract`.
 */

import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import type { ConnectorType, Outcome, Sink } from "../../lib/connector.ts";
import type { BatchBuffer } from "../../lib/delivery/batch_buffer.ts";
import {
  type Script,
  type ScriptedConnection,
  ScriptedServer,
  type SeenRequest,
} from "../support/scripted_server.ts";
import {
  answer,
  encoded,
  hecRun,
  numbered,
  openSink,
} from "../support/sinks.ts";
import {
  type ContractSubject,
  hasNoSecret,
  type HttpSpeech,
  NOWHERE,
  placesOf,
  SECRET,
} from "./contract_subject.ts";

/** What the first part of the suite hands over. */
export interface HttpContract {
  readonly type: ConnectorType;
  readonly subject: ContractSubject;
  readonly speaks: HttpSpeech;
  readonly name: (what: string) => string;
  /** Asserts that a body holds the marked test event alone. */
  readonly isMarked: (body: Uint8Array) => void;
}

/** What to do with a delivery that was read; the connection closes unless it answers `next`. */
type OnDelivery = (
  connection: ScriptedConnection,
  delivery: SeenRequest,
) => Promise<"next" | "close">;

/** What Go's https servers answer to http, the whole of it. */
const PAGE = "Client sent an HTTP request to an HTTPS server.\n";
const HTTPS_PORT =
  `HTTP/1.1 400 Bad Request\r\nContent-Length: ${PAGE.length}\r\n\r\n${PAGE}`;

const ECHO = { text: `bad token ${SECRET}`, code: 4 };

/** The answers that mean the same to all types, unless a subject says why not (destinations §0.2). */
const TABLE: readonly [string, string, Outcome["kind"], string][] = [
  ["401", answer(401, ECHO), "held", "auth"],
  ["403", answer(403, ECHO), "held", "forbidden"],
  ["404", answer(404), "held", "path"],
  ["407", answer(407), "held", "auth"],
  ["408", answer(408), "retry", "slow_down"],
  ["413", answer(413), "split", "too_large"],
  ["429", answer(429), "retry", "slow_down"],
  ["500", answer(500), "retry", "server"],
  [
    "502 with a web page",
    answer(502, `<html><title>Bad ${SECRET}`, { "content-type": "text/html" }),
    "retry",
    "server",
  ],
  ["503", answer(503), "retry", "server"],
  ["504", answer(504), "retry", "server"],
  ["501", answer(501), "held", "config"],
  [
    "200 with a web page",
    answer(200, "<html>sign in", { "content-type": "text/html" }),
    "held",
    "not_collector",
  ],
  [
    "301",
    answer(301, "", { location: `https://elsewhere.invalid/${SECRET}` }),
    "held",
    "redirect",
  ],
  [
    "307",
    answer(307, "", { location: "https://elsewhere.invalid/" }),
    "held",
    "redirect",
  ],
  ["400", answer(400), "split", "rejected"],
  ["garbage", "\u0000\u0001 hello\r\n\r\n", "held", "not_http"],
];

/** A request's body before compression; empty where there is no request. */
export function bodyOf(request: SeenRequest | undefined): Uint8Array {
  if (request === undefined) return new Uint8Array();
  return /^content-encoding: gzip/im.test(request.head)
    ? new Uint8Array(gunzipSync(request.body))
    : request.body;
}

/** Registers the HTTP part for a type. */
export function runHttpContract(
  { type, subject, speaks, name, isMarked }: HttpContract,
): void {
  const five = (sink: Sink) => encoded(sink, numbered(5));

  /** Answers what comes before a delivery as the vendor does, and deliveries as the test wants. */
  const script = (onDelivery: OnDelivery): Script => async (connection) => {
    for (;;) {
      const request = await connection.request();
      const before = speaks.prelude?.(request);
      if (before !== undefined) await connection.write(before);
      else if (await onDelivery(connection, request) === "close") return;
    }
  };
  const always =
    (reply: string | ((delivery: SeenRequest) => string)): OnDelivery =>
    async (connection, delivery) => {
      await connection.write(
        typeof reply === "string" ? reply : reply(delivery),
      );
      return "next";
    };
  const deliveriesOf = (server: ScriptedServer) =>
    server.requests.filter((request) =>
      speaks.prelude?.(request) === undefined
    );
  const open = (
    server: ScriptedServer,
    extra: Readonly<Record<string, string>> = {},
  ) =>
    openSink(type, {
      ...subject.env(`http://127.0.0.1:${server.port}`),
      ...extra,
    });

  const attempt = async (
    onDelivery: OnDelivery,
    body: (sink: Sink) => BatchBuffer = five,
    extra: Readonly<Record<string, string>> = {},
  ) => {
    await using server = new ScriptedServer(script(onDelivery));
    await using sink = open(server, extra);
    const batch = body(sink);
    const outcome = await sink.deliver(batch, AbortSignal.timeout(20_000));
    hasNoSecret(outcome);
    return { outcome, batch, deliveries: deliveriesOf(server) };
  };

  Deno.test(name("a body that was taken is delivered"), async () => {
    const { outcome, deliveries } = await attempt(always(speaks.success));
    assert.equal(outcome.kind, "delivered");
    assert.equal(deliveries.length, 1);
    assert.match(
      deliveries[0]?.head ?? "",
      speaks.credential ?? new RegExp(`^authorization: .*${SECRET}`, "im"),
    );
    assert.equal(subject.eventsOf(bodyOf(deliveries[0])).length, 5);
  });

  Deno.test(name("gzip sends the same bytes"), async () => {
    const { outcome, batch, deliveries } = await attempt(
      always(speaks.success),
      (sink) => encoded(sink, hecRun('{"event":"0123456789"}'.repeat(100))),
      { [`${type.prefix}_GZIP`]: "on" },
    );
    assert.equal(outcome.kind, "delivered");
    assert.match(deliveries[0]?.head ?? "", /^content-encoding: gzip$/im);
    assert.deepEqual(bodyOf(deliveries[0]), batch.body());
  });

  const deviations = speaks.table ?? {};
  for (const [what, bytes, kind, reason] of TABLE) {
    const { deliveries: times = 1, ...wanted } = deviations[what] ??
      { kind, reason };
    const meaning = "because" in wanted ? `, as ${wanted.because}` : "";
    Deno.test(
      name(`${what} is ${wanted.kind} ${wanted.reason ?? ""}${meaning}`),
      async () => {
        const { outcome, batch, deliveries } = await attempt(always(bytes));
        assert.equal(outcome.kind, wanted.kind);
        const found = "reason" in outcome ? outcome.reason : undefined;
        assert.equal(found, wanted.reason);
        assert.deepEqual(placesOf(outcome, batch), batch.places);
        assert.equal(
          deliveries.length,
          times,
          "nothing goes twice, nothing is followed",
        );
        if (outcome.kind === "held") assert.notEqual(outcome.help, "");
      },
    );
  }

  Deno.test(name("every deviation is a row of the table"), () => {
    const rows = TABLE.map(([what]) => what);
    for (const what of Object.keys(deviations)) assert.ok(rows.includes(what));
  });

  Deno.test(
    name("only an https port's own error page is one, no event that quotes it"),
    async () => {
      const verdictOn = async (reply: string) =>
        (await attempt(always(reply))).outcome;
      const page = await verdictOn(HTTPS_PORT);
      assert.ok(page.kind === "held" && page.reason === "config");
      const { kind = "split" } = deviations["400"] ?? {};
      const quoted = { text: "Invalid event", event: PAGE };
      assert.equal((await verdictOn(answer(400, quoted))).kind, kind);
      assert.equal((await verdictOn(answer(400, `no: ${PAGE}`))).kind, kind);
    },
  );

  Deno.test(
    name("429 and 503 honour Retry-After in seconds and as a date"),
    async () => {
      for (const status of [429, 503]) {
        const after = async (value: string) => {
          const reply = answer(status, "", { "retry-after": value });
          const { outcome } = await attempt(always(reply));
          assert.ok(outcome.kind === "retry");
          return outcome.after ?? 0;
        };
        assert.equal(await after("7"), 7000);
        const dated = await after(new Date(Date.now() + 60_000).toUTCString());
        assert.ok(dated > 50_000 && dated <= 60_000);
      }
    },
  );

  Deno.test(
    name("a cut connection and a refused one are weather"),
    async () => {
      const cut = await attempt(() => Promise.resolve("close"));
      assert.ok(cut.outcome.kind === "retry");
      assert.equal(cut.outcome.reason, "cut");
      await using sink = openSink(type, subject.env(NOWHERE));
      const outcome = await sink.deliver(
        five(sink),
        AbortSignal.timeout(20_000),
      );
      hasNoSecret(outcome);
      assert.ok(outcome.kind === "retry");
      assert.equal(outcome.reason, "refused");
    },
  );

  Deno.test(
    name("a slow answer is a timeout; an abort throws the signal's reason"),
    async () => {
      const stuck: OnDelivery = async (connection) => {
        await connection.closed();
        return "close";
      };
      const slow = await attempt(stuck, five, {
        [`${type.prefix}_TIMEOUT`]: "100ms",
      });
      assert.ok(slow.outcome.kind === "retry");
      assert.equal(slow.outcome.reason, "timeout");
      const stop = new AbortController();
      const reason = new Error("stop");
      await using server = new ScriptedServer(
        script((connection, delivery) => {
          stop.abort(reason);
          return stuck(connection, delivery);
        }),
      );
      await using sink = open(server);
      await assert.rejects(sink.deliver(five(sink), stop.signal), reason);
    },
  );

  Deno.test(name("probe() sends one marked event, judged as any"), async () => {
    const { kind = "held" } = deviations["401"] ?? {};
    for (
      const [reply, judged] of [
        [speaks.success, "delivered"],
        [answer(401, ECHO), kind],
      ] as const
    ) {
      await using server = new ScriptedServer(script(always(reply)));
      await using sink = open(server);
      const outcome = await sink.probe(AbortSignal.timeout(20_000));
      hasNoSecret(outcome);
      assert.equal(outcome.kind, judged);
      isMarked(bodyOf(deliveriesOf(server)[0]));
    }
  });

  const stepsOf = async (sink: Sink) => {
    const steps = await Array.fromAsync(
      sink.test(AbortSignal.timeout(20_000)),
    );
    hasNoSecret(steps);
    return steps.map(({ name, ok }) => `${name} ${ok}`);
  };

  Deno.test(
    name("test() names the step that failed and sends no event"),
    async () => {
      const steps = async (reply: string) => {
        await using server = new ScriptedServer(script(always(reply)));
        await using sink = open(server);
        const found = await stepsOf(sink);
        for (const delivery of deliveriesOf(server)) {
          if (speaks.ownTest !== true) assert.equal(delivery.body.length, 0);
          const text = new TextDecoder().decode(bodyOf(delivery));
          assert.doesNotMatch(text, /hecate\.test/);
        }
        return found;
      };
      if (speaks.ownTest !== true) {
        const noData = answer(400, { text: "No data", code: 5 });
        assert.deepEqual(await steps(noData), [
          "address true",
          "connection true",
          "login true",
        ]);
      }
      assert.equal((await steps(HTTPS_PORT)).at(-1), "login false");
      const denied = await steps(answer(403, ECHO));
      // Some log in before.
      assert.deepEqual(denied.filter((step) => step !== "login true"), [
        "address true",
        "connection true",
        "login false",
      ]);
      await using sink = openSink(type, subject.env(NOWHERE));
      assert.deepEqual(await stepsOf(sink), [
        "address true",
        "connection false",
      ]);
    },
  );
}
