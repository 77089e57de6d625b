import { deepEqual, equal, ok } from "node:assert/strict";
import { drive, pass } from "../../support/drive.ts";
import { type Fault, FaultyStore } from "../../support/faulty_kv.ts";
import { seeded } from "../../support/log_rig.ts";
import { ReplayRig } from "../../support/replay_rig.ts";
import { testSeed } from "../../support/seed.ts";

const FAULTS: readonly Fault[] = [
  "throw_after",
  "throw_before",
  "refuse_after",
  "late",
];

Deno.test("replay: lost replies, commits refused after they were done and late ones: nothing comes twice, counts and books are exact", async () => {
  const seed = testSeed("replay-faults");
  for (let run = 0; run < 5; run++) {
    const random = seeded(seed + run);
    const kv = await Deno.openKv(":memory:");
    let isFaulty = false;
    const faulty = new FaultyStore(kv, {
      commit: () =>
        isFaulty && random() < 0.3
          ? FAULTS[Math.floor(random() * FAULTS.length)]
          : undefined,
    });
    {
      await using rig = await ReplayRig.open({
        openKv: faulty.openKv,
        limits: { events: 7 },
      });
      const texts = Array.from({ length: 60 }, (_, n) => `n${n}`);
      for (const [n, text] of texts.entries()) if (n % 2) rig.bad.add(text);
      for (let from = 0; from < 60; from += 20) {
        await rig.append(...texts.slice(from, from + 20));
      }
      equal(await rig.figures(), "60 30 0 30 0 0");
      // Some are refused again.
      for (const [n, text] of texts.entries()) if (n % 4) rig.bad.delete(text);
      rig.bad.add("n3").add("n33");
      const dead = await rig.replayDead();
      rig.clock.advance(1);
      const log = await rig.replays.startLog(rig.wish({ all: true }));
      isFaulty = true;
      for (let n = 0; n < 400; n++) {
        rig.clock.advance(1_000);
        await drive(rig.clock, rig.rest());
        if (random() < 0.2) await faulty.held.shift()?.();
        const { dead } = await drive(rig.clock, rig.books());
        if (n === 200) isFaulty = false;
        const { state } = await rig.job(log.id);
        if (state === "finished") break;
        ok(dead >= 2);
      }
      isFaulty = false;
      for (const late of faulty.held.splice(0)) await late();
      equal(await rig.counts(dead.id), "28 0 2 0 0 finished");
      equal(await rig.counts(log.id), "58 0 2 0 0 finished");
      equal(await rig.figures(), "60 58 0 2 0 0");
      const came = rig.texts();
      equal(came.length, 30 + 28 + 58);
      deepEqual(
        came.slice(58),
        texts.filter((text) => text !== "n3" && text !== "n33"),
      );
      for await (const { attempts } of rig.dead.matching({})) {
        equal(attempts, 3);
      }
    }
    kv.close();
  }
});

Deno.test("replay: a batch that was taken while the store was away is not sent again when it is back", async () => {
  const kv = await Deno.openKv(":memory:");
  let isAway = false;
  const faulty = new FaultyStore(kv, {
    commit: () => isAway ? "throw_before" : undefined,
    read: () => isAway ? "throw" : undefined,
  });
  {
    await using rig = await ReplayRig.open({
      openKv: faulty.openKv,
      limits: { events: 3 },
    });
    const texts = ["a", "b", "c", "d", "e"];
    for (const text of texts) rig.bad.add(text);
    await rig.append("ok", ...texts);
    rig.bad.clear();
    const sink = rig.sink();
    const from = sink.history.length;
    sink.auto = () => {
      isAway = sink.history.length === from + 1;
      return { kind: "delivered" };
    };
    const { id } = await rig.replayDead();
    for (let n = 0; n < 4; n++) {
      await pass(rig.clock, 1_000);
    }
    isAway = false;
    for (let n = 0; n < 4; n++) {
      await pass(rig.clock, 1_000);
    }
    await drive(rig.clock, rig.rest());
    deepEqual(sink.history.slice(from), ["a b c", "d e"]);
    equal(await rig.counts(id), "5 0 0 0 0 finished");
    equal(await rig.figures(), "6 6 0 0 0 0");
  }
  kv.close();
});
