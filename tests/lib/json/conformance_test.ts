/** The scanner's verdicts against the project's own bodies and against the shared data (JSONTestSuite, HEC bodies). */

import assert from "node:assert/strict";
import { join } from "node:path";
import { scanBody, validateJson } from "../../../lib/json/scanner.ts";
import { ENVELOPE, ROW, SpanTable } from "../../../lib/json/spans.ts";
import {
  type JsonFixture,
  jsonFixtureFile,
} from "../../fixtures/json_bodies.ts";
import {
  listEventFiles,
  needsTestData,
  readDecodedHecBody,
  readEventLines,
  readHecIndex,
  readJsonVerdicts,
} from "../../support/test_data.ts";

function envelopes(table: SpanTable): [number, number][] {
  return Array.from({ length: table.count }, (_, row) => [
    table.words[row * ROW + ENVELOPE] ?? 0,
    table.words[row * ROW + ENVELOPE + 1] ?? 0,
  ]);
}

/**
 * Spans of the top-level values, arrays whole, from the rows that scanBody gives for their elements. Only for
 * well-formed bodies: an array begins at the first `[` between rows and ends at the first `]` behind it.
 */
function wholeValues(
  bytes: Uint8Array,
  rows: readonly [number, number][],
): [number, number][] {
  const values: [number, number][] = [];
  let at = 0, open = -1, row = 0;
  while (at < bytes.length) {
    const next = rows[row];
    if (next !== undefined && at === next[0]) {
      if (open < 0) values.push(next);
      at = next[1];
      row++;
      continue;
    }
    if (bytes[at] === 0x5b) open = at;
    if (bytes[at] === 0x5d) {
      values.push([open, at + 1]);
      open = -1;
    }
    at++;
  }
  return values;
}

Deno.test("jsonFixtures() are what stands in tests/fixtures/json", () => {
  const file = new URL("../../fixtures/json/bodies.ndjson", import.meta.url);
  assert.equal(Deno.readTextFileSync(file), jsonFixtureFile());
});

Deno.test("scanBody() says of each own body what the fixture says", async (t) => {
  const fixtures: JsonFixture[] = jsonFixtureFile().trimEnd().split("\n")
    .map((line) => JSON.parse(line));
  for (const kind of new Set(fixtures.map((fixture) => fixture.kind))) {
    await t.step(kind, () => {
      for (const fixture of fixtures) {
        if (fixture.kind !== kind) continue;
        const bytes = Uint8Array.from(
          atob(fixture.base64),
          (c) => c.charCodeAt(0),
        );
        const table = new SpanTable();
        const fault = scanBody(bytes, table);
        assert.deepEqual(
          {
            spans: envelopes(table),
            fault: fault?.at ?? null,
            index: fault?.index ?? null,
          },
          { spans: fixture.spans, fault: fixture.fault, index: fixture.index },
          atob(fixture.base64),
        );
      }
    });
  }
});

needsTestData("validateJson() agrees with JSONTestSuite", (directory) => {
  const verdicts = readJsonVerdicts(directory);
  assert.equal(verdicts.length, 340);
  const different = verdicts.filter(({ bytes, verdict, ...row }) => {
    const isGood = validateJson(bytes) === undefined;
    if (verdict === "accept" && !isGood) return true;
    if (verdict === "reject" && isGood) return true;
    return isGood !== row.rfc8259_strict_utf8;
  });
  assert.deepEqual(different.map(({ name }) => name), []);
});

needsTestData("scanBody() agrees with the index of HEC bodies", (directory) => {
  let compared = 0;
  for (const body of readHecIndex(directory)) {
    if (body.json_well_formed === undefined) continue;
    compared++;
    const bytes = readDecodedHecBody(directory, body);
    assert.equal(bytes.length, body.decoded_bytes, body.file);
    const table = new SpanTable();
    const fault = scanBody(bytes, table);
    const rows = envelopes(table);
    assert.equal(fault === undefined, body.json_well_formed, body.file);
    assert.equal(fault?.at ?? null, body.json_fault_offset, body.file);
    // The index counts a top-level array as one value; the scanner gives its elements. No faulty body has one.
    const values = fault === undefined ? wholeValues(bytes, rows) : rows;
    assert.equal(values.length, body.json_values, body.file);
    if (body.value_spans !== undefined) {
      assert.deepEqual(values, body.value_spans, body.file);
    }
    if (fault !== undefined) {
      assert.equal(fault.index, body.json_values, body.file);
      assert.equal(
        table.count,
        body.complete_values_before_fault ?? table.count,
        body.file,
      );
    }
  }
  assert.equal(compared, 200);
});

needsTestData(
  "validateJson() takes every line of the JSON event files",
  (directory) => {
    for (const file of listEventFiles(directory, ".ndjson")) {
      for (const line of readEventLines(directory, file)) {
        assert.equal(validateJson(line), undefined, join("events", file));
      }
    }
  },
);
