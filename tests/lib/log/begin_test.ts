import { deepEqual, equal } from "node:assert/strict";
import { EventView } from "../../../lib/event.ts";
import { type Beginner, beginPlace } from "../../../lib/log/begin.ts";
import { countsOf } from "../../../lib/log/books.ts";
import { readHeads, totalsOf } from "../../../lib/log/heads.ts";
import type { EventLog } from "../../../lib/log/log.ts";
import { intakeOf, openRig, seeded } from "../../support/log_rig.ts";
import { testSeed } from "../../support/seed.ts";

/** Where a connector begins that has no place yet. */

const T0 = 1_800_000_000_000;

interface Appended {
  readonly text: string;
  readonly at: number;
}

/** All events from a place on, in the log's order. */
async function eventsFrom(
  log: EventLog,
  place: { readonly segment: string; readonly index: number },
): Promise<Appended[]> {
  const events: Appended[] = [];
  const view = new EventView();
  let { segment, index } = place;
  for (;;) {
    const found = await log.next({ segment, index });
    if (found === undefined) return events;
    for (let n = found.id === segment ? index : 0; n < found.count; n++) {
      view.at(found, n);
      events.push({
        text: new TextDecoder().decode(view.event),
        at: view.receivedAt,
      });
    }
    segment = found.id;
    index = found.count;
  }
}

async function begun(log: EventLog, name: string, from: Beginner["from"]) {
  const found = await beginPlace(log.store, { name, from });
  const place = found?.place;
  if (place === undefined) throw new Error("no place");
  const counts = countsOf(place, totalsOf(await readHeads(log.store)));
  return { events: await eventsFrom(log, place), counts };
}

Deno.test("beginPlace() at a time owes exactly what follows the first event received then or later", async () => {
  const seed = testSeed("beginPlace() at a time");
  const random = seeded(seed);
  const log = await openRig();
  try {
    const rounds = 120;
    for (let round = 0; round < rounds; round++) {
      // Several at once share a segment; a slow request is committed after what came later.
      await Promise.all(
        Array.from(
          { length: 1 + Math.floor(random() * 3) },
          (_, n) =>
            log.append(intakeOf(
              Array.from(
                { length: 1 + Math.floor(random() * 4) },
                (_, k) => `"${round}.${n}.${k}"`,
              ),
              { receivedAt: T0 + round * 1000 - Math.floor(random() * 1500) },
            )),
        ),
      );
    }
    const all = await eventsFrom(log, { segment: "", index: 0 });
    for (let n = 0; n < 60; n++) {
      const time = T0 - 3000 + Math.floor(random() * (rounds + 6) * 1000);
      const first = all.findIndex(({ at }) => at >= time);
      const owed = first < 0 ? [] : all.slice(first);
      const { events, counts } = await begun(log, `c${n}`, time);
      deepEqual(events, owed, `seed ${seed}, time ${time - T0}`);
      equal(counts.accepted, owed.length);
      equal(counts.waiting, owed.length);
    }
  } finally {
    await log.close();
  }
});

Deno.test("beginPlace(): newest, oldest, a time before and after everything; used once", async () => {
  const log = await openRig();
  try {
    const append = (text: string, receivedAt: number) =>
      log.append(intakeOf([text], { receivedAt }));
    await append("1", T0);
    await append("2", T0 + 1000);
    const texts = async (name: string, from: Beginner["from"]) =>
      (await begun(log, name, from)).events.map(({ text }) => text);
    deepEqual(await texts("oldest", "oldest"), ["1", "2"]);
    deepEqual(await texts("newest", "newest"), []);
    deepEqual(await texts("early", 0), ["1", "2"]);
    deepEqual(await texts("exact", T0 + 1000), ["2"]);
    deepEqual(await texts("late", T0 + 1001), []);
    deepEqual(await texts("late", 0), [], "it has a place now");
    await append("3", T0 + 1002);
    deepEqual(await texts("late", 0), ["3"]);
  } finally {
    await log.close();
  }
});
