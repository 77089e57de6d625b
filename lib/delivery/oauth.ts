/**
 * Access tokens by OAuth 2.0 client credentials (RFC 6749 §4.4, RFC 7523): fetched when needed, shared by all who ask at
 * once, renewed before they end.
 */

import type { Clock } from "../clock.ts";
import type { Outcome } from "../connector.ts";
import { redactor } from "../secrets.ts";
import type { CertificateSigner } from "./client_assertion.ts";
import type { HttpExchange, HttpReply } from "./http_exchange.ts";
import { held, withoutSecrets } from "./http_sink.ts";
import { grantOf } from "./oauth_reply.ts";
import { TransportError } from "./transport_error.ts";

/** A token is renewed this long before its end (the seed's five minutes) … */
const EARLY_MS = 300_000;
/** … or, where it lives no longer than that, after this part of its life. */
const SHORT_LIFE_PART = 0.9;
/** How long a token that is still good serves on after a renewal failed for a cause that passes. */
const RENEW_AGAIN_MS = 30_000;

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/** How the client shows who it is. */
export type Credential =
  | { readonly kind: "secret"; readonly secret: string }
  /** An assertion that we sign with the key of a certificate that the login knows. */
  | { readonly kind: "certificate"; readonly signer: CertificateSigner }
  /** An assertion that someone else signed, asked for at each request. Its error is told to the operator. */
  | {
    readonly kind: "federated";
    readonly assertion: () => string | Promise<string>;
  };

/** Who asks for a token, where, and for what. */
export interface ClientCredentials {
  readonly tokenUrl: URL;
  readonly clientId: string;
  readonly scope: string;
  readonly credential: Credential;
}

/** What a token source takes from outside. */
export interface TokenNet {
  readonly clock: Clock;
  /** Random UUIDs: an assertion's `jti`. */
  readonly uuid: () => string;
  /** Opens the exchange with the token's address. */
  readonly http: (url: URL) => HttpExchange;
}

/** Why there is no token: judged already, or no answer. */
export type NoToken = Outcome | TransportError;

interface Token {
  readonly value: string;
  /** On the monotonic clock, in milliseconds. */
  renewAt: number;
  readonly endsAt: number;
}

interface Proof {
  readonly fields: Readonly<Record<string, string>>;
}

/** The tokens of one client. */
export class TokenSource implements AsyncDisposable {
  readonly #client: ClientCredentials;
  readonly #net: TokenNet;
  readonly #exchange: HttpExchange;
  /** Aborted when the source is closed. */
  readonly #closing = new AbortController();
  #token: Token | undefined;
  #flight: Promise<string | NoToken> | undefined;

  /** Offline and cheap: the first `token` asks. */
  constructor(client: ClientCredentials, net: TokenNet) {
    this.#client = client;
    this.#net = net;
    this.#exchange = net.http(client.tokenUrl);
  }

  /**
   * The token in hand, else a new one: all who ask meanwhile share one request. The signal ends the caller's wait only.
   * @throws the signal's reason when it aborts.
   */
  token(signal: AbortSignal): Promise<string | NoToken> {
    const token = this.#token;
    if (token !== undefined && this.#net.clock.monotonic() < token.renewAt) {
      return Promise.resolve(token.value);
    }
    if (this.#flight === undefined) {
      this.#flight = this.#renew().finally(() => this.#flight = undefined);
      // Those who wait see its error; there may be none left.
      this.#flight.catch(() => {});
    }
    return orAborted(this.#flight, signal);
  }

  /** Forgets a token that was refused. Another one, fetched meanwhile, stays. */
  discard(token: string): void {
    if (this.#token?.value === token) this.#token = undefined;
  }

  /** What no message may hold. */
  secrets(): readonly string[] {
    const { credential } = this.#client;
    return [
      ...credential.kind === "secret" ? [credential.secret] : [],
      ...this.#token === undefined ? [] : [this.#token.value],
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#exchange[Symbol.asyncDispose]();
    await this.#flight?.catch(() => {});
  }

  async #renew(): Promise<string | NoToken> {
    const { clock } = this.#net;
    // Counted from the question, so that the way there and back is never taken for life.
    const asked = clock.monotonic();
    const grant = await this.#ask();
    if (!("token" in grant)) return this.#stillGood(grant) ?? grant;
    const { token, life } = grant;
    this.#token = {
      value: token,
      renewAt: asked +
        (life > EARLY_MS ? life - EARLY_MS : life * SHORT_LIFE_PART),
      endsAt: asked + life,
    };
    return token;
  }

  /** The token in hand, where its renewal failed for a cause that passes before the token ends. */
  #stillGood(why: NoToken): string | undefined {
    const passes = why instanceof TransportError
      ? why.weather
      : why.kind === "retry";
    const token = this.#token;
    const now = this.#net.clock.monotonic();
    if (!passes || token === undefined || now >= token.endsAt) return undefined;
    token.renewAt = Math.min(now + RENEW_AGAIN_MS, token.endsAt);
    return token.value;
  }

  async #ask(): Promise<ReturnType<typeof grantOf> | TransportError> {
    const { tokenUrl, clientId, scope } = this.#client;
    const proof = await this.#proof();
    if ("kind" in proof) return proof;
    const form = new URLSearchParams({
      client_id: clientId,
      scope,
      grant_type: "client_credentials",
      ...proof.fields,
    });
    let reply: HttpReply;
    try {
      reply = await this.#exchange.send({
        method: "POST",
        headers: [
          ["Content-Type", "application/x-www-form-urlencoded"],
          ["Accept", "application/json"],
        ],
        body: new TextEncoder().encode(form.toString()),
      }, this.#closing.signal);
    } catch (error) {
      if (error instanceof TransportError) return error;
      throw error;
    }
    const now = this.#net.clock.now();
    const grant = grantOf(reply, tokenUrl.host, now);
    if ("token" in grant) return grant;
    // Judged again without what it may echo. A token is never touched: it may hold a short secret's letters by chance.
    const redact = redactor(Object.values(proof.fields));
    return grantOf(withoutSecrets(reply, redact), tokenUrl.host, now);
  }

  /** The form's fields that show who asks, or why there are none. */
  async #proof(): Promise<Proof | Outcome> {
    const { credential, clientId, tokenUrl } = this.#client;
    switch (credential.kind) {
      case "secret":
        return { fields: { client_secret: credential.secret } };
      case "certificate": {
        const { clock, uuid } = this.#net;
        return assertion(
          await credential.signer.sign({
            clientId,
            audience: tokenUrl.href,
            id: uuid(),
            now: clock.now(),
          }),
        );
      }
      case "federated": {
        let text: string;
        try {
          text = (await credential.assertion()).trim();
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          return held("config", `There is no federated token: ${why}`);
        }
        return text === ""
          ? held("config", "The federated token is empty.")
          : assertion(text);
      }
    }
  }
}

function assertion(text: string): Proof {
  return {
    fields: { client_assertion_type: ASSERTION_TYPE, client_assertion: text },
  };
}

/** What the promise gives, unless the signal aborts first. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() =>
      signal.removeEventListener("abort", onAbort)
    );
  });
}
