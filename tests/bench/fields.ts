/**
 * Finding 30 fields of each event of `events/mixed-ocsf.ndjson`: `findPaths` beside decode + `JSON.parse` + property
 * reads; and what a template of Sentinel's columns takes an event, its fields found by itself or by another connector
 * before it. Run: `deno run --allow-read --allow-env tests/bench/fields.ts [seconds per round]`. Rounds are
 * interleaved; the figures are medians. The last line is the ratio.
 */

// deno-lint-ignore-file no-console -- a bench prints its figures

import { BatchBuffer } from "../../lib/delivery/batch_buffer.ts";
import { EventView, type Segment } from "../../lib/event.ts";
import { findPaths, pathCount, pathId } from "../../lib/json/paths.ts";
import {
  eventId,
  eventString,
  isoTime,
  json,
  number,
  template,
  text,
} from "../../lib/template.ts";
import { madeSegment } from "../support/made_segment.ts";
import { readEventLines, testDataDirectory } from "../support/test_data.ts";

const ROUNDS = 7;
const EVENTS = 1_000;
const seconds = Number(Deno.args[0] ?? "0.4");

const PATHS = [
  "time",
  "class_uid",
  "class_name",
  "category_uid",
  "category_name",
  "activity_id",
  "activity_name",
  "type_uid",
  "severity_id",
  "severity",
  "status_id",
  "status",
  "message",
  "metadata.uid",
  "metadata.version",
  "metadata.product.name",
  "metadata.product.vendor_name",
  "actor.user.uid",
  "actor.user.name",
  "actor.user.email_addr",
  "actor.process.name",
  "src_endpoint.ip",
  "src_endpoint.port",
  "dst_endpoint.ip",
  "dst_endpoint.port",
  "api.operation",
  "api.service.name",
  "resources.0.name",
  "resources.0.uid",
  "unmapped.policy_action",
];

const columns = template`{"TimeGenerated":"${isoTime}","EventId":${
  text("metadata.uid")
},"RelayId":"${eventId}","UserId":${text("actor.user.uid")},"UserEmail":${
  text(["actor.user.email_addr", "actor.user.name"])
},"Operation":${text(["api.operation", "activity_name"])},"Class":${
  number("class_uid", "0")
},"SeverityId":${number("severity_id", "0")},"SrcIp":${
  text("src_endpoint.ip")
},"Resources":${json("resources", "[]")},"RawOCSF":${eventString}}`;

const directory = testDataDirectory();
if (directory === undefined) throw new Error("No test data");
const lines = readEventLines(directory, "mixed-ocsf.ndjson").slice(0, EVENTS);
const decoder = new TextDecoder("utf-8", { fatal: true });
const bytes = lines.reduce((sum, line) => sum + line.length, 0);
const segment = madeSegment({
  number: 1,
  events: lines.map((line) => decoder.decode(line)),
});
PATHS.forEach(pathId);
const split = PATHS.map((path) => path.split("."));
const view = new EventView();
const batch = new BatchBuffer({ events: 1e6, bytes: 1e9, eventBytes: 1e9 });

function fill(over: Segment): number {
  batch.length = 0;
  for (let i = 0; i < over.count; i++) columns.fill(view.at(over, i), batch);
  return over.count;
}

// A first event: all paths are interned from here on.
fill(madeSegment({ number: 2, events: ["{}"] }));
const spans = new Uint32Array(2 * pathCount());

/** A JSON value's member, if it has one. */
function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && name in value
    ? Reflect.get(value, name)
    : undefined;
}

interface Contender {
  readonly name: string;
  /** @returns events */
  readonly run: () => number;
  readonly rates: number[];
}

let found = 0;
const contenders: readonly Contender[] = [
  {
    name: `findPaths, ${pathCount()} paths`,
    run: () => {
      for (const line of lines) {
        findPaths(line, 0, line.length, spans, 0);
        found += spans[3] as number;
      }
      return lines.length;
    },
    rates: [],
  },
  {
    name: `JSON.parse + ${PATHS.length} reads`,
    run: () => {
      for (const line of lines) {
        const value: unknown = JSON.parse(decoder.decode(line));
        for (const path of split) {
          let at = value;
          for (const name of path) at = member(at, name);
          if (at !== undefined) found++;
        }
      }
      return lines.length;
    },
    rates: [],
  },
  {
    name: "columns, fields found before",
    run: () => fill(segment),
    rates: [],
  },
  {
    name: "columns, fields not found yet",
    run: () => fill({ ...segment }),
    rates: [],
  },
];

/** Events per second over about `span` milliseconds. */
function rate(run: () => number, span: number): number {
  const start = performance.now();
  let events = 0, now = start;
  while (now - start < span) {
    for (let i = 0; i < 5; i++) events += run();
    now = performance.now();
  }
  return events / (now - start) * 1000;
}

for (const { run } of contenders) rate(run, 300);
for (let round = 0; round < ROUNDS; round++) {
  for (const { run, rates } of contenders) {
    rates.push(rate(run, seconds * 1000));
  }
}
const size = bytes / lines.length;
const medians = contenders.map(({ name, rates }) => {
  const sorted = rates.toSorted((a, b) => a - b);
  const median = sorted[sorted.length >> 1] ?? 0;
  console.log(
    `${name.padEnd(32)} ${(1e9 / median).toFixed(0).padStart(6)} ns/event ` +
      `(${(1e9 / (sorted.at(-1) ?? 1)).toFixed(0)}–${
        (1e9 / (sorted[0] ?? 1)).toFixed(0)
      }), ${(median * size / 1e6).toFixed(0)} MB/s`,
  );
  return median;
});
console.log(`${lines.length} events of ${size.toFixed(0)} bytes`);
console.log(
  `ratio findPaths / JSON.parse: ${
    ((medians[0] ?? 0) / (medians[1] ?? 1)).toFixed(1)
  }`,
);
if (found === 0) throw new Error("Nothing was found");
