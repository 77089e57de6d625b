import assert from "node:assert/strict";
import type { Scope } from "../../../lib/config/scope.ts";
import { collect } from "../../../lib/delivery/batches.ts";
import { openFilter } from "../../../lib/delivery/scope_filter.ts";
import { EventView } from "../../../lib/event.ts";
import { mapEvent } from "../../../lib/ocsf/map.ts";
import { OcsfReader } from "../../../lib/ocsf/reader.ts";
import { ArrayLog } from "../../support/delivery_rig.ts";
import { madeSegment } from "../../support/made_segment.ts";

let made = 0;

/** The part of the scope that filters each event; `-` where it passes. */
async function judged(
  scope: Scope,
  events: readonly string[],
  producer = "test",
): Promise<string> {
  const segment = {
    ...madeSegment({ number: 5_000 + made++, events }),
    runs: [{ producer, receivedAt: 1_000 }],
  };
  const { form } = new OcsfReader({ map: mapEvent });
  const filter = await openFilter(scope, form, () => {});
  const view = new EventView();
  return events.map((_, at) => filter.by(view.at(segment, at)) ?? "-").join(
    " ",
  );
}

function ocsf(fields: Record<string, unknown>): string {
  return JSON.stringify({
    class_uid: 3002,
    category_uid: 3,
    metadata: { version: "1.1.0" },
    time: 1_773_360_000_000,
    severity_id: 4,
    ...fields,
  });
}

Deno.test("openFilter(): min_severity compares as OCSF counts; Other passes, Unknown is lowest", async () => {
  const of = (id: unknown, severity?: string) =>
    ocsf({ severity_id: id, severity });
  const events = [0, 1, 3, 4, 5, 6, 99].map((id) => of(id));
  const all = (least: number) => judged({ minSeverity: least }, events);
  const no = "min_severity";
  assert.equal(await all(0), "- - - - - - -");
  assert.equal(await all(1), `${no} - - - - - -`);
  assert.equal(await all(4), `${no} ${no} ${no} - - - -`);
  assert.equal(await all(6), `${no} ${no} ${no} ${no} ${no} - -`);
  assert.equal(
    await judged({ minSeverity: 4 }, [
      of("4"),
      of(4.0),
      ocsf({}).replace('"severity_id":4', '"severity_id":5.0'),
      of(undefined, "Critical"),
      of(undefined, "low"),
      of(undefined, "weird"),
      of(undefined),
      of("high"),
      of(null),
      of(-1),
      of(""),
      of(12345678901234567890),
    ]),
    `- - - - ${no} ${no} ${no} ${no} ${no} ${no} ${no} -`,
  );
});

Deno.test("openFilter(): categories and classes by their uids", async () => {
  const events = [
    ocsf({}),
    ocsf({ class_uid: 2004, category_uid: 2 }),
    ocsf({ class_uid: 201001, category_uid: 1 }),
    ocsf({ class_uid: 4001, category_uid: undefined }),
  ];
  assert.equal(
    await judged({ categories: [3, 4] }, events),
    "- categories categories -",
  );
  assert.equal(
    await judged({ classes: [2004, 201001] }, events),
    "classes - - classes",
  );
});

/** Suricata's own fields, as `eve.json` has them. */
function suricata(type: string, severity?: number): string {
  return JSON.stringify({
    timestamp: "2026-03-13T00:00:00.000000+0000",
    flow_id: 1,
    event_type: type,
    src_ip: "192.0.2.1",
    src_port: 1024,
    dest_ip: "192.0.2.2",
    dest_port: 443,
    proto: "TCP",
    ...severity !== undefined && {
      alert: {
        action: "allowed",
        gid: 1,
        signature_id: 1,
        rev: 1,
        signature: "s",
        category: "c",
        severity,
      },
    },
  });
}

Deno.test("openFilter(): what is no OCSF counts with what its mapping gives it", async () => {
  const events = [
    suricata("alert", 1),
    suricata("alert", 3),
    suricata("flow"),
    '"a line of text"',
    "{}",
  ];
  assert.equal(
    await judged({ minSeverity: 4 }, events),
    "- min_severity min_severity min_severity min_severity",
  );
  assert.equal(
    await judged({ categories: [2] }, events),
    "- - categories categories categories",
  );
  assert.equal(
    await judged({ classes: [0] }, events),
    "classes classes classes - -",
  );
  assert.equal(
    await judged(
      { when: "event.class_uid == 2004 && has(event.severity_id)" },
      events,
    ),
    "- - when when when",
  );
});

Deno.test("openFilter(): tokens are producers' names", async () => {
  const tokens = ["firewall", "edge"];
  assert.equal(await judged({ tokens }, ['"x"'], "firewall"), "-");
  assert.equal(await judged({ tokens }, ['"x"'], "Firewall"), "tokens");
});

Deno.test("openFilter() names the first part that does not hold, in the order of the keys", async () => {
  const scope: Scope = {
    when: "event.ok",
    tokens: ["test"],
    classes: [3002],
    categories: [3],
    minSeverity: 4,
  };
  const table: [
    fields: Record<string, unknown>,
    producer: string,
    by: string,
  ][] = [
    [{ ok: true }, "test", "-"],
    [{ ok: false }, "test", "when"],
    [{ ok: false }, "other", "tokens"],
    [{ class_uid: 3001, ok: false }, "other", "classes"],
    [{ class_uid: 2004, category_uid: 2, ok: false }, "other", "categories"],
    [
      { class_uid: 2004, category_uid: 2, severity_id: 1, ok: false },
      "other",
      "min_severity",
    ],
    [{ severity_id: 1, ok: true }, "test", "min_severity"],
  ];
  for (const [fields, producer, by] of table) {
    assert.equal(await judged(scope, [ocsf(fields)], producer), by);
  }
});

Deno.test("openFilter(): an expression that fails lets the event pass, is told once, and counted", async () => {
  const told: string[] = [];
  const { form } = new OcsfReader({ map: mapEvent });
  const scope = { when: "event.risk > 3" };
  const filter = await openFilter(scope, form, (why) => told.push(why));
  assert.equal(filter.warning, undefined);
  const events = [
    ocsf({ risk: 4 }),
    ocsf({ risk: 1 }),
    ocsf({}),
    ocsf({ risk: "secret" }),
  ];
  const segment = madeSegment({ number: 4_000, events }),
    view = new EventView();
  assert.deepEqual(events.map((_, at) => filter.by(view.at(segment, at))), [
    undefined,
    "when",
    undefined,
    undefined,
  ]);
  assert.deepEqual(told, ["no such key (character 7 of the expression)."]);
  assert.match(filter.warning ?? "", /^scope\.when failed for 2 event\(s\), /);
  assert.doesNotMatch(filter.warning ?? "", /secret/);
});

/** A clock that moves as a filter takes its time, and counts what waits for it. */
function busyClock() {
  return {
    elapsed: 0,
    looks: 0,
    pauses: 0,
    now: () => 0,
    monotonic() {
      this.looks++;
      return this.elapsed;
    },
    sleep() {
      this.pauses++;
      return Promise.resolve();
    },
    after: () => () => {},
  };
}

Deno.test("collect() lets others run every few milliseconds while a filter takes its time", async () => {
  const log = new ArrayLog();
  log.append(Array.from({ length: 1_000 }, () => '"x"'), 1_000);
  const from = { segment: "", index: 0 }, bounds = { events: 10, bytes: 1_000 };
  const clock = busyClock();
  const filter = {
    by: () => (clock.elapsed += 0.1, "when" as const),
    warning: undefined,
  };
  const quick = { filter, clock };
  assert.equal((await collect(log, from, bounds, quick)).run.count, 1_000);
  // 100 ms of work, 5 ms at a time, looked at every 3.2 ms.
  assert.ok(clock.pauses >= 14 && clock.pauses <= 20, `${clock.pauses}`);
  assert.ok(clock.looks < 60, `${clock.looks}`);
  const slow = busyClock();
  const one = { by: () => (slow.elapsed += 50, "when" as const), isSlow: true };
  await collect(log, from, bounds, {
    filter: { ...one, warning: undefined },
    clock: slow,
  });
  // Each event alone takes longer than a filter may go on.
  assert.equal(slow.pauses, 1_000);
});

Deno.test("openFilter(): a filter is slow where it has a when", async () => {
  const { form } = new OcsfReader({ map: mapEvent });
  const slow = async (scope: Scope) =>
    (await openFilter(scope, form, () => {})).isSlow;
  assert.ok(await slow({ when: "event.a" }));
  assert.ok(!await slow({ minSeverity: 3, tokens: ["a"] }));
});

Deno.test("openFilter(): an event that takes too long passes, is told once, and counted", async () => {
  const told: string[] = [];
  const { form } = new OcsfReader({ map: mapEvent });
  const when = "event.a.exists(x, event.a.exists(y, x + y == 3))";
  const filter = await openFilter({ when }, form, (why) => told.push(why));
  const a = Array.from({ length: 4_000 }, () => 1);
  const events = [
    ocsf({ a }),
    ocsf({ a: [1] }),
    ocsf({ a }),
    ocsf({ a: [1, 2] }),
  ];
  const segment = madeSegment({ number: 4_001, events });
  const view = new EventView();
  assert.deepEqual(
    events.map((_, at) => filter.by(view.at(segment, at))),
    [undefined, "when", undefined, undefined],
  );
  assert.deepEqual(told, ["Judging it would take too long."]);
  assert.match(filter.warning ?? "", /^scope\.when failed for 2 event\(s\), /);
});
