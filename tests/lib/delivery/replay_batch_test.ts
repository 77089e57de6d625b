import { equal, ok } from "node:assert/strict";
import { nextOfLog } from "../../../lib/delivery/replay_batch.ts";
import type { JobPart, JobRecord } from "../../../lib/log/job.ts";
import { readBooks } from "../../../lib/log/places.ts";
import { Bases } from "../../../lib/log/standing.ts";
import { ReplayRig } from "../../support/replay_rig.ts";

Deno.test("nextOfLog() lets others run while a filter takes its time, as collect() does", async () => {
  await using rig = await ReplayRig.open();
  const events = 40;
  await rig.append(...Array.from({ length: events }, (_, n) => `e${n}`));
  const place = (await readBooks(rig.log)).places.get("soc");
  ok(place);
  let elapsed = 0, pauses = 0;
  const clock = {
    now: () => 0,
    monotonic: () => elapsed,
    sleep: () => Promise.resolve(void pauses++),
    after: () => () => {},
  };
  const filter = {
    // The half of them goes nowhere: these must pause too.
    by: ({ index }: { readonly index: number }) => {
      elapsed += 50;
      return index % 2 === 0 ? "when" as const : undefined;
    },
    isSlow: true,
    warning: undefined,
  };
  const record: JobRecord = {
    id: "job",
    kind: "log",
    to: ["soc"],
    from: "oldest",
    until: null,
    rate: 0,
    all: true,
    mark: false,
    state: "running",
    createdAt: 0,
    stoppedAt: null,
    holdsUntil: null,
  };
  const part: JobPart = {
    job: "job",
    connector: "soc",
    total: events,
    preskipped: 0,
    delivered: 0,
    filtered: 0,
    dead: 0,
    skipped: 0,
    place: { segment: "", index: 0 },
    end: { segment: place.segment, index: place.index },
    lastError: null,
    endedAt: null,
  };
  const { batch } = await nextOfLog(
    {
      store: rig.log.store,
      source: rig.log,
      sink: rig.sink(),
      filter,
      clock,
    },
    { record, part, bases: new Bases(rig.history, "soc", place) },
    { events: 1_000, bytes: 1_000_000 },
  );
  equal(batch.run.count, events / 2);
  equal(pauses, events);
});
