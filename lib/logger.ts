/** Diagnostics: one JSON object a line. Never event bodies, tokens or query strings. */

export type Level = "debug" | "info" | "warn" | "error";

/** The closed list of event names. */
export type LogEvent =
  | "start"
  | "stop"
  | "config.warning"
  | "ingest.refused"
  | "ingest.unknown_member"
  | "delivery.delivered"
  | "delivery.retry"
  | "delivery.held"
  | "delivery.resumed"
  | "delivery.dead"
  | "delivery.expired"
  | "delivery.warning"
  | "delivery.at_risk"
  | "books.difference"
  | "lease.taken"
  | "lease.lost"
  | "lease.handover"
  | "log.damaged"
  | "log.full"
  | "log.recovered"
  | "log.trimmed"
  | "replay.started"
  | "replay.waits"
  | "replay.ended"
  | "store.slow"
  | "bug";

export interface Logger {
  log(
    level: Level,
    event: LogEvent,
    message: string,
    fields?: Readonly<Record<string, unknown>>,
  ): void;
}

const RANK: Readonly<Record<Level, number>> = {
  debug: 0,
  info: 1,
  warn: 2,
  error: 3,
};

/** A logger that writes lines of JSON. `redact` blanks known secrets in each line. */
export function jsonLogger(options: {
  readonly level: Level;
  readonly write: (line: string) => void;
  readonly now: () => number;
  readonly redact?: (text: string) => string;
}): Logger {
  const { level: lowest, write, now, redact = (text) => text } = options;
  return {
    log(level, event, message, fields = {}) {
      if (RANK[level] < RANK[lowest]) return;
      write(
        redact(
          JSON.stringify({
            ts: new Date(now()).toISOString(),
            level,
            event_name: event,
            message,
            ...fields,
          }),
        ),
      );
    },
  };
}

/** Says nothing. */
export const silentLogger: Logger = { log() {} };
