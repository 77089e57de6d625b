/** Whether bytes have the shape that OCSF's types demand. Never wider than the patterns of the 1.1.0 schema. */

const ZERO = 0x30, POINT = 0x2e, HYPHEN = 0x2d, COLON = 0x3a;

/** A digit, or a letter without accents. */
function isAlphanumeric(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return byte - ZERO >>> 0 <= 9 || (byte | 0x20) - 0x61 >>> 0 <= 25;
}

function isHex(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return byte - ZERO >>> 0 <= 9 || (byte | 0x20) - 0x61 >>> 0 <= 5;
}

/** Place behind an octet of an IPv4 address; -1 where there is none. */
function octetEnd(bytes: Uint8Array, at: number, end: number): number {
  let value = 0, i = at;
  for (; i < end && i < at + 3; i++) {
    const digit = (bytes[i] as number) - ZERO;
    if (digit >>> 0 > 9) break;
    value = value * 10 + digit;
  }
  if (i === at || value > 255 || i > at + 1 && bytes[at] === ZERO) return -1;
  return i;
}

function isIpv4(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  for (let octet = 0; octet < 4; octet++) {
    if (octet > 0) {
      if (at >= end || bytes[at] !== POINT) return false;
      at++;
    }
    at = octetEnd(bytes, at, end);
    if (at < 0) return false;
  }
  return at === end;
}

function isIpv6(bytes: Uint8Array, start: number, end: number): boolean {
  let groups = 0, isShortened = false, at = start;
  if (bytes[at] === COLON) {
    if (bytes[at + 1] !== COLON || end - at < 2) return false;
    isShortened = true;
    at += 2;
  }
  while (at < end) {
    let i = at;
    while (i < end && i < at + 5 && isHex(bytes[i])) i++;
    if (i < end && bytes[i] === POINT) {
      groups += 2;
      return isIpv4(bytes, at, end) &&
        (isShortened ? groups < 8 : groups === 8);
    }
    if (i === at || i > at + 4) return false;
    groups++;
    at = i;
    if (at === end) break;
    if (bytes[at] !== COLON) return false;
    at++;
    if (at < end && bytes[at] === COLON) {
      if (isShortened) return false;
      isShortened = true;
      at++;
    } else if (at === end) return false;
  }
  return isShortened ? groups < 8 : groups === 8;
}

/** An IPv4 or IPv6 address, without a zone. */
export function isIp(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > 40) return false;
  return isIpv4(bytes, start, end) || isIpv6(bytes, start, end);
}

/** Labels of letters, digits and inner hyphens between single dots. */
export function isHostname(
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (end - start > 253) return false;
  let before: number | undefined;
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (!isAlphanumeric(byte)) {
      if (byte !== HYPHEN && byte !== POINT) return false;
      // Only behind a letter or digit, or a hyphen behind hyphens.
      const isRun = byte === HYPHEN && before === HYPHEN;
      if (!isRun && !isAlphanumeric(before)) return false;
    }
    before = byte;
  }
  // A label ends in a letter or digit: before a dot that was seen above.
  return isAlphanumeric(before);
}

/** Six pairs of hexadecimal digits between colons or hyphens. */
export function isMac(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== 17) return false;
  for (let i = 0; i < 17; i++) {
    const byte = bytes[start + i];
    if (i % 3 === 2 ? byte !== COLON && byte !== HYPHEN : !isHex(byte)) {
      return false;
    }
  }
  return true;
}

/** Hexadecimal digits, no more than OCSF's longest hash. */
export function isHash(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end || end - start > 64) return false;
  for (let i = start; i < end; i++) if (!isHex(bytes[i])) return false;
  return true;
}

const EMAIL = /^[a-zA-Z0-9_.+-]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+$/;

/** An address as OCSF has it: plain letters only. */
export function isEmail(text: string): boolean {
  return text.length <= 320 && EMAIL.test(text);
}
