/** What it takes to open a connection, worked out once from a target's settings. */

import { isEncrypted } from "../config/pem.ts";
import { SettingFault } from "../setting_fault.ts";
import type { HttpTarget } from "./http_exchange.ts";

/** Where a connection goes: `http:`, `https:`, `tcp:` or `tls:`, and how it is secured. */
export type DialTarget = Pick<HttpTarget, "url" | "tls" | "proxy">;

/** What a dial needs, worked out once. */
export interface DialPlan {
  readonly host: string;
  readonly port: number;
  readonly proxy: URL | undefined;
  readonly serverName: string | undefined;
  /** Protocols offered in the handshake (ALPN); none where it is not HTTP. */
  readonly alpn: readonly string[];
  readonly caCerts: readonly string[];
  readonly client: { readonly cert: string; readonly key: string } | undefined;
  readonly passphrase: string | undefined;
  readonly verify: boolean;
  /** 64 hex digits. */
  readonly pin: string | undefined;
}

const HTTP_ALPN: readonly string[] = ["http/1.1"];

const PEM_CERTIFICATE =
  /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Checks the settings' shape. @throws {SettingFault} a sentence for the operator; {TypeError} for another protocol */
export function dialPlan({ url, tls, proxy }: DialTarget): DialPlan {
  if (!/^(https?|tcp|tls):$/.test(url.protocol)) {
    throw new TypeError(`${url.protocol} is not http: or https:`);
  }
  const via = proxy === "none" ? undefined : proxy;
  if (via !== undefined && via.protocol !== "http:") {
    throw new SettingFault(
      "proxy",
      `A proxy of kind ${via.protocol} is not supported; use http://host:port.`,
    );
  }
  const caCerts = tls.caBundle?.match(PEM_CERTIFICATE) ?? [];
  if (tls.caBundle !== undefined && caCerts.length === 0) {
    throw new SettingFault(
      "tls_ca_bundle",
      "The CA bundle is not PEM. It begins with -----BEGIN CERTIFICATE-----",
    );
  }
  if ((tls.clientCert === undefined) !== (tls.clientKey === undefined)) {
    throw new SettingFault(
      tls.clientCert === undefined ? "tls_client_key" : "tls_client_cert",
      "Client certificate and client key go together.",
    );
  }
  const encrypted = tls.clientKey !== undefined && isEncrypted(tls.clientKey);
  if (encrypted && tls.clientKeyPassphrase === undefined) {
    throw new SettingFault(
      "tls_client_key",
      "The client key is encrypted: it needs a passphrase.",
    );
  }
  const pin = tls.pin?.replace(/^sha256:/i, "").replaceAll(":", "")
    .toLowerCase();
  if (pin !== undefined && !/^[0-9a-f]{64}$/.test(pin)) {
    throw new SettingFault(
      "tls_pin",
      "The pin is not sha256: and 64 hex digits.",
    );
  }
  const host = hostname(url);
  return {
    host,
    port: portOf(url),
    proxy: via,
    serverName: tls.serverName === host ? undefined : tls.serverName,
    alpn: url.protocol === "https:" ? HTTP_ALPN : [],
    caCerts,
    client: tls.clientCert === undefined || tls.clientKey === undefined
      ? undefined
      : { cert: tls.clientCert, key: tls.clientKey },
    passphrase: encrypted ? tls.clientKeyPassphrase : undefined,
    verify: tls.verify,
    pin,
  };
}

/** The client's certificate and its key, deciphered where it is encrypted. @throws what `node:crypto` says */
export async function clientKeyPair(
  { client, passphrase }: DialPlan,
): Promise<{ cert?: string; key?: string }> {
  if (client === undefined || passphrase === undefined) return client ?? {};
  const { createPrivateKey } = await import("node:crypto");
  try {
    const key = createPrivateKey({ key: client.key, passphrase });
    return {
      cert: client.cert,
      key: String(key.export({ type: "pkcs8", format: "pem" })),
    };
  } catch (cause) {
    throw new Error("Unable to decode key", { cause });
  }
}

/** The host without the brackets of IPv6. */
export function hostname(url: Pick<URL, "hostname">): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

/** The port, the scheme's own where none is written; `tcp:` and `tls:` have none. */
export function portOf(url: URL): number {
  return Number(url.port || (url.protocol === "https:" ? 443 : 80));
}
