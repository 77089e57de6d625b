import { deepEqual, equal, ok } from "node:assert/strict";
import type { Segment } from "../../../lib/event.ts";
import { cursorKey, epochKey } from "../../../lib/log/keys.ts";
import { toValue } from "../../../lib/log/kv.ts";
import { type Append, type Committed, Lane } from "../../../lib/log/lane.ts";
import type { Settle } from "../../../lib/log/settle.ts";
import { openStore, type Store } from "../../../lib/log/store.ts";
import { Writer } from "../../../lib/log/writer.ts";
import { systemClock } from "../../../lib/clock.ts";
import type { Logger } from "../../../lib/logger.ts";
import { intakeOf } from "../../support/log_rig.ts";

const always = new AbortController().signal;

/** A lane with a bug: `fault` is met before or after the next commit. */
class FaultyLane extends Lane {
  fault: "before" | "after" | "stuck" | undefined;

  override async commit(append: Append): Promise<Committed> {
    const { fault } = this;
    this.fault = undefined;
    if (fault === "stuck") append.onStuck();
    const done = fault === "after" ? await super.commit(append) : undefined;
    if (fault !== undefined) throw new TypeError("A bug of the lane");
    return done ?? await super.commit(append);
  }
}

interface Rig extends AsyncDisposable {
  readonly store: Store;
  readonly lane: FaultyLane;
  readonly writer: Writer;
  readonly said: string[];
  readonly stored: Segment[];
  settle(value: number): Promise<Settle>;
  /** What the store has. */
  place(): Promise<unknown>;
}

/** A writer of one lane on a store in memory. */
async function openWriter(
  onStored: (segment: Segment) => void = () => undefined,
): Promise<Rig> {
  const said: string[] = [];
  const stored: Segment[] = [];
  const logger: Logger = { log: (_level, event) => void said.push(event) };
  const store = await openStore(":memory:", { clock: systemClock, logger });
  const stop = new AbortController();
  const lane = new FaultyLane({
    slot: crypto.randomUUID(),
    store,
    random: () => 0.5,
    stop: stop.signal,
  });
  const writer = new Writer({
    store,
    lanes: [lane],
    random: () => 0.5,
    onStored: (segment) => {
      stored.push(segment);
      onStored(segment);
    },
    onFull: () => undefined,
  });
  const at = cursorKey("a");
  const made = await store.kv.atomic()
    .set(epochKey("a"), toValue({ nonce: "n" })).commit();
  ok(made.ok);
  return {
    store,
    lane,
    writer,
    said,
    stored,
    settle: (value) =>
      Promise.resolve({
        epochKey: epochKey("a"),
        epoch: made.versionstamp,
        cursorKey: at,
        cursor: null,
        value: toValue({ value }),
        signal: always,
      }),
    place: async () => (await store.kv.get(at)).value,
    async [Symbol.asyncDispose]() {
      await writer.drained();
      stop.abort();
      store.close();
    },
  };
}

for (const fault of ["before", "after", "stuck"] as const) {
  Deno.test(`Writer answers append and settle when a commit throws, and goes on (${fault})`, async () => {
    await using rig = await openWriter();
    const { writer, lane } = rig;
    lane.fault = fault;
    const [kept, settled] = await Promise.all([
      writer.append(intakeOf(["1"])),
      writer.settle(await rig.settle(1)),
    ]);
    deepEqual(kept, { kept: 0, ids: [], refusal: "unavailable" });
    ok(settled);
    deepEqual(await rig.place(), toValue({ value: 1 }));
    deepEqual(rig.said, ["bug"]);
    ok(!writer.isStuck);
    equal((await writer.append(intakeOf(["2"]))).kept, 1);
  });
}

Deno.test("Writer answers by what is stored when it throws afterwards", async () => {
  await using rig = await openWriter(() => {
    throw new TypeError("A bug of a reader");
  });
  const { writer } = rig;
  const [kept, settled] = await Promise.all([
    writer.append(intakeOf(["1"])),
    writer.settle(await rig.settle(1)),
  ]);
  equal(kept.kept, 1);
  equal(settled, kept.ids[0]?.segment);
  deepEqual(rig.said, ["bug"]);
});

Deno.test("Writer answers append and settle when a segment cannot be made, and goes on", async () => {
  await using rig = await openWriter();
  const { writer } = rig;
  // No whole number: its header cannot be written.
  const receivedAt = 1_800_000_000_000.5;
  const [one, two, settled] = await Promise.all([
    writer.append(intakeOf(["1"], { receivedAt })),
    writer.append(intakeOf(["2"])),
    writer.settle(await rig.settle(1)),
  ]);
  equal(one.refusal, "unavailable");
  equal(two.refusal, "unavailable");
  ok(settled);
  deepEqual(rig.said, ["bug"]);
  deepEqual(rig.stored, []);
  equal((await writer.append(intakeOf(["3"]))).kept, 1);
});
