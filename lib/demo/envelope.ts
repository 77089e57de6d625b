/** An HEC envelope as a collector reads it: which member is wrong, and what is the event. */

import { membersOf, parsed } from "./source_text.ts";

/** Why an envelope is refused. */
export type EnvelopeFault =
  | "no object"
  | "unknown key"
  | "no event"
  | "blank event"
  | "metadata"
  | "time"
  | "fields"
  | "nested fields";

/** A readable envelope. */
export interface Envelope {
  readonly event: Uint8Array;
  readonly time?: string;
  readonly index?: string;
  /** What the vendor takes without a word although it will not do what the sender meant. */
  readonly complaints: readonly string[];
}

const KEYS = [
  "event",
  "time",
  "host",
  "source",
  "sourcetype",
  "index",
  "fields",
];
const METADATA = ["host", "source", "sourcetype", "index"];
/** Epoch seconds: any JSON number, or digits in quotes. */
const TIME = /^(-?\d+(\.\d+)?([eE][+-]?\d+)?|"-?\d+(\.\d*)?")$/;

const text = new TextDecoder();

/** Reads one top-level value. An object with `fields` and no event (a metric) is an event as a whole. */
export function readEnvelope(value: Uint8Array): Envelope | EnvelopeFault {
  const members = membersOf(value);
  if (members === undefined) return "no object";
  const complaints: string[] = [];
  for (const key of members.keys()) {
    if (!KEYS.includes(key)) return "unknown key";
  }
  const event = members.get("event");
  const fields = members.get("fields");
  if (event === undefined && fields === undefined) return "no event";
  if (event !== undefined && isBlank(event)) return "blank event";
  for (const key of METADATA) {
    const member = members.get(key);
    if (member === undefined) continue;
    const content = parsed(member);
    if (typeof content !== "string") return "metadata";
    if (content === "") complaints.push(`${key} is empty, better left out`);
  }
  const time = members.get("time");
  if (time !== undefined && !TIME.test(text.decode(time))) return "time";
  if (fields !== undefined) {
    const content = parsed(fields);
    if (!isObject(content)) return "fields";
    if (Object.values(content).some(isNested)) return "nested fields";
  }
  const index = members.get("index");
  return {
    event: event ?? value,
    complaints,
    ...(time === undefined ? {} : { time: text.decode(time) }),
    ...(index === undefined ? {} : { index: String(parsed(index)) }),
  };
}

/** null, text of white space only, `{}` and `[]`: what collectors call a blank event. 0 and false are none. */
function isBlank(event: Uint8Array): boolean {
  const content = parsed(event);
  if (typeof content === "string") return content.trim() === "";
  return content === null ||
    (typeof content === "object" && Object.keys(content).length === 0);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNested(value: unknown): boolean {
  return Array.isArray(value)
    ? value.some((item) => typeof item === "object" && item !== null)
    : isObject(value);
}
