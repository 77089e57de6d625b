import assert from "node:assert/strict";
import { join } from "node:path";
import { sumo } from "../../connectors/sumo.ts";
import { loadConfiguration } from "../../lib/config/load.ts";
import type { Outcome } from "../../lib/connector.ts";
import type { EventRun } from "../../lib/event.ts";
import { redactor } from "../../lib/secrets.ts";
import { Rig, SETTINGS } from "../support/delivery_rig.ts";
import {
  always,
  type Script,
  ScriptedServer,
} from "../support/scripted_server.ts";
import {
  answer,
  bodyText,
  encoded,
  hecRun,
  numbered,
  openSink,
  rawRun,
} from "../support/sinks.ts";
import { needsTestData } from "../support/test_data.ts";

const CODE = "ZaVnC4dhaV1JxkC7-qA3pYd9Wb0h_Tf2mKe8uLr5Xs6Gv1==";
const PATH = `/receiver/v1/http/${CODE}`;
const ENV = { SUMO_HTTP_SOURCE_URL: `http://127.0.0.1:9${PATH}` };

const at = (server: ScriptedServer) => ({
  SUMO_HTTP_SOURCE_URL: `http://127.0.0.1:${server.port}${PATH}`,
});

function hasNoCode(said: unknown): void {
  const text = JSON.stringify(said);
  assert.ok(!text.includes(CODE.slice(0, 12)), text);
}

async function attempt(
  reply: string,
  run: EventRun = numbered(5),
  env: Readonly<Record<string, string>> = {},
): Promise<{ outcome: Outcome; server: ScriptedServer }> {
  await using server = new ScriptedServer(always(reply));
  await using sink = openSink(sumo, { ...at(server), ...env });
  const batch = encoded(sink, run);
  const outcome = await sink.deliver(batch, AbortSignal.timeout(20_000));
  hasNoCode(outcome);
  return { outcome, server };
}

async function body(
  run: EventRun,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  await using sink = openSink(sumo, { ...ENV, ...env });
  return bodyText(sink, run);
}

/** Answers the nth request (over all connections) with the nth of these, the last for ever. */
function inTurn(...replies: readonly string[]): Script {
  let next = 0;
  return async (connection) => {
    for (;;) {
      await connection.request();
      await connection.write(
        replies[Math.min(next++, replies.length - 1)] ?? "",
      );
    }
  };
}

const linesOf = (server: ScriptedServer) =>
  server.requests.map(({ body }) => new TextDecoder().decode(body).split("\n"));

Deno.test("T42 sumo: a line each, X-Sumo headers, the address nowhere", async () => {
  const { outcome, server } = await attempt(answer(200), numbered(3));
  assert.deepEqual(outcome, { kind: "delivered" });
  assert.deepEqual(linesOf(server), [['{"n":0}', '{"n":1}', '{"n":2}']]);
  const head = server.requests[0]?.head ?? "";
  assert.ok(head.startsWith(`POST ${PATH} HTTP/1.1\r\n`));
  assert.match(head, /^x-sumo-category: arbitex\/audit\r?$/im);
  assert.match(head, /^x-sumo-host: platform\.arbitex\.ai\r?$/im);
  assert.match(head, /^content-type: application\/json\r?$/im);
  assert.doesNotMatch(head, /x-sumo-name|authorization/i);

  // Whatever a server echoes of it, in messages and steps; and in the relay's own log lines.
  for (
    const echo of [
      PATH,
      CODE,
      `https://x.invalid${PATH}`,
      encodeURIComponent(CODE),
    ]
  ) {
    for (const status of [400, 401, 404, 429, 500]) {
      const { outcome } = await attempt(
        answer(status, `no source ${echo} here`),
      );
      assert.ok("message" in outcome);
      assert.match(outcome.message, /no source .*\[secret\] here/);
    }
  }
  const loaded = loadConfiguration({
    env: ENV,
    readFile: () => "",
    types: [sumo],
  });
  assert.ok(loaded.ok);
  const redact = redactor(loaded.secrets);
  assert.equal(redact(`POST ${ENV.SUMO_HTTP_SOURCE_URL} x`), "POST [secret] x");
  assert.equal(redact(`code ${CODE} x`), "code [secret] x");
});

Deno.test("T43 sumo: a 408 is tried again after a wait with half the batch", async () => {
  await using server = new ScriptedServer(inTurn(answer(408), answer(200)));
  const rig = new Rig({ sink: openSink(sumo, at(server)) });
  rig.append("0", "1", "2", "3", "4");
  await rig.fleet.wake();
  assert.equal(rig.state, "retrying");
  assert.equal(server.requests.length, 1);
  await rig.pass(999);
  assert.equal(server.requests.length, 1);
  await rig.pass(1);
  assert.deepEqual(linesOf(server), [
    ["0", "1", "2", "3", "4"],
    ["0", "1", "2"],
    ["3", "4"],
  ]);
  assert.equal(rig.books, "5 0 0 @1-5");
  await rig.stop();
});

Deno.test("sumo: a lone event that takes too long is never given up", async () => {
  await using server = new ScriptedServer(
    inTurn(answer(408), answer(408), answer(408), answer(200)),
  );
  const rig = new Rig({ sink: openSink(sumo, at(server)) });
  rig.append("0", "1");
  await rig.fleet.wake();
  for (const seconds of [1, 2, 4]) await rig.pass(seconds * 1000);
  assert.deepEqual(linesOf(server), [["0", "1"], ["0"], ["0"], ["0"], ["1"]]);
  assert.equal(rig.books, "2 0 0 @1-2");
  await rig.stop();
});

Deno.test("T44 sumo: a redirect is held, no GET is sent, the other host sees nothing", async () => {
  await using other = new ScriptedServer(always(answer(200)));
  for (const status of [301, 302, 307, 308]) {
    const location = `http://127.0.0.1:${other.port}${PATH}`;
    await using server = new ScriptedServer(
      always(answer(status, "", { location })),
    );
    const rig = new Rig({ sink: openSink(sumo, at(server)) });
    rig.append("0", "1");
    await rig.fleet.wake();
    assert.equal(rig.state, "held");
    assert.equal(server.requests.length, 1);
    assert.match(server.requests[0]?.head ?? "", /^POST /);
    assert.equal(other.connections, 0);
    const { lastError } = rig.log.place;
    assert.equal(lastError?.reason, "redirect");
    assert.match(
      lastError?.message ?? "",
      new RegExp(`127.0.0.1:${other.port}`),
    );
    assert.match(lastError?.help ?? "", /another deployment/);
    hasNoCode([lastError, rig.fields]);
    assert.equal(rig.books, "0 0 0 @0-0");
    await rig.stop();
  }
});

Deno.test("T45 sumo: after a 429 the data goes again, 30 s later where it names no wait", async () => {
  for (
    const [headers, max, wait] of [
      [{}, 300_000, 30_000],
      [{ "retry-after": "5" }, 300_000, 5_000],
      [{ "retry-after": "50" }, 300_000, 50_000],
      [{}, 10_000, 10_000],
    ] as const
  ) {
    await using server = new ScriptedServer(
      inTurn(answer(429, "", headers), answer(200)),
    );
    const rig = new Rig({
      sink: openSink(sumo, at(server)),
      settings: { ...SETTINGS, retry: { initial: 1_000, max } },
      random: () => 0,
    });
    rig.append("0", "1");
    await rig.fleet.wake();
    assert.equal(rig.state, "retrying");
    await rig.pass(wait - 1);
    assert.equal(server.requests.length, 1, `sent before ${wait}`);
    await rig.pass(1);
    assert.deepEqual(linesOf(server), [["0", "1"], ["0", "1"]]);
    assert.equal(rig.books, "2 0 0 @1-2");
    await rig.stop();
  }
});

needsTestData(
  "sumo: golden request of the seed, byte for byte",
  async (directory) => {
    const read = (file: string) =>
      Deno.readTextFileSync(join(directory, "seeds", file)).trimEnd();
    const events = read("sumo.event.ndjson").split("\n");
    for (const format of ["native", "ocsf"]) {
      assert.equal(
        await body(
          hecRun(events.map((event) => `{"event":${event}}`).join("")),
          {
            SUMO_FORMAT: format,
          },
        ),
        read("sumo.request.ndjson"),
      );
    }
  },
);

Deno.test("sumo: headers come from the settings alone, empty ones are left out", async () => {
  const run = hecRun('{"host":"h","source":"s","sourcetype":"t","event":1}');
  const { server } = await attempt(answer(200), run, {
    SUMO_CATEGORY: "prod/fw",
    SUMO_HOST: "",
    SUMO_NAME: "relay",
  });
  const head = server.requests[0]?.head ?? "";
  assert.match(head, /^x-sumo-category: prod\/fw\r?$/im);
  assert.match(head, /^x-sumo-name: relay\r?$/im);
  assert.doesNotMatch(head, /x-sumo-host/i);
});

Deno.test("sumo: lines of text are JSON strings, JSON stays on one line", async () => {
  assert.equal(
    await body(rawRun('a "b" \\ é', "\tc")),
    '"a \\"b\\" \\\\ é"\n"\\tc"',
  );
  const broken = Uint8Array.of(0x61, 0xff, 0xc3);
  assert.equal(await body(rawRun(broken)), '"a\ufffd\ufffd"');
  assert.equal(
    await body(
      hecRun('{"event":{\r\n  "a": "\\n\\u0000", "a":1.0\n}}{"event":"x"}'),
    ),
    '{  "a": "\\n\\u0000", "a":1.0}\n"x"',
  );
  const [mapped = ""] = (await body(rawRun("a line"), { SUMO_FORMAT: "ocsf" }))
    .split("\n");
  const { class_uid, raw_data } = JSON.parse(mapped);
  assert.deepEqual([class_uid, raw_data], [0, "a line"]);
});

Deno.test("sumo: a message over 64 KB is made shorter and says so", async () => {
  const long = "é".repeat(40_000);
  const text = await body(
    hecRun(
      `{"event":{"n":9007199254740993,"raw_data":"${long}"}}` +
        `{"event":{\n"message":"${long}",\n"unmapped":{"a":1.0}}}{"event":2}`,
    ),
  );
  const [one = "", two = "", three, ...more] = text.split("\n");
  assert.equal(
    one,
    '{"n":9007199254740993,"unmapped":{"hecate_truncated":true,"hecate_original_length":80036}}',
  );
  assert.ok(two.length < 64_000 && JSON.parse(two).message.length > 31_000);
  assert.match(
    two,
    /,"unmapped":\{"a":1\.0,"hecate_truncated":true,"hecate_original_length":\d+\}\}$/,
  );
  assert.deepEqual([three, ...more], ["2"]);
  const line = await body(rawRun("x".repeat(63_998), "y".repeat(63_999)));
  const [whole = "", cut = ""] = line.split("\n");
  assert.equal(whole, `"${"x".repeat(63_998)}"`);
  assert.ok(cut.length <= 64_000 && cut.length > 63_900, `${cut.length}`);
  assert.match(
    JSON.parse(cut),
    /y \[hecate_truncated, hecate_original_length \d+\]$/,
  );
});

Deno.test("sumo: what cannot be made shorter is sent with a warning", async () => {
  const numbers = `[${"1,".repeat(40_000)}1]`;
  const run = hecRun(`{"event":0}{"event":${numbers}}`);
  const { outcome, server } = await attempt(answer(200), run, {
    SUMO_GZIP: "off",
  });
  assert.ok(outcome.kind === "delivered");
  assert.match(outcome.warning ?? "", /80003 bytes/);
  assert.deepEqual(linesOf(server), [["0", numbers]]);
});

Deno.test("sumo: refusals say what to do", async () => {
  for (
    const [status, reason, help] of [
      [401, "auth", /takes minutes/],
      [403, "forbidden", /disabled/],
      [404, "path", /no source/],
    ] as const
  ) {
    const { outcome } = await attempt(answer(status));
    assert.ok(outcome.kind === "held");
    assert.equal(outcome.reason, reason);
    assert.match(outcome.help, help);
  }
});

Deno.test("sumo: the connection test posts nothing and shows no more than the host", async () => {
  for (const [status, ok] of [[200, true], [401, false]] as const) {
    await using server = new ScriptedServer(always(answer(status, CODE)));
    await using sink = openSink(sumo, at(server));
    const steps = await Array.fromAsync(sink.test(AbortSignal.timeout(20_000)));
    assert.deepEqual(steps.at(-1)?.ok, ok);
    assert.ok(steps[1]?.detail.includes(`127.0.0.1:${server.port}`));
    assert.deepEqual(server.requests.map(({ body }) => body.length), [0]);
    hasNoCode(steps);
  }
});

Deno.test("sumo: what is no source address is a fault that does not quote it", () => {
  for (
    const wrong of [
      "https://collectors.sumologic.com/receiver/v1/http/",
      "https://collectors.sumologic.com/receiver/v1/http",
      "https://collectors.sumologic.com",
      "https://user:pass@collectors.sumologic.com/receiver/v1/http/abcd",
      "https://collectors.sumologic.com/receiver/v1/http/<token>",
      "ftp://collectors.sumologic.com/receiver/v1/http/abcd",
      CODE,
    ]
  ) {
    const loaded = loadConfiguration({
      env: { SUMO_HTTP_SOURCE_URL: wrong },
      readFile: () => "",
      types: [sumo],
    });
    assert.ok(!loaded.ok, wrong);
    assert.equal(loaded.faults.length, 1);
    assert.match(loaded.faults[0] ?? "", /^SUMO_HTTP_SOURCE_URL: .*receiver/);
    assert.ok(!(loaded.faults[0] ?? "").includes(wrong));
  }
});

Deno.test("sumo: http:// elsewhere than on loopback is warned of", () => {
  const warnings = (host: string) => {
    const loaded = loadConfiguration({
      env: { SUMO_HTTP_SOURCE_URL: `http://${host}${PATH}` },
      readFile: () => "",
      types: [sumo],
    });
    assert.ok(loaded.ok);
    hasNoCode(loaded.warnings);
    return loaded.warnings;
  };
  assert.match(warnings("collectors.sumologic.com").join(), /http:\/\/ sends/);
  assert.deepEqual(warnings("127.0.0.1:9"), []);
});
