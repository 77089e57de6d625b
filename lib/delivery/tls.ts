/** How a connection to a destination is opened: which API can honour which setting on which Deno. */

/** What a connector's `tls_*` settings become. */
export interface TlsSettings {
  /** False: any certificate is taken (a lasting warning). A pin still holds. */
  readonly verify: boolean;
  /** PEM text of the authorities (or self-signed certificates) to trust. */
  readonly caBundle?: string;
  /** PEM text; certificate and key go together. */
  readonly clientCert?: string;
  readonly clientKey?: string;
  readonly clientKeyPassphrase?: string;
  /** The name asked for (SNI) and looked for in the certificate, in place of the URL's host. */
  readonly serverName?: string;
  /** SHA-256 of the server certificate (DER), hex, `sha256:` and colons allowed; replaces trust in an authority. */
  readonly pin?: string;
}
