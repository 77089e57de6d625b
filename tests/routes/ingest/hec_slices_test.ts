/** Bodies of more events than are looked at in one go. */

import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { openRelay, type Relay, type Reply } from "../../support/hec_relay.ts";

/** More than two slices. */
const MANY = 70_000;

/** The ids that a reply names, one by one. */
function idsOf(reply: Reply): string[] {
  return (reply.headers.get("Hecate-Event-Ids") ?? "").split(",").flatMap(
    (run) => {
      const [, segment, first, count] = /^(.+)-(\d+)\+(\d+)$/.exec(run) ?? [];
      return Array.from(
        { length: Number(count) },
        (_, at) => `${segment}-${Number(first) + at}`,
      );
    },
  );
}

async function assertKept(
  relay: Relay,
  reply: Reply,
  count: number,
  textOf: (number: number) => string,
): Promise<void> {
  const kept = await relay.events();
  assert.equal(kept.length, count);
  assert.ok(kept.every(({ event }, at) => event === textOf(at)), "in order");
  assert.ok(
    idsOf(reply).every((id, at) => id === kept[at]?.id) &&
      idsOf(reply).length === count,
    "ids of all, in order",
  );
}

function numbered(count: number, textOf: (number: number) => string): string[] {
  return Array.from({ length: count }, (_, number) => textOf(number));
}

Deno.test("a body of many slices is kept in order and named by its ids", async () => {
  await using relay = await openRelay();
  const events = numbered(MANY, (n) => `{"event":${n}}`);
  for (const body of [events.join(""), `[${events.join(", ")}]`]) {
    const reply = await relay.post("", body);
    assert.equal(reply.text, '{"text":"Success","code":0}');
    await assertKept(relay, reply, MANY, String);
  }
  const raw = await relay.post("/raw", numbered(MANY, String).join("\n"));
  assert.equal(raw.code, 0);
  await assertKept(relay, raw, MANY, String);
});

Deno.test("faults beyond the first slice count over the whole body, and what came before is kept", async () => {
  await using relay = await openRelay();
  const good = numbered(MANY, (n) => `{"event":${n}}`);
  for (
    const [fault, code, number] of [
      ["x", 6, MANY],
      ["{}", 12, MANY],
      ['{"event":1,"index":"no"}', 7, MANY + 1],
      ["", 6, MANY],
    ] as const
  ) {
    const reply = await relay.post("", `[${[...good, fault]}]`, {
      Authorization: "Splunk hct_listed",
    });
    assert.deepEqual([reply.code, reply.number], [code, number]);
    await assertKept(relay, reply, MANY, String);
  }
  const line = "x".repeat(1_000_000);
  const raw = await relay.post(
    "/raw",
    [...numbered(MANY, String), line].join("\n"),
  );
  assert.deepEqual([raw.code, raw.number], [6, MANY]);
  await assertKept(relay, raw, MANY, String);
});

Deno.test("a store that fills between slices names how many it took in all", async () => {
  const disk = { commits: Infinity };
  await using relay = await openRelay({ disk });
  await relay.post("", '{"event":"first"}');
  await relay.events();
  disk.commits = 2;
  const reply = await relay.post("/raw", numbered(MANY, String).join("\n"));
  assert.deepEqual([reply.status, reply.code], [503, 9]);
  assert.ok(reply.number !== undefined && reply.number > 0);
  await assertKept(relay, reply, reply.number, String);
});

/** Bytes of this test's own heap and buffers: the process has other tests' as well. */
function held(): number {
  const { heapTotal, external } = Deno.memoryUsage();
  return heapTotal + external;
}

Deno.test("millions of tiny events in one small body take bounded memory, and others get their turn", async () => {
  await using relay = await openRelay();
  const gzip = { "Content-Encoding": "gzip" };
  for (
    const [suffix, tiny, code] of [
      ["/event", '{"event":1}', 0],
      ["/raw", "a\n", 0],
      ["/raw", "\n\n", 5],
      ["/event", "[]", 5],
    ] as const
  ) {
    const body = gzipSync(tiny.repeat(4_000_000 / tiny.length * 2));
    const before = held();
    let turns = 0, peak = 0;
    const timer = setInterval(() => {
      turns++;
      peak = Math.max(peak, held());
    }, 1);
    const reply = await relay.post(suffix, body, gzip);
    clearInterval(timer);
    assert.equal(reply.code, code);
    assert.ok(turns >= 2, `${turns} turns`);
    // Some 260 MiB with the log's own memory; the rows of the whole body alone would be 300 more.
    assert.ok(peak - before < 500 << 20, `${(peak - before) >> 20} MiB`);
  }
});
