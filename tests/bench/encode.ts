/**
 * What a connector's wire form takes an event: `encode` of all eight vendors' connectors over runs of 100 of the
 * benchmark's events (tests/bench/event.ts), set up as the benchmark sets them up.
 * Run: `deno run -A tests/bench/encode.ts [rounds]`. Every round has new segments, as in life: the first line is what
 * is found once for all connectors. Figures are the best of all rounds; garbage is the median.
 */

// deno-lint-ignore-file no-console -- a bench prints its figures

import {
  crowdstrike,
  datadog,
  elastic,
  qradar,
  sentinel,
  splunk,
  sumo,
  xsiam,
} from "../../connectors/registry.ts";
import type { ConnectorType, Sink } from "../../lib/connector.ts";
import { BatchBuffer } from "../../lib/delivery/batch_buffer.ts";
import { type EventRun, EventView } from "../../lib/event.ts";
import { fieldSpans } from "../../lib/json/field_spans.ts";
import { mapEvent } from "../../lib/ocsf/map.ts";
import { OcsfReader } from "../../lib/ocsf/reader.ts";
import { hecRun, openSink } from "../support/sinks.ts";
import { envelope, seeded } from "./event.ts";
import { relayEnv } from "./run.ts";

const EVENTS = 100, RUNS = 20;
const rounds = Number(Deno.args[0] ?? "60");

const TYPES: readonly ConnectorType[] = [
  splunk,
  sentinel,
  elastic,
  datadog,
  sumo,
  qradar,
  xsiam,
  crowdstrike,
];

const ports = Object.fromEntries(TYPES.map(({ type }) => [type, 1]));
const env = Object.entries(relayEnv({ port: 1, folder: "/tmp", ports }));
// One for all, as in the relay.
const ocsf = new OcsfReader({ map: mapEvent }).form;

interface Subject {
  readonly name: string;
  readonly encode: (run: EventRun) => void;
  /** Microseconds per event of each round. */
  readonly times: number[];
  /** Bytes of heap per event, of the rounds that no collection fell into. */
  readonly garbage: number[];
}

const view = new EventView();
const subjects: Subject[] = [{
  name: "fields",
  encode(run) {
    for (let i = 0; i < run.count; i++) fieldSpans(run.view(i, view));
  },
  times: [],
  garbage: [],
}];
for (const type of TYPES) {
  const own = env.filter(([name]) => name.startsWith(`${type.prefix}_`));
  const sink: Sink = openSink(type, Object.fromEntries(own), undefined, {
    ocsf,
  });
  const batch = new BatchBuffer(sink.limits);
  subjects.push({
    name: type.type,
    encode(run) {
      batch.reset();
      sink.encode(run, batch);
    },
    times: [],
    garbage: [],
  });
}

const random = seeded(1);
const body = Array.from({ length: EVENTS }, (_, i) => envelope(random, 1, i))
  .join("\n");
for (let round = 0; round < rounds; round++) {
  const runs = Array.from({ length: RUNS }, () => hecRun(body));
  for (const { encode, times, garbage } of subjects) {
    const before = Deno.memoryUsage().heapUsed;
    const start = performance.now();
    for (const run of runs) encode(run);
    times.push((performance.now() - start) * 1000 / (RUNS * EVENTS));
    const made = Deno.memoryUsage().heapUsed - before;
    if (made >= 0) garbage.push(made / (RUNS * EVENTS));
  }
}

let time = 0, made = 0;
const line = (name: string, us: number, bytes: number) =>
  console.log(
    `${name.padEnd(12)} ${us.toFixed(2).padStart(6)} µs/event ${
      bytes.toFixed(0).padStart(5)
    } B of garbage`,
  );
for (const { name, times, garbage } of subjects) {
  const sorted = garbage.toSorted((a, b) => a - b);
  const best = Math.min(...times), median = sorted[sorted.length >> 1] ?? NaN;
  line(name, best, median);
  time += best;
  made += median;
}
line("all", time, made);
Deno.exit(0);
