/** Posts sample events to the relay as any HEC client would: the demo's producer. */

import type { Clock } from "../clock.ts";
import { sampleEvents } from "./events.ts";

export interface Feeder extends AsyncDisposable {
  /** Events that the relay answered with 200. */
  readonly taken: number;
  /** Events that it refused, or that never got an answer. They are not sent again. */
  readonly failed: number;
}

export interface FeederOptions {
  /** The relay's HEC endpoint. */
  readonly url: string;
  readonly token: string;
  /** Events a second. */
  readonly rate?: number;
  readonly seed?: number;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
}

/** Starts posting, one event a request; disposing it cuts the request in flight. */
export function startFeeder(options: FeederOptions): Feeder {
  const { url, token, rate = 5, seed = 1, clock } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  let taken = 0, failed = 0;

  async function post(envelope: string): Promise<boolean> {
    const reply = await options.fetch(url, {
      method: "POST",
      headers: {
        "Authorization": `Splunk ${token}`,
        "Content-Type": "application/json",
      },
      body: envelope,
      redirect: "error",
      signal,
    });
    await reply.body?.cancel();
    return reply.status === 200;
  }

  async function feed(): Promise<void> {
    const start = clock.monotonic();
    let sent = 0;
    for (const { envelope } of sampleEvents({ seed, clock })) {
      // A relay that is away for a moment is the demo's own subject: go on.
      if (await post(envelope).catch(() => false)) taken++;
      else failed++;
      sent++;
      const due = start + sent * 1000 / rate;
      await clock.sleep(Math.max(0, due - clock.monotonic()), signal)
        .catch(() => {});
      if (signal.aborted) return;
    }
  }

  const feeding = feed();
  return {
    get taken() {
      return taken;
    },
    get failed() {
      return failed;
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await feeding;
    },
  };
}
