import { deepEqual, equal, match, ok } from "node:assert/strict";
import { metricsText } from "../../lib/delivery/metrics.ts";
import { BooksWatch } from "../../lib/delivery/books_watch.ts";
import { cursorKey } from "../../lib/log/keys.ts";
import { placeOf, placeValue } from "../../lib/log/places.ts";
import type { Logger } from "../../lib/logger.ts";
import { ADMIN, AdminRig } from "../support/admin_rig.ts";

/** Reads the text format strictly: name{labels} → value. */
function parsed(text: string): Map<string, number> {
  const found = new Map<string, number>();
  const types = new Map<string, string>();
  ok(text.endsWith("\n"));
  for (const line of text.trimEnd().split("\n")) {
    const type = /^# TYPE ([a-z_]+) (gauge|counter)$/.exec(line);
    if (type !== null) {
      ok(!types.has(type[1] ?? ""), `${line}: twice`);
      types.set(type[1] ?? "", type[2] ?? "");
      continue;
    }
    if (/^# HELP [a-z_]+ [^\n]+$/.test(line)) continue;
    const sample =
      /^([a-z_]+)((?:\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+\})?) (-?[0-9.e+]+)$/
        .exec(line);
    ok(sample !== null, line);
    const [, name = "", labels = "", value = ""] = sample;
    ok(types.has(name), `${name} has no type`);
    ok(!found.has(name + labels), `${line}: twice`);
    if (types.get(name) === "counter") match(name, /_total$/);
    found.set(name + labels, Number(value));
  }
  return found;
}

Deno.test("GET /metrics tells the books of every connector from 0, in Prometheus' text format", async () => {
  await using admin = await AdminRig.open(["a", "b"]);
  const { rig } = admin;
  const read = async () => {
    const response = await admin.app.request("/metrics", { headers: ADMIN });
    equal(response.status, 200);
    match(
      response.headers.get("Content-Type") ?? "",
      /^text\/plain; version=0\.0\.4/,
    );
    return parsed(await response.text());
  };
  const empty = await read();
  for (const connector of ["a", "b"]) {
    for (
      const place of [
        "accepted",
        "delivered",
        "filtered",
        "dead",
        "discarded",
        "waiting",
        "expired",
      ]
    ) {
      equal(
        empty.get(
          `hecate_connector_books_events{connector="${connector}",place="${place}"}`,
        ),
        0,
      );
    }
    equal(
      empty.get(
        `hecate_connector_books_difference_events{connector="${connector}"}`,
      ),
      0,
    );
  }
  equal(empty.get("hecate_log_damaged_segments"), 0);
  equal(empty.get('hecate_build_info{version="1.2.3",deno="2.9.6"}'), 1);
  await rig.kill("a", ["1", "2", "3"], { at: [1, 2] });
  const now = rig.clock.now();
  await rig.dead.discard({ filter: { connector: "a" } }, 2, now);
  await rig.kill("a", ["4"]);
  rig.clock.advance(90_000);
  const full = await read();
  const place = (connector: string, place: string) =>
    full.get(
      `hecate_connector_books_events{connector="${connector}",place="${place}"}`,
    );
  deepEqual(
    ["accepted", "delivered", "dead", "discarded", "waiting"].map((name) => [
      place("a", name),
      place("b", name),
    ]),
    [[4, 4], [1, 0], [1, 0], [2, 0], [0, 4]],
  );
  equal(full.get('hecate_dead_letters{connector="a"}'), 1);
  equal(full.get('hecate_connector_lag_events{connector="b"}'), 4);
  equal(full.get('hecate_connector_lag_seconds{connector="b"}'), 90);
  equal(full.get('hecate_connector_lag_seconds{connector="a"}'), 0);
  equal(full.get("hecate_log_events"), 4);
  equal(full.get('hecate_connector_state{connector="a",state="held"}'), 0);
  equal(full.get('hecate_connector_state{connector="a",state="waiting"}'), 1);
});

Deno.test("metricsText() escapes labels", () => {
  const text = metricsText({
    version: 'a"b\\c\nd',
    instance: "i",
    uptime_s: 0,
    log: {
      events: 0,
      bytes: 0,
      oldest: null,
      keep: 0,
      full: false,
      damaged: 0,
      lag_reads: 0,
    },
    connectors: [],
  }, { deno: "2", now: 0 });
  ok(text.includes('hecate_build_info{version="a\\"b\\\\c\\nd",deno="2"} 1\n'));
  parsed(text);
});

Deno.test("a difference of the books is said once, shown, and never healed", async () => {
  await using admin = await AdminRig.open(["a"]);
  const { rig } = admin;
  const said: unknown[][] = [];
  const logger: Logger = {
    log: (level, event, _message, fields) => said.push([level, event, fields]),
  };
  const watch = new BooksWatch({
    log: rig.log,
    deadLetters: rig.dead,
    connectors: () => [{ name: "a", isFed: true }],
    clock: rig.clock,
    logger,
  });
  await rig.kill("a", ["1", "2"], { at: [0] });
  await watch.look();
  deepEqual(said, []);
  const holding = await rig.holding("a");
  const { books } = holding.place;
  // Where a bug would lose one.
  const wrong = { ...holding.place, books: { ...books, delivered: 0 } };
  ok(await holding.settle(wrong, []));
  for (let n = 0; n < 3; n++) await watch.look();
  const counts = {
    accepted: 2,
    delivered: 0,
    filtered: 0,
    dead: 1,
    discarded: 0,
    expired: 0,
    waiting: 0,
    difference: 1,
  };
  deepEqual(said, [["error", "books.difference", {
    connector: "a",
    ...counts,
  }]]);
  const { json } = await admin.get("/connectors/a/books");
  deepEqual(json, { connector: "a", ...counts });
  const { json: { connectors: [status] } } = await admin.get("/status");
  equal(status.difference, 1);
  const metrics = await admin.app.request("/metrics", { headers: ADMIN });
  equal(
    parsed(await metrics.text()).get(
      'hecate_connector_books_difference_events{connector="a"}',
    ),
    1,
  );
  const stored = await rig.log.store.kv.get(cursorKey("a"));
  deepEqual(placeOf(stored.value)?.books, wrong.books);
  ok(placeValue(wrong, { isPacked: false }).length > 0);
  ok(await holding.settle({ ...wrong, books }, []));
  await watch.look();
  await watch.look();
  equal(said.length, 2);
  equal(said[1]?.[0], "info");
});

Deno.test("BooksWatch looks each minute, sweeps each hour, and ends when closed", async () => {
  await using admin = await AdminRig.open(["a"]);
  const { rig } = admin;
  await rig.kill("a", ["1"]);
  const watch = new BooksWatch({
    log: rig.log,
    deadLetters: rig.dead,
    connectors: () => [{ name: "a", isFed: true }],
    clock: rig.clock,
    logger: { log() {} },
  });
  rig.clock.advance(31 * 86_400_000);
  const before = rig.clock.sleepers;
  watch.start();
  await rig.clock.untilSleeping(before + 1);
  rig.clock.advance(60_000);
  for (;;) {
    const { expired } = await rig.books("a");
    if (expired === 1) break;
  }
  await watch.close();
  equal((await rig.dead.page({}, 1)).items.length, 0);
});

Deno.test("GET log/verify answers the verdict", async () => {
  await using admin = await AdminRig.open(["a"]);
  await admin.rig.append(["1", "2"]);
  const { status, json } = await admin.get("/log/verify");
  equal(status, 200);
  deepEqual(
    [json.whole, json.segments, json.events, json.breaks],
    [true, 1, 2, []],
  );
  equal((await admin.get("/connectors/nobody/books")).status, 404);
});

Deno.test("metricsText() tells replays by state, and their events of every connector from 0", () => {
  const report = {
    version: "1",
    log: { events: 0, bytes: 0, oldest: null, full: false, damaged: 0 },
    connectors: [
      { name: "a", state: "connected", warned: { answers: 7, aside: 3 } },
      { name: "b", warned: { answers: 0, aside: 0 } },
    ],
  };
  const text = metricsText(
    // Only what this looks at.
    report as unknown as Parameters<typeof metricsText>[0],
    { deno: "2", now: 0 },
    {
      states: { running: 1, paused: 0, finished: 3, stopped: 2 },
      events: new Map([
        ["a", { delivered: 5, filtered: 0, dead: 1, skipped: 2 }],
        ["gone", { delivered: 9, filtered: 9, dead: 9, skipped: 9 }],
      ]),
    },
  );
  const of = (start: string) =>
    text.split("\n").filter((line) => line.startsWith(`${start}{`));
  deepEqual(of("hecate_delivery_warnings_total"), [
    'hecate_delivery_warnings_total{connector="a"} 7',
    'hecate_delivery_warnings_total{connector="b"} 0',
  ]);
  deepEqual(of("hecate_delivery_aside_events_total"), [
    'hecate_delivery_aside_events_total{connector="a"} 3',
    'hecate_delivery_aside_events_total{connector="b"} 0',
  ]);
  const lines = text.split("\n").filter((line) =>
    /^hecate_replay(s|_events_total)\{/.test(line)
  );
  deepEqual(lines, [
    'hecate_replays{state="running"} 1',
    'hecate_replays{state="paused"} 0',
    'hecate_replays{state="finished"} 3',
    'hecate_replays{state="stopped"} 2',
    ...["delivered", "filtered", "dead", "skipped"].map((outcome, n) =>
      `hecate_replay_events_total{connector="a",outcome="${outcome}"} ${
        [5, 0, 1, 2][n]
      }`
    ),
    ...["delivered", "filtered", "dead", "skipped"].map((outcome) =>
      `hecate_replay_events_total{connector="b",outcome="${outcome}"} 0`
    ),
  ]);
});
