/**
 * The sink of every type that posts events to one address: a type brings its wire form and its judgement.
 *
 * A little long: what a type may say of its requests, and what is made of it, are read together.
 */

import type {
  Answer,
  BatchLimits,
  CommonSettings,
  ConnectorContext,
  Outcome,
  Sink,
  TestStep,
  TypeLimits,
} from "../connector.ts";
import { type EventRun, EventView, type Segment } from "../event.ts";
import {
  ENVELOPE,
  EVENT,
  EVENT_KIND_SHIFT,
  FLAGS,
  OBJECT,
  SpanTable,
} from "../json/spans.ts";
import { isSameBytes } from "../json/copy.ts";
import { redactor } from "../secrets.ts";
import { BatchBuffer } from "./batch_buffer.ts";
import { type Check, type Finding, foundStep, runChecks } from "./checks.ts";
import type { HttpExchange, HttpReply } from "./http_exchange.ts";
import {
  gzip,
  GZIP_ABOVE_BYTES,
  transportOutcome,
  wantsHttps,
  withoutSecrets,
  words,
} from "./http_sink.ts";
import { TransportError } from "./transport_error.ts";

/** Header names and values, in order. */
export type HeaderList = readonly (readonly [string, string])[];

/** Headers of one request, or why there are none. */
export type MadeHeaders = HeaderList | Outcome | TransportError;

/** What stands around and between the events of a body. */
export interface Frame {
  readonly open: string;
  readonly separator: string;
  readonly close: string;
}

/** Events that are lines, or objects on lines. */
const LINES: Frame = { open: "", separator: "\n", close: "" };

/** Events that are the entries of a JSON array. */
export const ARRAY: Frame = { open: "[", separator: ",", close: "]" };

/** What a type says about its requests. */
export interface PostWire {
  readonly url: URL;
  readonly limits: BatchLimits;
  /**
   * Everything that every request carries; compression is added. A function is asked before each request (a token, a
   * signature); where it has none to give, why is the attempt's outcome.
   */
  readonly headers:
    | HeaderList
    | ((signal: AbortSignal) => MadeHeaders | Promise<MadeHeaders>);
  /** What stands around the events. Absent: nothing, and a line feed between them. */
  readonly frame?: Frame;
  /** Texts that no message may hold, should an answer echo them. A function where they change. */
  readonly secrets: readonly string[] | (() => readonly string[]);
  /** Whether bodies over 1 KB are compressed (those that become smaller); `always`: every body, to readers of gzip alone. */
  readonly gzip: boolean | "always";
  /** Bytes of a reply that are kept; 1 MiB unless given. */
  readonly maxReplyBytes?: number;
  /**
   * Writes one event. Pure. `view` is what leaves, as the format says. `ocsf` is the event as OCSF where
   * `readsOcsf` is set (the same one as `view` with format `ocsf`), else `view`.
   */
  fill(view: EventView, into: BatchBuffer, ocsf: EventView): void;
  /** The wire form has members that come from OCSF fields whatever the format. */
  readonly readsOcsf?: boolean;
  /** Whether this answer sends the same body once more in the same attempt, with headers made anew. */
  again?(reply: HttpReply, headers: HeaderList): boolean;
  /** What comes before the first request of a connection test (a token): a sentence, or why there is none. */
  login?(signal: AbortSignal): Promise<Finding>;
  /** The body of the vendor's harmless request, for connection tests. Absent: an empty one. */
  readonly harmless?: string;
  /** Other requests for connection tests, in place of the harmless body; asked for at each test. */
  checks?(): readonly Check[];
  /** The outcome of an answered attempt. */
  judge(reply: HttpReply, batch: BatchBuffer): Outcome;
  /** Whether an answer to an empty body, no setup fault, shows that the credential was looked at first and was good. */
  isNoData(reply: HttpReply): boolean;
}

/** A type's limits with what the operator set. */
export function limitsOf(
  type: TypeLimits,
  common: CommonSettings,
): BatchLimits {
  return {
    events: Math.min(common.batchEvents, type.mostEvents),
    bytes: Math.min(common.batchBytes ?? type.bytes, type.mostBytes),
    eventBytes: type.eventBytes,
  };
}

/** Opens the sink. */
export function openPostSink(wire: PostWire, context: ConnectorContext): Sink {
  return new PostSink(wire, context);
}

class PostSink implements Sink {
  readonly limits: BatchLimits;
  readonly #wire: PostWire;
  readonly #context: ConnectorContext;
  readonly #exchange: HttpExchange;
  readonly #view = new EventView();
  readonly #ocsfView = new EventView();
  readonly #redact: () => (text: string) => string;
  readonly #open: Uint8Array;
  readonly #separator: Uint8Array;
  readonly #close: Uint8Array;
  /** The last answer, with its body: most are the same, byte for byte. */
  #answer: { readonly body: Uint8Array; readonly said: Answer } | undefined;
  /** The last headers with the compression's: the same list again, so that the client makes their head once. */
  #packed: { readonly made: HeaderList; readonly list: HeaderList } | undefined;
  /** The last reply, where it held no secret. */
  #clean: HttpReply | undefined;

  constructor(wire: PostWire, context: ConnectorContext) {
    this.limits = wire.limits;
    this.#wire = wire;
    this.#context = context;
    const { secrets, frame = LINES } = wire;
    if (typeof secrets === "function") {
      this.#redact = () => redactor(secrets());
    } else {
      const redact = redactor(secrets);
      this.#redact = () => redact;
    }
    const encoder = new TextEncoder();
    this.#open = encoder.encode(frame.open);
    this.#separator = encoder.encode(frame.separator);
    this.#close = encoder.encode(frame.close);
    const { maxReplyBytes } = wire;
    this.#exchange = context.http(
      wire.url,
      maxReplyBytes === undefined ? {} : { maxReplyBytes },
    );
  }

  encode(events: EventRun, into: BatchBuffer): void {
    into.trailer = this.#close.length;
    into.literal(this.#open);
    for (let place = 0; place < events.count; place++) {
      into.begin(this.#separator);
      this.#fill(events.view(place, this.#view), into);
      if (!into.end(place)) break;
    }
    into.literal(this.#close);
  }

  async deliver(batch: BatchBuffer, signal: AbortSignal): Promise<Outcome> {
    const reply = await this.#send(batch.body(), signal);
    if (reply instanceof TransportError) return transportOutcome(reply);
    if ("kind" in reply) return reply;
    batch.answer = this.#answerOf(reply);
    return this.#judge(reply, batch);
  }

  probe(signal: AbortSignal): Promise<Outcome> {
    const batch = new BatchBuffer(this.limits);
    batch.literal(this.#open);
    batch.begin();
    this.#fill(testEvent(this.#context), batch);
    batch.end(0);
    batch.literal(this.#close);
    return this.deliver(batch, signal);
  }

  async *test(signal: AbortSignal): AsyncIterable<TestStep> {
    for await (const step of this.#exchange.way(signal)) {
      yield step;
      if (!step.ok) return;
    }
    const wire = this.#wire;
    if (wire.login !== undefined) {
      // Its host is another one: what is wrong with that is the login's fault.
      const step = await this.#step(wire.login(signal), "elsewhere");
      yield step;
      if (!step.ok) return;
    }
    const checks = wire.checks?.();
    if (checks !== undefined) {
      const clean = (reply: HttpReply) => withoutSecrets(reply, this.#redact());
      yield* runChecks(checks, wire.url.host, clean, this.#context, signal);
      return;
    }
    const harmless = new TextEncoder().encode(wire.harmless ?? "");
    const answer = this.#send(harmless, signal);
    yield await this.#step(answer.then((reply) => this.#judgeHarmless(reply)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#exchange[Symbol.asyncDispose]();
  }

  #fill(view: EventView, into: BatchBuffer): void {
    const { common, ocsf } = this.#context;
    const isOcsf = common.format === "ocsf";
    const form = isOcsf || this.#wire.readsOcsf === true
      ? ocsf(view, this.#ocsfView)
      : view;
    this.#wire.fill(isOcsf ? form : view, into, form);
  }

  #answerOf(reply: HttpReply): Answer {
    const { status, body } = reply;
    const last = this.#answer;
    if (last?.said.status === status && isSameBytes(last.body, body)) {
      return last.said;
    }
    let message: string | undefined;
    const said = {
      status,
      // Of the answers of a second one is kept: only that one's words are looked for.
      get message() {
        return message ??= words(reply);
      },
    };
    this.#answer = { body, said };
    return said;
  }

  #withoutSecrets(reply: HttpReply): HttpReply {
    const { body, headers } = reply;
    if (body.length === 0 && !headers.has("location")) return reply;
    const { secrets } = this.#wire;
    const last = this.#clean;
    if (last?.headers === headers && isSameBytes(last.body, body)) {
      return reply;
    }
    const clean = withoutSecrets(reply, this.#redact());
    // Secrets that change have to be looked for again.
    this.#clean = clean === reply && typeof secrets !== "function"
      ? reply
      : undefined;
    return clean;
  }

  #packedHeaders(made: HeaderList): HeaderList {
    if (this.#packed?.made !== made) {
      const list = [...made, ["Content-Encoding", "gzip"]] as const;
      this.#packed = { made, list };
    }
    return this.#packed.list;
  }

  #judge(reply: HttpReply, batch: BatchBuffer): Outcome {
    const isPlain = this.#wire.url.protocol === "http:";
    return (isPlain ? wantsHttps(reply) : undefined) ??
      this.#wire.judge(reply, batch);
  }

  async #step(
    finding: Promise<Finding>,
    where: "here" | "elsewhere" = "here",
  ): Promise<TestStep> {
    const { clock } = this.#context;
    const began = clock.monotonic();
    const found = await finding;
    const ms = Math.round(clock.monotonic() - began);
    return foundStep("login", ms, found, where);
  }

  /** A body without events proves the address, and as a rule the credential. */
  #judgeHarmless(reply: HttpReply | Outcome | TransportError): Finding {
    if (reply instanceof TransportError || "kind" in reply) return reply;
    const outcome = this.#judge(reply, new BatchBuffer(this.limits));
    if (outcome.kind === "delivered") {
      return "The credential was accepted. No event was sent.";
    }
    return outcome.kind !== "held" && this.#wire.isNoData(reply)
      ? `An empty request was answered with ${reply.status}: the credential was not refused. No event was sent.`
      : outcome;
  }

  async #send(
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<HttpReply | Outcome | TransportError> {
    const isAlways = this.#wire.gzip === "always";
    const packed = isAlways || this.#wire.gzip && body.length > GZIP_ABOVE_BYTES
      ? gzip(body)
      : body;
    const isPacked = isAlways || packed.length < body.length;
    const { headers } = this.#wire;
    for (let isFirst = true;; isFirst = false) {
      const made = typeof headers === "function"
        ? await headers(signal)
        : headers;
      if (made instanceof TransportError || "kind" in made) return made;
      try {
        const reply = await this.#exchange.send({
          method: "POST",
          headers: isPacked ? this.#packedHeaders(made) : made,
          body: isPacked ? packed : body,
        }, signal);
        if (isFirst && this.#wire.again?.(reply, made)) continue;
        return this.#withoutSecrets(reply);
      } catch (error) {
        if (error instanceof TransportError) return error;
        throw error;
      }
    }
  }
}

/** One event that says it is a test, with an id of its own. */
function testEvent({ clock, uuid }: ConnectorContext): EventView {
  return madeEvent(
    `{"hecate.test":true,"id":${
      JSON.stringify(uuid())
    },"message":"Test event of Hecate: it shows that events arrive."}`,
    Math.floor(clock.now()),
    // Elastic takes one id once.
    uuid().replaceAll("-", "").slice(-SEGMENT_ID_LENGTH),
  );
}

const SEGMENT_ID_LENGTH = 20;

/**
 * An event of ours, a JSON object. `receivedAt` is in milliseconds since the Unix epoch; its id is that of the first
 * event of the segment, 20 hex digits.
 */
export function madeEvent(
  json: string,
  receivedAt: number,
  segmentId = "0".repeat(SEGMENT_ID_LENGTH),
): EventView {
  const bytes = new TextEncoder().encode(json);
  const spans = new SpanTable(1);
  spans.add();
  spans.words[ENVELOPE + 1] = bytes.length;
  spans.words[EVENT + 1] = bytes.length;
  spans.words[FLAGS] = OBJECT << EVENT_KIND_SHIFT;
  const segment: Segment = {
    id: segmentId,
    bytes,
    spans: spans.words,
    count: 1,
    runs: [{ producer: "hecate", receivedAt }],
    lane: "test",
    eventsBefore: 0,
    bytesBefore: 0,
    storedBytes: bytes.length,
  };
  return new EventView().at(segment, 0);
}
