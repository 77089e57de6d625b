/**
 * Splunk HTTP Event Collector: Enterprise and Cloud.
 *
 * Longer than its neighbours because a refusal may have stored a part of the batch, and because what was taken may have
 * to be asked about until it is indexed.
 */

import type { z } from "zod";
import {
  address,
  group,
  secret,
  text,
  toggle,
  withDefault,
} from "../lib/config/fields.ts";
import type {
  ConnectorContext,
  ConnectorType,
  Outcome,
  Sink,
  TestHints,
  TestStep,
  TypeLimits,
} from "../lib/connector.ts";
import type { BatchBuffer } from "../lib/delivery/batch_buffer.ts";
import type { HttpExchange, HttpReply } from "../lib/delivery/http_exchange.ts";
import {
  classifyStatus,
  held,
  oneLine,
  retryAfter,
  said,
  withoutSecrets,
  words,
} from "../lib/delivery/http_sink.ts";
import {
  type HeaderList,
  limitsOf,
  openPostSink,
} from "../lib/delivery/post_sink.ts";
import { TransportError } from "../lib/delivery/transport_error.ts";
import type { EventRun } from "../lib/event.ts";
import { asObject, parsed } from "../lib/json/objects.ts";
import { scanBody } from "../lib/json/scanner.ts";
import {
  FIELDS_KIND_SHIFT,
  HOST,
  INDEX,
  KIND_MASK,
  OBJECT,
  ROW,
  SOURCE,
  SOURCETYPE,
  SpanTable,
  WHOLE,
} from "../lib/json/spans.ts";
import { stringValue } from "../lib/json/strings.ts";
import { redactor } from "../lib/secrets.ts";
import { event, fields, optional, seconds, template } from "../lib/template.ts";

// Limits ----------------------------------------------------------------------------------------------------------

const LIMITS: TypeLimits = {
  // The seed's batch; Splunk itself counts bytes only.
  events: 100,
  mostEvents: 100_000,
  bytes: 1_000_000,
  // limits.conf [http_input] max_content_length, Enterprise's default.
  mostBytes: 838_860_800,
  // inputs.conf [http] maxEventSize, default 5 MB.
  eventBytes: 5_000_000,
};

/** Splunk Cloud answers code 6 with number 0, not 413, to bodies above 5.2 to 6.0 MB (measured by ross/logit, 10.5). */
const CLOUD_BODY_BYTES = 5_000_000;

/** How often an ack is asked for, and how long (destinations §1.3, Vector's habit), in milliseconds. */
const ACK_POLL_MS = 10_000, ACK_WAIT_MS = 300_000;

/** How long to send at half the rate after "approaching capacity", in milliseconds. */
const SLOW_DOWN_MS = 30_000;

// Settings --------------------------------------------------------------------------------------------------------

const settings = group({
  url: address({
    title: "URL",
    help:
      "The collector's address. A base address gets `/services/collector/event`.",
    example: "https://splunk.example.com:8088/services/collector/event",
    oddity: (url) =>
      URL.parse(url)?.port === "8000"
        ? "8000 is Splunk's web page; HEC usually listens on 8088."
        : undefined,
  }).refine(
    (url) => !/\/services\/collector\/(?!event(\/|$)|$)/.test(url.pathname),
    "Events go to /services/collector/event; leave out what comes after the port.",
  ),
  token: secret({
    title: "Token",
    help: "Settings > Data inputs > HTTP Event Collector.",
    example: "11111111-2222-3333-4444-555555555555",
  }),
  index: withDefault(
    text({
      title: "Index",
      help:
        "For events whose producer names none; the token must allow it. Empty: the token's default index.",
      empty: true,
    }),
    "arbitex",
  ),
  source: withDefault(
    text({
      title: "Source",
      help: "`source` of events whose producer names none. Empty: left out.",
      empty: true,
    }),
    "arbitex-platform",
  ),
  sourcetype: withDefault(
    text({
      title: "Source type",
      help:
        "`sourcetype` of events whose producer names none. Empty: left out.",
      empty: true,
    }),
    "arbitex:audit",
  ),
  ack: withDefault(
    toggle({
      title: "Indexer acknowledgment",
      help:
        "Count a batch as delivered only once Splunk says that it is indexed: asked every 10 s, sent again after 300 s. The token must have it enabled.",
    }),
    "false",
  ),
});

/** Checked settings of a Splunk connector. */
export type SplunkSettings = z.infer<typeof settings>;

// Wire format -----------------------------------------------------------------------------------------------------

function envelope(settings: SplunkSettings, hostname: string) {
  return template`{"time":${seconds}${optional(HOST, hostname)}${
    optional(SOURCE, settings.source)
  }${optional(SOURCETYPE, settings.sourcetype)}${
    optional(INDEX, settings.index)
  },"event":${event}${fields}}`;
}

/** An envelope that Splunk takes as it stands: `fields` and no event (a metric). */
const asItCame = template`${event}`;

// Request ---------------------------------------------------------------------------------------------------------

const COLLECTOR = "/services/collector";

function collectorUrl(given: URL): URL {
  const url = new URL(given);
  const path = url.pathname.replace(/\/+$/, "");
  url.pathname = path.endsWith(COLLECTOR) || path.includes(`${COLLECTOR}/`)
    ? path
    : `${path}${COLLECTOR}/event`;
  return url;
}

// Answers ---------------------------------------------------------------------------------------------------------

/** What a collector says in JSON. */
interface Answer {
  readonly code: number | undefined;
  readonly number: number | undefined;
  readonly ackId: number | undefined;
}

function readAnswer(reply: HttpReply): Answer {
  const json = asObject(parsed(reply.text()));
  const member = (name: string) => {
    const value = json[name];
    return Number.isSafeInteger(value) ? Number(value) : undefined;
  };
  return {
    code: member("code"),
    number: member("invalid-event-number"),
    ackId: member("ackId") ?? member("ackID"),
  };
}

const REFUSED: Readonly<Record<number, string>> = {
  1: "The token is disabled there. Enable it, or use another.",
  2: "Splunk saw no usable token. Check SPLUNK_HEC_TOKEN.",
  3: "Splunk wants the scheme Splunk before the token (Authorization: Splunk …). Something on the way changed the header.",
  4: "Splunk does not know this token: another server's, or deleted.",
};

function judge(
  reply: HttpReply,
  batch: BatchBuffer,
  index: string,
  now: number,
): Outcome {
  const { code, number } = readAnswer(reply);
  const { status } = reply;
  if (status === 200 && code === 0) return { kind: "delivered" };
  if (status === 200 && (code === 24 || code === 25)) {
    // Taken all the same: sending it again would double it.
    return {
      kind: "delivered",
      warning: said(reply),
      slowDown: SLOW_DOWN_MS,
    };
  }
  if (status === 400 && code !== undefined) {
    return judgeBadRequest(code, number, reply, batch, index);
  }
  if (status === 503 && code === 9 && isPlace(number, batch)) {
    const after = retryAfter(reply.headers, now);
    return {
      kind: "retry",
      reason: "server",
      message: said(reply),
      pending: batch.places.slice(number),
      ...after !== undefined && { after },
    };
  }
  const outcome = classifyStatus(reply, now);
  if (outcome === undefined) {
    return {
      kind: "retry",
      reason: "unclear",
      message: `${said(reply)} (no code 0)`,
    };
  }
  const help = REFUSED[code ?? -1];
  return outcome.kind === "held" && help !== undefined
    ? { ...outcome, message: said(reply), help }
    : outcome;
}

/** A 400 may have stored what stands before the event it names (measured, destinations §1.2). */
function judgeBadRequest(
  code: number,
  number: number | undefined,
  reply: HttpReply,
  batch: BatchBuffer,
  index: string,
): Outcome {
  const split = { kind: "split", message: said(reply) } as const;
  switch (code) {
    case 6:
      if (number === 0 && batch.length > CLOUD_BODY_BYTES) {
        return { ...split, reason: "too_large" };
      }
      return rejectedAt(number, reply, batch) ??
        { ...split, reason: "rejected" };
    case 12:
    case 13:
    case 15:
      return rejectedAt(number, reply, batch) ??
        { ...split, reason: "rejected" };
    case 7:
      return judgeIndex(number, reply, batch, index) ??
        { ...split, reason: "rejected" };
    case 10:
    case 11:
    case 28:
      return held(
        "config",
        said(reply),
        "The collector did not accept our channel. Something on the way drops X-Splunk-Request-Channel, or the token needs sticky sessions.",
      );
    case 14:
      return { kind: "retry", reason: "unclear", message: said(reply) };
    case 16:
      return held("config", said(reply), "Take the token out of the address.");
    case 21:
    case 22:
      return held("auth", said(reply), REFUSED[code === 21 ? 4 : 1] ?? "");
    default:
      return { ...split, reason: "rejected" };
  }
}

function isPlace(
  number: number | undefined,
  batch: BatchBuffer,
): number is number {
  return number !== undefined && number >= 0 && number < batch.events;
}

/** Events before `number` are stored, it is bad, those after it were not looked at. */
function rejectedAt(
  number: number | undefined,
  reply: HttpReply,
  batch: BatchBuffer,
): Outcome | undefined {
  const at = isPlace(number, batch) ? batch.places[number] : undefined;
  if (number === undefined || at === undefined) return undefined;
  batch.answer = answerBefore(reply);
  return {
    kind: "rejected",
    rejections: [{ at, reason: "rejected", message: said(reply) }],
    pending: batch.places.slice(number + 1),
  };
}

/** Of the events before the refused one, for their receipts: a 400 alone would read as if they were refused. */
function answerBefore(reply: HttpReply): NonNullable<BatchBuffer["answer"]> {
  return {
    status: reply.status,
    message: oneLine(
      `Taken; a later event of the request was refused: ${words(reply)}`,
    ),
  };
}

/** Code 7 names the event after the one whose index is not allowed. */
function judgeIndex(
  number: number | undefined,
  reply: HttpReply,
  batch: BatchBuffer,
  index: string,
): Outcome | undefined {
  const position = number === undefined ? -1 : number - 1;
  const used = isPlace(position, batch)
    ? indexAt(batch, position)
    : batch.events === 1
    ? indexAt(batch, 0)
    : undefined;
  if (used === index) {
    // What stands before it is stored; the next attempt begins with it and is held.
    if (position > 0) {
      batch.answer = answerBefore(reply);
      return {
        kind: "rejected",
        rejections: [],
        pending: batch.places.slice(position),
      };
    }
    return held(
      "config",
      said(reply),
      index === ""
        ? "The token's default index does not exist. Set SPLUNK_HEC_INDEX, or correct the token."
        : `The token may not write to index ${index}. Add it to the token's allowed indexes, or set SPLUNK_HEC_INDEX.`,
    );
  }
  return rejectedAt(position, reply, batch);
}

/** The index that the event at a position of the body carries, "" for none. Read back from the body: this is rare. */
function indexAt(batch: BatchBuffer, position: number): string {
  const table = new SpanTable(batch.events);
  scanBody(batch.body(), table);
  const row = position * ROW + INDEX;
  const start = table.words[row] ?? 0, end = table.words[row + 1] ?? 0;
  return end > start ? stringValue(batch.bytes, start, end) : "";
}

// Test ------------------------------------------------------------------------------------------------------------

/** What a connection test says beside the answers' own help. */
const HINTS: TestHints = {
  notSeen:
    "Search the right index over All time: an event with an old time lands there. Splunk looks in the token's allowed indexes only.",
  cures: {
    refused:
      "In Splunk: Settings > Data inputs > HTTP Event Collector > Global settings > All tokens: Enabled. HEC usually listens on 8088.",
    tls_name: "(Splunk's own certificate says SplunkServerDefaultCert.)",
    tls_issuer: "(Splunk's own certificate is signed by its SplunkCommonCA.)",
    redirect: "8000 is Splunk's web page; HEC usually listens on 8088.",
    not_collector: "8000 is Splunk's web page; HEC usually listens on 8088.",
    cut:
      "Splunk's HEC speaks https:// unless its Global settings say otherwise.",
  },
};

// Acknowledgment --------------------------------------------------------------------------------------------------

/**
 * A sink whose attempt ends when Splunk says that the batch is indexed. Ids count per channel, so the channel is the
 * sink's own for its life, and a balancer's cookies are kept: the id is known to one indexer alone.
 */
class AckSink implements Sink {
  readonly limits: Sink["limits"];
  readonly #post: Sink;
  readonly #exchange: HttpExchange;
  readonly #context: ConnectorContext;
  readonly #secrets: () => readonly string[];
  readonly #headers: () => HeaderList;
  /** Of the last answer. */
  readonly #taken: () => { readonly ackId: number | undefined };
  #isOff = false;

  constructor(
    post: Sink,
    { url, headers, taken, secrets, context }: {
      readonly url: URL;
      readonly headers: () => HeaderList;
      readonly taken: () => { readonly ackId: number | undefined };
      readonly secrets: () => readonly string[];
      readonly context: ConnectorContext;
    },
  ) {
    this.#post = post;
    this.limits = post.limits;
    this.#headers = headers;
    this.#taken = taken;
    this.#context = context;
    this.#secrets = secrets;
    this.#exchange = context.http(url);
  }

  encode(events: EventRun, into: BatchBuffer): void {
    this.#post.encode(events, into);
  }

  async deliver(batch: BatchBuffer, signal: AbortSignal): Promise<Outcome> {
    const outcome = await this.#post.deliver(batch, signal);
    if (outcome.kind !== "delivered" || this.#isOff) return outcome;
    const { ackId } = this.#taken();
    if (ackId === undefined) return { ...outcome, warning: NO_ACKS };
    return await this.#await(ackId, outcome, signal);
  }

  /** A test event is no batch: that it was taken is enough. */
  probe(signal: AbortSignal): Promise<Outcome> {
    return this.#post.probe(signal);
  }

  test(signal: AbortSignal): AsyncIterable<TestStep> {
    return this.#post.test(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#exchange[Symbol.asyncDispose]();
    await this.#post[Symbol.asyncDispose]();
  }

  /** Asks until it is true. What is never said to be indexed goes again; it may be there twice then. */
  async #await(
    ackId: number,
    taken: Outcome,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { clock } = this.#context;
    const end = clock.monotonic() + ACK_WAIT_MS;
    let said = "false";
    while (clock.monotonic() < end) {
      await clock.sleep(ACK_POLL_MS, signal);
      const answer = await this.#ask(ackId, signal);
      if (answer === "indexed") return taken;
      if (answer === "off") {
        this.#isOff = true;
        return { ...taken, kind: "delivered", warning: NO_ACKS };
      }
      said = answer;
    }
    return {
      kind: "retry",
      reason: "timeout",
      message: `Splunk took the batch and did not say within ${
        ACK_WAIT_MS / 1000
      } s that it is indexed (last answer: ${said}); it goes again and may be there twice.`,
    };
  }

  /** One question. Its own failures are no verdict on the batch: it is asked again. */
  async #ask(ackId: number, signal: AbortSignal): Promise<string> {
    const body = new TextEncoder().encode(`{"acks":[${ackId}]}`);
    try {
      const reply = withoutSecrets(
        await this.#exchange.send(
          { method: "POST", headers: this.#headers(), body },
          signal,
        ),
        redactor(this.#secrets()),
      );
      if (reply.status === 400 && readAnswer(reply).code === ACK_DISABLED) {
        return "off";
      }
      const { acks } = asObject(parsed(reply.text()));
      return asObject(acks)[ackId] === true ? "indexed" : said(reply);
    } catch (error) {
      if (error instanceof TransportError) return error.message;
      throw error;
    }
  }
}

const ACK_DISABLED = 14;
const NO_ACKS =
  "Splunk acknowledges nothing for this token: enable indexer acknowledgment there, or turn SPLUNK_HEC_ACK off. Delivered means taken.";

function ackUrl(collector: URL, channel: string): URL {
  const url = new URL(collector);
  url.pathname = `${
    url.pathname.slice(0, url.pathname.indexOf(COLLECTOR))
  }${COLLECTOR}/ack`;
  url.search = `?channel=${channel}`;
  return url;
}

/** `name=value` of each cookie that was set last. */
function keepCookies(reply: HttpReply, jar: Map<string, string>): void {
  for (const line of reply.headers.getSetCookie()) {
    const [, name, value] = /^\s*([^=;\s]+)=([^;]*)/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    if (jar.size < MOST_COOKIES || jar.has(name)) jar.set(name, value.trim());
  }
}

const MOST_COOKIES = 16;

// Type ------------------------------------------------------------------------------------------------------------

/** Splunk HEC. */
export const splunk: ConnectorType<SplunkSettings> = {
  type: "splunk",
  title: "Splunk (HTTP Event Collector)",
  prefix: "SPLUNK_HEC",
  limits: LIMITS,
  format: "native",
  settings,
  hints: HINTS,
  open(settings: SplunkSettings, context: ConnectorContext) {
    const body = envelope(settings, context.hostname);
    const url = collectorUrl(settings.url);
    const channel = context.uuid();
    const cookies = new Map<string, string>();
    let last: Answer | undefined;
    const headers = (): HeaderList => [
      ["Authorization", `Splunk ${settings.token}`],
      ["Content-Type", "application/json"],
      ["X-Splunk-Request-Channel", channel],
      ...cookies.size === 0 ? [] : [
        [
          "Cookie",
          [...cookies].map(([name, value]) => `${name}=${value}`).join("; "),
        ] as const,
      ],
    ];
    const secrets = () => [settings.token, ...cookies.values()];
    const post = openPostSink({
      url,
      limits: limitsOf(LIMITS, context.common),
      // Only acks keep cookies. Without, one list serves all requests, and one pattern all answers.
      headers: settings.ack ? headers : headers(),
      secrets: settings.ack ? secrets : secrets(),
      gzip: context.common.gzip ?? true,
      fill(view, into) {
        // The HEC intake leaves the kind of `fields` set on a whole envelope that came without an event.
        const isMetric = (view.flags & WHOLE) !== 0 &&
          (view.flags >> FIELDS_KIND_SHIFT & KIND_MASK) === OBJECT;
        (isMetric ? asItCame : body).fill(view, into);
      },
      judge(reply, batch) {
        if (settings.ack) {
          last = readAnswer(reply);
          keepCookies(reply, cookies);
        }
        return judge(reply, batch, settings.index, context.clock.now());
      },
      isNoData: (reply) => reply.status === 400 && readAnswer(reply).code === 5,
    }, context);
    return settings.ack
      ? new AckSink(post, {
        url: ackUrl(url, channel),
        headers,
        taken: () => ({ ackId: last?.ackId }),
        secrets,
        context,
      })
      : post;
  },
};
