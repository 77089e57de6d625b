import { compileWhen } from "./lib/ocsf/when.ts";
import { EventView } from "./lib/event.ts";
import { madeSegment } from "./tests/support/made_segment.ts";
import { Work } from "./lib/ocsf/work.ts"; const WORK = new Work(); let n = 1;
function t(e: string, ev: string) {
  try {
    const w = compileWhen(e, WORK); const all = []; let r;
    for (let i = 0; i < 4; i++) {
    const v = new EventView().at(madeSegment({ number: n++, events: [ev] }), 0);
    const b = performance.now(); try { r = w(v); } catch (c) { r = String(c).slice(0, 60); }
    all.push(performance.now() - b); }
    const first = all[0]; all.sort((a, b) => a - b);
    console.log(first.toFixed(1).padStart(7), all[0].toFixed(1).padStart(7), "ms", String(WORK.spent).padStart(9), (all[0]*1e6/WORK.spent).toFixed(0).padStart(4), "ns", e.slice(0, 60), ev.length, r);
  } catch (c) { console.log(e, String(c)); }
}
const ints = (k: number) => `[${Array(k).fill("1").join()}]`;
const strs = (k: number, s = "a") => `[${Array(k).fill(JSON.stringify(s)).join()}]`;

t("size(event.a) == 3", `{"a":${ints(4_000)},"m":{${Array.from({length:4000},(_, i)=>`"k${i}":1`).join()}}}`);
t("size(event.m) == 3", `{"a":${ints(4_000)},"m":{${Array.from({length:4000},(_, i)=>`"k${i}":1`).join()}}}`);
t("event.m.exists(k, k == 'x')", `{"a":${ints(4_000)},"m":{${Array.from({length:4000},(_, i)=>`"k${i}":1`).join()}}}`);
const o = JSON.parse(`{${Array.from({length:4000},(_, i)=>`"k${i}":1`).join()}}`); let b = performance.now(); for (let i = 0; i < 100; i++) Object.entries(o).length; console.log("entries", (performance.now() - b) / 100);
b = performance.now(); for (let i = 0; i < 100; i++) Object.keys(o).length; console.log("keys", (performance.now() - b) / 100);
b = performance.now(); for (let i = 0; i < 100; i++) { let n = 0; for (const k in o) n += k.length; } console.log("for in", (performance.now() - b) / 100);
const p = JSON.parse(`{${Array.from({length:4000},(_, i)=>`"k${i}":1`).join()}}`, (_k, v) => v);  b = performance.now(); for (let i = 0; i < 100; i++) Object.entries(p).length; console.log("entries reviver", (performance.now() - b) / 100);
b = performance.now(); for (let i = 0; i < 100; i++) Object.keys(p).length; console.log("keys reviver", (performance.now() - b) / 100);
