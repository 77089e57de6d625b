/**
 * kill -9 at random moments and at every named commit point (`points.ts`), while the SIEMs go wrong (`weather.ts`).
 *
 * Five properties are judged: every acked event arrives or is a dead letter; nothing is invented; bytes are intact;
 * order is kept; all goes on once the faults end. And at every look at the status the books balance, and an ack that
 * was told true implies that its events arrived or died wherever a connector was enabled.
 */

import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock.ts";
import { type SeededRandom, seededRandom } from "../../lib/demo/random.ts";
import { type DemoSiem, startDemoSiem } from "../../lib/demo/siem.ts";
import { poll } from "../support/poll.ts";
import {
  freePort,
  READY,
  type RelayProcess,
  spawnRelay,
} from "../support/processes.ts";
import { connect } from "../support/raw_http.ts";
import { isBalanced, type StatusRow } from "../support/status_rows.ts";
import { makeWeather } from "../support/weather.ts";
import { CRASH_AT, type CrashAt, crashText, POINTS } from "./points.ts";
import { StormBooks, stormEvent } from "./storm_books.ts";

const NAMES = ["splunk", "elastic", "sentinel", "qradar", "hec"];
const PRODUCERS = 3;
/** A producer sends no more than this in one life, so that the way out keeps up. */
const EVENTS_A_LIFE = 300, CALM_EVENTS = 10;
/** After readiness, milliseconds; a life that ends at a point may take longer to reach it. */
const LONGEST_LIFE_MS = 350, LONGEST_REACH_MS = 5_000;
/** Every so many lives end at a random moment, the others at a point. */
const RANDOM_EVERY = 4;
/** Between two looks at the status, milliseconds. */
const LOOK_MS = 40;
/** From so many kills on each point was aimed at on both sides, and must have ended a life. */
const KILLS_FOR_ALL = 60;
/** What no life ended at is aimed at so often again; the rarest is a replay's last commit. */
const MORE_LIVES = 12;
/** For what waits after the last kill. */
const DRAIN_MS = 60_000;
const ADMIN = { authorization: "Bearer hca_good" };
const CHANNEL = "0b6f1f7a-0c3e-4a55-9a6e-0a5a6a7f2a11";

export interface StormResult {
  readonly kills: number;
  readonly sent: number;
  readonly acked: number;
  readonly told: number;
  readonly siemFaults: number;
  /** Looks at the status at which the books balanced. */
  readonly looks: number;
  /** By connector: events that came, that came again, that died. */
  readonly events: Readonly<Record<string, readonly number[]>>;
  /** By point and side: lives that ended there. */
  readonly points: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** Runs a storm. @throws {AssertionError} naming every promise that was broken */
export async function runStorm(options: {
  readonly kills: number;
  readonly seed: number;
  readonly print?: (line: string) => void;
}): Promise<StormResult> {
  const { kills, seed, print = () => {} } = options;
  const books = new StormBooks(seed, NAMES);
  const began = systemClock.monotonic();
  await using siem = await startDemoSiem({
    targets: {
      splunk: { protocol: "splunk" },
      elastic: { protocol: "elastic" },
      sentinel: { protocol: "sentinel" },
      qradar: { protocol: "qradar" },
      hec: { protocol: "hec" },
    },
    memory: { arrivals: 0, bytes: 0, requests: 10 },
    onArrival: ({ name }, { event, envelope }) =>
      books.arrive(
        name,
        event ?? new Uint8Array(),
        envelope ?? new Uint8Array(),
      ),
  });
  const folder = await Deno.makeTempDir({ prefix: "hecate-storm-" });
  try {
    const storm = new Storm({ seed, books, siem, folder });
    for (let kill = 1; kill <= kills; kill++) {
      await storm.life(kill % RANDOM_EVERY === 0 ? undefined : storm.aim());
      if (kill % 10 === 0) {
        print(`${kill} kills, ${books.acked} of ${books.sent} events acked`);
      }
    }
    if (kills >= KILLS_FOR_ALL) {
      for (const point of storm.missed()) {
        for (let more = 0; more < MORE_LIVES && storm.isMissed(point); more++) {
          await storm.life(storm.aim(point));
        }
      }
      assert.deepEqual(storm.missed(), [], `seed ${seed}: no life ended there`);
    }
    await storm.end();
    assert.deepEqual(books.faults(), [], `seed ${seed}`);
    return {
      kills,
      sent: books.sent,
      acked: books.acked,
      told: books.told,
      siemFaults: storm.siemFaults,
      looks: storm.looks,
      events: books.figures(),
      points: Object.fromEntries(storm.ended),
      seconds: (systemClock.monotonic() - began) / 1000,
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface StormParts {
  readonly seed: number;
  readonly books: StormBooks;
  readonly siem: DemoSiem;
  readonly folder: string;
}

/** A request with an ack id that was not told yet. */
interface Pending {
  readonly first: number;
  readonly count: number;
}

class Storm {
  readonly #parts: StormParts;
  readonly #random: SeededRandom;
  readonly #port = freePort();
  readonly #pending = new Map<number, Pending>();
  readonly ended = new Map<string, number>();
  siemFaults = 0;
  looks = 0;
  #turn = 0;

  constructor(parts: StormParts) {
    this.#parts = parts;
    this.#random = seededRandom(parts.seed);
    for (const point of POINTS) {
      for (const when of ["before", "after"]) {
        this.ended.set(`${when} ${point}`, 0);
      }
    }
  }

  /** No life ended there so far, on neither side. */
  isMissed(point: string): boolean {
    return ["before", "after"].every((when) =>
      this.ended.get(`${when} ${point}`) === 0
    );
  }

  missed(): string[] {
    return POINTS.filter((point) => this.isMissed(point));
  }

  /** The next of all sides of all points, or of this one's. */
  aim(at?: string): CrashAt {
    const turn = this.#turn++;
    const point = at ?? POINTS[(turn >> 1) % POINTS.length] ?? "log";
    return {
      point,
      nth: this.#random.integer(1, RARE.has(point) ? 1 : 6),
      when: turn % 2 === 0 ? "before" : "after",
    };
  }

  /** One life of the relay, and its end: at that point, or at a random moment. */
  async life(crash: CrashAt | undefined): Promise<void> {
    const random = this.#random;
    await using relay = this.#start(crash);
    const stop = new AbortController();
    let isOver = false;
    relay.ended.then(() => {
      isOver = true;
      stop.abort();
    });
    const isReady = await Promise.race([
      relay.line(READY).then(() => true, () => false),
      relay.ended.then(() => false),
    ]);
    if (isReady && !isOver) {
      const working = this.#work(relay, stop.signal, crash);
      const span = crash === undefined
        ? random.integer(0, LONGEST_LIFE_MS)
        : LONGEST_REACH_MS;
      await systemClock.sleep(span, stop.signal).catch(() => undefined);
      const wasOver = isOver;
      await relay.kill();
      stop.abort();
      await working;
      isOver = wasOver;
    }
    const { signal } = await relay.kill();
    if (isOver && crash !== undefined) {
      assert.equal(signal, "SIGKILL", relay.stderr());
      const name = `${crash.when} ${crash.point}`;
      this.ended.set(name, (this.ended.get(name) ?? 0) + 1);
    }
  }

  /** The last life: until nothing is owed. */
  async end(): Promise<void> {
    const { books } = this.#parts;
    await using relay = this.#start(undefined);
    await relay.line(READY);
    const isDrained = async () => {
      const rows = await this.#look(relay);
      return rows.every(({ waiting }) => waiting === 0) || undefined;
    };
    for (const name of NAMES) await act(relay, `connectors/${name}/enable`);
    await poll(isDrained, { timeout: DRAIN_MS }).catch(async (cause) => {
      const rows = JSON.stringify(await this.#look(relay), null, 1);
      throw new Error(`${cause.message}\n${rows}\n${relay.stderr()}`);
    });
    await this.#readDead(relay);
    await this.#pollAcks(relay, await this.#look(relay));
    for (const row of await this.#look(relay)) {
      // What was killed before its answer may be there or not.
      assert.ok(row.accepted >= books.acked && row.accepted <= books.sent);
    }
    if (this.#pending.size > 0) {
      books.fault(`${this.#pending.size} acks were never told to be true`);
    }
    const { code } = await relay.kill("SIGTERM");
    assert.equal(code, 0, `the relay ended with ${code}: ${relay.stderr()}`);
  }

  #start(crash: CrashAt | undefined): RelayProcess {
    const { siem, folder } = this.#parts;
    return spawnRelay({
      port: this.#port,
      entry: "tests/crash/relay.ts",
      flags: ["--allow-all", "--no-check"],
      env: {
        ...siem.environment(),
        HEC_FORMAT: "native",
        HECATE_KV: `${folder}/hecate.kv`,
        HECATE_TOKENS: JSON.stringify([
          { name: "storm", value: "hct_good" },
          { name: "acking", value: "hct_acking", ack: "delivered" },
        ]),
        HECATE_ADMIN_TOKEN: "hca_good",
        HECATE_LOG_LEVEL: "error",
        HECATE_KEEP: "0s",
        HECATE_RETRY_INITIAL: "20ms",
        HECATE_RETRY_MAX: "100ms",
        HECATE_PROBE_INITIAL: "20ms",
        HECATE_PROBE_MAX: "100ms",
        HECATE_TIMEOUT: "300ms",
        ...crash !== undefined && { [CRASH_AT]: crashText(crash) },
      },
    });
  }

  /** Producers, faults of the SIEMs, people, and looks at the books, until the relay is gone. */
  async #work(
    relay: RelayProcess,
    signal: AbortSignal,
    crash: CrashAt | undefined,
  ): Promise<void> {
    const { siem } = this.#parts;
    // What comes once all is well comes sooner in a calm.
    const isCalm = crash !== undefined && CALM.has(crash.point);
    const isDiscard = crash !== undefined &&
      (DISCARDS.has(crash.point) || REPLAYS.has(crash.point));
    const weather = isCalm || isDiscard
      ? Promise.resolve(0)
      : makeWeather(siem, {
        random: this.#random,
        names: NAMES,
        pause: 60,
        span: 120,
        isOrderly: true,
        signal,
      });
    const untilGone = async (work: () => Promise<unknown>) => {
      try {
        while (!signal.aborted) await work();
      } catch (cause) {
        // A connection that ends is the relay's own end, sooner or later.
        if (cause instanceof assert.AssertionError) throw cause;
      }
    };
    const share = isCalm ? CALM_EVENTS : EVENTS_A_LIFE;
    const producers = Array.from({ length: PRODUCERS }, async (_, sender) => {
      let sent = 0;
      await untilGone(async () => {
        using client = await connect(this.#port);
        while (!signal.aborted && sent < share) {
          const count = this.#random.integer(1, 20);
          await this.#post(client, { sender, count });
          sent += count;
        }
        await systemClock.sleep(LONGEST_REACH_MS, signal);
      });
    });
    const looks = untilGone(async () => {
      await this.#pollAcks(relay, await this.#look(relay));
      await this.#handle(relay, crash?.point);
      await systemClock.sleep(LOOK_MS, signal);
    });
    const [faults] = await Promise.all([weather, looks, ...producers]);
    this.siemFaults += faults;
  }

  /** A person at work: dead letters are discarded or replayed, connectors switched. */
  async #handle(
    relay: RelayProcess,
    point: string | undefined,
  ): Promise<void> {
    const random = this.#random;
    const ids = await this.#readDead(relay);
    const isDiscard = point !== undefined && DISCARDS.has(point);
    if (ids.length > 0 && (isDiscard || random.next() < 0.3)) {
      const some = ids.slice(0, 20);
      await act(relay, "dead-letters/discard", {
        ids: some,
        expect: some.length,
      });
    }
    const isReplay = point !== undefined && REPLAYS.has(point);
    if (ids.length > 0 && (isReplay || random.next() < 0.2)) {
      const some = ids.slice(-20);
      await act(relay, "replays", {
        kind: "dead-letters",
        ids: some,
        expect: some.length,
      });
    }
    const name = random.choose(NAMES);
    if (point === "hand" || random.next() < 0.1) {
      await act(relay, `connectors/${name}/disable`);
      await act(relay, `connectors/${name}/enable`);
    }
  }

  /** Notes every dead letter there is. @returns their ids, as the API names them. */
  async #readDead(relay: RelayProcess): Promise<string[]> {
    const { books } = this.#parts;
    const reply = await fetch(`${relay.url}/api/v1/dead-letters`, {
      headers: { ...ADMIN, accept: "application/x-ndjson" },
    });
    const text = await reply.text();
    assert.equal(reply.status, 200, text);
    const ids: string[] = [];
    for (const line of text.split("\n")) {
      if (line === "") continue;
      const id = /,"id":"([^"]+)"\}$/.exec(line)?.[1] ?? "";
      const connector = /"connector":"([^"]+)"/.exec(line)?.[1] ?? "";
      books.die(connector, line);
      ids.push(`${id}@${connector}`);
    }
    return ids;
  }

  async #look(relay: RelayProcess): Promise<readonly StatusRow[]> {
    const reply = await fetch(`${relay.url}/api/v1/status`, { headers: ADMIN });
    const { connectors }: { connectors: StatusRow[] } = await reply.json();
    for (const row of connectors) {
      if (!isBalanced(row) || row.expired !== 0) {
        this.#parts.books.fault(`the books: ${JSON.stringify(row)}`);
      }
    }
    this.looks++;
    return connectors;
  }

  /** Asks for acks, right after a look; none is switched between the two. */
  async #pollAcks(
    relay: RelayProcess,
    rows: readonly StatusRow[],
  ): Promise<void> {
    if (this.#pending.size === 0) return;
    // A life that ended between a person's two switches left one off, and an ack does not wait for it (interface §8).
    const enabled = new Set(
      rows.filter(({ state }) => state !== "disabled").map(({ name }) => name),
    );
    const { books } = this.#parts;
    const reply = await fetch(`${relay.url}/services/collector/ack`, {
      method: "POST",
      headers: {
        Authorization: "Splunk hct_acking",
        "X-Splunk-Request-Channel": CHANNEL,
      },
      body: JSON.stringify({ acks: [...this.#pending.keys()] }),
    });
    const answer: { acks: Record<string, boolean> } = await reply.json();
    const told = Object.entries(answer.acks).filter(([, isTold]) => isTold)
      .map(([id]) => Number(id));
    if (told.length === 0) return;
    const owed = () =>
      told.flatMap((id) => {
        const { first, count } = this.#pending.get(id) ??
          { first: 0, count: 0 };
        return books.owed(first, count, enabled);
      });
    if (owed().length > 0) await this.#readDead(relay);
    const missing = owed();
    if (missing.length > 0) {
      books.fault(`told to be delivered, and is not: ${missing.join(", ")}`);
    }
    for (const id of told) this.#pending.delete(id);
    books.told += told.length;
  }

  /** Posts events in one request and notes its 200. The first producer wants acks. */
  async #post(
    client: Awaited<ReturnType<typeof connect>>,
    { sender, count }: { readonly sender: number; readonly count: number },
  ): Promise<void> {
    const { books, seed } = this.#parts;
    const first = books.reserve(count, sender);
    let body = "";
    for (let n = first; n < first + count; n++) {
      body += `{"event":${stormEvent(seed, n)}}\n`;
    }
    const wantsAcks = sender === 0;
    await client.post(
      "/services/collector/event",
      body,
      wantsAcks
        ? {
          Authorization: "Splunk hct_acking",
          "X-Splunk-Request-Channel": CHANNEL,
        }
        : {},
    );
    const { status, text } = await client.reply();
    assert.equal(status, 200, text);
    books.ack(first, count);
    if (!wantsAcks) return;
    const { ackId }: { ackId: number } = JSON.parse(text);
    if (this.#pending.has(ackId)) books.fault(`ack id ${ackId} came twice`);
    this.#pending.set(ackId, { first, count });
  }
}

/** Points that are reached seldom in a life. */
const RARE = new Set([
  "epoch",
  "ackids",
  "acktold",
  "deadbooks",
  "deadend",
  "trim",
  "delete log",
  "hand",
  "writer",
  "job",
  "jobpart",
  "jobitem",
  "delete jobopen",
]);
/** Points that need all to be delivered. */
const CALM = new Set(["acktold", "trim", "delete log"]);
/** Points that need a dead letter, which a person discards or replays. */
const DISCARDS = new Set(["deadbooks", "deadend"]);
const REPLAYS = new Set(["job", "jobpart", "jobitem", "delete jobopen"]);

async function act(
  relay: RelayProcess,
  path: string,
  body: unknown = {},
): Promise<void> {
  const reply = await fetch(`${relay.url}/api/v1/${path}`, {
    method: "POST",
    headers: { ...ADMIN, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await reply.text();
  // 409: what it stood on has changed meanwhile.
  assert.ok(reply.ok || reply.status === 409, `${path}: ${text}`);
}
