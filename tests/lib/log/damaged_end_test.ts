import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { countsOf } from "../../../lib/log/books.ts";
import { advance, type Place } from "../../../lib/log/cursor.ts";
import { readHeads, totalsOf } from "../../../lib/log/heads.ts";
import { logKey } from "../../../lib/log/keys.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import type { EventLog } from "../../../lib/log/log.ts";
import { turn } from "../../support/drive.ts";
import { intakeOf, openRig, textsOf } from "../../support/log_rig.ts";

const always = new AbortController().signal;

/** Does the promise stay pending for some turns of the event loop? */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let isPending = true;
  const done = () => {
    isPending = false;
  };
  promise.then(done, done);
  for (let n = 0; n < 20; n++) await turn();
  return isPending;
}

async function damage(log: EventLog, segment: string): Promise<void> {
  const entry = await log.store.kv.get<Uint8Array>(logKey(segment));
  ok(entry.value);
  const value = entry.value.slice();
  value[value.length - 1] = (value.at(-1) ?? 0) ^ 1;
  // Deno.Kv itself: nothing in the program changes a segment.
  ok("set" in log.store.kv && typeof log.store.kv.set === "function");
  await log.store.kv.set(logKey(segment), value);
}

for (const kind of ["file", "platform"] as const) {
  Deno.test(`changed() waits behind a damaged newest segment for the next append, whose settle books the gap (${kind})`, async () => {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/a.kv`;
    const open = () =>
      kind === "file" ? openRig({ location: path }) : openRig({
        location: null,
        openKv: () => Deno.openKv(path),
      });
    const first = await open();
    let holding = await takeLease(first, "a", { signal: always });
    equal((await first.append(intakeOf(["1", "2"]))).kept, 2);
    const { ids } = await first.append(intakeOf(["3", "4", "5"]));
    const one = await first.next(holding.place);
    ok(one);
    const settled = (place: Place, delivered: number): Place => ({
      ...place,
      books: { ...place.books, delivered: place.books.delivered + delivered },
    });
    ok(
      await holding.settle(
        settled(advance(holding.place, [one], one.count), one.count),
        [],
      ),
    );
    await damage(first, ids[0]?.segment ?? "");
    await holding.release();
    await first.close();

    const log = await open();
    holding = await takeLease(log, "a", { signal: always });
    equal(await log.next(holding.place), undefined);
    equal(log.damaged, 1);
    const stop = new AbortController();
    const stopped = log.changed(holding.place, stop.signal);
    ok(await isPending(stopped), "no spin");
    stop.abort(new Error("enough"));
    await rejects(stopped, { message: "enough" });
    const waiting = log.changed(holding.place, always);
    ok(await isPending(waiting));
    // All lanes of a shared store are used until the damaged one's is.
    equal((await log.append(intakeOf(["6"]))).kept, 1);
    await waiting;
    const next = await log.next(holding.place);
    ok(next);
    deepEqual(textsOf(next), ["6"]);
    ok(
      await holding.settle(
        settled(advance(holding.place, [next], next.count), 1),
        [],
      ),
    );
    const { books } = holding.place;
    const heads = totalsOf(await readHeads(log.store));
    const { accepted, waiting: left } = countsOf(holding.place, heads);
    equal(books.delivered + books.expired + left, accepted);
    if (kind === "file") deepEqual([books.expired, left], [3, 0]);
    await holding.release();
    await log.close();
    await Deno.remove(folder, { recursive: true });
  });
}

Deno.test("changed() waits where everything behind the place was trimmed, and tells when something was there before it waits", async () => {
  const folder = await Deno.makeTempDir();
  const options = { location: `${folder}/a.kv`, keep: 0 };
  const first = await openRig(options);
  const long = { receivedAt: 0 };
  equal((await first.append(intakeOf(["1"], long))).kept, 1);
  const old = { segment: (await first.end()).segment, index: 0 };
  equal((await first.append(intakeOf(["2"], long))).kept, 1);
  await first.retention.trim();
  equal((await first.stats()).events, 0);
  await first.close();
  const log = await openRig(options);
  equal(await log.next(old), undefined);
  const waiting = log.changed(old, always);
  ok(await isPending(waiting));
  equal((await log.append(intakeOf(["3"]))).kept, 1);
  await waiting;
  await log.changed(old, always);
  const found = await log.next(old);
  ok(found);
  deepEqual(textsOf(found), ["3"]);
  await log.close();
  await Deno.remove(folder, { recursive: true });
});
