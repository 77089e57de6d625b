import { deepEqual, equal, match, ok } from "node:assert/strict";
import { runCli } from "../../../lib/cli/run.ts";
import { ADMIN, AdminRig } from "../../support/admin_rig.ts";
import { sinkEnvironment } from "../../support/sinks.ts";

const FOREIGN =
  '{"timestamp":"2026-01-01T00:00:00Z","connector":"a","error":"Connection refused","event":{"x":1.0}}';

/** Runs a command line against the rig's relay. */
async function run(
  admin: AdminRig,
  args: readonly string[],
  options: {
    readonly stdin?: BlobPart;
    readonly token?: string;
    readonly fetch?: typeof fetch;
  } = {},
) {
  const out: string[] = [], err: string[] = [];
  const { stdin, token = ADMIN.Authorization.slice(7) } = options;
  const code = await runCli(args, {
    env: { HECATE_URL: "http://relay/", HECATE_ADMIN_TOKEN: token },
    types: [],
    version: "1.2.3",
    platform: "deno 0",
    readFile: (path) => Deno.readTextFileSync(path),
    sinkEnvironment: () => sinkEnvironment(),
    fetch: options.fetch ??
      (async (input, init) => await admin.app.fetch(new Request(input, init))),
    ...stdin !== undefined && { stdin: new Blob([stdin]).stream() },
    out: (line) => out.push(line),
    err: (line) => err.push(line),
  });
  return { code, out, err };
}

Deno.test("dead list, groups and show print what is dead, for people and as JSON", async () => {
  await using admin = await AdminRig.open();
  const { rig } = admin;
  const evil = '{"event":{"a":"\\u001b[2J"},"x":",\\"envelope\\":"}';
  const [id = ""] = await rig.append([evil], 'h,"event":1');
  await rig.settle("a", { error: "HTTP 400:\n\u001b[31mno\u009b" });
  rig.clock.advance(1);
  await rig.kill("a", ["2", "3"], { reason: "too_large" });
  const list = await run(admin, ["dead", "list"]);
  equal(list.code, 0);
  equal(list.out.length, 4);
  match(list.out[0] ?? "", /^DIED +CONNECTOR +REASON +ERROR +ID$/);
  match(list.out[3] ?? "", / a +rejected +HTTP 400: \[31mno +0/);
  const one = await run(admin, [
    "dead",
    "list",
    "--json",
    "--reason",
    "rejected",
  ]);
  deepEqual(one.out.map((line) => JSON.parse(line).id), [`${id}@a`]);
  const limited = await run(admin, ["dead", "list", "--limit", "2"]);
  equal(limited.out.length, 3);
  deepEqual(limited.err, ["There are more: --limit 0."]);
  equal((await run(admin, ["dead", "list", "--limit", "0"])).out.length, 4);
  deepEqual((await run(admin, ["dead", "list", "--connector", "b"])).err, [
    "No dead letters.",
  ]);
  const groups = await run(admin, ["dead", "groups"]);
  match(groups.out[1] ?? "", /^2 +a +too_large/);
  const shown = await run(admin, ["dead", "show", `${id}@a`]);
  equal(shown.out.at(-1), evil);
  const json = await run(admin, ["dead", "show", `${id}@a`, "--json"]);
  ok(json.out[0]?.endsWith(`,"event":${evil}}`));
  equal((await run(admin, ["dead", "show", "x@a"])).code, 3);
});

Deno.test("dead discard wants -y, and counts first", async () => {
  await using admin = await AdminRig.open(["a"]);
  const ids = await admin.rig.kill("a", ["1", "2", "3"]);
  const asked = await run(admin, ["dead", "discard"]);
  equal(asked.code, 2);
  deepEqual(asked.err, [
    "3 dead letters would be discarded for good.",
    "hecate: nothing was done.",
    "Add -y to go on.",
  ]);
  const changed = await run(admin, ["dead", "discard", "-y", "--expect", "9"]);
  equal(changed.code, 2);
  match(changed.err[0] ?? "", /9 dead letters were expected, 3 found/);
  const one = await run(admin, ["dead", "discard", `${ids[0]}@a`, "-y"]);
  deepEqual([one.code, one.out], [0, ["Discarded: 1."]]);
  const rest = await run(admin, ["dead", "discard", "-y", "--json"]);
  deepEqual(rest.out, ['{"discarded":2}']);
  const books = await run(admin, ["connectors", "books", "a"]);
  equal(books.code, 0);
  ok(books.out.includes("discarded   3"), books.out.join("\n"));
  equal((await run(admin, ["connectors", "books", "x"])).code, 3);
});

Deno.test("dead export and import by file and by pipe", async () => {
  await using admin = await AdminRig.open(["a"]);
  await admin.rig.kill("a", ['{"n": 1.0}', '"é"']);
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/dead.jsonl`;
    const piped = await run(admin, ["dead", "export"]);
    equal(piped.out.length, 2);
    equal((await run(admin, ["dead", "export", path])).code, 0);
    equal(await Deno.readTextFile(path), `${piped.out.join("\n")}\n`);
    equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    equal((await run(admin, ["dead", "export", path])).code, 2);
    await run(admin, ["dead", "discard", "-y"]);
    const back = await run(admin, ["dead", "import", path]);
    deepEqual(back.out, ["Imported: 2. Skipped: 0. Wrong: 0."]);
    equal(back.code, 0);
    const wrong = await run(admin, ["dead", "import"], {
      stdin: `\n${FOREIGN}\n{}\n${FOREIGN}`,
    });
    equal(wrong.code, 6);
    deepEqual(wrong.out, ["Imported: 1. Skipped: 1. Wrong: 1."]);
    match(wrong.err[0] ?? "", /^line 3: timestamp/);
    const json = await run(admin, ["dead", "import", "--json", "-"], {
      stdin: "x",
    });
    deepEqual(JSON.parse(json.out[0] ?? ""), {
      imported: 0,
      skipped: 0,
      errors: [{ line: 1, detail: "No JSON: not a JSON value at byte 0." }],
    });
    equal((await run(admin, ["dead", "import", `${folder}/none`])).code, 2);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("commands that ask a relay: exit codes of a wrong token, no token, no relay", async () => {
  await using admin = await AdminRig.open(["a"]);
  const wrong = await run(admin, ["dead", "list"], { token: "hca_wrong" });
  equal(wrong.code, 4);
  match(wrong.err[0] ?? "", /admin token/);
  equal((await run(admin, ["dead", "list"], { token: "" })).code, 4);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const out: string[] = [], err: string[] = [];
  const code = await runCli(["dead", "list"], {
    env: { HECATE_PORT: String(port), HECATE_ADMIN_TOKEN: "hca_x" },
    types: [],
    version: "1.2.3",
    platform: "deno 0",
    readFile: () => "",
    sinkEnvironment: () => sinkEnvironment(),
    out: (line) => out.push(line),
    err: (line) => err.push(line),
  });
  equal(code, 5);
  match(err[0] ?? "", /no relay answers at http:\/\/127\.0\.0\.1/);
  equal((await run(admin, ["dead", "list", "--url", "nowhere"])).code, 2);
});

Deno.test("dead import names the first wrong lines, counts all, and changes no byte", async () => {
  await using admin = await AdminRig.open(["a"]);
  // Several requests: each has its own first lines.
  const long = "x".repeat(1024 * 1024);
  const stdin = `${`${long}\n`.repeat(9)}${"x\n".repeat(2_000)}${FOREIGN}`;
  const done = await run(admin, ["dead", "import"], { stdin });
  equal(done.code, 6);
  equal(done.err.length, 1_001);
  match(done.err[999] ?? "", /^line 1000: /);
  equal(done.err.at(-1), "and 1,009 more wrong lines.");
  deepEqual(done.out, ["Imported: 1. Skipped: 0. Wrong: 2009."]);
  const json = await run(admin, ["dead", "import", "--json"], { stdin });
  const { errors, ...rest } = JSON.parse(json.out[0] ?? "");
  equal(errors.length, 1_000);
  deepEqual(rest, { imported: 0, skipped: 1, more_errors: 1_009 });
  const bytes = new TextEncoder().encode(FOREIGN.replace("1.0", '"~"'));
  bytes[bytes.indexOf(0x7e)] = 0xff;
  const odd = await run(admin, ["dead", "import"], { stdin: bytes });
  equal(odd.code, 6);
  match(odd.err[0] ?? "", /UTF-8/);
});

Deno.test("dead list and export: an answer that is cut off is told, exit 5", async () => {
  await using admin = await AdminRig.open(["a"]);
  for (
    const [args, type] of [
      [["dead", "export"], "application/x-ndjson"],
      [["dead", "list"], "application/json"],
    ] as const
  ) {
    let isFirst = true;
    const body = () =>
      new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull(controller) {
          if (isFirst) controller.enqueue(new TextEncoder().encode('{"a":\n'));
          else controller.error(new TypeError("reset by peer"));
          isFirst = false;
        },
      });
    const { code, err } = await run(admin, args, {
      fetch: () =>
        Promise.resolve(
          new Response(body(), { headers: { "Content-Type": type } }),
        ),
    });
    deepEqual([code, err[0]], [
      5,
      "hecate: the relay's answer was cut off: reset by peer",
    ]);
  }
});

Deno.test("dead import of what cannot be read says how far it came, exit 2", async () => {
  await using admin = await AdminRig.open(["a"]);
  const { code, err } = await run(admin, ["dead", "import", "."]);
  equal(code, 2);
  match(err[0] ?? "", /^hecate: line 1 cannot be read: /);
  equal(err[1], "Nothing was taken in.");
});
