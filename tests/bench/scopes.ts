/**
 * What a scope costs an event: OCSF events (`events/mixed-ocsf.ndjson`) and such as are mapped first
 * (`events/suricata-eve.ndjson`); fields that another connector found before, or not. Each segment is seen once, as by
 * the first connector that comes to it. Run: `deno run --allow-read --allow-env tests/bench/scopes.ts [seconds a round]`.
 * Rounds are interleaved; the figures are medians in microseconds an event.
 */

// deno-lint-ignore-file no-console -- a bench prints its figures

import type { Scope } from "../../lib/config/scope.ts";
import { openFilter } from "../../lib/delivery/scope_filter.ts";
import { EventView } from "../../lib/event.ts";
import { mapEvent } from "../../lib/ocsf/map.ts";
import { OcsfReader } from "../../lib/ocsf/reader.ts";
import { madeSegment } from "../support/made_segment.ts";
import { readEventLines, testDataDirectory } from "../support/test_data.ts";

const ROUNDS = 7;
const EVENTS = 500;
/** A round ends here too: what costs next to nothing must not take for ever to prepare. */
const MOST_EVENTS = 20_000;
const seconds = Number(Deno.args[0] ?? "0.3");

const SCOPES: Readonly<Record<string, Scope>> = {
  "tokens": { tokens: ["test"] },
  "min_severity": { minSeverity: 0 },
  "min_severity, categories, classes": {
    minSeverity: 0,
    categories: [0, 1, 2, 3, 4, 5, 6],
    classes: [3002, 6003],
  },
  "when: event.severity_id >= 4": { when: "event.severity_id >= 4" },
  "when: three fields": {
    when:
      'event.class_uid == 3002 || event.metadata.product.name == "x" || has(event.actor.user)',
  },
  "when: matches": { when: 'event.metadata.product.name.matches("^(AWS|Az)")' },
  "when: exists": {
    when:
      'has(event.observables) && event.observables.exists(o, o.name == "x")',
  },
  "when: the whole event": { when: "size(event) > 3" },
};

const directory = testDataDirectory();
if (directory === undefined) throw new Error("No test data");
const decoder = new TextDecoder();

for (const file of ["mixed-ocsf.ndjson", "suricata-eve.ndjson"]) {
  const found = readEventLines(directory, file).map((line) =>
    decoder.decode(line)
  );
  const lines = Array.from(
    { length: EVENTS },
    (_, at) => found[at % found.length] ?? "{}",
  );
  const made = madeSegment({ number: 1, events: lines });
  const bytes = lines.reduce((sum, line) => sum + line.length, 0);
  console.log(`${file}: ${Math.round(bytes / EVENTS)} bytes an event`);
  const times = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, scope] of Object.entries(SCOPES)) {
      for (const isFirst of [true, false]) {
        const { form } = new OcsfReader({ map: mapEvent });
        const filter = await openFilter(scope, form, () => {});
        const other = await openFilter({ minSeverity: 0 }, form, () => {});
        const view = new EventView();
        let spent = 0, events = 0;
        while (spent < seconds * 1000 && events < MOST_EVENTS) {
          // Another object is another segment to all that is cached.
          const segment = { ...made };
          if (!isFirst) {
            for (let at = 0; at < EVENTS; at++) other.by(view.at(segment, at));
          }
          const begun = performance.now();
          for (let at = 0; at < EVENTS; at++) filter.by(view.at(segment, at));
          spent += performance.now() - begun;
          events += EVENTS;
        }
        const key = `${isFirst ? "first" : "again"}  ${name}`;
        const all = times.get(key) ?? [];
        all.push(spent * 1000 / events);
        times.set(key, all);
      }
    }
  }
  for (const [key, all] of [...times].sort(([a], [b]) => a < b ? 1 : -1)) {
    const median = all.sort((a, b) => a - b)[ROUNDS >> 1] ?? NaN;
    console.log(`  ${median.toFixed(2).padStart(7)} µs  ${key}`);
  }
}
