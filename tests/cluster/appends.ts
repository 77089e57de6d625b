/**
 * `deno task test:cluster`, part one: appends of two processes over one real `denokv`, each behind a proxy that goes
 * wrong all the time, and a server that is killed. The recipe is `lib/log/lane.ts`; the figures to equal are lost 0,
 * duplicates 0 over 25,000 appends in 45 s of faults.
 */

import { deepEqual, equal, ok } from "node:assert/strict";
import { TextLineStream } from "./lines.ts";
import { systemClock } from "../../lib/clock.ts";
import { type SeededRandom, seededRandom } from "../../lib/demo/random.ts";
import { openStore } from "../../lib/log/store.ts";
import { verifyLog } from "../../lib/log/verify.ts";
import { silentLogger } from "../../lib/logger.ts";
import { openRig, readAll, textsOf } from "../support/log_rig.ts";
import { testSeed } from "../support/seed.ts";
import type { AppenderFigures, AppenderSettings } from "./appender.ts";
import { ACCESS_TOKEN, Denokv, findDenokv, HOW_TO_GET_IT } from "./denokv.ts";
import { FaultyProxy } from "./proxy.ts";

const denokv = findDenokv();
// deno-lint-ignore no-console -- why nothing is run
if (denokv === undefined) console.log(HOW_TO_GET_IT);

const FAULTS_MS = 45_000;
/** The least commits that are worth judging, and how long to wait for it beyond the faults. */
const COMMITS = 25_000;
const LONGEST_MS = 120_000;

/** An appender as a process. */
class Appender {
  /** By event: the segment that it was said to be in. */
  readonly acked = new Map<string, string>();
  /** Segments, and so commits, that acked events are in. */
  readonly segments = new Set<string>();
  readonly unclear: string[] = [];
  figures: AppenderFigures | undefined;
  readonly #settings: AppenderSettings;
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #read: Promise<void>;
  readonly ready: Promise<void>;

  constructor(settings: AppenderSettings) {
    this.#settings = settings;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-P=test",
        new URL("appender.ts", import.meta.url).pathname,
        JSON.stringify(settings),
      ],
      env: { DENO_KV_ACCESS_TOKEN: ACCESS_TOKEN, NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      // KV Connect writes a line for each try.
      stderr: "null",
    }).spawn();
    this.#stdin = this.#child.stdin.getWriter();
    const ready = Promise.withResolvers<void>();
    this.ready = ready.promise;
    this.#read = this.#listen(ready.resolve);
  }

  async #listen(isReady: () => void): Promise<void> {
    const lines = this.#child.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of lines) {
      const said = JSON.parse(line);
      if (said.ready === true) isReady();
      if (said.acked !== undefined) {
        this.acked.set(this.#textOf(said.acked), said.segment);
        this.segments.add(said.segment);
      }
      if (said.unclear !== undefined) {
        this.unclear.push(this.#textOf(said.unclear));
      }
      if (said.figures !== undefined) this.figures = said.figures;
    }
  }

  #textOf([worker, n]: [number, number]): string {
    return `["${this.#settings.name}",${worker},${n}]`;
  }

  async end(): Promise<AppenderFigures> {
    await this.#stdin.close();
    await this.#read;
    const { code } = await this.#child.status;
    equal(code, 0);
    ok(this.figures);
    return this.figures;
  }

  async kill(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#read.catch(() => undefined);
    await this.#child.status;
  }
}

/** Goes wrong in one way after the other until the time is over. */
async function torment(
  proxies: readonly FaultyProxy[],
  random: SeededRandom,
  ms: number,
): Promise<void> {
  const end = systemClock.monotonic() + ms;
  await Promise.all(proxies.map(async (proxy) => {
    while (systemClock.monotonic() < end) {
      await systemClock.sleep(random.integer(100, 500));
      const kind = random.integer(0, 5);
      if (kind <= 1) proxy.cutReplies(random.integer(1, 3));
      else if (kind === 2) proxy.drop();
      else if (kind === 5) {
        proxy.refuse();
        await systemClock.sleep(random.integer(50, 400));
      } else {
        // Some hold on for longer than a call may take.
        proxy.hold(kind === 3 ? "requests" : "replies");
        await systemClock.sleep(random.integer(200, 1_600));
      }
      proxy.calm();
      if (random.next() < 0.2) proxy.freeze();
    }
  }));
}

/** Reads the whole log back, past the proxies, and judges it. */
async function judge(
  kv: string,
  appenders: readonly Appender[],
  context: string,
): Promise<Readonly<Record<"lost" | "duplicates" | "commits", number>>> {
  const log = await openRig({ location: kv });
  const places = await readAll(
    log,
    (segment) => textsOf(segment).map((text) => `${segment.id} ${text}`),
  );
  await log.close();
  const found = new Map(places.map((place) => {
    const [segment = "", text = ""] = place.split(" ");
    return [text, segment];
  }));
  const stored = places.map((place) => place.split(" ")[1] ?? "");
  const counts = new Map<string, number>();
  for (const text of stored) counts.set(text, (counts.get(text) ?? 0) + 1);
  const said = appenders.flatMap((one) => [...one.acked]);
  const acked = said.map(([text]) => text);
  const lost = acked.filter((text) => !counts.has(text));
  const doubled = [...counts].filter(([, count]) => count > 1);
  deepEqual(lost, [], `${context}: lost`);
  deepEqual(doubled, [], `${context}: duplicates`);
  deepEqual(
    said.filter(([text, segment]) => found.get(text) !== segment),
    [],
    `${context}: ids`,
  );
  const sent = new Set(
    appenders.flatMap((one) => [...one.acked.keys(), ...one.unclear]),
  );
  deepEqual(stored.filter((text) => !sent.has(text)), [], context);
  // A worker's appends come one after the other; one that was refused may be found stored later.
  const isAcked = new Set(acked), last = new Map<string, number>();
  for (const text of stored) {
    if (!isAcked.has(text)) continue;
    const [name, worker, n] = JSON.parse(text);
    const key = `${name}/${worker}`;
    ok(n > (last.get(key) ?? -1), `${context}: ${text} out of order`);
    last.set(key, n);
  }
  const store = await openStore(kv, {
    clock: systemClock,
    logger: silentLogger,
  });
  const verdict = await verifyLog(store);
  store.close();
  deepEqual(verdict.breaks, [], `${context}: chains`);
  equal(verdict.events, stored.length);
  return {
    lost: lost.length,
    duplicates: doubled.length,
    commits: verdict.segments,
  };
}

Deno.test({
  name:
    "appends by two processes through 45 s of network faults: lost 0, duplicates 0",
  ignore: denokv === undefined,
  fn: async () => {
    Deno.env.set("DENO_KV_ACCESS_TOKEN", ACCESS_TOKEN);
    const seed = testSeed("cluster appends");
    const random = seededRandom(seed);
    await using server = await Denokv.start(denokv ?? "");
    await using one = new FaultyProxy(server.port);
    await using two = new FaultyProxy(server.port);
    const proxies = [one, two];
    const appenders = proxies.map((proxy, n) =>
      new Appender({ name: `p${n}`, kv: proxy.url, workers: 24, callMs: 1_000 })
    );
    const began = systemClock.monotonic();
    try {
      await Promise.all(appenders.map(({ ready }) => ready));
      const count = () =>
        appenders.reduce((sum, { segments }) => sum + segments.size, 0);
      await torment(proxies, random, FAULTS_MS);
      while (
        count() < COMMITS && systemClock.monotonic() - began < LONGEST_MS
      ) await torment(proxies, random, 2_000);
      const seconds = (systemClock.monotonic() - began) / 1_000;
      const figures = await Promise.all(appenders.map((each) => each.end()));
      const result = await judge(server.url, appenders, `seed ${seed}`);
      print({
        seconds: Math.round(seconds),
        ...result,
        faults: proxies.map(({ done }) => done),
        figures,
      });
      // Commits are the machine's own: a slow one has fewer in the time, and is judged all the same.
      const appends = figures.reduce((sum, one) => sum + one.appends, 0);
      ok(appends >= COMMITS, `seed ${seed}: only ${appends} appends`);
      ok(figures.some(({ foundStored }) => foundStored > 0));
      ok(figures.some(({ fenced }) => fenced > 0));
    } finally {
      await Promise.all(appenders.map((each) => each.kill()));
    }
  },
});

Deno.test({
  name: "appends while denokv is killed three times: lost 0, duplicates 0",
  ignore: denokv === undefined,
  fn: async () => {
    Deno.env.set("DENO_KV_ACCESS_TOKEN", ACCESS_TOKEN);
    await using server = await Denokv.start(denokv ?? "");
    const appenders = ["p0", "p1"].map((name) =>
      new Appender({ name, kv: server.url, workers: 24, callMs: 5_000 })
    );
    try {
      await Promise.all(appenders.map(({ ready }) => ready));
      for (let kill = 0; kill < 3; kill++) {
        await systemClock.sleep(2_000);
        await server.signal("SIGKILL");
        await systemClock.sleep(700);
        await server.start();
      }
      await systemClock.sleep(2_000);
      const figures = await Promise.all(appenders.map((each) => each.end()));
      const result = await judge(server.url, appenders, "killed server");
      print({ kills: 3, ...result, figures });
      ok(figures.every(({ appends }) => appends > 100));
      ok(figures.every(({ worst }) => worst < 5_000));
    } finally {
      await Promise.all(appenders.map((each) => each.kill()));
    }
  },
});

Deno.test({
  name: "appends over a connection that froze go on by a fresh handle",
  ignore: denokv === undefined,
  fn: async () => {
    Deno.env.set("DENO_KV_ACCESS_TOKEN", ACCESS_TOKEN);
    await using server = await Denokv.start(denokv ?? "");
    await using proxy = new FaultyProxy(server.port);
    const appender = new Appender({
      name: "p0",
      kv: proxy.url,
      workers: 24,
      callMs: 5_000,
    });
    try {
      await appender.ready;
      for (let freeze = 0; freeze < 2; freeze++) {
        await systemClock.sleep(1_500);
        proxy.freeze();
        const before = appender.acked.size;
        const end = systemClock.monotonic() + 20_000;
        // What was answered before the freeze may still be on its way here.
        while (appender.acked.size < before + 500) {
          ok(systemClock.monotonic() < end, "it does not go on");
          await systemClock.sleep(20);
        }
      }
      const figures = await appender.end();
      const result = await judge(server.url, [appender], "frozen connection");
      print({ freezes: 2, ...result, figures });
      ok(figures.worst < 8_000, `worst append ${figures.worst} ms`);
    } finally {
      await appender.kill();
    }
  },
});

function print(figures: unknown): void {
  // deno-lint-ignore no-console -- what was measured
  console.log(JSON.stringify(figures));
}
