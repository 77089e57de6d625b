/** What a crash campaign knows: what was sent and acked, what came where, and what that proves. */

import { numberedEvent, numberOf } from "../fixtures/events.ts";
import { SentBooks } from "../support/sent_books.ts";

/** The most events that one batch carries, and so the most that a kill may repeat at a connector. */
export const BATCH_EVENTS = 100;

/** What came at one connector. */
interface Arrivals {
  /** Numbers in the order of arrival. */
  readonly numbers: number[];
  /** The life of the relay that each came from: a life ends with a kill. */
  readonly lives: number[];
  readonly seen: Set<number>;
  readonly lifeOfConnection: Map<number, number>;
  /** Acked events that have not come. */
  missing: number;
}

export class CampaignBooks extends SentBooks {
  readonly #seed: number;
  readonly #arrivals = new Map<string, Arrivals>();
  /** Number of the relay's present life. */
  life = 0;

  constructor(seed: number, connectors: readonly string[]) {
    super();
    this.#seed = seed;
    for (const connector of connectors) {
      this.#arrivals.set(connector, {
        numbers: [],
        lives: [],
        seen: new Set(),
        lifeOfConnection: new Map(),
        missing: 0,
      });
    }
  }

  override ack(first: number, count: number): void {
    super.ack(first, count);
    for (let n = first; n < first + count; n++) {
      for (const here of this.#arrivals.values()) {
        if (!here.seen.has(n)) here.missing++;
      }
    }
  }

  /** An event came at a connector, over this connection of the SIEM. */
  arrive(connector: string, event: Uint8Array, connection: number): void {
    const here = this.#of(connector);
    const number = numberOf(event);
    const text = new TextDecoder().decode(event);
    const sent = numberedEvent(this.#seed, number);
    // hec's records are lines: line breaks between tokens are left out there (interface §3).
    const wanted = connector === "hec" ? sent.replaceAll("\n", "") : sent;
    if (!(number < this.sent) || text !== wanted) {
      return this.fault(
        `${connector} got an event that was never sent: ${text}`,
      );
    }
    const life = here.lifeOfConnection.get(connection) ?? this.life;
    here.lifeOfConnection.set(connection, life);
    here.numbers.push(number);
    here.lives.push(life);
    if (!here.seen.has(number) && this.isAcked(number)) here.missing--;
    here.seen.add(number);
  }

  /** How many acked events have not come there yet. */
  missing(connector: string): number {
    return this.#of(connector).missing;
  }

  /** How many different events came there. */
  distinct(connector: string): number {
    return this.#of(connector).seen.size;
  }

  /** Repeated events there. */
  repeated(connector: string): number {
    const { numbers, seen } = this.#of(connector);
    return numbers.length - seen.size;
  }

  /** Judges everything. Empty: all promises were kept. */
  faults(): readonly string[] {
    for (const connector of this.#arrivals.keys()) {
      const { seen } = this.#of(connector);
      const missing = this.ackedWithout((number) => seen.has(number));
      if (missing.length > 0) {
        this.fault(
          `${connector} lacks ${missing.length} acked events, first ${
            missing[0]
          }`,
        );
      }
      // A set keeps the order of first arrival.
      this.judgeProducers(connector, seen);
      this.#judgeLives(connector);
    }
    const [first, ...others] = [...this.#arrivals.keys()];
    for (const other of others) this.#compare(String(first), other);
    return this.noted;
  }

  /**
   * Within one life a connector gets the log from some place on, without gap or repeat. That place is at most one
   * batch behind the furthest that it had before, and never beyond it.
   */
  #judgeLives(connector: string): void {
    const { numbers, lives } = this.#of(connector);
    const places = new Map<number, number>();
    const expected = new Map<number, number>();
    numbers.forEach((number, at) => {
      const life = lives[at] ?? 0;
      const isNew = !places.has(number);
      const place = places.get(number) ?? places.size;
      if (isNew) places.set(number, place);
      const due = expected.get(life);
      if (due === undefined) {
        const repeats = isNew ? 0 : places.size - place;
        if (repeats > BATCH_EVENTS) {
          this.fault(`${connector}: life ${life} repeated ${repeats} events`);
        }
      } else if (due !== place) {
        this.fault(
          `${connector}: in life ${life} event ${number} came at place ${place}, not ${due}`,
        );
      }
      expected.set(life, place + 1);
    });
  }

  #compare(one: string, other: string): void {
    const left = [...this.#of(one).seen], right = [...this.#of(other).seen];
    const at = left.findIndex((number, place) => number !== right[place]);
    if (at >= 0 || left.length !== right.length) {
      this.fault(
        `${one} (${left.length}) and ${other} (${right.length}) differ at place ${at}: ${
          left[at]
        }, ${right[at]}`,
      );
    }
  }

  #of(connector: string): Arrivals {
    const arrivals = this.#arrivals.get(connector);
    if (arrivals === undefined) throw new RangeError(`No ${connector} here`);
    return arrivals;
  }
}
