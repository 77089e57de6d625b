/** The settings that every type takes, declared once. */

import type { z } from "zod";
import { keyFault, parsePin, readPem } from "./pem.ts";
import type {
  CommonSettings,
  ConnectorType,
  EventFormat,
} from "../connector.ts";
import {
  choice,
  count,
  duration,
  group,
  moment,
  optional,
  path,
  proxyAddress,
  secretText,
  size,
  text,
  toggle,
  withDefault,
} from "./fields.ts";
import { BATCH_WAIT_HELP } from "./relay_declaration.ts";

/** The most that an operator may wait or let an attempt take: a day. */
const DAY_MS = 86_400_000;

/** Keys as in YAML; `<PREFIX>_<KEY>` in the environment. */
export const COMMON = group({
  format: optional(
    choice({
      title: "Format",
      help:
        "`native` sends the event's bytes as they came; `ocsf` sends an OCSF event as it came and any other mapped or wrapped. Absent: `HECATE_FORMAT`, else the type's own habit.",
    }, ["native", "ocsf"]),
  ),
  tls_verify: withDefault(
    toggle({
      title: "Verify the certificate",
      help:
        "`false` takes any certificate and is warned of at each start; a CA bundle or a pin is better.",
    }),
    "true",
  ),
  tls_ca_bundle: optional(
    path({
      title: "CA bundle",
      help: "PEM file with the authorities to trust.",
      example: "/etc/hecate/ca.pem",
    }),
  ),
  tls_client_cert: optional(
    path({
      title: "Client certificate",
      help: "PEM file; goes together with the key.",
    }),
  ),
  tls_client_key: optional(
    path({ title: "Client key", help: "PEM file; may be encrypted." }),
  ),
  tls_client_key_passphrase: optional(
    secretText({
      title: "Passphrase of the client key",
      help: "Only for an encrypted key.",
    }),
  ),
  tls_server_name: optional(
    text({
      title: "Server name",
      help:
        "The name asked for and looked for in the certificate, in place of the address's host. A login's host keeps its own.",
    }),
  ),
  tls_pin: optional(
    text({
      title: "Pinned certificate",
      help:
        "SHA-256 of the server's certificate; it alone is then trusted, whoever signed it. A login's host is trusted by its authority.",
      example: "sha256:2a24…",
    }),
  ),
  proxy: optional(
    proxyAddress({
      title: "Proxy",
      help:
        "`http://host:port`, or `none`. Absent: `HTTPS_PROXY` (of the same form) and `NO_PROXY` (names, domains, IPv4 networks), never for loopback.",
    }),
  ),
  gzip: optional(
    toggle({
      title: "Compress",
      help: "gzip for bodies over 1 KB. Absent: the type's own habit.",
    }),
  ),
  batch_events: optional(
    count({
      title: "Events in a batch",
      help: "A batch is sent when it holds this many.",
    }, { least: 1 }),
  ),
  batch_bytes: optional(
    size({
      title: "Bytes in a batch",
      help: "A batch is sent before it grows past this, before compression.",
    }, { least: 1024 }),
  ),
  batch_wait: optional(
    duration({
      title: "Wait for company",
      help: BATCH_WAIT_HELP,
    }, { most: DAY_MS }),
  ),
  timeout: optional(
    duration({
      title: "Time for an attempt",
      help: "From the connection to the answer's last byte.",
    }, { least: 10, most: DAY_MS }),
  ),
  enabled: withDefault(
    toggle({
      title: "Enabled",
      help:
        "Only the value at its first start: then `hecate connectors enable|disable NAME` (or the API) switches it, and that is kept. `false`: nothing is sent; events wait, are kept, and expire by `HECATE_EXPIRE`.",
    }),
    "true",
  ),
  start_from: withDefault(
    moment({
      title: "Start from",
      help:
        "Where a connector begins that has no place in the log yet: `newest`, `oldest`, or a time (RFC 3339): with what came then or later. Used once.",
      example: "2026-03-13T00:00:00Z",
    }, ["newest", "oldest"]),
    "newest",
  ),
});

/** What the schema makes of the text. */
export type CommonInput = z.infer<typeof COMMON>;

/** What holds where a connector says nothing: the relay's own settings. */
export interface CommonDefaults {
  /** Absent: the type's own habit. */
  readonly format?: EventFormat | undefined;
  readonly batchEvents: number;
  readonly batchWait: number;
  readonly timeout: number;
}

/**
 * Reads the files that the settings name and fills in the defaults. `fault` gets a key and a sentence.
 * @param type its limits: what the relay's defaults must not pass, and what the operator must not.
 */
export function commonSettings(
  input: CommonInput,
  defaults: CommonDefaults,
  { limits, format }: Pick<ConnectorType, "limits" | "format">,
  readFile: (path: string) => string,
  fault: (key: string, sentence: string) => void,
): CommonSettings {
  const pem = (key: keyof CommonInput & `tls_${string}`, label: string) => {
    const path = input[key];
    return typeof path === "string"
      ? readPem(path, label, readFile, (sentence) => fault(key, sentence))
      : undefined;
  };
  const caBundle = pem("tls_ca_bundle", "CERTIFICATE");
  const clientCert = pem("tls_client_cert", "CERTIFICATE");
  const clientKey = pem("tls_client_key", "PRIVATE KEY");
  for (
    const [one, other] of [
      ["tls_client_cert", "tls_client_key"],
      ["tls_client_key", "tls_client_cert"],
    ] as const
  ) {
    if (input[one] !== undefined && input[other] === undefined) {
      fault(other, "It is missing: certificate and key go together.");
    }
  }
  const wrong = clientCert !== undefined && clientKey !== undefined
    ? keyFault({
      cert: clientCert,
      key: clientKey,
      passphrase: input.tls_client_key_passphrase,
    })
    : undefined;
  if (wrong === "passphrase") {
    fault(
      "tls_client_key_passphrase",
      "It does not open the client key, or this Deno cannot read a key of that kind.",
    );
  } else if (wrong === "other") {
    fault("tls_client_key", "It is not the key of the client certificate.");
  }
  const pin = input.tls_pin === undefined
    ? undefined
    : parsePin(input.tls_pin, (sentence) => fault("tls_pin", sentence));
  const most = (key: "batch_events" | "batch_bytes", limit: number) => {
    if ((input[key] ?? 0) > limit) {
      fault(key, `The most that the destination takes is ${limit}.`);
    }
  };
  most("batch_events", limits.mostEvents);
  most("batch_bytes", limits.mostBytes);
  return {
    format: input.format ?? defaults.format ?? format,
    tls: {
      verify: input.tls_verify,
      ...caBundle !== undefined && { caBundle },
      ...clientCert !== undefined && { clientCert },
      ...clientKey !== undefined && { clientKey },
      ...input.tls_client_key_passphrase !== undefined &&
        { clientKeyPassphrase: input.tls_client_key_passphrase },
      ...input.tls_server_name !== undefined &&
        { serverName: input.tls_server_name },
      ...pin !== undefined && { pin },
    },
    ...input.proxy !== undefined && { proxy: input.proxy },
    ...input.gzip !== undefined && { gzip: input.gzip },
    batchEvents: input.batch_events ??
      Math.min(defaults.batchEvents, limits.mostEvents),
    ...input.batch_bytes !== undefined && { batchBytes: input.batch_bytes },
    batchWait: input.batch_wait ?? defaults.batchWait,
    timeout: input.timeout ?? defaults.timeout,
    enabled: input.enabled,
    startFrom: input.start_from,
  };
}
