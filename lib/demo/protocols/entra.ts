/**
 * Microsoft's token endpoint as the demo SIEM offers it: client credentials by secret, by certificate (PS256) or by a
 * federated token, errors in Entra's words. `reference/destinations.md` §2.1.
 */

import { Buffer } from "node:buffer";
import { constants, createHash, verify, X509Certificate } from "node:crypto";
import type { Clock } from "../../clock.ts";
import type { Reply } from "../http_server.ts";
import { type CollectorRequest, jsonReply } from "../protocol.ts";
import type { SeededRandom } from "../random.ts";

export interface EntraOptions {
  readonly tenant: string;
  readonly clientId: string;
  /** The client secret; not taken once there is a certificate or a federated credential. */
  readonly secret: string;
  /** The secret's time is over: 7000222. */
  readonly secretExpired?: boolean;
  /** PEM of the certificate whose key signs assertions. */
  readonly certificate?: string;
  /** The federated token, or whether it is one. */
  readonly federated?: string | ((assertion: string) => boolean);
  readonly scope: string;
  /** Life of a token in seconds. */
  readonly tokenLife: number;
  /** The login host: an assertion's `aud` is this and the path of the token endpoint. */
  readonly base: string;
  readonly clock: Clock;
  readonly random: SeededRandom;
}

/** What the endpoint says, and what a test should know of it. */
export interface TokenAnswer {
  readonly reply: Reply;
  readonly complaints: readonly string[];
}

export interface Entra {
  answer(request: CollectorRequest): TokenAnswer;
  /** Was this token issued, and is it still good? */
  knows(token: string): boolean;
  revoke(): void;
}

/** AADSTS number: HTTP status, OAuth error, sentence. */
const FAULTS: Readonly<Record<number, readonly [number, string, string]>> = {
  900144: [
    400,
    "invalid_request",
    "The request body must contain the parameter.",
  ],
  70003: [
    400,
    "unsupported_grant_type",
    "The app requested an unsupported grant type.",
  ],
  90002: [400, "invalid_request", "Tenant not found."],
  700016: [
    400,
    "unauthorized_client",
    "Application was not found in the directory.",
  ],
  70011: [
    400,
    "invalid_scope",
    "The provided value for the input parameter 'scope' is not valid.",
  ],
  1002012: [
    400,
    "invalid_scope",
    "Client credential flows must have a scope value with /.default suffixed to the resource identifier.",
  ],
  7000215: [401, "invalid_client", "Invalid client secret provided."],
  7000222: [
    401,
    "invalid_client",
    "The provided client secret keys are expired.",
  ],
  7000216: [
    401,
    "invalid_client",
    "'client_assertion', 'client_secret' or 'request' is required.",
  ],
  700027: [
    401,
    "invalid_client",
    "Client assertion failed signature validation.",
  ],
  700024: [
    401,
    "invalid_client",
    "Client assertion is not within its valid time range.",
  ],
  700023: [
    401,
    "invalid_client",
    "Client assertion audience claim does not match Realm issuer.",
  ],
  700213: [
    401,
    "invalid_client",
    "No matching federated identity record found for presented assertion.",
  ],
};
/** What a status that was asked for without a number stands for. */
const USUAL: Readonly<Record<number, number>> = { 400: 70011, 401: 7000215 };
const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/** Seconds that an assertion may live, and that clocks may differ. */
const MOST_LIFE = 600;
const SKEW = 300;

/** Opens a token endpoint for one app in one tenant. */
export function entra(options: EntraOptions): Entra {
  const { tenant, clientId, secret, scope, tokenLife, clock, random } = options;
  /** When each ends, in the clock's milliseconds. */
  const tokens = new Map<string, number>();
  const jtis = new Set<string>();
  const certificate = options.certificate === undefined
    ? undefined
    : new X509Certificate(options.certificate);

  function answer(request: CollectorRequest): TokenAnswer {
    const complaints: string[] = [];
    const fault = faultOf(request, complaints);
    if (fault !== undefined) {
      return { reply: entraFailure(fault, clock.now()), complaints };
    }
    const now = clock.now();
    for (const [token, end] of tokens) if (end <= now) tokens.delete(token);
    const token = `eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.${random.hex(64)}.`;
    tokens.set(token, now + tokenLife * 1000);
    const reply = jsonReply(200, {
      token_type: "Bearer",
      expires_in: tokenLife,
      ext_expires_in: tokenLife,
      access_token: token,
    }, [["Cache-Control", "no-store, no-cache"]]);
    return { reply, complaints };
  }

  /** The AADSTS number of what is wrong. */
  function faultOf(
    request: CollectorRequest,
    complaints: string[],
  ): number | undefined {
    const type = request.headers.get("content-type") ?? "";
    if (
      request.method !== "POST" ||
      !/^application\/x-www-form-urlencoded\b/.test(type)
    ) return 900144;
    if (request.path !== `/${tenant}/oauth2/v2.0/token`) return 90002;
    const form = new URLSearchParams(new TextDecoder().decode(request.body));
    for (const name of new Set(form.keys())) {
      if (form.getAll(name).length > 1) complaints.push(`${name} came twice`);
    }
    const grant = form.get("grant_type");
    if (grant === null) return 900144;
    if (grant !== "client_credentials") return 70003;
    if (form.get("client_id") !== clientId) return 700016;
    const asked = form.get("scope") ?? "";
    if (!/\/\.default$/.test(asked)) return 1002012;
    // Microsoft's own samples write a double slash; both are taken.
    if (asked !== scope && asked !== scope.replace("/.default", "//.default")) {
      return 70011;
    }
    const assertion = form.get("client_assertion");
    if (assertion !== null) {
      if (form.get("client_assertion_type") !== ASSERTION_TYPE) return 900144;
      if (form.has("client_secret")) complaints.push("secret and assertion");
      return assertionFault(assertion, request, complaints);
    }
    const given = form.get("client_secret");
    if (given === null) return 7000216;
    const wantsMore = certificate !== undefined ||
      options.federated !== undefined;
    if (wantsMore || given !== secret) return 7000215;
    return options.secretExpired === true ? 7000222 : undefined;
  }

  function assertionFault(
    assertion: string,
    request: CollectorRequest,
    complaints: string[],
  ): number | undefined {
    const { federated } = options;
    if (federated !== undefined) {
      const isGood = typeof federated === "string"
        ? federated === assertion
        : federated(assertion);
      if (isGood) return undefined;
      if (certificate === undefined) return 700213;
    }
    const parts = assertion.split(".");
    const [head = "", claims = "", signature = ""] = parts;
    if (certificate === undefined || parts.length !== 3) return 700027;
    const header = readPart(head), claim = readPart(claims);
    if (header === undefined || claim === undefined) return 700027;
    if (header["alg"] !== "PS256" || header["typ"] !== "JWT") return 700027;
    if (header["x5t#S256"] !== thumbprint(options.certificate ?? "")) {
      return 700027;
    }
    const isSigned = verify("sha256", Buffer.from(`${head}.${claims}`), {
      key: certificate.publicKey,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: 32,
    }, Buffer.from(signature, "base64url"));
    if (!isSigned) return 700027;
    const { aud, iss, sub, jti, exp, nbf } = claim;
    if (aud !== options.base + request.path) return 700023;
    if (iss !== clientId || sub !== clientId) return 700027;
    const now = clock.now() / 1000;
    if (typeof exp !== "number" || exp < now) return 700024;
    if (exp > now + MOST_LIFE + SKEW) return 700024;
    if (typeof nbf === "number" && nbf > now + SKEW) return 700024;
    const start = typeof nbf === "number" ? nbf : claim["iat"];
    if (typeof start === "number" && exp - start > MOST_LIFE) {
      complaints.push("the assertion lives for more than ten minutes");
    }
    if (typeof jti !== "string" || jti === "") complaints.push("no jti");
    else if (jtis.has(jti)) complaints.push("a jti came for the second time");
    else jtis.add(jti);
    return undefined;
  }

  return {
    answer,
    knows: (token) => (tokens.get(token) ?? -Infinity) > clock.now(),
    revoke: () => tokens.clear(),
  };
}

/** A refusal as Entra words it. `code`: the AADSTS number; `status` where it is another than the usual one. */
function entraFailure(
  code: number,
  now: number,
  status?: number,
  headers: readonly (readonly [string, string])[] = [],
): Reply {
  const [usual, error, sentence] = FAULTS[code] ??
    [400, "server_error", "The service is unavailable."];
  const timestamp = new Date(now).toISOString().slice(0, 19)
    .replace("T", " ") + "Z";
  const trace = "00000000-0000-0000-0000-00000000d3a0";
  return jsonReply(status ?? usual, {
    error,
    error_description:
      `AADSTS${code}: ${sentence} Trace ID: ${trace} Correlation ID: ${trace} Timestamp: ${timestamp}`,
    error_codes: [code],
    timestamp,
    trace_id: trace,
    correlation_id: trace,
    error_uri: `https://login.microsoftonline.com/error?code=${code}`,
  }, headers);
}

/** The refusal that a fault asks for: `code` is the AADSTS number. */
export function entraRefusal(
  refusal: {
    readonly status: number;
    readonly code?: number;
    readonly headers?: readonly (readonly [string, string])[];
  },
  now: number,
): Reply {
  const { status, code = USUAL[status] ?? 90033, headers } = refusal;
  return entraFailure(code, now, status, headers);
}

function readPart(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(
      Buffer.from(part, "base64url").toString(),
    );
    return typeof value === "object" && value !== null
      ? Object.fromEntries(Object.entries(value))
      : undefined;
  } catch {
    return undefined;
  }
}

/** base64url of the SHA-256 of the first certificate's DER. Deno 2.5 has no `X509Certificate.raw`. */
function thumbprint(pem: string): string {
  const body = /-----BEGIN CERTIFICATE-----([^-]*)-----END/.exec(pem)?.[1];
  const der = Buffer.from(body ?? "", "base64");
  return createHash("sha256").update(der).digest("base64url");
}
