/** A byte of the KV file is flipped while the relay is stopped: one segment is set aside, everything else goes on. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { startDemoSiem } from "../lib/demo/siem.ts";
import { poll } from "./support/poll.ts";
import { startRelay } from "./support/processes.ts";

const ADMIN = { authorization: "Bearer hca_good" };
const MARKS = ["one", "two", "three"];
const EVENTS = 4;
/** Bytes of a value that are looked for in the file. */
const WINDOW = 64;

/** Text that no codec shrinks, so that a segment's value holds it as it is or in any case at full length. */
function event(mark: string, n: number): string {
  const noise = crypto.getRandomValues(new Uint8Array(120)).toHex();
  return `{"event":{"mark":"${mark}-${n}","noise":"${noise}"}}`;
}

/** Flips a bit of a segment's value wherever the files hold it. */
async function damage(path: string, segment: string): Promise<void> {
  let value: Uint8Array;
  {
    using kv = await Deno.openKv(path);
    const entry = await kv.get<Uint8Array>(["log", 0, segment]);
    assert.ok(entry.value);
    value = entry.value;
  }
  const wanted = Buffer.from(value).subarray(-WINDOW);
  let flipped = 0;
  for (const file of [path, `${path}-wal`]) {
    const bytes = Buffer.from(
      await Deno.readFile(file).catch(() => new Uint8Array()),
    );
    for (let at = -1; (at = bytes.indexOf(wanted, at + 1)) >= 0; flipped++) {
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    }
    if (bytes.length > 0) await Deno.writeFile(file, bytes);
  }
  assert.ok(flipped > 0, "the value was not found in the file");
}

Deno.test("a damaged segment is set aside alone: verify names it, status and metrics count it, the rest is delivered", async () => {
  await using siem = await startDemoSiem();
  const folder = await Deno.makeTempDir({ prefix: "hecate-damaged-" });
  const path = `${folder}/hecate.kv`;
  const { target } = siem;
  const splunk = target("splunk");
  const env = {
    SPLUNK_HEC_URL: splunk.url,
    SPLUNK_HEC_TOKEN: splunk.token,
    HECATE_KV: path,
    HECATE_TOKENS: "test=hct_good",
    HECATE_ADMIN_TOKEN: "hca_good",
    HECATE_PROBE_INITIAL: "50ms",
  };
  try {
    const ids: string[] = [];
    {
      siem.fault("splunk", { kind: "status", status: 401 });
      await using relay = await startRelay({ env });
      for (const mark of MARKS) {
        const reply = await fetch(`${relay.url}/services/collector/event`, {
          method: "POST",
          headers: { authorization: "Splunk hct_good" },
          body: Array.from({ length: EVENTS }, (_, n) => event(mark, n))
            .join("\n"),
        });
        await reply.body?.cancel();
        assert.equal(reply.status, 200);
        const base = reply.headers.get("hecate-event-ids") ?? "";
        ids.push(base.slice(0, 20));
      }
      assert.equal((await relay.kill("SIGTERM")).code, 0, relay.stderr());
    }
    const [, broken = ""] = ids;
    assert.match(broken, /^[0-9a-f]{20}$/);
    await damage(path, broken);

    const verify = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-P=hecate", "main.ts", "hecate", "log", "verify"],
      cwd: new URL("../", import.meta.url),
      env: { ...env, NO_COLOR: "1" },
    }).output();
    const said = new TextDecoder().decode(verify.stdout);
    assert.equal(verify.code, 6, new TextDecoder().decode(verify.stderr));
    assert.match(said, new RegExp(`First break: segment ${broken}: checksum`));
    assert.match(said, /Further breaks: 0\. Whole: 2 segments, 8 events\./);

    siem.clear();
    await using relay = await startRelay({ env });
    const line: { segment: string } = JSON.parse(
      await relay.line(/"log\.damaged"/),
    );
    assert.equal(line.segment, broken);
    await splunk.until(2 * EVENTS);
    const status = await poll(async () => {
      const reply = await fetch(`${relay.url}/api/v1/status`, {
        headers: ADMIN,
      });
      const status = await reply.json();
      return status.connectors[0].waiting === 0 ? status : undefined;
    });
    assert.equal(status.log.damaged, 1);
    const [{ accepted, delivered, expired, difference }] = status.connectors;
    assert.deepEqual(
      { accepted, delivered, expired, difference },
      {
        accepted: 3 * EVENTS,
        delivered: 2 * EVENTS,
        expired: EVENTS,
        difference: 0,
      },
    );
    const metrics = await fetch(`${relay.url}/metrics`, { headers: ADMIN });
    assert.match(await metrics.text(), /^hecate_log_damaged_segments 1$/m);
    const came = splunk.received.map(({ event }) =>
      /"mark":"([a-z]+-\d)"/.exec(new TextDecoder().decode(event))?.[1]
    );
    assert.deepEqual(
      came,
      ["one", "three"].flatMap((mark) =>
        [0, 1, 2, 3].map((n) => `${mark}-${n}`)
      ),
    );
    // What comes later is not touched by it.
    const reply = await fetch(`${relay.url}/services/collector/event`, {
      method: "POST",
      headers: { authorization: "Splunk hct_good" },
      body: event("four", 0),
    });
    await reply.body?.cancel();
    await splunk.until(2 * EVENTS + 1);
    assert.equal((await relay.kill("SIGTERM")).code, 0, relay.stderr());
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
