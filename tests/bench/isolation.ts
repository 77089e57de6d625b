/**
 * Does one destination's outage change another's latency? A relay with three connectors; requests leave at their
 * times; for events at the two healthy ones the time from the request to the arrival is measured, in rounds that
 * alternate: all well, or `splunk` sick in one of several ways. The figure is a ratio within one run.
 * Run: `deno run --allow-all tests/bench/isolation.ts [seconds a round]` (3).
 */

// deno-lint-ignore-file no-console -- a bench prints its figures

import { systemClock } from "../../lib/clock.ts";
import type { Fault } from "../../lib/demo/faults.ts";
import { startDemoSiem } from "../../lib/demo/siem.ts";
import { READY, spawnRelay } from "../support/processes.ts";
import { connect } from "../support/raw_http.ts";

const SICK = "splunk";
const HEALTHY = ["crowdstrike", "hec"];
const EVENTS_A_REQUEST = 10, REQUESTS_A_SECOND = 100;
const CONNECTIONS = 4, ROUNDS = 3;
const DRAIN_MS = 60_000;
const seconds = Number(Deno.args[0] ?? 3);

const OUTAGES: Readonly<Record<string, Fault>> = {
  "503": { kind: "status", status: 503 },
  "hangs": { kind: "hang" },
  "401": { kind: "status", status: 401 },
  "resets after the body": { kind: "reset", when: "after" },
};

/** By number: when its request was due, and when it came to the healthy ones. */
const due: number[] = [];
const latencies = { well: [] as number[], sick: [] as number[] };
let round: keyof typeof latencies = "well";

await using siem = await startDemoSiem({
  memory: { arrivals: 0, bytes: 0, requests: 1 },
  onArrival: ({ name }, { event }) => {
    if (!HEALTHY.includes(name)) return;
    const [, n] = /"n":(\d+)/.exec(new TextDecoder().decode(event)) ?? [];
    const at = due[Number(n)];
    if (at !== undefined) latencies[round].push(systemClock.monotonic() - at);
  },
});
const folder = await Deno.makeTempDir({ prefix: "hecate-isolation-" });
try {
  await using relay = spawnRelay({
    env: {
      ...siem.environment(),
      HECATE_KV: `${folder}/hecate.kv`,
      HECATE_TOKENS: "bench=hct_good",
      HECATE_ADMIN_TOKEN: "hca_good",
      HECATE_LOG_LEVEL: "error",
      HECATE_RETRY_INITIAL: "100ms",
      HECATE_RETRY_MAX: "500ms",
      HECATE_PROBE_INITIAL: "200ms",
      HECATE_PROBE_MAX: "500ms",
    },
  });
  await relay.line(READY);
  await feed(relay.port, 2);
  latencies.well = [];
  console.log("round                      p50 ms   p99 ms");
  const p99s = { well: [] as number[], sick: [] as number[] };
  const rounds = Array.from({ length: ROUNDS }, () => Object.entries(OUTAGES));
  for (const [name, fault] of rounds.flat()) {
    for (const kind of ["well", "sick"] as const) {
      round = kind;
      latencies[kind] = [];
      using _armed = kind === "sick" ? siem.fault(SICK, fault) : undefined;
      await feed(relay.port, seconds);
      const of = latencies[kind].sort((a, b) => a - b);
      const [p50, p99] = [0.5, 0.99].map((q) => of[Math.floor(of.length * q)]);
      p99s[kind].push(p99 ?? NaN);
      console.log(
        (kind === "well" ? "all well" : `${SICK} ${name}`).padEnd(24) +
          p50?.toFixed(2).padStart(9) + p99?.toFixed(2).padStart(9),
      );
    }
    // The sick one catches up before the next round begins.
    await siem.target(SICK).until(() => siem.target(SICK).count >= due.length, {
      timeout: DRAIN_MS,
    });
  }
  const median = (of: number[]) => of.sort((a, b) => a - b)[of.length >> 1];
  const [well, sick] = [median(p99s.well), median(p99s.sick)];
  console.log(
    `p99 of the healthy, medians: ${well?.toFixed(2)} ms, ${
      sick?.toFixed(2)
    } ms in an outage: ratio ${((sick ?? NaN) / (well ?? NaN)).toFixed(2)}`,
  );
} finally {
  await Deno.remove(folder, { recursive: true });
}

/** Requests at their times for so long; resolves when the healthy ones have everything. */
async function feed(port: number, forSeconds: number): Promise<void> {
  const began = systemClock.monotonic();
  const requests = forSeconds * REQUESTS_A_SECOND;
  await Promise.all(Array.from({ length: CONNECTIONS }, async (_, c) => {
    using client = await connect(port);
    for (let n = c; n < requests; n += CONNECTIONS) {
      const at = began + n * 1000 / REQUESTS_A_SECOND;
      const wait = at - systemClock.monotonic();
      if (wait > 0) await systemClock.sleep(wait);
      let body = "";
      for (let k = 0; k < EVENTS_A_REQUEST; k++) {
        body += `{"event":{"n":${due.push(at) - 1}}}\n`;
      }
      await client.post("/services/collector/event", body);
      const { status, text } = await client.reply();
      if (status !== 200) throw new Error(text);
    }
  }));
  await Promise.all(
    HEALTHY.map((name) => {
      const target = siem.target(name);
      return target.until(() => target.count >= due.length);
    }),
  );
}
