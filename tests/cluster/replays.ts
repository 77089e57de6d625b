/**
 * `deno task test:cluster`, part three: a replay of dead letters and one of the log over a real `denokv`, through kills
 * of their holders and of the server. Nothing is lost, a batch comes twice per kill at the most, books are exact.
 */

import { deepEqual, equal, ok } from "node:assert/strict";
import { systemClock } from "../../lib/clock.ts";
import { type DemoSiem, startDemoSiem } from "../../lib/demo/siem.ts";
import { numberedEvent, numberOf } from "../fixtures/events.ts";
import { poll } from "../support/poll.ts";
import { type RelayProcess, startRelay } from "../support/processes.ts";
import { testSeed } from "../support/seed.ts";
import { ACCESS_TOKEN, Denokv, findDenokv } from "./denokv.ts";

const denokv = findDenokv();
const COUNT = 400, BATCH = 10, RATE = 20, RELAY_KILLS = 2;
/** A lease that nobody renews ends after 12 s; then come some more of the job. */
const PATIENCE = { timeout: 60_000 };
const NO_EVENT = new Uint8Array();

/** What is read of a relay; counts of jobs and books add up. */
async function ask(url: string, path: string, body?: object) {
  const reply = await fetch(`${url}/api/v1${path}`, {
    headers: { authorization: "Bearer hca_good" },
    ...body !== undefined && { method: "POST", body: JSON.stringify(body) },
    signal: AbortSignal.timeout(10_000),
  });
  const json = await reply.json();
  ok(reply.ok, JSON.stringify(json));
  return json;
}

async function jobAt(url: string, id: string) {
  const job = await ask(url, `/replays/${id}`);
  const { total, delivered, filtered, dead, skipped, left } = job;
  equal(total, delivered + filtered + dead + skipped + left);
  return job;
}

async function rowOf(url: string, wanted: string) {
  const { connectors } = await ask(url, "/status");
  const row = connectors.find(({ name }: { name: string }) => name === wanted);
  equal(row.difference, 0, JSON.stringify(row));
  return row;
}

/** Numbers in the order in which they came first, and how many came again; bytes are as they were sent. */
function arrivals(
  siem: DemoSiem,
  name: string,
  { seed, isWanted }: {
    readonly seed: number;
    readonly isWanted: (envelope: string) => boolean;
  },
) {
  const seen = new Set<number>();
  let repeated = 0;
  for (const { event = NO_EVENT, envelope } of siem.received(name)) {
    if (!isWanted(new TextDecoder().decode(envelope))) continue;
    const number = numberOf(event);
    const sent = numberedEvent(seed, number);
    // hec's records are lines: line breaks between tokens are left out there (interface §3).
    const wanted = name === "hec" ? sent.replaceAll("\n", "") : sent;
    equal(new TextDecoder().decode(event), wanted);
    if (seen.has(number)) repeated++;
    seen.add(number);
  }
  return { first: [...seen], repeated };
}

Deno.test({
  name:
    "replays of dead letters and of the log go on through kills of their holders and of denokv",
  ignore: denokv === undefined,
  fn: async () => {
    const seed = testSeed("cluster replays");
    await using server = await Denokv.start(denokv ?? "");
    await using siem = await startDemoSiem({
      targets: { hec: { protocol: "hec" }, splunk: { protocol: "splunk" } },
    });
    const start = (instance: string) =>
      startRelay({
        env: {
          ...siem.environment(),
          HECATE_KV: server.url,
          DENO_KV_ACCESS_TOKEN: ACCESS_TOKEN,
          HECATE_INSTANCE: instance,
          HECATE_BATCH_EVENTS: String(BATCH),
          HECATE_TOKENS: "cluster=hct_good",
          HECATE_ADMIN_TOKEN: "hca_good",
        },
      });
    const relays = new Map<string, RelayProcess>();
    await using _ = {
      async [Symbol.asyncDispose]() {
        for (const relay of relays.values()) await relay.kill();
      },
    };
    /** Kills who holds a connector; the others go on. */
    const killHolder = async (connector: string) => {
      const { holder } = await rowOf(anyOf(relays).url, connector);
      await relays.get(holder)?.kill("SIGKILL");
      ok(relays.delete(holder), `${connector} is held by ${holder}`);
      return holder;
    };
    relays.set("a", await start("a"));
    relays.set("b", await start("b"));
    const { url } = anyOf(relays);
    siem.fault("hec", {
      kind: "reject",
      events: (event) => numberOf(event) % 2 === 0,
    });
    for (let from = 0; from < COUNT; from += 50) {
      const numbers = Array.from({ length: 50 }, (_, n) => from + n);
      const reply = await fetch(`${url}/services/collector/event`, {
        method: "POST",
        headers: { Authorization: "Splunk hct_good" },
        body: numbers.map((n) => `{"event":${numberedEvent(seed, n)}}`)
          .join("\n"),
      });
      equal(reply.status, 200, await reply.text());
    }
    await poll(async () => {
      const { dead } = await rowOf(url, "hec");
      const { delivered } = await rowOf(url, "splunk");
      return dead === COUNT / 2 && delivered === COUNT || undefined;
    }, PATIENCE);
    siem.clear();
    const jobs: string[] = [];
    for (
      const wish of [
        { kind: "dead-letters", filter: {}, rate: RATE / 2 },
        { kind: "log", to: ["splunk"], from: "oldest", all: true, rate: RATE },
      ]
    ) jobs.push((await ask(url, "/replays", wish)).id);
    const [dead = "", log = ""] = jobs;
    /** Waits until a job has delivered so many more. */
    const advanced = async (id: string, more: number) => {
      let goal: number | undefined;
      await poll(async () => {
        try {
          const { delivered } = await jobAt(anyOf(relays).url, id);
          goal ??= Number(delivered) + more;
          return delivered >= goal || undefined;
        } catch (error) {
          // While the server is not there.
          if (error instanceof TypeError) throw error;
          return undefined;
        }
      }, PATIENCE);
    };
    await Promise.all(jobs.map((id) => advanced(id, BATCH)));
    const killed = [await killHolder("hec")];
    relays.set("c", await start("c"));
    await advanced(dead, BATCH);
    await server.signal("SIGKILL");
    await systemClock.sleep(700);
    await server.start();
    await Promise.all([dead, log].map((id) => advanced(id, BATCH)));
    const before = await jobAt(anyOf(relays).url, log);
    ok(before.left > 0, "the log's job is over too early to be killed");
    killed.push(await killHolder("splunk"));
    relays.set("d", await start("d"));

    const last = anyOf(relays).url;
    const ended = await poll(async () => {
      const all = await Promise.all(jobs.map((id) => jobAt(last, id)));
      return all.every(({ state }) => state === "finished") ? all : undefined;
    }, PATIENCE);
    deepEqual(
      ended.map(({ delivered, dead, skipped }) => [delivered, dead, skipped]),
      [[COUNT / 2, 0, 0], [COUNT, 0, 0]],
    );
    for (const name of ["hec", "splunk"]) {
      const { accepted, delivered, dead } = await rowOf(last, name);
      deepEqual([accepted, delivered, dead], [COUNT, COUNT, 0]);
    }
    const upTo = Array.from({ length: COUNT }, (_, n) => n);
    const isMarked = (envelope: string) => envelope.includes(log);
    const letters = arrivals(siem, "hec", { seed, isWanted: () => true });
    deepEqual(letters.first, [
      ...upTo.filter((n) => n % 2 === 1),
      ...upTo.filter((n) => n % 2 === 0),
    ]);
    const range = arrivals(siem, "splunk", { seed, isWanted: isMarked });
    deepEqual(range.first, upTo);
    const originals = arrivals(siem, "splunk", {
      seed,
      isWanted: (envelope) => !isMarked(envelope),
    });
    deepEqual(originals, { first: upTo, repeated: 0 });
    for (const { repeated } of [letters, range]) {
      ok(repeated <= RELAY_KILLS * BATCH, `${repeated} came again`);
    }
    // deno-lint-ignore no-console -- what was measured
    console.log(JSON.stringify({
      killed,
      letters: letters.repeated,
      range: range.repeated,
    }));
  },
});

function anyOf(relays: ReadonlyMap<string, RelayProcess>): RelayProcess {
  const [relay] = relays.values();
  if (relay === undefined) throw new RangeError("No relay is left");
  return relay;
}
