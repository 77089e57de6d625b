/** `/api/v1/dead-letters…` (interface §10): lists, export, one, groups, discarding, import. Replays: `replays.ts`. */

import type { Context, Hono } from "hono";
import type { Clock } from "../../lib/clock.ts";
import type { Answer } from "../../lib/connector.ts";
import { recordLine } from "../../lib/delivery/dead_letter_file.ts";
import { joinBytes } from "../../lib/json/copy.ts";
import { METADATA } from "../../lib/json/spans.ts";
import { jsonStringBytes } from "../../lib/json/strings.ts";
import { KEPT_MS } from "../../lib/log/dead_ends.ts";
import type { DeadEntry, DeadMark } from "../../lib/log/dead_index.ts";
import type { DeadLetters } from "../../lib/log/dead_kept.ts";
import { type DeadRecord, previewOf } from "../../lib/log/dead_record.ts";
import type { Store } from "../../lib/log/store.ts";
import { problem } from "../problem.ts";
import type { AppVariables } from "../request_id.ts";
import { jsonOf, readBytes } from "./bodies.ts";
import {
  choiceOf,
  FILTER_NAMES,
  filterOf,
  isObject,
  nameOf,
  onlyMembers,
} from "./dead_filter.ts";
import { importLines } from "./dead_import.ts";
import { idempotent } from "./idempotency.ts";
import {
  FieldFaults,
  invalidFields,
  listed,
  listQuery,
  queryOf,
  writeCursor,
} from "./lists.ts";
import { noOtherMethod } from "./methods.ts";

const BASE = "/api/v1/dead-letters";
const NDJSON = "application/x-ndjson";
/** Bytes of an export that are handed on together. */
const CHUNK_BYTES = 64 * 1024;

export interface DeadLetterDeps {
  readonly store: Store;
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  /** Names of the configured connectors. */
  readonly connectors: () => readonly string[];
  /** The most that an import may take, in bytes. */
  readonly maxBody: number;
}

export function mountDeadLetters(
  app: Hono<AppVariables>,
  deps: DeadLetterDeps,
): void {
  const { store, deadLetters, connectors } = deps;
  app.get(BASE, (c) => {
    c.header("Cache-Control", "no-store");
    return accepts(c.req.header("Accept") ?? "", NDJSON)
      ? exportAll(c, deadLetters)
      : list(c, deadLetters);
  });
  app.get(`${BASE}/groups`, (c) => groups(c, deadLetters));
  app.post(`${BASE}/discard`, async (c) => {
    const body = await readBytes(c);
    if (body instanceof Response) return body;
    return await idempotent(c, store, body, () => discard(c, deps, body));
  });
  app.post(`${BASE}/import`, async (c) => {
    const body = await readBytes(c, deps.maxBody);
    if (body instanceof Response) return body;
    return await idempotent(
      c,
      store,
      body,
      () => importLines(c, { ...deps, connectors: connectors() }, body),
    );
  });
  noOtherMethod(app, `${BASE}/groups`, "GET, HEAD");
  noOtherMethod(app, `${BASE}/discard`, "POST");
  noOtherMethod(app, `${BASE}/import`, "POST");
  app.get(`${BASE}/:id`, async (c) => {
    const name = nameOf(c.req.param("id"));
    const record = name && await deadLetters.read(name);
    return record === undefined
      ? problem(c, "not-found", "There is no dead letter of this id.")
      : c.body(shown(record), 200, {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
      });
  });
  noOtherMethod(app, BASE, "GET, HEAD");
  noOtherMethod(app, `${BASE}/:id`, "GET, HEAD");
}

async function list(
  c: Context<AppVariables>,
  deadLetters: DeadLetters,
): Promise<Response> {
  const errors = new FieldFaults();
  const query = queryOf(c, [...FILTER_NAMES, "limit", "cursor"], errors);
  const { limit, after } = listQuery(query, errors, markOf);
  const filter = filterOf(query, "?", errors);
  if (errors.count > 0) return invalidFields(c, errors);
  const { items, next } = await deadLetters.page(filter, limit, after);
  return listed(
    c,
    items.map(item),
    next && writeCursor([next.at, next.connector, next.id]),
  );
}

/** Does an Accept header name a type, and not to refuse it (`q=0`)? */
function accepts(header: string, type: string): boolean {
  return header.toLowerCase().split(",").some((range) => {
    const [name, ...parameters] = range.split(";").map((part) => part.trim());
    return name === type &&
      !parameters.some((one) => /^q=0(\.0{0,3})?$/.test(one));
  });
}

function markOf(value: unknown): DeadMark | undefined {
  if (!Array.isArray(value)) return undefined;
  const [at, connector, id]: unknown[] = value;
  const name = typeof id === "string" && typeof connector === "string"
    ? nameOf(`${id}@${connector}`)
    : undefined;
  return typeof at === "number" && at >= 0 && Number.isSafeInteger(at) &&
      name !== undefined
    ? { at, ...name }
    : undefined;
}

/** As lists show a letter. */
function item(
  entry: Pick<
    DeadEntry,
    | "id"
    | "connector"
    | "at"
    | "reason"
    | "error"
    | "attempts"
    | "bytes"
    | "keptFrom"
    | "preview"
  >,
) {
  return {
    id: `${entry.id}@${entry.connector}`,
    connector: entry.connector,
    timestamp: rfc3339(entry.at),
    reason: entry.reason,
    error: entry.error,
    attempts: entry.attempts,
    bytes: entry.bytes,
    expires_at: rfc3339(entry.keptFrom + KEPT_MS),
    preview: entry.preview,
  };
}

/** The event is the last member, byte for byte. */
function shown(record: DeadRecord): Uint8Array<ArrayBuffer> {
  const { event, isRaw, error, envelope } = record;
  const head = JSON.stringify({
    ...item({ ...record, bytes: event.length, preview: previewOf(event) }),
    answer: answerIn(error),
  });
  const members = METADATA.flatMap(([name]) => {
    const text = envelope[name];
    return text === undefined ? [] : [`"${name}":${text}`];
  });
  const before = encoder.encode(
    `${head.slice(0, -1)},"envelope":{${members.join(",")}},"event":`,
  );
  const text = isRaw ? jsonStringBytes(decoder.decode(event)) : event;
  return joinBytes([before, text, CLOSE]);
}

/**
 * What the SIEM said, from an error: the status that it begins with, and the words behind it; or one that it names as
 * HTTP's among its words. Null: the protocol has none.
 */
function answerIn(error: string): Answer {
  const [before = "", first] = /^([1-5]\d\d)(?:[:,] ?| |$)/.exec(error) ?? [];
  if (first !== undefined) {
    return { status: Number(first), message: error.slice(before.length) };
  }
  const named = /\bHTTP ([1-5]\d\d)\b/.exec(error)?.[1];
  return {
    status: named === undefined ? null : Number(named),
    message: error,
  };
}

function exportAll(
  c: Context<AppVariables>,
  deadLetters: DeadLetters,
): Response {
  const errors = new FieldFaults();
  const query = queryOf(c, FILTER_NAMES, errors);
  const filter = filterOf(query, "?", errors);
  if (errors.count > 0) return invalidFields(c, errors);
  const body = ReadableStream.from(chunksOf(deadLetters.records(filter)));
  return c.body(body, 200, { "Content-Type": NDJSON });
}

async function* chunksOf(
  records: AsyncIterable<DeadRecord>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let lines: Uint8Array<ArrayBuffer>[] = [], bytes = 0;
  for await (const record of records) {
    const line = recordLine(record);
    lines.push(line);
    bytes += line.length;
    if (bytes < CHUNK_BYTES) continue;
    yield joinBytes(lines);
    lines = [];
    bytes = 0;
  }
  yield joinBytes(lines);
}

async function groups(
  c: Context<AppVariables>,
  deadLetters: DeadLetters,
): Promise<Response> {
  const errors = new FieldFaults();
  const query = queryOf(c, FILTER_NAMES, errors);
  const filter = filterOf(query, "?", errors);
  if (errors.count > 0) return invalidFields(c, errors);
  const found = await deadLetters.groups(filter);
  c.header("Cache-Control", "no-store");
  return c.json({
    items: found.map((
      { connector, reason, error, count, firstAt, lastAt },
    ) => ({
      connector,
      reason,
      error,
      count,
      first_at: rfc3339(firstAt),
      last_at: rfc3339(lastAt),
    })),
  });
}

async function discard(
  c: Context<AppVariables>,
  { deadLetters, clock }: DeadLetterDeps,
  bytes: Uint8Array,
): Promise<Response> {
  const json = jsonOf(c, bytes);
  if (json instanceof Response) return json;
  const errors = new FieldFaults();
  const body = isObject(json.value) ? json.value : {};
  onlyMembers(body, "#/", ["filter", "ids", "expect"], errors);
  const choice = choiceOf(body, errors);
  const { expect } = body;
  if (
    typeof expect !== "number" || !Number.isSafeInteger(expect) || expect < 0
  ) {
    errors.push({
      pointer: "#/expect",
      code: expect === undefined ? "missing" : "type",
      detail: "how many there are, a whole number.",
    });
    return invalidFields(c, errors);
  }
  if (errors.count > 0) return invalidFields(c, errors);
  const done = await deadLetters.discard(choice, expect, clock.now());
  c.header("Cache-Control", "no-store");
  return "discarded" in done ? c.json(done) : problem(
    c,
    "count-changed",
    `${expect} dead letters were expected, ${done.found} found. Nothing was done.`,
    {},
    { expected: expect, found: done.found },
  );
}

function rfc3339(at: number): string {
  return new Date(at).toISOString();
}

const encoder = new TextEncoder();
const CLOSE = encoder.encode("}");
/** A byte order mark at the start of a line of text is part of it. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
