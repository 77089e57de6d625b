/**
 * Elasticsearch and Elastic Security: the bulk API.
 *
 * Longer than its neighbours because an answer holds a verdict for each event: the answers are half of the file.
 */

import type { z } from "zod";
import {
  address,
  choice,
  group,
  optional as maybe,
  secretText,
  text,
  withDefault,
} from "../lib/config/fields.ts";
import type {
  ConnectorContext,
  ConnectorType,
  Outcome,
  Rejection,
  TestHints,
  TypeLimits,
  WeatherReason,
} from "../lib/connector.ts";
import type { BatchBuffer } from "../lib/delivery/batch_buffer.ts";
import type { Check } from "../lib/delivery/checks.ts";
import type { HttpReply } from "../lib/delivery/http_exchange.ts";
import {
  classifyStatus,
  held,
  oneLine,
  retryAfter,
  said as saidOf,
  webPage,
} from "../lib/delivery/http_sink.ts";
import { limitsOf, openPostSink } from "../lib/delivery/post_sink.ts";
import type { EventView } from "../lib/event.ts";
import { fieldSpans } from "../lib/json/field_spans.ts";
import { isSameBytes } from "../lib/json/copy.ts";
import { asObject, asText, parsed } from "../lib/json/objects.ts";
import { pathId } from "../lib/json/paths.ts";
import {
  eventId,
  eventMembers,
  isoTime,
  Template,
  template,
} from "../lib/template.ts";

// Limits ----------------------------------------------------------------------------------------------------------

const LIMITS: TypeLimits = {
  // The seed's batch: 100 events or 5 MB.
  events: 100,
  // Ours: the answer has an item for each, and 16 MiB of it are read.
  mostEvents: 10_000,
  bytes: 5_000_000,
  // elasticsearch.yml http.max_content_length, default 100mb.
  mostBytes: 104_857_600,
  // The request's limit less its last line feed.
  eventBytes: 104_857_599,
};

/** An error of each item fits (destinations §0.5). */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;

// Settings --------------------------------------------------------------------------------------------------------

const settings = group({
  url: address({
    title: "URL",
    help: "Elasticsearch's address, not Kibana's; `/_bulk` is added.",
    example: "https://my-cluster.es.io:9243",
  }),
  api_key: secretText({
    title: "API key",
    help:
      "Stack Management > API keys, with the privilege `index` (data streams: `create_doc`) on the target. The encoded form, `id:key` or the JSON that Kibana shows.",
    example: "VnVhQ2ZHY0JDZGJrU...",
  }).refine(
    (given) => encodedKey(given) !== undefined,
    "It must be the encoded API key, id:key, or the JSON with id and api_key, copied whole as plain text.",
  ),
  index: withDefault(
    text({
      title: "Index",
      help:
        "Target index or data stream. `docs/elastic-index-template.json` makes a data stream that takes any event.",
    }).refine(
      (name) =>
        name.startsWith("<") ||
        !/^[-_+]|[\\/*?"<>| ,#:]|\p{Lu}/u.test(name) &&
          new TextEncoder().encode(name).length <= 255,
      'Names of indexes are lower-case, have none of \\ / * ? " < > | , # : or blanks, and do not begin with - _ or +.',
    ),
    "arbitex-audit",
  ),
  pipeline: maybe(
    text({ title: "Pipeline", help: "Ingest pipeline to apply." }),
  ),
  op: withDefault(
    choice({
      title: "Action",
      help:
        "`create` for data streams, `index` for indexes; `auto` begins with `index` and finds out from the answer.",
    }, ["auto", "index", "create"]),
    "auto",
  ),
});

/** Checked settings of an Elastic connector. */
export type ElasticSettings = z.infer<typeof settings>;

type Action = "index" | "create";

// Wire format -----------------------------------------------------------------------------------------------------

const CLOSE_BRACE = 0x7d, SPACE = 0x20;

const stamp = template`{"@timestamp":"${isoTime}",`;
const unstamped = template`{${eventMembers}`;
const members = template`${eventMembers}`;

/** `_id` is the relay's own: a repeat overwrites itself (`index`) or is answered 409 (`create`). */
function actionLine(action: Action, index: string): Template {
  const opening = `{"${action}":{"_index":${JSON.stringify(index)},"_id":"`;
  return new Template([opening, eventId, '"}}\n']);
}

/** The document's line. `@timestamp` comes first, as in the seed, where the event has none. */
function writeDocument(
  view: EventView,
  into: BatchBuffer,
  timestamp: number,
): void {
  const spans = fieldSpans(view);
  if (spans.end(timestamp) > spans.start(timestamp)) {
    unstamped.fill(view, into);
  } else {
    stamp.fill(view, into);
    const { length } = into;
    members.fill(view, into);
    // `{}` and `{ }` leave no comma behind.
    let at = length;
    while (at < into.length && (into.bytes[at] as number) <= SPACE) at++;
    if (at === into.length) into.length = length - 1;
  }
  into.byte(CLOSE_BRACE);
}

// Request ---------------------------------------------------------------------------------------------------------

/** What the answer has to hold: without it each item repeats index, id, version and shards. */
const FILTER =
  "errors,items.*.status,items.*.error,items.*.failure_store,error,status";

/** The cluster's own address, whatever of the bulk API's was typed after it. */
function baseUrl({ url }: ElasticSettings): URL {
  const base = new URL(url);
  base.pathname = base.pathname.replace(/\/+(_bulk\/*)?$/, "");
  base.search = "";
  return base;
}

function below(base: URL, path: string): URL {
  const url = new URL(base);
  url.pathname = `${base.pathname.replace(/\/+$/, "")}${path}`;
  return url;
}

function bulkUrl(settings: ElasticSettings): URL {
  const url = below(baseUrl(settings), "/_bulk");
  // What a user put there himself (require_data_stream) stays.
  url.search = settings.url.search;
  if (settings.pipeline !== undefined) {
    url.searchParams.set("pipeline", settings.pipeline);
  }
  // As it stands: URLSearchParams would write commas and stars as %2C and *.
  const before = url.search === "" ? "?" : `${url.search}&`;
  url.search = `${before}filter_path=${FILTER}`;
  return url;
}

/**
 * The key as the header wants it, of what people paste: the encoded form, `id:key`, or Kibana's JSON; the header's
 * scheme word may stand before it. Undefined for what is none.
 */
function encodedKey(given: string): string | undefined {
  const key = given.trim().replace(/^ApiKey\s+/i, "").trim();
  if (key.startsWith("{")) {
    const members = asObject(parsed(key));
    const encoded = asText(members["encoded"]);
    const id = asText(members["id"]), secret = asText(members["api_key"]);
    if (encoded !== "") return encodedKey(encoded);
    return id === "" || secret === ""
      ? undefined
      : encodedKey(`${id}:${secret}`);
  }
  if (!/^[\x21-\x7e]+$/.test(key)) return undefined;
  return key.includes(":") ? btoa(key) : key;
}

/** The forms in which the credential may be echoed. */
function secretsOf(given: string, encoded: string): string[] {
  const pair = decoded(encoded);
  const colon = pair.indexOf(":");
  return [given, encoded, pair, colon < 0 ? "" : pair.slice(colon + 1)];
}

function decoded(encoded: string): string {
  try {
    return atob(encoded);
  } catch {
    return "";
  }
}

// Answers ---------------------------------------------------------------------------------------------------------

type Held = Extract<Outcome, { kind: "held" }>;

/** What became of one event. `aside`: the failure store has it. `stream`: the target takes only `create`. */
type Verdict =
  | { readonly kind: "taken" }
  | { readonly kind: "aside" }
  | { readonly kind: "refused"; readonly message: string }
  | { readonly kind: "stream"; readonly message: string }
  | {
    readonly kind: "later";
    readonly reason: WeatherReason;
    readonly message: string;
  }
  | Held;

/** What an answer was asked with. */
interface Asked {
  readonly settings: ElasticSettings;
  readonly action: Action;
  /** The target turned out to be a data stream. */
  readonly onStream: () => void;
  readonly now: number;
}

interface Problem {
  readonly type: string;
  readonly reason: string;
}

const NO_WORDS: Problem = { type: "", reason: "" };

function judge(reply: HttpReply, batch: BatchBuffer, asked: Asked): Outcome {
  const { status } = reply;
  const whole = classifyStatus(reply, asked.now);
  if (whole !== undefined) return wholeAnswer(whole, reply, asked.settings);
  const { items } = asObject(parsed(reply.text()));
  if (!Array.isArray(items)) {
    return held(
      "not_collector",
      `It is no answer of the bulk API. ${saidOf(reply)}`,
      "Check the address: it must be Elasticsearch's own, not Kibana's or a proxy's page.",
    );
  }
  if (items.length !== batch.events) {
    return {
      kind: "retry",
      reason: "unclear",
      message: `${status}: ${items.length} items for ${batch.events} events`,
    };
  }
  const verdicts = items.map((item) => verdict(item, asked));
  const after = retryAfter(reply.headers, asked.now);
  return together(verdicts, batch, after, asked);
}

/** What an answer means that speaks of the request as a whole. */
function wholeAnswer(
  outcome: Outcome,
  reply: HttpReply,
  { index, pipeline }: ElasticSettings,
): Outcome {
  const problem = problemOf(asObject(parsed(reply.text()))["error"]) ??
    NO_WORDS;
  const message = said(reply.status, problem);
  if (problem.type === "cluster_block_exception") {
    const after = outcome.kind === "retry" ? outcome.after : undefined;
    return {
      ...blocked(message),
      kind: "retry",
      ...after !== undefined && { after },
    };
  }
  if (isPipelineMissing(problem.reason)) return noPipeline(message, pipeline);
  if (outcome.kind !== "held") return outcome;
  if (outcome.reason === "forbidden") {
    return { ...outcome, help: mayNotWrite(index) };
  }
  if (reply.status !== 401) return outcome;
  const help =
    "The API key was refused: expired, invalidated, of another cluster, or not copied whole (the encoded form, or id:key).";
  return { ...outcome, help };
}

/** One item of the answer: `{"index":{"status":201}}`. */
function verdict(item: unknown, { settings, action }: Asked): Verdict {
  const result = asObject(Object.values(asObject(item))[0]);
  const status = Number(result["status"]);
  const problem = problemOf(result["error"]);
  if (status >= 200 && status < 300 && problem === undefined) {
    return { kind: result["failure_store"] === "used" ? "aside" : "taken" };
  }
  const { type, reason } = problem ?? NO_WORDS;
  const message = said(status, { type, reason });
  if (type === "cluster_block_exception") return blocked(message);
  switch (status) {
    case 401:
      return held("auth", message);
    case 403: {
      const create = " A key that may only create wants ELASTIC_OP=create.";
      const help = mayNotWrite(settings.index);
      return held(
        "forbidden",
        message,
        action === "index" ? help + create : help,
      );
    }
    case 404:
      return held(
        "config",
        message,
        `Make the index ${settings.index} (or its template), or let the key do so (auto_configure).`,
      );
    case 408:
    case 425:
    case 429:
      return { kind: "later", reason: "slow_down", message };
    case 409:
      // It came with an earlier attempt.
      return type === "" || type === "version_conflict_engine_exception"
        ? { kind: "taken" }
        : { kind: "refused", message };
    default:
  }
  if (status >= 500) return { kind: "later", reason: "server", message };
  if (!(status >= 400)) return { kind: "later", reason: "unclear", message };
  // A reason counts by its beginning: further on it may quote the event.
  if (/^only write ops with an op_type of create are allowed/.test(reason)) {
    return { kind: "stream", message };
  }
  return isPipelineMissing(reason)
    ? noPipeline(message, settings.pipeline)
    : { kind: "refused", message };
}

/** The events' verdicts as one outcome: what was taken never goes again, what is held is never settled. */
function together(
  verdicts: readonly Verdict[],
  batch: BatchBuffer,
  after: number | undefined,
  { settings: { index, op }, onStream }: Asked,
): Outcome {
  const rejections: Rejection[] = [];
  const pending: number[] = [];
  const aside = verdicts.filter(({ kind }) => kind === "aside").length;
  let later: Extract<Verdict, { kind: "later" }> | undefined;
  let fault: Held | undefined;
  const { places } = batch;
  for (const [i, each] of verdicts.entries()) {
    const at = places[i] ?? -1;
    if (each.kind === "taken" || each.kind === "aside") continue;
    if (each.kind === "refused") {
      rejections.push({ at, reason: "rejected", message: each.message });
      continue;
    }
    pending.push(at);
    if (each.kind === "later") later ??= each;
    else if (each.kind === "held") fault ??= each;
    else if (op === "auto") {
      onStream();
      const message =
        `${index} is a data stream; it gets create from now on. (${each.message})`;
      later ??= { kind: "later", reason: "unclear", message };
    } else {
      const help = `${index} is a data stream. Set ELASTIC_OP=create, or auto.`;
      fault ??= held("config", each.message, help);
    }
  }
  const warning = aside === 0 ? {} : {
    warning:
      `${aside} of ${verdicts.length} events went to the failure store of ${index}, not to the stream.`,
    aside,
  };
  if (later !== undefined) {
    const { reason, message } = later;
    const wait = after === undefined ? {} : { after };
    return {
      kind: "retry",
      reason,
      message,
      pending,
      rejections,
      ...wait,
      ...warning,
    };
  }
  if (fault !== undefined && pending.length === verdicts.length) return fault;
  // After a mixed answer the next attempt carries what is held alone, and is.
  if (pending.length + rejections.length > 0) {
    return { kind: "rejected", rejections, pending, ...warning };
  }
  return { kind: "delivered", ...warning };
}

function blocked(message: string): Extract<Verdict, { kind: "later" }> {
  return {
    kind: "later",
    reason: "server",
    message:
      `The cluster refuses writes; usually its disk is full (flood stage) or the index is read-only. ${message}`,
  };
}

function mayNotWrite(index: string): string {
  return `The key may not write to ${index}. Give it the privilege index (data streams: create_doc) there.`;
}

function noPipeline(message: string, pipeline: string | undefined): Held {
  return held(
    "config",
    message,
    pipeline === undefined
      ? "The index names a pipeline that does not exist: make it, or take it out of the index's settings."
      : `There is no pipeline ${pipeline}. Make it, or correct ELASTIC_PIPELINE.`,
  );
}

function isPipelineMissing(reason: string): boolean {
  return /^pipeline with id \[[^\]]*\] does not exist$/.test(reason);
}

/** `{"type","reason","caused_by":{"reason"}}`, or a sentence. */
function problemOf(error: unknown): Problem | undefined {
  if (typeof error === "string") return { type: "", reason: error };
  if (typeof error !== "object" || error === null) return undefined;
  const { type, reason, caused_by } = asObject(error);
  const cause = asText(asObject(caused_by)["reason"]);
  return {
    type: asText(type),
    reason: cause === "" ? asText(reason) : `${asText(reason)} (${cause})`,
  };
}

function said(status: number, { type, reason }: Problem): string {
  const colon = type !== "" && reason !== "" ? ": " : "";
  return oneLine(`${status} ${type}${colon}${reason}`);
}

// Test ------------------------------------------------------------------------------------------------------------

/** Not `/_cluster/health`: it needs the monitor privilege. */
function checks(
  settings: ElasticSettings,
  key: string,
  action: Action,
  now: () => number,
): readonly Check[] {
  const { index, pipeline } = settings;
  const base = baseUrl(settings);
  const privilege = action === "create" ? "create_doc" : "index";
  /** A check whose answer, no refusal, is a JSON object for `read`. */
  const check = (
    path: string,
    body: string | undefined,
    read: (json: Partial<Record<string, unknown>>) => string | Outcome,
  ): Check => ({
    method: body === undefined ? "GET" : "POST",
    url: below(base, path),
    headers: [
      ["Authorization", `ApiKey ${key}`],
      ["Content-Type", "application/json"],
    ],
    ...body !== undefined && { body },
    judge(reply) {
      if (reply.status === 400 && /"no handler found/.test(reply.text())) {
        return "Security is off there: any key is taken.";
      }
      const outcome = classifyStatus(reply, now());
      return outcome === undefined
        ? read(asObject(parsed(reply.text())))
        : wholeAnswer(outcome, reply, settings);
    },
  });
  const made = [
    check(
      "/_security/_authenticate",
      undefined,
      ({ username }) =>
        typeof username === "string"
          ? `The API key is valid (${oneLine(username)}).`
          : held("not_collector", "No answer of Elasticsearch came"),
    ),
    check(
      "/_security/user/_has_privileges",
      JSON.stringify({ index: [{ names: [index], privileges: [privilege] }] }),
      ({ has_all_requested }) =>
        has_all_requested === true
          ? `The key may write to ${index} (${privilege}).`
          : held(
            "forbidden",
            `The key lacks the privilege ${privilege} on ${index}`,
            mayNotWrite(index),
          ),
    ),
  ];
  if (pipeline === undefined) return made;
  const path = `/_ingest/pipeline/${encodeURIComponent(pipeline)}`;
  const there = check(
    path,
    undefined,
    () => `There is a pipeline ${pipeline}.`,
  );
  return [...made, {
    ...there,
    judge(reply) {
      if (reply.status === 404) return noPipeline("404", pipeline);
      return reply.status === 403
        ? `The key may not ask whether there is a pipeline ${pipeline}.`
        : there.judge(reply);
    },
  }];
}

/** What a connection test says beside the answers' own help. */
const HINTS: TestHints = {
  notSeen:
    "The ingest pipeline may drop or reroute events; a data stream's failure store keeps what it could not index. Look at the index itself, by @timestamp.",
  cures: {
    refused: "Elasticsearch usually listens on 9200; Elastic Cloud on 443.",
    not_collector:
      "5601 is Kibana's port; Elasticsearch usually listens on 9200.",
  },
};

// Type ------------------------------------------------------------------------------------------------------------

/** Elasticsearch. */
export const elastic: ConnectorType<ElasticSettings> = {
  type: "elastic",
  title: "Elasticsearch and Elastic Security",
  prefix: "ELASTIC",
  limits: LIMITS,
  format: "ocsf",
  settings,
  hints: HINTS,
  open(settings: ElasticSettings, context: ConnectorContext) {
    const key = encodedKey(settings.api_key);
    if (key === undefined) throw new TypeError("ELASTIC_API_KEY is no key");
    const now = () => context.clock.now();
    // Found out from the answer with `auto`, and remembered while the sink lives.
    let action: Action = settings.op === "create" ? "create" : "index";
    const lines = {
      index: actionLine("index", settings.index),
      create: actionLine("create", settings.index),
    };
    const timestamp = pathId("@timestamp");
    // Where all of a batch is taken the next answer is as a rule the same, byte for byte.
    let taken: { readonly body: Uint8Array; readonly events: number } = {
      body: new Uint8Array(0),
      events: 0,
    };
    return openPostSink({
      url: bulkUrl(settings),
      limits: limitsOf(LIMITS, context.common),
      headers: [
        ["Authorization", `ApiKey ${key}`],
        ["Content-Type", "application/x-ndjson"],
      ],
      frame: { open: "", separator: "\n", close: "\n" },
      secrets: secretsOf(settings.api_key, key),
      gzip: context.common.gzip ?? true,
      maxReplyBytes: MAX_REPLY_BYTES,
      fill(view, into) {
        lines[action].fill(view, into);
        writeDocument(view, into, timestamp);
      },
      judge(reply, batch) {
        const events = batch.events;
        const isTaken = reply.status === 200 && taken.events === events &&
          webPage(reply) === undefined && isSameBytes(taken.body, reply.body);
        if (isTaken) return { kind: "delivered" };
        const outcome = judge(reply, batch, {
          settings,
          action,
          onStream: () => action = "create",
          now: now(),
        });
        if (outcome.kind === "delivered" && outcome.warning === undefined) {
          taken = { body: reply.body, events };
        }
        return outcome;
      },
      isNoData: () => false,
      checks: () => checks(settings, key, action, now),
    }, context);
  },
};
