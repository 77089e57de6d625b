/** How long a start takes: the relay on a new data folder, and the demo. Milliseconds. */

import { Child, freePort } from "./child.ts";
import { envelope, seeded } from "./event.ts";
import { relayEnv, TOKEN } from "./run.ts";

/** From the start of the deno binary to the first 200 for a posted event: new data folder, three SIEMs configured. */
export async function firstAnswer(): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "hecate-bench-" });
  const port = freePort(), siem = freePort();
  const env = relayEnv({
    port,
    folder,
    // Nobody listens there: a SIEM that is down must not delay the start.
    ports: { hec: siem, splunk: siem, crowdstrike: siem },
  });
  const body = envelope(seeded(1), 0, 0);
  const request = new TextEncoder().encode(
    `POST /services/collector/event HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Splunk ${TOKEN}\r\n` +
      `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
  try {
    const startedAt = performance.now();
    await using relay = new Child(["run", "-P=start", "main.ts"], env);
    relay.drain();
    for (;;) {
      const status = await post(port, request).catch(() => 0);
      const took = performance.now() - startedAt;
      if (status === 200) return took;
      if (took > 15_000) {
        throw new Error(`No 200 after 15 s (${status}):\n${relay.complaint}`);
      }
      await new Promise((r) => setTimeout(r, 2));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Posts on a connection of its own. Resolves to the status. */
async function post(port: number, request: Uint8Array): Promise<number> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(request);
  const reply = new Uint8Array(1_024);
  const n = await conn.read(reply) ?? 0;
  return Number(new TextDecoder().decode(reply.subarray(9, Math.min(12, n))));
}

/** From `deno task demo` to its line `first event delivered`. */
export async function demoDelivery(): Promise<number> {
  const startedAt = performance.now();
  await using demo = new Child(["task", "demo"], {
    HECATE_PORT: String(freePort()),
  });
  const limit = setTimeout(() => void demo[Symbol.asyncDispose](), 30_000);
  try {
    await demo.says(/first event delivered/i);
    return performance.now() - startedAt;
  } finally {
    clearTimeout(limit);
  }
}
