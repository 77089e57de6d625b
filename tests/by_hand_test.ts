import assert from "node:assert/strict";
import { startDemoSiem } from "../lib/demo/siem.ts";
import { commandLine, inFolder } from "./support/command_line.ts";
import { poll } from "./support/poll.ts";
import { startRelay } from "./support/processes.ts";

/** Connectors by hand, and the strict retry policy, through the program as an operator runs it. */

const TOKENS = {
  HECATE_TOKENS: "edge=hct_edge",
  HECATE_ADMIN_TOKEN: "hca_edge",
};

interface Row {
  readonly [name: string]: unknown;
  readonly state: string;
  readonly waiting: number;
  readonly difference: number;
}

async function post(url: string, events: readonly number[]): Promise<void> {
  const reply = await fetch(`${url}/services/collector/event`, {
    method: "POST",
    headers: { Authorization: "Splunk hct_edge" },
    body: events.map((event) => `{"event":${event}}`).join(""),
  });
  assert.equal(reply.status, 200, await reply.text());
}

async function ask(
  url: string,
  path: string,
  init: RequestInit = { method: "POST" },
) {
  const reply = await fetch(`${url}/api/v1${path}`, {
    ...init,
    headers: { Authorization: "Bearer hca_edge", ...init.headers },
  });
  return { status: reply.status, json: await reply.json() };
}

/** The connector as in status; its books balance. */
async function row(url: string): Promise<Row> {
  const { json } = await ask(url, "/status", {});
  const [first] = json.connectors;
  assert.equal(first.difference, 0, JSON.stringify(first));
  return first;
}

function until(url: string, holds: (row: Row) => boolean): Promise<Row> {
  return poll(async () => {
    const now = await row(url);
    return holds(now) ? now : undefined;
  });
}

function hecate(url: string, line: string) {
  return commandLine(line, {
    HECATE_URL: url,
    HECATE_ADMIN_TOKEN: "hca_edge",
  });
}

function numbers(
  events: readonly { readonly event: Uint8Array | undefined }[],
): number[] {
  return events.map(({ event }) => Number(new TextDecoder().decode(event)));
}

Deno.test("disable, kill -9, enable: events wait over the kill, then all are delivered, once", async () => {
  await inFolder(async (folder) => {
    await using siem = await startDemoSiem({
      targets: { hec: { protocol: "hec" } },
    });
    const env = {
      ...TOKENS,
      ...siem.environment(),
      HECATE_KV: `${folder}/hecate.kv`,
    };
    {
      await using relay = await startRelay({ env });
      await post(relay.url, [1]);
      await until(relay.url, (row) => row.waiting === 0);
      const off = await hecate(relay.url, "connectors disable hec");
      assert.deepEqual(off, {
        code: 0,
        out: ["hec: disabled, 0 waiting, 0 discarded"],
        err: [],
      });
      await post(relay.url, [2, 3]);
      const probe = await ask(relay.url, "/connectors/hec/probe");
      assert.equal(probe.status, 409);
      assert.match(probe.json.type, /\/problems\/wrong-state$/);
      await relay.kill("SIGKILL");
    }
    await using relay = await startRelay({ env });
    await post(relay.url, [4]);
    const waiting = await row(relay.url);
    assert.deepEqual([waiting.state, waiting.waiting], ["disabled", 3]);
    assert.deepEqual(numbers(siem.received("hec")), [1]);
    const on = await hecate(relay.url, "connectors enable hec --json");
    assert.equal(on.code, 0);
    assert.equal(JSON.parse(on.out[0] ?? "").name, "hec");
    const done = await until(relay.url, (row) => row.waiting === 0);
    assert.deepEqual(
      [done["state"], done["delivered"], done["discarded"]],
      ["connected", 4, 0],
    );
    assert.deepEqual(numbers(siem.received("hec")), [1, 2, 3, 4]);
  });
});

Deno.test("enable from newest discards exactly what waited, also when a kill -9 follows at once", async () => {
  await inFolder(async (folder) => {
    await using siem = await startDemoSiem({
      targets: { hec: { protocol: "hec" } },
    });
    const env = {
      ...TOKENS,
      ...siem.environment(),
      HECATE_KV: `${folder}/hecate.kv`,
    };
    let discarded = 0;
    for (let round = 0; round < 3; round++) {
      await using relay = await startRelay({ env });
      assert.equal(
        (await ask(relay.url, "/connectors/hec/disable")).status,
        200,
      );
      await post(relay.url, [90, 91, 92]);
      await post(relay.url, [93]);
      discarded += 4;
      if (round === 1) {
        // What was answered holds.
        await ask(relay.url, "/connectors/hec/enable", {
          method: "POST",
          body: '{"from":"newest"}',
        });
        await relay.kill("SIGKILL");
        continue;
      }
      const on = await hecate(
        relay.url,
        "connectors enable hec --from newest",
      );
      assert.deepEqual(on.out, [
        `hec: ${
          round === 0 ? "waiting" : "connected"
        }, 0 waiting, ${discarded} discarded`,
      ]);
      await post(relay.url, [round]);
      await until(relay.url, (row) => row.waiting === 0);
      assert.equal((await row(relay.url))["discarded"], discarded);
      assert.equal((await relay.kill("SIGTERM")).code, 0);
    }
    await using relay = await startRelay({ env });
    await post(relay.url, [7]);
    const done = await until(relay.url, (row) => row.waiting === 0);
    assert.deepEqual([done["delivered"], done["discarded"]], [3, 12]);
    assert.deepEqual(numbers(siem.received("hec")), [0, 2, 7]);
  });
});

Deno.test("switches answer problems: unknown connector, wrong bodies, wrong method, no token", async () => {
  await using siem = await startDemoSiem({
    targets: { hec: { protocol: "hec" } },
  });
  await using relay = await startRelay({
    env: { ...TOKENS, ...siem.environment(), HECATE_KV: ":memory:" },
  });
  const { url } = relay;
  assert.equal((await ask(url, "/connectors/hek/enable")).status, 404);
  for (
    const [action, body, status, pointer] of [
      ["enable", '{"from":"oldest"}', 422, "#/from"],
      ["enable", '{"form":"here"}', 422, "#/form"],
      ["disable", '{"from":"here"}', 422, "#/from"],
      ["probe", "[]", 422, "#"],
      ["enable", '{"from":', 400, undefined],
    ] as const
  ) {
    const { status: got, json } = await ask(url, `/connectors/hec/${action}`, {
      method: "POST",
      body,
    });
    assert.equal(got, status, body);
    assert.equal(json.errors?.[0]?.pointer, pointer);
  }
  const get = await ask(url, "/connectors/hec/enable", { method: "GET" });
  assert.equal(get.status, 405);
  const nobody = await ask(url, "/connectors/hec/disable", {
    method: "POST",
    headers: { Authorization: "Bearer no" },
  });
  assert.equal(nobody.status, 401);
  assert.equal((await row(url)).state, "waiting", "nothing has changed");
  assert.equal((await hecate(url, "connectors disable hek")).code, 3);
  assert.equal((await hecate(url, "connectors enable hec --from x")).code, 2);
  await ask(url, "/connectors/hec/disable");
  assert.equal((await hecate(url, "connectors probe hec")).code, 2);
});

Deno.test("probe tries a held connector at once", async () => {
  await using siem = await startDemoSiem({
    targets: { hec: { protocol: "hec" } },
  });
  await using relay = await startRelay({
    env: { ...TOKENS, ...siem.environment(), HECATE_KV: ":memory:" },
  });
  siem.fault("hec", { kind: "status", status: 401 });
  await post(relay.url, [1]);
  const held = await until(relay.url, (row) => row.state === "held");
  assert.notEqual(held["next_attempt_at"], null);
  siem.clear();
  const { out } = await hecate(relay.url, "connectors probe hec");
  assert.deepEqual(out, ["hec: connected, 0 waiting, 0 discarded"]);
  assert.deepEqual(numbers(siem.received("hec")), [1]);
});

Deno.test("strict with the SIEM down: five attempts, over a kill -9 in their middle, then dead letters and their lines", async () => {
  await inFolder(async (folder) => {
    await using siem = await startDemoSiem({
      targets: { hec: { protocol: "hec" } },
    });
    const env = {
      ...TOKENS,
      ...siem.environment(),
      HECATE_KV: `${folder}/hecate.kv`,
      HECATE_RETRY_POLICY: "strict",
      HECATE_RETRY_INITIAL: "300ms",
      SIEM_DEAD_LETTER_PATH: `${folder}/dead.jsonl`,
    };
    siem.fault("hec", { kind: "status", status: 503 });
    {
      await using relay = await startRelay({ env });
      await post(relay.url, [1, 2, 3]);
      // The second failure, as settled: it waits twice as long.
      await until(relay.url, ({ state, last_error, next_attempt_at }) => {
        if (state !== "retrying") return false;
        const { at } = last_error as { readonly at: string };
        return Date.parse(String(next_attempt_at)) - Date.parse(at) >= 600;
      });
      await relay.kill("SIGKILL");
    }
    assert.equal(siem.requests("hec").length, 2);
    await using relay = await startRelay({ env });
    await post(relay.url, [4]);
    const dead = await until(relay.url, (row) => row["dead"] === 3);
    assert.equal(dead.waiting, 1);
    const tried = siem.requests("hec").length;
    assert.ok(tried >= 5 && tried <= 6, `${tried} requests`);
    siem.clear();
    await until(relay.url, (row) => row["delivered"] === 1);
    assert.deepEqual(numbers(siem.received("hec")), [4]);
    const lines = (await Deno.readTextFile(`${folder}/dead.jsonl`)).trimEnd()
      .split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ event, reason, attempts }) => [event, reason, attempts]),
      [[1, "server", 5], [2, "server", 5], [3, "server", 5]],
    );
    for (const { error } of lines) assert.match(error, /503/);
    const kept = await ask(relay.url, "/dead-letters", {});
    assert.deepEqual(
      kept.json.items.map((
        { reason, attempts }: { reason: string; attempts: number },
      ) => [reason, attempts]),
      [["server", 5], ["server", 5], ["server", 5]],
    );
  });
});

Deno.test("strict and a wrong token: the events are dead letters with auth", async () => {
  await using siem = await startDemoSiem({
    targets: { hec: { protocol: "hec" } },
  });
  await using relay = await startRelay({
    env: {
      ...TOKENS,
      ...siem.environment(),
      HEC_TOKEN: "wrong",
      HECATE_KV: ":memory:",
      HECATE_RETRY_POLICY: "strict",
      HECATE_RETRY_INITIAL: "10ms",
      HECATE_RETRY_ATTEMPTS: "3",
    },
  });
  await post(relay.url, [1]);
  const dead = await until(relay.url, (row) => row["dead"] === 1);
  assert.equal(dead.state, "held");
  assert.equal(siem.requests("hec").length, 3);
  const { json } = await ask(relay.url, "/dead-letters", {});
  assert.deepEqual(
    [json.items[0].reason, json.items[0].attempts],
    ["auth", 3],
  );
  assert.match(relay.stdout(), /"delivery.held".*after 3 attempts/);
});

Deno.test("strict with replay: what was given up is delivered by a job of its own once the SIEM is back, once each", async () => {
  await using siem = await startDemoSiem({
    targets: { hec: { protocol: "hec" } },
  });
  await using relay = await startRelay({
    env: {
      ...TOKENS,
      ...siem.environment(),
      HECATE_KV: ":memory:",
      HECATE_RETRY_POLICY: "strict",
      HECATE_RETRY_INITIAL: "10ms",
      HECATE_RETRY_ATTEMPTS: "2",
      HECATE_RETRY_REPLAY: "true",
    },
  });
  assert.doesNotMatch(relay.stdout(), /"config.warning"/);
  siem.fault("hec", { kind: "status", status: 401 });
  await post(relay.url, [1, 2]);
  await until(relay.url, (row) => row["dead"] === 2);
  siem.clear();
  await post(relay.url, [3]);
  const done = await until(relay.url, (row) => row["delivered"] === 3);
  assert.deepEqual([done["dead"], done["accepted"]], [0, 3]);
  assert.deepEqual(numbers(siem.received("hec")).toSorted(), [1, 2, 3]);
  const { json } = await ask(relay.url, "/replays", {});
  assert.equal(json.items.length, 1);
});
