import assert from "node:assert/strict";
import { spawnRelay, startRelay } from "./support/processes.ts";
import { startDemoSiem } from "../lib/demo/siem.ts";

/** Deno Deploy as far as it can be had here: no files, no arguments, KV without a path, its variables set. */

/** A Deno cache of our own, so that KV without a path is our own too; npm packages are those already fetched. */
async function denoDir(): Promise<string> {
  const info = new Deno.Command(Deno.execPath(), {
    args: ["info", "--json"],
    stderr: "null",
  });
  const { npmCache } = JSON.parse(
    new TextDecoder().decode((await info.output()).stdout),
  );
  const folder = await Deno.makeTempDir({ prefix: "hecate-deploy-" });
  await Deno.symlink(npmCache, `${folder}/npm`);
  return folder;
}

const DEPLOY = {
  DENO_DEPLOY: "true",
  DENO_DEPLOYMENT_ID: "d-1234567890",
  DENO_TIMELINE: "production",
  HECATE_TOKENS: "edge=hct_edge",
  HECATE_ADMIN_TOKEN: "hca_edge",
};
/** Neither read nor write, nor sys: the sources themselves need no permission. */
const FLAGS = ["--cached-only", "--allow-net", "--allow-env"];

Deno.test("deploy: runs without files and delivers", async () => {
  const folder = await denoDir();
  try {
    await using siem = await startDemoSiem({
      targets: { splunk: { protocol: "splunk" } },
    });
    await using relay = await startRelay({
      env: { ...DEPLOY, ...siem.environment(), DENO_DIR: folder },
      flags: FLAGS,
    });
    const reply = await fetch(`${relay.url}/services/collector/event`, {
      method: "POST",
      headers: { Authorization: "Splunk hct_edge" },
      body: '{"event":"edge"}',
    });
    assert.equal(await reply.text(), '{"text":"Success","code":0}');
    await siem.target("splunk").until(1);
    const ready = await fetch(`${relay.url}/readyz`);
    assert.equal(ready.status, 200, await ready.text());
    assert.equal((await relay.kill("SIGINT")).code, 0, relay.stderr());
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("deploy: never accepts into a store that ends with the process", async () => {
  const folder = await denoDir();
  try {
    await using relay = spawnRelay({
      env: {
        ...DEPLOY,
        DENO_DIR: folder,
        DENO_KV_REQUIRES_DISTRIBUTED_DATABASE: "warn",
      },
      flags: FLAGS,
    });
    await relay.line(/ready at/);
    const ready = await fetch(`${relay.url}/readyz`);
    assert.equal(ready.status, 503);
    assert.equal((await ready.json()).checks.lasting_store, "failed");
    const reply = await fetch(`${relay.url}/services/collector/event`, {
      method: "POST",
      headers: { Authorization: "Splunk hct_edge" },
      body: '{"event":"edge"}',
    });
    assert.equal(reply.status, 503);
    assert.equal((await reply.json()).code, 9);
    assert.ok(reply.headers.get("retry-after"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
