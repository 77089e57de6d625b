/** The head of a request as bytes, safe against what a setting or an event could smuggle into it. */

import type { HttpRequest } from "./http_exchange.ts";
import { TransportError } from "./transport_error.ts";

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VISIBLE = /^[!-~]+$/;
// deno-lint-ignore no-control-regex -- all but the tab would end or hide a header (RFC 9110 §5.5)
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;
const OURS = new Set([
  "host",
  "content-length",
  "connection",
  "transfer-encoding",
  "upgrade",
  "te",
  "trailer",
  "expect",
]);
const ENCODER = new TextEncoder();

/** What of the target goes into every head. */
export interface HeadFrame {
  readonly url: URL;
  readonly userAgent: string;
  /** Written before the path: `http://host:port` when a proxy reads the request. */
  readonly origin: string;
  /** A header line with its CRLF that a proxy wants, or "". */
  readonly proxyLine: string;
}

/** Makes the heads of one target's requests. What is the same as in the last request is neither checked nor written again. */
export class RequestHeads {
  readonly #frame: HeadFrame;
  #last: { readonly request: HttpRequest; readonly lines: string } | undefined;

  constructor(frame: HeadFrame) {
    this.#frame = frame;
  }

  /**
   * The head's bytes, with the empty line.
   * @throws {TransportError} `config` when the path or a header's value cannot be sent; values are not quoted.
   * @throws {TypeError} when a caller sets a header that is the client's (a bug).
   */
  bytes(request: HttpRequest): Uint8Array {
    const { method, path, headers } = request;
    const last = this.#last;
    const isSame = last?.request.headers === headers &&
      last.request.method === method && last.request.path === path;
    const lines = isSame ? last.lines : headLines(request, this.#frame);
    // Without the body, which may be large.
    if (!isSame) this.#last = { request: { ...request, body: NO_BODY }, lines };
    return withLength(lines, request);
  }
}

const NO_BODY = new Uint8Array(0);

/** All lines but the length. */
function headLines(request: HttpRequest, frame: HeadFrame): string {
  const path = request.path ?? `${frame.url.pathname}${frame.url.search}`;
  if (!VISIBLE.test(path) || path[0] !== "/") {
    throw new TransportError(
      "config",
      `The path for ${frame.url.host} holds a space, a control character or a letter that must be percent-encoded.`,
    );
  }
  if (!TOKEN.test(request.method)) throw new TypeError("a wrong method");
  let named = false;
  let text =
    `${request.method} ${frame.origin}${path} HTTP/1.1\r\nHost: ${frame.url.host}\r\n${frame.proxyLine}`;
  for (const [name, value] of request.headers) {
    const lower = name.toLowerCase();
    if (!TOKEN.test(name) || OURS.has(lower)) {
      throw new TypeError(`header ${JSON.stringify(name)} is not the caller's`);
    }
    if (CONTROL.test(value)) {
      throw new TransportError(
        "config",
        `The value for header ${name} holds a line break or control character. Copy it again as plain text.`,
      );
    }
    if (lower === "user-agent") named = true;
    text += `${name}: ${value}\r\n`;
  }
  if (!named) text += `User-Agent: ${frame.userAgent}\r\n`;
  return text;
}

function withLength(lines: string, request: HttpRequest): Uint8Array {
  let text = lines;
  // RFC 9110 §8.6: a method that could carry a body says so when it carries none.
  if (request.body.length > 0 || !/^(GET|HEAD|OPTIONS)$/.test(request.method)) {
    text += `Content-Length: ${request.body.length}\r\n`;
  }
  return ENCODER.encode(`${text}\r\n`);
}
