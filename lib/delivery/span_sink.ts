/**
 * A sink whose table may take no more than a span of time in one request: then the events near a batch's first one are
 * sent, and the rest goes again at once.
 */

import type { Outcome, Sink } from "../connector.ts";
import { BatchBuffer } from "./batch_buffer.ts";
import type { Frame } from "./post_sink.ts";

/** What one request may span. */
export interface TimeSpan {
  readonly ms: number;
  /** Whether the table is known to be such a one; asked before and after each attempt. */
  isWanted(): boolean;
  /** When the event in these bytes of a body happened, in milliseconds. NaN where it does not say. */
  timeIn(event: Uint8Array): number;
}

/** `sink`, but as soon as the span is wanted no request spans more; the attempt that showed it goes on by it. */
export function sinkBySpan(sink: Sink, frame: Frame, span: TimeSpan): Sink {
  return {
    limits: sink.limits,
    encode: (events, into) => sink.encode(events, into),
    async deliver(batch, signal) {
      if (!span.isWanted()) {
        const outcome = await sink.deliver(batch, signal);
        if (!span.isWanted()) return outcome;
      }
      const part = nearTheFirst(batch, frame, span);
      const outcome = await sink.deliver(part, signal);
      batch.answer = part.answer;
      const sent = new Set(part.places);
      return withRest(outcome, batch.places.filter((at) => !sent.has(at)));
    },
    probe: (signal) => sink.probe(signal),
    test: (signal) => sink.test(signal),
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  };
}

/** The outcome of a part as one of the whole batch: what was not sent is pending, never taken for delivered. */
function withRest(outcome: Outcome, rest: readonly number[]): Outcome {
  if (rest.length === 0) return outcome;
  switch (outcome.kind) {
    case "delivered":
      return { kind: "rejected", rejections: [], pending: rest };
    case "rejected":
      return { ...outcome, pending: [...outcome.pending ?? [], ...rest] };
    case "retry":
      // Without a list all of the batch is pending that is not rejected.
      return outcome.pending === undefined
        ? outcome
        : { ...outcome, pending: [...outcome.pending, ...rest] };
    default:
      return outcome;
  }
}

/**
 * The first event and each later one that leaves all chosen ones within the span, in a body of their own; all of them
 * where the time of one is not known. Places stay those of the run. Frames are ASCII.
 */
function nearTheFirst(
  batch: BatchBuffer,
  frame: Frame,
  { ms, timeIn }: TimeSpan,
): BatchBuffer {
  const { ends } = batch;
  const rows = Array.from(ends, (end, position) => {
    const before = ends[position - 1];
    const start = before === undefined
      ? frame.open.length
      : before + frame.separator.length;
    return batch.bytes.subarray(start, end);
  });
  const times = rows.map(timeIn);
  if (times.some(Number.isNaN)) return batch;
  const encoder = new TextEncoder();
  const separator = encoder.encode(frame.separator);
  const part = new BatchBuffer(batch.limits);
  part.literal(encoder.encode(frame.open));
  let earliest = Infinity, latest = -Infinity;
  for (const [position, place] of batch.places.entries()) {
    const row = rows[position], time = times[position];
    if (row === undefined || time === undefined) continue;
    const low = Math.min(earliest, time), high = Math.max(latest, time);
    if (high - low > ms) continue;
    [earliest, latest] = [low, high];
    part.begin(separator);
    part.literal(row);
    part.end(place);
  }
  part.literal(encoder.encode(frame.close));
  return part;
}
