import { deepEqual, equal, match } from "node:assert/strict";
import { runCli } from "../../../lib/cli/run.ts";
import { logAfter } from "../../../lib/log/keys.ts";
import { AdminRig } from "../../support/admin_rig.ts";
import { intakeOf, openRig } from "../../support/log_rig.ts";
import { sinkEnvironment } from "../../support/sinks.ts";

async function verify(
  kv: string,
  flags: readonly string[],
  ask?: typeof fetch,
) {
  const out: string[] = [], err: string[] = [];
  const code = await runCli(["log", "verify", ...flags], {
    env: { HECATE_KV: kv, HECATE_ADMIN_TOKEN: "hca_admin" },
    types: [],
    version: "1.2.3",
    platform: "deno 0",
    readFile: () => "",
    sinkEnvironment: () => sinkEnvironment(),
    ...ask !== undefined && { fetch: ask },
    out: (line) => out.push(line),
    err: (line) => err.push(line),
  });
  return { code, out, err };
}

Deno.test("log verify reads the store, names the first break, and makes no file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/none/hecate.kv`;
    const none = await verify(path, []);
    equal(none.code, 3);
    match(none.err[0] ?? "", /there is no log at/);
    deepEqual([...Deno.readDirSync(folder)], []);

    const kv = `${folder}/a.kv`;
    const log = await openRig({ location: kv });
    const used = await verify(kv, []);
    equal(used.code, 1);
    equal(used.err.length, 1);
    match(
      used.err[0] ?? "",
      /a relay runs on the log at .*: ask it with --url/,
    );
    for (let n = 0; n < 1_200; n++) await log.append(intakeOf([`${n}`]));
    await log.close();
    const whole = await verify(kv, []);
    deepEqual([whole.code, whole.out], [
      0,
      ["Log whole: 1,200 segments, 1,200 events."],
    ]);
    const json = await verify(kv, ["--json"]);
    const { whole: isWhole } = JSON.parse(json.out[0] ?? "");
    deepEqual([json.code, isWhole], [0, true]);

    const store = await Deno.openKv(kv);
    const keys: Deno.KvKey[] = [];
    for await (const { key } of store.list(logAfter(""))) keys.push(key);
    await store.delete(keys[600] ?? []);
    await store.delete(keys[900] ?? []);
    store.close();
    const broken = await verify(kv, []);
    equal(broken.code, 6);
    match(
      broken.out[0] ?? "",
      /^First break: segment [0-9a-f]{20}: missing\. /,
    );
    match(broken.out[1] ?? "", /^Further breaks: 1\. /);
    equal((await verify(":memory:", [])).code, 3);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("log verify --url asks the relay", async () => {
  await using admin = await AdminRig.open(["a"]);
  await admin.rig.append(["1"]);
  const asked = await verify(
    "x",
    ["--url", "http://relay"],
    async (input, init) => await admin.app.fetch(new Request(input, init)),
  );
  deepEqual([asked.code, asked.out], [
    0,
    ["Log whole: 1 segments, 1 events."],
  ]);
});
