import assert from "node:assert/strict";
import type { Fault } from "../lib/demo/faults.ts";
import { type DemoSiem, startDemoSiem } from "../lib/demo/siem.ts";
import { numberedEvent, numberOf } from "./fixtures/events.ts";
import { poll } from "./support/poll.ts";
import { type RelayProcess, startRelay } from "./support/processes.ts";

/** One sick SIEM changes nothing for the other two; when it heals it gets everything, in order. */

const SICK = "splunk";
const HEALTHY = ["crowdstrike", "hec"];
const ROUNDS = 40;
const EVENTS_A_ROUND = 25;

const FAULTS: Readonly<Record<string, Fault>> = {
  "answers 503": { kind: "status", status: 503 },
  "answers 429 with Retry-After": {
    kind: "status",
    status: 429,
    retryAfter: 1,
  },
  "hangs": { kind: "hang" },
  "resets before it answers": { kind: "reset", when: "before" },
  "resets after the body": { kind: "reset", when: "after" },
  "answers 401": { kind: "status", status: 401, code: 3 },
  "answers with a web page": { kind: "html" },
};

/** Posts numbered events round by round; each round waits for the healthy SIEMs before the next is posted. */
async function feed(
  relay: RelayProcess,
  siem: DemoSiem,
  first: number,
): Promise<number> {
  let sent = first;
  for (let round = 0; round < ROUNDS; round++) {
    let body = "";
    for (let n = 0; n < EVENTS_A_ROUND; n++) {
      body += `{"event":${numberedEvent(1, sent++)}}\n`;
    }
    const reply = await fetch(`${relay.url}/services/collector/event`, {
      method: "POST",
      headers: { Authorization: "Splunk hct_edge" },
      body,
    });
    assert.equal(reply.status, 200, await reply.text());
    // No clock is looked at: were the healthy ones made to wait for the sick one, this would never come.
    await Promise.all(HEALTHY.map((name) => siem.target(name).until(sent)));
  }
  return sent;
}

for (const [what, fault] of Object.entries(FAULTS)) {
  Deno.test(`isolation: a SIEM that ${what} delays nobody and gets everything once it heals`, async () => {
    await using siem = await startDemoSiem();
    await using relay = await startRelay({
      env: {
        ...siem.environment(),
        HECATE_KV: ":memory:",
        HECATE_TOKENS: "edge=hct_edge",
        HECATE_ADMIN_TOKEN: "hca_edge",
        HECATE_RETRY_INITIAL: "20ms",
        HECATE_RETRY_MAX: "100ms",
        HECATE_PROBE_INITIAL: "50ms",
        HECATE_PROBE_MAX: "100ms",
        HECATE_TIMEOUT: "500ms",
      },
    });
    const half = await feed(relay, siem, 0);
    siem.fault(SICK, fault);
    const all = await feed(relay, siem, half);
    const connectors = async () => {
      const reply = await fetch(`${relay.url}/api/v1/status`, {
        headers: { Authorization: "Bearer hca_edge" },
      });
      const { connectors } = await reply.json();
      return new Map<string, Record<string, unknown>>(
        connectors.map((one: { name: string }) => [one.name, one]),
      );
    };
    const sick = await poll(async () => {
      const found = (await connectors()).get(SICK);
      return found?.["last_error"] ? found : undefined;
    });
    assert.ok(Number(sick["waiting"]) > 0);
    assert.equal(sick["dead"], 0);
    siem.clear(SICK);
    const numbersAt = (name: string) =>
      siem.received(name).map(({ event }) =>
        numberOf(event ?? new Uint8Array())
      );
    // What was reset after the body came, comes again: count what is new.
    await siem.target(SICK).until(() => new Set(numbersAt(SICK)).size === all);
    for (const name of [SICK, ...HEALTHY]) {
      const numbers = numbersAt(name);
      const firsts = [...new Set(numbers)];
      assert.deepEqual(
        firsts,
        Array.from({ length: all }, (_, n) => n),
        `${name}: all, in order`,
      );
      if (name !== SICK) {
        assert.equal(numbers.length, all, `${name}: nothing twice`);
      }
    }
    const healed = await poll(async () => {
      const found = (await connectors()).get(SICK);
      return found?.["waiting"] === 0 ? found : undefined;
    });
    assert.deepEqual(
      [healed["state"], healed["accepted"], healed["delivered"]],
      ["connected", all, all],
    );
  });
}
