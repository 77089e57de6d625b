import assert from "node:assert/strict";
import * as registry from "../../../connectors/registry.ts";
import {
  CliFault,
  type Command,
  EXIT,
  RELAY_FLAGS,
} from "../../../lib/cli/command.ts";
import { COMMANDS } from "../../../lib/cli/commands.ts";
import { runCli } from "../../../lib/cli/run.ts";
import { sinkEnvironment } from "../../support/sinks.ts";
import { readmePage } from "../../support/write_docs.ts";

const FILES: Readonly<Record<string, string>> = {
  "good.yaml":
    "port: 9000\nsinks:\n  soc: { type: splunk, url: 'https://x.example', token: '${env:SOC_TOKEN}' }\n",
  "bad.yaml": "prot: 9000\n",
  "refused.yaml":
    "sinks:\n  one: { type: qradar, syslog_host: h, proxy: 'http://p:1', syslog_protocol: udp }\n  two: { type: splunk, url: 'https://x.example', token: t, tls_client_cert: c.pem, tls_client_key: k.pem }\n",
  "c.pem": "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
  "k.pem": "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
  "loud.yaml":
    'sinks:\n  a: { type: splunk, url: "https://x.example", token: t, tls_ca_bundle: "x\\e[31m\\u202e" }\n',
  "odd.yaml":
    "sinks:\n  soc: { type: hec, url: 'http://far.example', token: t0ken-xyz, scope: { min_severity: low } }\n",
};

/** Runs a command line; what it printed and how it ended. */
async function run(
  line: string,
  { env = {}, commands }: {
    readonly env?: Readonly<Record<string, string>>;
    readonly commands?: readonly Command[];
  } = {},
) {
  const out: string[] = [], err: string[] = [];
  const code = await runCli(line === "" ? [] : line.split(" "), {
    env,
    types: Object.values(registry),
    version: "1.2.3",
    platform: "deno 0",
    readFile(path) {
      const text = FILES[path];
      if (text === undefined) throw new Deno.errors.NotFound(path);
      return text;
    },
    sinkEnvironment: () => sinkEnvironment(),
    out: (line) => out.push(line),
    err: (line) => err.push(line),
  }, commands);
  return { code, out: out.join("\n"), err: err.join("\n") };
}

const LISTS = `"deno task hecate help" lists the commands.`;

function made(command: Partial<Command>): Command {
  return { name: "made up", help: "Nothing.", run: () => 0, ...command };
}

Deno.test("runCli() names the nearest command, flag and count of arguments; exit 2", async () => {
  const commands = [
    made({ name: "tokens list" }),
    made({
      name: "status",
      arguments: "NAME",
      count: [1, 1],
      flags: RELAY_FLAGS,
    }),
    ...COMMANDS,
  ];
  for (
    const [line, what, advice] of [
      [
        "conectors list",
        'no command "conectors list". Did you mean "connectors list"?',
        LISTS,
      ],
      [
        "config vaildate x.yaml",
        'no command "config vaildate". Did you mean "config validate"?',
        LISTS,
      ],
      ["statsu", 'no command "statsu". Did you mean "status"?', LISTS],
      ["statsu a", 'no command "statsu". Did you mean "status"?', LISTS],
      ["nonsense", 'no command "nonsense".', LISTS],
      ["__proto__", 'no command "__proto__".', LISTS],
      ["tokens", '"tokens" wants a second word: list.', LISTS],
      ["help statsu", 'no command "statsu". Did you mean "status"?', LISTS],
      [
        "status",
        '"status" needs NAME.',
        '"deno task hecate help status" tells how.',
      ],
      [
        "status a b",
        '"status" takes NAME; there is more.',
        '"deno task hecate help status" tells how.',
      ],
      [
        "version more",
        '"version" takes nothing; there is more.',
        '"deno task hecate help version" tells how.',
      ],
      [
        "status a --tiemout 3s",
        '"status" has no flag --tiemout. Did you mean "--timeout"?',
        '"deno task hecate help status" lists its flags.',
      ],
      [
        "status a --constructor",
        '"status" has no flag --constructor.',
        '"deno task hecate help status" lists its flags.',
      ],
      [
        "status a --url",
        "--url needs a value: --url URL.",
        '"deno task hecate help status" lists its flags.',
      ],
      [
        "status a --json=yes",
        "--json takes no value.",
        '"deno task hecate help status" lists its flags.',
      ],
    ] as const
  ) {
    assert.deepEqual(await run(line, { commands }), {
      code: EXIT.usage,
      out: "",
      err: `hecate: ${what}\n${advice}`,
    }, line);
  }
});

Deno.test("runCli() hands over arguments and flags, wherever they stand", async () => {
  let seen: unknown;
  const commands = [made({
    name: "dead show",
    arguments: "ID",
    count: [1, 2],
    flags: { limit: { kind: "text", short: "n", help: "" } },
    run(call) {
      seen = [
        call.arguments,
        call.value("limit"),
        call.has("json"),
        call.has("quiet"),
      ];
      return 6;
    },
  })];
  for (
    const line of [
      "dead show a b -n 5 --json",
      "--json dead show a --limit=5 b",
      "dead --json show --limit 5 a b",
      "--limit 5 dead show a b --json",
      "-n 5 dead --json show a b",
    ]
  ) {
    assert.equal((await run(line, { commands })).code, 6, line);
    const [isThere, isNot] = [true, false];
    assert.deepEqual(seen, [["a", "b"], "5", isThere, isNot], line);
  }
  await run("--limit dead dead show a", { commands });
  assert.deepEqual((seen as unknown[]).slice(0, 2), [["a"], "dead"]);
  await run("dead show -- -x --json", { commands });
  assert.deepEqual((seen as unknown[])[0], ["-x", "--json"]);
});

Deno.test("runCli() tells a command's fault in two lines, a bug in as many", async () => {
  const fails = (cause: unknown) => [made({
    name: "fail",
    run() {
      throw cause;
    },
  })];
  assert.deepEqual(
    await run("fail", {
      commands: fails(
        new CliFault(EXIT.unreachable, "No answer.", "Start it."),
      ),
    }),
    { code: 5, out: "", err: "hecate: No answer.\nStart it." },
  );
  assert.equal((await run("fail", { commands: fails("x") })).code, EXIT.fault);
});

Deno.test("runCli() help: all commands, one with its flags, by -h too", async () => {
  for (const line of ["", "help", "-h", "--help"]) {
    const { code, out } = await run(line);
    assert.equal(code, 0);
    for (const { name } of COMMANDS) assert.ok(out.includes(`  ${name}`), name);
  }
  const one = await run("help config validate");
  assert.match(one.out, /--no-environment {2,}Look/);
  assert.deepEqual(await run("config validate -h"), one);
});

Deno.test("commands: names are unique, flags hide no common one", () => {
  const names = COMMANDS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { flags = {} } of COMMANDS) {
    for (const name of ["json", "quiet", "no-color", "help"]) {
      assert.ok(!Object.hasOwn(flags, name));
    }
  }
});

Deno.test("README's list of commands is what the table says (deno task docs writes it)", () => {
  const { path, text } = readmePage();
  assert.equal(Deno.readTextFileSync(path), text);
});

Deno.test("config validate: exit 0 or 78, faults on stderr alone", async () => {
  assert.deepEqual(
    await run("config validate good.yaml", { env: { SOC_TOKEN: "x" } }),
    { code: 0, out: "In order: 1 connector (soc).", err: "" },
  );
  assert.deepEqual(await run("config validate good.yaml"), {
    code: 78,
    out: "",
    err: "good.yaml:3:57: sinks.soc.token: The variable SOC_TOKEN is not set.",
  });
  assert.equal(
    (await run("config validate --no-environment good.yaml")).code,
    0,
  );
  const bad = {
    code: 78,
    out: "",
    err: 'bad.yaml:1:1: prot: It is not a known key. Did you mean "port"?',
  };
  assert.deepEqual(await run("config validate bad.yaml"), bad);
  assert.deepEqual(
    await run("config validate", { env: { HECATE_CONFIG: "bad.yaml" } }),
    bad,
  );
  const env = { HECATE_CONFIG: "bad.yaml", SOC_TOKEN: "x" };
  assert.equal((await run("config validate good.yaml", { env })).code, 0);
  assert.deepEqual(await run("config validate nowhere.yaml"), {
    code: 78,
    out: "",
    err: "nowhere.yaml: The file cannot be read.",
  });
  assert.deepEqual(
    await run("config validate", { env: { HECATE_CONFIG: "nowhere.yaml" } }),
    {
      code: 78,
      out: "",
      err: 'HECATE_CONFIG: The file "nowhere.yaml" cannot be read.',
    },
  );
  assert.deepEqual(await run("config validate --json nowhere.yaml"), {
    code: 78,
    out:
      '{"ok":false,"faults":["nowhere.yaml: The file cannot be read."],"warnings":[]}',
    err: "",
  });
  assert.match(
    (await run("config validate")).out,
    /^In order, without a connector/,
  );
});

Deno.test("config validate: what a start refuses only when it opens the connectors", async () => {
  assert.deepEqual(await run("config validate refused.yaml"), {
    code: EXIT.configuration,
    out: "",
    err:
      "refused.yaml:2:47: sinks.one.proxy: UDP cannot go through a proxy: choose tcp or tls.\n" +
      "refused.yaml:3:100: sinks.two.tls_client_key: The client key is encrypted: it needs a passphrase.",
  });
});

Deno.test("runCli() sends no control character of a file, an argument or a setting to the terminal", async () => {
  const lines = [
    await run("config validate loud.yaml"),
    await run("config validate n\x1b[2Jo.yaml"),
    await run("connectors te\x9bst"),
    await run("config show", { env: { HECATE_KV: "a\u0085b\u2066c" } }),
    await run("config env good.yaml"),
  ].map(({ out, err }) => out + err);
  assert.match(lines[0] ?? "", /"x\?\[31m\?" cannot be read/);
  assert.match(lines[3] ?? "", /a\?b\?c/);
  for (const text of lines) {
    assert.doesNotMatch(text, /(?!\n)[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
  }
});

Deno.test("config validate: warnings, --deny-warnings, --json, -q", async () => {
  const warned = await run("config validate odd.yaml");
  assert.equal(warned.code, 0);
  assert.match(warned.err, /^warning: odd\.yaml:2:\d+: .*unencrypted/m);
  const { code, out, err } = await run(
    "config validate odd.yaml --deny-warnings",
  );
  assert.deepEqual([code, out], [78, ""]);
  assert.equal(err, warned.err);
  const json = JSON.parse(
    (await run("config validate odd.yaml --json")).out,
  );
  assert.ok(json.ok);
  assert.deepEqual([json.faults.length, json.warnings.length], [0, 1]);
  assert.equal((await run("config validate odd.yaml -q")).out, "");
});

Deno.test("config show: what an address's query says is masked", async () => {
  const env = {
    HEC_URL: "https://siem.example/in?token=s3cr3t-1&key=a=b&flag#x",
    HEC_TOKEN: "hec-token",
  };
  for (const line of ["config show", "config show --json"]) {
    const kv = await run(line, {
      env: { HECATE_KV: "https://kv.example/in?k=queryTok3n&l=abc" },
    });
    assert.match(kv.out, /kv\.example\/in\?k=\*{8}&l=\*{8}/);
    const { code, out } = await run(line, { env });
    assert.equal(code, 0);
    assert.match(out, /siem\.example\/in\?token=\*{8}&key=\*{8}&flag#x/);
    assert.doesNotMatch(out, /s3cr3t-1|a=b/);
  }
});

Deno.test("config show: what holds, where it comes from, no secret", async () => {
  const env = { HECATE_PORT: "1234", HECATE_ADMIN_TOKEN: "hca_planted" };
  const { code, out } = await run("config show odd.yaml", { env });
  assert.equal(code, 0);
  assert.match(out, /^ {2}port +1234 +HECATE_PORT$/m);
  assert.match(out, /^ {2}retry\.max +300s +default$/m);
  assert.match(out, /^ {2}token +\*{8} +odd\.yaml:2:\d+$/m);
  assert.match(out, /^ {2}scope +\{"min_severity":2\}/m);
  const json = await run("config show odd.yaml --json", { env });
  assert.doesNotMatch(out + json.out, /hca_planted|t0ken-xyz/);
  const [soc] = JSON.parse(json.out).connectors;
  assert.deepEqual(
    [soc.name, soc.type, soc.fed, soc.scope],
    ["soc", "hec", soc.fed, { min_severity: 2 }],
  );
  assert.equal((await run("config show bad.yaml")).code, 78);
});

Deno.test("config env: what the file names and the environment's connectors need", async () => {
  const env = { SOC_TOKEN: "x", SPLUNK_HEC_TOKEN: "y", NGSIEM_API_KEY: "k" };
  const { out } = await run("config env good.yaml --json", { env });
  const [yes, no] = [true, false];
  assert.deepEqual(out.split("\n").map((line) => JSON.parse(line)), [
    { name: "SOC_TOKEN", for: "sinks.soc.token", set: yes },
    { name: "NGSIEM_API_KEY", for: "crowdstrike", set: yes },
    { name: "NGSIEM_URL", for: "crowdstrike", set: no },
    { name: "SPLUNK_HEC_URL", for: "splunk", set: no },
    { name: "SPLUNK_HEC_TOKEN", for: "splunk", set: yes },
  ]);
  assert.match(
    (await run("config env good.yaml")).out,
    /^NAME +SET +FOR\nSOC_TOKEN +no +sinks\.soc\.token$/,
  );
});

Deno.test("config env: says that there is nothing to name", async () => {
  const nothing = await run("config env loud.yaml");
  assert.deepEqual({ code: nothing.code, out: nothing.out }, {
    code: 0,
    out: "",
  });
  assert.match(nothing.err, /^No variable is needed/);
  assert.equal((await run("config env -q loud.yaml")).err, "");
});

Deno.test("config schema and version print JSON and one line", async () => {
  const schema = JSON.parse((await run("config schema")).out);
  assert.ok(schema.properties.sinks);
  assert.equal((await run("version")).out, "hecate 1.2.3 (deno 0)");
});
