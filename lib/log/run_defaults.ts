/** A request's defaults as they lie in a segment: JSON texts, once per run. */

import type { Defaults } from "./intake.ts";

const encoder = new TextEncoder();

/** Defaults as JSON text, each with its bit in the mask. */
export type DefaultTexts = readonly {
  readonly bit: number;
  readonly text: string;
  readonly bytes: Uint8Array;
}[];

const NO_DEFAULTS: DefaultTexts = [];
const NAMES = [
  undefined,
  "time",
  "host",
  "source",
  "sourcetype",
  "index",
] as const;
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** The defaults that say something; `time` is a JSON number where it is one. */
export function textsOf(defaults: Defaults): DefaultTexts {
  let texts: { bit: number; text: string; bytes: Uint8Array }[] | undefined;
  for (let bit = 1; bit < NAMES.length; bit++) {
    const name = NAMES[bit];
    const value = name === undefined ? undefined : defaults[name];
    if (value === undefined || value === "") continue;
    const text = name === "time" && JSON_NUMBER.test(value)
      ? value
      : JSON.stringify(value);
    (texts ??= []).push({ bit, text, bytes: encoder.encode(text) });
  }
  return texts ?? NO_DEFAULTS;
}

/** Are two runs' defaults the same? */
export function sameTexts(a: DefaultTexts, b: DefaultTexts): boolean {
  return a.length === b.length &&
    a.every((one, i) => one.bit === b[i]?.bit && one.text === b[i]?.text);
}
