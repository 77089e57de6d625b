/** Random faults of demo SIEM targets, one after the other, for as long as a test wants them. */

import { systemClock } from "../../lib/clock.ts";
import type { Fault, FaultOptions } from "../../lib/demo/faults.ts";
import type { SeededRandom } from "../../lib/demo/random.ts";
import type { DemoSiem } from "../../lib/demo/siem.ts";

export interface WeatherOptions {
  readonly random: SeededRandom;
  /** Targets that it may hit. */
  readonly names: readonly string[];
  /** Longest time between two faults, and that one lasts, milliseconds. */
  readonly pause: number;
  readonly span: number;
  /**
   * No refusals of events that are taken later: while the relay finds out whether all of a batch are refused, the SIEM
   * may take a later one first.
   */
  readonly isOrderly?: boolean;
  readonly signal: AbortSignal;
}

/** What an HTTP collector does wrong. All can be told from success (garbage with a 200 not everywhere), so nothing may be lost. */
const HTTP: readonly ((random: SeededRandom) => Fault)[] = [
  () => ({ kind: "status", status: 503, retryAfter: 1 }),
  () => ({ kind: "status", status: 429, retryAfter: 1 }),
  () => ({ kind: "status", status: 500 }),
  () => ({ kind: "status", status: 401 }),
  () => ({ kind: "status", status: 404 }),
  (random) => ({ kind: "hang", ms: random.integer(10, 200) }),
  () => ({ kind: "drip", ms: 1 }),
  () => ({ kind: "reset", when: "before" }),
  () => ({ kind: "reset", when: "after" }),
  () => ({ kind: "close" }),
  () => ({ kind: "cut" }),
  () => ({ kind: "html" }),
  () => ({ kind: "redirect", to: "http://127.0.0.1:9/" }),
];
/** Refusals of what is good. */
const REFUSALS: typeof HTTP = [
  () => ({ kind: "status", status: 413 }),
  () => ({ kind: "status", status: 400 }),
  (random) => ({ kind: "reject", events: random.integer(5, 90) }),
];
const CALM_SYSLOG = 0.8;
/** A receiver of syslog: what is silent there cannot be told from success. */
const SYSLOG: readonly ((random: SeededRandom) => Fault)[] = [
  (random) => ({ kind: "close", messages: random.integer(1, 50) }),
  (random) => ({
    kind: "reset",
    when: "after",
    messages: random.integer(1, 50),
  }),
  () => ({ kind: "refuse" }),
];

export interface TourOptions {
  readonly random: SeededRandom;
  readonly names: readonly string[];
  /** How long each fault lasts, milliseconds. */
  readonly span: number;
  readonly signal: AbortSignal;
}

/** Every kind of fault once at every target, one after the other. Resolves, early when aborted, with how many there were. */
export async function tourOfFaults(
  siem: DemoSiem,
  { random, names, span, signal }: TourOptions,
): Promise<number> {
  const targets = names.map((name) => siem.target(name));
  const all = [...HTTP, ...REFUSALS].flatMap((made, n) =>
    targets.flatMap((target) => {
      const isSyslog = target.url.startsWith("tcp:");
      const make = isSyslog ? SYSLOG[n] : made;
      return make === undefined ? [] : [{ target, make }];
    })
  );
  let faults = 0;
  try {
    for (const { target, make } of all) {
      faults++;
      using _armed = target.fault(make(random));
      await target.ready();
      await systemClock.sleep(span, signal);
    }
  } catch (cause) {
    if (!signal.aborted) throw cause;
  }
  return faults;
}

/** Faults until the signal aborts; then all are taken back. Resolves then, with how many there were. */
export async function makeWeather(
  siem: DemoSiem,
  { random, names, pause, span, isOrderly = false, signal }: WeatherOptions,
): Promise<number> {
  let faults = 0;
  const http = isOrderly ? HTTP : [...HTTP, ...REFUSALS];
  try {
    for (;;) {
      await systemClock.sleep(random.integer(0, pause), signal);
      const target = siem.target(random.choose(names));
      const isSyslog = target.url.startsWith("tcp:");
      // A second without a fault is what syslog's deliveries need.
      if (isSyslog && random.next() < CALM_SYSLOG) continue;
      const fault = random.choose(isSyslog ? SYSLOG : http)(random);
      const options: FaultOptions = isSyslog || random.next() < 0.5
        ? {}
        : { requests: random.integer(1, 5) };
      faults++;
      using _armed = target.fault(fault, options);
      await target.ready();
      await systemClock.sleep(random.integer(0, span), signal);
    }
  } catch (cause) {
    if (!signal.aborted) throw cause;
  }
  siem.clear();
  for (const name of names) await siem.target(name).ready();
  return faults;
}
