import assert from "node:assert/strict";
import { type DemoSiem, startDemoSiem } from "../lib/demo/siem.ts";
import { KafkaSink, VectorSink } from "./support/ack_clients.ts";
import { seeded } from "./support/log_rig.ts";
import { poll } from "./support/poll.ts";
import {
  freePort,
  type RelayProcess,
  startRelay,
} from "./support/processes.ts";
import { testSeed } from "./support/seed.ts";

/** Acks of the relay as a program: `true` means that the SIEMs have it, whatever happens in between. */

const decoder = new TextDecoder();
const NAMES = ["splunk", "hec"];

/** What has come to every SIEM, by the event's text. */
class Arrived {
  readonly #at = new Map<string, Set<string>>();

  note(siem: string, event: Uint8Array | undefined): void {
    const text = decoder.decode(event);
    const names = this.#at.get(text) ?? new Set();
    this.#at.set(text, names.add(siem));
  }

  everywhere(events: readonly string[]): boolean {
    return events.every((event) => this.#at.get(event)?.size === NAMES.length);
  }
}

/** A relay with two SIEMs that can be killed and started again on the same files and port. */
class Scene implements AsyncDisposable {
  readonly arrived = new Arrived();
  readonly #folder: string;
  readonly #env: Record<string, string>;
  readonly #port: number;
  #relay: RelayProcess;
  readonly siem: DemoSiem;

  private constructor(
    parts: Pick<Scene, "siem" | "arrived"> & {
      readonly folder: string;
      readonly env: Record<string, string>;
      readonly relay: RelayProcess;
      readonly port: number;
    },
  ) {
    this.siem = parts.siem;
    this.arrived = parts.arrived;
    this.#folder = parts.folder;
    this.#env = parts.env;
    this.#relay = parts.relay;
    this.#port = parts.port;
  }

  static async open(): Promise<Scene> {
    const arrived = new Arrived();
    const siem = await startDemoSiem({
      targets: {
        splunk: { protocol: "splunk" },
        hec: { protocol: "hec" },
      },
      onArrival: ({ name }, { event }) => arrived.note(name, event),
    });
    const folder = await Deno.makeTempDir({ prefix: "hecate-ack-" });
    const env = {
      ...siem.environment(),
      HECATE_KV: `${folder}/hecate.kv`,
      HECATE_TOKENS: JSON.stringify([
        { name: "edr", value: "hct_edr", ack: true },
      ]),
      HECATE_ADMIN_TOKEN: "hca_edr",
      HECATE_RETRY_INITIAL: "10ms",
      HECATE_RETRY_MAX: "40ms",
      HECATE_PROBE_INITIAL: "20ms",
      HECATE_PROBE_MAX: "40ms",
      HECATE_TIMEOUT: "500ms",
    };
    const port = freePort();
    const relay = await startRelay({ env, port });
    return new Scene({ siem, arrived, folder, env, relay, port });
  }

  readonly client = { url: () => this.#relay.url, token: "hct_edr" };

  async kill(): Promise<void> {
    await this.#relay.kill();
    this.#relay = await startRelay({ env: this.#env, port: this.#port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relay[Symbol.asyncDispose]();
    await this.siem[Symbol.asyncDispose]();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

function batch(first: number, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `{"n":${first + n}}`);
}

Deno.test("acks as Vector uses them: false while a SIEM is held, true once all have the events", async () => {
  await using scene = await Scene.open();
  const { siem, arrived } = scene;
  const vector = new VectorSink(scene.client);
  assert.ok(await vector.isHealthy());
  // One of the two is slow: what the other has is not delivered.
  siem.fault("splunk", { kind: "status", status: 503 });
  for (let n = 0; n < 40; n++) await vector.send(batch(n * 5, 5));
  await siem.target("hec").until(200);
  for (let tick = 0; tick < 5; tick++) await vector.tick();
  assert.equal(vector.pending.size, 40);
  siem.clear();
  await siem.target("splunk").until(200);
  await poll(async () => {
    await vector.tick();
    // Each stands for one of every 10 s: the places follow the answers within milliseconds.
    for (const one of vector.pending.values()) one.polls = 0;
    for (const events of vector.delivered) {
      assert.ok(arrived.everywhere(events));
    }
    return vector.pending.size === 0 || undefined;
  });
  assert.deepEqual([vector.hasGivenUp, vector.rejected], [false, []]);
  assert.equal(vector.delivered.length, 40);
});

Deno.test("hec row 72: acks as Kafka Connect uses them, over a kill: no cookie, no id twice, nothing outstanding at the end", async () => {
  await using scene = await Scene.open();
  const { siem, arrived } = scene;
  const kafka = new KafkaSink(scene.client);
  assert.ok(await kafka.check());
  siem.fault("hec", { kind: "hang" });
  for (let n = 0; n < 20; n++) await kafka.send(batch(n * 10, 10));
  await kafka.poll();
  assert.ok(kafka.outstanding.size >= 20);
  await scene.kill();
  await kafka.poll();
  assert.ok(kafka.outstanding.size >= 20, "true of what a SIEM does not have");
  for (let n = 20; n < 40; n++) await kafka.send(batch(n * 10, 10));
  siem.clear();
  await poll(async () => {
    await kafka.poll();
    return kafka.outstanding.size === 0 || undefined;
  });
  assert.deepEqual(kafka.faults, []);
  assert.equal(kafka.committed.length, 41);
  // Lines of text are JSON strings at these SIEMs.
  for (const events of kafka.committed) {
    const texts = events.map((event) => JSON.stringify(event));
    assert.ok(arrived.everywhere(texts), texts[0]);
  }
});

Deno.test("random posts, polls, faults and kills: no id twice, no true before the SIEMs have it, all true at the end", async () => {
  const random = seeded(testSeed("acks"));
  const below = (limit: number) => Math.floor(random() * limit);
  await using scene = await Scene.open();
  const { siem, arrived } = scene;
  const vectors = [0, 1, 2].map(() => new VectorSink(scene.client));
  /** By channel and id. */
  const given = new Map<string, readonly string[]>();
  let next = 0, kills = 0;
  const send = async (vector: VectorSink) => {
    const events = batch(next, 1 + below(30));
    next += events.length;
    await vector.send(events);
  };
  for (let step = 0; step < 400; step++) {
    const vector = vectors[below(3)] as VectorSink;
    const dice = random();
    if (dice < 0.55) {
      const before = new Set(vector.pending.keys());
      // Some at once, so that their ids come in one commit.
      await Promise.all(
        Array.from({ length: 1 + below(6) }, () => send(vector)),
      );
      for (const [id, { events }] of vector.pending) {
        if (before.has(id)) continue;
        const key = `${vector.channel} ${id}`;
        assert.ok(!given.has(key), `${key} came twice`);
        given.set(key, events);
      }
    } else if (dice < 0.85) {
      const had = vector.delivered.length;
      await vector.tick();
      for (const one of vector.pending.values()) one.polls = 0;
      for (const events of vector.delivered.slice(had)) {
        assert.ok(arrived.everywhere(events), "true before it arrived");
      }
    } else if (dice < 0.96) {
      const name = NAMES[below(2)] as string;
      siem.clear(name);
      if (below(3) > 0) {
        siem.fault(name, {
          kind: "reset",
          when: below(2) === 0 ? "before" : "after",
        }, { requests: 1 + below(20) });
      }
    } else if (kills < 6) {
      kills++;
      await scene.kill();
    }
  }
  siem.clear();
  const posts = given.size;
  for (const vector of vectors) {
    await poll(async () => {
      await vector.tick();
      for (const one of vector.pending.values()) one.polls = 0;
      return vector.pending.size === 0 || undefined;
    });
    assert.deepEqual([vector.hasGivenUp, vector.rejected], [false, []]);
    for (const events of vector.delivered) {
      assert.ok(arrived.everywhere(events));
    }
  }
  assert.equal(
    vectors.reduce((sum, { delivered }) => sum + delivered.length, 0),
    posts,
  );
  assert.ok(posts > 100, `only ${posts} posts`);
});
