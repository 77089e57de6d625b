/**
 * One cell of the fault matrix: a connector, a fault, and the demo SIEM, through the real log, loop, client and
 * sockets. Backoffs and time-outs pass on a clock moved by hand.
 */

import assert from "node:assert/strict";
import * as registry from "../../connectors/registry.ts";
import type {
  ConnectorType,
  Sink,
  SinkEnvironment,
} from "../../lib/connector.ts";
import { Fleet } from "../../lib/delivery/fleet.ts";
import { openHttp } from "../../lib/delivery/http_client.ts";
import { openStream } from "../../lib/delivery/stream.ts";
import { EVERY_PROTOCOL } from "../../lib/demo/offer.ts";
import { type DemoSiem, startDemoSiem } from "../../lib/demo/siem.ts";
import { booksOf, type ConnectorBooks } from "../../lib/log/books.ts";
import type { Place } from "../../lib/log/cursor.ts";
import { DeadLetters } from "../../lib/log/dead_kept.ts";
import { takeLease } from "../../lib/log/lease.ts";
import type { EventLog } from "../../lib/log/log.ts";
import { readBooks } from "../../lib/log/places.ts";
import { silentLogger } from "../../lib/logger.ts";
import type { Certificates } from "../support/certificates.ts";
import { SETTINGS } from "../support/delivery_rig.ts";
import { turn } from "../support/drive.ts";
import { Gate } from "../support/gate.ts";
import { intakeOf, openRig } from "../support/log_rig.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { openSink } from "../support/sinks.ts";
import { type Cause, EVENTS, type Expected } from "./table.ts";

export const TYPES: Readonly<Record<string, ConnectorType>> = registry;

/** Milliseconds of the clock in one turn of the event loop: usually, and while nothing but time can go on. */
const STEP = 10, STRIDE = 500;
/** Turns of the event loop that anything may take. */
const TURNS = 3_000;
/** Events that come once the fault is over. */
const AFTER = 2;

/** An OCSF event, so that every format carries its number. */
function event(n: number): string {
  return `{"activity_id":1,"category_uid":6,"class_uid":6003,"type_uid":600301,"time":${
    1_773_360_000_000 + n
  },"severity_id":1,"metadata":{"version":"1.1.0","uid":"evt-${n}","product":{"name":"Arbitex","vendor_name":"Arbitex"}},"actor":{"user":{"uid":"u"}},"api":{"operation":"chat","request":{"uid":"req-${n}"}},"src_endpoint":{"ip":"192.0.2.10"}}`;
}

interface Servers extends AsyncDisposable {
  /** The one that is well, once the fault is over. */
  readonly good: DemoSiem;
  readonly gate: Gate;
  /** Ports behind the gate. */
  readonly goodPort: number;
  readonly badPort: number;
  readonly env: Readonly<Record<string, string>>;
}

async function startServers(
  type: string,
  cause: Cause,
  certificates: Certificates | undefined,
): Promise<Servers> {
  await using stack = new AsyncDisposableStack();
  const isSyslog = type === "qradar";
  const portOf = (siem: DemoSiem) =>
    isSyslog ? Number(new URL(siem.target(type).url).port) : siem.port;
  const pair = cause.way === "certificate" ? certificates : undefined;
  const open = async (shown: keyof Certificates & ("good" | Shown)) =>
    stack.use(
      await startDemoSiem({
        ...pair !== undefined && { tls: { ...pair[shown], name: "localhost" } },
        targets: {
          [type]: isSyslog && pair !== undefined
            ? { protocol: "qradar", transport: "tls" }
            : EVERY_PROTOCOL[type as keyof typeof EVERY_PROTOCOL],
        },
      }),
    );
  const good = await open("good");
  const bad = cause.way === "certificate" ? await open(cause.shown) : good;
  const goodPort = portOf(good), badPort = portOf(bad);
  const gate = stack.use(new Gate(badPort));
  const { prefix } = TYPES[type] ?? assert.fail(type);
  const env = Object.fromEntries(
    Object.entries(good.environment()).map(([name, value]) => [
      name,
      value === String(goodPort)
        ? String(gate.port)
        : value.replace(`:${goodPort}`, `:${gate.port}`),
    ]),
  );
  const ca = stack.adopt(
    await Deno.makeTempFile({ prefix: "hecate-ca-" }),
    (path) => Deno.removeSync(path),
  );
  await Deno.writeTextFile(ca, pair?.ca ?? "");
  const kept = stack.move();
  return {
    good,
    gate,
    goodPort,
    badPort,
    env: pair === undefined ? env : { ...env, [`${prefix}_TLS_CA_BUNDLE`]: ca },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

type Shown = Extract<Cause, { way: "certificate" }>["shown"];

/** Names lead nowhere while `isLost` says so. */
function environment(
  clock: ManualClock,
  isLost: () => boolean,
): Partial<SinkEnvironment> {
  const nowhere = <T extends { readonly url: URL }>(target: T): T => {
    const url = new URL(target.url);
    url.hostname = "nowhere.invalid";
    return { ...target, url };
  };
  const either = (end: AsyncDisposable, other: AsyncDisposable) => async () => {
    await Promise.all([
      end[Symbol.asyncDispose](),
      other[Symbol.asyncDispose](),
    ]);
  };
  const options = { clock };
  return {
    randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
    http: (target) => {
      const there = openHttp(target, options);
      const lost = openHttp(nowhere(target), options);
      const now = () => isLost() ? lost : there;
      return {
        send: (request, signal) => now().send(request, signal),
        way: (signal) => now().way(signal),
        [Symbol.asyncDispose]: either(there, lost),
      };
    },
    stream: (target) => {
      const there = openStream(target, options);
      const lost = openStream(nowhere(target), options);
      const now = () => isLost() ? lost : there;
      return {
        open: (signal) => now().open(signal),
        send: (bytes, signal) => now().send(bytes, signal),
        way: (signal) => now().way(signal),
        [Symbol.asyncDispose]: either(there, lost),
      };
    },
  };
}

/** Runs a cell. @throws {AssertionError} where it differs from what is expected. */
export async function runCell(
  type: string,
  cause: Cause,
  expected: Expected,
  certificates?: Certificates,
): Promise<void> {
  await using servers = await startServers(type, cause, certificates);
  const { good, gate } = servers;
  let isLost = cause.way === "dns";
  const clock = new ManualClock();
  const sink: Sink = openSink(
    TYPES[type] ?? assert.fail(type),
    servers.env,
    clock,
    environment(clock, () => isLost),
  );
  const log = await openRig({ connectors: () => [type] });
  const fleet = new Fleet({
    connectors: [{ name: type, type, sink }],
    source: log,
    takeLease: (name, signal) =>
      takeLease(log, name, { signal, from: "oldest" }),
    settings: SETTINGS,
    clock,
    random: () => 1,
    logger: silentLogger,
  });
  const cell = new Cell(log, fleet, clock, type);
  try {
    await cell.append(0, EVENTS);
    if (cause.way === "shut") await gate.shut();
    if (cause.way === "reply") good.fault(type, cause.fault);
    fleet.start();
    const isSilent = cause.way === "reply" &&
      (cause.fault.kind === "hang" || cause.fault.kind === "drip");
    if (isSilent) {
      await good.target(type).until(() => good.requests(type).length > 0);
    }
    await cell.untilRest(isSilent ? STRIDE : STEP);
    await cell.judge(expected);
    good.clear();
    gate.target = servers.goodPort;
    if (cause.way === "certificate") gate.cut();
    gate.open();
    isLost = false;
    await cell.append(EVENTS, AFTER);
    await cell.untilDecided();
    await cell.judgeEnd(expected, good);
  } finally {
    const stopping = fleet.stop();
    await cell.drive(stopping);
    await log.close();
  }
}

class Cell {
  readonly #log: EventLog;
  readonly #fleet: Fleet;
  readonly #clock: ManualClock;
  readonly #type: string;
  #appended = 0;

  constructor(log: EventLog, fleet: Fleet, clock: ManualClock, type: string) {
    this.#log = log;
    this.#fleet = fleet;
    this.#clock = clock;
    this.#type = type;
  }

  get place(): Place | undefined {
    return this.#fleet.live()[0]?.place;
  }

  async append(first: number, count: number): Promise<void> {
    const { kept } = await this.#log.append(
      intakeOf(Array.from({ length: count }, (_, n) => event(first + n)), {
        receivedAt: this.#clock.now(),
      }),
    );
    assert.equal(kept, count);
    this.#appended += count;
  }

  async books(): Promise<ConnectorBooks> {
    const { places, heads, deltas } = await readBooks(this.#log);
    const place = places.get(this.#type);
    assert.ok(place);
    const books = booksOf(place, heads, deltas.get(this.#type));
    assert.equal(books.difference, 0);
    assert.equal(books.accepted, this.#appended);
    return books;
  }

  get #isDecided(): boolean {
    const books = this.place?.books;
    return books !== undefined &&
      books.delivered + books.dead === this.#appended;
  }

  /** Turns until the loop waits for its SIEM or for events. */
  async untilRest(step: number): Promise<void> {
    await this.#until(
      () => this.#isDecided || (this.place?.nextAttemptAt ?? 0) > 0,
      step,
    );
  }

  async untilDecided(): Promise<void> {
    await this.#until(() => this.#isDecided, STEP, () => {
      const wait = (this.place?.nextAttemptAt ?? 0) - this.#clock.now();
      if (wait > 0) this.#clock.advance(wait);
    });
  }

  async drive(promise: Promise<unknown>): Promise<void> {
    let isOver = false;
    promise.finally(() => isOver = true);
    await this.#until(() => isOver, STEP);
    await promise;
  }

  async #until(
    isTrue: () => boolean,
    step: number,
    also: () => void = () => {},
  ): Promise<void> {
    for (let n = 0; !isTrue(); n++) {
      if (n >= TURNS) {
        assert.fail(`It never came: ${JSON.stringify(this.place)}`);
      }
      await turn();
      if (isTrue()) return;
      also();
      this.#clock.advance(step);
    }
  }

  /** At the first rest. */
  async judge(expected: Expected): Promise<void> {
    const { place } = this;
    assert.ok(place);
    const { state, lastError, nextAttemptAt } = place;
    const books = await this.books();
    const dead = await this.#dead();
    assert.deepEqual(
      {
        state,
        reason: lastError?.reason ?? null,
        dead: dead.map(({ place }) => place),
        delivered: books.delivered,
        waiting: books.waiting,
      },
      {
        state: expected.state,
        reason: expected.reason,
        dead: expected.dead ?? [],
        delivered: expected.delivered ?? 0,
        waiting: EVENTS - (expected.dead?.length ?? 0) -
          (expected.delivered ?? 0),
      },
      lastError?.message,
    );
    assert.ok(
      dead.every(({ reason }) => reason === expected.reason),
      JSON.stringify(dead),
    );
    if (expected.state === "connected") return;
    const wait = (nextAttemptAt ?? 0) - (lastError?.at ?? 0);
    const least = expected.wait ?? 0;
    // Retry-After gets up to a tenth of jitter.
    assert.ok(wait >= least && wait <= least * 1.1, `waits ${wait} ms`);
  }

  /** All is well again, and nothing is owed. */
  async judgeEnd(expected: Expected, siem: DemoSiem): Promise<void> {
    const dead = new Set(expected.dead);
    const owed = Array.from({ length: this.#appended }, (_, n) => n)
      .filter((n) => !dead.has(n));
    const books = await this.books();
    assert.deepEqual(
      {
        state: this.place?.state,
        delivered: books.delivered,
        dead: books.dead,
        waiting: books.waiting,
      },
      {
        state: "connected",
        delivered: owed.length,
        dead: dead.size,
        waiting: 0,
      },
    );
    const came = siem.received(this.#type).map(({ envelope }) =>
      numberIn(envelope)
    );
    assert.deepEqual([...new Set(came)].sort((a, b) => a - b), owed);
    assert.ok(
      came.length === owed.length || expected.twice === true,
      `came more than once: ${came}`,
    );
    assert.deepEqual(siem.target(this.#type).complaints, []);
    if (this.#type === "elastic") {
      // What it stores goes by `_id`: however often an event came, it is there once.
      const stored = new Set(
        siem.received(this.#type).map(({ envelope }) => idIn(envelope)),
      );
      assert.equal(stored.size, owed.length, [...stored].join());
    }
  }

  async #dead() {
    const dead = new DeadLetters({
      store: this.#log.store,
      end: () => this.#log.end(),
    });
    const found = [];
    for await (const { id, reason } of dead.matching({})) {
      found.push({ place: Number(id.split("-")[1]), reason });
    }
    return found.sort((a, b) => a.place - b.place);
  }
}

function numberIn(envelope: Uint8Array | undefined): number {
  const text = new TextDecoder().decode(envelope);
  const [, digits] = /\bevt-(\d+)/.exec(text) ?? [];
  assert.ok(digits !== undefined, text);
  return Number(digits);
}

function idIn(envelope: Uint8Array | undefined): string {
  const record: { id: string } = JSON.parse(new TextDecoder().decode(envelope));
  return record.id;
}
