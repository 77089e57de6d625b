/** What a storm knows: what was sent, acked and told, what came where or died, and what that proves. */

import { numberedEvent, numberOf } from "../fixtures/events.ts";
import { SentBooks } from "../support/sent_books.ts";

/** The event with this number: OCSF, so that every connector sends it as it is; always the same. */
export function stormEvent(seed: number, n: number): string {
  return `{"n":${n},"metadata":{"version":"1.1.0","uid":"evt-${n}.","product":{"name":"Storm","vendor_name":"Hecate"}},"activity_id":1,"category_uid":6,"class_uid":6003,"type_uid":600301,"time":${
    1_773_360_000_000 + n
  },"severity_id":1,"api":{"operation":"storm"},"actor":{"user":{"uid":"u"}},"src_endpoint":{"ip":"192.0.2.10"},"unmapped":${
    numberedEvent(seed, n)
  }}`;
}

/** The text of an event as a connector sent it, without what its format adds; undefined: its bytes do not leave. */
const TEXTS: Readonly<
  Record<string, (text: string) => string | undefined>
> = {
  elastic: (text) => text.replace(/^\{"@timestamp":"[^"]*",/, "{"),
  qradar: () => undefined,
};

interface Connector {
  /** Numbers by first arrival. */
  readonly order: number[];
  readonly came: Set<number>;
  /** Dead letters that were seen. */
  readonly dead: Set<number>;
  arrivals: number;
}

export class StormBooks extends SentBooks {
  readonly #seed: number;
  readonly #connectors = new Map<string, Connector>();
  /** Ack ids that were told to be true. */
  told = 0;

  constructor(seed: number, connectors: readonly string[]) {
    super();
    this.#seed = seed;
    for (const name of connectors) {
      this.#connectors.set(name, {
        order: [],
        came: new Set(),
        dead: new Set(),
        arrivals: 0,
      });
    }
  }

  arrive(name: string, event: Uint8Array, envelope: Uint8Array): void {
    const here = this.#of(name);
    here.arrivals++;
    const text = new TextDecoder().decode(event);
    const number = this.#check(name, text, event, envelope);
    if (number === undefined || here.came.has(number)) return;
    here.came.add(number);
    // A dead letter that was replayed comes whenever it does.
    if (!here.dead.has(number)) here.order.push(number);
  }

  /** A dead letter's record, as it is exported: one line. */
  die(name: string, line: string): void {
    const number = Number(/\bevt-(\d+)\./.exec(line)?.[1]);
    if (!(number < this.sent)) {
      return this.fault(`${name}: a dead letter of no event: ${line}`);
    }
    // There a line break between tokens is a blank.
    const sent = stormEvent(this.#seed, number).replaceAll("\n", " ");
    if (!line.includes(sent)) {
      this.fault(`${name}: the dead letter of ${number} is changed: ${line}`);
    }
    this.#of(name).dead.add(number);
  }

  /** Acked events that neither came there nor died. */
  missing(name: string): number[] {
    const { came, dead } = this.#of(name);
    return this.ackedWithout((n) => came.has(n) || dead.has(n));
  }

  /**
   * Those of a request that is said to be delivered, at any of these connectors that answers: what a receiver of syslog
   * took may lie in its socket until it looks.
   */
  owed(
    first: number,
    count: number,
    connectors: ReadonlySet<string>,
  ): string[] {
    const owed: string[] = [];
    for (const [name, { came, dead }] of this.#connectors) {
      if (name === "qradar" || !connectors.has(name)) continue;
      for (let n = first; n < first + count; n++) {
        if (!came.has(n) && !dead.has(n)) owed.push(`${name}: ${n}`);
      }
    }
    return owed;
  }

  /** By connector: different events that came, those that came again, and those that died. */
  figures(): Record<string, readonly [number, number, number]> {
    return Object.fromEntries(
      [...this.#connectors].map(([name, { came, arrivals, dead }]) => [
        name,
        [came.size, arrivals - came.size, dead.size],
      ]),
    );
  }

  /** Judges everything. Empty: all promises were kept. */
  faults(): readonly string[] {
    for (const name of this.#connectors.keys()) {
      const missing = this.missing(name);
      if (missing.length > 0) {
        this.fault(`${name} lacks ${missing.length}, first ${missing[0]}`);
      }
      this.judgeProducers(name, this.#of(name).order);
    }
    const [first, ...others] = [...this.#connectors.keys()];
    for (const other of others) this.#compare(String(first), other);
    return this.noted;
  }

  #check(
    name: string,
    text: string,
    event: Uint8Array,
    envelope: Uint8Array,
  ): number | undefined {
    const own = TEXTS[name] ?? ((text: string) => text);
    const shown = own(text);
    const number = shown === undefined
      ? Number(
        /\bevt-(\d+)\./.exec(new TextDecoder().decode(envelope))?.[1],
      )
      : numberOf(new TextEncoder().encode(shown));
    const isSent = number < this.sent && (shown === undefined ||
      flat(shown) === flat(stormEvent(this.#seed, number)));
    if (isSent) return number;
    this.fault(`${name} got what was never sent: ${text || event.length}`);
    return undefined;
  }

  /** What came at both came in one order. */
  #compare(one: string, other: string): void {
    const left = this.#of(one), right = this.#of(other);
    const common = ({ order }: Connector, than: Connector) =>
      order.filter((n) => than.came.has(n) && !than.dead.has(n));
    const a = common(left, right), b = common(right, left);
    const both = new Set(b);
    const x = a.filter((n) => both.has(n)), ours = new Set(x);
    const y = b.filter((n) => ours.has(n));
    const at = x.findIndex((n, place) => n !== y[place]);
    if (at >= 0) {
      this.fault(
        `${one} and ${other} differ at place ${at}: ${x[at]}, ${y[at]}`,
      );
    }
  }

  #of(name: string): Connector {
    const connector = this.#connectors.get(name);
    if (connector === undefined) throw new RangeError(`No ${name} here`);
    return connector;
  }
}

/** Line breaks between tokens may go on the way (interface §3). */
function flat(text: string): string {
  return text.replaceAll("\n", "");
}
