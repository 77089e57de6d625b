/** `/api/v1/replays…` (interface §§10, 11) and the seed's `/api/admin/siem/replay-dead-letter`. */

import type { Context, Hono } from "hono";
import type { Clock } from "../../lib/clock.ts";
import type { BookedConnector } from "../../lib/delivery/books_watch.ts";
import {
  readRecord,
  recordsIn,
} from "../../lib/delivery/dead_letter_import.ts";
import type { ForeignLetter } from "../../lib/log/dead_import.ts";
import type { DeadName } from "../../lib/log/dead_kept.ts";
import { NotKept } from "../../lib/log/job_range.ts";
import type { JobState, JobView } from "../../lib/log/job.ts";
import type { Replays } from "../../lib/log/replays.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";
import { jsonOf, readBytes } from "./bodies.ts";
import { isObject } from "./dead_filter.ts";
import { idempotent } from "./idempotency.ts";
import {
  type FieldError,
  invalidFields,
  listQuery,
  queryOf,
  writeCursor,
} from "./lists.ts";
import { noOtherMethod } from "./methods.ts";
import { type ReplayWish, wishOf } from "./replay_wish.ts";

const BASE = "/api/v1/replays";
const SEED = "/api/admin/siem/replay-dead-letter";
const STATES: readonly JobState[] = [
  "running",
  "paused",
  "finished",
  "stopped",
];
/** Letters of one connector that are taken in together. */
const IMPORT_BATCH = 200;
/** What an id of a job may look like. The store takes no key of any length. */
const ID = /^[0-9a-z-]{1,40}$/;

export interface ReplayDeps {
  readonly replays: Replays;
  readonly clock: Clock;
  readonly connectors: () => readonly BookedConnector[];
  /** The most that the seed's route may take, in bytes. */
  readonly maxBody: number;
}

export function mountReplays(
  app: Hono<AppVariables>,
  deps: ReplayDeps,
): void {
  const { replays } = deps;
  app.get(BASE, (c) => list(c, replays));
  app.post(BASE, async (c) => {
    const body = await readBytes(c);
    if (body instanceof Response) return body;
    return await idempotent(c, replays.store, body, () => start(c, deps, body));
  });
  app.get(`${BASE}/:id`, async (c) => {
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
    const path = `${BASE}/:id/${verb}` as const;
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
    return await idempotent(c, replays.store, body, () => seed(c, deps, body));
  });
  noOtherMethod(app, SEED, "POST");
  noOtherMethod(app, BASE, "GET, HEAD, POST");
  noOtherMethod(app, `${BASE}/:id`, "GET, HEAD");
}

function unknown(c: Context<AppVariables>): Response {
  return problem(c, "not-found", "There is no replay of this id.");
}

/** A job as the API tells it. */
function jobJson(job: JobView) {
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

function shown(c: Context<AppVariables>, job: JobView): Response {
  c.header("Cache-Control", "no-store");
  return c.json(jobJson(job));
}

function begun(
  c: Context<AppVariables>,
  job: JobView,
  more: Readonly<Record<string, unknown>> = {},
): Response {
  c.header("Cache-Control", "no-store");
  c.header("Location", `${BASE}/${job.id}`);
  return c.json({ ...jobJson(job), ...more }, 202);
}

async function list(
  c: Context<AppVariables>,
  replays: Replays,
): Promise<Response> {
  const errors: FieldError[] = [];
  const query = queryOf(c, ["state", "limit", "cursor"], errors);
  const { limit, after } = listQuery(query, errors);
  const state = STATES.find((one) => one === query["state"]);
  if (query["state"] !== undefined && state === undefined) {
    errors.push({
      pointer: "?state",
      code: "unknown",
      detail: `one of ${STATES.join(", ")}.`,
    });
  }
  const before = typeof after === "string" && ID.test(after)
    ? after
    : undefined;
  if (after !== undefined && before === undefined) {
    errors.push({
      pointer: "?cursor",
      code: "unknown",
      detail: "what `next` of the page before said.",
    });
  }
  if (errors.length > 0) return invalidFields(c, errors);
  const { items, next } = await replays.page({ state, before, limit });
  c.header("Cache-Control", "no-store");
  return c.json({
    items: items.map(jobJson),
    next: next === undefined ? null : writeCursor(next),
  });
}

async function start(
  c: Context<AppVariables>,
  deps: ReplayDeps,
  bytes: Uint8Array,
): Promise<Response> {
  const json = jsonOf(c, bytes);
  if (json instanceof Response) return json;
  if (!isObject(json.value)) {
    return invalidFields(c, [{
      pointer: "#",
      code: "type",
      detail: "an object.",
    }]);
  }
  const errors: FieldError[] = [];
  const wish = wishOf(json.value, deps.connectors(), errors);
  if (wish === undefined || errors.length > 0) return invalidFields(c, errors);
  return wish.kind === "log"
    ? await startLog(c, deps, wish)
    : await startDead(c, deps, wish);
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
    seconds: rate === 0 ? null : Math.ceil(letters.count / rate),
    already_delivered: 0,
  });
}

async function seed(
  c: Context<AppVariables>,
  { replays, connectors, clock }: ReplayDeps,
  bytes: Uint8Array,
): Promise<Response> {
  const names = new Set(connectors().map(({ name }) => name));
  const letters: ForeignLetter[] = [];
  const errors: { readonly line: number; readonly detail: string }[] = [];
  for (const { number, bytes: text } of recordsIn(bytes)) {
    const read = readRecord(text, names);
    if ("fault" in read) errors.push({ line: number, detail: read.fault });
    else letters.push(read.letter);
  }
  if (letters.length === 0 && errors.length > 0) {
    return problem(
      c,
      "invalid-fields",
      "There is no dead letter that can be replayed here.",
      {},
      {
        errors: errors.map((error) => ({
          pointer: `record ${error.line}`,
          code: "record",
          ...error,
        })),
      },
    );
  }
  // An array of no records is not "no body": it must not send all that is kept.
  if (letters.length === 0 && !bytes.some((byte) => byte > 0x20)) {
    const all = await replays.letters({ choice: { filter: {} } }, names);
    return begun(c, await replays.startDead(all, { rate: 0 }));
  }
  const { dead, skipped } = await takeIn(replays, letters, clock.now());
  const found = await replays.letters({ choice: { names: dead } }, names);
  const job = await replays.startDead(found, { rate: 0, skipped });
  return begun(c, job, errors.length === 0 ? {} : { errors });
}

/** Imports records: which of them are dead letters now, and by connector how many need no sending. */
async function takeIn(
  { deadLetters }: Replays,
  letters: readonly ForeignLetter[],
  now: number,
) {
  const dead: DeadName[] = [];
  const skipped = new Map<string, number>();
  for (let from = 0; from < letters.length;) {
    const connector = letters[from]?.connector ?? "";
    let to = from;
    while (
      to < from + IMPORT_BATCH && letters[to]?.connector === connector
    ) to++;
    const some = letters.slice(from, to);
    from = to;
    for (
      const { id, outcome } of await deadLetters.import(connector, some, now)
    ) {
      if (outcome === "imported" || outcome === "dead") {
        dead.push({ connector, id });
      } else skipped.set(connector, (skipped.get(connector) ?? 0) + 1);
    }
  }
  return { dead, skipped };
}

function rfc3339(at: number): string {
  return new Date(at).toISOString();
}
