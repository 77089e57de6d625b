import { deepEqual, equal, match, ok } from "node:assert/strict";
import { type DemoSiem, startDemoSiem } from "../lib/demo/siem.ts";
import { poll } from "./support/poll.ts";
import { type RelayProcess, startRelay } from "./support/processes.ts";

/** Receipts of the real program: five connectors, a stop, a kill. */

const AUTH = { Authorization: "Bearer hca_edge" };

// deno-lint-ignore no-explicit-any -- what tests look into
type Json = any;

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Posts a body; the ids of its events. */
async function post(
  relay: RelayProcess,
  body: string | Uint8Array<ArrayBuffer>,
  path = "event",
): Promise<string[]> {
  const reply = await fetch(`${relay.url}/services/collector/${path}`, {
    method: "POST",
    headers: {
      Authorization: "Splunk hct_edge",
      "X-Splunk-Request-Channel": crypto.randomUUID(),
    },
    body,
  });
  equal(reply.status, 200, await reply.text());
  return (reply.headers.get("Hecate-Event-Ids") ?? "").split(",")
    .flatMap((run) => {
      const [first = "", count] = run.split("+");
      const [segment, index] = first.split("-");
      return Array.from(
        { length: Number(count) },
        (_, n) => `${segment}-${Number(index) + n}`,
      );
    });
}

/** A receipt: what it says, and its own text. */
async function receipt(
  relay: RelayProcess,
  id = "",
): Promise<{ readonly json: Json; readonly bytes: Uint8Array }> {
  const reply = await fetch(`${relay.url}/api/v1/events/${id}`, {
    headers: AUTH,
  });
  const bytes = new Uint8Array(await reply.arrayBuffer());
  equal(reply.status, 200, new TextDecoder().decode(bytes));
  equal(reply.headers.get("Cache-Control"), "no-store");
  equal(reply.headers.get("Content-Type"), "application/json");
  return { json: JSON.parse(new TextDecoder().decode(bytes)), bytes };
}

/** What it says of one connector. */
async function at(
  relay: RelayProcess,
  connector: string,
  id?: string,
): Promise<Json> {
  const { json } = await receipt(relay, id);
  const { name: _name, type: _type, ...rest } = json.connectors.find((
    { name }: Json,
  ) => name === connector) ?? {};
  return rest;
}

async function configure(
  folder: string,
  siem: DemoSiem,
  more = "",
): Promise<string> {
  const path = `${folder}/hecate.yaml`;
  const sink = (name: string, type: string, rest = "") =>
    `  ${name}:\n    type: ${type}\n    url: ${
      siem.target(name).url
    }\n    token: ${siem.target(name).token}\n${rest}`;
  await Deno.writeTextFile(
    path,
    `kv: ${folder}/hecate.kv
admin_token: hca_edge
tokens: [{ name: edge, value: hct_edge }]
sinks:
${sink("all", "splunk")}${
      sink("high", "hec", "    scope: { min_severity: high }\n")
    }${sink("held", "splunk")}${
      sink("off", "hec", "    enabled: false\n")
    }${more}`,
  );
  return path;
}

/** Members that make an event OCSF, and grave. */
const OCSF =
  `"class_uid": 3002, "metadata": {"version": "1.1.0"}, "severity_id": 5`;

const ENCODER = new TextEncoder();

Deno.test("receipts tell each connector's part, byte for byte, over a stop and a kill", async () => {
  const splunk = { protocol: "splunk" as const };
  const hec = { protocol: "hec" as const };
  await using siem = await startDemoSiem({
    targets: { all: splunk, high: hec, held: splunk, off: hec, late: hec },
  });
  siem.fault("all", {
    kind: "reject",
    events: (event) => new TextDecoder().decode(event).includes("bad"),
  });
  siem.fault("held", { kind: "status", status: 401 });
  await inFolder(async (folder) => {
    const path = await configure(folder, siem);
    const env = { HECATE_CONFIG: path };
    const odd = `{ "a" : [1.50, "\\u00e9",\n null ] , ${OCSF} }`;
    const before = Date.now();
    let ids: string[] = [];
    {
      await using relay = await startRelay({ env });
      ids = await post(
        relay,
        `{"event":${odd}}{"event":{"bad":true}}{"event":"text"}`,
      );
      const raw = ENCODER.encode('a "line"\tof text \u00e9 ?');
      raw[raw.length - 1] = 0xff;
      ids.push(...await post(relay, raw, "raw"));
      equal(ids.length, 4);
      const [good, bad, text, line] = ids;
      await poll(async () =>
        (await at(relay, "all", line)).state === "delivered" &&
          (await at(relay, "held", good)).reason !== null || undefined
      );
      const { json, bytes } = await receipt(relay, good);
      deepEqual(Object.keys(json), [
        "id",
        "accepted_at",
        "producer",
        "bytes",
        "connectors",
        "event",
      ]);
      equal(json.id, good);
      equal(json.producer, "edge");
      equal(json.bytes, ENCODER.encode(odd).length);
      ok(Math.abs(Date.parse(json.accepted_at) - before) < 60_000);
      // Last, as it came.
      ok(new TextDecoder().decode(bytes).endsWith(`,"event":${odd}}`));
      deepEqual(json.connectors.map(({ name, type }: Json) => [name, type]), [
        ["all", "splunk"],
        ["high", "hec"],
        ["held", "splunk"],
        ["off", "hec"],
      ]);
      const { at: when, ...delivered } = await at(relay, "all", good);
      ok(Date.parse(when) >= Date.parse(json.accepted_at));
      deepEqual(Object.keys(delivered), ["state", "attempts", "answer"]);
      equal(delivered.state, "delivered");
      // The SIEM took it and refused the one behind it.
      equal(delivered.answer.status, 400);
      match(delivered.answer.message, /invalid-event-number/);
      deepEqual((await at(relay, "all", text)).answer, {
        status: 200,
        message: '{"text":"Success","code":0}',
      });

      const { at: died, error, ...dead } = await at(relay, "all", bad);
      ok(Date.parse(died) >= before - 1_000);
      match(error, /400/);
      deepEqual(dead, {
        state: "dead",
        reason: "rejected",
        attempts: 1,
        dead_letter: `${bad}@all`,
      });
      const known = await fetch(
        `${relay.url}/api/v1/dead-letters/${bad}@all`,
        { headers: AUTH },
      );
      equal(known.status, 200, await known.text());

      equal((await at(relay, "high", good)).state, "delivered");
      const { at: _at, ...filtered } = await at(relay, "high", text);
      deepEqual(filtered, { state: "filtered", by: "min_severity" });

      const { next_attempt_at, ...waits } = await at(relay, "held", text);
      ok(Date.parse(next_attempt_at) > before);
      equal(waits.state, "waiting");
      equal(waits.ahead, 2);
      equal(waits.reason, "auth");
      ok(waits.attempts >= 1);
      deepEqual(await at(relay, "off", text), {
        state: "waiting",
        ahead: 2,
        attempts: 0,
        next_attempt_at: null,
        reason: null,
      });

      const raws = await receipt(relay, line);
      equal(raws.json.event, 'a "line"\tof text \u00e9 \ufffd');

      // Hostile and unknown ids.
      const [segment = ""] = (good ?? "").split("-");
      for (
        const id of [
          `${segment}-4000000000`,
          `${segment}-3`,
          `${segment}-00`,
          `${segment}--1`,
          `${segment}-1e1`,
          segment,
          `A${segment.slice(1)}-0`,
          "ffffffffffffffffffff-0",
          "00000000000000000000-0",
          "g".repeat(20) + "-0",
          `import-${"a".repeat(24)}`,
          "%00",
          "..%2f..%2fstatus",
          "a".repeat(5_000),
          "%F0%9F%92%A9-0",
          "__proto__",
        ]
      ) {
        const reply = await fetch(`${relay.url}/api/v1/events/${id}`, {
          headers: AUTH,
        });
        const problem = await reply.json();
        deepEqual(
          [reply.status, problem.type?.split("/").at(-1)],
          [404, "not-found"],
          id.slice(0, 40),
        );
      }
      const stranger = await fetch(`${relay.url}/api/v1/events/${good}`);
      equal(stranger.status, 401);
      await stranger.body?.cancel();
      const posted = await fetch(`${relay.url}/api/v1/events/${good}`, {
        method: "POST",
        headers: AUTH,
      });
      equal(posted.status, 405);
      await posted.body?.cancel();

      // A discarded dead letter.
      const gone = await fetch(`${relay.url}/api/v1/dead-letters/discard`, {
        method: "POST",
        headers: { ...AUTH, "Content-Type": "application/json" },
        body: JSON.stringify({ ids: [`${bad}@all`], expect: 1 }),
      });
      equal(gone.status, 200, await gone.text());
      const { at: discardedAt, ...discarded } = await at(relay, "all", bad);
      ok(Date.parse(discardedAt) >= Date.parse(died));
      deepEqual(discarded, { state: "discarded" });
      await relay.kill("SIGTERM");
    }
    const [good, bad, text] = ids;
    await configure(
      folder,
      siem,
      `  late:\n    type: hec\n    url: ${
        siem.target("late").url
      }\n    token: ${siem.target("late").token}\n`,
    );
    siem.clear("held");
    {
      await using relay = await startRelay({ env });
      const more = await post(relay, `{"event":{${OCSF}}}`);
      await poll(async () =>
        (await at(relay, "late", more[0])).state === "delivered" &&
          (await at(relay, "all", more[0])).state === "delivered" || undefined
      );
      const { json } = await receipt(relay, good);
      deepEqual(
        json.connectors.map(({ name }: Json) => name),
        ["all", "high", "held", "off"],
        "what begins behind an event does not owe it",
      );
      equal((await at(relay, "all", text)).answer.status, 200);
      equal((await at(relay, "high", text)).by, "min_severity");
      equal((await at(relay, "all", bad)).state, "discarded");
      await poll(async () =>
        (await at(relay, "held", text)).state === "delivered" || undefined
      );
      ids.push(...more);
      await relay.kill("SIGKILL");
    }
    {
      await using relay = await startRelay({ env });
      // What was told before is told again; of the last moment at least that it was delivered.
      equal((await at(relay, "all", text)).answer.status, 200);
      equal((await at(relay, "high", text)).state, "filtered");
      equal((await at(relay, "all", bad)).state, "discarded");
      for (const connector of ["all", "high", "late"]) {
        const told = await at(relay, connector, ids.at(-1));
        equal(told.state, "delivered", connector);
        equal(told.attempts, 1);
      }
      equal((await at(relay, "held", text)).state, "delivered");
    }
  });
});
