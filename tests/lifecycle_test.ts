import assert from "node:assert/strict";
import { startDemoSiem } from "../lib/demo/siem.ts";
import { poll } from "./support/poll.ts";
import { freePort, spawnRelay, startRelay } from "./support/processes.ts";

/** The program as an operator meets it: starting, refusing to start, ending, starting again. */

const TOKENS = {
  HECATE_TOKENS: "edge=hct_edge",
  HECATE_ADMIN_TOKEN: "hca_edge",
};

async function inFolder(
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "hecate-life-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function post(url: string, body: string, token = "hct_edge") {
  const reply = await fetch(`${url}/services/collector/event`, {
    method: "POST",
    headers: { Authorization: `Splunk ${token}` },
    body,
  });
  return { status: reply.status, text: await reply.text() };
}

async function status(url: string, token = "hca_edge") {
  const reply = await fetch(`${url}/api/v1/status`, {
    headers: { Authorization: `Bearer ${token}` },
  });
  assert.equal(reply.status, 200);
  return await reply.json();
}

Deno.test("start: every configuration fault in one message, exit 78, no secret in it", async () => {
  await using relay = spawnRelay({
    env: {
      SPLUNK_HEC_TOKEN: "planted-secret-1",
      HEC_URL: "not a url",
      HEC_TOKEN: "planted-secret-2",
      HECATE_RETRY_MAX: "soon",
    },
  });
  const { code } = await relay.ended;
  assert.equal(code, 78);
  const said = relay.stderr();
  for (const name of ["SPLUNK_HEC_URL", "HEC_URL", "HECATE_RETRY_MAX"]) {
    assert.match(said, new RegExp(`^${name}: `, "m"));
  }
  assert.doesNotMatch(said + relay.stdout(), /planted-secret|\n {4}at /);
});

Deno.test("start: without tokens it makes them, shows them once and keeps only their hashes", async () => {
  await inFolder(async (folder) => {
    const env = { HECATE_KV: `${folder}/new/folder/hecate.kv` };
    let ingest = "", admin = "";
    {
      await using relay = await startRelay({ env });
      ingest = /hct_\S+/.exec(relay.stderr())?.[0] ?? "";
      admin = /hca_\S+/.exec(relay.stderr())?.[0] ?? "";
      assert.deepEqual(await post(relay.url, '{"event":1}', ingest), {
        status: 200,
        text: '{"text":"Success","code":0}',
      });
      assert.doesNotMatch(relay.stdout(), /hct_|hca_/);
      assert.equal((await relay.kill("SIGTERM")).code, 0);
    }
    await using again = await startRelay({ env });
    assert.doesNotMatch(again.stdout() + again.stderr(), /hct_|hca_/);
    assert.equal((await post(again.url, '{"event":2}', ingest)).status, 200);
    assert.equal((await status(again.url, admin)).log.events, 2);
    for await (const entry of Deno.readDir(`${folder}/new/folder`)) {
      const bytes = await Deno.readFile(`${folder}/new/folder/${entry.name}`);
      assert.ok(
        !new TextDecoder("latin1").decode(bytes).includes(ingest),
        `${entry.name} holds the token itself`,
      );
      const { mode } = await Deno.stat(`${folder}/new/folder/${entry.name}`);
      assert.equal((mode ?? 0) & 0o077, 0, `${entry.name} is others' to read`);
    }
  });
});

Deno.test("start: a port in use and a data directory in use are one clear line each, exit 1", async () => {
  await inFolder(async (folder) => {
    const env = { ...TOKENS, HECATE_KV: `${folder}/hecate.kv` };
    await using relay = await startRelay({ env });
    await using samePort = spawnRelay({
      env: { ...TOKENS, HECATE_KV: ":memory:" },
      port: relay.port,
    });
    assert.equal((await samePort.ended).code, 1);
    assert.match(samePort.stderr(), /^Port \d+ .* is in use/m);
    await using sameFolder = spawnRelay({ env });
    assert.equal((await sameFolder.ended).code, 1);
    assert.match(sameFolder.stderr(), /^The data directory .* is in use/m);
    assert.doesNotMatch(samePort.stderr() + sameFolder.stderr(), /\n {4}at /);
  });
});

Deno.test("start: a host that is nobody's is one clear line, exit 1, and uses up no token", async () => {
  await inFolder(async (folder) => {
    const env = { HECATE_KV: `${folder}/hecate.kv` };
    await using relay = spawnRelay({
      env: { ...env, HECATE_HOST: "192.0.2.1" },
    });
    assert.equal((await relay.ended).code, 1);
    assert.match(relay.stderr(), /^HECATE_HOST: /m);
    assert.doesNotMatch(relay.stderr(), /hct_|\n {4}at /);
    await using again = await startRelay({ env });
    assert.match(again.stderr(), /hct_/);
  });
});

Deno.test("stop: SIGTERM and SIGINT end it in order, with exit 0, while a SIEM and a producer hang; the event goes again after the next start", async () => {
  await inFolder(async (folder) => {
    await using siem = await startDemoSiem({
      targets: { splunk: { protocol: "splunk" } },
    });
    const env = {
      ...TOKENS,
      ...siem.environment(),
      HECATE_KV: `${folder}/hecate.kv`,
    };
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      siem.fault("splunk", { kind: "hang" });
      await using relay = await startRelay({ env });
      using upload = await Deno.connect({ port: relay.port });
      await upload.write(
        new TextEncoder().encode(
          "POST /services/collector/event HTTP/1.1\r\nHost: a\r\nAuthorization: Splunk hct_edge\r\nContent-Length: 9\r\n\r\n{",
        ),
      );
      assert.equal((await post(relay.url, '{"event":"held"}')).status, 200);
      // Give it the time to be in the middle of the attempt: nothing tells of a request that hangs.
      await poll(async () => {
        const [splunk] = (await status(relay.url)).connectors;
        return splunk.waiting > 0 ? true : undefined;
      });
      const began = performance.now();
      const { code } = await relay.kill(signal);
      assert.equal(code, 0, relay.stderr());
      // The interface's own bound, not a measure of speed.
      assert.ok(performance.now() - began < 5_000, "it took over 5 s");
      assert.match(relay.stdout(), /"event_name":"stop"/, relay.stderr());
      siem.clear();
    }
    await using relay = await startRelay({ env });
    await siem.target("splunk").until(2);
    await poll(async () =>
      (await status(relay.url)).connectors[0].waiting === 0 ? true : undefined
    );
    const [splunk] = (await status(relay.url)).connectors;
    assert.deepEqual(
      [splunk.accepted, splunk.delivered, splunk.dead],
      [2, 2, 0],
    );
  });
});

Deno.test("stop: two signals within milliseconds are one (npx and deno task echo them)", async () => {
  await using relay = await startRelay({
    env: { ...TOKENS, HECATE_KV: ":memory:" },
  });
  const first = relay.kill("SIGINT");
  const second = relay.kill("SIGINT");
  assert.equal((await first).code, 0);
  await second;
});

Deno.test("start: a connector that is switched off gets nothing, and everything once it is switched on", async () => {
  await inFolder(async (folder) => {
    await using siem = await startDemoSiem({
      targets: {
        splunk: { protocol: "splunk" },
        hec: { protocol: "hec" },
      },
    });
    const env = {
      ...TOKENS,
      ...siem.environment(),
      HECATE_KV: `${folder}/hecate.kv`,
    };
    {
      await using relay = await startRelay({
        env: { ...env, HEC_ENABLED: "off" },
      });
      await post(relay.url, '{"event":1}{"event":2}');
      await siem.target("splunk").until(2);
      const { connectors } = await status(relay.url);
      const hec = connectors.find((one: { name: string }) =>
        one.name === "hec"
      );
      assert.deepEqual([hec.state, hec.waiting], ["disabled", 2]);
      assert.equal(siem.received("hec").length, 0);
      assert.equal((await relay.kill("SIGTERM")).code, 0);
    }
    // What the setting says counts at the first start only.
    await using relay = await startRelay({ env });
    assert.match(relay.stdout(), /"config.warning".*off.*"connector":"hec"/);
    const reply = await fetch(`${relay.url}/api/v1/connectors/hec/enable`, {
      method: "POST",
      headers: { Authorization: "Bearer hca_edge" },
    });
    assert.equal(reply.status, 200);
    assert.notEqual((await reply.json()).state, "disabled");
    await siem.target("hec").until(2);
  });
});

Deno.test("kill -9: what was acked is delivered by the next process", async () => {
  await inFolder(async (folder) => {
    const port = freePort();
    const env = {
      ...TOKENS,
      HECATE_KV: `${folder}/hecate.kv`,
      HEC_URL: `http://127.0.0.1:${port}/logs/v1/event`,
      HEC_TOKEN: "demo-siem-hec",
      HECATE_RETRY_INITIAL: "20ms",
      HECATE_RETRY_MAX: "50ms",
    };
    {
      await using relay = await startRelay({ env });
      for (let n = 0; n < 20; n++) {
        assert.equal((await post(relay.url, `{"event":${n}}`)).status, 200);
      }
      await relay.kill("SIGKILL");
    }
    await using siem = await startDemoSiem({
      targets: { hec: { protocol: "hec" } },
      port,
    });
    // The path's first segment names the target: the relay is told the right one only now.
    await using _relay = await startRelay({
      env: { ...env, HEC_URL: siem.target("hec").url },
    });
    await siem.target("hec").until(20);
    assert.deepEqual(
      siem.received("hec").map(({ event }) => new TextDecoder().decode(event)),
      Array.from({ length: 20 }, (_, n) => String(n)),
    );
  });
});

Deno.test("surfaces: readiness, the page, problems as JSON", async () => {
  await using relay = await startRelay({
    env: { ...TOKENS, HECATE_KV: ":memory:" },
  });
  const ready = await fetch(`${relay.url}/readyz`);
  assert.equal(ready.status, 200);
  assert.ok((await ready.json()).ready);
  assert.equal(
    (await (await fetch(`${relay.url}/healthz`)).json()).status,
    "ok",
  );
  const page = await fetch(`${relay.url}/`, {
    headers: { Accept: "text/html" },
  });
  assert.match(page.headers.get("content-type") ?? "", /text\/html/);
  assert.match(await page.text(), /\/services\/collector/);
  const unknown = await fetch(`${relay.url}/nothing`);
  assert.equal(unknown.status, 404);
  assert.match(
    unknown.headers.get("content-type") ?? "",
    /application\/problem\+json/,
  );
  await unknown.body?.cancel();
  const refused = await fetch(`${relay.url}/api/v1/status`);
  assert.equal(refused.status, 401);
  assert.match((await refused.json()).type, /sign-in$/);
});
