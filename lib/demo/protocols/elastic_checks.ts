/** Elasticsearch's harmless requests, as a connection test makes them: the key, its privileges, the pipeline. */

import type { Reply } from "../http_server.ts";
import { type CollectorRequest, jsonReply } from "../protocol.ts";
import { isJson, parsed } from "../source_text.ts";
import { elasticFailure } from "./elastic_errors.ts";

/** Answers what a connection test asks. */
export function checkAnswer(
  { method, path, body }: CollectorRequest,
  { pipelines, privileges }: {
    readonly pipelines: readonly string[];
    readonly privileges: readonly string[];
  },
): Reply {
  if (method === "GET" && path === "/_security/_authenticate") {
    return jsonReply(200, {
      username: "demo",
      roles: [],
      enabled: true,
      authentication_type: "api_key",
      api_key: { id: "demo", name: "hecate" },
    });
  }
  if (method === "POST" && path === "/_security/user/_has_privileges") {
    return hasPrivileges(body, privileges);
  }
  const pipeline = /^\/_ingest\/pipeline\/([^/]+)$/.exec(path)?.[1];
  if (method === "GET" && pipeline !== undefined) {
    const name = decodeURIComponent(pipeline);
    return pipelines.includes(name)
      ? jsonReply(200, { [name]: { processors: [] } })
      : jsonReply(404, {});
  }
  return elasticFailure(
    400,
    "illegal_argument_exception",
    `no handler found for uri [${path}] and method [${method}]`,
  );
}

function hasPrivileges(body: Uint8Array, privileges: readonly string[]): Reply {
  const asked: unknown = isJson(body) ? parsed(body) : undefined;
  const entries = listOf(memberOf(asked, "index"));
  if (entries.length === 0) {
    return elasticFailure(
      400,
      "parse_exception",
      "no index privileges asked for",
    );
  }
  const answers = entries.flatMap((entry) =>
    listOf(memberOf(entry, "names")).map((name) =>
      [
        String(name),
        Object.fromEntries(
          listOf(memberOf(entry, "privileges")).map((privilege) => [
            String(privilege),
            privileges.includes(String(privilege)),
          ]),
        ),
      ] as const
    )
  );
  return jsonReply(200, {
    username: "demo",
    has_all_requested: answers.every(([, held]) =>
      Object.values(held).every((one) => one)
    ),
    cluster: {},
    index: Object.fromEntries(answers),
    application: {},
  });
}

/** A member of a value that may be anything. */
export function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && name in value
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
