import assert from "node:assert/strict";
import * as registry from "../connectors/registry.ts";
import { spawnRelay } from "./support/processes.ts";

Deno.test("demo: prints what a newcomer needs, delivers to every type, its curl line runs in bash, ends cleanly", async () => {
  await using demo = spawnRelay({ args: ["demo"] });
  for (const { type } of Object.values(registry)) {
    await demo.line(
      new RegExp(`^✓ first event delivered to ${type} .* after it arrived`),
    );
  }
  const curl = await demo.line(/^ {2}curl .*collector\/event/);
  const { success, stdout } = await new Deno.Command("bash", {
    args: ["-c", curl.replace("curl", "curl -s")],
    stderr: "null",
  }).output();
  assert.ok(success, curl);
  assert.equal(
    new TextDecoder().decode(stdout),
    '{"text":"Success","code":0}',
  );
  await demo.line(/^Sample events: 5 a second\. Ctrl\+C stops\./);
  assert.equal((await demo.kill("SIGINT")).code, 0, demo.stderr());
});

Deno.test("demo: takes the next free port when 8080 is in use", async () => {
  let blocker: Deno.Listener | undefined;
  try {
    blocker = Deno.listen({ hostname: "127.0.0.1", port: 8080 });
  } catch {
    // Somebody else has it: just as good.
  }
  try {
    await using demo = spawnRelay({ args: ["demo"], env: { HECATE_PORT: "" } });
    const line = await demo.line(/^ {2}Relay {6}/);
    assert.doesNotMatch(line, /:8080\//);
  } finally {
    blocker?.close();
  }
});
