/**
 * Throughput of the JSON scanner beside decode + `JSON.parse` per line, on OCSF-shaped envelopes of about 800 bytes.
 * Run: `deno run --allow-read --allow-env tests/bench/scan.ts [seconds per round]`. Rounds are interleaved; the
 * figures are medians. The last line is the ratio.
 */

// deno-lint-ignore-file no-console -- a bench prints its figures

import { scanBody } from "../../lib/json/scanner.ts";
import { SpanTable } from "../../lib/json/spans.ts";
import { envelope, seeded } from "./event.ts";

const ROUNDS = 7;
const EVENTS = 100;
const seconds = Number(Deno.args[0] ?? "0.4");

interface Contender {
  readonly name: string;
  readonly run: () => number;
  readonly rates: number[];
}

const encoder = new TextEncoder();
const random = seeded(3);
const lines = Array.from({ length: EVENTS }, (_, n) => envelope(random, 0, n));
const body = encoder.encode(lines.join("\n") + "\n");
const single = encoder.encode(lines[0]);
const parts = lines.map((line) => encoder.encode(line));
const table = new SpanTable(EVENTS);
const decoder = new TextDecoder("utf-8", { fatal: true });

const contenders: readonly Contender[] = [
  {
    name: `scanBody, ${EVENTS} events a body`,
    run: () => {
      table.clear();
      const fault = scanBody(body, table);
      if (fault !== undefined || table.count !== EVENTS) throw new Error();
      return body.length;
    },
    rates: [],
  },
  {
    name: "scanBody, one event a body",
    run: () => {
      table.clear();
      const fault = scanBody(single, table);
      if (fault !== undefined || table.count !== 1) throw new Error();
      return single.length;
    },
    rates: [],
  },
  {
    name: "TextDecoder + JSON.parse per line",
    run: () => {
      let count = 0;
      for (const part of parts) {
        if (JSON.parse(decoder.decode(part)).event !== undefined) count++;
      }
      if (count !== EVENTS) throw new Error();
      return body.length;
    },
    rates: [],
  },
];

/** Bytes per second over about `span` milliseconds. */
function rate(run: () => number, span: number): number {
  const start = performance.now();
  let bytes = 0, now = start;
  while (now - start < span) {
    for (let i = 0; i < 20; i++) bytes += run();
    now = performance.now();
  }
  return bytes / (now - start) * 1000;
}

for (const { run } of contenders) rate(run, 300);
for (let round = 0; round < ROUNDS; round++) {
  for (const { run, rates } of contenders) {
    rates.push(rate(run, seconds * 1000));
  }
}
const medians = contenders.map(({ name, rates }) => {
  const sorted = rates.toSorted((a, b) => a - b);
  const median = sorted[sorted.length >> 1] ?? 0;
  console.log(
    `${name.padEnd(36)} ${(median / 1e6).toFixed(0).padStart(6)} MB/s ` +
      `(${((sorted[0] ?? 0) / 1e6).toFixed(0)}–${
        ((sorted.at(-1) ?? 0) / 1e6).toFixed(0)
      }), ${(body.length / EVENTS / median * 1e6).toFixed(2)} s/Mev`,
  );
  return median;
});
console.log(`event ${(body.length / EVENTS).toFixed(0)} bytes`);
console.log(
  `ratio scanBody / JSON.parse: ${
    ((medians[0] ?? 0) / (medians[2] ?? 1)).toFixed(1)
  }`,
);
