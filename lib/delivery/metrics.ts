/**
 * The figures as Prometheus reads them (text format 0.0.4), from the same records as status, so that every process
 * answers alike and counters only grow; warnings alone are counted in the memory of a connector's holder, which tells the
 * others, and begin at 0 with it. Labels come from closed sets: connectors, states, the words of the books.
 */

import type { ReplayTotals } from "../log/job_totals.ts";
import type { ConnectorReport, StatusReport } from "./status.ts";

/** A metric of the table: console-and-cli §5. */
interface Metric {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly help: string;
  readonly samples: readonly Sample[];
}

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

const PLACES = [
  "accepted",
  "delivered",
  "filtered",
  "dead",
  "discarded",
  "waiting",
  "expired",
] as const;
const STATES = [
  "waiting",
  "connected",
  "retrying",
  "held",
  "disabled",
] as const;

const REPLAY_STATES = ["running", "paused", "finished", "stopped"] as const;
const OUTCOMES = ["delivered", "filtered", "dead", "skipped"] as const;

/** What this process is. */
export interface Build {
  /** Of Deno. */
  readonly deno: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/** The whole page. `replays`: absent where there are none. */
export function metricsText(
  report: StatusReport,
  build: Build,
  replays?: ReplayTotals,
): string {
  return [
    ...metricsOf(report, build),
    ...replays === undefined ? [] : replayMetrics(report, replays),
  ].map(written).join("");
}

function replayMetrics(
  { connectors }: StatusReport,
  { states, events }: ReplayTotals,
): Metric[] {
  return [
    {
      name: "hecate_replays",
      type: "gauge",
      help: "Replays by state; ended ones for 30 days.",
      samples: REPLAY_STATES.map((state) => ({
        labels: { state },
        value: states[state],
      })),
    },
    {
      name: "hecate_replay_events_total",
      type: "counter",
      help: "Events that replays decided.",
      samples: connectors.flatMap(({ name }) =>
        OUTCOMES.map((outcome) => ({
          labels: { connector: name, outcome },
          value: events.get(name)?.[outcome] ?? 0,
        }))
      ),
    },
  ];
}

function metricsOf(report: StatusReport, { deno, now }: Build): Metric[] {
  const { log, connectors, version } = report;
  const each = (value: (one: ConnectorReport) => number): Sample[] =>
    connectors.map((one) => ({
      labels: { connector: one.name },
      value: value(one),
    }));
  const single = (value: number): Sample[] => [{ value }];
  const age = (at: string | null) =>
    at === null ? 0 : Math.max(0, (now - Date.parse(at)) / 1000);
  const gauge = (name: string, help: string, samples: readonly Sample[]) => ({
    name,
    type: "gauge" as const,
    help,
    samples,
  });
  const counter = (name: string, help: string, samples: readonly Sample[]) => ({
    ...gauge(name, help, samples),
    type: "counter" as const,
  });
  return [
    gauge("hecate_build_info", "The program that answers.", [{
      labels: { version, deno },
      value: 1,
    }]),
    gauge("hecate_log_events", "Events kept.", single(log.events)),
    gauge("hecate_log_bytes", "Bytes stored for them.", single(log.bytes)),
    gauge(
      "hecate_log_oldest_timestamp_seconds",
      "When the oldest kept event came; 0: none.",
      single(seconds(log.oldest)),
    ),
    gauge(
      "hecate_log_full",
      "1 while producers are refused for want of room.",
      single(log.full ? 1 : 0),
    ),
    gauge(
      "hecate_log_damaged_segments",
      "Segments in the log that were set aside as damaged.",
      single(log.damaged),
    ),
    gauge(
      "hecate_connector_books_events",
      "The books: accepted = delivered + filtered + dead + discarded + waiting + expired.",
      connectors.flatMap((one) =>
        PLACES.map((place) => ({
          labels: { connector: one.name, place },
          value: one[place],
        }))
      ),
    ),
    gauge(
      "hecate_connector_books_difference_events",
      "accepted less the other six. Must be 0.",
      each(({ difference }) => difference),
    ),
    gauge(
      "hecate_dead_letters",
      "Dead letters now.",
      each(({ dead }) => dead),
    ),
    gauge(
      "hecate_connector_state",
      "1 for the state that the connector is in.",
      connectors.flatMap((one) =>
        STATES.map((state) => ({
          labels: { connector: one.name, state },
          value: one.state === state ? 1 : 0,
        }))
      ),
    ),
    gauge(
      "hecate_connector_lag_events",
      "Events that wait.",
      each(({ waiting }) => waiting),
    ),
    gauge(
      "hecate_connector_lag_seconds",
      "How long the oldest of them has waited.",
      each(({ oldest_waiting }) => age(oldest_waiting)),
    ),
    gauge(
      "hecate_connector_last_delivery_timestamp_seconds",
      "When the SIEM last took something; 0: never.",
      each(({ last_success }) => seconds(last_success)),
    ),
    gauge(
      "hecate_connector_next_attempt_timestamp_seconds",
      "When the next attempt is due; 0: none is.",
      each(({ next_attempt_at }) => seconds(next_attempt_at)),
    ),
    counter(
      "hecate_delivery_events_total",
      "Events that the SIEM took.",
      each(({ delivered }) => delivered),
    ),
    counter(
      "hecate_delivery_warnings_total",
      "Answers that took events and warned, since the holder began.",
      each(({ warned }) => warned.answers),
    ),
    counter(
      "hecate_delivery_aside_events_total",
      "Events that the SIEM took but put elsewhere (Elastic's failure store), since the holder began.",
      each(({ warned }) => warned.aside),
    ),
    counter(
      "hecate_delivery_filtered_events_total",
      "Events that the scope left out.",
      each(({ filtered }) => filtered),
    ),
    counter(
      "hecate_delivery_expired_events_total",
      "Events given up unsent, and dead letters after 30 days.",
      each(({ expired }) => expired),
    ),
  ];
}

function seconds(at: string | null): number {
  return at === null ? 0 : Date.parse(at) / 1000;
}

function written({ name, type, help, samples }: Metric): string {
  const lines = samples.map(({ labels = {}, value }) => {
    const pairs = Object.entries(labels)
      .map(([label, text]) => `${label}="${escaped(text)}"`);
    return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}`;
  });
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ""]
    .join("\n");
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')
    .replaceAll("\n", "\\n");
}
