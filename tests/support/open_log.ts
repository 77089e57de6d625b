/** A real log on a real KV, and appending to it as a request does. */

import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock.ts";
import { scanBody } from "../../lib/json/scanner.ts";
import { SpanTable } from "../../lib/json/spans.ts";
import { EventLog, openLog } from "../../lib/log/log.ts";
import { openStore } from "../../lib/log/store.ts";
import { silentLogger } from "../../lib/logger.ts";

/** A log in memory, or in the file at `path`. It closes its store. */
export async function openTestLog(
  connectors: readonly string[],
  path = ":memory:",
): Promise<EventLog> {
  const common = { clock: systemClock, logger: silentLogger };
  return await openLog(await openStore(path, common), {
    ...common,
    random: Math.random,
    uuid: () => crypto.randomUUID(),
    instance: "test",
    connectors: () => connectors,
    keep: 86_400_000,
    keepBytes: 1_073_741_824,
  });
}

/** Appends envelopes (JSON texts) as one request; resolves when they are durable. */
export async function appendTo(
  log: EventLog,
  envelopes: readonly string[],
  receivedAt: number,
): Promise<void> {
  const bytes = new TextEncoder().encode(envelopes.join("\n"));
  const spans = new SpanTable();
  assert.equal(scanBody(bytes, spans), undefined);
  const { kept } = await log.append({
    bytes,
    spans,
    from: 0,
    to: spans.count,
    producer: "test",
    receivedAt,
    defaults: {},
  });
  assert.equal(kept, envelopes.length);
}
