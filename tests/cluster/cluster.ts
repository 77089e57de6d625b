/** Relays over one real `denokv`, a demo SIEM behind them and producers before them. */

import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock.ts";
import { type SeededRandom, seededRandom } from "../../lib/demo/random.ts";
import { type DemoSiem, startDemoSiem } from "../../lib/demo/siem.ts";
import { poll } from "../support/poll.ts";
import { type RelayProcess, startRelay } from "../support/processes.ts";
import { connect } from "../support/raw_http.ts";
import type { StatusRow } from "../support/status_rows.ts";
import { ACCESS_TOKEN, Denokv } from "./denokv.ts";
import { RelayBooks } from "./relay_books.ts";

export const CONNECTORS = ["splunk", "crowdstrike", "hec"];

export interface Status {
  readonly instance: string;
  readonly connectors: readonly StatusRow[];
}

export class Cluster implements AsyncDisposable {
  readonly books: RelayBooks;
  readonly random: SeededRandom;
  readonly relays = new Map<string, RelayProcess>();
  /** The longest that a request waited for its 200, milliseconds. */
  slowest = 0;
  readonly #producing: Promise<void>[] = [];
  readonly #stop = new AbortController();

  private constructor(
    readonly seed: number,
    readonly server: Denokv,
    readonly siem: DemoSiem,
    books: RelayBooks,
  ) {
    this.books = books;
    this.random = seededRandom(seed);
  }

  static async start(binary: string, seed: number): Promise<Cluster> {
    const books = new RelayBooks(seed, CONNECTORS);
    const server = await Denokv.start(binary);
    const siem = await startDemoSiem({
      memory: { arrivals: 0, bytes: 0, requests: 10 },
      onArrival: ({ name }, { event }) =>
        books.arrive(name, event ?? new Uint8Array()),
    });
    return new Cluster(seed, server, siem, books);
  }

  /** Starts a relay. `kv`: by default the server itself. */
  async relay(
    instance: string,
    kv: string = this.server.url,
  ): Promise<RelayProcess> {
    const relay = await startRelay({
      env: {
        ...this.siem.environment(),
        HECATE_KV: kv,
        DENO_KV_ACCESS_TOKEN: ACCESS_TOKEN,
        HECATE_INSTANCE: instance,
        HECATE_TOKENS: "cluster=hct_good",
        HECATE_ADMIN_TOKEN: "hca_good",
      },
    });
    this.relays.set(instance, relay);
    return relay;
  }

  of(instance: string): RelayProcess {
    const relay = this.relays.get(instance);
    if (relay === undefined) throw new RangeError(`No relay ${instance}`);
    return relay;
  }

  async status(instance: string): Promise<Status> {
    const reply = await fetch(`${this.of(instance).url}/api/v1/status`, {
      headers: { authorization: "Bearer hca_good" },
      signal: AbortSignal.timeout(10_000),
    });
    assert.equal(reply.status, 200, await reply.clone().text());
    return await reply.json();
  }

  /**
   * Waits until a relay behind a frozen connection answers again: 503 meanwhile. @returns how long that took, in
   * milliseconds
   */
  async answers(instance: string): Promise<number> {
    const began = systemClock.monotonic();
    const isAway = () => this.status(instance).then(() => false, () => true);
    while (await isAway()) {
      assert.ok(
        systemClock.monotonic() - began < 20_000,
        `${instance} never answered again`,
      );
    }
    return systemClock.monotonic() - began;
  }

  /** By connector its holder, as one relay says. */
  async holders(instance: string): Promise<Map<string, string | null>> {
    const { connectors } = await this.status(instance);
    return new Map(connectors.map(({ name, holder }) => [name, holder]));
  }

  /** Milliseconds until the holders are as wanted, as one relay says. */
  async until(
    asked: string,
    isWanted: (holders: ReadonlyMap<string, string | null>) => boolean,
    timeout = 60_000,
  ): Promise<number> {
    const began = systemClock.monotonic();
    await poll(async () => {
      const holders = await this.holders(asked);
      return isWanted(holders) ? holders : undefined;
    }, { timeout });
    return Math.round(systemClock.monotonic() - began);
  }

  /** Producers that post to one relay, and go on with new events when a request fails, until `quiet`. */
  produce(instance: string, count: number): void {
    const { signal } = this.#stop;
    const { port } = this.of(instance);
    for (let n = 0; n < count; n++) {
      const sender = this.#producing.length;
      this.#producing.push((async () => {
        while (!signal.aborted) {
          try {
            using client = await connect(port);
            // A request that hangs for ever (a relay that stands still) ends with the run.
            const end = () => client[Symbol.dispose]();
            signal.addEventListener("abort", end, { once: true });
            while (!signal.aborted) {
              const size = this.random.integer(1, 20);
              const { first, body } = this.books.make(size, sender);
              const began = systemClock.monotonic();
              await client.post("/services/collector/event", body);
              const { status } = await client.reply();
              if (status === 200) this.books.ack(first, size);
              this.slowest = Math.max(
                this.slowest,
                systemClock.monotonic() - began,
              );
              await systemClock.sleep(this.random.integer(5, 30));
            }
            signal.removeEventListener("abort", end);
          } catch {
            await systemClock.sleep(100);
          }
        }
      })());
    }
  }

  /** Ends the producers, waits until everything has come, and judges all books. */
  async judge(asked: string): Promise<void> {
    this.#stop.abort(new Error("over"));
    await Promise.all(this.#producing);
    const context = () =>
      `seed ${this.seed}\n${
        [...this.relays].map(([name, relay]) =>
          `${name}:\n${relay.stdout().slice(-4_000)}${
            relay.stderr().slice(-2_000)
          }`
        ).join("\n")
      }`;
    await poll(async () => {
      const { connectors } = await this.status(asked);
      return connectors.every(({ name, waiting }) =>
          waiting === 0 && this.books.missing(name) === 0
        )
        ? true
        : undefined;
    }, { timeout: 60_000 }).catch((cause: Error) => {
      throw new Error(`${cause.message}, ${context()}`);
    });
    assert.deepEqual(this.books.faults(), [], context());
    const { connectors } = await this.status(asked);
    for (const row of connectors) {
      const { name, filtered, dead, discarded, expired, waiting } = row;
      const came = this.books.distinct(name);
      assert.deepEqual(
        { accepted: row.accepted, delivered: row.delivered },
        { accepted: came, delivered: came },
        `${name}: ${context()}`,
      );
      assert.equal(filtered + dead + discarded + expired + waiting, 0);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("over"));
    for (const relay of this.relays.values()) await relay.kill();
    await Promise.all(this.#producing);
    await this.siem[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}
