/** What a run of several relays knows: what was sent and acked, what came where, and what that proves. */

import { numberedEvent, numberOf } from "../fixtures/events.ts";
import { SentBooks } from "../support/sent_books.ts";

/** The most events that one batch carries. */
const BATCH_EVENTS = 100;

interface Arrivals {
  /** Different events in the order in which each came first, and each one's place there. */
  readonly first: number[];
  readonly places: Map<number, number>;
  repeated: number;
  missing: number;
}

export class RelayBooks extends SentBooks {
  readonly #seed: number;
  readonly #arrivals = new Map<string, Arrivals>();

  constructor(seed: number, connectors: readonly string[]) {
    super();
    this.#seed = seed;
    for (const connector of connectors) {
      this.#arrivals.set(connector, {
        first: [],
        places: new Map(),
        repeated: 0,
        missing: 0,
      });
    }
  }

  /** The bodies of `count` new events, and the number of the first. */
  make(count: number, sender: number): { first: number; body: string } {
    const first = this.reserve(count, sender);
    let body = "";
    for (let n = first; n < first + count; n++) {
      body += `{"event":${numberedEvent(this.#seed, n)}}\n`;
    }
    return { first, body };
  }

  override ack(first: number, count: number): void {
    super.ack(first, count);
    for (let n = first; n < first + count; n++) {
      for (const here of this.#arrivals.values()) {
        if (!here.places.has(n)) here.missing++;
      }
    }
  }

  arrive(connector: string, event: Uint8Array): void {
    const here = this.#of(connector);
    const number = numberOf(event);
    const sent = numberedEvent(this.#seed, number);
    // hec's records are lines: line breaks between tokens are left out there (interface §3).
    const wanted = connector === "hec" ? sent.replaceAll("\n", "") : sent;
    if (!(number < this.sent) || new TextDecoder().decode(event) !== wanted) {
      this.fault(`${connector} got what was never sent, number ${number}`);
      return;
    }
    const place = here.places.get(number);
    if (place === undefined) {
      here.places.set(number, here.first.length);
      here.first.push(number);
      if (this.isAcked(number)) here.missing--;
      return;
    }
    here.repeated++;
    const behind = here.first.length - place;
    // The batch that was in flight at a take-over, and at most what the new holder sent before the old one's ended.
    if (behind > 3 * BATCH_EVENTS) {
      this.fault(`${connector}: ${number} came again ${behind} events later`);
    }
  }

  missing(connector: string): number {
    return this.#of(connector).missing;
  }

  distinct(connector: string): number {
    return this.#of(connector).first.length;
  }

  /** By connector: events that came again. */
  repeats(): Record<string, number> {
    return Object.fromEntries(
      [...this.#arrivals].map(([name, { repeated }]) => [name, repeated]),
    );
  }

  /** Judges everything. Empty: all promises were kept. */
  faults(): readonly string[] {
    const [model] = this.#arrivals.values();
    for (const [connector, { first, places }] of this.#arrivals) {
      const missing = this.ackedWithout((number) => places.has(number));
      if (missing.length > 0) {
        this.fault(
          `${connector} lacks ${missing.length} acked, first ${missing[0]}`,
        );
      }
      // One whose request was not answered may be stored behind its successors.
      this.judgeProducers(connector, first.filter((n) => this.isAcked(n)));
      const at = first.findIndex((number, n) => number !== model?.first[n]);
      if (at >= 0) this.fault(`${connector}: another order from ${at} on`);
    }
    return this.noted;
  }

  #of(connector: string): Arrivals {
    const arrivals = this.#arrivals.get(connector);
    if (arrivals === undefined) throw new RangeError(`No ${connector} here`);
    return arrivals;
  }
}
