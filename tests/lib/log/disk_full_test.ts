import { deepEqual, equal, ok } from "node:assert/strict";
import { systemClock } from "../../../lib/clock.ts";
import { BALLAST_BYTES } from "../../../lib/log/disk.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import type { EventLog, Kept } from "../../../lib/log/log.ts";
import { advance } from "../../../lib/log/cursor.ts";
import { turn } from "../../support/drive.ts";
import { fillDisk, smallDisk } from "../../support/small_disk.ts";
import {
  intakeOf,
  latin1,
  noise,
  openRig,
  rawTextsOf,
  seeded,
} from "../../support/log_rig.ts";

const MIB = 1024 * 1024;

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function untilHolds(
  what: string,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const end = systemClock.monotonic() + 20_000;
  while (!await holds()) {
    ok(systemClock.monotonic() < end, `${what}: not within 20 s`);
    await turn();
  }
}

const event = noise(seeded(5), 60_000);
const eventText = latin1(event);

/** A log on a disk, with a connector's lease, and its ballast whole. */
async function openOn(folder: string) {
  const location = `${folder}/data/hecate.kv`;
  const log = await openRig({
    location,
    ballastBytes: BALLAST_BYTES,
    maxBytes: 1024 * MIB,
    keep: 0,
    connectors: () => ["a"],
  });
  const { signal } = new AbortController();
  const holding = await takeLease(log, "a", { signal });
  await untilHolds(
    "ballast",
    async () =>
      await Deno.stat(`${location}.ballast`).then(
        ({ size }) => size === BALLAST_BYTES,
        () => false,
      ),
  );
  return { location, log, holding };
}

/** Appends until the log refuses, or `most` were kept. */
async function appendUntilFull(log: EventLog, most: number): Promise<Kept> {
  let kept: Kept = { kept: 0, ids: [] };
  for (let n = 0; n < most; n++) {
    kept = await log.append(
      intakeOf([event], { receivedAt: systemClock.now() }),
    );
    if (kept.refusal !== undefined) break;
  }
  return kept;
}

for (const round of [1, 2, 3, 4]) {
  Deno.test(`a full disk refuses producers; reads, settles and trimming go on; it recovers by itself (${round})`, async (t) => {
    await using disk = await smallDisk(128);
    if (disk === undefined) {
      await t.step({
        name: "mounting a small disk is not allowed here",
        ignore: true,
        fn: () => undefined,
      });
      return;
    }
    const { location, log, holding } = await openOn(disk.path);
    // The rounds differ in what the WAL holds when the disk becomes full.
    equal((await appendUntilFull(log, 40 + round * 97)).refusal, undefined);
    await fillDisk(`${disk.path}/filler`);
    const refused = await appendUntilFull(log, 2_000);
    deepEqual([refused.kept, refused.refusal], [0, "full"]);
    ok(log.full);

    // Delivery goes on: everything is read and settled, and the space behind it is trimmed.
    let place = holding.place;
    let events = 0;
    for (;;) {
      const segment = await log.next(place);
      if (segment === undefined) break;
      ok(rawTextsOf(segment).every((text) => text === eventText));
      events += segment.count;
      place = advance(place, [segment], segment.count);
      ok(await holding.settle(place, []), "settled on a full disk");
    }
    ok(events >= 40);
    await untilHolds("trimmed", async () => (await log.stats()).events === 0);

    await Deno.remove(`${disk.path}/filler`);
    await untilHolds("recovered", () => !log.full);
    equal(
      (await log.append(intakeOf([event], { receivedAt: systemClock.now() })))
        .kept,
      1,
    );
    await untilHolds("ballast again", () => exists(`${location}.ballast`));
    await holding.release();
    await log.close();
  });
}

/** Size of a disk that events alone fill, and what else lies on it, in MiB. */
for (const [size, foreign] of [[64, 10], [24, 0]] as const) {
  Deno.test(`a disk of ${size} MiB that events alone fill takes producers again once they are settled, every time`, async (t) => {
    await using disk = await smallDisk(size);
    if (disk === undefined) {
      await t.step({
        name: "mounting a small disk is not allowed here",
        ignore: true,
        fn: () => undefined,
      });
      return;
    }
    await Deno.writeFile(
      `${disk.path}/foreign`,
      new Uint8Array(foreign * MIB).fill(1),
    );
    const { location, log, holding } = await openOn(disk.path);
    let place = holding.place;
    for (const _ of [1, 2, 3]) {
      equal((await appendUntilFull(log, 5_000)).refusal, "full");
      ok(log.full);
      let events = 0;
      for (;;) {
        const segment = await log.next(place);
        if (segment === undefined) break;
        events += segment.count;
        place = advance(place, [segment], segment.count);
        ok(await holding.settle(place, []), "settled on a full disk");
      }
      ok(events >= 10, `${events} events`);
      await untilHolds("recovered", () => !log.full);
      ok(await exists(`${location}.ballast`), "room for the next time");
    }
    await holding.release();
    await log.close();
  });
}
