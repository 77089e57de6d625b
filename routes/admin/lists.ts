/** Lists of the admin API: `?limit=` and `?cursor=`, `{"items":[…],"next":…}`, `Link: <…>; rel="next"`. */

import type { Context } from "hono";
import { Faults } from "./faults.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";

const LIMIT = 50, MOST = 500;
/** Faults that an answer lists, and those that its sentence names. */
const MOST_FAULTS = 100, MOST_SAID = 10;

/** One thing that is wrong with a request: where (`#/a/b` in the body, `?name` in the query), and what it must be. */
export interface FieldError {
  readonly pointer: string;
  readonly code: string;
  readonly detail: string;
}

/** What is wrong with a request, field by field. */
export class FieldFaults extends Faults<FieldError> {
  constructor() {
    super(MOST_FAULTS);
  }
}

/** The reply to a request some of which is wrong. */
export function invalidFields(
  c: Context<AppVariables>,
  faults: FieldFaults,
): Response {
  const said = faults.first.slice(0, MOST_SAID)
    .map(({ pointer, detail }) => `${pointer}: ${detail}`);
  if (faults.count > said.length) said.push("…");
  return problem(
    c,
    "invalid-fields",
    said.join(" "),
    {},
    faults.told((fault) => fault),
  );
}

/** The same where one thing is wrong. */
export function invalidField(
  c: Context<AppVariables>,
  fault: FieldError,
): Response {
  const faults = new FieldFaults();
  faults.push(fault);
  return invalidFields(c, faults);
}

/**
 * Reads `limit` and `cursor`, and notes what is wrong with them.
 * @param markOf the place that a cursor of this list holds; undefined: it is none.
 * @returns `after`: the place behind which the list goes on; undefined: from the beginning.
 */
export function listQuery<Mark>(
  query: Readonly<Record<string, string>>,
  errors: FieldFaults,
  markOf: (place: unknown) => Mark | undefined,
): { readonly limit: number; readonly after: Mark | undefined } {
  const { limit = String(LIMIT), cursor } = query;
  const number = /^\d{1,4}$/.test(limit) ? Number(limit) : 0;
  if (number < 1 || number > MOST) {
    errors.push({
      pointer: "?limit",
      code: "out_of_range",
      detail: `a number from 1 to ${MOST}.`,
    });
  }
  const after = cursor === undefined ? undefined : markOf(readCursor(cursor));
  if (cursor !== undefined && after === undefined) {
    errors.push({
      pointer: "?cursor",
      code: "unknown",
      detail: "what `next` of the page before said.",
    });
  }
  return { limit: number, after };
}

/** A place in a list as an opaque text. */
export function writeCursor(place: unknown): string {
  const bytes = new TextEncoder().encode(JSON.stringify(place));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function readCursor(text: string): unknown {
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (one) => one.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

/** A page of a list. @param next the cursor of the page behind it; undefined: this one is the last. */
export function listed(
  c: Context<AppVariables>,
  items: readonly unknown[],
  next: string | undefined,
): Response {
  c.header("Cache-Control", "no-store");
  if (next !== undefined) {
    const query = new URLSearchParams({ ...c.req.query(), cursor: next });
    c.header("Link", `<${c.req.path}?${query}>; rel="next"`);
  }
  return c.json({ items, next: next ?? null });
}

/** Reads a query whose names are these, each once; notes any other, and what was given twice. */
export function queryOf(
  c: Context<AppVariables>,
  known: readonly string[],
  errors: FieldFaults,
): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [name, values] of Object.entries(c.req.queries())) {
    const [value = ""] = values;
    query[name] = value;
    if (known.includes(name)) {
      if (values.length === 1) continue;
      errors.push({
        pointer: `?${name}`,
        code: "repeated",
        detail: "it stands there more than once.",
      });
      continue;
    }
    errors.push({
      pointer: `?${name.slice(0, 64)}`,
      code: "unknown",
      detail: `there is ${known.join(", ")}.`,
    });
  }
  return query;
}
