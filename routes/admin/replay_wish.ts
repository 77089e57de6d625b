/** The body of `POST /api/v1/replays`: what is to be replayed. */

import type { BookedConnector } from "../../lib/delivery/books_watch.ts";
import { asText } from "../../lib/json/objects.ts";
import { positionOf } from "../../lib/log/dead_letters.ts";
import type { RangeBound } from "../../lib/log/job_range.ts";
import type { DeadWish, LogWish } from "../../lib/log/job_wish.ts";
import { choiceOf, onlyMembers, timeOf } from "./dead_filter.ts";
import type { FieldFaults } from "./lists.ts";

/** Events a second that a replay of the log sends to each connector unless asked otherwise. */
const LOG_RATE = 200;
const MOST_RATE = 1_000_000;

export type ReplayWish =
  | LogWish & { readonly kind: "log"; readonly isDry: boolean }
  | DeadWish & {
    readonly kind: "dead-letters";
    readonly isDry: boolean;
    readonly expect: number | undefined;
  };

const LOG_MEMBERS = [
  "kind",
  "to",
  "from",
  "until",
  "rate",
  "all",
  "mark",
  "dry_run",
];
const DEAD_MEMBERS = ["kind", "filter", "ids", "expect", "rate", "dry_run"];

/** Reads a wish and notes what is wrong with it; undefined: not even its kind is known. */
export function wishOf(
  body: Readonly<Record<string, unknown>>,
  connectors: readonly BookedConnector[],
  errors: FieldFaults,
): ReplayWish | undefined {
  const { kind } = body;
  if (kind === "log") return logWish(body, connectors, errors);
  if (kind === "dead-letters") return deadWish(body, connectors, errors);
  errors.push({
    pointer: "#/kind",
    code: kind === undefined ? "missing" : "unknown",
    detail: "log or dead-letters.",
  });
  return undefined;
}

function logWish(
  body: Readonly<Record<string, unknown>>,
  connectors: readonly BookedConnector[],
  errors: FieldFaults,
): ReplayWish {
  onlyMembers(body, "#/", LOG_MEMBERS, errors);
  const { from, until = null } = body;
  return {
    kind: "log",
    to: toOf(body["to"], connectors, errors),
    from: boundOf(from, "from", errors),
    until: until === null ? { kind: "now" } : boundOf(until, "until", errors),
    fromText: asText(from),
    untilText: until === null ? null : asText(until),
    rate: rateOf(body["rate"], LOG_RATE, errors),
    all: switchOf(body, "all", { absent: false }, errors),
    mark: switchOf(body, "mark", { absent: true }, errors),
    isDry: switchOf(body, "dry_run", { absent: false }, errors),
  };
}

function deadWish(
  body: Readonly<Record<string, unknown>>,
  connectors: readonly BookedConnector[],
  errors: FieldFaults,
): ReplayWish {
  onlyMembers(body, "#/", DEAD_MEMBERS, errors);
  const choice = choiceOf(body, errors);
  if ("filter" in choice && choice.filter.connector !== undefined) {
    isKnown(choice.filter.connector, "#/filter/connector", connectors, errors);
  }
  const { expect } = body;
  if (
    expect !== undefined &&
    !(typeof expect === "number" && Number.isSafeInteger(expect) && expect >= 0)
  ) {
    errors.push({
      pointer: "#/expect",
      code: "type",
      detail: "how many there are, a whole number.",
    });
  }
  return {
    kind: "dead-letters",
    choice,
    expect: typeof expect === "number" ? expect : undefined,
    rate: rateOf(body["rate"], 0, errors),
    isDry: switchOf(body, "dry_run", { absent: false }, errors),
  };
}

function toOf(
  value: unknown,
  connectors: readonly BookedConnector[],
  errors: FieldFaults,
): string[] {
  if (
    !Array.isArray(value) || value.length === 0 ||
    !value.every((one) => typeof one === "string")
  ) {
    errors.push({
      pointer: "#/to",
      code: value === undefined ? "missing" : "type",
      detail: "a list of names of connectors.",
    });
    return [];
  }
  const names = [...new Set(value.map(String))];
  for (const [n, name] of names.entries()) {
    isKnown(name, `#/to/${n}`, connectors, errors);
  }
  return names;
}

function isKnown(
  name: string,
  pointer: string,
  connectors: readonly BookedConnector[],
  errors: FieldFaults,
): void {
  const found = connectors.find((one) => one.name === name);
  if (found?.isFed === true) return;
  errors.push({
    pointer,
    code: "unknown",
    detail: found === undefined
      ? `there is no connector ${JSON.stringify(name.slice(0, 64))}.`
      : `${name} gets nothing: no source names it.`,
  });
}

function boundOf(
  value: unknown,
  name: "from" | "until",
  errors: FieldFaults,
): RangeBound {
  if (name === "from" && value === "oldest") return { kind: "oldest" };
  if (typeof value === "string") {
    if (positionOf(value) !== undefined) return { kind: "event", id: value };
    const at = timeOf(value);
    if (at !== undefined) return { kind: "time", at };
  }
  errors.push({
    pointer: `#/${name}`,
    code: value === undefined ? "missing" : "unknown",
    detail: name === "from"
      ? "oldest, a time such as 2026-03-13T00:00:00Z or an event's id."
      : "a time such as 2026-03-13T00:00:00Z, an event's id, or null for now.",
  });
  return { kind: "now" };
}

function rateOf(
  value: unknown,
  absent: number,
  errors: FieldFaults,
): number {
  if (value === undefined) return absent;
  if (typeof value === "number" && value >= 0 && value <= MOST_RATE) {
    return value;
  }
  errors.push({
    pointer: "#/rate",
    code: typeof value === "number" ? "out_of_range" : "type",
    detail: `events a second, from 0 (no cap) to ${MOST_RATE}.`,
  });
  return absent;
}

function switchOf(
  body: Readonly<Record<string, unknown>>,
  name: "all" | "mark" | "dry_run",
  { absent }: { readonly absent: boolean },
  errors: FieldFaults,
): boolean {
  const value = body[name];
  if (value === undefined) return absent;
  if (typeof value === "boolean") return value;
  errors.push({
    pointer: `#/${name}`,
    code: "type",
    detail: "true or false.",
  });
  return absent;
}
