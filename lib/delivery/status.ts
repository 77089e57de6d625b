/** `GET /api/v1/status`: figures and connector states for people and monitors (interface §5). */

import { booksOf, type ConnectorBooks } from "../log/books.ts";
import type { Place, PlaceState } from "../log/cursor.ts";
import { type Holder, readHolders } from "../log/holders.ts";
import type { EventLog } from "../log/log.ts";
import { NOWHERE, readBooks } from "../log/places.ts";
import { type Loss, lossOf } from "./risk.ts";
import { NEVER_WARNED, type Warned } from "./warnings.ts";

/** A connector of the configuration, as its own process knows it. */
export interface ReportedConnector {
  readonly name: string;
  readonly type: string;
  /** When the relay took the oldest event that waits, where that is known; milliseconds since the Unix epoch. */
  readonly oldestWaiting: number | null;
  /** Switched off: nothing is sent, its events wait. */
  readonly isDisabled: boolean;
  /** False: no source names it; it owes nothing and counts nothing. */
  readonly isFed: boolean;
  /** What the SIEM warned of a little while ago although it takes events. */
  readonly warning: string | null;
  /** How often it did, to this process. Absent: never. */
  readonly warned?: Warned;
}

/** All times RFC 3339 UTC or null, all counts integers. */
export interface StatusReport {
  readonly version: string;
  /** The process that answers. */
  readonly instance: string;
  readonly uptime_s: number;
  readonly log: {
    readonly events: number;
    readonly bytes: number;
    readonly oldest: string | null;
    /** Seconds that settled events are kept for replay. */
    readonly keep: number;
    /** Appends are refused: no room. */
    readonly full: boolean;
    /** Segments in the log that were set aside as damaged, by whichever process. */
    readonly damaged: number;
    /** Reads that memory could not serve since this process began. */
    readonly lag_reads: number;
  };
  readonly connectors: readonly ConnectorReport[];
}

export interface ConnectorReport {
  readonly name: string;
  readonly type: string;
  readonly state: PlaceState;
  /** The instance whose lease it is; null: nobody's. */
  readonly holder: string | null;
  readonly accepted: number;
  readonly delivered: number;
  readonly filtered: number;
  readonly dead: number;
  readonly discarded: number;
  readonly waiting: number;
  readonly waiting_bytes: number;
  readonly expired: number;
  /** Of the books: 0, or there is a bug. */
  readonly difference: number;
  readonly oldest_waiting: string | null;
  /** When the oldest event that waits expires. */
  readonly loses_at: string | null;
  /** That is soon. */
  readonly at_risk: boolean;
  readonly last_success: string | null;
  readonly last_error:
    | {
      readonly reason: string;
      readonly message: string;
      readonly help: string | null;
      readonly at: string;
    }
    | null;
  readonly next_attempt_at: string | null;
  /** What the SIEM warned of in the last minutes although it takes events, or what is wrong with the scope. */
  readonly warning: string | null;
  /** How often the SIEM warned, since the holder began. */
  readonly warned: Warned;
}

/** Puts the report together from the store's records, so that every process answers alike. */
export async function statusReport(parts: {
  readonly log: EventLog;
  readonly connectors: readonly ReportedConnector[];
  /** Milliseconds. */
  readonly keep: number;
  /** What waits longer expires; 0: never. Milliseconds. */
  readonly expire: number;
  readonly version: string;
  /** Milliseconds since this process began. */
  readonly uptime: number;
}): Promise<StatusReport> {
  const { log, connectors, keep, expire, version, uptime } = parts;
  const { clock } = log.options;
  const records = await readBooks(log);
  const holders = await readHolders(log);
  const stats = await log.stats();
  return {
    version,
    instance: log.options.instance,
    uptime_s: Math.floor(uptime / 1000),
    log: {
      events: stats.events,
      bytes: stats.bytes,
      oldest: rfc3339(stats.oldest),
      keep: Math.floor(keep / 1000),
      full: log.full,
      damaged: stats.damaged,
      lag_reads: log.lagReads,
    },
    connectors: (await Promise.all(connectors.map(async (connector) => {
      const { name, isFed } = connector;
      const place = isFed ? records.places.get(name) : NOWHERE;
      if (place === undefined) return [];
      const books = booksOf(
        place,
        isFed ? records.heads : {},
        records.deltas.get(name),
      );
      // Only its holder knows without looking.
      const oldest = books.waiting === 0
        ? null
        : connector.oldestWaiting ?? await log.receivedAt(place) ?? null;
      return [report(connector, place, {
        books,
        holder: holders.get(name),
        isOurs: holders.get(name)?.instance === log.options.instance,
        oldest,
        loss: lossOf(oldest, expire, clock.now()),
      })];
    }))).flat(),
  };
}

function report(
  { name, type, isDisabled, warning, warned = NEVER_WARNED }: ReportedConnector,
  place: Place,
  store: {
    readonly books: ConnectorBooks;
    readonly holder: Holder | undefined;
    /** This process holds it, and knows more than it told the others. */
    readonly isOurs: boolean;
    /** When the oldest event that waits was accepted. */
    readonly oldest: number | null;
    readonly loss: Loss;
  },
): ConnectorReport {
  const { waitingBytes, ...books } = store.books;
  const error = place.lastError;
  // What this process was told while it held the connector is not news once another does.
  const teller = store.isOurs ? undefined : store.holder;
  return {
    name,
    type,
    state: isDisabled ? "disabled" : place.state,
    // One that was killed while it held a connector that is off now has no successor.
    holder: isDisabled ? null : store.holder?.instance ?? null,
    ...books,
    waiting_bytes: waitingBytes,
    oldest_waiting: rfc3339(store.oldest),
    loses_at: rfc3339(store.loss.losesAt),
    at_risk: store.loss.isAtRisk,
    last_success: rfc3339(place.lastSuccess),
    last_error: error === null ? null : {
      reason: error.reason,
      message: error.message,
      help: error.help,
      at: new Date(error.at).toISOString(),
    },
    next_attempt_at: isDisabled ? null : rfc3339(place.nextAttemptAt),
    warning: teller === undefined ? warning : teller.warning || null,
    warned: teller === undefined ? warned : teller.warned,
  };
}

function rfc3339(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
