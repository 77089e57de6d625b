/** Sinks opened as the relay opens them, and runs of events as the intake makes them, for tests of connectors. */

import assert from "node:assert/strict";
import { loadConfiguration } from "../../lib/config/load.ts";
import type {
  ConnectorType,
  Sink,
  SinkEnvironment,
} from "../../lib/connector.ts";
import { BatchBuffer } from "../../lib/delivery/batch_buffer.ts";
import { openDatagrams } from "../../lib/delivery/datagram.ts";
import { openHttp } from "../../lib/delivery/http_client.ts";
import { openStream } from "../../lib/delivery/stream.ts";
import { EventRun, type Segment } from "../../lib/event.ts";
import { judgeRows } from "../../lib/format/hec.ts";
import { scanBody } from "../../lib/json/scanner.ts";
import {
  ENVELOPE,
  EVENT,
  FLAGS,
  RAW,
  ROW,
  SpanTable,
} from "../../lib/json/spans.ts";
import { mapEvent } from "../../lib/ocsf/map.ts";
import { OcsfReader } from "../../lib/ocsf/reader.ts";
import { systemClock } from "../../lib/clock.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Face } from "../../lib/tokens.ts";

/** 2026-03-13T00:00:00.123Z. */
export const RECEIVED_AT = 1_773_360_000_123;

function segment(bytes: Uint8Array, table: SpanTable): Segment {
  return {
    id: "00000000000000010000",
    bytes,
    spans: table.words,
    count: table.count,
    runs: [{ producer: "test", receivedAt: RECEIVED_AT }],
    lane: "test",
    eventsBefore: 0,
    bytesBefore: 0,
    storedBytes: bytes.length,
  };
}

function runOver(made: Segment): EventRun {
  const run = new EventRun();
  for (let i = 0; i < made.count; i++) run.push(made, i);
  return run;
}

/** The events of an HEC body, as the intake's scan and judgement leave them. */
export function hecRun(
  body: string | Uint8Array,
  face: Face = "splunk",
): EventRun {
  const bytes = typeof body === "string"
    ? new TextEncoder().encode(body)
    : body;
  const table = new SpanTable();
  assert.equal(scanBody(bytes, table), undefined);
  const judged = judgeRows(bytes, table, { face, maxEvent: 1_000_000_000 });
  assert.equal(judged.code, 0);
  return runOver(segment(bytes, table));
}

/** Lines of text, as they come by `/raw`. */
export function rawRun(...lines: readonly (string | Uint8Array)[]): EventRun {
  const table = new SpanTable();
  const all: number[] = [];
  lines.forEach((line, i) => {
    const bytes = typeof line === "string"
      ? new TextEncoder().encode(line)
      : line;
    table.add();
    const row = i * ROW;
    table.words[row + ENVELOPE] = table.words[row + EVENT] = all.length;
    all.push(...bytes);
    table.words[row + ENVELOPE + 1] =
      table.words[row + EVENT + 1] =
        all.length;
    table.words[row + FLAGS] = RAW;
  });
  return runOver(segment(Uint8Array.from(all), table));
}

/** `count` small events: `{"n":0}` … in HEC envelopes. */
export function numbered(count: number): EventRun {
  return hecRun(
    Array.from({ length: count }, (_, n) => `{"event":{"n":${n}}}`).join("\n"),
  );
}

/** Opens a type from environment variables. @throws {AssertionError} with the faults. */
export function openSink(
  type: ConnectorType,
  env: Readonly<Record<string, string>>,
  clock: Clock = systemClock,
  given: Partial<SinkEnvironment> = {},
): Sink {
  const loaded = loadConfiguration({
    env,
    readFile: (path) => Deno.readTextFileSync(path),
    types: [type],
  });
  assert.ok(loaded.ok, loaded.ok ? "" : loaded.faults.join("\n"));
  const [configured] = loaded.connectors;
  assert.ok(configured);
  return configured.open(sinkEnvironment({ clock, ...given }));
}

/** What sinks get from outside, with what a test gives in place of it. */
export function sinkEnvironment(
  given: Partial<SinkEnvironment> = {},
): SinkEnvironment {
  let ids = 0;
  return {
    hostname: "relay-01",
    clock: systemClock,
    uuid: () => `00000000-0000-4000-8000-${String(ids++).padStart(12, "0")}`,
    randomBytes: (count) => new Uint8Array(count).fill(0x41),
    readFile: (path) => Deno.readTextFileSync(path),
    ocsf: new OcsfReader({ map: mapEvent }).form,
    http: (target) => openHttp(target, { clock: systemClock }),
    stream: (target) =>
      openStream(target, { clock: given.clock ?? systemClock }),
    datagrams: (target) => openDatagrams(target, { clock: systemClock }),
    ...given,
  };
}

/** What the sink makes of the events. */
export function encoded(sink: Sink, run: EventRun): BatchBuffer {
  const batch = new BatchBuffer(sink.limits);
  sink.encode(run, batch);
  return batch;
}

/** The same as text. */
export function bodyText(sink: Sink, run: EventRun): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(
    encoded(sink, run).body(),
  );
}

/** A whole HTTP answer. */
export function answer(
  status: number,
  body: unknown = "",
  headers: Readonly<Record<string, string>> = {},
): string {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const type = typeof body === "string" ? "text/plain" : "application/json";
  const lines = Object.entries({ "content-type": type, ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const length = new TextEncoder().encode(text).length;
  return `HTTP/1.1 ${status} Status\r\n${lines}content-length: ${length}\r\n\r\n${text}`;
}
