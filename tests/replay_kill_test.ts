import assert from "node:assert/strict";
import { startDemoSiem } from "../lib/demo/siem.ts";
import { numberedEvent, numberOf } from "./fixtures/events.ts";
import { seeded } from "./support/log_rig.ts";
import { poll } from "./support/poll.ts";
import { startRelay } from "./support/processes.ts";
import { testSeed } from "./support/seed.ts";

/** A replay of the log by the real program, through `kill -9`. */

const TOKENS = {
  HECATE_TOKENS: "edge=hct_edge",
  HECATE_ADMIN_TOKEN: "hca_edge",
};
const BATCH = 10, COUNT = 300, KILLS = 4, RATE = 100;

async function ask(url: string, path: string, body?: object) {
  const reply = await fetch(`${url}/api/v1${path}`, {
    headers: { Authorization: "Bearer hca_edge" },
    ...body !== undefined && { method: "POST", body: JSON.stringify(body) },
  });
  return await reply.json();
}

/** A job; its counts add up. */
async function jobAt(url: string, id: string) {
  const job = await ask(url, `/replays/${id}`);
  const { total, delivered, filtered, dead, skipped, left } = job;
  assert.equal(total, delivered + filtered + dead + skipped + left);
  return job;
}

/** A connector's row in status; its books balance. */
async function row(url: string, wanted: string) {
  const { connectors } = await ask(url, "/status");
  const found = connectors.find(({ name }: { name: string }) =>
    name === wanted
  );
  assert.equal(found.difference, 0, JSON.stringify(found));
  return found;
}

async function post(url: string, seed: number, from: number, count: number) {
  const numbers = Array.from({ length: count }, (_, n) => from + n);
  const reply = await fetch(`${url}/services/collector/event`, {
    method: "POST",
    headers: { Authorization: "Splunk hct_edge" },
    body: numbers.map((n) => `{"event":${numberedEvent(seed, n)}}`).join("\n"),
  });
  assert.equal(reply.status, 200, await reply.text());
}

Deno.test("replays: a log replay through kill -9 equals the original byte for byte, in order, a batch twice per kill at the most", async () => {
  const seed = testSeed("replay-log-kill");
  const random = seeded(seed);
  const folder = await Deno.makeTempDir({ prefix: "hecate-replay-" });
  try {
    await using siem = await startDemoSiem({
      targets: { hec: { protocol: "hec" }, splunk: { protocol: "splunk" } },
    });
    const all = siem.environment();
    const before = Object.fromEntries(
      Object.entries(all).filter(([name]) => !name.startsWith("SPLUNK_")),
    );
    const kv = { HECATE_KV: `${folder}/hecate.kv` };
    {
      await using relay = await startRelay({
        env: { ...TOKENS, ...before, ...kv },
      });
      for (let from = 0; from < COUNT; from += 25) {
        await post(relay.url, seed, from, 25);
      }
      await poll(async () =>
        (await row(relay.url, "hec")).delivered === COUNT || undefined
      );
    }
    const env = {
      ...TOKENS,
      ...all,
      ...kv,
      HECATE_BATCH_EVENTS: String(BATCH),
    };
    let id = "", least = 0, live = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      await using relay = await startRelay({ env });
      if (kill === 0) {
        const job = await ask(relay.url, "/replays", {
          kind: "log",
          to: ["splunk"],
          from: "oldest",
          rate: RATE,
        });
        assert.deepEqual([job.total, job.left], [COUNT, COUNT]);
        id = job.id;
      }
      least += Math.ceil(random() * COUNT / (KILLS + 1));
      await poll(async () =>
        (await jobAt(relay.url, id)).delivered >= least || undefined
      );
      await post(relay.url, seed, COUNT + live++, 1);
      await poll(async () =>
        (await row(relay.url, "splunk")).waiting === 0 || undefined
      );
      assert.equal((await jobAt(relay.url, id)).state, "running");
      await relay.kill("SIGKILL");
    }
    await using relay = await startRelay({ env });
    const job = await poll(async () => {
      const now = await jobAt(relay.url, id);
      return now.state === "finished" ? now : undefined;
    });
    assert.deepEqual([job.delivered, job.skipped, job.dead], [COUNT, 0, 0]);
    const { accepted, delivered } = await row(relay.url, "splunk");
    assert.deepEqual([accepted, delivered], [COUNT + live, COUNT + live]);

    const decoder = new TextDecoder();
    const first: number[] = [], firstLive: number[] = [];
    const seen = new Set<number>();
    let repeated = 0;
    for (const { event, envelope } of siem.received("splunk")) {
      const text = decoder.decode(event);
      const number = numberOf(event ?? new Uint8Array());
      assert.equal(text, numberedEvent(seed, number));
      const isLive = number >= COUNT;
      assert.equal(
        decoder.decode(envelope).includes(`"hecate.replay":"${id}"`),
        !isLive,
      );
      if (seen.has(number)) repeated++;
      else (isLive ? firstLive : first).push(number);
      seen.add(number);
    }
    const upTo = Array.from({ length: COUNT }, (_, n) => n);
    assert.deepEqual(first, upTo);
    assert.deepEqual(firstLive, upTo.slice(0, live).map((n) => COUNT + n));
    assert.ok(repeated <= KILLS * BATCH, `${repeated} came twice`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
