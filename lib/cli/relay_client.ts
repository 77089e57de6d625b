/** Asking a relay over its admin API, for all commands that do. */

import { isKubernetes } from "../config/environment.ts";
import { readDuration } from "../config/quantities.ts";
import { asObject, asText, parsed } from "../json/objects.ts";
import {
  type Call,
  type CliContext,
  CliFault,
  EXIT,
  type ExitCode,
} from "./command.ts";
import { messageOf } from "../log/kv.ts";

const DEFAULT_PORT = "8080";
/** Items of one page of a list: the most that a relay gives. */
const PAGE = 500;

/** What is asked. */
export interface Question {
  readonly method?: "GET" | "POST";
  /** Below `/api/v1`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

const JSON_TYPE = "application/json";
/** All that a relay says of what it refuses (RFC 9457). */
const PROBLEM_TYPE = "application/problem+json";

/**
 * Asks; an answer of 2xx with this media type, or a problem of one of the statuses `expected`.
 * @throws {CliFault} for every other answer, where there is none, and where another program answers.
 */
export async function askRelay(
  call: Call,
  context: CliContext,
  question: Question,
  expected: readonly number[] = [],
  type: string = JSON_TYPE,
): Promise<Response> {
  const base = baseOf(call, context);
  const { method = "GET", path, query = {}, headers = {}, body } = question;
  const url = new URL(`${base.href.replace(/\/$/, "")}/api/v1${path}`);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  const patience = patienceOf(call);
  const { fetch: ask = fetch } = context;
  let response: Response;
  try {
    response = await ask(url, {
      method,
      headers: {
        ...headers,
        Authorization: `Bearer ${tokenOf(call, context)}`,
      },
      redirect: "manual",
      ...body !== undefined && { body },
      ...patience !== undefined && { signal: patience },
    });
  } catch (cause) {
    if (cause instanceof CliFault) throw cause;
    throw unreachable(base, cause);
  }
  if (typeOf(response) !== (response.ok ? type : PROBLEM_TYPE)) {
    await response.body?.cancel();
    throw foreign(base, response);
  }
  if (response.ok || expected.includes(response.status)) return response;
  throw await faultOf(response);
}

/** The same, for an answer that is a JSON object with this member, as every relay's has. */
export async function askJson(
  call: Call,
  context: CliContext,
  question: Question & { readonly member: string },
  expected: readonly number[] = [],
): Promise<
  { readonly text: string; readonly json: Partial<Record<string, unknown>> }
> {
  const response = await askRelay(call, context, question, expected);
  const text = await response.text().catch((cause) => {
    throw cutFault(cause);
  });
  const json = asObject(parsed(text));
  if (response.ok && !Object.hasOwn(json, question.member)) {
    throw foreign(baseOf(call, context), response);
  }
  return { text, json };
}

/** The items of a list, page by page. @param most how many at the most. @returns whether there are more */
export async function* askItems(
  call: Call,
  context: CliContext,
  { path, query }: Pick<Question, "path" | "query">,
  most = Infinity,
): AsyncGenerator<Partial<Record<string, unknown>>, boolean> {
  let cursor: string | undefined, count = 0;
  do {
    const limit = String(Math.min(PAGE, most - count));
    const { json } = await askJson(call, context, {
      path,
      member: "items",
      query: { ...query, limit, cursor },
    });
    const items = itemsOf(json);
    count += items.length;
    yield* items;
    cursor = asText(json["next"]) || undefined;
  } while (cursor !== undefined && count < most);
  return cursor !== undefined;
}

/** The items of a list. */
export function itemsOf(
  json: Partial<Record<string, unknown>>,
): Partial<Record<string, unknown>>[] {
  const { items } = json;
  return Array.isArray(items) ? items.map(asObject) : [];
}

/** An answer that began and did not end. */
export function cutFault(cause: unknown): CliFault {
  return new CliFault(
    EXIT.unreachable,
    `the relay's answer was cut off: ${messageOf(cause)}`,
    "What came before is not all.",
  );
}

function typeOf({ headers }: Response): string {
  const [type = ""] = (headers.get("Content-Type") ?? "").split(";");
  return type.trim().toLowerCase();
}

/** A login page, a proxy, another program: nothing of its answer may be taken for a relay's. */
function foreign(base: URL, response: Response): CliFault {
  const what = typeOf(response).slice(0, 80) || "without a media type";
  return new CliFault(
    EXIT.unreachable,
    `what answers at ${base.origin} is no Hecate (HTTP ${response.status}, ${what}).`,
    "--url or HECATE_URL says where the relay is. A proxy or a login page may stand before it.",
  );
}

/** Why there is no answer. Texts as measured on Deno 2.9.6 and 2.5.6. */
function unreachable(base: URL, failure: unknown): CliFault {
  let cause = failure;
  while (cause instanceof Error && cause.cause instanceof Error) {
    cause = cause.cause;
  }
  const why = messageOf(cause);
  const isName = /NotValidForName|not valid for name/i.test(why);
  return new CliFault(
    EXIT.unreachable,
    `no relay answers at ${base.origin}: ${why.replace(/\.$/, "")}.`,
    isName
      ? "--url takes the name that stands in its certificate."
      : /certificate|UnknownIssuer/i.test(why)
      ? "DENO_CERT=FILE names the PEM file of the authority that signed its certificate."
      : /InvalidContentType|corrupt message/i.test(why)
      ? "It speaks no TLS: --url http://… may be right."
      : "Is it running? --url or HECATE_URL says where; with HECATE_TLS_CERT it is https://.",
  );
}

function baseOf(call: Call, { env }: CliContext): URL {
  const { HECATE_PORT: port = "", HECATE_TLS_CERT: certificate = "" } = env;
  const isOwn = port !== "" && !isKubernetes("HECATE_PORT", port);
  const text = call.value("url") ?? env["HECATE_URL"] ??
    `${certificate === "" ? "http" : "https"}://127.0.0.1:${
      isOwn ? port : DEFAULT_PORT
    }`;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new CliFault(
      EXIT.usage,
      `${JSON.stringify(text)} is no address of a relay.`,
      "It looks like http://127.0.0.1:8080.",
    );
  }
  return url;
}

function tokenOf(call: Call, { env, readFile }: CliContext): string {
  const named = call.value("token-file");
  const given = env["HECATE_ADMIN_TOKEN"] ?? "";
  const path = named ??
    (given.startsWith("file:") ? given.slice("file:".length) : undefined);
  let token = given;
  if (path !== undefined) {
    try {
      token = readFile(path);
    } catch {
      throw new CliFault(EXIT.usage, `the token file ${path} cannot be read.`);
    }
  }
  token = token.trim();
  if (token === "" || /[^\x21-\x7e]/.test(token)) {
    throw new CliFault(
      EXIT.notAllowed,
      token === ""
        ? "no admin token."
        : "the admin token has characters that no token has.",
      "HECATE_ADMIN_TOKEN or --token-file holds it; the relay printed it at its first start.",
    );
  }
  return token;
}

function patienceOf(call: Call): AbortSignal | undefined {
  const text = call.value("timeout");
  if (text === undefined) return undefined;
  const ms = readDuration(text);
  if (ms === undefined || ms <= 0) {
    throw new CliFault(
      EXIT.usage,
      `--timeout: ${text} is no time such as 30s.`,
    );
  }
  return AbortSignal.timeout(ms);
}

/** A problem of the relay as lines for a person. */
async function faultOf(response: Response): Promise<CliFault> {
  const problem = asObject(parsed(await response.text().catch(() => "")));
  const title = asText(problem["title"]) || `HTTP ${response.status}`;
  const detail = asText(problem["detail"]);
  const id = asText(problem["request_id"]);
  const { status } = response;
  return new CliFault(
    codeOf(status),
    detail === "" ? title : `${title}. ${detail}`,
    status >= 500 && id !== "" ? `Request id: ${id}` : undefined,
  );
}

function codeOf(status: number): ExitCode {
  if (status === 401 || status === 403) return EXIT.notAllowed;
  if (status === 404) return EXIT.unknown;
  return status >= 400 && status < 500 ? EXIT.usage : EXIT.fault;
}
