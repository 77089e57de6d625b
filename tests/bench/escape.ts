/**
 * What escaping an event as a JSON string costs: the WebAssembly kernel beside plain JS, into memory that keeps it, and
 * from there to a body as for each connector; `JSON.stringify` of the decoded text for comparison.
 * Run: `deno run --allow-env tests/bench/escape.ts [seconds per round]`. Rounds are interleaved; the figures are medians.
 */

// deno-lint-ignore-file no-console -- a bench prints its figures

import { copyBytes } from "../../lib/json/copy.ts";
import {
  type Escaper,
  openKernel,
  plainEscaper,
} from "../../lib/json/escape_kernel.ts";
import { envelope, seeded } from "./event.ts";

const ROUNDS = 7;
const EVENTS = 100;
const seconds = Number(Deno.args[0] ?? "0.2");

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const random = seeded(3);
const texts = Array.from(
  { length: EVENTS },
  (_, n) => JSON.stringify(JSON.parse(envelope(random, 0, n)).event),
);
const body = encoder.encode(texts.join("\n"));
const spans: readonly (readonly [number, number])[] = texts.map((text, n) => {
  const start = texts.slice(0, n).join("\n").length + (n > 0 ? 1 : 0);
  return [start, start + text.length];
});
const ROOM = 6 * body.length + 100;
const out = new Uint8Array(ROOM);

function into(escaper: Escaper | undefined): (() => number) | undefined {
  if (escaper === undefined) return undefined;
  return () => {
    let at = 0;
    for (const [start, end] of spans) {
      const to = escaper.escape(body, start, end, at);
      copyBytes(escaper.memory, at, to, out, at);
      at = to;
    }
    return at;
  };
}

function stringified(): number {
  let at = 0;
  for (const [start, end] of spans) {
    const text = JSON.stringify(decoder.decode(body.subarray(start, end)));
    at += encoder.encodeInto(text, out.subarray(at)).written;
  }
  return at;
}

const contenders = [
  { name: "kernel", run: into(openKernel(ROOM)) },
  { name: "plain JS", run: into(plainEscaper(ROOM)) },
  { name: "JSON.stringify", run: stringified },
];
const times = new Map<string, number[]>();
for (let round = 0; round < ROUNDS; round++) {
  for (const { name, run } of contenders) {
    if (run === undefined) continue;
    const from = performance.now();
    let events = 0, spent = 0;
    do {
      run();
      events += EVENTS;
      spent = performance.now() - from;
    } while (spent < seconds * 1_000);
    times.set(name, [...times.get(name) ?? [], spent * 1e6 / events]);
  }
}
console.log(`events of ${Math.round(body.length / EVENTS)} bytes`);
for (const [name, all] of times) {
  const median = all.sort((a, b) => a - b)[ROUNDS >> 1] as number;
  console.log(`${name.padEnd(16)} ${median.toFixed(0).padStart(6)} ns/event`);
}
