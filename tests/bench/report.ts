/** The benchmark's table and its targets. */

import type { Figures } from "./run.ts";

const COLUMNS = [
  ["events/s", "rate", 0],
  ["acks/s", "acks", 0],
  ["CPU s/Mev", "cpu", 2],
  ["main", "main", 2],
  ["tools", "tools", 2],
  ["ack p50 ms", "ackP50", 2],
  ["p99", "ackP99", 2],
  ["dest p50 ms", "p50", 2],
  ["p99", "p99", 2],
  ["peak MB", "rss", 0],
  ["lag reads", "lagReads", 0],
] as const;

/** Prints a line. */
export function print(line = ""): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** The middle one. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** The medians of each figure; of memory and lag reads the worst. */
export function medians(rounds: readonly Figures[]): Figures {
  const of = (name: keyof Figures) => median(rounds.map((f) => f[name]));
  const worst = (name: keyof Figures) =>
    Math.max(...rounds.map((f) => f[name]));
  return {
    events: of("events"),
    rate: of("rate"),
    acks: of("acks"),
    cpu: of("cpu"),
    main: of("main"),
    tools: of("tools"),
    ackP50: of("ackP50"),
    ackP99: of("ackP99"),
    p50: of("p50"),
    p99: of("p99"),
    rss: worst("rss"),
    lagReads: worst("lagReads"),
  };
}

/** One line of the table. */
export function row(name: string, figures: Figures): string {
  return name.padEnd(8) + COLUMNS.map(([title, key, digits]) => {
    const value = key === "rss" ? figures.rss / 1e6 : figures[key];
    return value.toFixed(digits).padStart(Math.max(8, title.length + 1));
  }).join("");
}

/** One target: what it is, the figure, whether it holds. */
export const targets: { name: string; figure: string; holds: boolean }[] = [];

/** Notes a target and what was found. */
export function target(
  name: string,
  figure: number,
  bound: { least?: number; most?: number; unit?: string },
): void {
  const { least = -Infinity, most = Infinity, unit = "" } = bound;
  targets.push({
    name: `${name} ${most === Infinity ? `≥ ${least}` : `≤ ${most}`}${unit}`,
    figure: `${figure.toFixed(figure >= 100 ? 0 : 2)}${unit}`,
    holds: figure >= least && figure <= most,
  });
}

/** The names of the columns, above the rows. */
export function heading(): string {
  return " ".repeat(8) +
    COLUMNS.map(([title]) => title.padStart(Math.max(8, title.length + 1)))
      .join("");
}
