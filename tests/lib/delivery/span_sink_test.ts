import assert from "node:assert/strict";
import type { Outcome, Sink } from "../../../lib/connector.ts";
import { BatchBuffer } from "../../../lib/delivery/batch_buffer.ts";
import { ARRAY } from "../../../lib/delivery/post_sink.ts";
import { sinkBySpan } from "../../../lib/delivery/span_sink.ts";

const NEVER = new AbortController().signal;
const LIMITS = { events: 9, bytes: 100, eventBytes: 9 };
const decoder = new TextDecoder();

/** The body `[0,5,1]`, its events at the times that they are. */
function body(): BatchBuffer {
  const encoder = new TextEncoder();
  const batch = new BatchBuffer(LIMITS);
  batch.literal(encoder.encode("["));
  for (const [place, event] of ["0", "5", "1"].entries()) {
    batch.begin(encoder.encode(","));
    batch.literal(encoder.encode(event));
    batch.end(place);
  }
  batch.literal(encoder.encode("]"));
  return batch;
}

/** What comes of the body where a request may span 1 ms, and what was sent. */
async function deliver(answer: Outcome): Promise<[Outcome, string[]]> {
  const sent: string[] = [];
  const sink: Sink = {
    limits: LIMITS,
    encode: () => {},
    deliver(part) {
      sent.push(decoder.decode(part.body()));
      return Promise.resolve(answer);
    },
    probe: () => Promise.resolve(answer),
    async *test() {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const by = sinkBySpan(sink, ARRAY, {
    ms: 1,
    isWanted: () => true,
    timeIn: (event) => Number(decoder.decode(event)),
  });
  return [await by.deliver(body(), NEVER), sent];
}

Deno.test("sinkBySpan() sends what is near the first event; the rest is pending, whatever was answered", async () => {
  const rejection = { at: 2, reason: "rejected", message: "no" } as const;
  const weather = { kind: "retry", reason: "server", message: "" } as const;
  const rows: [Outcome, Outcome][] = [
    [
      { kind: "delivered" },
      { kind: "rejected", rejections: [], pending: [1] },
    ],
    [
      { kind: "rejected", rejections: [rejection] },
      { kind: "rejected", rejections: [rejection], pending: [1] },
    ],
    [{ ...weather, pending: [2] }, { ...weather, pending: [2, 1] }],
    [weather, weather],
  ];
  for (const [answer, outcome] of rows) {
    assert.deepEqual(await deliver(answer), [outcome, ["[0,1]"]]);
  }
});
