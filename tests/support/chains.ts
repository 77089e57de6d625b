/** The hash chains of a log's lanes, walked segment by segment. */

import { equal, ok } from "node:assert/strict";
import { headOf } from "../../lib/log/heads.ts";
import { readHeader } from "../../lib/log/segment.ts";

/** Each segment continues its lane's chain and totals, and each head its lane's last segment. Nothing was trimmed. */
export async function checkChains(kv: Deno.Kv): Promise<void> {
  const chains = new Map<string, { events: number; hash: string }>();
  for await (const { value } of kv.list<Uint8Array>({ prefix: ["log"] })) {
    const header = readHeader(value);
    ok(header);
    const before = chains.get(header.lane);
    if (before !== undefined) equal(header.previous, before.hash);
    equal(header.eventsBefore, before?.events ?? 0);
    chains.set(header.lane, {
      events: header.eventsBefore + header.count,
      hash: header.checksum,
    });
  }
  for await (const entry of kv.list({ prefix: ["writer"] })) {
    const head = headOf(entry), chain = chains.get(String(entry.key[2]));
    equal(head.events, chain?.events ?? 0);
    if (chain !== undefined) equal(head.hash, chain.hash);
  }
}
