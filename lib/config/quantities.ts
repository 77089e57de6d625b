/** How durations, sizes and switches are written (interface §1). Each reader answers undefined for what it cannot read. */

const DURATION_MS: Readonly<Record<string, number>> = {
  "": 1000,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const SIZE_BYTES: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

const SWITCHES: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  "1": true,
  false: false,
  no: false,
  off: false,
  "0": false,
};

function lookUp<T>(
  table: Readonly<Record<string, T>>,
  key: string,
): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function quantity(
  text: string,
  units: Readonly<Record<string, number>>,
): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([a-z]*)$/.exec(text.trim().toLowerCase());
  const unit = lookUp(units, match?.[2] ?? "?");
  if (match?.[1] === undefined || unit === undefined) return undefined;
  const value = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** `500ms`, `2s`, `5m`, `24h`, a bare number in seconds: milliseconds. */
export function readDuration(text: string): number | undefined {
  return quantity(text, DURATION_MS);
}

/** `64KiB`, `5MB`, a bare number of bytes: bytes. */
export function readSize(text: string): number | undefined {
  return quantity(text, SIZE_BYTES);
}

/** true/false, yes/no, on/off, 1/0. */
export function readSwitch(text: string): boolean | undefined {
  return lookUp(SWITCHES, text.trim().toLowerCase());
}
