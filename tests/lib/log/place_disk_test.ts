import { deepEqual, equal, ok } from "node:assert/strict";
import { type Holding } from "../../../lib/log/cursor.ts";
import { cursorKey } from "../../../lib/log/keys.ts";
import { toValue } from "../../../lib/log/kv.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import { PlaceFile } from "../../../lib/log/place_file.ts";
import { placeOf, readPlaces } from "../../../lib/log/places.ts";
import { FaultyKv } from "../../support/faulty_kv.ts";
import { killedCopy, removeCopy } from "../../support/killed.ts";
import { openRig } from "../../support/log_rig.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { fillDisk, smallDisk } from "../../support/small_disk.ts";
import {
  afterStart,
  always,
  appendEvents,
  inFolder,
  laggingLog,
  onFaultyKv,
  settleNext,
  storedDelivered,
} from "../../support/place_rig.ts";

Deno.test("what does not fit the file is settled in the store; it has room for many connectors", () =>
  inFolder(async (location) => {
    const log = await openRig({ location, clock: new ManualClock() });
    const names = Array.from({ length: 200 }, (_, n) => `c${n}`);
    const held: Holding[] = [];
    for (const name of names) {
      held.push(await takeLease(log, name, { signal: always }));
    }
    await appendEvents(log, 2);
    for (const holding of held) await settleNext(log, holding, 2);
    for (const name of names) {
      ok((await storedDelivered(log, name) ?? 2) < 2, "the store follows");
    }
    const [first] = held;
    ok(first);
    const lastError = {
      reason: "server" as const,
      message: "m".repeat(5_000),
      help: null,
      at: 1,
    };
    ok(await first.settle({ ...first.place, attempt: 1, lastError }, []));
    const long = await log.store.kv.get(cursorKey("c0"));
    equal(placeOf(long.value)?.lastError?.message.length, 5_000);
    const killed = await killedCopy(location);
    await log.close();
    const again = await openRig({ location: killed });
    const places = await readPlaces(again.store);
    for (const name of names) equal(places.get(name)?.books.delivered, 2);
    await again.close();
    await removeCopy(killed);
  }));

Deno.test("a store in memory or over the network has no place file; one that cannot be opened is done without", () =>
  inFolder(async (location) => {
    const memory = await openRig();
    equal(memory.placeFile, undefined);
    await memory.close();
    const real = await Deno.openKv(":memory:");
    const remote = await openRig({
      location: "http://kv.invalid",
      openKv: () =>
        Promise.resolve(new FaultyKv(real, { commit: () => undefined })),
    });
    equal(remote.placeFile, undefined);
    await remote.close();
    real.close();
    await Deno.mkdir(`${location}.places`);
    const log = await openRig({ location, clock: new ManualClock() });
    equal(log.placeFile, undefined);
    const holding = await takeLease(log, "a", { signal: always });
    await appendEvents(log, 2);
    await settleNext(log, holding, 1);
    equal(await storedDelivered(log), 1);
    await log.close();
  }));

Deno.test("settle() goes on while every commit finds the disk full, and survives a kill then", () =>
  inFolder(async (location) => {
    let isFull = false;
    const { log, real } = await onFaultyKv(
      location,
      () => isFull ? "full" : undefined,
    );
    const holding = await takeLease(log, "a", { signal: always });
    await appendEvents(log, 6);
    isFull = true;
    await settleNext(log, holding, 5);
    equal(await storedDelivered(log), 0);
    const killed = await killedCopy(location);
    isFull = false;
    await log.close();
    real.close();
    deepEqual((await afterStart(killed)).texts, ["5"]);
    await removeCopy(killed);
  }));

Deno.test("a start on a full disk gives the ballast up, keeps the place and refuses producers", () =>
  inFolder(async (location) => {
    const { log, holding } = await laggingLog(location);
    await appendEvents(log, 6);
    await settleNext(log, holding, 5);
    const killed = await killedCopy(location),
      hopeless = await killedCopy(
        location,
      );
    await log.close();
    const ballast = `${killed}.ballast`;
    await Deno.writeFile(ballast, new Uint8Array(65_536));
    const isFull = () => {
      try {
        return Deno.statSync(ballast).isFile;
      } catch {
        return false;
      }
    };
    const { log: again, real } = await onFaultyKv(
      killed,
      () => isFull() ? "full" : undefined,
    );
    ok(again.placeFile);
    ok(again.full, "until there is room");
    const taken = await takeLease(again, "a", { signal: always });
    equal(taken.place.books.delivered, 5);
    await again.close();
    real.close();
    // No room at all: the start does not fail; the lease waits for room.
    const stuck = await onFaultyKv(hopeless, () => "full");
    equal(stuck.log.placeFile, undefined);
    ok(stuck.log.full);
    ok(await stuck.log.next(undefined), "it can be read");
    await stuck.log.close();
    stuck.real.close();
    // The records stay for a start that has room.
    deepEqual((await afterStart(hopeless)).texts, ["5"]);
    for (const copy of [killed, hopeless]) await removeCopy(copy);
  }));

Deno.test("on a disk that is really full settles are filed, and a start makes do without a new file", async (t) => {
  await using disk = await smallDisk(32);
  if (disk === undefined) {
    await t.step({
      name: "mounting a small disk is not allowed here",
      ignore: true,
      fn: () => undefined,
    });
    return;
  }
  const location = `${disk.path}/a.kv`;
  const { log, holding } = await laggingLog(location);
  await appendEvents(log, 8);
  await settleNext(log, holding, 1);
  await fillDisk(`${disk.path}/filler`);
  await settleNext(log, holding, 6);
  const { file, found } = PlaceFile.open(`${location}.places`);
  file.close();
  const filed = found.map(({ place }) =>
    placeOf(toValue(place))?.books.delivered
  );
  deepEqual(filed, [1, 2, 3, 4, 5, 6, 7]);
  await log.close();
  await Deno.remove(`${location}.places`);
  // What closing gave back is taken again.
  await fillDisk(`${disk.path}/filler2`);
  const again = await openRig({ location, clock: new ManualClock() });
  equal(again.placeFile, undefined);
  ok(await again.next(undefined));
  await again.close();
});
