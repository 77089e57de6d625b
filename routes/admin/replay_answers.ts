/** How the API tells a replay. */

import type { Context } from "hono";
import type { JobView } from "../../lib/log/job.ts";
import type { AppVariables } from "../request_id.ts";

export const REPLAYS = "/api/v1/replays";

/** A job as the API tells it. */
export function jobJson(job: JobView): Readonly<Record<string, unknown>> {
  const { createdAt, endedAt, lastError, ...rest } = job;
  return {
    id: rest.id,
    kind: rest.kind,
    to: rest.to,
    from: rest.from,
    until: rest.until,
    rate: rest.rate,
    state: rest.state,
    total: rest.total,
    delivered: rest.delivered,
    filtered: rest.filtered,
    dead: rest.dead,
    skipped: rest.skipped,
    left: rest.left,
    created_at: rfc3339(createdAt),
    ended_at: endedAt === null ? null : rfc3339(endedAt),
    last_error: lastError && { ...lastError, at: rfc3339(lastError.at) },
  };
}

/** One job. */
export function shown(c: Context<AppVariables>, job: JobView): Response {
  c.header("Cache-Control", "no-store");
  return c.json(jobJson(job));
}

/** A job that has begun, with where it is found. */
export function begun(
  c: Context<AppVariables>,
  job: JobView,
  more: Readonly<Record<string, unknown>> = {},
): Response {
  c.header("Cache-Control", "no-store");
  c.header("Location", `${REPLAYS}/${job.id}`);
  return c.json({ ...jobJson(job), ...more }, 202);
}

function rfc3339(at: number): string {
  return new Date(at).toISOString();
}
