import { deepEqual, equal, ok } from "node:assert/strict";
import { createHash } from "node:crypto";
import { advance } from "../../../lib/log/cursor.ts";
import { readDeadLetter } from "../../../lib/log/dead_record.ts";
import { cursorKey } from "../../../lib/log/keys.ts";
import { toValue } from "../../../lib/log/kv.ts";
import { PlaceFile } from "../../../lib/log/place_file.ts";
import { placeOf } from "../../../lib/log/places.ts";
import { pass, until } from "../../support/drive.ts";
import { killedCopy, removeCopy } from "../../support/killed.ts";
import { openRig } from "../../support/log_rig.ts";
import {
  afterStart,
  appendEvents,
  counted,
  inFolder,
  laggingLog,
  settleNext,
  storedDelivered,
} from "../../support/place_rig.ts";

Deno.test("a killed relay goes on from the last settled place, not from the store's", () =>
  inFolder(async (location) => {
    const { log, holding } = await laggingLog(location);
    await appendEvents(log, 12);
    await settleNext(log, holding, 9);
    const killed = await killedCopy(location);
    const withoutFile = await killedCopy(location, [".places"]);
    ok((await storedDelivered(log) ?? 9) < 9, "the store is behind");
    await log.close();
    const { place, texts } = await afterStart(killed);
    deepEqual(place, holding.place);
    deepEqual(texts, ["9", "10", "11"]);
    // A power cut may lose the file: some go again, none is lost.
    const { texts: again } = await afterStart(withoutFile);
    ok(again.length > 3);
    deepEqual(again.slice(-3), texts);
    // The place is in the store now, and stays there.
    await Deno.remove(`${killed}.places`);
    deepEqual((await afterStart(killed)).place, holding.place);
    await removeCopy(killed);
    await removeCopy(withoutFile);
  }));

Deno.test("a place file of an earlier version counts", () =>
  inFolder(async (location) => {
    const { log, holding } = await laggingLog(location);
    await appendEvents(log, 12);
    await settleNext(log, holding, 9);
    const killed = await killedCopy(location);
    await log.close();
    const { file, found } = PlaceFile.open(`${killed}.places`);
    file.close();
    const text = toValue(found.at(-1));
    const bytes = new Uint8Array(64 * 8_192);
    new DataView(bytes.buffer).setUint32(4_096, text.length);
    const sum = createHash("sha256").update(text).digest();
    bytes.set(sum.subarray(0, 8), 4_096 + 4);
    bytes.set(text, 4_096 + 12);
    await Deno.writeFile(`${killed}.places`, bytes);
    const { place, texts } = await afterStart(killed);
    deepEqual(place, holding.place);
    deepEqual(texts, ["9", "10", "11"]);
    await removeCopy(killed);
  }));

Deno.test("a relay killed again and again never goes back and never skips", () =>
  inFolder(async (first) => {
    let location = await killedCopy(first);
    let settled = 0, appended = 0;
    for (let round = 0; round < 8; round++) {
      const { log, holding } = await laggingLog(location);
      equal(holding.place.books.delivered, settled);
      await appendEvents(log, 5, appended);
      appended += 5;
      await settleNext(log, holding, 3 + round % 3);
      settled += 3 + round % 3;
      const killed = await killedCopy(location);
      await log.close();
      await removeCopy(location);
      location = killed;
    }
    const { texts } = await afterStart(location);
    equal(texts.length, appended - settled);
    equal(texts[0], `${settled}`);
    await removeCopy(location);
  }));

Deno.test("a process ended with SIGKILL amid settles goes on from the last one it was told of", () =>
  inFolder(async (location) => {
    const here = (path: string) =>
      JSON.stringify(new URL(path, import.meta.url));
    const script = `
      import { advance } from ${here("../../../lib/log/cursor.ts")};
      import { takeLease } from ${here("../../../lib/log/lease.ts")};
      import { intakeOf, openRig } from ${here("../../support/log_rig.ts")};
      const log = await openRig({ location: Deno.args[0] });
      const holding = await takeLease(log, "a", { signal: new AbortController().signal });
      const out = Deno.stdout.writable.getWriter();
      for (let n = 0;; n++) {
        await log.append(intakeOf([String(n)]));
        const segment = await log.next(holding.place);
        await holding.settle(advance(holding.place, [segment], 1), []);
        await out.write(new TextEncoder().encode(holding.place.segment + "\\n"));
      }`;
    await Deno.writeTextFile(`${location}.ts`, script);
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        "--no-lock",
        "--unstable-kv",
        `${location}.ts`,
        location,
      ],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let said = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      said += decoder.decode(chunk, { stream: true });
      // What is in the pipe by then is read too.
      if (said.length > 21 * 200) {
        try {
          child.kill("SIGKILL");
        } catch {
          // It has ended.
        }
      }
    }
    equal((await child.status).signal, "SIGKILL");
    const told = said.split("\n").filter((line) => line.length === 20);
    ok(told.length >= 200);
    const { place, texts } = await afterStart(location);
    ok(place.segment >= (told.at(-1) ?? "g"));
    ok(texts.length <= 1, "one was on its way");
  }));

Deno.test("at an equal place the newest state wins, whichever record holds it", () =>
  inFolder(async (location) => {
    for (const attempts of [1, 2, 3, 4]) {
      const start = await killedCopy(location);
      const { log, holding } = await laggingLog(start);
      await appendEvents(log, 2);
      await settleNext(log, holding, 1);
      for (let attempt = 1; attempt <= attempts; attempt++) {
        const place = { ...holding.place, state: "retrying" as const, attempt };
        ok(await holding.settle(place, []));
      }
      const killed = await killedCopy(start);
      await log.close();
      const { place } = await afterStart(killed);
      deepEqual([place.state, place.attempt], ["retrying", attempts]);
      for (const copy of [start, killed]) await removeCopy(copy);
    }
  }));

Deno.test("a dead letter settles in the store, and filed settles before it never set the place back", () =>
  inFolder(async (location) => {
    const { log, holding } = await laggingLog(location);
    await appendEvents(log, 6);
    await settleNext(log, holding, 3);
    const segment = await log.next(holding.place);
    ok(segment);
    const place = advance(holding.place, [segment], 1);
    const books = { ...place.books, dead: 1 };
    const letter = {
      segment,
      index: 0,
      reason: "rejected" as const,
      error: "400",
      attempts: 1,
      at: 0,
    };
    ok(await holding.settle({ ...place, books }, [letter]));
    const cursor = await log.store.kv.get(cursorKey("a"));
    equal(placeOf(cursor.value)?.books.dead, 1, "durable when it resolves");
    const killed = await killedCopy(location);
    await settleNext(log, holding, 1);
    const later = await killedCopy(location);
    await log.close();
    const { place: found, texts } = await afterStart(killed);
    deepEqual([found.books.delivered, found.books.dead], [3, 1]);
    deepEqual(texts, ["4", "5"]);
    deepEqual((await afterStart(later)).texts, ["5"]);
    const again = await openRig({ location: killed });
    ok(await readDeadLetter(again.store, "a", `${segment.id}-0`));
    await again.close();
    for (const copy of [killed, later]) await removeCopy(copy);
  }));

Deno.test("release() brings the store up: after a clean stop the file is not needed", () =>
  inFolder(async (location) => {
    const { log, holding } = await laggingLog(location);
    await appendEvents(log, 8);
    await settleNext(log, holding, 7);
    await holding.release();
    equal(await storedDelivered(log), 7);
    await log.close();
    await Deno.remove(`${location}.places`);
    deepEqual((await afterStart(location)).texts, ["7"]);
  }));

Deno.test("the store follows to the newest place", () =>
  inFolder(async (location) => {
    const { clock, log, holding } = await laggingLog(location);
    await appendEvents(log, 20);
    await settleNext(log, holding, 19);
    const first = await log.store.kv.get(cursorKey("a"));
    ok((placeOf(first.value)?.books.delivered ?? 19) < 19);
    let found: number | undefined;
    for (let turns = 0; found !== 19 && turns < 500; turns++) {
      await pass(clock, 10, 10);
      found = await storedDelivered(log);
    }
    equal(found, 19);
    equal(log.settled.get("a")?.books.delivered, 19);
    await log.close();
  }));

Deno.test("settle() while release() brings the store up, and after the log closed", () =>
  inFolder(async (location) => {
    const { log, holding } = await laggingLog(location);
    await appendEvents(log, 9);
    await settleNext(log, holding, 3);
    const releasing = holding.release();
    await settleNext(log, holding, 3);
    await releasing;
    await until(() => log.settled.get("a")?.books.delivered === 6);
    const before = holding.place;
    await log.close();
    ok(!await holding.settle(counted(before, 1), []));
    equal(holding.place, before);
    equal((await afterStart(location)).place.books.delivered, 6);
  }));
