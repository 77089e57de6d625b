import assert from "node:assert/strict";
import { startDemoSiem } from "../lib/demo/siem.ts";
import { poll } from "./support/poll.ts";
import { startRelay } from "./support/processes.ts";
import { fillDisk, smallDisk } from "./support/small_disk.ts";

/** The program on a disk that runs full while it takes, delivers, trims, and lays dead letters aside. */

const MIB = 1024 * 1024;
/** Some bytes of each event: text that no codec shrinks much. */
const EVENT_BYTES = 20_000;

interface Row {
  readonly [name: string]: unknown;
  readonly waiting: number;
  readonly dead: number;
  readonly delivered: number;
  readonly difference: number;
}

function noise(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(EVENT_BYTES * 3 / 4));
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Posts one event; the answer's status and code. */
async function post(url: string, n: number) {
  const reply = await fetch(`${url}/services/collector/event`, {
    method: "POST",
    headers: { Authorization: "Splunk hct_edge" },
    body: JSON.stringify({ event: { n, noise: noise() } }),
  });
  const { code } = await reply.json();
  return {
    status: reply.status,
    code,
    after: reply.headers.get("Retry-After"),
  };
}

async function rows(url: string): Promise<{ full: boolean; rows: Row[] }> {
  const reply = await fetch(`${url}/api/v1/status`, {
    headers: { Authorization: "Bearer hca_edge" },
  });
  const status = await reply.json();
  for (const row of status.connectors) {
    assert.equal(row.difference, 0, JSON.stringify(row));
  }
  return { full: status.log.full, rows: status.connectors };
}

function numberOf(event: Uint8Array | undefined): number {
  const found = /^\{"n":(\d+)/.exec(new TextDecoder().decode(event));
  assert.ok(found);
  return Number(found[1]);
}

const REFUSE_FIFTHS = {
  kind: "reject",
  events: (event: Uint8Array) => numberOf(event) % 5 === 0,
} as const;

for (const isAll of [false, true]) {
  Deno.test(
    `a disk that runs full while it takes, delivers, trims and lays aside: clear 503s, nothing lost, recovery by itself${
      isAll ? ", also where something else took the room that was kept" : ""
    }`,
    async (t) => {
      await using disk = await smallDisk(128);
      if (disk === undefined) {
        await t.step({
          name: "mounting a small disk is not allowed here",
          ignore: true,
          fn: () => undefined,
        });
        return;
      }
      await using siem = await startDemoSiem({
        targets: {
          hec: { protocol: "hec" },
          crowdstrike: { protocol: "crowdstrike" },
        },
      });
      const env = {
        ...siem.environment(),
        HECATE_TOKENS: "edge=hct_edge",
        HECATE_ADMIN_TOKEN: "hca_edge",
        HECATE_KV: `${disk.path}/data/hecate.kv`,
        HECATE_KEEP: "1s",
        // The mark would come before the end of the disk.
        HECATE_LOG_MAX_BYTES: "1GiB",
        HECATE_RETRY_INITIAL: "50ms",
        HECATE_RETRY_MAX: "200ms",
        SIEM_DEAD_LETTER_PATH: `${disk.path}/dead.jsonl`,
      };
      const accepted = new Set<number>();
      let next = 0;
      {
        await using relay = await startRelay({ env });
        // One takes everything, one refuses every fifth event: dead letters and history are written all the while.
        siem.fault("crowdstrike", REFUSE_FIFTHS);
        const crowdstrike = async () => {
          const found = (await rows(relay.url)).rows.find(({ name }) =>
            name === "crowdstrike"
          );
          assert.ok(found);
          return found;
        };
        const ingest = async (until: () => boolean) => {
          while (!until()) {
            const n = next++;
            const { status, code, after } = await post(relay.url, n);
            if (status === 200) accepted.add(n);
            else {
              assert.deepEqual([status, code], [503, 9], "a clear refusal");
              assert.ok(Number(after) > 0, "Retry-After");
              return;
            }
          }
        };
        await ingest(() => accepted.size >= 100);
        // It falls behind, so that there is something left to deliver on the full disk.
        siem.clear();
        siem.fault("crowdstrike", { kind: "status", status: 503 });
        await ingest(() => accepted.size >= 130);
        // Something else takes what is left of the disk, then events come in until there is no room for one.
        await fillDisk(`${disk.path}/filler`);
        await ingest(() => false);
        if (isAll) await fillDisk(`${disk.path}/filler2`);
        const refused = await post(relay.url, next++);
        assert.deepEqual([refused.status, refused.code], [503, 9]);
        const ready = await fetch(`${relay.url}/readyz`);
        await ready.body?.cancel();
        assert.equal(ready.status, 503);
        const health = await fetch(`${relay.url}/services/collector/health`);
        assert.deepEqual([health.status, (await health.json()).code], [
          503,
          18,
        ]);
        assert.ok((await rows(relay.url)).full);

        const behind = await crowdstrike();
        siem.clear();
        siem.fault("crowdstrike", REFUSE_FIFTHS);
        if (!isAll) {
          // Delivery goes on: what waits is sent, settled and partly laid aside, in the room that was kept for that.
          await poll(async () => {
            const now = await crowdstrike();
            return now.delivered > behind.delivered && now.dead > behind.dead
              ? true
              : undefined;
          });
          assert.ok((await rows(relay.url)).full);
        }

        await Deno.remove(`${disk.path}/filler`);
        if (isAll) await Deno.remove(`${disk.path}/filler2`);
        // It takes events again by itself.
        await poll(async () => {
          const n = next++;
          const { status } = await post(relay.url, n);
          if (status === 200) accepted.add(n);
          return status === 200 ? true : undefined;
        });
        await ingest(() => accepted.size >= 180);
        await poll(async () =>
          (await rows(relay.url)).rows.every(({ waiting }) => waiting === 0)
            ? true
            : undefined
        );
        const ended = await rows(relay.url);
        assert.ok(!ended.full);
        const hec = ended.rows.find(({ name }) => name === "hec");
        assert.equal(hec?.delivered, accepted.size);
        const bad = [...accepted].filter((n) => n % 5 === 0);
        const { delivered, dead } = await crowdstrike();
        assert.deepEqual(
          [delivered, dead],
          [accepted.size - bad.length, bad.length],
        );
        assert.deepEqual(
          new Set(siem.received("hec").map(({ event }) => numberOf(event))),
          accepted,
        );
        assert.doesNotMatch(
          relay.stdout() + relay.stderr(),
          /"bug"|panic|\n {4}at /,
        );
        assert.equal((await relay.kill("SIGTERM")).code, 0);
      }
      // What is kept is whole: each dead letter is there, with its event.
      await using relay = await startRelay({ env });
      const reply = await fetch(`${relay.url}/api/v1/dead-letters`, {
        headers: {
          Authorization: "Bearer hca_edge",
          Accept: "application/x-ndjson",
        },
      });
      const lines = (await reply.text()).trimEnd().split("\n");
      assert.deepEqual(
        new Set(lines.map((line) => JSON.parse(line).event.n)),
        new Set([...accepted].filter((n) => n % 5 === 0)),
      );
      const size = (await Deno.stat(`${disk.path}/data/hecate.kv`)).size;
      assert.ok(size < 128 * MIB);
    },
  );
}
