import assert from "node:assert/strict";
import { startDemoSiem } from "../lib/demo/siem.ts";
import { commandLine, inFolder } from "./support/command_line.ts";
import { seeded } from "./support/log_rig.ts";
import { poll } from "./support/poll.ts";
import { startRelay } from "./support/processes.ts";
import { testSeed } from "./support/seed.ts";

/** Replays through the program as an operator runs it. */

const TOKENS = {
  HECATE_TOKENS: "edge=hct_edge",
  HECATE_ADMIN_TOKEN: "hca_edge",
};
const BATCH = 10;

async function post(
  url: string,
  events: readonly number[],
): Promise<string> {
  const reply = await fetch(`${url}/services/collector/event`, {
    method: "POST",
    headers: { Authorization: "Splunk hct_edge" },
    body: events.map((event) => `{"host":"h","event":{"n":${event}}}`).join(""),
  });
  assert.equal(reply.status, 200, await reply.text());
  return reply.headers.get("Hecate-Event-Ids") ?? "";
}

async function ask(url: string, path: string, body?: string | object) {
  const reply = await fetch(`${url}/api${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { Authorization: "Bearer hca_edge" },
    ...body !== undefined && {
      body: typeof body === "string" ? body : JSON.stringify(body),
    },
  });
  const json = await reply.json();
  return { status: reply.status, json, headers: reply.headers };
}

/** A connector's row in status; its books balance. */
async function row(url: string, at = 0) {
  const { json } = await ask(url, "/v1/status");
  const found = json.connectors[at];
  assert.equal(found.difference, 0, JSON.stringify(found));
  return found;
}

/** A job; its counts add up. */
async function jobAt(url: string, id: string) {
  const { json, status } = await ask(url, `/v1/replays/${id}`);
  assert.equal(status, 200);
  const { total, delivered, filtered, dead, skipped, left } = json;
  assert.equal(total, delivered + filtered + dead + skipped + left);
  return json;
}

function hecate(url: string, line: string) {
  return commandLine(line, {
    HECATE_URL: url,
    HECATE_ADMIN_TOKEN: "hca_edge",
  });
}

function numbers(
  events: readonly { readonly event: Uint8Array | undefined }[],
): number[] {
  return events.map(({ event }) =>
    JSON.parse(new TextDecoder().decode(event)).n
  );
}

function numberOf(event: Uint8Array): number {
  return Number(/\d+/.exec(new TextDecoder().decode(event))?.[0]);
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

function sorted(list: readonly number[]): number[] {
  return [...list].sort((a, b) => a - b);
}

const EVEN = {
  kind: "reject",
  events: (event: Uint8Array) => numberOf(event) % 2 === 0,
} as const;

Deno.test("replays: dead letters go again by API, CLI and the seed's route; receipts and books follow", async () => {
  await inFolder(async (folder) => {
    await using siem = await startDemoSiem({
      targets: { hec: { protocol: "hec" } },
    });
    const path = `${folder}/dead.jsonl`;
    await using relay = await startRelay({
      env: {
        ...TOKENS,
        ...siem.environment(),
        HECATE_KV: `${folder}/hecate.kv`,
        SIEM_DEAD_LETTER_PATH: path,
      },
    });
    const { url } = relay;
    siem.fault("hec", EVEN);
    const first = (await post(url, upTo(40))).split("+")[0] ?? "";
    await poll(async () => (await row(url)).dead === 20 || undefined);
    assert.deepEqual((await hecate(url, "dead replay --dry-run")).out, [
      "About 20 events, as fast as the SIEM takes them.",
    ]);
    assert.equal((await hecate(url, "dead replay")).code, 2);
    const before = (await ask(url, `/v1/events/${first}`)).json.connectors[0];
    // Refused again: they stay, and attempts count on.
    const again = await hecate(url, "dead replay -y --follow --json");
    assert.equal(again.code, 6);
    const refused = JSON.parse(again.out[0] ?? "");
    assert.deepEqual([refused.state, refused.dead], ["finished", 20]);
    const dead = await ask(url, `/v1/events/${first}`);
    assert.equal(dead.json.connectors[0].state, "dead");
    const { attempts } = dead.json.connectors[0];
    assert.ok(attempts > before.attempts);
    siem.clear();
    const changed = await ask(url, "/v1/replays", {
      kind: "dead-letters",
      filter: { reason: "rejected" },
      expect: 19,
    });
    assert.equal(changed.status, 409);
    assert.deepEqual([changed.json.expected, changed.json.found], [19, 20]);
    const one = await ask(url, "/v1/replays", {
      kind: "dead-letters",
      ids: [`${first}@hec`],
    });
    assert.equal(one.status, 202);
    assert.equal(one.headers.get("Location"), `/api/v1/replays/${one.json.id}`);
    await poll(async () => (await row(url)).dead === 19 || undefined);
    const receipt = await ask(url, `/v1/events/${first}`);
    assert.equal(receipt.json.connectors[0].state, "delivered");
    assert.equal(receipt.json.connectors[0].attempts, attempts + 1);
    // The whole file, one of which was delivered meanwhile.
    const file = await Deno.readTextFile(path);
    const seed = await ask(url, "/admin/siem/replay-dead-letter", file);
    assert.equal(seed.status, 202);
    assert.equal(seed.json.total, 20);
    const done = await poll(async () => {
      const job = await jobAt(url, seed.json.id);
      return job.state === "finished" ? job : undefined;
    });
    assert.deepEqual([done.delivered, done.skipped], [19, 1]);
    const twice = await ask(url, "/admin/siem/replay-dead-letter", file);
    assert.deepEqual(
      [twice.status, twice.json.state, twice.json.total, twice.json.skipped],
      [202, "finished", 20, 20],
    );
    const nothing = await ask(url, "/admin/siem/replay-dead-letter", "");
    assert.deepEqual(
      [nothing.status, nothing.json.state, nothing.json.total],
      [202, "finished", 0],
    );
    const bad = await ask(url, "/admin/siem/replay-dead-letter", "{}\n[]");
    assert.equal(bad.status, 422);
    assert.deepEqual(sorted(numbers(siem.received("hec"))), upTo(40));
    const { accepted, delivered } = await row(url);
    assert.deepEqual([accepted, delivered], [40, 40]);
    assert.equal(await Deno.readTextFile(path), file, "append only");
    const list = await ask(url, "/v1/replays?state=finished&limit=2");
    assert.equal(list.json.items.length, 2);
    const rest = await ask(
      url,
      `/v1/replays?state=finished&cursor=${list.json.next}`,
    );
    assert.equal(rest.json.items.length, 3);
    const stopped = await ask(url, `/v1/replays/${one.json.id}/stop`, "");
    assert.equal(stopped.status, 409);
    assert.equal((await ask(url, "/v1/replays/none/stop", "")).status, 404);
  });
});

Deno.test("replays: kill -9 in the middle of a job repeats one batch at the most, and counts add up", async () => {
  const random = seeded(testSeed("replay-kill"));
  await inFolder(async (folder) => {
    await using siem = await startDemoSiem({
      targets: { hec: { protocol: "hec" } },
    });
    const env = {
      ...TOKENS,
      ...siem.environment(),
      HEC_BATCH_EVENTS: String(BATCH),
      HECATE_KV: `${folder}/hecate.kv`,
    };
    const count = 400, letters = count / 2, kills = 4;
    let id = "";
    {
      await using relay = await startRelay({ env });
      siem.fault("hec", EVEN);
      await post(relay.url, upTo(count));
      await poll(async () =>
        (await row(relay.url)).dead === letters || undefined
      );
      siem.clear();
      const { json } = await ask(relay.url, "/v1/replays", {
        kind: "dead-letters",
        filter: {},
        rate: 100,
      });
      id = json.id;
    }
    let least = 0;
    for (let kill = 0; kill < kills; kill++) {
      await using relay = await startRelay({ env });
      least += Math.ceil(random() * letters / (kills + 1));
      await poll(async () =>
        (await jobAt(relay.url, id)).delivered >= least || undefined
      );
      await row(relay.url);
      await relay.kill("SIGKILL");
    }
    await using relay = await startRelay({ env });
    const job = await poll(async () => {
      const now = await jobAt(relay.url, id);
      return now.state === "finished" ? now : undefined;
    });
    assert.deepEqual([job.delivered, job.skipped, job.dead], [letters, 0, 0]);
    const { delivered, dead } = await row(relay.url);
    assert.deepEqual([delivered, dead], [count, 0]);
    const got = numbers(siem.received("hec"));
    assert.deepEqual([...new Set(sorted(got))], upTo(count));
    assert.ok(got.length <= count + kills * BATCH, `${got.length} came`);
  });
});

Deno.test("replays: a pause and a stop hold over restarts", async () => {
  await inFolder(async (folder) => {
    await using siem = await startDemoSiem({
      targets: { hec: { protocol: "hec" } },
    });
    const env = {
      ...TOKENS,
      ...siem.environment(),
      HECATE_KV: `${folder}/hecate.kv`,
    };
    let id = "";
    {
      await using relay = await startRelay({ env });
      await post(relay.url, upTo(30));
      await poll(async () => (await row(relay.url)).waiting === 0 || undefined);
      const started = await hecate(
        relay.url,
        "replay start --to hec --from oldest --all --rate 5 --json",
      );
      id = JSON.parse(started.out[0] ?? "").id;
      await poll(async () =>
        (await jobAt(relay.url, id)).delivered > 0 || undefined
      );
      const { out } = await hecate(relay.url, `replay pause ${id}`);
      assert.match(out[0] ?? "", new RegExp(`^${id} paused: `));
      await relay.kill("SIGKILL");
    }
    let sent = 0;
    {
      await using relay = await startRelay({ env });
      const paused = await jobAt(relay.url, id);
      assert.equal(paused.state, "paused");
      await post(relay.url, [30]);
      await poll(async () =>
        (await row(relay.url)).delivered === 31 || undefined
      );
      sent = (await jobAt(relay.url, id)).delivered;
      assert.equal(sent, paused.delivered);
      const resumed = await hecate(relay.url, `replay resume ${id} --json`);
      assert.equal(JSON.parse(resumed.out[0] ?? "").state, "running");
      await poll(async () =>
        (await jobAt(relay.url, id)).delivered > sent || undefined
      );
      assert.equal((await hecate(relay.url, `replay stop ${id}`)).code, 0);
    }
    await using relay = await startRelay({ env });
    const { state, left, delivered } = await jobAt(relay.url, id);
    assert.equal(state, "stopped");
    assert.equal(left + delivered, 30);
    assert.ok(left > 0);
    assert.deepEqual([(await row(relay.url)).delivered], [31]);
    assert.equal((await hecate(relay.url, `replay resume ${id}`)).code, 2);
  });
});

Deno.test("replays: a new connector gets the log from its oldest event, marked or equal to the original", async () => {
  await inFolder(async (folder) => {
    await using siem = await startDemoSiem({
      targets: { hec: { protocol: "hec" }, splunk: { protocol: "splunk" } },
    });
    const all = siem.environment();
    const only = Object.fromEntries(
      Object.entries(all).filter(([name]) => !name.startsWith("SPLUNK_")),
    );
    const kv = { HECATE_KV: `${folder}/hecate.kv` };
    let first = "";
    {
      await using relay = await startRelay({
        env: { ...TOKENS, ...only, ...kv },
      });
      first = (await post(relay.url, upTo(25))).split("+")[0] ?? "";
      await poll(async () => (await row(relay.url)).waiting === 0 || undefined);
    }
    await using relay = await startRelay({ env: { ...TOKENS, ...all, ...kv } });
    const { url } = relay;
    const states = async () =>
      (await ask(url, `/v1/events/${first}`)).json.connectors.map((
        { name, state }: { name: string; state: string },
      ) => `${name} ${state}`);
    assert.deepEqual(await states(), ["hec delivered"]);
    const unknown = await ask(url, "/v1/replays", {
      kind: "log",
      to: ["soc-z"],
      from: "oldest",
    });
    assert.equal(unknown.status, 422);
    const gone = await ask(url, "/v1/replays", {
      kind: "log",
      to: ["splunk"],
      from: "00000000000000000000-0",
    });
    assert.equal(gone.status, 422);
    assert.match(gone.json.oldest, /^[0-9a-f]{20}-0$/);
    const dry = await hecate(
      url,
      "replay start --to splunk --from oldest --dry-run --rate 5",
    );
    assert.deepEqual(dry.out, ["About 25 events, 5 seconds at this rate."]);
    const plain = await hecate(
      url,
      "replay start --to splunk --from oldest --no-mark --rate 0 --follow --json",
    );
    assert.equal(JSON.parse(plain.out[0] ?? "").delivered, 25);
    const events = siem.received("splunk");
    assert.deepEqual(numbers(events), upTo(25));
    const originals = siem.received("hec");
    for (const [n, { event }] of events.entries()) {
      assert.deepEqual(event, originals[n]?.event);
    }
    assert.deepEqual((await states()).sort(), [
      "hec delivered",
      "splunk delivered",
    ]);
    const books = (await ask(url, "/v1/status")).json.connectors;
    for (const { delivered, accepted, difference } of books) {
      assert.deepEqual([accepted, delivered, difference], [25, 25, 0]);
    }
    const marked = await hecate(
      url,
      "replay start --to splunk --from oldest --all --rate 0 --follow --json",
    );
    const { id, delivered } = JSON.parse(marked.out[0] ?? "");
    assert.equal(delivered, 25);
    const bodies = siem.received("splunk").slice(25).map((one) =>
      new TextDecoder().decode(one.envelope)
    );
    assert.equal(bodies.length, 25);
    for (const body of bodies) {
      assert.match(body, new RegExp(`"fields":\\{"hecate.replay":"${id}"\\}`));
    }
  });
});
