/** The relay's own settings as declared: `HECATE_<KEY>`, save where a declaration names another variable. */

import type { z } from "zod";
import {
  choice,
  count,
  duration,
  group,
  optional,
  path,
  secret,
  secretText,
  size,
  text,
  toggle,
  withDefault,
} from "./fields.ts";
import { locationFault } from "./store_location.ts";

const DAY_MS = 86_400_000;
const YEAR_MS = 366 * DAY_MS;

/** Where events are kept unless said otherwise. On Deno Deploy there is no default: the platform's own store. */
export const DEFAULT_KV = "data/hecate.kv";

/** What waiting for company does, for the relay's default and each connector's own. */
export const BATCH_WAIT_HELP =
  "The longest that an event waits for others to fill its batch: fewer requests, later events. Not set: it goes at once, together with all that came while the batch before it was in flight. Syslog over TCP or TLS never waits.";

/** Keys in lower case; `HECATE_<KEY>` in the environment. */
export const RELAY = group({
  host: withDefault(
    text({ title: "Host", help: "The address to listen on." }),
    "127.0.0.1",
  ),
  port: withDefault(
    count({
      title: "Port",
      help: "The port to listen on; 0 takes any free one.",
    }, { most: 65_535 }),
    "8080",
  ),
  kv: optional(
    text({
      title: "Store",
      help:
        `A path, whose folder is made; \`:memory:\`; or a KV Connect URL, whose access token \`DENO_KV_ACCESS_TOKEN\` says. Absent: \`${DEFAULT_KV}\`, on Deno Deploy the platform's own.`,
      example: "/var/lib/hecate/hecate.kv",
    }).superRefine((location, context) => {
      const message = locationFault(location);
      if (message !== undefined) context.addIssue({ code: "custom", message });
    }),
  ),
  tokens: optional(
    secretText({
      title: "Ingest tokens",
      help:
        "`name=value` pairs, comma separated, or a JSON array of tokens with options. Absent: one is made and printed once.",
      example: "edr=hct_…,firewall=hct_…",
    }),
  ),
  admin_token: optional(
    secret({
      title: "Admin token",
      help: "What `/api/…` asks for. Absent: one is made and printed once.",
      example: "hca_…",
    }),
  ),
  config: optional(
    path({
      title: "Configuration file",
      example: "hecate.yaml",
      help:
        "`hecate.yaml`: any number of connectors, and every setting but this one. What the environment says goes over it.",
    }),
  ),
  tls_cert: optional(
    path({
      title: "Certificate",
      help: "PEM file; with the key the port speaks HTTPS only.",
    }),
  ),
  tls_key: optional(path({ title: "Key", help: "PEM file." })),
  hostname: optional(
    text({
      title: "Host name",
      help:
        "`host` of events whose producer and settings give none. Absent: the machine's name.",
    }),
  ),
  instance: optional(
    text({
      title: "Instance",
      help:
        "This process's name where several share a store: status shows it, and whose a connector is. Absent: host name and process id.",
      example: "relay-1",
    }),
  ),
  lease: withDefault(
    duration({
      title: "Lease",
      help:
        "Several processes over one store: how long a connector stays with a process that has gone silent. Renewed at a third, sending stops at half of it.",
    }, { least: 3_000, most: 600_000 }),
    "12s",
  ),
  shards: withDefault(
    count({
      title: "Shards",
      help:
        "Only 1 in this release: all processes write one log in one order and share its connectors.",
    }, { least: 1, most: 8 }),
    "1",
  ),
  log_level: withDefault(
    choice(
      { title: "Log level", help: "The least that is logged." },
      ["debug", "info", "warn", "error"],
    ),
    "info",
  ),
  format: optional(
    choice({
      title: "Format",
      help:
        "What leaves, for all connectors that do not say otherwise: `native` or `ocsf`. Absent: each type's own habit.",
    }, ["native", "ocsf"]),
  ),
  batch_events: withDefault(
    count({
      title: "Events in a batch",
      help: "For all connectors that do not say otherwise.",
    }, { least: 1, most: 100_000 }),
    "100",
  ),
  batch_wait: optional(
    duration({
      title: "Wait for company",
      help: BATCH_WAIT_HELP,
    }, { most: DAY_MS }),
  ),
  timeout: withDefault(
    duration({ title: "Time for an attempt", help: "One request." }, {
      least: 10,
      most: DAY_MS,
    }),
    "30s",
  ),
  retry_policy: withDefault(
    choice({
      title: "Retry policy",
      help:
        "`patient` never gives up before an event expires. `strict` gives a batch up after its attempts, whatever they met, a wrong password too: each of its events becomes a dead letter.",
    }, ["patient", "strict"]),
    "patient",
  ),
  retry_initial: withDefault(
    duration({ title: "First wait", help: "It doubles with each failure." }, {
      least: 1,
      most: DAY_MS,
    }),
    "1s",
  ),
  retry_max: withDefault(
    duration({
      title: "Longest wait",
      help: "Also the most that a destination's Retry-After counts for.",
    }, { least: 1, most: DAY_MS }),
    "300s",
  ),
  retry_attempts: withDefault(
    count({
      title: "Attempts",
      help: "Only with `strict`: of one batch, waits doubling between them.",
    }, {
      least: 1,
      most: 1000,
    }),
    "5",
  ),
  retry_replay: withDefault(
    toggle({
      title: "Replay by itself",
      help:
        "Only with `strict`: what was given up is replayed by a job of its own once the connector delivers again.",
    }),
    "false",
  ),
  probe_initial: withDefault(
    duration({
      title: "First probe",
      help: "How soon a held connector is tried again.",
    }, { least: 1, most: DAY_MS }),
    "60s",
  ),
  probe_max: withDefault(
    duration({ title: "Slowest probe", help: "Waits double up to this." }, {
      least: 1,
      most: DAY_MS,
    }),
    "300s",
  ),
  keep: withDefault(
    duration({
      title: "Keep for replay",
      help: "How long what every connector has settled is kept.",
    }, { most: YEAR_MS }),
    "24h",
  ),
  keep_bytes: withDefault(
    size({ title: "Keep at most", help: "Of what is kept for replay." }),
    "1GiB",
  ),
  expire: withDefault(
    duration({
      title: "Expire",
      help: "What waits longer than this at a connector expires; 0: never.",
    }, { most: YEAR_MS }),
    "168h",
  ),
  log_max_bytes: optional(
    size({
      title: "High-water mark",
      help:
        "Above it producers are asked to wait. Absent: 80 % of the disk, 1GiB where there is none.",
    }, { least: 1 }),
  ),
  max_body: withDefault(
    size({
      title: "Largest request",
      help: "On the wire and inflated alike.",
    }, { least: 1 }),
    "64MiB",
  ),
  max_event: withDefault(
    size({
      title: "Largest event",
      help: "Its whole envelope; 700KiB is the most.",
    }, { least: 1, most: 716_800 }),
    "700KiB",
  ),
  max_inflight: withDefault(
    size({
      title: "Requests at once",
      help: "Bytes over all requests; above it producers are asked to wait.",
    }, { least: 1 }),
    "128MiB",
  ),
  dead_letter_path: optional(
    path({
      title: "Dead letter file",
      help:
        "One JSON object a line. Absent: dead letters are kept in the store only.",
      env: "SIEM_DEAD_LETTER_PATH",
      example: "/var/log/hecate/dead.jsonl",
    }),
  ),
});

/** What the schema makes of the text. */
export type RelayInput = z.infer<typeof RELAY>;
