/**
 * HTTP Event Collector, Splunk's face and CrowdStrike's: what every producer posts to. The decisions that the protocol
 * leaves open are in docs/hec.md. The hot path makes no object per event and no timer per request.
 */

import type { Clock } from "../../lib/clock.ts";
import {
  isUsableTime,
  type Judgement,
  judgeRows,
} from "../../lib/format/hec.ts";
import { type Code, REPLIES, replyBody } from "../../lib/format/hec_codes.ts";
import { splitLines } from "../../lib/format/hec_raw.ts";
import { scanBody } from "../../lib/json/scanner.ts";
import { ROW, SpanTable } from "../../lib/json/spans.ts";
import type { Defaults } from "../../lib/log/intake.ts";
import type { EventLog } from "../../lib/log/log.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Face, IngestToken } from "../../lib/tokens.ts";
import { admitProducer } from "../auth.ts";
import { type BodyLimits, BodyReader } from "./body.ts";
import type { BodyPatience } from "./deadlines.ts";
import {
  type Answer,
  answerFor,
  busy,
  JSON_TYPE,
  notFound,
  refuseBody,
  respond,
} from "./hec_answer.ts";
import type { HecRoute } from "./hec_route.ts";
import { Refusals } from "./refusals.ts";

const POSTED = "POST,OPTIONS", LOOKED_AT = "GET,HEAD,OPTIONS";
/** Span tables kept for the next requests, and the largest that is: 4 MiB. */
const MAX_TABLES = 64, MAX_TABLE_ROWS = 58_254;

/** Sizes in bytes. */
export interface HecLimits extends BodyLimits {
  /** One envelope or line; at most what a commit holds. */
  readonly maxEvent: number;
}

export interface HecDeps {
  readonly log: EventLog;
  readonly tokens: readonly IngestToken[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: HecLimits;
  readonly patience: BodyPatience;
  /** False while the relay must not take events although its log would (a temporary store on Deno Deploy). */
  readonly accepts: () => boolean;
}

export class HecIntake {
  /** Envelopes taken with members that HEC does not know, since the start. */
  unknownMembers = 0;
  readonly #deps: HecDeps;
  readonly #bodies: BodyReader;
  readonly #refusals: Refusals;
  readonly #tables: SpanTable[] = [];

  constructor(deps: HecDeps) {
    this.#deps = deps;
    this.#bodies = new BodyReader(deps.clock, deps.limits, deps.patience);
    this.#refusals = new Refusals(deps.clock, deps.logger);
  }

  /** Bytes of bodies held now. */
  get heldBytes(): number {
    return this.#bodies.held;
  }

  /** Ends the timer of slow bodies. */
  close(): void {
    this.#bodies.close();
  }

  /** Answers a request to one of HEC's addresses. Never throws. */
  async handle(request: Request, route: HecRoute): Promise<Response> {
    const { endpoint, query } = route;
    if (endpoint === "unknown") return notFound(404, {});
    const allow = endpoint === "health" ? LOOKED_AT : POSTED;
    const { method } = request;
    if (method === "OPTIONS") {
      return new Response(null, { status: 200, headers: { "Allow": allow } });
    }
    const isKnown = endpoint === "health"
      ? method === "GET" || method === "HEAD"
      : method === "POST";
    if (!isKnown) return notFound(405, { "Allow": allow });
    const parameters = query === "" ? undefined : new URLSearchParams(query);
    if (endpoint === "health") return this.#health(method, parameters);
    let producer = "unknown";
    try {
      const entry = admitProducer(
        this.#deps.tokens,
        request.headers.get("authorization"),
        parameters?.get("token") ?? null,
      );
      producer = entry.token?.name ?? producer;
      const answer: Answer = "code" in entry
        ? { code: entry.code }
        : endpoint === "ack"
        ? { code: 14 }
        : await this.#take(request, endpoint, entry, parameters);
      return this.#reply(producer, answer);
    } catch (error) {
      this.#deps.logger.log("error", "bug", "an HEC request failed", {
        producer,
        "error.type": error instanceof Error ? error.name : typeof error,
        stack: error instanceof Error ? error.stack : undefined,
      });
      return this.#reply(producer, { code: 8 });
    }
  }

  #health(method: string, parameters: URLSearchParams | undefined): Response {
    const { log, accepts, tokens } = this.#deps;
    let code: Code = log.full || log.unavailable || !accepts() ? 18 : 17;
    const shown = parameters?.get("token") ?? null;
    if (shown !== null) {
      const entry = admitProducer(tokens, null, shown);
      if (entry.token === undefined) code = 21;
      else if (entry.token.disabled) code = 22;
    }
    const { status, text } = REPLIES[code];
    const body = method === "HEAD" ? null : replyBody(text, code);
    return new Response(body, { status, headers: JSON_TYPE });
  }

  async #take(
    request: Request,
    endpoint: "event" | "raw",
    entry: { readonly token: IngestToken; readonly face: Face },
    parameters: URLSearchParams | undefined,
  ): Promise<Answer> {
    // Before the body: what cannot be kept need not be read.
    if (this.#deps.log.full || !this.#deps.accepts()) return busy();
    const defaults = defaultsOf(entry.token, parameters);
    const body = await this.#bodies.read(request);
    if (!("held" in body)) return refuseBody(body.kind, entry.face);
    const table = this.#tables.pop() ?? new SpanTable();
    try {
      const isCut = body.kind !== "whole";
      const judged = endpoint === "event"
        ? this.#judgeEvents(body.bytes, table, { ...entry, defaults, isCut })
        : this.#judgeLines(body.bytes, table, { ...entry, defaults, isCut });
      this.unknownMembers += judged.unknown;
      const kept = judged.good === 0 ? undefined : await this.#deps.log.append({
        bytes: body.bytes,
        spans: table,
        from: 0,
        to: judged.good,
        producer: entry.token.name,
        receivedAt: this.#deps.clock.now(),
        defaults,
      });
      return answerFor(body, judged, kept);
    } finally {
      this.#bodies.release(body);
      if (
        this.#tables.length < MAX_TABLES &&
        table.words.length <= MAX_TABLE_ROWS * ROW
      ) {
        table.clear();
        this.#tables.push(table);
      }
    }
  }

  #judgeEvents(bytes: Uint8Array, table: SpanTable, how: Judging): Judgement {
    const fault = scanBody(bytes, table);
    if (table.count === 0 && (fault === undefined || how.isCut)) {
      return { good: 0, code: 5, unknown: 0 };
    }
    const time = badTime(how.defaults);
    if (time !== undefined) return time;
    const { indexes } = how.token;
    const { index } = how.defaults;
    const judged = judgeRows(bytes, table, {
      face: how.face,
      maxEvent: this.#deps.limits.maxEvent,
      ...(indexes === undefined ? {} : { indexes }),
      ...(index === undefined ? {} : { index }),
    });
    return judged.code !== 0 || fault === undefined
      ? judged
      : { ...judged, code: 6, number: fault.index };
  }

  #judgeLines(bytes: Uint8Array, table: SpanTable, how: Judging): Judgement {
    const { maxEvent } = this.#deps.limits;
    const tooLarge = splitLines(bytes, table, { maxEvent, isCut: how.isCut });
    const { count } = table;
    if (count === 0 && tooLarge === undefined) {
      return { good: 0, code: 5, unknown: 0 };
    }
    const time = badTime(how.defaults);
    if (time !== undefined) return time;
    const { indexes } = how.token;
    const { index } = how.defaults;
    if (index !== undefined && indexes !== undefined && !indexes.has(index)) {
      return { good: 0, code: 7, number: 1, unknown: 0 };
    }
    return tooLarge === undefined
      ? { good: count, code: 0, unknown: 0 }
      : { good: count, code: 6, number: tooLarge, unknown: 0 };
  }

  #reply(producer: string, answer: Answer): Response {
    if (answer.code !== 0) {
      const { status, text } = REPLIES[answer.code];
      this.#refusals.note(
        producer,
        answer.status ?? status,
        answer.text ?? text,
        answer.code,
      );
    }
    return respond(answer);
  }
}

interface Judging {
  readonly token: IngestToken;
  readonly face: Face;
  readonly defaults: Defaults;
  /** The body's end is missing. */
  readonly isCut: boolean;
}

/** What the query gives, then what the token gives. */
function defaultsOf(
  token: IngestToken,
  parameters: URLSearchParams | undefined,
): Defaults {
  if (parameters === undefined) return token.defaults;
  const given: Record<string, string> = {};
  for (const key of ["host", "source", "sourcetype", "index", "time"]) {
    const value = parameters.get(key);
    if (value !== null && value !== "") given[key] = value;
  }
  return { ...token.defaults, ...given };
}

function badTime({ time }: Defaults): Judgement | undefined {
  return time === undefined || isUsableTime(time)
    ? undefined
    : { good: 0, code: 15, number: 0, unknown: 0 };
}
