/**
 * Receipts: where an event is, per connector that owes or owed it (interface §7), from the store's records, so that
 * every process answers alike. Known while the log keeps the event; where it expired for 30 days.
 *
 * Over 300 lines because every state that an event can be in is told side by side.
 */

import type { Answer } from "../connector.ts";
import { EventView, type Position, type Segment } from "../event.ts";
import { jsonStringBytes } from "../json/strings.ts";
import { eventsAhead, type LanePlace } from "../log/ahead.ts";
import type { Place } from "../log/cursor.ts";
import { readDeadEnd } from "../log/dead_ends.ts";
import { positionOf } from "../log/dead_letters.ts";
import { type ExpiryReason, isBefore, NO_ANSWER } from "../log/decision.ts";
import { listExpired } from "../log/expired.ts";
import { type History, type Outcome, replayedOf } from "../log/history.ts";
import { deadKey, logKey } from "../log/keys.ts";
import { fromValue, numberIn, textIn } from "../log/kv.ts";
import type { EventLog } from "../log/log.ts";
import { readHeader } from "../log/segment.ts";
import { readTrimMark } from "../log/trim.ts";

/** A configured connector that gets events. */
export interface ReceiptConnector {
  readonly name: string;
  readonly type: string;
  readonly isEnabled: boolean;
  /** Events of one batch. */
  readonly batchEvents: number;
}

/** What became of an event at a connector; times RFC 3339. */
export type ReceiptState =
  | {
    readonly state: "delivered";
    readonly at: string;
    readonly attempts: number;
    readonly answer: Answer;
  }
  /** `by` is null where a replay's filter took a dead letter. */
  | {
    readonly state: "filtered";
    readonly at: string;
    readonly by: string | null;
  }
  | {
    readonly state: "waiting";
    readonly ahead: number;
    readonly attempts: number;
    readonly next_attempt_at: string | null;
    readonly reason: string | null;
  }
  | {
    readonly state: "dead";
    readonly at: string;
    readonly reason: string;
    readonly error: string;
    readonly attempts: number;
    readonly dead_letter: string;
  }
  | { readonly state: "discarded"; readonly at: string }
  | {
    readonly state: "expired";
    readonly at: string;
    readonly reason: ExpiryReason;
  };

/** A receipt. What cannot be read any more is null. */
export interface Receipt {
  readonly id: string;
  readonly accepted_at: string | null;
  readonly producer: string | null;
  /** Of the event. */
  readonly bytes: number | null;
  readonly connectors: readonly (
    & { readonly name: string; readonly type: string }
    & ReceiptState
  )[];
  /** JSON text: the event as it came, or a line of text as a string. Undefined: it is not in the log any more. */
  readonly event: Uint8Array | undefined;
}

/** Where an event lies, and what of its segment can be read. */
interface Origin extends LanePlace {
  readonly receivedAt: number;
  readonly view: EventView | undefined;
}

/** The receipt of an event; undefined: there is none of this id, or it is gone. @throws what the store throws. */
export async function receiptOf(
  log: EventLog,
  history: History,
  connectors: readonly ReceiptConnector[],
  id: string,
): Promise<Receipt | undefined> {
  const at = positionOf(id);
  if (at === undefined) return undefined;
  const origin = await find(log, at);
  if (origin === undefined) return await goneReceipt(log, connectors, id, at);
  const rows: (Receipt["connectors"][number])[] = [];
  for (const connector of connectors) {
    const { name, type } = connector;
    const place = await history.placeOf(name);
    if (place === undefined) continue;
    const state = await stateOf(log, history, { connector, place, origin, id });
    if (state !== undefined) rows.push({ name, type, ...state });
  }
  const { view, receivedAt } = origin;
  return {
    id,
    accepted_at: rfc3339(receivedAt),
    producer: view?.run.producer ?? null,
    bytes: view?.event.length ?? null,
    connectors: rows,
    event: view === undefined
      ? undefined
      : view.isRaw
      ? jsonStringBytes(decoder.decode(view.event))
      : view.event,
  };
}

/** One event of the log; undefined: there is none. Of a damaged segment only the header is read. */
async function find(log: EventLog, at: Position): Promise<Origin | undefined> {
  const segment = await log.segment(at.segment);
  if (segment !== undefined) {
    if (at.index >= segment.count) return undefined;
    if ((await readTrimMark(log.store)).segment >= at.segment) return undefined;
    return originIn(segment, at);
  }
  const entry = await log.store.call((kv) => kv.get(logKey(at.segment)));
  const header = entry.value instanceof Uint8Array
    ? readHeader(entry.value)
    : undefined;
  if (header === undefined || at.index >= header.count) return undefined;
  return {
    at,
    lane: header.lane,
    before: header.eventsBefore + at.index,
    receivedAt: header.receivedAt,
    view: undefined,
  };
}

function originIn(segment: Segment, at: Position): Origin {
  const view = new EventView().at(segment, at.index);
  return {
    at,
    lane: segment.lane,
    before: segment.eventsBefore + at.index,
    receivedAt: view.receivedAt,
    view,
  };
}

/** Undefined: the connector never owed the event. */
async function stateOf(log: EventLog, history: History, of: {
  readonly connector: ReceiptConnector;
  readonly place: Place;
  readonly origin: Origin;
  readonly id: string;
}): Promise<ReceiptState | undefined> {
  const { connector, place, origin, id } = of;
  const { name } = connector;
  const { segment, index } = origin.at;
  if (
    segment > place.segment ||
    segment === place.segment && index >= place.index
  ) return await waiting(log, connector, place, origin);
  const letter = await deadState(log, name, id);
  // A dead letter that is there is what it is, whatever else was done.
  if (letter?.state === "dead") return letter;
  const isOlder = origin.before < (place.start[origin.lane] ?? 0);
  const outcome = isOlder
    ? undefined
    : await history.outcomeOf(name, origin.at, place);
  const own = outcome && decided(outcome, letter);
  const again = await replayedOf(log.store, name, origin.at);
  const replayed: Settled | undefined = again && {
    state: "delivered",
    at: rfc3339(again.at),
    attempts: again.attempts,
    answer: again.answer,
  };
  const newest = [own, letter, replayed].filter((one) => one !== undefined)
    .reduce<Settled | undefined>(
      (one, other) =>
        one !== undefined && Date.parse(one.at) > Date.parse(other.at)
          ? one
          : other,
      undefined,
    );
  if (newest !== undefined || isOlder) return newest;
  // What a kill left out of the history is told as delivered.
  return {
    state: "delivered",
    at: rfc3339(place.lastSuccess ?? origin.receivedAt),
    attempts: 1,
    answer: NO_ANSWER,
  };
}

type Settled = Exclude<ReceiptState, { state: "waiting" }>;

function decided(
  { decision, at }: Outcome,
  letter: Settled | undefined,
): Settled {
  const time = rfc3339(at);
  switch (decision.kind) {
    case "delivered": {
      const { attempts, answer } = decision;
      return { state: "delivered", at: time, attempts, answer };
    }
    case "filtered":
      return { state: "filtered", at: time, by: decision.by };
    case "discarded":
      return { state: "discarded", at: time };
    case "expired":
      return { state: "expired", at: time, reason: decision.reason };
    case "dead":
      // Kept 30 days, and what became of it for as long.
      return letter ?? { state: "expired", at: time, reason: "age" };
    default:
      return decision satisfies never;
  }
}

/** A dead letter, or what became of it; undefined: nothing is known of one. */
async function deadState(
  log: EventLog,
  name: string,
  id: string,
): Promise<Settled | undefined> {
  const entry = await log.store.call((kv) => kv.get(deadKey(name, id)));
  const record = fromValue(entry.value);
  if (record !== undefined) {
    return {
      state: "dead",
      at: rfc3339(numberIn(record, "at")),
      reason: textIn(record, "reason"),
      error: textIn(record, "error"),
      attempts: numberIn(record, "attempts"),
      dead_letter: `${id}@${name}`,
    };
  }
  const end = await readDeadEnd(log.store, name, id);
  if (end === undefined) return undefined;
  const at = rfc3339(end.at);
  switch (end.how) {
    case "delivered": {
      const { attempts, answer } = end;
      return {
        state: "delivered",
        at,
        attempts,
        answer: answer ?? NO_ANSWER,
      };
    }
    case "filtered":
      return { state: "filtered", at, by: null };
    case "discarded":
      return { state: "discarded", at };
    default:
      return { state: "expired", at, reason: "age" };
  }
}

async function waiting(
  log: EventLog,
  { isEnabled, batchEvents }: ReceiptConnector,
  place: Place,
  origin: Origin,
): Promise<ReceiptState> {
  const ahead = await eventsAhead(log, place, origin);
  const isFaulty = isEnabled &&
    (place.state === "retrying" || place.state === "held");
  const { tried } = place;
  const isTried = tried === undefined
    ? ahead < (place.attempted ?? batchEvents)
    : isBefore(origin.at, tried);
  return {
    state: "waiting",
    ahead,
    attempts: isTried ? place.attempt : 0,
    next_attempt_at: isFaulty && place.nextAttemptAt !== null
      ? rfc3339(place.nextAttemptAt)
      : null,
    reason: isFaulty ? place.lastError?.reason ?? null : null,
  };
}

/** Of an event that left the log: where it expired in the last 30 days. */
async function goneReceipt(
  log: EventLog,
  connectors: readonly ReceiptConnector[],
  id: string,
  { segment, index }: Position,
): Promise<Receipt | undefined> {
  const rows: (Receipt["connectors"][number])[] = [];
  let acceptedAt: number | null = null;
  for (const { name, type } of connectors) {
    for await (const range of listExpired(log.store, name)) {
      const first = positionOf(range.first), last = positionOf(range.last);
      if (first === undefined || last === undefined) continue;
      // What it ends before is another event.
      if (range.isBetween === true && segment === last.segment) continue;
      const isInside = (segment > first.segment ||
        segment === first.segment && index >= first.index) &&
        (segment < last.segment ||
          segment === last.segment && index <= last.index);
      if (!isInside) continue;
      const { at, reason, from, to } = range;
      rows.push({ name, type, state: "expired", at: rfc3339(at), reason });
      acceptedAt ??= id === range.first || from === to
        ? from
        : id === range.last
        ? to
        : null;
      break;
    }
  }
  if (rows.length === 0) return undefined;
  return {
    id,
    accepted_at: acceptedAt === null ? null : rfc3339(acceptedAt),
    producer: null,
    bytes: null,
    connectors: rows,
    event: undefined,
  };
}

/** A byte order mark at the start of a line of text is part of it. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function rfc3339(at: number): string {
  return new Date(at).toISOString();
}
