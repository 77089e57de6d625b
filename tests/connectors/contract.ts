/**
 * What every connector must do, whatever its vendor and however it speaks. `contract_test.ts` calls `runContract` once
 * for each registered type; types that speak HTTP also run `contract_http.ts`.
 */

import assert from "node:assert/strict";
import type { ConnectorType, Sink } from "../../lib/connector.ts";
import { encoded, hecRun, numbered, openSink } from "../support/sinks.ts";
import { runHttpContract } from "./contract_http.ts";
import {
  type ContractSubject,
  hasNoSecret,
  NOWHERE,
} from "./contract_subject.ts";

/** Text that must come out as it went in. */
const HOSTILE = [
  '{"a":"\\u0000\\"\\\\ \\ud83d\\ude00 </script>\\n"}',
  '{"big":9007199254740993,"exp":1e400,"d":1.0,"d":1.00}',
  '{"é":"日本語 |=\\\\|= 𝄞","__proto__":{"x":1}}',
  '{"":""}',
  '"plain text"',
  "[1,2,[3]]",
  "0",
  "false",
];

/** OCSF events leave byte for byte in either format. */
const HOSTILE_OCSF = HOSTILE.map((text) =>
  `{"class_uid":0,"metadata":{"version":"1.1.0"},"unmapped":{"x":${text}}}`
);

/** Registers the suite's tests for a type. */
export function runContract(
  type: ConnectorType,
  subject: ContractSubject,
): void {
  const name = (what: string) => `${type.type} contract: ${what}`;
  const { speaks } = subject;
  const isEvent = subject.isEvent ?? assert.equal;
  const offline = (extra: Readonly<Record<string, string>> = {}): Sink =>
    openSink(type, { ...subject.env(NOWHERE), ...extra });

  for (
    const [format, texts] of [
      ["native", HOSTILE],
      ["native", HOSTILE_OCSF],
      ["ocsf", HOSTILE_OCSF],
    ] as const
  ) {
    const kind = texts === HOSTILE ? "hostile text" : "hostile OCSF";
    Deno.test(
      name(`encode() is pure and keeps ${kind} (${format})`),
      async () => {
        await using sink = offline({ [`${type.prefix}_FORMAT`]: format });
        const run = hecRun(texts.map((text) => `{"event":${text}}`).join(""));
        const one = encoded(sink, run).body().slice();
        const two = encoded(sink, run).body().slice();
        assert.deepEqual(one, two);
        const found = subject.eventsOf(one);
        assert.equal(found.length, texts.length);
        texts.forEach((text, i) => isEvent(found[i] ?? "", text));
      },
    );
  }

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
        assert.equal(subject.eventsOf(batch.body()).length, taken);
      }
    },
  );

  Deno.test(
    name("encode() keeps the limit of bytes at n−1, n and n+1"),
    async () => {
      const count = 40;
      const run = hecRun(`{"event":{"b":"${"b".repeat(100)}"}}`.repeat(count));
      await using whole = offline();
      const { length } = encoded(whole, run);
      const sizes: number[] = [];
      for (const extra of [-1, 0, 1]) {
        await using sink = offline({
          [`${type.prefix}_BATCH_BYTES`]: String(length + extra),
        });
        sizes.push(encoded(sink, run).places.length);
      }
      assert.deepEqual(sizes, [count - 1, count, count]);
    },
  );

  const isMarked = (body: Uint8Array) => {
    const found = subject.eventsOf(body);
    assert.equal(found.length, 1);
    assert.match(found[0] ?? "", subject.marked ?? /"hecate\.test":true/);
  };
  if (speaks.protocol === "http") {
    runHttpContract({ type, subject, speaks, name, isMarked });
    return;
  }

  Deno.test(name("probe() sends one marked event"), async () => {
    await using peer = speaks.listen();
    await using sink = openSink(type, subject.env(peer.base));
    const outcome = await sink.probe(AbortSignal.timeout(20_000));
    assert.equal(outcome.kind, "delivered");
    isMarked(await peer.body(1));
  });

  Deno.test(
    name("nobody listens: weather, told by the test as well, no secret"),
    async () => {
      await using sink = offline();
      const signal = AbortSignal.timeout(20_000);
      const outcome = await sink.deliver(encoded(sink, numbered(5)), signal);
      assert.ok(outcome.kind === "retry");
      assert.equal(outcome.reason, "refused");
      const steps = await Array.fromAsync(sink.test(signal));
      assert.ok(steps.some(({ ok }) => !ok));
      hasNoSecret([outcome, steps]);
    },
  );
}
