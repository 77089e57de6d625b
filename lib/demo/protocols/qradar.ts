/**
 * The demo SIEM as IBM QRadar's syslog listener: RFC 5424's header as QRadar wants it, then CEF.
 * `reference/destinations.md` §6. Syslog knows no answer: whatever is wrong is a complaint, and the message counts.
 */

import { type CefMessage, readCef } from "../cef.ts";
import type { TakenEvent } from "../protocol.ts";

export interface QradarOptions {
  readonly transport?: "tcp" | "udp" | "tls";
  /** Of TCP and TLS. */
  readonly framing?: "lf" | "octet";
  /** Bytes of a message; a longer one becomes several broken events. 4096, over UDP 1024. */
  readonly maxMessage?: number;
  /** 0 takes a free one. */
  readonly port?: number;
  /** For `tls`, PEM texts; `ca` demands a client certificate of that issuer. Absent: the demo SIEM's own. */
  readonly tls?: {
    readonly cert: string;
    readonly key: string;
    readonly ca?: string;
  };
}

/** What a message says; `JSON.parse` of an arrival's `envelope` gives it. */
export interface SyslogRecord {
  readonly pri: number;
  readonly timestamp: string;
  readonly host: string;
  readonly app: string;
  readonly process: string;
  readonly messageId: string;
  /** What stands behind the header. */
  readonly message: string;
  readonly cef?: CefMessage;
}

const HEADER =
  /^<(0|[1-9]\d{0,2})>1 (\S+) (\S+) (\S+) (\S+) (\S+) (-|(?:\[[^\]]*\])+)(?: (.*))?$/s;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const PRINTABLE = /^[\x21-\x7e]+$/;
/** Most characters of HOSTNAME, APP-NAME, PROCID, MSGID. */
const LENGTHS = { host: 255, app: 48, process: 128, messageId: 32 } as const;
/** Facilities go to 23, severities to 7. */
const MOST_PRI = 191;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lossy = new TextDecoder("utf-8", { ignoreBOM: true });
const bytesOf = new TextEncoder();

/** Reads one message without its framing. The event of the arrival is the message itself. */
export function readMessage(
  message: Uint8Array,
  maxMessage: number,
): TakenEvent & { readonly complaints: readonly string[] } {
  const complaints: string[] = [];
  if (message.length > maxMessage) {
    complaints.push(`${message.length} bytes, over ${maxMessage}`);
  }
  const text = decodedText(message, complaints);
  const parts = HEADER.exec(text);
  if (parts === null) {
    complaints.push("no RFC 5424 header");
    const envelope = bytesOf.encode(JSON.stringify({ unparsed: text }));
    return { event: message, envelope, complaints };
  }
  const [, pri = "", timestamp = "", host = "", app = ""] = parts;
  const [, , , , , process = "", messageId = "", data = "", rest = ""] = parts;
  const names = { host, app, process, messageId };
  if (Number(pri) > MOST_PRI) complaints.push(`PRI ${pri}`);
  if (!TIME.test(timestamp) || Number.isNaN(Date.parse(timestamp))) {
    complaints.push("the timestamp is not 2026-03-13T00:00:00.123Z");
  }
  for (const [name, value] of Object.entries(names)) {
    if (!PRINTABLE.test(value)) complaints.push(`${name} is not printable`);
  }
  for (const name of ["host", "app", "process", "messageId"] as const) {
    if (names[name].length > LENGTHS[name]) complaints.push(`${name} too long`);
  }
  if (host === "-") complaints.push("no host: the log source is not found");
  if (data !== "-") complaints.push("structured data");
  if (rest.startsWith("\ufeff")) complaints.push("a byte order mark");
  const { cef, complaints: ofCef } = readCef(rest);
  const record: SyslogRecord = {
    pri: Number(pri),
    timestamp,
    ...names,
    message: rest,
    ...(cef === undefined ? {} : { cef }),
  };
  return {
    event: message,
    envelope: bytesOf.encode(JSON.stringify(record)),
    complaints: [...complaints, ...ofCef],
  };
}

function decodedText(message: Uint8Array, complaints: string[]): string {
  try {
    return utf8.decode(message);
  } catch {
    complaints.push("no UTF-8");
    return lossy.decode(message);
  }
}
