import { collect } from "./lib/delivery/batches.ts";
import { ArrayLog } from "./tests/support/delivery_rig.ts";
import { systemClock } from "./lib/clock.ts";
const log = new ArrayLog();
log.append(Array.from({ length: 10_000 }, () => '"x"'), 1_000);
const from = { segment: "", index: 0 };
const filter = { by: () => undefined, warning: undefined };
for (const events of [1, 1000]) for (const f of [undefined, filter]) {
  const all = [];
  for (let r = 0; r < 7; r++) { const n = 20000 / events; const b = performance.now();
    for (let i = 0; i < n; i++) await collect(log, from, { events, bytes: 1e6 }, { filter: f, clock: systemClock });
    all.push((performance.now() - b) * 1e6 / n / events); }
  all.sort((a, b) => a - b);
  console.log(events, f ? "filter" : "none", all[0].toFixed(0), all[3].toFixed(0), "ns an event");
}
let b = performance.now(); for (let i = 0; i < 1e6; i++) systemClock.monotonic(); console.log("monotonic", (performance.now() - b).toFixed(0), "ns");
