/** `/healthz`: the process answers. `/readyz`: it can accept and keep an event, whatever the SIEMs do. */

import type { Hono } from "hono";
import type { Clock } from "../lib/clock.ts";
import type { AppVariables } from "./request_id.ts";

const CHECK_MS = 2_000;
const CACHED_MS = 5_000;

/** Named checks; each resolves to true when all is well. One that throws or takes over 2 s has failed. */
export type Readiness = Readonly<
  Record<string, () => boolean | Promise<boolean>>
>;

interface Report {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, "ok" | "failed">>;
}

/** Mounts both. Answers to `/readyz` are at most 5 s old, save one that a synchronous check decides. */
export function mountHealth(
  app: Hono<AppVariables>,
  deps: { readonly clock: Clock; readonly readiness: Readiness },
): void {
  const { clock, readiness } = deps;
  const slow = new SlowChecks(clock);
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    const report = await examine(readiness, slow);
    return c.json(report, report.ready ? 200 : 503, {
      "Cache-Control": "no-store",
    });
  });
}

async function examine(
  readiness: Readiness,
  slow: SlowChecks,
): Promise<Report> {
  const names = Object.keys(readiness);
  const results = await Promise.all(
    names.map((name) => slow.run(name, readiness[name])),
  );
  return {
    ready: results.every((isFine) => isFine),
    checks: Object.fromEntries(
      names.map((name, at) => [name, results[at] ? "ok" : "failed"]),
    ),
  };
}

/** Remembers what checks that take time have found, so that probes cost the store little. */
class SlowChecks {
  readonly #clock: Clock;
  readonly #seen = new Map<
    string,
    { readonly at: number; readonly result: Promise<boolean> }
  >();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async run(name: string, check: Readiness[string] = () => false) {
    const now = this.#clock.monotonic();
    const seen = this.#seen.get(name);
    if (seen !== undefined && now - seen.at < CACHED_MS) {
      return await seen.result;
    }
    let outcome: boolean | Promise<boolean>;
    try {
      outcome = check();
    } catch {
      return false;
    }
    if (typeof outcome === "boolean") return outcome;
    const result = this.#withLimit(outcome);
    this.#seen.set(name, { at: now, result });
    return await result;
  }

  async #withLimit(outcome: Promise<boolean>): Promise<boolean> {
    const done = new AbortController();
    const late = this.#clock.sleep(CHECK_MS, done.signal).then(
      () => false,
      () => false,
    );
    try {
      return await Promise.race([outcome, late]);
    } catch {
      return false;
    } finally {
      done.abort();
    }
  }
}
