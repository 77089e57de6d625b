/**
 * The demo SIEM as Elasticsearch: `_bulk` with `_id`s that are remembered, and the harmless requests of a connection
 * test. `reference/destinations.md` §3, answers as Elasticsearch 8 and 9 word them.
 */

import { filterPath } from "../filter_path.ts";
import {
  type CollectorRequest,
  decoded,
  jsonReply,
  noneTaken,
  type Poison,
  type Protocol,
  type TakenEvent,
  textReply,
  type Verdict,
} from "../protocol.ts";
import {
  elasticFailure,
  elasticRefusal,
  type ItemError,
  itemError,
} from "./elastic_errors.ts";
import { checkAnswer, memberOf } from "./elastic_checks.ts";
import { isJson, membersOf, parsed, repeatedName } from "../source_text.ts";

export interface ElasticOptions {
  /** The API key as it stands behind `ApiKey`: base64 of `id:key`. */
  readonly token: string;
  /** Every index is a data stream: only `create`, and `@timestamp` in each document. */
  readonly dataStream?: boolean;
  /** Indexes that there are; absent: each is made when it is written to. */
  readonly indexes?: readonly string[];
  /** Ingest pipelines that there are. */
  readonly pipelines?: readonly string[];
  /** What the key may do with every index. */
  readonly privileges?: readonly string[];
  /** `http.max_content_length`, bytes, on the wire and decoded. */
  readonly maxBody?: number;
}

const ONLY_CREATE =
  "only write ops with an op_type of create are allowed in data streams";
const MOST_ID_BYTES = 512;
/** Documents remembered. */
const MOST_DOCUMENTS = 500_000;
const BULK = /^(?:\/([^/_][^/]*))?\/_bulk$/;

const text = new TextDecoder();
const utf8 = new TextEncoder();

interface Action {
  readonly op: "index" | "create";
  readonly index: string;
  readonly id: string | undefined;
}

/** A cluster with one API key. */
export function elastic(options: ElasticOptions): Protocol {
  const {
    token,
    dataStream = false,
    indexes,
    pipelines = [],
    privileges = ["index", "create_doc", "create", "auto_configure"],
    maxBody = 104_857_600,
  } = options;
  /** `index/id` and how often it was written. */
  const versions = new Map<string, number>();

  function judge(request: CollectorRequest, poison: Poison): Verdict {
    const { method, path, headers, query } = request;
    const said = (status: number, type: string, reason: string) =>
      noneTaken(elasticFailure(status, type, reason), request.body);
    const given = headers.get("authorization");
    if (given !== `ApiKey ${token}`) {
      return said(
        401,
        "security_exception",
        given === null
          ? `missing authentication credentials for REST request [${path}]`
          : "unable to authenticate with provided credentials and anonymous access is not allowed for this request",
      );
    }
    const place = BULK.exec(path);
    if (place === null) {
      return noneTaken(
        checkAnswer(request, { pipelines, privileges }),
        request.body,
      );
    }
    if (method !== "POST" && method !== "PUT") {
      return said(405, "method_not_allowed", `Incorrect HTTP method ${method}`);
    }
    const type = headers.get("content-type") ?? "";
    if (!/^application\/(x-ndjson|json)\b/.test(type)) {
      const error = `Content-Type header [${type}] is not supported`;
      return noneTaken(jsonReply(406, { error, status: 406 }), request.body);
    }
    const body = decoded(request, "optional");
    if (typeof body === "string") {
      return said(400, "parse_exception", "could not decode the body");
    }
    if (Math.max(request.body.length, body.length) > maxBody) {
      return noneTaken(textReply(413, ""), request.body);
    }
    return bulk({ body, query, index: place[1], poison });
  }

  function bulk({ body, query, index, poison }: {
    readonly body: Uint8Array;
    readonly query: URLSearchParams;
    readonly index: string | undefined;
    readonly poison: Poison;
  }): Verdict {
    const bad = (reason: string) =>
      noneTaken(
        elasticFailure(400, "illegal_argument_exception", reason),
        body,
      );
    if (body.length === 0) {
      return noneTaken(
        elasticFailure(400, "parse_exception", "request body is required"),
        body,
      );
    }
    if (body.at(-1) !== 0x0a) {
      return bad("The bulk request must be terminated by a newline [\\n]");
    }
    const lines = linesOf(body);
    if (lines.length % 2 !== 0) return bad("The last action has no document");
    const taken: TakenEvent[] = [];
    const items: unknown[] = [];
    const complaints: string[] = [];
    const written = new Map<string, number>();
    let errors = false;
    for (let at = 0; at < lines.length; at += 2) {
      const line = lines[at], document = lines[at + 1];
      const number = at / 2;
      const action = line && actionOf(line, index);
      if (!line || !document || typeof action !== "object") {
        return bad(
          `Malformed action/metadata line [${at + 1}], ${action ?? "no line"}`,
        );
      }
      const { op, id } = action;
      if (id !== undefined && utf8.encode(id).length > MOST_ID_BYTES) {
        return bad(`Validation Failed: 1: id [${id}] is too long`);
      }
      if (id === undefined) complaints.push(`document ${number}: no _id`);
      const known = `${action.index}/${id ?? ""}`;
      const version = id === undefined
        ? 0
        : written.get(known) ?? versions.get(known) ?? 0;
      const asked = poison(document, number);
      const inFailureStore = asked === "failure_store";
      const error = asked && !inFailureStore
        ? itemError(asked === true ? "document_parsing_exception" : asked, id)
        : faultOf(action, document, query, version);
      const shown = { _index: action.index, _id: id ?? `demo-${number}` };
      if (error !== undefined) {
        errors = true;
        const { status, type, reason } = error;
        items.push({ [op]: { ...shown, status, error: { type, reason } } });
        continue;
      }
      if (id !== undefined) written.set(known, version + 1);
      items.push({
        [op]: {
          ...shown,
          _version: version + 1,
          result: version === 0 ? "created" : "updated",
          _shards: { total: 2, successful: 1, failed: 0 },
          status: version === 0 ? 201 : 200,
          ...(inFailureStore ? { failure_store: "used" } : {}),
        },
      });
      taken.push({ envelope: enveloped(action, document), event: document });
    }
    const whole = { took: 1, errors, items };
    const filter = query.get("filter_path");
    const shown = filter === null ? whole : filterPath(whole, filter) ?? {};
    return {
      reply: jsonReply(200, shown),
      taken,
      decided: items.length,
      body,
      complaints,
      keep(kept) {
        // A fault takes all of a request's documents or none of them.
        if (kept.length !== taken.length) return;
        if (versions.size > MOST_DOCUMENTS) versions.clear();
        for (const [known, version] of written) versions.set(known, version);
      },
    };
  }

  /** Why a document is not written. */
  function faultOf(
    { op, index, id }: Action,
    document: Uint8Array,
    query: URLSearchParams,
    version: number,
  ): ItemError | undefined {
    const illegal = (reason: string, status = 400) => ({
      status,
      type: "illegal_argument_exception",
      reason,
    });
    if (!privileges.includes("index") && !privileges.includes("create_doc")) {
      return itemError("security_exception", id);
    }
    const pipeline = query.get("pipeline");
    if (pipeline !== null && !pipelines.includes(pipeline)) {
      return illegal(`pipeline with id [${pipeline}] does not exist`);
    }
    if (dataStream && op === "index") return illegal(ONLY_CREATE);
    const wantsStream = query.get("require_data_stream") === "true";
    if (
      (indexes !== undefined && !indexes.includes(index)) ||
      (wantsStream && !dataStream)
    ) {
      return {
        ...itemError("index_not_found_exception", id),
        reason: `no such index [${index}]`,
      };
    }
    if (op === "index" && !privileges.includes("index")) {
      return itemError("security_exception", id);
    }
    if (op === "create" && version > 0) {
      return itemError("version_conflict_engine_exception", id);
    }
    const unparsed = (why: string) => ({
      ...itemError("document_parsing_exception", id),
      reason: `[1:1] failed to parse: ${why}`,
    });
    const members = isJson(document) ? membersOf(document) : undefined;
    if (members === undefined) return unparsed("not a JSON object");
    const repeated = repeatedName(document);
    if (repeated !== undefined) {
      return unparsed(`Duplicate field '${repeated}'`);
    }
    if (dataStream && !members.has("@timestamp")) {
      return unparsed("data stream timestamp field [@timestamp] is missing");
    }
    return undefined;
  }

  return {
    judge,
    isIntake: ({ path }) => BULK.test(path),
    refuse: elasticRefusal,
  };
}

/** Lines without their LF; blank ones too: the vendor counts them. */
function linesOf(body: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let at = 0; at < body.length;) {
    const lf = body.indexOf(0x0a, at);
    lines.push(body.subarray(at, lf));
    at = lf + 1;
  }
  return lines;
}

/** The action of a line; a text says what is wrong. */
function actionOf(line: Uint8Array, index?: string): Action | string {
  const members = isJson(line) ? membersOf(line) : undefined;
  const [op, ...more] = members?.keys() ?? [];
  if (more.length > 0 || (op !== "index" && op !== "create")) {
    return "expected one of [create, index]";
  }
  const said: unknown = parsed(members?.get(op) ?? line);
  const where = memberOf(said, "_index") ?? index;
  const id = memberOf(said, "_id");
  if (typeof where !== "string" || where === "") return "index is missing";
  if (id !== undefined && typeof id !== "string") return "_id is no text";
  return { op, index: where, id };
}

/** `{"action":…,"index":…,"id":…,"document":…}`, the document as it came. */
function enveloped(action: Action, document: Uint8Array): Uint8Array {
  const head = JSON.stringify({
    action: action.op,
    index: action.index,
    id: action.id ?? null,
  });
  return utf8.encode(
    `${head.slice(0, -1)},"document":${text.decode(document)}}`,
  );
}
