/** What the demo SIEM can offer: each protocol with its settings, its path, and the variables that configure a connector. */

import type { Clock } from "../clock.ts";
import type { Protocol } from "./protocol.ts";
import {
  crowdstrike,
  type CrowdstrikeOptions,
} from "./protocols/crowdstrike.ts";
import { datadog, type DatadogOptions } from "./protocols/datadog.ts";
import { elastic, type ElasticOptions } from "./protocols/elastic.ts";
import { hec, type HecOptions } from "./protocols/hec.ts";
import type { QradarOptions } from "./protocols/qradar.ts";
import {
  sentinel,
  SENTINEL_DEFAULTS,
  type SentinelOptions,
} from "./protocols/sentinel.ts";
import { splunk, type SplunkOptions } from "./protocols/splunk.ts";
import { sumo, type SumoOptions } from "./protocols/sumo.ts";
import { xsiam, type XsiamOptions } from "./protocols/xsiam.ts";

/** A collector that is reached by HTTP, and what that vendor's console would let one set. Without a token it is `demo-siem-<name>`. */
export type HttpTargetOptions =
  | { readonly protocol: "splunk" } & Partial<SplunkOptions>
  | { readonly protocol: "crowdstrike" } & Partial<CrowdstrikeOptions>
  | { readonly protocol: "hec" } & Partial<HecOptions>
  | { readonly protocol: "sentinel" } & Partial<SentinelOptions>
  | { readonly protocol: "elastic" } & Partial<ElasticOptions>
  | { readonly protocol: "datadog" } & Partial<DatadogOptions>
  | { readonly protocol: "sumo" } & Partial<SumoOptions>
  | { readonly protocol: "xsiam" } & Partial<XsiamOptions>;

/** Any collector; syslog has a port of its own and no token. */
export type TargetOptions =
  | HttpTargetOptions
  | { readonly protocol: "qradar" } & QradarOptions;

export type ProtocolName = TargetOptions["protocol"];

/** One of each protocol, named after it. */
export const EVERY_PROTOCOL: Readonly<Record<ProtocolName, TargetOptions>> = {
  splunk: { protocol: "splunk" },
  sentinel: { protocol: "sentinel" },
  elastic: { protocol: "elastic" },
  datadog: { protocol: "datadog" },
  sumo: { protocol: "sumo" },
  qradar: { protocol: "qradar" },
  xsiam: { protocol: "xsiam" },
  crowdstrike: { protocol: "crowdstrike" },
  hec: { protocol: "hec" },
};

/** The token where none was said: Elastic's is base64 of `id:key`. */
export function tokenOf(name: string, settings: TargetOptions): string {
  if (settings.protocol === "qradar") return "";
  const usual = `demo-siem-${name}`;
  return settings.token ??
    (settings.protocol === "elastic" ? btoa(`demo:${usual}`) : usual);
}

/** Where a vendor's collector lies below `base`. For those whose connectors add the path themselves, that is `base`. */
export function urlOf(
  base: string,
  token: string,
  { protocol }: HttpTargetOptions,
): string {
  switch (protocol) {
    case "splunk":
      return `${base}/services/collector/event`;
    case "crowdstrike":
      return `${base}/services/collector`;
    case "hec":
    case "xsiam":
      return `${base}/logs/v1/event`;
    case "sumo":
      return `${base}/receiver/v1/http/${encodeURIComponent(token)}`;
    case "sentinel":
    case "elastic":
    case "datadog":
      return base;
    default:
      return protocol satisfies never;
  }
}

/** The protocol with its settings. `base`: `http://127.0.0.1:<port>/<name>`. */
export function openProtocol(
  settings: HttpTargetOptions,
  { token, base, clock }: {
    readonly token: string;
    readonly base: string;
    readonly clock: Clock;
  },
): Protocol {
  switch (settings.protocol) {
    case "splunk":
      return splunk({ ...settings, token });
    case "crowdstrike":
      return crowdstrike({ ...settings, token });
    case "hec":
      return hec({ ...settings, token });
    case "sentinel":
      return sentinel({ ...settings, token, base, clock });
    case "elastic":
      return elastic({ ...settings, token });
    case "datadog":
      return datadog({ ...settings, token });
    case "sumo":
      return sumo({ ...settings, token });
    case "xsiam":
      return xsiam({ ...settings, token });
    default:
      return settings satisfies never;
  }
}

/** The environment of a connector for this target, `interface.md` §2. Files (certificates, tokens) are the caller's to name. */
export function variablesOf(
  settings: TargetOptions,
  { url, token }: { readonly url: string; readonly token: string },
): Readonly<Record<string, string>> {
  switch (settings.protocol) {
    case "splunk":
      return { SPLUNK_HEC_URL: url, SPLUNK_HEC_TOKEN: token };
    case "crowdstrike":
      return { NGSIEM_URL: url, NGSIEM_API_KEY: token };
    case "hec":
      return { HEC_URL: url, HEC_TOKEN: token };
    case "sentinel": {
      const { certificate, federated } = settings;
      const bySecret = certificate === undefined && federated === undefined;
      return {
        SENTINEL_TENANT_ID: settings.tenant ?? SENTINEL_DEFAULTS.tenant,
        SENTINEL_CLIENT_ID: settings.clientId ?? SENTINEL_DEFAULTS.clientId,
        ...(bySecret ? { SENTINEL_CLIENT_SECRET: token } : {}),
        SENTINEL_DCR_ENDPOINT: url,
        SENTINEL_DCR_RULE_ID: settings.rule ?? SENTINEL_DEFAULTS.rule,
        SENTINEL_DCR_STREAM_NAME: settings.stream ?? SENTINEL_DEFAULTS.stream,
        SENTINEL_AUTHORITY_HOST: url,
        ...(settings.scope === undefined
          ? {}
          : { SENTINEL_TOKEN_SCOPE: settings.scope }),
      };
    }
    case "elastic":
      return { ELASTIC_URL: url, ELASTIC_API_KEY: token };
    case "datadog":
      return { DATADOG_URL: url, DATADOG_API_KEY: token };
    case "sumo":
      return { SUMO_HTTP_SOURCE_URL: url };
    case "qradar": {
      const { hostname, port } = new URL(url);
      const { transport = "tcp", framing = "lf", maxMessage } = settings;
      return {
        QRADAR_SYSLOG_HOST: hostname,
        QRADAR_SYSLOG_PORT: port,
        QRADAR_SYSLOG_PROTOCOL: transport,
        ...(framing === "lf" ? {} : { QRADAR_SYSLOG_FRAMING: framing }),
        ...(maxMessage === undefined
          ? {}
          : { QRADAR_MAX_MESSAGE_BYTES: String(maxMessage) }),
      };
    }
    case "xsiam": {
      const { auth = "hmac", keyId = "7", compression } = settings;
      const hasKeyId = auth === "hmac" || auth === "advanced";
      return {
        XSIAM_URL: url,
        XSIAM_API_KEY: token,
        ...(hasKeyId ? { XSIAM_API_KEY_ID: keyId } : {}),
        ...(auth === "hmac" || auth === "token" ? {} : { XSIAM_AUTH: auth }),
        ...(compression === "always" ? { XSIAM_GZIP: "true" } : {}),
      };
    }
    default:
      return settings satisfies never;
  }
}
