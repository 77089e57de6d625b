import assert from "node:assert/strict";
import fc from "fast-check";
import { STRING_TEXT, VALUE_TEXT } from "../../support/json_text.ts";
import {
  type Mapped,
  mapped,
  mappedText,
  MAX_TEXT,
  segmentOf,
  segmentOfBody,
  segmentOfLines,
} from "../../support/mapped.ts";
import { type OcsfJudge, ocsfJudge } from "../../support/ocsf_schema.ts";
import { testSeed } from "../../support/seed.ts";
import {
  listEventFiles,
  needsTestData,
  readDecodedHecBody,
  readEventLines,
  readHecIndex,
} from "../../support/test_data.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Checks by the schema, save that the original may be longer than a string of OCSF. */
function check(judge: OcsfJudge, event: Mapped, what: string): void {
  const short = (event.raw_data?.length ?? 0) > MAX_TEXT
    ? { ...event, raw_data: "" }
    : event;
  assert.equal(judge(short), undefined, what);
}

/** Classes and how many events of a file are mapped to them, as `class × count`. */
const EXPECTED: Readonly<Record<string, string>> = {
  "aws-cloudtrail-account.ndjson": "3002 CloudTrail × 2, 6003 CloudTrail × 716",
  "aws-cloudtrail-attack.ndjson": "3002 CloudTrail × 1, 6003 CloudTrail × 309",
  "aws-cloudtrail-rules.ndjson": "3002 CloudTrail × 19, 6003 CloudTrail × 400",
  "aws-findings.ndjson": "0 Unknown × 18",
  "azure-activity.ndjson": "0 Unknown × 214",
  "cef-leef.log": "0 × 119",
  "cloud-misc.ndjson": "0 Unknown × 25",
  "crowdstrike-falcon.ndjson": "0 Unknown × 67",
  "gcp-audit.ndjson": "0 Unknown × 87",
  "github-audit.ndjson": "0 Unknown × 5, 6003 Audit Log × 92",
  "google-workspace.ndjson": "0 Unknown × 116",
  "kubernetes-audit.ndjson": "0 Unknown × 140",
  "microsoft-entra-m365.ndjson": "0 Unknown × 54, 3002 Entra ID × 16",
  "mixed-ocsf.ndjson": "0 Unknown × 1700",
  "okta-system-log.ndjson":
    "3001 System Log × 4, 3002 System Log × 15, 6003 System Log × 10",
  "paloalto-syslog.log": "0 × 252, 4001 × 94",
  "saas-audit.ndjson": "0 Unknown × 637",
  "suricata-eve.ndjson":
    "0 Suricata × 104, 0 Unknown × 3, 2004 Suricata × 374, " +
    "4001 Suricata × 675, 4002 Suricata × 4, 4003 Suricata × 200",
  "syslog-misc.log": "0 × 178",
  "windows-security.ndjson":
    "0 Windows Security × 268, 1007 Windows Security × 95, " +
    "3001 Windows Security × 3, 3002 Windows Security × 150",
  "windows-sysmon.ndjson": "0 Unknown × 288",
  "zeek.ndjson": "0 Unknown × 3, 0 Zeek × 695, 4001 Zeek × 640",
};

needsTestData(
  "mapEvent() gives valid OCSF that holds the original, for all of data/events",
  (directory) => {
    const judge = ocsfJudge(directory);
    const found: Record<string, string> = {};
    for (const file of listEventFiles(directory, ".ndjson")) {
      const lines = readEventLines(directory, file).map((l) =>
        decoder.decode(l)
      );
      const json = segmentOf(lines), raw = segmentOfLines(lines);
      const counts = new Map<string, number>();
      lines.forEach((line, i) => {
        const what = `${file}:${i + 1}`;
        const text = mappedText(json, i);
        assert.ok(text.endsWith(`,"unmapped":${line}}`), what);
        const event: Mapped = JSON.parse(text);
        check(judge, event, what);
        const { name } = event.metadata.product;
        const key = `${event.class_uid} ${name}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
        // The same as a line that came by /raw: read all the same, kept as text.
        const asLine = mapped(raw, i);
        check(judge, asLine, what);
        assert.equal(asLine.raw_data, line, what);
        assert.equal(asLine.type_uid, event.type_uid, what);
      });
      found[file] = told(counts);
    }
    for (const file of listEventFiles(directory, ".log")) {
      const lines = readEventLines(directory, file).map((l) =>
        decoder.decode(l)
      );
      const raw = segmentOfLines(lines);
      const json = segmentOf(lines.map((line) => JSON.stringify(line)));
      const counts = new Map<string, number>();
      lines.forEach((line, i) => {
        const what = `${file}:${i + 1}`;
        const event = mapped(raw, i), asString = mapped(json, i);
        check(judge, event, what);
        assert.equal(event.raw_data, line, what);
        assert.deepEqual(asString, event, what);
        const key = String(event.class_uid);
        counts.set(key, (counts.get(key) ?? 0) + 1);
      });
      found[file] = told(counts);
    }
    assert.deepEqual(found, EXPECTED);
  },
);

function told(counts: ReadonlyMap<string, number>): string {
  return [...counts].sort().map(([key, count]) => `${key} × ${count}`)
    .join(", ");
}

needsTestData(
  "mapEvent() gives valid OCSF for every event of data/hec",
  (directory) => {
    const judge = ocsfJudge(directory);
    let events = 0;
    for (const body of readHecIndex(directory)) {
      let bytes: Uint8Array;
      try {
        bytes = readDecodedHecBody(directory, body);
      } catch {
        continue;
      }
      const segment = body.endpoint === "raw"
        ? segmentOfLines(decoder.decode(bytes).split(/\r?\n/))
        : segmentOfBody(bytes);
      const every = Math.ceil(segment.count / 50);
      for (let i = 0; i < segment.count; i += every) {
        check(judge, mapped(segment, i), `${body.file}:${i}`);
        events++;
      }
    }
    assert.ok(events > 400, `${events}`);
  },
);

needsTestData("mapEvent() copes with any JSON and any text", (directory) => {
  const judge = ocsfJudge(directory);
  const seed = testSeed("mapEvent() over anything");
  const isOneLine = (text: string) => !/[\r\n]/.test(text);
  fc.assert(
    fc.property(VALUE_TEXT, VALUE_TEXT, STRING_TEXT, (value, fields, text) => {
      const envelope = `{"time":${fields},"host":${text},"source":${text},` +
        `"sourcetype":${text},"fields":${fields},"event":${value}}`;
      const segment = segmentOfBody(encoder.encode(envelope));
      const out = mappedText(segment);
      const event: Mapped = JSON.parse(out);
      check(judge, event, out);
      if (value.startsWith("{") && isOneLine(value)) {
        assert.ok(out.endsWith(`,"unmapped":${value}}`));
      } else if (value.startsWith("{")) {
        assert.deepEqual(event.unmapped, JSON.parse(value));
      } else {
        const original: unknown = JSON.parse(value);
        assert.equal(
          event.raw_data,
          typeof original === "string" ? original : value,
        );
      }
    }),
    { seed, numRuns: 1_500 },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.string({ unit: fc.constantFrom(...'<134>1 CEF:|,\\"TRAFFIC') }),
      ),
      (line) => {
        const event = mapped(segmentOfLines([line]));
        check(judge, event, line);
        assert.equal(event.raw_data, decoder.decode(encoder.encode(line)));
      },
    ),
    { seed, numRuns: 1_500 },
  );
});

needsTestData(
  "mapEvent() stays valid when a source's members lack or hold anything",
  (directory) => {
    const judge = ocsfJudge(directory);
    const seed = testSeed("mapEvent() over changed events");
    const samples = listEventFiles(directory, ".ndjson").flatMap((file) => {
      const lines = readEventLines(directory, file);
      const every = Math.ceil(lines.length / 40);
      return lines.filter((_, i) => i % every === 0).map((l) =>
        JSON.parse(decoder.decode(l))
      );
    });
    const other = fc.oneof(
      fc.constantFrom<unknown>(...[null, "", "-", 0, -1, 1e300, true, [], {}]),
      fc.constantFrom(
        "1.2.3.4",
        "a_b",
        "::",
        "x".repeat(70_000),
        "\ud800",
        "é",
      ),
      fc.constantFrom<unknown>("0x10", 70_000, 3.5, "SUCCESS", ["x"], { a: 1 }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(
          fc.tuple(fc.nat(), other, fc.boolean()),
          { minLength: 1, maxLength: 12 },
        ),
        (sample, changes) => {
          const event = structuredClone(sample);
          for (const [at, value, isRemoved] of changes) {
            const places: [Record<string, unknown>, string][] = [];
            listPlaces(event, places);
            const place = places[at % Math.max(1, places.length)];
            if (place === undefined) break;
            if (isRemoved) delete place[0][place[1]];
            else place[0][place[1]] = structuredClone(value);
          }
          const text = JSON.stringify(event);
          check(judge, mapped(segmentOf([text])), text);
        },
      ),
      { seed, numRuns: 4_000 },
    );
  },
);

/** Every member of every object in `value`. */
function listPlaces(
  value: unknown,
  places: [Record<string, unknown>, string][],
): void {
  if (typeof value !== "object" || value === null) return;
  const object = value as Record<string, unknown>;
  for (const [key, member] of Object.entries(object)) {
    places.push([object, key]);
    listPlaces(member, places);
  }
}
