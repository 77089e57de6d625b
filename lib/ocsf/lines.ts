/** Lines of text: the columns of formats that say who they are (syslog, CEF, LEEF, Palo Alto's CSV). */

import { memberId, type Source } from "./source.ts";

const SPACE = 0x20, QUOTE = 0x22, COMMA = 0x2c, COLON = 0x3a, LESS = 0x3c;
const TAB = 0x09, EQUALS = 0x3d;
const PERCENT = 0x25, HYPHEN = 0x2d;
const GREATER = 0x3e, LEFT_BRACKET = 0x5b, BACKSLASH = 0x5c, PIPE = 0x7c;

/** How far into a line a CEF or LEEF header may begin: behind the syslog header. */
const HEADER_WITHIN = 512;

/** How far behind a CEF header its time is looked for. */
const TIME_WITHIN = 4096;

/** `rt=` */
const RT = [0x72, 0x74, 0x3d];

const CEF_TIME = memberId("cef.rt");
const WHOLE = memberId("text");
const PRI = memberId("syslog.pri");
const SYSLOG_TIME = memberId("syslog.time");
const SYSLOG_HOST = memberId("syslog.host");
const SYSLOG_APP = memberId("syslog.app");

/** The header of a CEF or LEEF line, between the pipes. */
const CEF = ["version", "vendor", "product", "release", "code", "name"]
  .concat("severity").map((name) => memberId(`cef.${name}`));
const LEEF = ["version", "vendor", "product", "release", "code"]
  .map((name) => memberId(`leef.${name}`));

/** Columns that all of Palo Alto's logs begin with. https://docs.paloaltonetworks.com/ngfw/administration/monitoring/use-syslog-for-monitoring/syslog-field-descriptions */
const PAN_HEAD = ["", "receive_time", "serial", "type", "subtype"];

/** The columns of its traffic log (10.1), in order; older versions end sooner. */
const PAN_TRAFFIC = [
  ...PAN_HEAD,
  "",
  "time_generated",
  "src",
  "dst",
  "natsrc",
  "natdst",
  "rule",
  "srcuser",
  "dstuser",
  "app",
  "vsys",
  "from",
  "to",
  "inbound_if",
  "outbound_if",
  "logset",
  "",
  "sessionid",
  "repeatcnt",
  "sport",
  "dport",
  "natsport",
  "natdport",
  "flags",
  "proto",
  "action",
  "bytes",
  "bytes_sent",
  "bytes_received",
  "packets",
  "start",
  "elapsed",
  "category",
  "",
  "seqno",
  "actionflags",
  "srcloc",
  "dstloc",
  "",
  "pkts_sent",
  "pkts_received",
  "session_end_reason",
  "",
  "",
  "",
  "",
  "vsys_name",
  "device_name",
];

const PAN_TRAFFIC_IDS = PAN_TRAFFIC.map((name) =>
  name === "" ? -1 : memberId(`pan.${name}`)
);
const PAN_TYPE = memberId("pan.type");
const PAN_TYPES = [
  "TRAFFIC",
  "THREAT",
  "SYSTEM",
  "CONFIG",
  "CORRELATION",
  "HIPMATCH",
  "USERID",
  "GLOBALPROTECT",
  "DECRYPTION",
  "AUTHENTICATION",
  "URL",
  "WILDFIRE",
  "GTP",
  "SCTP",
  "TUNNEL",
  "IPTAG",
];
const PAN_TYPE_AT = PAN_HEAD.indexOf("type");

/** Reads a line: `source.text(bytes)` has been called. What is not known is left alone. */
export function readLine(source: Source): void {
  const { bytes } = source;
  source.column(WHOLE, 0, bytes.length);
  const body = readSyslog(source);
  if (readPaloAlto(source, body)) return;
  readPipes(source);
}

/** Place of the first `byte` in `from`…`to`, or -1. */
function placeOf(
  bytes: Uint8Array,
  byte: number,
  from: number,
  to: number,
): number {
  for (let i = from; i < to; i++) if (bytes[i] === byte) return i;
  return -1;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte - 0x30 >>> 0 <= 9;
}

/** Place behind the word that begins at `at`. */
function wordEnd(bytes: Uint8Array, at: number): number {
  const limit = Math.min(bytes.length, at + 256);
  const end = placeOf(bytes, SPACE, at, limit);
  return end < 0 ? limit : end;
}

/** RFC 5424 and RFC 3164 headers. @returns the place behind what was read */
function readSyslog(source: Source): number {
  const { bytes } = source;
  let at = 0;
  if (bytes[0] === LESS) {
    const close = placeOf(bytes, GREATER, 1, Math.min(bytes.length, 5));
    if (close > 1 && isDigit(bytes[1])) {
      source.column(PRI, 1, close);
      at = close + 1;
    }
  }
  if (at > 0 && isDigit(bytes[at]) && bytes[at + 1] === SPACE) {
    // RFC 5424: version, time, host, application.
    const time = at + 2, timeEnd = wordEnd(bytes, time);
    if (!isDigit(bytes[time]) && timeEnd - time !== 1) return at;
    source.column(SYSLOG_TIME, time, timeEnd);
    const hostEnd = wordEnd(bytes, timeEnd + 1);
    source.column(SYSLOG_HOST, timeEnd + 1, hostEnd);
    const appEnd = wordEnd(bytes, hostEnd + 1);
    source.column(SYSLOG_APP, hostEnd + 1, appEnd);
    return appEnd;
  }
  while (bytes[at] === SPACE) at++;
  // RFC 3164: `Mmm dd hh:mm:ss host tag:`. The year is not said, so the time is not.
  if (
    bytes[at + 3] !== SPACE || bytes[at + 6] !== SPACE ||
    bytes[at + 9] !== COLON || bytes[at + 12] !== COLON ||
    !isDigit(bytes[at + 14])
  ) return at;
  const host = at + 16, hostEnd = wordEnd(bytes, host);
  if (bytes[host - 1] !== SPACE) return at;
  // A tag or columns without a host before them.
  if (bytes[hostEnd - 1] === COLON) return at;
  if (placeOf(bytes, COMMA, host, hostEnd) >= 0) return host;
  if (placeOf(bytes, PIPE, host, hostEnd) >= 0) return host;
  source.column(SYSLOG_HOST, host, hostEnd);
  const tagEnd = wordEnd(bytes, hostEnd + 1);
  for (let i = hostEnd + 1; i < tagEnd; i++) {
    const byte = bytes[i];
    // Cisco's `%ASA-6-302014:`.
    const isCisco = byte === HYPHEN && bytes[hostEnd + 1] === PERCENT;
    if (byte !== COLON && byte !== LEFT_BRACKET && !isCisco) continue;
    source.column(SYSLOG_APP, hostEnd + (isCisco ? 2 : 1), i);
    break;
  }
  return hostEnd;
}

/**
 * `CEF:0|vendor|…` and `LEEF:1.0|vendor|…`, wherever they begin: looked for from the start of the line, because a syslog
 * header that lacks a word has taken part of theirs for it.
 */
function readPipes(source: Source): void {
  const { bytes } = source, limit = Math.min(bytes.length, HEADER_WITHIN);
  let at = -1, ids = CEF;
  for (let i = 3; i < limit; i++) {
    if (bytes[i] !== COLON || bytes[i - 1] !== 0x46) continue;
    if (bytes[i - 2] !== 0x45) continue;
    if (bytes[i - 3] === 0x43) ids = CEF;
    else if (bytes[i - 3] === 0x45 && bytes[i - 4] === 0x4c) ids = LEEF;
    else continue;
    at = i + 1;
    break;
  }
  if (at < 0) return;
  for (const id of ids) {
    let end = at;
    while (end < bytes.length && bytes[end] !== PIPE) {
      end += bytes[end] === BACKSLASH ? 2 : 1;
    }
    if (end >= bytes.length) return;
    source.column(id, at, end);
    at = end + 1;
  }
  readReceiptTime(source, at);
}

/** CEF's `rt`: milliseconds, or `Mar 23 2017 16:34:07`. */
function readReceiptTime(source: Source, from: number): void {
  const { bytes } = source;
  const last = Math.min(bytes.length, from + TIME_WITHIN) - RT.length;
  for (let at = from; at < last; at++) {
    if (bytes[at] !== RT[0] || bytes[at + 1] !== RT[1]) continue;
    if (bytes[at + 2] !== EQUALS) continue;
    const before = bytes[at - 1];
    if (before !== SPACE && before !== PIPE && before !== TAB) continue;
    const start = at + RT.length;
    let end = wordEnd(bytes, start);
    // A date's four words.
    for (let word = 1; word < 4 && !isDigit(bytes[start]); word++) {
      end = wordEnd(bytes, end + 1);
    }
    source.column(CEF_TIME, start, end);
    return;
  }
}

/** Palo Alto's CSV: the fourth column says which log it is. */
function readPaloAlto(source: Source, body: number): boolean {
  const { bytes } = source;
  let at = body;
  for (let column = 0; column < PAN_TYPE_AT; column++) {
    at = placeOf(bytes, COMMA, at, Math.min(bytes.length, at + HEADER_WITHIN));
    if (at++ < 0) return false;
  }
  const end = placeOf(bytes, COMMA, at, Math.min(bytes.length, at + 24));
  if (end < 0) return false;
  source.from = at;
  source.to = end;
  if (!PAN_TYPES.some((type) => source.says(type))) return false;
  source.column(PAN_TYPE, at, end);
  const ids = PAN_TRAFFIC_IDS;
  const last = source.says("TRAFFIC") ? ids.length : PAN_HEAD.length;
  let from = body;
  for (let column = 0; column < last; column++) {
    let to: number, next: number;
    if (bytes[from] === QUOTE) {
      to = from + 1;
      while (to < bytes.length) {
        if (bytes[to] === QUOTE) {
          if (bytes[to + 1] !== QUOTE) break;
          to++;
        }
        to++;
      }
      from++;
      next = to + 1;
    } else {
      const comma = bytes.indexOf(COMMA, from);
      to = next = comma < 0 ? bytes.length : comma;
    }
    const id = ids[column] ?? -1;
    if (id >= 0) source.column(id, from, Math.min(to, bytes.length));
    if (next >= bytes.length || bytes[next] !== COMMA) return true;
    from = next + 1;
  }
  return true;
}
