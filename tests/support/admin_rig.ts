/** The admin API over a real log with dead letters. */

import { equal } from "node:assert/strict";
import { metricsText } from "../../lib/delivery/metrics.ts";
import { statusReport } from "../../lib/delivery/status.ts";
import { Acks } from "../../lib/log/acks.ts";
import { History } from "../../lib/log/history.ts";
import type { Replays } from "../../lib/log/replays.ts";
import { silentLogger } from "../../lib/logger.ts";
import { hashToken } from "../../lib/tokens.ts";
import { type App, createApp } from "../../routes/app.ts";
import { DeadRig } from "./dead_rig.ts";

export const ADMIN = { Authorization: "Bearer hca_admin" };

/** A reply, read. */
export interface AdminReply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // deno-lint-ignore no-explicit-any -- what tests look into
  readonly json: any;
}

export class AdminRig {
  readonly rig: DeadRig;
  readonly app: App;

  constructor(rig: DeadRig, app: App) {
    this.rig = rig;
    this.app = app;
  }

  static async open(
    names: readonly string[] = ["a", "b"],
    options: {
      readonly maxBody?: number;
      readonly replays?: (rig: DeadRig) => Replays;
    } = {},
  ): Promise<AdminRig> {
    const rig = await DeadRig.open(names);
    const { log, clock } = rig;
    const status = () =>
      statusReport({
        log,
        connectors: names.map((name) => ({
          name,
          type: "splunk",
          oldestWaiting: null,
          isDisabled: false,
          isFed: true,
          warning: null,
        })),
        keep: 0,
        expire: 0,
        version: "1.2.3",
        uptime: 0,
      });
    const replays = options.replays?.(rig);
    const app = createApp({
      log,
      acks: new Acks(log, {
        connectors: () => [],
        expiry: new History(log),
      }),
      tokens: [],
      adminHash: hashToken("hca_admin"),
      clock,
      logger: silentLogger,
      limits: {
        maxBody: options.maxBody ?? 64 << 20,
        maxEvent: 716_800,
        maxInflight: 128 << 20,
      },
      readiness: {},
      status,
      metrics: async () =>
        metricsText(
          await status(),
          { deno: "2.9.6", now: clock.now() },
          await replays?.totals(),
        ),
      connectors: () => names.map((name) => ({ name, isFed: true })),
      deadLetters: rig.dead,
      ...replays !== undefined && { replays },
      uuid: () => "00000000-0000-4000-8000-000000000000",
      version: "1.2.3",
    });
    return new AdminRig(rig, app);
  }

  async ask(
    method: string,
    path: string,
    body?: BodyInit | object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<AdminReply> {
    const isPlain = typeof body === "object" &&
      Object.getPrototypeOf(body) === Object.prototype;
    const response = await this.app.request(`/api/v1${path}`, {
      method,
      headers: { ...ADMIN, ...headers },
      ...body !== undefined && {
        body: isPlain ? JSON.stringify(body) : body as BodyInit,
      },
    });
    equal(response.headers.get("Cache-Control"), "no-store", path);
    equal(response.headers.get("Set-Cookie"), null);
    const text = await response.text();
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      // Lines, or text.
    }
    return { status: response.status, headers: response.headers, text, json };
  }

  get(
    path: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<AdminReply> {
    return this.ask("GET", path, undefined, headers);
  }

  post(
    path: string,
    body?: BodyInit | object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<AdminReply> {
    return this.ask("POST", path, body, headers);
  }

  async export(query = ""): Promise<string> {
    const { text, status, headers } = await this.get(
      `/dead-letters${query}`,
      { Accept: "application/x-ndjson" },
    );
    equal(status, 200, text);
    equal(headers.get("Content-Type"), "application/x-ndjson");
    return text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.app.close();
    await this.rig[Symbol.asyncDispose]();
  }
}
