/** Segments made by hand, for tests that need no log. */

import type { Segment } from "../../lib/event.ts";
import {
  ENVELOPE,
  EVENT,
  HOST,
  MULTILINE,
  RAW,
  SpanTable,
  TIME,
} from "../../lib/json/spans.ts";

export interface MadeSegment {
  /** 1, 2, 3 …: the id follows. */
  readonly number: number;
  /** Each event's text: JSON, or a line where `isRaw`. */
  readonly events: readonly string[];
  readonly receivedAt?: number;
  readonly isRaw?: boolean;
  readonly lane?: string;
  readonly eventsBefore?: number;
  /** JSON text of the member, of all events. */
  readonly host?: string;
  readonly time?: string;
}

export function madeSegmentId(number: number): string {
  return number.toString(16).padStart(16, "0") + "0000";
}

export function madeSegment(made: MadeSegment): Segment {
  const { isRaw = false, host, time } = made;
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  let length = 0;
  const put = (text: string): [number, number] => {
    const bytes = encoder.encode(text);
    parts.push(bytes);
    length += bytes.length;
    return [length - bytes.length, length];
  };
  const table = new SpanTable();
  for (const event of made.events) {
    const row = table.add();
    const set = (member: number, [start, end]: [number, number]) => {
      table.words[row + member] = start;
      table.words[row + member + 1] = end;
    };
    const from = length;
    if (!isRaw) put("{");
    if (host !== undefined) {
      put('"host":');
      set(HOST, put(host));
      put(",");
    }
    if (time !== undefined) {
      put('"time":');
      set(TIME, put(time));
      put(",");
    }
    if (!isRaw) put('"event":');
    set(EVENT, put(event));
    if (!isRaw) put("}");
    set(ENVELOPE, [from, length]);
    let flags = isRaw ? RAW : 0;
    if (!isRaw && /[\r\n]/.test(event)) flags |= MULTILINE;
    table.words[row + 16] = flags;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return {
    id: madeSegmentId(made.number),
    bytes,
    spans: table.words,
    count: table.count,
    runs: [{ producer: "test", receivedAt: made.receivedAt ?? 1_000 }],
    lane: made.lane ?? "lane",
    eventsBefore: made.eventsBefore ?? 0,
    bytesBefore: 0,
    storedBytes: length,
  };
}
