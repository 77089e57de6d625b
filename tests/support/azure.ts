/** A login and a Logs Ingestion API that answer what a script says, on one loopback port. */

import type { Outcome, Sink } from "../../lib/connector.ts";
import { Batch } from "../../lib/delivery/batch.ts";
import { BatchBuffer } from "../../lib/delivery/batch_buffer.ts";
import type { EventRun } from "../../lib/event.ts";
import { ScriptedServer, type SeenRequest } from "./scripted_server.ts";
import { answer } from "./sinks.ts";

/** What the script answers; the last answer of a list goes on, success where there is none. */
export interface AzureScript {
  readonly logins?: readonly string[];
  readonly calls?: readonly (string | ((call: SeenRequest) => string))[];
}

/** A token's answer. */
export function granted(token: string, expiresIn: unknown = 3599): string {
  return answer(200, {
    token_type: "Bearer",
    expires_in: expiresIn,
    access_token: token,
  });
}

/** An answer of Azure Monitor that is no success. */
export function refused(
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): string {
  return answer(status, { error: { code, message: "no" } }, headers);
}

/** Listens until disposed. */
export class Azure implements AsyncDisposable {
  readonly logins: { readonly head: string; readonly form: URLSearchParams }[] =
    [];
  readonly calls: SeenRequest[] = [];
  readonly #server: ScriptedServer;

  constructor({ logins = [], calls = [] }: AzureScript = {}) {
    this.#server = new ScriptedServer(async (connection) => {
      for (;;) {
        const request = await connection.request();
        if (/^POST \S+\/oauth2\/v2\.0\/token HTTP/.test(request.head)) {
          const form = new URLSearchParams(
            new TextDecoder().decode(request.body),
          );
          const n = this.logins.push({ head: request.head, form });
          const reply = logins[n - 1] ?? logins.at(-1) ?? granted(`token-${n}`);
          await connection.write(reply);
          continue;
        }
        const n = this.calls.push(request);
        const reply = calls[n - 1] ?? calls.at(-1) ?? answer(204);
        await connection.write(
          typeof reply === "string" ? reply : reply(request),
        );
      }
    });
  }

  get base(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** A connector's environment, with a client secret unless `more` says otherwise. */
  env(
    more: Readonly<Record<string, string>> = {},
  ): Readonly<Record<string, string>> {
    return { ...sentinelEnv(this.base), ...more };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}

/** A connector's environment against one base address. */
export function sentinelEnv(
  base: string,
  secret = "cl1ent~s+cr/et=",
): Readonly<Record<string, string>> {
  return {
    SENTINEL_TENANT_ID: "11111111-2222-3333-4444-555555555555",
    SENTINEL_CLIENT_ID: "66666666-7777-8888-9999-000000000000",
    SENTINEL_CLIENT_SECRET: secret,
    SENTINEL_DCR_ENDPOINT: base,
    SENTINEL_DCR_RULE_ID: "dcr-00000000000000000000000000000000",
    SENTINEL_DCR_STREAM_NAME: "Custom-ArbitexAudit_CL",
    SENTINEL_AUTHORITY_HOST: base,
  };
}

/** Sends all of a run as the dispatcher does, without its waiting. Ends at the first `retry` or `held`. */
export async function sendAll(
  sink: Sink,
  run: EventRun,
): Promise<{ batch: Batch; outcomes: Outcome[]; left: EventRun }> {
  const signal = AbortSignal.timeout(30_000);
  const buffer = new BatchBuffer(sink.limits);
  const batch = new Batch(run);
  const outcomes: Outcome[] = [];
  while (batch.prepare((events, into) => sink.encode(events, into), buffer)) {
    const outcome = await sink.deliver(buffer, signal);
    outcomes.push(outcome);
    if (batch.apply(outcome, buffer) !== undefined) break;
  }
  return { batch, outcomes, left: batch.run };
}
