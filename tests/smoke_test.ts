import assert from "node:assert/strict";
import { startDemoSiem } from "../lib/demo/siem.ts";
import { startRelay } from "./support/processes.ts";

/** Start, one event through, stop. `HECATE_SMOKE_DENO` names another Deno to run the relay on (CI: 2.5.6). */
Deno.test("smoke: one event through", async () => {
  const deno = Deno.env.get("HECATE_SMOKE_DENO") || Deno.execPath();
  const folder = await Deno.makeTempDir({ prefix: "hecate-smoke-" });
  try {
    await using siem = await startDemoSiem();
    await using relay = await startRelay({
      deno,
      env: {
        ...siem.environment(),
        // Deno 2.5 looks at its own list of authorities only; a registry mirror may need the system's.
        DENO_TLS_CA_STORE: "system",
        HECATE_KV: `${folder}/data/hecate.kv`,
        HECATE_TOKENS: "smoke=hct_smoke",
        HECATE_ADMIN_TOKEN: "hca_smoke",
      },
    });
    const reply = await fetch(`${relay.url}/services/collector/event`, {
      method: "POST",
      headers: { Authorization: "Splunk hct_smoke" },
      body: '{"event":{"id":9007199254740993}}',
    });
    assert.equal(await reply.text(), '{"text":"Success","code":0}');
    await siem.until(1);
    for (const name of siem.targets.keys()) {
      assert.equal(
        new TextDecoder().decode(siem.received(name)[0]?.event),
        '{"id":9007199254740993}',
      );
    }
    assert.equal((await relay.kill("SIGTERM")).code, 0, relay.stderr());
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
