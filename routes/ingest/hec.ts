/**
 * HTTP Event Collector, Splunk's face and CrowdStrike's: what every producer posts to. The decisions that the protocol
 * leaves open are in docs/hec.md. The hot path makes no object per event and no timer per request.
 */

import type { Clock } from "../../lib/clock.ts";
import { type Code, REPLIES, replyBody } from "../../lib/format/hec_codes.ts";
import {
  EventSlices,
  LineSlices,
  type Slices,
} from "../../lib/format/hec_slices.ts";
import type { Acks } from "../../lib/log/acks.ts";
import { messageOf } from "../../lib/log/kv.ts";
import type { EventLog } from "../../lib/log/log.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Face, IngestToken } from "../../lib/tokens.ts";
import { admitProducer } from "../auth.ts";
import { type BodyLimits, BodyReader } from "./body.ts";
import type { BodyPatience, Deadlines } from "./deadlines.ts";
import { readDefaults } from "./defaults.ts";
import {
  type Answer,
  answerFor,
  busy,
  JSON_TYPE,
  notFound,
  refuseBody,
  respond,
} from "./hec_answer.ts";
import { ackReply, readAskedIds, readChannel } from "./hec_ack.ts";
import type { HecRoute } from "./hec_route.ts";
import { Keeper, NO_DATA } from "./keeper.ts";
import { Refusals } from "./refusals.ts";
import { UnknownMembers } from "./unknown_members.ts";

const POSTED = "POST,OPTIONS", LOOKED_AT = "GET,HEAD,OPTIONS";
/** Seconds after which to ask for acks again that could not be read. */
const RETRY_POLL = "5";

/** Sizes in bytes. */
export interface HecLimits extends BodyLimits {
  /** One envelope or line; at most what a commit holds. */
  readonly maxEvent: number;
}

/** A producer that was let in. */
interface Admitted {
  readonly token: IngestToken;
  readonly face: Face;
}

export interface HecDeps {
  readonly log: EventLog;
  readonly acks: Acks;
  readonly tokens: readonly IngestToken[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: HecLimits;
  readonly patience: BodyPatience;
  /** False while the relay must not take events although its log would (a temporary store on Deno Deploy). */
  readonly accepts: () => boolean;
}

export class HecIntake {
  readonly #deps: HecDeps;
  readonly #bodies: BodyReader;
  readonly #refusals: Refusals;
  readonly #unknown: UnknownMembers;
  readonly #keeper: Keeper;

  constructor(deps: HecDeps) {
    this.#deps = deps;
    this.#bodies = new BodyReader(deps.clock, deps.limits, deps.patience);
    this.#refusals = new Refusals(deps.clock, deps.logger);
    this.#unknown = new UnknownMembers(deps.clock, deps.logger);
    this.#keeper = new Keeper({ ...deps, unknown: this.#unknown });
  }

  /** Envelopes taken with members that HEC does not know, since the start. */
  get unknownMembers(): number {
    return this.#unknown.total;
  }

  /** Bytes of bodies held now. */
  get heldBytes(): number {
    return this.#bodies.held;
  }

  /** Of the bodies here and of all others. */
  get deadlines(): Deadlines {
    return this.#bodies.deadlines;
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
      const answer: Answer | Response = "code" in entry
        ? { code: entry.code }
        : endpoint === "ack"
        ? await this.#poll(request, entry, parameters)
        : await this.#take(request, endpoint, entry, parameters);
      return answer instanceof Response
        ? answer
        : this.#reply(producer, answer);
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

  /** Which of the asked ack ids are true. */
  async #poll(
    request: Request,
    { token, face }: Admitted,
    parameters: URLSearchParams | undefined,
  ): Promise<Answer | Response> {
    if (token.ack === undefined) return { code: 14 };
    const channel = readChannel(request, parameters);
    if (typeof channel === "number") return { code: channel };
    const body = await this.#bodies.read(request);
    if (!("held" in body)) return refuseBody(body.kind, face);
    try {
      if (body.kind !== "whole") {
        return answerFor(body, NO_DATA, undefined);
      }
      const asked = readAskedIds(body.bytes);
      if (typeof asked === "number") return { code: asked };
      const at = { token: token.name, channel };
      return ackReply(
        asked,
        await this.#deps.acks.poll(at, token.ack, asked.values()),
      );
    } catch (error) {
      this.#deps.logger.log("warn", "store.slow", "Acks could not be read", {
        error: messageOf(error),
      });
      return busy(RETRY_POLL);
    } finally {
      this.#bodies.release(body);
    }
  }

  async #take(
    request: Request,
    endpoint: "event" | "raw",
    entry: Admitted,
    parameters: URLSearchParams | undefined,
  ): Promise<Answer> {
    const channel = entry.token.ack === undefined
      ? undefined
      : readChannel(request, parameters);
    if (typeof channel === "number") return { code: channel };
    // Before the body: what cannot be kept need not be read.
    if (this.#deps.log.full || !this.#deps.accepts()) return busy();
    const defaults = readDefaults(endpoint, entry.token, parameters);
    if ("code" in defaults) return defaults;
    const body = await this.#bodies.read(request);
    if (!("held" in body)) return refuseBody(body.kind, entry.face);
    const { maxEvent } = this.#deps.limits;
    const { indexes } = entry.token;
    const { index } = defaults;
    const { bytes } = body;
    try {
      const slices: Slices = endpoint === "event"
        ? new EventSlices(bytes, {
          face: entry.face,
          maxEvent,
          ...(indexes === undefined ? {} : { indexes }),
          ...(index === undefined ? {} : { index }),
        })
        : new LineSlices(bytes, { maxEvent, isCut: body.kind !== "whole" });
      const { judged, kept, ackId } = await this.#keeper.keep(slices, {
        bytes,
        producer: entry.token.name,
        receivedAt: this.#deps.clock.now(),
        defaults,
      }, channel);
      const answer = kept === "crowded"
        ? { code: 27 as const }
        : answerFor(body, judged, kept);
      return ackId === undefined ? answer : { ...answer, ackId };
    } finally {
      this.#bodies.release(body);
    }
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
