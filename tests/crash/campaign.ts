/**
 * kill -9 at random moments under load. A relay on a KV file feeds three connectors at a demo SIEM; producers post
 * numbered events; the relay is killed and started again, and at the end the books (`books.ts`) are judged.
 *
 * `deno task test:crash [N]` runs N kills (200), most of them here, the others as a storm (`storm.ts`): at named
 * commit points, with faults of the SIEMs at the same time. `HECATE_TEST_SEED` repeats a run's events and moments, though not
 * the machine's own timing.
 */

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { systemClock } from "../../lib/clock.ts";
import { type SeededRandom, seededRandom } from "../../lib/demo/random.ts";
import { type DemoSiem, startDemoSiem } from "../../lib/demo/siem.ts";
import { numberedEvent } from "../fixtures/events.ts";
import { freePort, READY, spawnRelay } from "../support/processes.ts";
import { connect } from "../support/raw_http.ts";
import { testSeed } from "../support/seed.ts";
import { CampaignBooks } from "./books.ts";

const CONNECTORS = ["splunk", "crowdstrike", "hec"];
const PRODUCERS = 4;
/** A producer sends no more than this in one life, so that the way out keeps up with the way in. */
const EVENTS_A_LIFE = 600;
/** Every tenth kill hits the start itself; the others come this long after readiness, milliseconds. */
const START_KILLS = 0.1;
const LONGEST_LIFE_MS = 400;
/** For what waits after the last kill. */
const DRAIN_MS = 60_000;

export interface CampaignResult {
  readonly kills: number;
  readonly sent: number;
  readonly acked: number;
  /** By connector: events that came again. */
  readonly repeated: Readonly<Record<string, number>>;
  /** Longest time from start to readiness after a kill, milliseconds. */
  readonly slowestStart: number;
  readonly seconds: number;
}

/** Runs a campaign. @throws {AssertionError} naming every promise that was broken */
export async function runCampaign(options: {
  readonly kills: number;
  readonly seed: number;
  readonly print?: (line: string) => void;
}): Promise<CampaignResult> {
  const { kills, seed, print = () => {} } = options;
  const random = seededRandom(seed);
  const books = new CampaignBooks(seed, CONNECTORS);
  const began = systemClock.monotonic();
  await using siem = await startDemoSiem({
    memory: { arrivals: 0, bytes: 0, requests: 10 },
    onArrival: ({ name }, { event, connection }) =>
      books.arrive(name, event ?? new Uint8Array(), connection),
  });
  const folder = await Deno.makeTempDir({ prefix: "hecate-crash-" });
  try {
    const slowestStart = await live({
      seed,
      kills,
      random,
      books,
      siem,
      folder,
      print,
    });
    const faults = books.faults();
    const complaints = CONNECTORS.flatMap((name) =>
      siem.target(name).complaints
    );
    assert.deepEqual([...faults, ...new Set(complaints)], [], `seed ${seed}`);
    return {
      kills,
      sent: books.sent,
      acked: books.acked,
      repeated: Object.fromEntries(
        CONNECTORS.map((name) => [name, books.repeated(name)]),
      ),
      slowestStart,
      seconds: (systemClock.monotonic() - began) / 1000,
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface Campaign {
  readonly seed: number;
  readonly kills: number;
  readonly random: SeededRandom;
  readonly books: CampaignBooks;
  readonly siem: DemoSiem;
  readonly folder: string;
  readonly print: (line: string) => void;
}

/** All lives of the relay, the last one until everything has come. Returns the slowest start. */
async function live(campaign: Campaign): Promise<number> {
  const { kills, random, books, siem, folder, print } = campaign;
  const port = freePort();
  const start = () => {
    books.life++;
    return spawnRelay({
      port,
      env: {
        ...siem.environment(),
        HECATE_KV: `${folder}/hecate.kv`,
        HECATE_TOKENS: "crash=hct_good",
        HECATE_ADMIN_TOKEN: "hca_good",
        HECATE_LOG_LEVEL: "warn",
        SIEM_DEAD_LETTER_PATH: `${folder}/dead.jsonl`,
      },
    });
  };
  let slowest = 0;
  for (let kill = 1; kill <= kills; kill++) {
    await using relay = start();
    const began = systemClock.monotonic();
    if (kill > 1 && random.next() < START_KILLS) {
      await systemClock.sleep(random.integer(0, 250));
    } else {
      await relay.line(READY);
      slowest = Math.max(slowest, systemClock.monotonic() - began);
      const stopping = new AbortController();
      const producing = produce(campaign, port, stopping.signal);
      await systemClock.sleep(random.integer(0, LONGEST_LIFE_MS));
      await relay.kill();
      stopping.abort();
      await producing;
    }
    await relay.kill();
    if (kill % 10 === 0 || kill === kills) {
      print(`${kill} kills, ${books.acked} of ${books.sent} events acked`);
    }
  }
  await using relay = start();
  await relay.line(READY);
  // Everything that the log holds is ahead of this one.
  {
    using client = await connect(port);
    await post(campaign, client, { sender: PRODUCERS, count: 1 });
  }
  for (const name of CONNECTORS) {
    const target = siem.target(name);
    await target.until(
      () => books.missing(name) === 0,
      { timeout: DRAIN_MS },
    ).catch((cause: Error) => {
      throw new Error(
        `${cause.message}\n${books.missing(name)} acked events are missing\n` +
          `${relay.stdout()}${relay.stderr()}`,
      );
    });
  }
  await judgeStatus(relay.url, books);
  const { code } = await relay.kill("SIGTERM");
  assert.equal(code, 0, `the relay ended with ${code}: ${relay.stderr()}`);
  return slowest;
}

/** The relay's own books balance and agree with what came: over all kills, each event was counted once. */
async function judgeStatus(url: string, books: CampaignBooks): Promise<void> {
  const look = async () => {
    const reply = await fetch(`${url}/api/v1/status`, {
      headers: { authorization: "Bearer hca_good" },
    });
    const status: { connectors: Record<string, number | string>[] } =
      await reply.json();
    return status.connectors.map((
      {
        name,
        accepted,
        delivered,
        filtered,
        dead,
        discarded,
        expired,
        waiting,
      },
    ) => ({
      name,
      accepted,
      delivered,
      others: [filtered, dead, discarded, expired, waiting],
    }));
  };
  const wanted = CONNECTORS.map((name) => ({
    name,
    accepted: books.distinct(name),
    delivered: books.distinct(name),
    others: [0, 0, 0, 0, 0],
  }));
  // The last batch came a moment before its place is written: a bounded poll.
  for (let looks = 0; looks < 100; looks++) {
    if (isDeepStrictEqual(sorted(await look()), sorted(wanted))) return;
    await systemClock.sleep(20);
  }
  assert.deepEqual(sorted(await look()), sorted(wanted));
}

function sorted<T extends { readonly name: string | number | undefined }>(
  rows: T[],
): T[] {
  return rows.sort((a, b) => String(a.name) < String(b.name) ? -1 : 1);
}

/** Producers on connections of their own, until the relay is gone or each has sent its share. */
async function produce(
  campaign: Campaign,
  port: number,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(
    Array.from({ length: PRODUCERS }, async (_, sender) => {
      try {
        using client = await connect(port);
        for (let sent = 0; sent < EVENTS_A_LIFE && !signal.aborted;) {
          const { random } = campaign;
          const count = random.next() < 0.05 ? 100 : random.integer(1, 20);
          await post(campaign, client, { sender, count });
          sent += count;
        }
      } catch {
        // The relay was killed; what it had not acked may come or not.
      }
    }),
  );
}

type Client = Awaited<ReturnType<typeof connect>>;

/** Posts events in one request and notes its 200. @throws when the connection ends before the answer */
async function post(
  { books, seed }: Campaign,
  client: Client,
  { sender, count }: { readonly sender: number; readonly count: number },
): Promise<void> {
  const first = books.reserve(count, sender);
  let body = "";
  for (let n = first; n < first + count; n++) {
    body += `{"time":${1_773_360_000 + n},"event":${numberedEvent(seed, n)}}\n`;
  }
  await client.post("/services/collector/event", body);
  const { status, text } = await client.reply();
  assert.equal(status, 200, text);
  books.ack(first, count);
}

if (import.meta.main) {
  const all = Number(Deno.args[0] ?? 200);
  const seed = testSeed("crash campaign");
  // deno-lint-ignore no-console -- a command's result
  const print = (line: string) => console.log(line);
  // A storm's lives last longer.
  const kills = Math.ceil(all * 0.7);
  const result = await runCampaign({ kills, seed, print });
  print(JSON.stringify(result));
  const { runStorm } = await import("./storm.ts");
  const storm = await runStorm({ kills: all - kills, seed, print });
  print(JSON.stringify(storm));
}
