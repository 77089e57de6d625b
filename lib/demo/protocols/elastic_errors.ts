/** Elasticsearch's refusals, of whole requests and of single documents, in its own words. */

import type { Reply } from "../http_server.ts";
import { jsonReply, type Refusal, textReply } from "../protocol.ts";

/** Status and reason of an error type. `%` is the document's `_id`. */
const ERRORS: Readonly<Record<string, readonly [number, string]>> = {
  es_rejected_execution_exception: [
    429,
    "rejected execution of primary operation [coordinating_and_primary_bytes=0]",
  ],
  circuit_breaking_exception: [429, "[parent] Data too large"],
  document_parsing_exception: [
    400,
    "[1:1] failed to parse field [x] of type [long] in document with id '%'.",
  ],
  mapper_parsing_exception: [
    400,
    "failed to parse field [x] of type [long] in document with id '%'.",
  ],
  illegal_argument_exception: [
    400,
    "Limit of total fields [1000] has been exceeded",
  ],
  security_exception: [
    403,
    "action [indices:data/write/bulk[s]] is unauthorized for API key id [demo]",
  ],
  cluster_block_exception: [
    403,
    "blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];",
  ],
  index_not_found_exception: [404, "no such index"],
  unavailable_shards_exception: [503, "primary shard is not active"],
  version_conflict_engine_exception: [
    409,
    "[%]: version conflict, document already exists (current version [1])",
  ],
};
/** The error type of a whole answer's status. */
const TYPES: Readonly<Record<number, string>> = {
  400: "illegal_argument_exception",
  401: "security_exception",
  403: "security_exception",
  404: "index_not_found_exception",
  429: "es_rejected_execution_exception",
  503: "cluster_block_exception",
};
/** Why a document is not written. */
export interface ItemError {
  readonly status: number;
  readonly type: string;
  readonly reason: string;
}

/** `name`: the error's type, or `type:status` where the status is not the usual one. */
export function itemError(name: string, id: string | undefined): ItemError {
  const [type = "", status] = name.split(":");
  const [usual, reason] = ERRORS[type] ?? [400, "refused on request"];
  return {
    status: status === undefined ? usual : Number(status),
    type,
    reason: reason.replace("%", id ?? ""),
  };
}

/** A refusal of a whole request. */
export function elasticFailure(
  status: number,
  type: string,
  reason: string,
  headers: readonly (readonly [string, string])[] = [],
): Reply {
  const error = { root_cause: [{ type, reason }], type, reason };
  return jsonReply(status, { error, status }, headers);
}

/** A refusal that a fault asks for. */
export function elasticRefusal({ status, headers = [] }: Refusal): Reply {
  return status === 413
    ? textReply(413, "", headers)
    : elasticFailure(status, TYPES[status] ?? "exception", "refused", headers);
}
