/** The relay's own settings: `HECATE_<KEY>`, save where a declaration names another variable. */

import type { z } from "zod";
import type { Level } from "../logger.ts";
import {
  choice,
  count,
  duration,
  group,
  optional,
  path,
  secretText,
  size,
  text,
  withDefault,
} from "./fields.ts";
import { readPem } from "./pem.ts";

const DAY_MS = 86_400_000;
const YEAR_MS = 366 * DAY_MS;

/** Where events are kept unless said otherwise. On Deno Deploy there is no default: the platform's own store. */
export const DEFAULT_KV = "data/hecate.kv";

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
        `A path, whose folder is made; \`:memory:\`; or a KV Connect URL. Absent: \`${DEFAULT_KV}\`, on Deno Deploy the platform's own.`,
      example: "/var/lib/hecate/hecate.kv",
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
    secretText({
      title: "Admin token",
      help: "What `/api/…` asks for. Absent: one is made and printed once.",
      example: "hca_…",
    }),
  ),
  config: optional(
    path({
      title: "Configuration file",
      help: "`hecate.yaml`; comes with a later release.",
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
  log_level: withDefault(
    choice(
      { title: "Log level", help: "The least that is logged." },
      ["debug", "info", "warn", "error"],
    ),
    "info",
  ),
  format: withDefault(
    choice({
      title: "Format",
      help:
        "`native` sends events' bytes as they came. (`ocsf` comes with a later release.)",
    }, ["native"]),
    "native",
  ),
  batch_events: withDefault(
    count({
      title: "Events in a batch",
      help: "For all connectors that do not say otherwise.",
    }, { least: 1, most: 100_000 }),
    "100",
  ),
  batch_wait: withDefault(
    duration({
      title: "Wait for company",
      help: "How long an event may wait for a batch to fill.",
    }, { most: DAY_MS }),
    "5s",
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
      help: "`patient` never gives up before an event expires.",
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

/** The relay's settings, defaults filled in. Durations in milliseconds, sizes in bytes. */
export interface RelaySettings {
  readonly host: string;
  readonly port: number;
  /** Path, `:memory:` or URL; undefined: the platform's own store. */
  readonly kv: string | undefined;
  /** The text of `HECATE_TOKENS`, known to be readable by `parseTokens`. A secret. */
  readonly tokens: string | undefined;
  /** A secret. */
  readonly adminToken: string | undefined;
  /** PEM texts: then the port speaks TLS only. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** Undefined: ask the machine. */
  readonly hostname: string | undefined;
  readonly logLevel: Level;
  readonly format: "native";
  readonly batchEvents: number;
  readonly batchWait: number;
  readonly timeout: number;
  readonly retry: {
    readonly policy: "patient";
    readonly initial: number;
    readonly max: number;
  };
  readonly probe: { readonly initial: number; readonly max: number };
  readonly keep: number;
  readonly keepBytes: number;
  /** 0: never. */
  readonly expire: number;
  /** Undefined: 80 % of the disk, 1 GiB where there is none. */
  readonly logMaxBytes: number | undefined;
  readonly maxBody: number;
  readonly maxEvent: number;
  readonly maxInflight: number;
  readonly deadLetterPath: string | undefined;
}

/** Judges the settings together and reads the files they name. `fault` gets a key and a sentence. */
export function relaySettings(
  input: RelayInput,
  options: {
    readonly isDeploy: boolean;
    readonly readFile: (path: string) => string;
    readonly fault: (key: string, sentence: string) => void;
  },
): RelaySettings {
  const { isDeploy, readFile, fault } = options;
  if (input.config !== undefined) {
    fault(
      "config",
      "Configuration files come with a later release. Use environment variables and leave this one out.",
    );
  }
  if (input.retry_policy === "strict") {
    fault(
      "retry_policy",
      "strict comes with a later release. Use patient, or leave it out.",
    );
  }
  for (const which of ["retry", "probe"] as const) {
    if (input[`${which}_initial`] > input[`${which}_max`]) {
      fault(
        `${which}_initial`,
        `It is longer than HECATE_${which.toUpperCase()}_MAX.`,
      );
    }
  }
  const pem = (key: "tls_cert" | "tls_key", label: string) => {
    const path = input[key];
    if (path !== undefined) {
      return readPem(path, label, readFile, (sentence) => fault(key, sentence));
    }
    if (input.tls_cert !== undefined || input.tls_key !== undefined) {
      fault(key, "It is missing: certificate and key go together.");
    }
    return undefined;
  };
  const cert = pem("tls_cert", "CERTIFICATE");
  const key = pem("tls_key", "PRIVATE KEY");
  return {
    host: input.host,
    port: input.port,
    kv: input.kv ?? (isDeploy ? undefined : DEFAULT_KV),
    tokens: input.tokens,
    adminToken: input.admin_token,
    tls: cert !== undefined && key !== undefined ? { cert, key } : undefined,
    hostname: input.hostname,
    logLevel: input.log_level,
    format: input.format,
    batchEvents: input.batch_events,
    batchWait: input.batch_wait,
    timeout: input.timeout,
    retry: {
      policy: "patient",
      initial: input.retry_initial,
      max: input.retry_max,
    },
    probe: { initial: input.probe_initial, max: input.probe_max },
    keep: input.keep,
    keepBytes: input.keep_bytes,
    expire: input.expire,
    logMaxBytes: input.log_max_bytes,
    maxBody: input.max_body,
    maxEvent: input.max_event,
    maxInflight: input.max_inflight,
    deadLetterPath: input.dead_letter_path,
  };
}
