import assert from "node:assert/strict";
import { type Case, loadYaml, yamlFaults } from "./yaml_case.ts";

/** Every kind of fault with the exact line that people see (interface §6). */

const SINK =
  "sinks:\n  a:\n    type: hec\n    url: https://x.example\n    token: t\n";

interface FaultyCase extends Case {
  readonly what: string;
  readonly lines: readonly string[];
}

const CASES: readonly FaultyCase[] = [
  {
    what: "an unknown key, with the nearest known name, at the key",
    yaml: SINK + "    tokn: x\nprot: 1\n",
    lines: [
      'hecate.yaml:6:5: sinks.a.tokn: It is not a known key. Did you mean "token"?',
      'hecate.yaml:7:1: prot: It is not a known key. Did you mean "port"?',
    ],
  },
  {
    what: "an unknown key without a near one",
    yaml: "nonsense: 1\nretry: { much: 1 }\n",
    lines: [
      "hecate.yaml:1:1: nonsense: It is not a known key.",
      "hecate.yaml:2:10: retry.much: It is not a known key.",
    ],
  },
  {
    what: "a repeated key, at the second",
    yaml: "port: 1\nhost: x\nport: 2\n" + SINK + "    token: u\n",
    lines: [
      "hecate.yaml:3:1: port: It is set twice, first in line 1.",
      "hecate.yaml:9:5: sinks.a.token: It is set twice, first in line 8.",
    ],
  },
  {
    what: "a missing key, at the map that lacks it",
    yaml:
      "sinks:\n  a:\n    type: hec\n    token: t\n  b: { type: splunk }\n  c: {}\n",
    lines: [
      "hecate.yaml:2:3: sinks.a.url: It is missing: Generic HEC (any collector with a token) needs it beside sinks.a.token.",
      "hecate.yaml:5:3: sinks.b.url: It is missing: Splunk (HTTP Event Collector) needs it.",
      "hecate.yaml:5:3: sinks.b.token: It is missing: Splunk (HTTP Event Collector) needs it.",
      "hecate.yaml:6:3: sinks.c.type: It is missing: a sink needs a type. The relay offers TYPES.",
    ],
  },
  {
    what: "alternatives, none or more than one",
    yaml:
      "sinks:\n  a:\n    type: crowdstrike\n    api_key: k\n  b:\n    type: crowdstrike\n    api_key: k\n    url: https://x.example\n    url_key: abc\n",
    lines: [
      "hecate.yaml:2:3: sinks.a.url or url_key: It is missing: CrowdStrike Falcon Next-Gen SIEM needs it beside sinks.a.api_key.",
      "hecate.yaml:9:5: sinks.b.url_key: It says the same as url. Set one of the two.",
    ],
  },
  {
    what: "what is one of the choices and yet refused is not guessed at",
    yaml:
      "sinks:\n  a:\n    type: xsiam\n    url: https://x.example\n    api_key: k\n    auth: hmac\n",
    lines: [
      "hecate.yaml:6:11: sinks.a.auth: hmac signs with the key's id: set api_key_id (XSIAM_API_KEY_ID).",
    ],
  },
  {
    what: "wrong values, at the value, whether quoted or not",
    yaml:
      'port: 99999\nlog_level: "wran"\nkeep: [1]\nretry:\n  initial: soon\n  policy: stubborn\nprobe: { initial: 10m, max: 5m }\n' +
      SINK + "    tls_verify: perhaps\n    batch_events: { a: 1 }\n",
    lines: [
      "hecate.yaml:1:7: port: The most is 65535.",
      'hecate.yaml:2:12: log_level: It must be one of debug, info, warn, error. Did you mean "warn"?',
      "hecate.yaml:3:7: keep: It must be one value, not a list.",
      "hecate.yaml:5:12: retry.initial: It must be a duration such as 500ms, 2s, 5m or 24h (a bare number is seconds).",
      "hecate.yaml:6:11: retry.policy: It must be one of patient, strict.",
      "hecate.yaml:7:19: probe.initial: It is longer than probe.max.",
      "hecate.yaml:13:17: sinks.a.tls_verify: It must be true or false (yes/no, on/off and 1/0 do as well).",
      "hecate.yaml:14:19: sinks.a.batch_events: It must be one value, not a map.",
    ],
  },
  {
    what: "a wrong value that the environment overrides is wrong all the same",
    yaml: "port: eighty\n",
    env: { HECATE_PORT: "8081" },
    lines: ["hecate.yaml:1:7: port: It must be a whole number."],
  },
  {
    what: "a limit that a default breaks is told at what is written",
    yaml: "retry: { max: 500ms }\n",
    lines: [
      "hecate.yaml:1:15: retry.max: It is shorter than HECATE_RETRY_INITIAL.",
    ],
  },
  {
    what: "names and types of sinks",
    yaml:
      "sinks:\n  SOC_A:\n    type: hec\n    url: https://x.example\n    token: t\n  b:\n    type: splnk\n  c:\n    url: https://x.example\n  d:\n  e: 3\n",
    lines: [
      "hecate.yaml:2:3: sinks.SOC_A: A sink's name has 1 to 40 characters: a-z, 0-9 and -.",
      'hecate.yaml:7:11: sinks.b.type: There is no such type of sink. The relay offers TYPES. Did you mean "splunk"?',
      "hecate.yaml:8:3: sinks.c.type: It is missing: a sink needs a type. The relay offers TYPES.",
      "hecate.yaml:10:3: sinks.d: It must be a map with a type.",
      "hecate.yaml:11:6: sinks.e: It must be a map with a type.",
    ],
  },
  {
    what: "sources: a type that is not offered, a second one, unknown sinks",
    yaml:
      "sources:\n  udp: { type: syslog, mode: udp, port: 514, sink: a }\n  one: { type: hec, sink: [a, bb] }\n  two: { type: hec, sinks: a }\n  three: { type: hec, sink: [] }\n" +
      SINK + "  b: { type: hec, url: 'https://y.example', token: u }\n",
    lines: [
      "hecate.yaml:2:16: sources.udp.type: There is no such type of source. The relay offers hec.",
      "hecate.yaml:3:31: sources.one.sink.1: There is no sink of this name, only a, b.",
      'hecate.yaml:4:21: sources.two.sinks: It is not a known key. Did you mean "sink"?',
      "hecate.yaml:4:3: sources.two: There is a source of type hec already (one); one is all that there may be.",
      "hecate.yaml:5:29: sources.three.sink: It is empty. Name a sink, or leave it out for all.",
      "hecate.yaml:5:3: sources.three: There is a source of type hec already (one); one is all that there may be.",
    ].sort((a, b) => at(a) - at(b)),
  },
  {
    what: "references that lead nowhere, at their value",
    yaml: SINK.replace("token: t", "token: ${env:SOC_TOKN}") +
      "    source: a-${file:/no/such}\n    sourcetype: ${SOC_TOKEN}\n    tls_ca_bundle: /no.pem\n    tls_client_cert: /note.txt\n"
        .replace("    source: a", "    index: a").replace("index", "wrap")
        .replace("    sourcetype", "    token_prefix"),
    env: { SOC_TOKEN: "s" },
    files: { "/note.txt": "hello" },
    lines: [
      "hecate.yaml:2:3: sinks.a.tls_client_key: It is missing: certificate and key go together.",
      'hecate.yaml:5:12: sinks.a.token: The variable SOC_TOKN is not set. Did you mean "SOC_TOKEN"?',
      'hecate.yaml:6:11: sinks.a.wrap: The file "/no/such" cannot be read.',
      "hecate.yaml:7:19: sinks.a.token_prefix: A reference is written ${env:NAME} or ${file:PATH}; $${ stands for the characters ${.",
      'hecate.yaml:8:20: sinks.a.tls_ca_bundle: The file "/no.pem" cannot be read.',
      'hecate.yaml:9:22: sinks.a.tls_client_cert: "/note.txt" is not a PEM certificate. It begins with -----BEGIN CERTIFICATE-----',
    ],
  },
  {
    what: "tokens, each at its place",
    yaml:
      "tokens:\n  - { name: edr, value: hct_1, fce: splunk }\n  - name: fw\n    face: nsiem\n    value: 'a b'\n  - hct_2\n  - { name: x, value: hct_3, query: maybe, ack: later }\n  - { name: x, value: hct_4 }\n  - { name: x, value: hct_5, index: a, indexes: b }\n",
    lines: [
      'hecate.yaml:2:32: tokens.0.fce: It is not a known key. Did you mean "face"?',
      'hecate.yaml:4:11: tokens.1.face: Face is neither splunk nor ngsiem. Did you mean "ngsiem"?',
      "hecate.yaml:5:12: tokens.1.value: The value has a space, a line break or a character outside ASCII.",
      "hecate.yaml:6:5: tokens.2: It must be a map such as { name: edr, value: ${env:EDR_TOKEN} }.",
      "hecate.yaml:7:37: tokens.3.query: Query is neither true nor false.",
      "hecate.yaml:7:49: tokens.3.ack: Ack is none of false, true, stored and delivered.",
      "hecate.yaml:9:37: tokens.5.index: Index is not one of indexes.",
    ].sort((a, b) => at(a) - at(b)),
  },
  {
    what: "scopes in shape",
    yaml: SINK +
      "    scope:\n      min_severity: hihg\n      categories: [3, Finding, 77]\n      classes: []\n      tokens: { a: b }\n      when: ''\n      whn: x\n",
    lines: [
      'hecate.yaml:7:21: sinks.a.scope.min_severity: It must be a severity: 0 to 6, or Unknown, Informational, Low, Medium, High, Critical, Fatal. Did you mean "High"?',
      'hecate.yaml:8:23: sinks.a.scope.categories.1: It must be a category of OCSF, by number or caption. Did you mean "Findings"?',
      "hecate.yaml:9:16: sinks.a.scope.classes: It is empty. Name one, or leave it out.",
      "hecate.yaml:10:15: sinks.a.scope.tokens: It must be a list.",
      "hecate.yaml:11:13: sinks.a.scope.when: There is nothing here.",
      'hecate.yaml:12:7: sinks.a.scope.whn: It is not a known key. Did you mean "when"?',
    ],
  },
  {
    what: "a CEL expression that does not parse, at its value",
    yaml: SINK + "    scope: { when: 'a ==' }\n",
    checkWhen: (text) => text === "a ==" ? "It ends too early." : undefined,
    lines: ["hecate.yaml:6:20: sinks.a.scope.when: It ends too early."],
  },
  {
    what: "the file's own place is no setting of the file",
    yaml: "config: x\n",
    lines: ["hecate.yaml:1:1: config: It is not a known key."],
  },
  {
    what: "columns count characters, a byte order mark counts nothing",
    yaml: '\ufeff{ "\u{1f600}": 1, prot: 2 }\n',
    lines: [
      "hecate.yaml:1:3: \u{1f600}: It is not a known key.",
      'hecate.yaml:1:11: prot: It is not a known key. Did you mean "port"?',
    ],
  },
  {
    what: "what is no map at all",
    yaml: "- a\n",
    lines: ["hecate.yaml:1:1: file: It must be a map of settings."],
  },
  {
    what: "sections that are no maps",
    yaml: "sinks: [a]\nsources: 3\nretry: x\n",
    lines: [
      "hecate.yaml:1:8: sinks: It must be a map.",
      "hecate.yaml:2:10: sources: It must be a map.",
      "hecate.yaml:3:8: retry: It must be a map.",
    ],
  },
  {
    what: "broken YAML, every line of it once, and the environment's faults",
    yaml: "sinks:\n\ta: 1\nport: 'x\n",
    env: { HECATE_TIMEOUT: "soon" },
    lines: [
      "HECATE_TIMEOUT: It must be a duration such as 500ms, 2s, 5m or 24h (a bare number is seconds).",
      "hecate.yaml:2:1: syntax: There is a tab in the indentation. YAML wants spaces.",
      "hecate.yaml:4:1: syntax: Something is missing here: a colon, a quote or a bracket.",
    ],
  },
  {
    what: "a reference without quotes inside braces",
    yaml: "sinks: { a: { type: hec, token: ${env:X} } }\n",
    lines: [
      "hecate.yaml:1:34: syntax: Something stands here that does not belong to the rest. Between { } and [ ] a ${…} stands in quotes.",
    ],
  },
  {
    what: "tags, second documents, unknown anchors",
    yaml: "port: !secret x\n",
    lines: ["hecate.yaml:1:7: syntax: This tag (!…) means nothing here."],
  },
  {
    what: "a second document",
    yaml: "port: 1\n---\nport: 2\n",
    lines: [
      "hecate.yaml:2:1: syntax: There is a second document. One file holds one.",
    ],
  },
  {
    what: "an alias without its anchor, one that holds itself",
    yaml: "port: *no\nkv: &me [*me]\n",
    lines: [
      "hecate.yaml:1:7: port: There is no anchor of this name before it.",
      "hecate.yaml:2:9: kv: It must be one value, not a list.",
      "hecate.yaml:2:10: kv.0: The alias holds itself.",
    ],
  },
];

/** Line and column as one number. */
function at(line: string): number {
  const [, row = "0", column = "0"] = /:(\d+):(\d+): /.exec(line) ?? [];
  return Number(row) * 1000 + Number(column);
}

/** The offered types, whose list grows. */
function withoutTypes(line: string): string {
  return line.replace(/offers [a-z]+, [a-z, ]+\./, "offers TYPES.");
}

for (const { what, lines, ...given } of CASES) {
  Deno.test(`readConfiguration() faults: ${what}`, async () => {
    assert.deepEqual((await yamlFaults(given)).map(withoutTypes), lines);
  });
}

Deno.test("readConfiguration() faults: a bomb of aliases, a file too large or too deep end at once", async () => {
  const bomb = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"];
  for (let n = 1; n < 12; n++) {
    bomb.push(`a${n}: &a${n} [${Array(10).fill(`*a${n - 1}`).join(",")}]`);
  }
  const [first = ""] = await yamlFaults({ yaml: bomb.join("\n") });
  assert.match(first, /aliases count each time\.$/);
  assert.deepEqual(await yamlFaults({ yaml: "#".repeat(1_048_577) }), [
    "hecate.yaml:1:1: file: It is larger than 1 MiB.",
  ]);
  const deep = await yamlFaults({ yaml: "[".repeat(100_000) });
  assert.match(deep[0] ?? "", /^hecate\.yaml:\d+:\d+: /);
});

Deno.test("readConfiguration() faults: certificates that were not copied whole", async () => {
  const block = (body: string) =>
    `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`;
  const bad = {
    "not base64": block("nonsense!"),
    "no certificate": block(btoa("hello")),
    "cut short": block(btoa("\x30\x82\x01\x00abc")),
    "no end": "-----BEGIN CERTIFICATE-----\nMAA=\n",
  };
  const load = (text: string) =>
    loadYaml({
      yaml: `${SINK}    tls_ca_bundle: ca.pem\n`,
      files: { "ca.pem": text },
    });
  for (const [what, text] of Object.entries(bad)) {
    const loaded = await load(text);
    assert.match(
      loaded.ok ? "" : loaded.faults.join(),
      /^hecate\.yaml:\d+:20: sinks\.a\.tls_ca_bundle: "ca\.pem" is no whole certificate\. [^;]*$/,
      what,
    );
  }
  const second = await load(`# mine\n${block("MAA=")}${block("MA==")}`);
  assert.match(
    second.ok ? "" : second.faults.join(),
    /: Certificate 2 of "ca\.pem" is no whole/,
  );
  assert.ok((await load(block("MAA=\r").replaceAll("\n", "\r\n"))).ok);
});

Deno.test("readConfiguration() faults: references that come to more than memory holds, names that are endless", async () => {
  const yaml = `${SINK}    token_prefix: "${"${env:BIG}".repeat(90_000)}"\n`;
  assert.deepEqual(
    await yamlFaults({ yaml, env: { BIG: "b".repeat(100_000) } }),
    [
      `hecate.yaml:${
        yaml.split("\n").length - 1
      }:19: sinks.a.token_prefix: What stands here comes to more than 1 MiB.`,
    ],
  );
  const sinks = Array.from(
    { length: 30 },
    (_, n) =>
      `  s-${n}: { type: splunk, url: 'https://x.example', token: t }\n`,
  );
  assert.deepEqual(
    await yamlFaults({
      yaml: `sources: { a: { type: hec, sink: other } }\nsinks:\n${
        sinks.join("")
      }`,
    }),
    [
      `hecate.yaml:1:34: sources.a.sink: There is no sink of this name, only ${
        Array.from({ length: 20 }, (_, n) => `s-${n}`).join(", ")
      } and others.`,
    ],
  );
});

Deno.test("readConfiguration() faults: a file that is not there, beside all others", async () => {
  const faults = await yamlFaults({
    yaml: "",
    env: { HECATE_CONFIG: "/no.yaml", HECATE_PORT: "x" },
  });
  assert.deepEqual(faults, [
    'HECATE_CONFIG: The file "/no.yaml" cannot be read.',
    "HECATE_PORT: It must be a whole number.",
  ]);
});
