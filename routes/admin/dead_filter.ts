/** Filters of dead letters, in a query or in a body: `connector`, `reason`, `from`, `to`, `contains`. */

import type { DeadFilter } from "../../lib/log/dead_index.ts";
import type { DeadName } from "../../lib/log/dead_kept.ts";
import { momentOf } from "../../lib/moment.ts";
import type { FieldFaults } from "./lists.ts";

export const FILTER_NAMES = ["connector", "reason", "from", "to", "contains"];

/** Longer than any connector's. The store takes no key of any length. */
const LONGEST_NAME = 64;

/** A time in milliseconds since the Unix epoch; undefined: it is none. */
export function timeOf(text: string): number | undefined {
  const at = momentOf(text, { needsSeconds: false });
  return at !== undefined && at >= 0 ? at : undefined;
}

/** Reads a filter and notes what is wrong with it. @param place where a name stands: `?` or `#/filter/`. */
export function filterOf(
  from: Readonly<Record<string, unknown>>,
  place: string,
  errors: FieldFaults,
): DeadFilter {
  const text = (name: string): string | undefined => {
    const value = from[name];
    if (value === undefined || typeof value === "string") return value;
    errors.push({
      pointer: `${place}${name}`,
      code: "type",
      detail: "a text.",
    });
    return undefined;
  };
  const time = (name: string): number | undefined => {
    const value = text(name);
    if (value === undefined) return undefined;
    const at = timeOf(value);
    if (at !== undefined) return at;
    errors.push({
      pointer: `${place}${name}`,
      code: "no_time",
      detail: "a time such as 2026-03-13T00:00:00Z.",
    });
    return undefined;
  };
  const connector = text("connector");
  if (connector !== undefined && connector.length > LONGEST_NAME) {
    errors.push({
      pointer: `${place}connector`,
      code: "out_of_range",
      detail: `a name of ${LONGEST_NAME} characters at the most.`,
    });
  }
  const filter = {
    connector,
    reason: text("reason"),
    from: time("from"),
    to: time("to"),
    contains: text("contains"),
  };
  return {
    ...filter.connector !== undefined && { connector: filter.connector },
    ...filter.reason !== undefined && { reason: filter.reason },
    ...filter.from !== undefined && { from: filter.from },
    ...filter.to !== undefined && { to: filter.to },
    ...filter.contains !== undefined && { contains: filter.contains },
  };
}

/** Reads `<event id>@<connector>`; undefined for anything else. */
export function nameOf(id: unknown): DeadName | undefined {
  if (typeof id !== "string") return undefined;
  const at = id.indexOf("@");
  const name = { id: id.slice(0, at), connector: id.slice(at + 1) };
  const isGood = at > 0 && /^[0-9a-z-]{1,40}$/.test(name.id) &&
    name.connector !== "" && name.connector.length <= LONGEST_NAME;
  return isGood ? name : undefined;
}

/** What a body chose: all that match a filter, or these. */
export type DeadChoice =
  | { readonly filter: DeadFilter }
  | { readonly names: readonly DeadName[] };

/** Reads `filter` or `ids` of a body, of which there must be one. */
export function choiceOf(
  body: Readonly<Record<string, unknown>>,
  errors: FieldFaults,
): DeadChoice {
  const { filter, ids } = body;
  if ((filter === undefined) === (ids === undefined)) {
    errors.push({
      pointer: "#",
      code: "one_of",
      detail: "either filter or ids.",
    });
    return { names: [] };
  }
  if (filter !== undefined) {
    if (!isObject(filter)) {
      errors.push({
        pointer: "#/filter",
        code: "type",
        detail: "an object, {} for all.",
      });
      return { names: [] };
    }
    onlyMembers(filter, "#/filter/", FILTER_NAMES, errors);
    return { filter: filterOf(filter, "#/filter/", errors) };
  }
  if (!Array.isArray(ids)) {
    errors.push({ pointer: "#/ids", code: "type", detail: "a list of ids." });
    return { names: [] };
  }
  const names: DeadName[] = [];
  for (const [n, id] of ids.entries()) {
    const name = nameOf(id);
    if (name !== undefined) names.push(name);
    // One is enough to tell: a list may be long.
    else if (errors.count === 0) {
      errors.push({
        pointer: `#/ids/${n}`,
        code: "no_id",
        detail: "a dead letter's id: <event id>@<connector>.",
      });
    }
  }
  return { names };
}

/** Notes the members of a body that nobody knows. */
export function onlyMembers(
  from: Readonly<Record<string, unknown>>,
  place: string,
  known: readonly string[],
  errors: FieldFaults,
): void {
  for (const name of Object.keys(from)) {
    if (known.includes(name)) continue;
    const escaped = name.slice(0, 64).replaceAll("~", "~0")
      .replaceAll("/", "~1");
    errors.push({
      pointer: `${place}${escaped}`,
      code: "unknown",
      detail: `there is ${known.join(", ") || "none"}.`,
    });
  }
}

export function isObject(
  value: unknown,
): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
