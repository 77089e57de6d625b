/** Asking a relay over its admin API, for all commands that do. */

import { readDuration } from "../config/quantities.ts";
import { asObject, asText, parsed } from "../json/objects.ts";
import {
  type Call,
  type CliContext,
  CliFault,
  EXIT,
  type ExitCode,
} from "./command.ts";

const DEFAULT_PORT = "8080";

/** What is asked. */
export interface Question {
  readonly method?: "GET" | "POST";
  /** Below `/api/v1`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

/** Asks; an answer of 2xx or one of `expected`. @throws {CliFault} for every other, and where there is none. */
export async function askRelay(
  call: Call,
  context: CliContext,
  question: Question,
  expected: readonly number[] = [],
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
    throw new CliFault(
      EXIT.unreachable,
      `no relay answers at ${base.origin}: ${
        cause instanceof Error ? cause.message : String(cause)
      }`,
      "Is it running? --url or HECATE_URL says where.",
    );
  }
  if (response.ok || expected.includes(response.status)) return response;
  throw await faultOf(response);
}

/** The same, for an answer that is a JSON object. */
export async function askJson(
  call: Call,
  context: CliContext,
  question: Question,
  expected: readonly number[] = [],
): Promise<
  { readonly text: string; readonly json: Partial<Record<string, unknown>> }
> {
  const response = await askRelay(call, context, question, expected);
  const text = await response.text();
  return { text, json: asObject(parsed(text)) };
}

function baseOf(call: Call, { env }: CliContext): URL {
  const text = call.value("url") ?? env["HECATE_URL"] ??
    `http://127.0.0.1:${env["HECATE_PORT"] || DEFAULT_PORT}`;
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
