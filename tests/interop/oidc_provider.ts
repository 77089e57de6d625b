/** A real OAuth server (npm oidc-provider, in Deno itself) as the login of tests: it issues and checks tokens. */

import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { JWK } from "jose";
import OidcProvider from "oidc-provider";

/** What is used of it: the package brings no types. */
interface Provider {
  on(name: "grant.success", hear: () => void): void;
  on(name: "grant.error", hear: (context: unknown, error: Error) => void): void;
  callback(): RequestListener;
  readonly ClientCredentials: {
    find(token: string): Promise<
      | {
        readonly isValid: boolean;
        readonly clientId: string;
        readonly scope?: string;
      }
      | undefined
    >;
  };
}
const Provider: new (base: string, settings: unknown) => Provider =
  OidcProvider;

/** One client, known by a secret or by the public keys of who signs its assertions. */
export interface OidcClient {
  readonly id: string;
  readonly scope: string;
  readonly secret?: string;
  readonly keys?: readonly JWK[];
  /** How its assertions are signed. */
  readonly algorithm?: "PS256" | "RS256" | "ES256";
}

/** The path of tokens, as Entra has it. */
export const TOKEN_PATH = "/tenant/oauth2/v2.0/token";

/** Listens on loopback until disposed. */
export class OidcServer implements AsyncDisposable {
  readonly base: string;
  /** `invalid_client (…)` and such, in order. */
  readonly refusals: string[] = [];
  granted = 0;
  readonly #provider: Provider;
  readonly #server: ReturnType<typeof createServer>;

  private constructor(
    base: string,
    server: ReturnType<typeof createServer>,
    client: OidcClient,
  ) {
    const { id, scope, secret, keys, algorithm } = client;
    this.base = base;
    this.#server = server;
    this.#provider = new Provider(base, {
      clients: [{
        client_id: id,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        ...secret !== undefined && {
          client_secret: secret,
          token_endpoint_auth_method: "client_secret_post",
        },
        ...keys !== undefined && {
          jwks: { keys: [...keys] },
          token_endpoint_auth_method: "private_key_jwt",
          ...algorithm !== undefined &&
            { token_endpoint_auth_signing_alg: algorithm },
        },
      }],
      scopes: [scope],
      routes: { token: TOKEN_PATH },
      ttl: { ClientCredentials: 3599 },
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
      },
    });
    this.#provider.on("grant.success", () => this.granted++);
    this.#provider.on("grant.error", (_, error) => {
      this.refusals.push(String(error));
    });
    const answer = this.#provider.callback();
    server.on("request", (request, response) => answer(request, response));
  }

  static async start(client: OidcClient): Promise<OidcServer> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return new OidcServer(`http://127.0.0.1:${port}`, server, client);
  }

  /** Whether it issued this token, for this client and scope, and it still lives. */
  async knows(token: string, { id, scope }: OidcClient): Promise<boolean> {
    const found = await this.#provider.ClientCredentials.find(token);
    return found !== undefined && found.isValid &&
      found.clientId === id && found.scope === scope;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
