/** `GET /api/v1/connectors/{name}/expired`: what expired there in the last 30 days, the newest first (interface §12). */

import type { Hono } from "hono";
import {
  type ExpiredMark,
  type ExpiredRange,
  listExpired,
} from "../../lib/log/expired.ts";
import type { Store } from "../../lib/log/store.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";
import {
  FieldFaults,
  invalidFields,
  listed,
  listQuery,
  queryOf,
  writeCursor,
} from "./lists.ts";
import { noOtherMethod } from "./methods.ts";

const PATH = "/api/v1/connectors/:name/expired";

export function mountExpired(app: Hono<AppVariables>, deps: {
  readonly store: Store;
  /** Names of the configured connectors. */
  readonly connectors: () => readonly string[];
}): void {
  app.get(PATH, async (c) => {
    const name = c.req.param("name");
    if (!deps.connectors().includes(name)) {
      return problem(
        c,
        "not-found",
        `There is no connector ${JSON.stringify(name)}.`,
      );
    }
    const errors = new FieldFaults();
    const query = queryOf(c, ["limit", "cursor"], errors);
    const { limit, after } = listQuery(query, errors, markOf);
    if (errors.count > 0) return invalidFields(c, errors);
    const items: ExpiredRange[] = [];
    let next: string | undefined;
    for await (const range of listExpired(deps.store, name, after)) {
      const last = items.at(-1);
      if (items.length === limit && last !== undefined) {
        next = writeCursor([last.at, last.first]);
        break;
      }
      items.push(range);
    }
    return listed(c, items.map(item), next);
  });
  noOtherMethod(app, PATH, "GET, HEAD");
}

function item(
  { first, last, events, bytes, from, to, at, reason }: ExpiredRange,
) {
  return {
    first,
    last,
    events,
    bytes,
    from: rfc3339(from),
    to: rfc3339(to),
    at: rfc3339(at),
    reason,
  };
}

function markOf(value: unknown): ExpiredMark | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [at, first] = value as readonly unknown[];
  return typeof at === "number" && Number.isSafeInteger(at) && at >= 0 &&
      typeof first === "string" && first.length <= 64
    ? { at, first }
    : undefined;
}

function rfc3339(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
