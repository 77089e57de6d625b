/** Events mapped to OCSF, for tests of the mapping. */

import assert from "node:assert/strict";
import { EventView, type Segment } from "../../lib/event.ts";
import { scanBody } from "../../lib/json/scanner.ts";
import { SpanTable } from "../../lib/json/spans.ts";
import { mapEvent } from "../../lib/ocsf/map.ts";
import { Bytes } from "./growing_bytes.ts";
import { madeSegment } from "./made_segment.ts";

export const RECEIVED = 1_773_360_000_123;

/** OCSF's longest string; the original goes whole though it may be longer. */
export const MAX_TEXT = 65_535;

const encoder = new TextEncoder();

/** What is read of an OCSF event here. */
export interface Mapped {
  readonly class_uid: number;
  readonly activity_id: number;
  readonly activity_name: string;
  readonly type_uid: number;
  readonly time: number;
  readonly severity_id: number;
  readonly message?: string;
  readonly raw_data?: string;
  readonly unmapped?: unknown;
  readonly enrichments?: readonly unknown[];
  readonly metadata: Readonly<Record<string, unknown>> & {
    readonly product: Readonly<Record<string, string>>;
  };
}

/** A segment of these events: JSON values. */
export function segmentOf(events: readonly string[]): Segment {
  return madeSegment({ number: 1, events, receivedAt: RECEIVED });
}

/** A segment of these lines, as `/raw` takes them. */
export function segmentOfLines(events: readonly string[]): Segment {
  return madeSegment({ number: 1, events, isRaw: true, receivedAt: RECEIVED });
}

/** A segment of a body's HEC envelopes, as the relay would keep them. */
export function segmentOfBody(bytes: Uint8Array): Segment {
  const table = new SpanTable();
  scanBody(bytes, table);
  return { ...segmentOf([]), bytes, spans: table.words, count: table.count };
}

export function mappedText(segment: Segment, index = 0): string {
  const into = new Bytes();
  const view = new EventView().at(segment, index);
  mapEvent(view, into);
  const text = into.text();
  const breaks = (json: string) => json.replace(/[^\r\n]/g, "");
  const own = new TextDecoder().decode(view.event).trimStart();
  assert.equal(
    breaks(text),
    !view.isRaw && own.startsWith("{") ? breaks(own) : "",
    "no line break but the event's own",
  );
  const again = new Bytes(64);
  again.length = 3;
  mapEvent(view, again);
  assert.equal(again.text().slice(3), text, "the same at any place");
  return text;
}

export function mapped(segment: Segment, index = 0): Mapped {
  return JSON.parse(mappedText(segment, index));
}

/** One HEC envelope's event, mapped. */
export function mappedEnvelope(envelope: string): Mapped {
  return mapped(segmentOfBody(encoder.encode(envelope)));
}
