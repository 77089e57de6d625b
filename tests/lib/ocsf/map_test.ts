import assert from "node:assert/strict";
import { EventView } from "../../../lib/event.ts";
import { mapEvent } from "../../../lib/ocsf/map.ts";
import { Bytes } from "../../support/growing_bytes.ts";
import { madeSegment } from "../../support/made_segment.ts";
import { ocsfJudge } from "../../support/ocsf_schema.ts";
import {
  listEventFiles,
  needsTestData,
  readEventLines,
} from "../../support/test_data.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

needsTestData(
  "mapEvent() all events of data/events are valid OCSF and hold their original",
  (directory) => {
    const judge = ocsfJudge(directory);
    const faults: string[] = [];
    for (const ending of [".ndjson", ".log"] as const) {
      for (const file of listEventFiles(directory, ending)) {
        const lines = readEventLines(directory, file).map((l) =>
          decoder.decode(l)
        );
        const segment = madeSegment({
          number: 1,
          events: lines,
          isRaw: ending === ".log",
          receivedAt: 1_773_360_000_123,
        });
        const view = new EventView();
        for (let i = 0; i < segment.count; i++) {
          const into = new Bytes();
          mapEvent(view.at(segment, i), into);
          const text = into.text();
          const wrong = judge(JSON.parse(text));
          if (wrong) faults.push(`${file}:${i + 1} ${wrong}`);
          if (!text.includes(lines[i] ?? "?") && ending === ".ndjson") {
            faults.push(`${file}:${i + 1} lost`);
          }
        }
      }
    }
    assert.deepEqual(faults.slice(0, 20), []);
  },
);
