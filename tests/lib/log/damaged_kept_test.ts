import { equal, ok } from "node:assert/strict";
import { advance } from "../../../lib/log/cursor.ts";
import { damagedKey, logKey } from "../../../lib/log/keys.ts";
import { takeLease } from "../../../lib/log/lease.ts";
import { intakeOf, openRig, readAll } from "../../support/log_rig.ts";

const always = new AbortController().signal;

for (const kind of ["file", "platform"] as const) {
  Deno.test(`stats() counts damaged segments that others met, until they are trimmed (${kind})`, async () => {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/a.kv`;
    const connectors = () => ["a"];
    const open = (keep?: number) =>
      openRig({
        connectors,
        ...keep !== undefined && { keep },
        ...kind === "file" ? { location: path } : {
          location: null,
          openKv: () => Deno.openKv(path),
        },
      });
    const first = await open();
    const { ids } = await first.append(intakeOf(["1"]));
    const bad = ids[0]?.segment ?? "";
    equal((await first.append(intakeOf(["2"]))).kept, 1);
    await first.close();
    {
      using kv = await Deno.openKv(path);
      await kv.set(logKey(bad), new Uint8Array([1, 2, 3]));
    }
    const second = await open();
    equal((await second.stats()).damaged, 0);
    equal((await readAll(second)).length, 1);
    equal((await second.stats()).damaged, 1);
    if (kind === "platform") {
      // Another process, at the same time, which has read nothing.
      const other = await open();
      equal(other.damaged, 0);
      equal((await other.stats()).damaged, 1);
      await other.close();
    }
    await second.close();

    const third = await open(0);
    equal(third.damaged, 0);
    equal((await third.stats()).damaged, 1);
    const holding = await takeLease(third, "a", {
      signal: always,
      from: "oldest",
    });
    const segment = await third.next(holding.place);
    ok(segment);
    equal((await third.stats()).damaged, 1);
    const next = advance(holding.place, [segment], segment.count);
    ok(await holding.settle(next, []));
    await holding.release();
    await third.retention.trim();
    equal((await third.stats()).damaged, 0);
    const note = await third.store.kv.get(damagedKey(bad));
    equal(note.versionstamp, null);
    await third.close();
    await Deno.remove(folder, { recursive: true });
  });
}
