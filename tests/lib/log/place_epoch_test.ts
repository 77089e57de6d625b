import { deepEqual, equal, ok } from "node:assert/strict";
import type { Place } from "../../../lib/log/cursor.ts";
import { cursorKey, epochKey } from "../../../lib/log/keys.ts";
import { fromValue, textIn } from "../../../lib/log/kv.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import { PlaceFile } from "../../../lib/log/place_file.ts";
import { until } from "../../support/drive.ts";
import { killedCopy, removeCopy } from "../../support/killed.ts";
import { openRig } from "../../support/log_rig.ts";
import {
  afterStart,
  always,
  appendEvents,
  counted,
  inFolder,
  laggingLog,
  settleNext,
  storedDelivered,
} from "../../support/place_rig.ts";

Deno.test("a lease that is lost stops filed settles, and what they wrote is not taken", () =>
  inFolder(async (location) => {
    const { clock, log, holding } = await laggingLog(location);
    await appendEvents(log, 9);
    await settleNext(log, holding, 2);
    const other = new TextEncoder().encode('{"nonce":"another"}');
    await log.store.kv.atomic().set(epochKey("a"), other).commit();
    // It does not know yet.
    await settleNext(log, holding, 2);
    await until(() => {
      clock.advance(50);
      return holding.lost.aborted;
    });
    ok(!await holding.settle(counted(holding.place, 1), []));
    const killed = await killedCopy(location);
    await log.close();
    ok((await afterStart(killed)).place.books.delivered <= 2);
    await removeCopy(killed);
  }));

Deno.test("a holder that was taken over in the same process settles nothing more", () =>
  inFolder(async (location) => {
    const { log, holding: old } = await laggingLog(location);
    await appendEvents(log, 9);
    await settleNext(log, old, 2);
    await old.release();
    const fresh = await takeLease(log, "a", { signal: always });
    equal(fresh.place.books.delivered, 2);
    await settleNext(log, fresh, 1);
    for (let n = 0; n < 3; n++) {
      ok(!await old.settle(counted(old.place, 100), []));
    }
    ok(old.lost.aborted);
    await settleNext(log, fresh, 1);
    equal(log.settled.get("a")?.books.delivered, 4);
    const killed = await killedCopy(location);
    await log.close();
    equal((await afterStart(killed)).place.books.delivered, 4);
    await removeCopy(killed);
  }));

Deno.test("a filed place counts only under the standing epoch, not behind the store's and not beyond the log", () =>
  inFolder(async (location) => {
    const log = await openRig({ location });
    await appendEvents(log, 10);
    const holding = await takeLease(log, "a", {
      signal: always,
      from: "oldest",
    });
    const places: Place[] = [];
    for (let n = 0; n < 10; n++) {
      await settleNext(log, holding, 1);
      places.push(holding.place);
      if (n === 4) await holding.release();
    }
    await log.close();
    const [behind, stored, ahead] = [places[2], places[4], places[8]];
    ok(behind && stored && ahead);
    const setStored = async () => {
      const kv = await Deno.openKv(location);
      await kv.set(
        cursorKey("a"),
        new TextEncoder().encode(JSON.stringify(stored)),
      );
      const { value } = await kv.get(epochKey("a"));
      kv.close();
      return textIn(fromValue(value) ?? {}, "nonce");
    };
    const nonce = await setStored();
    const beyond = { ...ahead, segment: "0000000000ffffff0000" };
    const lastEnd = { ...places[9] ?? ahead, index: 2 };
    for (
      const [epoch, filed, delivered] of [
        ["another", ahead, 5],
        ["", ahead, 5],
        [nonce, behind, 5],
        [nonce, counted(beyond, 50), 5],
        [nonce, counted(lastEnd, 50), 5],
        [nonce, counted(stored, 50), 55],
        [nonce, ahead, 9],
        // The newest one does not count: the one before it does.
        [nonce, [ahead, counted(beyond, 50)], 9],
      ] as const
    ) {
      const copy = await killedCopy(location);
      const { file } = PlaceFile.open(`${copy}.places`);
      file.forget();
      file.take("a", epoch);
      file.take("gone", nonce);
      for (const place of [filed].flat()) {
        ok(file.write("a", epoch, place));
        ok(file.write("gone", nonce, place));
      }
      file.close();
      const found = await openRig({ location: copy });
      equal(await storedDelivered(found), delivered);
      equal(await storedDelivered(found, "gone"), undefined);
      await found.close();
      const empty = PlaceFile.open(`${copy}.places`);
      empty.file.close();
      deepEqual(empty.found, []);
      await removeCopy(copy);
    }
  }));

Deno.test("a place file beside another KV file moves nothing, also where the versionstamps are the same", () =>
  inFolder(async (location) => {
    const mine = await killedCopy(location);
    const { log, holding } = await laggingLog(mine);
    await appendEvents(log, 6);
    await settleNext(log, holding, 5);
    const epoch = await log.store.kv.get(epochKey("a"));
    const killed = await killedCopy(mine);
    await log.close();
    // Versionstamps count up from 0 in small steps of chance: another file's soon meet these.
    for (let tries = 0;; tries++) {
      ok(tries < 1_000, "no such file came about");
      const path = await killedCopy(location);
      const { log: other } = await laggingLog(path);
      const same = await other.store.kv.get(epochKey("a"));
      const isSame = same.versionstamp === epoch.versionstamp;
      if (isSame) await appendEvents(other, 30);
      const copy = await killedCopy(path);
      await other.close();
      if (isSame) {
        await Deno.copyFile(`${killed}.places`, `${copy}.places`);
        equal((await afterStart(copy)).texts.length, 30, "all still owed");
      }
      for (const one of [path, copy]) await removeCopy(one);
      if (isSame) break;
    }
    for (const copy of [mine, killed]) await removeCopy(copy);
  }));

Deno.test("a place file left beside a KV file that was deleted moves nothing", () =>
  inFolder(async (location) => {
    const { log, holding } = await laggingLog(location);
    await appendEvents(log, 6);
    await settleNext(log, holding, 5);
    const killed = await killedCopy(location);
    await log.close();
    for (const end of ["", "-wal"]) await Deno.remove(`${killed}${end}`);
    const fresh = await openRig({ location: killed });
    const taken = await takeLease(fresh, "a", {
      signal: always,
      from: "oldest",
    });
    await appendEvents(fresh, 6);
    equal((await fresh.next(taken.place))?.count, 1);
    equal(taken.place.books.delivered, 0);
    await fresh.close();
    equal((await afterStart(killed)).texts.length, 6);
    await removeCopy(killed);
  }));

Deno.test("an older backup of the KV file beside the newest place file skips nothing", () =>
  inFolder(async (location) => {
    const { log, holding } = await laggingLog(location);
    await appendEvents(log, 4);
    await settleNext(log, holding, 2);
    // While the lease stood: its place counts where the backup holds what lies before it.
    const early = await killedCopy(location, [".places"]);
    await settleNext(log, holding, 2);
    const within = await killedCopy(location);
    await Deno.copyFile(`${within}.places`, `${early}.places`);
    deepEqual((await afterStart(early)).texts, []);
    await removeCopy(early);
    const backup = await killedCopy(location, [".places"]);
    await appendEvents(log, 4, 4);
    await settleNext(log, holding, 4);
    const killed = await killedCopy(location);
    await log.close();
    await Deno.copyFile(`${killed}.places`, `${backup}.places`);
    // The place lies beyond the backup's end: what it says may be wrong, so the store's counts.
    const { place } = await afterStart(backup);
    ok(place.books.delivered <= 4);
    // A backup from before the take-over: another epoch.
    const later = await openRig({ location: killed });
    const held = await takeLease(later, "a", { signal: always });
    equal(held.place.books.delivered, 8);
    await later.close();
    for (const copy of [within, backup, killed]) await removeCopy(copy);
  }));
