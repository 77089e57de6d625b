import assert from "node:assert/strict";
import { startDemoSiem } from "../lib/demo/siem.ts";
import { spawnRelay, startRelay } from "./support/processes.ts";
import { poll } from "./support/poll.ts";

/** Scopes as an operator meets them: hecate.yaml, the real program, two SIEMs. */

interface Reported {
  readonly name: string;
  readonly accepted: number;
  readonly delivered: number;
  readonly filtered: number;
  readonly waiting: number;
  readonly warning: string | null;
}

function event(n: number, severity: number, user?: string): string {
  return JSON.stringify({
    class_uid: n % 2 === 0 ? 3002 : 2004,
    category_uid: n % 2 === 0 ? 3 : 2,
    metadata: { version: "1.1.0" },
    time: 1_773_360_000_000 + n,
    severity_id: severity,
    ...user !== undefined && { actor: { user: { name: user } } },
  });
}

async function withFile(
  yaml: string,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(path, yaml);
    await use(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("scopes: each SIEM gets its own events, the others are counted, an expression that fails lets pass", async () => {
  const hec = { protocol: "hec" as const };
  await using siem = await startDemoSiem({ targets: { high: hec, root: hec } });
  const sink = (name: string, scope: string) =>
    `  ${name}:\n    type: hec\n    url: ${siem.target(name).url}\n    token: ${
      siem.target(name).token
    }\n    scope: ${scope}\n`;
  const yaml = `kv: ":memory:"
admin_token: hca_edge
tokens: [{ name: edge, value: hct_edge }, { name: lab, value: hct_lab }]
sinks:
${sink("high", "{ min_severity: high, tokens: [edge] }")}${
    sink(
      "root",
      `{ classes: [Authentication], when: 'event.actor.user.name == "root"' }`,
    )
  }`;
  await withFile(yaml, async (path) => {
    await using relay = await startRelay({
      env: { HECATE_CONFIG: path },
    });
    const post = async (token: string, events: readonly string[]) => {
      const reply = await fetch(`${relay.url}/services/collector/event`, {
        method: "POST",
        headers: { Authorization: `Splunk ${token}` },
        body: events.map((event) => `{"event":${event}}`).join("\n"),
      });
      assert.equal(reply.status, 200, await reply.text());
    };
    const edge = [
      event(0, 5, "root"),
      event(1, 5, "root"),
      event(2, 1, "root"),
      event(3, 4),
      event(4, 99, "guest"),
      event(6, 0),
      '"a line of text"',
    ];
    await post("hct_edge", edge);
    await post("hct_lab", [event(8, 6, "root")]);
    const connectors = await poll(async () => {
      const reply = await fetch(`${relay.url}/api/v1/status`, {
        headers: { Authorization: "Bearer hca_edge" },
      });
      const { connectors }: { connectors: Reported[] } = await reply.json();
      return connectors.every(({ accepted, waiting }) =>
          accepted === 8 && waiting === 0
        )
        ? new Map(connectors.map((one) => [one.name, one]))
        : undefined;
    });
    const texts = (name: string) =>
      siem.received(name).map(({ event }) => new TextDecoder().decode(event));
    const at = (...places: number[]) => places.map((place) => edge[place]);
    assert.deepEqual(texts("high"), at(0, 1, 3, 4));
    // The sixth has no actor: the expression fails for it.
    assert.deepEqual(texts("root"), [...at(0, 2, 5), event(8, 6, "root")]);
    const high = connectors.get("high"), root = connectors.get("root");
    assert.deepEqual([high?.delivered, high?.filtered], [4, 4]);
    assert.deepEqual([root?.delivered, root?.filtered], [4, 4]);
    assert.equal(high?.warning, null);
    assert.match(root?.warning ?? "", /^scope\.when failed for 1 event\(s\)/);
    const warned = relay.stdout().split("\n").filter((line) =>
      line.includes("scope.when")
    );
    assert.equal(warned.length, 1);
    assert.match(warned[0] ?? "", /"level":"warn".*"connector":"root"/);
  });
});

Deno.test("scopes: a wrong expression is a fault at its place", async () => {
  const yaml = `sinks:
  soc:
    type: hec
    url: http://127.0.0.1:9
    token: t
    scope:
      when: event.severity_id >=
`;
  await withFile(yaml, async (path) => {
    await using relay = spawnRelay({ env: { HECATE_CONFIG: path } });
    assert.equal((await relay.ended).code, 78);
    const told = relay.stderr().split("\n").filter((line) =>
      line.startsWith(path)
    );
    assert.deepEqual(told, [
      `${path}:7:13: sinks.soc.scope.when: Unexpected token: EOF (character 21 of the expression).`,
    ]);
  });
});
