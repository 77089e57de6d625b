/** The relay's own settings, checked together. */

import type { EventFormat } from "../connector.ts";
import type { Level } from "../logger.ts";
import { isEncrypted, keyFault, readPem } from "./pem.ts";
import { DEFAULT_KV, type RelayInput } from "./relay_declaration.ts";
import type { SettingsSource } from "./settings.ts";

/** The relay's settings, defaults filled in. Durations in milliseconds, sizes in bytes. */
export interface RelaySettings {
  readonly host: string;
  readonly port: number;
  /** Path, `:memory:` or URL; undefined: the platform's own store. */
  readonly kv: string | undefined;
  /** The text of `HECATE_TOKENS` (of the file its JSON form), known to be readable by `parseTokens`. A secret. */
  readonly tokens: string | undefined;
  /** A secret. */
  readonly adminToken: string | undefined;
  /** PEM texts: then the port speaks TLS only. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** Undefined: ask the machine. */
  readonly hostname: string | undefined;
  /** Undefined: host name and process id. */
  readonly instance: string | undefined;
  /** How long a silent holder keeps a connector. */
  readonly lease: number;
  readonly logLevel: Level;
  /** Undefined: each type's own habit. */
  readonly format: EventFormat | undefined;
  readonly batchEvents: number;
  readonly batchWait: number;
  readonly timeout: number;
  readonly retry: {
    readonly policy: "patient" | "strict";
    readonly initial: number;
    readonly max: number;
    /** Only with `strict`: of one batch. */
    readonly attempts: number;
    /** Only with `strict`: what was given up goes again once the connector delivers. */
    readonly replay: boolean;
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

/** Judges the settings together and reads the files they name; `source` tells the faults. */
export function relaySettings(
  input: RelayInput,
  options: {
    readonly isDeploy: boolean;
    readonly readFile: (path: string) => string;
    readonly source: SettingsSource;
  },
): RelaySettings {
  const { isDeploy, readFile, source } = options;
  if (input.shards > 1) {
    source.fault(
      "shards",
      "More than 1 comes with a later release. With 1 any number of processes write one log, in one order, and share its connectors.",
    );
  }
  for (const key of ["retry_attempts", "retry_replay"] as const) {
    const isSet = source.origin(key) !== undefined;
    if (!isSet || input.retry_policy !== "patient") continue;
    source.warn(
      key,
      `${source.name(key)} has no effect: the retry policy is patient.`,
    );
  }
  for (const which of ["retry", "probe"] as const) {
    const initial = `${which}_initial` as const, max = `${which}_max` as const;
    if (input[initial] <= input[max]) continue;
    if (source.origin(initial) !== undefined) {
      source.fault(initial, `It is longer than ${source.name(max)}.`);
    } else source.fault(max, `It is shorter than ${source.name(initial)}.`);
  }
  const pem = (key: "tls_cert" | "tls_key", label: string) => {
    const path = input[key];
    if (path !== undefined) {
      return readPem(
        path,
        label,
        readFile,
        (sentence) => source.fault(key, sentence),
      );
    }
    if (input.tls_cert !== undefined || input.tls_key !== undefined) {
      source.fault(key, "It is missing: certificate and key go together.", {
        beside: key === "tls_cert" ? "tls_key" : "tls_cert",
      });
    }
    return undefined;
  };
  const cert = pem("tls_cert", "CERTIFICATE");
  const key = pem("tls_key", "PRIVATE KEY");
  if (key !== undefined && isEncrypted(key)) {
    source.fault(
      "tls_key",
      "The key is encrypted: the relay takes one without a passphrase.",
    );
  } else if (
    cert !== undefined && key !== undefined &&
    keyFault({ cert, key }) !== undefined
  ) source.fault("tls_key", "It is not the key of the certificate.");
  if (!isHost(input.host)) {
    source.fault(
      "host",
      "It is neither an IP address nor a name. 127.0.0.1 is for this machine only, 0.0.0.0 for all.",
    );
  }
  return {
    host: input.host,
    port: input.port,
    kv: input.kv ?? (isDeploy ? undefined : DEFAULT_KV),
    tokens: input.tokens,
    adminToken: input.admin_token,
    tls: cert !== undefined && key !== undefined ? { cert, key } : undefined,
    hostname: input.hostname,
    instance: input.instance,
    lease: input.lease,
    logLevel: input.log_level,
    format: input.format,
    batchEvents: input.batch_events,
    batchWait: input.batch_wait ?? 0,
    timeout: input.timeout,
    retry: {
      policy: input.retry_policy,
      initial: input.retry_initial,
      max: input.retry_max,
      attempts: input.retry_attempts,
      replay: input.retry_replay,
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

/** Whether a socket could listen there, as far as the text tells. */
function isHost(host: string): boolean {
  // An IPv6 address may name its interface (`fe80::1%eth0`).
  const isBare = host.includes(":") && !host.startsWith("[");
  const text = isBare ? `[${host.replace(/%\w+$/, "")}]` : host;
  return !/[\s/?#@\\%]/.test(text) && URL.parse(`http://${text}/`)?.port === "";
}
