/**
 * What of data/seeds the connectors' own golden tests do not hold: members in the order of the seeds' own texts, seed
 * 003's and seed 000's events, the dead-letter record; and that no file is left out.
 */

import assert from "node:assert/strict";
import { crowdstrike } from "../../connectors/crowdstrike.ts";
import { datadog } from "../../connectors/datadog.ts";
import { elastic } from "../../connectors/elastic.ts";
import { hec } from "../../connectors/hec.ts";
import { sentinel } from "../../connectors/sentinel.ts";
import { splunk } from "../../connectors/splunk.ts";
import { sumo } from "../../connectors/sumo.ts";
import { xsiam } from "../../connectors/xsiam.ts";
import type { ConnectorType } from "../../lib/connector.ts";
import { deadLetterLine } from "../../lib/delivery/dead_letter_file.ts";
import type { EventRun } from "../../lib/event.ts";
import { EventView } from "../../lib/event.ts";
import { sentinelEnv } from "../support/azure.ts";
import { madeSegment } from "../support/made_segment.ts";
import { bodyText, hecRun, openSink } from "../support/sinks.ts";
import { needsTestData } from "../support/test_data.ts";

const BASE = "http://127.0.0.1:9";

async function body(
  type: ConnectorType,
  run: EventRun,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  await using sink = openSink(type, env);
  return bodyText(sink, run);
}

function seeds(directory: string) {
  return (name: string) => Deno.readTextFileSync(`${directory}/seeds/${name}`);
}

/** The names of the outermost object's members, in order, of text that may hold `{...}`. */
function names(text: string, depth = 1): string[] {
  const found: string[] = [];
  let at = 0;
  for (
    const [token, name] of text.matchAll(
      /"((?:[^"\\]|\\.)*)"(?=\s*:)|"(?:[^"\\]|\\.)*"|[{}[\]]/g,
    )
  ) {
    if (token === "{" || token === "[") at++;
    else if (token === "}" || token === "]") at--;
    else if (at === depth && name !== undefined) found.push(name);
  }
  return found;
}

needsTestData(
  "seeds: members leave in the order of the seeds' own texts, save the differences of interface §3",
  async (directory) => {
    const read = seeds(directory);
    const one = (name: string) =>
      hecRun(
        `{"host":"platform.arbitex.ai","event":${read(name).trim()}}`,
      );
    const SPLUNK = { SPLUNK_HEC_URL: BASE, SPLUNK_HEC_TOKEN: "t" };
    const fromSplunk = await body(
      splunk,
      one("splunk.event.seed.json"),
      SPLUNK,
    );
    // The seed's event is not valid OCSF 1.1.0: it leaves as it came, nothing is filled in.
    assert.deepEqual(
      JSON.parse(fromSplunk),
      JSON.parse(read("splunk.seed.json")),
    );
    assert.ok(fromSplunk.includes(read("splunk.event.seed.json").trim()));
    assert.deepEqual(names(fromSplunk), names(read("splunk.seed.json")));

    const columns = names(
      await body(sentinel, one("sentinel.event.json"), sentinelEnv(BASE, "s")),
      2,
    );
    const seedColumns = names(read("sentinel.seed.json"), 2);
    assert.deepEqual(columns.slice(0, seedColumns.length), seedColumns);
    assert.deepEqual(columns.slice(seedColumns.length), [
      "EventUid",
      "EventTime",
    ]);

    const entry = names(
      await body(datadog, one("datadog.event.json"), {
        DATADOG_URL: BASE,
        DATADOG_API_KEY: "k",
      }),
      2,
    );
    const added = ["timestamp", "status"];
    assert.deepEqual(
      entry.filter((name) => !added.includes(name)),
      names(read("datadog.seed.json"), 2),
    );
    assert.deepEqual(entry.filter((name) => added.includes(name)), added);
    const asSeed = await body(datadog, one("datadog.event.json"), {
      DATADOG_URL: BASE,
      DATADOG_API_KEY: "k",
      DATADOG_SEED_SHAPE: "on",
    });
    assert.deepEqual(names(asSeed, 2), names(read("datadog.seed.json"), 2));

    const signed = await body(xsiam, one("xsiam.event.json"), {
      XSIAM_URL: BASE,
      XSIAM_API_KEY: "k",
      XSIAM_API_KEY_ID: "42",
    });
    assert.deepEqual(names(signed, 3), names(read("xsiam.seed.json"), 3));
    assert.deepEqual(names(signed), ["events"]);

    const [seedAction = ""] = read("elastic.seed.txt").split("\n");
    const [event = ""] = read("elastic.event.ndjson").split("\n");
    const [action = ""] = (await body(
      elastic,
      hecRun(`{"event":${event}}`),
      { ELASTIC_URL: BASE, ELASTIC_API_KEY: "aWQ6a2V5" },
    )).split("\n");
    assert.deepEqual(names(action), names(seedAction));
    assert.deepEqual(names(action, 2), [...names(seedAction, 2), "_id"]);

    const events = read("sumo.event.ndjson").trim().split("\n");
    const lines = await body(
      sumo,
      hecRun(events.map((text) => `{"event":${text}}`).join("\n")),
      { SUMO_HTTP_SOURCE_URL: `${BASE}/receiver/v1/http/code` },
    );
    assert.equal(lines, events.join("\n"));
    const first = read("sumo.seed.txt").split("\n")[0] ?? "";
    assert.ok(first.startsWith('{"class_uid":6003,'));
    assert.deepEqual(
      names(first).filter((name) => !names(lines).includes(name)),
      [],
    );
  },
);

needsTestData(
  "seeds: FalconPy's events leave byte for byte, numbers beyond 2^53 too",
  async (directory) => {
    const read = seeds(directory);
    const env = {
      NGSIEM_URL: `${BASE}/services/collector`,
      NGSIEM_API_KEY: "k",
    };
    const eventOf = (line: string) =>
      /^\{"event": (\{[^]*\})\}$/.exec(line)?.[1] ?? line;
    const lines = read("falconpy-raw.seed.ndjson").trim().split("\n");
    assert.equal(lines.length, 3);
    for (const face of ["ngsiem", "splunk"] as const) {
      const sent = await body(
        crowdstrike,
        hecRun(lines.join("\n"), face),
        env,
      );
      const found = sent.split("\n");
      assert.equal(found.length, 3);
      lines.forEach((line, i) => {
        assert.ok(found[i]?.endsWith(`,"event":${eventOf(line)}}`), found[i]);
        assert.match(found[i] ?? "", /"timestamp": 17477717783\d{8},/);
      });
    }
    const request = read("falconpy-send-event.request.json").trim();
    const sent = await body(crowdstrike, hecRun(request, "ngsiem"), env);
    const { event, fields } = JSON.parse(request);
    assert.deepEqual(JSON.parse(sent).event, event);
    assert.deepEqual(JSON.parse(sent).fields, fields);
    assert.ok(sent.includes('"timestamp": 1747771778324434944,'), sent);
    // FalconPy puts the payload's members into `event`, and its `fields` beside that.
    const payload = JSON.parse(read("falconpy-payload.json"));
    assert.deepEqual(fields, payload.fields);
    assert.equal(event.host, payload.host);
    assert.equal(event.message, payload.message);
    // Posted as it is, without `event`, the whole object is the event on CrowdStrike's face.
    const whole = read("falconpy-payload.json").trim();
    const bare = await body(crowdstrike, hecRun(whole, "ngsiem"), env);
    assert.deepEqual(
      JSON.parse(bare.slice(bare.indexOf('"event":') + 8, -1)),
      payload,
    );
  },
);

needsTestData(
  "seeds: Elisity's wrapping is what the generic connector sends",
  async (directory) => {
    const text = seeds(directory)("elisity.seed.txt").replace("{ ... }", "{}");
    const seed = JSON.parse(text);
    const sent = await body(
      hec,
      hecRun(`{"event":${JSON.stringify(seed.data)}}`),
      {
        HEC_URL: `${BASE}/logs/v1/event`,
        HEC_TOKEN: "t",
      },
    );
    assert.deepEqual(names(sent), names(text));
    const { data, collector_ms } = JSON.parse(sent);
    assert.deepEqual(data, seed.data);
    assert.ok(Number.isSafeInteger(collector_ms));
  },
);

needsTestData(
  "T66 dead letter: the seed's keys in its order, further ones only after these",
  (directory) => {
    const seed = names(seeds(directory)("dead-letter.seed.txt"));
    assert.deepEqual(seed, ["timestamp", "connector", "error", "event"]);
    const event = '{"id":12345678901234567890,"n":1.0}';
    const segment = madeSegment({ number: 1, events: [event] });
    const line = new TextDecoder().decode(
      deadLetterLine(new EventView().at(segment, 0), {
        at: Date.UTC(2026, 2, 13),
        connector: "splunk",
        error: "Connection refused",
        reason: "refused",
        attempts: 5,
      }),
    );
    assert.deepEqual(names(line).slice(0, seed.length), seed);
    assert.deepEqual(names(line).slice(seed.length), [
      "reason",
      "attempts",
      "envelope",
      "id",
    ]);
    assert.ok(line.includes(`"event":${event},`), "not wrapped, byte for byte");
    const record = JSON.parse(line);
    assert.equal(record.connector, "splunk");
    assert.equal(record.error, "Connection refused");
    assert.match(record.timestamp, /^2026-03-13T00:00:00(\.000)?Z$/);
  },
);

needsTestData("seeds: every file is used by a test", (directory) => {
  const here = new URL("../", import.meta.url);
  const used = new Set<string>();
  const walk = (folder: URL) => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      if (isDirectory) walk(new URL(`${name}/`, folder));
      else if (name.endsWith("_test.ts")) {
        const text = Deno.readTextFileSync(new URL(name, folder));
        for (const [file] of text.matchAll(/[\w.-]+\.(?:json|ndjson|txt)\b/g)) {
          used.add(file);
        }
      }
    }
  };
  walk(here);
  const files = [...Deno.readDirSync(`${directory}/seeds`)]
    .map(({ name }) => name).filter((name) => name !== "index.json");
  assert.deepEqual(files.filter((name) => !used.has(name)), []);
});
