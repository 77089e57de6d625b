import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { EventView } from "../../../lib/event.ts";
import { HOST, INDEX, SOURCE, TIME } from "../../../lib/json/spans.ts";
import { logKey, partKey } from "../../../lib/log/keys.ts";
import { MAX_EVENT_BYTES } from "../../../lib/log/log.ts";
import { readHeader } from "../../../lib/log/segment.ts";
import {
  intakeOf,
  latin1,
  noise,
  openRig,
  rawTextsOf,
  readAll,
  seeded,
  textsOf,
} from "../../support/log_rig.ts";

const START = { segment: "", index: 0 };
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("append() keeps events byte for byte, in order, with ids from the commit", async () => {
  const log = await openRig();
  const texts = ['{"a":1.0}', '{"a":9007199254740993,"a":1e400}', '"\\u00e9é"'];
  const kept = await log.append(intakeOf(texts));
  equal(kept.kept, 3);
  equal(kept.refusal, undefined);
  equal(kept.ids.length, 1);
  const segment = await log.next(undefined);
  ok(segment);
  deepEqual(kept.ids, [{ segment: segment.id, first: 0, count: 3 }]);
  ok(/^[0-9a-f]{20}$/.test(segment.id));
  deepEqual(textsOf(segment), texts);
  equal(await log.next({ segment: segment.id, index: 3 }), undefined);
  equal((await log.next({ segment: segment.id, index: 2 }))?.id, segment.id);
  const entry = await log.store.kv.get(logKey(segment.id));
  equal(entry.versionstamp, segment.id);
  await log.close();
});

Deno.test("append() fills what an event lacks from the request's defaults, in memory and from KV alike", async () => {
  const file = await Deno.makeTempDir();
  const location = `${file}/a.kv`;
  const log = await openRig({ location });
  const defaults = { host: 'a"b', source: "s", index: "", time: "12.5" };
  await log.append(intakeOf(["{}"], { defaults }));
  await log.append(intakeOf(["{}"], { defaults, host: "own" }));
  await log.append(intakeOf(["{}"], { defaults: { time: "soon" } }));
  const look = async (from: typeof log) => {
    const seen: string[][] = [];
    const view = new EventView();
    let at = START;
    for (let n = 0; n < 3;) {
      const segment = await from.next(at);
      ok(segment);
      for (let i = 0; i < segment.count; i++, n++) {
        view.at(segment, i);
        seen.push(
          ([HOST, SOURCE, INDEX, TIME] as const).map((member) =>
            text(view.bytes.subarray(view.start(member), view.end(member)))
          ),
        );
      }
      at = { segment: segment.id, index: segment.count };
    }
    return seen;
  };
  const expected = [
    ['"a\\"b"', '"s"', "", "12.5"],
    ['"own"', '"s"', "", "12.5"],
    ["", "", "", '"soon"'],
  ];
  deepEqual(await look(log), expected);
  equal(log.lagReads, 0);
  await log.close();
  const again = await openRig({ location });
  deepEqual(await look(again), expected);
  ok(again.lagReads >= 1);
  await again.close();
  await Deno.remove(file, { recursive: true });
});

Deno.test("append() takes events of every size up to the largest, and refuses what fits no commit", async () => {
  const log = await openRig({ tailBytes: 1 });
  const around = [1, 100, 65_000, 65_370, 65_400, 65_536, 131_072, 400_000];
  const sizes = around.flatMap((n) => [n - 1, n, n + 1]).filter((n) => n > 1);
  const random = seeded(3);
  const texts = sizes.map((n) => noise(random, n));
  equal((await log.append(intakeOf(texts))).kept, texts.length);
  // The largest envelope: {"event":"…"} is 12 bytes longer than its text.
  const largest = noise(random, MAX_EVENT_BYTES - 12);
  const whole = intakeOf([largest], { separator: "" });
  equal(whole.bytes.length, MAX_EVENT_BYTES);
  equal((await log.append(whole)).kept, 1);
  const tooLarge = JSON.stringify("z".repeat(800_000));
  const mixed = await log.append(intakeOf(["1", tooLarge, "2"]));
  deepEqual([mixed.kept, mixed.refusal], [1, "too_large"]);
  const alone = await log.append(intakeOf([tooLarge]));
  deepEqual([alone.kept, alone.refusal, alone.ids], [0, "too_large", []]);
  deepEqual(
    await readAll(log, rawTextsOf),
    [...texts.map(latin1), latin1(largest), "1"],
  );
  await log.close();
});

Deno.test("append() fills a commit to the last of its 786,432 bytes and goes on in the next", async () => {
  const log = await openRig({ tailBytes: 1 });
  const random = seeded(4);
  // Large ones, of which next to nothing shrinks, then small ones that fill the rest.
  const texts = Array.from(
    { length: 1_300 },
    (_, n) => noise(random, n < 24 ? 32_000 : 615),
  );
  const kept = await log.append(intakeOf(texts));
  equal(kept.kept, texts.length);
  equal(kept.ids.length, 3);
  equal(kept.ids.reduce((sum, { count }) => sum + count, 0), texts.length);
  const first = await log.store.kv.get(logKey(kept.ids[0]?.segment ?? ""));
  ok(first.value instanceof Uint8Array);
  const header = readHeader(first.value);
  equal(header?.values, 12);
  const segment = await log.next(undefined);
  // As packed, before it was compressed.
  const packed = segment?.bytes.buffer.byteLength ?? 0;
  ok(packed > 785_000 && packed <= 786_432, `${packed} bytes`);
  ok(header.storedBytes > 780_000 && header.storedBytes <= packed);
  equal(
    (await log.store.kv.get(partKey(11, kept.ids[0]?.segment ?? "")))
      .versionstamp,
    kept.ids[0]?.segment,
  );
  deepEqual(await readAll(log, rawTextsOf), texts.map(latin1));
  await log.close();
});

Deno.test("append() packs thousands of tiny events into one segment, about 16 bytes of index each", async () => {
  const log = await openRig();
  const texts = Array.from({ length: 5_000 }, (_, n) => `{"n":${n}}`);
  const intake = intakeOf(texts, { host: "h" });
  const kept = await log.append(intake);
  equal(kept.ids.length, 1);
  const segment = await log.next(undefined);
  ok(segment);
  const index = (segment.storedBytes - intake.bytes.length) / texts.length;
  ok(index < 17, `${index} bytes of index an event`);
  deepEqual(textsOf(segment), texts);
  await log.close();
});

Deno.test("append() leaves large gaps between events out", async () => {
  const log = await openRig();
  const separator = " ".repeat(5_000);
  const intake = intakeOf(["1", "2", "3"], { separator });
  equal((await log.append(intake)).kept, 3);
  const segment = await log.next(undefined);
  ok(segment);
  ok(segment.storedBytes < 400);
  deepEqual(textsOf(segment), ["1", "2", "3"]);
  await log.close();
});

Deno.test("append() groups what comes at once, keeps each request's order and its own id runs", async () => {
  const log = await openRig();
  const requests = Array.from({ length: 200 }, (_, r) =>
    Array.from(
      { length: 5 },
      (_, n) => `{"r":${r},"n":${n}}`,
    ));
  const kept = await Promise.all(
    requests.map((texts, r) =>
      log.append(intakeOf(texts, { producer: `p${r % 3}` }))
    ),
  );
  equal(
    new Set(kept.flatMap(({ ids }) => ids.map((id) => id.segment))).size,
    1,
  );
  const segment = await log.next(undefined);
  ok(segment);
  const all = textsOf(segment);
  for (const [r, { ids }] of kept.entries()) {
    const [run] = ids;
    ok(run);
    deepEqual(all.slice(run.first, run.first + run.count), requests[r]);
    equal(new EventView().at(segment, run.first).run.producer, `p${r % 3}`);
  }
  await log.close();
});

Deno.test("append() rejects spans outside of their event without harm to others", async () => {
  const log = await openRig();
  const bad = intakeOf(["1"]);
  bad.spans.words[HOST] = 0;
  bad.spans.words[HOST + 1] = 4_000;
  const results = await Promise.allSettled([
    log.append(intakeOf(["1"])),
    log.append(bad),
    log.append(intakeOf(["2"])),
  ]);
  deepEqual(results.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
  deepEqual(await readAll(log), ["1", "2"]);
  await log.close();
});

Deno.test("next() serves from memory while it holds the place, from KV after, in the same order", async () => {
  const log = await openRig({ tailBytes: 200_000 });
  const texts: string[] = [];
  for (let n = 0; n < 300; n++) {
    const text = `{"n":${n},"pad":"${"p".repeat(n * 7 % 3_000)}"}`;
    texts.push(text);
    await log.append(intakeOf([text]));
  }
  deepEqual(await readAll(log), texts);
  ok(log.lagReads > 100 && log.lagReads < 300);
  const before = log.lagReads;
  const { segment } = await log.end();
  ok(await log.next({ segment, index: 0 }));
  equal(log.lagReads, before);
  await log.close();
});

Deno.test("changed() resolves at once when something is there, on the next append, and throws when aborted", async () => {
  const log = await openRig();
  const stop = new AbortController();
  const end = await log.end();
  const waiting = log.changed(end, stop.signal);
  await log.append(intakeOf(["1"]));
  await waiting;
  await log.changed(end, stop.signal);
  const never = log.changed(await log.end(), stop.signal);
  stop.abort(new Error("enough"));
  await rejects(never, { message: "enough" });
  await log.close();
});

Deno.test("close() keeps what was taken, refuses what comes after", async () => {
  const dir = await Deno.makeTempDir();
  const location = `${dir}/a.kv`;
  const log = await openRig({ location });
  const appends = Array.from(
    { length: 50 },
    (_, n) => log.append(intakeOf([`${n}`])),
  );
  const closing = log.close();
  const kept = await Promise.all(appends);
  await closing;
  equal(kept.filter(({ kept }) => kept === 1).length, 50);
  deepEqual(await log.append(intakeOf(["late"])), {
    kept: 0,
    ids: [],
    refusal: "closing",
  });
  const again = await openRig({ location });
  equal((await readAll(again)).length, 50);
  await again.close();
  await Deno.remove(dir, { recursive: true });
});
