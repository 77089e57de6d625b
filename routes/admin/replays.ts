/** `/api/v1/replays…` (interface §§10, 11) and the seed's `/api/admin/siem/replay-dead-letter`. */

import type { Context, Hono } from "hono";
import { NotKept } from "../../lib/log/job_range.ts";
import type { JobState } from "../../lib/log/job.ts";
import { type Replays, secondsAt } from "../../lib/log/replays.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";
import { jsonOf, readBytes } from "./bodies.ts";
import { isObject } from "./dead_filter.ts";
import { idempotent } from "./idempotency.ts";
import {
  FieldFaults,
  invalidField,
  invalidFields,
  listed,
  listQuery,
  queryOf,
  writeCursor,
} from "./lists.ts";
import { noOtherMethod } from "./methods.ts";
import { begun, jobJson, REPLAYS, shown } from "./replay_answers.ts";
import { replaySeed, type SeedDeps } from "./replay_seed.ts";
import { type ReplayWish, wishOf } from "./replay_wish.ts";

const SEED = "/api/admin/siem/replay-dead-letter";
const STATES: readonly JobState[] = [
  "running",
  "paused",
  "finished",
  "stopped",
];
/** What an id of a job may look like. The store takes no key of any length. */
const ID = /^[0-9a-z-]{1,40}$/;

export interface ReplayDeps extends SeedDeps {
  /** The most that the seed's route may take, in bytes. */
  readonly maxBody: number;
}

export function mountReplays(
  app: Hono<AppVariables>,
  deps: ReplayDeps,
): void {
  const { replays } = deps;
  app.get(REPLAYS, (c) => list(c, replays));
  app.post(REPLAYS, async (c) => {
    const body = await readBytes(c);
    if (body instanceof Response) return body;
    return await idempotent(c, replays.store, body, () => start(c, deps, body));
  });
  app.get(`${REPLAYS}/:id`, async (c) => {
    const id = c.req.param("id");
    const job = ID.test(id) ? await replays.read(id) : undefined;
    return job === undefined ? unknown(c) : shown(c, job);
  });
  for (
    const [verb, state] of [
      ["pause", "paused"],
      ["resume", "running"],
      ["stop", "stopped"],
    ] as const
  ) {
    const path = `${REPLAYS}/:id/${verb}` as const;
    app.post(path, async (c) => {
      const body = await readBytes(c);
      if (body instanceof Response) return body;
      return await idempotent(c, replays.store, body, async () => {
        const id = c.req.param("id");
        const changed = ID.test(id)
          ? await replays.change(id, state)
          : undefined;
        if (changed === undefined) return unknown(c);
        const { job, isDone } = changed;
        return isDone ? shown(c, job) : problem(
          c,
          "wrong-state",
          `The replay is ${job.state}: nothing can change that.`,
          {},
          { state: job.state },
        );
      });
    });
    noOtherMethod(app, path, "POST");
  }
  app.post(SEED, async (c) => {
    const body = await readBytes(c, deps.maxBody);
    if (body instanceof Response) return body;
    return await idempotent(
      c,
      replays.store,
      body,
      () => replaySeed(c, deps, body),
    );
  });
  noOtherMethod(app, SEED, "POST");
  noOtherMethod(app, REPLAYS, "GET, HEAD, POST");
  noOtherMethod(app, `${REPLAYS}/:id`, "GET, HEAD");
}

function unknown(c: Context<AppVariables>): Response {
  return problem(c, "not-found", "There is no replay of this id.");
}

function idOf(place: unknown): string | undefined {
  return typeof place === "string" && ID.test(place) ? place : undefined;
}

async function list(
  c: Context<AppVariables>,
  replays: Replays,
): Promise<Response> {
  const errors = new FieldFaults();
  const query = queryOf(c, ["state", "limit", "cursor"], errors);
  const { limit, after } = listQuery(query, errors, idOf);
  const state = STATES.find((one) => one === query["state"]);
  if (query["state"] !== undefined && state === undefined) {
    errors.push({
      pointer: "?state",
      code: "unknown",
      detail: `one of ${STATES.join(", ")}.`,
    });
  }
  if (errors.count > 0) return invalidFields(c, errors);
  const { items, next } = await replays.page({ state, before: after, limit });
  return listed(c, items.map(jobJson), next && writeCursor(next));
}

async function start(
  c: Context<AppVariables>,
  deps: ReplayDeps,
  bytes: Uint8Array,
): Promise<Response> {
  const json = jsonOf(c, bytes);
  if (json instanceof Response) return json;
  if (!isObject(json.value)) {
    return invalidField(c, {
      pointer: "#",
      code: "type",
      detail: "an object.",
    });
  }
  const errors = new FieldFaults();
  const wish = wishOf(json.value, deps.connectors(), errors);
  if (wish === undefined || errors.count > 0) return invalidFields(c, errors);
  return wish.kind === "log"
    ? await startLog(c, deps, wish)
    : await deps.replays.deadLetters.alone(() => startDead(c, deps, wish));
}

async function startLog(
  c: Context<AppVariables>,
  { replays }: ReplayDeps,
  wish: Extract<ReplayWish, { kind: "log" }>,
): Promise<Response> {
  try {
    if (!wish.isDry) return begun(c, await replays.startLog(wish));
    const { alreadyDelivered, ...rest } = await replays.estimateLog(wish);
    c.header("Cache-Control", "no-store");
    return c.json({ ...rest, already_delivered: alreadyDelivered });
  } catch (error) {
    if (!(error instanceof NotKept)) throw error;
    const { oldest, isEnd } = error;
    return problem(
      c,
      "invalid-fields",
      oldest === undefined
        ? "The log keeps no event."
        : `The log does not keep that event; the oldest that it keeps is ${oldest}.`,
      {},
      {
        oldest: oldest ?? null,
        errors: [{
          pointer: isEnd ? "#/until" : "#/from",
          code: "not_kept",
          detail: oldest === undefined
            ? "the log is empty."
            : `the oldest event kept is ${oldest}.`,
        }],
      },
    );
  }
}

async function startDead(
  c: Context<AppVariables>,
  { replays, connectors }: ReplayDeps,
  wish: Extract<ReplayWish, { kind: "dead-letters" }>,
): Promise<Response> {
  const names = new Set(connectors().map(({ name }) => name));
  const letters = await replays.letters(wish, names);
  const { expect, rate } = wish;
  if (expect !== undefined && expect !== letters.count) {
    return problem(
      c,
      "count-changed",
      `${expect} dead letters were expected, ${letters.count} found. Nothing was done.`,
      {},
      { expected: expect, found: letters.count },
    );
  }
  if (!wish.isDry) return begun(c, await replays.startDead(letters, { rate }));
  c.header("Cache-Control", "no-store");
  return c.json({
    events: letters.count,
    bytes: letters.bytes,
    seconds: secondsAt(
      rate,
      [...letters.ids.values()].map(({ length }) => length),
    ),
    already_delivered: 0,
  });
}
