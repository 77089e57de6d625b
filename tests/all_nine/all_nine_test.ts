/**
 * Every event of data/events, posted once to a real relay, at all nine demo SIEMs at once: one stored copy, each
 * vendor's own format, compared field by field with what the event should give. Nothing is sampled.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { EVERY_PROTOCOL } from "../../lib/demo/offer.ts";
import { startDemoSiem } from "../../lib/demo/siem.ts";
import { ocsfJudge } from "../support/ocsf_schema.ts";
import { poll } from "../support/poll.ts";
import { startRelay } from "../support/processes.ts";
import {
  listEventFiles,
  needsTestData,
  readEventLines,
} from "../support/test_data.ts";
import {
  checkCef,
  datadogMembers,
  iso,
  isOcsf,
  type Json,
  type Posted,
  sentinelColumns,
  timeOf,
  xsiamMembers,
} from "./expected.ts";

const HEADERS = { Authorization: "Splunk hct_all" };
const NAMES = Object.keys(EVERY_PROTOCOL);
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
/** Sentinel cuts longer fields: there alone the event may be shorter. */
const RAW_OCSF_BYTES = 64_000;

/** Everything that is posted, in order; every third event of JSON has a time in its envelope. */
function collect(directory: string): { posts: Post[]; all: Posted[] } {
  const posts: Post[] = [], all: Posted[] = [];
  for (const file of listEventFiles(directory, ".ndjson")) {
    const [name = ""] = file.split(".");
    const given = { host: `${name}-01`, source: "files", sourcetype: name };
    const events = readEventLines(directory, file).map((line, n): Posted => ({
      ...given,
      what: `${file}:${n + 1}`,
      text: decoder.decode(line),
      isRaw: false,
      time: n % 3 === 0 ? 1_773_360_000_000 + n : undefined,
    }));
    all.push(...events);
    for (let at = 0; at < events.length; at += 100) {
      const body = events.slice(at, at + 100).map(({ text, time }) => {
        const when = time === undefined ? "" : `"time":${time / 1000},`;
        return `{${when}${JSON.stringify(given).slice(1, -1)},"event":${text}}`;
      }).join("\n");
      posts.push({ path: "event", body });
    }
  }
  for (const file of listEventFiles(directory, ".log")) {
    const [name = ""] = file.split(".");
    const given = { host: `${name}-01`, source: "files", sourcetype: name };
    const query = new URLSearchParams(given);
    posts.push({
      path: `raw?${query}`,
      body: Deno.readFileSync(join(directory, "events", file)),
    });
    readEventLines(directory, file).forEach((line, n) =>
      all.push({
        ...given,
        what: `${file}:${n + 1}`,
        text: decoder.decode(line).replace(/\r$/, ""),
        isRaw: true,
        time: undefined,
      })
    );
  }
  return { posts, all };
}

interface Post {
  readonly path: string;
  readonly body: BodyInit;
}

function object(text: string): Json {
  return JSON.parse(text);
}

/** The object without one member. */
function without(given: Json, name: string): Json {
  return Object.fromEntries(
    Object.entries(given).filter(([key]) => key !== name),
  );
}

/** Members in this order, with these values. */
function same(found: Json, expected: Json, what: string): void {
  assert.deepEqual(found, expected, what);
  assert.deepEqual(Object.keys(found), Object.keys(expected), what);
}

needsTestData(
  "all nine: every event of data/events reaches every SIEM, valid in each vendor's format, field by field",
  async (directory) => {
    const { posts, all } = collect(directory);
    assert.ok(all.length >= 8_700, `${all.length} events`);
    await using siem = await startDemoSiem({
      targets: EVERY_PROTOCOL,
      // Syslog messages are remembered whole as requests.
      memory: { requests: Infinity },
    });
    const folder = await Deno.makeTempDir({ prefix: "hecate-nine-" });
    try {
      await using relay = await startRelay({
        env: {
          ...siem.environment(),
          HECATE_KV: `${folder}/hecate.kv`,
          HECATE_TOKENS: "all=hct_all",
          HECATE_ADMIN_TOKEN: "hca_all",
        },
      });
      const began = Date.now();
      for (const { path, body } of posts) {
        const reply = await fetch(`${relay.url}/services/collector/${path}`, {
          method: "POST",
          headers: HEADERS,
          body,
        });
        assert.equal(reply.status, 200, await reply.text());
      }
      await siem.until(all.length, { timeout: 120_000 });
      const status = await poll(async () => {
        const reply = await fetch(`${relay.url}/api/v1/status`, {
          headers: { Authorization: "Bearer hca_all" },
        });
        const report = await reply.json();
        const isDone = report.connectors.every((one: { waiting: number }) =>
          one.waiting === 0
        );
        return isDone ? report : undefined;
      });
      const names = status.connectors.map((one: { name: string }) => one.name);
      assert.deepEqual(names.sort(), NAMES.toSorted());
      for (const one of status.connectors) {
        const { accepted, delivered, filtered, dead, discarded, expired } = one;
        assert.equal(accepted, all.length, one.name);
        assert.equal(delivered, all.length, one.name);
        assert.equal(filtered + dead + discarded + expired, 0, one.name);
      }
      for (const name of NAMES) {
        assert.deepEqual(siem.target(name).complaints, [], name);
        assert.equal(siem.received(name).length, all.length, name);
      }
      const at = (name: string, place: number) => {
        const { event, envelope } = siem.received(name)[place] ?? {};
        assert.ok(event && envelope, `${name} ${place}`);
        return {
          event: decoder.decode(event),
          envelope: decoder.decode(envelope),
        };
      };

      const judge = ocsfJudge(directory);
      const table: { classes: Record<string, { caption: string }> } = JSON
        .parse(
          Deno.readTextFileSync(join(directory, "ocsf-1.1.0", "classes.json")),
        );
      const captions = new Map(
        Object.entries(table.classes).map(([uid, { caption }]) =>
          [Number(uid), caption] as const
        ),
      );
      const messages = siem.requests("qradar").map(({ body }) =>
        decoder.decode(body).replace(/\n$/, "")
      );
      const ids = new Set<string>();
      let cut = 0;
      all.forEach((posted, place) => {
        const { what, text, isRaw, host, source, sourcetype, time } = posted;
        const json = isRaw ? JSON.stringify(text) : text;
        const value: unknown = JSON.parse(json);

        // Elastic has the OCSF form whole, save for the stamp before it.
        const elastic = at("elastic", place);
        const action = object(elastic.envelope);
        assert.equal(action["action"], "index", what);
        assert.equal(action["index"], "arbitex-audit", what);
        const id = String(action["id"]);
        assert.match(id, /^[0-9a-f]{20}-\d+$/, what);
        ids.add(id);
        const [, stamp = "", rest] =
          /^\{"@timestamp":"([^"]*)",([^]*)$/.exec(elastic.event) ?? [];
        const ocsfText = `{${rest}`;
        const ocsf = object(ocsfText);
        assert.equal(judge(ocsf), undefined, what);
        if (isOcsf(value)) assert.equal(ocsfText, text, what);
        else if (isRaw || typeof value !== "object" || value === null) {
          assert.equal(ocsf["raw_data"], value, what);
        } else {
          assert.ok(ocsfText.endsWith(`,"unmapped":${text}}`), what);
        }
        if (!isOcsf(value)) {
          if (time !== undefined) assert.equal(ocsf["time"], time, what);
          assert.equal(
            ocsf["metadata"] && object(
              JSON.stringify(ocsf["metadata"]),
            )["uid"],
            id,
            what,
          );
        }
        const when = timeOf(posted, ocsf);
        assert.equal(stamp, iso(when), what);

        // Fixed columns beside the same text.
        const row = object(
          at("sentinel", place).event === ocsfText
            ? at("sentinel", place).envelope
            : "null",
        );
        assert.ok(ocsfText.length <= RAW_OCSF_BYTES, what);
        const expectedRow = sentinelColumns(when, ocsf, id);
        assert.equal(row["RawOCSF"], ocsfText, what);
        assert.deepEqual(without(row, "RawOCSF"), expectedRow, what);
        assert.deepEqual(
          Object.keys(row),
          Object.keys(expectedRow).toSpliced(11, 0, "RawOCSF"),
          what,
        );
        const record = object(at("xsiam", place).envelope);
        assert.equal(record["raw_ocsf"], ocsfText, what);
        same(
          without(record, "raw_ocsf"),
          xsiamMembers(when, ocsf, id),
          what,
        );
        if (
          checkCef(messages[place] ?? "", posted, ocsf, { id, captions })
        ) cut++;

        // Native: byte for byte.
        const splunk = at("splunk", place);
        assert.equal(splunk.event, json, what);
        const { time: seconds, ...envelope } = object(splunk.envelope);
        same(envelope, {
          ...{ host, source, sourcetype, index: "arbitex" },
          event: value,
        }, what);
        const crowdstrike = at("crowdstrike", place);
        assert.equal(crowdstrike.event, json, what);
        const { time: theirs, ...plain } = object(crowdstrike.envelope);
        same(plain, { host, source, sourcetype, event: value }, what);
        assert.equal(theirs, seconds, what);
        const nativeTime = time ??
          (isOcsf(value) ? Number(value["time"]) : undefined);
        if (nativeTime !== undefined) {
          assert.equal(Math.round(Number(seconds) * 1000), nativeTime, what);
        } else assert.ok(Number(seconds) * 1000 >= began - 1, what);
        const hec = at("hec", place);
        assert.equal(hec.event, json, what);
        const wrapped = object(hec.envelope);
        assert.deepEqual(Object.keys(wrapped), ["data", "collector_ms"], what);
        assert.ok(Number(wrapped["collector_ms"]) >= began, what);
        assert.equal(at("sumo", place).event, json, what);

        const entry = object(at("datadog", place).envelope);
        const message = String(entry["message"]);
        same(
          without(entry, "message"),
          datadogMembers(
            posted,
            value,
            nativeTime ?? Number(wrapped["collector_ms"]),
          ),
          what,
        );
        checkMessage(message, text, value, what);
      });
      assert.equal(ids.size, all.length, "no two events have one id");
      assert.ok(cut <= 20, `${cut} CEF messages lost pairs`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

/** Datadog's message is the event's text less its top-level `status` and `severity` texts. */
function checkMessage(
  message: string,
  text: string,
  value: unknown,
  what: string,
): void {
  const isObject = typeof value === "object" && value !== null &&
    !Array.isArray(value);
  const captions = isObject
    ? Object.entries(value).filter(([key, one]) =>
      (key === "status" || key === "severity") && typeof one === "string"
    ).map(([key]) => key)
    : [];
  if (captions.length === 0) return assert.equal(message, text, what);
  const left = captions.reduce(without, { ...value as Json });
  same(object(message), left, what);
}
